#!/bin/sh
# SPDX-License-Identifier: MIT
# event, condition, barrier, objects and unlink: what they print, what they do, and every exit status.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
start_daemon

# in_background NUMBER WORD...: procctl with these words; its pid is $job, its output $dir/out.NUMBER
in_background() {
    number=$1
    shift
    python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$PROCCTL" -s "$socket" "$@" \
        >"$dir/out.$number" 2>"$dir/err.$number" </dev/null &
    job=$!
}
# ended STATUS PID
ended() {
    wait "$2"
    status=$?
    [ $status = "$1" ] || fail "it exited $status, not $1: $(cat "$dir"/err.*)"
}
waiters_are() { [ "$(ctl objects | awk -v name="$1" '$1 == name { print $(NF - 1) }')" = "$2" ]; }

# event
expect 4 ctl event is-set e
err_has "e: no such object"
expect 0 ctl event clear e
expect 1 ctl event is-set e
out_is no
expect 124 ctl event wait -w 0.05 e
expect 124 ctl event wait -w 0 e
err_is_empty
in_background 1 event wait e
first=$job
in_background 2 event wait -w 100 e
wait_until "both wait" waiters_are e 2
expect 0 ctl event set e
out_is ""
err_is_empty
ended 0 "$first"
ended 0 "$job"
expect 0 ctl event is-set e
out_is yes
expect 0 ctl event wait e
expect 0 ctl event clear e
in_background 1 event wait e
wait_until "it waits" waiters_are e 1
kill -INT "$job"
ended 130 "$job"
wait_until "nobody waits" waiters_are e 0
in_background 1 event wait e
wait_until "it waits" waiters_are e 1
expect 0 ctl unlink e
ended 6 "$job"
grep -q "event wait: e: the object was unlinked" "$dir/err.1" || fail "unlink says $(cat "$dir/err.1")"

# condition: its lock is taken, and given back
expect 124 ctl condition wait -w 0.05 c
expect 0 ctl condition notify c
err_has "c: nobody waits"
expect 0 ctl -q condition notify-all c
err_is_empty
in_background 1 condition wait c
first=$job
wait_until "one waits" waiters_are c 1
in_background 2 condition wait c
second=$job
wait_until "two wait" waiters_are c 2
expect 0 ctl condition notify c
err_is_empty
ended 0 "$first"
waiters_are c 1 || fail "notify woke both"
in_background 3 condition wait c
wait_until "two wait" waiters_are c 2
expect 0 ctl condition notify-all c
ended 0 "$second"
ended 0 "$job"
expect 0 ctl rlock -n c.lock -- true
err_is_empty
in_background 1 condition wait c
wait_until "it waits" waiters_are c 1
kill -INT "$job"
ended 130 "$job"
wait_until "nobody waits" waiters_are c 0
expect 0 ctl rlock -n c.lock -- true
err_is_empty
# ... with a lock of another kind, and one that is held
ctl call object.create '{"kind": "lock", "name": "plain", "persist": true}' >/dev/null
ctl call object.create '{"kind": "condition", "name": "odd", "lock": "plain", "persist": true}' >/dev/null
in_background 1 condition wait odd
wait_until "it waits" waiters_are odd 1
expect 0 ctl condition notify odd
ended 0 "$job"
expect 0 ctl lock plain -- "$PROCCTL" -s "$socket" lock show plain
expect 124 ctl lock plain -- "$PROCCTL" -s "$socket" condition wait -w 0.05 odd
in_background 1 condition wait c
wait_until "it waits" waiters_are c 1
expect 0 ctl unlink c
ended 6 "$job"
expect 0 ctl unlink plain
expect 6 ctl condition wait odd
expect 0 ctl unlink odd

# barrier
expect 4 ctl barrier wait b
expect 4 ctl barrier reset b
expect 4 ctl barrier abort b
in_background 1 barrier wait -p 3 b
first=$job
wait_until "one is there" waiters_are b 1
in_background 2 barrier wait -p 3 b
second=$job
wait_until "two are there" waiters_are b 2
expect 0 ctl objects
out_has "2 of 3 there"
expect 0 ctl barrier wait b
out_is 2
ended 0 "$first"
ended 0 "$second"
[ "$(cat "$dir/out.1" "$dir/out.2")" = "0
1" ] || fail "the numbers are $(cat "$dir/out.1" "$dir/out.2")"
expect 1 ctl barrier wait -p 2 b
err_has "b: it is a barrier of 3"
# a time-out breaks it for all, and it stays so until it is reset
in_background 1 barrier wait b
wait_until "one is there" waiters_are b 1
expect 6 ctl barrier wait -w 0.05 b
err_has "b: the barrier is broken"
ended 6 "$job"
expect 6 ctl barrier wait b
expect 0 ctl objects
out_has broken
expect 0 ctl barrier reset b
in_background 1 barrier wait b
wait_until "one is there" waiters_are b 1
expect 0 ctl barrier reset b
ended 6 "$job"
in_background 1 barrier wait b
wait_until "one is there" waiters_are b 1
expect 0 ctl barrier abort b
ended 6 "$job"
expect 0 ctl barrier reset b
in_background 1 barrier wait b
first=$job
wait_until "one is there" waiters_are b 1
in_background 2 barrier wait b
wait_until "two are there" waiters_are b 2
kill -INT "$job"
ended 130 "$job"
ended 6 "$first"

# of another kind, and usage
for command in "event set" "event clear" "event wait" "condition wait" "condition notify"; do
    # shellcheck disable=SC2086
    expect 1 ctl $command b
    err_has "b: the object is of another kind (barrier)"
done
for command in "event" "event wait" "event wait -w soon e" "event set a b" "condition" "condition wave c" \
    "barrier wait -p 0 b" "barrier wait -w x b" "objects all" "unlink" "graph x" "event set --mode 0666 e"; do
    # shellcheck disable=SC2086
    expect 2 ctl $command
done
expect 1 ctl event set "a b"
err_has "a b: name: "

# objects and unlink
expect 0 ctl unlink b
expect 0 ctl event set z
expect 0 ctl event clear y
expect 0 ctl semaphore create x -v 3
expect 0 ctl objects
head -n 1 "$dir/out" | tr -s ' ' | grep -q '^NAME KIND STATE HOLDER WAITERS AGE$' ||
    fail "the header is wrong"
awk 'NR > 1 { print $1 }' "$dir/out" | sort -c || fail "the objects are not sorted"
for line in 'z event set - 0 ' 'y event clear - 0 ' 'x semaphore 3 free - 0 '; do
    tr -s ' ' <"$dir/out" | grep -q "^$line" || fail "objects lacks $line"
done
expect 1 ctl unlink x no-such y
err_has "no-such: no such object"
expect 4 ctl unlink no-such
expect 0 ctl unlink z
expect 0 ctl objects
out_is ""
err_has "no objects"
expect 0 ctl -q objects
err_is_empty

# a hostile holder cannot act on the terminal
evil='a\u001b[31mb\"c'
ctl call object.create '{"kind": "lock", "name": "l", "persist": true}' >/dev/null
# (a hold lives as long as its process: one that waits is needed)
ctl spawn -n holder -- sleep 1000 >/dev/null
pid=$(ctl call process.info '{"process": "holder"}' | sed -n 's/^  "pid": \([0-9]*\).*/\1/p')
ctl call lock.acquire "{\"name\": \"l\", \"owner_pid\": $pid, \"holder\": \"$evil\"}" >/dev/null
for command in "objects" "lock show l"; do
    # shellcheck disable=SC2086
    expect 0 ctl $command
    ! LC_ALL=C grep -q "$(printf '\033')" "$dir/out" || fail "$command lets ESC through"
    out_has "$pid (a\\x1b[31mb\"c)"
done
expect 0 ctl kill -s KILL holder
expect 137 ctl join holder
expect 0 ctl unlink l
finish
[ "$(id -u)" = 0 ] || exit 0

# The system's daemon: an object with a slash is for those whom its mode allows; others are one's own.
chmod 755 "$dir"
"$PROCD" --system --socket "$socket" 2>"$dir/log" &
daemon=$!
wait_until "the daemon answers" ctl ping
counts_at_rest
other() { setpriv --reuid 65534 --regid 65534 --clear-groups "$PROCCTL" -s "$socket" --no-autostart "$@"; }
expect 0 ctl lock --mode 0666 /both -- true
expect 0 ctl lock /mine -- true
expect 0 ctl lock own -- true
expect 0 other lock /both -- echo obtained
out_is obtained
expect 125 other lock /mine -- true
err_has "/mine: permission denied"
for command in "lock acquire" "lock release" "lock break" "lock show" "unlink"; do
    # shellcheck disable=SC2086
    expect 5 other $command /mine
    err_has "/mine: permission denied"
done
expect 4 other lock show own
expect 5 other unlink /both
expect 0 other objects
out_has /both
! grep -q mine "$dir/out" || fail "objects shows what may not be looked at"
expect 0 ctl lock /both -- "$PROCCTL" -s "$socket" lock show /both
out_has "mode          0666"
expect 1 ctl lock /both -- setpriv --reuid 65534 --regid 65534 --clear-groups \
    "$PROCCTL" -s "$socket" lock -n /both -- echo no
out_is ""
expect 5 other lock acquire --for-pid 1 /both
err_has "process 1: a process of another uid"
expect 0 ctl unlink /both /mine own
finish
