/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/restart_policy.h"

#include "daemon/rpc/arguments.h"

#include <math.h>
#include <string.h>

/* Those of docker: 0.1 s, doubled with each try, up to a minute. */
#define DELAY_DEFAULT     0.1
#define FACTOR_DEFAULT    2.0
#define MAX_DELAY_DEFAULT 60.0
#define DELAY_LEAST       0.01 /* s: a program that ends at once shall not keep the daemon busy */

static double number(const json_t *restart, const char *name, double otherwise)
{
    const json_t *value = json_object_get(restart, name);

    return json_is_number(value) ? json_number_value(value) : otherwise;
}

struct input_restart restart_policy_argument(const json_t *restart)
{
    const char *policy = json_string_value(json_object_get(restart, "policy"));
    double delay = fmax(number(restart, "delay", DELAY_DEFAULT), DELAY_LEAST);
    double most = fmax(number(restart, "max_delay", fmax(delay, MAX_DELAY_DEFAULT)), DELAY_LEAST);
    struct input_restart plan = {.policy = RESTART_POLICY_NO};

    if (!policy || strcmp(policy, "no") == 0)
        return plan;
    plan.policy = strcmp(policy, "always") == 0 ? RESTART_POLICY_ALWAYS : RESTART_POLICY_ON_FAILURE;
    plan.max_tries = (uint32_t) number(restart, "max_tries", 0);
    plan.max_delay = seconds_to_ns(most);
    plan.delay = seconds_to_ns(fmin(delay, most));
    plan.factor = (uint64_t) llround(number(restart, "factor", FACTOR_DEFAULT) * (double) RESTART_FACTOR_ONE);
    return plan;
}
