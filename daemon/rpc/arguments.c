/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/arguments.h"

#include "proto/signals.h"

int64_t seconds_to_ns(double seconds)
{
    double ns = seconds * 1e9;

    return ns >= (double) INT64_MAX ? INT64_MAX : (int64_t) ns;
}

int signal_argument(const json_t *signal)
{
    return json_is_integer(signal) ? (int) json_integer_value(signal)
                                   : signal_from_name(json_string_value(signal));
}

uint64_t count_argument(const json_t *count)
{
    return count ? (uint64_t) json_integer_value(count) : 1;
}

void timeout_argument(const json_t *timeout, struct input_request *request)
{
    double seconds = json_number_value(timeout);

    if (!timeout)
        return;
    if (seconds <= 0) {
        request->flags |= REQUEST_NO_WAIT;
        return;
    }
    request->flags |= REQUEST_DEADLINE;
    request->span = seconds_to_ns(seconds);
}
