/* A limit that follows the latency. See include/limit.h. */
#include <math.h>

#include "limit.h"

#define PROBE_WAIT_FIRST_NS 2000000000ull

static const double FIRST_LIMIT = 20;
static const double SHRINK_MOST = 0.5;   /* in one window */
static const double SMOOTHING = 0.5;     /* how far the limit goes towards where it should be */
static const double STILL_FALLING = 0.8; /* of the latency under twice the limit */
static const double BASELINE_GAIN = 0.2; /* of a window without load */

static double within(double value, double least, double most)
{
    return value < least ? least : value > most ? most : value;
}

static double bounded(double limit, const struct limit_gradient_settings *settings)
{
    return within(limit, settings->least, settings->most);
}

u32 limit_gradient_begin(struct limit_gradient *gradient,
                         const struct limit_gradient_settings *settings, u64 now_ns)
{
    *gradient = (struct limit_gradient){
        .limit = bounded(FIRST_LIMIT, settings),
        .probe_wait_ns = PROBE_WAIT_FIRST_NS,
        .probe_at_ns = now_ns + PROBE_WAIT_FIRST_NS,
    };
    return (u32)gradient->limit;
}

static void begin_probe(struct limit_gradient *gradient,
                        const struct limit_gradient_settings *settings,
                        const struct limit_window *window)
{
    gradient->probing = true;
    gradient->probe_us = window->latency_us;
    gradient->limit_after = gradient->limit;
    gradient->limit = bounded(gradient->limit / 2, settings);
    gradient->probe_wait_ns *= 2;
    if (gradient->probe_wait_ns > settings->probe_ns)
        gradient->probe_wait_ns = settings->probe_ns;
    gradient->probe_at_ns = window->now_ns + gradient->probe_wait_ns;
}

/* As long as latency falls when fewer run, they still wait for each other. */
static void go_on_probing(struct limit_gradient *gradient,
                          const struct limit_gradient_settings *settings, double latency_us)
{
    bool falls = latency_us < gradient->probe_us * STILL_FALLING;
    gradient->probe_us = latency_us;
    if (falls && gradient->limit > settings->least) {
        gradient->limit = bounded(gradient->limit / 2, settings);
        return;
    }
    gradient->probing = false;
    gradient->baseline_us = latency_us;
    gradient->limit = gradient->limit_after;
}

/* The limit did not matter: this is latency without load, or near it. */
static void learn(struct limit_gradient *gradient, double latency_us)
{
    double gain = gradient->baseline_us > 0 ? BASELINE_GAIN : 1;
    gradient->baseline_us += gain * (latency_us - gradient->baseline_us);
}

/* Without a baseline, which what was given up cannot give, it is too slow for somebody. */
static void adapt(struct limit_gradient *gradient, const struct limit_gradient_settings *settings,
                  const struct limit_window *window)
{
    double latency_us = window->latency_us;
    bool lower = gradient->baseline_us <= 0 || latency_us < gradient->baseline_us;
    if (lower && !window->given_up)
        gradient->baseline_us = latency_us;
    double tolerated_us = gradient->baseline_us * settings->tolerance_percent / 100;
    double slope = within(tolerated_us / latency_us, SHRINK_MOST, 1);
    double wanted = gradient->limit * slope + sqrt(gradient->limit);
    gradient->limit += SMOOTHING * (wanted - gradient->limit);
    gradient->limit = bounded(gradient->limit, settings);
}

u32 limit_gradient_next(struct limit_gradient *gradient,
                        const struct limit_gradient_settings *settings,
                        const struct limit_window *window)
{
    if (window->given_up)
        gradient->probing = false;
    if (gradient->probing)
        go_on_probing(gradient, settings, window->latency_us);
    else if (window->most_active < gradient->limit / 2 && !window->given_up)
        learn(gradient, window->latency_us);
    else
        adapt(gradient, settings, window);
    gradient->limit = bounded(gradient->limit, settings); /* they may be new */
    bool mattered = window->most_active >= gradient->limit / 2;
    if (!gradient->probing && !window->given_up && mattered &&
        window->now_ns >= gradient->probe_at_ns)
        begin_probe(gradient, settings, window);
    return (u32)gradient->limit;
}
