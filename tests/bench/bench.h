/* bench.h - what the files of the bench share: data sets, contestants, peers, results.
 *
 * The bench is a program of its own, no part of the library: it compares our coders and codecs with
 * libraries that distributions package, on the same blocks, in one run (see bench.c).
 */
#ifndef ENT_BENCH_BENCH_H
#define ENT_BENCH_BENCH_H

#include <entropy/entropy.h>

/* ---- data sets (data.c) ---------------------------------------------------------------------- */

struct data {
    const char *name;
    const char *dtype; /* of whole words, for codecs; NULL: symbols of a byte, for coders */
    uint32_t width;    /* bytes of a symbol or word */
    uint32_t alphabet; /* of symbols */
    uint8_t *symbols;
    size_t n;
};

size_t data_sets(void);
const char *data_name(size_t i);
/* Set i, `bytes` of it (a whole number of words), always the same for the same size.  Real weights are
 * those of `model`, of BF16, repeated where it has fewer. */
ent_status data_make(struct data *data, size_t i, size_t bytes, const char *model, ent_error *error);
void data_free(struct data *data);
/* Order-0 entropy of the first n symbols; of words the sum over sign, exponent and mantissa. */
ent_status data_entropy(const struct data *data, size_t n, double *bits);

/* ---- peers (peer_*.c, listed in peers.def) ---------------------------------------------------- */

/* A coder of another library, called as its users do: a context, where there is one, serves many calls. */
struct peer {
    const char *name;
    const char *(*version)(void);
    int level;          /* level or mode, as that library counts them */
    uint32_t width;     /* for symbols of this many bytes alone; 0: any */
    bool order0;        /* an entropy coder worth putting behind our split */
    void *(*open)(const struct peer *peer); /* a context, one a thread; NULL: none is needed */
    void (*close)(void *context);
    size_t (*bound)(const struct peer *peer, size_t bytes);
    /* The size of the code, 0 when it failed; `out` has room for the bound. */
    size_t (*encode)(const struct peer *peer, void *context, uint32_t width, ent_bytes in, uint8_t *out, size_t room);
    /* Whether exactly `size` bytes came out. */
    bool (*decode)(const struct peer *peer, void *context, ent_bytes in, uint8_t *out, size_t size);
};

extern const struct peer *const peers[]; /* NULL at the end */
/* Says on stdout which libraries this bench was built without. */
void peers_print_absent(void);

/* ---- contestants (ours.c, peers.c) ------------------------------------------------------------ */

enum { MOST_CONTESTANTS = 96 };

enum kind {
    KIND_OURS,
    KIND_WRAPPED, /* another library behind our door */
    KIND_PEER,    /* another library by its own door */
    KIND_MIXED    /* our split and join around another library */
};

extern const char *const kind_names[]; /* "ours", "wrapped", "peer", "mixed" */

/* One coder on one data set, ready to code blocks of it on several threads at once. */
struct contestant {
    char name[64];
    const char *version;
    enum kind kind;
    size_t block;       /* bytes of symbols a block */
    size_t table_bytes; /* stored once, beside the blocks */
    struct coding *coding; /* what the functions below know */
    size_t (*bound)(const struct coding *coding, size_t bytes);
    ent_status (*encode)(struct coding *coding, unsigned thread, ent_bytes in, ent_buffer *out);
    ent_status (*decode)(struct coding *coding, unsigned thread, ent_bytes in, bool stream, uint8_t *out, size_t size);
    void (*close)(struct coding *coding);
};

/* Those that take the first n symbols of `data`, appended to `list`; *count is raised. */
ent_status ours_open(struct contestant *list, size_t *count, const struct data *data, size_t n, unsigned threads,
                     ent_error *error);
ent_status peers_open(struct contestant *list, size_t *count, const struct data *data, unsigned threads,
                      ent_error *error);

/* ---- measuring (measure.c) --------------------------------------------------------------------- */

struct result {
    char name[64];
    const char *data, *version, *residency;
    enum kind kind;
    unsigned threads, rounds; /* rounds: times decoded */
    size_t symbols, block;
    uint32_t width;
    double bits, entropy;     /* per symbol; tables and sizes of blocks included */
    double encode, decode, decode_median, memcpy; /* GB/s of symbols */
    bool verified;
};

struct race {
    const struct data *data;
    size_t n;         /* its first n symbols */
    unsigned threads, rounds;
    bool cached;      /* each thread's part is small, and decoded again while it is in its cache */
    double seconds;   /* what a contestant may take to encode, and to decode */
};

/* Every contestant in turn, round after round.  Appends a result each to `result`. */
ent_status race_run(const struct race *race, struct result *result, size_t *results, ent_error *error);

/* ---- output (show.c) --------------------------------------------------------------------------- */

void show_table(const struct result *result, size_t results); /* of one race */
ent_status show_tsv(const char *path, const struct result *result, size_t results, ent_error *error);
/* Points of one residency, one thread, with the places of their labels, for analyses/plots/bench.gp. */
ent_status show_points(const char *path, const char *residency, const struct result *result, size_t results,
                       ent_error *error);

#endif
