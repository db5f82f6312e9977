#!/bin/sh
# SPDX-License-Identifier: MIT
# Every command for people: what it prints, and what it does.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
start_daemon

expect 0 ctl ping
out_has "procd answers"
err_is_empty

# spawn prints the id, alone
expect 0 ctl spawn -n sleeper -l role=test -- sleep 1000
id=$(cat "$dir/out")
case $id in '' | *[!0-9]*) fail "spawn printed [$id]" ;; esac
expect 0 ctl ps
head -n 1 "$dir/out" | tr -s ' ' | grep -q '^ *ID NAME PID STATE EXIT TIME COMMAND *$' ||
    fail "the header is wrong"
out_has "sleep 1000"
out_has "running"
for alias in ls list; do
    expect 0 ctl $alias sleeper
    out_has "sleep 1000"
done
expect 0 ctl ps no-such-name
out_is ""

expect 0 ctl inspect sleeper
out_has "sleep 1000"
out_has "role=test"
expect 0 ctl show "$id"
expect 0 ctl is-alive sleeper
out_is yes
expect 0 ctl is-alive "$id"

# join: its status; an end by a signal
expect 0 ctl spawn -- sh -c 'exit 7'
seven=$(cat "$dir/out")
expect 7 ctl join "$seven"
out_is ""
expect 3 ctl is-alive "$seven"
out_is no
expect 0 ctl terminate sleeper
expect 143 ctl wait sleeper
expect 0 ctl ps
case $(cat "$dir/out") in *sleeper*) fail "ps shows an ended process" ;; esac
expect 0 ctl ps -a
out_has SIGTERM
expect 1 ctl join "$id" "$seven"
[ "$(sort "$dir/out")" = "$(printf '%s -15\n%s 7\n' "$id" "$seven" | sort)" ] ||
    fail "join of several is wrong"

# signals for what has ended are no failure
expect 0 ctl terminate "$id"
expect 0 ctl kill -s KILL "$id" "$seven"
expect 0 ctl stop "$id"

# kill: by name, with and without SIG, by number
for signal in USR1 SIGUSR1 sigusr1 10; do
    ctl spawn -n target -- sleep 1000 >/dev/null
    expect 0 ctl kill -s "$signal" target
    expect 138 ctl join target
done
ctl spawn -n target -- sleep 1000 >/dev/null
expect 0 ctl kill target
expect 143 ctl join target

# stop: also what ignores SIGTERM, and its whole tree
ctl spawn -n stubborn --stdout "$dir/ready" -- sh -c 'trap "" TERM; sleep 1000 & echo $!; wait' >/dev/null
wait_until "the tree is there" test -s "$dir/ready"
expect 0 ctl stop -g 0.1 stubborn
expect 137 ctl join stubborn
gone "$(cat "$dir/ready")" || fail "stop left a descendant"

# rm and prune
expect 0 ctl rm "$seven"
expect 4 ctl inspect "$seven"
err_has "no such process"
ctl spawn -n alive -- sleep 1000 >/dev/null
expect 1 ctl rm alive
err_has "running"
expect 0 ctl prune
expect 0 ctl ps -a
[ "$(wc -l <"$dir/out")" = 2 ] || fail "prune left something, or took too much"
expect 0 ctl -q prune
err_is_empty

# events: what is there; filters; from a number on; following
expect 0 ctl events
out_has "process.spawned"
out_has "process.exited"
last=$(tail -n 1 "$dir/out" | awk '{ print $3 }')
expect 0 ctl events --since "$last" --kind 'process.*'
out_is ""
expect 0 ctl events --kind process.exited
! grep -q process.spawned "$dir/out" || fail "--kind lets others through"
expect 0 ctl events -n 2
[ "$(wc -l <"$dir/out")" = 2 ] || fail "-n 2 printed something else"
ctl events -f -n 1 --kind process.spawned >"$dir/followed" &
follower=$!
subscribed() { ctl daemon info | grep -q '^subscriptions *1$'; }
wait_until "it follows" subscribed
ctl spawn -n seen -- true >/dev/null
wait "$follower" || fail "events -f -n 1 exited $?"
grep -q 'name=seen' "$dir/followed" || fail "events -f missed the event"

# call, schema, daemon info
expect 0 ctl call daemon.ping
out_is "{}"
expect 0 ctl call process.info '{"process": "alive"}'
out_has '"name": "alive"'
echo '{"process": "alive"}' >"$dir/params"
ctl call process.is_alive - <"$dir/params" >"$dir/out" || fail "call with - failed"
out_has true
expect 0 ctl schema
out_has '"openrpc"'
expect 0 ctl daemon info
out_has version

# daemon restart: another broker, the same processes
before=$(broker)
expect 0 ctl daemon restart
[ "$(broker)" != "$before" ] || fail "daemon restart left the broker"
expect 0 ctl is-alive alive
finish

# daemon stop: children, daemon and socket are gone when it returns
start_daemon
ctl spawn -n child --stdout "$dir/pid" -- sh -c 'echo $$; exec sleep 1000' >/dev/null
wait_until "it runs" test -s "$dir/pid"
child=$(cat "$dir/pid")
expect 0 ctl daemon stop
wait "$daemon" || fail "the stopped daemon exited $?"
daemon=
gone "$child" || fail "a child outlived the daemon"
[ ! -e "$socket" ] || fail "the socket is left"
