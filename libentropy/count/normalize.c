/* normalize.c - counts to integer frequencies, at the least coded size.
 *
 * The cost sum c[s] log2(T / f[s]) is separable and convex in f, so a solution is optimal exactly
 * when no single slot saves more elsewhere than where it is.  We start from rounded shares, which
 * are off by some slots, and move slots one by one by a heap of marginal costs. */
#include <math.h>

#include <entropy/count.h>

typedef struct { double key; uint32_t symbol; } entry; /* heap: smallest key first, then smallest symbol */

static bool before(entry a, entry b) { return a.key < b.key || (a.key == b.key && a.symbol < b.symbol); }

static void sift(entry *heap, size_t n, size_t i)
{
    entry moved = heap[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(heap[child + 1], heap[child])) child++;
        if (!before(heap[child], moved)) break;
        heap[i] = heap[child];
    }
    heap[i] = moved;
}

/* What the coded size grows by when symbol s goes from f to f - 1 slots, or shrinks by (negative)
 * when it goes from f to f + 1: a key for "take" and for "give". */
static double take_key(uint64_t count, uint32_t f) { return f <= 1 ? INFINITY : -(double)count * log1p(-1.0 / f); }
static double give_key(uint64_t count, uint32_t f, uint32_t cap)
{
    return f >= cap ? INFINITY : -(double)count * log1p(1.0 / f);
}

static double key_of(const ent_counts *counts, uint32_t s, uint32_t f, uint32_t cap, bool take)
{
    return take ? take_key(counts->count[s], f) : give_key(counts->count[s], f, cap);
}

static void fill(entry *heap, size_t live, const ent_counts *counts, const uint32_t *freq, uint32_t cap, bool take)
{
    size_t n = 0;
    for (uint32_t s = 0; s < counts->alphabet; s++)
        if (counts->count[s]) heap[n++] = (entry){ key_of(counts, s, freq[s], cap, take), s };
    for (size_t i = live / 2; i-- > 0;) sift(heap, live, i);
}

static void move_slots(entry *heap, size_t live, const ent_counts *counts, uint32_t *freq, uint32_t cap, bool take, uint64_t slots)
{
    fill(heap, live, counts, freq, cap, take);
    for (; slots; slots--) {
        uint32_t s = heap[0].symbol;
        freq[s] += take ? UINT32_MAX : 1;
        heap[0].key = key_of(counts, s, freq[s], cap, take);
        sift(heap, live, 0);
    }
}

ent_status ent_normalize(const ent_counts *counts, unsigned log2_total, uint32_t cap, uint32_t *freq)
{
    uint64_t total = ent_counts_total(counts), slots = (uint64_t)1 << log2_total, given = 0;
    uint32_t live = ent_counts_live(counts);
    if (log2_total > 24) return ENT_EINVAL;
    if (cap == 0) cap = (uint32_t)slots;
    if (!total || live > slots || (uint64_t)live * cap < slots) return ENT_EINVAL;
    double share = (double)slots / (double)total;
    for (uint32_t s = 0; s < counts->alphabet; s++) {
        double wanted = floor((double)counts->count[s] * share + 0.5);
        freq[s] = !counts->count[s] ? 0 : wanted < 1 ? 1 : wanted > cap ? cap : (uint32_t)wanted;
        given += freq[s];
    }
    entry *heap = ent_alloc(live * sizeof *heap);
    if (!heap) return ENT_ENOMEM;
    /* The rounded start with the sum put right is optimal but for a few slots: exchange those too.
     * Each round takes the cheapest slot and gives it to the neediest symbol while that gains. */
    if (given > slots) move_slots(heap, live, counts, freq, cap, true, given - slots);
    if (given < slots) move_slots(heap, live, counts, freq, cap, false, slots - given);
    entry *giving = ent_alloc(live * sizeof *giving);
    if (!giving) {
        ent_free(heap);
        return ENT_ENOMEM;
    }
    for (bool moved = true; moved;) {
        /* rebuilt each round: a taken symbol's give key changes as well, and rounds are few */
        moved = false;
        fill(heap, live, counts, freq, cap, true);
        fill(giving, live, counts, freq, cap, false);
        for (uint32_t k = 0; k < live; k++) {
            uint32_t from = heap[0].symbol, to = giving[0].symbol;
            if (from == to || !(heap[0].key + giving[0].key < -1e-9 * (double)total)) break;
            freq[from]--;
            freq[to]++;
            heap[0].key = take_key(counts->count[from], freq[from]);
            giving[0].key = give_key(counts->count[to], freq[to], cap);
            sift(heap, live, 0);
            sift(giving, live, 0);
            moved = true;
        }
    }
    ent_free(giving);
    ent_free(heap);
    return ENT_OK;
}
