/* field.c - fields and splits from their text.
 *
 * Every term is one run of bits, `:topK` and `:lowK` shorten it, `+` appends the next one below.
 * Neighbouring runs are merged, so that equal fields have equal ranges however they were written and
 * the kernels see the fewest. */
#include <stdio.h>
#include <string.h>

#include <entropy/field.h>

#include "field/records.h"

static unsigned word_bits(const ent_format *format) { return format ? format->bits : 8; }
static const char *format_name(const ent_format *format) { return format ? format->name : "opaque bytes"; }

static bool is_record(const ent_format *format) { return format && format->kind == ENT_KIND_RECORD; }

static uint64_t range_mask(ent_range r)
{
    return (r.bits >= 64 ? UINT64_MAX : ((uint64_t)1 << r.bits) - 1) << r.low;
}

static uint64_t field_mask(const ent_field *field)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < field->ranges; i++) mask |= range_mask(field->range[i]);
    return mask;
}

uint32_t ent_field_bits(const ent_field *field)
{
    uint32_t bits = 0;
    for (unsigned i = 0; i < field->ranges; i++) bits += field->range[i].bits;
    return bits;
}

uint32_t ent_field_count(const ent_field *field) { return field->count ? field->count : 1; }

uint32_t ent_field_alphabet(const ent_field *field)
{
    uint32_t bits = ent_field_bits(field);
    return bits <= 16 ? (uint32_t)1 << bits : 0;
}

uint32_t ent_field_width(const ent_field *field)
{
    uint32_t bits = ent_field_bits(field);
    return bits <= 8 ? 1 : bits <= 16 ? 2 : bits <= 32 ? 4 : 8;
}

/* Appends a range below what the field has; false when the field is full. */
static bool append(ent_field *field, ent_range r)
{
    ent_range *last = field->ranges ? &field->range[field->ranges - 1] : NULL;
    if (last && last->low == r.low + r.bits) {
        *last = (ent_range){ r.low, (uint16_t)(last->bits + r.bits) };
        return true;
    }
    if (field->ranges == ENT_MAX_RANGES) return false;
    field->range[field->ranges++] = r;
    return true;
}

/* ---- one term ------------------------------------------------------------------------------------- */

/* A place in the text of a field, for the grammar and for messages. */
typedef struct cursor {
    const ent_format *format;
    const char *text, *at;
    ent_error *error;
} cursor;

static ent_status refuse(const cursor *c, ent_status status, const char *why)
{
    return ent_fail(c->error, status, "field \"%s\" of %s: %s at \"%s\"", c->text, format_name(c->format), why, c->at);
}

static bool take(cursor *c, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(c->at, word, n)) return false;
    c->at += n;
    return true;
}

/* A number of one or two digits without leading zeros: bit numbers end at 63. */
static bool take_number(cursor *c, unsigned *number)
{
    const char *start = c->at;
    for (*number = 0; c->at < start + 2 && *c->at >= '0' && *c->at <= '9'; c->at++)
        *number = *number * 10 + (unsigned)(*c->at - '0');
    return c->at > start && (*start != '0' || c->at == start + 1);
}

/* The parts that a name can stand for; false when this kind of format has none of that name. */
static bool named_part(const ent_format *f, const char *name, ent_range *range)
{
    uint16_t bits = (uint16_t)word_bits(f);
    *range = (ent_range){ 0, bits };
    if (!strcmp(name, "word")) return true;
    if (!f) return false;
    if (!strcmp(name, "code")) return f->kind == ENT_KIND_SIGNED || f->kind == ENT_KIND_UNSIGNED;
    if (!strcmp(name, "scale")) return f->kind == ENT_KIND_SCALE;
    if (!strcmp(name, "sign")) *range = (ent_range){ (uint16_t)(bits - 1), 1 };
    if (!strcmp(name, "exponent")) *range = (ent_range){ f->mantissa_bits, f->exponent_bits };
    if (!strcmp(name, "mantissa")) *range = (ent_range){ 0, f->mantissa_bits };
    return f->kind == ENT_KIND_FLOAT;
}

static ent_status take_named(cursor *c, ent_range *range)
{
    static const char *const names[] = { "word", "code", "scale", "sign", "exponent", "mantissa" };
    const char *start = c->at;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!take(c, names[i])) continue;
        if (named_part(c->format, names[i], range)) return ENT_OK;
        c->at = start;
        return refuse(c, ENT_EUNSUPPORTED, "this format has no such part");
    }
    if (take(c, "rest") || take(c, "bytes")) {
        c->at = start;
        return refuse(c, ENT_EINVAL, "this stands for several fields and only splits may have it");
    }
    return refuse(c, ENT_EINVAL, "expected word, code, scale, sign, exponent, mantissa, byteK or [HI:LO]");
}

static ent_status take_numbered(cursor *c, ent_range *range, bool *found)
{
    unsigned bits = word_bits(c->format), high, low;
    const char *start = c->at;
    *found = true;
    if (take(c, "[")) {
        if (!take_number(c, &high) || !take(c, ":") || !take_number(c, &low) || !take(c, "]"))
            return refuse(c, ENT_EINVAL, "expected [HI:LO]");
    } else if (take(c, "byte") && take_number(c, &low)) {
        low *= 8;
        high = low + 7 < bits ? low + 7 : bits - 1;
    } else {
        *found = false;
        c->at = start;
        return ENT_OK;
    }
    if (low <= high && high < bits) {
        *range = (ent_range){ (uint16_t)low, (uint16_t)(high - low + 1) };
        return ENT_OK;
    }
    c->at = start;
    return refuse(c, ENT_EINVAL, "no such bits in the word");
}

static ent_status take_term(cursor *c, ent_range *range)
{
    bool found;
    ent_status status = take_numbered(c, range, &found);
    if (!status && !found) status = take_named(c, range);
    while (!status && take(c, ":")) {
        bool top = take(c, "top");
        unsigned bits;
        if ((!top && !take(c, "low")) || !take_number(c, &bits)) return refuse(c, ENT_EINVAL, "expected topK or lowK");
        if (bits < 1 || bits > range->bits) return refuse(c, ENT_EINVAL, "the part has not that many bits: before");
        if (top) range->low = (uint16_t)(range->low + range->bits - bits);
        range->bits = (uint16_t)bits;
    }
    return status;
}

/* ---- one field ------------------------------------------------------------------------------------ */

/* 8 ranges at "[63:62]+" each are 64 bytes with the closing zero: this always fits. */
static void name_by_ranges(ent_field *field)
{
    size_t n = 0;
    for (unsigned i = 0; i < field->ranges; i++)
        n += (size_t)snprintf(field->name + n, sizeof field->name - n, "%s[%d:%d]", i ? "+" : "",
                              field->range[i].low + field->range[i].bits - 1, field->range[i].low);
}

ent_status ent_field_parse(const ent_format *format, const char *text, ent_field *field, ent_error *error)
{
    cursor c = { format, text, text, error };
    *field = (ent_field){ .ranges = 0 };
    if (is_record(format)) return ent_record_field(format, text, field) ? ENT_OK : refuse(&c, ENT_EUNSUPPORTED, "no such part");
    do {
        ent_range range = { 0, 0 };
        ent_status status = take_term(&c, &range);
        if (status) return status;
        if (field_mask(field) & range_mask(range)) return refuse(&c, ENT_EINVAL, "a bit is named twice: before");
        if (!append(field, range)) return refuse(&c, ENT_EINVAL, "too many separate runs of bits: before");
    } while (take(&c, "+"));
    if (*c.at) return refuse(&c, ENT_EINVAL, "expected '+', ':' or the end");
    if (strlen(text) < sizeof field->name)
        strcpy(field->name, text);
    else
        name_by_ranges(field);
    return ENT_OK;
}

/* ---- splits --------------------------------------------------------------------------------------- */

ent_status ent_split_check(const ent_split *split)
{
    uint64_t seen = 0, all = range_mask((ent_range){ 0, split->word_bits });
    if (split->fields < 1 || split->fields > ENT_MAX_FIELDS) return ENT_EINVAL;
    if (split->word_bits > 64) return ent_record_covered(split) ? ENT_OK : ENT_EINVAL;
    if (split->word_bits < 1) return ENT_EINVAL;
    for (unsigned i = 0; i < split->fields; i++) {
        const ent_field *field = &split->field[i];
        if (field->ranges < 1 || field->ranges > ENT_MAX_RANGES) return ENT_EINVAL;
        for (unsigned k = 0; k < field->ranges; k++) {
            ent_range r = field->range[k];
            if (r.bits < 1 || r.low + r.bits > split->word_bits) return ENT_EINVAL;
            if (seen & range_mask(r)) return ENT_EINVAL;
            seen |= range_mask(r);
        }
    }
    return seen == all ? ENT_OK : ENT_EINVAL;
}

static uint64_t split_mask(const ent_split *split)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < split->fields; i++) mask |= field_mask(&split->field[i]);
    return mask;
}

/* A new last field named `prefix` and, unless it is negative, `number`; NULL when the split is full. */
static ent_field *new_field(ent_split *split, const char *prefix, int number)
{
    if (split->fields == ENT_MAX_FIELDS) return NULL;
    ent_field *field = &split->field[split->fields++];
    *field = (ent_field){ .ranges = 0 };
    if (number < 0)
        strcpy(field->name, prefix);
    else
        snprintf(field->name, sizeof field->name, "%s%d", prefix, number);
    return field;
}

/* The bits of `mask` from the highest down, in fields of `bits` bits but for a shorter first one. */
static ent_status add_cut(ent_split *split, uint64_t mask, unsigned bits, const char *prefix, bool numbered)
{
    unsigned left = (unsigned)__builtin_popcountll(mask);
    ent_field *field = NULL;
    for (int at = 63; at >= 0; at--) {
        if (!(mask >> at & 1)) continue;
        if (!field || left % bits == 0) field = new_field(split, prefix, numbered ? (int)((left - 1) / bits) : -1);
        if (!field || !append(field, (ent_range){ (uint16_t)at, 1 })) return ENT_EINVAL;
        left--;
    }
    return ENT_OK;
}

static uint64_t word_mask(const ent_split *split) { return range_mask((ent_range){ 0, split->word_bits }); }

static ent_status add_rest(ent_split *split)
{
    uint64_t rest = word_mask(split) & ~split_mask(split);
    bool whole = __builtin_popcountll(rest) <= 16;
    return rest ? add_cut(split, rest, whole ? 16 : 8, "rest", !whole) : ENT_EINVAL;
}

static ent_status add_fields(const ent_format *format, const char *text, ent_split *split, ent_error *error)
{
    if (!strcmp(text, "rest")) {
        if (!(is_record(format) ? ent_record_rest(format, split) : add_rest(split))) return ENT_OK;
        return ent_fail(error, ENT_EINVAL, "split of %s: nothing is left for \"rest\", or too many pieces",
                        format_name(format));
    }
    if (!strcmp(text, "bytes") && !split->fields && !is_record(format)) return add_cut(split, word_mask(split), 8, "byte", true);
    if (split->fields == ENT_MAX_FIELDS)
        return ent_fail(error, ENT_EINVAL, "split of %s: more than %d fields", format_name(format), ENT_MAX_FIELDS);
    return ent_field_parse(format, text, &split->field[split->fields++], error);
}

ent_status ent_split_parse(const ent_format *format, const char *text, ent_split *split, ent_error *error)
{
    static const char separators[] = "| \t\n";
    *split = (ent_split){ .word_bits = (uint16_t)word_bits(format) };
    for (const char *at = text; *(at += strspn(at, separators));) {
        char one[512];
        size_t n = strcspn(at, separators);
        if (n >= sizeof one) return ent_fail(error, ENT_EINVAL, "a field text of %zu bytes: \"%.100s...\"", n, at);
        memcpy(one, at, n);
        one[n] = '\0';
        at += n;
        ent_status status = add_fields(format, one, split, error);
        if (status) return status;
    }
    if (!ent_split_check(split)) return ENT_OK;
    return ent_fail(error, ENT_EINVAL, "split \"%s\" of %s: every bit must be in exactly one field", text,
                    format_name(format));
}

ent_status ent_split_natural(const ent_format *format, ent_split *split)
{
    const char *text = !format                            ? "word"
                       : is_record(format)                ? "rest"
                       : format->kind == ENT_KIND_SCALE   ? "scale"
                       : format->kind != ENT_KIND_FLOAT   ? "code"
                       : format->mantissa_bits <= 16      ? "sign|exponent|mantissa"
                       : format->mantissa_bits <= 32      ? "sign|exponent|mantissa:top7|mantissa:low16"
                       : "sign|exponent|mantissa:top4|mantissa:low48:top16|mantissa:low32:top16|mantissa:low16";
    return ent_split_parse(format, text, split, NULL);
}
