/* What engines say, and what they give to be kept for the next one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/supervisor_internal.h"

/* ---- Sockets ---- */

static void on_keep(struct supervisor *supervisor, struct engine *engine,
                    const struct channel_message *message)
{
    i32 pending = engine->state == ENGINE_SERVING ? 0 : engine->pid;
    for (u32 i = 0; i < message->fd_count; i++)
        if (!store_keep(&supervisor->store, message->fds[i], message->text + strlen(MESSAGE_KEEP),
                        pending))
            supervisor_say("nextproxy: more than %d listening sockets: not all of them outlive a "
                           "restart",
                           HANDOVER_SOCKETS_MAX);
}

static void on_forget(struct supervisor *supervisor, struct engine *engine,
                      const struct channel_message *message)
{
    char *name = NULL;
    unsigned long from = strtoul(message->text + strlen(MESSAGE_FORGET), &name, 10);
    if (engine->state == ENGINE_SERVING && *name == ' ')
        store_forget(&supervisor->store, name + 1, (u32)from);
}

/* ---- Files in memory ---- */

/* When none comes, or it does not count, what was kept before is the best there is. */
static void replace_file(int *kept, const struct channel_message *message, bool counts)
{
    bool taken = counts && message->fd_count > 0;
    for (u32 i = taken ? 1 : 0; i < message->fd_count; i++)
        (void)close(message->fds[i]);
    if (!taken)
        return;
    if (*kept >= 0)
        (void)close(*kept);
    *kept = message->fds[0];
}

static void on_known(struct supervisor *supervisor, struct engine *engine,
                     const struct channel_message *message)
{
    replace_file(&supervisor->known_fd, message,
                 engine->state == ENGINE_SERVING || engine->state == ENGINE_STARTING);
}

static void on_held(struct supervisor *supervisor, struct engine *engine,
                    const struct channel_message *message)
{
    on_known(supervisor, engine, message);
    supervisor_held(supervisor);
}

/* Said by who is ready: one that is not has not shown yet that it can serve by it. */
static void on_served(struct supervisor *supervisor, struct engine *engine,
                      const struct channel_message *message)
{
    replace_file(&supervisor->config_fd, message, engine->state == ENGINE_SERVING);
}

/* ---- The rest ---- */

static void on_failed(struct supervisor *supervisor, struct engine *engine,
                      const struct channel_message *message)
{
    (void)supervisor;
    (void)snprintf(engine->failure, sizeof(engine->failure), "%s",
                   message->text + strlen(MESSAGE_FAILED));
}

/* What is for the service manager comes from the one that serves, or is to serve after a crash. */
static void pass_on(const struct engine *engine, const struct channel_message *message)
{
    if (engine->state == ENGINE_SERVING || engine->state == ENGINE_STARTING)
        (void)notify_send(message->text);
}

static void on_ready(struct supervisor *supervisor, struct engine *engine,
                     const struct channel_message *message)
{
    if (engine->state == ENGINE_STARTING || engine->state == ENGINE_TRIAL)
        supervisor_ready(supervisor, engine);
    pass_on(engine, message);
}

static const struct message_row {
    const char *begin;
    void (*take)(struct supervisor *supervisor, struct engine *engine,
                 const struct channel_message *message); /* the descriptors, too */
} message_rows[] = {
    {MESSAGE_KEEP, on_keep},   {MESSAGE_FORGET, on_forget}, {MESSAGE_FAILED, on_failed},
    {MESSAGE_KNOWN, on_known}, {MESSAGE_HELD, on_held},     {MESSAGE_SERVED, on_served},
    {MESSAGE_READY, on_ready},
};

static void on_message(struct supervisor *supervisor, struct engine *engine,
                       const struct channel_message *message)
{
    if (message->cut)
        supervisor_say("nextproxy: too few file descriptors for the supervisor: not all listening "
                       "sockets outlive a restart; raise the limit (ulimit -n, LimitNOFILE=)");
    for (u32 i = 0; i < ARRAY_COUNT(message_rows); i++) {
        const struct message_row *row = &message_rows[i];
        if (strncmp(message->text, row->begin, strlen(row->begin)) == 0) {
            row->take(supervisor, engine, message);
            return;
        }
    }
    pass_on(engine, message);
}

void supervisor_hear(struct supervisor *supervisor, struct engine *engine)
{
    struct channel_message message;
    enum channel_result result = CHANNEL_NOTHING;
    while (engine->channel >= 0 &&
           (result = channel_receive(engine->channel, &message)) == CHANNEL_MESSAGE)
        on_message(supervisor, engine, &message);
    if (result == CHANNEL_ENDED) {
        (void)close(engine->channel);
        engine->channel = -1;
    }
}
