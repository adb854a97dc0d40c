/* steps_target.h - the loops of steps.h for one target; included once for each.
 *
 * Parameters: TARGET, an attribute that lets the compiler use instructions, may be empty;
 *             FOR(name), the name with the target's suffix.  Both end with this file.
 * There are no intrinsics: the loops are written so that gcc and clang make vectors of them. */

TARGET static void FOR(set)(const void *restrict from, size_t n, void *restrict to, ent_move m)
{
    const loose64 *in = from;
    loose64 *out = to;
    for (size_t i = 0; i < n; i++) out[i] = ent_moved(in[i], m);
}

TARGET static void FOR(add)(const void *restrict from, size_t n, void *restrict to, ent_move m)
{
    const loose64 *in = from;
    loose64 *out = to;
    for (size_t i = 0; i < n; i++) out[i] |= ent_moved(in[i], m);
}

#define RESIZE(a, b) \
    TARGET static void FOR(resize_##a##_##b)(const void *restrict from, size_t n, void *restrict to) \
    { \
        const loose##a *in = from; \
        loose##b *out = to; \
        for (size_t i = 0; i < n; i++) out[i] = (loose##b)in[i]; \
    }
RESIZE(8, 16)
RESIZE(8, 32)
RESIZE(8, 64)
RESIZE(16, 8)
RESIZE(16, 32)
RESIZE(16, 64)
RESIZE(32, 8)
RESIZE(32, 16)
RESIZE(32, 64)
RESIZE(64, 8)
RESIZE(64, 16)
RESIZE(64, 32)
#undef RESIZE

TARGET static void FOR(split_bf16)(const void *restrict words, size_t n, void *restrict exponents, void *restrict rests)
{
    const loose16 *word = words;
    uint8_t *exponent = exponents, *rest = rests;
    for (size_t i = 0; i < n; i++) {
        exponent[i] = (uint8_t)(word[i] >> 7);
        rest[i] = (uint8_t)((word[i] >> 8 & 0x80) | (word[i] & 0x7f));
    }
}

TARGET static void FOR(join_bf16)(void *restrict words, size_t n, const void *restrict exponents,
                                  const void *restrict rests)
{
    loose16 *word = words;
    const uint8_t *exponent = exponents, *rest = rests;
    for (size_t i = 0; i < n; i++)
        word[i] = (uint16_t)((rest[i] & 0x80) << 8 | exponent[i] << 7 | (rest[i] & 0x7f));
}

static const ent_steps FOR(steps) = {
    FOR(set),
    FOR(add),
    { { NULL, FOR(resize_8_16), FOR(resize_8_32), FOR(resize_8_64) },
      { FOR(resize_16_8), NULL, FOR(resize_16_32), FOR(resize_16_64) },
      { FOR(resize_32_8), FOR(resize_32_16), NULL, FOR(resize_32_64) },
      { FOR(resize_64_8), FOR(resize_64_16), FOR(resize_64_32), NULL } },
    FOR(split_bf16),
    FOR(join_bf16),
};

#undef TARGET
#undef FOR
