/* test_stats.c - word counts and entropy estimates: closed forms, published figures, known bias. */
#include <math.h>

#include <gsl/gsl_sf_psi.h>

#include "test.h"

/* ---- estimators ----------------------------------------------------------------------------------- */

static void entropies_have_their_closed_forms(void **state)
{
    (void)state;
    static uint64_t count[65536];
    for (uint32_t k = 0; k <= 16; k++) { /* 2^k equal counts: k bits, whatever the alphabet */
        memset(count, 0, sizeof count);
        for (uint32_t s = 0; s < 1u << k; s++) count[s * (65536u >> k)] = 12345;
        assert_close(ent_entropy_bits(&(ent_counts){ 65536, count }), k, 1e-12);
    }
    for (uint32_t k = 50000; k <= 65535; k += 5011) { /* no powers of two: every term is rounded */
        memset(count, 0, sizeof count);
        for (uint32_t s = 0; s < k; s++) count[s] = 999;
        assert_close(ent_entropy_bits(&(ent_counts){ 65536, count }), log2(k), 2e-14);
    }
    static const double p[] = { 0.5, 0.25, 0.1, 0.01, 0x1p-20 };
    for (size_t i = 0; i < sizeof p / sizeof *p; i++) { /* two points */
        double n = 0x1p40, a = floor(p[i] * n) / n;
        uint64_t two[2] = { (uint64_t)(a * n), (uint64_t)((1 - a) * n) };
        assert_close(ent_entropy_bits(&(ent_counts){ 2, two }), -(a * log(a) + (1 - a) * log1p(-a)) / log(2), 1e-12);
    }
    memset(count, 0, sizeof count);
    for (uint32_t s = 0; s < 60; s++) count[s] = 1ull << (59 - s); /* geometric, p = 1/2: 2 bits */
    assert_close(ent_entropy_bits(&(ent_counts){ 65536, count }), 2, 1e-12);
    uint64_t one[3] = { 0, 7, 0 };
    assert_true(ent_entropy_bits(&(ent_counts){ 3, one }) == 0);
    assert_true(ent_entropy_bits(&(ent_counts){ 1, one }) == 0);
}

static void estimators_agree_with_their_formulas(void **state)
{
    (void)state;
    const ent_estimator *plugin = ent_estimator_find("plugin"), *miller = ent_estimator_find("miller-madow");
    assert_non_null(plugin);
    assert_non_null(miller);
    assert_null(ent_estimator_find("Plugin"));
    /* p = 3/4, 1/4: H = 2 - 3/4 log2 3; the variance of -log2 p is 3/16 log2(3)^2 */
    uint64_t two[4] = { 75, 0, 25, 0 };
    ent_counts c = { 4, two };
    ent_estimate e = plugin->from_counts(&c), m = miller->from_counts(&c);
    assert_close(e.bits, 2 - 0.75 * log2(3), 1e-14);
    /* ... less what the plug-in of it has too much, (K - 1 + sum (ln p + H) - v) / n, plus (K - 1) / (2 n) */
    double v = 3. / 16 * pow(log(3), 2), h = log(2) * e.bits;
    v -= (1 + log(0.75) + log(0.25) + 2 * h - v) / 100;
    assert_close(e.stderr_bits, sqrt((v + 1. / 200) / 100) / log(2), 1e-14);
    assert_close(m.bits, e.bits + 1 / (200 * log(2)), 1e-14);
    assert_close(m.stderr_bits, e.stderr_bits, 0);
    for (size_t i = 0; ent_estimators[i]; i++) { /* nothing counted: nothing known; one symbol: certain */
        const ent_estimator *estimator = ent_estimators[i];
        assert_ptr_equal(ent_estimator_find(estimator->name), estimator);
        assert_true(estimator->brief[0] && estimator->cite[0]);
        e = estimator->from_counts(&(ent_counts){ 4, (uint64_t[4]){ 0 } });
        assert_true(e.bits == 0 && isnan(e.stderr_bits));
        e = estimator->from_counts(&(ent_counts){ 4, (uint64_t[4]){ 0, 9 } });
        if (!estimator->posterior) assert_true(e.bits == 0 && e.stderr_bits == 0);
        e = estimator->from_counts(&(ent_counts){ 2, (uint64_t[2]){ UINT64_MAX / 2, UINT64_MAX / 2 } });
        assert_close(e.bits, 1, 1e-12);
    }
}

/* Grassberger 2003, equations 28 to 30: G(1) = G(0) = -gamma - ln 2, and G rises by 2/(2k+1) at every even count. */
static void grassberger_has_its_recursion(void **state)
{
    (void)state;
    const uint64_t count[5] = { 1, 2, 3, 10, 37 };
    const double gamma = 0.57721566490153286, n = 53;
    double sum = 0;
    for (int s = 0; s < 5; s++) {
        double g = -gamma - log(2);
        for (uint64_t k = 0; 2 * k + 2 <= count[s]; k++) g += 2 / (2 * (double)k + 1);
        sum += (double)count[s] / n * (log(n) - g);
    }
    ent_estimate e = ent_estimator_find("grassberger")->from_counts(&(ent_counts){ 5, (uint64_t *)count });
    assert_close(e.bits, sum / log(2), 1e-12);
}

static void jackknife_leaves_one_out(void **state)
{
    (void)state;
    uint64_t count[6] = { 1, 2, 0, 7, 40, 1 };
    ent_counts c = { 6, count };
    const double n = 51;
    double mean = 0, square = 0, whole = ent_entropy_bits(&c);
    ent_estimate e = ent_estimator_find("jackknife")->from_counts(&c);
    for (int s = 0; s < 6; s++) {
        if (!count[s]) continue;
        double share = (double)count[s] / n;
        count[s]--;
        double without = ent_entropy_bits(&c);
        count[s]++;
        mean += share * without;
        square += share * without * without;
    }
    assert_close(e.bits, n * whole - (n - 1) * mean, 1e-12);
    assert_close(e.stderr_bits, sqrt((n - 1) * (square - mean * mean)), 1e-10);
}

/* Both formulas as their papers print them. */
static void unseen_symbols_are_allowed_for(void **state)
{
    (void)state;
    static const uint64_t count[8] = { 5, 3, 1, 1, 0, 0, 0, 0 };
    ent_counts c = { 8, (uint64_t *)count };
    double chao = 0, shrunk = 0, lambda = (1 - 0.36) / (9 * (0.36 - 1. / 8)); /* sum p^2 = 0.36 */
    for (int s = 0; s < 8; s++) {
        double p = (double)count[s] / 10, covered = 0.8 * p, q = lambda / 8 + (1 - lambda) * p;
        if (p > 0) chao -= covered * log2(covered) / (1 - pow(1 - covered, 10));
        shrunk -= q * log2(q);
    }
    assert_close(ent_estimator_find("chao-shen")->from_counts(&c).bits, chao, 1e-12);
    assert_close(ent_estimator_find("james-stein")->from_counts(&c).bits, shrunk, 1e-12);
    ent_counts once = { 8, (uint64_t[8]){ 1, 1, 1 } }; /* all seen once: finite */
    assert_true(isfinite(ent_estimator_find("chao-shen")->from_counts(&once).bits));
    assert_true(ent_estimator_find("james-stein")->from_counts(&once).bits <= 3);
}

/* Two symbols: the posterior of p by brute force, over a grid of ln beta and of logit p. */
static void nsb_is_its_integral(void **state)
{
    (void)state;
    static const uint64_t counts[][2] = { { 3, 1 }, { 12, 30 }, { 50, 50 } };
    /* one observation says nothing about the entropy, beforehand flat on 0 to 1 */
    assert_close(ent_estimator_find("nsb")->from_counts(&(ent_counts){ 2, (uint64_t[2]){ 0, 1 } }).bits, 0.5, 1e-4);
    for (size_t i = 0; i < 3; i++) {
        double a = (double)counts[i][0], b = (double)counts[i][1], weight = 0, mean = 0, square = 0;
        for (double u = -16; u < 16; u += 0.05) {
            double beta = exp(u), norm = lgamma(2 * beta) - 2 * lgamma(beta);
            double slope = beta * (2 * gsl_sf_psi_1(2 * beta + 1) - gsl_sf_psi_1(beta + 1));
            for (double t = -40; t < 40; t += 0.02) {
                double lp = -log1p(exp(-t)), lq = -log1p(exp(t)), h = -(exp(lp) * lp + exp(lq) * lq) / log(2);
                double w = slope * exp(norm + (a + beta) * lp + (b + beta) * lq);
                weight += w, mean += w * h, square += w * h * h;
            }
        }
        mean /= weight;
        ent_estimate e = ent_estimator_find("nsb")->from_counts(&(ent_counts){ 2, (uint64_t *)counts[i] });
        assert_close(e.bits, mean, 1e-4);
        assert_close(e.stderr_bits, sqrt(square / weight - mean * mean), 1e-4);
    }
}

static void renyi_has_its_closed_forms(void **state)
{
    (void)state;
    uint64_t even[16], two[2] = { 750000, 250000 }, apart[3] = { 1, 1, 1 };
    for (int s = 0; s < 16; s++) even[s] = 1 << 20;
    static const double orders[] = { 0, 0.5, 1, 1.5, 2, 3, 7.25, 8, INFINITY };
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        assert_close(ent_renyi(&(ent_counts){ 16, even }, orders[i]).bits, 4, 1e-5);
        if (orders[i] == 1 || isinf(orders[i])) continue;
        double closed = log2(pow(0.75, orders[i]) + pow(0.25, orders[i])) / (1 - orders[i]);
        assert_close(ent_renyi(&(ent_counts){ 2, two }, orders[i]).bits, closed, 1e-5);
    }
    assert_close(ent_renyi(&(ent_counts){ 2, two }, INFINITY).bits, -log2(0.75), 1e-12);
    /* pairs that agree: 5 4 + 3 2 + 2 1 of 10 9 */
    ent_counts small = { 3, (uint64_t[3]){ 5, 3, 2 } };
    assert_close(ent_estimator_find("renyi-2")->from_counts(&small).bits, -log2(28. / 90), 1e-12);
    ent_estimate e = ent_renyi(&(ent_counts){ 3, apart }, 2); /* none agree: as if one pair did */
    assert_close(e.bits, log2(3), 1e-12);
    assert_true(isnan(e.stderr_bits) && isnan(ent_renyi(&small, -1).stderr_bits));
}

/* Equal probabilities: -log p has no variance, and 2 n (H - estimate) is chi-square with K - 1 degrees of freedom, so
 * that the scatter is sqrt((K - 1) / 2) / n nats. */
static void uniform_errors_are_of_second_order(void **state)
{
    (void)state;
    enum { K = 64, N = 20000, TRIALS = 300 };
    ent_random r;
    ent_random_seed(&r, 11, 0);
    double mean = 0, squares = 0, claimed = 0;
    for (int t = 0; t < TRIALS; t++) {
        uint64_t count[K] = { 0 };
        for (int i = 0; i < N; i++) count[ent_random_below(&r, K)]++;
        ent_estimate e = ent_estimator_find("plugin")->from_counts(&(ent_counts){ K, count });
        mean += (e.bits - 6) / TRIALS;
        squares += (e.bits - 6) * (e.bits - 6) / TRIALS;
        claimed += e.stderr_bits / TRIALS;
    }
    double exact = sqrt((K - 1) / 2.) / N / log(2);
    assert_close(sqrt(squares - mean * mean), exact, 0.15 * exact);
    assert_true(claimed > 0.9 * exact && claimed < 1.3 * exact); /* the delta method alone claims 1.4 times as much */
}

/* Uniform over K symbols, n draws: the plug-in's mean is log2 K - (K-1)/(2 n ln 2) to first order
 * (Miller 1955); the next term is (1 - sum 1/p) / (12 n^2 ln 2) (Harris 1975), here (K^2 - 1). */
static void plugin_has_its_known_bias(void **state)
{
    (void)state;
    enum { K = 64, N = 512, TRIALS = 4000 };
    ent_random r;
    ent_random_seed(&r, 7, 0);
    double plugin = 0, miller = 0, squares = 0, claimed = 0;
    for (int t = 0; t < TRIALS; t++) {
        uint64_t count[K] = { 0 };
        ent_counts c = { K, count };
        for (int i = 0; i < N; i++) count[ent_random_below(&r, K)]++;
        ent_estimate e = ent_estimator_find("plugin")->from_counts(&c);
        plugin += e.bits / TRIALS;
        squares += e.bits * e.bits / TRIALS;
        claimed += e.stderr_bits / TRIALS;
        miller += ent_estimator_find("miller-madow")->from_counts(&c).bits / TRIALS;
    }
    double first = (K - 1) / (2 * N * log(2)), second = (K * K - 1) / (12. * N * N * log(2));
    double deviation = sqrt((squares - plugin * plugin) / TRIALS);
    assert_close(plugin, log2(K) - first - second, 5 * deviation);
    assert_close(miller, log2(K) - second, 5 * deviation);
    assert_true(deviation < first / 100 && second < first / 10); /* so that the test can tell them apart */
    assert_true(claimed > 0);
}

/* Where the distribution is not uniform the delta method's error is the scatter of the estimates. */
static void standard_error_is_the_scatter(void **state)
{
    (void)state;
    enum { N = 4096, TRIALS = 2000 };
    ent_random r;
    ent_random_seed(&r, 8, 0);
    double mean = 0, squares = 0, claimed = 0;
    for (int t = 0; t < TRIALS; t++) {
        uint64_t count[65] = { 0 };
        for (int i = 0; i < N; i++) count[__builtin_ctzll(ent_random_bits(&r) | 1ull << 63)]++; /* geometric */
        ent_estimate e = ent_estimator_find("plugin")->from_counts(&(ent_counts){ 65, count });
        mean += e.bits / TRIALS;
        squares += e.bits * e.bits / TRIALS;
        claimed += e.stderr_bits / TRIALS;
    }
    /* -log2 p of a geometric p = 1/2 is the symbol itself plus 1: its variance is 2 */
    double scatter = sqrt(squares - mean * mean);
    assert_close(claimed, sqrt(2. / N), 0.02 * claimed);
    assert_close(scatter, claimed, 0.1 * claimed);
}

/* ---- counts of words ------------------------------------------------------------------------------ */

/* Every format: counts of planes and of all natural fields, against counting one word at a time. */
static void planes_and_fields_are_counted(void **state)
{
    (void)state;
    enum { N = 3001 };
    ent_random r;
    ent_random_seed(&r, 9, 0);
    for (const ent_format *f = ent_formats; ; f++) {
        const ent_format *format = f->name ? f : NULL; /* opaque bytes last */
        uint32_t width = ent_format_width(format), bits = format ? format->bits : 8;
        guarded words = guarded_new(N * width);
        uint64_t word[N];
        for (size_t i = 0; i < N; i++) { /* half of them the same, as in pruned weights */
            word[i] = i % 2 ? 0 : ent_random_bits(&r) >> (64 - bits);
            uint64_t stored = bits < 64 ? word[i] | ent_random_bits(&r) << bits : word[i]; /* junk above is ignored */
            memcpy(words.data + i * width, &stored, width);
        }
        ent_word_counts all, part;
        assert_ok(ent_word_counts_init(&all, format));
        assert_ok(ent_word_counts_init(&part, format));
        assert_int_equal(all.planes, (bits + 15) / 16);
        ent_word_counts_add(&all, words.data, N / 3);
        ent_word_counts_add(&part, words.data + N / 3 * width, N - N / 3);
        assert_ok(ent_word_counts_merge(&all, &part));
        assert_int_equal(ent_word_counts_total(&all), N);
        ent_split split;
        assert_ok(ent_split_natural(format, &split));
        for (unsigned k = 0; k < split.fields; k++) {
            ent_counts c;
            assert_ok(ent_word_counts_field(&all, &split.field[k], &c));
            assert_int_equal(c.alphabet, ent_field_alphabet(&split.field[k]));
            for (size_t i = 0; i < N; i++) { /* take every word away again */
                ent_range range = split.field[k].range[0];
                uint64_t symbol = word[i] >> range.low & ((1ull << range.bits) - 1);
                assert_true(c.count[symbol]-- > 0);
            }
            assert_int_equal(ent_counts_live(&c), 0);
            ent_counts_free(&c);
        }
        ent_word_counts_free(&all);
        ent_word_counts_free(&part);
        guarded_free(&words);
        if (!f->name) break;
    }
}

/* A field of several ranges, the highest part first: every symbol against its place in the word. */
static void fields_of_many_ranges_are_gathered(void **state)
{
    (void)state;
    ent_word_counts counts;
    ent_field field;
    ent_counts c;
    assert_ok(ent_word_counts_init(&counts, ent_format_find("F32")));
    for (uint32_t w = 0; w < 65536; w++) counts.plane[1].count[w] = w;
    assert_ok(ent_field_parse(counts.format, "[18:17]+sign+[24:22]", &field, NULL));
    assert_ok(ent_word_counts_field(&counts, &field, &c));
    assert_int_equal(c.alphabet, 64);
    for (uint32_t w = 0; w < 65536; w++) /* bits of the upper plane: 2:1, 15, 8:6 */
        c.count[(w >> 1 & 3) << 4 | w >> 15 << 3 | (w >> 6 & 7)] -= w;
    assert_int_equal(ent_counts_live(&c), 0);
    ent_counts_free(&c);
    ent_word_counts_free(&counts);
}

static void fields_across_planes_are_refused(void **state)
{
    (void)state;
    const ent_format *f32 = ent_format_find("F32"), *bf16 = ent_format_find("BF16");
    ent_word_counts counts, other;
    ent_field field;
    ent_counts c;
    assert_ok(ent_word_counts_init(&counts, f32));
    assert_ok(ent_word_counts_init(&other, bf16));
    assert_status(ent_word_counts_merge(&counts, &other), ENT_EINVAL);
    static const char *const crossing[] = { "mantissa", "word", "[16:15]", "sign+[3:0]" };
    for (size_t i = 0; i < 4; i++) {
        assert_ok(ent_field_parse(f32, crossing[i], &field, NULL));
        assert_status(ent_word_counts_field(&counts, &field, &c), ENT_EUNSUPPORTED);
    }
    assert_status(ent_word_counts_field(&other, &field, &c), ENT_EINVAL); /* bit 31 of a 16-bit word */
    ent_word_counts_free(&counts);
    ent_word_counts_free(&other);
    ent_word_counts_free(&other); /* a zeroed struct is fine */
}

/* ---- normal weights in BF16 ----------------------------------------------------------------------- */

/* The exact distribution of N(0, sigma^2) rounded to BF16: the mass between the points half way to the
 * neighbours, by differences of erfc, which keep their precision in the tail. */
static void normal_counts(double sigma, ent_word_counts *counts)
{
    const ent_format *bf16 = counts->format;
    for (uint32_t w = 0; w < 0x7f80; w++) {
        double here = ent_format_value(bf16, w);
        double low = w ? (here + ent_format_value(bf16, w - 1)) / 2 : 0;
        double high = w < 0x7f7f ? (here + ent_format_value(bf16, w + 1)) / 2 : INFINITY;
        double mass = (erfc(low / sigma / sqrt(2)) - erfc(high / sigma / sqrt(2))) / 2;
        uint64_t n = (uint64_t)llround(mass * 0x1p40);
        counts->plane[0].count[w] = counts->plane[0].count[w | 0x8000] = n;
    }
}

/* The expected figures were computed apart from this library by exact quadrature, to 4 decimals. */
static void normal_weights_have_their_entropy(void **state)
{
    (void)state;
    static const struct { double log2_sigma, exponent, mantissa, word; } expected[] = {
        { -6, 2.5449, 6.9722, 10.4644 },
        { -6 + 3. / 8, 2.5450, 6.9716, 10.4638 },
        { -6 + 5. / 8, 2.5423, 6.9719, 10.4641 },
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        static const char *const names[] = { "sign", "exponent", "mantissa", "word" };
        const double bits[] = { 1, expected[i].exponent, expected[i].mantissa, expected[i].word };
        ent_word_counts counts;
        assert_ok(ent_word_counts_init(&counts, ent_format_find("BF16")));
        normal_counts(exp2(expected[i].log2_sigma), &counts);
        for (int k = 0; k < 4; k++) {
            ent_field field;
            ent_counts c;
            assert_ok(ent_field_parse(counts.format, names[k], &field, NULL));
            assert_ok(ent_word_counts_field(&counts, &field, &c));
            assert_close(ent_entropy_bits(&c), bits[k], 1e-4);
            ent_counts_free(&c);
        }
        ent_word_counts_free(&counts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entropies_have_their_closed_forms),
        cmocka_unit_test(estimators_agree_with_their_formulas),
        cmocka_unit_test(grassberger_has_its_recursion),
        cmocka_unit_test(jackknife_leaves_one_out),
        cmocka_unit_test(unseen_symbols_are_allowed_for),
        cmocka_unit_test(nsb_is_its_integral),
        cmocka_unit_test(renyi_has_its_closed_forms),
        cmocka_unit_test(uniform_errors_are_of_second_order),
        cmocka_unit_test(plugin_has_its_known_bias),
        cmocka_unit_test(standard_error_is_the_scatter),
        cmocka_unit_test(planes_and_fields_are_counted),
        cmocka_unit_test(fields_of_many_ranges_are_gathered),
        cmocka_unit_test(fields_across_planes_are_refused),
        cmocka_unit_test(normal_weights_have_their_entropy),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
