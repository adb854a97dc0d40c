/* tokens.c - token files. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tokens.h"

static size_t width_of(const char *path)
{
    size_t length = strlen(path);
    const char *end = length > 4 ? path + length - 4 : "";
    return !strcmp(end, ".u16") ? 2 : !strcmp(end, ".u32") ? 4 : 0;
}

/* Bytes to numbers, in place from the back: a token is never wider than what it becomes. */
static void widen(struct tokens *tokens, size_t width)
{
    const uint8_t *bytes = (const uint8_t *)tokens->token;
    for (size_t i = tokens->n; i-- > 0;) {
        uint32_t token = 0;
        for (size_t k = width; k-- > 0;) token = token << 8 | bytes[i * width + k];
        tokens->token[i] = token;
    }
}

ent_status tokens_read(struct tokens *tokens, const char *path, ent_error *error)
{
    size_t width = width_of(path);
    struct stat s;
    *tokens = (struct tokens){ 0 };
    if (!width) return ent_fail(error, ENT_EINVAL, "%s: a token file's name ends in .u16 or .u32", path);
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &s)) {
        if (file) fclose(file);
        return ent_fail(error, ENT_EINVAL, "%s: %s", path, strerror(errno));
    }
    ent_status status = ENT_OK;
    size_t size = (size_t)s.st_size;
    tokens->n = size / width;
    if (!S_ISREG(s.st_mode) || size % width)
        status = ent_fail(error, ENT_ECORRUPT, "%s: %zu bytes are no whole number of tokens", path, size);
    else if (!(tokens->token = ent_calloc(tokens->n + 1, sizeof *tokens->token)))
        status = ent_fail(error, ENT_ENOMEM, "%s: no memory for %zu tokens", path, tokens->n);
    else if (fread(tokens->token, 1, size, file) != size)
        status = ent_fail(error, ENT_EIO, "%s: cannot be read", path);
    fclose(file);
    if (status)
        tokens_free(tokens);
    else
        widen(tokens, width);
    return status;
}

void tokens_free(struct tokens *tokens)
{
    ent_free(tokens->token);
    *tokens = (struct tokens){ 0 };
}
