/* words.c - counts of 16-bit words.
 *
 * A store each, and a first cache takes one store a cycle: 1 cycle a word, which four words to a load come near to.
 * Neither narrower cells nor two tables in turn were measured to gain, since the words that occur are many, rarely
 * equal to their neighbours and, in cells of 64 bits, mostly in the first cache.  The stores leave no room for the
 * loads of words to run far ahead, hence the prefetch. */
#include "count/words.h"

#include "base/bits.h"

enum {
    LINE = 64,
    AHEAD = 4096, /* bytes that are fetched ahead; more gain nothing */
};

void ent_count_words(uint64_t *count, const uint8_t *words, size_t n, uint16_t mask)
{
    const uint64_t masks = mask * (uint64_t)0x0001000100010001;
    size_t i = 0;
    for (; i + LINE / 2 <= n; i += LINE / 2) {
        __builtin_prefetch((const void *)((uintptr_t)(words + 2 * i) + AHEAD)); /* harmless past the end */
        for (size_t k = i; k < i + LINE / 2; k += 4) {
            const uint64_t v = ent_load64(words + 2 * k) & masks;
            count[v & 0xffff]++;
            count[v >> 16 & 0xffff]++;
            count[v >> 32 & 0xffff]++;
            count[v >> 48]++;
        }
    }
    for (; i < n; i++) count[ent_load16(words + 2 * i) & mask]++;
}
