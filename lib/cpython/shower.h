/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files that print values share: the output, its limits, and the path
 * of objects being printed. For show*.c alone; others include show.h.
 *
 * Every function appends to the output and cannot fail: a failed allocation or
 * a full output makes the rest of the printing do nothing.
 */
#ifndef MX_CPYTHON_SHOWER_H
#define MX_CPYTHON_SHOWER_H

#include "cpython/show.h"

#define MX_SHOW_DEEPEST 64

struct mx_shower {
    const struct mx_types *types;
    const struct mx_runtime *runtime;
    const struct mx_layout *layout;
    const struct mx_memory *memory;
    struct mx_show_options options;
    MX_ARRAY(char) text;
    bool no_memory, full;
    mx_addr path[MX_SHOW_DEEPEST]; /* objects being printed, outermost first */
    unsigned path_length;
    unsigned containers; /* of the path, those that are open */
};

/* show.c */
void mx_show_put(struct mx_shower *shower, const char *text, size_t length);
void mx_show_print(struct mx_shower *shower, const char *format, ...) MX_PRINTF(2, 3);
bool mx_show_is_over(const struct mx_shower *shower);
void mx_show_value(struct mx_shower *shower, mx_addr object); /* any object, one level further in */
uint64_t mx_show_word(const struct mx_shower *shower, mx_addr object, int32_t offset); /* 0 when not there */
/* "<module.Type at 0x...>", the form for everything without a better one. */
void mx_show_anonymous(struct mx_shower *shower, const struct mx_type *type, mx_addr object);

/* Opens a container: between the two calls mx_show_next() counts items against the limits of depth and number. */
void mx_show_open(struct mx_shower *shower, const char *bracket);
void mx_show_close(struct mx_shower *shower, const char *bracket);
bool mx_show_next(struct mx_shower *shower, uint64_t index);                 /* may the item be shown? Prints ", " */
void mx_show_rest(struct mx_shower *shower, uint64_t shown, uint64_t total); /* says how many were left out */

/* show_number.c */
void mx_show_double(struct mx_shower *shower, double value, bool as_float); /* as_float: 1 as "1.0" */
void mx_show_int(struct mx_shower *shower, mx_addr object);
bool mx_show_is_zero(const struct mx_shower *shower, mx_addr object); /* of an int */
void mx_show_float(struct mx_shower *shower, mx_addr object);
void mx_show_complex(struct mx_shower *shower, mx_addr object);

/* show_text.c */
void mx_show_str(struct mx_shower *shower, mx_addr object);
void mx_show_bytes(struct mx_shower *shower, mx_addr data, uint64_t length);
void mx_show_name(struct mx_shower *shower, mx_addr str);      /* a str's text without quotes, "?" when it is none */
void mx_show_text(struct mx_shower *shower, const char *text); /* foreign text that should be UTF-8 */
void mx_show_point(struct mx_shower *shower, uint32_t point, uint32_t quote);

/* show_container.c: bodies; names of subclasses are put around them by show.c. */
void mx_show_list(struct mx_shower *shower, mx_addr object);
void mx_show_tuple(struct mx_shower *shower, mx_addr object);
void mx_show_set(struct mx_shower *shower, mx_addr object);
void mx_show_dict(struct mx_shower *shower, mx_addr object);
void mx_show_deque(struct mx_shower *shower, mx_addr object);
void mx_show_array(struct mx_shower *shower, mx_addr object);

/* show_program.c: what programs are made of. */
void mx_show_type(struct mx_shower *shower, mx_addr object);
void mx_show_function(struct mx_shower *shower, mx_addr object);
void mx_show_method(struct mx_shower *shower, mx_addr object);
void mx_show_cfunction(struct mx_shower *shower, mx_addr object);
void mx_show_module(struct mx_shower *shower, mx_addr object);
void mx_show_code(struct mx_shower *shower, mx_addr object);
void mx_show_frame(struct mx_shower *shower, mx_addr object);
void mx_show_generator(struct mx_shower *shower, mx_addr object);
void mx_show_cell(struct mx_shower *shower, mx_addr object);
void mx_show_weakref(struct mx_shower *shower, mx_addr object);
void mx_show_exception(struct mx_shower *shower, mx_addr object);
void mx_show_range(struct mx_shower *shower, mx_addr object);
void mx_show_slice(struct mx_shower *shower, mx_addr object);

/* show_instance.c */
bool mx_show_enum_member(struct mx_shower *shower, const struct mx_type *type, mx_addr object); /* false: is none */
bool mx_show_named_tuple(struct mx_shower *shower, const struct mx_type *type, mx_addr object); /* the same */
void mx_show_attributes(struct mx_shower *shower, const struct mx_type *type, mx_addr object);

/* The part of a type's name behind the last dot: its __name__. */
const char *mx_show_short_name(const struct mx_type *type);

#endif
