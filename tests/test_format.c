/* test_format.c - number formats: every pattern against the definition, written out here once more
 * in long double arithmetic; nearest words against exhaustive search and the hardware; packing bit
 * by bit. */
#include <math.h>

#include "test.h"

/* ---- values --------------------------------------------------------------------------------------- */

/* Published properties: OCP OFP8 rev. 1.0 (table 1, 2), OCP MX 1.0 (sections 5.3, 5.4), Noune et al.
 * 2022 for FNUZ, IEEE 754-2019 table 3.5.  `nan` is the number of patterns that are NaN. */
static const struct {
    const char *name;
    unsigned bits;
    double most, least_normal, least;
    unsigned infinities, nans;
} published[] = {
    { "F16", 16, 65504, 0x1p-14, 0x1p-24, 2, 2046 },
    { "BF16", 16, 0x1.fep127, 0x1p-126, 0x1p-133, 2, 254 },
    { "F8_E4M3", 8, 448, 0x1p-6, 0x1p-9, 0, 2 },
    { "F8_E5M2", 8, 57344, 0x1p-14, 0x1p-16, 2, 6 },
    { "F8_E4M3FNUZ", 8, 240, 0x1p-7, 0x1p-10, 0, 1 },
    { "F8_E5M2FNUZ", 8, 57344, 0x1p-15, 0x1p-17, 0, 1 },
    { "F6_E2M3", 6, 7.5, 1, 0.125, 0, 0 },
    { "F6_E3M2", 6, 28, 0.25, 0.0625, 0, 0 },
    { "F4", 4, 6, 1, 0.5, 0, 0 },
    { "F8_E8M0", 8, 0x1p127, 0x1p-127, 0x1p-127, 0, 1 },
};

static void formats_have_their_published_range(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        const ent_format *f = ent_format_find(published[i].name);
        assert_non_null(f);
        assert_int_equal(f->bits, published[i].bits);
        double most = 0, least = INFINITY;
        unsigned infinities = 0, nans = 0, normal = 0;
        for (uint32_t w = 0; w < 1u << f->bits; w++) {
            double v = ent_format_value(f, w);
            nans += isnan(v) != 0;
            infinities += isinf(v) != 0;
            normal += v == published[i].least_normal;
            if (isfinite(v)) most = fmax(most, v);
            if (v > 0) least = fmin(least, v);
        }
        assert_true(most == published[i].most);
        assert_true(least == published[i].least);
        assert_int_equal(normal, 1);
        assert_int_equal(infinities, published[i].infinities);
        assert_int_equal(nans, published[i].nans);
    }
}

/* All values of the positive halves, written out from the encodings of OCP MX 1.0, section 5.3. */
static void tiny_formats_are_these_numbers(void **state)
{
    (void)state;
    static const double f4[] = { 0, 0.5, 1, 1.5, 2, 3, 4, 6 };
    static const double e2m3[] = {
        0, .125, .25, .375, .5, .625, .75, .875, 1, 1.125, 1.25, 1.375, 1.5, 1.625, 1.75, 1.875,
        2, 2.25, 2.5, 2.75, 3, 3.25, 3.5, 3.75, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5,
    };
    static const double e3m2[] = {
        0, .0625, .125, .1875, .25, .3125, .375, .4375, .5, .625, .75, .875, 1, 1.25, 1.5, 1.75,
        2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28,
    };
    static const struct { const char *name; const double *value; uint32_t n; } tiny[] = {
        { "F4", f4, 8 }, { "F6_E2M3", e2m3, 32 }, { "F6_E3M2", e3m2, 32 },
    };
    for (size_t t = 0; t < 3; t++) {
        const ent_format *f = ent_format_find(tiny[t].name);
        for (uint32_t w = 0; w < tiny[t].n; w++) {
            assert_true(ent_format_value(f, w) == tiny[t].value[w]);
            assert_true(ent_format_value(f, w | tiny[t].n) == -tiny[t].value[w]);
            assert_true(signbit(ent_format_value(f, w | tiny[t].n)));
        }
    }
}

/* The definition: (-1)^s 2^(e - bias) 1.m, or 2^(1 - bias) 0.m for e = 0; specials by hand. */
static double defined(const char *name, uint32_t w)
{
    static const struct { const char *name; int exponent, mantissa, bias; } layout[] = {
        { "F16", 5, 10, 15 }, { "BF16", 8, 7, 127 }, { "F8_E4M3", 4, 3, 7 }, { "F8_E5M2", 5, 2, 15 },
        { "F8_E4M3FNUZ", 4, 3, 8 }, { "F8_E5M2FNUZ", 5, 2, 16 },
    };
    if (!strcmp(name, "F8_E8M0")) return w == 255 ? NAN : ldexp(1, (int)w - 127);
    if (!strcmp(name, "F8_E4M3") && (w & 127) == 127) return NAN;
    if (strstr(name, "FNUZ") && w == 128) return NAN;
    for (size_t i = 0; i < sizeof layout / sizeof *layout; i++) {
        if (strcmp(layout[i].name, name)) continue;
        int m = (int)(w % (1u << layout[i].mantissa)), e = (int)(w >> layout[i].mantissa) % (1 << layout[i].exponent);
        int s = (int)(w >> (layout[i].mantissa + layout[i].exponent));
        bool ieee = !strstr(name, "FNUZ") && strcmp(name, "F8_E4M3");
        double part = m / ldexp(1, layout[i].mantissa), sign = s ? -1 : 1;
        if (ieee && e == (1 << layout[i].exponent) - 1) return m ? NAN : sign * INFINITY;
        return sign * (e ? ldexp(1 + part, e - layout[i].bias) : ldexp(part, 1 - layout[i].bias));
    }
    fail_msg("no definition of %s", name);
    return 0;
}

static bool same(double a, double b)
{
    return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

static void every_pattern_has_its_value_and_comes_back(void **state)
{
    (void)state;
    static const char *const names[] = { "F16", "BF16", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F8_E8M0" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const ent_format *f = ent_format_find(names[i]);
        for (uint32_t w = 0; w < 1u << f->bits; w++) {
            double v = ent_format_value(f, w);
            assert_true(same(v, defined(names[i], w)));
            if (!isnan(v)) assert_int_equal(ent_format_nearest(f, v), w);
        }
    }
}

static void integers_are_twos_complement(void **state)
{
    (void)state;
    for (unsigned bits = 1; bits <= 16; bits++) {
        char name[8];
        snprintf(name, sizeof name, "I%u", bits);
        const ent_format *i = ent_format_find(name);
        name[0] = 'U';
        const ent_format *u = ent_format_find(name);
        int32_t n = 1 << bits;
        for (int32_t w = 0; w < n; w++) {
            assert_true(ent_format_value(u, (uint64_t)w) == w);
            assert_true(ent_format_value(i, (uint64_t)w) == (w < n / 2 ? w : w - n));
            assert_int_equal(ent_format_nearest(u, w), w);
            assert_int_equal(ent_format_nearest(i, w < n / 2 ? w : w - n), w);
        }
        assert_int_equal(ent_format_nearest(u, 1e300), n - 1);
        assert_int_equal(ent_format_nearest(u, -INFINITY), 0);
        assert_int_equal(ent_format_nearest(i, INFINITY), n / 2 - 1);
        assert_int_equal(ent_format_nearest(i, -1e300), n / 2);
        assert_int_equal(ent_format_nearest(i, NAN), 0);
    }
    assert_int_equal(ent_format_nearest(ent_format_find("I8"), 2.5), 2);
    assert_int_equal(ent_format_nearest(ent_format_find("I8"), 3.5), 4);
    assert_int_equal(ent_format_nearest(ent_format_find("I8"), -2.5), 254);
    assert_int_equal(ent_format_nearest(ent_format_find("I8"), -3.5), 252);
    assert_int_equal(ent_format_nearest(ent_format_find("I8"), 127.7), 127);
    assert_int_equal(ent_format_nearest(ent_format_find("I8"), -128.7), 128);
    assert_int_equal(ent_format_nearest(ent_format_find("U8"), -0.7), 0);
    assert_int_equal(ent_format_nearest(ent_format_find("U8"), 255.7), 255);
    assert_int_equal(ent_format_nearest(ent_format_find("U8"), 254.5), 254);
    assert_int_equal(ent_format_nearest(ent_format_find("U1"), 0.5), 0);
    assert_int_equal(ent_format_nearest(ent_format_find("U1"), 0x1.0000000000001p-1), 1);
}

/* ---- nearest -------------------------------------------------------------------------------------- */

/* Between two neighbouring values: just below half way goes down, just above goes up, half way to the
 * even pattern.  Doubles hold all these points exactly. */
static void half_way_goes_to_even(void **state)
{
    (void)state;
    for (const ent_format *f = ent_formats; f->name; f++) {
        if (f->bits > 16 || f->kind == ENT_KIND_SIGNED || f->kind == ENT_KIND_UNSIGNED) continue;
        uint32_t half = f->kind == ENT_KIND_SCALE ? 1u << f->bits : 1u << (f->bits - 1);
        for (uint32_t w = 0; w + 1 < half; w++) {
            double a = ent_format_value(f, w), b = ent_format_value(f, w + 1), middle = (a + b) / 2;
            if (!isfinite(a) || !isfinite(b)) continue;
            assert_int_equal(ent_format_nearest(f, nextafter(middle, 0)), w);
            assert_int_equal(ent_format_nearest(f, nextafter(middle, INFINITY)), w + 1);
            assert_int_equal(ent_format_nearest(f, middle), w % 2 ? w + 1 : w);
            if (f->kind == ENT_KIND_SCALE || (w == 0 && f->specials == ENT_SPECIALS_UZ)) continue;
            assert_int_equal(ent_format_nearest(f, -nextafter(middle, 0)), w | half);
            assert_int_equal(ent_format_nearest(f, -nextafter(middle, INFINITY)), (w + 1) | half);
            assert_int_equal(ent_format_nearest(f, -middle), (w % 2 ? w + 1 : w) | half);
        }
    }
}

static void overflow_and_nan_are_as_stated(void **state)
{
    (void)state;
    static const struct { const char *name; double value; uint64_t word; } cases[] = {
        { "F16", 65519.999, 0x7bff }, { "F16", 65520, 0x7c00 }, { "F16", -1e300, 0xfc00 }, { "F16", NAN, 0x7e00 },
        { "BF16", INFINITY, 0x7f80 }, { "BF16", 3.4e38, 0x7f80 }, { "BF16", NAN, 0x7fc0 }, { "BF16", -0.0, 0x8000 },
        { "F8_E5M2", 61440, 0x7c }, { "F8_E5M2", 61439, 0x7b }, { "F8_E5M2", NAN, 0x7e },
        { "F8_E4M3", 449, 0x7e }, { "F8_E4M3", -INFINITY, 0xfe }, { "F8_E4M3", NAN, 0x7f }, { "F8_E4M3", 1e-300, 0 },
        { "F8_E4M3FNUZ", 1e9, 0x7f }, { "F8_E4M3FNUZ", -1e9, 0xff }, { "F8_E4M3FNUZ", NAN, 0x80 },
        { "F8_E4M3FNUZ", -0.0, 0 }, { "F8_E5M2FNUZ", -1e-300, 0 }, { "F8_E5M2FNUZ", -INFINITY, 0xff },
        { "F6_E2M3", 1e9, 0x1f }, { "F6_E3M2", -29, 0x3f }, { "F6_E3M2", NAN, 0 },
        { "F4", 5, 6 }, { "F4", 5.000001, 7 }, { "F4", 100, 7 }, { "F4", -0.25, 8 }, { "F4", NAN, 0 },
        { "F8_E8M0", 0, 0 }, { "F8_E8M0", -1, 0 }, { "F8_E8M0", 1e-300, 0 }, { "F8_E8M0", 0x1p-1074, 0 },
        { "F8_E8M0", 0x1p-128, 0 }, { "F8_E8M0", INFINITY, 254 }, { "F8_E8M0", 0x1.8p127, 254 },
        { "F8_E8M0", NAN, 255 },
        { "F32", NAN, 0x7fc00000 }, { "F64", NAN, 0x7ff8000000000000 }, { "F64", -INFINITY, 0xfff0000000000000 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(ent_format_nearest(ent_format_find(cases[i].name), cases[i].value), cases[i].word);
    assert_null(ent_format_find("I32"));
    assert_null(ent_format_find("BOOL"));
    assert_null(ent_format_find(""));
}

/* Seeded doubles of every size, and those half way between two floats, against the compiler's cast. */
static void f32_agrees_with_the_hardware(void **state)
{
    (void)state;
    const ent_format *f32 = ent_format_find("F32"), *f64 = ent_format_find("F64");
    ent_random r;
    ent_random_seed(&r, 3, 0);
    for (int i = 0; i < 1000000; i++) {
        uint64_t bits = ent_random_bits(&r), word = bits >> 32;
        if (i % 2) bits = (bits & ~(0x7ffull << 52)) | (uint64_t)(1023 - 160 + i % 300) << 52;
        if (i % 4 == 1) bits = (bits >> 29 << 29) | (1ull << 28);
        double d, value = ent_format_value(f32, word);
        float f, g;
        uint32_t expected;
        memcpy(&d, &bits, 8);
        memcpy(&g, &(uint32_t){ (uint32_t)word }, 4);
        assert_true(same(value, (double)g));
        if (!isnan(value)) assert_int_equal(ent_format_nearest(f32, value), word);
        if (isnan(d)) continue;
        f = (float)d;
        memcpy(&expected, &f, 4);
        assert_int_equal(ent_format_nearest(f32, d), expected);
        assert_true(same(ent_format_value(f64, bits), d));
        assert_int_equal(ent_format_nearest(f64, d), bits);
    }
    assert_int_equal(ent_format_nearest(f64, 0x1p-1074), 1); /* subnormal doubles */
    assert_int_equal(ent_format_nearest(f64, -0x1.8p-1073), 0x8000000000000003);
}

/* ---- packing -------------------------------------------------------------------------------------- */

static void packing_is_a_bit_string(void **state)
{
    (void)state;
    ent_random r;
    ent_random_seed(&r, 4, 0);
    for (const ent_format *f = ent_formats; f->name; f++) {
        uint32_t width = ent_format_width(f);
        assert_int_equal(ent_format_packed(f), f->bits % 8 != 0);
        assert_true(8 * width >= f->bits && (width == 1 || 4 * width < f->bits));
        for (size_t n = 0; n < 40; n++) {
            size_t size = (n * f->bits + 7) / 8, first = n / 2 / 8 * 8;
            guarded words = guarded_new(n * width), data = guarded_new(size), back = guarded_new((n - first) * width);
            uint8_t expected[400] = { 0 };
            for (size_t i = 0; i < n; i++) {
                uint64_t w = ent_random_bits(&r) >> (64 - f->bits);
                memcpy(words.data + i * width, &w, width);
                for (size_t b = 0; b < f->bits; b++)
                    expected[(i * f->bits + b) / 8] |= (uint8_t)((w >> b & 1) << (i * f->bits + b) % 8);
            }
            memset(data.data, 0xff, size);
            ent_format_pack(f, words.data, n, data.data);
            if (size) assert_memory_equal(data.data, expected, size);
            ent_format_unpack(f, data.data, first, n - first, back.data);
            if (n) assert_memory_equal(back.data, words.data + first * width, (n - first) * width);
            guarded_free(&words);
            guarded_free(&data);
            guarded_free(&back);
        }
    }
    uint8_t two[2];
    ent_format_unpack(ent_format_find("F4"), (const uint8_t[]){ 0x21, 0xdb }, 2, 2, two); /* from the second byte */
    assert_int_equal(two[0], 0xb);
    assert_int_equal(two[1], 0xd);
}

/* ---- many at a time ------------------------------------------------------------------------------------ */

static bool same_float(float a, float b) { return isnan(a) ? isnan(b) : a == b && signbit(a) == signbit(b); }

/* Every word of the small formats, and odd ones of the large, by the bulk functions and one by one. */
static void bulk_is_one_by_one(void **state)
{
    (void)state;
    for (const ent_format *f = ent_formats; f->name; f++) {
        size_t n = f->bits <= 16 ? (size_t)1 << f->bits : 4096, width = ent_format_width(f);
        uint8_t *words = ent_alloc(n * width + 1), *back = ent_alloc(n * width + 1);
        float *values = ent_alloc(n * sizeof *values);
        assert_non_null(words);
        assert_non_null(back);
        assert_non_null(values);
        uint8_t *at = words + 1; /* nothing is aligned */
        ent_random random;
        ent_random_seed(&random, 7, f->bits);
        for (size_t i = 0; i < n; i++) {
            uint64_t word = f->bits <= 16 ? i : ent_random_bits(&random);
            memcpy(at + i * width, &word, width);
        }
        ent_format_floats(f, at, n, values);
        ent_format_words(f, values, n, back + 1);
        for (size_t i = 0; i < n; i++) {
            uint64_t word = 0, again = 0;
            memcpy(&word, at + i * width, width);
            memcpy(&again, back + 1 + i * width, width);
            assert_true(same_float(values[i], (float)ent_format_value(f, word)));
            if (!isnan(values[i])) assert_true(again == ent_format_nearest(f, values[i]));
            else assert_true(isnan(ent_format_value(f, again)) == isnan(ent_format_value(f, ent_format_nearest(f, NAN))));
        }
        ent_free(words);
        ent_free(back);
        ent_free(values);
    }
}

/* Floats between two BF16 words, ties among them, against the rounding of formats.c. */
static void bulk_rounds_as_one_by_one(void **state)
{
    (void)state;
    const ent_format *f = ent_format_find("BF16");
    static const uint32_t low[] = { 0, 1, 0x7fff, 0x8000, 0x8001, 0xffff };
    for (uint32_t high = 0; high < 1u << 16; high++)
        for (size_t k = 0; k < sizeof low / sizeof *low; k++) {
            uint32_t bits = high << 16 | low[k];
            float value;
            uint16_t word;
            memcpy(&value, &bits, sizeof value);
            ent_format_words(f, &value, 1, &word);
            if (isnan(value)) assert_true(isnan(ent_format_value(f, word)));
            else assert_int_equal(word, ent_format_nearest(f, value));
        }
}

/* Half way between any two neighbours of the formats of up to 16 bits, and one float to either side. */
static void bulk_rounds_half_way_as_one_by_one(void **state)
{
    (void)state;
    for (const ent_format *f = ent_formats; f->name; f++) {
        const uint32_t width = ent_format_width(f);
        if (f->kind != ENT_KIND_FLOAT || f->bits > 16 || !strcmp(f->name, "BF16")) continue;
        for (uint32_t w = 0; w + 1 < 1u << f->bits; w++) {
            const double a = ent_format_value(f, w), b = ent_format_value(f, w + 1);
            const float half = (float)((a + b) / 2);
            const float value[] = { half, nextafterf(half, INFINITY), nextafterf(half, -INFINITY), 1.01f * (float)a, NAN, INFINITY, -INFINITY, -0.0f };
            enum { VALUES = sizeof value / sizeof *value };
            uint8_t words[2 * VALUES];
            ent_format_words(f, value, VALUES, words);
            for (size_t i = 0; i < VALUES; i++) {
                uint64_t word = 0;
                memcpy(&word, words + i * width, width);
                assert_int_equal(word, ent_format_nearest(f, (double)value[i]));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_have_their_published_range),
        cmocka_unit_test(tiny_formats_are_these_numbers),
        cmocka_unit_test(every_pattern_has_its_value_and_comes_back),
        cmocka_unit_test(integers_are_twos_complement),
        cmocka_unit_test(half_way_goes_to_even),
        cmocka_unit_test(overflow_and_nan_are_as_stated),
        cmocka_unit_test(f32_agrees_with_the_hardware),
        cmocka_unit_test(packing_is_a_bit_string),
        cmocka_unit_test(bulk_is_one_by_one),
        cmocka_unit_test(bulk_rounds_as_one_by_one),
        cmocka_unit_test(bulk_rounds_half_way_as_one_by_one),
    };
    return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
