/* fuzz_stack.c - stacks with changed bytes, and any bytes as the manifest of one (packed.h).
 *
 * What opens as a stack has blocks that fit what they say, can be written in the order that it has, and, when it unpacks
 * whole, every block of it can be added.
 */
#include "packed.h"

/* Whether every block can be added to zeros. */
static bool add_all(ent_stack *stack)
{
    bool all = true;
    for (size_t i = 0; i < ent_stack_blocks(stack); i++) {
        ent_stack_block b = ent_stack_block_at(stack, i);
        float *values = calloc((size_t)b.rows * b.cols, sizeof *values);
        REQUIRE(values);
        all &= !ent_stack_add(stack, i, values, NULL);
        free(values);
    }
    return all;
}

static void fit(const ent_stack *stack)
{
    size_t n = ent_stack_blocks(stack), some;
    uint64_t fixed = ent_stack_fixed_bytes(stack), all = fixed, bytes;
    for (size_t i = 0; i < n; i++) all += ent_stack_block_at(stack, i).bytes;
    REQUIRE(!ent_stack_fit(stack, all, &some, &bytes, NULL) && some == n && bytes == all);
    REQUIRE(!ent_stack_fit(stack, (fixed + all) / 2, &some, &bytes, NULL) && some <= n && bytes <= all);
    REQUIRE(!fixed || ent_stack_fit(stack, fixed - 1, &some, &bytes, NULL));
}

static void write_again(const ent_stack *stack, const ent_weights *weights)
{
    size_t n = ent_stack_blocks(stack), *order = calloc(n + 1, sizeof *order);
    ent_weights *again;
    ent_stack *other;
    REQUIRE(order);
    for (size_t i = 0; i < n; i++) order[i] = i;
    ent_status status = ent_stack_write(out, weights, order, NULL);
    if (!status) {
        REQUIRE(!ent_weights_open(&again, out, NULL) && !ent_stack_open(&other, again, NULL));
        REQUIRE(ent_stack_blocks(other) == n);
        ent_stack_close(other);
        ent_weights_close(again);
    }
    take_away(status);
    free(order);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ent_run one = { .threads = 1 };
    ent_stack *stack;
    if (!size_of_good) prepare("prune(share=0.2) bitstack(levels=3,rank=2)");
    if (!size || size > MOST) return 0;
    ent_weights *weights = open_input(data, size);
    if (weights && !ent_stack_open(&stack, weights, NULL)) {
        size_t n = ent_stack_blocks(stack);
        fit(stack);
        bool added = add_all(stack);
        ent_status status = ent_stack_unpack(stack, n, out, &one, NULL);
        take_away(status);
        REQUIRE(status || added);
        take_away(ent_stack_unpack(stack, n / 2, out, &one, NULL));
        write_again(stack, weights);
        ent_stack_close(stack);
    }
    close_input(weights);
    return 0;
}
