/* test_stack.c - stacks: blocks in the order that was asked for, added one at a time or up to a number of bytes, beside
 * sums written from the description of the file alone; budgets that are too small; files that lie. */
#include <math.h>

#include "base/bits.h"
#include "containers.h"

enum { LEVELS = 4, RANK = 3, SPECS = 4, MATRICES = 3, BLOCKS = MATRICES * LEVELS };
static const char pipeline_text[] = "bitstack(levels=4,rank=3)";
static const spec specs[SPECS] = { { "a.weight", "BF16", 24, 40, 0 }, { "b.weight", "F32", 33, 17, 0 }, { "c.weight", "F16", 8, 9, 0 },
                                   { "ids", "I32", 3, 4, 1 } };

/* ---- a stack -------------------------------------------------------------------------------------------------------- */

static void pack_as(const char *text, const char *path)
{
    ent_weights *weights = open_model(model_of_weights(specs, SPECS, 7));
    ent_pipeline pipeline;
    assert_done(ent_pipeline_parse(&pipeline, text, &failure));
    const ent_packing packing = { .pipeline = &pipeline };
    assert_done(ent_pack(path, weights, &packing, NULL, NULL, &failure));
    ent_weights_close(weights);
}

/* Levels one after another, matrices from the last to the first: not as anything else would have it.  The packed model has
 * them matrix by matrix. */
static const size_t backwards[BLOCKS] = { 8, 4, 0, 9, 5, 1, 10, 6, 2, 11, 7, 3 };

static ent_weights *open_stack(ent_stack **stack)
{
    const char *packed = scratch_path("packed.safetensors"), *path = scratch_path("stack.safetensors");
    pack_as(pipeline_text, packed);
    ent_weights *weights = open_model(packed);
    assert_done(ent_stack_write(path, weights, backwards, &failure));
    ent_weights_close(weights);
    weights = open_model(path);
    assert_done(ent_stack_open(stack, weights, &failure));
    return weights;
}

/* ---- what is in it -------------------------------------------------------------------------------------------------- */

static void blocks_lie_in_the_order_asked_for(void **state)
{
    (void)state;
    ent_stack *stack;
    ent_weights *weights = open_stack(&stack);
    assert_int_equal(ent_stack_blocks(stack), BLOCKS);
    assert_int_equal(ent_stack_fixed_bytes(stack), 12 * 4); /* ids */
    uint64_t end = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        const spec *s = &specs[MATRICES - 1 - i % MATRICES];
        ent_stack_block b = ent_stack_block_at(stack, i);
        assert_string_equal(b.name, s->name);
        assert_int_equal(b.level, i / MATRICES);
        assert_int_equal(b.bytes, ent_bitstack_bytes((uint32_t)s->rows, (uint32_t)s->columns, RANK, true));
        static const char *const parts[3] = { "signs", "left", "right" };
        for (int k = 0; k < 3; k++) { /* one after another in the file */
            char name[60];
            snprintf(name, sizeof name, "%s/%s.%u", b.name, parts[k], b.level);
            const ent_tensor *t = ent_weights_find(weights, name);
            assert_non_null(t);
            if (end) assert_int_equal(t->offset, end);
            end = t->offset + t->bytes.size;
        }
    }
    assert_int_equal(end, ent_weights_file_at(weights, 0)->bytes.size); /* nothing after them */
    ent_stack_close(stack);
    ent_weights_close(weights);
}

static void budgets_take_the_first_blocks(void **state)
{
    (void)state;
    ent_stack *stack;
    ent_weights *weights = open_stack(&stack);
    uint64_t first = ent_stack_block_at(stack, 0).bytes, sum = 48, bytes;
    size_t n;
    for (size_t i = 0; i < BLOCKS; i++) sum += ent_stack_block_at(stack, i).bytes;
    static const struct {
        int64_t more; /* than what is fixed and the first block */
        size_t blocks;
    } budget[] = { { -1, 0 }, { 0, 1 }, { 1, 1 } };
    for (size_t i = 0; i < 3; i++) {
        assert_ok(ent_stack_fit(stack, 48 + first + (uint64_t)budget[i].more, &n, &bytes, NULL));
        assert_int_equal(n, budget[i].blocks);
        assert_int_equal(bytes, 48 + (n ? first : 0));
    }
    assert_ok(ent_stack_fit(stack, UINT64_MAX, &n, &bytes, NULL));
    assert_int_equal(n, BLOCKS);
    assert_int_equal(bytes, sum);
    assert_ok(ent_stack_fit(stack, sum - 1, &n, NULL, NULL));
    assert_int_equal(n, BLOCKS - 1);
    ent_error error;
    assert_status(ent_stack_fit(stack, 0, &n, NULL, &error), ENT_EINVAL);
    assert_non_null(strstr(error.text, "48"));
    assert_status(ent_stack_fit(stack, 47, &n, NULL, &error), ENT_EINVAL);
    ent_stack_close(stack);
    ent_weights_close(weights);
}

/* ---- loading -------------------------------------------------------------------------------------------------------- */

static const void *part(const ent_weights *weights, const char *matrix, const char *what, uint32_t level)
{
    char name[60];
    snprintf(name, sizeof name, "%s/%s.%u", matrix, what, level);
    const ent_tensor *t = ent_weights_find(weights, name);
    assert_non_null(t);
    return t->bytes.data;
}

static double half(const void *words, size_t i)
{
    uint16_t word;
    memcpy(&word, (const uint8_t *)words + 2 * i, 2);
    int exponent = word >> 10 & 31, mantissa = word & 1023;
    double value = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return word >> 15 ? -value : value;
}

/* A weight with `levels` blocks, from the tensors of the file by FORMAT.md and the head of bitstack.c. */
static double weight(const ent_weights *stack, const spec *s, size_t at, uint32_t levels)
{
    double value = 0;
    for (uint32_t level = 0; level < levels; level++) {
        const void *u = part(stack, s->name, "left", level), *v = part(stack, s->name, "right", level);
        const uint8_t *signs = part(stack, s->name, "signs", level);
        double sum = 0;
        for (size_t k = 0; k < RANK; k++) sum += half(u, at / s->columns * RANK + k) * half(v, k * s->columns + at % s->columns);
        value += signs[at / 8] >> (7 - at % 8) & 1 ? sum : -sum;
    }
    return value;
}

static void any_number_of_blocks_is_what_the_file_says(void **state)
{
    (void)state;
    ent_stack *stack;
    ent_weights *weights = open_stack(&stack), *model = open_model(model_of_weights(specs, SPECS, 7));
    const char *out = scratch_path("some.safetensors");
    double noise_before = INFINITY;
    for (size_t blocks = 0; blocks <= BLOCKS; blocks++) {
        double noise = 0;
        assert_done(ent_stack_unpack(stack, blocks, out, NULL, &failure));
        ent_weights *back = open_model(out);
        for (size_t i = 0; i < MATRICES; i++) {
            const ent_tensor *t = ent_weights_find(back, specs[i].name), *was = ent_weights_find(model, specs[i].name);
            const ent_format *f = ent_format_find(specs[i].dtype);
            uint32_t levels = (uint32_t)((blocks + i) / MATRICES); /* the last matrix gets the first block */
            double step = ldexp(1, -(int)f->mantissa_bits);
            assert_int_equal(t->elements, was->elements);
            for (size_t k = 0; k < t->elements; k++) {
                float value, original;
                double want = weight(weights, &specs[i], k, levels);
                ent_format_floats(f, t->bytes.data + k * ent_format_width(f), 1, &value);
                ent_format_floats(f, was->bytes.data + k * ent_format_width(f), 1, &original);
                assert_close(value, want, step * fabs(want) + 1e-5);
                noise += ((double)value - original) * ((double)value - original);
            }
        }
        assert_memory_equal(ent_weights_find(back, "ids")->bytes.data, ent_weights_find(model, "ids")->bytes.data, 48);
        assert_true(noise < noise_before);
        noise_before = noise;
        ent_weights_close(back);
    }
    const char *all = scratch_path("all.safetensors");
    assert_done(ent_unpack(weights, all, NULL, &failure));
    assert_same_file(out, all);
    ent_weights_close(model);
    ent_stack_close(stack);
    ent_weights_close(weights);
}

/* From a container, beside all at once. */
static void blocks_added_one_by_one_are_those_of_unpacking(void **state)
{
    (void)state;
    ent_stack *stack;
    const char *coded = scratch_path("stack.h5"), *out = scratch_path("back.safetensors");
    ent_weights_close(open_stack(&stack));
    assert_done(compress_model(scratch_path("stack.safetensors"), "narrow: word=rans | float: exponent=rans rest=raw", coded, 2, NULL));
    ent_container *container = open_container(coded);
    ent_stack_close(stack);
    assert_done(ent_stack_open_container(&stack, container, &failure));
    for (size_t i = 0; i < MATRICES; i++) {
        const ent_format *f = ent_format_find(specs[i].dtype);
        size_t n = specs[i].rows * specs[i].columns, added = 0;
        float *values = ent_calloc(n, sizeof *values);
        assert_non_null(values);
        for (size_t b = 0; b < 7; b++)
            if (!strcmp(ent_stack_block_at(stack, b).name, specs[i].name)) {
                assert_done(ent_stack_add(stack, b, values, &failure));
                added++;
            }
        assert_true(added >= 2);
        assert_done(ent_stack_unpack(stack, 7, out, NULL, &failure));
        ent_weights *back = open_model(out);
        const ent_tensor *t = ent_weights_find(back, specs[i].name);
        for (size_t k = 0; k < n; k++) {
            uint64_t word = 0;
            memcpy(&word, t->bytes.data + k * ent_format_width(f), ent_format_width(f));
            assert_int_equal(word, ent_format_nearest(f, values[k]));
        }
        ent_weights_close(back);
        ent_free(values);
    }
    ent_stack_close(stack);
    ent_container_close(container);
}

/* ---- refusals -------------------------------------------------------------------------------------------------------- */

static void orders_that_cannot_be_loaded(void **state)
{
    (void)state;
    const char *packed = scratch_path("packed.safetensors"), *out = scratch_path("wrong.safetensors");
    pack_as(pipeline_text, packed);
    ent_weights *weights = open_model(packed);
    size_t order[BLOCKS];
    for (int wrong = 0; wrong < 3; wrong++) {
        memcpy(order, backwards, sizeof order);
        if (wrong == 0) order[3] = 8;                    /* twice */
        if (wrong == 1) order[0] = 9, order[3] = 8;      /* level 1 before level 0 */
        if (wrong == 2) order[BLOCKS - 1] = BLOCKS;      /* not there */
        assert_status(ent_stack_write(out, weights, order, &failure), ENT_EINVAL);
        assert_int_equal(count_files(scratch(), "wrong"), 0);
    }
    ent_weights_close(weights);
}

static void other_packed_models_are_no_stacks(void **state)
{
    (void)state;
    const char *packed = scratch_path("other.safetensors");
    ent_stack *stack;
    pack_as("rtn(group=0)", packed);
    ent_weights *weights = open_model(packed);
    assert_status(ent_stack_open(&stack, weights, &failure), ENT_EINVAL);
    assert_null(stack);
    ent_weights_close(weights);
    weights = open_model(model_of_weights(specs, SPECS, 7));
    assert_status(ent_stack_open(&stack, weights, &failure), ENT_ECORRUPT);
    ent_weights_close(weights);
}

/* A good stack with the first `from` of its text replaced; opens, unpacks and adds to some end, never to a good one. */
static void lie(const char *from, const char *to)
{
    const char *path = scratch_path("lie.safetensors"), *out = scratch_path("lie.back");
    ent_stack *stack;
    size_t size;
    ent_weights_close(open_stack(&stack));
    ent_stack_close(stack);
    uint8_t *bytes = read_file(scratch_path("stack.safetensors"), &size), *at = bytes;
    assert_int_equal(strlen(from), strlen(to));
    while (at < bytes + size - strlen(from) && memcmp(at, from, strlen(from))) at++;
    assert_memory_equal(at, from, strlen(from));
    memcpy(at, to, strlen(to));
    write_file(path, bytes, size);
    free(bytes);
    ent_weights *weights;
    ent_error error = { 0 };
    ent_status status = ent_weights_open(&weights, path, &error);
    if (!status) {
        status = ent_stack_open(&stack, weights, &error);
        if (!status) status = ent_stack_unpack(stack, BLOCKS, out, NULL, &error);
        ent_stack_close(stack);
        ent_weights_close(weights);
    }
    if (status != ENT_ECORRUPT) fail_msg("%s for %s: %s", to, from, ent_status_text(status));
    assert_true(error.text[0]);
    assert_int_equal(count_files(scratch(), "lie.back"), 0);
}

static void files_that_lie(void **state)
{
    (void)state;
    static const char *const lies[][2] = {
        { "a.weight/signs.2", "a.weight/signs.7" },             /* a part that is not there */
        { "{\"name\":\"left.1\"", "{\"name\":\"left.2\"" },     /* twice */
        { "{\"name\":\"signs.0\"", "{\"name\":\"signs.9\"" },   /* a level too high */
        { "\"rows\":24,\"cols\":3", "\"rows\":12,\"cols\":6" }, /* of another shape */
        { "levels=4,rank=3", "levels=3,rank=3" },               /* a level more than there should be */
        { "levels=4,rank=3", "levels=4,rank=4" },
        { "\"cols\":120", "\"cols\":128" },                     /* more signs than weights */
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) lie(lies[i][0], lies[i][1]);
}

static void damaged_blocks_name_their_tensor(void **state)
{
    (void)state;
    ent_stack *stack;
    size_t size;
    ent_weights *weights = open_stack(&stack);
    uint64_t offset = ent_weights_find(weights, "b.weight/right.1")->offset;
    ent_stack_close(stack);
    ent_weights_close(weights);
    const char *path = scratch_path("stack.safetensors"), *out = scratch_path("damaged.back");
    uint8_t *bytes = read_file(path, &size);
    bytes[offset + 10] = 0, bytes[offset + 11] = 0xFC; /* minus infinity */
    write_file(path, bytes, size);
    weights = open_model(path);
    assert_done(ent_stack_open(&stack, weights, &failure));
    float values[33 * 17] = { 0 };
    assert_status(ent_stack_add(stack, 4, values, &failure), ENT_ECORRUPT);
    assert_non_null(strstr(failure.text, "b.weight"));
    assert_true(values[0] == 0);
    assert_status(ent_stack_unpack(stack, 5, out, NULL, &failure), ENT_ECORRUPT);
    assert_non_null(strstr(failure.text, "b.weight"));
    assert_done(ent_stack_unpack(stack, 4, out, NULL, &failure)); /* the blocks before it are as they were */
    ent_stack_close(stack);
    ent_weights_close(weights);
    for (size_t cut = 1; cut < size; cut += size / 40) {
        write_file(path, bytes, size - cut);
        assert_status(ent_weights_open(&weights, path, &failure), ENT_ECORRUPT);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_lie_in_the_order_asked_for),
        cmocka_unit_test(budgets_take_the_first_blocks),
        cmocka_unit_test(any_number_of_blocks_is_what_the_file_says),
        cmocka_unit_test(blocks_added_one_by_one_are_those_of_unpacking),
        cmocka_unit_test(orders_that_cannot_be_loaded),
        cmocka_unit_test(other_packed_models_are_no_stacks),
        cmocka_unit_test(files_that_lie),
        cmocka_unit_test(damaged_blocks_name_their_tensor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
