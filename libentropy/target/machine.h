/* machine.h - a target as its file describes it. */
#ifndef ENT_TARGET_MACHINE_H
#define ENT_TARGET_MACHINE_H

#include <entropy/target.h>

/* How far a number can be trusted. */
typedef enum machine_origin {
    ORIGIN_PAPER,       /* read in the source itself */
    ORIGIN_SECOND_HAND, /* in a text about the source */
    ORIGIN_DATASHEET,   /* the maker says so */
    ORIGIN_MEASURED,    /* by `command` on `date` */
    ORIGIN_DERIVED,     /* arithmetic on such numbers */
    ORIGIN_ASSUMED      /* ours, for want of a source */
} machine_origin;

typedef struct machine_number {
    char *text; /* as written */
    machine_origin origin;
    char *source;         /* where it stands, or how it was derived, or why it was assumed; NULL if measured */
    char *command, *date; /* not NULL if measured */
    double value;
} machine_number;

/* Numbers that a file need not state are NULL. */

typedef struct machine_level { /* of memory */
    char *name;
    machine_number *capacity_bytes, gbps;
    machine_number *gbps_per_core, *pj_per_bit;
} machine_level;

typedef struct machine_compute {
    machine_number macs_per_cycle;
    machine_number *pj_per_mac, *area_um2_per_mac;
} machine_compute;

/* Equal decoders for one kind of code. */
typedef struct machine_decoder {
    char *coder;                       /* name of the ent_coder whose streams they read */
    machine_number count;              /* in the whole machine */
    machine_number entries;            /* symbols that a decoder's table can hold */
    machine_number symbols_per_cycle;  /* of one decoder */
    machine_number *longest_code_bits, *area_um2, *pj_per_symbol, *latency_cycles;
} machine_decoder;

/* What one core can do: how fast it decodes follows from it. */
typedef struct machine_execution {
    machine_number operations_per_cycle, loads_per_cycle, load_latency_cycles, multiply_latency_cycles, branch_cycles;
    machine_number *vector_bytes, *vectors_per_cycle, *gather_lanes_per_cycle, *pj_per_cycle;
} machine_execution;

/* A codec's speed as it was measured; the command and the date are those of the file's `measured`. */
typedef struct machine_rate {
    char *codec, *dtype;
    char *threads_text, *gbps_text, *bits_per_weight_text, *pj_per_weight_text; /* the last two may be NULL */
    char *cache;             /* "cold" (preset) or "warm": where code and output lie */
    uint64_t threads;
    double gbps;             /* 10^9 bytes of decoded weights a second */
    double bits_per_weight, pj_per_weight; /* NaN: not stated */
    ent_recipe recipe;       /* of the codec for the dtype */
} machine_rate;

typedef struct machine_measured {
    char *command, *date, *cpu;
} machine_measured;

struct ent_target {
    char *name, *brief;
    ent_target_kind kind;
    machine_number *clock_ghz, *cores, *intake_weights_per_cycle, *fill_cycles, *drain_cycles;
    machine_level *levels; /* farthest first */
    uint32_t levels_count;
    machine_compute *compute;
    machine_execution *execution;
    machine_decoder *decoders;
    uint32_t decoders_count;
    machine_measured *measured;
    machine_rate *rates;
    uint32_t rates_count;
};

/* The value of a number that may be missing. */
static inline double machine_value(const machine_number *number, double missing)
{
    return number ? number->value : missing;
}

/* How fast the decoders or cores take a recipe's fields, arithmetic and memory aside.  Per weight. */
typedef struct machine_decode {
    double weights_per_ns; /* infinite when nothing has to be decoded */
    double pj, area_um2;   /* NaN: not stated */
    double latency_ns;
} machine_decode;

/* By decoders where the target has any, else by `threads` cores (0: all), each of which alone takes move_ns to read
 * a coded weight.  ENT_EUNSUPPORTED if it cannot. */
ent_status ent_machine_decode_rate(const ent_target *target, const ent_recipe *recipe, double move_ns,
                                   unsigned threads, machine_decode *decode, ent_error *error);

/* Cycles that one core takes for one symbol of a coder. */
double ent_machine_cycles_per_symbol(const machine_execution *core, const ent_ops *ops);

/* Whether nothing is decoded: no field is coded, or at so many bits a weight (NaN: not known) all were kept raw, as
 * coding them gained nothing.  The row of such a codec says nothing of its coders. */
bool ent_machine_is_raw(const ent_recipe *recipe, double bits_per_weight);

/* The cold row of the same fields, coders and knobs with `threads` (0: the most measured), or of what was
 * kept raw, too; NULL: none. */
const machine_rate *ent_machine_rate_of(const ent_target *target, const ent_recipe *recipe, double bits_per_weight,
                                        unsigned threads);

/* A byte of uncoded weights, by the cold row of a codec that codes nothing; NaN: none. */
double ent_machine_raw_byte_ns(const ent_target *target, unsigned threads);
/* From cold rows of other recipes: see rates.c.  ENT_EUNSUPPORTED when they do not tell. */
ent_status ent_machine_from_rows(const ent_target *target, const ent_recipe *recipe, double bits_per_weight,
                                 unsigned threads, double *weights_per_ns, ent_error *error);

/* What a weight of `bits` costs to move from level `from` (an index) on. */
double ent_machine_weights_per_ns(const ent_target *target, uint32_t from, double bits, unsigned threads);
double ent_machine_move_pj(const ent_target *target, uint32_t from, double bits); /* NaN: not stated */

#endif
