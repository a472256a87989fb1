/* SPDX-License-Identifier: Apache-2.0
 *
 * What a user's commands would ask of a target, by name.
 */
#ifndef MX_TESTS_FUZZ_QUESTIONS_H
#define MX_TESTS_FUZZ_QUESTIONS_H

#include "memext.h"

enum question {
    ASK_COUNTS = 1 << 0,
    ASK_LEDGER = 1 << 1,
    ASK_ARENAS = 1 << 2,
    ASK_STACKS = 1 << 3,
    ASK_REFERENCES = 1 << 4,
    ASK_WASTE = 1 << 5,
    ASK_AUDIT = 1 << 6,
    ASK_LEAKS = 1 << 7,
    ASK_RETAINED = 1 << 8,
    ASK_SUSPECTS = 1 << 9,
    ASK_SQL = 1 << 10,
    ASK_EXPORTS = 1 << 11,
    ASK_VERIFICATION = 1 << 12,
    ASK_ALL = (1 << 13) - 1,
    /* What these need. */
    ASK_OF_RETAINED = ASK_RETAINED | ASK_SUSPECTS | ASK_SQL | ASK_EXPORTS,
    ASK_GRAPH = ASK_REFERENCES | ASK_WASTE | ASK_AUDIT | ASK_LEAKS | ASK_VERIFICATION | ASK_OF_RETAINED
};

struct questions {
    unsigned which;        /* enum question */
    const char *export_as; /* a path to write to and to remove; NULL: no exports */
    const char *save_as;   /* the target is saved there, and stays; NULL: it is not */
};

/*
 * Asks what an opener's result can tell; closes the target and frees the error. False when the target was refused. What
 * cannot be (sums that do not add up, an error without a sentence) aborts.
 */
bool ask(struct mx_error *error, struct mx_target *target, const struct questions *questions);

/* The same of what is open already: questions that need what is NULL are left out. */
void ask_opened(const struct mx_sources *of, const struct questions *questions);

#endif
