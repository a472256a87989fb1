"""A Debian of another suite in a folder: made with debootstrap, kept between runs.

Whatever runs inside has a mount and a process namespace of its own, so that its mounts and processes end with it,
however it ends.
"""
import os
import shutil
import subprocess

SH = ("set -eu; root=$1; shift; mount -t proc proc $root/proc; mount --rbind /dev $root/dev; "
      "while [ $1 != -- ]; do mkdir -p $root$1; mount --bind $1 $root$1; shift; done; "
      "shift; exec chroot $root \"$@\"")
KEPT = ("http_proxy", "https_proxy", "no_proxy", "TERM")


class Refused(Exception):
    """Why there is no such Debian here, in one sentence."""


def mirror():
    """Where this machine's own packages come from."""
    with open("/etc/os-release") as f:
        release = dict(line.rstrip().split("=", 1) for line in f if "=" in line)
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)"], stdout=subprocess.PIPE,
                            check=True).stdout.decode().split("\n")
    for line in listed:
        name, _, address = line.partition(" ")
        if name == release.get("VERSION_CODENAME", "").strip('"'):
            return address
    raise Refused("apt's configuration names no mirror of this machine's own suite")


class Chroot:
    def __init__(self, suite, folder):
        self.suite, self.root = suite, os.path.join(folder, "root")
        self.log = os.path.join(folder, "make.log")
        self.stamp = os.path.join(folder, "packages")

    def require(self):
        """What a chroot takes."""
        if os.geteuid() != 0:
            raise Refused("a chroot takes root")
        for program in ("debootstrap", "unshare", "chroot", "apt-get"):
            if not shutil.which(program):
                raise Refused("%s is not installed" % program)

    def make(self, packages, commands=()):
        """It has `packages` then, and `commands` ran in it; nothing is done where it was so before."""
        wanted = "\n".join(list(packages) + list(commands)) + "\n"
        if os.path.exists(self.stamp) and open(self.stamp).read() == wanted:
            return
        self.require()
        os.makedirs(os.path.dirname(self.log), exist_ok=True)
        with open(self.log, "wb") as log:
            if not os.path.exists(os.path.join(self.root, "etc", "debian_version")):
                shutil.rmtree(self.root, ignore_errors=True)
                self.must(["debootstrap", "--variant=minbase", self.suite, self.root, mirror()], log)
            shutil.copy("/etc/resolv.conf", os.path.join(self.root, "etc", "resolv.conf"))
            # A mirror may lag behind this machine's clock; what it has is signed all the same.
            self.inside(["apt-get", "-q", "-o", "Acquire::Check-Valid-Until=no", "update"], log)
            self.inside(["apt-get", "-q", "install", "-y", "--no-install-recommends"] + list(packages), log)
            for command in commands:
                self.inside(["sh", "-ec", command], log)
        with open(self.stamp, "w") as f:
            f.write(wanted)

    def inside(self, command, log):
        self.must(self.line(command), log)

    def must(self, line, log):
        # In a namespace too: an interrupted debootstrap leaves its mounts behind.
        outer = ["unshare", "--mount", "--propagation", "private"] if line[0] == "debootstrap" else []
        if subprocess.call(outer + ["nice", "-n", "19"] + line, stdin=subprocess.DEVNULL, stdout=log, stderr=log):
            raise Refused("%s failed: %s" % (" ".join(line[-3:]) if len(line) > 12 else line[0], self.last_words()))

    def last_words(self):
        with open(self.log, errors="replace") as f:
            said = [line.strip() for line in f if line.strip()]
        return "%s (%s)" % (next((line for line in said if line.startswith(("E:", "W: Failure"))), said[-1] if said
                                 else "it said nothing"), self.log)

    def line(self, command, folders=(), work="/"):
        """The command line that runs `command` inside, in `work`, with `folders` of this machine at their places."""
        env = ["%s=%s" % (key, os.environ[key]) for key in KEPT if key in os.environ]
        return (["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc",
                 "sh", "-c", SH, "sh", self.root] + list(folders) + ["--", "/usr/bin/env", "-C", work, "-i"] + env
                + ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8",
                   "DEBIAN_FRONTEND=noninteractive"] + list(command))
