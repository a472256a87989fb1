#!/bin/sh
# Runs every check, names those that complain, and fails if one did. `make lint` calls it.
set -u
cd "$(dirname "$0")/../.." || exit 2

sources=$(git ls-files '*.c')
headers=$(git ls-files '*.h')
python=/usr/bin/python3
# GDB's Python headers are needed for the binding only; where they are absent the compiler says so.
flags="-std=c11 -D_GNU_SOURCE -Ilib $(pkg-config --cflags python3 2>/dev/null || echo -I/usr/include/python3.11)"
failed=

run() {
    name=$1
    shift
    printf 'lint: %s\n' "$name"
    "$@" || failed="$failed $name"
}

tidy() {
    # One file a process, as many processes as processors: clang-tidy itself uses one. Workloads leak on purpose.
    # shellcheck disable=SC2086
    printf '%s\n' $sources | grep -v '^tests/workloads/' | xargs -P "$(nproc)" -n 4 sh -c '
        flags=$1; shift
        clang-tidy --quiet "$@" -- $flags 2>/dev/null' sh "$flags"
}

check_with_cppcheck() {
    # shellcheck disable=SC2086
    cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
        --suppressions-list=tests/lint/cppcheck.suppress -D_GNU_SOURCE -D__x86_64__ -Ilib -j "$(nproc)" $sources
}

# shellcheck disable=SC2086
run clang-format clang-format --dry-run -Werror $sources $headers
run layers $python tests/lint/layers.py
run python $python tests/lint/python_syntax.py
run cppcheck check_with_cppcheck
run clang-tidy tidy

[ -z "$failed" ] && echo 'lint: all clean' && exit 0
echo "lint: complaints from:$failed" >&2
exit 1
