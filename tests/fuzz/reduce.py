"""Makes a core as small as it can be while (nearly) the same parts of the library run when all is asked of it.

  reduce.py --build build/cover CORE SMALLER
  reduce.py --build build/cover --keep FOLDER      makes FOLDER/reduced/NAME.core of several interpreters

Pages go first, many at a time, then pieces of pages. What goes is no longer in the file, or becomes zeros, if coverage
(coverage.c) says that next to no part of the library is lost by that, MOST_LOST of them in all. So that what stays
still hangs together, the members of doubly linked lists (of the garbage collector, of pools, of free chunks) are
unlinked before they go, and the chunk of glibc's heap before a gap reaches to its end. The same core gives the same.
"""
import argparse
import os
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import cores  # noqa: E402
import interpreters  # noqa: E402

PAGE, MOST_ZEROS = 4096, 1 << 28
# A part may need a number of objects, or a chance (the second of two keys of one hash).
PAGES_A_PART, LOST_EACH, MOST_LOST = 32, 3, 0.03
PIECES = (1024, 128)
WORD = struct.Struct("<Q")
# A list's words also hold flags in their lowest bits, and a chunk's size does.
LINK_FLAGS, SIZE_FLAGS, IN_USE = 7, 7, 1
TCACHE_CHUNK = 0x290


def bits(number):
    return bin(number).count("1")


class Image:
    """A core's pages by address, which are copied when they change, and the segments they are in."""

    def __init__(self, core):
        self.fields = cores.HEADER.unpack_from(core.bytes)
        self.notes = core.notes()
        self.segments = [(flags, start, memory) for kind, flags, _, start, _, _, memory, _ in core.headers
                         if kind == cores.PT_LOAD]
        self.pages, self.chunks = {}, []
        for kind, _, offset, start, _, size, _, _ in core.headers:
            if kind != cores.PT_LOAD:
                continue
            # mimalloc takes address space by the gigabyte, and touches only the beginning of it.
            used = len(core.bytes[offset:offset + size].rstrip(b"\0")) if size > MOST_ZEROS else size
            for at in range(0, used, PAGE):
                self.pages[start + at] = bytes(core.bytes[offset + at:offset + at + PAGE]).ljust(PAGE, b"\0")
        self.find_chunks()

    def find_chunks(self):
        """Those of glibc's main heap, which begins with the cache of the first thread."""
        for flags, start, size in self.segments:
            at = start
            while start <= at < start + size and self.word(start + 8) == TCACHE_CHUNK | IN_USE:
                self.chunks.append(at)
                step = self.word(at + 8) & ~SIZE_FLAGS
                if not step:
                    break
                at += step

    def copy(self):
        other = Image.__new__(Image)
        other.__dict__.update(self.__dict__, pages=dict(self.pages), chunks=list(self.chunks))
        return other

    def word(self, address):
        page = self.pages.get(address & -PAGE)
        return WORD.unpack_from(page, address % PAGE)[0] if page and address % PAGE <= PAGE - 8 else 0

    def put(self, address, word):
        page, at = address & -PAGE, address % PAGE
        if page in self.pages and at <= PAGE - 8:
            self.pages[page] = self.pages[page][:at] + WORD.pack(word) + self.pages[page][at + 8:]

    def unlink(self, start, end):
        """Takes what begins there out of lists: two words, the first naming what names it with its second."""
        for at in range(start, end, 16):
            following, before = self.word(at), self.word(at + 8)
            if not following & ~LINK_FLAGS or not before & ~LINK_FLAGS:
                continue
            back, forth = (following & ~LINK_FLAGS) + 8, before & ~LINK_FLAGS
            if self.word(back) & ~LINK_FLAGS == at and self.word(forth) & ~LINK_FLAGS == at:
                self.put(forth, following & ~LINK_FLAGS | self.word(forth) & LINK_FLAGS)
                self.put(back, before & ~LINK_FLAGS | self.word(back) & LINK_FLAGS)

    def bridge(self, start, end):
        """The chunk before the gap gets what begins in it. The first one, and the last, which is free, stay."""
        gone = set(at for at in self.chunks[1:-1] if start - 15 <= at < end)
        if not gone:
            return
        self.chunks = [at for at in self.chunks if at not in gone]
        before = max(at for at in self.chunks if at < min(gone))
        after = min(at for at in self.chunks if at > before)
        self.put(before + 8, after - before | self.word(before + 8) & SIZE_FLAGS)
        self.put(after + 8, self.word(after + 8) | IN_USE)

    def without(self, pieces, size, cleared):
        """Those pieces become zeros; or they are whole pages that are no longer in the file."""
        other = self.copy()
        for start in pieces:
            other.unlink(start, start + size)
        for start in pieces:
            other.bridge(start, start + size)
            page, at = start & -PAGE, start % PAGE
            if cleared:
                other.pages[page] = other.pages[page][:at] + bytes(size) + other.pages[page][at + size:]
            else:
                del other.pages[page]
        return other

    def runs(self):
        """The address space as (flags, address, bytes in the file, bytes in memory)."""
        for flags, start, size in self.segments:
            at, end = start, start + size
            while at < end:
                stop = at
                while stop < end and stop in self.pages:
                    stop += PAGE
                gap = stop
                while gap < end and gap not in self.pages:
                    gap += PAGE
                yield flags, at, min(stop, end) - at, min(gap, end) - at
                at = gap

    def data(self):
        runs = list(self.runs())
        offset = cores.HEADER.size + cores.SEGMENT.size * (len(runs) + 1)
        headers = [cores.SEGMENT.pack(cores.PT_NOTE, 0, offset, 0, 0, len(self.notes), 0, 4)]
        offset = -(-(offset + len(self.notes)) // PAGE) * PAGE
        parts, begin = [], offset
        for flags, start, size, memory in runs:
            headers.append(cores.SEGMENT.pack(cores.PT_LOAD, flags, offset, start, 0, size, memory, PAGE))
            parts += [self.pages[at] for at in range(start, start + size, PAGE)]
            offset += size
        fields = list(self.fields)
        fields[5:7], fields[10:14] = [cores.HEADER.size, 0], [len(headers), 0, 0, 0]
        start = b"".join([cores.HEADER.pack(*fields)] + headers) + self.notes
        return start.ljust(begin, b"\0") + b"".join(parts)


class Reducer:
    def __init__(self, program, image, folder, kept):
        self.program, self.image, self.folder, self.kept = program, image, folder, kept
        self.trials = 0
        self.parts = self.wanted = self.parts_of(image)
        if not self.parts:
            raise SystemExit("the library refuses the core")

    def parts_of(self, image):
        """One bit for each part of the library that runs; 0 when the core is refused."""
        self.trials += 1
        core = os.path.join(self.folder, "core")
        with open(core, "wb") as file:
            file.write(image.data())
        run = subprocess.run([self.program, core, os.path.join(self.folder, "scratch"), "briefly"],
                             stdout=subprocess.PIPE, env=dict(os.environ, LLVM_PROFILE_FILE="/dev/null"))
        if run.returncode not in (0, 1):
            shutil.copy(core, self.kept)
            raise SystemExit("a smaller core ended the library with %d: see %s" % (run.returncode, self.kept))
        return int.from_bytes(run.stdout, "little") if run.returncode == 0 else 0

    def try_without(self, pieces, size, cleared):
        other = self.image.without(pieces, size, cleared)
        parts = self.parts_of(other) & self.parts
        lost, all_lost = bits(self.parts & ~parts), bits(self.wanted & ~parts)
        if lost <= LOST_EACH + len(pieces) * size // PAGE // PAGES_A_PART and all_lost <= MOST_LOST * bits(self.wanted):
            self.image, self.parts = other, parts

    def drop(self, groups):
        """Takes so many pages at once out of the file."""
        for group in groups:
            pages = sorted(self.image.pages)
            for at in range(0, len(pages), group):
                self.try_without(pages[at:at + group], PAGE, False)

    def clear(self, size, groups):
        for group in groups:
            pieces = [page + at for page in sorted(self.image.pages) for at in range(0, PAGE, size)
                      if any(self.image.pages[page][at:at + size])]
            for at in range(0, len(pieces), group):
                self.try_without(pieces[at:at + group], size, True)

    def run(self, tell):
        """What is not there at all costs least; but a gap in the midst of a heap is not as if nothing were there."""
        tell(self)
        self.drop((512, 128, 32, 8))
        tell(self)
        self.clear(PAGE, (128, 32, 8, 1))
        tell(self)
        self.drop((8, 1))
        tell(self)
        for size in PIECES:
            self.clear(size, (1,))
            tell(self)


def tell(reducer):
    print("%d trials: %d pages, %d of %d parts" % (
        reducer.trials, len(reducer.image.pages), bits(reducer.parts), bits(reducer.wanted)), flush=True)


def reduce(build, core, smaller):
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        reducer = Reducer(os.path.join(build, "coverage"), Image(cores.Core(core)), folder, smaller + ".bad")
        reducer.run(tell)
        cores.Core(core).write(smaller + ".new", reducer.image.data())
        os.rename(smaller + ".new", smaller)


def specimens():
    """(name, interpreter, environment, argument...): the oldest, Debian's with each allocator, the newest, the
    free-threaded; and with the standard library's modules in C, which are the most of what a version may move."""
    usable = [one for one in interpreters.find() if not one.refused]
    debian = [one for one in usable if one.name.startswith("debian")][:1]
    for one in sorted(set(usable[:1] + debian + usable[-1:] + [one for one in usable if one.free_threaded]),
                      key=lambda one: one.name):
        yield "specimen-" + one.name, one.path, {}
    for one in usable[:1] + debian + usable[-1:]:
        yield "extensions-" + one.name, one.path, {}, "extensions"
    for one in debian:
        for allocator in "malloc", "debug":
            yield "specimen-%s-%s" % (one.name, allocator), one.path, {"PYTHONMALLOC": allocator}


def reduce_all(build, keep):
    taken = [("small", cores.take_small_core(keep))]
    taken += [(name, cores.take_specimen(python, keep, name, env, *arguments))
              for name, python, env, *arguments in specimens()]
    os.makedirs(os.path.join(keep, "reduced"), exist_ok=True)
    for name, core in taken:
        smaller = os.path.join(keep, "reduced", name + ".core")
        if core and not os.path.exists(smaller):
            print(name, flush=True)
            reduce(build, core, smaller)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--keep")
    parser.add_argument("core", nargs="?")
    parser.add_argument("smaller", nargs="?")
    a = parser.parse_args()
    if a.keep:
        reduce_all(a.build, a.keep)
    elif a.core and a.smaller:
        reduce(a.build, a.core, a.smaller)
    else:
        parser.error("either CORE and SMALLER, or --keep")


if __name__ == "__main__":
    main()
