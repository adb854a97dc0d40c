/* fuzz_pack.c - packed models with changed bytes, and any bytes as a manifest (packed.h).  What is accepted comes to the
 * sizes that the manifest says.
 */
#include "packed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ent_run one = { .threads = 1 };
    if (!size_of_good) prepare("prune(share=0.5) rtn(group=4)");
    if (!size || size > MOST) return 0;
    ent_weights *weights = open_input(data, size);
    if (weights) take_away(ent_unpack(weights, out, &one, NULL));
    close_input(weights);
    return 0;
}
