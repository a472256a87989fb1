"""A saved target answers as the target that it was saved from: every object, every retained size, every sum."""
import os
import subprocess

QUESTIONS = "".join(line + "\n" for line in (
    "info", "retained", "audit", "audit deficits", "retainers object 0", "retainers type 0", "retainers module 0",
    "retainers root 0"))
# What tells the kind of target, or how long it took.
OWN = ("info\tkind\t", "info\trss_anon\t", "info\topen_us\t", "info\theap_us\t", "us\t", "heap_us\t", "graph_us\t",
       "open_us\t", "retained_us\t")


def run(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                          errors="replace", **options)
    if done.returncode:
        raise RuntimeError("%s ended with %d: %s" % (" ".join(command), done.returncode, done.stderr[-300:]))
    return [line for line in done.stdout.splitlines() if not line.startswith(OWN)]


def answers(build, how, what, objects):
    """All lines that the tools print, and the bytes of the list of objects."""
    lines = run([os.path.join(build, "census"), how, what, objects])
    lines += run([os.path.join(build, "graph"), how, what], input=QUESTIONS)
    with open(objects, "rb") as file:
        return lines, file.read()


def problems(build, how, what, folder, most=None):
    """What a saved target says otherwise; `most`: the share of the target's file that it may take."""
    what, objects = str(what), os.path.join(folder, "saved.objects")
    saved = os.path.join(folder, "saved.memext")
    try:
        run([os.path.join(build, "save"), how, what, saved])
        lines, listed = answers(build, how, what, objects)
        again, listed_again = answers(build, "saved", saved, objects)
    except RuntimeError as error:
        return [str(error)]
    found = ["target: %s; saved: %s" % pair for pair in zip(lines, again) if pair[0] != pair[1]]
    if len(lines) != len(again):
        found.append("%d lines from the target, %d from the saved one" % (len(lines), len(again)))
    if listed != listed_again:
        found.append("other objects, sizes or reference counts")
    share = os.path.getsize(saved) / os.path.getsize(what) if most else 0
    if most and share >= most:
        found.append("the file takes %.3f of the core" % share)
    return found[:10]
