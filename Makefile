# memext: one non-recursive Makefile. `make help` lists the targets.
#
# Objects live in build/FLAVOUR, so that sanitizer builds never mix with others.

VERSION  := $(shell sed -n 's/^\#define MX_VERSION "\(.*\)"/\1/p' lib/memext.h)
PREFIX   ?= /usr/local
DESTDIR  ?=
CC       ?= gcc
PYTHON   ?= /usr/bin/python3
FLAVOUR  ?= release
BUILD    := build/$(FLAVOUR)

WARN     := -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wvla -Werror
CFLAGS   ?= -O2 -g
MX_CFLAGS := -std=c11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -pthread -Ilib $(WARN) $(CFLAGS) $(FLAVOUR_CFLAGS)
MX_LIBS  := -lelf -ldwarf -pthread
FLAVOUR_CFLAGS :=
ifeq ($(FLAVOUR),asan)
FLAVOUR_CFLAGS := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif

LIB_SOURCES  := $(wildcard lib/*/*.c)
LIB_OBJECTS  := $(LIB_SOURCES:%.c=$(BUILD)/%.o)
UNIT_SOURCES := $(wildcard tests/unit/*.c)
UNIT_OBJECTS := $(UNIT_SOURCES:%.c=$(BUILD)/%.o)

MEASURE      := $(BUILD)/tests/layouts/measure
PYTHONS      ?= $(wildcard /root/.pyenv/versions/3.*/bin/python3)
DEBUG_FOLDER ?= /usr/lib/debug
ROWS         := lib/cpython/rows

.PHONY: all unit clean layouts layouts-table
all: $(BUILD)/libmemext.a $(BUILD)/libmemext.so ## build the library and the GDB extension

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(MX_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libmemext.a: $(LIB_OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/libmemext.so: $(LIB_OBJECTS)
	$(CC) $(MX_CFLAGS) -shared -Wl,-soname,libmemext.so.0 -o $@ $^ $(MX_LIBS)

$(BUILD)/unit: $(UNIT_OBJECTS) $(BUILD)/libmemext.a
	$(CC) $(MX_CFLAGS) -o $@ $^ -lcunit $(MX_LIBS)

unit: $(BUILD)/unit ## run the unit tests
	$(BUILD)/unit

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

clean: ## remove everything that was built
	rm -rf build

-include $(LIB_OBJECTS:.o=.d) $(UNIT_OBJECTS:.o=.d)
