#!/bin/sh
# SPDX-License-Identifier: MIT
# package_here.sh PACKAGES TESTS: as root, installs the packages in the directory PACKAGES on this machine as
# it is, with dpkg and their scripts, tries them and the tests in TESTS, and removes them; all in a layer over
# the file system and in namespaces that end with this script, so that nothing of it is ever seen by others.
# 77: that layer, or one of the programs, cannot be had here.
set -eu
fail() { echo "FAIL: $*"; exit 1; }
no() { echo "not installed on this machine: $*"; exit 77; }

if [ -z "${PACKAGE_LAYER:-}" ]; then
    [ "$(id -u)" = 0 ] || no "this is not root"
    for tool in dpkg unshare systemd-sysusers runuser; do
        command -v "$tool" >/dev/null || no "there is no $tool"
    done
    layer=$(mktemp -d "${TMPDIR:-/tmp}/procd-layer.XXXXXX")
    trap 'rmdir "$layer"' EXIT
    unshare --mount --fork true 2>/dev/null || no "there are no namespaces"
    status=0
    PACKAGE_LAYER=$layer unshare --mount --pid --fork --kill-child sh "$0" "$@" || status=$?
    exit $status
fi

# ---- in the namespaces: the layer, then once more in it ----

if [ "$PACKAGE_LAYER" != here ]; then
    layer=$PACKAGE_LAYER
    mount -t tmpfs none "$layer"
    mkdir "$layer/upper" "$layer/work" "$layer/root"
    root=$layer/root
    mount -t overlay -o "lowerdir=/,upperdir=$layer/upper,workdir=$layer/work" overlay "$root" 2>/dev/null ||
        no "there are no layers of file systems"
    mount -t proc none "$root/proc"
    mount --rbind /dev "$root/dev"
    for place in run tmp; do mount -t tmpfs none "$root/$place"; done
    chmod 1777 "$root/tmp"
    mkdir -p "$root/tmp/packages" "$root/tmp/tests"
    cp "$1"/*.deb "$root/tmp/packages"
    cp "$2"/* "$root/tmp/tests"
    cp "$0" "$root/tmp/here"
    # Nothing of the build, nor of the person who runs the tests.
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive \
        PACKAGE_LAYER=here chroot "$root" sh /tmp/here
fi

# ---- in the layer ----

cd /tmp
quiet() { "$@" >/tmp/said 2>&1 || { cat /tmp/said; fail "$*"; }; }
as_nobody() { runuser -u nobody -- env -i PATH="$PATH" "$@"; }
ours() {
    find /etc /usr /lib/systemd /var -name '*procd*' ! -path '/var/log/*' ! -path '/usr/share/zoneinfo/*' |
        sort
}

quiet dpkg -P procd libprocd-dev libprocd0 # of an earlier day
ours >before
quiet dpkg -i packages/*.deb
quiet dpkg --verify procd libprocd0 libprocd-dev
[ ! -s /tmp/said ] || fail "files are not as they were packed: $(cat /tmp/said)"
getent passwd procd >/dev/null || fail "no user procd"
[ "$(stat -c '%U:%a' /usr/bin/procd)" = root:755 ] || fail "procd is $(stat -c '%U:%a' /usr/bin/procd)"
for page in procd.8 procctl.1 procd.json.5 libprocd.3 procd-api.7; do
    dpkg -L procd libprocd-dev | grep -q "/$page.gz\$" || fail "no package has $page"
done
echo "ok   installed on this machine"

for test in hello procctl; do
    quiet as_nobody sh "tests/$test"
    echo "ok   the package's own test $test"
done

# The system's daemon, as its unit starts it: the broker belongs to procd, a process to who asked.
procd --system 2>log &
daemon=$!
for _ in $(seq 200); do [ ! -S /run/procd/procd.sock ] || break; sleep 0.05; done
[ "$(as_nobody procctl --no-autostart run -- id -un)" = nobody ] || { cat log; fail "no process of nobody"; }
broker=$(procctl --json daemon info | tr ',' '\n' | sed -n 's/.*"broker_pid": *\([0-9]*\).*/\1/p')
[ "$(ps -o user= -p "$broker")" = procd ] || fail "the broker is not procd's"
kill "$daemon"
wait "$daemon" || fail "procd exits $?"
echo "ok   the system's daemon"

quiet dpkg -P procd libprocd-dev libprocd0
ours >after
cmp -s before after || fail "left behind: $(diff before after)"
echo "ok   removed from this machine"
