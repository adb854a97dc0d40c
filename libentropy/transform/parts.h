/* parts.h - what transforms share: parts of a packed matrix, and groups of weights with one scale. */
#ifndef ENT_TRANSFORM_PARTS_H
#define ENT_TRANSFORM_PARTS_H

#include <entropy/transform.h>

#define X(name) extern const ent_transform ent_transform_##name;
#include "transforms.def"
#undef X

/* Appends a part of rows x cols words, all zero; NULL (and an error) when there is no memory. */
ent_part *ent_packed_add(ent_packed *packed, const char *name, const char *format, uint32_t rows, uint32_t cols,
                         ent_error *error);

/* A part that must be there with this shape, and of this format unless it is NULL; else NULL and ENT_ECORRUPT told. */
const ent_part *ent_packed_need(const ent_packed *packed, const char *name, const char *format, uint32_t rows,
                                uint32_t cols, ent_error *error);

/* Word i of a part of words of 1 or 2 bytes. */
uint32_t ent_part_word(const ent_part *part, size_t i);
void ent_part_set_word(ent_part *part, size_t i, uint32_t word);
/* Its value in its format. */
float ent_part_value(const ent_part *part, size_t i);
/* The values of all words, many times as fast as one by one; to be freed.  NULL (and an error) when there is no memory. */
float *ent_part_floats(const ent_part *part, ent_error *error);

/* ---- groups ------------------------------------------------------------------------------------- */

enum { GROUP_TENSOR = -1, GROUP_ROW = 0 }; /* of a setting `group`; above: so many columns */

typedef struct groups {
    uint32_t rows, cols; /* of the scales: one each for a tensor, rows x 1, rows x cols / group */
    uint32_t width;      /* columns of a group (all, for a tensor or a row); the last of a row may have fewer */
} groups;

groups ent_groups(double setting, uint32_t rows, uint32_t cols);
/* Which group the weight in row r, column c belongs to. */
static inline size_t group_of(const groups *g, uint32_t r, uint32_t c)
{
    return g->rows == 1 && g->cols == 1 ? 0 : (size_t)r * g->cols + c / g->width;
}

/* Columns of the group that begins at column c. */
static inline uint32_t group_width(const groups *g, uint32_t cols, uint32_t c)
{
    return cols - c < g->width ? cols - c : g->width;
}

#define GROUP_SETTING(preset) { "group", "columns with one scale; 0: a row, -1: the tensor", -1, 65536, preset, true }

#endif
