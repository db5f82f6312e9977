#!/bin/sh
# SPDX-License-Identifier: MIT
# --restart of spawn and run: what it takes, and who ends it.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
start_daemon
cd "$dir" || exit 99

# again and again, and no more than that
expect 0 ctl spawn -n thrice --restart on-failure:2,delay=0.01,factor=1 -- sh -c 'echo >>runs; exit 7'
expect 7 ctl join thrice
[ "$(wc -l <runs)" = 3 ] || fail "it ran $(wc -l <runs) times"
ctl --json inspect thrice | grep -q '"restarts": *2' || fail "inspect tells another number of restarts"
expect 0 ctl spawn -n once --restart on-failure:2,delay=0.01 -- true
expect 0 ctl join once
expect 5 ctl run --restart no -- sh -c 'exit 5'

# between two runs: ps shows it, and stop ends it
expect 0 ctl spawn -n waits --restart always,delay=1000,max-delay=2000 -- sh -c 'exit 3'
restarting() { ctl ps waits | grep -q restarting; }
wait_until "it waits for its next run" restarting
expect 0 ctl is-alive waits
expect 0 ctl stop waits
expect 3 ctl join waits
expect 0 ctl spawn -n again --restart always,delay=0.01,factor=1 -- sleep 1000
expect 0 ctl kill -s KILL again
again() { ctl events --since 0 --kind process.restarting | grep -q name=again; }
wait_until "a signal is followed by another run" again
runs() { ctl ps again | grep -q running; }
wait_until "that runs" runs
expect 0 ctl terminate again
expect 143 ctl join again

# run: what comes from the keyboard ends it, however often it begins again
ctl run -n front --restart always,delay=0.01,factor=1 -- sh -c 'echo >>front; exec sleep 1000' &
running=$!
wait_until "it runs" test -s front
kill -TERM "$running"
wait "$running"
status=$?
[ "$status" = 143 ] || fail "run exited $status, not 143"
[ "$(wc -l <front)" = 1 ] || fail "it ran again after SIGTERM"

# what is no policy
for policy in '' sometimes always:0 always:x on-failure:-1 always,delay always,delay=x always,factor=0.5 \
    always,delay=-1 always,wait=1 'always,' ',always'; do
    expect 2 ctl spawn --restart "$policy" -- true
    err_has "--restart"
done
