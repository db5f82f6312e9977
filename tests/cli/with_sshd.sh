#!/bin/sh
# SPDX-License-Identifier: MIT
# with_sshd.sh SSHD DIR SOCKET: -H through an sshd of one's own on the loopback interface.
set -u
sshd=$1 dir=$2/sshd socket=$3
unset PROCD_SSH PROCD_HOST
mkdir -m 700 "$dir" || exit 1
fail() { echo "FAIL: $*" >&2; cat "$dir/log" "$dir/err" >&2; exit 1; }
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
for key in host user; do ssh-keygen -q -t ed25519 -N '' -f "$dir/$key" || fail "no key"; done
cp "$dir/user.pub" "$dir/authorized"
cat >"$dir/config" <<END
Port $port
ListenAddress 127.0.0.1
HostKey $dir/host
AuthorizedKeysFile $dir/authorized
PidFile $dir/pid
StrictModes no
UsePAM no
PermitRootLogin yes
SetEnv PATH=$(dirname "$PROCCTL"):/usr/bin:/bin PROCD_SOCKET=$socket
END
cat >"$dir/client" <<END
Host there
    HostName 127.0.0.1
    Port $port
    IdentityFile $dir/user
    IdentitiesOnly yes
    UserKnownHostsFile $dir/known
    StrictHostKeyChecking accept-new
    BatchMode yes
    LogLevel ERROR
END
# As root it wants a folder of its own to begin with.
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
"$sshd" -D -e -f "$dir/config" 2>"$dir/log" &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null' EXIT
tries=500
until grep -q 'Server listening' "$dir/log"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "sshd does not listen"
    kill -0 "$server" || fail "sshd has ended"
    sleep 0.02
done
export PROCD_SSH="ssh -F $dir/client"
far() { "$PROCCTL" -H ssh://there "$@" 2>"$dir/err"; }

far ping >/dev/null || fail "ping"
id=$(far spawn -n far -- sleep 1000) || fail "spawn"
far ps | grep -q ' far ' || fail "ps"
far --json events -n 1 | grep -q '"seq":' || fail "events"
far stop -g 0 "$id" || fail "stop"
far join "$id"
[ $? = 143 ] || fail "join"
# a link that is lost in the middle
far event wait lost &
waiter=$!
tries=500
until "$PROCCTL" -q -s "$socket" objects | grep -q '^lost .* 1 '; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "it never waits"
    sleep 0.02
done
pkill -KILL -f "ssh -F $dir/client" || fail "no ssh to be killed"
wait "$waiter"
[ $? = 125 ] || fail "a lost link is no failure"
grep -q 'there: the link is lost' "$dir/err" || fail "a lost link is not named"
"$PROCCTL" -s "$socket" unlink lost || fail "unlink"
# a host that refuses
kill "$server"
wait "$server" 2>/dev/null
far ping
[ $? = 125 ] || fail "no sshd is no failure"
grep -q 'there: there is no link' "$dir/err" || fail "no sshd is not named"
