#!/bin/sh
# SPDX-License-Identifier: MIT
# top and stats: what processes use, and who holds what; once, in a loop, as JSON, and on a terminal.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
start_daemon
sleep=$(command -v sleep)

# nothing is there
expect 0 ctl top --once
expect 2 ctl top
err_has "--once prints the tables once"

busy=$(ctl spawn -n busy -- sh -c 'while :; do :; done') || fail "spawn"
idle=$(ctl spawn -n idle -- "$sleep" 1000) || fail "spawn"
evil='"name": "evil\u001b[31m\nname"'
ctl -q call process.spawn "{$evil, \"argv\": [\"$sleep\", \"1000\"]}" >/dev/null || fail "spawn"
pid=$(ctl inspect "$idle" | awk '$1 == "pid" { print $2 }')
ctl -q lock acquire a-lock --for-pid "$pid" >/dev/null || fail "lock"

# two that wait for it, and one that is in its third run
waiters() { [ "$(ctl --json lock show a-lock | python3 -c '
import json, sys
print(len(json.load(sys.stdin)["waiters"]))')" = "$1" ]; }
ctl lock a-lock -- true &
first=$!
ctl lock a-lock -- true &
second=$!
wait_until "two wait for the lock" waiters 2
ctl spawn -n again -C "$dir" --restart on-failure,delay=0.01,factor=1 -- \
    sh -c 'echo >>runs; [ "$(wc -l <runs)" = 3 ] && exec sleep 1000; exit 1' >/dev/null || fail "spawn"
third_run() { ctl --json inspect again | grep -q '"restarts": *2'; }
wait_until "it runs for the third time" third_run

# the busy one first, by name last
expect 0 ctl top --once
[ "$(sed -n '2{s/^ *//;s/ .*//;p}' "$dir/out")" = "$busy" ] || fail "the busy one is not the first"
awk '$2 == "busy" { exit !($5 > 5) }' "$dir/out" || fail "the busy one uses nothing"
awk '$2 == "idle" { exit !($5 == "0.0" && $6 ~ /^[0-9.]+[KM]$/) }' "$dir/out" || fail "the idle one is busy"
out_has 'evil\x1b[31m\x0aname'
grep -q "^a-lock lock held *$pid  *2$" "$dir/out" || fail "the lock is not shown, with two who wait"
awk '$2 == "again" { exit !($9 == 2) }' "$dir/out" || fail "not two restarts"
awk '$2 == "busy" { exit !($9 == 0) }' "$dir/out" || fail "restarts of one that has none"
if grep -q "$(printf '\033')" "$dir/out"; then fail "a control byte reaches the terminal"; fi

# no longer alive: only with -a, and without figures
ended=$(ctl spawn -n ended -- true) || fail "spawn"
ctl join "$ended" || fail "join"
expect 0 ctl top --once
if grep -q ended "$dir/out"; then fail "an ended one is shown"; fi
expect 0 ctl top --once -a
awk '$2 == "ended" { exit !($4 == "exited" && $5 == "-" && $6 == "-") }' "$dir/out" || fail "-a"

expect 0 ctl --json top
python3 - "$dir/out" "$busy" <<'END' || fail "the JSON is wrong"
import json, sys
document = json.load(open(sys.argv[1]))
busy = [process for process in document['processes'] if process['id'] == int(sys.argv[2])][0]
assert busy['cpu'] > 5 and busy['rss'] > 4096 and busy['threads'] == 1, busy
restarts = {process['name']: process['restarts'] for process in document['processes']}
assert restarts['again'] == 2 and restarts['busy'] == 0, restarts
waiters = {thing['name']: len(thing['waiters']) for thing in document['objects']}
assert waiters == {"a-lock": 2}, waiters
END

# stats: a table, then others; of those that were named
expect 0 ctl stats idle
[ "$(wc -l <"$dir/out")" = 2 ] || fail "more than one table where the output is no terminal"
expect 0 ctl stats -n 3 -d 0.1
[ "$(grep -c '^ID ' "$dir/out")" = 3 ] || fail "not three tables"
expect 0 ctl --json stats -n 2 -d 0 "$idle"
[ "$(grep -c '^{"time":.*"id":'"$idle," "$dir/out")" = 2 ] || fail "not two lines of JSON"
expect 2 ctl stats -d -1
err_has "a number of seconds"

python3 "$TOP_SRCDIR/tests/cli/use_top.py" "$PROCCTL" "$socket" || fail "on a terminal"
ctl -q lock release a-lock || fail "release"
wait "$first" "$second" || fail "who waited did not get the lock"
ctl -q unlink a-lock || fail "unlink"
finish
