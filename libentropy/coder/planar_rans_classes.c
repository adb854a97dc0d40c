/* planar_rans_classes.c - planar-rans with several tables: each segment of a block has the one that suits it best.
 *
 * Rows of a matrix differ in scale, so that less than the order-0 entropy of the tensor is enough where each row has
 * the table of its scale.  A state does not know the table that made it: at the end of a segment the decoder loads
 * other tables into its registers and goes on.  So classes cost no states, no strings and no order of their own, only
 * the numbers of the classes, some bits a segment.
 *
 * Training counts symbols apart by the mean symbol of their segment, its *level*, and puts levels together to classes
 * by k-means with the coded size as the distance (Lloyd's iteration with entropies, as in Chou, Lookabaugh and Gray
 * 1989); how many pay is tried.  Counts by level add up over blocks, threads and tensors as others do.  The encoder
 * does not look at levels: it takes what is cheapest for a segment. */
#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "coder/bitio.h"
#include "coder/planar_rans.h"

enum {
    CLASSES_PARAM = 0,
    SEGMENT_PARAM = 1,
    MOST_CLASSES = 16,
    UNIT = 256, /* symbols: a round has as many at most */
    LEVELS = ENT_MAX_ALPHABET / 256,
    LEVEL_STEPS = 8, /* of a level to a symbol's one; levels that are LEVELS steps apart are the same */
    ROUNDS = 16,     /* of k-means, at most: later ones gain next to nothing */
    UNSEEN_BITS = 20, /* of a symbol that a class does not have: a repair and what is coded in its stead */
    COST_ONE = 1024   /* of a bit, in costs */
};

typedef struct classes_table {
    uint32_t classes;
    planar_table table[MOST_CLASSES];
} classes_table;

typedef struct classes_encoder {
    uint32_t classes;
    uint32_t cost[256][MOST_CLASSES]; /* of a symbol */
    planar_encoder table[];
} classes_encoder;

typedef struct classes_decoder {
    uint32_t classes;
    planar_decoder table[];
} classes_decoder;

static size_t segment_of(const ent_coder_spec *spec) { return (size_t)spec->param[SEGMENT_PARAM] * UNIT; }

static size_t segments_of(const ent_coder_spec *spec, size_t n)
{
    return (n + segment_of(spec) - 1) / segment_of(spec);
}

/* ---- training ------------------------------------------------------------------------------- */

static uint32_t count_alphabet(const ent_coder_spec *spec) { return LEVELS * spec->alphabet; }

static ent_status count_segment(const ent_coder_spec *spec, const uint8_t *symbols, size_t n, ent_counts *counts)
{
    uint64_t count[256] = { 0 }, sum = 0;
    ent_counts own = { spec->alphabet, count };
    ent_status status = ent_counts_add(&own, symbols, 1, n);
    if (status) return status;
    for (uint32_t s = 0; s < spec->alphabet; s++) sum += s * count[s];
    uint64_t *to = counts->count + LEVEL_STEPS * sum / n % LEVELS * spec->alphabet;
    for (uint32_t s = 0; s < spec->alphabet; s++) to[s] += count[s];
    return ENT_OK;
}

static ent_status count(const ent_coder_spec *spec, const void *symbols, size_t n, ent_counts *counts)
{
    const size_t segment = segment_of(spec);
    ent_status status = ENT_OK;
    for (size_t i = 0; i < n && !status; i += segment)
        status = count_segment(spec, (const uint8_t *)symbols + i, n - i < segment ? n - i : segment, counts);
    return status;
}

typedef struct clusters {
    uint32_t alphabet, levels, classes;
    const uint64_t *count[LEVELS]; /* of each level that occurs */
    uint64_t total[LEVELS], all;
    uint8_t class[LEVELS];
    uint64_t sum[MOST_CLASSES][256];
    double bits[MOST_CLASSES][256]; /* of a symbol in a class */
} clusters;

static void find_levels(clusters *c, const ent_counts *counts)
{
    for (uint32_t at = 0; at < counts->alphabet; at += c->alphabet) {
        uint64_t total = ent_counts_total(&(ent_counts){ c->alphabet, counts->count + at });
        if (!total) continue;
        c->count[c->levels] = counts->count + at;
        c->total[c->levels++] = total;
        c->all += total;
    }
}

static void sum_classes(clusters *c)
{
    memset(c->sum, 0, sizeof c->sum);
    for (uint32_t i = 0; i < c->levels; i++)
        for (uint32_t s = 0; s < c->alphabet; s++) c->sum[c->class[i]][s] += c->count[i][s];
}

static void price_symbols(clusters *c)
{
    for (uint32_t k = 0; k < c->classes; k++) {
        double total = (double)ent_counts_total(&(ent_counts){ c->alphabet, c->sum[k] });
        for (uint32_t s = 0; s < c->alphabet; s++)
            c->bits[k][s] = c->sum[k][s] ? log2(total / (double)c->sum[k][s]) : UNSEEN_BITS;
    }
}

static uint8_t nearest_class(const clusters *c, uint32_t level)
{
    uint8_t best = 0;
    double least = INFINITY;
    for (uint32_t k = 0; k < c->classes; k++) {
        double bits = 0;
        for (uint32_t s = 0; s < c->alphabet; s++) bits += (double)c->count[level][s] * c->bits[k][s];
        if (bits >= least) continue;
        least = bits;
        best = (uint8_t)k;
    }
    return best;
}

/* Begins with runs of levels of equally many symbols. */
static void cluster(clusters *c, uint32_t classes)
{
    uint64_t before = 0;
    bool moved = true;
    c->classes = classes;
    for (uint32_t i = 0; i < c->levels; before += c->total[i++])
        c->class[i] = (uint8_t)((double)before / (double)c->all * classes);
    sum_classes(c);
    for (int round = 0; moved && round < ROUNDS; round++) {
        moved = false;
        price_symbols(c);
        for (uint32_t i = 0; i < c->levels; i++) {
            uint8_t class = nearest_class(c, i);
            moved |= class != c->class[i];
            c->class[i] = class;
        }
        sum_classes(c);
    }
}

/* A table for each class that has symbols, and what all take. */
static ent_status fit_tables(clusters *c, size_t segment, classes_table *t, double *bits)
{
    ent_status status = ENT_OK;
    *bits = 0;
    t->classes = 0;
    for (uint32_t k = 0; k < c->classes && !status; k++) {
        double own;
        const ent_counts counts = { c->alphabet, c->sum[k] };
        if (!ent_counts_total(&counts)) continue;
        status = ent_planar_train_whole(&counts, &t->table[t->classes++], &own);
        *bits += own;
    }
    *bits += (double)c->all / (double)segment * log2(t->classes);
    return status;
}

static ent_status train(const ent_coder_spec *spec, const ent_counts *counts, void *table)
{
    const uint32_t most = spec->param[CLASSES_PARAM];
    classes_table *trial = ent_calloc(1, sizeof *trial);
    clusters *c = ent_calloc(1, sizeof *c);
    double bits, best = INFINITY;
    ent_status status = c && trial ? ENT_OK : ENT_ENOMEM;
    if (!status) {
        c->alphabet = spec->alphabet;
        find_levels(c, counts);
    }
    for (uint32_t classes = 1; !status; classes = 2 * classes < most ? 2 * classes : most) {
        memset(trial, 0, sizeof *trial);
        cluster(c, classes);
        status = fit_tables(c, segment_of(spec), trial, &bits);
        if (!status && bits < best) {
            best = bits;
            memcpy(table, trial, sizeof *trial);
        }
        if (classes == most) break;
    }
    ent_free(trial);
    ent_free(c);
    return status;
}

/* ---- tables --------------------------------------------------------------------------------- */

static size_t table_size(const ent_coder_spec *spec)
{
    (void)spec;
    return sizeof(classes_table);
}

static ent_status write_table(const ent_coder_spec *spec, const void *table, ent_buffer *out)
{
    const classes_table *t = table;
    ent_buffer one = { NULL, 0, 0 };
    ent_status status = ent_buffer_reserve(out, out->size + 1);
    if (!status) out->data[out->size++] = (uint8_t)t->classes;
    for (uint32_t k = 0; k < t->classes && !status; k++) {
        one.size = 0;
        if ((status = ent_planar_write_table(spec, &t->table[k], &one))) break;
        if ((status = ent_buffer_reserve(out, out->size + one.size + 10))) break;
        out->size += ent_varint_put(out->data + out->size, one.size);
        memcpy(out->data + out->size, one.data, one.size);
        out->size += one.size;
    }
    ent_free(one.data);
    return status;
}

static ent_status read_table(const ent_coder_spec *spec, ent_bytes in, void *table)
{
    classes_table *t = table;
    if (!in.size || !in.data[0] || in.data[0] > spec->param[CLASSES_PARAM]) return ENT_ECORRUPT;
    t->classes = in.data[0];
    size_t at = 1;
    for (uint32_t k = 0; k < t->classes; k++) {
        uint64_t size;
        size_t used = ent_varint_get(in.data + at, in.size - at, &size);
        if (!used || size > in.size - at - used) return ENT_ECORRUPT;
        at += used;
        ent_status status = ent_planar_read_table(spec, (ent_bytes){ in.data + at, (size_t)size }, &t->table[k]);
        if (status || t->table[k].low) return ENT_ECORRUPT;
        at += (size_t)size;
    }
    return at == in.size ? ENT_OK : ENT_ECORRUPT;
}

static size_t encoder_size(const ent_coder_spec *spec, const void *table)
{
    (void)spec;
    return sizeof(classes_encoder) + ((const classes_table *)table)->classes * sizeof(planar_encoder);
}

static uint32_t price(const planar_encoder *e, uint32_t s)
{
    const uint32_t repair = 16;
    uint32_t f = e->frequency[s] & (PLANAR_MISSING - 1), cost = (uint32_t)lround(COST_ONE * (8 - log2(f)));
    if (e->frequency[s] & PLANAR_MISSING) cost += COST_ONE * (e->name[s] == PLANAR_LISTED ? repair + 8 : repair);
    return cost;
}

static void build_encoder(const ent_coder_spec *spec, const void *table, void *encoder)
{
    const classes_table *t = table;
    classes_encoder *e = encoder;
    e->classes = t->classes;
    for (uint32_t k = 0; k < t->classes; k++) {
        ent_planar_build_encoder(spec, &t->table[k], &e->table[k]);
        for (uint32_t s = 0; s < 256; s++) e->cost[s][k] = price(&e->table[k], s);
    }
}

static size_t decoder_size(const ent_coder_spec *spec, const void *table)
{
    (void)spec;
    return sizeof(classes_decoder) + ((const classes_table *)table)->classes * sizeof(planar_decoder);
}

static void build_decoder(const ent_coder_spec *spec, const void *table, void *decoder)
{
    const classes_table *t = table;
    classes_decoder *d = decoder;
    d->classes = t->classes;
    for (uint32_t k = 0; k < t->classes; k++) ent_planar_build_decoder(spec, &t->table[k], &d->table[k]);
}

/* ---- blocks --------------------------------------------------------------------------------- */

static size_t bytes_of(size_t segments, uint32_t classes) { return (segments * ent_bits_for(classes) + 7) / 8; }

/* A segment has at most 2^13 symbols of a cost of 2^15 at most. */
static uint8_t cheapest_class(const classes_encoder *e, const uint8_t *symbols, size_t n)
{
    enum { APART = 4 }; /* neighbours are often the same symbol, whose count would have to wait for itself */
    uint32_t count[APART][256] = { { 0 } }, cost[MOST_CLASSES] = { 0 };
    uint8_t best = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t eight = ent_load64(symbols + i);
        for (unsigned k = 0; k < 8; k++) count[k % APART][eight >> 8 * k & 255]++;
    }
    for (; i < n; i++) count[0][symbols[i]]++;
    for (uint32_t s = 0; s < 256; s++) {
        uint32_t all = count[0][s] + count[1][s] + count[2][s] + count[3][s];
        if (!all) continue; /* most are not there */
        for (uint32_t k = 0; k < MOST_CLASSES; k++) cost[k] += all * e->cost[s][k];
    }
    for (uint32_t k = 1; k < e->classes; k++)
        if (cost[k] < cost[best]) best = (uint8_t)k;
    return best;
}

static void put_classes(const uint8_t *of, size_t segments, uint32_t classes, uint8_t *out)
{
    ent_bit_writer w = { .next = out };
    for (size_t i = 0; i < segments; i++) ent_bits_put(&w, of[i], ent_bits_for(classes));
    ent_bits_flush(&w);
}

static bool get_classes(ent_bytes in, size_t segments, uint32_t classes, uint8_t *of)
{
    ent_bit_reader r = { .in = in };
    bool good = true;
    for (size_t i = 0; i < segments; i++) {
        of[i] = (uint8_t)ent_bits_get(&r, ent_bits_for(classes));
        good &= of[i] < classes;
    }
    return good && ent_bits_end(&r);
}

static size_t bound(const ent_coder_spec *spec, size_t n)
{
    return bytes_of(segments_of(spec, n), spec->param[CLASSES_PARAM]) + ent_planar_bound(n);
}

static size_t encode_work(const ent_coder_spec *spec, size_t n)
{
    return ent_planar_encode_work(n) + segments_of(spec, n);
}

static ent_status encode(const ent_coder_spec *spec, const void *encoder, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    const classes_encoder *e = encoder;
    const size_t segments = segments_of(spec, n), segment = segment_of(spec), bytes = bytes_of(segments, e->classes);
    uint8_t *of = (uint8_t *)work + ent_planar_encode_work(n);
    for (size_t i = 0, at = 0; i < segments; i++, at += segment)
        of[i] = cheapest_class(e, (const uint8_t *)symbols + at, n - at < segment ? n - at : segment);
    put_classes(of, segments, e->classes, out);
    const planar_classes classes = { segment, of };
    ent_status status = ent_planar_encode(spec, e->table, &classes, symbols, n, out + bytes, size, tally, work);
    *size += bytes;
    tally->payload_bits += 8 * (uint64_t)bytes;
    return status;
}

/* Takes the classes off the front of a code. */
static bool take_classes(const ent_coder_spec *spec, const classes_decoder *d, ent_bytes *in, size_t n, uint8_t *of)
{
    const size_t segments = segments_of(spec, n), bytes = bytes_of(segments, d->classes);
    if (in->size < bytes || !get_classes((ent_bytes){ in->data, bytes }, segments, d->classes, of)) return false;
    in->data += bytes;
    in->size -= bytes;
    return true;
}

static ent_status decode(const ent_coder_spec *spec, const void *decoder, ent_bytes in, void *symbols, size_t n,
                         void *work)
{
    const classes_decoder *d = decoder;
    const planar_classes classes = { segment_of(spec), work };
    if (!take_classes(spec, d, &in, n, work)) return ENT_ECORRUPT;
    return ent_planar_decode(spec, d->table, &classes, in, symbols, n);
}

static ent_status decode_words(const ent_coder_spec *spec, const void *decoder, ent_bytes in, const ent_join *join,
                               void *words, size_t n, void *work)
{
    const classes_decoder *d = decoder;
    const planar_classes classes = { segment_of(spec), work };
    if (!take_classes(spec, d, &in, n, work)) return ENT_ECORRUPT;
    return ent_planar_decode_words(spec, d->table, &classes, in, join, words, n);
}

const ent_coder ent_coder_planar_rans_classes = {
    .name = "planar-rans-classes",
    .brief = "planar-rans, a table for each class of rows",
    .cite = "chou1989",
    .id = 12,
    .max_alphabet = 256,
    .param = {
        [CLASSES_PARAM] = { "classes", "tables, at most", 1, MOST_CLASSES, 8 },
        [SEGMENT_PARAM] = { "segment", "symbols of one class, / 256: a row, or a part of one", 1, 32, 4 },
    },
    .ops = { .lookups = 1, .multiplies = 1, .simple = 14, .branches = 0, .chain = 10, .lanes = PLANAR_STATES,
            .vector32 = { 2.31, 4.39, 1, 0 }, .vector64 = { 0.5, 1.07, 0, 0 } }, /* planar-rans's loops */
    .count_alphabet = count_alphabet,
    .count = count,
    .table_size = table_size,
    .train = train,
    .write_table = write_table,
    .read_table = read_table,
    .encoder_size = encoder_size,
    .build_encoder = build_encoder,
    .decoder_size = decoder_size,
    .build_decoder = build_decoder,
    .bound = bound,
    .encode_work = encode_work,
    .decode_work = segments_of,
    .encode = encode,
    .decode = decode,
    .decode_words = decode_words,
};
