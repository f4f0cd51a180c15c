/* Relays: what belongs to a message comes out of the sink whole and in order, the rest stays, and
 * framing that breaks is told, however the bytes were cut into pieces. */
#include "ring_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/proxy_internal.h"

enum { LEASES = 256, HEAD_BYTES = 4096 };

/* A relay with a sink and without a source: the test feeds it. */
struct lab {
    struct ring *ring;
    struct proxy proxy;
    struct wheel wheel;
    struct config config;
    struct transport sink;
    struct transport_hold hold;
    struct relay relay;
    struct lease_chain rest; /* fed and not taken */
    char *got;               /* what the peer of the sink has read */
    usize got_len;
    int peer;
    bool freed;
};

enum { GOT_BYTES_MAX = 4 << 20 };

static struct lab *lab_of_sink(struct transport *sink)
{
    return container_of(sink, struct lab, sink);
}

static void on_sent(struct transport *sink)
{
    struct lab *lab = lab_of_sink(sink);
    relay_sent(&lab->relay, &lab->proxy);
}

static void on_closed(struct transport *sink)
{
}

static void on_free(struct transport_hold *hold)
{
    container_of(hold, struct lab, hold)->freed = true;
}

static const struct transport_events sink_events = {.on_sent = on_sent, .on_closed = on_closed};

static struct lab *lab_open(void)
{
    struct lab *lab = calloc(1, sizeof(*lab));
    int pair[2];
    assert_non_null(lab);
    tcp_pair(pair);
    lab->ring = ring_fixture_create(&ring_variants[0], LEASES);
    lab->config.limits.http = (struct http_limits){HEAD_BYTES, 1024, 50};
    lab->proxy.ring = lab->ring;
    lab->proxy.config = &lab->config;
    lab->got = malloc(GOT_BYTES_MAX);
    lab->peer = pair[1];
    lease_chain_init(&lab->rest);
    assert_true(slab_init(&lab->proxy.inboxes, HEAD_BYTES, 4));
    wheel_init(&lab->wheel, ring_now_ns(lab->ring));
    transport_reaper_init(&lab->proxy.reaper, &lab->wheel);
    transport_open(&lab->sink, lab->ring, &lab->proxy.reaper, pair[0], &sink_events);
    transport_hold_init(&lab->hold, on_free);
    relay_init(&lab->relay, NULL, &lab->hold);
    lab->relay.sink = &lab->sink;
    return lab;
}

static void read_sink(struct lab *lab)
{
    for (;;) {
        ssize_t got = recv(lab->peer, lab->got + lab->got_len, GOT_BYTES_MAX - lab->got_len, 0);
        if (got <= 0)
            break;
        lab->got_len += (usize)got;
    }
}

static void lab_close(struct lab *lab)
{
    relay_abort(&lab->relay, &lab->proxy);
    ring_chain_return(lab->ring, &lab->rest);
    transport_close(&lab->sink, true);
    TURN_UNTIL(lab->ring, lab->sink.state == TRANSPORT_CLOSED);
    transport_reap(&lab->proxy.reaper);
    transport_hold_release(&lab->hold);
    assert_true(lab->freed);
    assert_int_equal(ring_leases_held(lab->ring), 0);
    assert_int_equal(lab->proxy.inboxes.in_use, 0);
    ring_destroy(lab->ring);
    slab_deinit(&lab->proxy.inboxes);
    close(lab->peer);
    free(lab->got);
    free(lab);
}

/* Feeds one piece behind what was not taken before, as the exchange does. */
static enum relay_verdict feed(struct lab *lab, const char *data, u32 len)
{
    struct lease_chain piece;
    lease_chain_init(&piece);
    assert_true(ring_chain_write(lab->ring, &piece, data, len));
    ring_chain_append(lab->ring, &lab->rest, &piece);
    enum relay_verdict verdict = relay_feed(&lab->relay, &lab->proxy, &lab->rest);
    relay_pump(&lab->relay, &lab->proxy);
    return verdict;
}

/* Feeds all of it in random pieces, reading the sink meanwhile; stops at a fault. */
static enum relay_verdict feed_all(struct lab *lab, const char *data, u32 len, struct rng *rng)
{
    enum relay_verdict verdict = RELAY_OK;
    u32 limit = 1u << rng_below(rng, 16);
    while (len > 0 && verdict == RELAY_OK) {
        u32 piece = min_u32(len, 1 + rng_below(rng, limit));
        verdict = feed(lab, data, piece);
        data += piece;
        len -= piece;
        ring_turn(lab->ring, 0);
        read_sink(lab);
    }
    return verdict;
}

static void assert_sink_got(struct lab *lab, const char *expected, usize len)
{
    u64 given_up_ns = clock_monotonic_ns() + RING_FIXTURE_WAIT_S * NS_PER_S;
    while (lab->got_len < len && clock_monotonic_ns() < given_up_ns) {
        ring_turn(lab->ring, 0);
        read_sink(lab);
    }
    ring_settle(lab->ring);
    read_sink(lab);
    if (lab->got_len != len || memcmp(lab->got, expected, len) != 0)
        fail_msg("the sink got %zu bytes, not %zu as they should be: %.*s", lab->got_len, len,
                 (int)min_u64(lab->got_len, 200), lab->got);
}

static void assert_rest(struct lab *lab, const char *expected)
{
    char text[256];
    assert_int_equal(lab->rest.bytes, strlen(expected));
    ring_chain_peek(lab->ring, &lab->rest, text, lab->rest.bytes);
    assert_memory_equal(text, expected, lab->rest.bytes);
}

/* ---- Whole messages ---- */

struct message {
    const char *title;
    enum http_body body;
    u64 length;
    bool decode;
    const char *input; /* with "NEXT" behind it */
    const char *output;
    u64 body_bytes;
};

#define THIRTY "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123"

static const struct message messages[] = {
    {"no body", HTTP_BODY_NONE, 0, false, "NEXT", "", 0},
    {"length", HTTP_BODY_LENGTH, 30, false, THIRTY "NEXT", THIRTY, 30},
    {"length of one", HTTP_BODY_LENGTH, 1, false, "xNEXT", "x", 1},
    {"chunked", HTTP_BODY_CHUNKED, 0, false, "1e\r\n" THIRTY "\r\n3;a=b\r\nxyz\r\n0\r\n\r\nNEXT",
     "1e\r\n" THIRTY "\r\n3;a=b\r\nxyz\r\n0\r\n\r\n", 33},
    {"empty chunked", HTTP_BODY_CHUNKED, 0, false, "0\r\n\r\nNEXT", "0\r\n\r\n", 0},
    {"trailers", HTTP_BODY_CHUNKED, 0, false,
     "3\r\nabc\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\nX-Forwarded-For: 1.1.1.1\r\nConnection: "
     "x\r\nX-Last: 2\r\n\r\nNEXT",
     "3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Last: 2\r\n\r\n", 3},
    {"only dropped trailers", HTTP_BODY_CHUNKED, 0, false, "0\r\nTE: x\r\n\r\nNEXT", "0\r\n\r\n",
     0},
    {"decoded", HTTP_BODY_CHUNKED, 0, true, "1e\r\n" THIRTY "\r\n3;a=b\r\nxyz\r\n0\r\n\r\nNEXT",
     THIRTY "xyz", 33},
    {"decoded with trailers", HTTP_BODY_CHUNKED, 0, true, "3\r\nxyz\r\n0\r\nX-Sum: 1\r\n\r\nNEXT",
     "xyz", 3},
    {"decoded and empty", HTTP_BODY_CHUNKED, 0, true, "0\r\n\r\nNEXT", "", 0},
};

static void every_message_comes_out_as_it_should(void **state)
{
    const struct message *message = *state;
    struct rng rng;
    rng_seed(&rng, 11);
    for (u32 round = 0; round < 40; round++) {
        struct lab *lab = lab_open();
        lab->relay.decode = message->decode;
        relay_begin(&lab->relay,
                    (struct http_framing){.body = message->body, .length = message->length});
        assert_int_equal(feed_all(lab, message->input, (u32)strlen(message->input), &rng),
                         RELAY_OK);
        assert_sink_got(lab, message->output, strlen(message->output));
        assert_int_equal(lab->relay.state, RELAY_DONE);
        assert_int_equal(lab->relay.body_bytes, message->body_bytes);
        assert_int_equal(lab->relay.sent_bytes, strlen(message->output));
        assert_rest(lab, "NEXT");
        assert_true(relay_source_ended(&lab->relay));
        lab_close(lab);
    }
}

static void a_large_body_comes_out_whole(void **state)
{
    enum { BYTES = 1000000 };
    char *data = malloc(BYTES);
    struct rng rng;
    rng_seed(&rng, 12);
    pattern_fill(data, BYTES, 5, 0);
    static const enum http_body bodies[] = {HTTP_BODY_LENGTH, HTTP_BODY_UNTIL_CLOSE,
                                            HTTP_BODY_TUNNEL};
    for (u32 i = 0; i < 9; i++) {
        struct lab *lab = lab_open();
        struct http_framing framing = {.body = bodies[i % 3], .length = BYTES};
        relay_begin(&lab->relay, framing);
        assert_int_equal(feed_all(lab, data, BYTES, &rng), RELAY_OK);
        assert_int_equal(relay_source_ended(&lab->relay), true);
        relay_pump(&lab->relay, &lab->proxy);
        assert_sink_got(lab, data, BYTES);
        assert_int_equal(lab->relay.state, RELAY_DONE);
        lab_close(lab);
    }
    free(data);
}

static void the_head_goes_before_the_body(void **state)
{
    static char head[] = "HTTP/1.1 200 OK\r\n\r\n";
    struct lab *lab = lab_open();
    lab->relay.sink = NULL; /* not connected yet: what comes waits */
    relay_begin(&lab->relay, (struct http_framing){.body = HTTP_BODY_LENGTH, .length = 4});
    assert_int_equal(feed(lab, "body", 4), RELAY_OK);
    lab->relay.head = slice_of(head, sizeof(head) - 1);
    assert_true(relay_pending(&lab->relay));
    lab->relay.sink = &lab->sink;
    relay_pump(&lab->relay, &lab->proxy);
    assert_sink_got(lab, "HTTP/1.1 200 OK\r\n\r\nbody", 23);
    assert_false(relay_pending(&lab->relay));
    lab_close(lab);
}

/* ---- Faults ---- */

static void broken_framing_is_told(void **state)
{
    static const char *const inputs[] = {"x\r\n",
                                         "3\r\nabcd\r\n",
                                         "3\r\nabc\n0\r\n\r\n",
                                         "ffffffffffffffffff\r\n",
                                         "-1\r\n",
                                         "3 \r\nabc\r\n",
                                         "0\r\nbad field\r\n\r\n",
                                         "0\r\nA: b\n\r\n",
                                         "0\r\n A: b\r\n\r\n",
                                         "\r\n",
                                         "3\n"};
    struct rng rng;
    rng_seed(&rng, 13);
    for (usize i = 0; i < ARRAY_COUNT(inputs); i++) {
        for (u32 decode = 0; decode < 2; decode++) {
            struct lab *lab = lab_open();
            lab->relay.decode = decode;
            relay_begin(&lab->relay, (struct http_framing){.body = HTTP_BODY_CHUNKED});
            if (feed_all(lab, inputs[i], (u32)strlen(inputs[i]), &rng) != RELAY_BAD)
                fail_msg("accepted: %s", inputs[i]);
            lab_close(lab);
        }
    }
}

static void trailers_without_an_end_are_bad(void **state)
{
    static char section[2 * HEAD_BYTES];
    struct rng rng;
    rng_seed(&rng, 14);
    memcpy(section, "0\r\nX: ", 6);
    memset(section + 6, 'x', sizeof(section) - 6);
    for (u32 i = 0; i < 10; i++) {
        struct lab *lab = lab_open();
        relay_begin(&lab->relay, (struct http_framing){.body = HTTP_BODY_CHUNKED});
        assert_int_equal(feed_all(lab, section, sizeof(section), &rng), RELAY_BAD);
        lab_close(lab);
    }
}

static void a_body_over_its_limit_is_told(void **state)
{
    struct rng rng;
    rng_seed(&rng, 15);
    for (u32 extra = 0; extra < 2; extra++) {
        struct lab *lab = lab_open();
        lab->relay.body_bytes_max = 33 - extra;
        relay_begin(&lab->relay, (struct http_framing){.body = HTTP_BODY_CHUNKED});
        const char *input = "1e\r\n" THIRTY "\r\n3\r\nxyz\r\n0\r\n\r\n";
        assert_int_equal(feed_all(lab, input, (u32)strlen(input), &rng),
                         extra ? RELAY_TOO_LONG : RELAY_OK);
        lab_close(lab);
    }
}

static void an_early_end_is_told(void **state)
{
    static const struct {
        enum http_body body;
        bool complete;
    } rows[] = {{HTTP_BODY_LENGTH, false},
                {HTTP_BODY_CHUNKED, false},
                {HTTP_BODY_UNTIL_CLOSE, true},
                {HTTP_BODY_TUNNEL, true},
                {HTTP_BODY_NONE, true}};
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        struct lab *lab = lab_open();
        relay_begin(&lab->relay, (struct http_framing){.body = rows[i].body, .length = 10});
        assert_int_equal(feed(lab, "3\r\nabc\r\n", 8), RELAY_OK);
        assert_int_equal(relay_source_ended(&lab->relay), rows[i].complete);
        lab_close(lab);
    }
}

static void without_leases_it_says_so(void **state)
{
    static struct lease_chain hog[LEASES];
    struct lab *lab = lab_open();
    struct lease_chain data;
    u32 count = 0;
    lease_chain_init(&data);
    relay_begin(&lab->relay, (struct http_framing){.body = HTTP_BODY_LENGTH, .length = 4});
    assert_true(ring_chain_write(lab->ring, &data, "bodyNEXT", 8));
    for (lease_chain_init(&hog[0]); ring_chain_write(lab->ring, &hog[count], "x", 1);)
        lease_chain_init(&hog[++count]);
    assert_int_equal(relay_feed(&lab->relay, &lab->proxy, &data), RELAY_NO_ROOM);
    ring_chain_return(lab->ring, &data);
    while (count > 0)
        ring_chain_return(lab->ring, &hog[--count]);
    lab_close(lab);
}

static void a_broken_relay_drops_what_comes(void **state)
{
    struct lab *lab = lab_open();
    relay_begin(&lab->relay, (struct http_framing){.body = HTTP_BODY_LENGTH, .length = 100});
    assert_int_equal(feed(lab, "abc", 3), RELAY_OK);
    relay_abort(&lab->relay, &lab->proxy);
    assert_int_equal(lab->relay.state, RELAY_BROKEN);
    assert_int_equal(feed(lab, "def", 3), RELAY_OK);
    assert_int_equal(lab->rest.bytes, 0);
    lab_close(lab);
}

int main(void)
{
    static struct CMUnitTest message_tests[ARRAY_COUNT(messages)];
    for (usize i = 0; i < ARRAY_COUNT(messages); i++)
        message_tests[i] = (struct CMUnitTest){.name = messages[i].title,
                                               .test_func = every_message_comes_out_as_it_should,
                                               .initial_state = (void *)(uintptr_t)&messages[i]};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_body_comes_out_whole),
        cmocka_unit_test(the_head_goes_before_the_body),
        cmocka_unit_test(broken_framing_is_told),
        cmocka_unit_test(trailers_without_an_end_are_bad),
        cmocka_unit_test(a_body_over_its_limit_is_told),
        cmocka_unit_test(an_early_end_is_told),
        cmocka_unit_test(without_leases_it_says_so),
        cmocka_unit_test(a_broken_relay_drops_what_comes),
    };
    int failed = cmocka_run_group_tests_name("relayed messages", message_tests, NULL, NULL);
    return failed + cmocka_run_group_tests_name("relay", tests, NULL, NULL);
}
