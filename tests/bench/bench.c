/* bench.c - compares our coders and codecs with libraries that distributions package (`make bench`).
 *
 * Every data set, from memory to memory and in the cache, on one thread and on all, is a race
 * (measure.c): all contestants on the same symbols, in one run, beside a memcpy.  Ours code blocks of 256 Ki
 * weights with tables trained before the clock starts; peers code blocks of 1 MiB, each with its own
 * tables, which is how they are made.  GB/s are 10^9 bytes of symbols or words a second, as they lie
 * decoded in memory.  bits/symbol counts everything stored but a list of where blocks begin.
 *
 * Left out: peers' training of dictionaries, and settings that a peer's users would not meet first. */
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "../../analyses/command.h"
#include "bench.h"

enum { KEY_SYMBOLS = 0x3001, KEY_ROUNDS, KEY_QUICK, KEY_DATA, KEY_POINTS, KEY_MODEL };
enum { RESIDENCIES = 2, MOST_ROUNDS = 1000 };

static const size_t cache_bytes = 1 << 20; /* of each thread: half of today's second-level caches */

struct bench {
    const char *output, *points, *model;
    const char *only; /* one data set; NULL: all */
    size_t bytes, symbols; /* bytes memory to memory; symbols: 0, or instead of both sizes */
    unsigned rounds, threads;
    double seconds;
    struct result *result;
    size_t results;
};

static ent_status run_races(struct bench *bench, const struct data *data, bool cached, ent_error *error)
{
    unsigned counts[] = { 1, ent_threads(bench->threads) };
    for (int i = 0; i < (counts[1] > 1 ? 2 : 1); i++) {
        size_t first = bench->results, n = cached ? counts[i] * cache_bytes / data->width : data->n;
        struct race race = { .data = data, .n = n < data->n ? n : data->n, .threads = counts[i],
                             .rounds = bench->rounds, .cached = cached,
                             .seconds = cached ? bench->seconds / 4 : bench->seconds };
        ent_status status = race_run(&race, bench->result, &bench->results, error);
        if (status) return status;
        show_table(bench->result + first, bench->results - first);
    }
    return ENT_OK;
}

static ent_status run_set(struct bench *bench, size_t i, ent_error *error)
{
    struct data data;
    size_t most = ent_threads(bench->threads) * cache_bytes;
    size_t bytes = bench->symbols ? 2 * bench->symbols : bench->bytes > most ? bench->bytes : most;
    ent_status status = data_make(&data, i, bytes, bench->model, error);
    if (bench->symbols) data.n = bench->symbols;
    if (!status) status = run_races(bench, &data, false, error);
    if (!status) status = run_races(bench, &data, true, error);
    data_free(&data);
    return status;
}

static ent_status write_points(const struct bench *bench, ent_error *error)
{
    static const char *const residency[RESIDENCIES] = { "memory", "cache" };
    ent_status status = ENT_OK;
    for (int i = 0; i < RESIDENCIES && !status; i++) {
        char path[4096];
        if (snprintf(path, sizeof path, "%s-%s.tsv", bench->points, residency[i]) >= (int)sizeof path)
            return ent_fail(error, ENT_EINVAL, "%s: the name is too long", bench->points);
        status = show_points(path, residency[i], bench->result, bench->results, error);
    }
    return status;
}

static ent_status run(struct bench *bench, ent_error *error)
{
    ent_status status = ENT_OK;
    printf("%s, %u thread%s, up to %u rounds\n", ent_cpu_text(), ent_threads(bench->threads),
           ent_threads(bench->threads) == 1 ? "" : "s", bench->rounds);
    peers_print_absent();
    bench->result = ent_calloc(data_sets() * RESIDENCIES * 2 * MOST_CONTESTANTS, sizeof *bench->result);
    if (!bench->result) return ent_fail(error, ENT_ENOMEM, "out of memory");
    bool any = false;
    for (size_t i = 0; i < data_sets() && !status; i++) {
        if (bench->only && strcmp(bench->only, data_name(i))) continue;
        any = true;
        status = run_set(bench, i, error);
    }
    if (!any) return ent_fail(error, ENT_EINVAL, "no data set has the name '%s'", bench->only);
    if (!status && bench->output) status = show_tsv(bench->output, bench->result, bench->results, error);
    if (!status && bench->points) status = write_points(bench, error);
    for (size_t i = 0; i < bench->results && !status; i++)
        if (!bench->result[i].verified)
            status = ent_fail(error, ENT_ECHECK, "%s on %s: what was decoded differs from the source",
                              bench->result[i].name, bench->result[i].data);
    return status;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct bench *bench = state->input;
    switch (key) {
    case 'o': bench->output = text; return 0;
    case 't': bench->threads = (unsigned)option_count(state, "--threads", text); return 0;
    case KEY_POINTS: bench->points = text; return 0;
    case KEY_MODEL: bench->model = text; return 0;
    case KEY_DATA: bench->only = text; return 0;
    case KEY_SYMBOLS:
        bench->symbols = (size_t)option_count(state, "--symbols", text);
        if (bench->symbols < 1 || bench->symbols > (size_t)1 << 30) argp_error(state, "--symbols: 1 to 1Gi");
        return 0;
    case KEY_ROUNDS:
        bench->rounds = (unsigned)option_count(state, "--rounds", text);
        if (bench->rounds < 1 || bench->rounds > MOST_ROUNDS) argp_error(state, "--rounds: 1 to %d", MOST_ROUNDS);
        return 0;
    case KEY_QUICK:
        bench->bytes = 8 << 20;
        bench->rounds = 3;
        bench->seconds = 0.05;
        return 0;
    case ARGP_KEY_ARG: argp_error(state, "no arguments but options"); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { .name = "output", .key = 'o', .arg = "FILE", .doc = "Also write every result to FILE as TSV" },
        { .name = "points", .key = KEY_POINTS, .arg = "PATH",
          .doc = "Also write PATH-memory.tsv and PATH-cache.tsv for analyses/plots/bench.gp" },
        { .name = "model", .key = KEY_MODEL, .arg = "MODEL",
          .doc = "Where the real weights, of BF16, come from (preset: gutenberg-llama-4.7m, the shipped one)" },
        { .name = "data", .key = KEY_DATA, .arg = "NAME", .doc = "One data set only" },
        { .name = "symbols", .key = KEY_SYMBOLS, .arg = "N",
          .doc = "So many symbols, memory to memory (preset: 32 MiB of them)" },
        { .name = "rounds", .key = KEY_ROUNDS, .arg = "N",
          .doc = "Fastest and median of N rounds (preset 9), fewer for slow coders" },
        { .name = "quick", .key = KEY_QUICK, .doc = "8 MiB and 3 rounds" },
        { .name = "threads", .key = 't', .arg = "N", .doc = "What is meant by all threads" },
        { 0 }
    };
    static const struct argp argp = { .options = options, .parser = parse,
                                      .doc = "Compares our coders and codecs with other libraries, on the same "
                                             "blocks, in one run." };
    struct bench bench = { .model = "gutenberg-llama-4.7m", .bytes = 32 << 20, .rounds = 9, .seconds = 0.5 };
    ent_error error = { 0 };
    argp_err_exit_status = EXIT_USAGE;
    if (argp_parse(&argp, argc, argv, 0, NULL, &bench)) return EXIT_SYSTEM;
    ent_status status = run(&bench, &error);
    ent_free(bench.result);
    if (!status) return EXIT_DONE;
    fflush(stdout);
    fprintf(stderr, "bench: %s\n", error.text);
    return exit_status(status);
}
