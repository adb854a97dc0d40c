/* planar_rans_table.c - the model of planar-rans: which symbols it keeps, their slots, the look-up tables.
 *
 * 256 slots are few: a symbol that occurs once in 2000 costs more by the slot that it takes from
 * the others than by being left out and repaired.  Which ones are kept is chosen by counted cost.
 *
 * For many common symbols they are too few: 8-bit codes of weights cost 4 % more than their entropy.  Next to
 * each other such symbols are about equally common, so that the lowest bits of them lose nothing by being
 * stored as they are (for a normal distribution of deviation d, in steps of w, about 0.06 (w / d)^2 bits). */
#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "coder/planar_rans.h"

enum {
    LOG2_SLOTS = 8,
    REPAIR_BITS = 16,
    ENTRY_BITS = 16,
    LOW_WORTH = 256, /* what is slower to decode must save one part in so many */
    FEW = 64,        /* symbols, for which the slots do */
    LEAST_LEFT = 8,  /* symbols, when low bits are cut off */
    LOW_FOLLOWS = 0  /* first byte of a table with low bits: no other table begins with it */
};

size_t ent_planar_table_size(const ent_coder_spec *spec)
{
    (void)spec;
    return sizeof(planar_table);
}

/* ---- training ------------------------------------------------------------------------------- */

typedef struct ranking { /* live symbols, commonest first, ties by value */
    uint32_t live;
    uint8_t symbol[256];
    uint64_t count[256];
} ranking;

static void rank_symbols(const ent_counts *counts, ranking *r)
{
    r->live = 0;
    for (uint32_t s = 0; s < counts->alphabet; s++) {
        uint64_t c = counts->count[s];
        uint32_t at = r->live;
        if (!c) continue;
        for (; at && r->count[at - 1] < c; at--) {
            r->count[at] = r->count[at - 1];
            r->symbol[at] = r->symbol[at - 1];
        }
        r->count[at] = c;
        r->symbol[at] = (uint8_t)s;
        r->live++;
    }
}

/* Slots for the `kept` commonest symbols; adds the coded size in bits. */
static ent_status fit(const ranking *r, uint32_t kept, uint32_t frequency[256], double *bits)
{
    uint64_t count[256], left_out = 0;
    for (uint32_t i = kept; i < r->live; i++) left_out += r->count[i];
    memcpy(count, r->count, kept * sizeof *count);
    count[0] += left_out; /* the commonest is coded in their stead */
    ent_counts model = { kept, count };
    ent_status status = ent_normalize(&model, LOG2_SLOTS, PLANAR_CAP, frequency);
    if (status) return status;
    *bits = (double)left_out * REPAIR_BITS + (double)kept * ENTRY_BITS;
    for (uint32_t i = 0; i < kept; i++) *bits += (double)count[i] * (LOG2_SLOTS - log2(frequency[i]));
    return ENT_OK;
}

/* The cheapest number of symbols to keep, by walking up and down from a guess while that gains. */
static ent_status choose(const ranking *r, uint32_t *kept, uint32_t frequency[256], double *best)
{
    const uint32_t least = 3; /* fewer than three cannot fill the slots */
    uint64_t total = 0;
    double bits;
    uint32_t trial[256], m = 0;
    for (uint32_t i = 0; i < r->live; i++) total += r->count[i];
    while (m < r->live && r->count[m] >= total >> 10) m++;
    *kept = m < least ? least : m;
    ent_status status = fit(r, *kept, frequency, best);
    for (int step = 1; step >= -1 && !status; step -= 2)
        for (m = *kept + (uint32_t)step; m >= least && m <= r->live; m += (uint32_t)step) {
            if ((status = fit(r, m, trial, &bits)) || bits >= *best) break;
            *best = bits;
            *kept = m;
            memcpy(frequency, trial, sizeof trial);
        }
    return status;
}

static void sort_entries(planar_table *t)
{
    for (uint32_t i = 1; i < t->entries; i++) {
        uint8_t s = t->symbol[i], f = t->frequency[i];
        uint32_t at = i;
        for (; at && t->symbol[at - 1] > s; at--) {
            t->symbol[at] = t->symbol[at - 1];
            t->frequency[at] = t->frequency[at - 1];
        }
        t->symbol[at] = s;
        t->frequency[at] = f;
    }
}

ent_status ent_planar_train_whole(const ent_counts *counts, planar_table *t, double *bits)
{
    ranking r;
    uint32_t kept, frequency[256] = { PLANAR_CAP, PLANAR_CAP, PLANAR_SLOTS - 2 * PLANAR_CAP };
    rank_symbols(counts, &r);
    t->entries = kept = 3;
    *bits = 0;
    if (r.live >= 3) {
        ent_status status = choose(&r, &kept, frequency, bits);
        if (status) return status;
        t->entries = kept;
    } else { /* one or two symbols: the commonest fills what is left */
        for (kept = r.live; r.live < 3; r.live++) r.symbol[r.live] = r.symbol[0];
    }
    for (uint32_t i = 0; i < t->entries; i++) {
        t->symbol[i] = r.symbol[i];
        t->frequency[i] = (uint8_t)frequency[i];
    }
    sort_entries(t);
    t->listed = r.live - t->entries < PLANAR_LISTED ? r.live - t->entries : PLANAR_LISTED;
    memcpy(t->list, r.symbol + t->entries, t->listed);
    return ENT_OK;
}

ent_status ent_planar_train(const ent_coder_spec *spec, const ent_counts *counts, void *table)
{
    static const uint8_t lows[] = { 4, 2, 3 }; /* fast ones first */
    planar_table *t = table, trial;
    double best, bits;
    uint64_t upper[256], total = ent_counts_total(counts);
    ent_status status = ent_planar_train_whole(counts, t, &best);
    if (status || ent_counts_live(counts) <= FEW) return status;
    for (size_t i = 0; i < sizeof lows; i++) {
        uint32_t low = lows[i];
        if (spec->alphabet % (1u << low) || spec->alphabet >> low < LEAST_LEFT) continue;
        memset(upper, 0, sizeof upper);
        for (uint32_t s = 0; s < spec->alphabet; s++) upper[s >> low] += counts->count[s];
        trial = (planar_table){ .low = low };
        status = ent_planar_train_whole(&(ent_counts){ spec->alphabet >> low, upper }, &trial, &bits);
        if (status) return status;
        bits += (double)total * low;
        if (bits >= best - best / LOW_WORTH) continue;
        best = bits;
        *t = trial;
    }
    return ENT_OK;
}

/* ---- as bytes ------------------------------------------------------------------------------- */

ent_status ent_planar_write_table(const ent_coder_spec *spec, const void *table, ent_buffer *out)
{
    (void)spec;
    const planar_table *t = table;
    ent_status status = ent_buffer_reserve(out, out->size + 3 + 2 * PLANAR_SLOTS + PLANAR_LISTED);
    if (status) return status;
    uint8_t *p = out->data + out->size;
    if (t->low) {
        *p++ = LOW_FOLLOWS;
        *p++ = (uint8_t)t->low;
    }
    *p++ = (uint8_t)(t->entries - 1);
    for (uint32_t i = 0; i < t->entries; i++) {
        *p++ = t->symbol[i];
        *p++ = t->frequency[i];
    }
    memcpy(p, t->list, t->listed);
    out->size = (size_t)(p + t->listed - out->data);
    return ENT_OK;
}

static bool has_entry(const planar_table *t, uint8_t symbol)
{
    return memchr(t->symbol, symbol, t->entries) != NULL;
}

/* Takes the low bits off a table that has them. */
static bool take_low(const ent_coder_spec *spec, ent_bytes *in, planar_table *t)
{
    if (in->size < 2 || in->data[0] != LOW_FOLLOWS) return true;
    t->low = in->data[1];
    in->data += 2;
    in->size -= 2;
    return t->low >= PLANAR_LOW_LEAST && t->low <= PLANAR_LOW_MOST && spec->alphabet % (1u << t->low) == 0;
}

ent_status ent_planar_read_table(const ent_coder_spec *spec, ent_bytes in, void *table)
{
    planar_table *t = table;
    uint32_t sum = 0;
    if (!take_low(spec, &in, t) || !in.size) return ENT_ECORRUPT;
    const uint32_t alphabet = spec->alphabet >> t->low;
    t->entries = in.data[0] + 1u;
    if (in.size < 1 + 2 * t->entries || in.size - 1 - 2 * t->entries > PLANAR_LISTED) return ENT_ECORRUPT;
    for (uint32_t i = 0; i < t->entries; i++) {
        uint8_t s = t->symbol[i] = in.data[1 + 2 * i], f = t->frequency[i] = in.data[2 + 2 * i];
        if (s >= alphabet || (i && s < t->symbol[i - 1]) || f < 1 || f > PLANAR_CAP) return ENT_ECORRUPT;
        sum += f;
    }
    if (sum != PLANAR_SLOTS) return ENT_ECORRUPT;
    const uint8_t *list = in.data + 1 + 2 * t->entries;
    for (t->listed = 0; list < in.data + in.size; list++) {
        if (*list >= alphabet || has_entry(t, *list) || memchr(t->list, *list, t->listed)) return ENT_ECORRUPT;
        t->list[t->listed++] = *list;
    }
    return ENT_OK;
}

/* A left-out symbol is coded as the commonest and repaired. */
double ent_planar_price(const ent_coder_spec *spec, const void *table, uint32_t symbol)
{
    (void)spec;
    const planar_table *t = table;
    const uint8_t s = (uint8_t)(symbol >> t->low);
    uint8_t own = 0, most = 0;
    for (uint32_t i = 0; i < t->entries; i++) {
        if (t->frequency[i] > most) most = t->frequency[i];
        if (t->symbol[i] == s && t->frequency[i] > own) own = t->frequency[i];
    }
    if (own) return t->low + LOG2_SLOTS - log2(own);
    return t->low + LOG2_SLOTS - log2(most) + REPAIR_BITS + (memchr(t->list, s, t->listed) ? 0 : 8);
}

/* ---- slots ---------------------------------------------------------------------------------- */

typedef struct place { /* slot: the r-th of an entry */
    uint8_t entry, rank;
} place;

/* The slots of an entry lie evenly among the 256: slot t goes to the t-th smallest (2r + 1) / f, so
 * that a state's growth by 256 / f is met closely even for small states (consecutive slots cost
 * 0.3 % more on exponents).  Two different keys are at least 1 / (127 * 126) apart, so that 15 bits
 * after the point keep their order, and equal ones equal. */
static void spread(const planar_table *t, place slot[PLANAR_SLOTS])
{
    uint16_t start[PLANAR_SLOTS + 1] = { 0 };
    struct { uint16_t key; place place; } item[PLANAR_SLOTS];
    for (int pass = 0; pass < 2; pass++) { /* a counting sort by the upper bits, stable */
        for (uint32_t e = 0; e < t->entries; e++)
            for (uint32_t r = 0; r < t->frequency[e]; r++) {
                uint32_t key = ((2 * r + 1) << 15) / t->frequency[e], bucket = key >> 8;
                if (!pass) {
                    start[bucket + 1]++;
                    continue;
                }
                item[start[bucket]].key = (uint16_t)key;
                item[start[bucket]++].place = (place){ (uint8_t)e, (uint8_t)r };
            }
        for (uint32_t b = 0; !pass && b < PLANAR_SLOTS; b++) start[b + 1] = (uint16_t)(start[b + 1] + start[b]);
    }
    for (uint32_t i = 0; i < PLANAR_SLOTS; i++) { /* then each to its place among its few neighbours */
        uint32_t at = i;
        uint16_t key = item[i].key;
        place moved = item[i].place;
        for (; at && item[at - 1].key > key; at--) item[at] = item[at - 1];
        item[at].key = key;
        item[at].place = moved;
    }
    for (uint32_t i = 0; i < PLANAR_SLOTS; i++) slot[i] = item[i].place;
}

/* ---- look-up tables -------------------------------------------------------------------------- */

size_t ent_planar_encoder_size(const ent_coder_spec *spec, const void *table)
{
    (void)spec, (void)table;
    return sizeof(planar_encoder);
}

static void enter(planar_encoder *e, uint32_t symbol, uint32_t frequency, uint32_t first)
{
    uint32_t r = (65536 + frequency - 1) / frequency;
    if (r > 65535) r = 65535;
    e->frequency[symbol] = (uint8_t)frequency;
    e->first[symbol] = (uint8_t)first;
    e->reciprocal_low[symbol] = (uint8_t)r;
    e->reciprocal_high[symbol] = (uint8_t)(r >> 8);
    e->reciprocal[symbol] = ((1u << 22) + frequency - 1) / frequency;
}

void ent_planar_build_encoder(const ent_coder_spec *spec, const void *table, void *encoder)
{
    (void)spec;
    const planar_table *t = table;
    planar_encoder *e = encoder;
    uint32_t first[PLANAR_SLOTS], sum = 0, common = 0;
    place slot[PLANAR_SLOTS];
    for (uint32_t i = 0; i < t->entries; sum += t->frequency[i++]) {
        first[i] = sum;
        if (t->frequency[i] > t->frequency[common]) common = i;
    }
    for (uint32_t s = 0; s < 256; s++) {
        enter(e, s, t->frequency[common], first[common]);
        e->frequency[s] |= PLANAR_MISSING;
        e->name[s] = PLANAR_LISTED;
    }
    for (uint32_t i = 0; i < t->entries; i++) { /* of several entries of one symbol the largest is used */
        uint32_t s = t->symbol[i];
        bool missing = e->frequency[s] & PLANAR_MISSING;
        if (missing || e->frequency[s] < t->frequency[i]) enter(e, s, t->frequency[i], first[i]);
    }
    e->low = t->low;
    for (uint32_t s = 0; s < 256; s++)
        e->packed[s] = e->frequency[s] | (uint32_t)e->first[s] << 8 | (uint32_t)e->reciprocal_low[s] << 16 |
                       (uint32_t)e->reciprocal_high[s] << 24;
    for (uint32_t i = 0; i < t->listed; i++) e->name[t->list[i]] = (uint8_t)i;
    spread(t, slot);
    for (uint32_t i = 0; i < PLANAR_SLOTS; i++) e->slot[first[slot[i].entry] + slot[i].rank] = (uint8_t)i;
}

size_t ent_planar_decoder_size(const ent_coder_spec *spec, const void *table)
{
    (void)spec, (void)table;
    return sizeof(planar_decoder);
}

void ent_planar_build_decoder(const ent_coder_spec *spec, const void *table, void *decoder)
{
    (void)spec;
    const planar_table *t = table;
    planar_decoder *d = decoder;
    place slot[PLANAR_SLOTS];
    spread(t, slot);
    for (uint32_t i = 0; i < PLANAR_SLOTS; i++) {
        uint32_t entry = slot[i].entry;
        d->symbol[i] = t->symbol[entry];
        d->frequency[i] = t->frequency[entry];
        d->rank[i] = slot[i].rank;
        d->packed[i] = d->frequency[i] | (uint32_t)d->rank[i] << 8 | (uint32_t)d->symbol[i] << 16;
    }
    d->narrow = true;
    for (uint32_t i = 0; i < t->entries; i++) {
        uint8_t *f = &d->by_symbol[t->symbol[i] % 64];
        if (*f && *f != t->frequency[i]) d->narrow = false;
        *f = t->frequency[i];
    }
    d->low = t->low;
    d->listed = t->listed;
    memcpy(d->list, t->list, sizeof d->list);
}
