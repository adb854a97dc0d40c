/* fuzz_filter.c - any bytes as a chunk of the HDF5 filter and as its parameters.
 *
 * Input: mode, coder, format.  Mode 0: the rest as a chunk, whose checksum is made to hold, of 4 KiB uncoded; 1: the
 * rest, as data, must come back; 2: one byte more, the number of values of the parameters; the values; a chunk.
 */
#include <stdio.h>
#include <string.h>

#include "filter/chunk.h"
#include "fuzz.h"

enum { HEAD = 3, CHUNK = 4096, MOST = 1 << 20 };

static ent_chunks chunks_of(uint8_t coder, uint8_t format, size_t bytes)
{
    static const char *const dtypes[] = { "BF16", "F16", "F32", "F64", "U8", "U4", "Q4_0", "opaque" };
    size_t coders = 0;
    char text[200];
    ent_codec *codec;
    ent_filter_values values;
    ent_buffer items = { NULL, 0, 0 };
    ent_chunks chunks;
    while (ent_coders[coders]) coders++;
    const ent_coder *c = ent_coders[coder % coders];
    const char *name = c->wide || c->max_alphabet >= 256 ? c->name : "raw";
    snprintf(text, sizeof text, "float: exponent=%s rest=raw | narrow: word=%s | *: bytes=%s", name, name, name);
    REQUIRE(!ent_codec_parse(&codec, text, NULL));
    REQUIRE(!ent_codec_recipe_text(codec, dtypes[format % 8], &items));
    REQUIRE(!ent_filter_values_of(&values, dtypes[format % 8], (const char *)items.data, 1, bytes, NULL));
    ent_free(items.data);
    ent_codec_free(codec);
    REQUIRE(!ent_chunks_open(&chunks, values.value, values.n, NULL));
    return chunks;
}

static void decode(const ent_chunks *chunks, ent_bytes chunk)
{
    uint8_t *out = malloc(chunks->bytes + 1);
    REQUIRE(out);
    ent_status status = ent_chunk_decode(chunks, chunk, out);
    REQUIRE(!status || status == ENT_ECORRUPT);
    free(out);
}

static void sealed(const ent_chunks *chunks, ent_bytes in)
{
    uint8_t *copy = malloc(in.size);
    uint32_t words;
    REQUIRE(copy);
    memcpy(copy, in.data, in.size);
    memcpy(&words, copy + 4, 4);
    ent_chunk_seal(chunks->seed, copy, in.size, words);
    decode(chunks, (ent_bytes){ copy, in.size });
    free(copy);
}

static void round_trip(const ent_chunks *chunks, const uint8_t *data)
{
    ent_buffer out = { malloc(ent_chunk_bound(chunks)), 0, ent_chunk_bound(chunks) };
    uint8_t *back = malloc(chunks->bytes + 1);
    REQUIRE(out.data && back);
    ent_status status = ent_chunk_encode(chunks, data, &out);
    REQUIRE(!status || status == ENT_EINVAL); /* not a whole number of words */
    if (!status) {
        REQUIRE(out.size <= chunks->bytes + ENT_CHUNK_HEAD);
        REQUIRE(!ent_chunk_decode(chunks, (ent_bytes){ out.data, out.size }, back));
        REQUIRE(!chunks->bytes || !memcmp(back, data, chunks->bytes));
    }
    free(out.data);
    free(back);
}

static void parameters(const uint8_t *data, size_t size)
{
    unsigned value[256];
    ent_chunks chunks;
    size_t n = size ? data[0] : 0;
    if (size < 1 + 4 * n) return;
    memcpy(value, data + 1, 4 * n);
    if (n > 1) value[0] = ENT_FILTER_MAGIC;
    if (!ent_chunks_open(&chunks, value, n, NULL) && chunks.bytes <= MOST && size - 1 - 4 * n >= ENT_CHUNK_HEAD)
        sealed(&chunks, (ent_bytes){ data + 1 + 4 * n, size - 1 - 4 * n });
    ent_chunks_close(&chunks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD) return 0;
    ent_bytes rest = { data + HEAD, size - HEAD };
    if (data[0] % 3 == 2) {
        parameters(rest.data, rest.size);
        return 0;
    }
    ent_chunks chunks = chunks_of(data[1], data[2], data[0] % 3 ? rest.size : CHUNK);
    if (data[0] % 3) round_trip(&chunks, rest.data);
    else if (rest.size >= ENT_CHUNK_HEAD) sealed(&chunks, rest);
    else decode(&chunks, rest);
    ent_chunks_close(&chunks);
    return 0;
}
