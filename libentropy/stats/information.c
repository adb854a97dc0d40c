/* information.c - mutual information from joint counts, and sums of it. */
#include <math.h>

#include <gsl/gsl_sf_gamma.h>

#include "stats/dependence.h"

static double f(uint64_t n) { return n > 1 ? (double)n * log2((double)n) : 0; }

/* ---- sums ------------------------------------------------------------------------------------------------- */

void ent_information_add(ent_information *into, const ent_information *part)
{
    into->symbols += part->symbols;
    into->entropy += part->entropy;
    into->entropy_bias += part->entropy_bias;
    into->information += part->information;
    into->bias += part->bias;
    into->null_mean += part->null_mean;
    into->null_variance += part->null_variance;
}

static double per_symbol(const ent_information *i, double bits) { return i->symbols ? bits / (double)i->symbols : NAN; }

double ent_information_entropy(const ent_information *i) { return per_symbol(i, i->entropy + i->entropy_bias); }
double ent_information_bits(const ent_information *i) { return per_symbol(i, i->information - i->null_mean); }
double ent_information_miller(const ent_information *i) { return per_symbol(i, i->information - i->bias); }

double ent_information_conditional(const ent_information *i)
{
    return ent_information_entropy(i) - ent_information_bits(i);
}

/* The upper tail of a gamma distribution of this shape at x >= 0.  For many degrees of freedom by the cube root
 * that is nearly normal (Wilson and Hilferty 1931), which has no range to fail in. */
static double gamma_tail(double shape, double x)
{
    if (shape < 50 && x < 600) {
        gsl_sf_result q;
        if (!gsl_sf_gamma_inc_Q_e(shape, x, &q)) return q.val;
    }
    double spread = 1 / (9 * shape), z = (cbrt(x / shape) - (1 - spread)) / sqrt(spread);
    return erfc(z / M_SQRT2) / 2;
}

double ent_information_p(const ent_information *i)
{
    if (!(i->null_mean > 0) || !(i->null_variance > 0)) return 1;
    double scale = i->null_variance / i->null_mean;
    return gamma_tail(i->null_mean / scale, i->information / scale);
}

/* ---- from counts ---------------------------------------------------------------------------------------------- */

ent_status ent_information_begin(ent_gathering *g, const uint64_t *symbols, uint32_t alphabet)
{
    *g = (ent_gathering){ .live_symbols = 0 };
    for (uint32_t s = 0; s < alphabet; s++) {
        g->symbol_bits += f(symbols[s]);
        g->live_symbols += symbols[s] > 0;
    }
    return ent_null_begin(&g->nulls, symbols, alphabet);
}

void ent_information_context(ent_gathering *g, uint64_t n, double cell_bits, size_t live_cells)
{
    if (!n) return;
    g->live_contexts++;
    g->live_cells += live_cells;
    g->excess += cell_bits - f(n);
    ent_null_context(&g->nulls, n);
}

/* n I = sum f(cells) - sum f(contexts) - sum f(symbols) + f(n), in bits. */
void ent_information_end(ent_gathering *g, ent_information *out)
{
    double n_bits = f(g->nulls.total);
    *out = (ent_information){ .symbols = g->nulls.total, .entropy = n_bits - g->symbol_bits };
    if (g->live_symbols) {
        out->entropy_bias = (double)(g->live_symbols - 1) / (2 * M_LN2);
        out->bias = ((double)g->live_cells - (double)g->live_symbols - (double)g->live_contexts + 1) / (2 * M_LN2);
    }
    out->information = fmax(g->excess - g->symbol_bits + n_bits, 0);
    ent_null_end(&g->nulls, &out->null_mean, &out->null_variance);
}

ent_row_sum ent_row_sum_of(const uint64_t *count, uint32_t alphabet)
{
    ent_row_sum sum = { 0, 0, 0 };
    for (uint32_t s = 0; s < alphabet; s++) {
        if (!count[s]) continue;
        sum.n += count[s];
        sum.bits += f(count[s]);
        sum.live++;
    }
    return sum;
}

ent_status ent_information_of_cells(const uint64_t *cell, size_t contexts, uint32_t alphabet,
                                    ent_information *information)
{
    ent_gathering g;
    uint64_t *symbols = ent_calloc(alphabet, sizeof *symbols);
    *information = (ent_information){ 0 };
    if (!symbols) return ENT_ENOMEM;
    for (size_t k = 0; k < contexts; k++)
        for (uint32_t s = 0; s < alphabet; s++) symbols[s] += cell[k * alphabet + s];
    ent_status status = ent_information_begin(&g, symbols, alphabet);
    for (size_t k = 0; k < contexts && !status; k++) {
        ent_row_sum sum = ent_row_sum_of(cell + k * alphabet, alphabet);
        ent_information_context(&g, sum.n, sum.bits, sum.live);
    }
    if (!status) ent_information_end(&g, information);
    ent_free(symbols);
    return status;
}

static uint64_t bits_of(const ent_field *field)
{
    uint64_t bits = 0;
    for (unsigned k = 0; k < field->ranges && k < ENT_MAX_RANGES; k++)
        bits |= (((uint64_t)2 << (field->range[k].bits - 1)) - 1) << field->range[k].low;
    return bits;
}

ent_status ent_information_of_fields(const ent_word_counts *counts, const ent_field *symbol, const ent_field *context,
                                     ent_information *information)
{
    ent_field both = *context;
    ent_counts joint;
    *information = (ent_information){ 0 };
    if (bits_of(symbol) & bits_of(context)) return ENT_EINVAL;
    if (symbol->ranges + context->ranges > ENT_MAX_RANGES) return ENT_EUNSUPPORTED;
    for (unsigned k = 0; k < symbol->ranges; k++) both.range[both.ranges++] = symbol->range[k];
    ent_status status = ent_word_counts_field(counts, &both, &joint);
    if (status) return status;
    status = ent_information_of_cells(joint.count, ent_field_alphabet(context), ent_field_alphabet(symbol),
                                      information);
    ent_counts_free(&joint);
    return status;
}
