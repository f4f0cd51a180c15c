/* The forms of what a health check asks for. */
#include "config/forms.h"

enum { WORD_BYTES_MAX = 1024 };

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

/* JSON texts with NUL are refused as such, and nothing else ends a word. */
static const char *word_complaint(struct slice value)
{
    return value.len <= WORD_BYTES_MAX ? NULL : form_word.allowed;
}

const struct setting_form form_word = {
    .complaint = word_complaint,
    .allowed = "a text of at most 1024 bytes",
    .pattern = "^[\\s\\S]{0,1024}$",
};
