// %% [markdown] tolerance=0.01
// # 06. Quantize for the coder
//
//     cc 06-quantize-for-the-coder.c $(pkg-config --cflags --libs libentropy) -lm -o 06 && ./06 MODEL
//
// A quantizer usually gets so many bits a weight and makes the best of its 2^b levels. With an entropy coder behind it the
// levels are free: what counts is how often each is used. That changes which quantizer is best, and
// by how much. This notebook derives it in four lines, checks it on normal weights with ten lines of C, and
// then on the shipped model up to what it says.
//
// **The derivation.** Let weights have the density f and round them to multiples of a step d that is small beside the width
// of f. Within a cell f is nearly flat, so the error is uniform: its mean square is
//
//     D = d^2 / 12.
//
// A cell at w has the probability p = f(w) d, so the entropy of the codes is the mean of -log2 (f d):
//
//     H = h - log2 d = h - 1/2 log2 (12 D),                   h: the differential entropy of f, in bits.
//
// No code at all, of whatever blocks of weights, does better than Shannon's lower bound to the rate-distortion function:
//
//     R(D) >= h - 1/2 log2 (2 pi e D).
//
// Subtract:
//
//     H - R(D) <= 1/2 log2 (2 pi e / 12) = 0.2546 bits,
//
// whatever f is, if it is smooth (Gish and Pierce 1968). Rounding, the simplest thing there is, loses a quarter of a bit and no more,
// if an entropy coder follows. Compare levels of a fixed number of bits: even the best placed ones (Lloyd 1982; Max 1960) come to lose
// 1/2 log2 (sqrt(3) pi / 2) = 0.722 bits for normal weights as they become many (Panter and Dite 1951), and levels evenly from -max
// to max lose more, as most of them stand where few weights are.

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
// ## By hand
//
// Round n weights to multiples of a step, count the codes, and return what they need: their entropy. The weights become
// what the codes say.

// %%
static double round_to_steps(float *w, size_t n, double step)
{
    ent_counts counts;
    must(ent_counts_init(&counts, ENT_MAX_ALPHABET));
    for (size_t i = 0; i < n; i++) {
        int code = (int)lrint(w[i] / step);
        counts.count[32768 + code]++;
        w[i] = (float)(code * step);
    }
    double bits = ent_entropy_bits(&counts);
    ent_counts_free(&counts);
    return bits;
}

// The rate at which a normal source of the same variance could be coded with this error.
static double bound(const float *original, const float *changed, size_t n)
{
    ent_distortion d = { 0 };
    ent_distortion_add(&d, original, changed, n);
    return log2(d.signal / d.noise) / 2;
}

static void normals(float *w, size_t n, uint64_t seed) // Box and Muller
{
    ent_random random;
    ent_random_seed(&random, seed, 0);
    for (size_t i = 0; i < n; i += 2) {
        double r = sqrt(-2 * log(1 - ent_random_uniform(&random))), a = 2 * M_PI * ent_random_uniform(&random);
        w[i] = (float)(r * cos(a)), w[i + 1] = (float)(r * sin(a));
    }
}

// %% [markdown]
// The library's quantizers are lines of text. This runs one, and says what its parts take as they are stored and coded to their
// entropy: bits a weight, scales included.

// %%
typedef struct size {
    double plain, coded;
} size;

static size quantize(const char *line, uint32_t rows, uint32_t cols, float *w, const ent_input_stats *input)
{
    ent_pipeline pipeline;
    ent_packed packed;
    must(ent_pipeline_parse(&pipeline, line, &error));
    must(ent_pipeline_apply(&pipeline, rows, cols, w, input, &packed, &error));
    double n = (double)rows * cols;
    size s = { ent_packed_plain_bits(&packed) / n, ent_packed_entropy_bits(&packed) / n };
    ent_packed_free(&packed);
    return s;
}

enum { ROWS = 512, COLS = 512, N = ROWS * COLS };

// %% [markdown]
// And this quantizes every matrix of a language model in memory, from a second copy of it, and runs both over some text:
// perplexity, and the mean divergence of what the model predicts from what it predicted before.

// %%
enum { WINDOW = 256, WINDOWS = 2 };

typedef struct model {
    ent_llama *llama, *original;
    double *bits;                 // a weight of each tensor in the trial before
    const ent_input_stats *input; // calibrated, or NULL
    ent_text text;
} model;

typedef struct result {
    size bits;           // a weight of the whole model
    double sqnr, output; // of all weights; of layers' outputs, the mean over matrices; dB
    ent_quality quality;
} result;

// Each matrix by a line; without one by steps that take as many bits for it as the trial before did.
static result try_model(model *m, const char *line)
{
    result r = { .sqnr = 0 };
    ent_distortion all = { 0 };
    double weights = 0;
    int layers = 0;
    for (size_t i = 0; i < ent_llama_tensors(m->llama); i++) {
        const ent_llama_tensor *t = ent_llama_tensor_at(m->llama, i);
        const ent_llama_tensor *original = ent_llama_tensor_at(m->original, i);
        size_t n = (size_t)t->rows * t->cols;
        size s = { 16, 16 }; // norms stay BF16
        memcpy(t->values, original->values, n * sizeof *t->values);
        if (t->rows > 1) {
            char same[64];
            const ent_input_stats *input = m->input && t->input >= 0 ? &m->input[t->input] : NULL;
            snprintf(same, sizeof same, "step(bits=%.5f)", m->bits[i]);
            s = quantize(line ? line : same, t->rows, t->cols, t->values, input);
            ent_distortion_add(&all, original->values, t->values, n);
            if (input) layers++, r.output -= 20 * log10(ent_output_error(input, original->values, t->values, t->rows));
        }
        m->bits[i] = s.coded;
        r.bits.plain += s.plain * (double)n, r.bits.coded += s.coded * (double)n, weights += (double)n;
    }
    must(ent_llama_evaluate(m->llama, m->original, &m->text, &(ent_run){ 0 }, &r.quality, &error));
    r.bits.plain /= weights, r.bits.coded /= weights;
    r.sqnr = ent_sqnr_db(&all), r.output /= layers;
    return r;
}

static uint32_t *read_tokens(const char *path, size_t *n) // 16 bits each
{
    FILE *file = fopen(path, "rb");
    uint32_t *token = malloc(sizeof *token << 20);
    uint16_t t;
    if (!file || !token) return NULL;
    for (*n = 0; *n < 1 << 20 && fread(&t, sizeof t, 1, file); ++*n) token[*n] = t;
    fclose(file);
    return token;
}

// %%
int main(int argc, char **argv)
{
    if (argc < 2) return fputs("usage: 06 MODEL, a folder with config.json and valid.u16\n", stderr), 2;
    float *normal = ent_alloc(N * sizeof *normal), *w = ent_alloc(N * sizeof *w);
    if (!normal || !w) return 1;
    normals(normal, N, 6);
    printf("%d normal weights, in standard deviations\n", N);
    printf("%6s %12s %12s %8s %12s %8s\n", "step", "mean square", "step^2 / 12", "entropy", "h - log2 d", "- R(D)");
    for (double step = 0.0625; step <= 2; step *= 2) {
        memcpy(w, normal, N * sizeof *w);
        double bits = round_to_steps(w, N, step);
        ent_distortion d = { 0 };
        ent_distortion_add(&d, normal, w, N);
        printf("%6.4f %12.6f %12.6f %8.4f %12.4f %8.4f\n", step, d.noise / N, step * step / 12, bits,
               log2(2 * M_PI * M_E) / 2 - log2(step), bits - bound(normal, w, N));
    }
    printf("1/2 log2 (2 pi e / 12) = %.4f\n", log2(2 * M_PI * M_E / 12) / 2);

    // %% [markdown]
    // The quarter of a bit is there while the step is below half of a standard deviation, from 3 bits on. With larger
    // steps f is not flat in a cell any more, and the middle of a cell is not the best value for it.
    //
    // ## Against levels of a fixed number of bits
    //
    // Now the library's own: `step`, which moves each value to the mean of its cell (that alone keeps it at 0.26 down to 1 bit); `lloyd`, the best levels for their
    // number; `rtn`, round to nearest with a scale for each 128 weights, which is what most quantized models on the net are; and
    // `rtn` with the same codes coded. All at the bound of the same normal weights: how many bits do they lie above it?

    // %%
    FILE *plot = gnuplot("06-above-the-bound.svg");
    fprintf(plot, "$step << END\n");
    for (double bits = 0.5; bits <= 6; bits += 0.5) {
        char line[64];
        snprintf(line, sizeof line, "step(bits=%g)", bits);
        memcpy(w, normal, N * sizeof *w);
        size s = quantize(line, ROWS, COLS, w, NULL);
        fprintf(plot, "%g %g\n", s.coded, s.coded - bound(normal, w, N));
    }
    fprintf(plot, "END\n");
    printf("%-22s %8s %8s %8s %8s\n", "", "plain", "- R(D)", "coded", "- R(D)");
    for (int kind = 0; kind < 2; kind++) {
        fprintf(plot, "$%s << END\n", kind ? "rtn" : "lloyd");
        for (int bits = 2; bits <= 6; bits++) {
            char line[64];
            snprintf(line, sizeof line, kind ? "rtn(bits=%d,group=128)" : "lloyd(bits=%d)", bits);
            memcpy(w, normal, N * sizeof *w);
            size s = quantize(line, ROWS, COLS, w, NULL);
            double least = bound(normal, w, N);
            fprintf(plot, "%g %g %g %g\n", s.plain, s.plain - least, s.coded, s.coded - least);
            printf("%-22s %8.3f %8.3f %8.3f %8.3f\n", line, s.plain, s.plain - least, s.coded, s.coded - least);
        }
        fprintf(plot, "END\n");
    }
    fprintf(plot, ""
                  "set title 'Normal weights: what quantizers lose'\n"
                  "set xlabel 'bits per weight, scales and levels included'\n"
                  "set ylabel 'bits above the rate-distortion bound'\n"
                  "set key top left samplen 2\n"
                  "set xrange [0:7]\n"
                  "set yrange [0:2.2]\n"
                  "plot 0.2546 with lines lc rgb 'black' dt 2 title '0.255: a step, coded', "
                  "0.722 with lines lc rgb 'black' dt 3 title '0.722: best levels of a fixed number of bits', "
                  "$rtn using 1:2 with linespoints lw 2 pt 6 lc rgb '#D55E00' title 'rtn, groups of 128', "
                  "$rtn using 3:4 with linespoints lw 2 pt 7 lc rgb '#D55E00' title 'rtn, coded', "
                  "$lloyd using 1:2 with linespoints lw 2 pt 8 lc rgb '#0072B2' title 'lloyd', "
                  "$lloyd using 3:4 with linespoints lw 2 pt 9 lc rgb '#0072B2' title 'lloyd, coded', "
                  "$step with lines lw 3 lc rgb '#009E73' title 'step, coded'\n");
    if (pclose(plot)) return 1;

    // %% [markdown]
    // ![Bits above the rate-distortion bound](06-above-the-bound.svg)
    //
    // The step lies on its line from 1 bit on. rtn lies around a bit above it; coding its codes brings most of that back, as they
    // are far from equally frequent. What stays are its scales, 0.125 bits (less when they are coded), which normal weights of
    // one variance have no use for. Lloyd's levels are the best of their number, and *worse* than steps when both are
    // coded: they were placed to be used equally often, so there is little to code.
    //
    // ## The model
    //
    // Real weights are no exact normals, rows differ, and what counts is what the model says. All matrices of the shipped model,
    // over 2 windows of 256 tokens:

    // %%
    char path[4096];
    ent_weights *weights;
    ent_llama_config config;
    model m = { .input = NULL };
    size_t tokens;
    must(ent_weights_open(&weights, argv[1], &error));
    snprintf(path, sizeof path, "%s/config.json", argv[1]);
    must(ent_llama_config_read(&config, path, &error));
    must(ent_llama_open(&m.llama, &config, weights, &error));
    must(ent_llama_open(&m.original, &config, weights, &error));
    snprintf(path, sizeof path, "%s/valid.u16", argv[1]);
    uint32_t *token = read_tokens(path, &tokens);
    m.bits = ent_calloc(ent_llama_tensors(m.llama), sizeof *m.bits);
    if (!token || !m.bits) return 1;
    m.text = (ent_text){ .tokens = token, .n = tokens, .window = WINDOW, .most = WINDOWS };

    static const char *const line[] = { "rtn(bits=3,group=128)", "rtn(bits=4,group=128)", "rtn(bits=5,group=128)",
                                        "step(bits=2.25)", "step(bits=2.75)", "step(bits=3.14)", "step(bits=3.45)",
                                        "step(bits=4.14)" };
    plot = gnuplot("06-divergence.svg");
    printf("%-22s %8s %8s %8s %10s %10s\n", "", "plain", "coded", "SQNR dB", "perplexity", "KL, nats");
    for (int i = 0; i < 8; i++) {
        result r = try_model(&m, line[i]);
        if (i == 0 || i == 3) fprintf(plot, "%s$%s << END\n", i ? "END\n" : "", i ? "step" : "rtn");
        fprintf(plot, "%g %g %g\n", r.bits.plain, r.bits.coded, r.quality.kl_nats);
        printf("%-22s %8.3f %8.3f %8.2f %10.3f %10.4f\n", line[i], r.bits.plain, r.bits.coded, r.sqnr,
               r.quality.perplexity, r.quality.kl_nats);
    }
    fprintf(plot, "END\n"
                  "set title 'The shipped model: size against what it costs'\n"
                  "set xlabel 'bits per weight, scales included'\n"
                  "set ylabel 'KL divergence (nats per token)'\n"
                  "set logscale y\n"
                  "set key top right\n"
                  "plot [2:5.5] $rtn using 1:3 with linespoints lw 2 pt 6 lc rgb '#D55E00' title 'rtn, groups of 128', "
                  "$rtn using 2:3 with linespoints lw 2 pt 7 lc rgb '#D55E00' title 'rtn, coded', "
                  "$step using 2:3 with linespoints lw 2 pt 5 lc rgb '#009E73' title 'step, coded'\n");
    if (pclose(plot)) return 1;

    // %% [markdown]
    // ![Bits per weight against divergence](06-divergence.svg)
    //
    // Against rtn as it is stored the step saves more than half a bit at the same divergence, by one coder and not
    // one more operation in decoding than a table of values. But *rtn coded* is as good, here even a little
    // better, with 0.6 dB more of error: the square error of a matrix is not what the model is sensitive to, and scales that follow
    // groups put finer steps where weights are small. So there are two lessons. The coder is worth most of a bit, whichever
    // quantizer stands before it. And then it pays to put the steps where they count, which is what `watersic` and shared
    // budgets (`entropy quality --budget`) do.
    //
    // Look at perplexity, too: at 3.45 bits it is lower than at 4.14. That is chance. It asks for the probability of one token at a
    // place, and 512 places are few; the divergence compares all 4096 probabilities with what they were, and is smooth.
    //
    // ## What rescaling buys
    //
    // Double Compression (Wang et al. 2024) quantizes to INT8 and codes that. Before, it multiplies column j by (max |x_j|)^alpha,
    // x_j being what the layer gets there: loud columns stretch the range, the step grows, more codes fall near zero, the entropy
    // falls. Is that better than asking for a larger step? `ent_calibrate` looks at the layers' inputs on other text. For each alpha
    // there is a plain step that takes for each matrix what the rescaled one took. The error of a layer's output (as if its inputs
    // were uncorrelated) is what rescaling is meant for: loud columns get finer steps.

    // %%
    ent_calibration calibration;
    ent_text other = { .tokens = token, .n = tokens, .window = WINDOW, .most = 8, .skip = 400 };
    must(ent_calibrate(&calibration, m.original, &other, false, &(ent_run){ 0 }, &error));
    m.input = calibration.input;
    printf("%-40s %8s %8s %10s %10s\n", "", "coded", "SQNR dB", "output dB", "KL, nats");
    for (int i = 0; i < 6; i++) {
        char text[80];
        snprintf(text, sizeof text, "rescale(alpha=%g) rtn(bits=8,group=-1)", i / 2 / 2.0);
        result r = try_model(&m, i % 2 ? NULL : text);
        printf("%-40s %8.3f %8.2f %10.2f %10.6f\n", i % 2 ? "  step, each matrix of the same size" : text,
               r.bits.coded, r.sqnr, r.output, r.quality.kl_nats);
    }

    // %% [markdown]
    // The bits fall, by 0.8 with alpha = 1, and so does the quality, and a plain step of that size is as good or better: what looked
    // like a gain of rescaling is that of a coarser step. (At alpha = 1/2 the outputs are 0.1 dB better, which is even within what so
    // few tokens tell.) Rescaling needs inputs of which some are far louder than others, which models of billions of weights
    // have and this one has not: see [the page on it](../results/double-compression.md).

    // %%
    ent_calibration_free(&calibration);
    ent_llama_close(m.llama), ent_llama_close(m.original), ent_weights_close(weights);
    ent_free(m.bits), ent_free(normal), ent_free(w), free(token);
    return 0;
}

// %% [markdown]
// ## Try
//
// 1. Laplace instead of normal weights: `-log(u)` with a random sign. The step's quarter of a bit stays (h changes, the difference
//    does not; draw it against h - 1/2 log2 (2 pi e D)). What happens to the 0.722?
// 2. Set `dead=0.2` in `step`: zero's cell grows, the rate falls, the error rises. Is there a size at which it is worth it?
// 3. Give `rtn` groups of 32 and of 1024. Where is the best group when codes are plain, and where when they are coded?
// 4. `watersic(bits=3.45)` wants second moments (`ent_calibrate(..., true, ...)`). What does it make of the 0.02 nats?
// 5. Code the codes with `huffman` at 2.25 bits and below. Which part of the gap to the entropy is a law of whole bits?
