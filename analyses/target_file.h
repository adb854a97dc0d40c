/* target_file.h - what the writers of measured targets share: the forms of a target's file. */
#ifndef ENT_ANALYSES_TARGET_FILE_H
#define ENT_ANALYSES_TARGET_FILE_H

#include <stdio.h>

/* How all numbers of a file were measured. */
struct target_origin {
    const char *command; /* that was typed */
    char date[11];       /* of today in UTC, by target_origin_now */
};

struct target_origin target_origin_now(const char *command);

/* Text in double quotes, as YAML has it. */
void yaml_quoted(FILE *file, const char *text);
/* A line "KEY: { value: ..., status: measured, ... }"; `key` may be indented. */
void yaml_measured(FILE *file, const char *key, double value, const struct target_origin *origin);
/* The lines name to measured of a target of kind measured, whose name is the file's without folders and ending, other
 * characters than letters, digits, '-', '_' and '.' made '-'; `brief` and, with all that is known of its state, `machine`
 * tell which it is. */
void target_file_head(FILE *file, const char *path, const char *brief, const char *machine, const struct target_origin *origin);
/* The first of these lines, of a target of any kind. */
void target_file_name(FILE *file, const char *path, const char *brief, const char *kind);

#endif
