/* SPDX-License-Identifier: Apache-2.0
 *
 * Literals of Python that stand for keys and indices: str, bytes, int, float,
 * bool, None and tuples of these; read from text, compared with objects.
 */
#ifndef MX_CPYTHON_LITERAL_H
#define MX_CPYTHON_LITERAL_H

#include "cpython/type.h"

enum mx_literal_kind { MX_LITERAL_STR, MX_LITERAL_BYTES, MX_LITERAL_WORD, MX_LITERAL_FLOAT, MX_LITERAL_TUPLE };

struct mx_literal {
    enum mx_literal_kind kind;
    MX_ARRAY(uint32_t) text; /* code points, or bytes; WORD: an int in decimal, None, True or False */
    double number;           /* FLOAT */
    bool is_index;           /* an int that fits into `index` */
    int64_t index;
    MX_ARRAY(struct mx_literal) items; /* TUPLE */
};

/* Reads one literal at *text and moves *text behind it. ARGUMENT when there is none. To be freed in any case. */
struct mx_error *mx_literal_read(const char **text, struct mx_literal *ret);
void mx_literal_deinit(struct mx_literal *literal);

/* Whether an object is of the literal's type and value. */
bool mx_literal_equals(const struct mx_literal *literal, const struct mx_types *types, mx_addr object);

#endif
