/* samples.c - see samples.h. */
#include "samples.h"

const char *const sample_names[SAMPLE_KINDS] = { "uniform", "constant", "peaked", "skewed", "even", "bell" };

/* Geometric with ratio 0.62 (2.5 bits) down from a peak, one in 200 uniform over the 40 live ones. */
static uint32_t peaked(ent_random *r, uint32_t alphabet)
{
    uint32_t down = 0, peak = alphabet / 2;
    if (ent_random_below(r, 200) == 0)
        down = (uint32_t)ent_random_below(r, 40);
    else
        while (down < 39 && ent_random_uniform(r) < 0.62) down++;
    return (peak + 40 * alphabet - down) % alphabet;
}

static uint32_t bell(ent_random *r, uint32_t alphabet)
{
    uint32_t sum = 0;
    for (int i = 0; i < 4; i++) sum += (uint32_t)ent_random_below(r, (alphabet + 3) / 4);
    return sum;
}

static uint32_t draw(ent_random *r, sample_kind kind, uint32_t alphabet)
{
    switch (kind) {
        case SAMPLE_UNIFORM: return (uint32_t)ent_random_below(r, alphabet);
        case SAMPLE_PEAKED: return peaked(r, alphabet);
        case SAMPLE_SKEWED: return ent_random_uniform(r) < 0.999 ? 0 : alphabet - 1;
        case SAMPLE_EVEN: return 2 * (uint32_t)ent_random_below(r, (alphabet + 1) / 2);
        case SAMPLE_BELL: return bell(r, alphabet);
        default: return alphabet - 1;
    }
}

void *sample_make(sample_kind kind, uint32_t alphabet, size_t n, uint64_t seed, ent_counts *counts)
{
    uint32_t width = alphabet <= 256 ? 1 : 2;
    uint8_t *symbols = ent_alloc(n * width);
    ent_random r;
    ent_random_seed(&r, seed, (uint64_t)kind << 32 | alphabet);
    assert_non_null(symbols);
    for (size_t i = 0; i < n; i++) {
        uint32_t symbol = draw(&r, kind, alphabet);
        memcpy(symbols + i * width, &symbol, width);
    }
    assert_ok(ent_counts_init(counts, alphabet));
    assert_ok(ent_counts_add(counts, symbols, width, n));
    return symbols;
}
