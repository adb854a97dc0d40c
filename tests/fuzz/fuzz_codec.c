/* fuzz_codec.c - any bytes as the text of a codec and as a block.
 *
 * Input: mode, format, words (2 bytes), size of the text (1 byte); the text; the block or words.
 * Even modes: the text is parsed, and what parses must have a canonical text that parses to itself.
 * Then the rest is decoded as a block of that codec, with tables trained on it as words (which is
 * what a container would do with tables of its own); odd modes: the rest, as words, must come back.
 * A block counts as trusted, so that what lies behind its checksum is reached.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <entropy/codec.h>

#include "fuzz.h"

enum { HEAD = 5 };

static ent_codec *parse(const uint8_t *text, size_t size)
{
    ent_codec *codec, *again;
    char *copy = calloc(size + 1, 1);
    REQUIRE(copy);
    memcpy(copy, text, size);
    ent_status status = ent_codec_parse(&codec, copy, NULL);
    free(copy);
    if (status) return NULL;
    REQUIRE(!ent_codec_parse(&again, ent_codec_text(codec), NULL));
    REQUIRE(!strcmp(ent_codec_text(again), ent_codec_text(codec)));
    ent_codec_free(again);
    return codec;
}

static const char *dtype_of(uint8_t choice)
{
    size_t formats = 0;
    while (ent_dtype_at(formats)) formats++;
    return choice % (formats + 1) == formats ? "opaque" : ent_dtype_at(choice % (formats + 1))->name;
}

static ent_status train(const ent_recipe *recipe, const void *words, size_t n, ent_tables *tables)
{
    ent_counts counts[ENT_MAX_FIELDS];
    REQUIRE(!ent_recipe_counts_init(recipe, counts));
    REQUIRE(!ent_recipe_count(recipe, words, n, counts));
    ent_status status = ent_tables_train(tables, recipe, counts, ENT_ENCODE | ENT_DECODE);
    ent_recipe_counts_free(counts);
    return status;
}

static void round_trip(const ent_recipe *recipe, const ent_tables *tables, const void *words, size_t n)
{
    size_t bound = ent_block_bound(recipe, tables, n), bytes = n * recipe->word_width;
    ent_buffer out = { malloc(bound), 0, bound };
    uint8_t *back = malloc(bytes + 8);
    ent_tally tally = { 0, 0, 0 };
    REQUIRE(out.data && back);
    REQUIRE(!ent_block_encode(recipe, tables, words, n, &out, &tally, NULL));
    REQUIRE(out.size <= bound && tally.payload_bits + tally.table_bits + tally.index_bits == 8 * out.size);
    REQUIRE(!ent_block_decode(recipe, tables, (ent_bytes){ out.data, out.size }, 0, back, n, NULL));
    REQUIRE(!bytes || !memcmp(back, words, bytes));
    free(out.data);
    free(back);
}

static void with_recipe(const ent_recipe *recipe, const uint8_t *data, ent_bytes rest)
{
    size_t n = rest.size / recipe->word_width, wanted = data[2] | (size_t)(data[3] & 15) << 8;
    uint64_t *words = calloc(rest.size / 8 + 2, 8); /* aligned, and without bits above the word's */
    ent_tables tables = { 0 };
    REQUIRE(words);
    if (rest.size) memcpy(words, rest.data, n * recipe->word_width);
    for (size_t i = 0; recipe->split.word_bits < 8 && i < n; i++)
        ((uint8_t *)words)[i] &= (uint8_t)((1u << recipe->split.word_bits) - 1);
    for (size_t i = 0; recipe->split.word_bits > 8 && recipe->split.word_bits < 16 && i < n; i++)
        ((uint16_t *)words)[i] &= (uint16_t)((1u << recipe->split.word_bits) - 1);
    if (!train(recipe, words, n, &tables)) {
        if (data[0] % 2) {
            round_trip(recipe, &tables, words, n);
        } else {
            uint8_t *out = malloc((wanted + 1) * recipe->word_width);
            REQUIRE(out);
            ent_status status = ent_block_decode(recipe, &tables, rest, ENT_TRUSTED, out, wanted, NULL);
            REQUIRE(!status || status == ENT_ECORRUPT);
            free(out);
        }
    }
    ent_tables_free(&tables);
    free(words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ent_recipe recipe;
    if (size < HEAD) return 0;
    size_t text = data[4] < size - HEAD ? data[4] : size - HEAD;
    ent_codec *codec = parse(data + HEAD, text);
    if (!codec) return 0;
    if (!ent_codec_bind(codec, dtype_of(data[1]), &recipe, NULL))
        with_recipe(&recipe, data, (ent_bytes){ data + HEAD + text, size - HEAD - text });
    ent_codec_free(codec);
    return 0;
}
