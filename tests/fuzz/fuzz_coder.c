/* fuzz_coder.c - any bytes as tables and as coded streams, for every coder.
 *
 * Input: coder, mode, alphabet (2 bytes, or, of a byte coder, a width: make_spec), four knobs, symbols
 * (2 bytes), size of the table's part (2 bytes); then the table's part and the stream's.
 * Modes: 0 the table's part is read as a table, the stream's decoded with it; 1 a table is trained
 * on the table's part, the stream's decoded with it; 2 trained on both, and the stream's part, as
 * symbols, must come back from encoding and decoding.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <entropy/coder.h>

#include "fuzz.h"

enum { HEAD = 12 };

static bool make_spec(ent_coder_spec *spec, const uint8_t *head)
{
    size_t coders = 0;
    while (ent_coders[coders]) coders++;
    const ent_coder *coder = ent_coders[head[0] % coders];
    uint32_t alphabet = 1 + ((head[2] * 257u) >> head[3] % 16); /* small ones more often: they are faster */
    ent_status status = coder->wide && head[3] & 128 ? ent_coder_spec_wide(spec, coder, 1u << head[2] % 4)
                                                     : ent_coder_spec_init(spec, coder, alphabet);
    if (status) return false;
    for (int i = 0; i < ENT_CODER_PARAMS; i++) {
        const ent_param *p = &coder->param[i];
        if (p->name && head[4 + i]) /* 0 keeps the preset */
            REQUIRE(!ent_coder_spec_set(spec, p->name, p->least + (head[4 + i] - 1u) % (p->most - p->least + 1)));
    }
    return true;
}

/* Bytes made into symbols below the alphabet; returns how many. */
static size_t make_symbols(const ent_coder_spec *spec, ent_bytes from, void *symbols)
{
    size_t n = from.size / spec->width;
    if (n) memcpy(symbols, from.data, n * spec->width);
    for (size_t i = 0; spec->alphabet && i < n; i++) {
        if (spec->width == 1)
            ((uint8_t *)symbols)[i] = (uint8_t)(((uint8_t *)symbols)[i] % spec->alphabet);
        else
            ((uint16_t *)symbols)[i] = (uint16_t)(((uint16_t *)symbols)[i] % spec->alphabet);
    }
    return n;
}

static ent_status train(ent_table **table, const ent_coder_spec *spec, const void *symbols, size_t n)
{
    ent_counts counts;
    if (!spec->coder->train) return ent_table_train(table, spec, NULL, ENT_ENCODE | ENT_DECODE);
    REQUIRE(!ent_counts_init(&counts, spec->alphabet));
    REQUIRE(!ent_counts_add(&counts, symbols, spec->width, n));
    ent_status status = ent_table_train(table, spec, &counts, ENT_ENCODE | ENT_DECODE);
    ent_counts_free(&counts);
    return status;
}

static void decode_anything(const ent_table *table, ent_bytes in, size_t n)
{
    const ent_coder_spec *spec = ent_table_spec(table);
    uint8_t *out = malloc(n * spec->width + 1), *rest = calloc(n + 1, 1), *words = malloc(2 * n + 1);
    REQUIRE(out && rest && words);
    ent_status status = ent_decode(table, in, out, n);
    REQUIRE(!status || status == ENT_ECORRUPT);
    if (spec->alphabet == 256) {
        ent_join join = { .word_bytes = 2, .shift = 7, .bits = 8, .rest = rest, .stream = n % 2 };
        ent_status fused = ent_decode_words(table, in, &join, words, n);
        REQUIRE(fused == ENT_EUNSUPPORTED || fused == status);
        for (size_t i = 0; !fused && i < n; i++) REQUIRE((words[2 * i] >> 7 | words[2 * i + 1] << 1) == out[i]);
    }
    free(out);
    free(rest);
    free(words);
}

static void round_trip(const ent_table *table, const void *symbols, size_t n)
{
    const ent_coder_spec *spec = ent_table_spec(table);
    size_t bound = ent_encode_bound(table, n);
    ent_buffer out = { malloc(bound + 1), 0, bound };
    uint8_t *back = malloc(n * spec->width + 1);
    ent_tally tally = { 0, 0, 0 };
    REQUIRE(out.data && back);
    REQUIRE(!ent_encode(table, symbols, n, &out, &tally));
    REQUIRE(out.size <= bound && tally.payload_bits + tally.index_bits == 8 * out.size);
    REQUIRE(!ent_decode(table, (ent_bytes){ out.data, out.size }, back, n));
    REQUIRE(!n || !memcmp(back, symbols, n * spec->width));
    free(out.data);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ent_coder_spec spec;
    ent_table *table = NULL;
    if (size < HEAD || !make_spec(&spec, data)) return 0;
    size_t n = data[8] | (size_t)(data[9] & 31) << 8, cut = data[10] | (size_t)data[11] << 8;
    ent_bytes part = { data + HEAD, size - HEAD }, stream, all = part;
    if (cut > part.size) cut = part.size;
    part.size = cut;
    stream = (ent_bytes){ data + HEAD + cut, all.size - cut };
    uint16_t *symbols = malloc(all.size + 8);
    REQUIRE(symbols);
    unsigned mode = data[1] % 3;
    size_t learned = make_symbols(&spec, mode == 2 ? all : part, symbols);
    ent_status status = mode ? train(&table, &spec, symbols, learned)
                             : ent_table_read(&table, &spec, part, ENT_ENCODE | ENT_DECODE);
    REQUIRE(!status == !!table);
    if (table && mode < 2) decode_anything(table, stream, n);
    if (table && mode == 2) round_trip(table, symbols, learned);
    ent_table_free(table);
    free(symbols);
    return 0;
}
