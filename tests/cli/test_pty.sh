#!/bin/sh
# SPDX-License-Identifier: MIT
# run -t, spawn --pty and attach, on a terminal.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
command -v bash >/dev/null || exit 77
start_daemon
python3 "$TOP_SRCDIR/tests/cli/use_pty.py" "$PROCCTL" "$socket" || fail "on a terminal"
ctl prune
finish

# The daemon is killed under it.
start_daemon
python3 "$TOP_SRCDIR/tests/cli/use_pty.py" "$PROCCTL" "$socket" lost || fail "on a terminal, without a daemon"
