/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/memory over a forked child that stops itself: the child's bytes are the
 * parent's, where nobody wrote since.
 */
#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory/process.h"

void suite_process(CU_pSuite suite);

enum { AREA = 6 * 1024 * 1024, HOLE = 3 * 1024 * 1024 + 4096 * 3 };

static uint8_t *area; /* AREA bytes, one unreadable page at HOLE */

struct child {
    pid_t pid;
    struct mx_memory *memory;
    struct mx_modules modules;
    struct mx_threads threads;
};

/* A mapping of a file that is shorter than it: the page behind the end is mapped and cannot be read. */
static uint8_t *map_short_file(void)
{
    char path[] = "/tmp/memext-test-XXXXXX";
    int fd = mkstemp(path);
    CU_ASSERT_TRUE_FATAL(fd >= 0 && !ftruncate(fd, 4096));
    uint8_t *file = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CU_ASSERT_TRUE_FATAL(file != MAP_FAILED);
    memset(file, 0x5a, 4096);
    close(fd);
    unlink(path);
    return file;
}

static void stop_here(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    raise(SIGSTOP);
    _exit(0);
}

static struct child open_child_that(void (*lives)(void))
{
    struct child child = {0};
    child.pid = fork();
    if (!child.pid)
        lives();
    int status;
    CU_ASSERT_TRUE_FATAL(child.pid > 0 && waitpid(child.pid, &status, WUNTRACED) == child.pid && WIFSTOPPED(status));
    struct mx_error *error = mx_process_open(child.pid, NULL, &child.memory, &child.modules, &child.threads);
    CU_ASSERT_PTR_NULL_FATAL(error);
    return child;
}

static struct child open_child(void)
{
    return open_child_that(stop_here);
}

static void end_child(struct child *child)
{
    kill(child->pid, SIGKILL);
    waitpid(child->pid, NULL, 0);
}

static void close_child(struct child *child)
{
    mx_threads_deinit(&child->threads);
    mx_modules_deinit(&child->modules);
    mx_memory_close(child->memory);
}

static void make_area(void)
{
    if (area)
        return;
    area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CU_ASSERT_TRUE_FATAL(area != MAP_FAILED);
    for (size_t i = 0; i < AREA; i++)
        area[i] = (uint8_t)(i / 4096 + i * 3);
    CU_ASSERT_FALSE(mprotect(area + HOLE, 4096, PROT_NONE));
}

static mx_addr at(size_t offset)
{
    return (uintptr_t)area + offset;
}

static void test_views_hold_the_childs_bytes(void)
{
    make_area();
    struct child child = open_child();
    CU_ASSERT_FALSE(memcmp(mx_memory_view(child.memory, at(0), HOLE), area, HOLE));
    CU_ASSERT_PTR_NULL(mx_memory_view(child.memory, at(HOLE), 1));
    CU_ASSERT_PTR_NULL(mx_memory_view(child.memory, at(HOLE - 1), 2));
    CU_ASSERT_TRUE(mx_memory_region(child.memory, at(HOLE))->flags & MX_REGION_MISSING);
    const uint8_t *view = mx_memory_view(child.memory, at(HOLE + 4096 + 70001), 3);
    CU_ASSERT_PTR_NOT_NULL_FATAL(view);
    CU_ASSERT_FALSE(memcmp(view, area + HOLE + 4096 + 70001, 3));
    CU_ASSERT_PTR_EQUAL(mx_memory_view(child.memory, at(HOLE + 4096 + 70001), 3), view);
    end_child(&child);
    close_child(&child);
}

static void test_a_page_that_cannot_be_read(void)
{
    uint8_t *file = map_short_file();
    struct child child = open_child();
    mx_addr start = (uintptr_t)file;
    CU_ASSERT_PTR_NOT_NULL(mx_memory_region(child.memory, start + 4096));
    CU_ASSERT_PTR_NULL(mx_memory_view(child.memory, start + 4096, 1));
    CU_ASSERT_PTR_NULL(mx_memory_view(child.memory, start + 4095, 2));
    const uint8_t *view = mx_memory_view(child.memory, start, 4096);
    CU_ASSERT_PTR_NOT_NULL_FATAL(view);
    CU_ASSERT_FALSE(memcmp(view, file, 4096));
    mx_addr rows[] = {start + 4096, start + 4088, start + 5000, start};
    uint8_t out[4 * 8];
    uint64_t found;
    CU_ASSERT_EQUAL(mx_memory_gather(child.memory, rows, 4, 8, out, &found), 2);
    CU_ASSERT_EQUAL(found, 0xa);
    CU_ASSERT_EQUAL(mx_load_u64(out), 0);
    CU_ASSERT_EQUAL(mx_load_u64(out + 8), UINT64_C(0x5a5a5a5a5a5a5a5a));
    struct mx_cursor cursor;
    mx_cursor_init(&cursor, child.memory);
    CU_ASSERT_PTR_NULL(mx_cursor_view(&cursor, start + 4090, 10));
    CU_ASSERT_PTR_NOT_NULL(mx_cursor_view(&cursor, start + 4090, 6));
    mx_cursor_deinit(&cursor);
    end_child(&child);
    close_child(&child);
    munmap(file, 3 * 4096);
}

static void test_gather_reads_many_rows(void)
{
    make_area();
    struct child child = open_child();
    enum { COUNT = 5000, LENGTH = 24 };
    static mx_addr addresses[COUNT];
    static uint8_t out[COUNT * LENGTH];
    static uint64_t found[COUNT / 64 + 1];
    size_t step = (AREA - LENGTH) / COUNT, readable = 0;
    for (size_t i = 0; i < COUNT; i++)
        addresses[i] = i % 100 == 99 ? 16 : at(i * step);
    size_t good = mx_memory_gather(child.memory, addresses, COUNT, LENGTH, out, found);
    for (size_t i = 0; i < COUNT; i++) {
        size_t offset = i * step;
        if (i % 100 == 99 || (offset + LENGTH > HOLE && offset < HOLE + 4096))
            continue;
        readable++;
        CU_ASSERT_TRUE(found[i / 64] >> i % 64 & 1);
        CU_ASSERT_FALSE(memcmp(out + i * LENGTH, area + offset, LENGTH));
    }
    CU_ASSERT_EQUAL(good, readable);
    CU_ASSERT_PTR_NULL(mx_memory_region(child.memory, at(0))->fetched);
    end_child(&child);
    close_child(&child);
}

static void test_a_cursor_sees_what_views_see(void)
{
    make_area();
    struct child child = open_child();
    struct mx_cursor cursor;
    mx_cursor_init(&cursor, child.memory);
    for (size_t offset = 0; offset + 10007 <= HOLE; offset += 10007) {
        const uint8_t *view = mx_cursor_view(&cursor, at(offset), 10007);
        CU_ASSERT_PTR_NOT_NULL_FATAL(view);
        CU_ASSERT_FALSE(memcmp(view, area + offset, 10007));
    }
    const uint8_t *back = mx_cursor_view(&cursor, at(5), 2 * 1024 * 1024);
    CU_ASSERT_PTR_NOT_NULL_FATAL(back);
    CU_ASSERT_FALSE(memcmp(back, area + 5, 2 * 1024 * 1024));
    CU_ASSERT_PTR_NULL(mx_cursor_view(&cursor, at(HOLE - 8), 16));
    back = mx_cursor_view(&cursor, at(HOLE + 4096), 16);
    CU_ASSERT_PTR_NOT_NULL_FATAL(back);
    CU_ASSERT_FALSE(memcmp(back, area + HOLE + 4096, 16));
    CU_ASSERT_PTR_NULL(mx_memory_region(child.memory, at(0))->fetched);
    mx_cursor_deinit(&cursor);
    end_child(&child);
    close_child(&child);
}

struct reader {
    const struct mx_memory *memory;
    bool right;
};

static void *read_all(void *argument)
{
    struct reader *reader = argument;
    reader->right = true;
    for (size_t offset = 0; offset + 1000 <= HOLE; offset += 1000) {
        const uint8_t *view = mx_memory_view(reader->memory, at(offset), 1000);
        reader->right = reader->right && view && !memcmp(view, area + offset, 1000);
    }
    return NULL;
}

static void test_threads_may_view_the_same_blocks(void)
{
    make_area();
    struct child child = open_child();
    pthread_t threads[4];
    struct reader readers[4];
    for (size_t i = 0; i < 4; i++) {
        readers[i] = (struct reader){.memory = child.memory};
        CU_ASSERT_FALSE_FATAL(pthread_create(&threads[i], NULL, read_all, &readers[i]));
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_TRUE(readers[i].right);
    }
    end_child(&child);
    close_child(&child);
}

static void test_modules_and_threads_of_the_child(void)
{
    struct child child = open_child();
    CU_ASSERT_EQUAL(child.threads.pid, child.pid);
    CU_ASSERT_EQUAL_FATAL(child.threads.threads.count, 1);
    CU_ASSERT_EQUAL(child.threads.threads.items[0].tid, child.pid);
    CU_ASSERT_PTR_NOT_NULL(strstr(child.threads.command, "unit"));
    struct mx_symbol symbol;
    CU_ASSERT_TRUE_FATAL(mx_modules_symbol(&child.modules, "suite_process", 0, &symbol));
    CU_ASSERT_EQUAL(symbol.address, (uintptr_t)suite_process);
    CU_ASSERT_TRUE(symbol.module->is_executable);
    CU_ASSERT_PTR_EQUAL(mx_modules_at(&child.modules, symbol.address), symbol.module);
    CU_ASSERT_FALSE(mx_modules_symbol(&child.modules, "suite_process", 1, &symbol));
    CU_ASSERT_TRUE_FATAL(mx_modules_symbol(&child.modules, "environ", 0, &symbol));
    const struct mx_region *bss = mx_memory_region(child.memory, (uintptr_t)&area);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bss);
    CU_ASSERT_TRUE(child.modules.modules.items[bss->module].is_executable);
    mx_addr start, end;
    CU_ASSERT_TRUE(mx_module_section(&child.modules.modules.items[bss->module], ".bss", &start, &end));
    CU_ASSERT_TRUE(start <= (uintptr_t)&area && (uintptr_t)&area < end);
    end_child(&child);
    close_child(&child);
}

struct second {
    pthread_t self;
    char *_Atomic place; /* on its stack */
};

static void *wait_for_ever(void *argument)
{
    struct second *second = argument;
    char here[64] = "second";
    second->place = here;
    for (;;)
        pause();
    return NULL;
}

static struct second *shared;
static uint8_t **shared_place; /* what a child tells */

static void start_second_and_stop(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (pthread_create(&shared->self, NULL, wait_for_ever, shared))
        _exit(1);
    while (!shared->place)
        usleep(1000);
    usleep(20000);
    raise(SIGSTOP);
    _exit(0);
}

static void test_stacks_of_threads(void)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CU_ASSERT_TRUE_FATAL(shared != MAP_FAILED);
    struct child child = open_child_that(start_second_and_stop);
    CU_ASSERT_EQUAL_FATAL(child.threads.threads.count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct mx_thread *thread = &child.threads.threads.items[i];
        bool is_main = thread->tid == child.pid;
        mx_addr place = is_main ? (uintptr_t)__builtin_frame_address(0) : (uintptr_t)shared->place;
        CU_ASSERT_TRUE(thread->stack_pointer && thread->stack_pointer < place);
        CU_ASSERT_TRUE(place - thread->stack_pointer < 16384);
        CU_ASSERT_EQUAL(thread->fs_base, is_main ? 0 : (uintptr_t)shared->self);
    }
    end_child(&child);
    close_child(&child);
    munmap(shared, sizeof(*shared));
}

static void test_a_child_that_ends(void)
{
    make_area();
    struct child child = open_child();
    const uint8_t *kept = mx_memory_view(child.memory, at(100), 8);
    CU_ASSERT_PTR_NOT_NULL_FATAL(kept);
    CU_ASSERT_FALSE(mx_memory_gone(child.memory));
    end_child(&child);
    CU_ASSERT_PTR_NULL(mx_memory_view(child.memory, at(1024 * 1024), 8));
    CU_ASSERT_TRUE(mx_memory_gone(child.memory));
    CU_ASSERT_FALSE(memcmp(kept, area + 100, 8));
    struct mx_cursor cursor;
    mx_cursor_init(&cursor, child.memory);
    CU_ASSERT_PTR_NULL(mx_cursor_view(&cursor, at(0), 8));
    mx_cursor_deinit(&cursor);
    close_child(&child);
}

/* Stops before it changes anything, then with a new mapping, then with more code. */
static void change_and_stop(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    raise(SIGSTOP);
    area[100]++;
    *shared_place = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (*shared_place)[AREA - 1] = 7;
    raise(SIGSTOP);
    int fd = open("/proc/self/exe", O_RDONLY);
    if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED)
        _exit(1);
    raise(SIGSTOP);
    _exit(0);
}

static bool go_on_and_reread(struct child *child)
{
    int status;
    bool same = false;
    kill(child->pid, SIGCONT);
    CU_ASSERT_TRUE_FATAL(waitpid(child->pid, &status, WUNTRACED) == child->pid && WIFSTOPPED(status));
    CU_ASSERT_PTR_NULL_FATAL(mx_process_reread(child->pid, child->memory, &child->modules, &same));
    return same;
}

static void test_a_child_that_goes_on(void)
{
    make_area();
    shared_place = mmap(NULL, sizeof(*shared_place), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CU_ASSERT_TRUE_FATAL(shared_place != MAP_FAILED);
    struct child child = open_child_that(change_and_stop);
    CU_ASSERT_EQUAL(mx_memory_view(child.memory, at(100), 1)[0], area[100]);
    CU_ASSERT_TRUE(go_on_and_reread(&child));
    CU_ASSERT_EQUAL(mx_memory_view(child.memory, at(100), 1)[0], (uint8_t)(area[100] + 1));
    const uint8_t *added = mx_memory_view(child.memory, (uintptr_t)(*shared_place + AREA - 1), 1);
    CU_ASSERT_TRUE(added && *added == 7);
    const struct mx_region *bss = mx_memory_region(child.memory, (uintptr_t)&area);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bss);
    CU_ASSERT_TRUE_FATAL(bss->module < child.modules.modules.count);
    CU_ASSERT_TRUE(child.modules.modules.items[bss->module].is_executable);
    CU_ASSERT_FALSE(go_on_and_reread(&child));
    end_child(&child);
    close_child(&child);
    munmap(shared_place, sizeof(*shared_place));
}

static void test_no_such_process(void)
{
    struct child child = open_child();
    end_child(&child);
    close_child(&child);
    struct mx_memory *memory = NULL;
    struct mx_error *error = mx_process_open(child.pid, NULL, &memory, &child.modules, &child.threads);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_EQUAL(error->code, MX_ERROR_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(error->message, "there is no process"));
    CU_ASSERT_PTR_NULL(memory);
    mx_error_free(error);
}

/* A debugger that reads the child by /proc/PID/mem, and has its files. */
struct debugger {
    pid_t pid;
    unsigned reads, fetches, closes;
};

static size_t read_child(void *context, mx_addr address, uint8_t *out, size_t length)
{
    struct debugger *debugger = context;
    struct iovec local = {out, length}, remote = {(void *)(uintptr_t)address, length};
    debugger->reads++;
    ssize_t got = process_vm_readv(debugger->pid, &local, 1, &remote, 1, 0);
    return got > 0 ? (size_t)got : 0;
}

static char *fetch_file(void *context, const char *path)
{
    ((struct debugger *)context)->fetches++;
    return access(path, R_OK) ? NULL : strdup(path);
}

static char *fetch_nothing(void *context, const char *path)
{
    (void)context;
    (void)path;
    return NULL;
}

static void close_debugger(void *context)
{
    ((struct debugger *)context)->closes++;
}

static struct mx_remote remote_of(struct debugger *debugger)
{
    static const struct mx_remote_thread thread = {.tid = 7, .stack_pointer = 0x1000, .fs_base = 0x2000};
    return (struct mx_remote){.pid = debugger->pid,
                              .read = read_child,
                              .fetch = fetch_file,
                              .close = close_debugger,
                              .context = debugger,
                              .threads = &thread,
                              .thread_count = 1};
}

static void *view_elsewhere(void *memory)
{
    return (void *)(uintptr_t)mx_memory_view(memory, at(AREA - 8192), 1);
}

static void test_a_remote_process(void)
{
    make_area();
    struct child child = open_child();
    struct debugger debugger = {.pid = child.pid};
    struct mx_remote remote = remote_of(&debugger);
    struct mx_memory *memory;
    struct mx_modules modules = {0};
    struct mx_threads threads = {0};
    CU_ASSERT_PTR_NULL_FATAL(mx_remote_open(&remote, NULL, &memory, &modules, &threads));
    CU_ASSERT_EQUAL(memory->regions.count, child.memory->regions.count);
    CU_ASSERT_EQUAL(modules.modules.count, child.modules.modules.count);
    CU_ASSERT_EQUAL(threads.threads.items[0].fs_base, 0x2000);
    CU_ASSERT_EQUAL(mx_memory_threads(memory), 1);
    struct mx_cursor cursor;
    mx_cursor_init(&cursor, memory);
    CU_ASSERT_FALSE(memcmp(mx_cursor_view(&cursor, at(0), 100000), area, 100000));
    unsigned reads = debugger.reads;
    CU_ASSERT_FALSE(memcmp(mx_memory_view(memory, at(5), 99000), area + 5, 99000));
    uint8_t row[64];
    mx_addr address = at(4096);
    CU_ASSERT_EQUAL(mx_memory_gather(memory, &address, 1, sizeof(row), row, NULL), 1);
    CU_ASSERT_EQUAL(debugger.reads, reads);
    CU_ASSERT_PTR_NULL(mx_memory_view(memory, at(HOLE), 1));
    mx_cursor_deinit(&cursor);
    pthread_t other;
    void *seen = memory;
    CU_ASSERT_FALSE(pthread_create(&other, NULL, view_elsewhere, memory) || pthread_join(other, &seen));
    CU_ASSERT_PTR_NULL(seen);
    mx_threads_deinit(&threads);
    mx_modules_deinit(&modules);
    mx_memory_close(memory);
    end_child(&child);
    close_child(&child);
}

static void test_a_connection_that_gives_no_files(void)
{
    struct debugger debugger = {.pid = getpid()};
    struct mx_remote remote = remote_of(&debugger);
    remote.fetch = fetch_nothing;
    struct mx_memory *memory;
    struct mx_modules modules;
    struct mx_threads threads;
    struct mx_error *error = mx_remote_open(&remote, NULL, &memory, &modules, &threads);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_EQUAL(error->code, MX_ERROR_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(error->message, "does not give the memory map"));
    mx_error_free(error);
}

void suite_process(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_a_connection_that_gives_no_files);
    CU_ADD_TEST(suite, test_views_hold_the_childs_bytes);
    CU_ADD_TEST(suite, test_a_page_that_cannot_be_read);
    CU_ADD_TEST(suite, test_gather_reads_many_rows);
    CU_ADD_TEST(suite, test_a_cursor_sees_what_views_see);
    CU_ADD_TEST(suite, test_threads_may_view_the_same_blocks);
    if (getenv("MEMEXT_EMULATED")) {
        puts("skip unit/process/test_modules_and_threads_of_the_child - an emulator has threads of its own");
        puts("skip unit/process/test_stacks_of_threads - an emulator has threads of its own");
        puts("skip unit/process/test_a_child_that_goes_on - an emulator's mappings are not the program's");
        puts("skip unit/process/test_a_remote_process - an emulator's files in /proc are not the program's");
    } else {
        CU_ADD_TEST(suite, test_a_remote_process);
        CU_ADD_TEST(suite, test_modules_and_threads_of_the_child);
        CU_ADD_TEST(suite, test_stacks_of_threads);
        CU_ADD_TEST(suite, test_a_child_that_goes_on);
    }
    CU_ADD_TEST(suite, test_a_child_that_ends);
    CU_ADD_TEST(suite, test_no_such_process);
}
