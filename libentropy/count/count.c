/* count.c - histograms. */
#include <string.h>

#include <entropy/count.h>

#include "base/bits.h"
#include "count/window.h"

ent_status ent_counts_init(ent_counts *counts, uint32_t alphabet)
{
    *counts = (ent_counts){ 0, NULL };
    if (alphabet < 1 || alphabet > ENT_MAX_ALPHABET) return ENT_EINVAL;
    if (!(counts->count = ent_calloc(alphabet, sizeof *counts->count))) return ENT_ENOMEM;
    counts->alphabet = alphabet;
    return ENT_OK;
}

void ent_counts_free(ent_counts *counts)
{
    ent_free(counts->count);
    *counts = (ent_counts){ 0, NULL };
}

/* Bytes are counted by tables, or where they are nearly all of 16 neighbouring values and the processor can, without
 * (window_avx512.c).  Four tables in turn, so that a run of one symbol does not wait for its own store; 32-bit cells
 * fit the first cache levels, hence passes of at most 2^30 symbols. */
enum { LANES = 4 };

static void add_bytes(uint32_t table[LANES][256], const uint8_t *symbol, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t v = ent_load64(symbol + i);
        for (unsigned k = 0; k < 8; k++) table[k % LANES][v >> 8 * k & 255]++;
    }
    for (; i < n; i++) table[0][symbol[i]]++;
}

static ent_status add_narrow(ent_counts *counts, const uint8_t *symbol, size_t n)
{
    uint32_t table[LANES][256] = { { 0 } };
    add_bytes(table, symbol, n);
    for (uint32_t s = 0; s < 256; s++) {
        uint64_t sum = 0;
        for (unsigned k = 0; k < LANES; k++) sum += table[k][s];
        if (s < counts->alphabet)
            counts->count[s] += sum;
        else if (sum)
            return ENT_EINVAL;
    }
    return ENT_OK;
}

#if defined __x86_64__
/* The window that holds most of the symbols counted so far, in *base; their number. */
static uint64_t best_window(const uint64_t count[256], uint8_t *base)
{
    uint64_t sum = 0, best = 0;
    for (unsigned s = 0; s < COUNT_WINDOW; s++) sum += count[s];
    for (unsigned s = 0; s < 256; s++) {
        if (sum > best) best = sum, *base = (uint8_t)s;
        sum += count[(s + COUNT_WINDOW) & 255] - count[s];
    }
    return best;
}

static void move_cells(ent_counts *counts, uint64_t cell[256])
{
    for (uint32_t s = 0; s < 256 && s < counts->alphabet; s++) counts->count[s] += cell[s];
    memset(cell, 0, 256 * sizeof *cell);
}

/* Counts symbols of the alphabet for as long as nearly all are in one window; returns how many it has counted. */
static size_t add_window(ent_counts *counts, const uint8_t *symbol, size_t n)
{
    enum { SAMPLE = COUNT_WINDOW_STEP / 2, PIECE = 64 * COUNT_WINDOW_STEP }; /* the window may move between pieces */
    uint64_t cell[256] = { 0 };
    size_t i = 0, seen = SAMPLE;
    if (!(ent_cpu_features() & ENT_CPU_AVX512) || n < 4 * COUNT_WINDOW_STEP) return 0;
    for (; i < SAMPLE; i++) cell[symbol[i]]++;
    while (n - i >= COUNT_WINDOW_STEP) {
        uint8_t base = 0;
        if (best_window(cell, &base) < seen - seen / 16) break;
        move_cells(counts, cell);
        seen = n - i < PIECE ? (n - i) / COUNT_WINDOW_STEP * COUNT_WINDOW_STEP : PIECE;
        ent_count_window_avx512(cell, symbol + i, seen, base);
        i += seen;
    }
    move_cells(counts, cell);
    return i;
}
#else
static size_t add_window(ent_counts *counts, const uint8_t *symbol, size_t n)
{
    (void)counts, (void)symbol, (void)n;
    return 0;
}
#endif

static bool all_below(const void *symbols, uint32_t width, size_t n, uint32_t alphabet)
{
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t s = ent_symbol_at(symbols, width, i);
        most = s > most ? s : most;
    }
    return most < alphabet;
}

ent_status ent_counts_add(ent_counts *counts, const void *symbols, uint32_t width, size_t n)
{
    if (width != 1 && width != 2) return ENT_EINVAL;
    if (n == 0) return ENT_OK; /* symbols may then be NULL */
    if (counts->alphabet < (width == 1 ? 256u : 65536u) && !all_below(symbols, width, n, counts->alphabet))
        return ENT_EINVAL;
    if (width == 2) {
        const uint16_t *symbol = symbols;
        for (size_t i = 0; i < n; i++) counts->count[symbol[i]]++;
        return ENT_OK;
    }
    const uint8_t *symbol = symbols;
    const size_t done = add_window(counts, symbol, n);
    symbol += done;
    n -= done;
    for (const size_t pass = (size_t)1 << 30; n; symbol += n < pass ? n : pass, n -= n < pass ? n : pass) {
        ent_status status = add_narrow(counts, symbol, n < pass ? n : pass);
        if (status) return status;
    }
    return ENT_OK;
}

ent_status ent_counts_merge(ent_counts *into, const ent_counts *from)
{
    if (into->alphabet != from->alphabet) return ENT_EINVAL;
    for (uint32_t s = 0; s < into->alphabet; s++) into->count[s] += from->count[s];
    return ENT_OK;
}

uint64_t ent_counts_total(const ent_counts *counts)
{
    uint64_t total = 0;
    for (uint32_t s = 0; s < counts->alphabet; s++) total += counts->count[s];
    return total;
}

uint32_t ent_counts_live(const ent_counts *counts)
{
    uint32_t live = 0;
    for (uint32_t s = 0; s < counts->alphabet; s++) live += counts->count[s] != 0;
    return live;
}

ent_status ent_counts_write(const ent_counts *counts, ent_buffer *out)
{
    ent_status status = ent_buffer_reserve(out, out->size + 10 + (size_t)ent_counts_live(counts) * 20);
    if (status) return status;
    out->size += ent_varint_put(out->data + out->size, counts->alphabet);
    for (uint32_t s = 0, next = 0; s < counts->alphabet; s++) {
        if (!counts->count[s]) continue;
        out->size += ent_varint_put(out->data + out->size, s - next);
        out->size += ent_varint_put(out->data + out->size, counts->count[s]);
        next = s + 1;
    }
    return ENT_OK;
}

static ent_status read_cells(ent_counts *counts, ent_bytes bytes)
{
    uint64_t next = 0, gap, count;
    while (bytes.size) {
        for (int i = 0; i < 2; i++) {
            size_t n = ent_varint_get(bytes.data, bytes.size, i ? &count : &gap);
            if (!n) return ENT_ECORRUPT;
            bytes.data += n;
            bytes.size -= n;
        }
        if (gap >= counts->alphabet - next || !count) return ENT_ECORRUPT;
        counts->count[next + gap] = count;
        next += gap + 1;
    }
    return ENT_OK;
}

ent_status ent_counts_read(ent_counts *counts, ent_bytes bytes)
{
    uint64_t alphabet;
    *counts = (ent_counts){ 0, NULL };
    size_t n = ent_varint_get(bytes.data, bytes.size, &alphabet);
    if (!n || alphabet < 1 || alphabet > ENT_MAX_ALPHABET) return ENT_ECORRUPT;
    ent_status status = ent_counts_init(counts, (uint32_t)alphabet);
    if (!status) status = read_cells(counts, (ent_bytes){ bytes.data + n, bytes.size - n });
    if (status) ent_counts_free(counts);
    return status;
}
