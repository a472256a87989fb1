/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors as values. A function that can fail returns `struct mx_error *`, NULL
 * being success; the caller owns the error and frees it with mx_error_free().
 * The message is made where the failure happens and says what to do about it.
 */
#ifndef MX_BASE_ERROR_H
#define MX_BASE_ERROR_H

#include "memext.h"

#define MX_PRINTF(format_index, args_index) __attribute__((format(printf, format_index, args_index)))

/* A new error; when there is no memory for it, mx_error_no_memory(). */
struct mx_error *mx_error_new(enum mx_error_code code, const char *format, ...) MX_PRINTF(2, 3);

/* As mx_error_new(MX_ERROR_OS), with ": " and strerror(errno_value) appended. */
struct mx_error *mx_error_os(int errno_value, const char *format, ...) MX_PRINTF(2, 3);

/* The one static error for a failed allocation: freeing it is harmless. */
struct mx_error *mx_error_no_memory(void);

/* Returns from the calling function when `expression` fails. */
#define MX_TRY(expression)                                                                                             \
    do {                                                                                                               \
        struct mx_error *try_error = (expression);                                                                     \
        if (try_error)                                                                                                 \
            return try_error;                                                                                          \
    } while (0)

#endif
