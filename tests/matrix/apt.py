"""Packages of other Debian suites than this machine's, from the mirror that its apt is configured with.

Every suite has an apt state of its own (lists, an empty list of installed packages), so that nothing of this machine
is looked at or changed, and no special rights are needed.
"""
import glob
import os
import shutil
import subprocess

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Unobtainable(Exception):
    """Why something cannot be had, in one sentence."""


def run(command, what, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          **options)
    text = done.stdout.decode(errors="replace").strip()
    if done.returncode:
        raise Unobtainable("%s failed: %s" % (what, complaint(text.splitlines()) or "status %d" % done.returncode))
    return text


def complaint(lines):
    """The line that says why: apt's first error is the cause, and any other's is what a program says last."""
    return next((line for line in lines if line.startswith("E: ")), lines[-1] if lines else None)


def mirror():
    """The address that this machine's apt takes Debian from."""
    if not shutil.which("apt-get"):
        raise Unobtainable("there is no apt-get")
    lines = run(["apt-get", "indextargets", "--format", "$(LABEL)|$(COMPONENT)|$(REPO_URI)", "Created-By: Packages"],
                "apt-get indextargets").splitlines()
    for line in lines:
        label, component, address = line.split("|", 2)
        if (label, component) == ("Debian", "main"):
            return address
    raise Unobtainable("apt has no list of Debian's packages here: run apt-get update")


class Suite:
    def __init__(self, folder, name):
        self.name, self.state = name, os.path.join(folder, "apt", name)
        self.updated = False

    def options(self):
        pairs = {"Dir::Etc::SourceList": os.path.join(self.state, "sources.list"), "Dir::Etc::SourceParts": "/dev/null",
                 "Dir::State::Lists": os.path.join(self.state, "lists"),
                 "Dir::Cache": os.path.join(self.state, "cache"),
                 "Dir::State::status": os.path.join(self.state, "status"),
                 "APT::Sandbox::User": "", "Acquire::Languages": "none", "Debug::NoLocking": "1"}
        return [word for key in sorted(pairs) for word in ("-o", "%s=%s" % (key, pairs[key]))]

    def get(self, *words, **options):
        return run(["apt-get", "-q", "-y"] + self.options() + list(words), "apt-get " + words[0], **options)

    def update(self):
        """Fetches the lists, once a run."""
        if self.updated:
            return
        for part in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(self.state, part), exist_ok=True)
        open(os.path.join(self.state, "status"), "w").close()
        with open(os.path.join(self.state, "sources.list"), "w") as f:
            for kind in ("deb", "deb-src"):
                f.write("%s [signed-by=%s] %s %s main\n" % (kind, KEYRING, mirror(), self.name))
        try:
            self.get("update")
        except Unobtainable as error:
            raise Unobtainable("the mirror has no suite %s (%s)" % (self.name, error))
        self.updated = True

    def known(self, packages):
        """Those of `packages` that the suite has."""
        self.update()
        names = set(run(["apt-cache"] + self.options() + ["pkgnames"], "apt-cache pkgnames").split())
        return [package for package in packages if package in names]

    def unpack(self, packages, root, without=()):
        """All that `packages` need, into `root`: as on a machine where nothing is installed."""
        self.update()
        self.get("install", "--no-install-recommends", "--download-only", *packages)
        os.makedirs(root, exist_ok=True)
        for deb in sorted(glob.glob(os.path.join(self.state, "cache/archives/*.deb"))):
            done = os.path.join(root, ".unpacked", os.path.basename(deb))
            if os.path.exists(done) or os.path.basename(deb).split("_")[0] in without:
                continue
            run(["dpkg-deb", "-x", deb, root], "dpkg-deb")
            os.makedirs(os.path.dirname(done), exist_ok=True)
            open(done, "w").close()

    def source(self, package):
        """The path of the source archive as its authors made it."""
        self.update()
        folder = os.path.join(self.state, "source")
        os.makedirs(folder, exist_ok=True)
        self.get("source", "--download-only", package, cwd=folder)
        found = sorted(glob.glob(os.path.join(folder, "%s_*.orig.tar.*z" % package)), key=os.path.getmtime)
        if not found:
            raise Unobtainable("the source package of %s has no original archive" % package)
        return found[-1]
