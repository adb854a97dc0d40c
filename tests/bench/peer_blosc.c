/* peer_blosc.c - c-blosc: byte or bit shuffle, then LZ4 or zstd, at its preset level.
 *
 * Called with one thread of its own and through the calls without global state: the bench brings the
 * threads.  It cuts a block into smaller ones that fit the cache, as it chooses.  On symbols of one
 * byte its byte shuffle does nothing, so those rows are left out there. */
#include "bench.h"
#include "peers.h"

#ifdef BENCH_HAVE_BLOSC
#include <blosc.h>

enum { LEVEL = 5, OWN_BLOCK = 0, ONE_THREAD = 1, ZSTD = 16 }; /* ZSTD: a bit of peer.level beside the shuffle */

static const char *version(void) { return BLOSC_VERSION_STRING; }

static size_t bound(const struct peer *peer, size_t bytes)
{
    (void)peer;
    return bytes + BLOSC_MAX_OVERHEAD;
}

static size_t encode(const struct peer *peer, void *context, uint32_t width, ent_bytes in, uint8_t *out, size_t room)
{
    (void)context;
    const char *coder = peer->level & ZSTD ? BLOSC_ZSTD_COMPNAME : BLOSC_LZ4_COMPNAME;
    int size = blosc_compress_ctx(LEVEL, peer->level & ~ZSTD, width, in.size, in.data, out, room, coder,
                                  OWN_BLOCK, ONE_THREAD);
    return size > 0 ? (size_t)size : 0;
}

static bool decode(const struct peer *peer, void *context, ent_bytes in, uint8_t *out, size_t size)
{
    (void)peer, (void)context;
    return blosc_decompress_ctx(in.data, out, size, ONE_THREAD) == (int)size;
}

#define BLOSC_PEER(suffix, text, mode, bytes)                                                                          \
    const struct peer peer_blosc_##suffix = { .name = text, .version = version, .level = mode, .width = bytes,         \
        .bound = bound, .encode = encode, .decode = decode };
BLOSC_PEER(shuffle_lz4, "blosc shuffle+lz4", BLOSC_SHUFFLE, 2)
BLOSC_PEER(shuffle_zstd, "blosc shuffle+zstd", BLOSC_SHUFFLE | ZSTD, 2)
BLOSC_PEER(bitshuffle_lz4, "blosc bitshuffle+lz4", BLOSC_BITSHUFFLE, 0)
BLOSC_PEER(bitshuffle_zstd, "blosc bitshuffle+zstd", BLOSC_BITSHUFFLE | ZSTD, 0)
#endif
