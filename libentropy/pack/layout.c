/* layout.c - see layout.h. */
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "pack/layout.h"

const ent_format *ent_pack_stored(const ent_format *format)
{
    if (!ent_format_packed(format)) return format;
    bool sign = format->kind == ENT_KIND_SIGNED, wide = format->bits > 8;
    return ent_format_find(sign ? (wide ? "I16" : "I8") : (wide ? "U16" : "U8"));
}

/* A signed word of 16 bits or fewer with its sign carried up to `width` bytes. */
static uint32_t carry_sign(uint32_t word, unsigned bits, uint32_t width)
{
    uint32_t sign = UINT32_C(1) << (bits - 1);
    return ((word ^ sign) - sign) & (width == 1 ? UINT8_MAX : UINT16_MAX);
}

void ent_pack_widen(const ent_format *format, void *words, size_t n)
{
    uint32_t width = ent_format_width(format);
    if (!ent_format_packed(format) || format->kind != ENT_KIND_SIGNED) return;
    for (size_t i = 0; i < n; i++)
        ent_symbol_put(words, width, i, carry_sign(ent_symbol_at(words, width, i), format->bits, width));
}

ent_status ent_pack_narrow(const ent_format *format, void *words, size_t n)
{
    uint32_t width = ent_format_width(format), mask = (UINT32_C(1) << (format->bits & 31)) - 1, wrong = 0;
    bool sign = format->kind == ENT_KIND_SIGNED;
    if (!ent_format_packed(format)) return ENT_OK;
    for (size_t i = 0; i < n; i++) {
        uint32_t stored = ent_symbol_at(words, width, i), word = stored & mask;
        wrong |= stored ^ (sign ? carry_sign(word, format->bits, width) : word);
        ent_symbol_put(words, width, i, word);
    }
    return wrong ? ENT_ECORRUPT : ENT_OK;
}

bool ent_pack_is_matrix_format(const ent_format *format)
{
    return format && format->kind == ENT_KIND_FLOAT && format->bits >= 16;
}

bool ent_pack_takes(const ent_tensor *tensor)
{
    return ent_pack_is_matrix_format(ent_format_find(tensor->dtype)) && tensor->rank >= 2 && tensor->elements &&
           tensor->elements <= UINT32_MAX;
}

char *ent_pack_part_name(const char *tensor, const char *part)
{
    size_t size = strlen(tensor) + strlen(part) + 2;
    char *name = ent_alloc(size);
    if (name) snprintf(name, size, "%s/%s", tensor, part);
    return name;
}

char *ent_pack_gap_name(size_t file)
{
    enum { SIZE = 48 };
    char *name = ent_alloc(SIZE);
    if (name) snprintf(name, SIZE, "libentropy.file.%zu", file);
    return name;
}
