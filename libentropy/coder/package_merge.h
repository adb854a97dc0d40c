/* package_merge.h - optimal prefix code lengths under a limit. */
#ifndef ENT_CODER_PACKAGE_MERGE_H
#define ENT_CODER_PACKAGE_MERGE_H

#include <entropy/base.h>

/* The lengths of a complete prefix code of least cost, sum weight[i] * length[i], none over `limit`.
 * Weights ascend, all >= 1, their sum times `limit` fits 64 bits; 2 <= n <= 2^limit.  Lengths
 * descend.  O(n * limit) time and bytes. */
ent_status ent_package_merge(const uint64_t *weight, uint32_t n, unsigned limit, uint8_t *length);

#endif
