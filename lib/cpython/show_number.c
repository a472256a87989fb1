/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints int, float and complex as Python's repr() does, whatever the locale
 * of the process that the library runs in.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpython/shower.h"

enum {
    DIGIT_BITS = 30,            /* CPython Include/cpython/longintrepr.h: PYLONG_BITS_IN_DIGIT */
    DECIMAL_BASE = 1000000000,  /* a limb of the decimal number */
    MOST_DECIMAL_DIGITS = 4300, /* sys.int_info.default_max_str_digits */
    MOST_DIGITS = 477,          /* of 30 bits, that can be within MOST_DECIMAL_DIGITS */
    MOST_LIMBS = MOST_DIGITS * DIGIT_BITS / 29 + 1,
    MOST_PRECISION = 17,      /* decimal digits that tell any two doubles apart */
    FIRST_EXPONENT_FORM = 16, /* CPython Python/pystrtod.c: 1e16 is the first not written out */
    LAST_EXPONENT_FORM = -5,
};

struct big {
    const uint8_t *digits; /* of 30 bits, the lowest first */
    uint64_t count;
    bool negative;
};

static bool read_big(const struct mx_shower *shower, mx_addr object, struct big *ret)
{
    const struct mx_layout *layout = shower->layout;
    if (layout->int_shape == MX_INT_LV_TAG) {
        uint64_t tag = mx_show_word(shower, object, layout->integer.lv_tag);
        ret->count = tag >> 3;
        ret->negative = (tag & 3) == 2;
    } else {
        uint64_t size = mx_show_word(shower, object, layout->var_object.ob_size);
        ret->negative = (int64_t)size < 0;
        ret->count = ret->negative ? 0 - size : size;
    }
    if (ret->count > UINT32_MAX)
        return false;
    ret->digits = mx_memory_view(shower->memory, object + (uint64_t)layout->integer.ob_digit, (size_t)(4 * ret->count));
    return ret->digits || !ret->count;
}

static uint32_t digit_of(const struct big *big, uint64_t index)
{
    return index < big->count ? mx_load_u32(big->digits + 4 * index) & ((1U << DIGIT_BITS) - 1) : 0;
}

/* Multiplies the decimal number by 2^30 and adds a digit, for each digit from the highest. */
static size_t convert_to_decimal(const struct big *big, uint32_t *limbs)
{
    size_t used = 0;
    for (uint64_t i = big->count; i-- > 0;) {
        uint64_t carry = digit_of(big, i);
        for (size_t k = 0; k < used; k++) {
            carry += (uint64_t)limbs[k] << DIGIT_BITS;
            limbs[k] = (uint32_t)(carry % DECIMAL_BASE);
            carry /= DECIMAL_BASE;
        }
        for (; carry; carry /= DECIMAL_BASE)
            limbs[used++] = (uint32_t)(carry % DECIMAL_BASE);
    }
    return used;
}

static bool show_decimal(struct mx_shower *shower, const struct big *big)
{
    uint32_t limbs[MOST_LIMBS];
    if (big->count > MOST_DIGITS)
        return false;
    size_t used = convert_to_decimal(big, limbs);
    char highest[16];
    int length = snprintf(highest, sizeof(highest), "%u", used ? limbs[used - 1] : 0);
    if ((size_t)length + (used ? used - 1 : 0) * 9 > MOST_DECIMAL_DIGITS)
        return false;
    mx_show_print(shower, "%s%s", big->negative ? "-" : "", highest);
    for (size_t k = used; k-- > 1;)
        mx_show_print(shower, "%09u", limbs[k - 1]);
    return true;
}

static unsigned nibble_of(const struct big *big, uint64_t index)
{
    uint64_t bit = index * 4;
    uint64_t low = digit_of(big, bit / DIGIT_BITS), high = digit_of(big, bit / DIGIT_BITS + 1);
    return (unsigned)((low | high << DIGIT_BITS) >> bit % DIGIT_BITS & 15);
}

static void show_hex(struct mx_shower *shower, const struct big *big)
{
    uint64_t nibbles = (big->count * DIGIT_BITS + 3) / 4;
    while (nibbles > 1 && !nibble_of(big, nibbles - 1))
        nibbles--;
    mx_show_print(shower, "%s0x", big->negative ? "-" : "");
    uint64_t limit = shower->options.characters ? shower->options.characters : nibbles, shown = 0;
    for (; shown < nibbles && shown < limit && !mx_show_is_over(shower); shown++)
        mx_show_put(shower, &"0123456789abcdef"[nibble_of(big, nibbles - 1 - shown)], 1);
    if (shown < nibbles)
        mx_show_print(shower, "…+%llu more", (unsigned long long)(nibbles - shown));
}

void mx_show_int(struct mx_shower *shower, mx_addr object)
{
    struct big big;
    if (!read_big(shower, object, &big))
        mx_show_print(shower, "<int at 0x%llx>", (unsigned long long)object);
    else if (!show_decimal(shower, &big))
        show_hex(shower, &big);
}

bool mx_show_is_zero(const struct mx_shower *shower, mx_addr object)
{
    struct big big;
    return !read_big(shower, object, &big) || !big.count || !digit_of(&big, big.count - 1);
}

/* The fewest digits that read back as the same double. */
struct decimal {
    char digits[MOST_PRECISION + 1];
    int count, exponent; /* value = d.ddd * 10^exponent */
};

static struct decimal parse_decimal(const char *text)
{
    struct decimal ret = {"", 0, 0};
    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9' && ret.count < MOST_PRECISION)
            ret.digits[ret.count++] = *text;
    ret.exponent = *text ? (int)strtol(text + 1, NULL, 10) : 0;
    return ret;
}

/*
 * A power of two has nearer neighbours below than above: digits one unit higher than the nearest ones may still read
 * back as it when those do not.
 */
static bool try_next_higher(struct decimal *decimal, double value)
{
    char text[64];
    if (decimal->digits[decimal->count - 1] == '9')
        return false;
    decimal->digits[decimal->count - 1]++;
    snprintf(text, sizeof(text), "%se%d", decimal->digits, decimal->exponent - decimal->count + 1);
    return strtod(text, NULL) == value;
}

static struct decimal shortest_decimal(double value)
{
    char text[64];
    int exponent;
    bool is_power = frexp(value, &exponent) == 0.5;
    struct decimal decimal;
    for (int precision = 0; precision < MOST_PRECISION; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision, value);
        decimal = parse_decimal(text);
        if (strtod(text, NULL) == value || (is_power && try_next_higher(&decimal, value)))
            break;
    }
    return decimal;
}

static void show_finite(struct mx_shower *shower, const struct decimal *decimal, bool as_float)
{
    int exponent = decimal->exponent, count = decimal->count;
    if (exponent >= FIRST_EXPONENT_FORM || exponent <= LAST_EXPONENT_FORM) {
        mx_show_print(shower, "%c%s%.*s", decimal->digits[0], count > 1 ? "." : "", count - 1, decimal->digits + 1);
        mx_show_print(shower, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
    } else if (exponent < 0) {
        mx_show_print(shower, "0.%.*s%.*s", -exponent - 1, "0000", count, decimal->digits);
    } else if (count > exponent + 1) {
        mx_show_print(shower, "%.*s.%s", exponent + 1, decimal->digits, decimal->digits + exponent + 1);
    } else {
        mx_show_print(shower, "%.*s%.*s%s", count, decimal->digits, exponent + 1 - count, "0000000000000000",
                      as_float ? ".0" : "");
    }
}

void mx_show_double(struct mx_shower *shower, double value, bool as_float)
{
    if (isnan(value)) {
        mx_show_put(shower, "nan", 3);
        return;
    }
    if (signbit(value))
        mx_show_put(shower, "-", 1);
    if (isinf(value)) {
        mx_show_put(shower, "inf", 3);
        return;
    }
    struct decimal decimal = shortest_decimal(fabs(value));
    show_finite(shower, &decimal, as_float);
}

static double double_at(const struct mx_shower *shower, mx_addr address)
{
    const uint8_t *bytes = mx_memory_view(shower->memory, address, sizeof(double));
    double value = NAN;
    if (bytes)
        memcpy(&value, bytes, sizeof(value));
    return value;
}

void mx_show_float(struct mx_shower *shower, mx_addr object)
{
    mx_show_double(shower, double_at(shower, object + (uint64_t)shower->layout->float_.ob_fval), true);
}

/* CPython Objects/complexobject.c: complex_repr. A real part of +0 is left out, one of -0 is not. */
void mx_show_complex(struct mx_shower *shower, mx_addr object)
{
    mx_addr value = object + (uint64_t)shower->layout->complex_.cval;
    double real = double_at(shower, value), imaginary = double_at(shower, value + sizeof(double));
    bool both = fpclassify(real) != FP_ZERO || signbit(real);
    if (both) {
        mx_show_put(shower, "(", 1);
        mx_show_double(shower, real, false);
        if (isnan(imaginary) || !signbit(imaginary))
            mx_show_put(shower, "+", 1);
    }
    mx_show_double(shower, imaginary, false);
    mx_show_print(shower, both ? "j)" : "j");
}
