// %% [markdown] tolerance=0.001
// # 04. From counts to codes
//
// The entropy is a bound: no code that looks at one symbol at a time can be shorter.  Coders come near to it in very different ways, and each
// pays for something.  This notebook sends one stream, the exponents of one matrix, through every coder of the library, and asks of each where
// its bits went.
//
//     cc 04-from-counts-to-codes.c $(pkg-config --cflags --libs libentropy) -lm -o 04 && ./04 MODEL

// %%
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <entropy/entropy.h>

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

// %% [markdown]
// ## One coder, step by step
//
// Every coder has the same steps: counts train a *table*; the table is written beside the code, for the decoder has to know it; symbols become
// bytes; bytes become symbols.  A *spec* is a coder with its knobs set, for symbols below some number, its alphabet.  This function
// takes all steps, checks that the symbols come back, and adds up the bits.

// %%
typedef struct spent { // bits, of a whole stream
    double model;      // what the table says the symbols cost, over their entropy; NAN: the coder has no table
    double payload, table, index;
    ent_status status;
} spent;

static spent code_stream(const ent_coder_spec *spec, const uint8_t *symbols, size_t n)
{
    ent_counts counts;
    ent_table *table, *read;
    ent_buffer bytes = { 0 }, code = { 0 };
    ent_tally tally = { 0 };
    spent s = { .model = NAN };

    must(ent_training_init(&counts, spec)); // counts, as this coder wants them
    must(ent_training_add(&counts, spec, symbols, n));
    must(ent_table_train(&table, spec, &counts, ENT_ENCODE));
    double price;
    if (!ent_table_price(table, &counts, &price)) s.model = price - (double)n * ent_entropy_bits(&counts);

    must(ent_table_write(table, &bytes));
    must(ent_buffer_reserve(&code, ent_encode_bound(table, n)));
    s.status = ent_encode(table, symbols, n, &code, &tally);

    uint8_t *back = malloc(n);
    must(back ? ENT_OK : ENT_ENOMEM);
    must(ent_table_read(&read, spec, (ent_bytes){ bytes.data, bytes.size }, ENT_DECODE));
    if (!s.status) s.status = ent_decode(read, (ent_bytes){ code.data, code.size }, back, n);
    if (!s.status && memcmp(back, symbols, n)) s.status = ENT_ECHECK;

    s.payload = (double)tally.payload_bits;
    s.table = 8 * (double)bytes.size;
    s.index = (double)tally.index_bits;
    free(back);
    ent_free(code.data);
    ent_free(bytes.data);
    ent_table_free(read);
    ent_table_free(table);
    ent_counts_free(&counts);
    return s;
}

// %% [markdown]
// The stream: `ent_split_words` takes words apart, one array of symbols for each field of a split.

// %%
int main(int argc, char **argv)
{
    ent_weights *model;
    ent_split split;
    ent_counts counts;
    if (argc < 2) return fputs("usage: 04 MODEL\n", stderr), 2;
    must(ent_weights_open(&model, argv[1], &error));
    const ent_tensor *largest = NULL;
    for (size_t i = 0; i < ent_weights_tensors(model); i++) {
        const ent_tensor *t = ent_weights_tensor(model, i);
        if (!strcmp(t->dtype, "BF16") && (!largest || t->elements > largest->elements)) largest = t;
    }
    if (!largest) return fputs("no tensor of BF16 in this model\n", stderr), 1;

    size_t n = (size_t)largest->elements;
    uint8_t *exponents = malloc(n);
    if (!exponents) return 1;
    must(ent_split_parse(ent_format_find("BF16"), "exponent | sign+mantissa", &split, &error));
    ent_split_words(&split, largest->bytes.data, n, (void *[]){ exponents, NULL });
    must(ent_counts_init(&counts, 256));
    must(ent_counts_add(&counts, exponents, 1, n));
    double entropy = ent_entropy_bits(&counts);
    printf("the exponents of %s: %zu symbols, ", largest->name, n);
    printf("%u of 256 occur, entropy %.5f bits\n", ent_counts_live(&counts), entropy);

    // %% [markdown]
    // ## What a symbol costs
    //
    // A symbol of probability p deserves -log2 p bits.  A Huffman code can only give whole bits; rANS and tANS give it what a *frequency*
    // says, a whole number of slots out of some power of two.  `ent_table_price` tells what a table makes of counts: we give it counts of one symbol at a time.

    // %%
    const char *three[] = { "huffman", "tans", "planar-rans" };
    ent_table *table[3];
    for (int c = 0; c < 3; c++) {
        ent_coder_spec spec;
        must(ent_coder_spec_init(&spec, ent_coder_find(three[c]), 256));
        must(ent_table_train(&table[c], &spec, &counts, ENT_ENCODE));
    }
    printf("exponent    count  deserves   huffman     tans  planar-rans\n");
    for (uint32_t s = 0; s < 256; s++) {
        ent_counts single;
        if (counts.count[s] < n / 2000) continue; // leave out the rare ones
        must(ent_counts_init(&single, 256));
        single.count[s] = 1;
        printf("%8u %8lu  %8.3f", s, counts.count[s], -log2((double)counts.count[s] / (double)n));
        for (int c = 0; c < 3; c++) {
            double bits;
            must(ent_table_price(table[c], &single, &bits));
            printf("  %8.3f", bits);
        }
        printf("\n");
        ent_counts_free(&single);
    }
    for (int c = 0; c < 3; c++) ent_table_free(table[c]);

    // %% [markdown]
    // Huffman rounds: the commonest exponent deserves 1.8 bits, gets 2, and so on down.  Where each symbol is half as frequent as the one above, whole bits are
    // just right, which is why Huffman codes suit exponents; they lose where two peaks are alike, as 122 and 123 here.  tANS has 4096 slots, and
    // is off for the rare symbols only.  planar-rans has 256, so that a frequency fits a byte: what is rarer than a slot gets one all the same, 8 bits, at
    // the cost of the others, and the rarest are left out and repaired from a list.
    //
    // ## All coders
    //
    // The gap to the entropy has parts.  *Model*: what the table's lengths or frequencies cost.  *Coder*: whatever the payload is beyond that, such as final states, padding, symbols
    // kept aside; of coders without tables, all they take or save.  *Table* and *index*: what is stored beside.

    // %%
    FILE *plot = gnuplot("04-gap.svg");
    fprintf(plot, "set title 'What coders spend over the entropy of %.3f bits'\n"
                  "set ylabel 'bits a symbol over the entropy'\n"
                  "set xtics rotate by -40\n"
                  "set yrange [-0.21:0.08]\n"
                  "set key bottom left\n"
                  "set style data histograms\n"
                  "set style histogram rowstacked\n"
                  "set style fill solid 0.9\n"
                  "set boxwidth 0.7\n"
                  "$data << END\n", entropy);
    printf("coder                    size     over    model    coder    table    index   bits a symbol\n");
    for (size_t i = 0; ent_coders[i]; i++) {
        ent_coder_spec spec;
        if (ent_coder_spec_init(&spec, ent_coders[i], 256)) continue;
        spent s = code_stream(&spec, exponents, n);
        if (s.status) {
            printf("%-19s  %s\n", ent_coders[i]->name, ent_status_text(s.status));
            continue;
        }
        double each = 1 / (double)n, size = (s.payload + s.table + s.index) * each;
        double model_bits = isnan(s.model) ? 0 : s.model * each, coder = s.payload * each - entropy - model_bits;
        printf("%-19s %9.5f %8.5f ", ent_coders[i]->name, size, size - entropy);
        if (isnan(s.model)) printf("%8s ", "-");
        else printf("%8.5f ", model_bits);
        printf("%8.5f %8.5f %8.5f\n", coder, s.table * each, s.index * each);
        if (size < entropy + 0.08)
            fprintf(plot, "%s %g %g %g\n", ent_coders[i]->name, model_bits, coder, (s.table + s.index) * each);
    }
    fprintf(plot, "END\n"
                  "set xzeroaxis lt -1\n"
                  "plot $data using 2:xtic(1) lc rgb '#0072B2' title 'model', '' using 3 lc rgb '#E69F00' title 'coder', "
                  "'' using 4 lc rgb '#009E73' title 'table and index'\n");
    if (pclose(plot)) return 1;

    // %% [markdown]
    // ![Bars of bits over the entropy for each coder: rANS, tANS and arithmetic coders near zero, planar-rans at one hundredth, Huffman at four, tiered at five; classes, adaptive and mixing below zero](04-gap.svg)
    //
    // Three kinds.  arithmetic, rANS and tANS are within 0.003 bits of the bound: for a stream of a million symbols, entropy coding is a
    // solved problem, and the choice among them is one of speed.  Huffman and wavelet-tree stand at their rounding.  tiered,
    // tbe and row-palette give symbols one of a few lengths, which makes them quick to decode, as planar-rans with its small table is: that is [05](05-decode-cost-and-the-roof.md).
    // The bitmap is for weights most of which are zero, qmoe for ternary ones; they show that a coder is made for some law.
    //
    // And some are *below* the bound.  That is no mistake: the bound is for codes that look at one symbol at a time and use one table.
    // arithmetic-adaptive learns on the way, and goes along when the exponents change in mid-stream; planar-rans-classes has a table for each class of rows;
    // mixing predicts each bit from what stood near it, before it and above it.  What they gain is dependence between weights.
    //
    // ## Tables are not free
    //
    // All this is for a million symbols.  Cut the stream into blocks that each carry a table, and the table counts.  Bits a symbol, table and index included,
    // averaged over 16 blocks, against the size of a block:

    // %%
    const char *five[] = { "huffman", "tans", "arithmetic", "arithmetic-adaptive", "planar-rans" };
    enum { CODERS = sizeof five / sizeof *five, BLOCKS = 16 };
    plot = gnuplot("04-blocks.svg");
    fprintf(plot, "set title 'Blocks that carry their own table'\n"
                  "set xlabel 'symbols in a block'\n"
                  "set ylabel 'bits a symbol, all counted'\n"
                  "set logscale x 2\n"
                  "set xtics ('64' 64, '256' 256, '1k' 1024, '4k' 4096, '16k' 16384, '64k' 65536)\n"
                  "set xrange [60:70000]\n"
                  "set yrange [2:7]\n"
                  "array colour[%d] = [0xD55E00, 0x009E73, 0x0072B2, 0xCC79A7, 0xE69F00]\n"
                  "names = '", CODERS);
    for (int c = 0; c < CODERS; c++) fprintf(plot, "%s ", five[c]);
    fprintf(plot, "'\n$data << END\n");
    printf("block   ");
    for (int c = 0; c < CODERS; c++) printf(" %19s", five[c]);
    printf("\n");
    for (size_t block = 64; block <= 65536 && block * BLOCKS <= n; block *= 4) {
        printf("%8zu", block);
        fprintf(plot, "%zu", block);
        for (int c = 0; c < CODERS; c++) {
            double bits = 0;
            for (size_t b = 0; b < BLOCKS; b++) {
                ent_coder_spec spec;
                must(ent_coder_spec_init(&spec, ent_coder_find(five[c]), 256));
                spent s = code_stream(&spec, exponents + n / BLOCKS * b, block);
                must(s.status);
                bits += (s.payload + s.table + s.index) / (double)(block * BLOCKS);
            }
            printf(" %19.4f", bits);
            fprintf(plot, " %g", bits);
        }
        printf("\n");
        fprintf(plot, "\n");
    }
    fprintf(plot, "END\n"
                  "plot for [c = 1:%d] $data using 1:c + 1 with linespoints pt c + 3 ps 0.7 lw 1.5 lc rgb colour[c] "
                  "title word(names, c), %g with lines dt 2 lc rgb 'black' title 'entropy of the whole stream'\n",
            CODERS, entropy);
    if (pclose(plot)) return 1;

    // %% [markdown]
    // ![Bits a symbol against block size: all fall towards the entropy; Huffman is at three bits with blocks of 256 symbols, where the others take over five](04-blocks.svg)
    //
    // A short block pays its table over and over, and pays each coder's fixed cost: tANS, as preset, has 64 states to end, planar-rans 64 lanes.  A coder that learns
    // needs no table but must learn.  Which is best turns with the size; where blocks must be small, so that one can be
    // decoded without the others, let them share a table, as this library's codecs do (`scope=tensor`).
    //
    // ## What a decoder must stand
    //
    // Bytes get damaged.  A decoder here may be given anything: it answers with a status, and never reads or writes outside of what it was given.
    // But can it tell?  Flip single bits of the code, 50 of them, one at a time:

    // %%
    uint8_t *back = malloc(n);
    if (!back) return 1;
    for (int c = 0; c < CODERS; c++) {
        ent_coder_spec spec;
        ent_table *both;
        ent_buffer code = { 0 };
        int refused = 0, wrong = 0;
        must(ent_coder_spec_init(&spec, ent_coder_find(five[c]), 256));
        must(ent_table_train(&both, &spec, &counts, ENT_ENCODE | ENT_DECODE));
        must(ent_buffer_reserve(&code, ent_encode_bound(both, n)));
        must(ent_encode(both, exponents, n, &code, NULL));
        for (size_t i = 0; i < 50; i++) {
            uint8_t *byte = &code.data[code.size / 50 * i + 20];
            *byte ^= 8;
            if (ent_decode(both, (ent_bytes){ code.data, code.size }, back, n)) refused++;
            else if (memcmp(back, exponents, n)) wrong++;
            *byte ^= 8;
        }
        ent_status shorter = ent_decode(both, (ent_bytes){ code.data, code.size - 1 }, back, n);
        printf("%-19s  %2d refused, %2d decoded to other symbols; ", five[c], refused, wrong);
        printf("a byte too short: %s\n", ent_status_text(shorter));
        ent_free(code.data);
        ent_table_free(both);
    }

    // %% [markdown]
    // States give damage away: ANS must end in the state that encoding began with, here 64 states each in its own, and so in a way must arithmetic coding.  A
    // Huffman decoder falls into step again after some wrong symbols, and often arrives at the end as if nothing had been.  Such luck is no
    // check, so whatever stores codes adds a checksum: blocks of a codec carry one (`ent_block_decode`), and `entropy verify` names the block that does not hold.

    // %%
    free(back);
    free(exponents);
    ent_counts_free(&counts);
    ent_weights_close(model);
    return 0;
}

// %% [markdown]
// ## Try
//
// 1. Code the sign and mantissa (`sign+mantissa`, the other stream of the split).  Which coders make it smaller than 8 bits, and is it worth it?
// 2. Turn knobs: `ent_coder_spec_set(&spec, "log", 9)` for tans, `"max"`, 6 for huffman, `"states"`, 1.  `entropy list coders` shows them all.  What does each buy?
// 3. Shuffle the exponents (03 has the loop) and code them again.  Who falls back to the bound, and by how much?  That is what was dependence.
// 4. Train on the exponents of a norm, the model's smallest tensor, and code this stream: which coders refuse, with which status, and what would you do about it?
//
// Next: [05. Decode cost and the roof](05-decode-cost-and-the-roof.md).
