#!/bin/sh
# SPDX-License-Identifier: MIT
# logs: what a process has written, the last of it, what it goes on to write, and what a terminal sees of it.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
start_daemon

spawned() { ctl spawn -n "$1" -- sh -c "$2" >/dev/null || fail "spawn"; }
over() { ctl join "$1" >/dev/null; }

spawned one 'echo out; sleep .1; echo err >&2; sleep .1; printf end'
over one
expect 0 ctl logs one
out_is 'out
err
end'
err_is_empty
expect 0 ctl logs -n 1 one
out_is end
expect 0 ctl logs --tail 0 one
out_is ''
expect 0 ctl logs --stream stderr one
out_is err
expect 0 ctl logs -n 1 --stream stdout one
out_is end
expect 0 ctl logs -f one
out_is 'out
err
end'
# the time that each line came
expect 0 ctl logs -t one
grep -qE '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}\.[0-9]{3} out$' "$dir/out" || fail "no time"
# one document a line
expect 0 ctl --json logs -n 2 one
[ "$(wc -l <"$dir/out")" = 2 ] || fail "not two documents"
out_has '"stream":"stderr","text":"err"'

# what there is not, and what is no option
expect 4 ctl logs nobody
err_has nobody
expect 2 ctl logs --stream both one
err_has both
expect 2 ctl logs -n some one
expect 2 ctl logs

# its output is somebody else's where --stdout is given
ctl spawn -n filed --stdout "$dir/file" -- sh -c 'echo out; echo err >&2' >/dev/null || fail "spawn"
over filed
expect 0 ctl logs filed
out_is err

# bytes come as they were written; on a terminal nothing of them is obeyed
spawned bytes 'printf "\033[2J\t\302\233\377\\\\n\r.\r\n"'
over bytes
ctl logs bytes >"$dir/out" || fail "logs"
printf '\033[2J\t\302\233\377\\n\r.\r\n' | cmp -s - "$dir/out" || fail "not the bytes that were written"
script -qec "$PROCCTL -s $socket logs bytes" /dev/null >"$dir/out" 2>&1 </dev/null
out_has "$(printf '\\x1b[2J\t\\xc2\\x9b\\xff\\n\\x0d.')"
! grep -qF '.\x0d' "$dir/out" || fail "the carriage return at the end of a line is shown"

# a line that is kept in pieces is whole again
spawned long 'head -c 100000 /dev/zero | tr "\0" x; echo y'
over long
expect 0 ctl logs long
[ "$(wc -lc <"$dir/out" | tr -s ' ')" = ' 1 100002' ] || fail "a long line in pieces"
[ "$(ctl --json logs long | grep -c '"split":true')" = 6 ] || fail "pieces are not marked"

# a log that no single answer holds
spawned many 'seq 60000'
over many
ctl logs many | cmp -s - - <<EOT || fail "not every line"
$(seq 60000)
EOT

# check_gaps LAST LEAST: the numbers in $dir/out are all up to LAST but those that $dir/err tells of
check_gaps() {
    python3 - "$dir/out" "$dir/err" "$1" "$2" <<'END' || fail "what is told is not what is missing"
import re, sys
out, err, last, least = *sys.argv[1:3], *map(int, sys.argv[3:])
told = re.findall(r'^procctl: logs: lines (\d+) to (\d+) are no longer kept$', open(err).read(), re.M)
missing, before = [], 0
for number in [*map(int, open(out)), last + 1]:
    assert number > before, (before, number)
    if number > before + 1:
        missing.append((str(before + 1), str(number - 1)))
    before = number
assert missing == told and len(told) >= least, (missing, told)
END
}
# of a log that is larger than what is kept the oldest lines are gone, and that is said
spawned large 'seq 1000000'
over large
expect 0 ctl logs large
check_gaps 1000000 1
expect 0 ctl --json logs large
head -n 1 "$dir/out" | grep -qE '^\{"gap":\{"from":1,"to":[0-9]+\}\}$' || fail "no gap in JSON"
# a reader that lags behind what comes is told what it has missed, and then the end
mkfifo "$dir/go"
ctl spawn -n flood --stdin "$dir/go" -- sh -c 'seq 100; read -r go; seq 101 2000000' >/dev/null &
exec 4>"$dir/go"
wait $! || fail "spawn"
(exec 4>&-; ctl logs -f flood 2>"$dir/err") | {
    exec 4>&-
    read -r first && say "$first" && : >"$dir/follows"
    over flood
    cat
} >"$dir/out" &
follower=$!
wait_until "it follows" test -e "$dir/follows"
echo go >&4
exec 4>&-
wait $follower
check_gaps 2000000 1

# following: what is there, what comes, and then the end
mkfifo "$dir/fifo"
ctl spawn -n followed --stdin "$dir/fifo" -- sh -c 'echo first; while read -r x; do echo "$x"; done' \
    >/dev/null &
exec 3>"$dir/fifo"
wait $! || fail "spawn"
(exec 3>&-; ctl logs -f followed) >"$dir/followed" &
follower=$!
wait_until "the first line came" grep -qx first "$dir/followed"
echo second >&3
wait_until "the second line came" grep -qx second "$dir/followed"
# through the death of the broker nothing is lost, and nothing comes twice
kill -KILL "$(broker)"
echo third >&3
wait_until "the third line came" grep -qx third "$dir/followed"
exec 3>&-
wait $follower || fail "the follower exited $?"
[ "$(cat "$dir/followed")" = 'first
second
third' ] || fail "$(cat "$dir/followed")"

# a reader that goes away
spawned endless 'exec yes'
ctl logs -f endless | head -n 1 >"$dir/out"
out_is y
expect 0 ctl stop -g 0 endless

finish
