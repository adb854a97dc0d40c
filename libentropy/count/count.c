/* count.c - histograms. */
#include <string.h>

#include <entropy/count.h>

#include "base/bits.h"
#include "count/bytes.h"
#include "count/words.h"

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

/* Bytes take the widest vectors only when nothing widens them on the way. */
static bool all_below(const void *symbols, uint32_t width, size_t n, uint32_t alphabet)
{
    const uint8_t *byte = symbols;
    const uint16_t *word = symbols;
    uint8_t most_byte = 0;
    uint16_t most_word = 0;
    for (size_t i = 0; i < n && width == 1; i++) most_byte = byte[i] > most_byte ? byte[i] : most_byte;
    for (size_t i = 0; i < n && width == 2; i++) most_word = word[i] > most_word ? word[i] : most_word;
    return (width == 1 ? most_byte : most_word) < alphabet;
}

static void add_bytes(ent_counts *counts, const uint8_t *symbol, size_t n)
{
    enum { PIECE = 16384 };
    byte_counter bytes = { .in_tables = 0 };
    for (size_t i = 0; i < n; i += PIECE) ent_byte_counter_add(&bytes, symbol + i, n - i < PIECE ? n - i : PIECE);
    ent_byte_counter_sum(&bytes);
    for (uint32_t s = 0; s < counts->alphabet && s < 256; s++) counts->count[s] += bytes.count[s];
}

ent_status ent_counts_add(ent_counts *counts, const void *symbols, uint32_t width, size_t n)
{
    if (width != 1 && width != 2) return ENT_EINVAL;
    if (n == 0) return ENT_OK; /* symbols may then be NULL */
    if (counts->alphabet < (width == 1 ? 256u : 65536u) && !all_below(symbols, width, n, counts->alphabet))
        return ENT_EINVAL;
    if (width == 1)
        add_bytes(counts, symbols, n);
    else
        ent_count_words(counts->count, symbols, n, UINT16_MAX);
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
