#!/bin/sh
# SPDX-License-Identifier: MIT
# run, and what spawn and run hand to the process: descriptors, environment, directory, umask, limits,
# signals.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
start_daemon
cd "$dir" || exit 99

# its own descriptors
printf 'typed\n' >in
ctl run -- sh -c 'cat; echo said; echo wrong >&2' <in >out 2>err || fail "run exited $?"
[ "$(cat out)" = "typed
said" ] || fail "standard input or output is not its own"
[ "$(cat err)" = wrong ] || fail "standard error is not its own"
printf 'a\nb\n' | ctl run -- sort -r | head -n 1 | grep -qx b || fail "run in a pipeline"
ctl run --stdin in --stdout made -- cat || fail "run with files exited $?"
[ "$(cat made)" = typed ] || fail "--stdin or --stdout"
expect 126 ctl run --stdin no-such-file -- cat
err_has "/no-such-file: No such file or directory"

# environment, directory, umask, arguments
expect 0 env -i PATH="$PATH" A=1 EMPTY= ODD="$(printf '\377')" \
    "$PROCCTL" -s "$socket" run -e B=2 -e A=3 -- env
sort out >sorted
printf 'A=3\nB=2\nEMPTY=\nODD=\377\nPATH=%s\n' "$PATH" | LC_ALL=C sort >wanted
LC_ALL=C sort out | cmp -s - wanted || fail "the environment is another"
mkdir -p sub
expect 0 ctl run -- pwd -P
out_is "$(pwd -P)"
expect 0 ctl run -C sub -- pwd -P
out_is "$(pwd -P)/sub"
for mask in 0022 0077 0000; do
    expect 0 sh -c "umask $mask; exec \"\$0\" -s \"\$1\" run -- sh -c umask" "$PROCCTL" "$socket"
    out_is $mask
done
expect 0 ctl run -- printf '[%s]' '' 'a b' -- --x
out_is '[][a b][--][--x]'
# shellcheck disable=SC2046
expect 0 ctl run -- sh -c 'echo $#' x $(seq 100000) # more than a socket takes at once
out_is 100000
expect 0 ctl run printf '%s' --json
out_is "--json"
expect 0 ctl run --limit nofile=32 -- sh -c 'ulimit -n'
out_is 32
expect 0 ctl run --limit nofile=32:64 -- sh -c 'ulimit -Hn'
out_is 64

# spawn: the log's place, files by relative paths, the same environment
expect 0 env SPAWNED=yes "$PROCCTL" -s "$socket" spawn -n files --stdin in --stdout made -C sub -- \
    sh -c 'cat; pwd -P; echo $SPAWNED'
expect 0 ctl join files
[ "$(cat made)" = "typed
$(pwd -P)/sub
yes" ] || fail "spawn's files, directory or environment"

# the time limit: the tree is stopped, what ignores SIGTERM, too
expect 124 ctl run -w 0.1 -- sh -c 'sleep 1000 & echo $!; wait'
err_has "time limit"
gone "$(cat out)" || fail "-w left a descendant"
expect 124 ctl -q run -w 0.1 -- sleep 1000
err_is_empty
expect 0 ctl run -w 100 -- true

# in_background COMMAND...: with the signals that a shell would have its background jobs ignore. What was said
# before must be gone before it begins, or it would be taken for ready.
in_background() {
    : >out
    python3 -c 'import os, signal, sys
for number in (signal.SIGINT, signal.SIGQUIT): signal.signal(number, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' "$@" >out 2>err &
    runner=$!
}
is_said() { grep -q "$1" out; }

# signals are passed on to the tree
for signal in INT TERM HUP QUIT WINCH; do
    in_background "$PROCCTL" -s "$socket" run -- \
        sh -c "trap 'echo got $signal; exit 9' $signal; echo ready; sleep 1000 & wait; wait"
    wait_until "it is ready" is_said ready
    kill -s $signal $runner
    wait $runner
    status=$?
    [ $status = 9 ] || fail "run, SIG$signal: exited $status"
    is_said "got $signal" || fail "SIG$signal was not passed on"
done
in_background "$PROCCTL" -s "$socket" run -- sleep 1000
wait_until "it runs" sh -c "'$PROCCTL' -s '$socket' ps | grep -q 'sleep 1000'"
kill -s TERM $runner
wait $runner
[ $? = 143 ] || fail "run of what SIGTERM ends"

# ignored ones are not
: >out
(trap '' HUP; exec "$PROCCTL" -s "$socket" run -- sh -c 'echo ready; exec sleep 1000') >out 2>err &
runner=$!
wait_until "it is ready" is_said ready
kill -s HUP $runner
kill -s TERM $runner
wait $runner
[ $? = 143 ] || fail "run passed an ignored signal on"

# SIGTSTP stops both, SIGCONT continues both
state_is() { [ "$(sed -n 's/^State:[^A-Z]*\([A-Z]\).*/\1/p' "/proc/$1/status" 2>/dev/null)" = "$2" ]; }
state_is_not() { ! state_is "$@"; }
mkfifo nothing
for handler in ":" "trap 'kill -STOP \$\$' TSTP"; do
    # No program is started meanwhile: a shell that waits for its vfork cannot stop.
    in_background "$PROCCTL" -s "$socket" run -- \
        sh -c "$handler; exec 3<>nothing; echo pid \$\$; while :; do read x <&3; done"
    wait_until "it is ready" is_said pid
    child=$(sed -n 's/^pid //p' out)
    for round in 1 2; do
        kill -s TSTP $runner
        wait_until "procctl has stopped (round $round)" state_is $runner T
        state_is "$child" T || fail "procctl stopped, and its process runs"
        kill -s CONT $runner
        wait_until "the process goes on (round $round)" state_is_not "$child" T
    done
    kill -s TERM $runner
    wait $runner
    [ $? = 143 ] || fail "run did not go on"
done

# a killed procctl takes its process along
in_background "$PROCCTL" -s "$socket" run -- sh -c 'echo pid $$; exec sleep 1000'
wait_until "it is ready" is_said pid
child=$(sed -n 's/^pid //p' out)
kill -s KILL $runner
wait $runner
wait_until "the process is gone" gone "$child"

# --daemon ends with the calling shell, --for-pid with another process; spawn alone does not
sh -c '"$0" -s "$1" spawn -n stays -- sleep 1000
"$0" -s "$1" spawn -n goes --daemon -- sleep 1000; :' "$PROCCTL" "$socket" >out ||
    fail "spawn --daemon exited $?"
ended() { [ "$(ctl is-alive "$1")" = no ]; }
wait_until "the daemon process has ended" ended goes
expect 0 ctl is-alive stays
expect 4 ctl spawn --for-pid 99999999 -- true
err_has "--for-pid 99999999: no such process"
sleep 1000 &
owner=$!
expect 0 ctl spawn -n tied --for-pid $owner -- sleep 1000
expect 0 ctl is-alive tied
kill $owner
wait $owner
wait_until "the tied process has ended" ended tied

# a broker that dies: run and join go on
in_background "$PROCCTL" -s "$socket" run -- \
    sh -c 'echo ready; while [ ! -e go ]; do sleep 0.02; done; exit 6'
wait_until "it is ready" is_said ready
ctl join stays &
joiner=$!
clients_are() { [ "$(ctl call daemon.info | sed -n 's/.*"clients": *\([0-9]*\).*/\1/p')" = "$1" ]; }
wait_until "both are connected" clients_are 3
kill -s KILL "$(broker)"
wait_until "the new broker answers" ctl ping
: >go
wait $runner
[ $? = 6 ] || fail "run did not survive the broker"
expect 0 ctl kill -s KILL stays
wait $joiner
[ $? = 137 ] || fail "join did not survive the broker"
cd /
finish
