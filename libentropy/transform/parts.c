/* parts.c - parts of a packed matrix and their sizes; groups. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <entropy/count.h>

#include "transform/parts.h"

ent_part *ent_packed_add(ent_packed *packed, const char *name, const char *format, uint32_t rows, uint32_t cols,
                         ent_error *error)
{
    ent_part *part = &packed->part[packed->parts];
    *part = (ent_part){ .format = ent_format_find(format), .rows = rows, .cols = cols };
    snprintf(part->name, sizeof part->name, "%s", name);
    part->words = packed->parts < ENT_PARTS ? ent_calloc((size_t)rows * cols, ent_format_width(part->format)) : NULL;
    if (!part->words) {
        ent_fail(error, ENT_ENOMEM, "no memory for the %s of a matrix", name);
        return NULL;
    }
    packed->parts++;
    return part;
}

const ent_part *ent_packed_find(const ent_packed *packed, const char *name)
{
    for (uint32_t i = 0; i < packed->parts; i++)
        if (!strcmp(packed->part[i].name, name)) return &packed->part[i];
    return NULL;
}

const ent_part *ent_packed_need(const ent_packed *packed, const char *name, const char *format, uint32_t rows,
                                uint32_t cols, ent_error *error)
{
    const ent_part *part = ent_packed_find(packed, name);
    if (!part) {
        ent_fail(error, ENT_ECORRUPT, "a packed matrix without its %s", name);
        return NULL;
    }
    if (part->rows != rows || part->cols != cols || (format && strcmp(part->format->name, format))) {
        ent_fail(error, ENT_ECORRUPT, "the %s of a packed matrix are %u x %u %s, expected %u x %u %s", name, part->rows,
                 part->cols, part->format->name, rows, cols, format ? format : "");
        return NULL;
    }
    return part;
}

void ent_packed_free(ent_packed *packed)
{
    for (uint32_t i = 0; i < packed->parts; i++) ent_free(packed->part[i].words);
    *packed = (ent_packed){ 0 };
}

uint32_t ent_part_word(const ent_part *part, size_t i)
{
    return ent_format_width(part->format) == 1 ? ((const uint8_t *)part->words)[i] : ((const uint16_t *)part->words)[i];
}

void ent_part_set_word(ent_part *part, size_t i, uint32_t word)
{
    if (ent_format_width(part->format) == 1)
        ((uint8_t *)part->words)[i] = (uint8_t)word;
    else
        ((uint16_t *)part->words)[i] = (uint16_t)word;
}

float ent_part_value(const ent_part *part, size_t i)
{
    uint32_t width = ent_format_width(part->format);
    uint64_t word = 0;
    memcpy(&word, (const uint8_t *)part->words + i * width, width);
    return (float)ent_format_value(part->format, word); /* one word: the bulk functions may build a table first */
}

float *ent_part_floats(const ent_part *part, ent_error *error)
{
    size_t n = (size_t)part->rows * part->cols;
    float *values = ent_alloc((n ? n : 1) * sizeof *values);
    if (values)
        ent_format_floats(part->format, part->words, n, values);
    else
        ent_fail(error, ENT_ENOMEM, "no memory for the %s of a matrix", part->name);
    return values;
}

void ent_input_stats_free(ent_input_stats *input)
{
    ent_free(input->largest);
    ent_free(input->squares);
    ent_free(input->second);
    *input = (ent_input_stats){ 0 };
}

/* ---- sizes ------------------------------------------------------------------------------------------ */

double ent_packed_plain_bits(const ent_packed *packed)
{
    double bits = 0;
    for (uint32_t i = 0; i < packed->parts; i++)
        bits += (double)packed->part[i].rows * packed->part[i].cols * packed->part[i].format->bits;
    return bits;
}

/* n * H of the words; NaN when there is no memory. */
static double entropy_bits(const ent_part *part)
{
    size_t n = (size_t)part->rows * part->cols;
    ent_counts counts;
    double bits = 0;
    if (ent_counts_init(&counts, 1u << part->format->bits)) return NAN;
    if (ent_counts_add(&counts, part->words, ent_format_width(part->format), n)) bits = NAN;
    for (size_t w = 0; w < counts.alphabet; w++)
        if (counts.count[w]) bits += (double)counts.count[w] * log2((double)n / (double)counts.count[w]);
    ent_counts_free(&counts);
    return bits;
}

double ent_packed_entropy_bits(const ent_packed *packed)
{
    double bits = 0;
    for (uint32_t i = 0; i < packed->parts; i++) {
        const ent_part *part = &packed->part[i];
        bits += part->format->bits <= 16 ? entropy_bits(part) : (double)part->rows * part->cols * part->format->bits;
    }
    return bits;
}

/* ---- groups ------------------------------------------------------------------------------------------ */

groups ent_groups(double setting, uint32_t rows, uint32_t cols)
{
    int group = (int)setting;
    if (group == GROUP_TENSOR) return (groups){ 1, 1, cols };
    if (group == GROUP_ROW || (uint32_t)group > cols) return (groups){ rows, 1, cols };
    return (groups){ rows, (cols + (uint32_t)group - 1) / (uint32_t)group, (uint32_t)group };
}
