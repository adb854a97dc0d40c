/* peer_lz4.c - liblz4, its state kept between calls.  No entropy coder: it shows what matches give. */
#include "bench.h"
#include "peers.h"

#ifdef BENCH_HAVE_LIBLZ4
#include <lz4.h>

static void *open_state(const struct peer *peer)
{
    (void)peer;
    return ent_alloc((size_t)LZ4_sizeofState());
}

static size_t bound(const struct peer *peer, size_t bytes)
{
    (void)peer;
    return (size_t)LZ4_compressBound((int)bytes);
}

static size_t encode(const struct peer *peer, void *context, uint32_t width, ent_bytes in, uint8_t *out,
                     size_t room)
{
    (void)width;
    int size = LZ4_compress_fast_extState(context, (const char *)in.data, (char *)out, (int)in.size, (int)room,
                                         peer->level);
    return size > 0 ? (size_t)size : 0;
}

static bool decode(const struct peer *peer, void *context, ent_bytes in, uint8_t *out, size_t size)
{
    (void)peer, (void)context;
    return LZ4_decompress_safe((const char *)in.data, (char *)out, (int)in.size, (int)size) == (int)size;
}

const struct peer peer_lz4 = { .name = "lz4", .version = LZ4_versionString, .level = 1, .open = open_state,
                               .close = ent_free, .bound = bound, .encode = encode, .decode = decode };
#endif
