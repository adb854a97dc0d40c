/* blas.h - the right kernels for matrix products, on as many threads as we say. */
#ifndef ENT_ANALYSES_BLAS_H
#define ENT_ANALYSES_BLAS_H

/* OpenBLAS chooses its kernels when it is loaded, by a list of the processors known at its release;
 * a newer one gets those of 2004, a quarter of the speed.  It can be told better by an environment
 * variable, but only then: this starts the program once more with it set where that is needed, and
 * otherwise returns.  An OpenBLAS with threads of its own, which knows nothing of ours, gets one: ours multiply side by
 * side, and last digits would depend on the number of its threads.  To be called first of all, with main's argv. */
void blas_choose(char **argv);

#endif
