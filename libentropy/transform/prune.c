/* prune.c - the least important weights become zero; nothing is stored, the quantizer's codes say it.
 *
 * Importance by `by`: 0 |w|; 1 |w| times the root of its input's mean square (Wanda: Sun et al. 2024); 2 |w| times
 * its input's largest magnitude (Double Compression: Wang et al. 2024, with weights for codes: a step shared by
 * those compared makes the order the same).  Compared are the weights of a row, of groups of columns, or of the matrix;
 * with m > 0, of every m neighbours in a row those n stay that matter most (N:M sparsity), and share is not used.
 * With whole > 1, that many neighbours in a row stay or go together, by the sum of their squared importance (GQSA: Zeng et
 * al. 2024; a quantizer that does not store them: gqsa.c).  Equals go in order of position, so the share is exact. */
#include <math.h>

#include "transform/importance.h"

enum { SHARE, BY, GROUP, KEEP, OF, WHOLE };

/* A matrix at hand, and room for the importance of what is compared. */
typedef struct pruning {
    const ent_matrix_job *job;
    importance importance;
    uint32_t *order;
} pruning;

/* Zeroes a share of rows x width weights from row r, column c, `whole` at a time. */
static void drop_least(const pruning *p, uint32_t r, uint32_t c, uint32_t rows, uint32_t width, uint32_t whole, double share)
{
    uint32_t units = (width - 1) / whole + 1; /* of a row */
    size_t n = (size_t)rows * units, drop = (size_t)(share * (double)n), below;
    if (!drop) return;
    for (uint32_t k = 0; k < rows; k++) ent_importance_rank(&p->importance, r + k, c, width, whole, p->order + (size_t)k * units);
    uint32_t edge = ent_importance_select(p->order, n, drop - 1, &below);
    size_t equal = drop - below; /* of those at the edge, the first */
    for (uint32_t k = 0; k < rows; k++)
        for (uint32_t i = 0; i < units; i++) {
            uint32_t order = p->order[(size_t)k * units + i], from = i * whole;
            bool gone = order < edge || (order == edge && equal > 0);
            if (order == edge && equal > 0) equal--;
            float *w = p->job->values + (size_t)(r + k) * p->job->cols + c + from;
            for (uint32_t j = 0; gone && j < whole && j < width - from; j++) w[j] = 0;
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
                ent_importance_rank(&p->importance, r, c, width, 1, p->order);
                keep_few(p->order, job->values + (size_t)r * job->cols + c, width, (uint32_t)setting[KEEP]);
                continue;
            }
            drop_least(p, r, c, rows, width, (uint32_t)setting[WHOLE], setting[SHARE]);
        }
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    if (setting[OF] > 0 && setting[KEEP] > setting[OF])
        return ent_fail(error, ENT_EINVAL, "prune cannot keep %g of %g", setting[KEEP], setting[OF]);
    if (setting[OF] > 0 && fmod(job->cols, setting[OF]) > 0)
        return ent_fail(error, ENT_EINVAL, "rows of %u weights cannot be pruned by %g", job->cols, setting[OF]);
    bool compared = setting[OF] == 0 && setting[GROUP] == GROUP_TENSOR; /* all with all */
    pruning p = { .job = job };
    ent_status status = ent_importance_init(&p.importance, job, setting[BY], "prune", error);
    if (status) return status;
    p.order = ent_calloc(compared ? (size_t)job->rows * job->cols : job->cols, sizeof *p.order);
    if (!p.order) status = ent_fail(error, ENT_ENOMEM, "out of memory");
    if (!status) prune_all(setting, &p);
    ent_free(p.order);
    ent_importance_free(&p.importance);
    return status;
}

const ent_transform ent_transform_prune = {
    .name = "prune", .brief = "the least important weights become zero", .cite = "sun2024wanda",
    .setting = { { "share", "of the weights that go", 0, 1, 0.5, false }, BY_SETTING, GROUP_SETTING(GROUP_ROW),
                 { "n", "with m: how many of m neighbours stay", 0, 64, 2, true },
                 { "m", "0: by share; else N:M", 0, 64, 0, true },
                 { "whole", "neighbours that stay or go together", 1, 65536, 1, true } },
    .forward = forward,
};
