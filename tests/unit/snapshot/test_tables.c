/* Tables of BALANCE_IP_HASH: one for the same backends, for as long as anybody has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "snapshot/tables.h"

enum { MEMBERS = 8 };

struct holder {
    struct arena arena;
    struct snapshot_tables tables;
};

static void hold(struct holder *holder, u32 count)
{
    *holder = (struct holder){.tables = {NULL, 0}};
    arena_init(&holder->arena);
    tables_init(&holder->tables, &holder->arena, count);
}

static void let_go(struct holder *holder)
{
    tables_release(&holder->tables);
    arena_deinit(&holder->arena);
}

static void fill(struct balance_backend *members, u64 seed)
{
    for (u32 i = 0; i < MEMBERS; i++)
        members[i] = (struct balance_backend){.weight = 1, .key = hash_mix64(seed + i)};
}

static void pools_with_the_same_members_share(void **state)
{
    struct balance_backend members[MEMBERS], others[MEMBERS];
    struct holder holder;
    (void)state;
    hold(&holder, 4);
    fill(members, 1);
    fill(others, 1);
    const struct balance_table *table = tables_take(&holder.tables, NULL, members, MEMBERS);
    assert_ptr_equal(tables_take(&holder.tables, NULL, others, MEMBERS), table);
    others[3].weight = 2;
    assert_ptr_not_equal(tables_take(&holder.tables, NULL, others, MEMBERS), table);
    fill(others, 2);
    assert_ptr_not_equal(tables_take(&holder.tables, NULL, others, MEMBERS), table);
    assert_ptr_not_equal(tables_take(&holder.tables, NULL, members, MEMBERS - 1), table);
    assert_ptr_equal(tables_take(&holder.tables, NULL, members, MEMBERS), table);
    let_go(&holder);
}

static void a_table_outlives_the_first_who_has_it(void **state)
{
    struct balance_backend members[MEMBERS];
    struct holder first, second, third;
    (void)state;
    fill(members, 1);
    hold(&first, 1);
    const struct balance_table *table = tables_take(&first.tables, NULL, members, MEMBERS);
    hold(&second, 1);
    assert_ptr_equal(tables_take(&second.tables, &first.tables, members, MEMBERS), table);
    let_go(&first);
    assert_true(balance_table_is_for(table, members, MEMBERS)); /* is still there */
    hold(&third, 1);
    assert_ptr_equal(tables_take(&third.tables, &second.tables, members, MEMBERS), table);
    let_go(&third);
    let_go(&second);
}

static void who_has_no_tables_needs_no_room(void **state)
{
    struct balance_backend members[MEMBERS];
    struct holder none, some;
    (void)state;
    fill(members, 1);
    hold(&none, 0);
    hold(&some, 1);
    assert_non_null(tables_take(&some.tables, &none.tables, members, MEMBERS));
    let_go(&none);
    let_go(&some);
}

/* Many, so that places in the hash table are taken by others. */
static void each_of_many_is_found_again(void **state)
{
    enum { MANY = 64 };
    const struct balance_table *tables[MANY];
    struct balance_backend members[MEMBERS];
    struct holder first, second;
    (void)state;
    hold(&first, MANY);
    hold(&second, MANY);
    for (u32 i = 0; i < MANY; i++) {
        fill(members, i * MEMBERS);
        tables[i] = tables_take(&first.tables, NULL, members, MEMBERS);
    }
    for (u32 i = 0; i < MANY; i++) {
        fill(members, i * MEMBERS);
        assert_ptr_equal(tables_take(&second.tables, &first.tables, members, MEMBERS), tables[i]);
    }
    let_go(&first);
    let_go(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pools_with_the_same_members_share),
        cmocka_unit_test(a_table_outlives_the_first_who_has_it),
        cmocka_unit_test(who_has_no_tables_needs_no_room),
        cmocka_unit_test(each_of_many_is_found_again),
    };
    return cmocka_run_group_tests_name("tables", tests, NULL, NULL);
}
