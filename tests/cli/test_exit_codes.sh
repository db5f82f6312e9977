#!/bin/sh
# SPDX-License-Identifier: MIT
# Every row of the table of exit statuses.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
start_daemon

# run: the child's own, whatever number it is
for code in 0 1 2 3 4 5 6 42 124 125 126 127 255; do
    expect $code ctl run -- sh -c "exit $code"
    err_is_empty
done
for signal in 1 2 9 15; do
    # shellcheck disable=SC2016  # for the inner shell
    expect $((128 + signal)) ctl run -- sh -c 'kill -$1 $$' sh $signal
done
expect 127 ctl run -- ./no-such-program
err_has "run: exec ./no-such-program: No such file or directory"
expect 127 ctl run -- no-such-program
expect 126 ctl run -- /etc/passwd
err_has "Permission denied"
expect 126 ctl run -- /
expect 126 ctl run -C /no-such-directory -- true
err_has "chdir /no-such-directory: No such file or directory"
expect 124 ctl run -w 0.1 -- sleep 1000
expect 2 ctl run
expect 2 ctl run --bogus -- true
expect 2 ctl run -w soon -- true
expect 125 "$PROCCTL" -s "$dir/nobody" --no-autostart run -- true
err_has "procd is not running"

# spawn: 126 and 127 as well
expect 127 ctl spawn -- ./no-such-program
err_has "spawn: exec ./no-such-program: No such file or directory"
expect 126 ctl spawn -- /etc/passwd
expect 125 "$PROCCTL" -s "$dir/nobody" --no-autostart spawn -- true

# join: of one as the process did, 124 in time; of several 0 or 1
ctl spawn -n long -- sleep 1000 >/dev/null
expect 124 ctl join -w 0.05 long
expect 124 ctl join -w 0 long
expect 125 ctl join no-such-process
err_has "no-such-process: no such process"
ctl spawn -n good -- true >/dev/null
ctl spawn -n bad -- false >/dev/null
expect 0 ctl join good
expect 1 ctl join bad
expect 0 ctl join good good
expect 1 ctl join good bad
expect 1 ctl join good no-such-process
expect 124 ctl join -w 0.05 good long
out_is "good 0"

# the others
expect 0 ctl is-alive long
expect 3 ctl is-alive good
expect 4 ctl is-alive no-such-process
for command in inspect rm terminate kill stop; do
    expect 4 ctl $command no-such-process
    expect 4 ctl $command 999999
done
expect 1 ctl rm good no-such-process
expect 1 ctl rm long
expect 1 ctl call no.such.method
expect 1 ctl call process.info
expect 4 ctl call process.info '{"process": 999999}'

# usage
expect 2 "$PROCCTL"
err_has "command is missing"
expect 2 ctl
expect 2 ctl no-such-command
expect 2 ctl daemon
expect 2 ctl daemon dance
expect 2 ctl ps --bogus
expect 2 ctl ps -x
expect 2 ctl ping word
expect 2 ctl inspect
expect 2 ctl inspect one two
expect 2 ctl join -w
expect 2 ctl join -w -1 long
expect 2 ctl join -w 1x long
expect 2 ctl kill -s NOPE long
expect 2 ctl kill -s 65 long
expect 2 ctl stop -g never long
expect 2 ctl events -n 0
expect 2 ctl events --since x
expect 2 ctl call daemon.ping '[1]'
expect 2 ctl call daemon.ping '{'
expect 2 ctl completion tcsh
expect 2 ctl --color sometimes ps
expect 2 ctl spawn -e NOVALUE -- true
expect 2 ctl spawn --limit nofile=many -- true
expect 2 ctl spawn --for-pid 0 -- true
expect 2 ctl spawn --limit many=1 -- true
err_has "--limit many: there is no such limit"
expect 2 ctl daemon
err_has "first word of several commands"
expect 2 ctl --json=yes ps
expect 2 ctl -s '' ps

# no daemon
for command in ping ps "daemon info" "daemon stop" "daemon restart" prune events schema; do
    # shellcheck disable=SC2086  # two words
    expect 125 "$PROCCTL" -s "$dir/nobody" --no-autostart $command
    err_has "procd is not running"
done
for command in ping "daemon info" "daemon stop" "daemon restart"; do
    # shellcheck disable=SC2086
    expect 125 "$PROCCTL" -s "$dir/nobody" $command
done
[ ! -e "$dir/nobody" ] || fail "a question started a daemon"

# A broker that says hello and no more.
python3 - "$dir/mute" <<'END' &
import json
import socket
import sys

with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    listener.listen()
    link = listener.accept()[0]
    request = json.loads(link.makefile('rb').readline())
    answer = {'jsonrpc': '2.0', 'id': request['id'], 'result': {'protocol': 1, 'epoch': 'e'}}
    link.sendall(json.dumps(answer).encode() + b'\n')
    while link.recv(4096):
        pass
END
wait_until "the mute one listens" [ -S "$dir/mute" ]
expect 125 timeout 20 "$PROCCTL" -s "$dir/mute" ping
err_has "procd does not answer"
wait $!

# ^C in a command that waits: 130
interrupt() {
    "$@" >"$dir/out" 2>"$dir/err" &
    waiting=$!
    wait_until "it waits" connected
    kill -INT $waiting
    wait $waiting
}
# procctl, no longer python, with the socket that it opens last. (The daemon's count of clients tells too
# much: who has just gone may still be in it.)
connected() { find "/proc/$waiting/fd" -lname 'socket:*' | grep -q .; }
# A shell without job control makes background jobs ignore SIGINT: python undoes that.
with_interrupts() {
    exec python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$@"
}
for command in "join long" "join long long" "events -f" "--json join long"; do
    # shellcheck disable=SC2086
    interrupt with_interrupts "$PROCCTL" -s "$socket" $command
    status=$?
    [ $status = 130 ] || fail "^C in $command: $status"
done
python3 -m json.tool "$dir/out" >/dev/null || fail "^C in --json join: no document"
finish
