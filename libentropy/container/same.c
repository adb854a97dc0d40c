/* same.c - tensors that are stored once, being equal to an earlier one: tied weights, layers that share theirs. */
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "container/plan.h"

enum { SAMPLE = 4096 }; /* bytes at the start, in the middle and at the end: enough to tell most apart */

typedef struct suspect {
    uint64_t bytes;
    XXH128_hash_t hash; /* zero, then of the sample, then of all; of what makes it differ from those of its size */
    uint32_t tensor;
} suspect;

static int in_order(const void *a, const void *b)
{
    const suspect *s = a, *t = b;
    int order = (s->bytes > t->bytes) - (s->bytes < t->bytes);
    if (!order) order = XXH128_cmp(&s->hash, &t->hash);
    return order ? order : (s->tensor > t->tensor) - (s->tensor < t->tensor);
}

static ent_bytes bytes_of(const ent_plan *plan, const suspect *s)
{
    return plan->source[s->tensor]->bytes;
}

static XXH128_hash_t hash_sample(ent_bytes b)
{
    if (b.size <= 3 * SAMPLE) return XXH3_128bits(b.data, b.size);
    uint8_t sample[3 * SAMPLE];
    memcpy(sample, b.data, SAMPLE);
    memcpy(sample + SAMPLE, b.data + b.size / 2, SAMPLE);
    memcpy(sample + 2 * SAMPLE, b.data + b.size - SAMPLE, SAMPLE);
    return XXH3_128bits(sample, sizeof sample);
}

/* The end of the run of suspects that begins with `start` and cannot be told apart yet. */
static size_t run_end(const suspect *s, size_t n, size_t start)
{
    size_t end = start + 1;
    while (end < n && s[end].bytes == s[start].bytes && XXH128_isEqual(s[end].hash, s[start].hash)) end++;
    return end;
}

static void tell_apart(const ent_plan *plan, suspect *s, size_t n, bool whole)
{
    for (size_t start = 0, end; start < n; start = end) {
        end = run_end(s, n, start);
        for (size_t i = start; i < end && end - start > 1; i++) {
            ent_bytes b = bytes_of(plan, &s[i]);
            s[i].hash = whole ? XXH3_128bits(b.data, b.size) : hash_sample(b);
            ent_weights_release(plan->weights, b);
        }
    }
    qsort(s, n, sizeof *s, in_order);
}

/* Whether the second of two with the same hash is the first again. */
static bool is_same(const ent_plan *plan, const suspect *first, const suspect *second)
{
    const ent_index *x = &plan->index;
    const ent_index_tensor *s = &x->tensor[first->tensor], *t = &x->tensor[second->tensor];
    if (strcmp(s->dtype, t->dtype) || strcmp(x->recipe[s->recipe].dtype, x->recipe[t->recipe].dtype)) return false;
    ent_bytes a = bytes_of(plan, first), b = bytes_of(plan, second);
    bool equal = !memcmp(a.data, b.data, a.size);
    ent_weights_release(plan->weights, a);
    ent_weights_release(plan->weights, b);
    return equal;
}

static void link_run(ent_plan *plan, const suspect *s, size_t n)
{
    ent_index *x = &plan->index;
    for (size_t i = 1; i < n; i++) {
        if (!is_same(plan, &s[0], &s[i])) continue;
        ent_index_tensor *t = &x->tensor[s[i].tensor];
        t->same = s[0].tensor;
        t->recipe = x->tensor[s[0].tensor].recipe;
        x->sizes.same_tensors++;
        x->sizes.same_bytes += t->bytes;
    }
}

ent_status ent_plan_find_same(ent_plan *plan, ent_error *error)
{
    const ent_index *x = &plan->index;
    size_t n = 0;
    suspect *s = ent_calloc(x->tensors, sizeof *s);
    if (!s) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (size_t i = 0; i < x->tensors; i++)
        if (x->tensor[i].bytes) s[n++] = (suspect){ .bytes = x->tensor[i].bytes, .tensor = (uint32_t)i };
    qsort(s, n, sizeof *s, in_order);
    tell_apart(plan, s, n, false);
    tell_apart(plan, s, n, true);
    for (size_t start = 0, end; start < n; start = end) {
        end = run_end(s, n, start);
        link_run(plan, s + start, end - start);
    }
    ent_free(s);
    return ENT_OK;
}
