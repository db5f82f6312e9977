#!/bin/sh
# SPDX-License-Identifier: MIT
# Where the output goes: closed or full standard output, pipes that nobody reads, hostile names, colors,
# quiet.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
start_daemon
ctl spawn -n one -- sleep 1000 >/dev/null

# closed: a message and 125; what was asked is done all the same
for command in ps "inspect one" "is-alive one" events schema ping "call daemon.ping" "ps --json" --help \
    "completion bash"; do
    # shellcheck disable=SC2086
    ctl $command >&- 2>"$dir/err"
    status=$?
    [ $status = 125 ] || fail "$command with standard output closed exited $status"
    err_has "cannot write to standard output"
done
ctl spawn -n closed -- true >&- 2>"$dir/err"
[ $? = 125 ] || fail "spawn with standard output closed"
wait_until "it was started all the same" ctl join closed
if [ -w /dev/full ]; then
    ctl ps >/dev/full 2>"$dir/err"
    [ $? = 125 ] || fail "ps to a full device"
    err_has "No space left"
fi
ctl ps 2>&- >/dev/null || fail "ps with standard error closed"
ctl ps <&- >/dev/null || fail "ps with standard input closed"
expect 0 sh -c '"$0" -s "$1" ps >&- 2>&-; "$0" -s "$1" is-alive one <&- 2>&-' "$PROCCTL" "$socket"
out_is yes
ctl run -- sh -c 'echo lost' >&- 2>/dev/null
[ $? -lt 128 ] || fail "run with standard output closed"

# a pipe that nobody reads: no trace, and the death of all who write there (141), or nothing
piped() { { "$@" 2>"$dir/err"; echo $? >"$dir/status"; } | true; }
for command in "ps -a" events schema "events --json" "completion bash"; do
    # shellcheck disable=SC2086
    piped ctl $command
    wait_until "$command has ended" test -s "$dir/status"
    case $(cat "$dir/status") in 0 | 125 | 141) ;; *) fail "$command | true: $(cat "$dir/status")" ;; esac
    err_is_empty
    rm -f "$dir/status"
done
# It notices with the next event: what there was may have been written before head had gone.
{ ctl events -f --since 0 2>"$dir/err"; echo $? >"$dir/status"; } | head -n 1 >/dev/null &
has_noticed() { ctl spawn -- true >/dev/null && test -s "$dir/status"; }
wait_until "events -f has ended" has_noticed
wait $!
err_is_empty

# names and arguments of others cannot act on a terminal: ESC, C1, DEL, what reorders, bytes that are not
# UTF-8
evil=$(printf 'a\033[31mb\302\233c\177d\342\200\256e\303\244')
ctl spawn -n "$evil" -- sh -c 'exit 1' "$evil" "$(printf '\377\001')" "it's" 'two words' >/dev/null ||
    fail "spawn of an odd name"
for command in "ps -a" events; do
    # shellcheck disable=SC2086
    expect 0 ctl $command
    ! LC_ALL=C grep -q "$(printf '[\001-\010\013-\037\177\377]')" "$dir/out" ||
        fail "$command lets control bytes through"
    ! grep -q "$(printf '\302\233')" "$dir/out" || fail "$command lets C1 through"
    out_has 'a\x1b[31mb\xc2\x9bc\x7fd\xe2\x80\xaee'
done
# JSON has them all, but none raw
for command in "ps -a --json" "events --json" "call process.list"; do
    # shellcheck disable=SC2086
    expect 0 ctl $command
    ! LC_ALL=C grep -q "$(printf '[\001-\011\013-\037\177-\377]')" "$dir/out" ||
        fail "$command lets bytes through"
    python3 -c 'import json, sys
documents = open(0).read().splitlines() if sys.argv[2].startswith("events") else [open(0).read()]
assert sys.argv[1] in json.dumps([json.loads(each) for each in documents], ensure_ascii=False)' \
        "$(printf 'b\302\233c\177d')" "$command" <"$dir/out" || fail "$command has lost the name"
done
expect 0 ctl inspect "$evil"
# shellcheck disable=SC1003
out_has '\xff\x01'
expect 1 ctl join "$evil" closed
out_has 'a\x1b[31mb\xc2\x9bc\x7fd\xe2\x80\xaee'
expect 4 ctl inspect "$(printf 'no\033such')"
err_has 'no\x1bsuch'
expect 2 ctl "$(printf 'no\033such')"
err_has 'no\x1bsuch'
# What is printed is what a shell would need to be told.
expect 0 env LC_ALL=C.UTF-8 "$PROCCTL" -s "$socket" ps -a "$evil"
out_has "'two words'"
bash -c "args=($(sed -n 's/^.*[0-9] sh -c/sh -c/p' "$dir/out")); printf '%s\n' \"\${args[@]}\"" >"$dir/again"
printf '%s\n' sh -c 'exit 1' "$evil" "$(printf '\377\001')" "it's" 'two words' | cmp -s - "$dir/again" ||
    fail "the command line does not read back: $(cat "$dir/again")"

# colors: not in a pipe, unless asked for
expect 0 ctl --color=always ps
out_has "$(printf '\033[')"
expect 0 ctl --color=never ps
! grep -q "$(printf '\033')" "$dir/out" || fail "--color=never"
expect 0 ctl ps
! grep -q "$(printf '\033')" "$dir/out" || fail "colors in a file"

# notes are on standard error, and -q leaves them out
expect 0 ctl ps no-such-name
out_is ""
expect 0 ctl -q ps no-such-name
err_is_empty
expect 0 ctl ps -q no-such-name
err_is_empty
finish
