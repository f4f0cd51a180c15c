/* A client of the random walk. */
#include <stdio.h>

#include "walk.h"

static void connect_anew(struct walk_client *client)
{
    client->peer =
        sim_connect_to(client->sim, client->mood.local ? sim_random(client->sim, 2) : 0, NULL);
    client->tunnel = (struct walk_tunnel){0};
    client->upgrading = false;
    client->answer = (struct message){0};
    client->asked_count = 0;
    client->broken = false;
    if (client->mood.trouble && sim_chance(client->sim, 20))
        sim_window(client->peer, 1 + sim_random(client->sim, 2000));
}

void walk_client_init(struct walk_client *client, struct sim *sim, struct walk_mood mood)
{
    u32 wanted = 1 + sim_random(sim, 12);
    *client = (struct walk_client){.sim = sim, .mood = mood, .wanted = wanted, .to_ask = wanted};
    connect_anew(client);
}

void walk_client_check_served(const struct walk_client *client)
{
    if (client->served != client->wanted)
        sim_fail("%u of %u requests were served, %u got pages", client->served, client->wanted,
                 client->pages);
}

static void end_somehow(struct walk_client *client)
{
    sim_leave(client->peer, sim_random(client->sim, 3));
    client->broken = true;
}

/* ---- Asking ---- */

static bool misfortune(const struct walk_client *client, u32 percent)
{
    return client->mood.trouble && sim_chance(client->sim, percent);
}

static void ask(struct walk_client *client, u32 number)
{
    static const char *const methods[] = {"GET", "HEAD", "PUT", "POST", "DELETE"};
    struct sim *sim = client->sim;
    u32 method = sim_random(sim, ARRAY_COUNT(methods));
    enum message_framing framing = method < 2 ? MESSAGE_NO_BODY : 1 + sim_random(sim, 2);
    u64 length = message_length(number, MESSAGE_REQUEST);
    char head[256];
    int begun = snprintf(head, sizeof(head), "%s /%u HTTP/1.1\r\nHost: walk\r\nX-A: b\r\n",
                         methods[method], number);
    usize len = message_end_head(head, (usize)begun, sizeof(head), framing, length);
    client->asked[client->asked_count++] = (struct walk_request){number, method == 1};
    if (misfortune(client, 3)) {
        sim_send(client->peer, head, sim_random(sim, (u32)len));
        end_somehow(client);
        return;
    }
    sim_send(client->peer, head, len);
    if (framing == MESSAGE_NO_BODY)
        return;
    u64 cut = misfortune(client, 5) ? sim_random(sim, (u32)length + 1) : UINT64_MAX;
    message_send_body(sim, client->peer, number, MESSAGE_REQUEST, framing == MESSAGE_BY_CHUNKS,
                      cut);
    if (cut < length) {
        client->broken = true; /* nothing may follow; some wait for what the proxy does */
        if (sim_chance(sim, 60))
            end_somehow(client);
    }
}

/* A tunnel: the number's bodies go through it, both at once. */
static void ask_upgrade(struct walk_client *client, u32 number)
{
    char head[128];
    int len = snprintf(head, sizeof(head),
                       "GET /%u HTTP/1.1\r\nHost: walk\r\nConnection: upgrade\r\n"
                       "Upgrade: walk\r\n\r\n",
                       number);
    client->asked[client->asked_count++] = (struct walk_request){.number = number};
    client->upgrading = true;
    sim_send(client->peer, head, (usize)len);
}

static void ask_some(struct walk_client *client, u32 *numbers)
{
    while (client->to_ask > 0 && !client->broken && !client->upgrading &&
           client->asked_count < WALK_PIPELINED_MAX) {
        if (client->mood.trouble && sim_chance(client->sim, 60))
            return;
        client->to_ask--;
        if (sim_chance(client->sim, 10))
            ask_upgrade(client, ++*numbers);
        else
            ask(client, ++*numbers);
    }
    if (misfortune(client, 1) && !client->broken && !client->upgrading) {
        sim_say(client->peer, "GARBAGE\r\n\r\n");
        client->broken = true;
    }
}

/* ---- Listening ---- */

static void forget_oldest(struct walk_client *client)
{
    if (client->asked_count > 0)
        client->asked_count--;
    memmove(client->asked, client->asked + 1, client->asked_count * sizeof(client->asked[0]));
    if (client->asked_count == 0)
        client->upgrading = false;
    client->answer = (struct message){0};
}

static void enter_tunnel(struct walk_client *client)
{
    u32 number = client->answer.number;
    SIM_CHECK(client->upgrading && client->answer.upgrade && client->asked_count == 1);
    SIM_CHECK(client->asked[0].number == number);
    walk_tunnel_begin(&client->tunnel, number, MESSAGE_REQUEST);
    forget_oldest(client);
}

/* The oldest request is answered. */
static void answered(struct walk_client *client)
{
    struct message *answer = &client->answer;
    if (answer->ours) {
        SIM_CHECK(client->asked_count > 0);
        if (answer->number != client->asked[0].number)
            sim_fail("the response of %u for request %u", answer->number, client->asked[0].number);
        SIM_CHECK(client->asked[0].head_only || answer->body_bytes == answer->length);
        client->served++;
    } else {
        SIM_CHECK(answer->status >= 400);
        SIM_CHECK(client->asked_count > 0 || client->broken);
        client->pages++;
    }
    if (answer->close)
        client->broken = true;
    forget_oldest(client);
}

static void hear(struct walk_client *client)
{
    for (;;) {
        bool head_only = client->asked_count > 0 && client->asked[0].head_only;
        message_read(&client->answer, client->peer, head_only);
        if (!message_whole(&client->answer, sim_end(client->peer)))
            return;
        if (client->answer.status == 101) {
            enter_tunnel(client);
            return;
        }
        answered(client);
    }
}

/* The connection is over: another one, if there is still something to be asked. */
static void leave(struct walk_client *client)
{
    sim_close(client->peer);
    if (client->to_ask > 0)
        connect_anew(client);
    else
        client->over = true;
}

static void act_in_tunnel(struct walk_client *client)
{
    struct walk_tunnel *tunnel = &client->tunnel;
    tunnel->silent |= misfortune(client, 1);
    walk_tunnel_act(tunnel, client->sim, client->peer);
    if (tunnel->open && misfortune(client, 1) && sim_chance(client->sim, 20))
        end_somehow(client);
    if (tunnel->open)
        return;
    client->served += tunnel->whole;
    leave(client);
}

void walk_client_act(struct walk_client *client, u32 *numbers)
{
    if (client->over)
        return;
    if (client->asleep > 0) {
        client->asleep--;
        return;
    }
    if (!client->tunnel.open)
        hear(client);
    if (client->tunnel.open) {
        act_in_tunnel(client);
        return;
    }
    if (sim_end(client->peer) != SIM_OPEN) {
        leave(client);
        return;
    }
    ask_some(client, numbers);
    if (client->to_ask == 0 && client->asked_count == 0)
        end_somehow(client);
    if (misfortune(client, 2))
        client->asleep = sim_random(client->sim, 100);
    if (misfortune(client, 1) && sim_chance(client->sim, 30))
        end_somehow(client);
}
