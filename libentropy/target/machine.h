/* machine.h - a target as its file describes it. */
#ifndef ENT_TARGET_MACHINE_H
#define ENT_TARGET_MACHINE_H

#include <entropy/target.h>

typedef enum machine_kind { MACHINE_HOST, MACHINE_MODEL } machine_kind;

/* How far a number can be trusted. */
typedef enum machine_origin {
    ORIGIN_PAPER,       /* read in the source itself */
    ORIGIN_SECOND_HAND, /* in a text about the source */
    ORIGIN_DERIVED,     /* arithmetic on such numbers */
    ORIGIN_ASSUMED      /* ours, for want of a source */
} machine_origin;

typedef struct machine_number {
    char *text; /* as written */
    machine_origin origin;
    char *source; /* where it stands, or how it was derived, or why it was assumed */
    double value;
} machine_number;

/* Equal decoders for one kind of code. */
typedef struct machine_decoder {
    char *coder;                       /* name of the ent_coder whose streams they read */
    machine_number count;              /* in the whole machine */
    machine_number entries;            /* symbols that a decoder's table can hold */
    machine_number symbols_per_cycle;  /* of one decoder */
} machine_decoder;

struct ent_target {
    char *name, *brief;
    machine_kind kind;
    machine_number *clock_ghz, *dram_gbps, *intake_weights_per_cycle; /* NULL on a host */
    machine_decoder *decoders;
    uint32_t decoders_count;
};

#endif
