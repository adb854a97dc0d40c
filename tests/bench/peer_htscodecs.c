/* peer_htscodecs.c - libhtscodecs: rANS of 4 and of 32 states, order 0, and adaptive arithmetic coding.
 *
 * The library picks its vector code itself and keeps its buffers by thread.  `level` is its order
 * byte: X32 takes 32 states, STRIPE cuts words into byte planes, PACK puts small alphabets several
 * symbols a byte. */
#include "bench.h"
#include "peers.h"

#ifdef BENCH_HAVE_HTSCODECS
#include <htscodecs/arith_dynamic.h>
#include <htscodecs/htscodecs.h>
#include <htscodecs/rANS_static4x16.h>

static const char *version(void) { return htscodecs_version(); }

static size_t rans_bound(const struct peer *peer, size_t bytes)
{
    return rans_compress_bound_4x16((unsigned)bytes, peer->level);
}

/* The library takes its input as not const, and does not write to it. */
static unsigned char *input(ent_bytes in) { return (unsigned char *)(size_t)in.data; }

static size_t rans_encode(const struct peer *peer, void *context, uint32_t width, ent_bytes in, uint8_t *out,
                          size_t room)
{
    unsigned size = (unsigned)room;
    (void)context, (void)width;
    return rans_compress_to_4x16(input(in), (unsigned)in.size, out, &size, peer->level) ? size : 0;
}

static bool rans_decode(const struct peer *peer, void *context, ent_bytes in, uint8_t *out, size_t size)
{
    unsigned done = (unsigned)size;
    (void)peer, (void)context;
    return rans_uncompress_to_4x16(input(in), (unsigned)in.size, out, &done) && done == size;
}

static size_t arith_bound(const struct peer *peer, size_t bytes)
{
    return arith_compress_bound((unsigned)bytes, peer->level);
}

static size_t arith_encode(const struct peer *peer, void *context, uint32_t width, ent_bytes in, uint8_t *out,
                          size_t room)
{
    unsigned size = (unsigned)room;
    (void)context, (void)width;
    return arith_compress_to(input(in), (unsigned)in.size, out, &size, peer->level) ? size : 0;
}

static bool arith_decode(const struct peer *peer, void *context, ent_bytes in, uint8_t *out, size_t size)
{
    unsigned done = (unsigned)size;
    (void)peer, (void)context;
    return arith_uncompress_to(input(in), (unsigned)in.size, out, &done) && done == size;
}

#define RANS_PEER(suffix, text, order, bytes, entropy_coder)                                                           \
    const struct peer peer_##suffix = { .name = text, .version = version, .level = order, .width = bytes,              \
        .order0 = entropy_coder, .bound = rans_bound, .encode = rans_encode, .decode = rans_decode };
RANS_PEER(rans4x16, "hts rans4x16", 0, 0, true)
RANS_PEER(rans32x16, "hts rans32x16", RANS_ORDER_X32, 0, true)
RANS_PEER(rans32x16_stripe, "hts rans32x16 stripe", RANS_ORDER_X32 | RANS_ORDER_STRIPE | 2 << 8, 2, false)
RANS_PEER(rans32x16_pack, "hts rans32x16 pack", RANS_ORDER_X32 | RANS_ORDER_PACK, 1, false)

const struct peer peer_arith_dynamic = { .name = "hts arith_dynamic", .version = version, .level = 0,
                                         .bound = arith_bound, .encode = arith_encode, .decode = arith_decode };
#endif
