/* The forms of what a health check asks for. */
#include "config/forms.h"

static const char *body_complaint(struct slice value)
{
    bool good = value.len > 0 && value.len <= CONFIG_PROBE_BODY_BYTES_MAX;
    return good ? NULL : form_probe_body.allowed;
}

const struct setting_form form_probe_body = {
    .complaint = body_complaint,
    .allowed = "a text of 1 to 255 bytes",
    .pattern = "^[\\s\\S]{1,255}$",
};
