/* gpu_report.h - what was measured on a card: tables, JSON lines, a table for programs, a target's file. */
#ifndef ENT_ANALYSES_GPU_REPORT_H
#define ENT_ANALYSES_GPU_REPORT_H

#include <stdio.h>

#include <entropy/target.h>

#include "gpu/bench.h"
#include "target_file.h"

struct gpu_card {
    const char *name; /* "NVIDIA H100 80GB HBM3" */
    gpu_facts facts;
};

enum gpu_way {
    GPU_COPY,    /* the plain weights, from device memory to device memory */
    GPU_READ,    /* the plain weights, read and added up */
    GPU_DECODE,  /* code to plain weights in device memory */
    GPU_CUBLAS,  /* y = W x from plain weights, by cuBLAS, the fastest of all ways to ask it */
    GPU_UNPACK,  /* GPU_DECODE, then GPU_CUBLAS */
    GPU_PRODUCT, /* y = W x straight from code */
    GPU_WAYS
};

struct gpu_row {
    enum gpu_way way;
    bool coded;
    ent_recipe recipe;        /* of the code */
    const char *codec;        /* "": plain weights */
    size_t rows, cols;
    unsigned batch;           /* vectors x at once; 0: no product */
    double bits;              /* a weight, as it lies in device memory: payload, tables and index */
    double bytes;             /* that must pass the memory */
    double seconds, least;    /* of one run: the median and the fastest */
    unsigned runs;
    size_t launches;          /* that one timed sample holds: seconds are a share of it */
    const char *cublas;       /* the way that cuBLAS was asked; "": it was not */
    gpu_load load;            /* the card's state while it ran */
    double error;             /* of a product: the largest of a row, over the sum of |w x| of that row */
    bool verified;            /* the last run was compared: decoding bit by bit, products with FP64 sums */
};

/* The median and the least of n > 0 times, which are sorted. */
void gpu_row_times(struct gpu_row *row, double *seconds, unsigned n);

struct gpu_report {
    struct gpu_card card;
    const char *model;
    struct target_origin origin;
    struct gpu_row *row; /* the copy and the read of a size come before what is compared with them, so does cuBLAS */
    size_t rows;
    ent_target *const *target; /* whose predictions stand beside: may be none */
    size_t targets;
};

/* GB/s of weights as BF16. */
double gpu_row_gbps(const struct gpu_row *row);
/* The least time that the memory allows, at the bytes a second that the copy of the same size moved (for a
 * decoding) or the read (for a product), over the time it took; NaN where there is none. */
double gpu_row_of_roof(const struct gpu_report *report, const struct gpu_row *row);
/* cuBLAS's time over the row's, for products of the same shape; NaN where there is none. */
double gpu_row_over_cublas(const struct gpu_report *report, const struct gpu_row *row);
/* What a target says a decoding or a product takes, in seconds; NaN where it says nothing. */
double gpu_row_predicted(const struct gpu_row *row, const ent_target *target);

/* Columns or keys: operation, codec, rows, cols, batch, bits_per_weight, bytes, seconds, least_seconds, weights_gbps, of_roof,
 * over_cublas, error, runs, verified, launches, cublas, clock_ghz, driver_clock_ghz, memory_ghz, watts, celsius, and for each target predicted_seconds and error_percent (a JSON line a target). */
void gpu_report_json(const struct gpu_report *report);
void gpu_report_print(const struct gpu_report *report);
void gpu_report_tsv(const struct gpu_report *report, FILE *file);

/* A target of kind measured: the card's multiprocessors, its memory and their clock by the read of most weights, and a rate a
 * codec by the row that decodes most weights; raw weights by the read, since nothing need be done to them. */
void gpu_report_target(const struct gpu_report *report, const char *path, FILE *file);

#endif
