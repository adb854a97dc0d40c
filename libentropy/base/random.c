/* random.c - xoshiro256** (Blackman and Vigna 2018), seeded by splitmix64 (Steele et al. 2014). */
#include <entropy/base.h>

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, int k) { return x << k | x >> (64 - k); }

void ent_random_seed(ent_random *random, uint64_t seed, uint64_t stream)
{
    uint64_t mixed = stream, state = seed ^ splitmix(&mixed);
    for (int i = 0; i < 4; i++) random->s[i] = splitmix(&state);
}

uint64_t ent_random_bits(ent_random *random)
{
    uint64_t *s = random->s, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double ent_random_uniform(ent_random *random)
{
    return (double)(ent_random_bits(random) >> 11) * 0x1p-53;
}

uint64_t ent_random_below(ent_random *random, uint64_t n)
{
    /* multiply-shift (Lemire 2019); the bias of at most n / 2^64 is far below anything measured here */
    return (uint64_t)((__extension__(unsigned __int128)ent_random_bits(random) * n) >> 64);
}
