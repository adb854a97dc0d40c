/* make.c - writes generated weights as a safetensors file, rows in parallel, in little memory.
 *
 * Every row and every tensor has its own stream of random numbers, and every row its own place in
 * the file, so neither threads nor their order can be seen in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "parts.h"

enum {
    ROW = 4096,
    TENSOR_ROWS = 16384, /* 64 Mi weights a tensor */
    JOB_ROWS = 32        /* 256 KiB of BF16: a write worth its call */
};

/* Streams of random numbers: rows count from 0, these are far above them. */
static const uint64_t row_scales = UINT64_C(1) << 62, tensor_scales = UINT64_C(1) << 63;

struct making {
    const ent_dataset_options *options;
    const ent_law *law;
    const ent_run *run;
    uint64_t rows, rest;  /* full rows; weights of the vector after them */
    uint64_t start, done; /* bytes before the data; bytes written */
    uint8_t *room;        /* JOB_ROWS rows a thread */
    int fd, why; /* why: errno of a failed write */
};

/* exp(spread * normal); the normal by Box and Muller, once a row. */
static double log_normal(uint64_t seed, uint64_t stream, double spread)
{
    ent_random r;
    if (spread <= 0) return 1;
    ent_random_seed(&r, seed, stream);
    double radius = sqrt(-2 * log(1 - ent_random_uniform(&r)));
    return exp(spread * radius * cos(6.283185307179586 * ent_random_uniform(&r)));
}

static double scale_of(const struct making *m, uint64_t row)
{
    const ent_dataset_options *o = m->options;
    uint64_t tensor = row / TENSOR_ROWS + (row == m->rows && m->rows % TENSOR_ROWS); /* the vector is one of its own */
    return o->sigma * log_normal(o->seed, row_scales + row, o->row_spread) *
           log_normal(o->seed, tensor_scales + tensor, o->tensor_spread);
}

static ent_status write_at(int fd, const uint8_t *data, size_t size, uint64_t offset)
{
    while (size) {
        ssize_t n = pwrite(fd, data, size, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return ENT_EIO;
        data += n, offset += (uint64_t)n, size -= (size_t)n;
    }
    return ENT_OK;
}

static ent_status make_rows(size_t i, unsigned thread, void *context)
{
    struct making *m = context;
    uint64_t first = (uint64_t)i * JOB_ROWS, last = first + JOB_ROWS, bytes = ent_law_bytes(m->law), done;
    uint8_t *room = m->room + thread * (JOB_ROWS * ROW * bytes), *end = room;
    for (uint64_t row = first; row < last && row <= m->rows; row++) { /* row m->rows is the vector */
        size_t n = row < m->rows ? ROW : (size_t)m->rest;
        ent_law_row(m->law, row, scale_of(m, row), n, end);
        end += n * bytes;
    }
    ent_status status = write_at(m->fd, room, (size_t)(end - room), m->start + first * ROW * bytes);
    if (status) {
#pragma omp atomic write
        m->why = errno;
    }
#pragma omp atomic capture
    done = m->done += (uint64_t)(end - room);
    if (!status && !thread && m->run && m->run->progress)
        m->run->progress(m->run->context, done, m->options->weights * bytes);
    return status;
}

/* The safetensors header: tensors of up to TENSOR_ROWS rows, then the vector. */
static ent_status make_header(const struct making *m, ent_buffer *out)
{
    const ent_dataset_options *o = m->options;
    uint64_t bytes = ent_law_bytes(m->law), tensors = (m->rows + TENSOR_ROWS - 1) / TENSOR_ROWS, length;
    const char *dtype = ent_law_dtype(m->law);
    enum { ENTRY = 200, TOP = 1000 };
    if (ent_buffer_reserve(out, TOP + (tensors + 1) * ENTRY)) return ENT_ENOMEM;
    char *text = (char *)out->data + 8, *limit = (char *)out->data + out->capacity;
#define ADD(...) text += snprintf(text, (size_t)(limit - text), __VA_ARGS__)
    static const char *const laws[] = { "normal", "laplace", "student", "mixture", "histogram" };
    ADD("{\"__metadata__\":{\"generator\":\"libentropy\",\"law\":\"%s\",\"dtype\":\"%s\",\"seed\":\"%llu\",",
        laws[o->law], o->dtype, (unsigned long long)o->seed);
    if (o->law == ENT_LAW_MIXTURE) ADD("\"spread\":\"%.17g\",", o->spread);
    ADD("\"sigma\":\"%.17g\",\"nu\":\"%.17g\",\"row-spread\":\"%.17g\",\"tensor-spread\":\"%.17g\"}", o->sigma, o->nu,
        o->row_spread, o->tensor_spread);
    for (uint64_t t = 0; t < tensors; t++) {
        uint64_t from = t * TENSOR_ROWS, to = from + TENSOR_ROWS < m->rows ? from + TENSOR_ROWS : m->rows;
        ADD(",\"layers.%llu.weight\":{\"dtype\":\"%s\",\"shape\":[%llu,%d],\"data_offsets\":[%llu,%llu]}",
            (unsigned long long)t, dtype, (unsigned long long)(to - from), ROW,
            (unsigned long long)(from * ROW * bytes),
            (unsigned long long)(to * ROW * bytes));
    }
    if (m->rest)
        ADD(",\"rest.weight\":{\"dtype\":\"%s\",\"shape\":[%llu],\"data_offsets\":[%llu,%llu]}", dtype,
            (unsigned long long)m->rest, (unsigned long long)(m->rows * ROW * bytes),
            (unsigned long long)(o->weights * bytes));
    ADD("}");
#undef ADD
    while ((text - (char *)out->data) % 8) *text++ = ' '; /* data aligned for every dtype */
    out->size = (size_t)(text - (char *)out->data);
    length = out->size - 8;
    memcpy(out->data, &length, 8);
    return ENT_OK;
}

static ent_status write_model(struct making *m, const char *part, ent_error *error)
{
    ent_buffer header = { 0 };
    unsigned threads = ent_threads(m->run ? m->run->threads : 0);
    size_t jobs = (size_t)((m->rows + (m->rest > 0) + JOB_ROWS - 1) / JOB_ROWS);
    ent_status status = make_header(m, &header);
    m->start = header.size;
    m->room = ent_alloc((size_t)threads * JOB_ROWS * ROW * ent_law_bytes(m->law));
    if (!m->room) status = ENT_ENOMEM;
    if (!status && (status = write_at(m->fd, header.data, header.size, 0))) m->why = errno;
    if (!status) status = ent_parallel(jobs, threads, make_rows, m);
    ent_free(m->room);
    ent_free(header.data);
    if (status == ENT_EIO) return ent_fail(error, status, "%s: cannot write: %s", part, strerror(m->why));
    return status ? ent_fail(error, status, "%s: %s", part, ent_status_text(status)) : ENT_OK;
}

ent_status ent_dataset_make(const char *path, const ent_dataset_options *options, const ent_run *run, ent_error *error)
{
    char part[PATH_MAX];
    ent_law *law;
    int n = snprintf(part, sizeof part, "%s.%ld.part", path, (long)getpid());
    if (n < 0 || n >= PATH_MAX) return ent_fail(error, ENT_EINVAL, "%s: the path is too long", path);
    ent_status status = ent_law_new(&law, options, error);
    if (status) return status;
    struct making m = { .options = options, .law = law, .run = run, .rows = options->weights / ROW,
                        .rest = options->weights % ROW };
    m.fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (m.fd < 0) {
        status = ent_fail(error, ENT_EIO, "%s: cannot create: %s", part, strerror(errno));
    } else {
        status = write_model(&m, part, error);
        if (close(m.fd) && !status) status = ent_fail(error, ENT_EIO, "%s: cannot write: %s", part, strerror(errno));
        if (!status) status = ent_dataset_publish(part, path, error);
        if (status) unlink(part);
    }
    ent_law_free(law);
    return status;
}
