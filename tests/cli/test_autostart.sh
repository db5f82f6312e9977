#!/bin/sh
# SPDX-License-Identifier: MIT
# The user's own daemon: started on demand, by one of many; it leaves when idle; where it must not be started,
# or cannot be, procctl and procd say why and exit 125.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
XDG_RUNTIME_DIR=$dir/run
PROCD_DAEMON=$PROCD
export XDG_RUNTIME_DIR PROCD_DAEMON
# A system's daemon would be found first.
[ ! -S /run/procd/procd.sock ] || exit 77
own=$XDG_RUNTIME_DIR/procd/procd.sock

keeper() { "$PROCCTL" call daemon.info | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' | head -n 1; }
# daemons: those that listen below this test's directory, a pid a line. (The pattern is in a file: it would
# find itself.)
say "$XDG_RUNTIME_DIR/" >"$dir/pattern"
daemons() { grep -slF -f "$dir/pattern" /proc/[0-9]*/cmdline | sed 's|^/proc/||; s|/cmdline$||'; }
no_daemons() { [ -z "$(daemons)" ]; }
empty() { [ -z "$(find "$XDG_RUNTIME_DIR" -type s -o -name '*.sock')" ]; }
# Runs before the common clean-up: what was started on demand is nobody's child.
leave() {
    result=$?
    "$PROCCTL" daemon stop 2>/dev/null
    for pid in $(daemons); do kill -KILL "$pid"; done
    (exit $result)
    clean_up
}
trap leave EXIT

# nobody starts one only to ask, or where it was forbidden
mkdir -m 700 "$XDG_RUNTIME_DIR"
for command in ping "daemon info" "daemon stop" "daemon restart" "--no-autostart ps" "completion zsh" \
    --help; do
    # shellcheck disable=SC2086
    "$PROCCTL" $command >/dev/null 2>&1
done
expect 125 env PROCD_AUTOSTART=0 "$PROCCTL" ps
err_has "procd is not running"
no_daemons || fail "a daemon was started"

# 200 first commands at once: one daemon, no error
many=0
while [ $many -lt 200 ]; do
    many=$((many + 1))
    { "$PROCCTL" spawn -- true >"$dir/many.$many" 2>&1 || echo "$many: $?" >>"$dir/failed"; } &
done
wait
[ ! -e "$dir/failed" ] ||
    fail "of 200 first commands failed: $(cat "$dir/failed"; cat "$dir"/many.* | grep -v '^[0-9]*$')"
[ "$(cat "$dir"/many.* | sort -n | uniq | wc -l)" = 200 ] || fail "200 spawns did not give 200 ids"
rm -f "$dir"/many.*
first=$(keeper)
settled() { [ "$("$PROCCTL" ps -q | wc -l)" = 0 ]; }
wait_until "the 200 have ended" settled
# Keeper and broker are the only ones, and the broker is the keeper's child.
for pid in $(daemons); do
    [ "$pid" = "$first" ] || [ "$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$pid/status")" = "$first" ] ||
        fail "$pid is a second daemon"
done

# It has nothing of its starter: session, directory, descriptors, variables of systemd.
expect 0 "$PROCCTL" daemon stop
wait_until "it has left" no_daemons
expect 0 env LISTEN_FDS=1 LISTEN_PID=1 NOTIFY_SOCKET=/nowhere WATCHDOG_USEC=1 "$PROCCTL" ps
first=$(keeper)
[ "$(readlink "/proc/$first/cwd")" = / ] || fail "its directory is $(readlink "/proc/$first/cwd")"
for fd in 0 1 2; do
    [ "$(readlink "/proc/$first/fd/$fd")" = /dev/null ] ||
        fail "its descriptor $fd is $(readlink "/proc/$first/fd/$fd")"
done
[ "$(cut -d ' ' -f 6 "/proc/$first/stat")" != "$(cut -d ' ' -f 6 /proc/self/stat)" ] ||
    fail "it is in our session"
! tr '\0' '\n' <"/proc/$first/environ" | grep -qE '^(LISTEN_|NOTIFY_SOCKET|WATCHDOG_)' ||
    fail "it has systemd's variables"
expect 0 "$PROCCTL" daemon stop
wait_until "it has left" no_daemons
empty || fail "a stopped daemon left its socket"

# Two live daemons cannot have one socket; what a dead one left is taken over.
mkdir -m 700 "$XDG_RUNTIME_DIR/procd" 2>/dev/null
socket=$own
start_daemon
expect 125 "$PROCD" --user --socket "$own"
err_has "$own: a daemon is already serving there"
expect 0 ctl ping
for pid in "$(broker)" "$daemon"; do kill -KILL "$pid"; done
wait "$daemon" 2>/dev/null
daemon=
wait_until "both are gone" no_daemons
start_daemon
finish

# idle: it leaves, without a trace; nobody who comes meanwhile is lost
idle_daemon() {
    "$PROCD" --user --socket "$own" --idle-exit "$1" 2>"$dir/log" &
    daemon=$!
    wait_until "it answers" ctl ping
}
idle_daemon 1
expect 0 ctl spawn -- true
expect 0 ctl join "$(cat "$dir/out")"
wait "$daemon" || fail "the idle daemon exited $?"
daemon=
empty || fail "the idle daemon left its socket"
no_daemons || fail "the idle daemon left a process"
# Its life is longer than its time where something runs, or an end was not read.
idle_daemon 1
expect 0 ctl spawn -- sh -c 'sleep 1.5; exit 4'
id=$(cat "$dir/out")
expect 4 ctl join "$id"
wait "$daemon"
daemon=
# Clients that come while it leaves: each gets an answer, from it or from the next one.
for late in 0.96 0.98 1.00 1.02 ${TEST_LONG:+0.97 0.98 0.99 1.00 1.01 1.02 1.03}; do
    idle_daemon 1
    sleep "$late"
    clients=
    for client in 1 2 3 4 5 6 7 8; do
        "$PROCCTL" -q ps >"$dir/late.$client" 2>&1 &
        clients="$clients $!"
    done
    for client in $clients; do
        wait "$client" || fail "a client was lost while the daemon left: exit $?: $(cat "$dir"/late.*)"
    done
    "$PROCCTL" daemon stop >/dev/null 2>&1
    wait "$daemon"
    daemon=
    wait_until "all have left" no_daemons
done

# The daemon beside procctl comes first, unless somebody else could have put it there.
mkdir "$dir/bin"
cp "$PROCCTL" "$dir/bin/procctl"
cp "$PROCD" "$dir/bin/procd"
beside() { (unset PROCD_DAEMON && PATH=/usr/bin:/bin "$dir/bin/procctl" "$@"); }
expect 0 beside ps
[ "$(readlink "/proc/$(keeper)/exe")" = "$dir/bin/procd" ] || fail "the daemon is not that beside procctl"
expect 0 beside daemon stop
wait_until "it has left" no_daemons
if [ "$(id -u)" = 0 ]; then
    chown 65534 "$dir/bin/procd"
    beside ps >/dev/null 2>&1
    [ "$(readlink "/proc/$(keeper)/exe")" != "$dir/bin/procd" ] || fail "a stranger's daemon was started"
    "$PROCCTL" daemon stop 2>/dev/null
    wait_until "it has left" no_daemons
    chown 0 "$dir/bin/procd"
    mv "$dir/bin/procd" "$dir/bin/real"
    ln -s real "$dir/bin/procd"
    chown -h 65534 "$dir/bin/procd"
    beside ps >/dev/null 2>&1
    [ "$(readlink "/proc/$(keeper)/exe")" != "$dir/bin/real" ] || fail "a stranger's link was followed"
    "$PROCCTL" daemon stop 2>/dev/null
    wait_until "it has left" no_daemons
fi

# limits: the CPU time of the starter is not the daemon's; its open files are; with too few it says so
soft() { sed -n "s/^Max $2 *\([^ ]*\).*/\1/p" "/proc/$1/limits"; }
hard() { sed -n "s/^Max $2 *[^ ]* *\([^ ]*\).*/\1/p" "/proc/$1/limits"; }
# shellcheck disable=SC3045
(ulimit -S -t 1000; ulimit -S -n 200; exec "$PROCCTL" ps >/dev/null) || fail "it does not start with limits"
first=$(keeper)
[ "$(soft "$first" "cpu time")" = "$(hard "$first" "cpu time")" ] || fail "its time is its starter's"
[ "$("$PROCCTL" run -- sh -c 'ulimit -S -n')" = 200 ] || fail "children do not have the starter's limit"
expect 0 "$PROCCTL" daemon stop
wait_until "it has left" no_daemons
for few in 20 30 63; do
    expect 125 sh -c "ulimit -n $few; exec '$PROCD' --user --socket '$own'"
    err_has "procd: the limit of $few open files is too low"
done
expect 125 sh -c "ulimit -n 30; exec '$PROCCTL' ps"
err_has "procd"
empty || fail "a daemon that could not start left its socket"

# a relative path is relative to the caller, not to the daemon
mkdir "$dir/relative"
expect 0 sh -c "cd '$dir/relative' && '$PROCCTL' -s socket ps"
[ -S "$dir/relative/socket" ] || fail "the daemon's socket is not where its starter is"
expect 0 "$PROCCTL" -s "$dir/relative/socket" daemon stop

# a directory that is not there yet is made, as procd makes it: the caller's own
expect 0 "$PROCCTL" -s "$dir/new/s" ps
[ "$(stat -c %a "$dir/new")" = 700 ] || fail "the new directory is open to others"
expect 0 "$PROCCTL" -s "$dir/new/s" daemon stop
expect 125 "$PROCCTL" -s "$dir/no/such/directory/s" ps
err_has "(run procd --user --socket $dir/no/such/directory/s to see why)"
[ ! -e "$dir/no" ] || fail "more than the last directory was made"

# from a working directory that is gone: a daemon starts, and a command that names another one runs
wait_until "all have left" no_daemons
from_nowhere() { (mkdir "$dir/gone" && cd "$dir/gone" && rmdir "$dir/gone" && exec "$PROCCTL" "$@"); }
expect 0 from_nowhere ps
expect 0 from_nowhere run -C / -- true
expect 125 from_nowhere run -- true
err_has "the working directory cannot be named: No such file or directory (-C DIR tells another)"
expect 0 "$PROCCTL" daemon stop
expect 125 from_nowhere -s relative ps
err_has "relative: procd is not running, and could not be started"

# paths and directories that cannot be
long=$dir/$(printf '%0110d' 0)
expect 125 "$PROCCTL" -s "$long" ps
err_has "too long"
expect 125 "$PROCD" --user --socket "$long"
[ -s "$dir/err" ] || fail "procd says nothing of a path that is too long"
expect 125 "$PROCD" --user --socket "$dir/no/such/directory/s"
[ -s "$dir/err" ] || fail "procd says nothing of a directory that is missing"
say "no socket" >"$dir/file"
for command in "$PROCCTL -s $dir/file ps" "$PROCD --user --socket $dir/file"; do
    # shellcheck disable=SC2086
    expect 125 $command
    err_has "$dir/file: there is a file of that name that is no socket"
    [ "$(cat "$dir/file")" = "no socket" ] || fail "$command: the file is no longer what it was"
done
expect 125 env PROCD_DAEMON="$dir/no-procd" "$PROCCTL" ps
err_has "(run procd --user --socket $own to see why)"
if [ "$(id -u)" = 0 ]; then
    rm -rf "$XDG_RUNTIME_DIR/procd"
    mkdir -m 700 "$XDG_RUNTIME_DIR/procd"
    chown 65534 "$XDG_RUNTIME_DIR/procd"
    expect 125 "$PROCCTL" ps
    err_has "$own: the directory of the socket does not belong to you"
    rm -rf "$XDG_RUNTIME_DIR/procd"
fi
no_daemons || fail "a daemon is left"
