"""GDB as a program's servant: GDB/MI and the Debug Adapter Protocol. Each check returns problems."""
import contextlib
import json
import os
import re
import select
import signal
import subprocess
import time

import debugger
from stage import Skip

CHECKS = {}
PROMPT = "(gdb) "
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
# What MI and -json must tell alike: words as a program gives them.
ASKED = (("info",), ("count", "-limit", "5"), ("growth",), ("objects", "Session", "-limit", "3"),
         ("show", "__main__.CACHE['session-7']"), ("sizeof", "-retained", "__main__.CACHE"),
         ("refs", "__main__.SHOP"), ("backrefs", "Session#7"), ("path", "__main__.CACHE['session-7'].basket"),
         ("retained", "-limit", "3"), ("suspects", "-limit", "2"), ("report",), ("strings", "-limit", "2"),
         ("memory",), ("arenas",), ("malloc",), ("stacks", "-locals"), ("leaks", "-limit", "2"),
         ("refcounts",), ("mark", "here"), ("break",),
         ("sql", "SELECT type, count(*), count(*) AS count___, NULL, addr FROM objects GROUP BY 1 LIMIT 2"))


def check(function):
    CHECKS[function.__name__] = function
    return function


def version(stage):
    """GDB's, as two numbers."""
    text = stage.gdb([], "python print('version', gdb.VERSION)", memext=False)
    return tuple(int(part) for part in re.search(r"^version .*?([0-9]+)\.([0-9]+)", text, re.MULTILINE).groups())


class Servant:
    """A GDB whose stdin and stdout are pipes; what it writes to stderr is kept apart."""

    def __init__(self, stage, interpreter, target):
        line = ["gdb", "-nx", "-q", "-i=" + interpreter, "-iex", "set debuginfod enabled off", "-x", debugger.MEMEXT]
        self.noise = open(stage.path("stderr-of-" + interpreter), "w+b")
        self.process = subprocess.Popen(line + target, cwd=stage.folder, env=debugger.environment(stage.build),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.noise, bufsize=0)
        self.seen = b""

    def take(self, ready, seconds=60):
        """What ready(seen) gives as (wanted, length), once it is not None; so much is taken off."""
        end = time.monotonic() + seconds
        while True:
            found = ready(self.seen)
            if found:
                self.seen = self.seen[found[1]:]
                return found[0]
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise RuntimeError("no answer in %d s: %r" % (seconds, self.seen[-2000:]))
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise RuntimeError("GDB ended: %r" % self.seen[-2000:])
            self.seen += data

    def send(self, data):
        self.process.stdin.write(data)

    def stderr(self):
        self.noise.seek(0)
        return self.noise.read().decode(errors="replace")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.noise.close()


# ---- GDB/MI ----

class MI(Servant):
    def __init__(self, stage, target):
        super().__init__(stage, "mi", target)
        self.records = []
        self.until_prompt()

    def until_prompt(self, seconds=60):
        """The lines up to the prompt."""
        text = self.take(lambda seen: (seen.partition(b"(gdb) \n")[0], seen.index(b"(gdb) \n") + 7)
                         if b"(gdb) \n" in seen else None, seconds)
        lines = text.decode("ascii").splitlines()
        self.records += lines
        return lines

    def send_words(self, name, words):
        quoted = ['"%s"' % word.replace("\\", "\\\\").replace('"', '\\"') for word in words]
        self.send(("7-memext-%s %s\n" % (name, " ".join(quoted))).encode())

    def ask(self, name, *words, seconds=60):
        """The class of the result and its fields."""
        self.send_words(name, words)
        while True:
            for line in self.until_prompt(seconds):
                if line.startswith("7^"):
                    kind, _, rest = line[2:].partition(",")
                    return kind, Fields(rest).all()


class Fields:
    """The results of a record as Python's dicts, lists and texts; a ValueError where that is no MI."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def all(self):
        found = self.tuple_until("")
        if self.at != len(self.text):
            raise ValueError("at %d of %s" % (self.at, self.text))
        return found

    def next(self):
        return self.text[self.at:self.at + 1]

    def expect(self, char):
        if self.next() != char:
            raise ValueError("%r instead of %r at %d of %s" % (self.next(), char, self.at, self.text))
        self.at += 1

    def tuple_until(self, end):
        found = {}
        while self.next() != end:
            if found:
                self.expect(",")
            name = re.compile(r"[A-Za-z][A-Za-z0-9_-]*").match(self.text, self.at)
            if not name or name.group() in found:
                raise ValueError("no new name at %d of %s" % (self.at, self.text))
            self.at = name.end()
            self.expect("=")
            found[name.group()] = self.value()
        return found

    def value(self):
        first = self.next()
        self.at += 1
        if first == "{":
            found = self.tuple_until("}")
        elif first == "[":
            found = []
            while self.next() != "]":
                if found:
                    self.expect(",")
                found.append(self.value())
        else:
            self.at -= 1
            return self.string()
        self.at += 1
        return found

    def string(self):
        found = re.compile(r'"((?:[^"\\]|\\.)*)"').match(self.text, self.at)
        if not found:
            raise ValueError("no text at %d of %s" % (self.at, self.text))
        self.at = found.end()
        return found.group(1).encode().decode("unicode_escape").encode("latin-1").decode()


def as_mi(value):
    """What MI tells of a value of JSON."""
    if isinstance(value, dict):
        return {name: as_mi(one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [as_mi(one) for one in value if one is not None]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def same_as_json(mi, name, words):
    """The MI command tells what the console's -json does."""
    kind, fields = mi.ask(name, *words)
    if kind != "done":
        return ["%s: ^%s %r" % (name, kind, fields)]
    # GDB 13 to 15 tell of the frame, too, with the first command's result.
    fields.pop("frame", None)
    if name == "sql":
        rows, columns = fields["rows"], fields["columns"]
        good = columns[:3] == ["type", "count(*)", "count___"] and all(
            set(row) == {"type", "count___", "count___-2", "addr"} for row in rows) and len(rows) == 2
        return [] if good else ["sql: %r, rows %r" % (columns, rows)]
    text = " ".join("'%s'" % word if " " in word else word for word in words)
    mi.send(('8-interpreter-exec console "py-%s %s -json"\n' % (name, text)).encode())
    lines = mi.until_prompt()
    json_text = "".join(Fields(line[1:]).string() for line in lines if line.startswith("~"))
    wanted = as_mi(json.loads(json_text))
    for one in (wanted, fields):
        one["total"].pop("memory", None)          # what memext itself uses grows from one question to the next
        one["total"].pop("heap", None), one["total"].pop("references", None)
    return [] if wanted == fields else ["%s: %s" % (name, ", ".join(
        "%s is %.300r instead of %.300r" % (key, fields.get(key), wanted.get(key))
        for key in sorted(set(wanted) | set(fields)) if wanted.get(key) != fields.get(key)))]


def not_of_mi(lines):
    """Lines that are no records of MI's: a stray write to stdout."""
    return ["not of MI: %r" % line for line in lines
            if not re.match(r'[0-9]*[\^*+=][a-z-]+(?:,|$)|[~@&]"(?:[^"\\]|\\.)*"$', line)]


def require_mi(stage):
    if version(stage) < (12, 0):
        raise Skip("GDB %d.%d has no MI commands in Python" % version(stage))


@check
def mi_tells_what_json_does(stage):
    require_mi(stage)
    with contextlib.closing(MI(stage, ["-c", stage.core()])) as mi:
        problems = [problem for name, *words in ASKED for problem in same_as_json(mi, name, words)]
        return problems + not_of_mi(mi.records) + ["on stderr: " + text for text in [mi.stderr()] if "memext" in text]


@check
def mi_errors_and_files(stage):
    require_mi(stage)
    problems = []
    with contextlib.closing(MI(stage, ["-c", stage.core()])) as mi:
        for words, message in ((("count", "-nosuch"), "memext: there is no option -nosuch here"),
                               (("objects",), "memext: py-objects takes one TYPE"),
                               (("show", "__main__.CACH"), "memext: no attribute 'CACH' in module __main__"),
                               (("open", "/nonexistent"), "memext: cannot open /nonexistent")):
            kind, fields = mi.ask(*words)
            if kind != "error" or not fields["msg"].startswith(message):
                problems.append("%r: ^%s %r" % (words, kind, fields))
        for name, *words in (("count", "-o", stage.path("mi.json")), ("report", stage.path("mi.html")),
                             ("save", stage.path("mi.memext")), ("backrefs", "Session#7", "-o", stage.path("mi.dot"))):
            kind, fields = mi.ask(name, *words)
            if kind != "done" or not os.path.getsize(words[-1]) or (name != "save" and "wrote" not in fields):
                problems.append("%s: ^%s %r" % (name, kind, fields))
        return problems + not_of_mi(mi.records)


@check
def mi_can_be_interrupted(stage):
    require_mi(stage)
    with contextlib.closing(MI(stage, ["-c", stage.core()])) as mi:
        mi.ask("count")
        mi.send_words("sql", [ENDLESS])
        time.sleep(2)
        os.kill(mi.process.pid, signal.SIGINT)
        lines = mi.until_prompt()
        problems = [] if any(line.startswith("7^error") for line in lines) else ["interrupted: %r" % lines]
        if version(stage) >= (14, 0) and not any(line.startswith("=memext-progress,stage=") for line in lines):
            problems.append("no progress: %r" % lines)
        kind, fields = mi.ask("count", "__main__.Session")
        return problems if fields["rows"][0]["count"] == "2000" else problems + ["afterwards: %r" % fields]


@check
def old_mi_says_what_is_needed(stage):
    """Where MI commands cannot be, one line says so, and the console's answers come through MI."""
    if version(stage) >= (12, 0):
        raise Skip("GDB %d.%d has MI commands in Python" % version(stage))
    with contextlib.closing(MI(stage, ["-c", stage.core()])) as mi:
        said = [line for line in mi.records if "need GDB 12" in line]
        kind, fields = mi.ask("count")
        problems = [] if len(said) == 1 and kind == "error" else ["%r, then ^%s %r" % (mi.records, kind, fields)]
        mi.send(b'8-interpreter-exec console "py-count __main__.Session -json"\n')
        lines = mi.until_prompt()
        text = "".join(Fields(line[1:]).string() for line in lines if line.startswith("~"))
        return problems + ([] if json.loads(text)["total"]["count"] == 2000 else [text]) + not_of_mi(mi.records)


# ---- the Debug Adapter Protocol ----

class DAP(Servant):
    def __init__(self, stage):
        super().__init__(stage, "dap", [])
        self.number, self.events = 0, []

    def message(self, seconds=60):
        def whole(seen):
            head = re.match(rb"Content-Length: ([0-9]+)\r\n\r\n", seen)
            if seen and not seen.startswith(b"Content-Length"[:len(seen)]):
                raise RuntimeError("not of DAP: %r" % seen[:200])
            end = head.end() + int(head.group(1)) if head else 0
            return (seen[head.end():end], end) if head and len(seen) >= end else None
        return json.loads(self.take(whole, seconds).decode())

    def request(self, command, **arguments):
        self.number += 1
        data = json.dumps({"seq": self.number, "type": "request", "command": command, "arguments": arguments}).encode()
        self.send(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        return self.number

    def response(self, number, seconds=60):
        while True:
            found = self.message(seconds)
            if found["type"] == "response" and found["request_seq"] == number:
                return found
            self.events.append(found)

    def ask(self, command, **arguments):
        return self.response(self.request(command, **arguments))

    def attach(self, pid):
        """As editors do: some versions answer at once, others after configurationDone."""
        self.ask("initialize", clientID="memext", adapterID="gdb")
        number = self.request("attach", pid=pid)
        self.request("configurationDone")
        return self.response(number)

    def repl(self, text):
        return self.ask("evaluate", expression=text, context="repl")

    def output(self):
        return "".join(event["body"].get("output", "") for event in self.events if event.get("event") == "output")


def dap_cancels(dap):
    """The editor's cancel ends a command, and the next one is answered."""
    number = dap.request("evaluate", expression="py-sql " + ENDLESS, context="repl")
    time.sleep(2)
    dap.request("cancel", requestId=number)
    answer = dap.response(number)
    problems = ["cancelled: %r" % answer] if answer["success"] else []
    answer = dap.repl("py-count __main__.Session")
    return problems if answer["success"] and "2,000" in answer["body"]["result"] else problems + ["then: %r" % answer]


@check
def dap_evaluates_commands(stage):
    """In an editor's debug console: text, JSON and errors as in GDB, nothing beside the protocol."""
    if version(stage) < (14, 0):
        raise Skip("GDB %d.%d has no Debug Adapter Protocol" % version(stage))
    problems = []
    with contextlib.closing(DAP(stage)) as dap:
        answer = dap.attach(stage.leak().pid)
        if not answer["success"]:
            return ["attach: %r" % answer]
        for text, wanted in (("py-count __main__.Session", "  __main__.Session\ntotal: 2,000 objects of 1 type"),
                             ("py-growth", "py-growth: remembered "),
                             ("py-path __main__.CACHE['session-7']", "sys.modules['__main__'].CACHE['session-7']"),
                             ("py-suspects -limit 1", "__main__.CACHE"), ("py-report", "Suspects\n")):
            answer = dap.repl(text)
            if not answer["success"] or wanted not in answer["body"]["result"]:
                problems.append("%s: %r" % (text, answer))
        answer = dap.repl("py-count -json -limit 1")
        if json.loads(answer["body"]["result"])["schema"] != "memext/py-count/1":
            problems.append("-json: %r" % answer)
        answer = dap.repl("py-count -nosuch")
        if answer["success"] or "memext: there is no option -nosuch here" not in json.dumps(answer):
            problems.append("an error: %r" % answer)
        problems += dap_cancels(dap)
        dap.ask("disconnect", terminateDebuggee=False)
        return problems + ["written beside the answers: %r" % dap.output() for _ in [0] if "\n" in dap.output().strip()]
