/* qmoe_dictionary.c - the 2^16 likeliest runs of digits, if every digit is 0 with a fixed probability.
 *
 * What a run is worth is known from its length and its zeros alone, so runs need not be sorted: kinds of runs are, and how
 * many of a kind there are is a binomial coefficient.  Runs are then met in the order of their digits, and each takes the
 * next number of its kind.  A run is never likelier than what it begins with, so these are all in the dictionary too. */
#include <math.h>
#include <pthread.h>

#include "coder/qmoe.h"

enum { MOST_DIGITS = 2 * QMOE_PAIRS };

static const double zero = 0.885; /* the probability of digit 0; the others share what is left */

/* All runs of so many pairs with so many digits that are not 0. */
typedef struct kind {
    unsigned pairs, others;
    double value; /* the logarithm of a run's probability */
} kind;

typedef struct builder {
    qmoe_dictionary *dictionary;
    unsigned digits;
    uint32_t number[QMOE_PAIRS + 1][MOST_DIGITS + 1]; /* of a kind's next run */
    uint32_t end[QMOE_PAIRS + 1][MOST_DIGITS + 1];    /* of its last, plus 1 */
} builder;

static double runs_of(const kind *k, unsigned digits)
{
    double runs = 1;
    for (unsigned i = 0; i < k->others; i++) runs *= (digits - 1.0) * (2 * k->pairs - i) / (i + 1);
    return runs;
}

/* Kinds by falling probability: two different ones are never the same, nor near it. */
static unsigned sort_kinds(unsigned digits, kind *sorted)
{
    unsigned kinds = 0;
    for (unsigned pairs = 1; pairs <= QMOE_PAIRS; pairs++)
        for (unsigned others = 0; others <= 2 * pairs; others++) {
            double value = (2 * pairs - others) * log(zero) + others * log((1 - zero) / (digits - 1));
            unsigned at = kinds++;
            for (; at && sorted[at - 1].value < value; at--) sorted[at] = sorted[at - 1];
            sorted[at] = (kind){ pairs, others, value };
        }
    return kinds;
}

static void number_kinds(builder *b)
{
    kind sorted[(QMOE_PAIRS + 1) * (MOST_DIGITS + 1)];
    const unsigned kinds = sort_kinds(b->digits, sorted);
    double end = 0;
    for (unsigned i = 0; i < kinds; i++) {
        const kind *k = &sorted[i];
        b->number[k->pairs][k->others] = (uint32_t)end;
        end = fmin(end + round(runs_of(k, b->digits)), QMOE_WORDS);
        b->end[k->pairs][k->others] = (uint32_t)end;
    }
}

/* Adds what begins with word `at`, of so many pairs and digits that are not 0, in the order of the pairs. */
static void add_after(builder *b, uint32_t at, unsigned pairs, unsigned others, uint64_t digits)
{
    if (pairs == QMOE_PAIRS) return;
    for (unsigned second = 0; second < b->digits; second++)
        for (unsigned first = 0; first < b->digits; first++) {
            const unsigned more = others + (first > 0) + (second > 0);
            uint32_t *number = &b->number[pairs + 1][more];
            if (*number == b->end[pairs + 1][more]) continue;
            const uint64_t all = digits | (uint64_t)(first | second << 2) << 4 * pairs;
            const uint32_t word = (*number)++;
            b->dictionary->word[word] = all | (uint64_t)(2 * pairs + 2) << 56;
            b->dictionary->next[at * b->digits * b->digits + first + b->digits * second] = word + 1;
            add_after(b, word, pairs + 1, more, all);
        }
}

static qmoe_dictionary dictionaries[QMOE_DIGITS - 1]; /* for 2, 3 and 4 digits: pages that are not used cost nothing */

static void build(unsigned digits)
{
    builder b = { .dictionary = &dictionaries[digits - 2], .digits = digits };
    number_kinds(&b);
    add_after(&b, QMOE_ROOT, 0, 0, 0);
}

static void build2(void) { build(2); }
static void build3(void) { build(3); }
static void build4(void) { build(4); }

const qmoe_dictionary *ent_qmoe_dictionary(unsigned digits)
{
    static pthread_once_t once[] = { PTHREAD_ONCE_INIT, PTHREAD_ONCE_INIT, PTHREAD_ONCE_INIT };
    static void (*const builds[])(void) = { build2, build3, build4 };
    pthread_once(&once[digits - 2], builds[digits - 2]);
    return &dictionaries[digits - 2];
}
