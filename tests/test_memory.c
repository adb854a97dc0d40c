/* test_memory.c - memory that runs out, at every place where the library asks for it (base/memory.c, through
 * aligned_alloc): an error that says so, nothing half-written, nothing lost (with the address sanitizer), and all is well
 * again afterwards.  What jansson and HDF5 ask for by themselves is not among it: HDF5 1.10 does not survive that. */
#include <unistd.h>

#include "containers.h"

/* ---- the allocator ------------------------------------------------------------------------------------------------ */

static size_t calls, failing = SIZE_MAX; /* the number of the call that fails, from 0 */
static bool for_good;                    /* and all after it */
static bool failed;

void *aligned_alloc(size_t alignment, size_t size)
{
    void *memory;
    size_t call = calls++;
    if (call == failing || (for_good && call > failing)) {
        failed = true;
        return NULL;
    }
    return posix_memalign(&memory, alignment, size) ? NULL : memory;
}

/* ---- what is tried -------------------------------------------------------------------------------------------------- */

static char model[300], base[300], folder[300], packed[300], told[300], out[300], out_npy[300];
static const ent_run one = { .threads = 1 }; /* so that calls come in the same order */

static ent_status write_as(const char *text, const char *path)
{
    ent_weights *weights;
    ent_codec *codec = NULL;
    ent_status status = ent_weights_open(&weights, model, &failure);
    if (!status) status = ent_codec_parse(&codec, text, &failure);
    if (!status) status = ent_container_write(path, weights, codec, NULL, &one, NULL, &failure);
    ent_codec_free(codec);
    ent_weights_close(weights);
    return status;
}

static ent_status compress_tensors(void) { return write_as("planar-rans block=1k", out); }
static ent_status compress_roles(void) { return write_as("huffman block=1k scope=role", out); }
static ent_status compress_blocks(void) { return write_as("zipnn block=1k", out); }

static ent_status compress_corpus(void)
{
    ent_weights *weights;
    ent_codec *codec = NULL;
    ent_corpus *corpus = NULL;
    ent_status status = ent_weights_open(&weights, model, &failure);
    if (!status) status = ent_codec_parse(&codec, "rans block=1k", &failure);
    if (!status && (status = ent_corpus_new(&corpus, codec))) ent_fail(&failure, status, "no memory for a corpus");
    if (!status) status = ent_corpus_add(corpus, weights, &one, &failure);
    if (!status) status = ent_container_write(out, weights, NULL, corpus, &one, NULL, &failure);
    ent_corpus_free(corpus);
    ent_codec_free(codec);
    ent_weights_close(weights);
    return status;
}

static ent_status compress_told(void)
{
    ent_weights *weights, *old = NULL;
    ent_codec *codec[2] = { NULL, NULL };
    ent_delta way[MIXED];
    uint32_t of[MIXED];
    ent_status status = ent_weights_open(&weights, model, &failure);
    if (!status) status = ent_weights_open(&old, base, &failure);
    if (!status) status = ent_codec_parse(&codec[0], "huffman block=1k", &failure);
    if (!status) status = ent_codec_parse(&codec[1], ENT_DELTA_CODEC " block=1k", &failure);
    const ent_codec *const both[] = { codec[0], codec[1] };
    if (!status) status = ent_container_choose_deltas(weights, old, both, UINT64_MAX, &one, way, NULL, &failure);
    for (size_t i = 0; i < MIXED && !status; i++) of[i] = way[i] != ENT_DELTA_NONE;
    const ent_assignment a = { .codecs = 2, .codec = both, .of = of, .base = old, .delta = way };
    if (!status) status = ent_container_write_assigned(out, weights, &a, &one, NULL, &failure);
    ent_codec_free(codec[0]);
    ent_codec_free(codec[1]);
    ent_weights_close(old);
    ent_weights_close(weights);
    return status;
}

static ent_status extract(void)
{
    ent_container *c;
    ent_status status = ent_container_open(&c, packed, &failure);
    if (!status) status = ent_container_extract(c, out, &one, &failure);
    ent_container_close(c);
    return status;
}

static void no_finding(void *context, const char *text) { (void)context, (void)text; }

static ent_status salvage(void)
{
    ent_container *c;
    ent_status status = ent_container_open(&c, packed, &failure);
    if (!status) status = ent_container_salvage(c, out, &one, no_finding, NULL, &failure);
    ent_container_close(c);
    return status;
}

static ent_status extract_told(void)
{
    ent_container *c;
    ent_weights *old = NULL;
    ent_status status = ent_container_open(&c, told, &failure);
    if (!status) status = ent_weights_open(&old, base, &failure);
    if (!status) status = ent_container_set_base(c, old, &one, &failure);
    if (!status) status = ent_container_extract(c, out, &one, &failure);
    ent_container_close(c);
    ent_weights_close(old);
    return status;
}

static ent_status save_rows(void)
{
    ent_container *c;
    ent_status status = ent_container_open(&c, packed, &failure);
    if (!status) status = ent_container_save(c, (ent_rows){ 0, 10, 100 }, out_npy, &one, NULL, &failure);
    ent_container_close(c);
    return status;
}

static ent_status verify_all(void)
{
    ent_container *c;
    ent_weights *weights = NULL;
    ent_status status = ent_container_open(&c, packed, &failure);
    if (!status) status = ent_weights_open(&weights, model, &failure);
    if (!status) status = ent_container_verify(c, weights, &one, NULL, NULL, &failure);
    ent_container_close(c);
    ent_weights_close(weights);
    return status;
}

/* What `entropy stats` does: the counts of every tensor, its roles, the shards of an index. */
static ent_status count_words(void)
{
    ent_weights *weights;
    ent_status status = ent_weights_open(&weights, folder, &failure);
    for (size_t i = 0; !status && i < ent_weights_tensors(weights); i++) {
        const ent_tensor *t = ent_weights_tensor(weights, i);
        const ent_format *f = ent_format_find(t->dtype);
        ent_word_counts counts;
        if (!f) continue;
        if ((status = ent_word_counts_init(&counts, f))) ent_fail(&failure, status, "no memory for counts");
        if (!status) {
            ent_word_counts_add(&counts, t->bytes.data, t->elements);
            ent_word_counts_free(&counts);
        }
    }
    ent_weights_close(weights);
    return status;
}

/* ---- every place in turn ---------------------------------------------------------------------------------------------- */

static void run_out(const char *name, ent_status (*job)(void))
{
    calls = 0;
    assert_done(job());
    size_t all = calls, most = SANITIZED ? 50 : 150, refused = 0, step = (2 * all / most) | 1; /* odd: both kinds in turn */
    if (getenv("ALL_CALLS")) step = 1;
    for (size_t k = 0; k < 2 * all; k += step) {
        char text[1000];
        unlink(out);
        unlink(out_npy);
        calls = 0;
        failing = k / 2;
        for_good = k % 2;
        failed = false;
        snprintf(failure.text, sizeof failure.text, "%s", "");
        ent_status status = job();
        snprintf(text, sizeof text, "%s", failure.text);
        failing = SIZE_MAX;
        if (!status && failed) continue; /* it did without */
        if (status != ENT_ENOMEM || !*text || !failed)
            fail_msg("%s, call %zu%s: %s, \"%s\"", name, k / 2, k % 2 ? " and all after" : "", ent_status_text(status), text);
        if (count_files(scratch(), "memory.out")) fail_msg("%s, call %zu: a file is left", name, k / 2);
        refused++;
    }
    assert_true(refused > 0);
    print_message("%s: %zu allocations, %zu failures refused\n", name, all, refused);
    assert_done(job());
}

static void prepare(void)
{
    snprintf(model, sizeof model, "%s", mixed_model());
    snprintf(base, sizeof base, "%s", scratch_path("memory-base.safetensors"));
    snprintf(folder, sizeof folder, "%s", scratch_path("memory-shards"));
    snprintf(packed, sizeof packed, "%s", scratch_path("memory.packed"));
    snprintf(told, sizeof told, "%s", scratch_path("memory.told"));
    snprintf(out, sizeof out, "%s", scratch_path("memory.out"));
    snprintf(out_npy, sizeof out_npy, "%s", scratch_path("memory.out.npy"));
    write_model(base, mixed, MIXED, 2, "", "");
    char text[700];
    static const spec a[] = { { "a", "BF16", 100, 9, 1 } }, b[] = { { "b", "F32", 100, 9, 1 } };
    static const char index[] = "{\"weight_map\":{\"a\":\"a.safetensors\",\"b\":\"b.safetensors\"}}";
    snprintf(text, sizeof text, "mkdir -p %s", folder);
    assert_int_equal(system(text), 0);
    snprintf(text, sizeof text, "%s/a.safetensors", folder);
    write_model(text, a, 1, 3, "", "");
    snprintf(text, sizeof text, "%s/b.safetensors", folder);
    write_model(text, b, 1, 4, "", "");
    snprintf(text, sizeof text, "%s/model.safetensors.index.json", folder);
    write_file(text, index, sizeof index - 1);
    assert_done(write_as("huffman block=1k", packed));
    assert_done(compress_told());
    assert_int_equal(rename(out, told), 0);
}

static void memory_runs_out(void **state)
{
    (void)state;
    prepare();
    run_out("stats", count_words);
    run_out("compress, tables a tensor", compress_tensors);
    run_out("compress, tables a role", compress_roles);
    run_out("compress, tables a block", compress_blocks);
    run_out("compress, tables of a corpus", compress_corpus);
    run_out("compress told by another", compress_told);
    run_out("decompress", extract);
    run_out("decompress, keep going", salvage);
    run_out("decompress told by another", extract_told);
    run_out("rows", save_rows);
    run_out("verify", verify_all);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(memory_runs_out) };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
