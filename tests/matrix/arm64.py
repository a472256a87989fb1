"""The library built for AArch64, and its unit tests under qemu.

  arm64.py --folder build/matrix

Obtains Debian's libraries for that machine (apt.py) and builds with the cross compiler; what cannot be had is skipped
by name. Nothing of it ran on hardware.
"""
import argparse
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import apt  # noqa: E402
import harness  # noqa: E402

SUITE = "bookworm"
TRIPLET = "aarch64-linux-gnu"
LIBRARIES = ["libelf-dev", "libdwarf-dev", "libsqlite3-dev", "libzstd-dev", "liblzma-dev", "zlib1g-dev",
             "libcunit1-dev"]
OF_COMPILER = ("libc6-dev", "linux-libc-dev")  # its own ones are used


class Foreign(apt.Suite):
    """The suite as a machine of that kind sees it."""

    def options(self):
        return apt.Suite.options(self) + ["-o", "APT::Architecture=arm64", "-o", "APT::Architectures=arm64"]


def flags(root):
    folders = [os.path.join(root, "usr/include"), os.path.join(root, "usr/include", TRIPLET)]
    libraries = [os.path.join(root, part, TRIPLET) for part in ("usr/lib", "lib")]
    return " ".join(["-O2 -g"] + ["-isystem " + folder for folder in folders]
                    + ["-L" + folder for folder in libraries] + ["-Wl,-rpath-link," + ":".join(libraries)])


def missing():
    programs = [TRIPLET + "-gcc", "qemu-aarch64"]
    absent = [program for program in programs if not shutil.which(program)]
    return "%s not installed (packages gcc-%s, qemu-user)" % (" and ".join(absent), TRIPLET) if absent else None


def run(folder):
    root = os.path.join(folder, "arm64", "root")
    Foreign(os.path.join(folder, "arm64"), SUITE).unpack(LIBRARIES, root, without=OF_COMPILER)
    unit = "build/arm64/unit"
    tools = ["CC=%s-gcc" % TRIPLET, "AR=%s-ar" % TRIPLET, "CFLAGS=" + flags(root)]
    apt.run(["make", "-j2", "FLAVOUR=arm64"] + tools + [unit], "building for AArch64", cwd=harness.ROOT)
    return subprocess.run(["qemu-aarch64", "-L", root, unit], cwd=harness.ROOT,
                          env=dict(os.environ, MEMEXT_EMULATED="1")).returncode


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    a = parser.parse_args()
    why = missing()
    try:
        if not why:
            return run(os.path.abspath(a.folder))
    except apt.Unobtainable as error:
        why = str(error)
    print("skip unit/arm64 - %s" % why)
    return 0


if __name__ == "__main__":
    sys.exit(main())
