// %% [markdown] tolerance=0.001
// # 09. A batch on a cluster
//
// One model and one codec are a command. A hundred models by twenty codecs on eight machines are 16,000 commands, some of which crash,
// run out of memory or sit on a node that is switched off at night. The `entropy` program takes such a study as a file, the *plan*,
// and cuts it into cells of which each becomes a record. This notebook runs a small plan twice, once in one piece and once in four
// shares of which one fails, and shows that the tables are the same, byte for byte.
//
//     cc 09-a-batch-on-a-cluster.c $(pkg-config --cflags --libs libentropy) -lm -o 09 && ./09
//
// `entropy` must be found by the shell (`PATH`). The notebook writes into the folder that it is started in.

// %%
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <entropy/entropy.h>

// Shows a command and what it prints.
static void shell(const char *command)
{
    printf("$ %s\n", command);
    fflush(stdout);
    if (system(command)) exit(1);
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

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 20);
    if (!file || !text) fprintf(stderr, "%s: cannot be read\n", path), exit(1);
    *size = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    return text;
}

static bool same_files(const char *a, const char *b)
{
    size_t sizes[2];
    char *text[2] = { read_file(a, &sizes[0]), read_file(b, &sizes[1]) };
    bool same = sizes[0] == sizes[1] && !memcmp(text[0], text[1], sizes[0]);
    printf("%-24s %6zu bytes, %s\n", a, sizes[0], same ? "the same" : "NOT THE SAME");
    free(text[0]), free(text[1]);
    return same;
}

// %% [markdown]
// ## The plan
//
// Models (files, names of data sets, or generated weights of a known law), codecs, targets, and what is to be measured. Here only what
// reproduces to the byte: entropies, sizes, predictions. With `speed` among the measures and `host` among the targets there would be
// times as well, in a table of their own.

// %%
int main(void)
{
    FILE *plan = fopen("study.yaml", "w");
    if (!plan) return 1;
    fputs("name: study\n"
          "generated:\n"
          "  - { name: normal, make: normal, dtype: BF16, weights: 1000000, seed: 1 }\n"
          "  - { name: laplace, make: laplace, dtype: BF16, weights: 1000000, seed: 2 }\n"
          "  - { name: student, make: student, dtype: BF16, weights: 1000000, seed: 3 }\n"
          "codecs: [tiered, planar-rans, huffman, tans, huff-llm]\n"
          "targets: [server-56, phone, huff-llm-systolic-64]\n"
          "measures: [stats, size, predict]\n", plan);
    fclose(plan);
    shell("entropy run study.yaml -o whole --quiet");
    shell("entropy status whole | head -7");

    // %% [markdown]
    // A cell is a model, a codec and a target, or a model's statistics. Each was measured by a process of its own, so that one that
    // crashes takes nothing with it. What a target cannot decode at all (here an accelerator with nothing but Huffman decoders) is
    // recorded as that, and is no failure.
    //
    // ## Four shares
    //
    // On a cluster each share is a task of a job array, on whichever node. `entropy submit` writes the scripts for Slurm and submits them; for
    // any other scheduler it prints the commands. (`sed` takes away the folders of this machine.)

    // %%
    shell("entropy submit study.yaml -o farm --tasks 4 --print-commands | sed \"s|'[^' ]*/\\([a-z]*\\)'|\\1|g\"");

    // %% [markdown]
    // Any number of processes may work in one folder, and none does what another has done or has in hand. Two shares side by side; a third on a
    // machine with too little memory for anything; and the fourth is lost.

    // %%
    shell("for i in 1 2; do entropy run farm/plan.yaml -o farm --shard $i/4 --quiet & done; wait");
    shell("entropy run farm/plan.yaml -o farm --shard 3/4 --cell-memory 64K --threads 1 --quiet 2>errors; echo exit status $?");
    shell("entropy status farm | head -7");

    // %% [markdown]
    // Failures are records too, with their reasons. What is missing can be asked for by anyone: without `--shard` all that the folder
    // lacks is done, with `--retry-failed` also what failed. That could be another 200 tasks, with other shares.

    // %%
    shell("entropy run farm/plan.yaml -o farm --retry-failed --jobs 2 --quiet; echo exit status $?");
    shell("ls farm | grep h5");
    shell("entropy merge farm && ls farm | grep h5");

    // %% [markdown]
    // ## The same bytes
    //
    // `entropy report` makes the tables. Sizes and predictions must not depend on how the work was cut, in which order it was done and by
    // how many threads. Counts add up exactly, tables of frequencies are integers, and cells are sorted by the plan.

    // %%
    shell("entropy report whole --no-figures --quiet && entropy report farm --no-figures --quiet");
    bool same = same_files("farm/sizes.tsv", "whole/sizes.tsv");
    same &= same_files("farm/entropy.tsv", "whole/entropy.tsv");
    same &= same_files("farm/predictions.tsv", "whole/predictions.tsv");
    if (!same) return 1;

    // %% [markdown]
    // ## The tables
    //
    // Tables are plain text with a line of names, for whatever you use. Here by hand: what each codec takes above the bound of its own fields.

    // %%
    enum { MODELS = 3, CODECS = 5 };
    char codec[CODECS][32], model[MODELS][32];
    double bits[MODELS][CODECS], bound[MODELS][CODECS];
    size_t size;
    char *table = read_file("farm/sizes.tsv", &size), *line = strchr(table, '\n');
    for (int m = 0; m < MODELS; m++)
        for (int c = 0; c < CODECS; c++, line = strchr(line + 1, '\n'))
            if (sscanf(line + 1, "%31s %31s %*s %lf %lf", model[m], codec[c], &bits[m][c], &bound[m][c]) != 4)
                return 1;
    printf("%-10s", "");
    for (int c = 0; c < CODECS; c++) printf(" %18s", codec[c]);
    putchar('\n');
    for (int m = 0; m < MODELS; m++) {
        printf("%-10s", model[m]);
        for (int c = 0; c < CODECS; c++) printf(" %9.3f (%.3f)", bits[m][c], bits[m][c] - bound[m][c]);
        putchar('\n');
    }
    free(table);

    FILE *plot = gnuplot("09-sizes.svg");
    fprintf(plot, "$sizes << END\n");
    for (int c = 0; c < CODECS; c++) {
        fprintf(plot, "%s", codec[c]);
        for (int m = 0; m < MODELS; m++) fprintf(plot, " %g %g", bits[m][c], bound[m][c]);
        fputc('\n', plot);
    }
    fprintf(plot, "END\n"
                  "set title 'Generated BF16 weights: bits a weight, and the bound of each codec'\n"
                  "set ylabel 'bits per weight, everything stored'\n"
                  "set key top left\n"
                  "set xrange [-0.6:4.6]\n"
                  "set yrange [10.4:12.4]\n"
                  "plot $sizes using ($0-0.2):2:xtic(1) with points pt 7 ps 1.1 lc rgb '#0072B2' title 'normal', "
                  "$sizes using 0:4 with points pt 5 ps 1.1 lc rgb '#D55E00' title 'Laplace', "
                  "$sizes using ($0+0.2):6 with points pt 9 ps 1.3 lc rgb '#009E73' title 'Student, nu = 4', "
                  "$sizes using ($0-0.2):3:(0.09) with xerrorbars pt 0 lw 1.5 lc rgb 'black' title 'bound (entropy of the fields)', "
                  "$sizes using 0:5:(0.09) with xerrorbars pt 0 lw 1.5 lc rgb 'black' notitle, "
                  "$sizes using ($0+0.2):7:(0.09) with xerrorbars pt 0 lw 1.5 lc rgb 'black' notitle\n");
    if (pclose(plot)) return 1;

    // %% [markdown]
    // ![Bits a weight of five codecs on three laws, each beside its bound](09-sizes.svg)
    //
    // The further the logarithms of weights spread, the more exponents there are, and the more bits. Huff-LLM's cut into 1, 5, 5 and 5
    // bits loses nothing by itself, its bound is as low as the others'. It is Huffman's codes of whole bits that lose on such fields: the
    // upper half of the exponent says hardly anything, and takes a bit to say it.
    //
    // A whole session on Slurm, with task arrays, time limits and lost nodes, is in [analyses/cluster](../analyses/cluster/README.md).

    // %%
    if (system("rm -rf whole farm errors study.yaml")) return 1;
    return 0;
}

// %% [markdown]
// ## Try
//
// 1. Kill a share in the middle (`entropy run ... & sleep 0.2; kill -9 $!`) and go on. What was lost, at most?
// 2. `parts: 4` in the plan makes four cells of each model's statistics. Are the tables the same bytes?
// 3. Put `hf:org/name` of a model that you do not have into the plan. What does `entropy status` say, and what does `merge`?
// 4. Add `speed` and `host`. Which of the tables differ between two runs, and which may not?
// 5. `entropy submit ... --tasks 4 --dry-run` on a machine with Slurm: read `farm/task.sh`. How does a task find out that its time is up?
