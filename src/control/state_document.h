/* What is known at run time, as the document that is kept over a restart. */
#ifndef NEXTPROXY_CONTROL_STATE_DOCUMENT_H
#define NEXTPROXY_CONTROL_STATE_DOCUMENT_H

#include <stdio.h>

#include "config/kept.h"
#include "control/boot_id.h"
#include "control/live.h"
#include "control/wall_clock.h"
#include "health.h"

enum { STATE_SECRET_BYTES = 32 };

/* What cookies of sticky sessions are signed with. */
extern const char state_secret_sticky[];

struct state_secret {
    char name[65];
    u8 bytes[STATE_SECRET_BYTES];
};

struct state_document {
    struct live *live;
    struct resolver *resolver;
    struct health *health; /* NULL: nothing is known of it */
    const struct wall_clock *wall;
    struct slice boot; /* in `boot_id` */
    u32 secret_count;
    /* Of other names, too: a later version may want them back. */
    struct state_secret secrets[CONFIG_KEPT_SECRETS_MAX];
    char boot_id[BOOT_ID_BYTES];
};

/* Whether there is a cookie that is signed with a key made by chance. */
bool state_document_signs(const struct config *config);
/* Takes the secrets of an earlier document over. Once, at the beginning. */
void state_document_take(struct state_document *document, const struct config_kept *kept);
/* NULL when there is none. */
const struct state_secret *state_document_secret(const struct state_document *document,
                                                 const char *name);
/* Whether there is something in it that is only true for as long as somebody looks. */
struct state_ages {
    bool health;
    bool names;
};
/* Writes it, as of now. */
struct state_ages state_document_print(struct state_document *document, FILE *out);

#endif
