/* SPDX-License-Identifier: Apache-2.0
 *
 * Error values: allocated, except the one for "no memory", which must not need
 * memory to exist.
 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct mx_error no_memory = {MX_ERROR_NO_MEMORY, "memext is out of memory"};

struct mx_error *mx_error_no_memory(void)
{
    return &no_memory;
}

static struct mx_error *error_with_text(enum mx_error_code code, char *text)
{
    if (!text)
        return &no_memory;
    struct mx_error *error = malloc(sizeof(*error));
    if (!error) {
        free(text);
        return &no_memory;
    }
    error->code = code;
    error->message = text;
    return error;
}

/* Names from a damaged target may hold anything: a message stays one line that a terminal can show. */
static void make_one_line(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

static char *format_text(const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0)
        return NULL;
    char *text = malloc((size_t)length + 1);
    if (!text)
        return NULL;
    vsnprintf(text, (size_t)length + 1, format, args);
    make_one_line(text);
    return text;
}

struct mx_error *mx_error_new(enum mx_error_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = format_text(format, args);
    va_end(args);
    return error_with_text(code, text);
}

struct mx_error *mx_error_os(int errno_value, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = format_text(format, args);
    va_end(args);
    if (!text)
        return &no_memory;
    char reason[128];
    struct mx_error *error = mx_error_new(MX_ERROR_OS, "%s: %s", text, strerror_r(errno_value, reason, sizeof(reason)));
    free(text);
    return error;
}

void mx_error_free(struct mx_error *error)
{
    if (!error || error == &no_memory)
        return;
    free(error->message);
    free(error);
}
