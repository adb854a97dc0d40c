/* yaml.c - see yaml.h.
 *
 * libcyaml reports a mistake through its log, as a message and a trace of places, innermost first.
 * A place is where the last good event began, so for an unknown key it is the value before the key:
 * the line is then found by looking for the key from there on. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target/yaml.h"

ent_status ent_yaml_open(ent_yaml *yaml, const char *path, ent_error *error)
{
    *yaml = (ent_yaml){ .text = NULL };
    snprintf(yaml->path, sizeof yaml->path, "%s", path);
    FILE *file = fopen(path, "rb");
    if (!file) return ent_fail(error, ENT_EIO, "%s: cannot open: %s", path, strerror(errno));
    if (!(yaml->text = ent_calloc(1, ENT_YAML_MOST_BYTES + 1))) {
        fclose(file);
        return ent_fail(error, ENT_ENOMEM, "%s: out of memory", path);
    }
    yaml->size = fread(yaml->text, 1, ENT_YAML_MOST_BYTES + 1, file);
    bool failed = ferror(file);
    fclose(file);
    ent_status status = ENT_OK;
    if (failed)
        status = ent_fail(error, ENT_EIO, "%s: cannot read: %s", path, strerror(errno));
    else if (yaml->size > ENT_YAML_MOST_BYTES)
        status = ent_fail(error, ENT_ECORRUPT, "%s: over %d bytes, not a file of this kind", path, ENT_YAML_MOST_BYTES);
    if (status) ent_yaml_close(yaml);
    return status;
}

void ent_yaml_close(ent_yaml *yaml)
{
    ent_free(yaml->text);
    *yaml = (ent_yaml){ .text = NULL };
}

/* ---- lines ----------------------------------------------------------------------------------- */

static size_t line_of(const ent_yaml *yaml, const char *place)
{
    size_t line = 1;
    for (const char *p = yaml->text; p < place; p++) line += *p == '\n';
    return line;
}

/* Where line `line` begins, both counted from 1; the end of the text when it has fewer. */
static const char *place_of(const ent_yaml *yaml, size_t line, size_t column)
{
    const char *p = yaml->text;
    for (; line > 1 && p; line--)
        if ((p = strchr(p, '\n'))) p++;
    size_t left = p ? strcspn(p, "\n") : 0;
    return p ? p + (column - 1 < left ? column - 1 : left) : yaml->text + yaml->size;
}

/* Where `key`, followed by a colon and (unless NULL) by `value`, stands at or after `from`; or NULL. */
static const char *find_key(const ent_yaml *yaml, const char *from, const char *key, const char *value)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t length = strlen(key);
    for (const char *p = from; length && (p = strstr(p, key)); p++) {
        if (p > yaml->text && strchr(word, p[-1])) continue;
        const char *q = p + length;
        q += strspn(q, "\"' ");
        if (*q++ != ':') continue;
        q += strspn(q, "\"' ");
        if (!value || !strncmp(q, value, strlen(value))) return p;
    }
    return NULL;
}

ent_status ent_yaml_refuse(const ent_yaml *yaml, const char *key, const char *value, const char *reason,
                           ent_error *error)
{
    const char *place = find_key(yaml, yaml->text, key, value);
    if (!place && value && (place = find_key(yaml, yaml->text, key, NULL)))
        place = strstr(place, value); /* in a list */
    return ent_fail(error, ENT_ECORRUPT, "%s:%zu: %s: %s", yaml->path, place ? line_of(yaml, place) : (size_t)1, key,
                    reason);
}

/* ---- loading --------------------------------------------------------------------------------- */

typedef struct findings { /* what libcyaml's log said */
    char message[400];
    size_t line, column; /* 0: no place was named */
} findings;

__attribute__((format(printf, 3, 0)))
static void listen(cyaml_log_t level, void *context, const char *format, va_list args)
{
    findings *found = context;
    char text[400];
    (void)level;
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    const char *place = strstr(text, "(line: ");
    if (place && text[0] == ' ') {
        if (!found->line && sscanf(place, "(line: %zu, column: %zu)", &found->line, &found->column) != 2)
            found->line = 0;
    } else if (!found->message[0]) {
        const char *own = strncmp(text, "Load: ", 6) ? text : text + 6;
        snprintf(found->message, sizeof found->message, "%s", own);
    }
}

static size_t line_of_mistake(const ent_yaml *yaml, const findings *found)
{
    static const char unknown[] = "Unexpected key: ", doubled[] = "Mapping field already seen: ";
    if (!found->line || !found->column) return 1;
    const char *from = place_of(yaml, found->line, found->column), *place = NULL;
    if (!strncmp(found->message, unknown, sizeof unknown - 1))
        place = find_key(yaml, from, found->message + sizeof unknown - 1, NULL);
    else if (!strncmp(found->message, doubled, sizeof doubled - 1) && *from)
        place = find_key(yaml, from + 1, found->message + sizeof doubled - 1, NULL);
    return place ? line_of(yaml, place) : found->line;
}

static cyaml_config_t config_for(findings *found)
{
    return (cyaml_config_t){ .log_fn = found ? listen : NULL,
                             .log_ctx = found,
                             .log_level = CYAML_LOG_WARNING, /* "ignoring further documents" and the like */
                             .mem_fn = cyaml_mem,
                             .flags = CYAML_CFG_NO_ALIAS };
}

ent_status ent_yaml_load(const ent_yaml *yaml, const cyaml_schema_value_t *schema, void **data, ent_error *error)
{
    findings found = { .line = 0 };
    cyaml_config_t config = config_for(&found);
    *data = NULL;
    cyaml_err_t result = cyaml_load_data((const uint8_t *)yaml->text, yaml->size, &config, schema, data, NULL);
    if (result == CYAML_OK && *data && !found.message[0]) return ENT_OK;
    ent_yaml_free(schema, *data);
    *data = NULL;
    if (result == CYAML_ERR_OOM) return ent_fail(error, ENT_ENOMEM, "%s: out of memory", yaml->path);
    return ent_fail(error, ENT_ECORRUPT, "%s:%zu: %s", yaml->path, line_of_mistake(yaml, &found),
                    found.message[0] ? found.message : result ? cyaml_strerror(result) : "nothing in this file");
}

void ent_yaml_free(const cyaml_schema_value_t *schema, void *data)
{
    cyaml_config_t config = config_for(NULL);
    if (data) cyaml_free(&config, schema, data, 0);
}

/* ---- numbers --------------------------------------------------------------------------------- */

ent_status ent_yaml_real(const ent_yaml *yaml, const char *key, const char *value, double *number, ent_error *error)
{
    char *end;
    *number = strtod(value, &end);
    if (end == value || *end || !isfinite(*number) || *number <= 0)
        return ent_yaml_refuse(yaml, key, value, "not a finite number above zero", error);
    return ENT_OK;
}

ent_status ent_yaml_whole(const ent_yaml *yaml, const char *key, const char *value, uint64_t least, uint64_t most,
                          uint64_t *number, ent_error *error)
{
    char reason[100];
    *number = 0;
    errno = 0;
    if (*value && !value[strspn(value, "0123456789")]) *number = strtoull(value, NULL, 10);
    else errno = EINVAL;
    if (!errno && *number >= least && *number <= most) return ENT_OK;
    snprintf(reason, sizeof reason, "not a whole number from %llu to %llu", (unsigned long long)least,
             (unsigned long long)most);
    return ent_yaml_refuse(yaml, key, value, reason, error);
}
