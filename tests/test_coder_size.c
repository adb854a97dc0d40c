/* test_coder_size.c - coded sizes against the entropy of the same symbols, and against the optimum.
 *
 * No code that is order 0 and static can be shorter than n times the plug-in entropy of what it was
 * trained on; how much longer it may be is known for each coder. */
#include <math.h>

#include "samples.h"

enum { N = 1 << 20 };

static double entropy_bits(const ent_counts *counts) /* of all symbols together */
{
    double n = (double)ent_counts_total(counts), bits = 0;
    for (uint32_t s = 0; s < counts->alphabet; s++)
        if (counts->count[s]) bits += (double)counts->count[s] * log2(n / (double)counts->count[s]);
    return bits;
}

static ent_tally coded(const ent_coder_spec *spec, const ent_counts *counts, const void *symbols, size_t n)
{
    ent_table *table;
    ent_tally tally = { 0 };
    assert_ok(ent_table_train(&table, spec, counts, ENT_ENCODE));
    size_t bound = ent_encode_bound(table, n);
    ent_buffer out = { ent_alloc(bound), 0, bound };
    assert_non_null(out.data);
    assert_ok(ent_encode(table, symbols, n, &out, &tally));
    ent_free(out.data);
    ent_table_free(table);
    return tally;
}

static void never_under_entropy(void **state)
{
    (void)state;
    static const uint32_t alphabets[] = { 2, 16, 256, 5000 };
    for (size_t c = 0; ent_coders[c]; c++)
        for (size_t a = 0; a < 4; a++)
            for (sample_kind kind = 0; kind < SAMPLE_KINDS; kind++) {
                enum { FEW = 50000 };
                const ent_coder *coder = ent_coders[c];
                ent_coder_spec spec;
                ent_counts counts;
                if (coder->wide || coder->adaptive || alphabets[a] > coder->max_alphabet) continue;
                assert_ok(ent_coder_spec_init(&spec, coder, alphabets[a]));
                void *symbols = sample_make(kind, alphabets[a], FEW, 20, &counts);
                ent_tally tally = coded(&spec, &counts, symbols, FEW);
                double bound = entropy_bits(&counts), bits = (double)(tally.payload_bits + tally.index_bits);
                if (bits < bound * (1 - 1e-6))
                    fail_msg("%s: %.0f bits of %s symbols under %u, entropy %.0f", coder->name, bits, sample_names[kind],
                             alphabets[a], bound);
                ent_free(symbols);
                ent_counts_free(&counts);
            }
}

/* Payload of N peaked symbols over their entropy; skips when this build has no such coder. */
static double overhead(const char *name, const char *param, uint32_t value)
{
    const ent_coder *coder = ent_coder_find(name);
    ent_coder_spec spec;
    ent_counts counts;
    if (!coder) skip();
    assert_ok(ent_coder_spec_init(&spec, coder, 256));
    if (param) assert_ok(ent_coder_spec_set(&spec, param, value));
    void *symbols = sample_make(SAMPLE_PEAKED, 256, N, 21, &counts);
    assert_in_range(ent_counts_live(&counts), 40, 40);
    ent_tally tally = coded(&spec, &counts, symbols, N);
    double ratio = (double)tally.payload_bits / entropy_bits(&counts);
    print_message("%s: %.4f bits a symbol, %.3f %% over entropy\n", name, (double)tally.payload_bits / N,
                  100 * (ratio - 1));
    ent_free(symbols);
    ent_counts_free(&counts);
    return ratio - 1;
}

static void rans_is_within_2_in_1000(void **state)
{
    (void)state;
    assert_close(overhead("rans", NULL, 0), 0.001, 0.001);
}

static void arithmetic_is_within_2_in_1000(void **state)
{
    (void)state;
    assert_close(overhead("arithmetic", NULL, 0), 0.001, 0.001);
}

static void tans_is_within_a_percent(void **state)
{
    (void)state;
    assert_close(overhead("tans", NULL, 0), 0.005, 0.005);
}

/* ---- Huffman: exactly the optimum ----------------------------------------------------------- */

/* The least cost of a prefix code with no length over `limit`, by going down the tree: with `nodes`
 * free nodes at a depth and symbols `done` already given codes, commonest first, j nodes become leaves
 * and the others two nodes each; every level costs the weight of all symbols without a code. */
enum { MOST = 48 };

static uint64_t least_cost(const uint64_t *descending, int n, int limit)
{
    static uint64_t cost[MOST + 1][2 * MOST + 1], deeper[MOST + 1][2 * MOST + 1];
    uint64_t rest[MOST + 1] = { 0 };
    for (int i = n; i-- > 0;) rest[i] = rest[i + 1] + descending[i];
    for (int done = 0; done <= n; done++) /* at the limit everything left must be a leaf */
        for (int nodes = 0; nodes <= n; nodes++) deeper[done][nodes] = n - done <= nodes ? 0 : UINT64_MAX;
    for (int depth = limit; depth-- > 0; memcpy(deeper, cost, sizeof cost))
        for (int done = 0; done <= n; done++)
            for (int nodes = 0; nodes <= n; nodes++) {
                uint64_t best = done == n ? 0 : UINT64_MAX;
                for (int j = 0; done < n && j <= nodes && done + j <= n; j++) {
                    int next = 2 * (nodes - j) < n ? 2 * (nodes - j) : n; /* more nodes than symbols are no use */
                    uint64_t below = deeper[done + j][next];
                    if (below != UINT64_MAX && below + rest[done + j] < best) best = below + rest[done + j];
                }
                cost[done][nodes] = best;
            }
    return cost[0][1];
}

static int descending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Eight times the same symbols in one bit string take exactly the cost in bytes: nothing is rounded away. */
static void huffman_costs_the_least(const uint64_t *count, int n, unsigned limit)
{
    const ent_coder *coder = ent_coder_find("huffman");
    ent_coder_spec spec;
    uint64_t sorted[MOST], total = 0;
    for (int i = 0; i < n; i++) total += count[i];
    uint8_t *symbols = malloc((size_t)(8 * total)), *p = symbols;
    assert_non_null(symbols);
    for (int i = 0; i < n; i++) {
        memset(p, i, (size_t)(8 * count[i]));
        p += 8 * count[i];
    }
    memcpy(sorted, count, (size_t)n * sizeof *count);
    qsort(sorted, (size_t)n, sizeof *sorted, descending);
    assert_ok(ent_coder_spec_init(&spec, coder, (uint32_t)n));
    assert_ok(ent_coder_spec_set(&spec, "max", limit));
    assert_ok(ent_coder_spec_set(&spec, "streams", 1));
    ent_counts counts = { (uint32_t)n, (uint64_t *)(uintptr_t)count };
    ent_tally tally = coded(&spec, &counts, symbols, (size_t)(8 * total));
    unsigned least = 0;
    while (1 << least < n) least++;
    uint64_t expected = 8 * least_cost(sorted, n, (int)(limit < least ? least : limit)); /* a limit too low is raised */
    if (tally.payload_bits != expected || tally.index_bits)
        fail_msg("%d symbols, limit %u: %llu bits, least is %llu", n, limit, (unsigned long long)tally.payload_bits,
                 (unsigned long long)expected);
    free(symbols);
}

static void huffman_is_optimal_under_its_limit(void **state)
{
    (void)state;
    if (!ent_coder_find("huffman")) skip();
    ent_random r;
    ent_random_seed(&r, 22, 0);
    uint64_t count[MOST];
    for (int n = 2; n <= MOST; n = n * 3 / 2)
        for (unsigned limit = 1; limit <= 16; limit++)
            for (int shape = 0; shape < 3; shape++) {
                for (int i = 0; i < n; i++)
                    count[i] = shape == 0 ? 1 + (uint64_t)(5000 * pow(0.6, i)) : 1 + ent_random_below(&r, shape == 1 ? 5 : 500);
                huffman_costs_the_least(count, n, limit);
            }
    for (int i = 0; i < 20; i++) count[i] = i < 2 ? 1 : count[i - 1] + count[i - 2]; /* the deepest tree: 19 levels */
    for (unsigned limit = 5; limit <= 20; limit++) huffman_costs_the_least(count, 20, limit);
}

static void huffman_tables_are_small_and_keep_the_limit(void **state)
{
    (void)state;
    const ent_coder *coder = ent_coder_find("huffman");
    ent_coder_spec spec;
    ent_counts counts;
    ent_table *table;
    ent_buffer bytes = { 0 };
    if (!coder) skip();
    assert_ok(ent_coder_spec_init(&spec, coder, 256));
    ent_free(sample_make(SAMPLE_PEAKED, 256, N, 21, &counts));
    assert_ok(ent_table_train(&table, &spec, &counts, ENT_ENCODE));
    assert_ok(ent_table_write(table, &bytes));
    assert_true(bytes.size <= 20); /* half a byte a live symbol */
    ent_table_free(table);
    assert_ok(ent_coder_spec_set(&spec, "max", 6)); /* what 40 symbols need, and less than this table has */
    assert_status(ent_table_read(&table, &spec, (ent_bytes){ bytes.data, bytes.size }, ENT_DECODE), ENT_ECORRUPT);
    ent_free(bytes.data);
    ent_table_free(table);
    ent_counts_free(&counts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_under_entropy),
        cmocka_unit_test(rans_is_within_2_in_1000),
        cmocka_unit_test(arithmetic_is_within_2_in_1000),
        cmocka_unit_test(tans_is_within_a_percent),
        cmocka_unit_test(huffman_is_optimal_under_its_limit),
        cmocka_unit_test(huffman_tables_are_small_and_keep_the_limit),
    };
    return cmocka_run_group_tests_name("coder size", tests, NULL, NULL);
}
