/* test_systems.c - the list of published systems: every row runs. */
#include "../analyses/shortlist.h"
#include "../analyses/with.h"

#include "matrices.h"

static const ent_codec_row *codec_row(const char *name)
{
    const ent_codec_row *row = ent_codecs;
    while (row->name && strcmp(row->name, name)) row++;
    return row->name ? row : NULL;
}

static bool is_status(const char *s)
{
    static const char *const known[] = { "paper", "datasheet", "second-hand", "derived" };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(s, known[i])) return true;
    return false;
}

static void every_row_is_complete(void **state)
{
    (void)state;
    for (const ent_system *s = ent_systems; s->name; s++) {
        ent_codec *codec;
        ent_error error;
        struct with with;
        if (!s->brief || !s->cite || !s->published || !s->status || !is_status(s->status))
            fail_msg("%s: a field is missing", s->name);
        assert_ptr_equal(ent_system_find(s->name), s); /* no name twice */
        assert_int_equal(!s->allocation, s->budget_bits == 0);
        ent_status status = ent_codec_parse(&codec, s->codec ? s->codec : "raw", &error);
        if (status && status != ENT_EUNSUPPORTED) fail_msg("%s: %s", s->name, error.text); /* as of an optional library */
        ent_codec_free(codec);
        if (!s->pipeline && (!s->codec || strcmp(s->codec, s->name) || !codec_row(s->name))) fail_msg("%s: not the codec of its name", s->name);
        assert_ok(with_parse(&with, s->name, NULL, &error)); /* the text fits */
        assert_string_equal(with.pipelines, s->pipeline ? s->pipeline : "");
    }
}

/* Packs, codes nothing, and comes back. */
static void every_pipeline_round_trips(void **state)
{
    (void)state;
    enum { ROWS = 64, COLS = 128 };
    float *values = normals(ROWS * COLS, 0.02, 11);
    for (const ent_system *s = ent_systems; s->name; s++) {
        struct shortlist list;
        ent_error error;
        if (!s->pipeline) continue;
        if (shortlist_parse(&list, s->name, &error)) fail_msg("%s: %s", s->name, error.text);
        assert_true(list.n == 1 || s->allocation || strchr(s->pipeline, ':'));
        for (size_t k = 0; k < list.n; k++)
            if (matrix_round_trip(&list.candidate[k].pipeline, ROWS, COLS, values, &error)) fail_msg("%s: %s", s->name, error.text);
        shortlist_free(&list);
    }
    ent_free(values);
}

static void names_stand_for_rows(void **state)
{
    (void)state;
    struct with with;
    struct shortlist list;
    ent_error error;
    const ent_system *nf4 = ent_system_find("nf4"), *edkm = ent_system_find("edkm");
    assert_ok(with_parse(&with, " edkm ", NULL, &error));
    assert_ptr_equal(with.system, edkm);
    assert_string_equal(with.pipelines, edkm->pipeline);
    assert_null(with.codec);
    assert_ok(with_parse(&with, "entquant", NULL, &error));
    assert_string_equal(with.codec, "rans");
    assert_ok(with_parse(&with, "edkm => huffman", NULL, &error));
    assert_string_equal(with.pipelines, edkm->pipeline);
    assert_string_equal(with.codec, "huffman");
    assert_ok(with_parse(&with, "edkm", "tans", &error));
    assert_string_equal(with.codec, "tans");
    assert_ok(with_parse(&with, "rtn(bits=3) nf4=>rans", NULL, &error)); /* no name of a system */
    assert_null(with.system);
    assert_string_equal(with.pipelines, "rtn(bits=3) nf4");
    assert_string_equal(with.codec, "rans");
    assert_ok(with_parse(&with, "rtn(bits=3)", NULL, &error));
    assert_null(with.codec);
    assert_status(with_parse(&with, "nf4 => rans", "rans", &error), ENT_EINVAL);
    assert_ok(shortlist_parse(&list, "rtn(bits=3) | edkm |nf4", &error));
    assert_int_equal(list.n, 3);
    assert_string_equal(list.candidate[1].text, edkm->pipeline);
    assert_string_equal(list.candidate[2].text, nf4->pipeline);
    shortlist_free(&list);
    assert_status(shortlist_parse(&list, "nf4 | dfloat11", &error), ENT_EINVAL);
    assert_non_null(strstr(error.text, "dfloat11 is lossless"));
    assert_null(ent_system_find("nothing"));
}

/* Words of BF16 stay what they are, halves go to even, and what is too large becomes the largest. */
static void bf16_rounds(void **state)
{
    (void)state;
    float values[] = { 1, -0.5f, 1 + 0x1p-8f, 1 + 0x3p-8f, 1 + 0x1p-9f, 0x1.8p-20f, 0x1.fffffep127f, 0 };
    const float expected[] = { 1, -0.5f, 1, 1 + 0x1p-6f, 1, 0x1.8p-20f, 0x1.fep127f, 0 };
    ent_pipeline pipeline;
    ent_packed packed;
    assert_ok(ent_pipeline_parse(&pipeline, "bf16", NULL));
    assert_ok(ent_pipeline_apply(&pipeline, 2, 4, values, NULL, &packed, NULL));
    assert_memory_equal(values, expected, sizeof expected);
    ent_packed_free(&packed);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_complete),
        cmocka_unit_test(every_pipeline_round_trips),
        cmocka_unit_test(names_stand_for_rows),
        cmocka_unit_test(bf16_rounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
