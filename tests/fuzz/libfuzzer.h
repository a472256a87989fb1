/* SPDX-License-Identifier: Apache-2.0
 *
 * What libFuzzer calls: each libfuzzer_*.c is one program with its main().
 */
#ifndef MX_TESTS_FUZZ_LIBFUZZER_H
#define MX_TESTS_FUZZ_LIBFUZZER_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
