/* feedback_target.h - the two loops of feedback.c that take nearly all of its time, for one target; included once for each.
 *
 * Parameters: TARGET, an attribute that lets the compiler use instructions, may be empty;
 *             FOR(name), the name with the target's suffix.  Both end with this file.
 * Each number takes what PANEL columns add to it while it is in a register, one after the other: the bits are those of
 * column after column. */

/* other[k] -= the sum over b of share[b] * panel[b * n + k] for k < width, the last b first. */
TARGET static void FOR(subtract)(double *restrict other, size_t width, const double share[PANEL], const double *restrict panel, size_t n)
{
    size_t k = 0;
    for (; k + DOUBLES <= width; k += DOUBLES) {
        doubles left;
        memcpy(&left, other + k, sizeof left);
        for (int b = PANEL; b-- > 0;) {
            doubles row;
            memcpy(&row, panel + (size_t)b * n + k, sizeof row);
            left -= share[b] * row;
        }
        memcpy(other + k, &left, sizeof left);
    }
    for (; k < width; k++)
        for (int b = PANEL; b-- > 0;) other[k] -= share[b] * panel[(size_t)b * n + k];
}

/* target[k] += the sum over b of error[b] * pass[b * n + k] for k < width, the first b first. */
TARGET static void FOR(add)(lanes *restrict target, size_t width, const lanes error[PANEL], const float *restrict pass, size_t n)
{
    for (size_t k = 0; k < width; k++) {
        lanes sum = target[k];
        for (size_t b = 0; b < PANEL; b++) sum += error[b] * pass[b * n + k];
        target[k] = sum;
    }
}

#undef TARGET
#undef FOR
