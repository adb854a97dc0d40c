/* replay.c - runs a fuzz target over files, for compilers without libFuzzer: replay_X PATH...
 *
 * A path is a file or a folder of files.  Prints how many were run; a finding ends the program.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long files;

static int replay_file(const char *path, size_t size)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(size ? size : 1); /* exact, so that a sanitizer sees reads past the end */
    int bad = !f || !data || fread(data, 1, size, f) != size;
    if (bad)
        fprintf(stderr, "replay: cannot read %s\n", path);
    else
        LLVMFuzzerTestOneInput(data, size);
    files++;
    free(data);
    if (f) fclose(f);
    return bad;
}

static int replay(const char *path)
{
    char inside[4096];
    struct stat st;
    struct dirent *entry;
    int bad = 0;
    if (stat(path, &st)) {
        fprintf(stderr, "replay: no %s\n", path);
        return 1;
    }
    if (!S_ISDIR(st.st_mode)) return replay_file(path, (size_t)st.st_size);
    DIR *dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.') continue;
        snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
        bad |= replay(inside);
    }
    if (dir) closedir(dir);
    return bad;
}

int main(int argc, char **argv)
{
    int bad = 0;
    for (int i = 1; i < argc; i++) bad |= replay(argv[i]);
    printf("%s: %lu files\n", argv[0], files);
    return bad || !files;
}
