"""Every Python file parses as Python 3.8, which the oldest supported GDBs and targets run."""
import ast
import subprocess
import sys


def main():
    bad = 0
    for path in subprocess.check_output(["git", "ls-files", "*.py"]).decode().split():
        with open(path, encoding="utf-8") as f:
            text = f.read()
        try:
            ast.parse(text, path, feature_version=(3, 8))
        except SyntaxError as error:
            print("%s:%s: %s" % (path, error.lineno, error.msg))
            bad += 1
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > 120:
                print("%s:%d: longer than 120 columns" % (path, number))
                bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
