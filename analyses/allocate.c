/* allocate.c - see allocate.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"

static const char *const names[ALLOCATE_HOWS] = { "sensitivity", "l-greco", "evopress" };

const char *allocate_name(enum allocate_how how) { return names[how]; }

bool allocate_find(const char *name, enum allocate_how *how)
{
    for (int i = 0; i < ALLOCATE_HOWS; i++)
        if (!strcmp(name, names[i])) return *how = (enum allocate_how)i, true;
    return false;
}

static ent_status no_memory(ent_error *error) { return ent_fail(error, ENT_ENOMEM, "no memory to share bits out"); }

static ent_status nothing_fits(ent_error *error) { return ent_fail(error, ENT_ERANGE, "the smallest options take more"); }

static double size_at(const struct allocation *a, size_t item, uint32_t k) { return a->size[item * a->options + k]; }
static double error_at(const struct allocation *a, size_t item, uint32_t k) { return a->error[item * a->options + k]; }

/* The option that fits when all items have it, the largest of these; options when there is none. */
static uint32_t one_for_all(const struct allocation *a)
{
    uint32_t best = (uint32_t)a->options;
    double most = -1;
    for (uint32_t k = 0; k < a->options; k++) {
        double size = 0;
        for (size_t i = 0; i < a->items; i++) size += size_at(a, i, k);
        if (size <= a->most && size > most) best = k, most = size;
    }
    return best;
}

static uint32_t smallest(const struct allocation *a, size_t item)
{
    uint32_t best = 0;
    for (uint32_t k = 1; k < a->options; k++)
        if (size_at(a, item, k) < size_at(a, item, best)) best = k;
    return best;
}

/* ---- L-GreCo ------------------------------------------------------------------------------------------------ */

struct program {
    const struct allocation *a;
    double step; /* of error */
    size_t sums; /* of steps that a total may have: 0 .. sums - 1 */
    double *size, *before; /* [sums]: the least of the items so far, INFINITY: that sum cannot be */
    uint32_t *choice;      /* [items][sums] */
};

static size_t steps_of(const struct program *p, size_t item, uint32_t k)
{
    double steps = ceil(error_at(p->a, item, k) / p->step * (1 - 1e-12)); /* a whole number of steps stays one */
    return steps < (double)p->sums ? (size_t)steps : p->sums;
}

static void add_item(struct program *p, size_t item)
{
    memcpy(p->before, p->size, p->sums * sizeof *p->size);
    for (size_t e = 0; e < p->sums; e++) p->size[e] = INFINITY;
    uint32_t *choice = p->choice + item * p->sums;
    for (uint32_t k = 0; k < p->a->options; k++) {
        size_t steps = steps_of(p, item, k);
        double size = size_at(p->a, item, k);
        for (size_t e = steps; e < p->sums; e++)
            if (p->before[e - steps] + size < p->size[e]) p->size[e] = p->before[e - steps] + size, choice[e] = k;
    }
}

/* The first sum of errors whose least size fits. */
static ent_status trace(const struct program *p, uint32_t *pick, ent_error *error)
{
    size_t e = 0;
    while (e < p->sums && !(p->size[e] <= p->a->most)) e++;
    if (e == p->sums) return nothing_fits(error);
    for (size_t i = p->a->items; i-- > 0;) {
        pick[i] = p->choice[i * p->sums + e];
        e -= steps_of(p, i, pick[i]);
    }
    return ENT_OK;
}

ent_status allocate_l_greco(const struct allocation *a, uint32_t steps, uint32_t *pick, ent_error *error)
{
    uint32_t all = one_for_all(a);
    double most = 0; /* of the sum of errors */
    for (size_t i = 0; i < a->items; i++) most += error_at(a, i, all < a->options ? all : smallest(a, i));
    struct program p = { .a = a, .step = most > 0 ? most / steps : 1, .sums = steps + a->items + 1 };
    p.size = ent_calloc(p.sums, sizeof *p.size);
    p.before = ent_calloc(p.sums, sizeof *p.before);
    p.choice = ent_calloc(a->items * p.sums + 1, sizeof *p.choice);
    ent_status status = p.size && p.before && p.choice ? ENT_OK : no_memory(error);
    for (size_t e = 1; !status && e < p.sums; e++) p.size[e] = INFINITY;
    for (size_t i = 0; i < a->items && !status; i++) add_item(&p, i);
    if (!status) status = trace(&p, pick, error);
    ent_free(p.size);
    ent_free(p.before);
    ent_free(p.choice);
    return status;
}

/* ---- EvoPress: levels --------------------------------------------------------------------------------------- */

enum { MOST_RAISED = 3, MOST_CHANGES = 10, MOST_TRIES = 100 };
static const double least_used = 0.8; /* an offspring gives up at most a fifth of the size that it moves */

struct candidate {
    uint32_t *level; /* [items] */
    double loss;
    size_t order; /* ties stay in it */
};

struct population {
    const struct allocation *a;
    const struct evolution *e;
    ent_random random;
    uint32_t *option, *levels; /* [items][options]: an item's options from small to large; how many it has */
    struct candidate parent;
    struct candidate *child; /* [offspring + 1] */
    size_t children;
    uint32_t *pick; /* scratch */
};

static double level_size(const struct population *p, size_t item, uint32_t level)
{
    return size_at(p->a, item, p->option[item * p->a->options + level]);
}

static double total(const struct population *p, const uint32_t *level)
{
    double size = 0;
    for (size_t i = 0; i < p->a->items; i++) size += level_size(p, i, level[i]);
    return size;
}

/* Options of an item such that a larger one always has less error. */
static void find_levels(struct population *p, size_t item)
{
    uint32_t *option = p->option + item * p->a->options, n = 0;
    for (double last = -1, least = INFINITY;;) {
        uint32_t next = (uint32_t)p->a->options;
        for (uint32_t k = 0; k < p->a->options; k++) { /* the next in size; of equals the one with least error */
            double size = size_at(p->a, item, k);
            if (size <= last) continue;
            bool better = next == p->a->options || size < size_at(p->a, item, next) ||
                          (size == size_at(p->a, item, next) && error_at(p->a, item, k) < error_at(p->a, item, next));
            if (better) next = k;
        }
        if (next == p->a->options) break;
        last = size_at(p->a, item, next);
        if (error_at(p->a, item, next) < least) least = error_at(p->a, item, next), option[n++] = next;
    }
    p->levels[item] = n;
}

/* One option for all, or for each item the largest level that is no larger. */
static ent_status find_start(struct population *p, ent_error *error)
{
    uint32_t all = one_for_all(p->a);
    for (size_t i = 0; i < p->a->items; i++) {
        p->parent.level[i] = 0;
        while (all < p->a->options && p->parent.level[i] + 1 < p->levels[i] &&
               level_size(p, i, p->parent.level[i] + 1) <= size_at(p->a, i, all))
            p->parent.level[i]++;
    }
    return total(p, p->parent.level) <= p->a->most ? ENT_OK : nothing_fits(error);
}

/* ---- EvoPress: mutation ------------------------------------------------------------------------------------- */

/* A random item whose level can still rise (or fall); items when there is none. */
static size_t draw_item(struct population *p, const uint32_t *level, bool rise)
{
    size_t there = 0, n = p->a->items;
    for (size_t i = 0; i < n; i++) there += rise ? level[i] + 1 < p->levels[i] : level[i] > 0;
    if (!there) return n;
    size_t skip = ent_random_below(&p->random, there);
    for (size_t i = 0;; i++) {
        if (!(rise ? level[i] + 1 < p->levels[i] : level[i] > 0)) continue;
        if (!skip--) return i;
    }
}

static bool same(const struct population *p, const uint32_t *a, const uint32_t *b)
{
    return !memcmp(a, b, p->a->items * sizeof *a);
}

/* false: not a child that is wanted. */
static bool mutate(struct population *p, uint32_t *level)
{
    uint64_t x = ent_random_below(&p->random, MOST_RAISED), y = ent_random_below(&p->random, MOST_RAISED);
    size_t raised = 1 + (size_t)(x < y ? x : y), changes = raised; /* rather few */
    double added = 0, removed = 0, size = total(p, p->parent.level);
    memcpy(level, p->parent.level, p->a->items * sizeof *level);
    for (size_t k = 0; k < raised; k++) {
        size_t i = draw_item(p, level, true);
        if (i == p->a->items) break;
        added += level_size(p, i, level[i] + 1) - level_size(p, i, level[i]);
        level[i]++;
    }
    for (; size + added - removed > p->a->most; changes++) {
        size_t i = draw_item(p, level, false);
        if (i == p->a->items || changes == MOST_CHANGES) return false;
        removed += level_size(p, i, level[i]) - level_size(p, i, level[i] - 1);
        level[i]--;
    }
    if (added < least_used * removed || same(p, level, p->parent.level)) return false;
    for (size_t k = 0; k < p->children; k++)
        if (same(p, level, p->child[k].level)) return false;
    return total(p, level) <= p->a->most; /* sums in another order */
}

static void breed(struct population *p)
{
    p->children = 0;
    for (uint32_t k = 0; k < p->e->offspring; k++)
        for (int tries = 0; tries < MOST_TRIES; tries++)
            if (mutate(p, p->child[p->children].level)) {
                p->children++;
                break;
            }
}

/* ---- EvoPress: selection ------------------------------------------------------------------------------------ */

static ent_status measure(struct population *p, struct candidate *c, uint32_t first, uint32_t count, ent_error *error)
{
    for (size_t i = 0; i < p->a->items; i++) p->pick[i] = p->option[i * p->a->options + c->level[i]];
    ent_status status = p->e->loss(p->e->context, p->pick, first, count, &c->loss, error);
    if (isnan(c->loss)) c->loss = INFINITY;
    return status;
}

static int less_loss(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->loss < y->loss || x->loss > y->loss) return x->loss < y->loss ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

/* The best on some sequences are left, in order. */
static ent_status select_best(struct population *p, int stage, ent_error *error)
{
    uint32_t all = p->e->sequences[EVOLUTION_STAGES - 1], count = p->e->sequences[stage];
    uint32_t first = (uint32_t)ent_random_below(&p->random, all - count + 1);
    ent_status status = ENT_OK;
    for (size_t k = 0; k < p->children && !status; k++) {
        p->child[k].order = k;
        status = measure(p, &p->child[k], first, count, error);
    }
    qsort(p->child, p->children, sizeof *p->child, less_loss);
    if (p->children > p->e->survivors[stage]) p->children = p->e->survivors[stage];
    return status;
}

static ent_status generation(struct population *p, ent_error *error)
{
    ent_status status = ENT_OK;
    breed(p);
    for (int stage = 0; stage < EVOLUTION_STAGES && !status; stage++) status = select_best(p, stage, error);
    if (status || !p->children || p->child[0].loss >= p->parent.loss) return status;
    struct candidate old = p->parent;
    p->parent = p->child[0];
    p->child[0] = old;
    return ENT_OK;
}

static ent_status evolve(struct population *p, double *start, ent_error *error)
{
    const ent_run *run = p->e->run;
    ent_status status = measure(p, &p->parent, 0, p->e->sequences[EVOLUTION_STAGES - 1], error);
    if (start) *start = p->parent.loss;
    for (uint32_t g = 0; g < p->e->generations && !status; g++) {
        status = generation(p, error);
        if (run && run->progress) run->progress(run->context, g + 1, p->e->generations);
    }
    return status;
}

ent_status allocate_evopress(const struct allocation *a, const struct evolution *e, uint32_t *pick, double *start, double *end,
                             ent_error *error)
{
    size_t room = e->offspring + 1, n = a->items;
    struct population p = { .a = a, .e = e, .pick = pick };
    uint32_t *levels = ent_calloc((room + 1) * n + 1, sizeof *levels);
    p.option = ent_calloc(n * a->options + 1, sizeof *p.option);
    p.levels = ent_calloc(n + 1, sizeof *p.levels);
    p.child = ent_calloc(room, sizeof *p.child);
    ent_status status = levels && p.option && p.levels && p.child ? ENT_OK : no_memory(error);
    if (!status) {
        ent_random_seed(&p.random, e->seed, 0);
        p.parent.level = levels;
        for (size_t k = 0; k < room; k++) p.child[k].level = levels + (k + 1) * n;
        for (size_t i = 0; i < n; i++) find_levels(&p, i);
        status = find_start(&p, error);
    }
    if (!status) status = evolve(&p, start, error);
    if (!status && end) *end = p.parent.loss;
    for (size_t i = 0; i < n && !status; i++) pick[i] = p.option[i * a->options + p.parent.level[i]];
    ent_free(levels);
    ent_free(p.option);
    ent_free(p.levels);
    ent_free(p.child);
    return status;
}
