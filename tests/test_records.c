/* test_records.c - records: their layout against ggml's published sizes and unpacking rules, their codecs. */
#include "test.h"

/* Bits a weight of each block type, as llama.cpp's documentation of its types states them. */
static const struct { const char *name; double bits; } published[] = {
    { "Q4_0", 4.5 },     { "Q4_1", 5 },        { "Q5_0", 5.5 },     { "Q5_1", 6 },      { "Q8_0", 8.5 },
    { "Q8_1", 9 },       { "Q2_K", 2.625 },    { "Q3_K", 3.4375 },  { "Q4_K", 4.5 },    { "Q5_K", 5.5 },
    { "Q6_K", 6.5625 },  { "IQ1_S", 1.5625 },  { "IQ1_M", 1.75 },   { "IQ2_XXS", 2.0625 }, { "IQ2_XS", 2.3125 },
    { "IQ2_S", 2.5625 }, { "IQ3_XXS", 3.0625 }, { "IQ3_S", 3.4375 }, { "IQ4_NL", 4.5 }, { "IQ4_XS", 4.25 },
    { "TQ1_0", 1.6875 }, { "TQ2_0", 2.0625 },  { "MXFP4", 4.25 },   { "NVFP4", 4.5 },   { "Q1_0", 1.125 },
    { "Q2_0", 2.25 },
};

static void records_have_their_published_size(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        const ent_format *f = ent_dtype_find(published[i].name);
        if (!f) fail_msg("no %s", published[i].name);
        assert_int_equal(f->kind, ENT_KIND_RECORD);
        assert_close((double)f->bits / f->weights, published[i].bits, 0);
        assert_null(ent_format_find(published[i].name)); /* no number format */
    }
    while (ent_records[n].name) n++;
    assert_int_equal(n, sizeof published / sizeof *published);
}

static void every_bit_is_in_one_member(void **state)
{
    (void)state;
    for (const ent_format *f = ent_records; f->name; f++) {
        ent_split split;
        ent_error error;
        if (ent_split_parse(f, "rest", &split, &error)) fail_msg("%s: %s", f->name, error.text);
        assert_ok(ent_split_check(&split));
        split.field[0].range[0].low++; /* a bit twice, another not at all */
        assert_status(ent_split_check(&split), ENT_EINVAL);
        assert_ok(ent_split_parse(f, "word", &split, NULL));
        assert_int_equal(ent_field_count(&split.field[0]), f->bits / 8);
        assert_status(ent_split_parse(f, "word rest", &split, NULL), ENT_EINVAL);
        assert_status(ent_split_parse(f, f->member[0].name, &split, NULL), ENT_EINVAL);
        assert_status(ent_split_parse(f, "exponent rest", &split, NULL), ENT_EUNSUPPORTED);
    }
}

static void members_are_named_whole_or_by_byte(void **state)
{
    (void)state;
    ent_split split;
    const ent_format *f = ent_dtype_find("Q4_0");
    assert_ok(ent_split_parse(f, "scale rest", &split, NULL));
    assert_int_equal(split.fields, 2);
    assert_int_equal(ent_field_bits(&split.field[0]), 16);
    assert_string_equal(split.field[1].name, "code");
    assert_ok(ent_split_parse(f, "code scale.byte0 rest", &split, NULL));
    assert_string_equal(split.field[2].name, "scale.byte1");
    assert_int_equal(split.field[2].range[0].low, 8);
    assert_status(ent_split_parse(f, "scale.byte2 rest", &split, NULL), ENT_EUNSUPPORTED);
    assert_status(ent_split_parse(f, "scale scale.byte0 rest", &split, NULL), ENT_EINVAL);
}

static void fill(uint8_t *bytes, size_t n, uint64_t seed)
{
    ent_random r;
    ent_random_seed(&r, seed, 0);
    for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)(ent_random_bits(&r) & ent_random_bits(&r));
}

static unsigned member_of(const ent_format *f, const char *name)
{
    for (unsigned k = 0; k < ENT_MAX_MEMBERS && f->member[k].name; k++)
        if (!strcmp(f->member[k].name, name)) return k;
    fail_msg("%s has no %s", f->name, name);
    return 0;
}

static void get(const ent_format *f, const char *name, const uint8_t *records, size_t n, void *symbols)
{
    ent_record_member(f, member_of(f, name), records, n, symbols);
}

enum { RECORDS = 3 };

/* ggml's rule for the scale and min j of a block of Q4_K: scales[12] follows the two F16. */
static void six_bit_scales_unpack_as_in_ggml(void **state)
{
    (void)state;
    uint8_t records[RECORDS * 144], scale[12], high[12], low[12], min[12], min_high[12], min_low[12], code[RECORDS * 256];
    const ent_format *f = ent_dtype_find("Q4_K");
    fill(records, sizeof records, 1);
    get(f, "scale", records, RECORDS, scale), get(f, "scale_high", records, RECORDS, high);
    get(f, "scale_low", records, RECORDS, low), get(f, "min", records, RECORDS, min);
    get(f, "min_high", records, RECORDS, min_high), get(f, "min_low", records, RECORDS, min_low);
    get(f, "code", records, RECORDS, code);
    for (int i = 0; i < RECORDS; i++) {
        const uint8_t *q = records + 144 * i + 4, *qs = q + 12;
        for (int j = 0; j < 8; j++) {
            int sc = j < 4 ? q[j] & 63 : (q[j + 4] & 15) | (q[j - 4] >> 6) << 4;
            int m = j < 4 ? q[j + 4] & 63 : q[j + 4] >> 4 | (q[j] >> 6) << 4;
            int at = 4 * i + j % 4;
            assert_int_equal(j < 4 ? scale[at] : low[at] | high[at] << 4, sc);
            assert_int_equal(j < 4 ? min[at] : min_low[at] | min_high[at] << 4, m);
        }
        for (int j = 0; j < 256; j++) assert_int_equal(code[256 * i + j], qs[j / 2] >> 4 * (j % 2) & 15);
    }
}

/* Q3_K: 16 scales of 6 bits in 12 bytes at 96; ggml takes the low four bits of scale j from nibble j / 8 of byte j % 8
 * and the two upper ones from bits 2 * (j / 4) of byte 8 + j % 4. */
static void three_bit_scales_unpack_as_in_ggml(void **state)
{
    (void)state;
    uint8_t record[110], low[16], high[16];
    const ent_format *f = ent_dtype_find("Q3_K");
    fill(record, sizeof record, 2);
    get(f, "scale_low", record, 1, low), get(f, "scale_high", record, 1, high);
    const uint8_t *s = record + 96;
    for (int j = 0; j < 16; j++) {
        int ours = low[2 * (j % 8) + j / 8] | high[4 * (j % 4) + j / 4] << 4;
        assert_int_equal(ours, (s[j % 8] >> 4 * (j / 8) & 15) | (s[8 + j % 4] >> 2 * (j / 4) & 3) << 4);
    }
}

/* IQ2_XS: 32 words of 16 bits after the scale, 9 bits of grid index and 7 of signs. */
static void words_of_index_and_signs_come_apart(void **state)
{
    (void)state;
    uint8_t record[74], sign[32];
    uint16_t index[32], scale;
    const ent_format *f = ent_dtype_find("IQ2_XS");
    fill(record, sizeof record, 3);
    get(f, "index", record, 1, index), get(f, "sign", record, 1, sign), get(f, "super_scale", record, 1, &scale);
    assert_int_equal(scale, record[0] | record[1] << 8);
    for (int i = 0; i < 32; i++) {
        int word = record[2 + 2 * i] | record[3 + 2 * i] << 8;
        assert_int_equal(index[i], word & 511);
        assert_int_equal(sign[i], word >> 9);
    }
}

/* Every codec row on every record: the words come back, and the gap's terms add up to the size. */
static void every_codec_codes_every_record(void **state)
{
    (void)state;
    enum { WORDS = 130 };
    uint8_t *words = malloc(WORDS * 300), *back = malloc(WORDS * 300);
    for (const ent_codec_row *row = ent_codecs; row->name; row++) {
        ent_codec *codec;
        if (ent_codec_parse(&codec, row->name, NULL)) continue; /* a coder that is not built in */
        for (const ent_format *f = ent_records; f->name; f++) {
            ent_recipe r;
            ent_tables tables;
            ent_counts counts[ENT_MAX_FIELDS];
            ent_tally tally = { 0, 0, 0 };
            ent_gap gap = { 0 };
            assert_ok(ent_codec_bind(codec, f->name, &r, NULL));
            assert_int_equal(r.word_width, f->bits / 8);
            fill(words, WORDS * r.word_width, f->bits);
            assert_ok(ent_recipe_counts_init(&r, counts));
            assert_ok(ent_recipe_count(&r, words, WORDS, counts));
            for (uint32_t i = 0; i < r.split.fields; i++)
                if (counts[i].count && counts[i].alphabet == ent_field_alphabet(&r.split.field[i]))
                    assert_int_equal(ent_counts_total(&counts[i]), WORDS * ent_field_count(&r.split.field[i]));
            assert_ok(ent_tables_train(&tables, &r, counts, ENT_ENCODE | ENT_DECODE));
            ent_buffer out = { NULL, 0, 0 };
            assert_ok(ent_buffer_reserve(&out, ent_block_bound(&r, &tables, WORDS)));
            assert_ok(ent_block_encode(&r, &tables, words, WORDS, &out, &tally, NULL));
            ent_bytes block = { out.data, out.size };
            memset(back, 0x5a, WORDS * r.word_width);
            assert_ok(ent_block_decode(&r, &tables, block, 0, back, WORDS, NULL));
            if (memcmp(back, words, WORDS * r.word_width)) fail_msg("%s, %s: not the same", row->name, f->name);
            assert_ok(ent_gap_block(&r, &tables, counts, words, WORDS, block, &tally, &gap));
            assert_close(ent_gap_sum(&gap), 8.0 * (double)out.size, 1e-6);
            ent_free(out.data);
            ent_recipe_counts_free(counts);
            ent_tables_free(&tables);
        }
        ent_codec_free(codec);
    }
    free(words);
    free(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_have_their_published_size),
        cmocka_unit_test(every_bit_is_in_one_member),
        cmocka_unit_test(members_are_named_whole_or_by_byte),
        cmocka_unit_test(six_bit_scales_unpack_as_in_ggml),
        cmocka_unit_test(three_bit_scales_unpack_as_in_ggml),
        cmocka_unit_test(words_of_index_and_signs_come_apart),
        cmocka_unit_test(every_codec_codes_every_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
