/* census_file.c - counts as JSON lines: see census.h for the format. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include <entropy/field.h>

#include "census.h"
#include "output.h"

enum { VERSION = 1 };

/* Totals stay far below 2^64, whatever files are added: no sum can wrap. */
static const uint64_t max_total = (uint64_t)1 << 60;

/* ---- writing --------------------------------------------------------------------------------- */

void census_write_head(FILE *file) { fprintf(file, "{\"entropy_counts\":%d}\n", VERSION); }

static void write_plane(FILE *file, const ent_counts *plane)
{
    const char *separator = "";
    putc('[', file);
    for (uint32_t s = 0; s < plane->alphabet; s++)
        if (plane->count[s]) {
            fprintf(file, "%s%" PRIu32 ",%" PRIu64, separator, s, plane->count[s]);
            separator = ",";
        }
    putc(']', file);
}

ent_status census_write_line(FILE *file, const char *scope, const char *name, const char *dtype,
                             const ent_word_counts *counts, ent_error *error)
{
    json_t *head = json_object();
    json_text(head, "scope", scope);
    json_text(head, "name", name);
    json_text(head, "dtype", dtype);
    char *text = json_dumps(head, JSON_COMPACT);
    json_decref(head);
    if (!text) return ent_fail(error, ENT_ENOMEM, "out of memory");
    fprintf(file, "%.*s,\"planes\":[", (int)strlen(text) - 1, text); /* the object stays open */
    free(text);
    for (uint32_t p = 0; p < counts->planes; p++) {
        if (p) putc(',', file);
        write_plane(file, &counts->plane[p]);
    }
    fputs("]}\n", file);
    return ferror(file) ? ent_fail(error, ENT_EIO, "counts: %s", strerror(errno)) : ENT_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* NULL, or what is wrong with the plane. */
static const char *read_plane(const json_t *array, ent_counts *plane, uint64_t *total)
{
    size_t n = json_array_size(array);
    json_int_t before = -1;
    if (!json_is_array(array) || n % 2) return "a plane is not an array of pairs";
    *total = 0;
    for (size_t i = 0; i < n; i += 2) {
        const json_t *symbol = json_array_get(array, i), *count = json_array_get(array, i + 1);
        json_int_t s = json_integer_value(symbol), c = json_integer_value(count);
        if (!json_is_integer(symbol) || s <= before || s >= (json_int_t)plane->alphabet)
            return "symbols do not ascend below the plane's size";
        if (!json_is_integer(count) || c < 1 || (uint64_t)c > max_total) return "a count is out of range";
        before = s;
        plane->count[s] = (uint64_t)c;
        *total += (uint64_t)c;
        if (*total > max_total) return "counts are too large";
    }
    return NULL;
}

static const char *read_planes(const json_t *planes, ent_word_counts *counts)
{
    uint64_t total = 0, first = 0;
    if (json_array_size(planes) != counts->planes) return "the number of planes does not fit the dtype";
    for (uint32_t p = 0; p < counts->planes; p++) {
        const char *wrong = read_plane(json_array_get(planes, p), &counts->plane[p], &total);
        if (wrong) return wrong;
        if (p == 0) first = total;
        if (total != first) return "planes of one dtype have different totals";
    }
    return NULL;
}

/* One line of counts into the census.  `*wrong` says what is damaged; the status is for the rest. */
static ent_status read_line(struct census *census, const json_t *line, census_tensor *each, void *context,
                            const char **wrong, ent_error *error)
{
    const char *scope = json_string_value(json_object_get(line, "scope"));
    const char *name = json_string_value(json_object_get(line, "name"));
    const char *dtype = json_string_value(json_object_get(line, "dtype"));
    ent_word_counts counts = { 0 };
    if (!scope || !name || !dtype || (strcmp(scope, "tensor") && strcmp(scope, "role"))) {
        *wrong = "expected scope, name, dtype and planes";
        return ENT_OK;
    }
    bool tensor = !strcmp(scope, "tensor");
    const char *role = tensor ? ent_weights_role(name) : name;
    ent_status status = ent_word_counts_init(&counts, ent_format_find(dtype));
    if (status) return ent_fail(error, status, "%s", ent_status_text(status));
    *wrong = read_planes(json_object_get(line, "planes"), &counts);
    if (!*wrong && census->weights + ent_word_counts_total(&counts) > max_total) *wrong = "counts are too large";
    if (!*wrong) {
        status = census_add(census, role, dtype, &counts, tensor, error);
        if (!status && tensor && each) status = each(context, name, role, dtype, &counts, error);
        if (!tensor) census->parts = true;
    }
    ent_word_counts_free(&counts);
    return status;
}

ent_status census_read(struct census *census, const char *path, census_tensor *each, void *context, ent_error *error)
{
    FILE *file = fopen(path, "rb");
    if (!file) return ent_fail(error, errno == ENOENT ? ENT_EINVAL : ENT_EIO, "%s: %s", path, strerror(errno));
    ent_status status = ENT_OK;
    const char *wrong = NULL;
    json_error_t where;
    unsigned long lines = 0;
    /* one value at a time: jansson stops behind it, so a file of any length takes one line's memory */
    for (int c; !status && !wrong && (c = getc(file)) != EOF;) {
        if (c == '\n' || c == ' ') continue;
        ungetc(c, file);
        json_t *line = json_loadf(file, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &where);
        lines++;
        if (!line)
            wrong = where.text;
        else if (lines == 1)
            wrong = json_integer_value(json_object_get(line, "entropy_counts")) == VERSION
                        ? NULL : "not a file of counts from `entropy stats --save-counts`";
        else
            status = read_line(census, line, each, context, &wrong, error);
        json_decref(line);
    }
    if (!status && !wrong && ferror(file)) status = ent_fail(error, ENT_EIO, "%s: %s", path, strerror(errno));
    if (!status && !wrong && !lines) wrong = "empty";
    fclose(file);
    return wrong ? ent_fail(error, ENT_ECORRUPT, "%s: line %lu: %s", path, lines ? lines : 1, wrong) : status;
}
