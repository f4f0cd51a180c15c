/* list.h and slice.h: small, header-only, used by everything. */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/slice.h"

struct item {
    int value;
    struct list node;
};

static void expect_values(struct list *head, const int *values, usize count)
{
    usize at = 0;
    list_each (node, following, head) {
        assert_true(at < count);
        assert_int_equal(container_of(node, struct item, node)->value, values[at]);
        assert_ptr_equal(node->next->previous, node);
        at++;
    }
    assert_int_equal(at, count);
}

static void test_push_pop_remove(void **state)
{
    struct list head;
    struct item items[4];
    list_init(&head);
    for (int i = 0; i < 4; i++)
        items[i].value = i;
    assert_true(list_empty(&head));
    list_push_back(&head, &items[1].node);
    list_push_back(&head, &items[2].node);
    list_push_front(&head, &items[0].node);
    list_insert_after(&items[2].node, &items[3].node);
    expect_values(&head, (const int[]){0, 1, 2, 3}, 4);
    list_remove(&items[2].node);
    list_remove(&items[2].node); /* harmless a second time */
    expect_values(&head, (const int[]){0, 1, 3}, 3);
    assert_ptr_equal(list_pop_front(&head), &items[0].node);
    expect_values(&head, (const int[]){1, 3}, 2);
    list_each (node, following, &head)
        list_remove(node);
    assert_true(list_empty(&head));
}

static void test_splice_keeps_order_and_empties_the_source(void **state)
{
    struct list a;
    struct list b;
    struct item items[4];
    list_init(&a);
    list_init(&b);
    list_splice_back(&a, &b);
    assert_true(list_empty(&a));
    for (int i = 0; i < 4; i++) {
        items[i].value = i;
        list_push_back(i < 2 ? &a : &b, &items[i].node);
    }
    list_splice_back(&a, &b);
    expect_values(&a, (const int[]){0, 1, 2, 3}, 4);
    assert_true(list_empty(&b));
    list_splice_back(&b, &a);
    expect_values(&b, (const int[]){0, 1, 2, 3}, 4);
    assert_true(list_empty(&a));
}

static void test_slice_comparisons(void **state)
{
    struct slice none = {NULL, 0};
    assert_true(slice_equal(none, SLICE("")));
    assert_true(slice_equal(SLICE("Host"), slice_of_string("Host")));
    assert_false(slice_equal(SLICE("Host"), SLICE("host")));
    assert_true(slice_equal_nocase(SLICE("Host"), SLICE("hOSt")));
    assert_false(slice_equal_nocase(SLICE("Host"), SLICE("Hosts")));
    /* Only letters have a case: '@' and '`', '[' and '{' differ in that bit alone. */
    assert_false(slice_equal_nocase(SLICE("@["), SLICE("`{")));
    assert_true(slice_starts_with(SLICE("/api/users"), SLICE("/api")));
    assert_true(slice_starts_with(SLICE("/api"), none));
    assert_false(slice_starts_with(SLICE("/ap"), SLICE("/api")));
}

static void test_slice_trim(void **state)
{
    assert_true(slice_equal(slice_trim(SLICE(" \t a b\t ")), SLICE("a b")));
    assert_true(slice_equal(slice_trim(SLICE(" \t ")), SLICE("")));
    assert_true(slice_equal(slice_trim(SLICE("")), SLICE("")));
    assert_true(slice_equal(slice_trim(SLICE("\r\n")), SLICE("\r\n"))); /* not OWS */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_push_pop_remove),
        cmocka_unit_test(test_splice_keeps_order_and_empties_the_source),
        cmocka_unit_test(test_slice_comparisons),
        cmocka_unit_test(test_slice_trim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
