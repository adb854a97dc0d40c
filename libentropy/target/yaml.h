/* yaml.h - YAML files by schema (libcyaml), whose mistakes are told with file and line.
 *
 * Used for targets and, by the program, for plans: small files that people write.  Unknown keys,
 * doubled keys, aliases and more than one document are errors.  Numbers are strings in the schema
 * and go through ent_yaml_real and ent_yaml_whole, since libcyaml takes "2abc" for 2 and "010" for 8.
 */
#ifndef ENT_TARGET_YAML_H
#define ENT_TARGET_YAML_H

#include <cyaml/cyaml.h>

#include <entropy/base.h>

enum { ENT_YAML_MOST_BYTES = 1 << 20 }; /* a file that people write is smaller */

typedef struct ent_yaml {
    char path[512]; /* as given, for messages */
    char *text;     /* the whole file, ends with a NUL */
    size_t size;
} ent_yaml;

/* ENT_EIO when it cannot be read, ENT_ECORRUPT when it is too large. */
ent_status ent_yaml_open(ent_yaml *yaml, const char *path, ent_error *error);
void ent_yaml_close(ent_yaml *yaml);

/* The document by `schema` (a pointer to a mapping) into *data, freed by ent_yaml_free.  ENT_ECORRUPT
 * for whatever the schema does not allow. */
ent_status ent_yaml_load(const ent_yaml *yaml, const cyaml_schema_value_t *schema, void **data, ent_error *error);
void ent_yaml_free(const cyaml_schema_value_t *schema, void *data);

/* Fails with `reason` at the line where `key` has `value` or lists it (NULL: any value). */
ent_status ent_yaml_refuse(const ent_yaml *yaml, const char *key, const char *value, const char *reason,
                           ent_error *error);
/* All of `value` as a finite number above zero, or as a whole number in [least, most]. */
ent_status ent_yaml_real(const ent_yaml *yaml, const char *key, const char *value, double *number, ent_error *error);
ent_status ent_yaml_whole(const ent_yaml *yaml, const char *key, const char *value, uint64_t least, uint64_t most,
                          uint64_t *number, ent_error *error);

#endif
