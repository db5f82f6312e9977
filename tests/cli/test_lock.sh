#!/bin/sh
# SPDX-License-Identifier: MIT
# lock, rlock and semaphore: a command that holds one, and a shell that does. Whose hold it is, how long it
# lasts, and every exit status.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
start_daemon
mkfifo "$dir/go"
# Two processes that hold what is acquired for them. (The test itself would stay a client of the daemon.)
spawned() {
    ctl call process.info "{\"process\": $(ctl spawn -- sleep 1000)}" | sed -n 's/^  "pid": \([0-9]*\).*/\1/p'
}
owner=$(spawned)
other=$(spawned)

# A child of its own process group has the signals that a shell takes from its background jobs.
as_job() {
    exec python3 -c 'import os, signal, sys
for number in (signal.SIGINT, signal.SIGQUIT): signal.signal(number, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$@"
}
# in_background WORD...: procctl with these words; its pid in $job
in_background() {
    rm -f "$dir/pid"
    as_job "$PROCCTL" -s "$socket" "$@" >"$dir/out" 2>"$dir/err" </dev/null &
    job=$!
}
# ended STATUS: the job exits so
ended() {
    wait "$job"
    status=$?
    [ $status = "$1" ] || fail "the job exited $status, not $1"
}
# by_shell WORD...: procctl as the child of a shell of its own
by_shell() {
    sh -c '"$@"; exit $?' sh "$PROCCTL" -s "$socket" "$@"
}
# waiters_are NAME N, held_by NAME PID (- is nobody): of the table, whose STATE may have blanks
field() { ctl objects | awk -v name="$1" -v back="$2" '$1 == name { print $(NF - back) }'; }
waiters_are() { [ "$(field "$1" 1)" = "$2" ]; }
holder() { field "$1" 2; }
held_by() { [ "$(holder "$1")" = "$2" ]; }
# Commands that say where they are, and end when they are told to.
until_told='echo $$ >"$0/pid.part"; mv "$0/pid.part" "$0/pid"; read -r code <"$0/go"; exit "$code"'
running() { wait_until "the command runs" test -s "$dir/pid"; pid=$(cat "$dir/pid"); }
tell() { echo "$1" >"$dir/go"; }

# the command's own status, whatever it is; its descriptors; its arguments
for code in 0 1 2 3 4 5 6 42 124 125 126 127 255; do
    expect $code ctl lock a -- sh -c "exit $code"
    err_is_empty
done
for signal in 1 2 9 15; do
    expect $((128 + signal)) ctl -q lock a -- sh -c 'kill -$1 $$' sh $signal
done
expect 127 ctl -q lock a -- ./no-such-program
err_has "lock: exec ./no-such-program: No such file or directory"
expect 126 ctl lock a -- /etc/passwd
err_has "exec /etc/passwd: Permission denied"
expect 0 ctl lock a -- true
err_is_empty
printf 'typed\n' | ctl lock a -- cat >"$dir/out" || fail "lock exited $?"
out_is typed
expect 0 ctl lock a -- printf '[%s]' '' 'a b' -- --x -n
out_is '[][a b][--][--x][-n]'
expect 0 ctl lock -n a printf '%s' -n
out_is -n
expect 0 ctl lock -- -odd -- echo yes
out_is yes
expect 0 ctl lock -- acquire -- echo yes
out_is yes

# the token: PROCD_TOKEN, as shown, and rising
expect 0 ctl lock a -- sh -c 'echo $PROCD_TOKEN; "$0" -s "$1" lock show a' "$PROCCTL" "$socket"
first=$(head -n 1 "$dir/out")
out_has ", token $first"
second=$(ctl lock a -- sh -c 'echo $PROCD_TOKEN')
[ "$second" -gt "$first" ] || fail "the token $second follows $first"

# somebody else holds it: 1, or -E; at once, or in time
in_background lock a -- sh -c "$until_told" "$dir"
running
held_by a "$pid" || fail "not $pid holds it, but $(holder a)"
expect 1 ctl lock -n a -- echo no
out_is ""
err_is_empty
expect 1 ctl lock a -w 0.05 -- echo no
expect 42 ctl lock -E 42 -n a -- echo no
expect 0 ctl lock -E 0 -w 0 a -- echo no
out_is ""
expect 1 by_shell lock acquire -n a
expect 124 by_shell lock acquire -w 0.05 a
waiters_are a 0 || fail "who gave up still waits"
tell 3
ended 3

# usage, and what procctl itself fails at
expect 2 ctl lock
err_has "NAME is missing"
expect 2 ctl lock a
err_has "CMD is missing"
expect 2 ctl lock a --
expect 2 ctl lock -w soon a -- true
expect 2 ctl lock -E 256 a -- true
expect 2 ctl lock --bogus a -- true
expect 2 ctl lock -n acquire a
err_has "acquire"
expect 2 ctl lock --mode 0666 a -- true
expect 2 ctl lock --mode 0888 /a -- true
expect 2 ctl lock --json -F a -- true
expect 2 ctl lock acquire a b
expect 2 ctl lock acquire --for-pid 0 a
expect 2 ctl lock release --token x a
expect 125 ctl semaphore no-such -- true
err_has "no-such: no such object"
expect 125 ctl rlock a -- true
err_has "a: the object is of another kind (lock)"
expect 125 ctl lock "b c" -- true
expect 125 "$PROCCTL" -s "$dir/nobody" --no-autostart lock a -- true
err_has "procd is not running"

# A killed procctl: the command goes on, and holds it until its own end.
in_background lock a -- sh -c "$until_told" "$dir"
running
kill -s KILL "$job"
wait "$job" 2>/dev/null
expect 1 ctl lock -n a -- true
held_by a "$pid" || fail "the lock went with procctl"
tell 0
expect 0 ctl -q lock -w 20 a -- true

# A killed command: it is free at once, though the command's children live on. (With flock they hold it.)
in_background lock a -- sh -c 'sleep 1000 & echo $! >"$0/child"; '"$until_told" "$dir"
running
kill -s KILL "$pid"
ended 137
expect 0 ctl lock -w 20 a -- true
! gone "$(cat "$dir/child")" || fail "the child of the command is gone"
kill -s KILL "$(cat "$dir/child")"
expect 0 ctl lock a -- true
err_is_empty
# Of a killed command the next one is told, unless it is quiet; of an end that is a release nobody is.
left_behind() { ctl lock a -- sh -c 'kill -9 $$'; held_by a -; }
wait_until "it is free" left_behind
expect 0 ctl lock a -- true
err_has "a: abandoned"
expect 0 ctl lock a -- true
err_is_empty
wait_until "it is free" left_behind
expect 0 ctl -q lock a -- true
err_is_empty
in_background lock a -- sh -c "$until_told" "$dir"
running
ctl lock a -- true 2>"$dir/err.waiter" &
waiter=$!
wait_until "it waits" waiters_are a 1
tell 0
ended 0
wait $waiter || fail "the waiter exited $?"
[ ! -s "$dir/err.waiter" ] || fail "the waiter was told: $(cat "$dir/err.waiter")"

# A procctl that is killed while it waits leaves neither waiter nor command.
ctl lock acquire --for-pid "$owner" a >/dev/null || fail "lock acquire --for-pid"
for signal in 9 2 15 1 3; do
    in_background lock a -- touch "$dir/ran"
    wait_until "it waits" waiters_are a 1
    held_back=$(children "$job")
    kill -"$signal" "$job"
    ended $((128 + signal))
    wait_until "nobody waits" waiters_are a 0
    # shellcheck disable=SC2086  # a pid, and a blank
    wait_until "the command held back is gone" gone ${held_back% }
done
# One that is killed while it is held back: as it ended.
in_background lock a -- touch "$dir/ran"
wait_until "it waits" waiters_are a 1
# shellcheck disable=SC2046
kill -s KILL $(children "$job")
ended 137
wait_until "nobody waits" waiters_are a 0
ctl lock release a || fail "lock release"
[ ! -e "$dir/ran" ] || fail "a command ran that had not got the lock"

# Signals for procctl are the command's; what a terminal sends has reached it already (see use_terminal.py).
in_background lock a -- sh -c 'trap "exit 9" TERM; echo $$ >"$0/pid"; sleep 1000 & wait; wait' "$dir"
running
kill -s TERM "$job"
ended 9
# ... also where SIGCHLD was ignored
expect 7 python3 -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])' "$PROCCTL" -s "$socket" lock a -- sh -c 'exit 7'

# -F: the command in the place of procctl
in_background lock -F a -- sh -c "$until_told" "$dir"
running
[ "$pid" = "$job" ] || fail "-F: the command is $pid, procctl was $job"
held_by a "$job" || fail "-F: an exec lost the lock"
expect 1 ctl lock -F -n a -- echo no
expect 42 ctl lock -F -w 0.05 -E 42 a -- echo no
tell 5
ended 5
expect 127 ctl -q lock -F a -- ./no-such-program
expect 0 ctl lock a -- true
err_is_empty

# A broker that dies: who holds, holds; who waits, waits, and gets it in turn.
in_background lock a -- sh -c "$until_told" "$dir"
running
ctl lock a -- sh -c 'echo second' >"$dir/second" 2>/dev/null &
waiter=$!
wait_until "it waits" waiters_are a 1
kill -s KILL "$(broker)"
wait_until "the new broker answers" ctl ping
held_by a "$pid" || fail "the lock went with the broker"
wait_until "it waits again" waiters_are a 1
tell 0
ended 0
wait $waiter || fail "the waiter exited $? after the death of the broker"
[ "$(cat "$dir/second")" = second ] || fail "the waiter did not run"

# acquire and release in real shells that exclude each other
cat >"$dir/count.sh" <<'END'
i=0
while [ $i -lt 10 ]; do
    token=$("$PROCCTL" -s "$1" lock acquire counter) || exit
    n=$(cat "$2")
    echo $((n + 1)) >"$2"
    "$PROCCTL" -s "$1" lock release --token "$token" counter || exit
    i=$((i + 1))
done
END
export PROCCTL
echo 0 >"$dir/number"
shells=
for shell in 1 2 3 4; do
    sh "$dir/count.sh" "$socket" "$dir/number" 2>"$dir/err" &
    shells="$shells $!"
done
for shell in $shells; do
    wait "$shell" || fail "a shell exited $?"
done
[ "$(cat "$dir/number")" = 40 ] || fail "40 increments made $(cat "$dir/number")"
held_by counter - || fail "after the shells $(holder counter) holds it"

# the shell's own: until it ends; then it is abandoned
expect 0 sh -c '"$0" -s "$1" lock acquire a; "$0" -s "$1" lock show a; echo $$' "$PROCCTL" "$socket"
out_has "holder        $(tail -n 1 "$dir/out") since"
wait_until "it is free" held_by a -
expect 0 ctl lock acquire --for-pid "$owner" a
err_has "a: abandoned"
token=$(cat "$dir/out")
expect 1 ctl lock release --token $((token - 1)) a
err_has "a: not the owner"
expect 6 ctl lock acquire --for-pid "$owner" a
err_has "deadlock: $owner waits for a"
# ^C: it is not held by who gave up
for signal in 2 15; do
    in_background lock acquire --for-pid "$other" a
    wait_until "it waits" waiters_are a 1
    kill -$signal "$job"
    ended $((128 + signal))
    waiters_are a 0 || fail "signal $signal left a waiter"
done
expect 0 ctl lock show a
out_has "state         held"
out_has ", token $token"
out_has "waiter        -"
expect 0 ctl lock break a
expect 0 ctl lock acquire --for-pid "$owner" a
err_has "a: abandoned"
expect 0 ctl lock release a
out_is ""
expect 1 ctl lock release a
in_background lock acquire --for-pid "$owner" gone
ended 0
in_background lock acquire --for-pid "$other" gone
wait_until "it waits" waiters_are gone 1
ctl unlink gone
ended 6
grep -q "gone: the object was unlinked" "$dir/err" || fail "unlink while it waits says $(cat "$dir/err")"
for command in "lock release" "lock show" "lock break" "rlock release" "rlock show" "rlock break" \
    "semaphore acquire" "semaphore release" "semaphore show"; do
    # shellcheck disable=SC2086
    expect 4 by_shell $command no-such
    err_has "no-such: no such object"
done
expect 4 ctl lock acquire --for-pid 999999999 a
err_has "process 999999999: no such process"
expect 1 ctl semaphore show a
err_has "a: it is a lock"

# rlock: its owner again and again; a command is the shell of what runs in it
expect 0 ctl rlock acquire --for-pid "$owner" r
expect 0 ctl rlock acquire --for-pid "$owner" r
expect 0 ctl rlock show r
out_has "held 2 times"
expect 1 ctl rlock -n r -- true
expect 0 ctl rlock release --for-pid "$owner" r
expect 1 ctl rlock release --for-pid "$other" r
err_has "r: not the owner"
expect 0 ctl rlock release --for-pid "$owner" r
held_by r - || fail "the rlock is held"
expect 0 ctl rlock r -- sh -c '"$0" -s "$1" rlock acquire -n r && "$0" -s "$1" rlock release r' \
    "$PROCCTL" "$socket"
err_is_empty
expect 0 ctl rlock acquire --for-pid "$owner" r
expect 0 ctl rlock break r
held_by r - || fail "the broken rlock is held"

# semaphore: as many as there are permits; what a command takes comes back
expect 2 ctl semaphore create s -v 0 --bound
expect 2 ctl semaphore create s -v many
expect 0 ctl semaphore create s -v 2 --bound
expect 1 ctl semaphore create s
err_has "s: it exists already"
expect 0 ctl semaphore acquire --for-pid "$owner" s
in_background semaphore s -- sh -c "$until_told" "$dir"
running
expect 0 ctl semaphore show s
out_has "0 of 2 free"
out_has "holder        $owner since"
out_has "holder        $pid since"
expect 1 ctl semaphore -n s -- echo no
expect 1 by_shell semaphore acquire -n s
expect 124 by_shell semaphore acquire -w 0.05 s
tell 0
ended 0
expect 1 by_shell semaphore release -n 2 s
err_has "s: released too many times"
expect 0 ctl semaphore release --for-pid "$owner" s
expect 0 ctl semaphore show s
out_has "2 of 2 free"
expect 0 ctl semaphore create free -v 0
expect 1 ctl semaphore -n free -- true
expect 0 by_shell semaphore release free -n 3
expect 0 ctl semaphore free -- true
expect 137 ctl semaphore free -- sh -c 'kill -9 $$'
wait_until "the permit is back" sh -c "'$PROCCTL' -s '$socket' semaphore show free | grep -q '3 free'"
expect 0 ctl -q semaphore free -- true

# what procctl makes stays
expect 0 ctl objects
for name in a r s free counter; do
    grep -q "^$name " "$dir/out" || fail "objects lacks $name"
done
finish
