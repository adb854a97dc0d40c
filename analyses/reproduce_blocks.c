/* reproduce_blocks.c - see reproduce.h: sizes of BitStack's blocks. */
#include <math.h>
#include <stdlib.h>

#include <entropy/bitstack.h>

#include "reproduce.h"

static uint32_t whole(const struct published *p, size_t row, const char *column)
{
    return (uint32_t)strtoul(published_get(p, row, column), NULL, 10);
}

ent_status reproduce_blocks(struct table *table, ent_error *error)
{
    struct published p;
    ent_status status = published_read(&p, "bitstack-blocks.tsv", error);
    if (status) return status;
    table_begin(table, "<model|<matrix|rows|cols|rank|published|<status|bytes|ours|difference|<source");
    for (size_t row = 0; row < p.rows; row++) {
        uint32_t rows = whole(&p, row, "rows"), cols = whole(&p, row, "cols"), rank = whole(&p, row, "rank");
        uint64_t bytes = ent_bitstack_bytes(rows, cols, rank, true);
        const char *published = published_get(&p, row, "published");
        double mib = (double)bytes / (1 << 20);
        table_cell(table, "%s", published_get(&p, row, "model"));
        table_cell(table, "%s", published_get(&p, row, "matrix"));
        table_cell(table, "%u", rows);
        table_cell(table, "%u", cols);
        table_cell(table, "%u", rank);
        table_cell(table, "%s", published);
        table_cell(table, "%s", published_get(&p, row, "status"));
        table_cell(table, "%llu", (unsigned long long)bytes);
        table_number(table, mib, 4);
        table_number(table, mib - strtod(published, NULL), 4);
        table_cell(table, "%s", published_get(&p, row, "source"));
    }
    published_free(&p);
    return ENT_OK;
}
