/* test_vectors.c - codes frozen as files, tests/vectors/CODER-CASE-NUMBER.vec (their form: README.md there).
 *
 * What a decoder takes is frozen for ever: every vector must decode, today and in all versions to
 * come, so no vector is ever changed or removed.  What an encoder writes may change: a new vector,
 * of the next number, then joins the old one, and only the newest must be what is written today.
 *
 *     build/test_vectors --write tests/vectors
 *
 * adds the vectors that are missing or no longer what is written, and changes none. */
#include <dirent.h>
#include <unistd.h>

#include "coders.h"
#include "oracle/oracle.h"

static const char *folder = "tests/vectors";
enum { MOST_SYMBOLS = 1 << 16, MOST_FILES = 1024, MOST_NUMBER = 99 };

/* ---- what is frozen ------------------------------------------------------------------------- */

typedef enum { PRESET, LEAST, BETWEEN, MOST } knobs;

typedef struct recipe {
    const char *name;
    uint32_t alphabet;
    sample_kind kind;
    size_t n;
    size_t odd; /* so many symbols of the second half, on which no table was trained, become others */
    knobs knobs;
} recipe;

static const recipe recipes[] = {
    { "peaked", 256, SAMPLE_PEAKED, 1000, 0, PRESET },
    { "tail", 256, SAMPLE_PEAKED, 70, 0, PRESET },
    { "one", 256, SAMPLE_CONSTANT, 100, 0, PRESET },
    { "two", 2, SAMPLE_UNIFORM, 200, 0, PRESET },
    { "large", 300, SAMPLE_UNIFORM, 400, 0, PRESET },
    { "between", 37, SAMPLE_PEAKED, 300, 0, BETWEEN },
    { "most", 256, SAMPLE_PEAKED, 300, 0, MOST },
    { "long", 2, SAMPLE_SKEWED, 9000, 0, LEAST },
    { "unseen", 256, SAMPLE_PEAKED, 600, 12, PRESET },
};
enum { RECIPES = sizeof recipes / sizeof *recipes };

typedef struct vector {
    char name[128];
    ent_coder_spec spec;
    size_t trained; /* the table was trained on so many symbols, the first; 0: not by this library */
    size_t n;
    uint16_t symbols[MOST_SYMBOLS];
    ent_buffer table, code;
} vector;

static void vector_free(vector *v)
{
    ent_free(v->table.data);
    ent_free(v->code.data);
    free(v);
}

/* The symbols as the door takes them; the caller frees. */
static void *packed_symbols(const vector *v)
{
    void *packed = malloc(v->n * v->spec.width + 1);
    assert_non_null(packed);
    for (size_t i = 0; i < v->n; i++) ent_symbol_put(packed, v->spec.width, i, v->symbols[i]);
    return packed;
}

static void train_and_encode(const vector *v, ent_buffer *table, ent_buffer *code, ent_status *status)
{
    ent_counts counts;
    ent_table *t;
    void *symbols = packed_symbols(v);
    assert_ok(ent_counts_init(&counts, v->spec.alphabet));
    assert_ok(ent_counts_add(&counts, symbols, v->spec.width, v->trained));
    assert_ok(ent_table_train(&t, &v->spec, &counts, ENT_ENCODE));
    assert_ok(ent_table_write(t, table));
    assert_ok(ent_buffer_reserve(code, ent_encode_bound(t, v->n)));
    *status = ent_encode(t, symbols, v->n, code, NULL);
    ent_table_free(t);
    ent_counts_free(&counts);
    free(symbols);
}

static uint32_t choose(const ent_param *p, knobs which)
{
    switch (which) {
        case LEAST: return p->least;
        case BETWEEN: return p->least + (p->most - p->least) / 3;
        case MOST: return p->most;
        default: return p->preset;
    }
}

/* What the library makes of a recipe today; NULL when the coder cannot do it or it would be no new case. */
static vector *make(const ent_coder *coder, const recipe *r)
{
    if (r->alphabet > coder->max_alphabet || (r->knobs != PRESET && r->knobs != LEAST && !coder->param[0].name))
        return NULL;
    vector *v = calloc(1, sizeof *v);
    ent_counts counts;
    ent_random random;
    ent_status status;
    assert_non_null(v);
    v->spec = spec_of(coder, r->alphabet);
    for (int p = 0; p < ENT_CODER_PARAMS; p++)
        if (coder->param[p].name) v->spec.param[p] = choose(&coder->param[p], r->knobs);
    v->n = r->n;
    v->trained = r->odd ? r->n / 2 : r->n;
    void *symbols = sample_make(r->kind, r->alphabet, r->n, 41, &counts);
    for (size_t i = 0; i < v->n; i++) v->symbols[i] = (uint16_t)ent_symbol_at(symbols, v->spec.width, i);
    ent_random_seed(&random, 42, 0);
    for (size_t i = 0; i < r->odd; i++)
        v->symbols[v->trained + ent_random_below(&random, v->n / 2)] = (uint16_t)ent_random_below(&random, r->alphabet);
    ent_free(symbols);
    ent_counts_free(&counts);
    train_and_encode(v, &v->table, &v->code, &status);
    if (status == ENT_ERANGE && r->odd) {
        vector_free(v);
        return NULL;
    }
    assert_ok(status);
    return v;
}

/* ---- files ---------------------------------------------------------------------------------- */

static uint32_t get(const vector *v, const void *array, size_t i)
{
    return array == v->symbols ? v->symbols[i] : ((const uint8_t *)array)[i];
}

static void write_numbers(FILE *f, const vector *v, const char *what, const void *array, size_t n)
{
    fprintf(f, "%s %zu\n", what, n);
    int column = 0;
    for (size_t i = 0, run; i < n; i += run) {
        for (run = 1; i + run < n && get(v, array, i + run) == get(v, array, i); run++) continue;
        if (column > 90) column = 0, fputc('\n', f);
        column += fprintf(f, run > 1 ? "%s%02x*%zu" : "%s%02x", column ? " " : "", get(v, array, i), run);
    }
    fputs(n ? "\n" : "", f);
}

static void vector_write(const char *path, const vector *v)
{
    FILE *f = fopen(path, "wx"); /* never over one that is there */
    if (!f) fail_msg("cannot write %s", path);
    fprintf(f, "coder %s\nalphabet %u\nparams", v->spec.coder->name, v->spec.alphabet);
    for (int p = 0; p < ENT_CODER_PARAMS; p++)
        if (v->spec.coder->param[p].name) fprintf(f, " %s=%u", v->spec.coder->param[p].name, v->spec.param[p]);
    fprintf(f, "\ntrained %zu\n", v->trained);
    write_numbers(f, v, "symbols", v->symbols, v->n);
    write_numbers(f, v, "table", v->table.data, v->table.size);
    write_numbers(f, v, "code", v->code.data, v->code.size);
    assert_int_equal(fclose(f), 0);
}

static size_t read_numbers(FILE *f, const char *path, const char *what, uint16_t *array)
{
    char word[16];
    size_t n, i = 0;
    unsigned value, run;
    if (fscanf(f, "%15s %zu", word, &n) != 2 || strcmp(word, what) || n > MOST_SYMBOLS) fail_msg("%s: %s", path, what);
    while (i < n) {
        if (fscanf(f, "%x", &value) != 1 || value > 65535) fail_msg("%s: %s %zu", path, what, i);
        if (fscanf(f, "*%u", &run) != 1) run = 1;
        for (; run > 0 && i < n; run--) array[i++] = (uint16_t)value;
        if (run) fail_msg("%s: more than %zu in %s", path, n, what);
    }
    return n;
}

static void read_bytes(FILE *f, const char *path, const char *what, ent_buffer *bytes)
{
    static uint16_t numbers[MOST_SYMBOLS];
    size_t n = read_numbers(f, path, what, numbers);
    assert_ok(ent_buffer_reserve(bytes, n));
    for (; bytes->size < n; bytes->size++) bytes->data[bytes->size] = (uint8_t)numbers[bytes->size];
}

static vector *vector_read(const char *name)
{
    vector *v = calloc(1, sizeof *v);
    char path[512], coder[64], knob[64];
    uint32_t alphabet, value;
    assert_non_null(v);
    snprintf(v->name, sizeof v->name, "%s", name);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    if (!f) fail_msg("cannot read %s", path);
    if (fscanf(f, "coder %63s alphabet %u params", coder, &alphabet) != 2) fail_msg("%s: head", path);
    if (!ent_coder_find(coder)) fail_msg("%s: no coder %s", path, coder);
    v->spec = spec_of(ent_coder_find(coder), alphabet);
    while (fscanf(f, " %63[a-z0-9-]=%u", knob, &value) == 2) assert_ok(ent_coder_spec_set(&v->spec, knob, value));
    if (strcmp(knob, "trained") || fscanf(f, "%zu", &v->trained) != 1) fail_msg("%s: trained", path);
    v->n = read_numbers(f, path, "symbols", v->symbols);
    read_bytes(f, path, "table", &v->table);
    read_bytes(f, path, "code", &v->code);
    if (fscanf(f, " %1s", knob) == 1 || v->trained > v->n) fail_msg("%s: the end", path);
    fclose(f);
    return v;
}

static size_t vector_names(char (*names)[128])
{
    size_t n = 0;
    DIR *d = opendir(folder);
    if (!d) fail_msg("%s is not here: run from the root of the sources", folder);
    for (struct dirent *e; (e = readdir(d));) {
        size_t length = strlen(e->d_name);
        if (length < 5 || strcmp(e->d_name + length - 4, ".vec")) continue;
        assert_true(n < MOST_FILES && length < sizeof *names);
        strcpy(names[n++], e->d_name);
    }
    closedir(d);
    assert_true(n > 0);
    return n;
}

static void for_each_vector(void (*check)(const vector *))
{
    static char names[MOST_FILES][128];
    size_t n = vector_names(names);
    for (size_t i = 0; i < n; i++) {
        vector *v = vector_read(names[i]);
        check(v);
        vector_free(v);
    }
}

/* The newest vector of a coder and case, its number in *number; NULL, 0 when there is none. */
static vector *newest(const char *coder, const char *name, int *number)
{
    char path[512], file[128];
    for (*number = MOST_NUMBER; *number > 0; --*number) {
        snprintf(file, sizeof file, "%s-%s-%d.vec", coder, name, *number);
        snprintf(path, sizeof path, "%s/%s", folder, file);
        if (!access(path, R_OK)) return vector_read(file);
    }
    return NULL;
}

/* ---- the tests ------------------------------------------------------------------------------ */

/* The same code decoded into BF16 words, by coders that can: other loops than those for symbols. */
static void check_words(const vector *v, const ent_table *t, ent_bytes code)
{
    guarded rest = guarded_new(v->n), words = guarded_new(2 * v->n);
    for (size_t i = 0; i < v->n; i++) rest.data[i] = (uint8_t)(i * 37);
    ent_join join = { .word_bytes = 2, .shift = 7, .bits = 8, .rest = rest.data };
    ent_status status = ent_decode_words(t, code, &join, words.data, v->n);
    if (status && status != ENT_EUNSUPPORTED) fail_msg("%s: words: %s", v->name, ent_status_text(status));
    for (size_t i = 0; !status && i < v->n; i++) {
        uint32_t low = rest.data[i] & 127u, sign = rest.data[i] >> 7;
        if (ent_load16(words.data + 2 * i) != (sign << 15 | (uint32_t)v->symbols[i] << 7 | low))
            fail_msg("%s: word %zu differs", v->name, i);
    }
    guarded_free(&rest);
    guarded_free(&words);
}

static void check_library(const vector *v)
{
    ent_table *t;
    guarded table = guarded_copy(v->table.data, v->table.size), code = guarded_copy(v->code.data, v->code.size);
    guarded out = guarded_new(v->n * v->spec.width);
    ent_status status = ent_table_read(&t, &v->spec, (ent_bytes){ table.data, table.size }, ENT_DECODE);
    if (status) fail_msg("%s: table: %s", v->name, ent_status_text(status));
    status = ent_decode(t, (ent_bytes){ code.data, code.size }, out.data, v->n);
    if (status) fail_msg("%s: code: %s", v->name, ent_status_text(status));
    for (size_t i = 0; i < v->n; i++)
        if (ent_symbol_at(out.data, v->spec.width, i) != v->symbols[i]) fail_msg("%s: symbol %zu differs", v->name, i);
    if (v->spec.alphabet == 256) check_words(v, t, (ent_bytes){ code.data, code.size });
    ent_table_free(t);
    guarded_free(&table);
    guarded_free(&code);
    guarded_free(&out);
}

static void check_oracle(const vector *v)
{
    static uint16_t symbols[MOST_SYMBOLS];
    const ent_buffer *t = &v->table, *c = &v->code;
    oracle_decoder *decode = oracle_find(v->spec.coder->name);
    if (!decode) fail_msg("%s: no oracle", v->name);
    if (decode(v->spec.alphabet, v->spec.param, t->data, t->size, c->data, c->size, symbols, v->n))
        fail_msg("%s: refused by the oracle", v->name);
    for (size_t i = 0; i < v->n; i++)
        if (symbols[i] != v->symbols[i]) fail_msg("%s: symbol %zu differs", v->name, i);
}

static void library_decodes_every_vector(void **state)
{
    (void)state;
    for_each_vector(check_library);
}

static void oracles_decode_every_vector(void **state)
{
    (void)state;
    for_each_vector(check_oracle);
}

static bool same(const ent_buffer *a, const ent_buffer *b)
{
    return a->size == b->size && same_bytes(a->data, b->data, a->size);
}

static void encoders_write_the_newest_vectors(void **state)
{
    (void)state;
    for (const oracle *o = oracles; o->coder; o++)
        for (size_t r = 0; r < RECIPES; r++) {
            int number;
            ent_status status;
            vector *v = newest(o->coder, recipes[r].name, &number);
            if (!v) continue;
            ent_buffer table = { 0 }, code = { 0 };
            train_and_encode(v, &table, &code, &status);
            if (status || !same(&table, &v->table) || !same(&code, &v->code))
                fail_msg("%s: the %s that is written today differs.  Not meant: mend it.  Meant: keep the old vector, "
                         "add the new one by `build/test_vectors --write %s`, and say in NEWS.md that files change.",
                         v->name, same(&table, &v->table) ? "code" : "table", folder);
            ent_free(table.data);
            ent_free(code.data);
            vector_free(v);
        }
}

static void every_oracle_has_its_vectors(void **state)
{
    (void)state;
    for (const oracle *o = oracles; o->coder; o++)
        for (size_t r = 0; r < RECIPES; r++) {
            int number;
            vector *today = make(ent_coder_find(o->coder), &recipes[r]);
            if (!today) continue;
            vector *v = newest(o->coder, recipes[r].name, &number);
            if (!v) fail_msg("%s has no vector '%s': build/test_vectors --write %s", o->coder, recipes[r].name, folder);
            vector_free(v);
            vector_free(today);
        }
}

static void write_missing(void)
{
    for (const oracle *o = oracles; o->coder; o++)
        for (size_t r = 0; r < RECIPES; r++) {
            int number;
            vector *today = make(ent_coder_find(o->coder), &recipes[r]);
            if (!today) continue;
            vector *v = newest(o->coder, recipes[r].name, &number);
            if (!v || !same(&v->table, &today->table) || !same(&v->code, &today->code)) {
                char path[512];
                snprintf(path, sizeof path, "%s/%s-%s-%d.vec", folder, o->coder, recipes[r].name, number + 1);
                snprintf(today->name, sizeof today->name, "%s-%s", o->coder, recipes[r].name);
                check_library(today);
                check_oracle(today);
                vector_write(path, today);
                printf("%s\n", path);
            }
            if (v) vector_free(v);
            vector_free(today);
        }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(library_decodes_every_vector),
        cmocka_unit_test(oracles_decode_every_vector),
        cmocka_unit_test(encoders_write_the_newest_vectors),
        cmocka_unit_test(every_oracle_has_its_vectors),
    };
    if (argc == 3 && !strcmp(argv[1], "--write")) {
        folder = argv[2];
        write_missing();
        return 0;
    }
    return cmocka_run_group_tests_name("vectors", tests, NULL, NULL);
}
