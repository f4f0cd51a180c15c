/* What is said about the client, the request id, and what a route edits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "proxy/proxy_internal.h"

/* ---- Request ids ---- */

static u64 hex(const char *text, u32 digits)
{
    u64 value = 0;
    for (; digits > 0; text++) {
        if (*text == '-')
            continue;
        const char *found = strchr("0123456789abcdef", *text);
        assert_non_null(found);
        value = value << 4 | (u64)(found - "0123456789abcdef");
        digits--;
    }
    return value;
}

static void a_request_id_is_a_uuid_of_version_7(void **state)
{
    struct rng rng;
    char id[REQUEST_ID_BYTES + 1] = "", before[REQUEST_ID_BYTES + 1] = "";
    u64 seen = 0, cleared = ~0ull;
    rng_seed(&rng, 1);
    for (u32 i = 0; i < 10000; i++) {
        u64 wall_ns = 1768300245123000000ull + i * 1000000ull;
        request_id_make(&rng, wall_ns, id);
        assert_int_equal(strlen(id), REQUEST_ID_BYTES);
        assert_true(id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-');
        assert_int_equal(hex(id, 12), wall_ns / 1000000); /* RFC 9562 §5.7: unix_ts_ms */
        assert_int_equal(id[14], '7');
        assert_non_null(memchr("89ab", id[19], 4));
        assert_true(strcmp(before, id) < 0); /* sorts by time */
        memcpy(before, id, sizeof(id));
        u64 random = hex(id + 19, 16) & 0x3fffffffffffffffull;
        seen |= random;
        cleared &= random;
    }
    assert_int_equal(seen, 0x3fffffffffffffffull); /* all 62 bits vary */
    assert_int_equal(cleared, 0);
}

static void request_ids_of_one_moment_differ(void **state)
{
    enum { IDS = 1000 };
    static char ids[IDS][REQUEST_ID_BYTES];
    struct rng rng;
    rng_seed(&rng, 2);
    for (u32 i = 0; i < IDS; i++) {
        request_id_make(&rng, 5, ids[i]);
        for (u32 j = 0; j < i; j++)
            assert_memory_not_equal(ids[i], ids[j], REQUEST_ID_BYTES);
    }
}

/* ---- Header edits ---- */

static const struct config_header_edit edit_rows[] = {
    {CONFIG_HEADER_SET, {"X-Set", 5}, {"new", 3}},
    {CONFIG_HEADER_ADD, {"X-Add", 5}, {"more", 4}},
    {CONFIG_HEADER_REMOVE, {"X-Remove", 8}, {NULL, 0}},
};
static const struct config_header_edits edits = {edit_rows, ARRAY_COUNT(edit_rows)};

static void what_is_set_or_removed_is_dropped(void **state)
{
    const struct config_header_edits none = {NULL, 0};
    assert_true(header_edits_drop(&edits, SLICE("X-Set")));
    assert_true(header_edits_drop(&edits, SLICE("x-set")));
    assert_true(header_edits_drop(&edits, SLICE("X-REMOVE")));
    assert_false(header_edits_drop(&edits, SLICE("X-Add")));
    assert_false(header_edits_drop(&edits, SLICE("X-Se")));
    assert_false(header_edits_drop(&edits, SLICE("X-Sett")));
    assert_false(header_edits_drop(&none, SLICE("X-Set")));
}

static void what_is_set_or_added_is_written(void **state)
{
    char out[100];
    struct http_writer writer = {out, out + sizeof(out), false};
    header_edits_write(&edits, &writer);
    assert_true(slice_equal(slice_of(out, (usize)(writer.at - out)),
                            SLICE("X-Set: new\r\nX-Add: more\r\n")));
}

/* ---- Forwarding fields ---- */

static const struct config_route plain_route;
static const struct config_route *forward_route = &plain_route;
static bool at_unix_socket;

/* A client at 192.0.2.9; 10.0.0.0/8 and the client itself are trusted when asked for. */
static struct slice forward(const char *head, bool trusted, struct slice *request_id)
{
    static struct proxy proxy;
    static struct client client;
    static struct exchange exchange;
    static struct http_request request;
    static char out[4096];
    static const struct http_limits limits = {16384, 4096, 100};
    static const struct network ten = {
        {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 0}, 104, false};
    struct config config = {.trusted_proxies = {&ten, 1}};
    proxy.config = &config;
    proxy.ring = NULL;
    rng_seed(&proxy.rng, 3);
    client =
        (struct client){.proxy = &proxy, .trusted = trusted, .local = at_unix_socket, .ip_len = 9};
    memcpy(client.ip, at_unix_socket ? "unix:    " : "192.0.2.9", 9);
    exchange = (struct exchange){.client = &client, .route = forward_route};
    assert_int_equal(http_request_parse(slice_of_string(head), &limits, &request), HTTP_PARSE_DONE);
    struct http_writer writer = {out, out + sizeof(out), false};
    forwarding_write(&exchange, &request, &writer);
    assert_false(writer.full);
    *request_id = exchange.request_id;
    return slice_of(out, (usize)(writer.at - out));
}

static bool has_line(struct slice fields, const char *line)
{
    char with_end[256];
    int len = snprintf(with_end, sizeof(with_end), "%s\r\n", line);
    const char *found = memmem(fields.data, fields.len, with_end, (usize)len);
    return found && (found == fields.data || found[-1] == '\n');
}

#define HEAD "GET / HTTP/1.1\r\nHost: a.test:8080\r\nX-Request-ID: given\r\n"

static void a_stranger_is_described_by_what_we_see(void **state)
{
    struct slice id;
    struct slice fields = forward(HEAD "X-Forwarded-For: 1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\n"
                                       "X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n\r\n",
                                  false, &id);
    assert_true(has_line(fields, "X-Forwarded-For: 192.0.2.9"));
    assert_true(has_line(fields, "X-Real-IP: 192.0.2.9"));
    assert_true(has_line(fields, "X-Forwarded-Proto: http"));
    assert_true(has_line(fields, "X-Forwarded-Host: a.test:8080"));
    assert_true(has_line(fields, "Via: 1.1 nextproxy"));
    assert_true(has_line(fields, "X-Request-ID: given"));
    assert_true(slice_equal(id, SLICE("given")));
    assert_null(memmem(fields.data, fields.len, "1.1.1.1", 7));
}

static void a_trusted_proxy_is_believed(void **state)
{
    struct slice id;
    struct slice fields =
        forward(HEAD "X-Forwarded-For: 6.6.6.6, 7.7.7.7\r\nX-Forwarded-For: 10.1.1.1 \r\n"
                     "X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.test\r\n\r\n",
                true, &id);
    assert_true(has_line(fields, "X-Forwarded-For: 6.6.6.6, 7.7.7.7, 10.1.1.1, 192.0.2.9"));
    assert_true(has_line(fields, "X-Real-IP: 7.7.7.7")); /* the last one that is not a proxy */
    assert_true(has_line(fields, "X-Forwarded-Proto: https"));
    assert_true(has_line(fields, "X-Forwarded-Host: shop.test"));
}

static void a_forged_list_ends_where_it_makes_no_sense(void **state)
{
    struct slice id;
    struct slice fields =
        forward(HEAD "X-Forwarded-For: 6.6.6.6, nonsense, 10.1.1.1\r\n\r\n", true, &id);
    assert_true(has_line(fields, "X-Real-IP: 10.1.1.1"));
    fields = forward(HEAD "X-Forwarded-For: nonsense\r\n\r\n", true, &id);
    assert_true(has_line(fields, "X-Real-IP: 192.0.2.9"));
    fields = forward(HEAD "X-Forwarded-For: 2001:db8::5\r\n\r\n", true, &id);
    assert_true(has_line(fields, "X-Real-IP: 2001:db8::5"));
    fields = forward(HEAD "X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\n\r\n", true, &id);
    assert_true(has_line(fields, "X-Real-IP: 10.0.0.1")); /* all are proxies: the first of them */
}

static void who_has_no_address_is_not_given_one(void **state)
{
    struct slice id;
    at_unix_socket = true;
    struct slice fields = forward(HEAD "X-Forwarded-For: 1.1.1.1\r\n\r\n", false, &id);
    assert_null(memmem(fields.data, fields.len, "X-Forwarded-For", 15));
    assert_null(memmem(fields.data, fields.len, "X-Real-IP", 9));
    assert_null(memmem(fields.data, fields.len, "unix:", 5));
    fields = forward(HEAD "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: \r\n"
                          "X-Forwarded-For: 10.1.1.1\r\n\r\n",
                     true, &id);
    assert_true(has_line(fields, "X-Forwarded-For: 6.6.6.6, 10.1.1.1"));
    assert_true(has_line(fields, "X-Real-IP: 6.6.6.6"));
    fields = forward(HEAD "\r\n", true, &id);
    assert_null(memmem(fields.data, fields.len, "X-Forwarded-For", 15));
    assert_null(memmem(fields.data, fields.len, "X-Real-IP", 9));
    fields = forward(HEAD "X-Forwarded-For: nonsense\r\n\r\n", true, &id);
    assert_true(has_line(fields, "X-Forwarded-For: nonsense"));
    assert_null(memmem(fields.data, fields.len, "X-Real-IP", 9));
    at_unix_socket = false;
}

static void an_old_client_is_described_too(void **state)
{
    struct slice id;
    struct slice fields = forward("GET / HTTP/1.0\r\nX-Request-ID: x\r\n\r\n", false, &id);
    assert_true(has_line(fields, "Via: 1.0 nextproxy"));
    assert_null(memmem(fields.data, fields.len, "X-Forwarded-Host", 16));
}

static void what_the_route_edits_is_not_said_twice(void **state)
{
    static const struct config_header_edit rows[] = {
        {CONFIG_HEADER_REMOVE, {"x-forwarded-for", 15}, {NULL, 0}},
        {CONFIG_HEADER_SET, {"Via", 3}, {"mine", 4}},
    };
    static const struct config_route route = {.request_headers = {rows, ARRAY_COUNT(rows)}};
    struct slice id;
    forward_route = &route;
    struct slice fields = forward(HEAD "\r\n", false, &id);
    forward_route = &plain_route;
    assert_null(memmem(fields.data, fields.len, "X-Forwarded-For", 15));
    assert_null(memmem(fields.data, fields.len, "Via", 3));
    assert_true(has_line(fields, "X-Real-IP: 192.0.2.9"));
}

static void the_longest_request_id_is_kept(void **state)
{
    char head[512], id[129];
    struct slice got;
    memset(id, 'i', 128);
    id[128] = '\0';
    (void)snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: a\r\nX-Request-ID: %s\r\n\r\n", id);
    forward(head, false, &got);
    assert_true(slice_equal(got, slice_of(id, 128)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_id_is_a_uuid_of_version_7),
        cmocka_unit_test(request_ids_of_one_moment_differ),
        cmocka_unit_test(what_is_set_or_removed_is_dropped),
        cmocka_unit_test(what_is_set_or_added_is_written),
        cmocka_unit_test(a_stranger_is_described_by_what_we_see),
        cmocka_unit_test(a_trusted_proxy_is_believed),
        cmocka_unit_test(a_forged_list_ends_where_it_makes_no_sense),
        cmocka_unit_test(who_has_no_address_is_not_given_one),
        cmocka_unit_test(an_old_client_is_described_too),
        cmocka_unit_test(what_the_route_edits_is_not_said_twice),
        cmocka_unit_test(the_longest_request_id_is_kept),
    };
    return cmocka_run_group_tests_name("forwarding", tests, NULL, NULL);
}
