/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a saved target: the checksums of the whole file once, when it is
 * opened, and then frames as they are asked for. A few unpacked frames are
 * kept, since they are larger than what is mostly asked for.
 *
 * The file is read, not mapped: one that is cut while it is open is an error
 * then, and no SIGBUS.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/hash.h"
#include "memory/saved_format.h"
#include "memory/source.h"

enum { SLOTS = 16, LEAST_FRAME = 6 * 8, MOST_INDEX = 1 << 30 };

/* One unpacked frame. A frame has one slot where it can be, so that threads seldom wait for each other. */
struct slot {
    pthread_mutex_t lock;
    ZSTD_DCtx *context;
    uint8_t *bytes, *packed; /* MX_SAVED_FRAME, and room for that many packed */
    size_t frame;            /* 1 + its index; 0 = none */
};

struct saved_source {
    struct mx_memory_source base;
    int descriptor;
    struct mx_saved_frames frames;
    struct slot slots[SLOTS];
};

static void close_saved_source(struct mx_memory_source *base)
{
    struct saved_source *source = (struct saved_source *)base;
    for (int i = 0; i < SLOTS; i++) {
        pthread_mutex_destroy(&source->slots[i].lock);
        ZSTD_freeDCtx(source->slots[i].context);
        free(source->slots[i].bytes);
        free(source->slots[i].packed);
    }
    if (source->descriptor >= 0)
        close(source->descriptor);
    mx_array_free(&source->frames.frames);
    mx_source_deinit(base);
    free(source);
}

static bool read_file(int descriptor, void *bytes, size_t length, uint64_t offset)
{
    for (size_t done = 0; done < length;) {
        ssize_t got = pread(descriptor, (uint8_t *)bytes + done, length - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

static bool ready_slot(struct slot *slot)
{
    if (!slot->context)
        slot->context = ZSTD_createDCtx();
    if (!slot->bytes)
        slot->bytes = malloc(MX_SAVED_FRAME);
    if (!slot->packed)
        slot->packed = malloc(ZSTD_compressBound(MX_SAVED_FRAME));
    return slot->context && slot->bytes && slot->packed;
}

/* The checksum again: the file may have changed since it was opened. */
static bool unpack(const struct saved_source *source, struct slot *slot, const struct mx_saved_frame *frame,
                   uint8_t *out)
{
    if (!read_file(source->descriptor, slot->packed, frame->packed, frame->offset) ||
        mx_hash(0, slot->packed, frame->packed) != frame->hash ||
        ZSTD_decompressDCtx(slot->context, out, frame->length, slot->packed, frame->packed) != frame->length)
        return false;
    if (frame->near)
        mx_saved_unpack_near(frame->address, out, frame->length);
    return true;
}

/* Copies `length` bytes from `offset` of a frame; a whole frame needs no copy. */
static bool copy_frame(struct saved_source *source, size_t index, size_t offset, size_t length, uint8_t *out)
{
    const struct mx_saved_frame *frame = &source->frames.frames.items[index];
    struct slot *slot = &source->slots[index % SLOTS];
    if (!frame->packed) {
        memset(out, 0, length);
        return true;
    }
    pthread_mutex_lock(&slot->lock);
    bool is_kept = slot->frame == index + 1, good = is_kept || ready_slot(slot);
    if (good && !is_kept && length == frame->length) {
        good = unpack(source, slot, frame, out);
    } else if (good) {
        good = is_kept || unpack(source, slot, frame, slot->bytes);
        slot->frame = good ? index + 1 : 0;
        if (good)
            memcpy(out, slot->bytes + offset, length);
    }
    pthread_mutex_unlock(&slot->lock);
    return good;
}

/* The frame that holds `address`; the count when there is none. */
static size_t find_frame(const struct mx_saved_frames *frames, mx_addr address)
{
    size_t low = 0, high = frames->frames.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (frames->frames.items[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    bool inside = low && address - frames->frames.items[low - 1].address < frames->frames.items[low - 1].length;
    return inside ? low - 1 : frames->frames.count;
}

static size_t read_range(struct saved_source *source, mx_addr address, uint8_t *out, size_t length)
{
    size_t index = find_frame(&source->frames, address), done = 0;
    for (; done < length && index < source->frames.frames.count; index++) {
        const struct mx_saved_frame *frame = &source->frames.frames.items[index];
        if (frame->address > address + done)
            break;
        uint64_t offset = address + done - frame->address, rest = frame->length - offset;
        size_t piece = rest < length - done ? (size_t)rest : length - done;
        if (!copy_frame(source, index, (size_t)offset, piece, out + done))
            break;
        done += piece;
    }
    return done;
}

static size_t read_saved(struct mx_memory_source *base, const struct iovec *local, const struct iovec *remote,
                         size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        size_t got =
            read_range((struct saved_source *)base, (uintptr_t)remote[i].iov_base, local[i].iov_base, local[i].iov_len);
        total += got;
        if (got < local[i].iov_len)
            break;
    }
    return total;
}

static struct mx_error *damaged(const char *path, const char *what)
{
    return mx_error_new(MX_ERROR_BAD_DATA, "%s is damaged (%s): copy it again, or save the target again", path, what);
}

static struct mx_error *check_header(const char *path, const uint8_t *bytes, uint64_t file_size,
                                     struct mx_saved_header *ret)
{
    if (!memcmp(bytes,
                "\x7f"
                "ELF",
                4))
        return mx_error_new(MX_ERROR_BAD_DATA, "%s is a core or program, not a saved target: core-file opens cores",
                            path);
    if (!mx_saved_begins(bytes, MX_SAVED_MAGIC_SIZE))
        return mx_error_new(MX_ERROR_BAD_DATA, "%s is not a saved target: py-save writes these", path);
    struct mx_blob_reader reader = {.at = bytes + MX_SAVED_MAGIC_SIZE, .left = MX_SAVED_HEADER - MX_SAVED_MAGIC_SIZE};
    ret->version = mx_blob_get_u64(&reader);
    ret->file_size = mx_blob_get_u64(&reader);
    ret->index_offset = mx_blob_get_u64(&reader);
    ret->index_packed = mx_blob_get_u64(&reader);
    ret->index_size = mx_blob_get_u64(&reader);
    ret->index_hash = mx_blob_get_u64(&reader);
    ret->header_hash = mx_blob_get_u64(&reader);
    if (ret->header_hash != mx_hash(0, bytes, MX_SAVED_HEADER - 8))
        return damaged(path, "its header");
    if (ret->version > MX_SAVED_VERSION)
        return mx_error_new(MX_ERROR_UNSUPPORTED,
                            "%s was saved by a newer memext (format %llu, this one reads up to %d): use that one", path,
                            (unsigned long long)ret->version, MX_SAVED_VERSION);
    if (ret->file_size != file_size)
        return mx_error_new(MX_ERROR_BAD_DATA, "%s is cut: %llu of %llu bytes are there; copy it again", path,
                            (unsigned long long)file_size, (unsigned long long)ret->file_size);
    if (ret->index_offset < MX_SAVED_HEADER || ret->index_offset > file_size ||
        ret->index_packed != file_size - ret->index_offset || ret->index_packed > MOST_INDEX ||
        ret->index_size > MOST_INDEX)
        return damaged(path, "its header");
    return NULL;
}

static struct mx_error *read_header(int descriptor, const char *path, struct mx_saved_header *ret)
{
    struct stat status;
    uint8_t bytes[MX_SAVED_HEADER] = {0};
    if (fstat(descriptor, &status))
        return mx_error_os(errno, "cannot read %s", path);
    if (!S_ISREG(status.st_mode))
        return mx_error_new(MX_ERROR_BAD_DATA, "%s is not a file that can hold a saved target", path);
    size_t there = status.st_size < MX_SAVED_HEADER ? (size_t)status.st_size : MX_SAVED_HEADER;
    if (!read_file(descriptor, bytes, there, 0))
        return mx_error_os(errno, "cannot read %s", path);
    if (there < MX_SAVED_HEADER && mx_saved_begins(bytes, there))
        return mx_error_new(MX_ERROR_BAD_DATA, "%s is cut within its header (%zu bytes); copy it again", path, there);
    return check_header(path, bytes, (uint64_t)status.st_size, ret);
}

/* Frames fill the file from the header to the index, and no address has two. */
static bool get_frames(struct mx_blob_reader *reader, const struct mx_saved_header *header,
                       struct mx_saved_frames *frames)
{
    uint64_t count = mx_blob_get_count(reader, LEAST_FRAME), packed = 0;
    if (!mx_array_reserve(&frames->frames, count))
        return false;
    mx_addr end = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct mx_saved_frame frame = {.address = mx_blob_get_u64(reader), .length = mx_blob_get_u64(reader)};
        frame.offset = mx_blob_get_u64(reader);
        frame.packed = mx_blob_get_u64(reader);
        frame.hash = mx_blob_get_u64(reader);
        frame.near = mx_blob_get_u64(reader);
        bool in_order = frame.address >= end && !__builtin_add_overflow(frame.address, frame.length, &end);
        bool in_file = frame.packed <= ZSTD_compressBound(MX_SAVED_FRAME) && frame.offset <= header->index_offset &&
                       frame.packed <= header->index_offset - frame.offset;
        if (!in_order || !in_file || !frame.length || (frame.packed && frame.length > MX_SAVED_FRAME))
            return false;
        packed += frame.packed;
        frames->frames.items[frames->frames.count++] = frame;
    }
    return !reader->broken && packed == header->index_offset - MX_SAVED_HEADER;
}

struct opening {
    const char *path;
    struct saved_source *source;
    struct mx_memory *memory;
    struct mx_modules *modules;
    struct mx_threads *threads;
    struct mx_blob *facts;
    struct mx_saved_header header;
};

static struct mx_error *read_index(struct opening *opening, const uint8_t *index)
{
    struct mx_blob_reader reader = {.at = index, .left = opening->header.index_size};
    struct mx_error *error = mx_saved_get_facts(&reader, &opening->source->base.names, opening->memory,
                                                opening->modules, opening->threads, opening->facts);
    if (error && error->code != MX_ERROR_BAD_DATA)
        return error;
    bool good = !error && !reader.broken && get_frames(&reader, &opening->header, &opening->source->frames);
    mx_error_free(error);
    return good ? NULL : damaged(opening->path, "its index");
}

static struct mx_error *unpack_index(struct opening *opening)
{
    const struct mx_saved_header *header = &opening->header;
    uint8_t *packed = malloc(header->index_packed + 1), *index = malloc(header->index_size + 1);
    struct mx_error *error = packed && index ? NULL : mx_error_no_memory();
    if (!error && (!read_file(opening->source->descriptor, packed, header->index_packed, header->index_offset) ||
                   mx_hash(0, packed, header->index_packed) != header->index_hash ||
                   ZSTD_decompress(index, header->index_size, packed, header->index_packed) != header->index_size))
        error = damaged(opening->path, "its index");
    free(packed);
    if (!error)
        error = read_index(opening, index);
    free(index);
    return error;
}

struct verifying {
    const struct saved_source *source;
    _Atomic size_t next;
    _Atomic bool damaged, no_memory;
};

static void verify_frames(void *context, size_t task)
{
    (void)task;
    struct verifying *verifying = context;
    const struct mx_saved_frames *frames = &verifying->source->frames;
    uint8_t *packed = malloc(ZSTD_compressBound(MX_SAVED_FRAME));
    if (!packed)
        atomic_store(&verifying->no_memory, true);
    for (size_t i; packed && (i = atomic_fetch_add(&verifying->next, 1)) < frames->frames.count;) {
        const struct mx_saved_frame *frame = &frames->frames.items[i];
        if (!frame->packed)
            continue;
        if (!read_file(verifying->source->descriptor, packed, frame->packed, frame->offset) ||
            mx_hash(0, packed, frame->packed) != frame->hash)
            atomic_store(&verifying->damaged, true);
    }
    free(packed);
}

static struct mx_error *verify(struct opening *opening)
{
    struct verifying verifying = {.source = opening->source};
    unsigned threads = mx_work_threads();
    mx_work_parallel(threads, threads, verify_frames, &verifying);
    if (atomic_load(&verifying.no_memory))
        return mx_error_no_memory();
    return atomic_load(&verifying.damaged) ? damaged(opening->path, "the memory in it") : NULL;
}

static struct mx_error *open_parts(struct opening *opening)
{
    MX_TRY(mx_memory_new(&opening->memory));
    struct saved_source *source = mx_calloc(1, sizeof(*source));
    if (!source)
        return mx_error_no_memory();
    mx_source_init(&source->base);
    source->base.read = read_saved;
    source->base.close = close_saved_source;
    for (int i = 0; i < SLOTS; i++)
        pthread_mutex_init(&source->slots[i].lock, NULL);
    opening->source = source;
    opening->memory->source = &source->base;
    source->descriptor = open(opening->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (source->descriptor < 0)
        return mx_error_os(errno, "cannot open %s", opening->path);
    MX_TRY(read_header(source->descriptor, opening->path, &opening->header));
    MX_TRY(unpack_index(opening));
    return verify(opening);
}

struct mx_error *mx_saved_open(const char *path, struct mx_memory **memory, struct mx_modules *modules,
                               struct mx_threads *threads, struct mx_blob *facts)
{
    struct mx_modules found = {0};
    struct mx_threads listed = {0};
    struct mx_blob own = {0};
    struct opening opening = {.path = path, .modules = &found, .threads = &listed, .facts = &own};
    struct mx_error *error = open_parts(&opening);
    if (error) {
        mx_threads_deinit(&listed);
        mx_modules_deinit(&found);
        mx_memory_close(opening.memory);
        mx_array_free(&own.bytes);
        return error;
    }
    *memory = opening.memory;
    *modules = found;
    *threads = listed;
    *facts = own;
    return NULL;
}
