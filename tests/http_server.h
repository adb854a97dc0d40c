/* http_server.h - a small HTTP/1.1 server on loopback, for one test program, with faults on request. */
#ifndef ENT_TEST_HTTP_SERVER_H
#define ENT_TEST_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct http_file {
    const char *path; /* "/org/name/resolve/main/model.safetensors" */
    const uint8_t *data;
    size_t size;
    const char *headers;  /* more lines for the answer, each ended by "\r\n"; NULL: none */
    const char *redirect; /* not NULL: 302 to this path, with `headers` */
    int status;           /* not 0: this status, without the data */
    size_t cut;           /* not 0: the first answer that has data ends after so many bytes */
    bool no_range;        /* always answers with the whole file */
    bool wrong_range;     /* answers a range with another one */
} http_file;

typedef struct http_request { /* what came */
    char path[256], range[64], authorization[64];
} http_request;

void http_start(void);
void http_stop(void);
/* These files (8 at most) in place of those before. */
void http_serve(const http_file *files, size_t n);
const char *http_url(void); /* "http://127.0.0.1:PORT" */
/* The requests since the last call, oldest first. */
size_t http_requests(http_request out[16]);

#endif
