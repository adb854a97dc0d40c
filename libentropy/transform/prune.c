/* prune.c - the least important weights become zero; nothing is stored, the quantizer's codes say it.
 *
 * Importance by `by`: 0 |w|; 1 |w| times the root of its input's mean square (Wanda: Sun et al. 2024); 2 |w| times
 * its input's largest magnitude (Double Compression: Wang et al. 2024, with weights for codes: a step shared by
 * those compared makes the order the same).  Compared are the weights of a row, of groups of columns, or of the matrix;
 * with m > 0, of every m neighbours in a row those n stay that matter most (N:M sparsity), and share is not used.
 * Equals go in order of position, so the share is exact to a weight. */
#include <math.h>

#include "transform/points.h"

enum { SHARE, BY, GROUP, KEEP, OF };
enum { BY_MAGNITUDE, BY_NORM, BY_LARGEST };

/* A matrix at hand: what its columns' magnitudes count times (NULL: 1), and room for the importance of what is compared. */
typedef struct pruning {
    const ent_matrix_job *job;
    float *factor;
    uint32_t *order;
} pruning;

static void find_factors(pruning *p, double by)
{
    const ent_input_stats *input = p->job->input;
    for (uint32_t c = 0; c < p->job->cols; c++)
        p->factor[c] = by == BY_NORM ? (float)sqrt(input->squares[c] / fmax(1, (double)input->rows)) : input->largest[c];
}

/* The importance of `width` weights from row r, column c, as integers in the same order: the bits of floats >= 0. */
static void rank(const pruning *p, uint32_t r, uint32_t c, uint32_t width, uint32_t *order)
{
    const float *w = p->job->values + (size_t)r * p->job->cols + c;
    for (uint32_t i = 0; i < width; i++) order[i] = ent_float_bits(fabsf(w[i]) * (p->factor ? p->factor[c + i] : 1));
}

/* The k-th smallest (from 0) of n values, digit by digit from counts of them; *below: how many are smaller. */
static uint32_t select_order(const uint32_t *order, size_t n, size_t k, size_t *below)
{
    enum { DIGIT = 2047 };
    static const unsigned shift[] = { 21, 10, 0 }; /* the last digit overlaps the one before: known bits change nothing */
    uint32_t found = 0, known = 0;
    *below = 0;
    for (size_t d = 0; d < sizeof shift / sizeof *shift; d++) {
        uint32_t count[DIGIT + 1] = { 0 }, digit = 0;
        for (size_t i = 0; i < n; i++) count[order[i] >> shift[d] & DIGIT] += (order[i] & known) == found;
        for (; *below + count[digit] <= k; digit++) *below += count[digit];
        found |= digit << shift[d];
        known |= (uint32_t)DIGIT << shift[d];
    }
    return found;
}

/* Zeroes `drop` of rows x width weights from row r, column c. */
static void drop_least(const pruning *p, uint32_t r, uint32_t c, uint32_t rows, uint32_t width, size_t drop)
{
    size_t n = (size_t)rows * width, below;
    if (!drop) return;
    uint32_t edge = select_order(p->order, n, drop - 1, &below);
    size_t equal = drop - below; /* of those at the edge, the first */
    for (uint32_t k = 0; k < rows; k++)
        for (uint32_t i = 0; i < width; i++) {
            uint32_t order = p->order[(size_t)k * width + i];
            bool gone = order < edge || (order == edge && equal > 0);
            if (order == edge && equal > 0) equal--;
            if (gone) p->job->values[(size_t)(r + k) * p->job->cols + c + i] = 0;
        }
}

/* Zeroes all but `keep` of n neighbours, too few to count. */
static void keep_few(const uint32_t *order, float *w, uint32_t n, uint32_t keep)
{
    bool gone[64] = { false };
    for (uint32_t left = n; left > keep; left--) {
        uint32_t least = n;
        for (uint32_t i = 0; i < n; i++)
            if (!gone[i] && (least == n || order[i] < order[least])) least = i;
        gone[least] = true;
        w[least] = 0;
    }
}

static void prune_all(const double setting[], const pruning *p)
{
    const ent_matrix_job *job = p->job;
    groups g = ent_groups(setting[OF] > 0 ? setting[OF] : setting[GROUP], job->rows, job->cols);
    uint32_t rows = g.rows == 1 ? job->rows : 1; /* of what is compared */
    for (uint32_t r = 0; r < job->rows; r += rows)
        for (uint32_t c = 0; c < job->cols; c += g.width) {
            uint32_t width = group_width(&g, job->cols, c);
            if (setting[OF] > 0) {
                rank(p, r, c, width, p->order);
                keep_few(p->order, job->values + (size_t)r * job->cols + c, width, (uint32_t)setting[KEEP]);
                continue;
            }
            for (uint32_t k = 0; k < rows; k++) rank(p, r + k, c, width, p->order + (size_t)k * width);
            drop_least(p, r, c, rows, width, (size_t)(setting[SHARE] * ((double)rows * width)));
        }
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    if (setting[BY] != BY_MAGNITUDE && !job->input)
        return ent_fail(error, ENT_EINVAL, "prune(by=%g) needs a calibration", setting[BY]);
    if (setting[OF] > 0 && setting[KEEP] > setting[OF])
        return ent_fail(error, ENT_EINVAL, "prune cannot keep %g of %g", setting[KEEP], setting[OF]);
    if (setting[OF] > 0 && fmod(job->cols, setting[OF]) > 0)
        return ent_fail(error, ENT_EINVAL, "rows of %u weights cannot be pruned by %g", job->cols, setting[OF]);
    bool compared = setting[OF] == 0 && setting[GROUP] == GROUP_TENSOR; /* all with all */
    pruning p = { .job = job, .order = ent_calloc(compared ? (size_t)job->rows * job->cols : job->cols, sizeof *p.order) };
    if (setting[BY] != BY_MAGNITUDE) p.factor = ent_calloc(job->cols, sizeof *p.factor);
    ent_status status = p.order && (p.factor || setting[BY] == BY_MAGNITUDE) ? ENT_OK : ent_fail(error, ENT_ENOMEM, "out of memory");
    if (!status && p.factor) find_factors(&p, setting[BY]);
    if (!status) prune_all(setting, &p);
    ent_free(p.order);
    ent_free(p.factor);
    return status;
}

const ent_transform ent_transform_prune = {
    .name = "prune", .brief = "the least important weights become zero", .cite = "sun2024wanda",
    .setting = { { "share", "of the weights that go", 0, 1, 0.5, false },
                 { "by", "0: |w|; 1: times the input's norm; 2: times its largest magnitude", 0, 2, 0, true },
                 GROUP_SETTING(GROUP_ROW),
                 { "n", "with m: how many of m neighbours stay", 0, 64, 2, true },
                 { "m", "0: by share; else N:M", 0, 64, 0, true } },
    .forward = forward,
};
