/* Who goes first in a queue, and who is turned away. */
#include <stdio.h>

#include "line.h"

/* ---- Order by priority ---- */

#define PRIORITY(more)                                                                             \
    "'priority':{'header':'X-Priority','high':['high','1'],'low':['low'],'headStart':1000" more "}"
#define CONFIG_PRIORITY(queue, more)                                                               \
    "{'backends':[{'id':'a','url':'http://127.0.0.1:9000'}]," PRIORITY(more) "," SETTINGS(         \
        "1", queue) "}"
#define FROM_ANYONE ",'fromAnyone':true"

static void add_as(struct sim *sim, struct line *line, const char *priority)
{
    char text[96];
    u64 before = sim_counters(sim)->requests;
    struct sim_peer *client = line->clients[line->count] = sim_connect(sim);
    (void)snprintf(text, sizeof(text), "GET /%u HTTP/1.1\r\nHost: a\r\nX-Priority: %s\r\n\r\n",
                   line->count++, priority);
    sim_say(client, text);
    SIM_UNTIL(sim, sim_counters(sim)->requests == before + 1);
}

static void expect_order(struct sim *sim, struct line *line, const u32 *order, u32 count)
{
    for (u32 i = 0; i < count; i++)
        line_serve_next(sim, line, order[i]);
    line_answer(sim, line->backend, line->first);
}

static void important_ones_first(struct sim *sim)
{
    static const char *const asked[] = {"low", "whatever", "HIGH", "low", "1", "normal"};
    struct line line;
    line_up(sim, &line, 0);
    for (u32 i = 0; i < 6; i++)
        add_as(sim, &line, asked[i]);
    expect_order(sim, &line, (const u32[]){2, 4, 1, 5, 0, 3}, 6);
}

/* Nobody is overtaken by those that come a head start later. */
static void nobody_waits_for_ever(struct sim *sim)
{
    struct line line;
    line_up(sim, &line, 0);
    add_as(sim, &line, "low"); /* its turn is 2000 ms later than now */
    sim_pass(sim, 400);
    add_as(sim, &line, "normal"); /* 1400 */
    sim_pass(sim, 1100);
    add_as(sim, &line, "normal"); /* 2500 */
    sim_pass(sim, 200);
    add_as(sim, &line, "high"); /* 1700 */
    sim_pass(sim, 550);
    add_as(sim, &line, "high"); /* 2250 */
    expect_order(sim, &line, (const u32[]){1, 3, 0, 4, 2}, 5);
}

static void not_believed(struct sim *sim)
{
    struct line line;
    line_up(sim, &line, 0);
    add_as(sim, &line, "low");
    add_as(sim, &line, "high");
    expect_order(sim, &line, (const u32[]){0, 1}, 2);
}

/* A full queue has room for what is more important than the least of it, the newest of these. */
static void important_ones_displace(struct sim *sim)
{
    struct line line;
    line_up(sim, &line, 0);
    add_as(sim, &line, "low");
    add_as(sim, &line, "low");
    add_as(sim, &line, "normal");
    add_as(sim, &line, "high"); /* instead of 1 */
    line_expect_refused(sim, line.clients[1]);
    add_as(sim, &line, "normal"); /* instead of 0 */
    line_expect_refused(sim, line.clients[0]);
    add_as(sim, &line, "normal");
    line_expect_refused(sim, line.clients[5]);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_SHED] == 2);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_QUEUE_FULL] == 1);
    expect_order(sim, &line, (const u32[]){3, 2, 4}, 3);
}

/* ---- A queue that stands ---- */

#define CONFIG_SHEDDING                                                                            \
    "{'backends':[{'id':'a','url':'http://127.0.0.1:9000'}]," PRIORITY(                            \
        FROM_ANYONE) ","                                                                           \
                     "'shedding':{'enabled':true,'target':100,'interval':1000}," SETTINGS(         \
                         "1", "20") "}"

/* All have waited for longer than the target throughout an interval: the newest go, and last those
 * that are important. What remains is as much as is served within the target: here one. */
static void the_newest_are_shed(struct sim *sim)
{
    struct line line;
    line_up(sim, &line, 0);
    add_as(sim, &line, "normal");
    add_as(sim, &line, "low");
    add_as(sim, &line, "high");
    for (u32 i = 0; i < 5; i++)
        add_as(sim, &line, "normal");
    sim_pass(sim, 1100);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_SHED] == 0); /* nobody came or went since */
    add_as(sim, &line, "normal");
    for (u32 i = 0; i < line.count; i++)
        if (i != 2)
            line_expect_refused(sim, line.clients[i]);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_SHED] == 8);
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"fault\":\"shed\"");
    EXPECT_RECORD(sim, LOG_FILE_ERROR, "\"type\":\"overload\"", "\"error\":\"queue_stands\"");
    line_serve_next(sim, &line, 2);
    EXPECT_RECORD(sim, LOG_FILE_ERROR, "\"type\":\"overload\"", "\"error\":\"queue_empty\"");
    for (u32 i = 0; i < 5; i++) /* and many may wait again */
        add_as(sim, &line, "normal");
    SIM_CHECK(sim_counters(sim)->faults[FAULT_SHED] == 8);
    expect_order(sim, &line, (const u32[]){9, 10, 11, 12, 13}, 5);
}

int main(void)
{
    static const struct scenario scenarios[] = {
        {"important ones first", important_ones_first, CONFIG_PRIORITY("20", FROM_ANYONE), 0, 0},
        {"nobody waits for ever", nobody_waits_for_ever, CONFIG_PRIORITY("20", FROM_ANYONE), 0, 0},
        {"not believed", not_believed, CONFIG_PRIORITY("20", ""), 0, 0},
        {"important ones displace", important_ones_displace, CONFIG_PRIORITY("3", FROM_ANYONE), 0,
         0},
        {"the newest are shed", the_newest_are_shed, CONFIG_SHEDDING, 0, 0},
    };
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
