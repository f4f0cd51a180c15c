/* See line.h. */
#include "line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void line_ask(struct sim_peer *client, u32 number)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "GET /%u HTTP/1.1\r\nHost: a\r\n\r\n", number);
    sim_say(client, text);
}

void line_expect_asked(struct sim *sim, struct sim_peer *backend, u32 number)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "GET /%u HTTP/1.1", number);
    EXPECT_HEAD(sim, backend, text);
}

void line_add(struct sim *sim, struct line *line)
{
    u64 before = sim_counters(sim)->requests;
    struct sim_peer *client = line->clients[line->count] = sim_connect(sim);
    line_ask(client, line->count++);
    SIM_UNTIL(sim, sim_counters(sim)->requests == before + 1);
}

void line_up(struct sim *sim, struct line *line, u32 count)
{
    *line = (struct line){.first = sim_connect(sim)};
    line_ask(line->first, 99);
    line->backend = scenario_accept(sim, 0);
    line_expect_asked(sim, line->backend, 99);
    while (line->count < count)
        line_add(sim, line);
}

void line_answer(struct sim *sim, struct sim_peer *backend, struct sim_peer *client)
{
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    scenario_expect(sim, client, "ok");
}

void line_serve_next(struct sim *sim, struct line *line, u32 next)
{
    line_answer(sim, line->backend, line->first);
    line->backend = scenario_next(sim, line->backend);
    line_expect_asked(sim, line->backend, next);
    line->first = line->clients[next];
}

void line_expect_refused(struct sim *sim, struct sim_peer *client)
{
    const char *head = scenario_head(sim, client);
    const char *after = strstr(head, "\r\nRetry-After: ");
    SIM_CHECK(strstr(head, "HTTP/1.1 503 Service Unavailable\r\n") == head && after);
    SIM_CHECK(after[15] >= '1' && after[15] <= '3' && after[16] == '\r');
    const char *length = strstr(head, "\r\nContent-Length: ");
    SIM_CHECK(length);
    usize len = strtoul(length + 18, NULL, 10);
    SIM_UNTIL(sim, sim_received(client).len >= len);
    sim_take(client, len);
}
