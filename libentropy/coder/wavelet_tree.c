/* wavelet_tree.c - Huffman codes kept by tree node instead of by symbol: a Huffman-shaped wavelet tree.
 *
 * Every inner node of the code tree holds a bit for each symbol below it, in the order of the symbols:
 * to which side it belongs (Grossi, Gupta and Vitter 2003).  These are the bits of the Huffman code in
 * another order, so the size is that of `huffman`, but no bit has to be decoded before another can be found:
 * the symbols below a node are the merge of those of its two sides, as its bits say, and one byte expansion,
 * or some byte shuffles with a table, merge 64 of them (the idea of M. Zukowski's PivCo-Huffman).
 * A side that ends in a leaf is a constant.  The sizes of nodes are not stored: how many ones a node has
 * is the size of its right side.
 *
 * Decoding goes by chunks of the root.  Its ones say how many symbols each side must deliver; a side that has
 * fewer left decodes, in the same way, whole words of its own; what is too much stays for the next chunk.  So
 * strings stay in the first cache, rare nodes are not visited in vain, and bits are always taken from whole bytes.
 * Encoding is the mirror image.
 *
 * Left out on purpose: the rank index that makes a wavelet tree searchable. */
#include <string.h>
#if defined __x86_64__
#include <xmmintrin.h>
#endif

#include "base/bits.h"
#include "coder/huffman_code.h"
#include "coder/join.h"
#include "coder/wavelet_tree.h"

static const wavelet_loops *best_loops(void)
{
#if defined __x86_64__
    if (ent_cpu_features() & ENT_CPU_AVX512) return &ent_wavelet_avx512;
    if (ent_cpu_features() & ENT_CPU_AVX2) return &ent_wavelet_avx2;
#endif
    return &ent_wavelet_plain;
}

/* ---- the tree --------------------------------------------------------------------------------- */

static size_t tree_size(const ent_coder_spec *spec, const void *table)
{
    (void)spec, (void)table;
    return sizeof(wavelet_tree);
}

/* Leaves [begin, end), whose codes, left-justified in 32 bits, agree in the first `depth` bits and go on. */
static int16_t grow(wavelet_tree *t, const uint32_t *code, unsigned depth, uint32_t begin, uint32_t end)
{
    if (end - begin == 1) return -1;
    uint32_t middle = begin, v = t->nodes++;
    while (!(code[middle] << depth >> 31)) middle++; /* the code is complete: both sides have leaves */
    int16_t left = grow(t, code, depth + 1, begin, middle), right = grow(t, code, depth + 1, middle, end);
    t->node[v] = (wavelet_node){ { left, right }, (uint16_t)begin, (uint16_t)middle, (uint16_t)end };
    return (int16_t)v;
}

static void build_tree(const ent_coder_spec *spec, const void *table, void *memory)
{
    const ent_huffman_lengths *lengths = table;
    wavelet_tree *t = memory;
    ent_huffman_canon c;
    uint32_t code[256], leaf = 0;
    t->live = lengths->live;
    t->only = lengths->only;
    if (t->live == 1) return;
    ent_huffman_canonical(spec, lengths, &c);
    for (unsigned l = 1; l <= lengths->longest; l++)
        for (uint32_t s = 0; s < spec->alphabet; s++) {
            if (lengths->length[s] != l) continue;
            code[leaf] = (uint32_t)(c.first[l]++ << (ENT_HUFFMAN_LONGEST - l));
            t->leaf[s] = (uint8_t)leaf;
            t->known[s] = true;
            t->symbol[leaf++] = (uint8_t)s;
        }
    grow(t, code, 0, 0, leaf);
}

/* ---- strings of nodes ------------------------------------------------------------------------- */

/* An inner node at work: its bits, and (but for the root) the symbols or leaf numbers below it that are under way. */
typedef struct string {
    uint8_t *buffer, *next; /* `have` of them from `next` on */
    size_t have;
    const uint8_t *bits;    /* decoder: whole words to come */
    size_t words;
    uint64_t tail;          /* the bits after the last whole word, and their number */
    size_t tail_bits;
    uint8_t *out;           /* encoder: where the next bits go */
} string;

typedef struct job {
    const wavelet_tree *tree;
    const wavelet_loops *loops;
    string string[WAVELET_NODES];
} job;

static size_t whole(size_t n) { return (n + WAVELET_WORD - 1) / WAVELET_WORD * WAVELET_WORD; }

/* A buffer's size for a node with n symbols in all. */
static size_t room(size_t n) { return (n < WAVELET_CHUNK ? whole(n) : WAVELET_CHUNK) + WAVELET_ROOM; }

/* Buffers of all inner nodes; the encoder uses the root's for the leaf numbers of a chunk. */
static size_t work_size(const ent_coder_spec *spec, size_t n) { return spec->alphabet * room(n); }

/* Leaves what is under way, less than a word, before `from`, a word's size into the buffer. */
static void to_front(string *s)
{
    uint8_t *from = s->buffer + WAVELET_WORD;
    memmove(from - s->have, s->next, WAVELET_WORD);
    s->next = from - s->have;
}

/* ---- encoding --------------------------------------------------------------------------------- */

static size_t bound(const ent_coder_spec *spec, size_t n)
{
    return n * ent_huffman_limit(spec, spec->alphabet) / 8 + spec->alphabet; /* each node's last byte */
}

/* Partitions the first `words` words of a node's string to bits and to its children's strings; returns the ones. */
static size_t part_words(job *j, uint32_t v, size_t words, uint8_t *bits)
{
    const wavelet_node *node = &j->tree->node[v];
    string *s = &j->string[v];
    wavelet_part p = { .leaves = s->next, .words = words, .middle = (uint8_t)node->middle, .bits = bits };
    for (int side = 0; side < 2; side++) {
        if (node->child[side] < 0) continue;
        const string *child = &j->string[node->child[side]];
        p.string[side] = child->next + child->have;
    }
    return j->loops->part(&p);
}

static void grew(job *j, uint32_t v, size_t zeros, size_t ones)
{
    const wavelet_node *node = &j->tree->node[v];
    if (node->child[0] >= 0) j->string[node->child[0]].have += zeros;
    if (node->child[1] >= 0) j->string[node->child[1]].have += ones;
}

/* Sends all whole words of a node's string down the tree. */
static void push(job *j, uint32_t v)
{
    string *s = &j->string[v];
    size_t words = s->have / WAVELET_WORD;
    if (!words) return;
    size_t ones = part_words(j, v, words, s->out);
    grew(j, v, words * WAVELET_WORD - ones, ones);
    s->out += 8 * words;
    s->next += WAVELET_WORD * words;
    s->have %= WAVELET_WORD;
    to_front(s);
    for (int side = 0; side < 2; side++)
        if (j->tree->node[v].child[side] >= 0) push(j, (uint32_t)j->tree->node[v].child[side]);
}

/* And the rest of it, nodes in preorder: filled up with symbols of the left side, whose bits are zeros. */
static void push_rest(job *j)
{
    for (uint32_t v = 0; v < j->tree->nodes; v++) {
        string *s = &j->string[v];
        uint8_t bits[8];
        push(j, v);
        if (!s->have) continue;
        memset(s->next + s->have, j->tree->node[v].begin, WAVELET_WORD - s->have);
        size_t ones = part_words(j, v, 1, bits);
        grew(j, v, s->have - ones, ones);
        memcpy(s->out, bits, (s->have + 7) / 8);
        s->out += (s->have + 7) / 8;
    }
}

/* Counts of leaves up to each one, which say where each node's bits begin. */
static ent_status place_strings(job *j, const ent_coder_spec *spec, const uint8_t *symbols, size_t n, uint8_t *out,
                                uint8_t *work, size_t *size)
{
    const wavelet_tree *t = j->tree;
    uint64_t count[256] = { 0 }, before[257] = { 0 };
    ent_counts counts = { spec->alphabet, count };
    if (ent_counts_add(&counts, symbols, 1, n)) return ENT_ERANGE;
    for (uint32_t s = 0; s < spec->alphabet; s++)
        if (count[s] && !t->known[s]) return ENT_ERANGE;
    for (uint32_t i = 0; i < t->live; i++) before[i + 1] = before[i] + count[t->symbol[i]];
    for (uint32_t v = 0; v < t->nodes; v++) {
        size_t own = (size_t)(before[t->node[v].end] - before[t->node[v].begin]);
        j->string[v] = (string){ .buffer = work, .next = work, .out = out };
        out += (own + 7) / 8;
        *size += (own + 7) / 8;
        work += room(own);
    }
    return ENT_OK;
}

static ent_status encode(const ent_coder_spec *spec, const void *encoder, const void *symbols, size_t n, uint8_t *out,
                         size_t *size, ent_tally *tally, void *work)
{
    job j = { .tree = encoder, .loops = best_loops() };
    if (j.tree->live == 1) return ent_symbols_all(symbols, n, 1, j.tree->only) ? ENT_OK : ENT_ERANGE; /* no bits at all */
    ent_status status = place_strings(&j, spec, symbols, n, out, work, size);
    if (status) return status;
    for (size_t i = 0; i < n; i += WAVELET_CHUNK) {
        string *root = &j.string[0];
        root->have = n - i < WAVELET_CHUNK ? n - i : WAVELET_CHUNK;
        root->next = root->buffer;
        j.loops->leaves(j.tree, (const uint8_t *)symbols + i, root->have, root->buffer);
        push(&j, 0);
    }
    push_rest(&j);
    tally->payload_bits = 8 * (uint64_t)*size;
    return ENT_OK;
}

/* ---- decoding --------------------------------------------------------------------------------- */

/* Finds every node's bits, parents before their sides; they must be all of `in`, and zeros fill up their last bytes. */
static bool find_strings(job *j, ent_bytes in, size_t n, uint8_t *work)
{
    size_t own[WAVELET_NODES] = { n };
    for (uint32_t v = 0; v < j->tree->nodes; v++) {
        const wavelet_node *node = &j->tree->node[v];
        size_t size = (own[v] + 7) / 8, tail = own[v] % WAVELET_WORD;
        string *s = &j->string[v];
        if (size > in.size) return false;
        *s = (string){ .buffer = work, .next = work, .bits = in.data, .words = own[v] / WAVELET_WORD, .tail_bits = tail };
        for (size_t i = 0; i < (tail + 7) / 8; i++) s->tail |= (uint64_t)in.data[8 * s->words + i] << 8 * i;
        if (s->tail >> tail) return false; /* tail < 64 */
        size_t ones = j->loops->ones(s->bits, s->words) + (size_t)__builtin_popcountll(s->tail);
        if (node->child[0] >= 0) own[node->child[0]] = own[v] - ones;
        if (node->child[1] >= 0) own[node->child[1]] = ones;
        in.data += size;
        in.size -= size;
        if (v) work += room(own[v]);
    }
    return in.size == 0;
}

static void pull(job *j, uint32_t v, size_t need);

/* The next `words` words of bits of a node, which stand for n symbols, to where `m` says. */
static void merge_words(job *j, uint32_t v, const void *bits, size_t words, size_t n, wavelet_merge *m)
{
    const wavelet_node *node = &j->tree->node[v];
    m->bits = bits;
    m->words = words;
    size_t ones = j->loops->ones(bits, words), take[2] = { n - ones, ones };
    for (int side = 0; side < 2; side++) {
        if (node->child[side] >= 0) {
            pull(j, (uint32_t)node->child[side], take[side]);
            m->string[side] = j->string[node->child[side]].next;
        } else {
            m->string[side] = NULL;
            m->symbol[side] = j->tree->symbol[side ? node->middle : node->begin];
        }
    }
    j->loops->merge(m);
    for (int side = 0; side < 2; side++)
        if (node->child[side] >= 0) {
            j->string[node->child[side]].next += take[side];
            j->string[node->child[side]].have -= take[side];
        }
}

/* Decodes as many whole words of a node as it takes to have `need` of its symbols.  They exist: `need` comes
 * from the ones of its parent, and so did the size of the node. */
static void pull(job *j, uint32_t v, size_t need)
{
    string *s = &j->string[v];
    if (s->have >= need) return;
    size_t words = (need - s->have + WAVELET_WORD - 1) / WAVELET_WORD, full = words < s->words ? words : s->words;
    wavelet_merge m = { .out = s->buffer + WAVELET_WORD }; /* aligned */
    to_front(s);
    if (full) merge_words(j, v, s->bits, full, WAVELET_WORD * full, &m);
    s->bits += 8 * full;
    s->words -= full;
    s->have += WAVELET_WORD * full;
    if (words == full) return;
    m.out += WAVELET_WORD * full;
    merge_words(j, v, &s->tail, 1, s->tail_bits, &m);
    s->have += s->tail_bits;
}

/* All whole words of the root to symbols, or with a join to words, and the rest of its symbols to `last`. */
static void decode_root(job *j, const ent_join *join, uint8_t *out, uint8_t last[WAVELET_WORD])
{
    enum { WORDS = WAVELET_CHUNK / WAVELET_WORD };
    string *root = &j->string[0];
    for (size_t at = 0; at < root->words; at += WORDS) {
        size_t words = root->words - at < WORDS ? root->words - at : WORDS, first = WAVELET_WORD * at;
        wavelet_merge m = { .out = join ? out : out + first, .join = join, .first = first };
        merge_words(j, 0, root->bits + 8 * at, words, WAVELET_WORD * words, &m);
    }
    if (root->tail_bits) merge_words(j, 0, &root->tail, 1, root->tail_bits, &(wavelet_merge){ .out = last });
}

static ent_status decode(const ent_coder_spec *spec, const void *decoder, ent_bytes in, void *symbols, size_t n,
                         void *work)
{
    (void)spec;
    job j = { .tree = decoder, .loops = best_loops() };
    uint8_t last[WAVELET_WORD];
    size_t groups = n / WAVELET_WORD * WAVELET_WORD;
    if (j.tree->live == 1) {
        memset(symbols, (int)j.tree->only, n);
        return in.size ? ENT_ECORRUPT : ENT_OK;
    }
    if (!find_strings(&j, in, n, work)) return ENT_ECORRUPT;
    decode_root(&j, NULL, symbols, last);
    memcpy((uint8_t *)symbols + groups, last, n - groups);
    return ENT_OK;
}

/* To words with loops that join; everything else is left to the caller's two steps. */
static ent_status decode_words(const ent_coder_spec *spec, const void *decoder, ent_bytes in, const ent_join *join,
                               void *words, size_t n, void *work)
{
    (void)spec;
    job j = { .tree = decoder, .loops = best_loops() };
    ent_join to = *join;
    uint8_t last[WAVELET_WORD];
    size_t groups = n / WAVELET_WORD * WAVELET_WORD;
    if (!ent_join_form_of(join) || !j.loops->joins || j.tree->live == 1) return ENT_EUNSUPPORTED;
    if (!find_strings(&j, in, n, work)) return ENT_ECORRUPT;
    to.stream &= (uintptr_t)words % 64 == 0;
    decode_root(&j, &to, words, last);
#if defined __x86_64__
    if (to.stream) _mm_sfence();
#endif
    ent_join_symbols(ent_join_form_of(join), join, last, groups, n - groups, words);
    return ENT_OK;
}

/* ---- plain loops ------------------------------------------------------------------------------ */

static size_t ones(const uint8_t *bits, size_t words)
{
    size_t sum = 0;
    for (size_t i = 0; i < words; i++) sum += (size_t)__builtin_popcountll(ent_load64(bits + 8 * i));
    return sum;
}

static void merge(const wavelet_merge *m)
{
    const uint8_t *left = m->string[0], *right = m->string[1];
    for (size_t i = 0; i < WAVELET_WORD * m->words; i++) {
        unsigned bit = m->bits[i / 8] >> i % 8 & 1;
        const uint8_t **side = bit ? &right : &left;
        m->out[i] = *side ? *(*side)++ : m->symbol[bit];
    }
}

static size_t part(const wavelet_part *p)
{
    uint8_t *left = p->string[0], *right = p->string[1];
    size_t sum = 0;
    memset(p->bits, 0, 8 * p->words);
    for (size_t i = 0; i < WAVELET_WORD * p->words; i++) {
        unsigned bit = p->leaves[i] >= p->middle;
        uint8_t **side = bit ? &right : &left;
        p->bits[i / 8] = (uint8_t)(p->bits[i / 8] | bit << i % 8);
        sum += bit;
        if (*side) *(*side)++ = p->leaves[i];
    }
    return sum;
}

static void leaves(const wavelet_tree *tree, const uint8_t *symbols, size_t n, uint8_t *leaves)
{
    for (size_t i = 0; i < n; i++) leaves[i] = tree->leaf[symbols[i]];
}

const wavelet_loops ent_wavelet_plain = { ones, merge, part, leaves, false };

const ent_coder ent_coder_wavelet_tree = {
    .name = "wavelet-tree",
    .brief = "Huffman code laid out by tree node, 64 symbols at once",
    .cite = "grossi2003",
    .id = 11,
    .whole_bits = true,
    .max_alphabet = 256,
    .param = { [ENT_HUFFMAN_MAX] = { "max", "longest code in bits", 1, ENT_HUFFMAN_LONGEST, ENT_HUFFMAN_LONGEST } },
    /* for each of a symbol's bits, 2.7 on weights: take it, choose a side, load, store, step on */
    .ops = { .lookups = 2.7, .simple = 5 * 2.7, .branches = 0.1, .chain = 1, .lanes = WAVELET_WORD,
             /* nodes and join; with AVX-512 an expansion is two and moves of masks are on vectors, with AVX2 a load to
              * the upper half of a register */
             .vector32 = { 1.07, 3.45, 0, 0 }, .vector64 = { 0.33, 1.15, 0, 0 } },
    .table_size = ent_huffman_table_size,
    .train = ent_huffman_train,
    .write_table = ent_huffman_write,
    .read_table = ent_huffman_read,
    .price = ent_huffman_price,
    .encoder_size = tree_size,
    .build_encoder = build_tree,
    .decoder_size = tree_size,
    .build_decoder = build_tree,
    .bound = bound,
    .encode_work = work_size,
    .decode_work = work_size,
    .encode = encode,
    .decode = decode,
    .decode_words = decode_words,
};
