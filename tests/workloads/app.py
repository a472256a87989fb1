"""A realistic application heap: most of the standard library, numpy, pandas,
django, sqlalchemy and lxml (each skipped if absent), with live objects of each.

  python app.py [--rows 20000] [--truth FILE]     prints READY {...}
"""
import argparse
import importlib
import sys
import threading

from truth import serve

STDLIB = """abc argparse array ast asyncio base64 bisect bz2 calendar cmd codecs
collections.abc colorsys concurrent.futures configparser contextlib contextvars
copy csv ctypes curses dataclasses datetime dbm decimal difflib dis doctest
email.message email.mime.text enum fractions ftplib functools gettext glob gzip
hashlib heapq hmac html.parser http.client http.server imaplib inspect io
ipaddress itertools json keyword linecache locale logging.config
logging.handlers lzma mailbox mimetypes multiprocessing.pool netrc numbers
operator optparse pathlib pdb pickle pickletools pkgutil platform plistlib
poplib pprint profile queue quopri random re readline sched secrets selectors
shelve shlex shutil signal smtplib socketserver sqlite3 ssl statistics string
struct subprocess symtable sysconfig tarfile tempfile textwrap timeit tokenize
tomllib trace traceback tracemalloc types typing unittest.mock urllib.request
uuid venv warnings wave weakref webbrowser wsgiref.simple_server
xml.dom.minidom xml.etree.ElementTree xml.sax xmlrpc.client zipapp zipfile
zoneinfo""".split()

LIVE = {}


def load(names):
    got = []
    for n in names:
        try:
            importlib.import_module(n)
            got.append(n)
        except ImportError:
            pass
    return got


def part(fn):
    try:
        LIVE[fn.__name__] = fn()
    except ImportError as e:
        LIVE[fn.__name__] = "absent: %s" % e


def use_stdlib(rows=0):
    import asyncio
    import concurrent.futures
    import email.message
    import json
    import logging
    import sqlite3
    import xml.etree.ElementTree as et
    docs = [json.loads('{"id": %d, "tags": ["a", "b%d"], "pos": {"x": %d.5}}'
                       % (i, i, i)) for i in range(ROWS // 4)]
    tree = et.fromstring("<r>" + "".join(
        '<i id="%d"><n>name %d</n></i>' % (i, i) for i in range(ROWS // 4)) + "</r>")
    mails = []
    for i in range(200):
        m = email.message.EmailMessage()
        m["Subject"] = "mail %d" % i
        m.set_content("body %d\n" % i)
        mails.append(m)
    con = sqlite3.connect(":memory:", check_same_thread=False)
    con.execute("create table t(a, b)")
    con.executemany("insert into t values(?,?)",
                    ((i, "row %d" % i) for i in range(ROWS)))
    pool = concurrent.futures.ThreadPoolExecutor(4)
    futures = [pool.submit(pow, i, 3) for i in range(50)]
    log = logging.getLogger("app.deep.child")
    records = [log.makeRecord("app", 20, __file__, i, "msg %d", (i,), None)
               for i in range(500)]
    loop = asyncio.new_event_loop()

    async def worker(i):
        queue = asyncio.Queue()
        local = [i, "worker %d" % i]
        await queue.get()
        return local

    async def start():
        return [asyncio.ensure_future(worker(i)) for i in range(100)]
    tasks = loop.run_until_complete(start())
    threading.Thread(target=loop.run_forever, daemon=True, name="loop").start()
    return docs, tree, mails, con, pool, futures, records, loop, tasks


def use_numpy():
    import numpy as np
    a = np.arange(1_000_000, dtype="f8")
    return a, a.reshape(1000, 1000)[::2, ::3], np.array(
        [object() for _ in range(1000)], dtype=object), np.zeros(
        500, dtype=[("x", "i4"), ("y", "f8")])


def use_pandas():
    import pandas as pd
    df = pd.DataFrame({"k": range(ROWS), "v": [i * 0.5 for i in range(ROWS)],
                       "s": ["text %d" % i for i in range(ROWS)]})
    return df, df.groupby(df.k % 7).v.sum(), df.set_index("k").s


def use_django():
    import django
    from django.conf import settings
    if not settings.configured:
        settings.configure(
            SECRET_KEY="not a secret",
            INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes",
                            "django.contrib.sessions", "django.contrib.messages",
                            "django.contrib.admin"],
            TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3",
                                   "NAME": ":memory:"}})
        django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.template import Context, Template
    call_command("migrate", verbosity=0)
    User.objects.bulk_create(
        User(username="u%d" % i, email="u%d@example.org" % i)
        for i in range(2000))
    users = list(User.objects.all())
    tpl = Template("{% for u in users %}{{ u.username }}{% endfor %}")
    return users, tpl, tpl.render(Context({"users": users[:50]}))


def use_sqlalchemy():
    import sqlalchemy as sa
    from sqlalchemy import orm
    base = orm.declarative_base()

    class Owner(base):
        __tablename__ = "owner"
        id = sa.Column(sa.Integer, primary_key=True)
        name = sa.Column(sa.String)

    class Item(base):
        __tablename__ = "item"
        id = sa.Column(sa.Integer, primary_key=True)
        name = sa.Column(sa.String)
        owner_id = sa.Column(sa.Integer, sa.ForeignKey("owner.id"))
        owner = orm.relationship(Owner, backref="items")

    engine = sa.create_engine("sqlite://")
    base.metadata.create_all(engine)
    session = orm.sessionmaker(bind=engine)()
    for i in range(300):
        o = Owner(name="owner %d" % i)
        o.items = [Item(name="item %d.%d" % (i, k)) for k in range(5)]
        session.add(o)
    session.commit()
    return session, session.query(Owner).all(), session.query(Item).all()


def use_lxml():
    from lxml import etree
    root = etree.fromstring("<r>" + "".join(
        '<i id="%d"><n>name %d</n></i>' % (i, i) for i in range(ROWS // 4)) + "</r>")
    return root, list(root)[:500]


def main():
    global ROWS
    ap = argparse.ArgumentParser()
    ap.add_argument("--rows", type=int, default=20000)
    ap.add_argument("--truth")
    a = ap.parse_args()
    ROWS = a.rows
    LIVE["modules"] = load(STDLIB)
    for fn in (use_stdlib, use_numpy, use_pandas, use_django, use_sqlalchemy,
               use_lxml):
        part(fn)
    targets = [("live", id(LIVE), LIVE)]
    if a.truth:
        from truth import snapshot
        snapshot(a.truth, targets)
    print("MODULES", len(sys.modules),
          {k: v for k, v in LIVE.items() if isinstance(v, str)})
    serve(globals(), None, targets)


if __name__ == "__main__":
    main()
