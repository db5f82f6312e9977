#!/bin/sh
# SPDX-License-Identifier: MIT
# -H and $PROCD_HOST: the daemon of another machine, through ssh. First with a stand-in for ssh, which runs
# the command here; then, where there is an sshd, through that on the loopback interface.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
: "${TOP_BUILDDIR:?}"
start_daemon
unset PROCD_HOST

# ssh [-l USER] [-p PORT] -T -- HOST WORD...: tells its words, then does as the other end would: a shell takes
# the words apart; PATH leads to procctl
cat >"$dir/ssh" <<END
#!/bin/sh
echo "\$*" >>"$dir/words"
while [ "\$1" != -- ]; do shift; done
[ "\$2" != nobody ] || { echo "ssh: nobody is no host" >&2; exit 255; }
shift 2
export PROCD_AUTOSTART=0 PROCD_HOST= PROCD_SOCKET="$socket" PATH="$(dirname "$PROCCTL"):\$PATH"
exec sh -c "echo \\\$\\\$ >\"$dir/link\"; exec \$*"
END
chmod +x "$dir/ssh"
far() { PROCD_SSH="$dir/ssh -o Option" "$PROCCTL" -H "ssh://there" "$@"; }
# Two machines have different environments.
export PROCD_SSH="$dir/ssh" LOCAL_ONLY=1

expect 0 far ping
[ "$(cat "$dir/words")" = "-o Option -T -- there procctl dial-stdio" ] || fail "ssh was called otherwise"
expect 125 "$PROCCTL" -H ssh://me@there:2222 -s "$dir/it's" ping
tail -n 1 "$dir/words" | grep -qF -e "-l me -p 2222 -T -- there procctl -s '$dir/it'\\''s' dial-stdio" ||
    fail "user, port or socket are not passed on"
expect 0 env PROCD_HOST=ssh://there "$PROCCTL" ping
expect 0 "$PROCCTL" -H '[::1]' ping
tail -n 1 "$dir/words" | grep -qF -e "-T -- ::1 procctl" || fail "an address"

# What is no host goes nowhere.
lines=$(wc -l <"$dir/words")
# shellcheck disable=SC2016  # no command of this shell
for host in 'ssh://-oProxyCommand=x' 'ssh://a b' 'ssh://there/path' 'http://there' 'ssh://$(id)' \
    'ssh://a;id' 'ssh://-l@there' 'ssh://there:' 'ssh://there:12x' 'ssh://@there'; do
    expect 125 "$PROCCTL" -H "$host" ping
    err_has "want ssh://[user@]host[:port]"
done
[ "$(wc -l <"$dir/words")" = "$lines" ] || fail "ssh was called with a host that is none"

# processes: nothing of this side's surroundings goes along
id=$(far spawn -n remote -e SAID=1 -- sh -c 'sleep 1000') || fail "spawn"
expect 0 far ps
out_has remote
pid=$(far inspect remote | awk '$1 == "pid" { print $2 }')
tr '\0' '\n' <"/proc/$pid/environ" | grep -qx SAID=1 || fail "-e"
if tr '\0' '\n' <"/proc/$pid/environ" | grep -q LOCAL_ONLY; then fail "the environment went along"; fi
[ "$(readlink "/proc/$pid/cwd")" = / ] || fail "the working directory went along"
expect 0 far spawn -C "$dir" -- true
expect 2 far spawn -C folder -- true
err_has "a path on another machine begins with /"
expect 0 far stop -g 0 "$id"
expect 143 far join "$id"

# what cannot be done says so, and names the host
for words in 'run -- true' 'lock one -- true' 'lock acquire one' 'spawn --daemon -- true'; do
    # shellcheck disable=SC2086  # words
    expect 125 far $words
    err_has there
done
owner=$(far spawn -n owner -- sleep 1000) || fail "spawn"
pid=$(far inspect owner | awk '$1 == "pid" { print $2 }')
expect 0 far lock acquire one --for-pid "$pid"
expect 0 far lock show one
out_has "$pid"
expect 0 far unlink one
expect 0 far stop -g 0 "$owner"

# a link that cannot be made, or is lost, is an error that names the host
expect 125 "$PROCCTL" -H ssh://nobody ping
err_has "ssh: nobody is no host"
err_has "nobody: there is no link"
expect 125 env PROCD_SSH="$dir/nothing" "$PROCCTL" -H ssh://there ping
err_has "there is no ssh"
wait_far() { "$PROCCTL" -H ssh://there event wait never 2>"$dir/lost" & waiter=$!; }
wait_far
is_waited_for() { ctl -q objects | grep -q '^never .* 1 '; }
wait_until "it waits" is_waited_for
kill -KILL "$(cat "$dir/link")"
wait "$waiter"
[ $? = 125 ] || fail "a lost link is no failure"
grep -q "there: the link is lost" "$dir/lost" || fail "a lost link is not named: $(cat "$dir/lost")"

# the process behind the link goes when this side does
wait_far
wait_until "it waits" is_waited_for
kill -KILL "$waiter"
wait "$waiter" 2>/dev/null
wait_until "the other end has gone" gone "$(cat "$dir/link")"
ctl -q unlink never || fail "unlink"

# the library: one client, however many links
expect 0 env PROCD_HOST=ssh://there "$TOP_BUILDDIR/tests/cli/far_client"

sshd=$(command -v sshd || command -v /usr/sbin/sshd) || sshd=
if [ -n "$sshd" ] && command -v ssh-keygen >/dev/null; then
    sh "$TOP_SRCDIR/tests/cli/with_sshd.sh" "$sshd" "$dir" "$socket" || fail "through sshd"
else
    say "no sshd here: only the stand-in was tried"
fi
finish
