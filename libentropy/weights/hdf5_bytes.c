/* hdf5_bytes.c - places in an HDF5 file, and the checksums that its newer structures carry. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "weights/hdf5.h"

/* ---- places ------------------------------------------------------------------------------------------------- */

ent_hdf5_cursor ent_hdf5_cursor_of(ent_bytes bytes)
{
    const uint8_t *data = bytes.data ? bytes.data : (const uint8_t *)""; /* no arithmetic with NULL */
    return (ent_hdf5_cursor){ data, data + bytes.size, false };
}

void ent_hdf5_skip(ent_hdf5_cursor *c, size_t bytes)
{
    bool over = bytes > (size_t)(c->end - c->at);
    c->over |= over;
    c->at = over ? c->end : c->at + bytes;
}

uint64_t ent_hdf5_take(ent_hdf5_cursor *c, unsigned bytes)
{
    uint64_t value = 0;
    const uint8_t *at = c->at;
    ent_hdf5_skip(c, bytes);
    for (unsigned i = 0; i < bytes && !c->over; i++) value |= (uint64_t)at[i] << 8 * i;
    return value;
}

bool ent_hdf5_mark(ent_hdf5_cursor *c, const char *mark)
{
    size_t n = strlen(mark);
    bool same = (size_t)(c->end - c->at) >= n && !memcmp(c->at, mark, n);
    if (same) c->at += n;
    return same;
}

uint64_t ent_hdf5_address(const ent_hdf5 *h, ent_hdf5_cursor *c)
{
    uint64_t value = ent_hdf5_take(c, h->address_bytes), none = UINT64_MAX >> (64 - 8 * h->address_bytes);
    return value == none ? UINT64_MAX : value;
}

ent_status ent_hdf5_fail(const ent_hdf5 *h, ent_status status, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ent_fail(h->error, status, "%s: %s%s%s", h->file, *h->name ? ent_quote(h->name).text : "", *h->name ? ": " : "",
                    text);
}

ent_status ent_hdf5_spend(ent_hdf5 *h, uint64_t bytes)
{
    if (bytes > h->left) return ent_hdf5_fail(h, ENT_ECORRUPT, "parts of the file are used again and again");
    h->left -= bytes;
    return ENT_OK;
}

ent_status ent_hdf5_view(ent_hdf5 *h, uint64_t address, uint64_t size, const char *what, ent_hdf5_cursor *c)
{
    *c = ent_hdf5_cursor_of((ent_bytes){ h->bytes.data, 0 });
    if (address > h->bytes.size || size > h->bytes.size - address)
        return ent_hdf5_fail(h, ENT_ECORRUPT, "%s at byte %" PRIu64 " ends beyond the file's %zu: damaged, or cut short",
                             what, address, h->bytes.size);
    *c = ent_hdf5_cursor_of((ent_bytes){ h->bytes.data + address, size });
    return ent_hdf5_spend(h, size);
}

/* ---- checksums ---------------------------------------------------------------------------------------------- */

static uint32_t rotate(uint32_t x, unsigned bits) { return x << bits | x >> (32 - bits); }

/* Up to 12 bytes as three numbers, added to what there is. */
static void add_bytes(uint32_t s[3], const uint8_t *at, size_t n)
{
    for (size_t i = 0; i < n; i++) s[i / 4] += (uint32_t)at[i] << 8 * (i % 4);
}

/* Jenkins's lookup3 of 2006, as HDF5 has it: the low half of its hash of bytes, started with 0. */
static uint32_t lookup3(ent_bytes bytes)
{
    static const unsigned turn[6] = { 4, 6, 8, 16, 19, 4 }, last[7] = { 14, 11, 25, 16, 4, 14, 24 };
    uint32_t start = 0xdeadbeef + (uint32_t)bytes.size, s[3] = { start, start, start };
    const uint8_t *at = bytes.data;
    size_t left = bytes.size;
    for (; left > 12; at += 12, left -= 12) {
        add_bytes(s, at, 12);
        for (unsigned i = 0; i < 6; i++) {
            uint32_t *a = &s[i % 3], *b = &s[(i + 1) % 3], *c = &s[(i + 2) % 3];
            *a = (*a - *c) ^ rotate(*c, turn[i]);
            *c += *b;
        }
    }
    if (!left) return s[2];
    add_bytes(s, at, left);
    for (unsigned i = 0; i < 7; i++) {
        uint32_t *to = &s[(i + 2) % 3], from = s[(i + 1) % 3];
        *to = (*to ^ from) - rotate(from, last[i]);
    }
    return s[2];
}

ent_status ent_hdf5_expect_sum(const ent_hdf5 *h, ent_bytes bytes, uint32_t sum, const char *what, uint64_t address)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION /* a fuzzer would find nothing behind them */
    return ENT_OK;
#endif
    if (lookup3(bytes) == sum) return ENT_OK;
    return ent_hdf5_fail(h, ENT_ECORRUPT, "%s at byte %" PRIu64 " is damaged: its checksum does not hold", what, address);
}

ent_status ent_hdf5_verify(ent_hdf5 *h, uint64_t address, uint64_t size, const char *what)
{
    ent_hdf5_cursor c;
    uint64_t most = UINT64_MAX - ENT_HDF5_SUM;
    ent_status status = ent_hdf5_view(h, address, size < most ? size + ENT_HDF5_SUM : size, what, &c);
    return status ? status : ent_hdf5_expect_sum(h, (ent_bytes){ c.at, size }, ent_load32(c.at + size), what, address);
}
