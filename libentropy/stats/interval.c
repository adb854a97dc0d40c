/* interval.c - confidence intervals of entropies by a parametric bootstrap.
 *
 * Samples of the same size are drawn from laws near the one that gave the counts, whose entropy is known; an
 * estimator's errors on them, bias included, are taken for its error on the counts.  The laws are not the
 * observed frequencies: those lack the symbols not seen and are more uneven than what they were drawn from, so
 * that their own bootstrap is far too wide where symbols are equally probable.  They are made in three steps:
 *   1. symbols not seen: as few as the counts allow (Chao's estimate, chao1984), or as many as the alphabet
 *      has, sharing the mass that Good and Turing leave them;
 *   2. what was seen loses that mass, rare symbols more of it (chao2013, equation 8);
 *   3. all move towards equal probabilities until sum p^2 is its unbiased estimate from the counts.
 * The lower end comes from the first law, the upper end from the second: how many symbols of low probability
 * there are cannot be learnt from a small sample.  When no symbol was seen once they are the same.  Whether the upper
 * end is log2 of the number of symbols is a test of equal probabilities, on samples of that law.
 *
 * Errors on one law stand for those on all near it only where they are alike there.  Those of the collision entropy are
 * not (it is skewed: 92 to 93 % instead of 95 at 100 observations), so that its ends come from laws that have them, in
 * the least favourable family through the first (diciccio1990): the end is the entropy of the member on which the
 * estimate is as extreme as it was.  Shannon's do not: tilting towards a higher entropy spreads over symbols that were
 * only supposed, and 98 % of intervals held the truth of Zipf's law.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

#include "stats/parts.h"

typedef struct law {
    uint32_t support, *symbol;
    double *p;
    uint64_t n;
    gsl_ran_discrete_t *draw; /* for samples smaller than the support */
} law;

static void law_free(law *l)
{
    ent_free(l->symbol);
    ent_free(l->p);
    if (l->draw) gsl_ran_discrete_free(l->draw);
}

/* Symbols not seen, as few as the counts allow or as many as the alphabet has, and the mass of those seen. */
static double unseen_of(const ent_counts *counts, bool most, double *coverage)
{
    double n = (double)ent_counts_total(counts), once = 0, twice = 0;
    for (uint32_t s = 0; s < counts->alphabet; s++) once += counts->count[s] == 1, twice += counts->count[s] == 2;
    double missing = ent_counts_live(counts) < counts->alphabet ? counts->alphabet - ent_counts_live(counts) : 0;
    double chao = (n - 1) / n * (twice > 0 ? once * once / (2 * twice) : once * (once - 1) / 2);
    double unseen = once > 0 && most ? missing : fmin(ceil(chao), missing);
    *coverage = unseen > 0 ? 1 - once / n * ((n - 1) * once / ((n - 1) * once + 2 * fmax(twice, 1))) : 1;
    return unseen;
}

static void fill(law *l, const ent_counts *counts, double unseen, double coverage)
{
    double n = (double)l->n, missed = 0, pairs = 0, squares = 0;
    uint32_t k = 0, left = (uint32_t)unseen;
    for (uint32_t s = 0; s < counts->alphabet; s++) {
        double p = (double)counts->count[s] / n;
        if (p > 0 && p < 1) missed += p * exp(n * log1p(-p));
        pairs += p * ((double)counts->count[s] - 1) / (n - 1);
    }
    double lost = missed > 0 ? (1 - coverage) / missed : 0;
    for (uint32_t s = 0; s < counts->alphabet; s++) {
        double p = (double)counts->count[s] / n;
        if (!counts->count[s] && !left) continue;
        if (!counts->count[s]) left--;
        l->symbol[k] = s;
        l->p[k] = !counts->count[s] ? (1 - coverage) / unseen : p < 1 ? p * (1 - lost * exp(n * log1p(-p))) : 1;
        squares += l->p[k] * l->p[k];
        k++;
    }
    l->support = k;
    double even = 1. / k, stay = squares > even ? sqrt(fmin(fmax(pairs - even, 0) / (squares - even), 1)) : 0;
    for (uint32_t i = 0; i < k; i++) l->p[i] = even + stay * (l->p[i] - even);
}

typedef enum law_kind { LAW_FEW, LAW_MOST, LAW_EVEN } law_kind; /* even: that of most with equal probabilities */

static ent_status law_of(const ent_counts *counts, law_kind kind, law *l)
{
    double coverage, unseen = unseen_of(counts, kind != LAW_FEW, &coverage);
    size_t room = ent_counts_live(counts) + (size_t)unseen;
    *l = (law){ .n = ent_counts_total(counts) };
    l->symbol = ent_alloc(room * sizeof *l->symbol);
    l->p = ent_alloc(room * sizeof *l->p);
    if (!l->symbol || !l->p) return ENT_ENOMEM;
    fill(l, counts, unseen, coverage);
    for (uint32_t i = 0; i < l->support && kind == LAW_EVEN; i++) l->p[i] = 1. / l->support;
    return ENT_OK;
}

/* p proportional to from x exp(strength x influence), of which positive strength lowers the entropy.  From -1 on the order
 * of symbols stays, and with it the entropy's. */
static void tilt(law *l, const double *from, const ent_estimator *e, double strength)
{
    double top = 0, sum = 0;
    for (uint32_t i = 0; i < l->support; i++) top = fmax(top, e->influence(from[i]));
    for (uint32_t i = 0; i < l->support; i++)
        sum += l->p[i] = from[i] * exp(strength * (e->influence(from[i]) / top - 1));
    for (uint32_t i = 0; i < l->support; i++) l->p[i] /= sum;
}

/* The law of that family with an entropy of `bits`, or as near as there is one. */
static void tilt_to(law *l, const double *from, const ent_estimator *e, double bits)
{
    double low = -1, high = 64;
    for (int i = 0; i < 40; i++) {
        double middle = (low + high) / 2;
        tilt(l, from, e, middle);
        *(e->of_probabilities(l->p, l->support) > bits ? &low : &high) = middle;
    }
}

/* ---- samples ------------------------------------------------------------------------------------- */

/* GSL's counts to 2^32; many of them are as good as normal, few of very many as good as Poisson. */
static uint64_t binomial(const gsl_rng *rng, double p, uint64_t n)
{
    double mean = (double)n * p;
    if (p <= 0 || !n) return 0;
    if (p >= 1) return n;
    if (p > 0.5) return n - binomial(rng, 1 - p, n);
    if (mean * (1 - p) > 1e6) {
        double x = round(mean + gsl_ran_gaussian_ziggurat(rng, sqrt(mean * (1 - p))));
        return (uint64_t)fmin(fmax(x, 0), (double)n);
    }
    uint64_t k = n > 1000000000 ? gsl_ran_poisson(rng, mean) : gsl_ran_binomial(rng, p, (unsigned)n);
    return k < n ? k : n;
}

static void sample(const law *l, const gsl_rng *rng, ent_counts *counts)
{
    uint64_t left = l->n;
    double mass = 1;
    memset(counts->count, 0, counts->alphabet * sizeof *counts->count);
    if (l->draw) {
        while (left--) counts->count[l->symbol[gsl_ran_discrete(rng, l->draw)]]++;
        return;
    }
    for (uint32_t i = 0; i < l->support && left; i++) {
        uint64_t k = i + 1 < l->support ? binomial(rng, fmin(l->p[i] / mass, 1), left) : left;
        counts->count[l->symbol[i]] = k;
        left -= k;
        mass -= l->p[i];
    }
}

/* ---- intervals ----------------------------------------------------------------------------------- */

typedef struct member { /* an estimator at work */
    const ent_estimator *estimator;
    double truth;  /* what the law has */
    double *error; /* on each sample */
} member;

typedef struct boot {
    member *member;
    size_t members, replicates;
    uint64_t seed;
    unsigned threads;
    law law;
    double most_bits; /* what equal probabilities of all symbols of the law have */
    ent_counts *room; /* one a thread */
} boot;

static ent_status replicate(size_t i, unsigned thread, void *context)
{
    boot *b = context;
    ent_random random;
    const gsl_rng rng = { &ent_gsl_random, &random };
    ent_random_seed(&random, b->seed, i);
    sample(&b->law, &rng, &b->room[thread]);
    for (member *m = b->member; m < b->member + b->members; m++)
        m->error[i] = m->estimator->from_counts(&b->room[thread]).bits - m->truth;
    return ENT_OK;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The errors of all members on samples of b's law. */
static ent_status draw(boot *b)
{
    law *l = &b->law;
    if (l->n < l->support) {
        if (l->draw) gsl_ran_discrete_free(l->draw);
        if (!(l->draw = gsl_ran_discrete_preproc(l->support, l->p))) return ENT_ENOMEM;
    }
    for (member *m = b->member; m < b->member + b->members; m++)
        m->truth = m->estimator->of_probabilities(l->p, l->support);
    ent_status status = ent_parallel(b->replicates, b->threads, replicate, b);
    for (member *m = b->member; m < b->member + b->members && !status; m++)
        qsort(m->error, b->replicates, sizeof *m->error, ascending);
    return status;
}

/* The error below which a share q of the (replicates + 1) lie. */
static double quantile(const boot *b, const member *m, double q)
{
    double at = fmin(fmax(q * (double)(b->replicates + 1) - 1, 0), (double)(b->replicates - 1)), below = floor(at);
    size_t i = (size_t)below;
    return i + 1 < b->replicates ? m->error[i] + (at - below) * (m->error[i + 1] - m->error[i]) : m->error[i];
}

static double deviation(const boot *b, const member *m)
{
    double mean = 0, square = 0, n = (double)b->replicates;
    for (size_t i = 0; i < b->replicates; i++) mean += m->error[i] / n;
    for (size_t i = 0; i < b->replicates; i++) square += (m->error[i] - mean) * (m->error[i] - mean) / (n - 1);
    return sqrt(square);
}

static member *member_of(const boot *b, const ent_estimator *estimator)
{
    for (size_t i = 0; i < b->members; i++)
        if (b->member[i].estimator == estimator) return &b->member[i];
    return NULL;
}

static const ent_estimator *pivot_of(const ent_estimator *e) { return e->pivot ? e->pivot : e; }

/* The ends by the errors on b's law.  An estimate above what the law can have says that symbols are about equally
 * probable, not that there is nothing below. */
typedef double end_rule(const boot *b, const member *pivot, double bits);

static double low_end(const boot *b, const member *pivot, double bits)
{
    double middle = quantile(b, pivot, 0.5);
    return fmax(fmin(bits - middle, b->most_bits) - (quantile(b, pivot, 0.975) - middle), 0);
}

static double high_end(const boot *b, const member *pivot, double bits)
{
    return fmax(fmin(bits - quantile(b, pivot, 0.025), b->most_bits - ENT_OPEN_END), 0);
}

/* Moves from `end` to the entropy of the law, among those tilted from b's, on which `rule` gives that entropy itself; two
 * rounds come near enough, as errors change slowly along the family. */
static ent_status refine(const boot *b, const member *pivot, double bits, end_rule *rule, double *end)
{
    member m = *pivot;
    boot tilted = *b;
    ent_status status = ENT_OK;
    tilted.member = &m;
    tilted.members = 1;
    tilted.law.draw = NULL;
    m.error = ent_alloc(b->replicates * sizeof *m.error);
    tilted.law.p = ent_alloc(b->law.support * sizeof *tilted.law.p);
    if (!m.error || !tilted.law.p) status = ENT_ENOMEM;
    for (int round = 0; round < 2 && !status; round++) {
        tilt_to(&tilted.law, b->law.p, m.estimator, *end);
        status = draw(&tilted);
        if (!status) *end = rule(&tilted, &m, bits);
    }
    ent_free(m.error);
    tilted.law.symbol = NULL; /* b's */
    law_free(&tilted.law);
    return status;
}

static ent_status end_of(const boot *b, const ent_estimator *estimator, const ent_counts *counts, end_rule *rule, double *end)
{
    const member *pivot = member_of(b, pivot_of(estimator));
    bool upper = rule == high_end;
    if (estimator->end) {
        *end = estimator->end(counts, b->law.p, b->law.support, upper);
        if (upper) *end = fmin(*end, b->most_bits - ENT_OPEN_END);
        return ENT_OK;
    }
    double bits = pivot->estimator->from_counts(counts).bits;
    *end = rule(b, pivot, bits);
    return estimator->influence ? refine(b, pivot, bits, rule, end) : ENT_OK;
}

typedef ent_status end_setter(const boot *b, const ent_estimator *estimator, const ent_counts *counts, ent_estimate *e);

/* The law of few unseen symbols gives standard errors and lower ends, */
static ent_status lower(const boot *b, const ent_estimator *estimator, const ent_counts *counts, ent_estimate *e)
{
    const member *own = member_of(b, estimator);
    if (own) e->stderr_bits = deviation(b, own);
    return end_of(b, estimator, counts, low_end, &e->low_bits);
}

/* the law of many gives upper ends, */
static ent_status upper(const boot *b, const ent_estimator *estimator, const ent_counts *counts, ent_estimate *e)
{
    return end_of(b, estimator, counts, high_end, &e->high_bits);
}

/* but the most that there can be is excluded, or not, by a test of equal probabilities: there the truth can be missed
 * on one side only, and that side gets all of the 5 %. */
static ent_status upper_if_even(const boot *b, const ent_estimator *estimator, const ent_counts *counts, ent_estimate *e)
{
    const member *pivot = member_of(b, pivot_of(estimator));
    if (pivot->estimator->from_counts(counts).bits >= b->most_bits + quantile(b, pivot, 0.05)) e->high_bits = b->most_bits;
    return ENT_OK;
}

/* False where the likelihood ratio 2 n ln 2 (most - plug-in), chi-square with support - 1 degrees of freedom at equal
 * probabilities, is far beyond any doubt. */
static bool may_be_even(const boot *b, const ent_counts *counts)
{
    double n = (double)ent_counts_total(counts), freedom = exp2(b->most_bits) - 1;
    return 2 * n * M_LN2 * (b->most_bits - ent_entropy_bits(counts)) < freedom + 20 * sqrt(2 * freedom) + 100;
}

/* The estimators whose errors are wanted: those asked for, but for Bayesian ones, and their pivots. */
static ent_status members_new(boot *b, const ent_estimator *const estimators[], size_t n)
{
    if (!(b->member = ent_calloc(2 * n + 1, sizeof *b->member))) return ENT_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const ent_estimator *wanted[] = { estimators[i]->posterior ? NULL : estimators[i], pivot_of(estimators[i]) };
        for (int k = 0; k < 2; k++) {
            if (!wanted[k] || member_of(b, wanted[k])) continue;
            member *m = &b->member[b->members++];
            m->estimator = wanted[k];
            if (!(m->error = ent_calloc(b->replicates, sizeof *m->error))) return ENT_ENOMEM;
        }
    }
    return ENT_OK;
}

static ent_status boot_new(boot *b, const ent_estimator *const estimators[], size_t n, uint32_t alphabet)
{
    ent_status status = members_new(b, estimators, n);
    if (!status && !(b->room = ent_calloc(b->threads, sizeof *b->room))) status = ENT_ENOMEM;
    for (unsigned t = 0; t < b->threads && !status; t++) status = ent_counts_init(&b->room[t], alphabet);
    return status;
}

static void boot_free(boot *b)
{
    for (unsigned t = 0; b->room && t < b->threads; t++) ent_counts_free(&b->room[t]);
    for (size_t i = 0; i < b->members; i++) ent_free(b->member[i].error);
    ent_free(b->room);
    ent_free(b->member);
}

ent_status ent_estimate_intervals(const ent_estimator *const estimators[], size_t n, const ent_counts *counts,
                                  const ent_interval_options *options, ent_estimate estimates[])
{
    boot b = { .seed = options->seed, .replicates = options->replicates ? options->replicates : 499,
               .threads = ent_threads(options->threads) };
    for (size_t i = 0; i < n; i++) {
        estimates[i] = estimators[i]->from_counts(counts);
        estimates[i].high_bits = log2(counts->alphabet); /* one observation tells nothing */
    }
    if (ent_counts_total(counts) < 2 || b.replicates < 2) return b.replicates < 2 ? ENT_EINVAL : ENT_OK;
    ent_status status = boot_new(&b, estimators, n, counts->alphabet);
    const struct { law_kind law; end_setter *set; } step[] = {
        { LAW_FEW, lower }, { LAW_MOST, upper }, { LAW_EVEN, upper_if_even },
    };
    for (size_t k = 0; k < sizeof step / sizeof *step && !status; k++) {
        if (step[k].law == LAW_EVEN && !may_be_even(&b, counts)) break;
        status = law_of(counts, step[k].law, &b.law);
        b.most_bits = log2(b.law.support);
        if (!status) status = draw(&b);
        for (size_t i = 0; i < n && !status; i++) status = step[k].set(&b, estimators[i], counts, &estimates[i]);
        law_free(&b.law);
    }
    boot_free(&b);
    return status;
}
