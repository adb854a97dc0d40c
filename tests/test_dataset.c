/* test_dataset.c - the catalogue, and generated weights: the same bytes always, the right law. */
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../datasets/dataset.h"
#include "test.h"

static ent_dataset_options options(const char *text)
{
    ent_dataset_options o;
    ent_error error;
    if (ent_dataset_options_parse(&o, text, &error)) fail_msg("%s: %s", text, error.text);
    return o;
}

static const char *made(const char *name, const char *text, unsigned threads)
{
    ent_dataset_options o = options(text);
    ent_run run = { .threads = threads };
    ent_error error;
    const char *path = scratch_path(name);
    if (ent_dataset_make(path, &o, &run, &error)) fail_msg("%s: %s", text, error.text);
    return path;
}

static ent_weights *made_model(const char *text)
{
    ent_weights *w;
    ent_error error;
    if (ent_weights_open(&w, made("model.safetensors", text, 0), &error)) fail_msg("%s: %s", text, error.text);
    return w;
}

/* ---- the catalogue --------------------------------------------------------------------------- */

static void the_catalogue_reads(void **state)
{
    (void)state;
    ent_catalogue c;
    ent_error error;
    if (ent_catalogue_read(&c, "datasets", &error)) fail_msg("%s", error.text);
    assert_true(c.rows >= 15);
    assert_null(ent_catalogue_find(&c, "no such model"));
    const ent_dataset *shipped = ent_catalogue_find(&c, "gutenberg-llama-4.7m");
    assert_non_null(shipped);
    assert_string_equal(shipped->kind, "shipped");
    assert_string_equal(shipped->folder, "datasets");
    assert_status(ent_dataset_get(shipped, scratch(), NULL, NULL), ENT_EINVAL);
    assert_string_equal(ent_catalogue_find(&c, "qwen2.5-7b")->source, "Qwen/Qwen2.5-7B");
    for (size_t i = 0; i < c.rows; i++) {
        ent_dataset_options o;
        assert_true(*c.row[i].licence && *c.row[i].note);
        if (!strcmp(c.row[i].kind, "generated")) assert_ok(ent_dataset_options_parse(&o, c.row[i].source, NULL));
    }
    ent_catalogue_free(&c);
}

static void bad_catalogues_are_refused(void **state)
{
    (void)state;
#define HEAD "# a remark\n\nname\tkind\tsource\tfiles\tlicence\tbytes\tsha256\tcite\tnote\n"
    static const struct { const char *text, *why; } cases[] = {
        { "name\tkind\n", ":1: not the columns" },
        { HEAD "a\tshipped\ta\n", ":4: not 9 columns" },
        { HEAD "a\tshipped\ta\t\tMIT\t?\t?\t\tnote\tmore\n", ":4: not 9 columns" },
        { HEAD "a\tother\ta\t\tMIT\t?\t?\t\tnote\n", ":4: the kind is not" },
        { HEAD "a/b\tshipped\ta\t\tMIT\t?\t?\t\tnote\n", ":4: the name is not a plain word" },
        { HEAD "a\tshipped\ta\t\tMIT\t?\t?\t\tnote\na\tshipped\ta\t\tMIT\t?\t?\t\tnote\n", ":5: the name is taken" },
        { HEAD "a\tshipped\t\t\tMIT\t?\t?\t\tnote\n", ":4: no source" },
        { HEAD "a\thuggingface\ta/b\tx y\tMIT\t?\t00\t\tnote\n", ":4: not one sha256 a file" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ent_catalogue c;
        ent_error error;
        write_file(scratch_path("catalogue.tsv"), cases[i].text, strlen(cases[i].text));
        assert_status(ent_catalogue_read(&c, scratch(), &error), ENT_ECORRUPT);
        if (!strstr(error.text, cases[i].why)) fail_msg("\"%s\" does not say \"%s\"", error.text, cases[i].why);
        ent_catalogue_free(&c);
    }
    static const char last[] = HEAD "a\tshipped\ta\t\tMIT\t?\t?\t\tnote"; /* no newline at the end */
    ent_catalogue c;
    write_file(scratch_path("catalogue.tsv"), last, sizeof last - 1);
    assert_ok(ent_catalogue_read(&c, scratch(), NULL));
    assert_int_equal(c.rows, 1);
    assert_string_equal(c.row[0].note, "note");
    ent_catalogue_free(&c);
    assert_int_equal(unlink(scratch_path("catalogue.tsv")), 0);
    assert_status(ent_catalogue_read(&c, scratch(), NULL), ENT_EIO);
}

static void the_shipped_model_is_whole(void **state)
{
    (void)state;
    ent_error error;
#if defined ENT_HAVE_CRYPTO
    if (ent_dataset_verify("datasets/gutenberg-llama-4.7m", NULL, &error)) fail_msg("%s", error.text);
#endif
    ent_weights *w;
    if (ent_weights_open(&w, "datasets/gutenberg-llama-4.7m", &error)) fail_msg("%s", error.text);
    assert_int_equal(ent_weights_tensors(w), 47);
    ent_weights_close(w);
}

/* ---- options --------------------------------------------------------------------------------- */

static void options_are_checked(void **state)
{
    (void)state;
    ent_dataset_options o = options("student nu=2.5 weights=3Mi seed=18446744073709551615 sigma=1e-3 "
                                    "row-spread=0.5 dtype=F8_E5M2");
    assert_int_equal(o.law, ENT_LAW_STUDENT);
    assert_int_equal(o.weights, 3 << 20);
    assert_true(o.seed == UINT64_MAX && o.nu == 2.5 && o.sigma == 1e-3 && o.row_spread == 0.5 && o.tensor_spread == 0);
    assert_string_equal(o.dtype, "F8_E5M2");
    assert_int_equal(options("normal weights=7k").weights, 7000);
    assert_int_equal(options("normal weights=2Gi").weights, (uint64_t)2 << 30);
    assert_int_equal(options("normal").weights, 16 << 20);
    static const char *const bad[] = {
        "", "uniform", "normal weights", "normal weights=", "normal weights=0", "normal weights=-1",
        "normal weights= 1",
        "normal weights=1Ti", "normal weights=99999999999999999999", "normal weights=9999999999Gi", "normal dtype=BF17",
        "normal sigma=0", "normal sigma=nan", "normal sigma=inf", "normal nu=0", "normal row-spread=-1",
        "normal what=1",
        "normal seed=1.5",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (ent_dataset_options_parse(&o, bad[i], NULL) != ENT_EINVAL) fail_msg("\"%s\" was taken", bad[i]);
    o = options("histogram dtype=F32 histogram=datasets/exponent-histograms.csv");
    assert_status(ent_dataset_make(scratch_path("x"), &o, NULL, NULL), ENT_EINVAL);
    o = options("histogram histogram=datasets/exponent-histograms.csv model=none");
    assert_status(ent_dataset_make(scratch_path("x"), &o, NULL, NULL), ENT_EINVAL);
    o = options("histogram");
    assert_status(ent_dataset_make(scratch_path("x"), &o, NULL, NULL), ENT_EINVAL);
    o = options("normal weights=10");
    assert_status(ent_dataset_make("/no/such/folder/x", &o, NULL, NULL), ENT_EIO);
    assert_int_not_equal(access(scratch_path("x"), F_OK), 0);
}

/* ---- generated bytes ------------------------------------------------------------------------- */

static void threads_leave_no_trace(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "normal weights=300001 row-spread=0.3 tensor-spread=0.2", "student weights=266241 dtype=F32",
        "normal weights=1", "laplace weights=70000", "mixture weights=70000 spread=0.5",
        "normal weights=4096 dtype=F8_E4M3", "normal weights=4095 dtype=F16-from-BF16",
        "histogram weights=200000 histogram=datasets/exponent-histograms.csv",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t size, other;
        uint8_t *one = read_file(made("one", texts[i], 1), &size);
        for (unsigned threads = 2; threads <= 3; threads++) {
            uint8_t *more = read_file(made("more", texts[i], threads), &other);
            assert_int_equal(size, other);
            assert_memory_equal(one, more, size);
            free(more);
        }
        free(one);
    }
    size_t size, other;
    uint8_t *one = read_file(made("one", "normal weights=5000 seed=1", 1), &size);
    uint8_t *two = read_file(made("two", "normal weights=5000 seed=2", 1), &other);
    assert_int_equal(size, other);
    size_t same = 0;
    for (size_t i = size - 10000; i < size; i += 2) same += one[i] == two[i] && one[i + 1] == two[i + 1];
    assert_true(same < 50); /* of 5000; chance alone gives about 5 */
    free(one);
    free(two);
}

static void the_file_has_the_promised_shape(void **state)
{
    (void)state;
    ent_weights *w = made_model("normal weights=10000 dtype=F8_E5M2");
    assert_int_equal(ent_weights_tensors(w), 2);
    assert_int_equal(ent_weights_tensor(w, 0)->shape[0], 2);
    assert_int_equal(ent_weights_tensor(w, 0)->shape[1], 4096);
    assert_string_equal(ent_weights_tensor(w, 0)->dtype, "F8_E5M2");
    assert_int_equal(ent_weights_tensor(w, 1)->rank, 1);
    assert_int_equal(ent_weights_tensor(w, 1)->elements, 10000 - 8192);
    assert_memory_not_equal(ent_weights_tensor(w, 0)->bytes.data, ent_weights_tensor(w, 0)->bytes.data + 4096, 4096);
    ent_weights_close(w);
    for (unsigned seed = 1; seed < 100000; seed *= 10) { /* headers of several lengths, data always aligned */
        char text[40];
        snprintf(text, sizeof text, "normal weights=1 seed=%u", seed);
        w = made_model(text);
        assert_int_equal(ent_weights_tensor(w, 0)->offset % 8, 0);
        ent_weights_close(w);
    }
    w = made_model("normal weights=67112960 dtype=F8_E4M3"); /* a row more than a tensor's */
    assert_int_equal(ent_weights_tensors(w), 2);
    assert_int_equal(ent_weights_tensor(w, 0)->elements, 64 << 20);
    assert_int_equal(ent_weights_tensor(w, 1)->elements, 4096);
    ent_weights_close(w);
}

/* The same variates in a format are those of the F32 file, rounded once: field.h says how. */
static void formats_round_to_nearest(void **state)
{
    (void)state;
    static const char *const dtypes[] = { "BF16", "F16", "F8_E4M3", "F8_E5M2", "F16-from-BF16" };
    static const double sigmas[] = { 1e-30, 1e-6, 1e-4, 0.002, 0.02, 300, 50000, 1e30 };
    for (size_t s = 0; s < sizeof sigmas / sizeof *sigmas; s++)
        for (size_t d = 0; d < 5; d++) {
            char text[100];
            enum { N = 30000 };
            static float exact[N];
            snprintf(text, sizeof text, "student nu=1 weights=%d dtype=F32 sigma=%g", N, sigmas[s]);
            ent_weights *w = made_model(text);
            memcpy(exact, ent_weights_tensor(w, 0)->bytes.data, sizeof exact);
            ent_weights_close(w);
            snprintf(text, sizeof text, "student nu=1 weights=%d dtype=%s sigma=%g", N, dtypes[d], sigmas[s]);
            w = made_model(text);
            const ent_format *bf16 = ent_format_find("BF16"), *f = ent_format_find(ent_weights_tensor(w, 0)->dtype);
            const uint8_t *data = ent_weights_tensor(w, 0)->bytes.data;
            for (size_t i = 0; i < N; i++) {
                double value = exact[i];
                if (d == 4) value = ent_format_value(bf16, ent_format_nearest(bf16, value));
                uint64_t word = f->bits == 8 ? data[i] : data[2 * i] | (uint64_t)data[2 * i + 1] << 8;
                if (word != ent_format_nearest(f, value))
                    fail_msg("%s: %.9g became %llx, expected %llx", dtypes[d], value, (unsigned long long)word,
                             (unsigned long long)ent_format_nearest(f, value));
            }
            ent_weights_close(w);
        }
}

/* ---- laws ------------------------------------------------------------------------------------ */

static double bits_of(const ent_weights *w, const char *field_text)
{
    const ent_tensor *t = ent_weights_tensor(w, 0);
    const ent_format *f = ent_format_find(t->dtype);
    ent_word_counts words;
    ent_counts counts;
    ent_field field;
    assert_ok(ent_field_parse(f, field_text, &field, NULL));
    assert_ok(ent_word_counts_init(&words, f));
    ent_word_counts_add(&words, t->bytes.data, t->elements);
    assert_ok(ent_word_counts_field(&words, &field, &counts));
    double bits = ent_estimator_find("miller-madow")->from_counts(&counts).bits;
    ent_counts_free(&counts);
    ent_word_counts_free(&words);
    return bits;
}

static void normal_weights_have_the_known_entropy(void **state)
{
    (void)state;
    /* integrals of the normal density over the cells of BF16: 2.545 bits of exponent at sigma 0.02, 10.464 in all */
    ent_weights *w = made_model("normal weights=4Mi sigma=0.02 seed=5");
    assert_close(bits_of(w, "exponent"), 2.545, 0.003);
    assert_close(bits_of(w, "word"), 10.464, 0.004);
    assert_close(bits_of(w, "sign"), 1, 1e-5);
    ent_weights_close(w);
    w = made_model("normal dtype=F16-from-BF16 weights=1Mi");
    const ent_tensor *t = ent_weights_tensor(w, 0);
    for (size_t i = 0; i < t->elements; i++) /* BF16 has three mantissa bits less; subnormals hide that */
        assert_true(!(t->bytes.data[2 * i] & 7) || !(t->bytes.data[2 * i + 1] & 0x7c));
    ent_weights_close(w);
}

/* Computed apart from this library by quadrature. */
static void other_laws_have_the_known_entropy(void **state)
{
    (void)state;
    static const struct { const char *text; double exponent, word; } rows[] = {
        { "laplace sigma=0.0110485434560398 weights=4Mi", 2.8319, 10.7761 }, /* scale 2^-6.5 */
        { "mixture sigma=0.015625 spread=0.3 weights=4Mi", 2.6384, 10.5711 },
        { "normal sigma=0.015625 dtype=F16 weights=4Mi", 2.5387, NAN }, /* words: too many for so few weights */
        { "normal sigma=64 dtype=F8_E4M3 weights=4Mi", 2.544, 6.474 },
        { "normal sigma=64 dtype=F8_E5M2 weights=4Mi", 2.543, 5.485 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ent_weights *w = made_model(rows[i].text);
        assert_close(bits_of(w, "exponent"), rows[i].exponent, 0.005);
        if (!isnan(rows[i].word)) assert_close(bits_of(w, "word"), rows[i].word, 0.005);
        ent_weights_close(w);
    }
}

static void moments_and_quantiles(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    ent_weights *w = made_model("normal dtype=F32 weights=1Mi sigma=3 seed=9");
    static float x[N];
    double sum[5] = { 0 }, inside = 0;
    memcpy(x, ent_weights_tensor(w, 0)->bytes.data, sizeof x);
    ent_weights_close(w);
    for (size_t i = 0; i < N; i++)
        for (int k = 1; k <= 4; k++) sum[k] += pow(x[i] / 3.0, k) / N;
    assert_close(sum[1], 0, 0.005); /* five standard errors */
    assert_close(sum[2], 1, 0.007);
    assert_close(sum[3], 0, 0.02);
    assert_close(sum[4], 3, 0.05);
    w = made_model("student nu=4 dtype=F32 weights=1Mi sigma=3");
    memcpy(x, ent_weights_tensor(w, 0)->bytes.data, sizeof x);
    ent_weights_close(w);
    for (size_t i = 0; i < N; i++) inside += fabs(x[i] / 3.0) < 0.740697084; /* upper quartile of t with 4 degrees */
    assert_close(inside / N, 0.5, 0.0025);
    inside = 0;
    for (size_t i = 0; i < N; i++) inside += fabs(x[i] / 3.0) < 4.604094871; /* 0.995 quantile */
    assert_close(inside / N, 0.99, 0.0005);
}

static void scales_vary_by_row_and_tensor(void **state)
{
    (void)state;
    enum { ROWS = 2000 };
    ent_weights *w = made_model("normal dtype=F32 weights=8192000 sigma=1 row-spread=0.5");
    const float *x = (const float *)(const void *)ent_weights_tensor(w, 0)->bytes.data; /* headers are padded to 8 */
    double mean = 0, square = 0;
    for (size_t r = 0; r < ROWS; r++) {
        double power = 0;
        for (size_t i = 0; i < 4096; i++) power += (double)x[r * 4096 + i] * (double)x[r * 4096 + i] / 4096;
        mean += log(power) / 2 / ROWS;
        square += log(power) * log(power) / 4 / ROWS;
    }
    ent_weights_close(w);
    assert_close(mean, 0, 0.06);
    assert_close(sqrt(square - mean * mean), 0.5, 0.04);
}

static void histograms_are_sampled(void **state)
{
    (void)state;
    /* 2.6163 bits: the entropy of the published counts of the linear layers, as their source gives it */
    ent_weights *w = made_model("histogram weights=4Mi model=unsloth/Llama-3.1-8B-Instruct "
                                "histogram=datasets/exponent-histograms.csv");
    assert_close(bits_of(w, "exponent"), 2.6163, 0.003);
    assert_close(bits_of(w, "mantissa"), 7, 1e-4);
    assert_close(bits_of(w, "word"), 10.6163, 0.004);
    ent_weights_close(w);
    static const char *const bad[] = {
        "model,tensor_class,biased_exponent\n", "model,tensor_class,biased_exponent,count\nm,linear,255,1\n",
        "model,tensor_class,biased_exponent,count\nm,linear,x,1\n",
        "model,tensor_class,biased_exponent,count\nm,linear,1,-1\n",
        "model,tensor_class,biased_exponent,count\nm,linear,1\n", "",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ent_dataset_options o = options("histogram weights=10");
        snprintf(o.histogram, sizeof o.histogram, "%s", scratch_path("bad.csv"));
        write_file(o.histogram, bad[i], strlen(bad[i]));
        assert_status(ent_dataset_make(scratch_path("x"), &o, NULL, NULL), ENT_ECORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_catalogue_reads),
        cmocka_unit_test(bad_catalogues_are_refused),
        cmocka_unit_test(the_shipped_model_is_whole),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(threads_leave_no_trace),
        cmocka_unit_test(the_file_has_the_promised_shape),
        cmocka_unit_test(formats_round_to_nearest),
        cmocka_unit_test(normal_weights_have_the_known_entropy),
        cmocka_unit_test(other_laws_have_the_known_entropy),
        cmocka_unit_test(moments_and_quantiles),
        cmocka_unit_test(scales_vary_by_row_and_tensor),
        cmocka_unit_test(histograms_are_sampled),
    };
    return cmocka_run_group_tests_name("dataset", tests, NULL, NULL);
}
