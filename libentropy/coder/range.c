/* range.c - the streams of range.h side by side: where they begin, how they end. */
#include <string.h>

#include "coder/range.h"

enum {
    PART_BYTES = 3, /* at most, of a symbol of one slot in 2^22 */
    END_BYTES = 8,
    FRONT_BYTES = 8,
    SIZE_BYTES = 10, /* a varint */
};

static size_t at_most(size_t a, size_t b) { return a < b ? a : b; }

/* Room for one stream.  The bytes above low are written, too; there are none at first, so that eight go in front. */
static size_t stream_room(size_t used, size_t n, size_t parts)
{
    return FRONT_BYTES + (n + used - 1) / used * parts * PART_BYTES + END_BYTES;
}

size_t ent_range_bound(size_t streams, size_t n, size_t parts)
{
    size_t used = at_most(streams, n);
    return used ? (used - 1) * SIZE_BYTES + used * stream_room(used, n, parts) : 0;
}

size_t ent_range_begin(ent_range_encoder *encoder, size_t streams, size_t n, size_t parts, uint8_t *out)
{
    size_t used = at_most(streams, n);
    out += (used - 1) * SIZE_BYTES;
    for (size_t s = 0; s < used; s++)
        encoder[s] = (ent_range_encoder){ 0, UINT64_MAX, 0, out + s * stream_room(used, n, parts) };
    return used;
}

size_t ent_range_finish(ent_range_encoder *encoder, size_t used, size_t n, size_t parts, uint8_t *out, ent_tally *tally)
{
    const uint8_t *from = out + (used - 1) * SIZE_BYTES + FRONT_BYTES;
    size_t size[ENT_RANGE_STREAMS_MOST], index = 0, at;
    for (size_t s = 0; s < used; s++) {
        ent_store64(encoder[s].next, __builtin_bswap64(encoder[s].before));
        ent_store64(encoder[s].next + FRONT_BYTES, __builtin_bswap64(encoder[s].low));
        size[s] = (size_t)(encoder[s].next + FRONT_BYTES + END_BYTES - (from + s * stream_room(used, n, parts)));
        if (s + 1 < used) index += ent_varint_put(out + index, size[s]);
    }
    at = index;
    for (size_t s = 0; s < used; at += size[s++]) /* always towards the front */
        memmove(out + at, from + s * stream_room(used, n, parts), size[s]);
    tally->index_bits = 8 * (uint64_t)index;
    tally->payload_bits = 8 * (uint64_t)(at - index);
    return at;
}

ent_status ent_range_open(ent_range_decoder *decoder, size_t streams, size_t n, ent_bytes in)
{
    size_t used = at_most(streams, n), at = 0;
    uint64_t size[ENT_RANGE_STREAMS_MOST];
    for (size_t s = 0; s + 1 < used; s++) {
        size_t read = ent_varint_get(in.data + at, in.size - at, &size[s]);
        if (!read) return ENT_ECORRUPT;
        at += read;
    }
    for (size_t s = 0; s < used; s++) {
        size_t left = in.size - at, own = s + 1 < used && size[s] <= left ? (size_t)size[s] : left;
        if (own < END_BYTES || (s + 1 < used && own != size[s])) return ENT_ECORRUPT;
        const uint8_t *p = in.data + at;
        decoder[s] = (ent_range_decoder){ __builtin_bswap64(ent_load64(p)), UINT64_MAX, p + END_BYTES, p + own, false };
        at += own;
    }
    return ENT_OK;
}

size_t ent_range_rounds(const ent_range_decoder *decoder, size_t streams, size_t rounds)
{
    for (size_t s = 0; s < streams; s++) {
        size_t left = (size_t)(decoder[s].end - decoder[s].next), most = left < 8 ? 0 : (left - 8) / PART_BYTES + 1;
        rounds = at_most(rounds, most);
    }
    return rounds;
}

bool ent_range_ended(const ent_range_decoder *decoder, size_t streams, size_t n)
{
    for (size_t s = 0; s < at_most(streams, n); s++)
        if (decoder[s].starved || decoder[s].next != decoder[s].end || decoder[s].code) return false;
    return true;
}

uint64_t ent_range_tail(ent_range_decoder *decoder, unsigned bytes)
{
    uint8_t coming[8] = { 0 };
    size_t left = (size_t)(decoder->end - decoder->next);
    memcpy(coming, decoder->next, at_most(left, sizeof coming));
    decoder->starved |= bytes > left;
    decoder->next += at_most(bytes, left);
    return __builtin_bswap64(ent_load64(coming));
}
