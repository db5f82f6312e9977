#!/bin/sh
# SPDX-License-Identifier: MIT
# As root in a system that test_package.sh has booted: the packages are in /packages, a newer procd in /newer,
# a program that was built with them in /programs, the package's own tests in /tests; the user alice is there.
set -eu
fail() { echo "FAIL: $*"; exit 1; }
quiet() { "$@" >/tmp/said 2>&1 || { cat /tmp/said; fail "$*"; }; }
as_alice() { runuser -u alice -- env -i PATH="$PATH" "$@"; }
info() { procctl --json daemon info | tr ',' '\n' | sed -n "s/.*\"$1\":\"\{0,1\}\([^\"}]*\).*/\1/p"; }
until_is() { # WANTED COMMAND...
    wanted=$1; shift
    for _ in $(seq 200); do
        [ "$("$@")" != "$wanted" ] || return 0
        sleep 0.05
    done
    fail "$* says $("$@"), not $wanted"
}

quiet dpkg -i /packages/libprocd0_*.deb /packages/procd_*.deb
getent passwd procd >/dev/null || fail "no user procd"
[ "$(systemctl is-active procd.socket)" = active ] || fail "procd.socket: $(systemctl is-active procd.socket)"
[ "$(systemctl is-enabled procd.socket)" = enabled ] || fail "procd.socket is not enabled"
[ "$(as_alice procctl --no-autostart run -- id -un)" = alice ] || fail "a process of alice is not hers"
[ "$(ps -o user= -p "$(info broker_pid)")" = procd ] || fail "the broker is not procd's"
as_alice /programs/hello >/tmp/said || fail "hello"
[ "$(grep -c '^hello alvin:[012] ' /tmp/said)" = 3 ] || fail "hello says $(cat /tmp/said)"
echo "ok   installed"

# with a daemon of its own, as one who has no system daemon
as_alice sh /tests/procctl >/tmp/said 2>&1 || { cat /tmp/said; fail "the package's own test"; }
echo "ok   the package's own test"

# An upgrade: the new version is put in place, and nobody notices.
id=$(as_alice procctl spawn -n lives -- sh -c 'sleep 1000 & wait; exit 7')
pid=$(as_alice procctl inspect "$id" | awk '$1 == "pid" { print $2 }')
[ -n "$pid" ] || fail "the child has no pid"
as_alice procctl lock acquire --for-pid "$pid" held >/dev/null
epoch=$(info epoch) restarts=$(info restarts)
quiet dpkg -i /newer/*.deb
until_is $((restarts + 1)) info restarts
[ "$(info epoch)" = "$epoch" ] || fail "the keeper was replaced by another one"
[ "$(as_alice procctl is-alive lives)" = yes ] || fail "the child is gone"
as_alice procctl lock show held | grep -q "^holder  *$pid " || fail "the lock is gone"
sleeper=$(pgrep -P "$pid") || fail "the child has no child"
kill "$sleeper"
status=0
as_alice procctl join "$id" || status=$?
[ "$status" = 7 ] || fail "the exit status is $status, not 7"
echo "ok   upgraded under a running child"

# Removed, nothing runs; purged, nothing is left but the user, whose files might be.
quiet dpkg -r procd
[ "$(systemctl is-active procd.service procd.socket | sort -u)" = inactive ] || fail "something runs on"
[ -z "$(pgrep -x procd)" ] || fail "procd runs on"
quiet dpkg -P procd libprocd0
left=$(find /etc /usr /lib/systemd /var -name '*procd*' ! -path '/var/log/*' ! -path '/usr/share/zoneinfo/*')
[ -z "$left" ] || fail "left behind: $left"
echo "ok   removed"
