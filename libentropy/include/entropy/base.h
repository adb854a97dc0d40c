/* base.h - status, errors, byte views, CPU features, seeded random numbers, parallel loops.
 *
 * Layer 0: every other module may use this one.  The library never prints, never exits and keeps
 * no state but what is found or computed once: the CPU features, tables and grids of numbers.
 *
 * Of threads, for all headers: any functions may run at once, in any threads, unless they share an object that one of them
 * takes without const.  Where it is otherwise the header says so; see container.h, as HDF5 is not made for threads.
 * What makes an object leaves NULL in its place, or zeros, when it fails; what ends one takes that too, and does nothing.
 */
#ifndef ENTROPY_BASE_H
#define ENTROPY_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of library and program. */
#define ENT_VERSION "0.1.0"
/* What the shared library shows. */
#define ENT_API __attribute__((visibility("default")))
/* Arguments from number `first` on that fit the format, argument number `text`. */
#define ENT_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* ---- status and errors ---------------------------------------------------------------------- */

/* How a call went. */
typedef enum ent_status {
    ENT_OK = 0,       /* done */
    ENT_EINVAL,       /* the caller asked for something that makes no sense (bad option, bad range) */
    ENT_EUNSUPPORTED, /* a valid request or file that this build cannot serve */
    ENT_ESPACE,       /* the output buffer is too small */
    ENT_ERANGE,       /* a symbol that the trained table cannot code */
    ENT_ECORRUPT,     /* damaged or lying bytes */
    ENT_ECHECK,       /* a comparison or verification failed */
    ENT_EIO,          /* the system failed to read or write */
    ENT_ENOMEM        /* the system has no more memory */
} ent_status;

/* One short English phrase for a status; never NULL. */
ENT_API const char *ent_status_text(ent_status status);

/* What went wrong, for a person.  A function that takes an `ent_error *` fills it when it returns
 * anything but ENT_OK and leaves it alone otherwise; NULL means that the text is not wanted.  The
 * text names the file, the tensor and the byte offset where they are known, and what to do. */
typedef struct ent_error {
    ent_status status;
    char text[1000];
} ent_error;

/* Fills `error` (may be NULL) and returns `status`, so that `return ent_fail(...)` is one line. */
ENT_API ent_status ent_fail(ent_error *error, ent_status status, const char *format, ...)
    ENT_PRINTF(3, 4);

/* ---- bytes ---------------------------------------------------------------------------------- */

typedef struct ent_bytes { /* borrowed, read only */
    const uint8_t *data;
    size_t size;
} ent_bytes;

/* Bytes to append to, owned by the caller, who frees `data` by ent_free; all zero is an empty one.  Functions append at `size`,
 * never past `capacity`, but for those that say that they grow it: they put a larger copy in the place of `data`, which
 * must come from ent_alloc or be NULL for them. */
typedef struct ent_buffer {
    uint8_t *data;
    size_t size, capacity;
} ent_buffer;

/* ---- memory --------------------------------------------------------------------------------- */

/* `size` bytes aligned to 64, not cleared; NULL when there is no memory (and for SIZE_MAX, so that
 * an overflowed size computation may be passed on).  Freed by ent_free, which takes NULL. */
ENT_API void *ent_alloc(size_t size);
/* The same, `count` items of `size` bytes, all zero; NULL also when the product overflows. */
ENT_API void *ent_calloc(size_t count, size_t size);
ENT_API void ent_free(void *memory); /* frees what these give, and all that the library leaves to the caller */
/* A copy of a text, of "" for NULL, to be freed by ent_free; NULL when there is no memory. */
ENT_API char *ent_copy_text(const char *text);
/* An array of `n` items of `size` bytes with room for one more: `array` itself when *capacity, its room, is over
 * n, else a copy with twice the room, zero past the items, that replaces it.  Adding costs O(1) each.  NULL when
 * there is no memory; the array stays as it is then.  Starts from NULL with room for none. */
ENT_API void *ent_grow(void *array, size_t *capacity, size_t n, size_t size);
/* Grows `buffer` to a capacity of at least `capacity`; its bytes stay.  ENT_ENOMEM leaves it valid. */
ENT_API ent_status ent_buffer_reserve(ent_buffer *buffer, size_t capacity);

/* ---- CPU features --------------------------------------------------------------------------- */

enum {
    ENT_CPU_BMI2 = 1,   /* pdep, pext and shifts without flags */
    ENT_CPU_AVX2 = 2,   /* and FMA, which comes with it */
    ENT_CPU_AVX512 = 4, /* F, BW, CD, DQ, VL, VBMI, VBMI2 and VPOPCNTDQ together: Ice Lake, Zen 4 and later */
};

/* The features that kernels may use: those of the machine without the ones that the environment
 * variable ENT_DISABLE_CPU takes away (a comma list of avx512, avx2, bmi2).  Found once, at the
 * first call; safe in any thread. */
ENT_API unsigned ent_cpu_features(void);

/* Bytes of output above which decoders had better write past the cache: 4 times the second-level
 * cache of a core.  (Below, the reader that follows finds the output in the cache; the shared last
 * level is not counted, since other cores and, on rented machines, other tenants fill it.) */
ENT_API size_t ent_stream_bytes(void);

/* The processor's name and the features in use, for provenance, e.g. "Xeon ... (bmi2 avx2)". */
ENT_API const char *ent_cpu_text(void);

/* ---- random numbers ------------------------------------------------------------------------- */

/* xoshiro256** (blackman2021), seeded by splitmix64: the same numbers on every machine.
 * `stream` selects one of 2^64 sequences of the same seed, so that parallel work can be seeded by
 * its index and the result does not depend on the number of threads. */
typedef struct ent_random {
    uint64_t s[4];
} ent_random;

/* Begins a sequence, before any number is drawn; all seeds and streams will do. */
ENT_API void ent_random_seed(ent_random *random, uint64_t seed, uint64_t stream);
ENT_API uint64_t ent_random_bits(ent_random *random);              /* 64 uniform bits */
ENT_API double ent_random_uniform(ent_random *random);             /* in [0, 1) */
ENT_API uint64_t ent_random_below(ent_random *random, uint64_t n); /* in [0, n), n >= 1, even to n / 2^64 */

/* ---- parallel loop -------------------------------------------------------------------------- */

/* One step of a loop: item `i` of the loop, run by thread `thread` (0 .. threads - 1). */
typedef ent_status ent_job(size_t i, unsigned thread, void *context);

/* Runs job(0) .. job(n - 1) on up to `threads` threads (0 = as many as OpenMP would use).  Returns
 * ENT_OK or the status of the failed item with the lowest index among those that ran; after a
 * failure no new items are started.  With one thread everything runs in the calling thread, as do a
 * loop and BLAS (OpenBLAS made for OpenMP) inside of a job, so that the last digits of products do not depend on `threads`. */
ENT_API ent_status ent_parallel(size_t n, unsigned threads, ent_job *job, void *context);

/* The number of threads that ent_parallel uses for `threads`: at least 1. */
ENT_API unsigned ent_threads(unsigned threads);

/* ---- long work ------------------------------------------------------------------------------- */

/* Called now and then with what is done and what there is in all (bytes, or what the function says);
 * from one thread at a time. */
typedef void ent_progress(void *context, uint64_t done, uint64_t total);

typedef struct ent_run { /* how to do long work; all zero is a good default, and what NULL stands for */
    unsigned threads;    /* 0: all */
    ent_progress *progress; /* NULL: none */
    void *context; /* for progress */
} ent_run;

#ifdef __cplusplus
}
#endif
#endif
