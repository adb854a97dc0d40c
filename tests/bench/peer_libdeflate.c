/* peer_libdeflate.c - libdeflate: raw Deflate streams, one compressor and decompressor a thread. */
#include "bench.h"
#include "peers.h"

#ifdef BENCH_HAVE_LIBDEFLATE
#include <libdeflate.h>

struct contexts {
    struct libdeflate_compressor *encoder;
    struct libdeflate_decompressor *decoder;
};

static void close_contexts(void *context)
{
    struct contexts *c = context;
    libdeflate_free_compressor(c->encoder);
    libdeflate_free_decompressor(c->decoder);
    ent_free(c);
}

static void *open_contexts(const struct peer *peer)
{
    struct contexts *c = ent_calloc(1, sizeof *c);
    if (!c) return NULL;
    c->encoder = libdeflate_alloc_compressor(peer->level);
    c->decoder = libdeflate_alloc_decompressor();
    if (c->encoder && c->decoder) return c;
    close_contexts(c);
    return NULL;
}

static const char *version(void) { return LIBDEFLATE_VERSION_STRING; }

static size_t bound(const struct peer *peer, size_t bytes)
{
    (void)peer;
    return libdeflate_deflate_compress_bound(NULL, bytes);
}

static size_t encode(const struct peer *peer, void *context, uint32_t width, ent_bytes in, uint8_t *out, size_t room)
{
    struct contexts *c = context;
    (void)peer, (void)width;
    return libdeflate_deflate_compress(c->encoder, in.data, in.size, out, room);
}

static bool decode(const struct peer *peer, void *context, ent_bytes in, uint8_t *out, size_t size)
{
    struct contexts *c = context;
    (void)peer;
    return libdeflate_deflate_decompress(c->decoder, in.data, in.size, out, size, NULL) == LIBDEFLATE_SUCCESS;
}

#define LIBDEFLATE_PEER(number, entropy_coder)                                                                         \
    const struct peer peer_libdeflate_##number = { .name = "libdeflate " #number, .version = version, .level = number, \
        .order0 = entropy_coder, .open = open_contexts, .close = close_contexts, .bound = bound, .encode = encode,     \
        .decode = decode };
LIBDEFLATE_PEER(1, true)
LIBDEFLATE_PEER(6, false)
#endif
