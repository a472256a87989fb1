/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs every suite of suites.def, or those named on the command line, and
 * prints CUnit's summary. Exit status 1 when an assertion failed.
 */
#include <CUnit/Basic.h>
#include <stdbool.h>
#include <string.h>

#define SUITE(name) void suite_##name(CU_pSuite suite);
#include "suites.def"
#undef SUITE

static bool wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], name))
            return true;
    return argc == 1;
}

int main(int argc, char **argv)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
#define SUITE(name)                                                                                                    \
    if (wanted(#name, argc, argv))                                                                                     \
        suite_##name(CU_add_suite(#name, NULL, NULL));
#include "suites.def"
#undef SUITE
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures ? 1 : 0;
}
