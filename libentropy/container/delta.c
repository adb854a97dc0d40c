/* delta.c - words told by those of another checkpoint, in two ways.
 *
 * xor: the bits that differ (BitX, Wang et al. 2025).
 *
 * difference: words in the order of their values become integers, and their difference d is coded as 2d, or -2d - 1 where it
 * is negative.  How large it is depends on the weight: an update is of the same size for small weights as for large ones,
 * and so more steps of a small one, by a power of two for each exponent.  So the base's exponent is the context: the
 * words of a block are put in its order, and what stands together is alike; a coder with several tables, or one that
 * learns, does the rest. */
#include <string.h>

#include "container/delta.h"

const char *const ent_delta_names[ENT_DELTAS] = { "plain", "xor", "difference" };

enum { CLASSES = 256 };

#define INLINE static inline __attribute__((always_inline))

bool ent_delta_takes(const ent_format *format)
{
    return format && format->kind != ENT_KIND_RECORD && !ent_format_packed(format);
}

const ent_tensor *ent_delta_base_of(const ent_weights *base, const ent_tensor *tensor)
{
    const ent_tensor *t = ent_weights_find(base, tensor->name);
    if (!t || t->unpacked || strcmp(t->dtype, tensor->dtype) || t->rank != tensor->rank || t->bytes.size != tensor->bytes.size) return NULL;
    for (uint32_t i = 0; i < t->rank; i++)
        if (t->shape[i] != tensor->shape[i]) return NULL;
    const ent_format *f = ent_format_find(t->dtype);
    return ent_delta_takes(f) && t->elements * (f->bits / 8) == t->bytes.size ? t : NULL;
}

INLINE uint64_t load(const uint8_t *from, size_t i, unsigned width)
{
    uint64_t word = 0;
    memcpy(&word, from + i * width, width);
    return word;
}

INLINE void store(uint8_t *to, size_t i, unsigned width, uint64_t word) { memcpy(to + i * width, &word, width); }

/* Of words of one width and format. */
typedef struct way {
    unsigned width;
    bool is_float;
    uint64_t sign, mask;
    unsigned shift; /* the exponent's highest bits, 8 at most, are bits shift and up */
    uint64_t classes;
} way;

INLINE uint64_t to_order(const way *w, uint64_t word)
{
    return !w->is_float ? word : word & w->sign ? ~word & w->mask : word | w->sign;
}

INLINE uint64_t from_order(const way *w, uint64_t order)
{
    return !w->is_float ? order : order & w->sign ? order ^ w->sign : ~order & w->mask;
}

INLINE uint64_t fold(const way *w, uint64_t d)
{
    return (d << 1 ^ (d & w->sign ? ~UINT64_C(0) : 0)) & w->mask;
}

INLINE uint64_t unfold(const way *w, uint64_t f)
{
    return f >> 1 ^ (f & 1 ? w->mask : 0);
}

INLINE size_t class_of(const way *w, uint64_t base) { return (base >> w->shift) & w->classes; }

/* Where the words of each class begin. */
INLINE void begin_classes(const way *w, const uint8_t *base, size_t n, size_t next[CLASSES])
{
    size_t count[CLASSES] = { 0 }, at = 0;
    for (size_t i = 0; i < n; i++) count[class_of(w, load(base, i, w->width))]++;
    for (size_t k = 0; k < CLASSES; k++) {
        next[k] = at;
        at += count[k];
    }
}

INLINE void make(const way *w, const uint8_t *fresh, const uint8_t *base, size_t n, uint8_t *words)
{
    size_t next[CLASSES];
    begin_classes(w, base, n, next);
    for (size_t i = 0; i < n; i++) {
        uint64_t b = load(base, i, w->width);
        uint64_t d = (to_order(w, load(fresh, i, w->width)) - to_order(w, b)) & w->mask;
        store(words, next[class_of(w, b)]++, w->width, fold(w, d));
    }
}

INLINE void undo(const way *w, const uint8_t *words, const uint8_t *base, size_t n, uint8_t *fresh)
{
    size_t next[CLASSES];
    begin_classes(w, base, n, next);
    for (size_t i = 0; i < n; i++) {
        uint64_t b = load(base, i, w->width);
        uint64_t d = unfold(w, load(words, next[class_of(w, b)]++, w->width));
        store(fresh, i, w->width, from_order(w, (to_order(w, b) + d) & w->mask));
    }
}

/* `width` is a constant where this is called. */
INLINE way way_of(const ent_format *format, unsigned width)
{
    way w = { .width = width, .is_float = format->kind == ENT_KIND_FLOAT };
    w.sign = UINT64_C(1) << (8 * width - 1);
    w.mask = w.sign | (w.sign - 1);
    if (!w.is_float) return w;
    unsigned bits = format->exponent_bits, used = bits < 8 ? bits : 8;
    w.shift = format->mantissa_bits + bits - used;
    w.classes = (1u << used) - 1;
    return w;
}

static void xor_bytes(const uint8_t *a, const uint8_t *b, size_t n, uint8_t *to)
{
    for (size_t i = 0; i < n; i++) to[i] = a[i] ^ b[i];
}

void ent_delta_make(ent_delta how, const ent_format *format, const uint8_t *fresh, const uint8_t *base, size_t n,
                    void *words)
{
    unsigned width = ent_format_width(format);
    if (how == ENT_DELTA_XOR) {
        xor_bytes(fresh, base, n * width, words);
        return;
    }
    switch (width) {
    case 1: { way w = way_of(format, 1); make(&w, fresh, base, n, words); return; }
    case 2: { way w = way_of(format, 2); make(&w, fresh, base, n, words); return; }
    case 4: { way w = way_of(format, 4); make(&w, fresh, base, n, words); return; }
    default: { way w = way_of(format, 8); make(&w, fresh, base, n, words); return; }
    }
}

void ent_delta_undo(ent_delta how, const ent_format *format, const void *words, const uint8_t *base, size_t n,
                    uint8_t *fresh)
{
    unsigned width = ent_format_width(format);
    if (how == ENT_DELTA_XOR) {
        xor_bytes(words, base, n * width, fresh);
        return;
    }
    switch (width) {
    case 1: { way w = way_of(format, 1); undo(&w, words, base, n, fresh); return; }
    case 2: { way w = way_of(format, 2); undo(&w, words, base, n, fresh); return; }
    case 4: { way w = way_of(format, 4); undo(&w, words, base, n, fresh); return; }
    default: { way w = way_of(format, 8); undo(&w, words, base, n, fresh); return; }
    }
}
