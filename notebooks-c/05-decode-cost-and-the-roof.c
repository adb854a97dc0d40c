// %% [markdown] tolerance=0.001
// # 05. Decode cost and the roof
//
// A smaller model is worth nothing if it takes longer to unpack than it took to load.  This notebook measures how fast bytes move on your machine, measures
// how fast coded weights become weights again, and computes, for machines that you do not have, when coding makes a model faster rather than slower.
//
//     cc -O2 05-decode-cost-and-the-roof.c $(pkg-config --cflags --libs libentropy) -lm -o 05
//     ./05 MODEL $(pkg-config --variable=datadir libentropy)

// %%
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

// %% [markdown]
// ## The roof
//
// Weights that are not coded cost a copy: every byte is read once and written once.  So the copy is the roof that decoders are held against, in the same
// run: machines differ, and one machine differs from hour to hour, but the ratio stays.  How fast is a copy?  That depends on where the bytes
// are.  The fastest of several tries counts, since whatever disturbs a measurement makes it slower.

// %%
static double copy_gbps(uint8_t *to, const uint8_t *from, size_t bytes)
{
    double best = INFINITY;
    size_t times = bytes < 1 << 24 ? (1 << 24) / bytes : 1;
    for (int i = 0; i < 7; i++) {
        double start = now_ns();
        for (size_t k = 0; k < times; k++) {
            memcpy(to, from, bytes);
            __asm__ volatile("" : : "r"(to) : "memory"); // or the compiler sees that nobody looks, and copies nothing
        }
        best = fmin(best, (now_ns() - start) / (double)times);
    }
    return (double)bytes / best;
}

// %%
int main(int argc, char **argv)
{
    if (argc < 3) return fputs("usage: 05 MODEL DATADIR\n", stderr), 2;

    // %% times
    enum { LARGEST = 1 << 26 };
    uint8_t *from = malloc(LARGEST), *to = malloc(LARGEST);
    if (!from || !to) return 1;
    memset(from, 1, LARGEST), memset(to, 2, LARGEST); // so that the pages are there
    FILE *plot = gnuplot("05-memcpy.svg");
    fprintf(plot, "set title 'memcpy on one core of %s' noenhanced\n"
                  "set xlabel 'bytes copied'\n"
                  "set ylabel 'GB/s'\n"
                  "set logscale x 2\n"
                  "set logscale y\n"
                  "set xtics ('4 KiB' 4096, '64 KiB' 65536, '1 MiB' 1048576, '16 MiB' 16777216)\n"
                  "set xrange [3000:1e8]\n"
                  "set yrange [3:300]\n"
                  "$data << END\n", ent_cpu_text());
    printf("memcpy of     GB/s\n");
    for (size_t bytes = 4096; bytes <= LARGEST; bytes *= 4) {
        double gbps = copy_gbps(to, from, bytes);
        printf("%5zu KiB  %7.1f\n", bytes / 1024, gbps);
        fprintf(plot, "%zu %g\n", bytes, gbps);
    }
    fprintf(plot, "END\nplot $data with linespoints pt 7 lw 1.5 lc rgb '#0072B2' notitle\n");
    if (pclose(plot)) return 1;

    // %% [markdown]
    // ![Speed of memcpy against the number of bytes: fastest within the first-level cache, several times slower once both sides no longer fit the second](05-memcpy.svg)
    //
    // What fits the first cache is copied many times faster than what comes from memory, and a model does not fit.  The right end of the curve is the
    // roof.  (The 9.5 MB of this small model lie between: they fit the last cache of many processors.  Try a larger one.)
    //
    // ## Under it
    //
    // `ent_bench_words` codes an array of words and decodes it again, block by block, in turn with a memcpy, and compares what came back.
    // All BF16 words of the model, one core.  First the sizes, which are the same everywhere; the bound is the entropy of the fields as they are coded.

    // %%
    ent_weights *model;
    must(ent_weights_open(&model, argv[1], &error));
    size_t n = 0;
    for (size_t i = 0; i < ent_weights_tensors(model); i++)
        if (!strcmp(ent_weights_tensor(model, i)->dtype, "BF16")) n += (size_t)ent_weights_tensor(model, i)->elements;
    uint16_t *words = malloc(n * sizeof *words), *end = words;
    if (!words || !n) return 1;
    for (size_t i = 0; i < ent_weights_tensors(model); i++) {
        const ent_tensor *t = ent_weights_tensor(model, i);
        if (!strcmp(t->dtype, "BF16")) end = (uint16_t *)memcpy(end, t->bytes.data, t->bytes.size) + t->elements;
    }

    const char *names[] = { "raw",  "tiered",     "planar-rans", "wavelet-tree", "huffman", "tans",
                            "rans", "arithmetic", "zstd",        "lz4",          "huff-llm" };
    enum { CODECS = sizeof names / sizeof *names };
    ent_bench bench[CODECS];
    double bits[CODECS];
    ent_codec *codec[CODECS];
    printf("codec          bits a weight    bound\n");
    for (int c = 0; c < CODECS; c++) {
        must(ent_codec_parse(&codec[c], names[c], &error));
        must(ent_bench_words(codec[c], "BF16", words, n, 1, 15, &bench[c], &error));
        ent_tally t = bench[c].tally;
        bits[c] = (double)(t.payload_bits + t.table_bits + t.index_bits) / (double)n;
        printf("%-14s %13.4f  %7.4f%s\n", names[c], bits[c], bench[c].bound_bits, bench[c].verified ? "" : "  NOT VERIFIED");
    }

    // %% [markdown]
    // And the times.  Speeds are of *decoded* bytes, two a weight, so that a codec that makes less of its input is not faster for it.

    // %% times
    printf("codec          decode GB/s   memcpy GB/s   decode / memcpy\n");
    for (int c = 0; c < CODECS; c++)
        printf("%-14s %11.2f   %11.2f   %15.3f\n", names[c], bench[c].decode_gbps, bench[c].memcpy_gbps,
               bench[c].decode_gbps / bench[c].memcpy_gbps);

    plot = gnuplot("05-codecs.svg");
    fprintf(plot, "set title 'One core of %s' noenhanced\n"
                  "set xlabel 'decode speed / memcpy'\n"
                  "set ylabel 'codec and its bits a weight'\n"
                  "set xrange [0:1.6]\n"
                  "set yrange [%d.5:-0.5]\n"
                  "set key bottom right\n"
                  "$data << END\n", ent_cpu_text(), CODECS - 1);
    for (int c = 0; c < CODECS; c++)
        fprintf(plot, "\"%s  %.2f\" %g\n", names[c], bits[c], bench[c].decode_gbps / bench[c].memcpy_gbps);
    fprintf(plot, "END\n"
                  "set arrow from 1,graph 0 to 1,graph 1 nohead dt 2 lw 1.5 lc rgb '#D55E00' front\n"
                  "plot $data using 2:0:(0):2:($0 - 0.35):($0 + 0.35):ytic(1) with boxxyerror fs solid 0.7 lc rgb '#56B4E9' "
                  "notitle, NaN with lines dt 2 lw 1.5 lc rgb '#D55E00' title 'memcpy'\n");
    if (pclose(plot)) return 1;

    // %% [markdown]
    // ![Bars of decode speed over memcpy, a codec each: tiered, planar-rans and wavelet-tree reach to about the roof at 10.6 to 10.7 bits a weight, other coders to a third of it or less](05-codecs.svg)
    //
    // A ratio above 1 is no magic: a decoder reads two thirds of the bytes that memcpy reads, and writes as many.  lz4 found nothing, and copies.  The memcpy takes turns with each
    // codec and finds the caches as that left them, so it is not the same in all rows.  Among coders of nearly
    // the same size, speeds differ more than tenfold.  The quick ones decode 64 symbols at a time with wide registers; the others
    // walk from symbol to symbol, each step waiting for the last.
    //
    // ## When does it pay?
    //
    // To make one token, a language model multiplies one vector by every matrix: each weight is read once, used once, and not seen again until the next
    // token.  The machine waits for memory, and the weights' bits are the time.  With B bytes per ns from memory, b bits a weight, and decoders that give D weights per ns, the stages work at once, and
    // the slowest sets the pace:
    //
    //     weights per ns = min(8 B / b, D)         uncoded: 8 B / 16
    //
    // So coding pays when D > B / 2, and the most that it can ever give is 16 / b, some 1.5.  B is shared by all cores, and D grows with every core that decodes:
    // *the more cores share a memory, the more can be gained*.  The library computes this, and what an addition, a load and a branch cost, for
    // targets that are described in a file.  Here is a server with 56 cores and 307 GB/s:

    // %%
    char path[4096];
    ent_target *server;
    snprintf(path, sizeof path, "%s/targets/server-56.yaml", argv[2]);
    must(ent_target_read(&server, path, &error));
    printf("%s: %s\n\nweights per ns, predicted\ncores ", ent_target_name(server), ent_target_brief(server));
    const int shown[] = { 0, 1, 2, 3, 4, 10 };
    enum { SHOWN = sizeof shown / sizeof *shown };
    for (int c = 0; c < SHOWN; c++) printf(" %18s", names[shown[c]]);
    printf("\n");
    plot = gnuplot("05-cores.svg");
    fprintf(plot, "set title 'Predicted for a server socket: weights that its cores sustain'\n"
                  "set xlabel 'cores'\n"
                  "set ylabel 'weights per ns'\n"
                  "set xrange [0:56]\n"
                  "set yrange [0:260]\n"
                  "set key outside right center\n"
                  "array colour[%d] = [0x000000, 0x56B4E9, 0x0072B2, 0xD55E00, 0x009E73, 0xCC79A7]\n"
                  "names = '", SHOWN);
    for (int c = 0; c < SHOWN; c++) fprintf(plot, "%s ", names[shown[c]]);
    fprintf(plot, "'\n$data << END\n");
    for (unsigned cores = 1; cores <= 56; cores++) {
        bool print = cores <= 2 || cores % 8 == 0;
        if (print) printf("%5u ", cores);
        fprintf(plot, "%u", cores);
        for (int c = 0; c < SHOWN; c++) {
            ent_recipe recipe;
            ent_prediction p;
            must(ent_codec_bind(codec[shown[c]], "BF16", &recipe, &error));
            must(ent_target_predict(server, &recipe, bits[shown[c]], cores, &p, &error));
            if (print) printf(" %9.2f %-8s", p.weights_per_ns, p.limit);
            fprintf(plot, " %g", p.weights_per_ns);
        }
        if (print) printf("\n");
        fprintf(plot, "\n");
    }
    fprintf(plot, "END\n"
                  "plot for [c = 1:%d] $data using 1:c + 1 with lines lw 2 lc rgb colour[c] title word(names, c), "
                  "8 * 307.2 / %g with lines dt 2 lc rgb '#0072B2' title 'roof of planar-rans'\n", SHOWN, bits[2]);
    if (pclose(plot)) return 1;
    ent_target_free(server);

    // %% [markdown]
    // ![Weights per ns against cores: raw weights flatten at half of the memory's bandwidth; tiered and planar-rans rise above that, planar-rans to the dashed roof; huffman and huff-llm stay below raw](05-cores.svg)
    //
    // Raw weights stop rising at 26 cores, where the memory is saturated.  With fewer, no codec gains anything: memory has time enough for all.  With more, the quick
    // codecs go on towards a plateau half as high again, which is 16 / b; the others are limited by decoding with all
    // cores at work, and make the machine slower than it was.  They save room, and no time.
    //
    // ## Other machines
    //
    // The same for all of the targets that come with the library.  Each number in a target's file says where it is from: a data sheet, a paper, or an assumption, and
    // a prediction is as good as those.

    // %%
    const char *targets[] = { "microcontroller", "phone", "server-56", "h100-sxm", "huff-llm-systolic-128" };
    printf("faster than raw weights, and what limits\n%-22s", "");
    for (int c = 1; c < SHOWN; c++) printf(" %-16s", names[shown[c]]);
    printf("\n");
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        ent_target *target;
        snprintf(path, sizeof path, "%s/targets/%s.yaml", argv[2], targets[i]);
        must(ent_target_read(&target, path, &error));
        printf("%-22s", targets[i]);
        for (int c = 1; c < SHOWN; c++) {
            ent_recipe recipe;
            ent_prediction p;
            must(ent_codec_bind(codec[shown[c]], "BF16", &recipe, &error));
            bool can = !ent_target_predict(target, &recipe, bits[shown[c]], 0, &p, &error); // with all cores
            if (can) printf(" %6.3f %-9s", p.weights_per_ns / p.raw_weights_per_ns, p.limit);
            else printf(" %-16s", "cannot decode it");
        }
        printf("\n");
        ent_target_free(target);
    }

    // %% [markdown]
    // *memory* is what you want to read there: the decoder hides behind it, and coding is a gain of all that there is to gain.  A number below 1 is a machine on which
    // this codec only saves room.  The microcontroller's flash is so slow that even a plain Huffman decoder waits for it; the phone's memory is so fast, and its
    // decoders (plain C) so slow, that none pays; an accelerator with Huffman decoders built in reads nothing but its own codes.  Which codec to take for a model, a target and a bound on time is the subject of [08](08-choose-a-codec.md).

    // %%
    for (int c = 0; c < CODECS; c++) ent_codec_free(codec[c]);
    free(words);
    free(from), free(to);
    ent_weights_close(model);
    return 0;
}

// %% [markdown]
// ## Try
//
// 1. Take away your processor's wide registers: `ENT_DISABLE_CPU=avx512 ./05 ...`, then `avx512,avx2,bmi2`.  Which codecs fall, and which never used them?
// 2. Decode with two threads, then with all (`ent_bench_words`, its fifth argument).  Does memcpy scale as decoding does?
// 3. Copy `targets/phone.yaml`, double its bandwidth, and predict again.  Why does a faster memory make coding *less* useful?
// 4. A batch of 32 sequences uses each weight 32 times (`ent_target_cost`, `vectors`).  From which batch on does arithmetic hide even a slow decoder?
// 5. `ent_product` multiplies straight from codes and never writes the weights.  What becomes of the roof then?
//
// Next: [06. Quantize for the coder](06-quantize-for-the-coder.md).
