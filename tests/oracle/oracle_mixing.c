/* oracle_mixing.c - see oracle.h. */
#include <stdlib.h>
#include <string.h>

#include "range_code.h"

enum { MOST_INPUTS = 10, FURTHEST = 3071, ROW_END = 65535 };

/* ---- functions ---------------------------------------------------------------------------------- */

static int64_t squashed[FURTHEST + 1]; /* of 0, -1, -2 ... : 65536 less those of x */
static int64_t stretched[4096];

static int64_t squash(int64_t x)
{
    if (x > FURTHEST) x = FURTHEST;
    if (x < -FURTHEST) x = -FURTHEST;
    return x > 0 ? 65536 - squashed[x] : squashed[-x];
}

static void make_functions(void)
{
    uint64_t e = (uint64_t)1 << 30;
    if (squashed[0]) return;
    for (int x = 0; x <= FURTHEST; x++) {
        uint64_t above = (((uint64_t)1 << 46) + ((1u << 30) + e) / 2) / (((uint64_t)1 << 30) + e);
        squashed[x] = 65536 - (int64_t)(above > 65535 ? 65535 : above);
        e = e * 4278222805u / ((uint64_t)1 << 32);
    }
    for (int i = 0; i < 4096; i++) {
        int64_t x = i ? stretched[i - 1] : -FURTHEST; /* it grows with i */
        while (x < FURTHEST && squash(x + 1) <= 16 * i + 8) x++;
        stretched[i] = x;
    }
}

static int64_t down(int64_t x, int64_t by) /* floor(x / by) */
{
    return x / by - (x % by < 0);
}

/* ---- a bit -------------------------------------------------------------------------------------- */

typedef struct cell {
    int64_t P, c;
} cell;

typedef struct told {
    int I;
    cell *cell[MOST_INPUTS];
    int64_t *weight;
} told;

static bool next_bit(range_code *r, const told *t, unsigned *y)
{
    int64_t x[MOST_INPUTS], sum = 0;
    uint32_t frequency[2], symbol;
    for (int k = 0; k < t->I; k++) {
        cell *of = t->cell[k];
        x[k] = stretched[down(of->P, k ? 1 << 10 : 1 << 8)];
        if (k) x[k] = down(x[k] * (65536 * of->c / (of->c + 1)), 65536);
        sum += down(t->weight[k], 256) * x[k];
    }
    int64_t p = squash(down(sum, 4096));
    frequency[0] = (uint32_t)p; /* a one has the first slots */
    frequency[1] = (uint32_t)(65536 - p);
    if (!oracle_range_symbol(r, 16, frequency, 2, &symbol)) return false;
    *y = !symbol;
    for (int k = 0; k < t->I; k++) {
        cell *of = t->cell[k];
        int64_t one = k ? 1 << 22 : 1 << 20, most = k ? 127 : 4095, w = t->weight[k];
        w += down(x[k] * (65536 * (int64_t)*y - p) + 8192, 1 << 14);
        if (w > (1 << 23) - 1) w = (1 << 23) - 1;
        if (w < -((1 << 23) - 1)) w = -((1 << 23) - 1);
        t->weight[k] = w;
        of->P += down((one * *y - *y - of->P) * (131072 / (2 * of->c + 3)), 65536);
        if (of->c < most) of->c++;
    }
    return true;
}

/* ---- levels --------------------------------------------------------------------------------------- */

typedef struct tracker {
    int64_t middle, spread;
} tracker;

static int64_t level(const tracker *t, int64_t v, int64_t l)
{
    int64_t place = (v - t->middle) * l / 6 + (t->spread + 1) * (l / 2);
    if (place < 0) return 0;
    place /= t->spread + 1;
    return place > l - 1 ? l - 1 : place;
}

static int64_t track(tracker *t, int64_t v, int64_t l, size_t i)
{
    int64_t is = level(t, v, l), d = v - t->middle;
    unsigned k = 1 + oracle_floor_log2(i + 1);
    if (k > 12) k = 12;
    t->middle += down(d, (int64_t)1 << k);
    t->spread += down((d < 0 ? -d : d) - t->spread, (int64_t)1 << k);
    return is;
}

/* ---- the state ------------------------------------------------------------------------------------ */

typedef struct column {
    int64_t c, size, sign, level;
    unsigned last, last_but_one; /* signs */
} column;

typedef struct state {
    unsigned b, sign, folded, g;
    uint64_t length, at; /* column of the next symbol */
    size_t i;
    tracker SIZE, by_size[MOST_INPUTS], by_sign[MOST_INPUTS];
    int64_t left, left2, in_row, row_size, row_sign, recent, late, sum;
    unsigned last, last_but_one;
    cell *common, common_sign[32], (*line)[16], sign_cell[6][512];
    int64_t node_weight[256][MOST_INPUTS], bits_weight[16][MOST_INPUTS], sign_weight[32][MOST_INPUTS];
    column column[ROW_END];
} state;

static int64_t shrunk(int64_t mean, int64_t c) { return mean * c / (c + 8); }

static int64_t v_of(const state *s, uint32_t size)
{
    int64_t apart = 2 * (int64_t)size - (((int64_t)1 << s->b) - 1);
    return (s->folded ? (apart < 0 ? -apart : apart) : (int64_t)size) << (24 - s->b);
}

static void after(state *s, uint32_t size, unsigned sign)
{
    int64_t v = v_of(s, size), signed_one = sign ? 1 << 24 : -(1 << 24);
    column *own = &s->column[s->at];
    if (s->i == 0) s->SIZE.middle = s->recent = s->late = v;
    s->left2 = s->left;
    s->left = track(&s->SIZE, v, 32, s->i);
    if (own->c < 1023) own->c++;
    own->size += (v - own->size) / own->c;
    own->sign += (signed_one - own->sign) / own->c;
    own->level = s->left;
    own->last_but_one = own->last;
    own->last = sign;
    s->last_but_one = s->last;
    s->last = sign;
    if (s->in_row < 65535) s->in_row++;
    s->row_size += (v - s->row_size) / s->in_row;
    s->row_sign += (signed_one - s->row_sign) / s->in_row;
    s->sum += v;
    s->recent += down(v - s->recent, 8);
    s->late += down(v - s->late, 64);
    if (s->length) s->at++;
    if (s->at == s->length) s->at = 0;
    if (s->length && s->at == 0) s->in_row = 0;
    s->i++;
}

static bool next_size(range_code *r, state *s, uint32_t *size)
{
    const column *own = &s->column[s->at];
    int64_t middle = s->i ? s->sum / (int64_t)s->i : 0, R = shrunk(s->row_size - middle, s->in_row), C = shrunk(own->size - middle, own->c);
    int64_t context[MOST_INPUTS] = { 0 };
    context[1] = s->left;
    context[2] = own->level;
    context[3] = 16 * (s->left / 2) + own->level / 2;
    context[4] = track(&s->by_size[4], R, 32, s->i);
    context[5] = track(&s->by_size[5], C, 32, s->i);
    context[6] = track(&s->by_size[6], R + C, 64, s->i);
    context[7] = track(&s->by_size[7], s->recent, 32, s->i);
    context[8] = 16 * (s->left / 2) + s->left2 / 2;
    context[9] = track(&s->by_size[9], s->late + C, 32, s->i);
    uint32_t node = 1, m = 1, line[MOST_INPUTS] = { 0 };
    for (unsigned j = 0; j < s->b; j++) {
        told t = { .I = 10 };
        unsigned bit;
        if (j % 4 == 0) {
            m = 1;
            for (uint32_t k = 1; k < 10; k++) {
                uint64_t key = ((uint64_t)k << 26) + ((uint64_t)context[k] << 16) + node;
                line[k] = (uint32_t)((key * 2654435761u & 0xFFFFFFFFu) >> (32 - s->g));
            }
        }
        t.cell[0] = &s->common[node];
        for (int k = 1; k < 10; k++) t.cell[k] = &s->line[line[k]][m];
        t.weight = node < 256 ? s->node_weight[node] : s->bits_weight[j];
        if (!next_bit(r, &t, &bit)) return false;
        node = 2 * node + bit;
        m = 2 * m + bit;
    }
    *size = node - (1u << s->b);
    return true;
}

static bool next_sign(range_code *r, state *s, uint32_t size, unsigned *sign)
{
    const column *own = &s->column[s->at], *right = s->at + 1 < s->length ? own + 1 : own;
    int64_t R = shrunk(s->row_sign, s->in_row), C = shrunk(own->sign, own->c), z = level(&s->SIZE, v_of(s, size), 32);
    int64_t context[6] = { 0 };
    context[1] = track(&s->by_sign[1], C, 32, s->i);
    context[2] = track(&s->by_sign[2], R, 32, s->i);
    context[3] = 32 * s->last_but_one + 16 * s->last + 8 * own->last_but_one + 4 * own->last +
                 2 * (s->at ? own[-1].last_but_one : 0) + right->last;
    context[4] = 16 * context[1] + z / 2;
    context[5] = 16 * track(&s->by_sign[5], R + C, 32, s->i) + z / 2;
    told t = { .I = 6, .weight = s->sign_weight[z] };
    t.cell[0] = &s->common_sign[z];
    for (int k = 1; k < 6; k++) t.cell[k] = &s->sign_cell[k][context[k]];
    return next_bit(r, &t, sign);
}

/* ---- the code -------------------------------------------------------------------------------------- */

static void begin_weights(int64_t (*weight)[MOST_INPUTS], int n)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < MOST_INPUTS; k++) weight[i][k] = k ? 0 : 1 << 20;
}

static void begin_cells(cell *cells, size_t n, int64_t half)
{
    for (size_t i = 0; i < n; i++) cells[i] = (cell){ half, 0 };
}

static void begin(state *s, size_t n)
{
    make_functions();
    s->g = oracle_ceil_log2(n) + 3 < 16 ? oracle_ceil_log2(n) + 3 : 16;
    s->common = malloc(sizeof *s->common << s->b);
    s->line = malloc(sizeof *s->line << s->g);
    if (!s->common || !s->line) abort();
    begin_cells(s->common, (size_t)1 << s->b, 1 << 19);
    begin_cells(s->common_sign, 32, 1 << 19);
    begin_cells(s->line[0], (size_t)16 << s->g, 1 << 21);
    begin_cells(s->sign_cell[0], 6 * 512, 1 << 21);
    begin_weights(s->node_weight, 256);
    begin_weights(s->bits_weight, 16);
    begin_weights(s->sign_weight, 32);
    s->left = s->left2 = 16;
    s->SIZE.spread = 1 << (24 - s->b);
    for (int k = 0; k < MOST_INPUTS; k++) s->by_size[k].spread = s->by_sign[k].spread = 1 << (24 - s->b);
    for (uint64_t c = 0; c < s->length || c == 0; c++) s->column[c].level = 16;
}

static int decode(state *s, range_code *r, uint32_t alphabet, uint16_t *symbols, size_t n)
{
    begin(s, n);
    for (size_t i = 0; i < n; i++) {
        uint32_t size, symbol;
        unsigned sign = 0;
        if (!next_size(r, s, &size)) return 1;
        if (s->sign && !next_sign(r, s, size, &sign)) return 1;
        symbol = s->sign ? 2 * size + sign : size;
        if (symbol >= alphabet) return 1;
        symbols[i] = (uint16_t)symbol;
        after(s, size, sign);
    }
    return oracle_range_ended(r) ? 0 : 1;
}

int oracle_mixing(uint32_t alphabet, const uint32_t *param, const uint8_t *table, size_t table_size,
                  const uint8_t *code, size_t code_size, uint16_t *symbols, size_t n)
{
    byte_string in = { code, code_size, 0, false };
    range_code r;
    (void)table;
    if (table_size) return 1;
    if (n == 0) return code_size != 0;
    uint8_t folded = oracle_byte(&in);
    uint64_t length = oracle_varint(&in), before = oracle_varint(&in);
    if (in.over || folded > 1 || length > ROW_END || length > n || (length ? before >= length : before > 0)) return 1;
    if (!oracle_range_codes(code + in.at, code_size - in.at, 1, &r)) return 1;
    state *s = calloc(1, sizeof *s);
    if (!s) abort();
    s->b = oracle_ceil_log2(alphabet);
    s->sign = param[1] && s->b;
    s->b -= s->sign;
    s->folded = folded;
    s->length = length;
    s->at = before;
    int refused = decode(s, &r, alphabet, symbols, n);
    free(s->common);
    free(s->line);
    free(s);
    return refused;
}
