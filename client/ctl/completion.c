/* SPDX-License-Identifier: MIT */
#include "client/ctl/completion.h"
#include "client/ctl/ctl.h"
#include "client/ctl/output.h"

#include <string.h>

int command_completion(struct ctl *ctl)
{
    static const struct {
        const char *shell;
        void (*print)(void);
    } shells[] = {
        {"bash", print_bash_completion},
        {"zsh", print_zsh_completion},
        {"fish", print_fish_completion},
    };
    const char *shell = ctl->arguments.words[0];

    if (strcmp(shell, "processes") == 0)
        return print_processes(ctl);
    if (strcmp(shell, "objects") == 0)
        return print_objects(ctl);
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(shell, shells[i].shell) == 0) {
            shells[i].print();
            return CTL_OK;
        }
    }
    return usage_error(ctl, "%s: bash, zsh or fish is wanted", shell);
}
