/* choose.c - one option for each item: the least of one total while the other totals keep their bounds.
 *
 * This is the multiple-choice knapsack problem, which is NP-hard, but easy where items are many and
 * none is large.  Three steps, with a = the cost that is minimised and b = the bounded one:
 *
 * 1. The linear relaxation (Sinha & Zoltners 1979; for bit allocation Shoham & Gersho 1988).  Only
 *    options on the lower convex hull of an item's points (b, a) can be in its solution.  Every item begins
 *    at its least b; the hulls' edges of all items are taken in order of their slopes as long as
 *    b allows.  The slope where b runs out is the price of b, -lambda.  A second bound is
 *    priced into a, at a mu found by bisection: the bound's total falls as mu grows.
 * 2. Greedy fill of what is left: the later edges that still fit, then single exchanges.
 * 3. Branch and bound.  At these prices an item's option has a regret, what it costs above the item's
 *    cheapest.  The sum of the cheapest, less the prices of the bounds, is a lower bound of any
 *    solution; with an option whose regret is more than the gap between the two none can be better,
 *    so most are struck out, most items are settled, and the rest is searched depth first.  The search stops
 *    after a fixed number of steps, and says so.
 *
 * Nothing depends on time or chance; among equals the option listed first is taken. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <entropy/target.h>

enum { NONE = ENT_COSTS, BISECTIONS = 48, MOST_STEPS = 4000000 };

/* A step along the lower hull of an item: less a for more b. */
typedef struct edge {
    double slope, more; /* slope < 0: what a changes for one b; more b */
    uint32_t item, to, rank; /* rank: of the edge on its hull */
} edge;

typedef struct totals {
    double of[ENT_COSTS];
} totals;

typedef struct chooser {
    const ent_choosing *p;
    int first, second;       /* bounded costs, or NONE */
    double price[ENT_COSTS]; /* of a unit of a bounded cost */
    edge *edge;
    uint32_t *hull, *trial, *best; /* hull: of one item; choices */
    bool found;
    totals best_totals;
    double least; /* proven */
} chooser;

static const ent_option *option_at(const ent_choosing *p, size_t item, size_t k)
{
    return &p->option[item * p->options + k];
}

static bool is_there(const ent_option *o)
{
    for (int c = 0; c < ENT_COSTS; c++)
        if (!isfinite(o->cost[c])) return false;
    return true;
}

/* ---- totals ---------------------------------------------------------------------------------- */

static totals sum(const ent_choosing *p, const uint32_t *choice)
{
    totals t = { { 0 } };
    for (size_t i = 0; i < p->items; i++)
        for (int c = 0; c < ENT_COSTS; c++) t.of[c] += option_at(p, i, choice[i])->cost[c];
    return t;
}

/* Sums in other orders differ in their last bits. */
static bool within(double total, double bound) { return total <= bound + 1e-12 * fabs(bound); }

static bool keeps(const chooser *s, const totals *t)
{
    for (int c = 0; c < ENT_COSTS; c++)
        if (c != (int)s->p->minimise && !within(t->of[c], s->p->most[c])) return false;
    return true;
}

static void offer(chooser *s, const uint32_t *choice)
{
    totals t = sum(s->p, choice);
    if (!keeps(s, &t) || (s->found && t.of[s->p->minimise] >= s->best_totals.of[s->p->minimise])) return;
    s->found = true;
    s->best_totals = t;
    memcpy(s->best, choice, s->p->items * sizeof *choice);
}

/* ---- the relaxation --------------------------------------------------------------------------- */

/* What is minimised, the second bound priced in; and the bounded cost of the hulls. */
static double a_of(const chooser *s, const ent_option *o)
{
    return o->cost[s->p->minimise] + (s->second == NONE ? 0 : s->price[s->second] * o->cost[s->second]);
}

static double b_of(const chooser *s, const ent_option *o) { return s->first == NONE ? 0 : o->cost[s->first]; }

/* The least b, among those the least a, among those the first. */
static uint32_t hull_start(const chooser *s, size_t item)
{
    uint32_t at = UINT32_MAX;
    for (uint32_t k = 0; k < s->p->options; k++) {
        const ent_option *o = option_at(s->p, item, k), *old = at == UINT32_MAX ? o : option_at(s->p, item, at);
        if (!is_there(o)) continue;
        bool better = b_of(s, o) < b_of(s, old) || (b_of(s, o) == b_of(s, old) && a_of(s, o) < a_of(s, old));
        if (at == UINT32_MAX || better) at = k;
    }
    return at;
}

/* The edges of an item's lower hull that descend: from each corner the steepest way down, to the farthest of
 * equals.  O(options x corners), with few options. */
static size_t hull_edges(const chooser *s, size_t item, edge *out)
{
    size_t n = 0;
    for (uint32_t at = s->trial[item];;) {
        const ent_option *o = option_at(s->p, item, at);
        edge e = { .slope = 0 };
        for (uint32_t k = 0; k < s->p->options; k++) {
            const ent_option *next = option_at(s->p, item, k);
            double more = is_there(next) ? b_of(s, next) - b_of(s, o) : 0;
            if (more <= 0) continue;
            double slope = (a_of(s, next) - a_of(s, o)) / more;
            if (slope < e.slope || (slope < 0 && slope == e.slope && more > e.more))
                e = (edge){ slope, more, (uint32_t)item, k, (uint32_t)n };
        }
        if (e.slope >= 0) return n;
        out[n++] = e;
        at = e.to;
    }
}

static int by_slope(const void *a, const void *b)
{
    const edge *x = a, *y = b;
    if (x->slope != y->slope) return x->slope < y->slope ? -1 : 1;
    if (x->item != y->item) return x->item < y->item ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* Walks the edges into `trial`; the price of the first bound is that of the edge that did not fit. */
static void walk(chooser *s)
{
    const ent_choosing *p = s->p;
    size_t n = 0;
    for (size_t i = 0; i < p->items; i++) {
        s->trial[i] = hull_start(s, i);
        n += hull_edges(s, i, s->edge + n);
    }
    qsort(s->edge, n, sizeof *s->edge, by_slope);
    double bound = s->first == NONE ? INFINITY : p->most[s->first];
    double used = s->first == NONE ? 0 : sum(p, s->trial).of[s->first];
    double price = 0;
    memset(s->hull, 0, p->items * sizeof *s->hull); /* edges taken of each item */
    for (size_t e = 0; e < n; e++) {
        const edge *x = &s->edge[e];
        if (s->hull[x->item] != x->rank) continue; /* the edge before did not fit */
        if (within(used + x->more, bound)) {
            used += x->more;
            s->trial[x->item] = x->to;
            s->hull[x->item]++;
        } else if (price == 0) {
            price = -x->slope;
        }
    }
    if (s->first != NONE) s->price[s->first] = price;
}

static double priced(const chooser *s, const ent_option *o)
{
    double value = o->cost[s->p->minimise];
    if (s->first != NONE) value += s->price[s->first] * o->cost[s->first];
    if (s->second != NONE) value += s->price[s->second] * o->cost[s->second];
    return value;
}

static uint32_t cheapest(const chooser *s, size_t item)
{
    uint32_t at = UINT32_MAX;
    for (uint32_t k = 0; k < s->p->options; k++) {
        const ent_option *o = option_at(s->p, item, k);
        if (is_there(o) && (at == UINT32_MAX || priced(s, o) < priced(s, option_at(s->p, item, at)))) at = k;
    }
    return at;
}

/* The Lagrangian: below every solution that keeps the bounds, whatever the prices. */
static double lagrangian(const chooser *s)
{
    double value = 0;
    for (size_t i = 0; i < s->p->items; i++) value += priced(s, option_at(s->p, i, cheapest(s, i)));
    if (s->first != NONE) value -= s->price[s->first] * s->p->most[s->first];
    if (s->second != NONE) value -= s->price[s->second] * s->p->most[s->second];
    return value;
}

/* ---- greedy fill ------------------------------------------------------------------------------ */

static totals exchanged(const totals *t, const ent_option *from, const ent_option *to)
{
    totals out;
    for (int c = 0; c < ENT_COSTS; c++) out.of[c] = t->of[c] - from->cost[c] + to->cost[c];
    return out;
}

/* Makes the single exchange that saves most, again and again, while any saves. */
static void exchange(chooser *s)
{
    const ent_choosing *p = s->p;
    totals t = sum(p, s->trial);
    for (double save = 1; save > 0;) {
        size_t item = 0;
        uint32_t to = 0;
        save = 0;
        for (size_t i = 0; i < p->items; i++)
            for (uint32_t k = 0; k < p->options; k++) {
                const ent_option *now = option_at(p, i, s->trial[i]), *o = option_at(p, i, k);
                if (!is_there(o)) continue;
                totals with = exchanged(&t, now, o);
                double saves = now->cost[p->minimise] - o->cost[p->minimise];
                if (saves > save && keeps(s, &with)) save = saves, item = i, to = k;
            }
        if (save > 0) {
            t = exchanged(&t, option_at(p, item, s->trial[item]), option_at(p, item, to));
            s->trial[item] = to;
        }
    }
}

/* Prices and a solution for the prices set so far. */
static void relax(chooser *s, double *most_least, double *best_price)
{
    walk(s);
    double least = lagrangian(s);
    if (least > *most_least) {
        *most_least = least;
        memcpy(best_price, s->price, sizeof s->price);
    }
}

/* Both bounds: the price of the second by bisection, on a scale of what the options differ by. */
static void solve_relaxed(chooser *s)
{
    double best_price[ENT_COSTS] = { 0 }, low = 0, high = 0;
    s->least = -INFINITY;
    for (int i = 0; i < BISECTIONS; i++) {
        relax(s, &s->least, best_price);
        totals t = sum(s->p, s->trial);
        if (s->second == NONE) break;
        bool fits = within(t.of[s->second], s->p->most[s->second]);
        if (fits) offer(s, s->trial);
        if (fits && s->price[s->second] == 0) break;
        if (fits) high = s->price[s->second];
        else low = s->price[s->second];
        double scale = t.of[s->p->minimise] / t.of[s->second];
        s->price[s->second] = high > 0 ? 0.5 * (low + high) : low > 0 ? 4 * low : 1e-6 * scale;
    }
    memcpy(s->price, best_price, sizeof s->price);
    if (s->found) memcpy(s->trial, s->best, s->p->items * sizeof *s->trial);
    if (s->found || s->second == NONE) exchange(s), offer(s, s->trial);
}

/* ---- branch and bound ------------------------------------------------------------------------- */

typedef struct branch {
    double regret;
    uint32_t option;
} branch;

typedef struct search {
    chooser *s;
    size_t open;      /* items that are not settled */
    uint32_t *item;   /* [open] */
    size_t *branches; /* [open] */
    branch *branch;   /* [open][options], by regret */
    totals *least;    /* [open + 1]: of the open items from here on, each cost alone */
    totals *sofar;    /* [open + 1] */
    double *regret;   /* [open + 1]: so far */
    size_t *at;       /* [open]: the branch that is tried */
} search;

static int by_regret(const void *a, const void *b)
{
    const branch *x = a, *y = b;
    if (x->regret != y->regret) return x->regret < y->regret ? -1 : 1;
    return (x->option > y->option) - (x->option < y->option);
}

/* The gap between the best solution and the Lagrangian: what the sum of regrets must stay below. */
static double gap(const chooser *s)
{
    return s->found ? s->best_totals.of[s->p->minimise] * (1 - 1e-12) - s->least : INFINITY;
}

/* Strikes out options; items with one left are settled in `trial`. */
static void reduce(search *x)
{
    chooser *s = x->s;
    const ent_choosing *p = s->p;
    for (size_t i = 0; i < p->items; i++) {
        branch *b = x->branch + x->open * p->options;
        double low = priced(s, option_at(p, i, cheapest(s, i)));
        size_t n = 0;
        for (uint32_t k = 0; k < p->options; k++) {
            const ent_option *o = option_at(p, i, k);
            if (is_there(o) && priced(s, o) - low < gap(s)) b[n++] = (branch){ priced(s, o) - low, k };
        }
        if (!n) b[n++] = (branch){ 0, cheapest(s, i) };
        qsort(b, n, sizeof *b, by_regret);
        s->trial[i] = b[0].option;
        if (n == 1) continue;
        x->item[x->open] = (uint32_t)i;
        x->branches[x->open++] = n;
    }
}

/* sofar[0]: the settled items; least[d]: what items d.. take at least. */
static void prepare(search *x)
{
    const ent_choosing *p = x->s->p;
    x->sofar[0] = sum(p, x->s->trial);
    for (size_t d = x->open; d-- > 0;)
        for (int c = 0; c < ENT_COSTS; c++) {
            double low = INFINITY;
            for (size_t k = 0; k < x->branches[d]; k++)
                low = fmin(low, option_at(p, x->item[d], x->branch[d * p->options + k].option)->cost[c]);
            x->least[d].of[c] = x->least[d + 1].of[c] + low;
            x->sofar[0].of[c] -= option_at(p, x->item[d], x->s->trial[x->item[d]])->cost[c];
        }
}

/* Whether what is chosen down to depth d can still become the best. */
static bool promising(const search *x, size_t d)
{
    totals t;
    for (int c = 0; c < ENT_COSTS; c++) t.of[c] = x->sofar[d].of[c] + x->least[d].of[c];
    return x->regret[d] < gap(x->s) && keeps(x->s, &t);
}

/* true: all has been looked at. */
static bool descend(search *x)
{
    chooser *s = x->s;
    size_t d = 0;
    x->at[0] = 0;
    for (long steps = 0; steps < MOST_STEPS; steps++) {
        const branch *b = x->branch + d * s->p->options + x->at[d];
        if (x->at[d] == x->branches[d] || x->regret[d] + b->regret >= gap(s)) { /* the others regret more */
            if (d-- == 0) return true;
            x->at[d]++;
            continue;
        }
        const ent_option *o = option_at(s->p, x->item[d], b->option);
        for (int c = 0; c < ENT_COSTS; c++) x->sofar[d + 1].of[c] = x->sofar[d].of[c] + o->cost[c];
        x->regret[d + 1] = x->regret[d] + b->regret;
        s->trial[x->item[d]] = b->option;
        if (promising(x, d + 1)) {
            if (d + 1 < x->open) {
                x->at[++d] = 0;
                continue;
            }
            offer(s, s->trial);
        }
        x->at[d]++;
    }
    return false;
}

static ent_status improve(chooser *s, bool *exact)
{
    const ent_choosing *p = s->p;
    search x = { .s = s };
    x.item = ent_calloc(p->items, sizeof *x.item);
    x.branches = ent_calloc(p->items, sizeof *x.branches);
    x.branch = ent_calloc(p->items * p->options + p->options, sizeof *x.branch);
    x.least = ent_calloc(p->items + 1, sizeof *x.least);
    x.sofar = ent_calloc(p->items + 1, sizeof *x.sofar);
    x.regret = ent_calloc(p->items + 1, sizeof *x.regret);
    x.at = ent_calloc(p->items + 1, sizeof *x.at);
    bool memory = x.item && x.branches && x.branch && x.least && x.sofar && x.regret && x.at;
    if (memory) {
        reduce(&x);
        prepare(&x);
        if (!x.open) offer(s, s->trial);
        *exact = !x.open || descend(&x);
    }
    ent_free(x.item);
    ent_free(x.branches);
    ent_free(x.branch);
    ent_free(x.least);
    ent_free(x.sofar);
    ent_free(x.regret);
    ent_free(x.at);
    return memory ? ENT_OK : ENT_ENOMEM;
}

/* ---- the door --------------------------------------------------------------------------------- */

static const char *const cost_names[] = { "bytes", "ns", "pJ", "of loss" };

/* Each bound alone must be within reach, and each item have an option. */
static ent_status check(const ent_choosing *p, ent_error *error)
{
    totals least = { { 0 } };
    int bounds = 0;
    if (!p->items || !p->options || (unsigned)p->minimise >= ENT_COSTS)
        return ent_fail(error, ENT_EINVAL, "nothing to choose: no items, or no options");
    for (int c = 0; c < ENT_COSTS; c++)
        if (!(p->most[c] >= 0)) return ent_fail(error, ENT_EINVAL, "a bound of %g %s", p->most[c], cost_names[c]);
    for (int c = 0; c < ENT_COSTS; c++) bounds += c != (int)p->minimise && !isinf(p->most[c]);
    if (bounds > 2) return ent_fail(error, ENT_EINVAL, "more than two bounds beside what is minimised");
    for (size_t i = 0; i < p->items; i++) {
        totals low = { { INFINITY, INFINITY, INFINITY, INFINITY } };
        for (size_t k = 0; k < p->options; k++) {
            const ent_option *o = option_at(p, i, k);
            for (int c = 0; c < ENT_COSTS && is_there(o); c++) low.of[c] = fmin(low.of[c], o->cost[c]);
            for (int c = 0; c < ENT_COSTS; c++)
                if (!(o->cost[c] >= 0)) return ent_fail(error, ENT_EINVAL, "item %zu: a cost of %g", i, o->cost[c]);
        }
        if (isinf(low.of[0])) return ent_fail(error, ENT_EUNSUPPORTED, "item %zu has no option", i);
        for (int c = 0; c < ENT_COSTS; c++) least.of[c] += low.of[c];
    }
    for (int c = 0; c < ENT_COSTS; c++)
        if (!within(least.of[c], p->most[c]))
            return ent_fail(error, ENT_ERANGE, "at most %.6g %s are allowed; the least that can be had is %.6g",
                            p->most[c], cost_names[c], least.of[c]);
    return ENT_OK;
}

static ent_status choose(chooser *s, ent_chosen *chosen, ent_error *error)
{
    const ent_choosing *p = s->p;
    bool exact = false;
    solve_relaxed(s);
    if (improve(s, &exact)) return ent_fail(error, ENT_ENOMEM, "out of memory");
    if (!s->found)
        return ent_fail(error, ENT_ERANGE, "%s keeps all the bounds together; loosen one",
                        exact ? "no choice" : "no choice that was tried");
    double total = s->best_totals.of[p->minimise];
    *chosen = (ent_chosen){ .least = exact ? total : s->least, .exact = exact };
    memcpy(chosen->total, s->best_totals.of, sizeof chosen->total);
    if (within(total, p->most[p->minimise])) return ENT_OK;
    return ent_fail(error, ENT_ERANGE, "at most %.6g %s are allowed; with the other bounds kept %.6g are needed",
                    p->most[p->minimise], cost_names[p->minimise], total);
}

ent_status ent_choose(const ent_choosing *choosing, uint32_t *choice, ent_chosen *chosen, ent_error *error)
{
    chooser s = { .p = choosing, .first = NONE, .second = NONE, .best = choice };
    ent_status status = check(choosing, error);
    if (status) return status;
    for (int c = 0; c < ENT_COSTS; c++) {
        if (c == (int)choosing->minimise || isinf(choosing->most[c])) continue;
        if (s.first == NONE) s.first = c;
        else s.second = c;
    }
    s.edge = ent_calloc(choosing->items * choosing->options, sizeof *s.edge);
    s.hull = ent_calloc(choosing->items, sizeof *s.hull);
    s.trial = ent_calloc(choosing->items, sizeof *s.trial);
    status = s.edge && s.hull && s.trial ? choose(&s, chosen, error) : ent_fail(error, ENT_ENOMEM, "out of memory");
    ent_free(s.edge);
    ent_free(s.hull);
    ent_free(s.trial);
    return status;
}
