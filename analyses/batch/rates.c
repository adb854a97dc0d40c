/* rates.c - see rates.h. */
#include <math.h>
#include <string.h>

#include "rates.h"

ent_status rates_init(struct rates *rates, const struct plan *plan, ent_error *error)
{
    *rates = (struct rates){ .kinds = plan->models ? plan->cells / plan->models : 0 };
    rates->kind = ent_calloc(rates->kinds, sizeof *rates->kind);
    return rates->kind ? ENT_OK : ent_fail(error, ENT_ENOMEM, "out of memory");
}

static bool same(const char *a, const char *b) { return !strcmp(a ? a : "", b ? b : ""); }

/* The kind of a record, kinds when the plan has none such. */
static size_t kind_of(const struct rates *rates, const struct plan *plan, const struct record *record)
{
    size_t k = 0;
    while (k < rates->kinds &&
           (!same(plan->cell[k].codec, record->codec) || !same(plan->cell[k].target, record->target)))
        k++;
    return k;
}

void rates_add(struct rates *rates, const struct plan *plan, const struct records *records, const uint64_t *bytes)
{
    for (size_t i = 0; i < records->rows; i++) {
        const struct record *r = &records->row[i];
        size_t k = bytes ? r->cell % rates->kinds : kind_of(rates, plan, r);
        double size = bytes ? (double)bytes[plan->cell[r->cell].model - plan->model] : (double)r->input_bytes;
        if (!record_ok(r) || k == rates->kinds || size <= 0) continue;
        rates->kind[k].seconds += r->seconds;
        rates->kind[k].bytes += size;
        rates->all.seconds += r->seconds;
        rates->all.bytes += size;
    }
}

double rates_seconds(const struct rates *rates, size_t cell, uint64_t bytes)
{
    const struct rate *r = &rates->kind[cell % rates->kinds];
    if (r->bytes <= 0) r = &rates->all; /* a kind of which none is done: as the mean of the others */
    return r->bytes > 0 ? r->seconds / r->bytes * (double)bytes : NAN;
}

void rates_free(struct rates *rates)
{
    ent_free(rates->kind);
    *rates = (struct rates){ .kind = NULL };
}
