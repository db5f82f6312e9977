# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# What the tests of the command line share: a run-time directory and a daemon of their own, and at the end the
# proof that nothing is left: no descriptor, no child, no daemon, no file. Set PROCD and PROCCTL (make check
# does).
set -u
: "${PROCD:?}" "${PROCCTL:?}" "${TOP_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}"
unset PROCD_SOCKET PROCD_AUTOSTART NO_COLOR
dir=$(mktemp -d "${TMPDIR:-/tmp}/procd-cli.XXXXXX") || exit 99
chmod 700 "$dir"
socket=$dir/s
daemon=
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '%s\n' "$*"; }

fail() {
    say "FAIL: $*" >&2
    for part in out err log; do
        [ ! -s "$dir/$part" ] || { say "--- $part:"; head -n 40 "$dir/$part"; } >&2
    done
    exit 1
}

# ctl WORD...: procctl on the test's own daemon
ctl() { "$PROCCTL" -s "$socket" "$@"; }

# wait_until WHAT COMMAND...: up to 20 s, looking often
wait_until() {
    what=$1; shift
    tries=1000
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "waited in vain until $what"
        sleep 0.02
    done
}

# expect STATUS COMMAND...: its output goes to $dir/out and $dir/err
expect() {
    wanted=$1; shift
    "$@" >"$dir/out" 2>"$dir/err" </dev/null
    status=$?
    [ "$status" = "$wanted" ] || fail "$* exited $status, not $wanted"
}

# out_is TEXT, out_has TEXT, err_has TEXT, err_is_empty: of the last expect
out_is() { [ "$(cat "$dir/out")" = "$1" ] || fail "standard output is not: $1"; }
out_has() { grep -qF -e "$1" "$dir/out" || fail "standard output lacks: $1"; }
err_has() { grep -qF -e "$1" "$dir/err" || fail "standard error lacks: $1"; }
err_is_empty() { [ ! -s "$dir/err" ] || fail "standard error is not empty"; }

# gone PID: it is no process any more (a zombie counts as gone)
gone() {
    state=$(sed -n 's/^State:[^A-Z]*\([A-Z]\).*/\1/p' "/proc/$1/status" 2>/dev/null)
    [ -z "$state" ] || [ "$state" = Z ] || [ "$state" = X ]
}

start_daemon() {
    "$PROCD" --user --socket "$socket" 2>"$dir/log" &
    daemon=$!
    wait_until "the daemon answers" ctl ping
    counts_at_rest
}

children() { cat "/proc/$1/task/$1/children"; }

# The pid of the broker, without asking it: a question is a client, which leaves its traces.
broker() {
    for child in $(children "$daemon"); do
        { tr '\0' '\n' <"/proc/$child/cmdline"; } 2>/dev/null | grep -qxe --role=broker && say "$child"
    done
}

# What the descriptors of a process are, without the numbers of sockets.
# The keeper's pool of empty cgroups grows and shrinks; what clients share with the daemon stays.
descriptors() {
    find "/proc/$1/fd" -type l -exec readlink {} + |
        sed 's/[0-9][0-9]*\]$/]/; s|^/proc/[0-9]*|/proc/PID|; /procd-page/d
             /\/procd-[0-9.]*\/[0-9]*\(\/cgroup.events\)*$/d' |
        sort
}

# Descriptors of keeper and broker, and children of the keeper.
counts() {
    say keeper:; descriptors "$daemon"
    say broker:; descriptors "$(broker)"
    say "children: $(children "$daemon" | wc -w)"
}

# What the clients of before have left is cleared away soon: the same three times in a row is at rest.
counts_at_rest() {
    same=0
    tries=1000
    while [ "$same" -lt 3 ]; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "the daemon's descriptors and children never stay the same"
        counts >"$dir/now"
        if cmp -s "$dir/now" "$dir/before"; then same=$((same + 1)); else same=0; fi
        cp "$dir/now" "$dir/before"
        sleep 0.02
    done
}

counts_are_back() { counts >"$dir/now" && cmp -s "$dir/before" "$dir/now"; }

# finish: the last line of every test that has a daemon
finish() {
    for id in $(ctl -q ps -a | awk 'NR > 1 { print $1 }'); do ctl stop -g 0 "$id"; done
    ctl -q prune
    tries=200
    until counts_are_back; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] ||
            fail "the daemon has other descriptors or children: $(diff "$dir/before" "$dir/now")"
        sleep 0.02
    done
    stopping=$daemon
    kill -TERM "$stopping"
    wait "$stopping" || fail "the daemon exited $?"
    daemon=
    [ ! -e "$socket" ] || fail "the daemon left its socket behind"
}

# Runs whatever way the test ends.
clean_up() {
    result=$?
    trap - EXIT HUP INT TERM
    if [ -n "$daemon" ]; then
        kill -TERM "$daemon" 2>/dev/null
        tries=300
        until gone "$daemon" || [ "$tries" = 0 ]; do
            tries=$((tries - 1))
            sleep 0.02
        done
        kill -KILL "$daemon" 2>/dev/null
        wait "$daemon" 2>/dev/null
    fi
    rm -rf "$dir"
    exit "$result"
}
