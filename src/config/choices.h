/* The enums that settings choose from. */
#ifndef NEXTPROXY_CONFIG_CHOICES_H
#define NEXTPROXY_CONFIG_CHOICES_H

#include "config/settings.h"

extern const struct setting_choice choice_strategy;
extern const struct setting_choice choice_log_severity;
extern const struct setting_choice choice_priority;
extern const struct setting_choice choice_probe;
extern const struct setting_choice choice_family;
extern const struct setting_choice choice_probe_method;
extern const struct setting_choice choice_retry_methods;
extern const struct setting_choice choice_sticky_source;

#endif
