/* freq.h - the stored form of a frequency table, shared by the coders that have one. */
#ifndef ENT_CODER_FREQ_H
#define ENT_CODER_FREQ_H

#include <entropy/base.h>

/* Appends `freq`, whose sum is 2^log2_total, log2_total <= 24; grows the buffer.  Exactly one byte
 * string stands for a table, and its end is found without knowing its size. */
ent_status ent_freq_write(const uint32_t *freq, uint32_t alphabet, unsigned log2_total, ent_buffer *out);

/* All of `in`; ENT_ECORRUPT for anything that ent_freq_write would not have written for this
 * alphabet and a log2_total of at most log2_total_max (<= 24). */
ent_status ent_freq_read(ent_bytes in, uint32_t alphabet, unsigned log2_total_max, uint32_t *freq,
                         unsigned *log2_total);

#endif
