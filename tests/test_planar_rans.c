/* test_planar_rans.c - planar-rans: the plain loops are the judge of the fast ones, a brute-force sort of
 * the slots, an exhaustive search of the model; damaged blocks.
 *
 * Over 500 lines because tables with and without low bits go through the same builders of blocks by hand. */
#include <math.h>

#include "coder/planar_rans.h"
#include "oracle/oracle.h"
#include "samples.h"

enum { MOST_ROUNDS = 70, MOST = MOST_ROUNDS * PLANAR_STATES };
enum { ALPHABET = 254 }; /* so that no low bits are cut off */

static ent_coder_spec spec_of(uint32_t alphabet)
{
    ent_coder_spec spec;
    assert_ok(ent_coder_spec_init(&spec, ent_coder_find("planar-rans"), alphabet));
    return spec;
}

/* The tables that training on these symbols gives. */
typedef struct model {
    planar_table table;
    planar_encoder encoder;
    planar_decoder decoder;
} model;

static void model_make(model *m, const ent_counts *counts)
{
    ent_coder_spec spec = spec_of(counts->alphabet);
    memset(m, 0, sizeof *m);
    assert_ok(ent_planar_train(&spec, counts, &m->table));
    ent_planar_build_encoder(&spec, &m->table, &m->encoder);
    ent_planar_build_decoder(&spec, &m->table, &m->decoder);
}

static model shared; /* large and aligned: not for the stack */

static void model_of(sample_kind kind, uint32_t alphabet)
{
    ent_counts counts;
    ent_free(sample_make(kind, alphabet, 100000, 3, &counts));
    model_make(&shared, &counts);
    ent_counts_free(&counts);
}

/* ---- the model ------------------------------------------------------------------------------ */

static void frequencies_fill_the_slots(void **state)
{
    (void)state;
    static const uint32_t alphabets[] = { 1, 2, 3, 4, 16, 37, 255, 256 };
    for (size_t a = 0; a < sizeof alphabets / sizeof *alphabets; a++)
        for (sample_kind kind = 0; kind < SAMPLE_KINDS; kind++) {
            uint32_t sum = 0;
            model_of(kind, alphabets[a]);
            for (uint32_t i = 0; i < shared.table.entries; i++) {
                assert_in_range(shared.table.frequency[i], 1, 127);
                assert_true(shared.table.symbol[i] < alphabets[a]);
                sum += shared.table.frequency[i];
            }
            assert_int_equal(sum, 256);
        }
}

/* (2r + 1) / f of pair a before that of pair b, ties by entry. */
static bool before(const planar_table *t, unsigned ea, unsigned ra, unsigned eb, unsigned rb)
{
    unsigned left = (2 * ra + 1) * t->frequency[eb], right = (2 * rb + 1) * t->frequency[ea];
    return left < right || (left == right && ea < eb);
}

static void slots_are_in_order_of_exact_fractions(void **state)
{
    (void)state;
    for (sample_kind kind = 0; kind < SAMPLE_KINDS; kind++) {
        unsigned next[256] = { 0 };
        model_of(kind, kind % 2 ? 37 : 256);
        const planar_table *t = &shared.table;
        for (unsigned slot = 0; slot < 256; slot++) {
            unsigned best = 256;
            for (unsigned e = 0; e < t->entries; e++)
                if (next[e] < t->frequency[e] && (best == 256 || before(t, e, next[e], best, next[best]))) best = e;
            assert_int_equal(shared.decoder.symbol[slot], t->symbol[best]);
            assert_int_equal(shared.decoder.frequency[slot], t->frequency[best]);
            assert_int_equal(shared.decoder.rank[slot], next[best]++);
        }
    }
}

/* Bits of the best model that keeps the `kept` commonest symbols, 16 bits a repair and an entry. */
static double cost(const ent_counts *counts, uint32_t kept)
{
    uint64_t count[ALPHABET], left_out = 0;
    uint32_t symbol[ALPHABET], frequency[ALPHABET] = { 0 };
    for (uint32_t i = 0; i < ALPHABET; i++) symbol[i] = i;
    for (uint32_t i = 1; i < ALPHABET; i++)
        for (uint32_t j = i; j && counts->count[symbol[j]] > counts->count[symbol[j - 1]]; j--) {
            uint32_t swap = symbol[j];
            symbol[j] = symbol[j - 1];
            symbol[j - 1] = swap;
        }
    memcpy(count, counts->count, sizeof count);
    for (uint32_t i = kept; i < ALPHABET; i++) left_out += count[symbol[i]], count[symbol[i]] = 0;
    count[symbol[0]] += left_out;
    ent_counts kept_counts = { ALPHABET, count };
    if (ent_normalize(&kept_counts, 8, 127, frequency)) return INFINITY;
    double bits = 16.0 * (double)left_out + 16.0 * kept;
    for (uint32_t s = 0; s < ALPHABET; s++)
        if (count[s]) bits += (double)count[s] * (8 - log2(frequency[s]));
    return bits;
}

static void the_cheapest_symbols_are_kept(void **state)
{
    (void)state;
    static const sample_kind kinds[] = { SAMPLE_PEAKED, SAMPLE_UNIFORM, SAMPLE_EVEN };
    for (size_t k = 0; k < 3; k++) {
        ent_counts counts;
        ent_free(sample_make(kinds[k], ALPHABET, 20000, 4, &counts));
        double least = INFINITY;
        for (uint32_t kept = 3; kept <= ent_counts_live(&counts); kept++) least = fmin(least, cost(&counts, kept));
        model_make(&shared, &counts);
        assert_close(cost(&counts, shared.table.entries), least, 1e-9 * least);
        ent_counts_free(&counts);
    }
}

/* ---- the fast loops against the plain ones --------------------------------------------------- */

typedef struct coded {
    planar_job job;
    uint8_t room[PLANAR_GROUPS][64 * MOST_ROUNDS + 64];
    uint64_t missing[MOST / 64];
} coded;

/* The loops, and whether the processor has them. */
enum { PLAIN, AVX2, AVX512, LOOPS };

static bool has(int loop)
{
    static const unsigned needs[LOOPS] = { 0, ENT_CPU_AVX2, ENT_CPU_AVX512 };
    return (ent_cpu_features() & needs[loop]) == needs[loop];
}

static void code(coded *c, const uint8_t *symbols, unsigned groups, size_t rounds, int loop)
{
    memset(c, 0, sizeof *c);
    c->job.groups = groups;
    c->job.rounds = rounds;
    c->job.missing = c->missing;
    memset(c->job.q, 1, sizeof c->job.q);
    for (size_t i = 0; i < PLANAR_STATES; i++) c->job.s[i] = (uint8_t)(7 * i);
    for (unsigned g = 0; g < groups; g++) c->job.at[g] = c->job.end[g] = c->room[g] + sizeof c->room[g];
#if defined __x86_64__
    if (loop == AVX2) ent_planar_encode_avx2(&shared.encoder, &c->job, symbols);
    if (loop == AVX512) ent_planar_encode_avx512(&shared.encoder, &c->job, symbols);
    if (loop != PLAIN) return;
#endif
    assert_int_equal(loop, PLAIN);
    ent_planar_encode_plain(&shared.encoder, &c->job, symbols);
}

static size_t string_size(const coded *c, unsigned g) { return (size_t)(c->job.end[g] - c->job.at[g]); }

static void same_code(const coded *a, const coded *b, size_t symbols)
{
    assert_memory_equal(a->job.q, b->job.q, 64 * a->job.groups);
    assert_memory_equal(a->job.s, b->job.s, 64 * a->job.groups);
    assert_memory_equal(a->missing, b->missing, symbols / 8);
    for (unsigned g = 0; g < a->job.groups; g++) {
        assert_int_equal(string_size(a, g), string_size(b, g));
        assert_memory_equal(a->job.at[g], b->job.at[g], string_size(a, g));
    }
}

/* The strings in one guarded buffer, with exactly the 64 bytes behind the last that may be read. */
static guarded strings_of(const coded *c)
{
    size_t size = 64;
    for (unsigned g = 0; g < c->job.groups; g++) size += string_size(c, g);
    guarded all = guarded_new(size);
    uint8_t *p = all.data;
    for (unsigned g = 0; g < c->job.groups; g++) {
        memcpy(p, c->job.at[g], string_size(c, g));
        p += string_size(c, g);
    }
    memset(p, 0xEE, 64);
    return all;
}

static bool uncode(planar_block *b, const coded *c, guarded strings, uint8_t *symbols, int decoder)
{
    const uint8_t *p = strings.data;
    memset(b, 0, sizeof *b);
    b->groups = c->job.groups;
    b->rounds = c->job.rounds;
    b->repairs.position = SIZE_MAX;
    memcpy(b->q, c->job.q, sizeof b->q);
    memcpy(b->s, c->job.s, sizeof b->s);
    for (unsigned g = 0; g < b->groups; g++) {
        b->at[g] = p;
        b->end[g] = p += string_size(c, g);
    }
#if defined __x86_64__
    if (decoder == AVX2) return ent_planar_decode_avx2(&shared.decoder, b, symbols);
    if (decoder == AVX512) return ent_planar_decode_avx512(&shared.decoder, b, symbols);
#endif
    assert_int_equal(decoder, PLAIN);
    return ent_planar_decode_plain(&shared.decoder, b, symbols);
}

static coded plain_code, fast_code;

/* Codes with both loops, decodes with all; a left-out symbol comes back as the commonest. */
static void loops_agree_on(const uint8_t *symbols, unsigned groups, size_t rounds)
{
    size_t n = rounds * groups * 64;
    guarded out = guarded_new(n);
    planar_block b;
    code(&plain_code, symbols, groups, rounds, PLAIN);
    for (int loop = PLAIN + 1; loop < LOOPS; loop++) {
        if (!has(loop)) continue;
        code(&fast_code, symbols, groups, rounds, loop);
        same_code(&plain_code, &fast_code, n);
    }
    guarded strings = strings_of(&plain_code);
    for (int d = PLAIN; d < LOOPS; d++) {
        if (!has(d)) continue;
        memset(out.data, 0xAA, n);
        assert_true(uncode(&b, &plain_code, strings, out.data, d));
        for (size_t i = 0; i < n; i++)
            if (!(plain_code.missing[i / 64] >> i % 64 & 1)) assert_int_equal(out.data[i], symbols[i]);
        for (unsigned l = 0; l < 64 * groups; l++) assert_true(b.q[l] == 1 && b.s[l] == (uint8_t)(7 * l));
        for (unsigned g = 0; g < groups; g++) assert_ptr_equal(b.at[g], b.end[g]);
    }
    guarded_free(&strings);
    guarded_free(&out);
}

static void fast_loops_agree_with_plain_ones(void **state)
{
    (void)state;
    static const uint32_t alphabets[] = { 1, 2, 3, 16, 64, 65, 200, 256 };
    bool seen[2] = { false, false };
    for (size_t a = 0; a < sizeof alphabets / sizeof *alphabets; a++)
        for (sample_kind kind = 0; kind < SAMPLE_KINDS; kind++) {
            ent_counts counts;
            uint8_t *symbols = sample_make(kind, alphabets[a], MOST, 5, &counts);
            model_of(kind, alphabets[a]);
            seen[shared.decoder.narrow] = true;
            for (unsigned groups = 1; groups <= 4; groups *= 2)
                for (size_t rounds = 1; rounds <= MOST_ROUNDS; rounds += 1 + 4 * rounds)
                    loops_agree_on(symbols, groups, rounds);
            ent_free(symbols);
            ent_counts_free(&counts);
        }
    assert_true(seen[0] && seen[1]); /* both forms of the look-ups */
}

/* A model that lacks most of the symbols, and one where all frequencies from 1 to 127 occur. */
static void odd_models(void **state)
{
    (void)state;
    ent_counts counts;
    uint8_t *symbols = sample_make(SAMPLE_UNIFORM, 256, MOST, 6, &counts);
    model_of(SAMPLE_PEAKED, 256);
    for (unsigned groups = 1; groups <= 4; groups *= 2) loops_agree_on(symbols, groups, 11);
    for (uint32_t top = 1; top <= 127; top++) { /* three entries: top, 127 and the rest */
        uint32_t rest = 256 - 127 - top;
        if (rest > 127) continue;
        uint64_t count[256] = { [3] = top * 1000u, [200] = rest * 1000u, [201] = 127000 };
        model_make(&shared, &(ent_counts){ 256, count });
        assert_int_equal(shared.table.frequency[0], top);
        for (size_t i = 0; i < MOST; i++) symbols[i] = symbols[i] < top ? 3 : symbols[i] % 2 ? 200 : 201;
        loops_agree_on(symbols, 2, 9);
    }
    ent_free(symbols);
    ent_counts_free(&counts);
}

/* ---- whole blocks ---------------------------------------------------------------------------- */

static double bits_per_symbol(const ent_counts *counts, const uint8_t *symbols, size_t n)
{
    ent_coder_spec spec = spec_of(counts->alphabet);
    ent_table *t;
    ent_buffer out = { 0 };
    assert_ok(ent_table_train(&t, &spec, counts, ENT_ENCODE | ENT_DECODE));
    assert_ok(ent_buffer_reserve(&out, ent_encode_bound(t, n)));
    assert_ok(ent_encode(t, symbols, n, &out, NULL));
    guarded in = guarded_copy(out.data, out.size), got = guarded_new(n);
    assert_ok(ent_decode(t, (ent_bytes){ in.data, in.size }, got.data, n));
    assert_true(!n || !memcmp(got.data, symbols, n));
    double bits = n ? 8 * (double)out.size / (double)n : 0;
    ent_table_free(t);
    ent_free(out.data);
    guarded_free(&in);
    guarded_free(&got);
    return bits;
}

static void every_tail_comes_back(void **state)
{
    (void)state;
    static const size_t from[] = { 0, 8192 - 70, 8192 + 100, (1 << 17) - 3, 3 << 16 };
    for (sample_kind kind = 0; kind < SAMPLE_KINDS; kind++) {
        ent_counts counts;
        uint8_t *symbols = sample_make(kind, 256, (3 << 16) + 300, 7, &counts);
        for (size_t f = 0; f < sizeof from / sizeof *from; f++)
            for (size_t n = from[f]; n <= from[f] + 300; n += f < 2 ? 1 : 43) bits_per_symbol(&counts, symbols, n);
        ent_free(symbols);
        ent_counts_free(&counts);
    }
}

/* ---- low bits beside the code ---------------------------------------------------------------- */

/* A table that leaves `low` bits of the symbols raw, trained on their upper ones. */
static ent_table *table_with_low_bits(uint32_t alphabet, unsigned low, const uint8_t *symbols, size_t n,
                                      ent_buffer *bytes)
{
    ent_coder_spec upper = spec_of(alphabet >> low), spec = spec_of(alphabet);
    ent_counts counts;
    ent_table *t;
    assert_ok(ent_counts_init(&counts, alphabet >> low));
    for (size_t i = 0; i < n; i++) counts.count[symbols[i] >> low]++;
    assert_ok(ent_table_train(&t, &upper, &counts, ENT_ENCODE));
    assert_ok(ent_buffer_reserve(bytes, 2));
    memcpy(bytes->data, (uint8_t[]){ 0, (uint8_t)low }, bytes->size = 2);
    assert_ok(ent_table_write(t, bytes));
    ent_table_free(t);
    ent_counts_free(&counts);
    assert_ok(ent_table_read(&t, &spec, (ent_bytes){ bytes->data, bytes->size }, ENT_ENCODE | ENT_DECODE));
    return t;
}

/* By the library and by the oracle; a bit of a symbol that is not there is told. */
static void low_bits_come_back(const ent_table *t, const ent_buffer *table, unsigned low, const uint8_t *symbols,
                               size_t n)
{
    const uint32_t alphabet = ent_table_spec(t)->alphabet;
    ent_buffer out = { 0 };
    uint16_t *judged = calloc(n + 1, sizeof *judged);
    assert_non_null(judged);
    assert_ok(ent_buffer_reserve(&out, ent_encode_bound(t, n)));
    assert_ok(ent_encode(t, symbols, n, &out, NULL));
    guarded in = guarded_copy(out.data, out.size), got = guarded_new(n);
    assert_ok(ent_decode(t, (ent_bytes){ in.data, in.size }, got.data, n));
    assert_true(!n || !memcmp(got.data, symbols, n));
    assert_int_equal(oracle_planar_rans(alphabet, NULL, table->data, table->size, out.data, out.size, judged, n), 0);
    for (size_t i = 0; i < n; i++) assert_int_equal(judged[i], symbols[i]);
    if (n % 64 && n > 640 && out.data[0] == 1 && !out.data[1]) { /* one group, no repairs: the low bits follow */
        out.data[2 + (n / 64 + 1) * 8 * low - 1] ^= 0x80; /* symbol 63 of the last group */
        assert_status(ent_decode(t, (ent_bytes){ out.data, out.size }, got.data, n), ENT_ECORRUPT);
    }
    guarded_free(&in);
    guarded_free(&got);
    ent_free(out.data);
    free(judged);
}

static void low_bits_of_every_number(void **state)
{
    (void)state;
    enum { MOST_CODES = (1 << 17) + 900 };
    static const size_t from[] = { 0, 640, 8192 - 70, (1 << 17) - 3, MOST_CODES };
    for (unsigned low = 2; low <= 4; low++)
        for (uint32_t alphabet = 48; alphabet <= 256; alphabet += 208) {
            ent_counts counts;
            ent_buffer table = { 0 };
            uint8_t *symbols = sample_make(SAMPLE_BELL, alphabet, MOST_CODES, 15, &counts);
            ent_table *t = table_with_low_bits(alphabet, low, symbols, MOST_CODES, &table);
            for (size_t f = 0; f + 1 < sizeof from / sizeof *from; f++)
                for (size_t n = from[f]; n <= from[f] + 130; n += f < 2 ? 3 : 43)
                    low_bits_come_back(t, &table, low, symbols, n);
            for (size_t i = 7; i < MOST_CODES; i += 500) symbols[i] = (uint8_t)(i / 500 % alphabet); /* repairs */
            low_bits_come_back(t, &table, low, symbols, MOST_CODES);
            ent_table_free(t);
            ent_free(table.data);
            ent_free(symbols);
            ent_counts_free(&counts);
        }
}

static void tables_with_bad_low_bits(void **state)
{
    (void)state;
    static const uint8_t good[] = { 0, 2, 2, 0, 127, 1, 127, 2, 2 };
    static const struct { uint32_t alphabet; uint8_t low; ent_status status; } tables[] = {
        { 256, 2, ENT_OK }, { 12, 2, ENT_OK }, { 8, 2, ENT_ECORRUPT }, /* symbol 2 is beyond */
        { 254, 2, ENT_ECORRUPT }, { 256, 0, ENT_ECORRUPT }, { 256, 1, ENT_ECORRUPT }, { 256, 5, ENT_ECORRUPT } };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        ent_coder_spec spec = spec_of(tables[i].alphabet);
        ent_table *t;
        uint8_t bytes[sizeof good];
        memcpy(bytes, good, sizeof good);
        bytes[1] = tables[i].low;
        assert_status(ent_table_read(&t, &spec, (ent_bytes){ bytes, sizeof bytes }, ENT_DECODE), tables[i].status);
        ent_table_free(t);
    }
}

/* Codes of normal weights, deviation 30.  Entropy: log2(30 sqrt(2 pi e)) = 6.9540 bits. */
static void codes_are_near_the_entropy(void **state)
{
    (void)state;
    enum { N = 1 << 18 };
    ent_counts counts;
    ent_random r;
    uint8_t *symbols = malloc(N);
    assert_non_null(symbols);
    ent_random_seed(&r, 16, 0);
    for (size_t i = 0; i < N; i++) {
        double u = 1 - ent_random_uniform(&r), v = ent_random_uniform(&r);
        symbols[i] = (uint8_t)lrint(30 * sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
    }
    assert_ok(ent_counts_init(&counts, 256));
    assert_ok(ent_counts_add(&counts, symbols, 1, N));
    assert_true(bits_per_symbol(&counts, symbols, N) <= 1.01 * 6.954);
    free(symbols);
    ent_counts_free(&counts);
}

/* Exponents of normal weights; a symbol costs log2(256 / 127) = 1.0114 bits at least. */
static void sizes_are_near_the_entropy(void **state)
{
    (void)state;
    enum { N = 1 << 18 };
    ent_counts counts;
    ent_random r;
    double h = 0;
    uint8_t *symbols = malloc(N);
    assert_non_null(symbols);
    ent_random_seed(&r, 8, 0);
    for (size_t i = 0; i < N; i++) {
        double u = 1 - ent_random_uniform(&r), v = ent_random_uniform(&r);
        symbols[i] = (uint8_t)(127 + ilogb(0.02 * sqrt(-2 * log(u)) * cos(6.283185307179586 * v) + 1e-30));
    }
    assert_ok(ent_counts_init(&counts, 256));
    assert_ok(ent_counts_add(&counts, symbols, 1, N));
    for (uint32_t s = 0; s < 256; s++)
        if (counts.count[s]) h -= (double)counts.count[s] / N * log2((double)counts.count[s] / N);
    assert_close(h, 2.5453, 0.01); /* by summing the normal integral over binades */
    assert_true(8 + bits_per_symbol(&counts, symbols, N) <= 1.003 * (8 + h));
    free(symbols);
    ent_counts_free(&counts);
    symbols = sample_make(SAMPLE_CONSTANT, 256, N, 8, &counts);
    assert_close(bits_per_symbol(&counts, symbols, N), 1.0114, 0.02);
    ent_free(symbols);
    ent_counts_free(&counts);
}

/* Symbols that training never saw, at distances around what 12 bits hold; no others are left out. */
static void repairs_reach_everywhere(void **state)
{
    (void)state;
    enum { N = 200000 };
    static const size_t step[] = { 1, 2, 63, 64, 255, 4094, 4095, 4096, 4097, 8190, 8191, 8192, 30000, 1, 40000 };
    ent_counts counts;
    uint8_t *symbols = malloc(N);
    assert_non_null(symbols);
    for (size_t i = 0; i < N; i++) symbols[i] = (uint8_t)(i * i / 7 % 8);
    assert_ok(ent_counts_init(&counts, 256));
    assert_ok(ent_counts_add(&counts, symbols, 1, N));
    for (size_t i = 0, at = 0; i < sizeof step / sizeof *step; at += step[i++]) symbols[at] = (uint8_t)(200 + i);
    symbols[N - 1] = 255;
    bits_per_symbol(&counts, symbols, N);
    for (size_t i = 0; i < N; i += 9) symbols[i] = (uint8_t)(i * 7); /* and in great numbers */
    bits_per_symbol(&counts, symbols, N);
    free(symbols);
    ent_counts_free(&counts);
}

static void words_of_large_blocks(void **state)
{
    (void)state;
    static const size_t sizes[] = { 8193, 8192 * 2 + 129, (1 << 17) + 8192 + 257, 3 << 16 };
    ent_coder_spec spec = spec_of(256);
    for (size_t k = 0; k < 4; k++)
        for (int variant = 0; variant < 4; variant++) { /* stored plainly or streamed; aligned or not */
            size_t n = sizes[k], shift = variant & 2 ? 2 : 0;
            ent_counts counts;
            uint8_t *e = sample_make(SAMPLE_PEAKED, 256, n, 10, &counts);
            uint8_t *rest = malloc(n), *words = ent_alloc(2 * n + 2);
            ent_table *t;
            ent_buffer out = { 0 };
            assert_true(rest && words);
            for (size_t i = 0; i < n; i++) rest[i] = (uint8_t)(i * 181 >> 3);
            for (size_t i = 5; i < n; i += 2000) e[i] = 250; /* repairs */
            assert_ok(ent_table_train(&t, &spec, &counts, ENT_ENCODE | ENT_DECODE));
            assert_ok(ent_buffer_reserve(&out, ent_encode_bound(t, n)));
            assert_ok(ent_encode(t, e, n, &out, NULL));
            ent_join join = { .word_bytes = 2, .shift = 7, .bits = 8, .rest = rest, .stream = variant & 1 };
            ent_status status = ent_decode_words(t, (ent_bytes){ out.data, out.size }, &join, words + shift, n);
            assert_status(status, ent_cpu_features() & (ENT_CPU_AVX512 | ENT_CPU_AVX2) ? ENT_OK : ENT_EUNSUPPORTED);
            for (size_t i = 0; !status && i < n; i++) {
                unsigned w = words[shift + 2 * i] | (unsigned)words[shift + 2 * i + 1] << 8;
                assert_int_equal(w, (rest[i] & 128u) << 8 | (unsigned)e[i] << 7 | (rest[i] & 127u));
            }
            ent_table_free(t);
            ent_free(out.data);
            ent_free(e);
            ent_free(words);
            free(rest);
            ent_counts_free(&counts);
        }
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* The plain and the fast loops on damaged strings and states: never outside, and the same verdict. */
static void damaged_strings_are_told(void **state)
{
    (void)state;
    enum { ROUNDS = 13 };
    ent_counts counts;
    ent_random r;
    uint8_t *symbols = sample_make(SAMPLE_PEAKED, 256, ROUNDS * 256, 11, &counts);
    ent_random_seed(&r, 12, 0);
    model_of(SAMPLE_PEAKED, 256);
    for (int trial = 0; trial < 600; trial++) {
        unsigned groups = 1u << trial % 3;
        uint8_t out[2][ROUNDS * 256];
        planar_block b[2];
        code(&plain_code, symbols, groups, ROUNDS, PLAIN);
        guarded strings = strings_of(&plain_code);
        for (uint64_t i = ent_random_below(&r, 4); i-- > 0;)
            plain_code.job.s[ent_random_below(&r, 64 * groups)] ^= (uint8_t)(1u << ent_random_below(&r, 8));
        for (uint64_t i = ent_random_below(&r, 6); i-- > 0;)
            strings.data[ent_random_below(&r, strings.size - 64)] = (uint8_t)ent_random_bits(&r);
        if (trial % 7 == 0) memset(strings.data, 0, strings.size); /* zeros make states that eat a byte a step */
        bool good = uncode(&b[0], &plain_code, strings, out[0], PLAIN);
        for (int d = PLAIN + 1; d < LOOPS; d++) {
            if (!has(d)) continue;
            assert_int_equal(uncode(&b[1], &plain_code, strings, out[1], d), good);
            if (!good) continue;
            assert_memory_equal(out[0], out[1], ROUNDS * groups * 64);
            assert_memory_equal(b[0].s, b[1].s, 64 * groups);
            assert_memory_equal(b[0].q, b[1].q, 64 * groups);
        }
        guarded_free(&strings);
    }
    ent_free(symbols);
    ent_counts_free(&counts);
}

/* Whole blocks with bytes changed, dropped, added: a status, and symbols of the alphabet. */
static void damaged_blocks_are_safe(void **state)
{
    (void)state;
    static const size_t sizes[] = { 700, 9000, 1 << 17, 4000, 9000 };
    for (size_t k = 0; k < 5; k++) {
        size_t n = sizes[k];
        const sample_kind kind = k < 3 ? SAMPLE_PEAKED : SAMPLE_BELL; /* with low bits */
        ent_coder_spec spec = spec_of(200);
        ent_counts counts;
        ent_random r;
        ent_table *t;
        ent_buffer out = { 0 };
        uint8_t *symbols = sample_make(kind, 200, n, 13, &counts);
        assert_ok(ent_table_train(&t, &spec, &counts, ENT_ENCODE | ENT_DECODE));
        for (size_t i = 3; i < n; i += 300) symbols[i] = (uint8_t)(i / 300 % 200);
        assert_ok(ent_buffer_reserve(&out, ent_encode_bound(t, n)));
        assert_ok(ent_encode(t, symbols, n, &out, NULL));
        assert_in_range(out.data[0], 1, 4);
        ent_random_seed(&r, 14, n);
        int caught = 0, trials = n < 10000 ? 500 : 60;
        for (int trial = 0; trial < trials; trial++) {
            size_t size = trial % 5 == 0 ? ent_random_below(&r, out.size) : out.size - (trial % 7 == 0);
            guarded in = guarded_new(size), got = guarded_new(2 * n);
            memcpy(in.data, out.data, size);
            for (int i = trial % 4; size && i > 0; i--) /* the header and the repairs more often than the rest */
                in.data[ent_random_below(&r, i % 2 && size > 90 ? 90 : size)] = (uint8_t)ent_random_bits(&r);
            ent_status status = ent_decode(t, (ent_bytes){ in.data, size }, got.data, n);
            assert_true(status == ENT_OK || status == ENT_ECORRUPT);
            caught += status == ENT_ECORRUPT;
            for (size_t i = 0; !status && i < n; i++) assert_in_range(got.data[i], 0, 199);
            ent_join join = { .word_bytes = 2, .shift = 7, .bits = 8, .rest = symbols, .stream = trial % 2 };
            status = ent_decode_words(t, (ent_bytes){ in.data, size }, &join, got.data, n);
            assert_true(status == ENT_OK || status == ENT_ECORRUPT || status == ENT_EUNSUPPORTED);
            guarded_free(&in);
            guarded_free(&got);
        }
        assert_in_range(caught, trials / 2, trials);
        ent_table_free(t);
        ent_free(out.data);
        ent_free(symbols);
        ent_counts_free(&counts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frequencies_fill_the_slots),
        cmocka_unit_test(slots_are_in_order_of_exact_fractions),
        cmocka_unit_test(the_cheapest_symbols_are_kept),
        cmocka_unit_test(fast_loops_agree_with_plain_ones),
        cmocka_unit_test(odd_models),
        cmocka_unit_test(every_tail_comes_back),
        cmocka_unit_test(low_bits_of_every_number),
        cmocka_unit_test(tables_with_bad_low_bits),
        cmocka_unit_test(codes_are_near_the_entropy),
        cmocka_unit_test(sizes_are_near_the_entropy),
        cmocka_unit_test(repairs_reach_everywhere),
        cmocka_unit_test(words_of_large_blocks),
        cmocka_unit_test(damaged_strings_are_told),
        cmocka_unit_test(damaged_blocks_are_safe),
    };
    return cmocka_run_group_tests_name("planar-rans", tests, NULL, NULL);
}
