/* SPDX-License-Identifier: Apache-2.0
 *
 * A made-up target: writes Python objects into a byte array as a given layout
 * says, so that every decoder can be tested on every row without an
 * interpreter. It knows what struct mx_layout knows and nothing of the
 * decoders; it writes what CPython would, or what a test wants broken.
 *
 *     struct fake fake;
 *     FAKE_EACH_ROW(&fake) {
 *         mx_addr list = fake_list(&fake, (mx_addr[]){fake_int(&fake, 1)}, 1);
 *         ... mx_show(&fake.types, list, ...) ...
 *     }
 *
 * Writers never fail: running out of FAKE_SIZE ends the test program.
 */
#ifndef MX_TESTS_FAKE_H
#define MX_TESTS_FAKE_H

#include "cpython/type.h"

#define FAKE_BASE UINT64_C(0x7f0000000000)
#define FAKE_SIZE ((size_t)4 << 20)

struct fake {
    struct mx_memory *memory;
    struct mx_runtime runtime;
    struct mx_types types;
    uint8_t *bytes; /* of FAKE_BASE */
    size_t used;
    mx_addr builtins[MX_KIND_COUNT]; /* a type object of each kind, named as Python names it */
    mx_addr frozenset;
    mx_addr none;
    size_t row;
    const char *row_name;
};

void fake_open(struct fake *fake, const struct mx_layout *layout);
void fake_close(struct fake *fake);

/* For FAKE_EACH_ROW: closes the row before, opens the next; false past the last. */
bool fake_next_row(struct fake *fake);
#define FAKE_EACH_ROW(target) for (*(target) = (struct fake){0}; fake_next_row(target);)

/* Zeroed memory, 16-aligned. */
mx_addr fake_alloc(struct fake *fake, size_t size);
uint8_t *fake_at(struct fake *fake, mx_addr address);
void fake_put(struct fake *fake, mx_addr address, int32_t offset, uint64_t word);
void fake_put_bytes(struct fake *fake, mx_addr address, const void *bytes, size_t size);

/* A type object, known to fake->types. `base` may be 0. */
struct fake_type {
    const char *name;
    int64_t basicsize, itemsize, dictoffset;
    uint64_t flags;
    mx_addr base, metatype; /* metatype 0 = type */
    enum mx_kind kind;
    bool is_python_class;
};
mx_addr fake_type(struct fake *fake, const struct fake_type *spec);

/* A class statement's class whose instances keep attributes as the row's version does; `names` are its shared keys. */
mx_addr fake_class(struct fake *fake, const char *name, const char *const *names, size_t count);

/* A subclass of a built-in type made by a class statement, without attributes of its own. */
mx_addr fake_subclass(struct fake *fake, const char *name, enum mx_kind kind);

/* A count, or of a free list what stands in its place. */
void fake_set_refcount(struct fake *fake, mx_addr object, uint64_t word);

/* An object of `size` bytes with refcount 1, behind what its type wants before it. */
mx_addr fake_object(struct fake *fake, mx_addr type, size_t size);

mx_addr fake_int(struct fake *fake, int64_t value);
mx_addr fake_big_int(struct fake *fake, const uint32_t *digits, size_t count, bool negative); /* 30 bits a digit */
mx_addr fake_float(struct fake *fake, double value);
mx_addr fake_bytes(struct fake *fake, const void *bytes, size_t size);
mx_addr fake_tuple(struct fake *fake, const mx_addr *items, size_t count);
mx_addr fake_list(struct fake *fake, const mx_addr *items, size_t count);

/* A str of these code points, in the narrowest compact form. */
mx_addr fake_points(struct fake *fake, const uint32_t *points, size_t count);
mx_addr fake_str(struct fake *fake, const char *ascii);

/* A set with the keys at the given places of a table of `places` (a power of two); 0 = unused. */
mx_addr fake_set(struct fake *fake, mx_addr type, const mx_addr *keys, size_t places);

/*
 * Keys tables. An entry whose key or value is 0 was deleted; values may be NULL (split). Kinds as dk_kind has them; the
 * layouts without dk_kind have but one kind of entry.
 */
enum fake_keys_kind { FAKE_KEYS_GENERAL, FAKE_KEYS_UNICODE, FAKE_KEYS_SPLIT };
mx_addr fake_keys(struct fake *fake, enum fake_keys_kind kind, const mx_addr *keys, const mx_addr *values,
                  size_t count);
mx_addr fake_dict(struct fake *fake, enum fake_keys_kind kind, const mx_addr *keys, const mx_addr *values,
                  size_t count);

/* A values array for `capacity` keys; order = indices as they were set (NULL = as they stand), absent ones left out. */
struct fake_values {
    const mx_addr *items; /* 0 = not set */
    size_t count;
    const uint8_t *order;
    size_t order_count;
    uint8_t capacity;
};
mx_addr fake_values(struct fake *fake, const struct fake_values *values);
mx_addr fake_split_dict(struct fake *fake, mx_addr keys, mx_addr values, size_t used);

/* An instance of a fake_class() with `count` attributes set, in the order of the class's keys. */
mx_addr fake_instance(struct fake *fake, mx_addr type, const mx_addr *values, size_t count);

/* Gives an instance a dict of its own: what obj.__dict__ = {...} does. */
void fake_set_dict(struct fake *fake, mx_addr instance, mx_addr dict);

#endif
