/* range_code.h - the range code that arithmetic and arithmetic-adaptive share; see oracle.h. */
#ifndef ENT_ORACLE_RANGE_CODE_H
#define ENT_ORACLE_RANGE_CODE_H

#include "oracle.h"

enum { MOST_RANGE_CODES = 16 };

typedef struct range_code {
    byte_string in;
    uint64_t code, range;
} range_code;

/* Cuts `code` into k range codes and begins each; false if that cannot be. */
bool oracle_range_codes(const uint8_t *code, size_t code_size, size_t k, range_code *r);
/* The next symbol among 2^L slots, of which symbol s has the frequency[s] that follow those of s - 1;
 * false if there is none. */
bool oracle_range_symbol(range_code *r, unsigned L, const uint32_t *frequency, uint32_t symbols, uint32_t *symbol);
bool oracle_range_ended(const range_code *r);

#endif
