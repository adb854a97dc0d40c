/* card.c - see card.h.  With libentropy/gpu/emulate.c it is also a library to be named by ENT_GPU_LIBRARY. */
#include <stdlib.h>
#include <string.h>

#include "card.h"

static bool wrong;
static double now, marked[GPU_MARKS], cost; /* seconds; copies that the last work is worth */
static unsigned replays;

void card_is_wrong(bool is) { wrong = is; }

static ent_status facts(int device, gpu_facts *out)
{
    (void)device;
    *out = (gpu_facts){ .driver = "driver 0", .processors = 7, .memory_bytes = 1000000, .l2_bytes = 15000, .limit_watts = 700, .ecc = 1 };
    return ENT_OK;
}

struct recording {
    gpu_work *work;
    void *context;
};

static ent_status record(int device, gpu_work *work, void *context, void **recording)
{
    struct recording *made;
    ent_status status = work(context, NULL);
    (void)device;
    *recording = made = status ? NULL : malloc(sizeof *made);
    if (made) *made = (struct recording){ work, context };
    return status || made ? status : ENT_ENOMEM;
}

static ent_status replay(int device, void *recording)
{
    const struct recording *made = recording;
    (void)device;
    cost = 1;
    ent_status status = made->work(made->context, NULL);
    now += CARD_COPY * cost * (1 + 0.1 * (replays++ % 4));
    return status;
}

static void forget(int device, void *recording)
{
    (void)device;
    free(recording);
}

static ent_status mark(int device, unsigned i)
{
    (void)device;
    marked[i] = now;
    return ENT_OK;
}

static ent_status seconds(int device, unsigned i, double *out)
{
    (void)device;
    *out = marked[i + 1] - marked[i];
    return ENT_OK;
}

static ent_status load(int device, gpu_load *out)
{
    (void)device;
    *out = (gpu_load){ 1.5, 1.6, 2.6, 300, 40 };
    return ENT_OK;
}

static ent_status copy(int device, void *to, const void *from, size_t bytes, void *stream)
{
    (void)device, (void)stream;
    memcpy(to, from, bytes);
    return ENT_OK;
}

static ent_status read_all(int device, const void *from, size_t bytes, void *stream)
{
    (void)device, (void)from, (void)bytes, (void)stream;
    cost = 0.5;
    return ENT_OK;
}

static double value(uint16_t word)
{
    uint32_t bits = (uint32_t)word << 16;
    float v;
    memcpy(&v, &bits, sizeof v);
    return (double)v;
}

static const struct {
    const char *name;
    double cost;
} way[] = { { "plainly", 2 }, { "8 vectors", 1 }, { "never", 0 }, { "slowly", 3 } };
enum { PADDED = 1, NEVER = 2, WAYS = sizeof way / sizeof *way };

static ent_status cublas(int device, unsigned i, const void *w, size_t rows, size_t cols, const void *x, unsigned batch, void *y,
                         void *stream)
{
    const uint16_t *a = w, *b = x;
    float *out = y;
    (void)device, (void)stream;
    if (i == NEVER || (i == PADDED && batch % 8 == 0)) return ENT_EUNSUPPORTED;
    cost = way[i].cost;
    for (size_t v = 0; v < (i == PADDED ? 8 : batch); v++)
        for (size_t r = 0; r < rows; r++) {
            double sum = 0;
            for (size_t c = 0; c < cols; c++) sum += value(a[r * cols + c]) * value(b[v * cols + c]);
            out[v * rows + r] = (float)sum;
        }
    if (wrong || getenv("CARD_IS_WRONG")) out[batch * rows - 1] += 1;
    return ENT_OK;
}

static const char *cublas_way(unsigned i) { return i < WAYS ? way[i].name : NULL; }

static const char *why(void) { return ""; }

const gpu_bench ent_gpu_cuda_bench = { sizeof(gpu_bench), facts, record,   replay, forget,     mark, seconds,
                                       load,              copy,  read_all, cublas, cublas_way, why };
