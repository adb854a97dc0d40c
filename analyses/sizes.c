/* sizes.c - see sizes.h. */
#include <inttypes.h>
#include <math.h>

#include "output.h"
#include "sizes.h"

static uint64_t coded(const ent_tally *tally) { return tally->payload_bits + tally->table_bits + tally->index_bits; }

struct sizes sizes_of(const ent_container_sizes *sizes)
{
    double weights = sizes->weights ? (double)sizes->weights : NAN;
    struct sizes s = { .bits_per_weight = 8 * (double)sizes->output_bytes / weights,
                       .coded_bits = (double)coded(&sizes->tally) / weights };
    s.gap_percent = sizes->bound_bits > 0 ? 100 * (s.coded_bits / sizes->bound_bits - 1) : NAN;
    return s;
}

void sizes_json(json_t *object, const ent_container_sizes *sizes)
{
    struct sizes s = sizes_of(sizes);
    json_count(object, "input_bytes", sizes->input_bytes);
    json_count(object, "output_bytes", sizes->output_bytes);
    json_real_or_null(object, "bits_per_weight", s.bits_per_weight);
    json_real_or_null(object, "bound_bits", sizes->bound_bits);
    json_count(object, "payload_bits", sizes->tally.payload_bits);
    json_count(object, "table_bits", sizes->tally.table_bits);
    json_count(object, "index_bits", sizes->tally.index_bits);
    json_count(object, "weights", sizes->weights);
    json_count(object, "weight_bytes", sizes->weight_bytes);
    json_real_or_null(object, "gap_percent", s.gap_percent);
    if (sizes->same_tensors) {
        json_count(object, "same_tensors", sizes->same_tensors);
        json_count(object, "same_bytes", sizes->same_bytes);
    }
}

static void line(struct table *table, const char *name, double bytes, const ent_container_sizes *sizes)
{
    table_cell(table, "%s", name);
    table_cell(table, "%.0f", bytes);
    table_number(table, sizes->weights ? 8 * bytes / (double)sizes->weights : NAN, 4);
    table_number(table, sizes->input_bytes ? 100 * bytes / (double)sizes->input_bytes : NAN, 2);
}

void sizes_table(const ent_container_sizes *sizes)
{
    const ent_tally *tally = &sizes->tally;
    double bytes = (double)coded(tally) / 8, gap = sizes_of(sizes).gap_percent;
    struct table table;
    table_begin(&table, "<|bytes|bits/weight|% of input");
    line(&table, "input", (double)sizes->input_bytes, sizes);
    line(&table, "output", (double)sizes->output_bytes, sizes);
    line(&table, "  payload", (double)tally->payload_bits / 8, sizes);
    line(&table, "  tables", (double)tally->table_bits / 8, sizes);
    line(&table, "  index", (double)tally->index_bits / 8, sizes);
    line(&table, "  headers", (double)sizes->output_bytes - bytes, sizes);
    if (sizes->bound_bits > 0) line(&table, "bound", sizes->bound_bits * (double)sizes->weights / 8, sizes);
    table_end(&table);
    if (sizes->same_tensors)
        printf("%" PRIu64 " tensor%s of %" PRIu64 " bytes in all %s equal to others and stored as these\n", sizes->same_tensors,
               sizes->same_tensors == 1 ? "" : "s", sizes->same_bytes, sizes->same_tensors == 1 ? "is" : "are");
    if (!isnan(gap)) printf("payload, tables and index are %.2f %% over the bound of this codec's fields\n", gap);
}
