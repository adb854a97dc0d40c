/* http_server.c - see http_server.h.  One connection at a time, closed after each answer. */
#include <arpa/inet.h>
#include <pthread.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_server.h"
#include "test.h"

static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    int listener;
    char url[64];
    http_file file[8];
    size_t files;
    bool cut; /* an answer was, already */
    http_request request[16];
    size_t requests;
} server = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void send_all(int fd, const void *data, size_t size)
{
    for (const char *p = data; size;) {
        ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
        if (n <= 0) return;
        p += n, size -= (size_t)n;
    }
}

/* The value of a header line, up to its end. */
static void take_header(const char *head, const char *name, char *out, size_t size)
{
    *out = '\0';
    for (const char *line = head; (line = strstr(line, "\r\n")) && line[2] != '\r'; ) {
        line += 2;
        if (strncasecmp(line, name, strlen(name))) continue;
        line += strlen(name);
        snprintf(out, size, "%.*s", (int)strcspn(line, "\r"), line);
    }
}

static http_file find(const char *path)
{
    http_file found = { .path = path, .status = 404 };
    pthread_mutex_lock(&server.lock);
    for (size_t i = 0; i < server.files; i++)
        if (!strcmp(server.file[i].path, path)) found = server.file[i];
    if (server.cut) found.cut = 0;
    if (found.cut) server.cut = true;
    pthread_mutex_unlock(&server.lock);
    return found;
}

static void answer(int fd, const http_request *r)
{
    char head[1024];
    const http_file file = find(r->path), *f = &file;
    unsigned long long from = 0;
    bool part = !f->no_range && sscanf(r->range, "bytes=%llu-", &from) == 1;
    int n;
    if (f->status) {
        n = snprintf(head, sizeof head, "HTTP/1.1 %d No\r\nContent-Length: 5\r\nConnection: close\r\n\r\nsorry",
                     f->status);
        send_all(fd, head, (size_t)n);
        return;
    }
    if (f->redirect) {
        n = snprintf(head, sizeof head, "HTTP/1.1 302 Found\r\n%sLocation: %s%s\r\nContent-Length: 0\r\n"
                     "Connection: close\r\n\r\n", f->headers, server.url, f->redirect);
        send_all(fd, head, (size_t)n);
        return;
    }
    if (part && from >= f->size) {
        n = snprintf(head, sizeof head, "HTTP/1.1 416 Range\r\nContent-Range: bytes */%zu\r\nContent-Length: 0\r\n"
                     "Connection: close\r\n\r\n", f->size);
        send_all(fd, head, (size_t)n);
        return;
    }
    if (part && f->wrong_range) from = 0;
    n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\n%s", part ? "206 Partial" : "200 OK", f->headers);
    if (part)
        n += snprintf(head + n, sizeof head - (size_t)n, "Content-Range: bytes %llu-%zu/%zu\r\n", from, f->size - 1,
                      f->size);
    size_t size = f->size - (size_t)from;
    n += snprintf(head + n, sizeof head - (size_t)n, "Content-Length: %zu\r\nConnection: close\r\n\r\n", size);
    send_all(fd, head, (size_t)n);
    if (f->cut && size > f->cut) size = f->cut;
    send_all(fd, f->data + from, size);
}

static void serve(int fd)
{
    char head[4096];
    size_t n = 0;
    http_request r = { "", "", "" };
    do {
        ssize_t got = recv(fd, head + n, sizeof head - 1 - n, 0);
        if (got <= 0) return;
        n += (size_t)got;
        head[n] = '\0';
    } while (!strstr(head, "\r\n\r\n") && n < sizeof head - 1);
    sscanf(head, "GET %255s", r.path);
    take_header(head, "Range: ", r.range, sizeof r.range);
    take_header(head, "Authorization: ", r.authorization, sizeof r.authorization);
    pthread_mutex_lock(&server.lock);
    if (server.requests < 16) server.request[server.requests++] = r;
    pthread_mutex_unlock(&server.lock);
    answer(fd, &r);
}

static void *run(void *unused)
{
    (void)unused;
    for (;;) {
        int fd = accept(server.listener, NULL, NULL);
        if (fd < 0) return NULL; /* shut down */
        serve(fd);
        shutdown(fd, SHUT_WR);
        close(fd);
    }
}

void http_serve(const http_file *files, size_t n)
{
    assert_in_range(n, 0, sizeof server.file / sizeof *server.file);
    pthread_mutex_lock(&server.lock);
    memcpy(server.file, files, n * sizeof *files);
    for (size_t i = 0; i < n; i++)
        if (!server.file[i].headers) server.file[i].headers = "";
    server.files = n;
    server.cut = false;
    server.requests = 0;
    pthread_mutex_unlock(&server.lock);
}

void http_start(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    server.listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(server.listener >= 0);
    assert_int_equal(bind(server.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server.listener, 8), 0);
    assert_int_equal(getsockname(server.listener, (struct sockaddr *)&address, &size), 0);
    snprintf(server.url, sizeof server.url, "http://127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
    assert_int_equal(pthread_create(&server.thread, NULL, run, NULL), 0);
}

void http_stop(void)
{
    shutdown(server.listener, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.listener);
}

const char *http_url(void) { return server.url; }

size_t http_requests(http_request out[16])
{
    pthread_mutex_lock(&server.lock);
    size_t n = server.requests;
    memcpy(out, server.request, sizeof server.request);
    server.requests = 0;
    pthread_mutex_unlock(&server.lock);
    return n;
}
