/* records.c - records: their table, their members as fields, and the symbols of a field.
 *
 * Symbols that lie next to each other from a byte on are copied, or unpacked as words of a tensor are; the others are
 * taken bit by bit.  A field is gathered over all records before the next: the records of a block stay in the cache. */
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "field/records.h"

#define RECORD(name, bytes, weights, members) \
    { #name, ENT_KIND_RECORD, 8 * bytes, 0, 0, 0, 0, ENT_SPECIALS_NONE, "ggml", weights, { members } },
#define PACKED(byte, name, dtype, bits, count) { name, dtype, 8 * (byte), bits, count },
#define SPREAD(byte, bit, name, dtype, stride, count) { name, dtype, 8 * (byte) + (bit), stride, count },

const ent_format ent_records[] = {
#include "records.def"
    { .name = NULL },
};

const ent_format *ent_dtype_at(size_t i)
{
    for (const ent_format *format = ent_formats; format->name; format++)
        if (i-- == 0) return format;
    return i < sizeof ent_records / sizeof *ent_records - 1 ? &ent_records[i] : NULL;
}

const ent_format *ent_dtype_find(const char *name)
{
    const ent_format *format = ent_format_find(name);
    for (size_t i = 0; !format && ent_records[i].name; i++)
        if (!strcmp(ent_records[i].name, name)) format = &ent_records[i];
    return format;
}

static unsigned members_of(const ent_format *record)
{
    unsigned members = 0;
    while (members < ENT_MAX_MEMBERS && record->member[members].name) members++;
    return members;
}

/* ---- members as fields ----------------------------------------------------------------------------- */

static unsigned bits_of(const ent_member *member) { return ent_format_find(member->dtype)->bits; }
static unsigned bytes_of(const ent_member *member) { return (bits_of(member) + 7) / 8; }

/* Bits [from, from + bits) of each symbol of a member; all of them when `bits` is 0. */
static ent_field field_of(const ent_member *member, unsigned from, unsigned bits)
{
    if (!bits) bits = bits_of(member);
    ent_field field = { .ranges = 1,
                        .range[0] = { (uint16_t)(member->low + from), (uint16_t)bits },
                        .count = member->count,
                        .stride = member->stride };
    snprintf(field.name, sizeof field.name, "%s", member->name);
    return field;
}

static ent_field byte_of(const ent_member *member, unsigned k)
{
    unsigned bits = bits_of(member), from = 8 * k;
    ent_field field = field_of(member, from, bits - from < 8 ? bits - from : 8);
    snprintf(field.name, sizeof field.name, "%s.byte%u", member->name, k);
    return field;
}

bool ent_record_field(const ent_format *record, const char *text, ent_field *field)
{
    static const char suffix[] = ".byte";
    if (!strcmp(text, "word")) {
        *field = (ent_field){ "word", 1, { { 0, 8 } }, record->bits / 8, 8 };
        return true;
    }
    for (unsigned i = 0; i < members_of(record); i++) {
        const ent_member *member = &record->member[i];
        size_t n = strlen(member->name);
        unsigned bytes = bytes_of(member);
        if (strncmp(text, member->name, n) != 0) continue;
        if (!text[n]) {
            *field = field_of(member, 0, 0);
            return true;
        }
        if (strncmp(text + n, suffix, strlen(suffix)) != 0) continue;
        const char *digit = text + n + strlen(suffix);
        if (*digit < '0' || *digit >= (char)('0' + bytes) || digit[1]) continue;
        *field = byte_of(member, (unsigned)(*digit - '0'));
        return true;
    }
    return false;
}

/* One bit for each of a record. */
typedef struct bit_set {
    uint64_t word[(UINT16_MAX + 1) / 64];
} bit_set;

/* Adds the bits of a field; false when one is there already, or beyond the record. */
static bool add_bits(bit_set *set, unsigned record_bits, const ent_field *field)
{
    for (unsigned k = 0; k < ent_field_count(field); k++)
        for (unsigned b = 0; b < field->range[0].bits; b++) {
            unsigned at = field->range[0].low + k * field->stride + b;
            if (at >= record_bits || set->word[at / 64] >> at % 64 & 1) return false;
            set->word[at / 64] |= UINT64_C(1) << at % 64;
        }
    return true;
}

ent_status ent_record_rest(const ent_format *record, ent_split *split)
{
    bit_set named = { { 0 } };
    unsigned before = split->fields;
    for (unsigned i = 0; i < split->fields; i++)
        if (!add_bits(&named, record->bits, &split->field[i])) return ENT_EINVAL;
    for (unsigned i = 0; i < members_of(record); i++) {
        unsigned bytes = bytes_of(&record->member[i]);
        for (unsigned k = bytes; k-- > 0;) {
            bit_set with = named;
            ent_field field = bytes > 1 ? byte_of(&record->member[i], k) : field_of(&record->member[i], 0, 0);
            if (!add_bits(&with, record->bits, &field)) continue;
            if (split->fields == ENT_MAX_FIELDS) return ENT_EINVAL;
            named = with;
            split->field[split->fields++] = field;
        }
    }
    return split->fields > before ? ENT_OK : ENT_EINVAL;
}

bool ent_record_covered(const ent_split *split)
{
    bit_set seen = { { 0 } };
    unsigned bits = 0;
    for (unsigned i = 0; i < split->fields; i++) {
        const ent_field *field = &split->field[i];
        if (field->ranges != 1 || field->range[0].bits < 1 || field->range[0].bits > 16) return false;
        if (!add_bits(&seen, split->word_bits, field)) return false;
        bits += field->range[0].bits * ent_field_count(field);
    }
    return bits == split->word_bits;
}

/* ---- symbols ----------------------------------------------------------------------------------------- */

/* Whether the symbols fill whole bytes without gaps. */
static bool is_packed(const ent_field *field)
{
    ent_range r = field->range[0];
    return field->stride == r.bits && r.low % 8 == 0 && field->count * r.bits % 8 == 0 && r.bits != 16;
}

/* The bytes that hold `bits` bits from bit `at` on, as an integer. */
static uint32_t load_bits(const uint8_t *record, unsigned at, unsigned bits)
{
    uint32_t value = 0;
    for (unsigned k = at / 8; k <= (at + bits - 1) / 8; k++) value |= (uint32_t)record[k] << 8 * (k - at / 8);
    return value >> at % 8 & ((UINT32_C(1) << bits) - 1);
}

static void add_to_bits(uint8_t *record, unsigned at, unsigned bits, uint32_t value)
{
    value <<= at % 8;
    for (unsigned k = at / 8; k <= (at + bits - 1) / 8; k++, value >>= 8) record[k] |= (uint8_t)value;
}

/* What taking the symbols of a field apart needs to know of it. */
typedef struct way {
    ent_range r;
    unsigned count, width;
    bool packed;
    ent_format format; /* of the symbols, where they are packed */
} way;

static way way_of(const ent_field *field)
{
    ent_range r = field->range[0];
    return (way){ r, ent_field_count(field), ent_field_width(field), is_packed(field), { .bits = r.bits } };
}

void ent_record_gather(const ent_field *field, size_t record_bytes, const uint8_t *records, size_t n, uint8_t *symbols)
{
    const way w = way_of(field);
    for (size_t i = 0; i < n; i++, records += record_bytes) {
        if (w.packed) {
            ent_format_unpack(&w.format, records + w.r.low / 8, 0, w.count, symbols);
            symbols += w.count;
            continue;
        }
        for (unsigned k = 0; k < w.count; k++, symbols += w.width) {
            uint32_t symbol = load_bits(records, w.r.low + k * field->stride, w.r.bits);
            if (w.width > 1) ent_store16(symbols, (uint16_t)symbol);
            else *symbols = (uint8_t)symbol;
        }
    }
}

void ent_record_scatter(const ent_field *field, size_t record_bytes, const uint8_t *symbols, size_t n, uint8_t *records)
{
    const way w = way_of(field);
    for (size_t i = 0; i < n; i++, records += record_bytes) {
        if (w.packed) {
            ent_format_pack(&w.format, symbols, w.count, records + w.r.low / 8);
            symbols += w.count;
            continue;
        }
        for (unsigned k = 0; k < w.count; k++, symbols += w.width)
            add_to_bits(records, w.r.low + k * field->stride, w.r.bits, w.width > 1 ? ent_load16(symbols) : *symbols);
    }
}

void ent_record_member(const ent_format *record, unsigned member, const void *records, size_t n, void *words)
{
    ent_field field = field_of(&record->member[member], 0, 0);
    ent_record_gather(&field, record->bits / 8, records, n, words);
}
