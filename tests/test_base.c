/* test_base.c - status, memory, CPU features, random numbers, the parallel loop, bits. */
#include <math.h>
#include <unistd.h>
#include <sys/wait.h>

#include "test.h"

#include "base/bits.h"

static void statuses_have_text(void **state)
{
    (void)state;
    for (int s = ENT_OK; s <= ENT_ENOMEM; s++) assert_string_not_equal(ent_status_text((ent_status)s), "unknown status");
    assert_string_equal(ent_status_text((ent_status)99), "unknown status");
    ent_error error = { ENT_OK, "" };
    assert_status(ent_fail(&error, ENT_EIO, "%s: offset %d", "file", 7), ENT_EIO);
    assert_string_equal(error.text, "file: offset 7");
    assert_status(ent_fail(NULL, ENT_EINVAL, "unwanted"), ENT_EINVAL);
}

static void memory_is_aligned_and_checked(void **state)
{
    (void)state;
    for (size_t size = 0; size < 300; size += 13) {
        uint8_t *p = ent_alloc(size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        ent_free(p);
    }
    assert_null(ent_alloc(SIZE_MAX));
    assert_null(ent_calloc(SIZE_MAX / 2, 3));
    ent_buffer b = { 0 };
    assert_ok(ent_buffer_reserve(&b, 10));
    memcpy(b.data, "0123456789", b.size = 10);
    assert_ok(ent_buffer_reserve(&b, 100000));
    assert_memory_equal(b.data, "0123456789", 10);
    assert_status(ent_buffer_reserve(&b, SIZE_MAX), ENT_ENOMEM);
    assert_true(b.capacity >= 100000); /* still valid */
    ent_free(b.data);
}

/* The features of a child process that sees ENT_DISABLE_CPU=list: they are found once a process. */
static unsigned features_with(const char *list)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        setenv("ENT_DISABLE_CPU", list, 1);
        execl("/proc/self/exe", "test_base", "--features", (char *)NULL);
        _exit(255);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 255);
    return (unsigned)WEXITSTATUS(status);
}

static void features_can_be_taken_away(void **state)
{
    (void)state;
    unsigned all = features_with("");
    assert_int_equal(features_with("avx512,avx2,bmi2"), 0);
    assert_int_equal(features_with("avx512"), all & ~(unsigned)ENT_CPU_AVX512);
    assert_int_equal(features_with("avx2"), all & ~(unsigned)ENT_CPU_AVX2);
    assert_int_equal(features_with("avx51,nonsense,,avx2x"), all);
    assert_true(strlen(ent_cpu_text()) > 2);
}

static void random_numbers_are_the_published_ones(void **state)
{
    (void)state;
    /* xoshiro256** from the state 1, 2, 3, 4: the first outputs by hand from its definition,
     * rotl(s1 * 5, 7) * 9: 2*5 = 10, << 7 = 1280, * 9 = 11520; then s1 = 0 gives 0; then s1 = 262149. */
    ent_random r = { { 1, 2, 3, 4 } };
    assert_int_equal(ent_random_bits(&r), 11520);
    assert_int_equal(ent_random_bits(&r), 0);
    assert_int_equal(ent_random_bits(&r), 1509978240);
    ent_random a, b;
    ent_random_seed(&a, 5, 0);
    ent_random_seed(&b, 5, 1);
    assert_true(ent_random_bits(&a) != ent_random_bits(&b));
    double sum = 0, square = 0;
    for (int i = 0; i < 100000; i++) {
        double u = ent_random_uniform(&a);
        assert_true(u >= 0 && u < 1);
        sum += u;
        square += u * u;
        assert_true(ent_random_below(&b, 7) < 7);
    }
    assert_close(sum / 100000, 0.5, 5 * sqrt(1.0 / 12 / 100000));
    assert_close(square / 100000, 1.0 / 3, 5 * sqrt(4.0 / 45 / 100000));
}

typedef struct { uint8_t seen[5000]; size_t fails_from; } loop;

static ent_status visit(size_t i, unsigned thread, void *context)
{
    loop *l = context;
    (void)thread;
    l->seen[i]++;
    return i < l->fails_from ? ENT_OK : i % 2 ? ENT_EIO : ENT_ECORRUPT;
}

static void loops_visit_each_item_once(void **state)
{
    (void)state;
    for (unsigned threads = 0; threads < 5; threads++) {
        loop l = { .fails_from = 5000 };
        assert_ok(ent_parallel(5000, threads, visit, &l));
        for (size_t i = 0; i < 5000; i++) assert_int_equal(l.seen[i], 1);
        assert_ok(ent_parallel(0, threads, visit, &l));
        loop bad = { .fails_from = 1000 }; /* the first failure decides, whoever is quicker */
        assert_status(ent_parallel(5000, threads, visit, &bad), ENT_ECORRUPT);
        for (size_t i = 0; i <= 1000; i++) assert_int_equal(bad.seen[i], 1);
    }
    assert_true(ent_threads(0) >= 1);
    assert_int_equal(ent_threads(3), 3);
}

static void varints_round_trip(void **state)
{
    (void)state;
    uint8_t p[10];
    uint64_t v;
    for (unsigned shift = 0; shift < 64; shift++)
        for (int d = -1; d <= 1; d++) {
            uint64_t x = ((uint64_t)1 << shift) + (uint64_t)d;
            size_t n = ent_varint_put(p, x);
            assert_int_equal(ent_varint_get(p, n, &v), n);
            assert_true(v == x);
            assert_int_equal(ent_varint_get(p, n - 1, &v), 0);
        }
    memset(p, 0xff, sizeof p);
    assert_int_equal(ent_varint_get(p, sizeof p, &v), 0); /* over 64 bits */
    assert_int_equal(ent_bits_for(1), 0);
    assert_int_equal(ent_bits_for(2), 1);
    assert_int_equal(ent_bits_for(256), 8);
    assert_int_equal(ent_bits_for(257), 9);
    assert_int_equal(ent_bits_for(65536), 16);
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--features")) return (int)ent_cpu_features();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_have_text),
        cmocka_unit_test(memory_is_aligned_and_checked),
        cmocka_unit_test(features_can_be_taken_away),
        cmocka_unit_test(random_numbers_are_the_published_ones),
        cmocka_unit_test(loops_visit_each_item_once),
        cmocka_unit_test(varints_round_trip),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
