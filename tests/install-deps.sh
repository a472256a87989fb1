#!/bin/sh
# Installs the Debian packages that are missing for the given purposes
# (build, lint, bench, fuzz, browser, more, gdbs, arm64), and nothing when none is. Needs
# root or sudo only when something has to be installed. What fails for `browser`, `more`,
# `gdbs` or `arm64` is said and forgiven: what needs it is then skipped by name.
set -eu

build='gcc libc6-dev make libelf-dev libdwarf-dev libsqlite3-dev libzstd-dev zlib1g-dev liblzma-dev libcunit1-dev python3 python3-dev gdb procps graphviz node-d3-hierarchy python3-pytest'
lint='clang-format clang-tidy cppcheck git'
bench='python3-objgraph'
fuzz='clang libclang-rt-14-dev'
browser='chromium'
gdbs='debootstrap'
arm64='gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user'
more='python3-numpy valgrind gdbserver zstd xz-utils libjemalloc2 libtcmalloc-minimal4 libmimalloc2.0 musl-tools strace'

wanted=
refused=1
for purpose in "$@"; do
    case $purpose in
    build) wanted="$wanted $build" ;;
    lint) wanted="$wanted $lint" ;;
    bench) wanted="$wanted $bench" ;;
    fuzz) wanted="$wanted $fuzz" ;;
    browser) wanted="$wanted $browser" refused=0 ;;
    arm64) wanted="$wanted $arm64" refused=0 ;;
    gdbs) wanted="$wanted $gdbs" refused=0 ;;
    more) wanted="$wanted $more" refused=0 ;;
    *) echo "install-deps.sh: unknown purpose '$purpose'" >&2; exit 2 ;;
    esac
done

missing=
for package in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "memext: this is no Debian; please install what corresponds to:$missing" >&2
    exit $refused
fi
sudo=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "memext: please install these packages as root first: apt-get install$missing" >&2
        exit $refused
    fi
    sudo=sudo
fi
echo "memext: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# The package lists of a fresh image are empty or old; a failed update matters only if the install fails too.
$sudo apt-get -q update >/dev/null || true
# shellcheck disable=SC2086
if ! $sudo apt-get -q install -y --no-install-recommends $missing >/dev/null; then
    echo "memext: apt-get could not install$missing: its message above says why" >&2
    exit $refused
fi
