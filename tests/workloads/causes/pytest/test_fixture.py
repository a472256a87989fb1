"""A fixture that lives as long as the session."""
import pytest

import leak


@pytest.fixture(scope="session")
def database():
    return {record.number: record for record in leak.records()}


def test_use(database):
    assert database


def test_wait():
    leak.wait()
