"""Runs the libFuzzer programs one after the other, and says what each did and found.

  campaign.py --build build/fuzz --seconds 60 [--only elf]... [--core CORE]... [--keep FOLDER]
  campaign.py --keep FOLDER      what all campaigns did together, which is in FOLDER/NAME.json; also interrupted ones

Each gets that many seconds of the processor; its corpus grows in FOLDER/corpus, where the next campaign goes on.
libfuzzer_heap edits each core in turn, and has a corpus for each.
Inputs that crash, hang or take too much memory are put in FOLDER/found and fail the run. To see one again:
MEMEXT_CORE=CORE build/fuzz/libfuzzer_NAME FOLDER/found/...
"""
import argparse
import itertools
import json
import os
import re
import resource
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import cores  # noqa: E402
import harness  # noqa: E402
import seeds  # noqa: E402

NAMES = ("core", "elf", "heap", "saved")
# By the clock, which on a busy machine says little: what takes longer is tried again, and the processor's time counts.
TIMEOUT, PATIENCE = 100, 25
SWITCHES = ["-print_final_stats=1", "-timeout=%d" % TIMEOUT, "-rss_limit_mb=2000", "-malloc_limit_mb=1000",
            "-max_len=20000", "-verbosity=1"]
MOST_FOUND = 8


def processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Fuzzer:
    def __init__(self, name, build, keep):
        self.keep, self.name, self.program = keep, name, os.path.join(build, "libfuzzer_" + name)
        self.found, self.seeds = os.path.join(keep, "found"), os.path.join(keep, "seeds", name)
        self.executions, self.seconds, self.artifacts = 0, 0.0, []
        os.makedirs(self.found, exist_ok=True)

    def corpus_of(self, core):
        """What is an edit of one core is none of another; the other programs know of no core."""
        base = os.path.splitext(os.path.basename(core))[0]
        folder = os.path.join(self.keep, "corpus", self.name + ("-" + base if self.name == "heap" else ""))
        os.makedirs(folder, exist_ok=True)
        return folder

    def run(self, seconds, core):
        """Once, until it finds something or the time is over."""
        before = processor_seconds()
        command = [self.program, "-artifact_prefix=%s/%s-" % (self.found, self.name),
                   "-max_total_time=%d" % max(1, seconds)] + SWITCHES + [self.corpus_of(core), self.seeds]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             env=dict(os.environ, MEMEXT_CORE=core))
        text = run.stdout.decode(errors="replace")
        spent = processor_seconds() - before
        self.seconds += spent
        done = re.findall(r"stat::number_of_executed_units: (\d+)", text) or re.findall(r"^#(\d+)\t", text, re.M)
        self.executions += int(done[-1]) if done else 0
        written = re.findall(r"Test unit written to (\S+)", text)[-1:] if run.returncode else []
        wrong = bool(run.returncode) and not (written and self.was_only_waiting(written[0], core))
        self.add_to_total(spent, int(done[-1]) if done else 0, wrong)
        if wrong:
            self.artifacts += written or ["it ended: " + text[-2000:]]
            with open(os.path.join(self.found, "%s-%d.log" % (self.name, len(self.artifacts))), "w") as f:
                f.write(text[-20000:])

    def was_only_waiting(self, path, core):
        """Whether an input that took too long by the clock is done in good time by the processor's."""
        if not os.path.basename(path).startswith(self.name + "-timeout-"):
            return False
        again = subprocess.run([self.program, "-timeout=%d" % (20 * TIMEOUT), path], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env=dict(os.environ, MEMEXT_CORE=core),
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE)))
        return again.returncode == 0

    def add_to_total(self, *done):
        path = os.path.join(self.keep, self.name + ".json")
        total = dict.fromkeys(("seconds", "executions", "found"), 0)
        if os.path.exists(path):
            with open(path) as f:
                total = json.load(f)
        with open(path + ".new", "w") as f:
            json.dump({key: total[key] + more for key, more in zip(total, done)}, f)
        os.rename(path + ".new", path)

    def run_for(self, seconds, some_cores):
        end, turns = self.seconds + seconds, itertools.cycle(some_cores)
        while self.seconds < end - 0.5 and len(self.artifacts) < MOST_FOUND:
            self.run(min(end - self.seconds, max(60, seconds / len(some_cores)), 300), next(turns))

    def line(self):
        return "%s: %.1f minutes of the processor, %s executions, %d found" % (
            self.name, self.seconds / 60, format(self.executions, ","), len(self.artifacts))


def tell(keep):
    found = 0
    for name in NAMES:
        path = os.path.join(keep, name + ".json")
        if os.path.exists(path):
            with open(path) as f:
                total = json.load(f)
            print("libfuzzer_%s: %.1f minutes of the processor, %s executions, %d found" % (
                name, total["seconds"] / 60, format(total["executions"], ","), total["found"]))
            found += total["found"]
    return 1 if found else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--only", action="append", choices=NAMES)
    parser.add_argument("--keep", default=os.path.join(harness.ROOT, "build", "fuzzing"))
    parser.add_argument("--core", action="append")
    a = parser.parse_args()
    if not a.build:
        return tell(a.keep)
    os.makedirs(a.keep, exist_ok=True)
    seeds.write_all(os.path.join(a.keep, "seeds"))
    some_cores = a.core or [cores.take_small_core(a.keep)]
    found = 0
    for name in a.only or NAMES:
        fuzzer = Fuzzer(name, os.path.abspath(a.build), a.keep)
        fuzzer.run_for(a.seconds, some_cores)
        found += len(fuzzer.artifacts)
        print("\n".join([fuzzer.line()] + fuzzer.artifacts), flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
