/* profile.h - the kernels of the profile: what each does, and what bounds it. */
#ifndef ENT_PROFILE_H
#define ENT_PROFILE_H

#include <entropy/entropy.h>

/* Sets of instructions, each with those below. */
enum { SET_AVX512, SET_AVX2, SET_PLAIN, SETS };

/* What bounds a kernel. */
struct bound {
    double cycles; /* a symbol, at least; 0: none is known */
    char why[96];  /* a port, the issue of operations, or latency */
};

/* One kernel on data that fit the second-level cache, or as its name says come from memory. */
struct kernel {
    char name[64];
    size_t symbols; /* one run handles so many */
    bool after_read; /* the kernel before it in the list reads the same memory, and no more: that is its bound */
    struct bound bound[SETS];
    void (*before)(const struct kernel *kernel); /* a run, not timed; NULL: nothing */
    ent_status (*run)(const struct kernel *kernel);
    ent_bytes output;  /* of a run: equal for every set of instructions */
    struct work *work; /* what `run` knows */
};

enum { MOST_KERNELS = 64 };

/* Every kernel of this build, ready to run; `kernel` has room for MOST_KERNELS.  Their memory stays until the process
 * ends. */
ent_status kernels_make(struct kernel *kernel, size_t *kernels);

#endif
