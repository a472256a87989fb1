"""GDB at a terminal: the progress line, and Ctrl-C. Each check returns problems."""
import os
import pty
import select
import signal
import time

import debugger
import harness

CHECKS = {}
PROMPT = b"(gdb) "
ENOUGH_MB = "900"                      # so that counting takes more than half a second
CANCEL_WITHIN = 0.2


def check(function):
    CHECKS[function.__name__] = function
    return function


class Terminal:
    """An interactive GDB with memext."""

    def __init__(self, stage, target, extra=None):
        line = ["gdb", "-nx", "-q", "-iex", "set debuginfod enabled off", "-iex", "set pagination off"] + target
        line[1:1] = ["-x", debugger.MEMEXT]
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(line[0], line, dict(debugger.environment(stage.build), **(extra or {})))
        self.seen = b""
        self.read_until(PROMPT, 120)

    def read_some(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return b""
        try:
            return os.read(self.fd, 65536)
        except OSError:
            return b""

    def read_until(self, word, seconds):
        """What was printed up to `word`, and how long that took."""
        start = time.monotonic()
        while word not in self.seen:
            left = start + seconds - time.monotonic()
            if left <= 0:
                raise RuntimeError("no %r within %d s: %r" % (word, seconds, self.seen[-2000:]))
            self.seen += self.read_some(left)
        text, _, self.seen = self.seen.partition(word)
        return text, time.monotonic() - start

    def send(self, text):
        os.write(self.fd, text)

    def ask(self, command, seconds=120):
        self.send(command.encode() + b"\n")
        return self.read_until(PROMPT, seconds)

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def big_process(stage):
    return stage.start(stage.python, os.path.join(harness.WORKLOADS, "mixed.py"), "--mb", ENOUGH_MB, "--threads", "0",
                       seconds=300)


def cancel(terminal, command, took):
    """Ctrl-C in the middle of a command that takes `took` seconds."""
    terminal.send(command.encode() + b"\n")
    time.sleep(min(0.2, took / 3))
    terminal.send(b"\x03")
    text, waited = terminal.read_until(PROMPT, 60)
    problems = [] if b"Quit" in text else ["Ctrl-C did not end %s (%.2f s): %r" % (command, took, text)]
    if waited > CANCEL_WITHIN:
        problems.append("the prompt came %.2f s after Ctrl-C in %s" % (waited, command))
    return problems


@check
def progress_and_cancelling(stage):
    problems = []
    terminal = Terminal(stage, ["-p", str(big_process(stage).pid)])
    try:
        text, took = terminal.ask("py-count -limit 1")
        if took > 0.8 and b"\r" not in text.replace(b"\r\n", b""):
            problems.append("no progress line in %.1f s: %r" % (took, text))
        text, again = terminal.ask("py-growth")           # this stop is counted: nothing to wait for
        terminal.ask("set memext progress off")
        terminal.ask("stepi")                             # another stop
        problems += cancel(terminal, "py-count -limit 1", took)
        text, _ = terminal.ask("py-count Order")
        if b"mixed.Order" not in text and b"__main__.Order" not in text:
            problems.append("after Ctrl-C py-count says %r" % text)
        problems += cancel(terminal, "py-backrefs Order#0", took)
        text, took = terminal.ask("py-backrefs Order#0")
        if b" of " not in text:
            problems.append("after Ctrl-C py-backrefs says %r" % text)
        text, again = terminal.ask("py-backrefs Order#1")
        if again > took / 2:
            problems.append("py-backrefs took %.2f s, and a second one at the same stop %.2f s" % (took, again))
        problems += cancel(terminal, "py-refs Order#0 -depth 0 -width 0", 3)
        # On 3.9 so few groups refer to str that there is nothing to interrupt.
        if stage.python_version() >= (3, 11):
            problems += cancel(terminal, "py-backrefs str -depth 0 -width 0 -group", 3)
    finally:
        terminal.close()
    return problems
