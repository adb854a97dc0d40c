/* records.h - the fields of records: see ent_records. */
#ifndef ENT_FIELD_RECORDS_H
#define ENT_FIELD_RECORDS_H

#include <entropy/field.h>

/* The field of a member by its name, a byte of it by "name.byteK", or "word"; false: it has none of that name. */
bool ent_record_field(const ent_format *record, const char *text, ent_field *field);
/* Adds the members of which the split has no bit yet, those of more than 8 bits byte by byte.  ENT_EINVAL: there are
 * none, or too many. */
ent_status ent_record_rest(const ent_format *record, ent_split *split);
/* Whether every bit of the record is in exactly one field. */
bool ent_record_covered(const ent_split *split);

/* Symbols of one field of n records, and back.  Scatter adds to bytes that other fields share: records are cleared
 * before the first. */
void ent_record_gather(const ent_field *field, size_t record_bytes, const uint8_t *records, size_t n, uint8_t *symbols);
void ent_record_scatter(const ent_field *field, size_t record_bytes, const uint8_t *symbols, size_t n, uint8_t *records);

#endif
