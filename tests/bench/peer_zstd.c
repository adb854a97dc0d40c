/* peer_zstd.c - libzstd, contexts kept.  Its entropy coder alone (huff0) is not in the library's
 * interface; level -5 comes nearest: few matches, Huffman-coded literals only where they pay. */
#include "bench.h"
#include "peers.h"

#ifdef BENCH_HAVE_LIBZSTD
#include <zstd.h>

struct contexts {
    ZSTD_CCtx *encoder;
    ZSTD_DCtx *decoder;
};

static void close_contexts(void *context)
{
    struct contexts *c = context;
    ZSTD_freeCCtx(c->encoder);
    ZSTD_freeDCtx(c->decoder);
    ent_free(c);
}

static void *open_contexts(const struct peer *peer)
{
    (void)peer;
    struct contexts *c = ent_calloc(1, sizeof *c);
    if (!c) return NULL;
    c->encoder = ZSTD_createCCtx();
    c->decoder = ZSTD_createDCtx();
    if (c->encoder && c->decoder) return c;
    close_contexts(c);
    return NULL;
}

static size_t bound(const struct peer *peer, size_t bytes)
{
    (void)peer;
    return ZSTD_compressBound(bytes);
}

static size_t encode(const struct peer *peer, void *context, uint32_t width, ent_bytes in, uint8_t *out, size_t room)
{
    struct contexts *c = context;
    (void)width;
    size_t size = ZSTD_compressCCtx(c->encoder, out, room, in.data, in.size, peer->level);
    return ZSTD_isError(size) ? 0 : size;
}

static bool decode(const struct peer *peer, void *context, ent_bytes in, uint8_t *out, size_t size)
{
    struct contexts *c = context;
    (void)peer;
    return ZSTD_decompressDCtx(c->decoder, out, size, in.data, in.size) == size;
}

#define ZSTD_PEER(suffix, text, number, entropy_coder)                                                                 \
    const struct peer peer_zstd_##suffix = { .name = text, .version = ZSTD_versionString, .level = number,             \
        .order0 = entropy_coder, .open = open_contexts, .close = close_contexts, .bound = bound, .encode = encode,     \
        .decode = decode };
ZSTD_PEER(fast5, "zstd -5", -5, false)
ZSTD_PEER(1, "zstd 1", 1, true)
ZSTD_PEER(3, "zstd 3", 3, false)
#endif
