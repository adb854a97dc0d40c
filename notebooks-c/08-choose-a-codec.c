// %% [markdown] tolerance=0.001
// # 08. Choose a codec for your model and target
//
// The smallest codec is not the best one: what it saves in memory it may lose in decoding, and how much of each depends on the
// machine. This notebook chooses, for every tensor, one of some codecs, so that the model is smallest within a
// bound on time, or fastest within a bound on memory. Sizes are coded, not guessed. Times are predicted for machines that
// are described in a file, so that you get the same numbers; `entropy choose --target host` measures yours.
//
//     cc 08-choose-a-codec.c $(pkg-config --cflags --libs libentropy) -lm -o 08
//     data=$(pkg-config --variable=datadir libentropy)
//     ./08 $data/datasets/gutenberg-llama-4.7m $data

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
// Codecs are lines of text, or names for them. All of scope `tensor`, each tensor with tables of its own, so that what a tensor takes
// does not depend on what the others have.

// %%
enum { CODECS = 7, MOST_TENSORS = 256 };
static const char *const codec_name[CODECS] = { "raw", "tiered", "planar-rans", "huffman", "tans", "rans",
                                                "rans-top2" };

typedef struct model {
    ent_weights *weights;
    size_t tensors;
    ent_codec *codec[CODECS];
    ent_tensor_size size[CODECS][MOST_TENSORS]; // bytes of blocks and tables
} model;

static void code_all(model *m, const char *path)
{
    must(ent_weights_open(&m->weights, path, &error));
    m->tensors = ent_weights_tensors(m->weights);
    if (m->tensors > MOST_TENSORS) fputs("so many tensors: enlarge MOST_TENSORS\n", stderr), exit(1);
    for (int c = 0; c < CODECS; c++) {
        must(ent_codec_parse(&m->codec[c], codec_name[c], &error));
        must(ent_container_estimate(m->weights, m->codec[c], 64 << 20, &(ent_run){ 0 }, m->size[c], &error));
    }
}

// %% [markdown]
// ## What each costs
//
// `ent_target_predict` says how many weights in a nanosecond a target sustains, given a codec's recipe for a format and the bits
// that a weight of this tensor takes: the slowest of memory, decoder and intake. A tensor has a row of options with two costs that
// count here, bytes and nanoseconds; other rows of `cost` are energy and loss. A codec that a target cannot run costs infinitely much.

// %%
static void find_costs(const model *m, const ent_target *target, ent_option option[])
{
    for (size_t i = 0; i < m->tensors; i++) {
        const ent_tensor *t = ent_weights_tensor(m->weights, i);
        for (int c = 0; c < CODECS; c++) {
            ent_recipe recipe;
            ent_prediction p;
            ent_option *o = &option[i * CODECS + (size_t)c];
            double n = (double)t->elements, bytes = m->size[c][i].bytes;
            must(ent_codec_bind(m->codec[c], t->dtype, &recipe, &error));
            ent_status status = ent_target_predict(target, &recipe, fmin(8 * bytes / n, t->dtype_bits), 0, &p, &error);
            *o = (ent_option){ { 0 } };
            o->cost[ENT_COST_BYTES] = bytes;
            o->cost[ENT_COST_NS] = status ? INFINITY : n / p.weights_per_ns;
        }
    }
}

// One codec for all tensors.
static ent_option sum_of(const model *m, const ent_option option[], int codec)
{
    ent_option sum = { { 0 } };
    for (size_t i = 0; i < m->tensors; i++)
        for (int k = 0; k < ENT_COSTS; k++) sum.cost[k] += option[i * CODECS + (size_t)codec].cost[k];
    return sum;
}

// %% [markdown]
// ## The choice
//
// One option for each tensor, least total of one cost while the total of another keeps below a bound: a multiple-choice knapsack
// problem. `ent_choose` solves it by convex hulls and prices (Sinha and Zoltners 1979), then by branch and bound, and says
// how far from the best the result can be at most.

// %%
static bool choose(const model *m, const ent_option option[], ent_cost_kind minimise, ent_cost_kind bounded,
                   double most, uint32_t choice[], ent_chosen *chosen)
{
    ent_choosing choosing = { .items = m->tensors, .options = CODECS, .option = option, .minimise = minimise,
                              .most = { INFINITY, INFINITY, INFINITY, INFINITY } };
    choosing.most[bounded] = most;
    return !ent_choose(&choosing, choice, chosen, &error);
}

static void print_shares(const model *m, const uint32_t choice[])
{
    uint64_t weights[CODECS] = { 0 }, all = 0;
    for (size_t i = 0; i < m->tensors; i++) {
        uint64_t n = ent_weights_tensor(m->weights, i)->elements;
        weights[choice[i]] += n, all += n;
    }
    for (int c = 0; c < CODECS; c++)
        if (weights[c] * 1000 > all) printf("  %s %.1f %%", codec_name[c], 100.0 * (double)weights[c] / (double)all);
    putchar('\n');
}

// %%
int main(int argc, char **argv)
{
    static model m;
    static ent_option option[MOST_TENSORS * CODECS];
    static const char *const machine[] = { "server-56", "phone" };
    char path[4096];
    ent_target *target[2];
    if (argc < 3) return fputs("usage: 08 MODEL DATA\n", stderr), 2;
    code_all(&m, argv[1]);
    double weights = 0, raw_ns[2], time[2][CODECS], bits[CODECS];
    for (size_t i = 0; i < m.tensors; i++) weights += (double)ent_weights_tensor(m.weights, i)->elements;
    for (int k = 0; k < 2; k++) {
        snprintf(path, sizeof path, "%s/targets/%s.yaml", argv[2], machine[k]);
        must(ent_target_read(&target[k], path, &error));
        find_costs(&m, target[k], option);
        raw_ns[k] = sum_of(&m, option, 0).cost[ENT_COST_NS];
        for (int c = 0; c < CODECS; c++) {
            ent_option sum = sum_of(&m, option, c);
            time[k][c] = sum.cost[ENT_COST_NS] / raw_ns[k], bits[c] = 8 * sum.cost[ENT_COST_BYTES] / weights;
        }
        printf("%-10s %s\n", machine[k], ent_target_brief(target[k]));
    }
    printf("\n%-12s %14s %24s\n", "", "bits a weight", "time / time uncoded");
    printf("%-12s %14s %14s %9s\n", "", "", machine[0], machine[1]);
    for (int c = 0; c < CODECS; c++)
        printf("%-12s %14.4f %14.3f %9.3f\n", codec_name[c], bits[c], time[0][c], time[1][c]);

    // %% [markdown]
    // The server reads memory with 56 cores and decodes with registers of 64 bytes: a good coder hides behind the memory, and the
    // model gets through in two thirds of the time. A better coder does not hide. On the phone, which has no loops for
    // vectors here, nothing hides: a codec trades time for memory, 8 to 19 times the time for a third of the memory.
    //
    // ## A bound on time
    //
    // The server may take as long as without coding, and not longer; or 0.8 of that; ...

    // %%
    uint32_t choice[MOST_TENSORS];
    ent_chosen chosen;
    find_costs(&m, target[0], option);
    FILE *plot = gnuplot("08-server.svg");
    static const double latency[] = { 0.65, 0.67, 0.8, 1, 1.2, 1.5 };
    for (size_t i = 0; i < sizeof latency / sizeof *latency; i++) {
        printf("at most %.2f of the time: ", latency[i]);
        if (!choose(&m, option, ENT_COST_BYTES, ENT_COST_NS, latency[i] * raw_ns[0], choice, &chosen)) {
            printf("not to be had\n");
            continue;
        }
        double bytes = chosen.total[ENT_COST_BYTES];
        printf("%.4f bits a weight, time %.4f, at most %.3f %% from the best\n", 8 * bytes / weights,
               chosen.total[ENT_COST_NS] / raw_ns[0], 100 * (bytes / chosen.least - 1));
        print_shares(&m, choice);
    }
    fprintf(plot, "$mix << END\n");
    for (double most = 0.67; most <= 1.7; most += 0.05)
        if (choose(&m, option, ENT_COST_BYTES, ENT_COST_NS, most * raw_ns[0], choice, &chosen))
            fprintf(plot, "%g %g\n", chosen.total[ENT_COST_NS] / raw_ns[0],
                    8 * chosen.total[ENT_COST_BYTES] / weights);
    fprintf(plot, "END\n$one << END\n");
    for (int c = 1; c < CODECS; c++) fprintf(plot, "%g %g %s\n", time[0][c], bits[c], codec_name[c]);
    fprintf(plot, "END\n"
                  "set title 'server-56: size within a bound on time'\n"
                  "set xlabel 'time / time uncoded (predicted)'\n"
                  "set ylabel 'bits per weight, everything stored'\n"
                  "set key top right\n"
                  "set xrange [0.5:2.3]\n"
                  "set yrange [10.5:10.68]\n"
                  "set parametric\n"
                  "set trange [10.5:10.68]\n"
                  "plot t / 16, t lc rgb 'black' dt 2 title 'bound: the memory, and free decoding', "
                  "$mix with linespoints lw 2 pt 6 ps 0.5 lc rgb '#0072B2' title 'a codec for each tensor', "
                  "$one with points pt 7 ps 1.1 lc rgb '#D55E00' title 'one codec for all', "
                  "$one using 1:2:3 with labels offset 0.8,0.5 left notitle\n");
    if (pclose(plot)) return 1;

    // %% [markdown]
    // ![Bits per weight against time on a server, one codec or one for each tensor](08-server.svg)
    //
    // 0.65 is less than any codec can do: the memory alone needs that. From there on every bit of patience buys a little: tensors move from
    // planar-rans, which hides, to rans-top2, which is smaller as it also codes two bits of the mantissa. The line lies below and
    // left of all points: a mix beats any one codec at its own time.
    //
    // ## A bound on memory
    //
    // The phone asks the other way round: the model must fit, as fast as possible.

    // %%
    find_costs(&m, target[1], option);
    plot = gnuplot("08-phone.svg");
    static const double memory[] = { 15, 13, 11, 10.6, 10.57 };
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) {
        if (!choose(&m, option, ENT_COST_NS, ENT_COST_BYTES, memory[i] * weights / 8, choice, &chosen)) return 1;
        printf("at most %5.2f bits: time %.2f\n", memory[i], chosen.total[ENT_COST_NS] / raw_ns[1]);
        print_shares(&m, choice);
    }
    fprintf(plot, "$mix << END\n");
    for (int i = 0; i <= 16; i++) {
        double most = 10.53 + 5.48 * pow(1 - i / 16.0, 3); // closer where it is steep
        if (choose(&m, option, ENT_COST_NS, ENT_COST_BYTES, most * weights / 8, choice, &chosen))
            fprintf(plot, "%g %g\n", 8 * chosen.total[ENT_COST_BYTES] / weights,
                    chosen.total[ENT_COST_NS] / raw_ns[1]);
    }
    fprintf(plot, "END\n$one << END\n");
    for (int c = 0; c < CODECS; c++) fprintf(plot, "%g %g %s\n", bits[c], time[1][c], codec_name[c]);
    fprintf(plot, "END\n"
                  "set title 'phone: time within a bound on memory'\n"
                  "set xlabel 'bits per weight, everything stored'\n"
                  "set ylabel 'time / time uncoded (predicted)'\n"
                  "set key top right\n"
                  "set xrange [9.4:16.6]\n"
                  "set yrange [0:22]\n"
                  "left(name) = name eq 'tans' || name eq 'rans-top2'\n"
                  "plot x / 16 lc rgb 'black' dt 2 title 'bound: the memory, and free decoding', "
                  "$mix with lines lw 2 lc rgb '#0072B2' title 'a codec for each tensor', "
                  "$one with points pt 7 ps 1.1 lc rgb '#D55E00' title 'one codec for all', "
                  "$one using 1:2:(left(strcol(3)) ? '' : strcol(3)) with labels offset 1,0 left notitle, "
                  "$one using 1:2:(left(strcol(3)) ? strcol(3) : '') with labels offset -1,0 right notitle\n");
    if (pclose(plot)) return 1;

    // %% [markdown]
    // ![Time against bits per weight on a phone](08-phone.svg)
    //
    // Down to huffman's size the time is a straight line between raw and huffman: code just as many tensors as must be. What lies
    // below is dear.
    //
    // ## Do it
    //
    // A plan is worth as much as the file that comes of it. The choice for the server at 1.0, written as a container, checked block by block
    // against the model, and its size beside the predicted one.

    // %%
    ent_container *container;
    ent_container_sizes sizes;
    find_costs(&m, target[0], option);
    if (!choose(&m, option, ENT_COST_BYTES, ENT_COST_NS, raw_ns[0], choice, &chosen)) return 1;
    ent_assignment assignment = { .codecs = CODECS, .codec = (const ent_codec *const *)m.codec, .of = choice };
    must(ent_container_write_assigned("08-model.h5", m.weights, &assignment, &(ent_run){ 0 }, &sizes, &error));
    must(ent_container_open(&container, "08-model.h5", &error));
    must(ent_container_verify(container, m.weights, &(ent_run){ 0 }, NULL, NULL, &error));
    uint64_t written = (sizes.tally.payload_bits + sizes.tally.table_bits + sizes.tally.index_bits) / 8;
    printf("chosen  %9.0f bytes of blocks and tables\n", chosen.total[ENT_COST_BYTES]);
    printf("written %9lu, and headers; every block verified\n", written);

    // %%
    ent_container_close(container);
    remove("08-model.h5");
    for (int c = 0; c < CODECS; c++) ent_codec_free(m.codec[c]);
    ent_target_free(target[0]), ent_target_free(target[1]);
    ent_weights_close(m.weights);
    return 0;
}

// %% [markdown]
// ## Try
//
// 1. Copy `targets/phone.yaml`, give it `vector_bytes: 16` and one vector a cycle, and look which codecs hide then.
// 2. Fill `ENT_COST_PJ` from `pj_per_weight` and minimise energy. Is the smallest model the one of least energy on the phone?
// 3. Bound time and energy at once: `ent_choose` takes two bounds. When is the answer not proven best?
// 4. `entropy choose gutenberg-llama-4.7m --target host --latency 1.05 --verify -o plan` does it for your machine, by measuring, and
//    then says how far off it was. How much of the error is your neighbours'?
// 5. Add `ENT_COST_LOSS` and lossy options, e.g. `step(bits=4)` with its KL divergence from [06](06-quantize-for-the-coder.md) as the loss.
