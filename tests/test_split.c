/* test_split.c - fields and splits: the grammar, and every bit pattern against a bit-by-bit reference. */
#include "test.h"

static ent_split split_of(const char *format, const char *text)
{
    ent_split split;
    ent_error error;
    if (ent_split_parse(ent_format_find(format), text, &split, &error)) fail_msg("%s: %s", format, error.text);
    return split;
}

/* ---- the grammar ---------------------------------------------------------------------------------- */

static void assert_ranges(const ent_field *field, const char *name, const char *ranges)
{
    char text[128] = "";
    for (unsigned k = 0; k < field->ranges; k++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d+%d", k ? " " : "", field->range[k].low,
                 field->range[k].bits);
    assert_string_equal(field->name, name);
    assert_string_equal(text, ranges);
}

/* ranges are "low+bits", most significant first */
static void fields_are_these_bits(void **state)
{
    (void)state;
    static const struct { const char *format, *text, *ranges; } cases[] = {
        { "BF16", "word", "0+16" },
        { "BF16", "sign", "15+1" },
        { "BF16", "exponent", "7+8" },
        { "BF16", "mantissa", "0+7" },
        { "BF16", "sign+mantissa", "15+1 0+7" },
        { "BF16", "sign+exponent+mantissa", "0+16" }, /* neighbours merge */
        { "BF16", "exponent:top4", "11+4" },
        { "BF16", "exponent:low4", "7+4" },
        { "BF16", "exponent:low6:top3", "10+3" },
        { "BF16", "exponent+mantissa:top2", "5+10" },
        { "BF16", "mantissa:top2+exponent", "5+2 7+8" }, /* the order counts */
        { "BF16", "byte0", "0+8" },
        { "BF16", "byte1", "8+8" },
        { "BF16", "[14:10]", "10+5" },
        { "BF16", "[0:0]+[15:15]", "0+1 15+1" },
        { "F16", "mantissa:low5", "0+5" },
        { "F32", "exponent", "23+8" },
        { "F64", "exponent", "52+11" },
        { "F64", "word", "0+64" },
        { "F64", "mantissa:low48:top16", "32+16" },
        { "F8_E4M3", "exponent", "3+4" },
        { "F4", "mantissa", "0+1" },
        { "F4", "byte0", "0+4" },
        { "U12", "byte1", "8+4" },
        { "U4", "code", "0+4" },
        { "I4", "code:top1", "3+1" },
        { "F8_E8M0", "scale", "0+8" },
        { "none", "word", "0+8" }, /* opaque bytes */
        { "none", "[7:4]", "4+4" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ent_field field, again;
        ent_error error;
        const ent_format *format = ent_format_find(cases[i].format);
        if (ent_field_parse(format, cases[i].text, &field, &error)) fail_msg("%s", error.text);
        assert_ranges(&field, cases[i].text, cases[i].ranges);
        assert_ok(ent_field_parse(format, field.name, &again, NULL));
        assert_memory_equal(&field, &again, sizeof field);
    }
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const struct { const char *format, *text; ent_status status; } cases[] = {
        { "BF16", "", ENT_EINVAL }, { "BF16", "signs", ENT_EINVAL }, { "BF16", "sign+", ENT_EINVAL },
        { "BF16", "+sign", ENT_EINVAL }, { "BF16", "sign+sign", ENT_EINVAL }, { "BF16", "word+byte0", ENT_EINVAL },
        { "BF16", "exponent:top0", ENT_EINVAL }, { "BF16", "exponent:top9", ENT_EINVAL },
        { "BF16", "exponent:top04", ENT_EINVAL }, { "BF16", "exponent:mid4", ENT_EINVAL },
        { "BF16", "exponent:top", ENT_EINVAL }, { "BF16", "exponent:", ENT_EINVAL }, { "BF16", "byte2", ENT_EINVAL },
        { "BF16", "byte", ENT_EINVAL }, { "BF16", "[16:3]", ENT_EINVAL }, { "BF16", "[3:4]", ENT_EINVAL },
        { "BF16", "[3]", ENT_EINVAL }, { "BF16", "[3:2", ENT_EINVAL }, { "BF16", "[999999999999999:0]", ENT_EINVAL },
        { "BF16", "byte4294967296", ENT_EINVAL }, { "BF16", "byte01", ENT_EINVAL },
        { "BF16", "rest", ENT_EINVAL }, { "BF16", "bytes", ENT_EINVAL }, { "BF16", "sign mantissa", ENT_EINVAL },
        { "BF16", "[0:0]+[2:2]+[4:4]+[6:6]+[8:8]+[10:10]+[12:12]+[14:14]+[1:1]", ENT_EINVAL },
        { "BF16", "code", ENT_EUNSUPPORTED }, { "BF16", "scale", ENT_EUNSUPPORTED },
        { "U8", "exponent", ENT_EUNSUPPORTED }, { "I8", "sign", ENT_EUNSUPPORTED },
        { "F8_E8M0", "sign", ENT_EUNSUPPORTED }, { "F8_E8M0", "exponent", ENT_EUNSUPPORTED },
        { "none", "mantissa", ENT_EUNSUPPORTED },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ent_field field;
        ent_error error = { ENT_OK, "" };
        ent_status status = ent_field_parse(ent_format_find(cases[i].format), cases[i].text, &field, &error);
        if (status != cases[i].status) fail_msg("\"%s\": %s", cases[i].text, ent_status_text(status));
        assert_int_equal(error.status, status);
        assert_true(error.text[0]);
    }
}

static void long_texts_are_named_by_their_bits(void **state)
{
    (void)state;
    ent_field field;
    const ent_format *f64 = ent_format_find("F64");
    const char *terms = "mantissa:low48:top16:low8:low4:low2+mantissa:low20:top10:top5+exponent:low10";
    const char *most_ranges = "[63:62]+[60:59]+[57:56]+[54:53]+[51:50]+[48:47]+[45:44]+[42:41]";
    assert_ok(ent_field_parse(f64, terms, &field, NULL));
    assert_ranges(&field, "[33:32]+[19:15]+[61:52]", "32+2 15+5 52+10");
    assert_ok(ent_field_parse(f64, most_ranges, &field, NULL));
    assert_string_equal(field.name, most_ranges);
    assert_int_equal(strlen(field.name), 63);
}

/* Fields of a parsed split as "name:ranges|...", the whole grammar of splits in one line a case. */
static void splits_are_these_fields(void **state)
{
    (void)state;
    static const struct { const char *format, *text, *fields; } cases[] = {
        { "BF16", "sign|exponent|mantissa", "sign,15+1|exponent,7+8|mantissa,0+7" },
        { "BF16", " sign\texponent | mantissa\n", "sign,15+1|exponent,7+8|mantissa,0+7" },
        { "BF16", "exponent rest", "exponent,7+8|rest,15+1,0+7" },
        { "BF16", "exponent+mantissa:top2 | rest", "exponent+mantissa:top2,5+10|rest,15+1,0+5" },
        { "BF16", "bytes", "byte1,8+8|byte0,0+8" },
        { "BF16", "rest", "rest,0+16" },
        { "F32", "exponent|rest", "exponent,23+8|rest2,31+1,16+7|rest1,8+8|rest0,0+8" },
        { "F32", "bytes", "byte3,24+8|byte2,16+8|byte1,8+8|byte0,0+8" },
        { "F32", "byte3 byte2 rest", "byte3,24+8|byte2,16+8|rest,0+16" },
        { "F64", "exponent rest", "exponent,52+11|rest6,63+1,48+4|rest5,40+8|rest4,32+8|rest3,24+8|rest2,16+8|"
                                  "rest1,8+8|rest0,0+8" },
        { "F4", "bytes", "byte0,0+4" },
        { "I12", "bytes", "byte1,8+4|byte0,0+8" },
        { "none", "rest", "rest,0+8" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ent_split split = split_of(cases[i].format, cases[i].text);
        char text[512] = "";
        for (unsigned k = 0; k < split.fields; k++) {
            const ent_field *f = &split.field[k];
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", k ? "|" : "", f->name);
            for (unsigned j = 0; j < f->ranges; j++)
                snprintf(text + strlen(text), sizeof text - strlen(text), ",%d+%d", f->range[j].low, f->range[j].bits);
        }
        assert_string_equal(text, cases[i].fields);
        assert_ok(ent_split_check(&split));
    }
}

static void splits_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", " | ", "sign|exponent", "sign|exponent|mantissa|byte0", "word|rest", "word word", "rest exponent",
        "bytes sign", "sign bytes", "exponent rest rest", "sign exponentmantissa",
        "[0:0] [1:1] [2:2] [3:3] [4:4] [5:5] [6:6] [7:7] [8:8] [9:9] [10:10] [11:11] [12:12] [13:13] [14:14] word sign",
    };
    ent_split split;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ent_error error = { ENT_OK, "" };
        assert_status(ent_split_parse(ent_format_find("BF16"), texts[i], &split, &error), ENT_EINVAL);
        assert_int_equal(error.status, ENT_EINVAL);
    }
    assert_status(ent_split_parse(ent_format_find("U8"), "exponent rest", &split, NULL), ENT_EUNSUPPORTED);
    /* 16 single bits are more ranges than a field has, and than a split has room for beside them */
    const char *odd = "[1:1]+[3:3]+[5:5]+[7:7]+[9:9]+[11:11]+[13:13]+[15:15] "
                      "[17:17]+[19:19]+[21:21]+[23:23]+[25:25]+[27:27]+[29:29]+[31:31] rest";
    assert_status(ent_split_parse(ent_format_find("F32"), odd, &split, NULL), ENT_EINVAL);
    static char huge[100000];
    memset(huge, '+', sizeof huge - 1);
    assert_status(ent_split_parse(ent_format_find("BF16"), huge, &split, NULL), ENT_EINVAL);
}

static void natural_splits_cover_every_format(void **state)
{
    (void)state;
    static const struct { const char *format, *text; } expected[] = {
        { "BF16", "sign|exponent|mantissa" }, { "F8_E5M2", "sign|exponent|mantissa" }, { "U3", "code" },
        { "I16", "code" }, { "F8_E8M0", "scale" }, { "none", "word" },
        { "F32", "sign|exponent|[22:16]|[15:0]" }, { "F64", "sign|exponent|[51:48]|[47:32]|[31:16]|[15:0]" },
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        ent_split natural, same = split_of(expected[i].format, expected[i].text);
        assert_ok(ent_split_natural(ent_format_find(expected[i].format), &natural));
        assert_int_equal(natural.fields, same.fields);
        for (unsigned k = 0; k < same.fields; k++) {
            assert_int_equal(natural.field[k].ranges, 1);
            assert_memory_equal(natural.field[k].range, same.field[k].range, sizeof(ent_range));
        }
    }
    for (const ent_format *f = ent_formats; f->name; f++) {
        ent_split split;
        assert_ok(ent_split_natural(f, &split));
        assert_ok(ent_split_check(&split));
        for (unsigned k = 0; k < split.fields; k++) { /* the names are texts, and every field has symbols */
            ent_field field;
            assert_ok(ent_field_parse(f, split.field[k].name, &field, NULL));
            assert_memory_equal(&field, &split.field[k], sizeof field);
            assert_in_range(ent_field_alphabet(&field), 2, 65536);
        }
    }
}

static void check_takes_any_content(void **state)
{
    (void)state;
    ent_random r;
    ent_random_seed(&r, 5, 0);
    for (int i = 0; i < 20000; i++) {
        ent_split split = split_of("F32", "sign exponent mantissa");
        for (int k = 0; k < 3; k++) {
            size_t at = ent_random_below(&r, offsetof(ent_split, field) + 3 * sizeof(ent_field));
            ((uint8_t *)&split)[at] = (uint8_t)ent_random_bits(&r);
        }
        ent_split_check(&split);
    }
    ent_split split = split_of("F32", "sign exponent mantissa");
    split.field[1].range[0].bits = 0;
    assert_status(ent_split_check(&split), ENT_EINVAL);
    split = split_of("F32", "sign exponent mantissa");
    split.word_bits = 33;
    assert_status(ent_split_check(&split), ENT_EINVAL);
    split.word_bits = 31;
    assert_status(ent_split_check(&split), ENT_EINVAL);
    split = split_of("F32", "sign exponent mantissa");
    split.field[0].range[split.field[0].ranges++] = (ent_range){ 0, 0 }; /* all bits, and a range of none */
    assert_status(ent_split_check(&split), ENT_EINVAL);
}

/* ---- the kernels ---------------------------------------------------------------------------------- */

/* One bit at a time, from the definition in field.h. */
static uint64_t reference_symbol(const ent_field *field, uint64_t word)
{
    uint64_t symbol = 0;
    for (unsigned k = 0; k < field->ranges; k++)
        for (int b = field->range[k].bits - 1; b >= 0; b--)
            symbol = symbol << 1 | (word >> (field->range[k].low + b) & 1);
    return symbol;
}

static uint64_t load(const uint8_t *p, uint32_t width)
{
    uint64_t v = 0;
    memcpy(&v, p, width);
    return v;
}

/* All words through split and join, between guard pages; some calls leave streams out. */
static void assert_split(const ent_split *split, uint32_t width, const uint8_t *words, size_t n)
{
    guarded in = guarded_copy(words, n * width), out = guarded_new(n * width), stream[ENT_MAX_FIELDS];
    void *to[ENT_MAX_FIELDS] = { NULL };
    const void *from[ENT_MAX_FIELDS] = { NULL };
    for (unsigned i = 0; i < split->fields; i++) {
        stream[i] = guarded_new(n * ent_field_width(&split->field[i]));
        memset(stream[i].data, 0xa5, stream[i].size);
        if (n % 3) to[i] = stream[i].data;
        from[i] = stream[i].data;
    }
    for (unsigned pass = 0; pass < 2; pass++) { /* sizes that 3 divides: odd fields first, then the others */
        for (unsigned i = 0; i < split->fields && n % 3 == 0; i++) to[i] = i % 2 != pass ? stream[i].data : NULL;
        ent_split_words(split, in.data, n, to);
    }
    for (unsigned i = 0; i < split->fields; i++) {
        uint32_t w = ent_field_width(&split->field[i]);
        for (size_t k = 0; k < n; k++)
            if (load(stream[i].data + k * w, w) != reference_symbol(&split->field[i], load(words + k * width, width)))
                fail_msg("field %s: word %zu of %zu", split->field[i].name, k, n);
    }
    memset(out.data, 0x5a, out.size);
    ent_join_words(split, from, n, out.data);
    if (n) assert_memory_equal(out.data, words, n * width);
    for (unsigned i = 0; i < split->fields; i++) guarded_free(&stream[i]);
    guarded_free(&in);
    guarded_free(&out);
}

static const char *const float_splits[] = {
    "sign exponent mantissa", "exponent rest", "exponent sign+mantissa", "sign+mantissa exponent", "word", "bytes",
    "rest", "exponent+sign mantissa", "sign+exponent mantissa", "mantissa+exponent+sign", "sign exponent:top1 rest",
    "exponent+mantissa:top1 rest", "mantissa:low1+sign rest", "[0:0]+[2:2] rest",
    "sign+exponent:low1+mantissa:low1 rest",
};
static const char *const wide_splits[] = { /* of 16 bits and more */
    "sign exponent mantissa:top5 rest", "sign exponent:top4 exponent:low1 rest", "exponent+mantissa:top2 rest",
    "byte1 rest", "byte0 rest", "[15:13]+[2:0] rest", "[1:1]+[3:3]+[5:5]+[7:7] [0:0]+[2:2]+[4:4]+[6:6] rest",
    "[3:0]+[15:12] rest",
};

static void assert_splits(const char *format, const char *const *texts, size_t count, const uint8_t *words, size_t n)
{
    for (size_t i = 0; i < count; i++) {
        ent_split split = split_of(format, texts[i]);
        assert_split(&split, ent_format_width(ent_format_find(format)), words, n);
    }
}

#define EACH(texts) texts, sizeof(texts) / sizeof *(texts)

static void all_patterns_come_back(void **state)
{
    (void)state;
    static const char *const code_splits[] = {
        "code", "word", "bytes", "[0:0] rest", "code:top1 rest", "code:low1+code:top1 rest",
    };
    static const char *const scale_splits[] = { "scale", "bytes", "[7:4] [3:0]" };
    static const char *const byte_splits[] = { "word", "[7:4] rest" };
    /* Huff-LLM, arXiv 2502.00922: FP16 into 1, 5, 5, 5 bits; BF16 with its exponent in halves */
    static const char *const huff_f16[] = { "sign exponent mantissa:top5 mantissa:low5" };
    static const char *const huff_bf16[] = { "sign exponent:top4 exponent:low4 mantissa" };
    static uint16_t words[65536];
    static uint8_t bytes[256];
    for (uint32_t w = 0; w < 65536; w++) words[w] = (uint16_t)w;
    for (uint32_t w = 0; w < 256; w++) bytes[w] = (uint8_t)w;
    for (const ent_format *f = ent_formats; f->name; f++) {
        const uint8_t *in = f->bits <= 8 ? bytes : (const uint8_t *)words;
        if (f->bits > 16) continue;
        size_t n = (size_t)1 << f->bits;
        if (f->kind == ENT_KIND_FLOAT) assert_splits(f->name, EACH(float_splits), in, n);
        if (f->kind == ENT_KIND_FLOAT && f->bits == 16) assert_splits(f->name, EACH(wide_splits), in, n);
        if (f->kind == ENT_KIND_SCALE) assert_splits(f->name, EACH(scale_splits), in, n);
        if (f->bits >= 3 && (f->kind == ENT_KIND_SIGNED || f->kind == ENT_KIND_UNSIGNED))
            assert_splits(f->name, EACH(code_splits), in, n);
    }
    assert_splits("none", EACH(byte_splits), bytes, 256);
    assert_splits("F16", EACH(huff_f16), (const uint8_t *)words, 65536);
    assert_splits("BF16", EACH(huff_bf16), (const uint8_t *)words, 65536);
}

static void seeded_words_of_every_length_come_back(void **state)
{
    (void)state;
    static const char *const formats[] = { "F64", "F32", "F16", "BF16", "F8_E4M3" };
    static const size_t sizes[] = { 0, 1, 2, 3, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129, 2047, 2048, 2049, 5001 };
    static uint8_t words[5001 * 8];
    ent_random r;
    ent_random_seed(&r, 6, 0);
    for (size_t i = 0; i < sizeof words; i++) words[i] = (uint8_t)ent_random_bits(&r);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            assert_splits(formats[i], EACH(float_splits), words, sizes[k]);
            if (strcmp(formats[i], "F8_E4M3")) assert_splits(formats[i], EACH(wide_splits), words, sizes[k]);
            if (strcmp(formats[i], "F64")) continue;
            ent_split split;
            assert_ok(ent_split_natural(ent_format_find("F64"), &split));
            assert_split(&split, 8, words, sizes[k]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_these_bits),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(long_texts_are_named_by_their_bits),
        cmocka_unit_test(splits_are_these_fields),
        cmocka_unit_test(splits_that_are_none_are_refused),
        cmocka_unit_test(natural_splits_cover_every_format),
        cmocka_unit_test(check_takes_any_content),
        cmocka_unit_test(all_patterns_come_back),
        cmocka_unit_test(seeded_words_of_every_length_come_back),
    };
    return cmocka_run_group_tests_name("split", tests, NULL, NULL);
}
