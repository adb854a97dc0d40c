/* emulate.h - memory as the emulation of a card sees it: nothing outside what a kernel was given is touched. */
#ifndef ENT_GPU_EMULATE_H
#define ENT_GPU_EMULATE_H

#include <stddef.h>

/* `p` where `size` bytes from there on, aligned to their size, lie in one of the regions that this thread's kernel was
 * given; otherwise scratch memory, and the kernel's launch will answer ENT_ECHECK. */
const void *ent_gpu_touch(const void *p, size_t size);

#endif
