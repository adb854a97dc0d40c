/* test_windows.c - windows of work: each item once, in order, one turn at a time, and what fails ends all. */
#include <hdf5.h>
#include <stdatomic.h>

#include "container/windows.h"
#include "test.h"

enum { ITEMS = 1000, SIZE = 7, THREADS = 4 };

typedef struct line {
    size_t items, given, ended; /* in all; to windows; by turns */
    size_t first[2], size[2];   /* of each window */
    atomic_uchar worked[ITEMS];
    atomic_int turning, misplaced; /* turns at the moment; what should not have been */
    size_t turns, fails_at;        /* the turn that fails */
} line;

/* Takes windows of 7 items, the last shorter, and expects all items of the one before to have been worked on, once. */
static ent_status turn(void *context, unsigned window, size_t *items)
{
    line *l = context;
    H5E_auto2_t function;
    void *data;
    H5Eget_auto2(H5E_DEFAULT, &function, &data);
    if (function) l->misplaced++; /* HDF5 would talk */
    if (l->turning++ || window != l->turns++ % 2 || l->first[window] != l->ended) l->misplaced++;
    for (size_t i = 0; i < l->size[window]; i++) l->misplaced += l->worked[l->first[window] + i] != 1;
    l->ended += l->size[window];
    l->first[window] = l->given;
    *items = l->size[window] = l->items - l->given < SIZE ? l->items - l->given : SIZE;
    l->given += *items;
    if (!*items) l->first[window] = l->items;
    l->turning--;
    return l->turns == l->fails_at ? ENT_EIO : ENT_OK;
}

static void work(void *context, unsigned window, size_t item, unsigned thread)
{
    line *l = context;
    if (item >= l->size[window] || thread >= THREADS) l->misplaced++;
    else l->worked[l->first[window] + item]++;
}

static ent_status run_line(line *l, size_t items, unsigned threads, size_t fails_at)
{
    *l = (line){ .items = items, .fails_at = fails_at };
    return ent_windows_run(&(ent_windows){ .context = l, .turn = turn, .work = work }, threads);
}

static void items_go_through_once_and_in_order(void **state)
{
    (void)state;
    static const size_t items[] = { 0, 1, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE, 2 * SIZE + 1, 3 * SIZE, ITEMS };
    static line l;
    for (size_t i = 0; i < sizeof items / sizeof *items; i++)
        for (unsigned threads = 1; threads <= THREADS; threads++) {
            assert_ok(run_line(&l, items[i], threads, 0));
            assert_int_equal(l.ended, items[i]);
            assert_int_equal(l.misplaced, 0);
        }
}

/* By then two windows at most have been given away that no turn ends. */
static void a_turn_that_fails_is_the_last(void **state)
{
    (void)state;
    static line l;
    for (size_t at = 1; at < 10; at++)
        for (unsigned threads = 1; threads <= THREADS; threads++) {
            assert_status(run_line(&l, ITEMS, threads, at), ENT_EIO);
            assert_int_equal(l.turns, at);
            assert_int_equal(l.misplaced, 0);
            for (size_t i = at * SIZE; i < ITEMS; i++) assert_int_equal(l.worked[i], 0);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_go_through_once_and_in_order),
        cmocka_unit_test(a_turn_that_fails_is_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
