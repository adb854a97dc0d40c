/* tokens.h - token files: little-endian whole numbers of 16 or 32 bits, one a token. */
#ifndef ENT_ANALYSES_TOKENS_H
#define ENT_ANALYSES_TOKENS_H

#include <entropy/base.h>

struct tokens {
    uint32_t *token;
    size_t n;
};

/* A file whose name ends in .u16 or .u32. */
ent_status tokens_read(struct tokens *tokens, const char *path, ent_error *error);
void tokens_free(struct tokens *tokens);

#endif
