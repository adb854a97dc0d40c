/* peers.c - peers as contestants: alone, and, on BF16 words, behind our split as one would use them.
 *
 * The second kind ("mixed") codes the exponents with the peer and leaves the other bits, a byte a word,
 * raw: what a user of that library gets who knows where the redundancy is.  A block is the size of
 * the exponents' code, the rests, that code; the join reads exponents from a buffer of the thread. */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "peers.h"

#define PEER(suffix) extern const struct peer peer_##suffix;
#define ABSENT(library, package)
#include "peers.def"
#undef PEER
#undef ABSENT

const struct peer *const peers[] = {
#define PEER(suffix) &peer_##suffix,
#define ABSENT(library, package)
#include "peers.def"
#undef PEER
#undef ABSENT
    NULL
};

void peers_print_absent(void)
{
#define PEER(suffix)
#define ABSENT(library, package) puts("absent: " library " (package " package ")");
#include "peers.def"
#undef PEER
#undef ABSENT
}

enum { PEER_BLOCK = 1 << 20, SIZE_BYTES = 4 };

struct coding {
    const struct peer *peer;
    uint32_t width;
    unsigned threads;
    ent_split split; /* of mixed ones: exponent | rest */
    struct { void *context; uint8_t *exponents; } thread[];
};

/* ---- alone ------------------------------------------------------------------------------------ */

static size_t alone_bound(const struct coding *c, size_t bytes) { return c->peer->bound(c->peer, bytes); }

static ent_status alone_encode(struct coding *c, unsigned thread, ent_bytes in, ent_buffer *out)
{
    size_t size = c->peer->encode(c->peer, c->thread[thread].context, c->width, in, out->data + out->size,
                                  out->capacity - out->size);
    out->size += size;
    return size ? ENT_OK : ENT_EUNSUPPORTED;
}

static ent_status alone_decode(struct coding *c, unsigned thread, ent_bytes in, bool stream, uint8_t *out, size_t size)
{
    (void)stream;
    return c->peer->decode(c->peer, c->thread[thread].context, in, out, size) ? ENT_OK : ENT_ECORRUPT;
}

/* ---- behind our split -------------------------------------------------------------------------- */

static size_t mixed_bound(const struct coding *c, size_t bytes)
{
    size_t n = bytes / c->width;
    return SIZE_BYTES + n + c->peer->bound(c->peer, n);
}

static ent_status mixed_encode(struct coding *c, unsigned thread, ent_bytes in, ent_buffer *out)
{
    size_t n = in.size / c->width;
    uint8_t *start = out->data + out->size, *rest = start + SIZE_BYTES, *code = rest + n;
    void *stream[] = { c->thread[thread].exponents, rest };
    ent_split_words(&c->split, in.data, n, stream);
    size_t room = out->capacity - (size_t)(code - out->data);
    size_t size = c->peer->encode(c->peer, c->thread[thread].context, 1, (ent_bytes){ stream[0], n }, code, room);
    if (!size) return ENT_EUNSUPPORTED;
    uint32_t stored = (uint32_t)size;
    memcpy(start, &stored, SIZE_BYTES);
    out->size = (size_t)(code - out->data) + size;
    return ENT_OK;
}

static ent_status mixed_decode(struct coding *c, unsigned thread, ent_bytes in, bool streaming, uint8_t *out,
                               size_t size)
{
    size_t n = size / c->width;
    uint8_t *exponents = c->thread[thread].exponents;
    const uint8_t *rest = in.data + SIZE_BYTES;
    const void *stream[] = { exponents, rest };
    uint32_t stored;
    (void)streaming;
    memcpy(&stored, in.data, SIZE_BYTES);
    ent_bytes code = { rest + n, stored };
    if (!c->peer->decode(c->peer, c->thread[thread].context, code, exponents, n)) return ENT_ECORRUPT;
    ent_join_words(&c->split, stream, n, out);
    return ENT_OK;
}

/* ---- opening ---------------------------------------------------------------------------------- */

static void peer_close(struct coding *c)
{
    for (unsigned t = 0; t < c->threads; t++) {
        if (c->thread[t].context) c->peer->close(c->thread[t].context);
        ent_free(c->thread[t].exponents);
    }
    ent_free(c);
}

static ent_status open_one(struct contestant *one, const struct peer *peer, const struct data *data, unsigned threads,
                           bool mixed)
{
    *one = (struct contestant){ .version = peer->version(), .kind = mixed ? KIND_MIXED : KIND_PEER, .block = PEER_BLOCK,
                                .bound = mixed ? mixed_bound : alone_bound,
                                .encode = mixed ? mixed_encode : alone_encode,
                                .decode = mixed ? mixed_decode : alone_decode, .close = peer_close };
    snprintf(one->name, sizeof one->name, "%s%s", mixed ? "split, " : "", peer->name);
    struct coding *c = one->coding = ent_calloc(1, sizeof *c + threads * sizeof c->thread[0]);
    if (!c) return ENT_ENOMEM;
    c->peer = peer;
    c->width = data->width;
    c->threads = threads;
    for (unsigned t = 0; t < threads; t++) {
        if (peer->open && !(c->thread[t].context = peer->open(peer))) return ENT_ENOMEM;
        if (mixed && !(c->thread[t].exponents = ent_calloc(1, PEER_BLOCK))) return ENT_ENOMEM;
    }
    return mixed ? ent_split_parse(ent_format_find(data->dtype), "exponent|rest", &c->split, NULL) : ENT_OK;
}

ent_status peers_open(struct contestant *list, size_t *count, const struct data *data, unsigned threads,
                      ent_error *error)
{
    for (int mixed = 0; mixed <= (data->dtype && !strcmp(data->dtype, "BF16")); mixed++)
        for (size_t i = 0; peers[i]; i++) {
            if (mixed ? !peers[i]->order0 : peers[i]->width && peers[i]->width != data->width) continue;
            ent_status status = open_one(&list[(*count)++], peers[i], data, threads, mixed);
            if (status) return ent_fail(error, status, "%s: %s", peers[i]->name, ent_status_text(status));
        }
    return ENT_OK;
}
