/* Reloads: who asks for one is told what became of it. The source runs it when no request is being
 * read; until then the connection is parked. */
#include "admin/admin_internal.h"

static const struct verdict_row {
    u32 status;
    struct slice name;
    const char *instead; /* of a report, when there is none */
} rows[] = {
    [ADMIN_RELOADED] = {200, {"reloaded", 8}, ""},
    [ADMIN_RELOAD_UNCHANGED] = {200, {"unchanged", 9}, ""},
    [ADMIN_RELOAD_REFUSED] = {422, {"refused", 7}, ""},
    [ADMIN_RELOAD_STOPPING] = {409, {"stopping", 8}, "Not reloaded: the proxy is stopping\n"},
    [ADMIN_RELOAD_WAITING] = {202,
                              {"waiting", 7},
                              "The reload still waits for names to be resolved: the log and "
                              "/status tell how it ends\n"},
};

void verdict_write(const struct admin *admin, enum admin_reload verdict, struct slice report,
                   struct admin_reply *reply)
{
    const struct verdict_row *row = &rows[verdict];
    struct admin_view view;
    admin->source->view(admin->source->context, &view);
    if (report.len == 0)
        report = slice_of_string(row->instead);
    reply->status = row->status;
    if (reply->text) {
        reply->form = ADMIN_TEXT;
        http_write(&reply->body, report);
        return;
    }
    http_write(&reply->body, SLICE("{\"verdict\":"));
    write_json(&reply->body, row->name);
    write_format(&reply->body,
                 ",\"snapshot\":%llu,\"report\":", (unsigned long long)view.snapshot->version);
    write_json_lines(&reply->body, report);
    http_write(&reply->body, SLICE("}\n"));
}

void answer_reload(struct admin *admin, const struct admin_question *question,
                   struct admin_reply *reply)
{
    (void)question;
    reply->later = admin->source->reload(admin->source->context);
    if (!reply->later)
        verdict_write(admin, ADMIN_RELOAD_STOPPING, slice_of(NULL, 0), reply);
}
