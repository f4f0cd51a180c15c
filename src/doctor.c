/*
 * The report has two parts, io_uring's features and the surroundings, and a verdict. It is
 * collected first and then written, for people or for programs.
 */
#include "doctor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_checks.h"

#define DISABLE_VARIABLE "NEXTPROXY_RING_DISABLE"

struct report {
    struct ring_probe probe;
    struct doctor_facts facts;
    struct doctor_check checks[DOCTOR_CHECK_COUNT];
    u32 in_use;  /* capabilities that are there and not forced off */
    u32 lacking; /* optional features that are not in use */
    u32 warnings;
    char cause[RING_EXPLANATION_BYTES]; /* empty unless there can be no ring */
    enum doctor_status status;
};

/* ---- Collecting ---- */

/* False, with a message, when NEXTPROXY_RING_DISABLE names something that does not exist. */
static bool disabled_read(u32 *out)
{
    const char *list = getenv(DISABLE_VARIABLE);
    const char *unknown = NULL;
    *out = 0;
    if (!list || ring_capabilities_parse(list, out, &unknown))
        return true;
    (void)fprintf(stderr, DISABLE_VARIABLE "=%s: there is no capability '%.*s'; there are:", list,
                  (int)strcspn(unknown, ", \t"), unknown);
    for (u32 i = 0; i < RING_CAP_COUNT; i++)
        (void)fprintf(stderr, "%s %s", i > 0 ? "," : "",
                      ring_capability_name((enum ring_capability)i));
    (void)fputc('\n', stderr);
    return false;
}

static enum doctor_status conclude(const struct report *report)
{
    for (u32 i = 0; i < DOCTOR_CHECK_COUNT; i++)
        if (report->checks[i].verdict == DOCTOR_FAILURE)
            return DOCTOR_CANNOT_RUN;
    if (!report->probe.usable)
        return DOCTOR_CANNOT_RUN;
    return report->lacking + report->warnings > 0 ? DOCTOR_DEGRADED : DOCTOR_ALL;
}

static void collect(struct report *report, u32 disabled)
{
    *report = (struct report){.status = DOCTOR_ALL};
    ring_probe_run(&report->probe);
    report->in_use = ring_capabilities_reduce(report->probe.capabilities & ~disabled);
    for (u32 i = 0; i < RING_CAP_COUNT; i++)
        report->lacking += !(report->in_use >> i & 1);
    if (!report->probe.usable)
        ring_explain_setup_error(report->probe.error, report->cause, sizeof(report->cause));
    doctor_facts_read(&report->probe, &report->facts);
    doctor_checks_run(&report->facts, report->checks);
    for (u32 i = 0; i < DOCTOR_CHECK_COUNT; i++)
        report->warnings += report->checks[i].verdict == DOCTOR_WARNING;
    report->status = conclude(report);
}

static const char *state_name(const struct report *report, u32 feature)
{
    u32 capability = ring_feature_info((enum ring_feature)feature)->capability;
    switch (report->probe.rows[feature].state) {
    case RING_FEATURE_UNTESTED:
        return "untested";
    case RING_FEATURE_MISSING:
        return "missing";
    case RING_FEATURE_PRESENT:
        break;
    }
    return capability != 0 && !(report->in_use & capability) ? "forced off" : "ok";
}

/* Why a feature is missing or could not be tested; NULL when it is there. */
static const char *error_text(i32 error)
{
    if (error == 0)
        return NULL;
    if (error == EPROTO)
        return "accepted, but did something else";
    if (error == ETIME)
        return "no answer";
    return strerror(error);
}

/* ---- For people ---- */

static void print_features(const struct report *report)
{
    (void)printf("  %-17s %-10s  %-6s  %s\n", "io_uring", "state", "since",
                 "why nextproxy uses it");
    for (u32 i = 0; i < RING_FEATURE_COUNT; i++) {
        const struct ring_feature_info *info = ring_feature_info((enum ring_feature)i);
        const char *state = state_name(report, i);
        const char *error = error_text(report->probe.rows[i].error);
        (void)printf("  %-17s %-10s  %-6s  %s\n", info->name, state, info->since, info->why);
        if (error)
            (void)printf("  %-38s found: %s\n", "", error);
        if (info->capability != 0 && report->probe.rows[i].state != RING_FEATURE_UNTESTED &&
            !(report->in_use & info->capability))
            (void)printf("  %-38s without it: %s\n", "", info->without);
    }
}

static void print_checks(const struct report *report)
{
    (void)printf("\n  %-31s %-8s  %s\n", "surroundings", "verdict", "value and meaning");
    for (u32 i = 0; i < DOCTOR_CHECK_COUNT; i++) {
        const struct doctor_check *check = &report->checks[i];
        (void)printf("  %-31s %-8s  %s: %s\n", check->name, doctor_verdict_name(check->verdict),
                     check->value, check->meaning);
        if (check->cure[0] != '\0')
            (void)printf("  %-42scure: %s\n", "", check->cure);
    }
}

static void print_verdict(const struct report *report)
{
    switch (report->status) {
    case DOCTOR_ALL:
        (void)printf("\nnextproxy runs here with everything it can use.\n");
        return;
    case DOCTOR_DEGRADED:
        (void)printf("\nnextproxy runs here, degraded: %u of %u optional features not in use, "
                     "%u warnings.\n",
                     (unsigned)report->lacking, (unsigned)RING_CAP_COUNT,
                     (unsigned)report->warnings);
        return;
    case DOCTOR_CANNOT_RUN:
        (void)printf("\nnextproxy cannot run here.\n");
        if (report->cause[0] != '\0')
            (void)printf("%s\n", report->cause);
        for (u32 i = 0; i < DOCTOR_CHECK_COUNT; i++)
            if (report->checks[i].verdict == DOCTOR_FAILURE)
                (void)printf("%s is %s: %s; cure: %s\n", report->checks[i].name,
                             report->checks[i].value, report->checks[i].meaning,
                             report->checks[i].cure);
        return;
    }
}

/* ---- For programs ---- */

/* A JSON string, or null. */
static void json_string(const char *text)
{
    if (!text) {
        (void)fputs("null", stdout);
        return;
    }
    (void)putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            (void)printf("\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            (void)printf("\\u%04x", (unsigned)*text);
        else
            (void)putchar(*text);
    }
    (void)putchar('"');
}

static void json_member(const char *before, const char *name, const char *text)
{
    (void)printf("%s\"%s\":", before, name);
    json_string(text);
}

static void json_features(const struct report *report)
{
    for (u32 i = 0; i < RING_FEATURE_COUNT; i++) {
        const struct ring_feature_info *info = ring_feature_info((enum ring_feature)i);
        (void)printf("%s    {", i > 0 ? ",\n" : "");
        json_member("", "name", info->name);
        (void)printf(",\"required\":%s", info->capability == 0 ? "true" : "false");
        json_member(",", "state", state_name(report, i));
        json_member(",", "since", info->since);
        json_member(",", "why", info->why);
        json_member(",", "without", info->without);
        json_member(",", "error", error_text(report->probe.rows[i].error));
        (void)putchar('}');
    }
}

static void json_checks(const struct report *report)
{
    for (u32 i = 0; i < DOCTOR_CHECK_COUNT; i++) {
        const struct doctor_check *check = &report->checks[i];
        (void)printf("%s    {", i > 0 ? ",\n" : "");
        json_member("", "name", check->name);
        json_member(",", "verdict", doctor_verdict_name(check->verdict));
        json_member(",", "value", check->value);
        json_member(",", "meaning", check->meaning);
        json_member(",", "cure", check->cure[0] != '\0' ? check->cure : NULL);
        (void)putchar('}');
    }
}

static void print_json(const struct report *report)
{
    static const char *const verdicts[] = {
        [DOCTOR_ALL] = "all",
        [DOCTOR_DEGRADED] = "degraded",
        [DOCTOR_CANNOT_RUN] = "cannot run",
    };
    json_member("{\n  ", "verdict", verdicts[report->status]);
    (void)printf(",\n  \"exitStatus\":%d", (int)report->status);
    json_member(",\n  ", "cause", report->cause[0] != '\0' ? report->cause : NULL);
    (void)fputs(",\n  \"features\":[\n", stdout);
    json_features(report);
    (void)fputs("\n  ],\n  \"surroundings\":[\n", stdout);
    json_checks(report);
    (void)fputs("\n  ]\n}\n", stdout);
}

enum doctor_status doctor_run(bool json)
{
    u32 disabled;
    if (!disabled_read(&disabled))
        return DOCTOR_CANNOT_RUN;
    struct report report;
    collect(&report, disabled);
    if (json) {
        print_json(&report);
        return report.status;
    }
    print_features(&report);
    print_checks(&report);
    print_verdict(&report);
    return report.status;
}
