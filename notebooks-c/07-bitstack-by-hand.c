// %% [markdown] tolerance=0.01
// # 07. BitStack by hand
//
// A quantized model has one size. BitStack (Wang et al. 2025) stores a model as a stack of small blocks, each of which makes it
// more exact; how many are loaded is decided when the model is loaded, by the memory that there happens to be. This
// notebook takes the decomposition apart on one matrix: signs, a singular value decomposition, what is left, and again.
// Then it builds the stack of a whole model and walks up.
//
//     cc 07-bitstack-by-hand.c $(pkg-config --cflags --libs libentropy lapacke) -lm -o 07 && ./07 MODEL
//
// (LAPACKE for the SVD: it is one of the packages that the library needs anyway.)

// %%
// packages: lapacke
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lapacke.h>

#include <entropy/bitstack.h>
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
// ## One block
//
// Low rank alone does not get far with weights: they are noise, and noise has no directions to spare. Their *magnitudes* do. Write
// W = G o A, signs times magnitudes. A has a mean; for normal weights of one variance that mean is sqrt(2 / pi) sigma, and
// what is around it has the mean square (1 - 2 / pi) sigma^2. So the best product of rank 1 for A, which finds at
// least that mean, leaves at most
//
//     |W - G o U V|^2 / |W|^2  =  1 - 2 / pi  =  0.363,     4.40 dB for one bit a weight.
//
// That is also what the best quantizer of one bit does for normal weights (Max 1960): it is the same thing. But U and V are vectors,
// so that loud rows and columns get larger magnitudes, at 16 bits for each row and column and rank.
//
// By hand: magnitudes, their SVD, factors U sqrt(S) and sqrt(S) V rounded to half precision, and away with what they say.

// %%
typedef struct matrix {
    lapack_int rows, cols;
    float *value; // row by row
} matrix;

static double energy(const matrix *m)
{
    double sum = 0;
    for (size_t i = 0; i < (size_t)m->rows * (size_t)m->cols; i++) sum += (double)m->value[i] * m->value[i];
    return sum;
}

static void round_to_half(float *value, size_t n)
{
    const ent_format *half = ent_format_find("F16");
    uint16_t *word = malloc(n * sizeof *word);
    must(word ? ENT_OK : ENT_ENOMEM);
    ent_format_words(half, value, n, word);
    ent_format_floats(half, word, n, value);
    free(word);
}

// Takes the block of rank k away from the residual; false when LAPACK fails.
static bool take_by_hand(matrix *residual, int k)
{
    int rows = residual->rows, cols = residual->cols, least = rows < cols ? rows : cols;
    size_t n = (size_t)rows * (size_t)cols;
    float *a = malloc(n * sizeof *a), *s = malloc((size_t)least * sizeof *s);
    float *u = malloc((size_t)rows * (size_t)least * sizeof *u);
    float *v = malloc((size_t)least * (size_t)cols * sizeof *v);
    bool done = a && s && u && v;
    for (size_t i = 0; done && i < n; i++) a[i] = fabsf(residual->value[i]);
    done = done && !LAPACKE_sgesdd(LAPACK_ROW_MAJOR, 'S', rows, cols, a, cols, s, u, least, v, cols);
    for (int j = 0; done && j < k; j++) {
        for (int r = 0; r < rows; r++) u[r * least + j] *= sqrtf(s[j]);
        for (int c = 0; c < cols; c++) v[j * cols + c] *= sqrtf(s[j]);
    }
    if (done) round_to_half(u, (size_t)rows * (size_t)least), round_to_half(v, (size_t)k * (size_t)cols);
    for (int r = 0; done && r < rows; r++)
        for (int c = 0; c < cols; c++) {
            float sum = 0, *w = &residual->value[r * cols + c];
            for (int j = 0; j < k; j++) sum += u[r * least + j] * v[j * cols + c];
            *w -= *w >= 0 ? sum : -sum;
        }
    free(a), free(s), free(u), free(v);
    return done;
}

// %% [markdown]
// The library's `ent_bitstack_take` does the same with an SVD that finds only the first few directions. With no room for signs it is
// a plain truncated SVD, of a rank that makes up for their bytes.

// %%
static void take(matrix *residual, uint32_t k, bool signs)
{
    uint32_t rows = (uint32_t)residual->rows, cols = (uint32_t)residual->cols;
    ent_bitstack_block block = { .rows = rows, .cols = cols, .rank = ent_bitstack_rank(rows, cols, k, signs) };
    block.signs = signs ? malloc(((size_t)rows * cols + 7) / 8) : NULL;
    block.left = malloc((size_t)rows * block.rank * sizeof *block.left);
    block.right = malloc((size_t)cols * block.rank * sizeof *block.right);
    must((block.signs || !signs) && block.left && block.right ? ENT_OK : ENT_ENOMEM);
    must(ent_bitstack_take(&block, residual->value, NULL, &error));
    free(block.signs), free(block.left), free(block.right);
}

static matrix copy_of(const matrix *m)
{
    matrix copy = { m->rows, m->cols, malloc((size_t)m->rows * (size_t)m->cols * sizeof *m->value) };
    must(copy.value ? ENT_OK : ENT_ENOMEM);
    memcpy(copy.value, m->value, (size_t)m->rows * (size_t)m->cols * sizeof *m->value);
    return copy;
}

static double decibels(const matrix *original, const matrix *residual)
{
    return 10 * log10(energy(original) / energy(residual));
}

enum { RANK = 2, LEVELS = 6 };

// %% [markdown]
// And for whole models: the perplexity of a Llama over some windows of text.

// %%
enum { WINDOW = 256, WINDOWS = 4 };

static double perplexity(const ent_llama *llama, const uint32_t *token, size_t n)
{
    ent_text text = { .tokens = token, .n = n, .window = WINDOW, .most = WINDOWS };
    ent_quality quality;
    must(ent_llama_evaluate(llama, NULL, &text, &(ent_run){ 0 }, &quality, &error));
    return quality.perplexity;
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

// Packs a model as a stack whose blocks lie level by level: the first of every matrix, then the second of every one, ...
static void write_stack(const char *path, const ent_weights *weights, const char *line, const bool *keep,
                        const ent_input_stats *const *input)
{
    ent_pipeline pipeline;
    ent_packing packing = { .pipeline = &pipeline, .keep = keep, .input = input };
    ent_run run = { 0 }; // all threads
    ent_weights *packed;
    ent_stack *stack;
    must(ent_pipeline_parse(&pipeline, line, &error));
    must(ent_pack("07-unsorted.safetensors", weights, &packing, &run, NULL, &error));
    must(ent_weights_open(&packed, "07-unsorted.safetensors", &error));
    must(ent_stack_open(&stack, packed, &error));
    size_t blocks = ent_stack_blocks(stack), n = 0, *order = ent_calloc(blocks, sizeof *order);
    must(order ? ENT_OK : ENT_ENOMEM);
    for (uint32_t level = 0; n < blocks; level++)
        for (size_t i = 0; i < blocks; i++)
            if (ent_stack_block_at(stack, i).level == level) order[n++] = i;
    must(ent_stack_write(path, packed, order, &error));
    ent_free(order), ent_stack_close(stack), ent_weights_close(packed);
    remove("07-unsorted.safetensors");
}

// %%
int main(int argc, char **argv)
{
    ent_weights *weights;
    if (argc < 2) return fputs("usage: 07 MODEL, a folder with config.json and valid.u16\n", stderr), 2;
    must(ent_weights_open(&weights, argv[1], &error));
    const ent_tensor *t = ent_weights_find(weights, "model.layers.2.mlp.up_proj.weight");
    if (!t || t->rank != 2) return fputs("this notebook wants a Llama\n", stderr), 1;
    matrix w = { (lapack_int)t->shape[0], (lapack_int)t->shape[1], malloc(t->elements * sizeof *w.value) };
    must(w.value ? ENT_OK : ENT_ENOMEM);
    ent_format_floats(ent_format_find(t->dtype), t->bytes.data, t->elements, w.value);

    uint32_t rows = (uint32_t)w.rows, cols = (uint32_t)w.cols;
    double level_bits = 8.0 * (double)ent_bitstack_bytes(rows, cols, RANK, true) / (double)t->elements;
    printf("%s, %u x %u; a block of rank %d takes %.3f bits a weight\n\n", t->name, rows, cols, RANK, level_bits);
    matrix hand = copy_of(&w), library = copy_of(&w), plain = copy_of(&w);
    double by_hand[LEVELS], by_library[LEVELS], by_svd[LEVELS];
    printf("%-6s %6s %18s %12s %12s\n", "blocks", "bits", "by hand, dB", "library", "plain SVD");
    for (int i = 0; i < LEVELS; i++) {
        if (!take_by_hand(&hand, RANK)) return 1;
        take(&library, RANK, true);
        take(&plain, RANK, false);
        by_hand[i] = decibels(&w, &hand);
        by_library[i] = decibels(&w, &library);
        by_svd[i] = decibels(&w, &plain);
        printf("%-6d %6.2f %18.3f %12.3f %12.3f\n", i + 1, level_bits * (i + 1), by_hand[i], by_library[i], by_svd[i]);
    }
    printf("\na normal matrix of one variance, one block of rank 1: %.2f dB\n", -10 * log10(1 - 2 / M_PI));

    // %% [markdown]
    // By hand and by the library are the same up to what a randomised SVD misses. The first block is a little better than a
    // normal matrix of one variance promises (the matrix has loud rows), the next as good, as what is left looks like
    // magnitudes around a mean again; then it tires. A plain SVD of as many bytes needs four blocks for what signs do in one.
    //
    // The picture puts it beside quantizers. The bound is that of normal weights, 6.02 dB a bit. Any size at all has its price:
    // at 3.5 bits a stack is 7 dB behind a step that was made for that size and coded, and about even with
    // plain rounding in groups of 64. Below 3 bits it is well above that.

    // %%
    FILE *plot = gnuplot("07-one-matrix.svg");
    fprintf(plot, "$stack << END\n");
    for (int i = 0; i < LEVELS; i++)
        fprintf(plot, "%g %g %g %g\n", level_bits * (i + 1), by_hand[i], by_library[i], by_svd[i]);
    fprintf(plot, "END\n");
    for (int kind = 0; kind < 2; kind++) {
        fprintf(plot, "$%s << END\n", kind ? "step" : "rtn");
        for (int bits = 2; bits <= 5; bits++) {
            char line[64];
            ent_pipeline pipeline;
            ent_packed packed;
            matrix left = copy_of(&w);
            snprintf(line, sizeof line, kind ? "step(bits=%d)" : "rtn(bits=%d,group=64)", bits);
            must(ent_pipeline_parse(&pipeline, line, &error));
            must(ent_pipeline_apply(&pipeline, rows, cols, left.value, NULL, &packed, &error));
            for (size_t i = 0; i < t->elements; i++) left.value[i] -= w.value[i];
            double bits_of_all = kind ? ent_packed_entropy_bits(&packed) : ent_packed_plain_bits(&packed);
            fprintf(plot, "%g %g\n", bits_of_all / (double)t->elements, decibels(&w, &left));
            ent_packed_free(&packed);
            free(left.value);
        }
        fprintf(plot, "END\n");
    }
    fprintf(plot, "set title 'One matrix, block by block'\n"
                  "set xlabel 'bits per weight, everything stored'\n"
                  "set ylabel 'signal to noise (dB)'\n"
                  "set key outside right top\n"
                  "set xrange [0:7.2]\n"
                  "set yrange [0:32]\n"
                  "plot 6.0206 * x lc rgb 'black' dt 2 title 'bound for normal weights', "
                  "$step with linespoints lw 2 pt 5 lc rgb '#009E73' title 'step, coded', "
                  "$rtn with linespoints lw 2 pt 6 lc rgb '#D55E00' title 'rtn, groups of 64', "
                  "$stack using 1:3 with lines lw 2 lc rgb '#0072B2' title 'BitStack, library', "
                  "$stack using 1:2 with points pt 7 ps 1.1 lc rgb '#0072B2' title 'BitStack, by hand', "
                  "$stack using 1:4 with linespoints lw 2 pt 8 lc rgb '#CC79A7' title 'plain SVD of as many bytes'\n");
    if (pclose(plot)) return 1;

    // %% [markdown]
    // ![Signal to noise of one matrix against bits: BitStack lies between plain SVD and quantizers](07-one-matrix.svg)
    //
    // ## The stack of a model
    //
    // `ent_pack` packs all matrices but the embedding, and `ent_stack_write` sorts the result: the first block of every matrix, then the
    // second of every one. What fits into so many bytes is then a beginning of the file. There are two of them, as the paper has a
    // second idea: what a column of W does depends on how loud its input is, so columns are multiplied by the norms of
    // their inputs before the SVD, and its factors divided by them after. `ent_calibrate` measures the norms on other text.

    // %%
    char path[4096];
    ent_llama_config config;
    ent_llama *llama;
    ent_calibration calibration;
    size_t tensors = ent_weights_tensors(weights), tokens;
    bool *keep = ent_calloc(tensors, sizeof *keep);
    const ent_input_stats **input = ent_calloc(tensors, sizeof *input);
    snprintf(path, sizeof path, "%s/config.json", argv[1]);
    must(ent_llama_config_read(&config, path, &error));
    must(ent_llama_open(&llama, &config, weights, &error));
    snprintf(path, sizeof path, "%s/valid.u16", argv[1]);
    uint32_t *token = read_tokens(path, &tokens);
    if (!keep || !input || !token) return 1;
    ent_text other = { .tokens = token, .n = tokens, .window = WINDOW, .most = 8, .skip = 400 };
    must(ent_calibrate(&calibration, llama, &other, false, &(ent_run){ 0 }, &error));
    for (size_t i = 0; i < tensors; i++) {
        const ent_tensor *each = ent_weights_tensor(weights, i);
        int from = ent_llama_find(llama, each->name)->input;
        keep[i] = !strcmp(each->role, "embed");
        if (from >= 0) input[i] = &calibration.input[from];
    }
    double unpacked = perplexity(llama, token, tokens);
    write_stack("07-plain.safetensors", weights, "bitstack(levels=4,rank=2)", keep, NULL);
    write_stack("07-scaled.safetensors", weights, "bitstack(levels=4,rank=2,scale=1)", keep, input);

    // %% [markdown]
    // Up the ladder: more and more memory, the blocks that fit (`ent_stack_fit`) added to matrices that began as zeros. Nothing
    // is undone or read twice on the way up.

    // %%
    static const double budget[] = { 2.8, 3, 3.25, 3.5, 3.75, 4, 4.33 }; // MB
    enum { BUDGETS = sizeof budget / sizeof *budget };
    double ladder[2][BUDGETS];
    size_t loaded[BUDGETS], blocks = 0;
    for (int scaled = 0; scaled < 2; scaled++) {
        ent_weights *packed;
        ent_stack *stack;
        must(ent_weights_open(&packed, scaled ? "07-scaled.safetensors" : "07-plain.safetensors", &error));
        must(ent_stack_open(&stack, packed, &error));
        blocks = ent_stack_blocks(stack);
        for (size_t i = 0, b = 0; i < BUDGETS; i++) {
            must(ent_stack_fit(stack, (uint64_t)(budget[i] * 1e6), &loaded[i], NULL, &error));
            for (; b < loaded[i]; b++) {
                ent_stack_block block = ent_stack_block_at(stack, b);
                float *values = ent_llama_find(llama, block.name)->values;
                if (!block.level) memset(values, 0, (size_t)block.rows * block.cols * sizeof *values);
                must(ent_stack_add(stack, b, values, &error));
            }
            ladder[scaled][i] = perplexity(llama, token, tokens);
        }
        ent_stack_close(stack), ent_weights_close(packed);
        remove(scaled ? "07-scaled.safetensors" : "07-plain.safetensors");
    }
    printf("%zu blocks; unpacked 9.48 MB, perplexity %.2f\n\n", blocks, unpacked);
    printf("%-12s %8s %12s %12s\n", "at most", "blocks", "not scaled", "scaled");
    for (size_t i = 0; i < BUDGETS; i++)
        printf("%.2f MB %12zu %12.2f %12.2f\n", budget[i], loaded[i], ladder[0][i], ladder[1][i]);

    plot = gnuplot("07-ladder.svg");
    fprintf(plot, "$ladder << END\n");
    for (size_t i = 0; i < BUDGETS; i++) fprintf(plot, "%g %g %g\n", budget[i], ladder[0][i], ladder[1][i]);
    fprintf(plot, "END\n"
                  "set title 'One file, any size: memory against perplexity'\n"
                  "set xlabel 'memory (MB; 9.48 unpacked)'\n"
                  "set ylabel 'perplexity (%d tokens)'\n"
                  "set logscale y\n"
                  "set ytics (25, 30, 35, 40, 50, 60, 70)\n"
                  "set key top right\n"
                  "plot [2.7:4.4] [25:70] %g lc rgb 'black' dt 2 title 'unpacked', "
                  "$ladder using 1:2 with linespoints lw 2 pt 6 lc rgb '#56B4E9' title 'not scaled', "
                  "$ladder using 1:3 with linespoints lw 2 pt 7 lc rgb '#0072B2' title 'scaled by the inputs'\n",
            WINDOW * WINDOWS, unpacked);
    if (pclose(plot)) return 1;

    // %% [markdown]
    // ![Perplexity falls with memory, blocks scaled by inputs below](07-ladder.svg)
    //
    // The second level is worth most: from one block for each matrix (35) to two (70) the perplexity falls to within an eighth of the
    // unpacked model's. A third block for some matrices and not for others does nothing at first. Scaling helps, but little here, as
    // this model's inputs are nearly even. How to sort within a level, by what the model is predicted to lose or by trying
    // each block as the authors do, is on [the page of results](../results/bitstack.md), over more text than this.

    // %%
    ent_calibration_free(&calibration), ent_llama_close(llama), ent_weights_close(weights);
    ent_free(keep), ent_free(input), free(token);
    free(w.value), free(hand.value), free(library.value), free(plain.value);
    return 0;
}

// %% [markdown]
// ## Try
//
// 1. Change `RANK` to 1, 4 and 16, at equal bits. Why does rank 16 suit a matrix of 4096 x 4096 and not this one?
// 2. Take the magnitudes' own mean in place of the SVD (a rank 1 of constant vectors). How much of the first block was that?
// 3. BitStack subtracts the factors before they are rounded to half precision; the code above after. Does it make a difference, and
//    at which level would it?
// 4. Code the parts with `rans`: which of signs and factors get smaller? ([05](05-decode-cost-and-the-roof.md) says what that
//    costs when they are loaded.)
// 5. Sort by the error that a block takes away for each of its bytes (`ent_stack_add` into a copy, `ent_output_error`). It is worse than
//    level by level at most sizes. Why is a matrix's error a poor guide to the model's?
