/* Addresses as text and networks that contain them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "config/address.h"

static struct address parsed(const char *text)
{
    struct address address;
    if (!address_parse_ip(slice_of_string(text), 80, &address))
        fail_msg("%s is no address", text);
    return address;
}

static void test_format(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"0.0.0.0", "0.0.0.0"},
        {"127.0.0.1", "127.0.0.1"},
        {"255.255.255.255", "255.255.255.255"},
        {"1.20.255.100", "1.20.255.100"},
        {"::1", "::1"},
        {"::", "::"},
        {"2001:DB8:0:0::1", "2001:db8::1"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
        /* what a dual-stack listener sees of an IPv4 client */
        {"::ffff:192.0.2.7", "192.0.2.7"},
    };
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        struct address address = parsed(rows[i][0]);
        char out[64];
        u32 len = address_format_ip(&address, out);
        assert_string_equal(out, rows[i][1]);
        assert_int_equal(len, strlen(rows[i][1]));
    }
}

/* Every value of every byte, because the digits are written by hand. */
static void test_format_all_bytes(void **state)
{
    (void)state;
    for (u32 value = 0; value < 256; value++) {
        struct address address = {.len = sizeof(address.v4)};
        address.v4.sin_family = AF_INET;
        address.v4.sin_addr.s_addr = htonl(value << 24 | (255 - value) << 16 | value << 8 | value);
        char expected[64];
        char out[64];
        snprintf(expected, sizeof(expected), "%u.%u.%u.%u", value, 255 - value, value, value);
        assert_int_equal(address_format_ip(&address, out), strlen(expected));
        assert_string_equal(out, expected);
    }
}

static void test_format_unix(void **state)
{
    (void)state;
    struct address address;
    char out[64];
    assert_true(address_from_path(SLICE("/run/x"), &address));
    assert_int_equal(address_format_ip(&address, out), 5);
    assert_string_equal(out, "unix:");
}

static void test_parse_refuses(void **state)
{
    (void)state;
    static const char *const rows[] = {"",     "1.2.3",      "1.2.3.4.5", "01.2.3.4", "1.2.3.4 ",
                                       "::1%", "[::1]",      "1.2.3.400", ":::",      "localhost",
                                       "g::",  "0x7f.0.0.1", "1.2.3.4/8"};
    struct address address;
    for (usize i = 0; i < ARRAY_COUNT(rows); i++)
        if (address_parse_ip(slice_of_string(rows[i]), 0, &address))
            fail_msg("accepted: %s", rows[i]);
    char long_path[200];
    memset(long_path, 'x', sizeof(long_path));
    assert_false(address_from_path(slice_of(long_path, 108), &address));
    assert_true(address_from_path(slice_of(long_path, 107), &address));
    assert_false(address_from_path(slice_of(long_path, 0), &address));
}

static void test_port(void **state)
{
    (void)state;
    struct address four = parsed("1.2.3.4");
    struct address six = parsed("::1");
    assert_int_equal(ntohs(four.v4.sin_port), 80);
    assert_int_equal(ntohs(six.v6.sin6_port), 80);
    address_set_port(&six, 443);
    assert_int_equal(ntohs(six.v6.sin6_port), 443);
}

/* ---- Networks ---- */

static bool contains(const char *network_text, const char *address_text)
{
    struct network network;
    const char *complaint = network_parse(slice_of_string(network_text), &network);
    if (complaint != NULL)
        fail_msg("%s: %s", network_text, complaint);
    struct address address = parsed(address_text);
    const struct network_list list = {&network, 1};
    return network_list_contains(&list, &address);
}

static void test_contains(void **state)
{
    (void)state;
    static const struct {
        const char *network;
        const char *address;
        bool inside;
    } rows[] = {
        {"10.0.0.0/8", "10.0.0.0", true},
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "9.255.255.255", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"10.0.0.0/8", "::10.1.2.3", false},
        {"192.168.4.0/22", "192.168.7.255", true},
        {"192.168.4.0/22", "192.168.8.0", false},
        {"192.168.4.0/22", "192.168.3.255", false},
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"127.0.0.1/32", "127.0.0.1", true},
        {"128.0.0.0/1", "127.255.255.255", false},
        {"128.0.0.0/1", "255.0.0.1", true},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "::1", true},
        {"::/0", "1.2.3.4", true},
        {"::1", "::1", true},
        {"::1", "::2", false},
        {"2001:db8::/33", "2001:db8:7fff:ffff::", true},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"::ffff:10.0.0.0/104", "10.200.0.1", true},
        {"fe80::/127", "fe80::1", true},
        {"fe80::/127", "fe80::2", false},
        {"unix:", "::", false},
        {"unix:", "0.0.0.0", false},
    };
    for (usize i = 0; i < ARRAY_COUNT(rows); i++)
        if (contains(rows[i].network, rows[i].address) != rows[i].inside)
            fail_msg("%s and %s", rows[i].network, rows[i].address);
}

static void test_contains_lists(void **state)
{
    (void)state;
    struct network networks[2];
    assert_null(network_parse(SLICE("10.0.0.0/8"), &networks[0]));
    assert_null(network_parse(SLICE("::1"), &networks[1]));
    const struct network_list none = {NULL, 0};
    const struct network_list both = {networks, 2};
    struct address six = parsed("::1");
    struct address other = parsed("::2");
    struct address local;
    assert_true(address_from_path(SLICE("/run/x"), &local));
    assert_false(network_list_contains(&none, &six));
    assert_true(network_list_contains(&both, &six));
    assert_false(network_list_contains(&both, &other));
    assert_false(network_list_contains(&both, &local));
    assert_null(network_parse(SLICE("unix:"), &networks[1]));
    assert_true(network_list_contains(&both, &local));
    assert_false(network_list_contains(&both, &six));
    assert_non_null(network_parse(SLICE("unix:/run/x"), &networks[1]));
    assert_non_null(network_parse(SLICE("unix"), &networks[1]));
}

/* Every prefix length: the last address inside and the first one outside. */
static void test_every_prefix(void **state)
{
    (void)state;
    for (u32 bits = 1; bits <= 32; bits++) {
        char network[32];
        snprintf(network, sizeof(network), "0.0.0.0/%u", bits);
        u32 outside = 1u << (32 - bits);
        struct address address = {.len = sizeof(address.v4)};
        address.v4.sin_family = AF_INET;
        char inside_text[64];
        char outside_text[64];
        address.v4.sin_addr.s_addr = htonl(outside - 1);
        address_format_ip(&address, inside_text);
        address.v4.sin_addr.s_addr = htonl(outside);
        address_format_ip(&address, outside_text);
        assert_true(contains(network, inside_text));
        assert_false(contains(network, outside_text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),         cmocka_unit_test(test_format_all_bytes),
        cmocka_unit_test(test_format_unix),    cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_port),           cmocka_unit_test(test_contains),
        cmocka_unit_test(test_contains_lists), cmocka_unit_test(test_every_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
