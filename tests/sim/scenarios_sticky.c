/* Clients that stay with their backends, and when they move: src/proxy/sticky.c. */
#include <stdio.h>

#include "scenario.h"

enum { COOKIE_BYTES_MAX = 128 };

/* Asks with a cookie, or without when it is empty: who is asked. He does not see the cookie. */
static struct sim_peer *ask(struct sim *sim, struct sim_peer *client, const char *cookie)
{
    char head[256];
    (void)snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: a\r\n%s%s%s\r\n",
                   cookie[0] ? "Cookie: a=1; " : "", cookie, cookie[0] ? "\r\n" : "");
    sim_say(client, head);
    struct sim_peer *backend = scenario_accept(sim, ANY_BACKEND);
    EXPECT_HEAD(sim, backend, "GET / HTTP/1.1", cookie[0] ? "Cookie: a=1" : "!Cookie:");
    return backend;
}

/* Answers and takes the answer; true when it sets a cookie, which is then in `cookie`. */
static bool answer(struct sim *sim, struct sim_peer *client, struct sim_peer *backend,
                   char cookie[COOKIE_BYTES_MAX])
{
    sim_say(backend, "HTTP/1.1 204 OK\r\nConnection: close\r\n\r\n");
    const char *line = strstr(scenario_head(sim, client), "Set-Cookie: ");
    if (!line)
        return false;
    const char *value = line + strlen("Set-Cookie: ");
    int len = (int)strcspn(value, ";");
    SIM_CHECK(len < COOKIE_BYTES_MAX);
    (void)snprintf(cookie, COOKIE_BYTES_MAX, "%.*s", len, value);
    return true;
}

static void stays(struct sim *sim)
{
    char cookie[COOKIE_BYTES_MAX] = "";
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = ask(sim, client, cookie);
    u32 own = sim_backend(backend);
    SIM_CHECK(answer(sim, client, backend, cookie));
    for (u32 i = 0; i < 4; i++) {
        client = sim_connect(sim);
        backend = ask(sim, client, cookie);
        SIM_CHECK(sim_backend(backend) == own);
        SIM_CHECK(!answer(sim, client, backend, cookie));
    }
    SIM_CHECK(sim_counters(sim)->sessions[SESSION_KEPT] == 4);
}

/* Marked as down, not to be connected to, or resetting: the client is somebody else's from now on,
 * also when its first backend is back. */
static void moves_once(struct sim *sim)
{
    char cookie[COOKIE_BYTES_MAX] = "";
    u32 way = sim_random(sim, 3);
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = ask(sim, client, cookie);
    u32 own = sim_backend(backend);
    SIM_CHECK(answer(sim, client, backend, cookie));
    sim_backend_usable(sim, own, way != 0);
    sim_backend_set(sim, own, way == 1 ? SIM_CONNECT_REFUSED : SIM_CONNECT_ACCEPTED);
    client = sim_connect(sim);
    backend = ask(sim, client, cookie);
    if (way == 2) {
        SIM_CHECK(sim_backend(backend) == own);
        scenario_end(sim, backend);
        backend = scenario_accept(sim, ANY_BACKEND);
        EXPECT_HEAD(sim, backend, "GET / HTTP/1.1", "Cookie: a=1");
    }
    u32 other = sim_backend(backend);
    SIM_CHECK(other != own);
    SIM_CHECK(answer(sim, client, backend, cookie));
    SIM_CHECK(sim_counters(sim)->sessions[SESSION_MOVED] == 1);
    sim_backend_usable(sim, own, true);
    sim_backend_set(sim, own, SIM_CONNECT_ACCEPTED);
    for (u32 i = 0; i < 3; i++) {
        client = sim_connect(sim);
        backend = ask(sim, client, cookie);
        SIM_CHECK(sim_backend(backend) == other);
        SIM_CHECK(!answer(sim, client, backend, cookie));
    }
}

static void grows_old(struct sim *sim)
{
    char cookie[COOKIE_BYTES_MAX] = "", renewed[COOKIE_BYTES_MAX] = "";
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = ask(sim, client, cookie);
    u32 own = sim_backend(backend);
    SIM_CHECK(answer(sim, client, backend, cookie));
    client = sim_connect(sim);
    backend = ask(sim, client, cookie);
    SIM_CHECK(sim_backend(backend) == own && !answer(sim, client, backend, renewed));
    sim_pass(sim, 700000); /* of 1000 s: it is renewed */
    client = sim_connect(sim);
    backend = ask(sim, client, cookie);
    SIM_CHECK(sim_backend(backend) == own && answer(sim, client, backend, renewed));
    sim_pass(sim, 400000);
    client = sim_connect(sim);
    (void)answer(sim, client, ask(sim, client, cookie), cookie);
    SIM_CHECK(sim_counters(sim)->sessions[SESSION_IGNORED] == 1);
    client = sim_connect(sim);
    backend = ask(sim, client, renewed);
    SIM_CHECK(sim_backend(backend) == own);
}

#define CONFIG                                                                                     \
    "{'loadBalancing':{'stickySession':{'enabled':true,'ttl':1000000}},"                           \
    "'backends':[{'url':'http://127.0.0.1:9000'},{'url':'http://127.0.0.1:9001'},"                 \
    "{'url':'http://127.0.0.1:9002'}]," SIM_SETTINGS "}"

static const struct scenario scenarios[] = {
    {"a client stays", stays, CONFIG, 0, 0},
    {"a client moves once", moves_once, CONFIG, 0, 0},
    {"a cookie grows old", grows_old, CONFIG, 0, 0},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
