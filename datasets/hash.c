/* hash.c - SHA-256 of files (libcrypto), and the list of them beside the files.
 *
 * SHA256SUMS is in the form of coreutils: hash, two blanks, name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parts.h"

static const char sums[] = "SHA256SUMS";

#if defined ENT_HAVE_CRYPTO
#include <openssl/evp.h>

static bool finish(EVP_MD_CTX *context, char hex[ENT_HEX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!EVP_DigestFinal_ex(context, digest, &size) || 2 * size >= ENT_HEX) return false;
    for (unsigned i = 0; i < size; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return true;
}

/* Both hashes in one pass; a blob of git is hashed with its kind and size in front. */
static bool hash_file(int fd, uint64_t size, EVP_MD_CTX *sha256, EVP_MD_CTX *git, const ent_run *run, uint8_t *room,
                      size_t step)
{
    char head[40];
    int n = snprintf(head, sizeof head, "blob %llu", (unsigned long long)size);
    if (!EVP_DigestInit_ex(sha256, EVP_sha256(), NULL)) return false;
    if (git && (!EVP_DigestInit_ex(git, EVP_sha1(), NULL) || !EVP_DigestUpdate(git, head, (size_t)n + 1))) return false;
    for (uint64_t done = 0;;) {
        ssize_t got = read(fd, room, step);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got == 0 && done == size;
        if (!EVP_DigestUpdate(sha256, room, (size_t)got) || (git && !EVP_DigestUpdate(git, room, (size_t)got)))
            return false;
        done += (uint64_t)got;
        if (run && run->progress) run->progress(run->context, done, size);
    }
}

ent_status ent_dataset_hash(const char *path, char sha256[ENT_HEX], char git[ENT_HEX], const ent_run *run,
                            ent_error *error)
{
    enum { STEP = 1 << 20 };
    struct stat st = { 0 };
    EVP_MD_CTX *a = EVP_MD_CTX_new(), *b = git ? EVP_MD_CTX_new() : NULL;
    uint8_t *room = ent_alloc(STEP);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool good = a && room && fd >= 0 && !fstat(fd, &st) && (b || !git) &&
                hash_file(fd, (uint64_t)st.st_size, a, b, run, room, STEP) && finish(a, sha256) &&
                (!git || finish(b, git));
    int why = errno;
    if (fd >= 0) close(fd);
    ent_free(room);
    EVP_MD_CTX_free(a);
    EVP_MD_CTX_free(b);
    return good ? ENT_OK : ent_fail(error, ENT_EIO, "%s: cannot be read for its hash: %s", path, strerror(why));
}
#else
ent_status ent_dataset_hash(const char *path, char sha256[ENT_HEX], char git[ENT_HEX], const ent_run *run,
                            ent_error *error)
{
    (void)sha256, (void)git, (void)run;
    return ent_fail(error, ENT_EUNSUPPORTED, "%s: this build cannot hash files: install libssl-dev and build again",
                    path);
}
#endif

/* ---- SHA256SUMS ------------------------------------------------------------------------------ */

/* Takes the line at *text apart, in place, and moves on; false at the end.  *name is "" for a line that
 * is no hash and plain name. */
static bool next_line(char **text, const char **hash, const char **name)
{
    char *line = *text;
    if (!*line) return false;
    size_t n = strcspn(line, "\n");
    *text = line + n + (line[n] == '\n');
    line[n] = '\0';
    *hash = *name = "";
    if (n < 66 || strspn(line, "0123456789abcdef") != 64 || line[64] != ' ') return true;
    line[64] = '\0';
    if (ent_dataset_name_safe(line + 66)) *hash = line, *name = line + 66;
    return true;
}

/* The text of FOLDER/SHA256SUMS; NULL when there is none. */
static ent_status read_sums(char **text, char path[PATH_MAX], const char *folder, ent_error *error)
{
    bool missing = false;
    ent_error ignored;
    *text = NULL;
    ent_status status = ent_dataset_path(path, folder, sums, error);
    if (!status) status = ent_dataset_read_text(text, path, &missing, &ignored);
    if (missing) return ENT_OK;
    return status ? ent_fail(error, status, "%s", ignored.text) : ENT_OK;
}

ent_status ent_dataset_listed(char sha256[ENT_HEX], const char *folder, const char *name, ent_error *error)
{
    char path[PATH_MAX], *text;
    const char *hash, *listed;
    *sha256 = '\0';
    ent_status status = read_sums(&text, path, folder, error);
    for (char *at = text; at && next_line(&at, &hash, &listed);)
        if (*listed && !strcmp(listed, name)) snprintf(sha256, ENT_HEX, "%s", hash);
    ent_free(text);
    return status;
}

ent_status ent_dataset_list(const char *folder, const char *name, const char *sha256, ent_error *error)
{
    char path[PATH_MAX], part[PATH_MAX], *text;
    const char *hash, *listed;
    ent_status status = read_sums(&text, path, folder, error);
    if (!status) status = ent_dataset_path(part, folder, "SHA256SUMS.part", error);
    if (status) return status;
    FILE *file = fopen(part, "w");
    for (char *at = text; file && at && next_line(&at, &hash, &listed);)
        if (*listed && strcmp(listed, name)) fprintf(file, "%s  %s\n", hash, listed);
    bool good = file && fprintf(file, "%s  %s\n", sha256, name) > 0;
    if (file && fclose(file)) good = false;
    ent_free(text);
    if (!good) return ent_fail(error, ENT_EIO, "%s: cannot write: %s", part, strerror(errno));
    return ent_dataset_publish(part, path, error);
}

ent_status ent_dataset_verify(const char *folder, const ent_run *run, ent_error *error)
{
    char path[PATH_MAX], found[ENT_HEX], *text;
    const char *hash, *name;
    size_t line = 0;
    ent_status status = read_sums(&text, path, folder, error);
    if (!status && !text) status = ent_fail(error, ENT_EIO, "%s: no such file: nothing to compare with", path);
    for (char *at = text; !status && next_line(&at, &hash, &name);) {
        line++;
        if (!*name)
            status = ent_fail(error, ENT_ECORRUPT, "%s/%s:%zu: not a SHA-256 and a plain file name", folder, sums,
                              line);
        if (!status) status = ent_dataset_path(path, folder, name, error);
        if (!status) status = ent_dataset_hash(path, found, NULL, run, error);
        if (!status && strcmp(found, hash))
            status = ent_fail(error, ENT_ECHECK, "%s: its SHA-256 is %s, not %s as listed", path, found, hash);
    }
    ent_free(text);
    return status;
}
