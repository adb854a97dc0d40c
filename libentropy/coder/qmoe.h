/* qmoe.h - the dictionary of qmoe, for its files.  See qmoe.c. */
#ifndef ENT_CODER_QMOE_H
#define ENT_CODER_QMOE_H

#include <entropy/base.h>

enum {
    QMOE_WORDS = 1 << 16, /* code words */
    QMOE_DIGITS = 4,      /* at most: different symbols */
    QMOE_PAIRS = 14,      /* of digits in a word, at most */
    QMOE_ROOT = QMOE_WORDS
};

typedef struct qmoe_dictionary {
    uint64_t word[QMOE_WORDS]; /* its digits, 2 bits each, the first lowest; their number in the top byte */
    uint32_t next[(QMOE_WORDS + 1) * QMOE_DIGITS * QMOE_DIGITS]; /* see ent_qmoe_next */
} qmoe_dictionary;

/* That for 2 .. 4 digits: made when it is first asked for, never changed, for any number of threads. */
const qmoe_dictionary *ent_qmoe_dictionary(unsigned digits);

/* The word that is word `at`, or nothing at QMOE_ROOT, and a pair of digits more, plus 1; 0: there is none. */
static inline uint32_t ent_qmoe_next(const qmoe_dictionary *d, unsigned digits, uint32_t at, unsigned first, unsigned second)
{
    return d->next[at * digits * digits + first + digits * second];
}

#endif
