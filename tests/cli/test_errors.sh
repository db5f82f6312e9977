#!/bin/sh
# SPDX-License-Identifier: MIT
# What goes wrong is told by the thing, the reason, and where there is one the next step; a name with a typing
# error by the one that was meant.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
start_daemon

# says STATUS TEXT COMMAND...: one line on standard error
says() {
    wanted_status=$1 text=$2; shift 2
    expect "$wanted_status" ctl "$@"
    [ "$(head -n 1 "$dir/err")" = "procctl: $text" ] || fail "procctl $* does not say: $text"
}

ctl spawn -n 'a job' -- sleep 1000 >/dev/null
sleep 1000 & owner=$!
sleep 1000 & other=$!
ctl lock acquire --for-pid $owner held >/dev/null
ctl rlock acquire --for-pid $owner deep >/dev/null
says 125 'join: nobody: no such process (procctl ps -a lists them)' join nobody
says 4 'inspect: 99: no such process (procctl ps -a lists them)' inspect 99
says 1 "rm: a job: the process is still running (procctl stop 'a job' ends it)" rm 'a job'
says 4 'unlink: nope: no such object (procctl objects lists them)' unlink nope
says 4 'semaphore acquire: s: no such object (procctl semaphore create s makes it)' \
    semaphore acquire --for-pid $other s
says 4 'barrier wait: b: no such object (-p N makes it)' barrier wait b
says 6 'barrier wait: b: the barrier is broken (procctl barrier reset b makes it whole)' \
    barrier wait -p 2 -w 0 b
says 125 'lock: b: the object is of another kind (barrier)' lock b -- true
says 1 'lock release: held: not the owner (procctl lock show held tells the present hold)' \
    lock release --token 1 held
says 1 'rlock release: deep: not the owner (procctl rlock show deep tells who is)' \
    rlock release --for-pid $other deep
deadlock="waiting would be a deadlock: $owner waits for held (procctl graph draws who waits for whom)"
says 6 "lock acquire: held: $deadlock" lock acquire --for-pid $owner held
says 1 'call: no such method: lock.steal (procctl schema lists them)' call lock.steal
says 1 'events: --kind: there is no such kind of event (procd-api(7) lists them)' events --kind process
says 125 'join: nobody: no such process' -q join nobody

says 2 'unknown command jion (perhaps join?)' jion 1
says 2 'unknown command sopt (perhaps stop?)' sopt 1
says 2 'unknown command wiat (perhaps wait?)' wiat 1
says 2 'unknown command frobnicate' frobnicate
says 2 'ps: unknown option --al (perhaps --all?)' ps --al
says 2 'events: unknown option --folow (perhaps --follow?)' events --folow
says 2 'events: unknown option --frobnicate' events --frobnicate
says 2 "unknown command $(printf '%0300d' 0 | cut -c1-255)" "$(printf '%0300d' 0)"
says 2 'barrier is only the first word of several commands (wait, reset, abort)' barrier
# a next step may be typed as it stands there
says 4 'semaphore show: s: no such object (procctl semaphore create s makes it)' semaphore show s
says 125 'semaphore: s: no such object (procctl semaphore create s makes it)' semaphore s -- true
step=$(sed -n 's/.*(procctl \(.*\) makes it).*/\1/p' "$dir/err")
# shellcheck disable=SC2086  # words
expect 0 ctl $step
expect 0 ctl semaphore s -- true

# names with control bytes, a backslash, and what is no UTF-8: escaped, once; in a next step for a shell
odd=$(printf 'a\033[31m\\b') shown='a\x1b[31m\\b'
ctl spawn -n "$odd" -- sleep 1000 >/dev/null
says 1 "rm: $shown: the process is still running (procctl stop \$'$shown' ends it)" rm "$odd"
says 125 "join: x$shown: no such process (procctl ps -a lists them)" join "x$odd"
wrong='name: want the name of an object: up to 255 of A-Z a-z 0-9 . _ : @ -, no . first, / before a '
wrong=${wrong}'shared one'
says 125 "lock: $shown: $wrong" lock "$odd" -- true
says 125 'lock: a\xff\\b: '"$wrong" lock "$(printf 'a\377\\b')" -- true
says 1 'lock show: \xff: '"$wrong" lock show "$(printf '\377')"
says 1 'unlink: \xff: '"$wrong" unlink "$(printf '\377')"
says 4 'inspect: a\xff\\b: no such process (procctl ps -a lists them)' inspect "$(printf 'a\377\\b')"

# numbers: what is none, and what is one, but too small or too large
most=9007199254740991
says 2 'logs: -n some: a number is wanted' logs -n some 1
says 2 'logs: -n 1.5: a number is wanted' logs -n 1.5 1
for number in 9007199254740992 99999999999999999999 -1; do
    says 2 "logs: -n $number: a number from 0 to $most is wanted" logs -n $number 1
done
says 2 'lock: -E 256: a number from 0 to 255 is wanted' lock -E 256 x -- true
says 2 'join: -w soon: a number of seconds is wanted' join -w soon 99
for number in -1 1000000001 inf; do
    says 2 "join: -w $number: a number of seconds from 0 to 1000000000 is wanted" join -w $number 99
done
says 2 'spawn: --restart 0: a number of tries from 1 to 2147483647 is wanted' spawn --restart always:0 -- true
says 2 'spawn: --restart x: a number of tries is wanted' spawn --restart always:x -- true
says 2 'spawn: --restart 0.5: a factor from 1 to 1000 is wanted' spawn --restart always,factor=0.5 -- true
for name in b held deep s; do ctl unlink $name; done
kill $owner $other
finish
