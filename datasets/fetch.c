/* fetch.c - one file over HTTP (libcurl), going on where an earlier try stopped. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parts.h"

#if defined ENT_HAVE_CURL
#include <curl/curl.h>

enum {
    TRIES = 20,         /* a server that cuts every answer short is left after so many */
    SLOW_BYTES = 1000,  /* a second, for .. */
    SLOW_SECONDS = 60,  /* .. so long: given up */
    CONNECT_SECONDS = 30,
};

struct transfer {
    CURL *curl;
    const ent_run *run;
    ent_announced *announced;
    int fd, why;              /* why: errno of a failed write */
    uint64_t have;            /* bytes in the file */
    uint64_t range, whole;    /* of Content-Range: first byte, size of all; UINT64_MAX: not said */
    unsigned answers;         /* of this request: more than one when it was redirected */
    bool started, out_of_place;
};

/* A header's value that is a hash in hex, in quotes or not; `size` digits. */
static void take_hash(char out[ENT_HEX], const char *value, size_t size)
{
    value += strspn(value, " \"");
    if (strspn(value, "0123456789abcdef") == size) snprintf(out, ENT_HEX, "%.*s", (int)size, value);
}

static size_t on_header(char *data, size_t one, size_t size, void *context)
{
    struct transfer *t = context;
    char line[512];
    snprintf(line, sizeof line, "%.*s", (int)size, data);
    if (!strncmp(line, "HTTP/", 5)) {
        t->answers++;
        t->range = t->whole = UINT64_MAX;
    }
    bool first = t->answers == 1; /* it speaks of the file itself; a store that it redirects to has tags of its own */
    if (first && !strncasecmp(line, "x-linked-etag:", 14)) {
        take_hash(t->announced->sha256, line + 14, 64);
        take_hash(t->announced->git, line + 14, 40);
    } else if (first && !strncasecmp(line, "etag:", 5)) {
        take_hash(t->announced->git, line + 5, 40);
    } else if (!strncasecmp(line, "content-range:", 14)) {
        unsigned long long from, all;
        if (sscanf(line + 14, " bytes %llu-%*u/%llu", &from, &all) == 2) t->range = from, t->whole = all;
        else if (sscanf(line + 14, " bytes */%llu", &all) == 1) t->whole = all;
    }
    return one * size;
}

/* The first bytes of an answer: is it the rest of the file, or all of it again? */
static bool start(struct transfer *t)
{
    long code = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
    t->started = true;
    if (code == 206 && t->range == t->have) return true;
    t->out_of_place = code == 206;
    if (t->out_of_place || ftruncate(t->fd, 0)) return false;
    t->have = 0;
    return true;
}

static size_t on_data(char *data, size_t one, size_t size, void *context)
{
    struct transfer *t = context;
    if (!t->started && !start(t)) {
        t->why = errno;
        return 0;
    }
    for (size_t done = 0; done < size;) {
        ssize_t n = pwrite(t->fd, data + done, size - done, (off_t)t->have);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            t->why = errno;
            return 0;
        }
        done += (size_t)n, t->have += (uint64_t)n;
    }
    return one * size;
}

static int on_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up)
{
    const struct transfer *t = context;
    (void)up_total, (void)up;
    if (t->run && t->run->progress && total > 0)
        t->run->progress(t->run->context, t->have, t->have + (uint64_t)(total - now));
    return 0;
}

static void set_up(struct transfer *t, const char *url)
{
    bool secure = !strncmp(url, "https://", 8);
    const char *token = getenv("HF_TOKEN");
    CURL *c = t->curl;
    char range[32];
    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "libentropy/" ENT_VERSION);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, 10L);
    curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)SLOW_BYTES);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)SLOW_SECONDS);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    if (secure && token && *token) { /* never in the clear, and never to the host of a redirection */
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(c, CURLOPT_XOAUTH2_BEARER, token);
    }
    if (t->have) {
        snprintf(range, sizeof range, "%llu-", (unsigned long long)t->have);
        curl_easy_setopt(c, CURLOPT_RANGE, range);
    }
}

/* Why the server said no, for a person. */
static ent_status refused(const char *url, long code, bool *missing, ent_error *error)
{
    *missing = code == 404;
    if (code == 401 || code == 403)
        return ent_fail(error, ENT_EIO,
                        "%s: HTTP status %ld: accept the licence on the model's page, then set HF_TOKEN to "
                        "a token of that account", url, code);
    return ent_fail(error, ENT_EIO, "%s: HTTP status %ld%s", url, code, code == 404 ? " (not found)" : "");
}

/* Whether another try may get on: the connection, not the answer or this machine, was at fault. */
static bool worth_another(CURLcode result)
{
    return result == CURLE_PARTIAL_FILE || result == CURLE_RECV_ERROR || result == CURLE_GOT_NOTHING ||
           result == CURLE_OPERATION_TIMEDOUT || result == CURLE_SEND_ERROR || result == CURLE_HTTP2_STREAM;
}

/* One request.  *again says that it is worth to ask once more. */
static ent_status ask(struct transfer *t, const char *url, const char *part, bool *missing, bool *again,
                      ent_error *error)
{
    uint64_t had = t->have;
    long code = 0;
    t->started = t->out_of_place = false;
    t->why = 0;
    t->answers = 0;
    set_up(t, url);
    CURLcode result = curl_easy_perform(t->curl);
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
    *again = worth_another(result) && t->have > had;
    if (result == CURLE_OK && (t->started || !had)) return ENT_OK;
    if (code == 416 && had && t->whole == had) return ENT_OK; /* all of it was there already */
    if (had && (code == 416 || t->out_of_place || result == CURLE_OK)) { /* what is there is of no use */
        t->have = 0;
        *again = !ftruncate(t->fd, 0);
        return ent_fail(error, ENT_EIO, "%s: the server would not go on at byte %llu", url, (unsigned long long)had);
    }
    if (result == CURLE_HTTP_RETURNED_ERROR) return refused(url, code, missing, error);
    if (result == CURLE_WRITE_ERROR) return ent_fail(error, ENT_EIO, "%s: cannot write: %s", part, strerror(t->why));
    return ent_fail(error, ENT_EIO, "%s: %s; %llu bytes are kept in %s, to be gone on with", url,
                    curl_easy_strerror(result),
                    (unsigned long long)t->have, part);
}

ent_status ent_dataset_fetch(const char *url, const char *part, ent_announced *announced, bool *missing,
                             const ent_run *run, ent_error *error)
{
    struct transfer t = { .run = run, .announced = announced };
    struct stat st;
    ent_status status = ENT_OK;
    bool again = true;
    *announced = (ent_announced){ "", "" };
    *missing = false;
    t.fd = open(part, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (t.fd < 0 || fstat(t.fd, &st)) {
        status = ent_fail(error, ENT_EIO, "%s: cannot create: %s", part, strerror(errno));
    } else if (curl_global_init(CURL_GLOBAL_DEFAULT) || !(t.curl = curl_easy_init())) {
        status = ent_fail(error, ENT_EIO, "libcurl cannot start");
    } else {
        t.have = (uint64_t)st.st_size;
        status = ENT_EIO;
        for (int i = 0; i < TRIES && status && again; i++) status = ask(&t, url, part, missing, &again, error);
    }
    if (t.curl) {
        curl_easy_cleanup(t.curl);
        curl_global_cleanup();
    }
    if (t.fd >= 0) close(t.fd);
    if (status && !t.have) unlink(part); /* nothing to go on with */
    return status;
}
#else
ent_status ent_dataset_fetch(const char *url, const char *part, ent_announced *announced, bool *missing,
                             const ent_run *run, ent_error *error)
{
    (void)part, (void)announced, (void)run;
    *missing = false;
    return ent_fail(error, ENT_EUNSUPPORTED,
                    "%s: this build cannot download: install libcurl4-openssl-dev and build again", url);
}
#endif
