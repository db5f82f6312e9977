/* SPDX-License-Identifier: MIT */
/*
 * A snapshot of any bytes: it is refused, or it is a core that can be saved, and what was saved is the same
 * core again.
 */
#include "daemon/core/save.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/core/must.h"
#include "tests/unit/core/twin.h"

#include <errno.h>

const char fuzz_target[] = "load";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct state once = {0}, twice = {0};
    struct core *core = NULL, *again = NULL;
    int r = core_load((const char *) data, size, &core);

    must(r == 0 || ((r == -EBADMSG || r == -EPROTONOSUPPORT) && !core));
    if (r < 0)
        return 0;
    state_take(&once, core);
    must(core_load(once.bytes, once.size, &again) == 0);
    state_take(&twice, again);
    must(state_equals(&once, &twice));
    state_free(&once);
    state_free(&twice);
    core_free(core);
    core_free(again);
    return 0;
}
