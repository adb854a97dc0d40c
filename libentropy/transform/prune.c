/* prune.c - the least important weights become zero; nothing is stored, the quantizer's codes say it.
 *
 * Importance by `by`: 0 |w|; 1 |w| times the root of its input's mean square (Wanda: Sun et al. 2024); 2 |w| times
 * its input's largest magnitude (Double Compression: Wang et al. 2024, with weights for codes: a step shared by
 * those compared makes the order the same).  Compared are the weights of a row, of groups of columns, or of the matrix;
 * with m > 0, of every m neighbours in a row those n stay that matter most (N:M sparsity), and share is not used.
 * Equals go in order of position, so the share is exact to a weight. */
#include <math.h>
#include <string.h>

#include "transform/parts.h"

enum { SHARE, BY, GROUP, KEEP, OF };
enum { BY_MAGNITUDE, BY_NORM, BY_LARGEST };

static float importance(const ent_matrix_job *job, double by, uint32_t r, uint32_t c)
{
    float w = fabsf(job->values[(size_t)r * job->cols + c]);
    if (by == BY_NORM) return w * (float)sqrt(job->input->squares[c] / fmax(1, (double)job->input->rows));
    return by == BY_LARGEST ? w * job->input->largest[c] : w;
}

static uint32_t order_of(float importance) /* of floats >= 0, the same as theirs */
{
    uint32_t bits;
    memcpy(&bits, &importance, sizeof bits);
    return bits;
}

/* The k-th smallest (from 0) of n values, by two counts of half a value each; *below: how many are smaller. */
static uint32_t select_order(const uint32_t *order, size_t n, size_t k, size_t *count, size_t *below)
{
    uint32_t high = 0, low = 0;
    memset(count, 0, sizeof *count << 16);
    for (size_t i = 0; i < n; i++) count[order[i] >> 16]++;
    for (*below = 0; *below + count[high] <= k; high++) *below += count[high];
    memset(count, 0, sizeof *count << 16);
    for (size_t i = 0; i < n; i++)
        if (order[i] >> 16 == high) count[order[i] & 0xffff]++;
    for (; *below + count[low] <= k; low++) *below += count[low];
    return high << 16 | low;
}

/* Zeroes `drop` of the n weights at index[]. */
static void drop_least(const ent_matrix_job *job, const uint32_t *index, const uint32_t *order, size_t n, size_t drop,
                       size_t *count)
{
    size_t below, equal;
    if (!drop) return;
    uint32_t edge = select_order(order, n, drop - 1, count, &below);
    equal = drop - below; /* of those at the edge, the first */
    for (size_t i = 0; i < n; i++) {
        bool gone = order[i] < edge || (order[i] == edge && equal > 0);
        if (order[i] == edge && equal > 0) equal--;
        if (gone) job->values[index[i]] = 0;
    }
}

/* Few weights: no counting of 65536. */
static void drop_few(const ent_matrix_job *job, const uint32_t *index, const uint32_t *order, size_t n, size_t drop)
{
    bool gone[64] = { false };
    while (drop--) {
        size_t least = n;
        for (size_t i = 0; i < n; i++)
            if (!gone[i] && (least == n || order[i] < order[least])) least = i;
        gone[least] = true;
        job->values[index[least]] = 0;
    }
}

static void prune_part(const double setting[], const ent_matrix_job *job, uint32_t rows, uint32_t row, uint32_t col,
                       uint32_t width, uint32_t *room, size_t *count)
{
    size_t n = 0, all = (size_t)rows * width;
    uint32_t *index = room, *order = room + all;
    for (uint32_t r = row; r < row + rows; r++)
        for (uint32_t c = col; c < col + width; c++) {
            index[n] = (uint32_t)((size_t)r * job->cols + c);
            order[n++] = order_of(importance(job, setting[BY], r, c));
        }
    if (setting[OF] > 0)
        drop_few(job, index, order, n, n - (size_t)setting[KEEP]);
    else
        drop_least(job, index, order, n, (size_t)(setting[SHARE] * (double)n), count);
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    if (setting[BY] != BY_MAGNITUDE && !job->input)
        return ent_fail(error, ENT_EINVAL, "prune(by=%g) needs a calibration", setting[BY]);
    if (setting[OF] > 0 && setting[KEEP] > setting[OF])
        return ent_fail(error, ENT_EINVAL, "prune cannot keep %g of %g", setting[KEEP], setting[OF]);
    if (setting[OF] > 0 && fmod(job->cols, setting[OF]) > 0)
        return ent_fail(error, ENT_EINVAL, "rows of %u weights cannot be pruned by %g", job->cols, setting[OF]);
    groups g = ent_groups(setting[OF] > 0 ? setting[OF] : setting[GROUP], job->rows, job->cols);
    ent_status status = ENT_OK;
    uint32_t rows = g.rows == 1 ? job->rows : 1; /* of what is compared */
    uint32_t *room = ent_calloc((size_t)rows * g.width, 2 * sizeof *room);
    size_t *count = ent_calloc(1 << 16, sizeof *count);
    if (!room || !count) status = ent_fail(error, ENT_ENOMEM, "out of memory");
    for (uint32_t r = 0; r < job->rows && !status; r += rows)
        for (uint32_t c = 0; c < job->cols; c += g.width) 
            prune_part(setting, job, rows, r, c, group_width(&g, job->cols, c), room, count);
    ent_free(room);
    ent_free(count);
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
