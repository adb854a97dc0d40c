// %% [markdown] tolerance=0.001
// # 01. What is in a weight file
//
// A trained neural network is a file of numbers.  This notebook opens one, finds every byte of it, and looks at the numbers
// until they stop looking like numbers and start to look like symbols of an alphabet, which is what the other
// notebooks code.  You need C, and to have heard that a language model multiplies vectors by matrices of *weights*.
//
// A notebook is one C program.  This one is [01-what-is-in-a-weight-file.c](01-what-is-in-a-weight-file.c); with the library installed,
//
//     cc 01-what-is-in-a-weight-file.c $(pkg-config --cflags --libs libentropy) -lm -o 01
//     ./01 $(pkg-config --variable=datadir libentropy)/datasets/gutenberg-llama-4.7m
//
// prints what you see below the code, here for the small language model that comes with the library: 4.7 million weights,
// trained on public-domain novels.  Give it a model of your own: a `.safetensors`, `.gguf`, `.npy` or PyTorch file, or a folder.

// %%
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <entropy/entropy.h>

// %% [markdown]
// Functions of the library that can fail return a status, and say what went wrong in an `ent_error`.  A notebook has one answer to that.

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

// %% [markdown]
// ## The bytes
//
// `ent_weights_open` maps the file; `ent_weights_file_at` shows it whole.  Most models travel as *safetensors*: eight
// bytes that say how long the header is, lowest byte first; the header, which is JSON; then the weights of all tensors, one after the
// other, with nothing between them.  So we can read the header by hand.

// %%
int main(int argc, char **argv)
{
    ent_weights *model;
    if (argc < 2) return fputs("usage: 01 MODEL\n", stderr), 2;
    must(ent_weights_open(&model, argv[1], &error));

    ent_bytes file = ent_weights_file_at(model, 0)->bytes;
    uint64_t header = 0;
    for (int i = 7; i >= 0; i--) header = header << 8 | file.data[i];
    printf("%s: %zu bytes, ", ent_weights_file_at(model, 0)->name, file.size);
    printf("of which the header takes 8 + %lu:\n\n", header);
    printf("%.*s ...\n", 340, (const char *)file.data + 8);

    // %% [markdown]
    // A tensor has a name, a *dtype* (how a number is written down), a shape and a place.  The library has read
    // the same, checked that no tensor lies outside of the file or upon another, and sorted them by where they lie.
    // `role` is its guess, from the name, of what the tensor does in the model.

    // %%
    size_t tensors = ent_weights_tensors(model);
    printf("%s, %zu tensors; those of the embedding and of the first layer:\n\n", ent_weights_format(model), tensors);
    for (size_t i = 0; i < tensors && i < 10; i++) {
        const ent_tensor *t = ent_weights_tensor(model, i);
        printf("%9lu  %-5s", t->offset, t->dtype);
        for (uint32_t k = 0; k < t->rank; k++) printf(" %4lu", t->shape[k]);
        printf("%*s  %-9s  %s\n", t->rank == 2 ? 0 : 5, "", t->role, t->name);
    }

    // %% [markdown]
    // Where did the megabytes go?  Summed by role, and with the header, that is the whole file: a codec that wants to
    // make it smaller has to do it here.

    // %%
    struct { const char *name; uint64_t weights, bytes; } role[32] = { 0 };
    uint64_t all = 8 + header;
    size_t roles = 0;
    for (size_t i = 0; i < tensors; i++) {
        const ent_tensor *t = ent_weights_tensor(model, i);
        size_t r = 0;
        while (r < roles && strcmp(role[r].name, t->role)) r++;
        if (r == 32) continue;
        if (r == roles) role[roles++].name = t->role;
        role[r].weights += t->elements;
        role[r].bytes += t->bytes.size;
        all += t->bytes.size;
    }
    for (size_t r = 0; r < roles; r++)
        printf("%-10s %8lu weights %8lu bytes  %5.1f %%\n", role[r].name, role[r].weights,
               role[r].bytes, 100.0 * (double)role[r].bytes / (double)file.size);
    printf("%-10s %25lu bytes\n", "header", 8 + header);
    printf("header and tensors are %lu bytes of %zu\n", all, file.size);

    // %% [markdown]
    // The matrices are all of it; the norms, one vector a layer and place, are hardly there.  The embedding, a row
    // for each of the 4096 tokens, is a fifth: in small models it is large, in models of billions of weights it is a few per cent.
    //
    // ## The numbers
    //
    // BF16 is the upper half of a 32-bit float: a sign, 8 bits of exponent, 7 of mantissa.  Two bytes, so 65,536 numbers can be
    // written at all.  `ent_format_value` says what a word means, for this and for every other format.

    // %%
    const ent_tensor *t = ent_weights_find(model, "model.layers.0.mlp.up_proj.weight");
    if (!t) t = ent_weights_tensor(model, 0);
    const ent_format *format = ent_format_find(t->dtype);
    if (!format || format->bits != 16) return fprintf(stderr, "%s is %s, not of 16 bits\n", t->name, t->dtype), 1;
    printf("%s begins\n\n", t->name);
    for (int i = 0; i < 6; i++) {
        uint16_t word;
        memcpy(&word, t->bytes.data + 2 * i, 2);
        printf("%04x  ", word);
        for (int bit = 15; bit >= 0; bit--) printf("%d%s", word >> bit & 1, bit == 15 || bit == 7 ? " " : "");
        printf("  %12.8f\n", ent_format_value(format, word));
    }

    // %% [markdown]
    // Small numbers around zero.  How small, and how many of each size?  `ent_format_floats` turns all words of a matrix into
    // floats; we count them in bins of a tenth of a standard deviation, and write the counts to gnuplot, which draws them beside
    // what a normal law with the same standard deviation would give.

    // %%
    enum { BINS = 100 }; // of 0.1 standard deviations, from -5 to 5
    size_t n = (size_t)t->elements, bin[BINS] = { 0 }, outside = 0;
    float *value = malloc(n * sizeof *value);
    double square = 0, largest = 0;
    if (!value) return 1;
    ent_format_floats(format, t->bytes.data, n, value);
    for (size_t i = 0; i < n; i++) square += (double)value[i] * value[i], largest = fmax(largest, fabs(value[i]));
    double sigma = sqrt(square / (double)n);
    for (size_t i = 0; i < n; i++) {
        double b = floor(value[i] / sigma * 10 + BINS / 2);
        if (b < 0 || b >= BINS) outside++;
        else bin[(int)b]++;
    }
    free(value);
    printf("%zu weights, standard deviation %.5f\n", n, sigma);
    printf("the largest is %.1f times that; %zu lie further out than 5\n", largest / sigma, outside);

    FILE *plot = gnuplot("01-values.svg");
    fprintf(plot, "set title 'Values of %s' noenhanced\n"
                  "set xlabel 'value / standard deviation'\n"
                  "set ylabel 'weights in 0.1 standard deviations'\n"
                  "set samples 300\n"
                  "set style fill solid 0.6\n"
                  "normal(x) = %zu * 0.1 / sqrt(2 * pi) * exp(-x * x / 2)\n"
                  "$count << END\n", t->name, n);
    for (int b = 0; b < BINS; b++) fprintf(plot, "%g %zu\n", (b - BINS / 2 + 0.5) / 10, bin[b]);
    fprintf(plot, "END\n"
                  "plot [-5:5] $count with boxes lc rgb '#56B4E9' title 'counted', "
                  "normal(x) lw 2 lc rgb '#D55E00' title 'normal law'\n");
    if (pclose(plot)) return 1;

    // %% [markdown]
    // ![Histogram of one matrix's values: a bell around zero that a normal law follows closely](01-values.svg)
    //
    // A bell, nearly a normal one: a weight is a random number to begin with, and then the sum of thousands of small steps.
    //
    // ## The symbols
    //
    // Now forget that they are numbers.  The file is a text of 4.7 million letters from an alphabet of 65,536.  How many letters
    // occur, and how unevenly?  `ent_word_counts` counts words, tensor after tensor; the entropy H = -Σ p log2 p of the counts is
    // how many bits a letter takes, on average, under the best code that looks at one letter at a time (Shannon 1948).

    // %%
    ent_word_counts words;
    ent_field word;
    ent_counts counts;
    must(ent_word_counts_init(&words, format));
    for (size_t i = 0; i < tensors; i++) {
        const ent_tensor *each = ent_weights_tensor(model, i);
        if (!strcmp(each->dtype, t->dtype)) ent_word_counts_add(&words, each->bytes.data, (size_t)each->elements);
    }
    must(ent_field_parse(format, "word", &word, &error));
    must(ent_word_counts_field(&words, &word, &counts));
    double bits = ent_entropy_bits(&counts);
    printf("%lu words, %u different ones of 65536 occur\n", ent_counts_total(&counts), ent_counts_live(&counts));
    printf("entropy %.4f bits a word: %.1f %% of the 16 that are stored\n", bits, 100 * bits / 16);

    // %% [markdown]
    // A third of the file is not information, as far as single words go.  What do the compressors find that everyone has?  A coder of the library
    // takes symbols and gives bytes: `ent_table_train`, which for these two learns nothing, `ent_encode`, and back by `ent_decode`.
    // We give it the first tensor as plain bytes.

    // %%
    const ent_tensor *first = ent_weights_tensor(model, 0);
    const char *names[] = { "lz4", "zstd" };
    for (size_t i = 0; i < 2; i++) {
        ent_coder_spec spec;
        ent_table *table;
        ent_buffer code = { 0 };
        if (!ent_coder_find(names[i])) continue; // built without it
        must(ent_coder_spec_init(&spec, ent_coder_find(names[i]), 256));
        must(ent_table_train(&table, &spec, NULL, ENT_ENCODE | ENT_DECODE));
        must(ent_buffer_reserve(&code, ent_encode_bound(table, first->bytes.size)));
        must(ent_encode(table, first->bytes.data, first->bytes.size, &code, NULL));

        uint8_t *back = malloc(first->bytes.size);
        if (!back) return 1;
        must(ent_decode(table, (ent_bytes){ code.data, code.size }, back, first->bytes.size));
        bool same = !memcmp(back, first->bytes.data, first->bytes.size);
        printf("%-5s %zu bytes of %s become %zu: ", names[i], first->bytes.size, first->name, code.size);
        printf("%5.2f bits a weight, %s\n", 8.0 * (double)code.size / (double)first->elements, same ? "and back" : "DAMAGED");
        free(back);
        ent_free(code.data);
        ent_table_free(table);
    }

    // %% [markdown]
    // LZ4 looks for strings that were there before, and a trained matrix repeats nothing.  zstd also codes bytes by how often they occur, and
    // gets part of the way, though it mixes two kinds of byte in one count: the one with the sign and most of
    // the exponent, and the one with the rest of the exponent and the mantissa.  [The next notebook](02-sign-exponent-mantissa.md) takes
    // words apart where they ought to be taken apart, and finds where the third that is no information sits.

    // %%
    ent_counts_free(&counts);
    ent_word_counts_free(&words);
    ent_weights_close(model);
    return 0;
}

// %% [markdown]
// ## Try
//
// 1. Draw the histogram of `model.embed_tokens.weight`, and of a `norm`.  Which of the two is no bell, and what would you say it does?
// 2. Use a logarithmic axis (`set logscale y`, and bins that are empty left out).  Where does the normal law part from the counts, and
//    on which side?  Weights far out are few: what do they cost a code that gives rare symbols long words?
// 3. Is the entropy of words of each tensor alone below that of the model?  Write the loop.  Before you believe the difference, read
//    [03](03-how-far-to-trust-an-entropy.md): a small tensor has few words.
// 4. The header takes JSON's word for names and shapes.  What must a reader check before it trusts `data_offsets`?  Compare
//    with what `ent_weights_open` promises in `weights.h`.
//
// Next: [02. Sign, exponent, mantissa](02-sign-exponent-mantissa.md).
