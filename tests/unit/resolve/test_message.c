/* DNS responses as bytes: whole ones, each cut at every byte, and such as nobody sends in earnest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/slice.h"
#include "resolve/message.h"

/* One question, for a.b; the name can be pointed at as \xc0\x0c. */
#define HEAD(answers) "\x12\x34\x81\x80\0\1\0" answers "\0\0\0\0\1a\1b\0\0\1\0\1"
#define OWNER "\xc0\x0c"
#define A_RECORD(ttl, address) OWNER "\0\1\0\1" ttl "\0\4" address
#define SRV_RECORD(priority, weight, port, bytes, target)                                          \
    OWNER "\0\x21\0\1\0\0\0\x3c\0" bytes priority weight port target

enum { HEAD_BYTES = 12 + 9 };

#define BYTES(text) (const u8 *)(text), (u32)(sizeof(text) - 1)

/* In memory of exactly this size, so that sanitizers see a byte too many. */
static bool read_exactly(const u8 *bytes, u32 len, enum message_type type,
                         struct message_answer *answer)
{
    u8 *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, bytes, len);
    bool good = message_decode(copy, len, type, answer);
    free(copy);
    return good;
}

static void addresses_are_sorted_and_told_once(void **state)
{
    static const char message[] =
        HEAD("\4") A_RECORD("\0\0\1\0", "\x0a\0\0\2") A_RECORD("\0\0\0\x3c", "\x0a\0\0\1")
            A_RECORD("\0\0\1\0", "\x0a\0\0\2") OWNER "\0\x1c\0\1\0\0\0\1\0\x10"
                                                     "0123456789abcdef";
    struct message_answer answer;
    (void)state;
    assert_true(read_exactly(BYTES(message), MESSAGE_A, &answer));
    assert_int_equal(answer.count, 2);
    assert_memory_equal(answer.at[0].address, "\x0a\0\0\1", 4);
    assert_memory_equal(answer.at[1].address, "\x0a\0\0\2", 4);
    assert_int_equal(answer.ttl_s, 60); /* that of AAAA does not count */
    assert_true(read_exactly(BYTES(message), MESSAGE_AAAA, &answer));
    assert_int_equal(answer.count, 1);
    assert_memory_equal(answer.at[0].address, "0123456789abcdef", 16);
    assert_int_equal(answer.ttl_s, 1);
    assert_true(read_exactly(BYTES(message), MESSAGE_SRV, &answer));
    assert_int_equal(answer.count, 0);
}

static void an_alias_has_a_time_to_live_too(void **state)
{
    static const char message[] =
        HEAD("\2") OWNER "\0\5\0\1\0\0\0\5\0\3\1c\0" A_RECORD("\0\0\0\x3c", "\x0a\0\0\1");
    struct message_answer answer;
    (void)state;
    assert_true(read_exactly(BYTES(message), MESSAGE_A, &answer));
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.ttl_s, 5);
}

static void a_time_to_live_with_the_first_bit_set_is_none(void **state)
{
    static const char message[] = HEAD("\1") A_RECORD("\x80\0\0\1", "\x0a\0\0\1");
    struct message_answer answer;
    (void)state;
    assert_true(read_exactly(BYTES(message), MESSAGE_A, &answer));
    assert_int_equal(answer.ttl_s, 0);
}

static void services_are_told_in_lower_case(void **state)
{
    static const char message[] = HEAD("\4") SRV_RECORD("\0\x14", "\0\5", "\x1f\x90", "\x0d",
                                                        "\3Api" OWNER)
        SRV_RECORD("\0\x0a", "\0\0", "\0\x50", "\x0a", "\1x\1Y\0") /* bytes too many: see below */
        ;
    static const char good[] =
        HEAD("\3") SRV_RECORD("\0\x14", "\0\5", "\x1f\x90", "\x0c", "\3Api" OWNER)
            SRV_RECORD("\0\x0a", "\0\0", "\0\x50", "\x0b", "\1x\1Y\0")
                SRV_RECORD("\0\0", "\0\0", "\0\0", "\7", "\0"); /* no such service */
    struct message_answer answer;
    (void)state;
    assert_false(read_exactly(BYTES(message), MESSAGE_SRV, &answer));
    assert_true(read_exactly(BYTES(good), MESSAGE_SRV, &answer));
    assert_int_equal(answer.count, 2);
    for (u32 i = 0; i < 2; i++) {
        bool first = answer.at[i].priority == 10;
        assert_string_equal(answer.at[i].target, first ? "x.y" : "api.a.b");
        assert_int_equal(answer.at[i].port, first ? 80 : 8080);
        assert_int_equal(answer.at[i].weight, first ? 0 : 5);
    }
}

static void what_is_no_host_name_is_refused(void **state)
{
    static const char space[] = HEAD("\1") SRV_RECORD("\0\1", "\0\1", "\0\x50", "\x0b", "\3a b\0");
    char name[MESSAGE_NAME_BYTES + 1], out[MESSAGE_NAME_BYTES];
    struct message_answer answer;
    (void)state;
    assert_false(read_exactly(BYTES(space), MESSAGE_SRV, &answer));
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_false(message_name_copy(name, out));
    name[MESSAGE_NAME_BYTES - 1] = '\0';
    assert_true(message_name_copy(name, out));
    assert_false(message_name_copy("a/b", out));
    assert_false(message_name_copy("a\n", out));
}

static void records_of_a_wrong_size_are_refused(void **state)
{
    static const char shorter[] = HEAD("\1") OWNER "\0\1\0\1\0\0\0\1\0\3\x0a\0\0";
    static const char longer[] = HEAD("\1") OWNER "\0\1\0\1\0\0\0\1\0\5\x0a\0\0\1\1";
    struct message_answer answer;
    (void)state;
    assert_false(read_exactly(BYTES(shorter), MESSAGE_A, &answer));
    assert_false(read_exactly(BYTES(longer), MESSAGE_A, &answer));
}

/* Thousands of them could each lead over the whole message. */
static void names_of_owners_are_not_followed(void **state)
{
    static const char loop[] = HEAD("\1") "\xc0\x15\0\1\0\1\0\0\0\1\0\4\x0a\0\0\1";
    static const char label[] = HEAD("\1") "\x40" OWNER "\0\1\0\1\0\0\0\1\0\4\x0a\0\0\1";
    struct message_answer answer;
    (void)state;
    assert_true(read_exactly(BYTES(loop), MESSAGE_A, &answer));
    assert_int_equal(answer.count, 1);
    assert_false(read_exactly(BYTES(label), MESSAGE_A, &answer)); /* of no kind there is */
}

static void targets_only_lead_back(void **state)
{
    /* the target is at 0x27 */
    static const char itself[] = HEAD("\1") SRV_RECORD("\0\1", "\0\1", "\0\x50", "\x8", "\xc0\x27");
    static const char within[] =
        HEAD("\1") SRV_RECORD("\0\1", "\0\1", "\0\x50", "\x0a", "\1x\xc0\x27");
    static const char ahead[] = HEAD("\2") SRV_RECORD("\0\1", "\0\1", "\0\x50", "\x8", "\xc0\x29")
        A_RECORD("\0\0\0\1", "\x0a\0\0\1");
    static const char dot[] = HEAD("\1") SRV_RECORD("\0\1", "\0\1", "\0\x50", "\x0b", "\3a.b\0");
    static const char back[] =
        HEAD("\1") SRV_RECORD("\0\1", "\0\1", "\0\x50", "\x0a", "\1x\xc0\x0e");
    struct message_answer answer;
    (void)state;
    assert_false(read_exactly(BYTES(itself), MESSAGE_SRV, &answer));
    assert_false(read_exactly(BYTES(within), MESSAGE_SRV, &answer));
    assert_false(read_exactly(BYTES(ahead), MESSAGE_SRV, &answer));
    assert_false(read_exactly(BYTES(dot), MESSAGE_SRV, &answer));
    assert_true(read_exactly(BYTES(back), MESSAGE_SRV, &answer));
    assert_string_equal(answer.at[0].target, "x.b");
}

/* A target of labels of one byte, each behind a pointer to the next one further ahead. */
static void a_target_has_as_many_labels_as_a_name_can_have(void **state)
{
    (void)state;
    for (u32 labels = 126; labels <= 128; labels++) {
        static const u8 fixed[] = {0, 0, 16, 0, 1, 0, 0, 0, 0, 0x02, 0x5a}; /* 602 bytes of text */
        u8 message[1024] = {0};
        u32 at = HEAD_BYTES;
        struct message_answer answer;
        memcpy(message, HEAD("\2"), HEAD_BYTES);
        memcpy(message + at, fixed, sizeof(fixed));
        at += sizeof(fixed);
        u32 last = at++; /* the end of all */
        for (u32 i = 0; i < labels; i++) {
            const u8 step[] = {1, 'a', (u8)(0xc0 | last >> 8), (u8)last};
            memcpy(message + at, step, sizeof(step));
            last = at;
            at += sizeof(step);
        }
        at = HEAD_BYTES + sizeof(fixed) + 602;
        const u8 service[] = {0xc0,
                              0x0c,
                              0,
                              0x21,
                              0,
                              1,
                              0,
                              0,
                              0,
                              1,
                              0,
                              8,
                              0,
                              1,
                              0,
                              1,
                              0,
                              80,
                              (u8)(0xc0 | last >> 8),
                              (u8)last};
        memcpy(message + at, service, sizeof(service));
        bool good = read_exactly(message, at + (u32)sizeof(service), MESSAGE_SRV, &answer);
        assert_int_equal(good, labels == 126);
    }
}

/* Some servers say so that a name is barred; a connection to it would lead to this machine. */
static void the_address_any_is_none(void **state)
{
    static const char message[] =
        HEAD("\2") A_RECORD("\0\0\0\1", "\0\0\0\0") A_RECORD("\0\0\0\1", "\x0a\0\0\1");
    struct message_answer answer;
    (void)state;
    assert_true(read_exactly(BYTES(message), MESSAGE_A, &answer));
    assert_int_equal(answer.count, 1);
    assert_memory_equal(answer.at[0].address, "\x0a\0\0\1", 4);
}

/* What is missing is missed, wherever it was cut. */
static void every_cut_is_noticed(void **state)
{
    static const char message[] =
        HEAD("\2") A_RECORD("\0\0\1\0", "\x0a\0\0\2") A_RECORD("\0\0\0\x3c", "\x0a\0\0\1");
    struct message_answer answer;
    (void)state;
    for (u32 len = 0; len < sizeof(message) - 1; len++)
        assert_false(read_exactly((const u8 *)message, len, MESSAGE_A, &answer));
    assert_true(read_exactly(BYTES(message), MESSAGE_A, &answer));
}

enum { MANY = 4000 };

/* A message of `count` records with bodies of `len` bytes made by `write`. */
static u8 *make_many(u32 count, u8 type, u16 len, void (*write)(u8 *body, u32 index))
{
    static const char head[] = HEAD("\0");
    const u32 step = 12U + len;
    u8 *message = calloc(1, HEAD_BYTES + (usize)count * step);
    assert_non_null(message);
    assert_int_equal(sizeof(head) - 1, HEAD_BYTES);
    memcpy(message, head, HEAD_BYTES);
    message[6] = (u8)(count >> 8);
    message[7] = (u8)count;
    for (u32 i = 0; i < count; i++) {
        const u8 fixed[12] = {0xc0, 0x0c, 0, type, 0, 1, [11] = (u8)len};
        u8 *at = message + HEAD_BYTES + (usize)i * step;
        memcpy(at, fixed, sizeof(fixed));
        write(at + sizeof(fixed), i);
    }
    return message;
}

/* 10.0.x.x, all different, in an order that is nearly random. */
static void write_address(u8 *body, u32 index)
{
    u32 number = index * 2477 % MANY; /* a prime */
    const u8 address[] = {10, 0, (u8)(number >> 8), (u8)number};
    memcpy(body, address, sizeof(address));
}

/* Priorities from MANY down, one target. */
static void write_service(u8 *body, u32 index)
{
    u32 priority = MANY - index;
    const u8 service[] = {(u8)(priority >> 8), (u8)priority, 0, 1, 0, 80, 1, 'x', 0};
    memcpy(body, service, sizeof(service));
}

static void of_too_many_records_the_first_in_order_are_kept(void **state)
{
    struct message_answer answer;
    u8 *message = make_many(MANY, MESSAGE_A, 4, write_address);
    (void)state;
    assert_true(read_exactly(message, HEAD_BYTES + MANY * 16, MESSAGE_A, &answer));
    assert_int_equal(answer.count, MESSAGE_RECORDS_MAX);
    assert_int_equal(answer.unused, MANY - MESSAGE_RECORDS_MAX);
    for (u32 i = 0; i < MESSAGE_RECORDS_MAX; i++)
        assert_memory_equal(answer.at[i].address, ((const u8[]){10, 0, 0, (u8)i}), 4);
    free(message);
    message = make_many(3000, MESSAGE_SRV, 9, write_service);
    assert_true(read_exactly(message, HEAD_BYTES + 3000 * 21, MESSAGE_SRV, &answer));
    assert_int_equal(answer.count, MESSAGE_RECORDS_MAX);
    for (u32 i = 0; i < MESSAGE_RECORDS_MAX; i++)
        assert_int_equal(answer.at[i].priority, MANY - 3000 + 1 + i);
    free(message);
}

static void what_is_behind_the_records_that_are_kept_is_read_too(void **state)
{
    struct message_answer answer;
    u8 *message = make_many(100, MESSAGE_A, 4, write_address);
    (void)state;
    message[HEAD_BYTES + 99 * 16 + 11] = 5; /* bytes too many */
    assert_false(read_exactly(message, HEAD_BYTES + 100 * 16, MESSAGE_A, &answer));
    free(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_sorted_and_told_once),
        cmocka_unit_test(an_alias_has_a_time_to_live_too),
        cmocka_unit_test(a_time_to_live_with_the_first_bit_set_is_none),
        cmocka_unit_test(services_are_told_in_lower_case),
        cmocka_unit_test(what_is_no_host_name_is_refused),
        cmocka_unit_test(records_of_a_wrong_size_are_refused),
        cmocka_unit_test(names_of_owners_are_not_followed),
        cmocka_unit_test(targets_only_lead_back),
        cmocka_unit_test(a_target_has_as_many_labels_as_a_name_can_have),
        cmocka_unit_test(the_address_any_is_none),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(of_too_many_records_the_first_in_order_are_kept),
        cmocka_unit_test(what_is_behind_the_records_that_are_kept_is_read_too),
    };
    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
