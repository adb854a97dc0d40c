// %% [markdown] tolerance=0.001
// # 02. Sign, exponent, mantissa
//
// [The first notebook](01-what-is-in-a-weight-file.md) found that 16-bit weights hold some 10.5 bits of information each.  Here we take
// the words apart, see which bits are noise and which are not, and find that one law explains the numbers: so well that they could
// have been computed without looking at the model.
//
//     cc 02-sign-exponent-mantissa.c $(pkg-config --cflags --libs libentropy) -lm -o 02 && ./02 MODEL

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
// A *field* is a run of bits of a word.  The library counts whole words once (`ent_word_counts`), and makes the counts of any field from those: of
// `exponent`, of `mantissa:top1`, its highest bit, or of both as one symbol, `exponent+mantissa:top1`.

// %%
static double field_entropy(const ent_word_counts *words, const char *text)
{
    ent_field field;
    ent_counts counts;
    must(ent_field_parse(words->format, text, &field, &error));
    must(ent_word_counts_field(words, &field, &counts));
    double bits = ent_entropy_bits(&counts);
    ent_counts_free(&counts);
    return bits;
}

// The share of normal weights that lie between two sizes, of either sign.
static double between(double low, double high, double sigma)
{
    return erf(high / (sigma * M_SQRT2)) - erf(low / (sigma * M_SQRT2));
}

// %% [markdown]
// ## Three fields
//
// Count all BF16 words of the model; and one matrix by itself, to look at more closely.

// %%
int main(int argc, char **argv)
{
    ent_weights *model;
    const ent_format *bf16 = ent_format_find("BF16");
    ent_word_counts all, one;
    if (argc < 2) return fputs("usage: 02 MODEL\n", stderr), 2;
    must(ent_weights_open(&model, argv[1], &error));
    must(ent_word_counts_init(&all, bf16));
    must(ent_word_counts_init(&one, bf16));

    const ent_tensor *matrix = NULL; // the first projection there is
    for (size_t i = 0; i < ent_weights_tensors(model); i++) {
        const ent_tensor *t = ent_weights_tensor(model, i);
        if (strcmp(t->dtype, "BF16")) continue;
        ent_word_counts_add(&all, t->bytes.data, (size_t)t->elements);
        if (!matrix && !strcmp(t->role, "up_proj")) matrix = t;
    }
    if (!matrix) return fputs("no up_proj of BF16 in this model\n", stderr), 1;
    ent_word_counts_add(&one, matrix->bytes.data, (size_t)matrix->elements);

    const char *fields[] = { "sign", "exponent", "mantissa", "word" };
    const int stored[] = { 1, 8, 7, 16 };
    double bits[4];
    printf("entropy, bits    stored   whole model   %s\n", matrix->name);
    for (int i = 0; i < 4; i++) {
        bits[i] = field_entropy(&all, fields[i]);
        printf("%-16s %6d   %11.4f   %11.4f\n", fields[i], stored[i], bits[i], field_entropy(&one, fields[i]));
    }
    double sum = bits[0] + bits[1] + bits[2];
    printf("\nsum of the three: %.4f, which is %.4f over that of words\n", sum, sum - bits[3]);

    // %% [markdown]
    // The sign is a coin.  The mantissa is nearly noise.  All there is to gain sits in the exponent, which is stored in 8 bits and
    // has 2.6 bits of information.  Coding the three apart, as if they knew nothing of each other, costs only 0.045 bits more than coding
    // words, with tables of 256 entries where words have 65,536: this is why nearly every lossless codec for weights codes the exponent, and
    // copies the rest.
    //
    // ## Why 2.6?
    //
    // The exponent says between which powers of two a weight lies: 127 + k for 2^k <= |w| < 2^(k+1).  If w is normal with standard deviation σ, that has
    // probability erf(2^(k+1) / (σ √2)) - erf(2^k / (σ √2)), and we can write down the whole histogram from σ alone.

    // %%
    size_t n = (size_t)matrix->elements;
    float *value = malloc(n * sizeof *value);
    double square = 0;
    if (!value) return 1;
    ent_format_floats(bf16, matrix->bytes.data, n, value);
    for (size_t i = 0; i < n; i++) square += (double)value[i] * value[i];
    double sigma = sqrt(square / (double)n);

    ent_field exponent;
    ent_counts counts;
    must(ent_field_parse(bf16, "exponent", &exponent, &error));
    must(ent_word_counts_field(&one, &exponent, &counts));
    printf("%s, standard deviation %.5f\n\nexponent    |w| from   counted      normal law\n", matrix->name, sigma);
    double law = 0; // the entropy that the law foretells
    for (int e = 0; e < 256; e++) {
        double low = ldexp(1, e - 127), p = between(low, 2 * low, sigma), share = (double)counts.count[e] / (double)n;
        if (p > 0) law -= p * log2(p);
        if (e >= 115 && e <= 126) printf("%8d  %10.6f  %8.5f  %14.5f\n", e, low, share, p);
    }
    printf("\nentropy     counted %.4f, normal law %.4f bits\n", ent_entropy_bits(&counts), law);

    // %% [markdown]
    // They agree within 0.002 bits.  The law has one parameter, and the entropy hardly depends even on that one: a σ twice as large moves the whole histogram by one
    // exponent, and changes nothing else.  Between two powers of two it changes little:

    // %%
    for (int step = 0; step <= 8; step++) {
        double s = 0.04 * exp2(step / 8.0), h = 0;
        for (int e = 1; e < 255; e++) {
            double p = between(ldexp(1, e - 127), ldexp(1, e - 126), s);
            if (p > 0) h -= p * log2(p);
        }
        printf("sigma %.4f  %.4f bits\n", s, h);
    }

    // %% [markdown]
    // So any tensor of normal weights, of any size and scale, has an exponent of 2.54 bits, whatever its 8 bits of storage.  Other laws
    // have other numbers (a wider one, like Laplace's, more), and a whole model has tensors of several σ, pooled: 2.61 here.  This is also
    // why all BF16 models shrink by about the same third.
    //
    // Here is the histogram, with the law's.  The dashed line is 1/256: a symbol with that share deserves the 8 bits in which all
    // exponents are stored; those above it deserve fewer, those below it more.

    // %%
    FILE *plot = gnuplot("02-exponents.svg");
    fprintf(plot, "set title 'Exponents of %s' noenhanced\n"
                  "set xlabel 'exponent, as stored'\n"
                  "set ylabel 'share of the weights'\n"
                  "set logscale y\n"
                  "set format y '10^{%%T}'\n"
                  "set yrange [1e-5:1]\n"
                  "set key left\n"
                  "set style fill solid 0.6\n"
                  "set boxwidth 0.8\n"
                  "$data << END\n", matrix->name);
    for (int e = 108; e < 128; e++)
        fprintf(plot, "%d %g %g\n", e, (double)counts.count[e] / (double)n,
                between(ldexp(1, e - 127), ldexp(1, e - 126), sigma));
    fprintf(plot, "END\n"
                  "plot [107:128] $data using 1:($2 > 0 ? $2 : NaN) with boxes lc rgb '#56B4E9' title 'counted', "
                  "$data using 1:3 with linespoints pt 7 ps 0.6 lw 1.5 lc rgb '#D55E00' title 'normal law', "
                  "1 / 256. with lines dt 2 lc rgb 'black' title '1/256'\n");
    if (pclose(plot)) return 1;
    ent_counts_free(&counts);

    // %% [markdown]
    // ![Shares of the exponents of one matrix on a logarithmic axis: a peak at 122, half as many with each step down, hardly any above 124; the normal law lies on the counts](02-exponents.svg)
    //
    // Above the peak the law falls like exp(-4^k), below it by one half a step, because near zero the density is flat and each interval is half as
    // wide as the next.  A tail that halves is what a code spends its bits on: a Huffman code gives each exponent one bit more than the one above.
    //
    // ## The mantissa
    //
    // Within an interval from 2^k to 2^(k+1) the density falls, so small mantissas are a little more frequent than large ones.  How much of
    // that can a coder use?  Bit by bit, from the top:

    // %%
    char text[64];
    double saved = 0, before = field_entropy(&all, "exponent");
    printf("bit of the mantissa   entropy alone   given exponent and the bits above   saved\n");
    for (int bit = 6; bit >= 0; bit--) {
        snprintf(text, sizeof text, "[%d:%d]", bit, bit);
        double alone = field_entropy(&all, text);
        snprintf(text, sizeof text, "exponent+mantissa:top%d", 7 - bit);
        double with = field_entropy(&all, text);
        double given = with - before; // H(b | a) = H(a, b) - H(a)
        before = with;
        saved += 1 - given;
        printf("%19d   %13.4f   %33.4f   %.4f\n", bit, alone, given, 1 - given);
    }
    printf("%65s   %.4f\n", "all", saved);

    // %% [markdown]
    // The highest bit saves five hundredths of a bit when the exponent is known, the next one and a half, the others nothing that pays (and what the
    // lowest seem to save is an illusion of counting, of which more in 03).  Of all that, 0.028 bits could be had from the mantissa by itself; what is left is
    // nearly the 0.045 by which the sum of fields exceeded the entropy of words.  A codec that joins the top bit or two of the mantissa to the exponent gains half a per cent of
    // the file, for tables two or four times as large.
    //
    // ## Storage is not information
    //
    // The same numbers may be stored in other formats.  `ent_format_words` rounds floats to a format; we do that with all weights of the matrix and count again.

    // %%
    const char *formats[] = { "F32", "BF16", "F16", "F8_E4M3", "F8_E5M2" };
    printf("format    bits stored   sign  exponent  mantissa and what is lost\n");
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        const ent_format *format = ent_format_find(formats[f]);
        ent_word_counts words;
        ent_split split;
        double loss = 0;
        float *back = malloc(n * sizeof *back);
        void *stored_words = malloc(n * ent_format_width(format));
        if (!back || !stored_words) return 1;
        ent_format_words(format, value, n, stored_words);
        ent_format_floats(format, stored_words, n, back);
        for (size_t i = 0; i < n; i++) loss += pow((double)back[i] - value[i], 2);
        must(ent_word_counts_init(&words, format));
        ent_word_counts_add(&words, stored_words, n);
        must(ent_split_natural(format, &split));
        printf("%-8s  %11u", formats[f], format->bits);
        for (uint8_t k = 0; k < split.fields; k++) printf("  %6.4f", field_entropy(&words, split.field[k].name));
        printf("   error %.2g of the sum of squares\n", loss / square);
        ent_word_counts_free(&words);
        free(stored_words);
        free(back);
    }

    // %% [markdown]
    // F32 stores twice as many bits and not one bit more information: the lower 16 bits of its mantissa have an entropy of zero.  F16 has
    // fewer exponents and three mantissa bits more, and these three are zeros as well, but for some of the smallest weights, which
    // it cannot write exactly (its error is not zero).  The formats of 8 bits keep 3 and 2 bits of the mantissa; E5M2
    // still has all of the exponents, and E4M3, whose smallest normal number is 2^-6, writes all that is smaller with one exponent, so
    // that fewer are left to tell apart: coded, it takes 6.1 of its 8 bits.
    //
    // ## Whose counts?
    //
    // A code that is made for each tensor has a histogram of its own to fit.  What is that worth?  The mean of the tensors' entropies,
    // each weighed by its number of weights, against the entropy of all pooled:

    // %%
    double total = 0;
    uint64_t weights = 0;
    for (size_t i = 0; i < ent_weights_tensors(model); i++) {
        const ent_tensor *t = ent_weights_tensor(model, i);
        ent_word_counts words;
        if (strcmp(t->dtype, "BF16")) continue;
        must(ent_word_counts_init(&words, bf16));
        ent_word_counts_add(&words, t->bytes.data, (size_t)t->elements);
        total += (double)t->elements * field_entropy(&words, "exponent");
        weights += t->elements;
        ent_word_counts_free(&words);
    }
    printf("exponent: pooled %.4f bits, a table for each tensor %.4f bits\n", bits[1], total / (double)weights);

    // %% [markdown]
    // Four hundredths of a bit, so a table for each tensor pays if it costs less than that: for a matrix of a million weights, less than
    // 40,000 bits.  It costs some two hundred.  But some of the difference is an illusion, and for small tensors much of it:
    // [03](03-how-far-to-trust-an-entropy.md) says how to tell.

    // %%
    free(value);
    ent_word_counts_free(&one);
    ent_word_counts_free(&all);
    ent_weights_close(model);
    return 0;
}

// %% [markdown]
// ## Try
//
// 1. Replace the normal law by Laplace's, with P(|w| > x) = exp(-x √2 / σ).  Which entropy does it foretell?  Which of the model's tensors is nearer to it?
// 2. The sign's entropy is 0.9999 and not 1.  Which tensors have more of one sign, and is it worth a code?
// 3. Draw mantissas 0 to 127 given exponent 122, and the normal law's prediction for them.
// 4. Make F16 words of BF16 words as above, and code all three formats with zstd (see 01).  Which of the zeros does it find?
// 5. Round the matrix to BF16 after multiplying it by 1.3.  What happens to the entropies, and why is it not nothing?
//
// Next: [03. How far to trust an entropy](03-how-far-to-trust-an-entropy.md).
