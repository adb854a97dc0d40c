/* package_merge.c - length-limited prefix codes (Larmore and Hirschberg 1990).
 *
 * Level by level from the deepest: the items of a level are the n leaves and the packages, which
 * are neighbours of the level below taken in pairs, by ascending weight.  Of the top level the first
 * 2n - 2 items are taken, and with a package its two items below; a leaf's length is the number of
 * levels at which it is taken, and taken leaves are always the lightest ones.  So all that has to be
 * kept of a level is which of its items are packages. */
#include <string.h>

#include "coder/package_merge.h"

/* Merges leaves and pairs of `below` (m items) into at most `most` items; flags the packages. */
static uint32_t merge(const uint64_t *leaf, uint32_t n, const uint64_t *below, uint32_t m, uint64_t *items,
                      uint8_t *is_package, uint32_t most)
{
    uint32_t leaves = 0, packages = 0, made = 0;
    for (; made < most && (leaves < n || packages < m / 2); made++) {
        uint64_t pair = packages < m / 2 ? below[2 * packages] + below[2 * packages + 1] : UINT64_MAX;
        bool package = leaves == n || pair < leaf[leaves]; /* leaves first: shallower trees among equals */
        items[made] = package ? pair : leaf[leaves];
        is_package[made] = package;
        packages += package;
        leaves += !package;
    }
    return made;
}

ent_status ent_package_merge(const uint64_t *weight, uint32_t n, unsigned limit, uint8_t *length)
{
    uint32_t most = 2 * n - 2;
    uint64_t *items[2] = { ent_alloc(most * sizeof **items), ent_alloc(most * sizeof **items) };
    uint8_t *is_package = ent_alloc((size_t)limit * most);
    ent_status status = items[0] && items[1] && is_package ? ENT_OK : ENT_ENOMEM;
    memset(length, 0, n);
    for (uint32_t level = 0, m = 0; !status && level < limit; level++)
        m = merge(weight, n, items[level % 2], m, items[(level + 1) % 2], is_package + (size_t)level * most, most);
    uint32_t take = most;
    for (unsigned level = limit; !status && level-- > 0;) {
        const uint8_t *flags = is_package + (size_t)level * most;
        uint32_t packages = 0;
        for (uint32_t i = 0; i < take; i++) packages += flags[i];
        for (uint32_t i = 0; i < take - packages; i++) length[i]++;
        take = 2 * packages;
    }
    ent_free(is_package);
    ent_free(items[0]);
    ent_free(items[1]);
    return status;
}
