"""Debian packages that tests read and do not install: a package's own tests, for one.

  debian.unpack("python3-networkx", "/tmp/folder")     what is in the package, below the folder
"""
import glob
import os
import shutil
import subprocess

import harness


def unpack(package, folder):
    """The folder that stands for /; RuntimeError where the package cannot be had."""
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            raise RuntimeError("there is no %s here to fetch %s with" % (tool, package))
    os.makedirs(folder)
    got = subprocess.run(["apt-get", "-q", "download", package], cwd=folder, env=harness.ambient(),
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
    found = glob.glob(os.path.join(folder, package + "_*.deb"))
    if got.returncode or not found:
        raise RuntimeError("apt-get could not fetch %s" % package)
    root = os.path.join(folder, "root")
    subprocess.check_call(["dpkg-deb", "-x", found[0], root])
    return root
