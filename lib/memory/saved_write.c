/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing a saved target: workers take pieces of regions in turn, have them
 * lightened, compress them, and append them to the file in the order in which
 * they are done. The index at the end says where everything came to be.
 */
#include <zstd.h>

#include "base/hash.h"
#include "base/outfile.h"
#include "memory/saved_format.h"
#include "memory/source.h"

const uint8_t mx_saved_magic[MX_SAVED_MAGIC_SIZE] = {'m', 'e', 'm', 'e', 'x', 't', 0x1a, '\n'};

bool mx_saved_begins(const uint8_t *bytes, size_t length)
{
    return length >= sizeof(mx_saved_magic) && !memcmp(bytes, mx_saved_magic, sizeof(mx_saved_magic));
}

struct writing {
    const struct mx_saved_content *content;
    struct mx_work *work;
    struct mx_outfile file;
    pthread_mutex_t lock; /* of all below */
    size_t region;        /* the next piece */
    mx_addr at;
    uint64_t end; /* of the file so far */
    struct mx_saved_frames frames;
    struct mx_error *error; /* the first one */
};

struct worker {
    struct writing *writing;
    ZSTD_CCtx *context;
    uint8_t *bytes, *packed;
    size_t packed_room;
};

struct piece {
    const struct mx_region *region;
    mx_addr start;
    uint64_t length;
    bool is_skipped; /* then of any length */
};

static bool is_there(const struct mx_region *region)
{
    return (region->bytes || region->flags & MX_REGION_LIVE) && !(region->flags & MX_REGION_MISSING);
}

uint64_t mx_saved_extent(const struct mx_memory *memory)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < memory->regions.count; i++)
        if (is_there(&memory->regions.items[i]))
            bytes += memory->regions.items[i].end - memory->regions.items[i].start;
    return bytes;
}

static void fail(struct writing *writing, struct mx_error *error)
{
    pthread_mutex_lock(&writing->lock);
    struct mx_error *extra = writing->error ? error : NULL;
    if (!writing->error)
        writing->error = error;
    pthread_mutex_unlock(&writing->lock);
    mx_error_free(extra);
}

/* The next piece of memory; false when there is none left, or no use in going on. */
static bool take_piece(struct writing *writing, struct piece *piece)
{
    const struct mx_memory *memory = writing->content->memory;
    pthread_mutex_lock(&writing->lock);
    while (writing->region < memory->regions.count && !is_there(&memory->regions.items[writing->region]))
        writing->region++;
    bool found = writing->region < memory->regions.count && !writing->error;
    if (found) {
        const struct mx_region *region = &memory->regions.items[writing->region];
        *piece = (struct piece){.region = region, .start = writing->at > region->start ? writing->at : region->start};
        piece->is_skipped = writing->content->skips(writing->content->context, region);
        piece->length = region->end - piece->start;
        if (piece->length > MX_SAVED_FRAME && !piece->is_skipped)
            piece->length = MX_SAVED_FRAME;
        writing->at = piece->start + piece->length;
        writing->region += writing->at == region->end;
    }
    pthread_mutex_unlock(&writing->lock);
    return found;
}

static void add_frame(struct writing *writing, struct mx_saved_frame frame, const uint8_t *packed)
{
    pthread_mutex_lock(&writing->lock);
    frame.offset = frame.packed ? writing->end : 0;
    writing->end += frame.packed;
    bool added = mx_array_push(&writing->frames.frames, frame);
    pthread_mutex_unlock(&writing->lock);
    struct mx_error *error = added ? NULL : mx_error_no_memory();
    if (added && frame.packed)
        error = mx_outfile_write(&writing->file, packed, frame.packed, frame.offset);
    if (error)
        fail(writing, error);
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
    return !length || (!bytes[0] && !memcmp(bytes, bytes + 1, length - 1));
}

static void write_frame(struct worker *worker, mx_addr start, size_t length)
{
    const struct mx_saved_content *content = worker->writing->content;
    struct mx_saved_frame frame = {.address = start, .length = length};
    content->lighten(content->context, start, worker->bytes, length);
    if (!is_zero(worker->bytes, length)) {
        frame.near = mx_saved_pack_near(start, worker->bytes, length);
        frame.packed = ZSTD_compressCCtx(worker->context, worker->packed, worker->packed_room, worker->bytes, length,
                                         MX_SAVED_LEVEL);
        if (ZSTD_isError(frame.packed)) {
            fail(worker->writing, mx_error_no_memory());
            return;
        }
        frame.hash = mx_hash(0, worker->packed, frame.packed);
    }
    add_frame(worker->writing, frame, worker->packed);
}

/* How many of the bytes from `address` on can be read. */
static size_t read_piece(const struct worker *worker, const struct mx_region *region, mx_addr address, size_t length)
{
    if (region->flags & MX_REGION_LIVE)
        return mx_live_read(worker->writing->content->memory, address, worker->bytes, length);
    memcpy(worker->bytes, region->bytes + (address - region->start), length);
    return length;
}

/* Pages that cannot be read get no frame: they are missing from the saved target, too. */
static void write_piece(struct worker *worker, const struct piece *piece)
{
    mx_addr at = piece->start, end = piece->start + piece->length;
    if (piece->is_skipped) {
        add_frame(worker->writing, (struct mx_saved_frame){.address = at, .length = piece->length}, NULL);
        return;
    }
    while (at < end) {
        size_t length = read_piece(worker, piece->region, at, end - at);
        if (length)
            write_frame(worker, at, length);
        at += length;
        if (at < end)
            at = (at | (MX_PAGE - 1)) + 1;
    }
}

static void run_worker(void *context, size_t index)
{
    (void)index;
    struct writing *writing = context;
    struct worker worker = {.writing = writing, .packed_room = ZSTD_compressBound(MX_SAVED_FRAME)};
    worker.context = ZSTD_createCCtx();
    worker.bytes = malloc(MX_SAVED_FRAME);
    worker.packed = malloc(worker.packed_room);
    struct piece piece;
    if (!worker.context || !worker.bytes || !worker.packed)
        fail(writing, mx_error_no_memory());
    while (take_piece(writing, &piece)) {
        write_piece(&worker, &piece);
        if (!mx_work_step(writing->work, piece.length))
            fail(writing, mx_error_cancelled());
    }
    ZSTD_freeCCtx(worker.context);
    free(worker.bytes);
    free(worker.packed);
}

static int compare_frames(const void *left, const void *right)
{
    mx_addr a = ((const struct mx_saved_frame *)left)->address, b = ((const struct mx_saved_frame *)right)->address;
    return (a > b) - (a < b);
}

/* Sorts, and makes one of neighbouring zeros. */
static void settle_frames(struct mx_saved_frames *frames)
{
    struct mx_saved_frame *items = frames->frames.items;
    size_t kept = 0;
    if (frames->frames.count)
        qsort(items, frames->frames.count, sizeof(*items), compare_frames);
    for (size_t i = 0; i < frames->frames.count; i++) {
        struct mx_saved_frame *last = kept ? &items[kept - 1] : NULL;
        if (last && !last->packed && !items[i].packed && last->address + last->length == items[i].address)
            last->length += items[i].length;
        else
            items[kept++] = items[i];
    }
    frames->frames.count = kept;
}

static void put_frames(struct mx_blob *blob, const struct mx_saved_frames *frames)
{
    mx_blob_put_u64(blob, frames->frames.count);
    for (size_t i = 0; i < frames->frames.count; i++) {
        const struct mx_saved_frame *frame = &frames->frames.items[i];
        mx_blob_put_u64(blob, frame->address);
        mx_blob_put_u64(blob, frame->length);
        mx_blob_put_u64(blob, frame->offset);
        mx_blob_put_u64(blob, frame->packed);
        mx_blob_put_u64(blob, frame->hash);
        mx_blob_put_u64(blob, frame->near);
    }
}

static struct mx_error *write_header(struct writing *writing, const struct mx_saved_header *header)
{
    const uint64_t fields[] = {header->version,      header->file_size,  header->index_offset,
                               header->index_packed, header->index_size, header->index_hash};
    struct mx_blob blob = {0};
    mx_blob_put(&blob, mx_saved_magic, sizeof(mx_saved_magic));
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        mx_blob_put_u64(&blob, fields[i]);
    mx_blob_put_u64(&blob, mx_hash(0, blob.bytes.items, blob.bytes.count));
    struct mx_error *error =
        blob.no_memory ? mx_error_no_memory() : mx_outfile_write(&writing->file, blob.bytes.items, blob.bytes.count, 0);
    mx_array_free(&blob.bytes);
    return error;
}

static struct mx_error *write_index(struct writing *writing, const struct mx_blob *blob)
{
    size_t room = ZSTD_compressBound(blob->bytes.count);
    uint8_t *packed = blob->no_memory ? NULL : malloc(room);
    if (!packed)
        return mx_error_no_memory();
    size_t length = ZSTD_compress(packed, room, blob->bytes.items, blob->bytes.count, MX_SAVED_LEVEL);
    struct mx_error *error =
        ZSTD_isError(length) ? mx_error_no_memory() : mx_outfile_write(&writing->file, packed, length, writing->end);
    struct mx_saved_header header = {.version = MX_SAVED_VERSION,
                                     .file_size = writing->end + length,
                                     .index_offset = writing->end,
                                     .index_packed = length,
                                     .index_size = blob->bytes.count};
    header.index_hash = error ? 0 : mx_hash(0, packed, length);
    free(packed);
    writing->end = header.file_size;
    return error ? error : write_header(writing, &header);
}

static struct mx_error *write_all(struct writing *writing)
{
    unsigned threads = mx_memory_threads(writing->content->memory);
    mx_work_parallel(threads, threads, run_worker, writing);
    if (writing->error)
        return writing->error;
    if (mx_memory_gone(writing->content->memory))
        return mx_error_new(MX_ERROR_NOT_FOUND, "the process ended while it was saved");
    settle_frames(&writing->frames);
    struct mx_blob blob = {0};
    mx_saved_put_facts(&blob, writing->content);
    put_frames(&blob, &writing->frames);
    struct mx_error *error = write_index(writing, &blob);
    mx_array_free(&blob.bytes);
    return error;
}

struct mx_error *mx_saved_write(const struct mx_saved_content *content, const char *path, struct mx_work *work,
                                uint64_t *ret_bytes)
{
    struct writing writing = {.content = content, .work = work, .end = MX_SAVED_HEADER};
    MX_TRY(mx_outfile_open(path, &writing.file));
    pthread_mutex_init(&writing.lock, NULL);
    struct mx_error *error = mx_outfile_close(&writing.file, write_all(&writing));
    pthread_mutex_destroy(&writing.lock);
    mx_array_free(&writing.frames.frames);
    if (!error)
        *ret_bytes = writing.end;
    return error;
}
