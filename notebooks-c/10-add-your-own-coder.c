// %% [markdown] tolerance=0.001
// # 10. Add your own coder in one file
//
// A coder of the library is one `struct ent_coder`: a name, some functions, what decoding costs. Nothing registers it.
// `ent_coder_spec_init` takes a pointer to any such struct, so a coder may live in your program, as the one below does,
// and everything that stands on the door of `entropy/coder.h` works with it: training, tables as bytes, encoding, decoding,
// blocks with checksums. Only files need more: a container names coders by their `id`, which it looks up in the library's own
// list (`coders.def`, one line; [ADDING.md](../libentropy/ADDING.md) goes that way).
//
// The coder is Golomb's (1966) in Rice's form (1979), over *ranks*. Symbols are sorted by how often they occur. The rank r
// is cut in two: its upper part `r >> k` in unary (so many ones and a zero), its k lower bits as they are. There is
// no tree and no table to look up but the list of symbols. If ranks fall off by the same factor each, this is nearly the best
// code with whole bits; the exponents of a trained model nearly do. It is the longest of the notebooks,
// because a coder that may meet any bytes is shown whole.
//
//     cc 10-add-your-own-coder.c $(pkg-config --cflags --libs libentropy) -lm -o 10
//     data=$(pkg-config --variable=datadir libentropy)
//     ./10 $data/datasets/gutenberg-llama-4.7m $data

// %%
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <entropy/entropy.h>

enum {
    MOST_K = 7,   // lower bits of a rank
    LIMIT = 16,   // so many ones are an escape: the symbol follows as a plain byte
    ESCAPE = LIMIT + 8 // bits of that, the longest code there is
};

typedef struct rice_table {
    uint32_t k, ranked;  // symbols that have a rank; the others are escaped
    uint8_t symbol[256]; // by rank
    uint16_t rank[256];  // by symbol; ranked: none
} rice_table;

// %% [markdown]
// ## Training
//
// A symbol of rank r takes `(r >> k) + 1 + k` bits, and there are only eight values of k to try. The cap on the ones keeps
// the longest code at 24 bits, whatever a stream holds: 256 ones for one rare symbol would be a poor joke in a format that
// people have to bound. It also gives symbols that training never saw a code.

// %%
static uint32_t code_bits(uint32_t rank, uint32_t k)
{
    return rank >> k < LIMIT ? (rank >> k) + 1 + k : ESCAPE;
}

// What follows from k and the list of symbols.
static void complete(rice_table *t)
{
    for (int s = 0; s < 256; s++) t->rank[s] = (uint16_t)t->ranked;
    for (uint32_t r = 0; r < t->ranked; r++) t->rank[t->symbol[r]] = (uint16_t)r;
}

static ent_status train(const ent_coder_spec *spec, const ent_counts *counts, void *table)
{
    rice_table *t = table;
    uint64_t best = UINT64_MAX;
    uint32_t live = 0;
    for (uint32_t s = 0; s < spec->alphabet; s++) { // insertion by falling count
        uint32_t at = live;
        if (!counts->count[s]) continue;
        for (; at && counts->count[t->symbol[at - 1]] < counts->count[s]; at--) t->symbol[at] = t->symbol[at - 1];
        t->symbol[at] = (uint8_t)s;
        live++;
    }
    for (uint32_t k = 0; k <= MOST_K; k++) {
        uint64_t bits = 0;
        for (uint32_t r = 0; r < live; r++) bits += counts->count[t->symbol[r]] * code_bits(r, k);
        if (bits < best) best = bits, t->k = k;
    }
    t->ranked = live < (uint32_t)LIMIT << t->k ? live : (uint32_t)LIMIT << t->k;
    complete(t);
    return ENT_OK;
}

static double price(const ent_coder_spec *spec, const void *table, uint32_t symbol)
{
    const rice_table *t = table;
    (void)spec;
    return t->rank[symbol] < t->ranked ? code_bits(t->rank[symbol], t->k) : ESCAPE;
}

static size_t table_size(const ent_coder_spec *spec) { return (void)spec, sizeof(rice_table); }

// %% [markdown]
// ## The table as bytes
//
// Writing is easy. Reading is where a coder shows what it is worth: these bytes come from a file that somebody else may have
// made. Whatever they are, the answer is a table that is safe to use or `ENT_ECORRUPT`, and nothing is taken that
// writing would not have written.

// %%
static ent_status write_table(const ent_coder_spec *spec, const void *table, ent_buffer *out)
{
    const rice_table *t = table;
    ent_status status = ent_buffer_reserve(out, out->size + 1 + t->ranked);
    (void)spec;
    if (status) return status;
    out->data[out->size++] = (uint8_t)t->k;
    memcpy(out->data + out->size, t->symbol, t->ranked);
    out->size += t->ranked;
    return ENT_OK;
}

static ent_status read_table(const ent_coder_spec *spec, ent_bytes in, void *table)
{
    rice_table *t = table;
    bool seen[256] = { false };
    if (in.size < 2 || in.data[0] > MOST_K || in.size - 1 > (size_t)LIMIT << in.data[0]) return ENT_ECORRUPT;
    for (size_t i = 1; i < in.size; i++) {
        if (in.data[i] >= spec->alphabet || seen[in.data[i]]) return ENT_ECORRUPT;
        seen[in.data[i]] = true;
    }
    t->k = in.data[0];
    t->ranked = (uint32_t)(in.size - 1);
    memcpy(t->symbol, in.data + 1, t->ranked);
    complete(t);
    return ENT_OK;
}

// %% [markdown]
// ## Encoding and decoding
//
// The door (`ent_encode`, `ent_decode`) owns memory and checks arguments; the functions here only work. `out` has room for what
// `bound` promised. Bits go in lowest first, so that counting ones is one instruction.
//
// The decoder never reads outside of `in` nor writes outside of n symbols, and stops at bytes that encoding cannot have
// written: a rank that no symbol has, an escape for a symbol that has a shorter code, bytes or ones left over at the end.

// %%
static size_t bound(const ent_coder_spec *spec, size_t n) { return (void)spec, n * (ESCAPE / 8); }

static ent_status encode(const ent_coder_spec *spec, const void *encoder, const void *symbols, size_t n,
                         uint8_t *out, size_t *size, ent_tally *tally, void *work)
{
    const rice_table *t = encoder;
    const uint8_t *symbol = symbols;
    uint64_t bits = 0;
    uint32_t have = 0;
    uint8_t *at = out;
    (void)work;
    for (size_t i = 0; i < n; i++) {
        if (symbol[i] >= spec->alphabet) return ENT_ERANGE;
        uint32_t rank = t->rank[symbol[i]], ones = rank >> t->k, length = ESCAPE;
        uint64_t code = ((1u << LIMIT) - 1) | (uint64_t)symbol[i] << LIMIT;
        if (rank < t->ranked) {
            length = ones + 1 + t->k;
            code = ((1u << ones) - 1) | (uint64_t)(rank & ((1u << t->k) - 1)) << (ones + 1);
        }
        bits |= code << have;
        for (have += length; have >= 8; have -= 8, bits >>= 8) *at++ = (uint8_t)bits;
    }
    if (have) *at++ = (uint8_t)bits;
    *size = (size_t)(at - out);
    *tally = (ent_tally){ .payload_bits = 8 * *size };
    return ENT_OK;
}

static ent_status decode(const ent_coder_spec *spec, const void *decoder, ent_bytes in, void *symbols, size_t n,
                         void *work)
{
    const rice_table *t = decoder;
    const uint32_t k = t->k, ranked = t->ranked;
    uint8_t *symbol = symbols;
    uint64_t bits = 0; // those past `have` are zeros
    uint32_t have = 0;
    size_t at = 0;
    (void)work;
    for (size_t i = 0; i < n; i++) {
        for (; have <= 56 && at < in.size; have += 8) bits |= (uint64_t)in.data[at++] << have;
        uint32_t ones = (uint32_t)__builtin_ctzll(~bits | 1ull << LIMIT), length = ESCAPE;
        if (ones < LIMIT) {
            uint32_t rank = ones << k | ((uint32_t)(bits >> (ones + 1)) & ((1u << k) - 1));
            if (rank >= ranked) return ENT_ECORRUPT;
            symbol[i] = t->symbol[rank];
            length = ones + 1 + k;
        } else {
            symbol[i] = (uint8_t)(bits >> LIMIT);
            if (symbol[i] >= spec->alphabet || t->rank[symbol[i]] < ranked) return ENT_ECORRUPT;
        }
        if (length > have) return ENT_ECORRUPT;
        bits >>= length;
        have -= length;
    }
    return at == in.size && have < 8 && !bits ? ENT_OK : ENT_ECORRUPT;
}

static const ent_coder rice = {
    .name = "rice", .brief = "Rice codes of ranks", .cite = "", .max_alphabet = 256, .whole_bits = true,
    // as gcc 12 makes the loop, and 0.34 bytes fetched a symbol; chain: not, or, count (3), add, shift
    .ops = { .lookups = 1, .simple = 35, .branches = 0.34, .chain = 7, .lanes = 1 },
    .table_size = table_size, .train = train, .write_table = write_table, .read_table = read_table,
    .price = price, .bound = bound, .encode = encode, .decode = decode,
};

// %% [markdown]
// That is all of it. What follows uses it as a program of yours would, beginning with a stream there and back through a table
// that was written and read.

// %%
static ent_error error;

static void must(ent_status status)
{
    if (!status) return;
    fprintf(stderr, "%s: %s\n", ent_status_text(status), error.text);
    exit(1);
}

static FILE *gnuplot(const char *file) // a pipe to gnuplot, which draws into the file
{
    FILE *plot = popen("gnuplot", "w");
    if (!plot) exit(1);
    fprintf(plot, "set terminal svg size 720,420 dynamic enhanced font 'DejaVu Sans,13' background 'white'\n"
                  "set output '%s'\n"
                  "set border 3\n"
                  "set tics nomirror out\n"
                  "set key Left reverse\n", file);
    return plot;
}

// Its bits, the table counted; NaN if it did not come back.
static double coded_bits(const ent_coder *coder, const uint8_t *symbol, size_t n, double *table_bits)
{
    ent_coder_spec spec;
    ent_counts counts;
    ent_table *table, *again;
    ent_buffer bytes = { 0 }, out = { 0 };
    uint8_t *back = ent_alloc(n);
    must(ent_coder_spec_init(&spec, coder, 256));
    must(ent_training_init(&counts, &spec));
    must(ent_training_add(&counts, &spec, symbol, n));
    must(ent_table_train(&table, &spec, &counts, ENT_ENCODE));
    must(ent_table_write(table, &bytes));
    must(ent_table_read(&again, &spec, (ent_bytes){ bytes.data, bytes.size }, ENT_DECODE));
    must(ent_buffer_reserve(&out, ent_encode_bound(table, n)));
    must(ent_encode(table, symbol, n, &out, NULL));
    must(ent_decode(again, (ent_bytes){ out.data, out.size }, back, n));
    bool same = !memcmp(back, symbol, n);
    *table_bits = 8.0 * (double)bytes.size;
    double bits = 8.0 * (double)(bytes.size + out.size);
    ent_table_free(table), ent_table_free(again), ent_counts_free(&counts);
    ent_free(bytes.data), ent_free(out.data), ent_free(back);
    return same ? bits : NAN;
}

// Bits that symbols of these counts cost by a table trained on them, above their entropy.
static double excess(const ent_coder *coder, const ent_counts *counts)
{
    ent_coder_spec spec;
    ent_table *table;
    double bits;
    must(ent_coder_spec_init(&spec, coder, 256));
    if (coder != &rice) must(ent_coder_spec_set(&spec, "max", 32)); // huffman's longest code
    must(ent_table_train(&table, &spec, counts, ENT_ENCODE));
    must(ent_table_price(table, counts, &bits));
    ent_table_free(table);
    return bits / (double)ent_counts_total(counts) - ent_entropy_bits(counts);
}

typedef struct hostile {
    const ent_table *table;
    const ent_coder_spec *spec;
    unsigned tried, refused, taken, wrong;
} hostile;

static void try_code(hostile *h, const uint8_t *bytes, size_t size, uint8_t *symbol, size_t n)
{
    uint8_t *exact = malloc(size ? size : 1);
    ent_buffer again = { 0 };
    if (!exact) must(ENT_ENOMEM);
    memcpy(exact, bytes, size);
    h->tried++;
    if (ent_decode(h->table, (ent_bytes){ exact, size }, symbol, n)) {
        h->refused++;
    } else {
        h->taken++;
        must(ent_buffer_reserve(&again, ent_encode_bound(h->table, n)));
        must(ent_encode(h->table, symbol, n, &again, NULL));
        h->wrong += again.size != size || memcmp(again.data, bytes, size);
    }
    ent_free(again.data);
    free(exact);
}

static void say(hostile *h, const char *what)
{
    printf("%-26s %6u: %6u refused, %6u taken, %u of them not as written\n", what, h->tried, h->refused, h->taken,
           h->wrong);
    h->tried = h->refused = h->taken = h->wrong = 0;
}

// %%
int main(int argc, char **argv)
{
    ent_weights *weights;
    ent_counts counts;
    ent_split split;
    if (argc < 3) return fputs("usage: 10 MODEL DATA\n", stderr), 2;
    must(ent_weights_open(&weights, argv[1], &error));
    const ent_tensor *t = ent_weights_find(weights, "model.embed_tokens.weight");
    if (!t || strcmp(t->dtype, "BF16")) return fputs("this notebook wants a Llama of BF16\n", stderr), 1;
    size_t n = (size_t)t->elements;
    uint8_t *exponent = ent_alloc(n);
    must(exponent ? ENT_OK : ENT_ENOMEM);
    must(ent_split_parse(ent_format_find("BF16"), "exponent rest", &split, &error));
    ent_split_words(&split, t->bytes.data, n, (void *[]){ exponent, NULL });
    must(ent_counts_init(&counts, 256));
    must(ent_counts_add(&counts, exponent, 1, n));
    double entropy = ent_entropy_bits(&counts);

    ent_coder_spec spec;
    ent_table *table;
    ent_buffer bytes = { 0 };
    must(ent_coder_spec_init(&spec, &rice, 256));
    must(ent_table_train(&table, &spec, &counts, ENT_ENCODE | ENT_DECODE));
    must(ent_table_write(table, &bytes));
    printf("%zu exponents of %s\n", n, t->name);
    printf("entropy %.4f bits; k = %u, %zu ranks\n\n", entropy, bytes.data[0], bytes.size - 1);
    printf("%-4s %8s %8s %9s %6s\n", "rank", "exponent", "share", "-log2 p", "bits");
    for (size_t r = 0; r < 10; r++) {
        double p = (double)counts.count[bytes.data[1 + r]] / (double)n;
        uint32_t length = code_bits((uint32_t)r, bytes.data[0]);
        printf("%-4zu %8u %8.4f %9.2f %6u\n", r, bytes.data[1 + r], p, -log2(p), length);
    }

    // %% [markdown]
    // ## Beside the library's coders
    //
    // The same stream, there and back, everything counted. One list has the library's coders; ours is a
    // pointer more.

    // %%
    size_t listed = 0;
    while (ent_coders[listed]) listed++;
    printf("%-20s %10s %10s %10s\n", "coder", "bits", "- entropy", "table bits");
    for (size_t i = 0; i <= listed; i++) {
        const ent_coder *coder = i < listed ? ent_coders[i] : &rice;
        double table_bits;
        if (!strcmp(coder->name, "mixing")) continue; // 3 MB/s
        double bits = coded_bits(coder, exponent, n, &table_bits) / (double)n;
        printf("%-20s %10.4f %10.4f %10.0f\n", coder->name, bits, bits - entropy, table_bits);
    }

    // %% [markdown]
    // A list of 21 symbols and one number: 0.07 bits above the entropy, where Huffman's code is 0.04 above. Two coders
    // are below it, as they know more than how often a symbol occurs: planar-rans-classes has a table for each
    // kind of row, arithmetic-adaptive follows the stream. (bitmap, tbe, row-palette and qmoe are for streams of other kinds.)
    //
    // ## Hostile bytes
    //
    // Every single bit of a table and of a code flipped, every shorter code, and noise. What is refused is refused with a
    // status; what is taken must be a code that encoding would have written, so encoding what was decoded gives the same bytes
    // again. Each case lies in memory of exactly its size, for a sanitizer or valgrind to watch.

    // %%
    enum { FEW = 2000 };
    uint8_t few[FEW];
    hostile h = { .table = table, .spec = &spec };
    ent_buffer code = { 0 };
    must(ent_buffer_reserve(&code, ent_encode_bound(table, FEW)));
    must(ent_encode(table, exponent, FEW, &code, NULL));
    for (size_t bit = 0; bit < 8 * code.size; bit++) {
        code.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        try_code(&h, code.data, code.size, few, FEW);
        code.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    say(&h, "codes with a bit flipped");
    for (size_t size = 0; size < code.size; size++) try_code(&h, code.data, size, few, FEW);
    say(&h, "codes cut short");
    ent_random random;
    ent_random_seed(&random, 10, 0);
    for (int i = 0; i < 50000; i++) { // short, and mostly ones, so that escapes are met and some are complete
        uint8_t noise[12];
        size_t size = 1 + ent_random_below(&random, sizeof noise);
        for (size_t j = 0; j < size; j++) {
            uint64_t bits = ent_random_bits(&random);
            noise[j] = (uint8_t)(bits | bits >> 8 | bits >> 16);
        }
        try_code(&h, noise, size, few, 1 + (size_t)ent_random_below(&random, 12));
    }
    say(&h, "codes of noise");
    for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ent_table *damaged;
        h.tried++;
        if (ent_table_read(&damaged, &spec, (ent_bytes){ bytes.data, bytes.size }, ENT_DECODE)) {
            h.refused++;
        } else {
            ent_buffer again = { 0 };
            h.taken++;
            must(ent_table_write(damaged, &again));
            h.wrong += again.size != bytes.size || memcmp(again.data, bytes.data, bytes.size);
            (void)!ent_decode(damaged, (ent_bytes){ code.data, code.size }, few, FEW); // whatever it says
            ent_free(again.data);
        }
        ent_table_free(damaged);
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    say(&h, "tables with a bit flipped");

    // %% [markdown]
    // Most flipped bits give another stream, and no coder can know: saying so is the job of the block around it, which has a
    // checksum.
    //
    // ## In a block
    //
    // A codec is a line of text and can only name coders of the list. A *recipe*, which is what a codec becomes for one
    // format, holds a coder for each field as a pointer. So we take the recipe of `exponent=huffman rest=raw` and put
    // ours in; counting, tables, blocks, checksums and the split of the size (`ent_gap`) come with it.

    // %%
    ent_codec *codec;
    ent_recipe recipe;
    ent_counts field[ENT_MAX_FIELDS];
    ent_tables tables;
    ent_buffer block = { 0 };
    ent_tally tally = { 0 };
    ent_gap gap = { 0 };
    enum { WORDS = 65536 };
    static uint16_t back[WORDS];
    must(ent_codec_parse(&codec, "exponent=huffman rest=raw", &error));
    must(ent_codec_bind(codec, "BF16", &recipe, &error));
    recipe.spec[0] = spec;
    must(ent_recipe_counts_init(&recipe, field));
    must(ent_recipe_count(&recipe, t->bytes.data, WORDS, field));
    must(ent_tables_train(&tables, &recipe, field, ENT_ENCODE | ENT_DECODE));
    must(ent_buffer_reserve(&block, ent_block_bound(&recipe, &tables, n)));
    must(ent_block_encode(&recipe, &tables, t->bytes.data, WORDS, &block, &tally, NULL));
    must(ent_block_decode(&recipe, &tables, (ent_bytes){ block.data, block.size }, 0, back, WORDS, NULL));
    ent_bytes coded = { block.data, block.size };
    must(ent_gap_block(&recipe, &tables, field, t->bytes.data, WORDS, coded, &tally, &gap));
    printf("%d words of 16 bits: %.4f bits each, %s\n", WORDS, 8.0 * (double)block.size / WORDS,
           memcmp(back, t->bytes.data, sizeof back) ? "not the same" : "the same");
    printf("  bound %.4f  model %.4f  coder %.4f  index %.4f\n", gap.bound / WORDS, gap.model / WORDS,
           gap.coder / WORDS, gap.index / WORDS);
    block.data[block.size - 1] ^= 1;
    ent_status answer = ent_block_decode(&recipe, &tables, coded, 0, back, WORDS, NULL);
    printf("with a bit flipped: %s\n", ent_status_text(answer));

    // %% [markdown]
    // `.ops` is all that a modelled target asks for. Here is what a core of a phone is predicted to take, and the same for two of
    // the library's coders. Rice's codes need few operations, but each begins where the one before ends, in one chain through
    // all symbols. The others have 8 or more streams or states side by side, and look several symbols up at once. For the
    // same speed ours would have to cut its stream in parts, and store where they begin.

    // %%
    ent_target *phone;
    char path[4096];
    snprintf(path, sizeof path, "%s/targets/phone.yaml", argv[2]);
    must(ent_target_read(&phone, path, &error));
    for (int i = 0; i < 3; i++) {
        const char *name = (const char *[]){ "rice", "huffman", "tans" }[i];
        ent_prediction p;
        recipe.spec[0] = spec;
        if (i) must(ent_coder_spec_init(&recipe.spec[0], ent_coder_find(name), 256));
        must(ent_target_predict(phone, &recipe, 10.6, 1, &p, &error));
        printf("%-8s %6.2f ns a weight, bound by the %s\n", name, 1 / p.weights_per_ns, p.limit);
    }

    // %% [markdown]
    // ## When is it good?
    //
    // Where ranks fall off by the same factor, p(r) = (1 - q) q^r. The figure has the bits above the entropy that tables cost
    // on such laws, from exact counts (`ent_table_price`; nothing is coded), beside those of Huffman's code without a limit of its
    // lengths, the best there is with whole bits. With q = 1/2 unary codes are exact. Golomb's codes are Huffman's for
    // all geometric laws (Gallager and van Voorhis 1975), but with any whole number in place of 2^k: between two
    // powers of two Rice pays up to 0.09 bits for dividing by shifts.
    //
    // The crosses are the model's exponents. They are no geometric law: ranks 0 and 1 are as good as equal, and then they fall off
    // faster and faster, as logarithms of normal weights do.

    // %%
    FILE *plot = gnuplot("10-excess.svg");
    double on_exponents[2] = { excess(&rice, &counts), excess(ent_coder_find("huffman"), &counts) }, most = 0;
    fprintf(plot, "$cost << END\n");
    for (int i = 0; i <= 120; i++) {
        double q = 1 - exp2(-0.4 - 5.2 * i / 120);
        for (uint32_t r = 0; r < 256; r++) counts.count[r] = (uint64_t)(0.5 + 1e12 * (1 - q) * pow(q, r));
        double ours = excess(&rice, &counts), best = excess(ent_coder_find("huffman"), &counts);
        fprintf(plot, "%g %g %g\n", ent_entropy_bits(&counts), ours, best);
        if (ent_entropy_bits(&counts) < 6) most = fmax(most, ours - best);
    }
    fprintf(plot, "END\n"
                  ""
                  "set title 'Geometric laws: what whole bits cost'\n"
                  "set xlabel 'entropy (bits per symbol)'\n"
                  "set ylabel 'bits per symbol above the entropy'\n"
                  "set key top right\n"
                  "set xrange [0.9:6.4]\n"
                  "set yrange [-0.005:0.2]\n"
                  "plot $cost using 1:2 with lines lw 2 lc rgb '#D55E00' title 'rice', "
                  "$cost using 1:3 with lines lw 2 lc rgb '#0072B2' title 'huffman, no limit of lengths', "
                  "'+' using (%g):(%g) every ::0::0 with points pt 2 lw 2 lc rgb '#D55E00' title 'rice, the model', "
                  "'+' using (%g):(%g) every ::0::0 with points pt 2 lw 2 lc rgb '#0072B2' title 'huffman, the model', "
                  "0 lc rgb 'black' dt 2 lw 1.2 title 'bound (entropy)'\n",
            entropy, on_exponents[0], entropy, on_exponents[1]);
    if (pclose(plot)) return 1;
    printf("on geometric laws of at most 6 bits: %.4f above huffman at most\n", most);
    printf("on the exponents: rice %.4f above their entropy, huffman %.4f\n", on_exponents[0], on_exponents[1]);

    // %% [markdown]
    // ![Bits above the entropy of geometric laws: Rice touches Huffman at powers of two](10-excess.svg)

    // %%
    ent_target_free(phone);
    ent_recipe_counts_free(field), ent_tables_free(&tables), ent_codec_free(codec);
    ent_free(block.data), ent_free(code.data), ent_free(bytes.data), ent_free(exponent);
    ent_table_free(table), ent_counts_free(&counts), ent_weights_close(weights);
    return 0;
}

// %% [markdown]
// ## Try
//
// 1. Fold the exponent around its commonest value instead of ranking (0, -1, +1, -2, ...), so that the table is one number.
//    What does it cost, and would you take it for tensors of 256 weights?
// 2. Give the coder a knob: `.param = { { "k", "lower bits of a rank", 0, 7, 1 } }`, read from `spec->param[0]`. Where would
//    a user want to set it rather than train it?
// 3. Make Golomb's code of it: any divisor m, the remainder in truncated binary. How much of the 0.09 bits comes back, and what
//    does decoding pay?
// 4. Cut the stream into four, their sizes in front (count them as `index_bits`). What do the operation counts say then, and
//    what a clock?
// 5. Remove one check of `decode` and run the notebook with `-fsanitize=address`. Which line of the table of
//    hostile bytes tells, and what does the sanitizer say?
