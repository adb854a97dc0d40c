/* oracle_qmoe.c - see oracle.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"

typedef struct run {
    unsigned pairs, zeros;
    uint8_t pair[14];
    double chance;
} run;

typedef struct runs {
    run *run;
    size_t n, room;
} runs;

static double chance_of(unsigned digits, unsigned pairs, unsigned zeros)
{
    return pow(0.885, zeros) * pow(0.115 / (digits - 1), 2 * pairs - zeros);
}

/* Every run that begins with `from` and whose chance is at least `least`. */
static void collect(runs *all, run from, unsigned digits, double least)
{
    if (from.pairs == 14) return;
    for (unsigned pair = 0; pair < digits * digits; pair++) {
        run next = from;
        next.pair[next.pairs++] = (uint8_t)pair;
        next.zeros += (pair % digits == 0 ? 1u : 0u) + (pair / digits == 0 ? 1u : 0u);
        next.chance = chance_of(digits, next.pairs, next.zeros);
        if (next.chance < least) continue;
        if (all->n == all->room) {
            all->room = all->room ? 2 * all->room : 1024;
            all->run = realloc(all->run, all->room * sizeof *all->run);
            if (!all->run) abort();
        }
        all->run[all->n++] = next;
        collect(all, next, digits, least);
    }
}

/* Higher chances first; of the same, that is of as many pairs and zeros, in the order of their pairs. */
static int before(const void *a, const void *b)
{
    const run *x = a, *y = b;
    if (x->pairs == y->pairs && x->zeros == y->zeros) return memcmp(x->pair, y->pair, x->pairs);
    return x->chance > y->chance ? -1 : 1;
}

static const run *dictionary(unsigned digits) /* made once */
{
    static runs all[5];
    for (double least = 1e-4; all[digits].n < 65536; least /= 2) {
        all[digits].n = 0;
        collect(&all[digits], (run){ 0 }, digits, least);
        qsort(all[digits].run, all[digits].n, sizeof(run), before);
    }
    return all[digits].run;
}

int oracle_qmoe(uint32_t alphabet, const uint32_t *param, const uint8_t *table, size_t table_size, const uint8_t *code,
                size_t code_size, uint16_t *symbols, size_t n)
{
    (void)param;
    byte_string in = { code, code_size, 0, false };
    if (table_size > 4) return 1;
    for (size_t i = 0; i < table_size; i++) {
        if (table[i] >= alphabet) return 1;
        for (size_t k = 0; k < i; k++)
            if (table[k] == table[i]) return 1;
    }
    const unsigned digits = (unsigned)table_size;
    size_t i = 0;
    if (digits == 0) {
        for (; i < n; i++)
            if ((symbols[i] = oracle_byte(&in)) >= alphabet) return 1;
        return !oracle_all_read(&in);
    }
    if (digits == 1) {
        for (; i < n; i++) symbols[i] = table[0];
        return code_size != 0;
    }
    while (i < n) {
        const run *r = &dictionary(digits)[oracle_integer(&in, 2)];
        if (in.over) return 1;
        for (unsigned k = 0; k < 2 * r->pairs; k++, i++) {
            unsigned digit = k % 2 ? r->pair[k / 2] / digits : r->pair[k / 2] % digits;
            if (i < n) symbols[i] = table[digit];
            else if (i > n || n % 2 == 0 || digit != 0) return 1;
        }
    }
    return !oracle_all_read(&in);
}
