/* json.c - the JSON of model files (jansson), with errors that say what is wrong and where.
 *
 * jansson keeps integers exact up to 2^63 - 1, checks UTF-8, and stops at 2048 nested brackets.
 */
#include "weights/reader.h"

static const char *reason(enum json_error_code code)
{
    switch (code) {
        case json_error_duplicate_key: return "the same key twice in one object";
        case json_error_invalid_utf8: return "not valid UTF-8";
        case json_error_numeric_overflow: return "a number of over 63 bits";
        case json_error_stack_overflow: return "brackets nested too deep";
        case json_error_null_byte_in_key:
        case json_error_null_character: return "a NUL character in a string";
        case json_error_premature_end_of_input: return "the JSON text ends too early";
        case json_error_end_of_input_expected: return "something follows the JSON text";
        default: return "not valid JSON";
    }
}

ent_status ent_json_object(json_t **object, ent_bytes text, uint64_t start, const char *name, ent_error *error)
{
    json_error_t e = { .position = 0 };
    *object = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &e);
    if (!*object) {
        enum json_error_code code = json_error_code(&e);
        if (code == json_error_out_of_memory) return ent_fail(error, ENT_ENOMEM, "%s: out of memory", name);
        uint64_t at = start + (e.position > 0 ? (uint64_t)e.position : 0);
        return ent_fail(error, ENT_ECORRUPT, "%s: %s, near byte %llu (%s)", name, reason(code), (unsigned long long)at,
                        ent_quote(e.text).text);
    }
    if (json_is_object(*object)) return ENT_OK;
    json_decref(*object);
    *object = NULL;
    return ent_fail(error, ENT_ECORRUPT, "%s: the JSON text at byte %llu is not an object", name,
                    (unsigned long long)start);
}
