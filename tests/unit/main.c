/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs every suite of suites.def, or those named on the command line, and
 * prints one line a test, in the form that tests/run.py counts. Exit status 1
 * when an assertion failed.
 */
#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SUITE(name) void suite_##name(CU_pSuite suite);
#include "suites.def"
#undef SUITE

static const struct {
    const char *name;
    void (*add)(CU_pSuite suite);
} suites[] = {
#define SUITE(name) {#name, suite_##name},
#include "suites.def"
#undef SUITE
};

static bool wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], name))
            return true;
    return argc == 1;
}

static void print_result(const CU_pTest test, const CU_pSuite suite, const CU_pFailureRecord failures)
{
    if (!failures)
        printf("ok unit/%s/%s\n", suite->pName, test->pName);
    for (CU_pFailureRecord failure = failures; failure; failure = failure->pNext)
        if (failure == failures)
            printf("not ok unit/%s/%s - %s:%u: %s\n", suite->pName, test->pName, failure->strFileName,
                   failure->uiLineNumber, failure->strCondition);
        else
            printf("# %s:%u: %s\n", failure->strFileName, failure->uiLineNumber, failure->strCondition);
    /* A crash in the next test must not take this line along. */
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
        if (wanted(suites[i].name, argc, argv))
            suites[i].add(CU_add_suite(suites[i].name, NULL, NULL));
    CU_set_test_complete_handler(print_result);
    CU_run_all_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures ? 1 : 0;
}
