/* The resolver alone, on a clock of its own: questions stay open until the test answers them.
 * A program that includes this wraps, by a line about linking, the four functions that have
 * __wrap_ here. */
#ifndef NEXTPROXY_TEST_RESOLVE_FIXTURE_H
#define NEXTPROXY_TEST_RESOLVE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <ares.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "resolve.h"
#include "resolve/message.h"

enum { QUESTIONS_MAX = 512, SAID_BYTES = 512, BACKENDS_MAX = 4, MESSAGE_BYTES_MAX = 65535 };

/* One that was asked. */
struct question {
    char name[MESSAGE_NAME_BYTES];
    enum message_type type;
    ares_callback callback; /* NULL: it is over */
    void *argument;
    bool searched; /* in search domains, too */
};

static struct {
    u64 now_ns;
    struct wheel wheel;
    struct resolver *resolver;
    struct config config;
    struct config_backend backends[BACKENDS_MAX];
    struct question questions[QUESTIONS_MAX];
    u32 asked;
    u32 changes;
    u32 said; /* lines */
    char last[SAID_BYTES];
    u8 message[MESSAGE_BYTES_MAX];
    u32 len;
} world;

u64 __wrap_ring_now_ns(const struct ring *ring);
void __wrap_ares_search(ares_channel channel, const char *name, int class, int type,
                        ares_callback callback, void *argument);
void __wrap_ares_query(ares_channel channel, const char *name, int class, int type,
                       ares_callback callback, void *argument);
void __real_ares_destroy(ares_channel channel);
void __wrap_ares_destroy(ares_channel channel);

u64 __wrap_ring_now_ns(const struct ring *ring)
{
    (void)ring;
    return world.now_ns;
}

void __wrap_ares_search(ares_channel channel, const char *name, int class, int type,
                        ares_callback callback, void *argument)
{
    struct question *question = &world.questions[world.asked++];
    (void)channel, (void)class;
    assert_in_range(world.asked, 1, QUESTIONS_MAX);
    (void)snprintf(question->name, sizeof(question->name), "%s", name);
    question->type = (enum message_type)type;
    question->callback = callback;
    question->argument = argument;
    question->searched = true;
}

void __wrap_ares_query(ares_channel channel, const char *name, int class, int type,
                       ares_callback callback, void *argument)
{
    __wrap_ares_search(channel, name, class, type, callback, argument);
    world.questions[world.asked - 1].searched = false;
}

static inline void question_end(u32 index, int status, u8 *bytes, u32 len)
{
    assert_in_range(index, 0, QUESTIONS_MAX - 1);
    ares_callback callback = world.questions[index].callback;
    world.questions[index].callback = NULL;
    callback(world.questions[index].argument, status, 0, bytes, (int)len);
}

void __wrap_ares_destroy(ares_channel channel)
{
    for (u32 i = 0; i < world.asked; i++)
        if (world.questions[i].callback)
            question_end(i, ARES_EDESTRUCTION, NULL, 0);
    __real_ares_destroy(channel);
}

/* ---- The clock ---- */

static inline void pass(u64 ms)
{
    for (u64 end_ns = world.now_ns + ms * NS_PER_MS; world.now_ns < end_ns;) {
        world.now_ns = min_u64(end_ns, world.now_ns + 5 * NS_PER_MS);
        wheel_run(&world.wheel, world.now_ns);
    }
}

/* ---- Names ---- */

static inline void on_change(void *context)
{
    (void)context;
    world.changes++;
}

static inline void on_say(void *context, enum log_severity severity, const char *error,
                          const char *message)
{
    (void)context, (void)severity;
    world.said++;
    (void)snprintf(world.last, sizeof(world.last), "%s: %s", error, message);
}

/* As by the defaults of a configuration. */
static inline int begin(void **state)
{
    (void)state;
    memset(&world, 0, sizeof(world));
    world.now_ns = NS_PER_S;
    wheel_init(&world.wheel, world.now_ns);
    world.config.dns = (struct config_dns){
        .family = CONFIG_FAMILY_PREFER_IPV4,
        .timeout_ms = 1000,
        .tries = 3,
        .ttl_min_ms = 1000,
        .ttl_max_ms = 300000,
        .retry_ms = 1000,
        .retry_max_ms = 30000,
    };
    world.config.backends = world.backends;
    world.resolver = resolver_create(&(struct resolve_options){
        .wheel = &world.wheel,
        .listener = {on_change, on_say, NULL},
        .seed = 1,
    });
    return world.resolver ? 0 : -1;
}

static inline int end(void **state)
{
    (void)state;
    resolver_stop(world.resolver);
    resolver_destroy(world.resolver);
    return 0;
}

static inline void follow(void)
{
    const struct config *configs[] = {&world.config};
    resolver_follow(world.resolver, configs, 1);
    pass(20);
}

static inline const struct config_backend *want_name(const char *name, bool service)
{
    struct config_backend *backend = &world.backends[world.config.backend_count++];
    backend->name = slice_of_string(name);
    backend->service = service;
    backend->port = 80;
    follow();
    return backend;
}

/* Where it leads, as "address:port*weight address:port*weight". */
static inline const char *leads_to(const struct config_backend *backend)
{
    static char text[CONFIG_ENDPOINTS_MAX * (ADDRESS_TEXT_BYTES + 8)];
    struct config_endpoint found[CONFIG_ENDPOINTS_MAX];
    u32 count = resolver_find(world.resolver, backend, found);
    usize len = 0;
    text[0] = '\0';
    for (u32 i = 0; i < count; i++) {
        char address[ADDRESS_TEXT_BYTES];
        address_format(&found[i].address, address);
        len += (usize)snprintf(text + len, sizeof(text) - len, "%s%s*%u", i > 0 ? " " : "", address,
                               found[i].weight);
    }
    return text;
}

/* ---- Answers ---- */

/* QUESTIONS_MAX: there is none. */
static inline u32 open_question(const char *name, enum message_type type)
{
    u32 i = 0;
    while (i < world.asked && !(world.questions[i].callback && world.questions[i].type == type &&
                                strcmp(world.questions[i].name, name) == 0))
        i++;
    return i < world.asked ? i : QUESTIONS_MAX;
}

static inline bool is_asking(const char *name, enum message_type type)
{
    return open_question(name, type) < QUESTIONS_MAX;
}

/* Questions about it, so far. */
static inline u32 asked(const char *name, enum message_type type)
{
    u32 count = 0;
    for (u32 i = 0; i < world.asked; i++)
        count += world.questions[i].type == type && strcmp(world.questions[i].name, name) == 0;
    return count;
}

static inline void put(const void *bytes, usize len)
{
    assert_in_range(world.len + len, 0, sizeof(world.message));
    memcpy(world.message + world.len, bytes, len);
    world.len += (u32)len;
}

static inline void put_u16(u32 value)
{
    const u8 bytes[] = {(u8)(value >> 8), (u8)value};
    put(bytes, sizeof(bytes));
}

static inline void compose(void)
{
    static const u8 head[12] = {0, 0, 0x81, 0x80}; /* no question: its owners are the root */
    world.len = 0;
    put(head, sizeof(head));
}

static inline void message_count(void)
{
    u32 count = (u32)(world.message[6] << 8 | world.message[7]) + 1;
    world.message[6] = (u8)(count >> 8);
    world.message[7] = (u8)count;
}

static inline void put_head(enum message_type type, u32 ttl_s, usize data_bytes)
{
    put("", 1);
    put_u16((u32)type);
    put_u16(1);
    put_u16(ttl_s >> 16);
    put_u16(ttl_s & 0xffff);
    put_u16((u32)data_bytes);
    message_count();
}

static inline void put_address(const char *text, u32 ttl_s)
{
    struct address address;
    assert_true(address_parse_ip(slice_of_string(text), 0, &address));
    if (address.any.sa_family == AF_INET) {
        put_head(MESSAGE_A, ttl_s, 4);
        put(&address.v4.sin_addr, 4);
    } else {
        put_head(MESSAGE_AAAA, ttl_s, 16);
        put(&address.v6.sin6_addr, 16);
    }
}

struct target {
    u32 priority;
    u32 weight;
    u32 port;
    const char *host; /* one label */
};

static inline void put_service(const struct target *target, u32 ttl_s)
{
    u8 label = (u8)strlen(target->host);
    put_head(MESSAGE_SRV, ttl_s, 6 + 1 + label + 1U);
    put_u16(target->priority);
    put_u16(target->weight);
    put_u16(target->port);
    put(&label, 1);
    put(target->host, label + 1U);
}

/* The message there is answers the open question. */
static inline void send_message(const char *name, enum message_type type)
{
    question_end(open_question(name, type), ARES_SUCCESS, world.message, world.len);
}

static inline void refuse(const char *name, enum message_type type, int status)
{
    question_end(open_question(name, type), status, NULL, 0);
}

static inline void answer(const char *name, const char *address, u32 ttl_s)
{
    compose();
    put_address(address, ttl_s);
    send_message(name, strchr(address, ':') ? MESSAGE_AAAA : MESSAGE_A);
}

/* A host with this address alone, which is known until the end of the test. */
static inline void answer_host(const char *name, const char *address)
{
    bool six = strchr(address, ':') != NULL;
    answer(name, address, 100000);
    refuse(name, six ? MESSAGE_A : MESSAGE_AAAA, ARES_ENODATA);
    pass(60);
}

static inline void answer_services(const char *name, const struct target *targets, u32 count)
{
    compose();
    for (u32 i = 0; i < count; i++)
        put_service(&targets[i], 1);
    send_message(name, MESSAGE_SRV);
    pass(60);
}

#endif
