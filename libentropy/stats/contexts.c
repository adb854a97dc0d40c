/* contexts.c - the kinds of context that a symbol of a matrix has by its place.
 *
 * Orders 2 and 3 take symbols before the neighbour by class, the 15 commonest and all others as one: of
 * exponents that leaves out a symbol in 2000, and the tables stay in a second-level cache. */
#include <string.h>

#include <entropy/dependence.h>

enum { SYMBOLS = 256, TILE = 16 };

static size_t no_classes(uint64_t columns)
{
    (void)columns;
    return 0;
}

/* Neighbouring columns share a class where there are too many. */
static unsigned column_shift(uint64_t columns)
{
    unsigned shift = 0;
    while ((columns - 1) >> shift >= ENT_CONTEXT_COLUMNS) shift++;
    return shift;
}

static size_t column_classes(uint64_t columns) { return (size_t)((columns - 1) >> column_shift(columns)) + 1; }

static size_t symbol_classes(uint64_t columns)
{
    (void)columns;
    return SYMBOLS;
}

static size_t order3_classes(uint64_t columns)
{
    (void)columns;
    return ENT_CONTEXT_CLASSES * ENT_CONTEXT_CLASSES * ENT_CONTEXT_CLASSES;
}

static void widen(const uint8_t *symbol, size_t n, uint32_t *context)
{
    for (size_t i = 0; i < n; i++) context[i] = symbol[i];
}

/* Every kind has the same arguments; most use few. */
#define CLASSIFY(name) static void name(const ent_piece *p, const uint8_t class_of[256], uint32_t *context)

CLASSIFY(by_column)
{
    unsigned shift = column_shift(p->columns);
    (void)class_of;
    for (size_t i = 0; i < p->n; i++) context[i] = (uint32_t)((p->column + i) >> shift);
}

CLASSIFY(by_left)
{
    (void)class_of;
    widen(p->symbol - 1, p->n, context);
}

CLASSIFY(by_above)
{
    (void)class_of;
    widen(p->beside[ENT_BESIDE_ABOVE], p->n, context);
}

CLASSIFY(by_layer)
{
    (void)class_of;
    widen(p->beside[ENT_BESIDE_LAYER], p->n, context);
}

CLASSIFY(by_model)
{
    (void)class_of;
    widen(p->beside[ENT_BESIDE_MODEL], p->n, context);
}

CLASSIFY(by_tile)
{
    uint32_t above = (uint32_t)(p->row % TILE) * TILE, at = (uint32_t)(p->column % TILE);
    (void)class_of;
    for (size_t i = 0; i < p->n; i++) context[i] = above + (uint32_t)(at + i) % TILE;
}

/* The classes of the symbols before, the nearest lowest. */
CLASSIFY(by_order2)
{
    for (size_t i = 0; i < p->n; i++) {
        const uint8_t *s = p->symbol + i;
        context[i] = (uint32_t)class_of[s[-2]] * ENT_CONTEXT_CLASSES + class_of[s[-1]];
    }
}

CLASSIFY(by_order3)
{
    for (size_t i = 0; i < p->n; i++) {
        const uint8_t *s = p->symbol + i;
        context[i] = ((uint32_t)class_of[s[-3]] * ENT_CONTEXT_CLASSES + class_of[s[-2]]) * ENT_CONTEXT_CLASSES +
                     class_of[s[-1]];
    }
}

static const ent_context context_row = {
    .name = "row", .brief = "its row", .matrix = true, .row = true, .classes = no_classes,
};
static const ent_context context_column = {
    .name = "column", .brief = "its column", .matrix = true, .classes = column_classes, .classify = by_column,
};
static const ent_context context_left = {
    .name = "left", .brief = "the symbol before it in the row", .before = 1, .classes = symbol_classes,
    .classify = by_left,
};
static const ent_context context_above = {
    .name = "above", .brief = "the symbol above it", .beside = ENT_BESIDE_ABOVE, .matrix = true,
    .classes = symbol_classes, .classify = by_above,
};
static const ent_context context_order2 = {
    .name = "order2", .brief = "the 2 symbols before it, each as one of 15 or another", .before = 2,
    .classes = symbol_classes, .classify = by_order2,
};
static const ent_context context_order3 = {
    .name = "order3", .brief = "the 3 symbols before it, each as one of 15 or another", .before = 3,
    .classes = order3_classes, .classify = by_order3,
};
static const ent_context context_tile = {
    .name = "tile", .brief = "its place in a tile of 16 by 16", .matrix = true, .classes = symbol_classes,
    .classify = by_tile,
};
static const ent_context context_layer = {
    .name = "layer", .brief = "the symbol at its place in the next layer", .beside = ENT_BESIDE_LAYER,
    .classes = symbol_classes, .classify = by_layer,
};
static const ent_context context_model = {
    .name = "model", .brief = "the symbol at its place in another model", .beside = ENT_BESIDE_MODEL,
    .classes = symbol_classes, .classify = by_model,
};

const ent_context *const ent_contexts[] = {
#define X(name) &context_##name,
#include "contexts.def"
#undef X
    NULL
};

const ent_context *ent_context_find(const char *name)
{
    for (size_t i = 0; ent_contexts[i]; i++)
        if (!strcmp(ent_contexts[i]->name, name)) return ent_contexts[i];
    return NULL;
}
