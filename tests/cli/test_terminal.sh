#!/bin/sh
# SPDX-License-Identifier: MIT
# procctl as a person uses it: in a shell with job control, on a terminal.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
command -v bash >/dev/null || exit 77
start_daemon
python3 "$TOP_SRCDIR/tests/cli/use_terminal.py" "$PROCCTL" "$socket" || fail "on a terminal"
finish
