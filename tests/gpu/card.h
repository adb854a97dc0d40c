/* card.h - a card whose times and state are made up, for what measures cards.  No number of it was measured. */
#ifndef ENT_TESTS_GPU_CARD_H
#define ENT_TESTS_GPU_CARD_H

#include "gpu/bench.h"

/* A replay takes 1, 1.1, 1.2 and 1.3 times CARD_COPY seconds and again: 1.15 times in the middle of any four.  Reads take half of that.  cuBLAS has four ways, of which the second adds vectors up to 8 and is the fastest where there is something to add,
 * and the third has no product of any shape. */
#define CARD_COPY 0.07
extern const gpu_bench ent_gpu_cuda_bench;

/* The last sum of what cuBLAS makes is wrong from now on, or right again; where the environment has CARD_IS_WRONG, always. */
void card_is_wrong(bool wrong);

#endif
