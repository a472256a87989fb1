"""Running GDB as a user would, and telling its own chatter from memext's output."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness  # noqa: E402

MEMEXT = os.path.join(harness.ROOT, "gdbext", "memext.py")

# What GDB itself says; it differs by version and machine, and is no concern of these tests.
CHATTER = re.compile(r"""^(?:
    \[New\ (?:LWP|Thread) | \[Thread\ | \[Inferior\ | \[Detaching | \[Attaching | \[Current\ thread
  | Using\ host\ libthread_db | Core\ was\ generated | Program\ (?:terminated|received)
  | Attaching\ to | Detaching\ from
  | \#[0-9]+\ +(?:0x[0-9a-f]+\ in\ |[\w.<>]+\ \() | [0-9]+\t | __?[a-zA-Z_0-9]+\ \(.*\)\ (?:at|from)\b
  | 0x[0-9a-f]+\ in\b
  | Reading\ symbols | Download\ failed | \(No\ debugging\ symbols | BFD:\  | Saved\ corefile
  | (?:Temporary\ )?[Bb]reakpoint\ [0-9]+ | Catchpoint\ [0-9]+ | Thread\ [0-9]+\ | Function\ "getppid"
  | Make\ breakpoint\ pending | Kill\ the\ program
  | warning:\ (?:target\ file\ /proc | \.dynamic | core\ file | Unable\ to\ find\ lib | Error\ disabling
      | Loadable\ section | Memory\ read | exec\ file\ is\ newer | .*has\ a\ (?:segment|LOAD) | Couldn't\ find\ general
      | Can't\ open\ file | File\ transfers | .*:\ No\ such\ file | Selected\ architecture | Target\ and\ debugger
      | .*Shared\ library\ architecture | Section\ `\.reg | .*build-id)
)""", re.X)


SETTINGS = ["-iex", "set debuginfod enabled off", "-iex", "set style enabled off", "-iex", "set width 0"]


def environment(build):
    """For GDB: the library is that of `build`."""
    return harness.ambient({"MEMEXT_LIBRARY": os.path.join(build, "gdbext"), "HOME": "/nonexistent", "COLUMNS": "200"})


def arguments(target, commands, memext=True):
    """A command line; before each command's output stands "(gdb) command"."""
    line = ["gdb", "-nx", "-q", "-batch"] + SETTINGS
    if memext:
        line += ["-x", MEMEXT]
    for command in echoed(commands):
        line += ["-ex", command]
    return line + target                  # last: --args takes all that follows


def echoed(commands):
    return [line for command in commands
            for line in ("echo (gdb) %s\\n" % command.replace("\\", "\\\\"), command)]


def run(build, target, commands, folder, memext=True, seconds=120, stdin=subprocess.DEVNULL,
        extra=None):
    """All that a user sees but GDB's chatter, and the exit status."""
    done = subprocess.run(arguments(target, commands, memext), cwd=folder, stdin=stdin,
                          env=dict(environment(build), **(extra or {})),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)
    text = done.stdout.decode(errors="replace").replace("\r", "\n")
    return without_chatter(text), done.returncode


def run_typed(build, target, commands, folder, seconds=120):
    """The same with commands from stdin. GDB 10, and 18 where there are threads, do with -ex what belongs to a
    breakpoint only after the next command."""
    line = ["gdb", "-nx", "-q"] + SETTINGS + ["-iex", "set prompt", "-iex", "set confirm off", "-x", MEMEXT]
    done = subprocess.run(line + target, cwd=folder, env=environment(build), stdout=subprocess.PIPE,
                          input="".join(line + "\n" for line in echoed(commands) + ["quit"]).encode(),
                          stderr=subprocess.STDOUT, timeout=seconds)
    text = done.stdout.decode(errors="replace").replace("\r", "\n")
    return without_chatter(text), done.returncode


def without_chatter(text):
    """From the first "(gdb)" on, without GDB's own lines and empty ones; before it, only what memext says."""
    before, prompt, after = text.partition("(gdb) ")
    lines = [line for line in before.splitlines() if line.startswith("memext")]
    lines += [line for line in (prompt + after).splitlines() if line.strip() and not CHATTER.match(line)]
    return "".join(line + "\n" for line in lines)
