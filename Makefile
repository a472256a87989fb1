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

.PHONY: all unit clean
all: $(BUILD)/libmemext.a $(BUILD)/libmemext.so $(BUILD)/gdbext/_memext.abi3.so ## build the library and the GDB extension

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

# The GDB extension: one binding for every GDB's Python from 3.8 on, and Python files.
GDBEXT_SOURCES  := $(wildcard gdbext/*.c)
GDBEXT_OBJECTS  := $(GDBEXT_SOURCES:%.c=$(BUILD)/%.o)
GDBEXT_PYTHON   := $(wildcard gdbext/memext.py gdbext/memext/*.py gdbext/memext/commands/*.py)
GDBEXT_INSTALL  := $(DESTDIR)$(PREFIX)/share/memext
PYTHON_INCLUDES := $(patsubst -I%,-isystem %,$(shell $(PYTHON)-config --includes))

$(GDBEXT_OBJECTS): MX_CFLAGS += $(PYTHON_INCLUDES)

$(BUILD)/gdbext/_memext.abi3.so: $(GDBEXT_OBJECTS) $(BUILD)/libmemext.a
	$(CC) $(MX_CFLAGS) -shared -Wl,--exclude-libs,ALL -o $@ $^ $(MX_LIBS)

.PHONY: gdbext ext-unit install-gdbext
gdbext: $(BUILD)/gdbext/_memext.abi3.so ## build the GDB extension's binding

ext-unit: ## test the extension's Python that needs no GDB
	PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m unittest discover -s tests/ext -t tests/ext

install-gdbext: $(BUILD)/gdbext/_memext.abi3.so
	for file in $(GDBEXT_PYTHON:gdbext/%=%); do \
	    install -D -m 644 "gdbext/$$file" "$(GDBEXT_INSTALL)/$$file" || exit 1; done
	install -D -m 755 $< $(GDBEXT_INSTALL)/_memext.abi3.so

clean: ## remove everything that was built
	rm -rf build

-include $(LIB_OBJECTS:.o=.d) $(UNIT_OBJECTS:.o=.d) $(GDBEXT_OBJECTS:.o=.d)
