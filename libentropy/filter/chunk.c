/* chunk.c - see chunk.h. */
#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL /* three times as fast as the library of the distribution */
#include <xxhash.h>

#include "base/bits.h"
#include "codec/block.h"
#include "filter/chunk.h"

/* ---- parameters ------------------------------------------------------------------------------------- */

static const char opaque[] = "opaque"; /* the name, in a recipe's text, of bytes without a number format */

static uint64_t seed_of(const char *text) { return XXH3_64bits(text, strlen(text)); }

ent_status ent_filter_values_of(ent_filter_values *values, const char *dtype, const char *items, size_t width,
                                size_t bytes, ent_error *error)
{
    char text[ENT_FILTER_TEXT + 1] = "";
    int size = snprintf(text, sizeof text, "%s %s", ent_dtype_find(dtype) ? dtype : opaque, items);
    if (size > ENT_FILTER_TEXT)
        return ent_fail(error, ENT_EUNSUPPORTED, "a recipe of %d characters; the parameters of a filter have room for %d",
                        size, ENT_FILTER_TEXT);
    if (bytes > UINT32_MAX) return ent_fail(error, ENT_EUNSUPPORTED, "chunks of %zu bytes", bytes);
    *values = (ent_filter_values){ .n = ENT_FILTER_HEAD + ((size_t)size + 3) / 4,
                                   .value = { ENT_FILTER_MAGIC, ENT_FILTER_CHUNKS, (unsigned)width, (unsigned)bytes },
                                   .seed = seed_of(text) };
    for (int i = 0; i < size; i++)
        values->value[ENT_FILTER_HEAD + i / 4] |= (unsigned)(unsigned char)text[i] << 8 * (i % 4);
    return ENT_OK;
}

/* The text in the values: printable characters, filled up with zeros. */
static ent_status take_text(const unsigned *value, size_t n, char text[ENT_FILTER_TEXT + 1])
{
    size_t size = 0;
    for (size_t i = 0; i < 4 * n; i++) {
        unsigned c = value[i / 4] >> 8 * (i % 4) & 255;
        if (c && (c < ' ' || c > '~' || size != i)) return ENT_ECORRUPT;
        if (c) text[size++] = (char)c;
    }
    text[size] = '\0';
    return ENT_OK;
}

/* "BF16 exponent=huffman(max=12) rest=raw": a dtype and how it is coded. */
static ent_status read_recipe(const char *text, ent_recipe *recipe, ent_error *error)
{
    char line[ENT_FILTER_TEXT + sizeof ": scope=block"], dtype[32];
    const char *items = strchr(text, ' ');
    ent_codec *codec;
    if (!items || (size_t)(items - text) >= sizeof dtype)
        return ent_fail(error, ENT_ECORRUPT, "\"%.100s\" is no dtype with its recipe", text);
    memcpy(dtype, text, (size_t)(items - text));
    dtype[items - text] = '\0';
    bool known = ent_dtype_find(dtype);
    if (!known && strcmp(dtype, opaque) != 0)
        return ent_fail(error, ENT_EUNSUPPORTED, "this build has no dtype \"%s\"", dtype);
    snprintf(line, sizeof line, "%s%s%s scope=block", known ? dtype : "", known ? ":" : "", items);
    ent_status status = ent_codec_parse(&codec, line, error);
    if (status) return status == ENT_EINVAL ? ENT_EUNSUPPORTED : status;
    status = ent_codec_bind(codec, dtype, recipe, error);
    ent_codec_free(codec);
    return status;
}

static size_t bits_of(const ent_recipe *recipe) { return recipe->format ? recipe->format->bits : 8; }

static size_t bytes_of(const ent_recipe *recipe, size_t words)
{
    return words / 8 * bits_of(recipe) + (words % 8 * bits_of(recipe) + 7) / 8;
}

/* Words that a whole chunk holds. */
static size_t words_of(const ent_chunks *chunks)
{
    return (size_t)((uint64_t)chunks->bytes * 8 / bits_of(&chunks->recipe));
}

ent_status ent_chunks_open(ent_chunks *chunks, const unsigned *value, size_t n, ent_error *error)
{
    char text[ENT_FILTER_TEXT + 1];
    *chunks = (ent_chunks){ 0 };
    if (n < 2 || value[0] != ENT_FILTER_MAGIC)
        return ent_fail(error, ENT_EUNSUPPORTED, "filter %d, but not with libentropy's parameters", ENT_FILTER_ID);
    if (value[1] == ENT_FILTER_TABLES)
        return ent_fail(error, ENT_EUNSUPPORTED, "the blocks of a container, whose tables are outside the dataset: "
                                                 "`entropy decompress` gives the model back");
    if (value[1] != ENT_FILTER_CHUNKS)
        return ent_fail(error, ENT_EUNSUPPORTED, "parameters of version %u, which this build does not know", value[1]);
    if (n <= ENT_FILTER_HEAD || n > ENT_FILTER_VALUES || take_text(value + ENT_FILTER_HEAD, n - ENT_FILTER_HEAD, text))
        return ent_fail(error, ENT_ECORRUPT, "parameters without the text of a recipe");
    ent_status status = read_recipe(text, &chunks->recipe, error);
    if (status) return status;
    chunks->bytes = value[3];
    chunks->seed = seed_of(text);
    if (!ent_block_fits(&chunks->recipe, words_of(chunks)))
        return ent_fail(error, ENT_EUNSUPPORTED, "chunks of %zu bytes: a chunk has at most 2^31 bytes and 2^28 words",
                        chunks->bytes);
    if ((status = ent_tables_train(&chunks->tables, &chunks->recipe, NULL, ENT_ENCODE | ENT_DECODE)))
        return ent_fail(error, status, "%s", ent_status_text(status));
    return ENT_OK;
}

void ent_chunks_close(ent_chunks *chunks) { ent_tables_free(&chunks->tables); }

/* ---- encode --------------------------------------------------------------------------------------------- */

/* The head is a checksum of all that follows it and the number of words. */
static const uint32_t STORED = (uint32_t)1 << 31; /* of the number of words: they follow as they are, not as a block */

static uint32_t checksum(uint64_t seed, ent_bytes chunk)
{
    return (uint32_t)XXH3_64bits_withSeed(chunk.data + 4, chunk.size - 4, seed);
}

static void seal(uint64_t seed, uint8_t *chunk, size_t size, uint32_t words)
{
    ent_store32(chunk + 4, words);
    ent_store32(chunk, checksum(seed, (ent_bytes){ chunk, size }));
}

void ent_chunk_seal(uint64_t seed, uint8_t *chunk, size_t size, size_t words) { seal(seed, chunk, size, (uint32_t)words); }

bool ent_chunk_is_sealed(uint64_t seed, ent_bytes chunk, size_t words)
{
    return ent_load32(chunk.data) == checksum(seed, chunk) && ent_load32(chunk.data + 4) == words;
}

size_t ent_chunk_bound(const ent_chunks *chunks)
{
    size_t block = ent_block_bound(&chunks->recipe, &chunks->tables, words_of(chunks));
    return ENT_CHUNK_HEAD + (block > chunks->bytes ? block : chunks->bytes);
}

static ent_status encode_block(const ent_chunks *chunks, const void *data, ent_buffer *block)
{
    const ent_recipe *r = &chunks->recipe;
    size_t words = words_of(chunks);
    if (!ent_format_packed(r->format)) return ent_block_encode(r, &chunks->tables, data, words, block, NULL, NULL);
    void *unpacked = ent_alloc(words * r->word_width);
    if (!unpacked) return ENT_ENOMEM;
    ent_format_unpack(r->format, data, 0, words, unpacked);
    ent_status status = ent_block_encode(r, &chunks->tables, unpacked, words, block, NULL, NULL);
    ent_free(unpacked);
    return status;
}

ent_status ent_chunk_encode(const ent_chunks *chunks, const void *data, ent_buffer *out)
{
    size_t words = words_of(chunks);
    if (bytes_of(&chunks->recipe, words) != chunks->bytes) return ENT_EINVAL;
    if (out->capacity - out->size < ent_chunk_bound(chunks)) return ENT_ESPACE;
    uint8_t *head = out->data + out->size;
    ent_buffer body = { head + ENT_CHUNK_HEAD, 0, out->capacity - out->size - ENT_CHUNK_HEAD };
    ent_status status = encode_block(chunks, data, &body);
    if (status) return status;
    bool stored = body.size >= chunks->bytes;
    if (stored) {
        if (chunks->bytes) memcpy(body.data, data, chunks->bytes);
        body.size = chunks->bytes;
    }
    seal(chunks->seed, head, ENT_CHUNK_HEAD + body.size, (uint32_t)words | (stored ? STORED : 0));
    out->size += ENT_CHUNK_HEAD + body.size;
    return ENT_OK;
}

/* ---- decode --------------------------------------------------------------------------------------------- */

ent_status ent_chunk_verify(const ent_chunks *chunks, ent_bytes chunk)
{
    if (chunk.size < ENT_CHUNK_HEAD) return ENT_ECORRUPT;
    ent_bytes body = { chunk.data + ENT_CHUNK_HEAD, chunk.size - ENT_CHUNK_HEAD };
    if (ent_load32(chunk.data) != checksum(chunks->seed, chunk)) return ENT_ECORRUPT;
    uint32_t words = ent_load32(chunk.data + 4);
    bool stored = words & STORED;
    words &= ~STORED;
    if (words > words_of(chunks)) return ENT_ECORRUPT;
    return stored && body.size != bytes_of(&chunks->recipe, words) ? ENT_ECORRUPT : ENT_OK;
}

static ent_status decode_block(const ent_chunks *chunks, ent_bytes block, size_t words, void *out)
{
    const ent_recipe *r = &chunks->recipe;
    unsigned flags = ENT_TRUSTED | (chunks->bytes > ent_stream_bytes() ? ENT_STREAM : 0u);
    if (!ent_format_packed(r->format))
        return ent_block_decode(r, &chunks->tables, block, flags, out, words, NULL);
    void *unpacked = ent_alloc(words * r->word_width);
    if (!unpacked) return ENT_ENOMEM;
    ent_status status = ent_block_decode(r, &chunks->tables, block, flags, unpacked, words, NULL);
    if (!status) ent_format_pack(r->format, unpacked, words, out);
    ent_free(unpacked);
    return status;
}

ent_status ent_chunk_decode(const ent_chunks *chunks, ent_bytes chunk, void *out)
{
    ent_status status = ent_chunk_verify(chunks, chunk);
    if (status) return status;
    uint32_t words = ent_load32(chunk.data + 4);
    bool stored = words & STORED;
    words &= ~STORED;
    ent_bytes body = { chunk.data + ENT_CHUNK_HEAD, chunk.size - ENT_CHUNK_HEAD };
    size_t held = bytes_of(&chunks->recipe, words);
    if (!stored) status = decode_block(chunks, body, words, out);
    else if (held) memcpy(out, body.data, held);
    if (!status && held < chunks->bytes) memset((uint8_t *)out + held, 0, chunks->bytes - held);
    return status;
}
