/* bits.h - loads, stores and small bit tricks.  Little-endian byte order everywhere. */
#ifndef ENT_BASE_BITS_H
#define ENT_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "libentropy runs on little-endian hosts");

static inline uint16_t ent_load16(const void *p) { uint16_t v; memcpy(&v, p, sizeof v); return v; }
static inline uint32_t ent_load32(const void *p) { uint32_t v; memcpy(&v, p, sizeof v); return v; }
static inline uint64_t ent_load64(const void *p) { uint64_t v; memcpy(&v, p, sizeof v); return v; }
static inline void ent_store16(void *p, uint16_t v) { memcpy(p, &v, sizeof v); }
static inline void ent_store32(void *p, uint32_t v) { memcpy(p, &v, sizeof v); }
static inline void ent_store64(void *p, uint64_t v) { memcpy(p, &v, sizeof v); }

/* A float as its bits, and back; a BF16 is the upper half of the float of the same value. */
static inline uint32_t ent_float_bits(float value) { return ent_load32(&value); }
static inline float ent_float_of(uint32_t bits) { float v; memcpy(&v, &bits, sizeof v); return v; }
static inline float ent_float_of_bf16(uint16_t word) { return ent_float_of((uint32_t)word << 16); }

/* The number of bits that can name `n` things: 0 for 1, 8 for 256, 9 for 257. */
static inline unsigned ent_bits_for(uint32_t n)
{
    return n <= 1 ? 0 : 32u - (unsigned)__builtin_clz(n - 1);
}

/* Bit 0 of each of 8 bytes as 8 bits, and a byte 0 or 1 for each of the lowest 8 bits. */
static inline uint64_t ent_bits_of_bytes(uint64_t bytes)
{
    return (bytes & 0x0101010101010101u) * 0x0102040810204080u >> 56;
}

static inline uint64_t ent_bytes_of_bits(uint64_t bits)
{
    uint64_t apart = (bits & 255) * 0x0101010101010101u & 0x8040201008040201u;
    return ((apart + 0x7F7F7F7F7F7F7F7Fu) | apart) >> 7 & 0x0101010101010101u;
}

/* The symbol at index `i` of an array whose symbols take `width` (1 or 2) bytes. */
static inline uint32_t ent_symbol_at(const void *symbols, uint32_t width, size_t i)
{
    return width == 1 ? ((const uint8_t *)symbols)[i] : ((const uint16_t *)symbols)[i];
}

static inline void ent_symbol_put(void *symbols, uint32_t width, size_t i, uint32_t symbol)
{
    if (width == 1)
        ((uint8_t *)symbols)[i] = (uint8_t)symbol;
    else
        ((uint16_t *)symbols)[i] = (uint16_t)symbol;
}

/* Whether all of n symbols are `only`. */
static inline bool ent_symbols_all(const void *symbols, size_t n, uint32_t width, uint32_t only)
{
    size_t same = 0;
    for (size_t i = 0; i < n; i++) same += ent_symbol_at(symbols, width, i) == only;
    return same == n;
}

/* LEB128: 7 bits a byte, lowest first, the top bit says that more follow; at most 10 bytes. */
static inline size_t ent_varint_put(uint8_t *p, uint64_t v)
{
    size_t n = 0;
    for (; v >= 128; v >>= 7) p[n++] = (uint8_t)(v | 128);
    p[n++] = (uint8_t)v;
    return n;
}

/* Returns the bytes read, or 0 when they run out, do not fit 64 bits or are not the shortest form. */
static inline size_t ent_varint_get(const uint8_t *p, size_t size, uint64_t *v)
{
    *v = 0;
    for (size_t n = 0; n < size && n < 10; n++) {
        if (n == 9 && p[n] > 1) return 0;
        *v |= (uint64_t)(p[n] & 127) << (7 * n);
        if (p[n] < 128) return n && !p[n] ? 0 : n + 1;
    }
    return 0;
}

#endif
