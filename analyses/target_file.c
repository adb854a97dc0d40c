/* target_file.c - see target_file.h. */
#include <string.h>
#include <time.h>

#include "target_file.h"

struct target_origin target_origin_now(const char *command)
{
    struct target_origin origin = { .command = command };
    time_t now = time(NULL);
    struct tm day;
    strftime(origin.date, sizeof origin.date, "%Y-%m-%d", gmtime_r(&now, &day));
    return origin;
}

void yaml_quoted(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', file);
        fputc((unsigned char)*text < 0x20 ? ' ' : *text, file);
    }
    fputc('"', file);
}

void yaml_measured(FILE *file, const char *key, double value, const struct target_origin *origin)
{
    fprintf(file, "%s: { value: %.5g, status: measured, date: \"%s\", command: ", key, value, origin->date);
    yaml_quoted(file, origin->command);
    fputs(" }\n", file);
}

void target_file_name(FILE *file, const char *path, const char *brief, const char *kind)
{
    char name[64];
    const char *slash = strrchr(path, '/');
    snprintf(name, sizeof name, "%s", slash ? slash + 1 : path);
    char *end = strstr(name, ".yaml");
    if (end && end != name) *end = '\0';
    for (char *p = name; *p; p++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", *p)) *p = '-';
    fprintf(file, "name: %s\nbrief: ", name);
    yaml_quoted(file, brief);
    fprintf(file, "\nkind: %s\n", kind);
}

void target_file_head(FILE *file, const char *path, const char *brief, const char *machine, const struct target_origin *origin)
{
    target_file_name(file, path, brief, "measured");
    fputs("measured:\n  command: ", file);
    yaml_quoted(file, origin->command);
    fprintf(file, "\n  date: \"%s\"\n  cpu: ", origin->date);
    yaml_quoted(file, machine);
    fputc('\n', file);
}
