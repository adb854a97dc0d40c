/* claims.c - see claims.h.
 *
 * A byte that was 1 when the file was opened says nothing: the records are read after that and tell, or they were
 * removed.  One that has become 1 since then does.
 *
 * Locks of open file descriptions (F_OFD_SETLK): those of POSIX would go when any descriptor of the file is closed. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* F_OFD_SETLK */
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "claims.h"

enum { MOST_PROCESSES = 1000 }; /* of a shard */
/* Where the bytes for numbers begin, locks need no bytes in the file; and the one that whoever begins holds. */
static const off_t numbers_at = (off_t)1 << 40, gate = ((off_t)1 << 40) - 1;

static int lock_byte(const struct claims *c, off_t byte, short type, int command, struct flock *lock)
{
    *lock = (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
    return fcntl(c->fd, command, lock);
}

static bool lock(const struct claims *c, off_t byte)
{
    struct flock l;
    return !lock_byte(c, byte, F_WRLCK, F_OFD_SETLK, &l);
}

static void unlock(const struct claims *c, off_t byte)
{
    struct flock l;
    lock_byte(c, byte, F_UNLCK, F_OFD_SETLK, &l);
}

ent_status claims_open(struct claims *c, const char *folder, size_t cells, ent_error *error)
{
    char path[PATH_MAX];
    *c = (struct claims){ .fd = -1 };
    if (snprintf(path, sizeof path, "%s/.claims", folder) >= (int)sizeof path)
        return ent_fail(error, ENT_EINVAL, "%s: too long", folder);
    c->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (c->fd < 0) return ent_fail(error, ENT_EIO, "%s: %s", path, strerror(errno));
    struct flock l;
    c->locks = !lock_byte(c, 0, F_WRLCK, F_OFD_GETLK, &l);
    if (!(c->before = ent_calloc(cells, 1))) return ent_fail(error, ENT_ENOMEM, "out of memory");
    if (pread(c->fd, c->before, cells, 0) < 0) return ent_fail(error, ENT_EIO, "%s: %s", path, strerror(errno));
    return ENT_OK;
}

enum claim claims_take(const struct claims *c, size_t cell)
{
    char byte = 0;
    if (c->locks && !lock(c, (off_t)cell)) return CLAIM_BUSY;
    if (pread(c->fd, &byte, 1, (off_t)cell) != 1 || !byte || c->before[cell]) return CLAIM_TAKEN;
    if (c->locks) unlock(c, (off_t)cell);
    return CLAIM_DONE;
}

void claims_release(const struct claims *c, size_t cell, bool done)
{
    static const char yes = 1;
    /* a byte that cannot be written costs another process the cell once more, no record */
    ssize_t written = done ? pwrite(c->fd, &yes, 1, (off_t)cell) : 1;
    (void)written;
    if (c->locks) unlock(c, (off_t)cell);
}

static bool is_locked(const struct claims *c, off_t byte)
{
    struct flock l;
    return c->locks && !lock_byte(c, byte, F_WRLCK, F_OFD_GETLK, &l) && l.l_type != F_UNLCK;
}

bool claims_busy(const struct claims *c, size_t cell) { return is_locked(c, (off_t)cell); }

/* ---- numbers -------------------------------------------------------------------------------------------------- */

unsigned claims_number(const struct claims *c, uint64_t shard, void (*alone)(const char *folder), const char *folder)
{
    struct flock l;
    unsigned n = 1;
    if (c->locks) lock_byte(c, gate, F_WRLCK, F_OFD_SETLKW, &l);
    while (n < MOST_PROCESSES && c->locks && !lock(c, numbers_at + (off_t)(shard * MOST_PROCESSES + n))) n++;
    if (c->locks && !claims_processes(c)) alone(folder);
    if (c->locks) unlock(c, gate);
    return n < MOST_PROCESSES ? n : 0;
}

size_t claims_processes(const struct claims *c)
{
    size_t n = 0;
    for (off_t at = numbers_at; c->locks; n++) { /* from one to the next: what is told is the first of a range */
        struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at };
        if (fcntl(c->fd, F_OFD_GETLK, &l) || l.l_type == F_UNLCK) break;
        at = l.l_start + l.l_len;
    }
    return n;
}

void claims_close(struct claims *c)
{
    if (c->fd >= 0) close(c->fd);
    ent_free(c->before);
    *c = (struct claims){ .fd = -1 };
}
