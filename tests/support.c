/* support.c - see test.h. */
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hdf5.h>

#include "filter/chunk.h"
#include "test.h"

guarded guarded_new(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), body = (size + page - 1) / page * page;
    guarded g = { .size = size, .mapped = body + 2 * page };
    g.mapping = mmap(NULL, g.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(g.mapping != MAP_FAILED);
    uint8_t *first = (uint8_t *)g.mapping + page;
    if (body) assert_int_equal(mprotect(first, body, PROT_READ | PROT_WRITE), 0);
    g.data = first + body - size;
    return g;
}

guarded guarded_copy(const void *data, size_t size)
{
    guarded g = guarded_new(size);
    if (size) memcpy(g.data, data, size);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (g.mapped > 2 * page) mprotect((uint8_t *)g.mapping + page, g.mapped - 2 * page, PROT_READ);
    return g;
}

void guarded_free(guarded *g)
{
    munmap(g->mapping, g->mapped);
    *g = (guarded){ 0 };
}

const char *shared_datasets(void)
{
    static const char *const place = "../shared/datasets";
    return access(place, R_OK) ? NULL : place;
}

static char folder[64];

static void remove_scratch(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command)) fprintf(stderr, "could not remove %s\n", folder);
}

const char *scratch(void)
{
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/entropy-test-XXXXXX");
        assert_non_null(mkdtemp(folder));
        atexit(remove_scratch);
    }
    return folder;
}

const char *scratch_path(const char *name)
{
    static char path[8][512];
    static unsigned turn;
    char *p = path[turn++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", scratch(), name);
    return p;
}

void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

uint8_t *read_file(const char *path, size_t *size)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f || fstat(fileno(f), &st)) fail_msg("cannot read %s", path);
    *size = (size_t)st.st_size;
    uint8_t *data = malloc(*size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, f), *size);
    fclose(f);
    return data;
}

int use_plugin(void **state)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 20);
    (void)state;
    if (n <= 0) return 1;
    path[n] = '\0';
    strcpy(strrchr(path, '/'), "/plugin");
    setenv("HDF5_PLUGIN_PATH", path, 1); /* HDF5 reads it when it is first called */
    return H5Zfilter_avail(ENT_FILTER_ID) <= 0;
}
