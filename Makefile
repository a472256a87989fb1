# memext: one non-recursive Makefile. `make help` lists the targets.
#
# Objects live in build/FLAVOUR, so that sanitizer builds never mix with others.

VERSION  := $(shell sed -n 's/^\#define MX_VERSION "\(.*\)"/\1/p' lib/memext.h)
PREFIX   ?= /usr/local
DESTDIR  ?=
ifeq ($(origin CC),default)
CC       := gcc
endif
# Debian's own interpreter: one from pyenv or conda that comes first in PATH would compile against its own headers.
PYTHON   ?= /usr/bin/python3
FLAVOUR  ?= release
BUILD    := build/$(FLAVOUR)

WARN     := -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wvla -Werror
CFLAGS   ?= -O2 -g
FLAVOUR_CFLAGS :=
ifeq ($(FLAVOUR),fuzz)
CC       := clang
# Its -Wconversion wants other things than gcc's, which the code is kept clean with; and to it an array that is empty,
# NULL + 0, is an overflow (no longer in C2y).
FLAVOUR_CFLAGS := -O1 -Wno-conversion -Wno-sign-conversion -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
                  -fno-sanitize=pointer-overflow -fno-sanitize-recover=undefined
endif
ifeq ($(FLAVOUR),cover)
CC       := clang
FLAVOUR_CFLAGS := -O1 -Wno-conversion -Wno-sign-conversion -fprofile-instr-generate -fcoverage-mapping
endif
ifeq ($(FLAVOUR),asan)
# Instrumented code makes gcc see uninitialised reads that are not there.
FLAVOUR_CFLAGS := -O1 -Wno-maybe-uninitialized -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif
MX_CFLAGS := -std=c11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -pthread -Ilib $(WARN) $(CFLAGS) $(FLAVOUR_CFLAGS)
MX_LIBS  := -lelf -ldwarf -lsqlite3 -lzstd -lz -llzma -ldl -pthread

LIB_SOURCES  := $(wildcard lib/*/*.c)
LIB_OBJECTS  := $(LIB_SOURCES:%.c=$(BUILD)/%.o)
# Passes over millions of blocks: 5 % faster than with -O2, measured. Who gives CFLAGS has them as they are.
ifeq ($(FLAVOUR)-$(origin CFLAGS),release-file)
$(LIB_OBJECTS): MX_CFLAGS += -O3
endif
UNIT_SOURCES := $(wildcard tests/unit/*.c)
UNIT_OBJECTS := $(UNIT_SOURCES:%.c=$(BUILD)/%.o)
# Each is one program on top of the library: the census (truth, bench) and the fuzzer's victim.
TOOL_SOURCES := tests/tools/census.c tests/tools/chunks.c tests/tools/dominators.c tests/tools/edges.c \
                tests/tools/graph.c tests/tools/save.c $(wildcard tests/fuzz/*.c)
TOOL_OBJECTS := $(TOOL_SOURCES:%.c=$(BUILD)/%.o)
TOOLS        := $(BUILD)/census $(BUILD)/chunks $(BUILD)/dominators $(BUILD)/edges $(BUILD)/graph $(BUILD)/save \
                $(BUILD)/fuzz_core $(BUILD)/fail_alloc

# The tests' own switches: make check RUN="--only truth --verbose"
RUN      ?=
CHECK    := $(PYTHON) tests/run.py --build $(BUILD)

GDBS     ?=

.PHONY: all deps demo check matrix arm64 unit e2e truth fuzz asan lint format bench bench-versions layouts layouts-table install uninstall clean help gdbs campaign
.DEFAULT_GOAL := all
all: $(BUILD)/libmemext.a $(BUILD)/libmemext.so $(BUILD)/gdbext/_memext.abi3.so ## build the library and the GDB extension

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(CC) $(MX_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libmemext.a: $(LIB_OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/libmemext.so: $(LIB_OBJECTS)
	$(CC) $(MX_CFLAGS) -shared -Wl,-soname,libmemext.so.0 -o $@ $^ $(MX_LIBS)

$(BUILD)/unit: $(UNIT_OBJECTS) $(BUILD)/libmemext.a
	$(CC) $(MX_CFLAGS) -o $@ $^ -lcunit $(MX_LIBS)

$(BUILD)/census: $(BUILD)/tests/tools/census.o $(BUILD)/libmemext.a
	$(CC) $(MX_CFLAGS) -o $@ $^ $(MX_LIBS)

$(BUILD)/chunks: $(BUILD)/tests/tools/chunks.o $(BUILD)/libmemext.a
	$(CC) $(MX_CFLAGS) -o $@ $^ $(MX_LIBS)

$(BUILD)/dominators: $(BUILD)/tests/tools/dominators.o $(BUILD)/libmemext.a
	$(CC) $(MX_CFLAGS) -o $@ $^ $(MX_LIBS)

$(BUILD)/edges: $(BUILD)/tests/tools/edges.o $(BUILD)/libmemext.a
	$(CC) $(MX_CFLAGS) -o $@ $^ $(MX_LIBS)

$(BUILD)/graph: $(BUILD)/tests/tools/graph.o $(BUILD)/libmemext.a
	$(CC) $(MX_CFLAGS) -o $@ $^ $(MX_LIBS)

$(BUILD)/save: $(BUILD)/tests/tools/save.o $(BUILD)/libmemext.a
	$(CC) $(MX_CFLAGS) -o $@ $^ $(MX_LIBS)

FUZZ_PARTS := $(addprefix $(BUILD)/tests/fuzz/,damage.o questions.o saved_damage.o)

$(BUILD)/fuzz_core: $(BUILD)/tests/fuzz/fuzz_core.o $(FUZZ_PARTS) $(BUILD)/libmemext.a
	$(CC) $(MX_CFLAGS) -o $@ $^ $(MX_LIBS)

WRAPPED := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=mmap

$(BUILD)/fail_alloc: $(BUILD)/tests/fuzz/fail_alloc.o $(FUZZ_PARTS) $(BUILD)/libmemext.a
	$(CC) $(MX_CFLAGS) $(WRAPPED) -o $@ $^ $(MX_LIBS)

# Which parts of the library a core runs: make FLAVOUR=cover build/cover/coverage
$(BUILD)/coverage: $(BUILD)/tests/fuzz/coverage.o $(BUILD)/tests/fuzz/questions.o $(BUILD)/libmemext.a
	$(CC) $(MX_CFLAGS) -o $@ $^ $(MX_LIBS)

# libFuzzer brings main(): make FLAVOUR=fuzz build/fuzz/libfuzzer_core
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/libfuzzer_*.c))
LIBFUZZER_PARTS := $(addprefix $(BUILD)/tests/fuzz/,edit.o memory_file.o questions.o)

$(FUZZERS:%=$(BUILD)/%): $(BUILD)/%: $(BUILD)/tests/fuzz/%.o $(LIBFUZZER_PARTS) $(BUILD)/libmemext.a
	$(CC) $(MX_CFLAGS) -fsanitize=fuzzer -o $@ $^ $(MX_LIBS)

# ---- the two commands ----
# `deps` comes first, and in a make of its own: what it installs is what the rest of the build needs to even start.
deps: ## install the Debian packages that are missing
	@sh tests/install-deps.sh build

demo: deps ## build, run a leaking program, and look at it in GDB: live and from its core
	@$(MAKE) --no-print-directory all
	@$(PYTHON) tests/demo/demo.py --build $(BUILD)

check: deps ## build, run all tests; the last line is "N passed, N failed, N skipped"
	@sh tests/install-deps.sh browser
	@sh tests/install-deps.sh more
	@$(MAKE) --no-print-directory all $(BUILD)/unit $(TOOLS)
	@$(CHECK) $(RUN)

# ---- one kind of test each ----
unit: $(BUILD)/unit ## run the unit tests (C and Python)
	@$(CHECK) --only unit $(RUN)

e2e: all ## run the end-to-end tests in real GDB
	@$(CHECK) --only e2e $(RUN)

truth: all $(TOOLS) ## compare with the interpreters' own answers
	@$(CHECK) --only truth $(RUN)

FUZZ_SECONDS ?= 60

arm64: ## cross-build for AArch64, and run the unit tests under qemu
	@sh tests/install-deps.sh arm64
	@$(PYTHON) tests/matrix/arm64.py --folder build/matrix

fuzz: $(TOOLS) ## damaged, cut and slow cores, refused memory; then libFuzzer, FUZZ_SECONDS (60) for each program
	@$(CHECK) --only fuzz $(RUN)
	@sh tests/install-deps.sh fuzz
	@$(MAKE) --no-print-directory FLAVOUR=fuzz $(FUZZERS:%=build/fuzz/%)
	@$(PYTHON) tests/fuzz/campaign.py --build build/fuzz --seconds $(FUZZ_SECONDS)

FUZZING := build/fuzzing

campaign: $(TOOLS) ## an hour of each libFuzzer program, a million mutations, 1,000 cuts, all allocations: a day; goes on where it stopped
	@sh tests/install-deps.sh fuzz
	@$(MAKE) --no-print-directory FLAVOUR=cover build/cover/coverage
	@$(MAKE) --no-print-directory FLAVOUR=fuzz $(FUZZERS:%=build/fuzz/%)
	@$(PYTHON) tests/fuzz/reduce.py --build build/cover --keep $(FUZZING)
	@$(PYTHON) tests/fuzz/campaign.py --build build/fuzz --seconds 3600 $$(for core in $(FUZZING)/reduced/*.core; do echo --core $$core; done)
	@$(PYTHON) tests/fuzz/mutations.py --build $(BUILD) --keep $(FUZZING) --until 150000 $(FUZZING)/reduced/*.core
	@$(PYTHON) tests/fuzz/run.py --build $(BUILD) --first 10000 --count 10000 --cuts 1000 --refusals 200000

gdbs: ## test in GDB 10, 16 and 18, from Debian 11, 13 and sid in chroots under build/gdbs (GDBS="trixie NAME...")
	@sh tests/install-deps.sh build gdbs
	@$(PYTHON) tests/gdbs/run.py $(GDBS)

asan: ## the same tests, built with the address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory FLAVOUR=asan check

# MATRIX="--interpreter sid-python3.14 --kind stacks" limits it; $MEMEXT_SOURCES names CPython source trees to build, too.
MATRIX   ?= --write
# Where the interpreters are kept; another checkout may use it, too. Its last part has to be matrix.
MATRIX_FOLDER ?= build/matrix
matrix: deps ## obtain every CPython that can be had, and compare with the answers of each; writes docs/exactness.md
	@$(MAKE) --no-print-directory all $(TOOLS)
	@$(PYTHON) tests/matrix/matrix.py --build $(BUILD) --folder $(MATRIX_FOLDER) $(MATRIX)
	@$(PYTHON) tests/matrix/gcores.py --build $(BUILD) --folder $(MATRIX_FOLDER)

# ---- keeping the code well ----
lint: ## clang-tidy, cppcheck, clang-format, layers, Python 3.8 syntax
	@sh tests/install-deps.sh lint
	@$(MAKE) --no-print-directory all
	@sh tests/lint/lint.sh

format: ## rewrite C sources in the project's form
	@sh tests/install-deps.sh lint
	clang-format -i $$(git ls-files '*.c' '*.h')

bench: ## measure speed and memory; writes docs/bench.md
	@sh tests/install-deps.sh build bench
	@sh tests/install-deps.sh more
	@$(MAKE) --no-print-directory all $(TOOLS)
	@$(PYTHON) tests/bench/bench.py --build $(BUILD)

# VERSIONS="--mb 300 --no-write" tries it; --python PATH, several times, names the interpreters.
VERSIONS ?=
bench-versions: ## the same 2 GB heap on 3.14 and free-threaded 3.14 beside 3.11; writes docs/bench.md
	@sh tests/install-deps.sh build bench
	@$(MAKE) --no-print-directory all $(TOOLS)
	@$(PYTHON) tests/bench/versions.py --build $(BUILD) --folder $(MATRIX_FOLDER) $(VERSIONS)

# ---- CPython's layouts ----
MEASURE      := $(BUILD)/tests/layouts/measure
PYTHONS      ?= $(wildcard /root/.pyenv/versions/3.*/bin/python3)
DEBUG_FOLDER ?= /usr/lib/debug
ROWS         := lib/cpython/rows

$(MEASURE): $(BUILD)/tests/layouts/measure.o $(BUILD)/libmemext.a
	$(CC) $(MX_CFLAGS) -o $@ $^ $(MX_LIBS)

# The first build is without rows, for they may be of another fields.def than the one to measure for.
layouts: ## write the rows of PYTHONS="..." from their debug information, and the table of docs/layouts.md
	: > $(ROWS)/all.inc
	$(MAKE) $(MEASURE)
	tests/layouts/layouts.sh $(MEASURE) $(DEBUG_FOLDER) $(PYTHONS)
	ls $(ROWS) | grep '^[0-9]' | sort -V | sed 's|.*|#include "cpython/rows/&"|' > $(ROWS)/all.inc
	$(MAKE) layouts-table

layouts-table: $(MEASURE)
	sed '/^<!-- table -->$$/q' docs/layouts.md > $(BUILD)/layouts.md
	$(MEASURE) table >> $(BUILD)/layouts.md
	cp $(BUILD)/layouts.md docs/layouts.md

# ---- installing ----
LIBDIR := $(DESTDIR)$(PREFIX)/lib

install: all install-gdbext ## install under PREFIX (DESTDIR is honoured)
	install -d $(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include
	install -m 644 $(BUILD)/libmemext.a $(LIBDIR)/
	install -m 755 $(BUILD)/libmemext.so $(LIBDIR)/libmemext.so.$(VERSION)
	ln -sf libmemext.so.$(VERSION) $(LIBDIR)/libmemext.so.0
	ln -sf libmemext.so.0 $(LIBDIR)/libmemext.so
	install -m 644 lib/memext.h $(DESTDIR)$(PREFIX)/include/
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' lib/memext.pc.in >$(LIBDIR)/pkgconfig/memext.pc
	@echo "installed: gdb -x $(PREFIX)/share/memext/memext.py"

uninstall: ## remove what install put there
	rm -rf $(GDBEXT_INSTALL)
	rm -f $(LIBDIR)/libmemext.a $(LIBDIR)/libmemext.so* $(LIBDIR)/pkgconfig/memext.pc
	rm -f $(DESTDIR)$(PREFIX)/include/memext.h

# The GDB extension: one binding for every GDB's Python from 3.8 on, Python files, and what its page is made of.
GDBEXT_SOURCES  := $(wildcard gdbext/*.c)
GDBEXT_OBJECTS  := $(GDBEXT_SOURCES:%.c=$(BUILD)/%.o)
GDBEXT_FILES    := $(wildcard gdbext/memext.py gdbext/memext/*.py gdbext/memext/commands/*.py gdbext/memext/web/*)
GDBEXT_INSTALL  := $(DESTDIR)$(PREFIX)/share/memext
PYTHON_INCLUDES := $(patsubst -I%,-isystem %,$(shell $(PYTHON)-config --includes))

$(GDBEXT_OBJECTS): MX_CFLAGS += $(PYTHON_INCLUDES)

$(BUILD)/gdbext/_memext.abi3.so: $(GDBEXT_OBJECTS) $(BUILD)/libmemext.a
	$(CC) $(MX_CFLAGS) -shared -Wl,--exclude-libs,ALL -o $@ $^ $(MX_LIBS)

.PHONY: gdbext install-gdbext
gdbext: $(BUILD)/gdbext/_memext.abi3.so ## build the GDB extension's binding

install-gdbext: $(BUILD)/gdbext/_memext.abi3.so
	for file in $(GDBEXT_FILES:gdbext/%=%); do \
	    install -D -m 644 "gdbext/$$file" "$(GDBEXT_INSTALL)/$$file" || exit 1; done
	install -D -m 755 $< $(GDBEXT_INSTALL)/_memext.abi3.so

clean: ## remove everything that was built
	rm -rf build

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

-include $(MEASURE).d $(LIB_OBJECTS:.o=.d) $(UNIT_OBJECTS:.o=.d) $(TOOL_OBJECTS:.o=.d) $(GDBEXT_OBJECTS:.o=.d)
