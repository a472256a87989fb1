/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/memory/resident.c: a stopped child with pages that were written, only read, and never touched; and a core's
 * regions.
 */
#include <CUnit/CUnit.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory/resident.h"

void suite_resident(CU_pSuite suite);

enum { PAGE = 4096, PAGES = 2000 };

static uint8_t *area;

/* Every third page is read, which maps a page of nothing but zeros; every fifth one is written. */
static void live_and_stop(void)
{
    volatile uint8_t sum = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    area = mmap(area, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    madvise(area, PAGES * PAGE, MADV_NOHUGEPAGE);
    for (size_t page = 0; page < PAGES; page++) {
        if (page % 3 == 0)
            sum = (uint8_t)(sum + area[page * PAGE]);
        if (page % 5 == 0)
            area[page * PAGE] = 1;
    }
    raise(SIGSTOP);
    _exit(0);
}

static pid_t start_child(void)
{
    area = mmap(NULL, PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CU_ASSERT_TRUE_FATAL(area != MAP_FAILED);
    pid_t pid = fork();
    if (!pid)
        live_and_stop();
    int status;
    CU_ASSERT_TRUE_FATAL(pid > 0 && waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    return pid;
}

static void end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    munmap(area, PAGES * PAGE);
}

static uint64_t sum_of_rss(pid_t pid)
{
    char path[64], line[512];
    unsigned long long kilobytes;
    uint64_t sum = 0;
    snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
    FILE *file = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "Rss: %llu kB", &kilobytes) == 1)
            sum += kilobytes * 1024;
    fclose(file);
    return sum;
}

static bool is_resident(const struct mx_resident *resident, mx_addr page)
{
    for (size_t i = 0; i < resident->runs.count; i++)
        if (page >= resident->runs.items[i].start && page < resident->runs.items[i].end)
            return true;
    return false;
}

static void test_pages_of_a_child(void)
{
    pid_t pid = start_child();
    struct mx_memory *memory;
    struct mx_resident resident;
    size_t wrong = 0;
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_new(&memory));
    CU_ASSERT_PTR_NULL_FATAL(mx_resident_open(memory, pid, &resident));
    for (size_t page = 0; page < PAGES; page++)
        wrong += is_resident(&resident, (mx_addr)(uintptr_t)area + page * PAGE) != (page % 5 == 0);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(resident.bytes, sum_of_rss(pid));
    CU_ASSERT_TRUE(resident.figures.uss > 0 && resident.figures.uss <= resident.bytes);
    CU_ASSERT_TRUE(resident.figures.vms >= resident.bytes);
    for (size_t i = 1; i < resident.runs.count; i++)
        CU_ASSERT_TRUE_FATAL(resident.runs.items[i - 1].end < resident.runs.items[i].start);
    mx_resident_deinit(&resident);
    mx_memory_close(memory);
    end_child(pid);
}

static void test_no_such_process(void)
{
    struct mx_memory *memory;
    struct mx_resident resident;
    pid_t pid = start_child();
    end_child(pid);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_new(&memory));
    struct mx_error *error = mx_resident_open(memory, pid, &resident);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_EQUAL(error->code, MX_ERROR_OS);
    mx_error_free(error);
    mx_memory_close(memory);
}

/* What the core holds itself: neither what it lacks nor what a file stands in for. */
static void test_bytes_of_a_core(void)
{
    static const uint8_t bytes[4 * PAGE];
    static const struct mx_region regions[] = {
        {.start = 0x10000, .end = 0x12000, .bytes = bytes, .flags = MX_REGION_READ},
        {.start = 0x12000, .end = 0x13000, .bytes = bytes, .flags = MX_REGION_WRITE},
        {.start = 0x13000, .end = 0x14000, .bytes = bytes, .flags = MX_REGION_READ | MX_REGION_FROM_FILE},
        {.start = 0x14000, .end = 0x15000, .flags = MX_REGION_MISSING},
        {.start = 0x20000, .end = 0x20010, .bytes = bytes, .flags = MX_REGION_READ},
    };
    struct mx_memory *memory;
    struct mx_resident resident;
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_new(&memory));
    for (size_t i = 0; i < sizeof(regions) / sizeof(*regions); i++)
        CU_ASSERT_PTR_NULL_FATAL(mx_memory_add(memory, regions[i]));
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(memory));
    CU_ASSERT_PTR_NULL_FATAL(mx_resident_open(memory, 0, &resident));
    CU_ASSERT_EQUAL(resident.bytes, 0x3010);
    CU_ASSERT_EQUAL_FATAL(resident.runs.count, 2);
    CU_ASSERT_EQUAL(resident.runs.items[0].end, 0x13000);
    CU_ASSERT_EQUAL(resident.runs.items[1].start, 0x20000);
    mx_resident_deinit(&resident);
    mx_memory_close(memory);
}

void suite_resident(CU_pSuite suite)
{
    CU_add_test(suite, "pages of a child", test_pages_of_a_child);
    CU_add_test(suite, "no such process", test_no_such_process);
    CU_add_test(suite, "bytes of a core", test_bytes_of_a_core);
}
