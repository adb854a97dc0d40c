/* record_json.c - records as JSON objects and back: what is printed, and what a worker sends. */
#include <math.h>
#include <string.h>

#include "output.h"
#include "record_columns.h"

static json_t *object_of(const void *row, const struct column *columns)
{
    json_t *object = json_object();
    for (const struct column *c = columns; c->name; c++) {
        const char *place = (const char *)row + c->offset;
        double real;
        uint64_t count;
        switch (c->type) {
        case COLUMN_TEXT: json_text(object, c->name, *column_text(c, (void *)(size_t)row)); break;
        case COLUMN_COUNT:
            memcpy(&count, place, sizeof count);
            json_count(object, c->name, count);
            break;
        case COLUMN_REAL:
            memcpy(&real, place, sizeof real);
            json_real_or_null(object, c->name, real);
            break;
        }
    }
    return object;
}

static bool row_of(void *row, const struct column *columns, const json_t *object)
{
    for (const struct column *c = columns; c->name; c++) {
        const json_t *value = json_object_get(object, c->name);
        char *place = (char *)row + c->offset;
        double real = json_is_null(value) ? NAN : json_number_value(value);
        uint64_t count = (uint64_t)json_integer_value(value);
        if (!value) return false;
        switch (c->type) {
        case COLUMN_TEXT: *column_text(c, row) = json_string_value(value); break;
        case COLUMN_COUNT: memcpy(place, &count, sizeof count); break;
        case COLUMN_REAL: memcpy(place, &real, sizeof real); break;
        }
    }
    return true;
}

json_t *record_object(const struct record *record) { return object_of(record, record_columns); }
json_t *field_object(const struct field_record *field) { return object_of(field, field_columns); }

bool record_from_object(struct record *record, const json_t *object)
{
    *record = (struct record){ .key = NULL };
    return row_of(record, record_columns, object);
}

bool field_from_object(struct field_record *field, const json_t *object)
{
    *field = (struct field_record){ .model = NULL };
    return row_of(field, field_columns, object);
}
