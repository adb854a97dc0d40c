/* signed_product_target.h - the loop of signed_product.h for one target; included once for each.
 *
 * Parameters: TARGET, an attribute that lets the compiler use instructions, may be empty;
 *             FOR(name), the name with the target's suffix.  Both end with this file.
 * ROWS x COLS sums stay in registers over the whole rank, so that a weight costs `rank` multiplications and additions, one read
 * and one write; a row of `right` is read once for ROWS rows. */

TARGET static void FOR(add)(const ent_signed_product *p, float *values)
{
    for (size_t r = 0; r < p->rows; r += ROWS) {
        const float *left[ROWS];
        const size_t rows = p->rows - r < ROWS ? p->rows - r : ROWS;
        for (size_t j = 0; j < ROWS; j++) left[j] = p->left + (r + (j < rows ? j : rows - 1)) * p->rank;
        for (size_t c = 0; c < p->cols; c += COLS) {
            float sum[ROWS][COLS] = { { 0 } };
            for (size_t k = 0; k < p->rank; k++) {
                const float *right = p->right + k * p->stride + c;
                for (size_t j = 0; j < ROWS; j++)
                    for (size_t i = 0; i < COLS; i++) sum[j][i] += left[j][k] * right[i];
            }
            const size_t width = p->cols - c < COLS ? p->cols - c : COLS;
            for (size_t j = 0; j < rows; j++) {
                const size_t at = (r + j) * p->cols + c;
                const uint32_t plus = p->signs ? signs_at(p->signs, at, width) : UINT32_MAX;
                float *to = values + at;
                /* a width that the compiler does not know: else it unrolls this loop instead of making it wide */
                for (size_t i = 0; i < width; i++) to[i] += plus & bit_of[i] ? sum[j][i] : -sum[j][i];
            }
        }
    }
}

#undef TARGET
#undef FOR
