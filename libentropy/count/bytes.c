/* bytes.c - bytes are counted by tables, or where nearly all of a piece are of 16 neighbouring values and the
 * processor can, without (window_avx512.c).
 *
 * Tables cost a store a symbol, and a first cache takes one store a cycle: 1 cycle a symbol at best. */
#include "count/bytes.h"

#include <entropy/base.h>

#include "base/bits.h"
#include "count/window.h"

enum { MOST_IN_TABLES = 1 << 30 };

static void add_by_tables(byte_counter *c, const uint8_t *symbol, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t v = ent_load64(symbol + i);
        for (unsigned k = 0; k < 8; k++) c->table[k % BYTE_TABLES][v >> 8 * k & 255]++;
    }
    for (; i < n; i++) c->table[0][symbol[i]]++;
    c->in_tables += n;
}

static void sum_tables(byte_counter *c)
{
    if (!c->in_tables) return;
    for (unsigned k = 0; k < BYTE_TABLES; k++)
        for (unsigned s = 0; s < 256; s++) c->count[s] += c->table[k][s];
    memset(c->table, 0, sizeof c->table);
    c->in_tables = 0;
}

#if defined __x86_64__
static void sum_window(byte_counter *c)
{
    if (ent_cpu_features() & ENT_CPU_AVX512) ent_count_window_end_avx512(&c->window, c->count);
}

/* Looks for a window that holds nearly all of the sample. */
static bool find_window(const uint8_t *symbol, uint8_t *base)
{
    uint16_t count[256] = { 0 };
    unsigned sum = 0, best = 0;
    for (unsigned i = 0; i < BYTE_SAMPLE; i++) count[symbol[i]]++;
    for (unsigned s = 0; s < COUNT_WINDOW; s++) sum += count[s];
    for (unsigned s = 0; s < 256; s++) {
        if (sum > best) best = sum, *base = (uint8_t)s;
        sum += count[(s + COUNT_WINDOW) & 255];
        sum -= count[s];
    }
    return best >= BYTE_SAMPLE - BYTE_SAMPLE / BYTE_FEW;
}

bool ent_byte_counter_windowed(byte_counter *c, const uint8_t sample[BYTE_SAMPLE])
{
    enum { WAIT = 64 }; /* pieces between two looks for a window */
    if (c->windowed) return true;
    if (c->wait) return c->wait--, false;
    sum_window(c);
    if (find_window(sample, &c->window.base)) return true;
    c->wait = WAIT;
    return false;
}

/* Counts whole steps of the window if there is one; returns the symbols that it has counted. */
static size_t add_by_window(byte_counter *c, const uint8_t *symbol, size_t n)
{
    const size_t whole = n / COUNT_WINDOW_STEP * COUNT_WINDOW_STEP;
    if (!whole || !(ent_cpu_features() & ENT_CPU_AVX512) || !ent_byte_counter_windowed(c, symbol)) return 0;
    c->windowed = ent_count_window_avx512(&c->window, c->count, symbol, whole) <= whole / BYTE_FEW;
    return whole;
}
#else
static void sum_window(byte_counter *c) { (void)c; }

static size_t add_by_window(byte_counter *c, const uint8_t *symbol, size_t n)
{
    (void)c, (void)symbol, (void)n;
    return 0;
}
#endif

void ent_byte_counter_add(byte_counter *c, const uint8_t *symbol, size_t n)
{
    const size_t done = add_by_window(c, symbol, n);
    if (c->in_tables > MOST_IN_TABLES) sum_tables(c);
    if (done < n) add_by_tables(c, symbol + done, n - done);
}

void ent_byte_counter_sum(byte_counter *c)
{
    sum_tables(c);
    sum_window(c);
}
