/* cam.c - the content-addressed Huffman decoder of cam.h, one cycle at a time.
 *
 * The banks are written from the coder's own canonical codes, first bit first.  What a decoder sees of its bank
 * is what has been moved into its register: the simulation keeps the number of those bits and looks at no others. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <entropy/cam.h>

#include "base/bits.h"
#include "coder/huffman_code.h"

typedef struct cam_entry { /* code: at the top of 32 bits */
    uint32_t code, mask, symbol, length;
} cam_entry;

typedef struct cam_stream {
    uint32_t width;       /* bytes of a symbol */
    uint32_t live;
    cam_entry *entry;     /* [live], shortest codes first: the first `held` are in the table */
    uint32_t held;
    uint32_t *by_symbol;  /* [alphabet]: index of its entry */
    uint8_t *bank;
    uint64_t bank_bits, moved, taken; /* bits: in the bank, moved to the register so far, decoded so far */
    uint32_t walked;      /* bits of a code that is not in the table */
    bool done;            /* with this weight */
} cam_stream;

/* ---- the table and the bank ------------------------------------------------------------------- */

static int shorter(const void *a, const void *b)
{
    const cam_entry *x = a, *y = b;
    if (x->length != y->length) return x->length < y->length ? -1 : 1;
    return x->symbol < y->symbol ? -1 : 1;
}

static void assign_codes(cam_stream *s, const ent_coder_spec *spec, const ent_huffman_lengths *t)
{
    ent_huffman_canon canon;
    uint32_t n = 0;
    ent_huffman_canonical(spec, t, &canon);
    for (uint32_t i = 0; i < spec->alphabet; i++)
        if (t->live == 1 ? i == t->only : t->length[i] > 0)
            s->entry[n++] = (cam_entry){ .symbol = i, .length = t->length[i] };
    qsort(s->entry, n, sizeof *s->entry, shorter);
    for (uint32_t i = 0; i < n; i++) {
        cam_entry *e = &s->entry[i];
        s->by_symbol[e->symbol] = i;
        if (!e->length) continue; /* the only symbol: it always matches */
        e->code = (uint32_t)(canon.first[e->length]++ << (32 - e->length));
        e->mask = UINT32_MAX << (32 - e->length);
    }
}

/* How many of the codes, shortest first, the table takes.  Refills are whole, so a register may never hold
 * more than register_bits - refill_bits + 1 bits: longer codes could wait for ever. */
static uint32_t held(const cam_stream *s, const ent_cam *cam)
{
    uint32_t n = 0, most = cam->register_bits - cam->refill_bits + 1;
    if (cam->longest < most) most = cam->longest;
    while (n < s->live && n < cam->entries && s->entry[n].length <= most) n++;
    return n;
}

/* The codes of a trained table, in the form in which it is stored. */
static ent_status read_codes(cam_stream *s, const ent_cam *cam, const ent_table *table)
{
    const ent_coder_spec *spec = ent_table_spec(table);
    ent_buffer bytes = { 0 };
    ent_huffman_lengths *lengths = ent_calloc(1, ent_huffman_table_size(spec));
    ent_status status = lengths ? ent_table_write(table, &bytes) : ENT_ENOMEM;
    if (!status) status = ent_huffman_read(spec, (ent_bytes){ bytes.data, bytes.size }, lengths);
    if (!status) {
        s->live = lengths->live;
        s->entry = ent_calloc(s->live, sizeof *s->entry);
        s->by_symbol = ent_calloc(spec->alphabet, sizeof *s->by_symbol);
        status = s->entry && s->by_symbol ? ENT_OK : ENT_ENOMEM;
    }
    if (!status) {
        assign_codes(s, spec, lengths);
        s->held = held(s, cam);
    }
    ent_free(lengths);
    ent_free(bytes.data);
    return status;
}

/* ENT_ERANGE for a symbol without a code. */
static ent_status write_bank(cam_stream *s, uint32_t alphabet, const uint8_t *symbols, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t symbol = ent_symbol_at(symbols, s->width, i);
        if (symbol >= alphabet || s->entry[s->by_symbol[symbol]].symbol != symbol) return ENT_ERANGE;
        s->bank_bits += s->entry[s->by_symbol[symbol]].length;
    }
    if (!(s->bank = ent_calloc(s->bank_bits / 8 + 8, 1))) return ENT_ENOMEM;
    uint64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const cam_entry *e = &s->entry[s->by_symbol[ent_symbol_at(symbols, s->width, i)]];
        for (uint32_t b = 0; b < e->length; b++, at++)
            s->bank[at / 8] |= (uint8_t)((e->code >> (31 - b) & 1) << (7 - at % 8));
    }
    return ENT_OK;
}

/* ---- a cycle ---------------------------------------------------------------------------------- */

/* The register's next 32 bits. */
static uint32_t window(const cam_stream *s)
{
    uint64_t bits = 0;
    const uint8_t *p = s->bank + s->taken / 8;
    for (unsigned i = 0; i < 5; i++) bits = bits << 8 | p[i];
    return (uint32_t)(bits >> (8 - s->taken % 8));
}

/* The entry among the first n that the register begins with; NULL: none, or not all of it is there. */
static const cam_entry *match(const cam_stream *s, uint32_t n, uint64_t bits)
{
    uint32_t next = window(s);
    for (uint32_t i = 0; i < n; i++)
        if ((next & s->entry[i].mask) == s->entry[i].code && s->entry[i].length <= bits) return &s->entry[i];
    return NULL;
}

/* A code that is not in the table: one bit of it.  Which code it is shows when its last bit is taken. */
static const cam_entry *walk(cam_stream *s, uint64_t bits)
{
    if (s->walked >= bits) return NULL;
    s->walked++;
    const cam_entry *e = match(s, s->live, s->walked);
    return e && e->length == s->walked ? e : NULL;
}

typedef enum cam_state { CAM_DONE, CAM_STARVED, CAM_WALKING } cam_state;

/* Whether the bits in the register begin no code of the table, whatever follows. */
static bool is_missing(const cam_stream *s, uint64_t bits)
{
    uint32_t next = window(s), known = bits >= 32 ? UINT32_MAX : bits ? UINT32_MAX << (32 - bits) : 0;
    for (uint32_t i = 0; i < s->held; i++)
        if (!((next ^ s->entry[i].code) & s->entry[i].mask & known)) return false;
    return true;
}

static cam_state step(cam_stream *s, uint8_t *symbols, size_t i, uint64_t *walked_symbols)
{
    uint64_t bits = s->moved - s->taken;
    if (s->done) return CAM_DONE;
    const cam_entry *e = s->walked ? NULL : match(s, s->held, bits);
    if (!e) {
        if (!s->walked && !is_missing(s, bits)) return CAM_STARVED;
        uint32_t before = s->walked;
        e = walk(s, bits);
        if (!e) return s->walked > before ? CAM_WALKING : CAM_STARVED;
        ++*walked_symbols;
    }
    ent_symbol_put(symbols, s->width, i, e->symbol);
    s->taken += e->length;
    s->walked = 0;
    s->done = true;
    return CAM_DONE;
}

/* Bits that are walked over have left the register. */
static void refill(cam_stream *s, const ent_cam *cam)
{
    uint64_t left = s->bank_bits - s->moved, more = cam->refill_bits < left ? cam->refill_bits : left;
    if (s->moved - s->taken - s->walked + more <= cam->register_bits) s->moved += more;
}

/* All fields of weight i; counts the cycles that it takes. */
static void one_weight(cam_stream *stream, unsigned streams, const ent_cam *cam, uint8_t *const symbols[], size_t i,
                       ent_cam_count *count)
{
    bool all;
    for (unsigned k = 0; k < streams; k++) stream[k].done = false;
    do {
        bool starved = false;
        all = true;
        for (unsigned k = 0; k < streams; k++) {
            cam_state state = step(&stream[k], symbols[k], i, &count->walked_symbols);
            starved |= state == CAM_STARVED;
            all &= state == CAM_DONE;
            refill(&stream[k], cam);
        }
        count->cycles++;
        if (!all) *(!starved ? &count->walked_cycles : i ? &count->starved_cycles : &count->fill_cycles) += 1;
    } while (!all);
}

/* ---- the door --------------------------------------------------------------------------------- */

static ent_status check(const ent_cam *cam, const ent_recipe *recipe, ent_error *error)
{
    if (!cam->entries || cam->entries > 65536 || !cam->longest || cam->longest > ENT_HUFFMAN_LONGEST ||
        cam->register_bits > 64 || !cam->refill_bits || cam->refill_bits > cam->register_bits)
        return ent_fail(error, ENT_EINVAL, "a decoder of %u entries, %u bits of code, register of %u, refill of %u",
                        cam->entries, cam->longest, cam->register_bits, cam->refill_bits);
    for (unsigned f = 0; f < recipe->split.fields; f++) {
        const char *coder = recipe->spec[f].coder->name;
        if (strcmp(coder, "raw") && strcmp(coder, "huffman"))
            return ent_fail(error, ENT_EUNSUPPORTED, "field '%s' has the coder %s, no Huffman code",
                            recipe->split.field[f].name, coder);
    }
    return ENT_OK;
}

/* Banks for the coded fields; returns how many in *streams, with their fields in coded[]. */
static ent_status fill_banks(const ent_cam *cam, const ent_recipe *recipe, const ent_tables *tables,
                             uint8_t *const symbols[], size_t n, cam_stream *stream, unsigned coded[],
                             ent_cam_count *count)
{
    ent_status status = ENT_OK;
    for (unsigned f = 0; f < recipe->split.fields && !status; f++) {
        if (!strcmp(recipe->spec[f].coder->name, "raw") || !tables->table[f]) continue;
        cam_stream *s = &stream[count->streams];
        coded[count->streams++] = f;
        s->width = ent_field_width(&recipe->split.field[f]);
        status = read_codes(s, cam, tables->table[f]);
        if (!status) status = write_bank(s, recipe->spec[f].alphabet, symbols[f], n);
        if (status) break;
        count->code_bits += s->bank_bits;
        if (s->live > count->live) count->live = s->live;
        if (s->entry[s->live - 1].length > count->longest) count->longest = s->entry[s->live - 1].length;
    }
    return status;
}

ent_status ent_cam_decode(const ent_cam *cam, const ent_recipe *recipe, const ent_tables *tables, const void *words,
                          size_t n, void *decoded, ent_cam_count *count, ent_error *error)
{
    uint8_t *symbols[ENT_MAX_FIELDS] = { NULL }, *out[ENT_MAX_FIELDS];
    cam_stream stream[ENT_MAX_FIELDS] = { { 0 } };
    unsigned coded[ENT_MAX_FIELDS];
    *count = (ent_cam_count){ .weights = n };
    ent_status status = check(cam, recipe, error);
    if (status) return status;
    for (unsigned f = 0; f < recipe->split.fields && !status; f++)
        if (!(symbols[f] = ent_alloc(n * ent_field_width(&recipe->split.field[f]) + 1))) status = ENT_ENOMEM;
    if (!status) {
        ent_split_words(&recipe->split, words, n, (void *const *)symbols);
        status = fill_banks(cam, recipe, tables, symbols, n, stream, coded, count);
    }
    if (!status) {
        for (unsigned k = 0; k < count->streams; k++) /* from here on only the banks know */
            memset(out[k] = symbols[coded[k]], 0xff, n * stream[k].width);
        for (size_t i = 0; i < n; i++) one_weight(stream, count->streams, cam, out, i, count);
        ent_join_words(&recipe->split, (const void *const *)symbols, n, decoded);
    }
    for (unsigned f = 0; f < recipe->split.fields; f++) {
        ent_free(symbols[f]);
        ent_free(stream[f].entry);
        ent_free(stream[f].by_symbol);
        ent_free(stream[f].bank);
    }
    return status ? ent_fail(error, status, "%s", ent_status_text(status)) : ENT_OK;
}

/* ---- what to expect --------------------------------------------------------------------------- */

enum { LONGEST_WALK = ENT_HUFFMAN_LONGEST + 1 };

/* Adds a field's code to the forecast and multiplies its P(cycles <= k) into `within`. */
static void expect_field(const cam_stream *s, const ent_counts *counts, const ent_cam *cam, double within[LONGEST_WALK],
                         double *slowest, ent_cam_forecast *f)
{
    double takes[LONGEST_WALK] = { 0 }, total = 0, bits = 0, walked = 0, sum = 0;
    for (uint32_t i = 0; i < s->live; i++) {
        const cam_entry *e = &s->entry[i];
        double n = (double)counts->count[e->symbol];
        takes[i < s->held ? 1 : e->length] += n;
        walked += i < s->held ? 0 : n;
        bits += n * e->length;
        total += n;
    }
    if (!(total > 0)) total = takes[1] = 1; /* nothing was counted: as one symbol */
    for (uint32_t k = 0; k < LONGEST_WALK; k++) within[k] *= (sum += takes[k]) / total;
    *slowest = fmax(*slowest, bits / total / cam->refill_bits);
    f->code_bits += bits / total;
    f->walked_per_weight += walked / total;
    if (s->live > f->live) f->live = s->live, f->held = s->held;
    if (s->entry[s->live - 1].length > f->longest) f->longest = s->entry[s->live - 1].length;
}

ent_status ent_cam_predict(const ent_cam *cam, const ent_recipe *recipe, const ent_tables *tables,
                           const ent_counts counts[], ent_cam_forecast *forecast, ent_error *error)
{
    double within[LONGEST_WALK], slowest = 1, cycles = 0;
    *forecast = (ent_cam_forecast){ 0 };
    ent_status status = check(cam, recipe, error);
    if (status) return status;
    for (uint32_t k = 0; k < LONGEST_WALK; k++) within[k] = 1;
    for (unsigned f = 0; f < recipe->split.fields && !status; f++) {
        cam_stream s = { 0 };
        if (!strcmp(recipe->spec[f].coder->name, "raw") || !tables->table[f]) continue;
        status = read_codes(&s, cam, tables->table[f]);
        if (!status) expect_field(&s, &counts[f], cam, within, &slowest, forecast);
        ent_free(s.entry);
        ent_free(s.by_symbol);
    }
    for (uint32_t k = 0; k < LONGEST_WALK; k++) cycles += 1 - within[k];
    forecast->cycles_per_weight = fmax(slowest, cycles);
    return status ? ent_fail(error, status, "%s", ent_status_text(status)) : ENT_OK;
}
