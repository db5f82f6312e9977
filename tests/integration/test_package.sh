#!/bin/sh
# SPDX-License-Identifier: MIT
# The Debian packages: built twice from what a tarball holds, in two places, with the same bytes; without a
# word from lintian; tried where they are only unpacked; installed, tried and removed in a layer over this
# machine's file system; and installed, upgraded under running children, and removed, in a system of its own
# that the program $PROCD_SYSTEMD_BOX boots (see test_systemd.sh). It takes minutes: only with TEST_LONG.
set -eu
: "${TOP_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}" "${TOP_BUILDDIR:=$TOP_SRCDIR/build}"
skip() { echo "left out: $*"; exit 77; }
fail() { echo "FAIL: $*"; exit 1; }
[ -n "${TEST_LONG:-}" ] || skip "two builds of the packages take minutes; TEST_LONG=1 makes them"
for tool in dpkg-buildpackage dh; do
    command -v $tool >/dev/null || skip "no $tool (Debian: dpkg-dev, debhelper)"
done
missing=$(cd "$TOP_SRCDIR" && dpkg-checkbuilddeps 2>&1) || skip "$missing"

dir=$(mktemp -d "${TMPDIR:-/tmp}/procd-package.XXXXXX")
trap 'rm -rf "$dir"' EXIT
# A make of its own, not a part of the one that runs the tests.
unset MAKEFLAGS MAKELEVEL MFLAGS

# ---- two builds ----

sources() { # DIRECTORY
    mkdir -p "$1"
    make -s -C "$TOP_BUILDDIR" distdir distdir="$1/procd" >"$dir/log" 2>&1 ||
        { cat "$dir/log"; fail "no sources"; }
}
build() { # DIRECTORY
    (cd "$1/procd" && DEB_BUILD_OPTIONS='nocheck noautodbgsym' dpkg-buildpackage -us -uc -b) >"$1/log" 2>&1 ||
        { tail -n 50 "$1/log"; fail "dpkg-buildpackage"; }
}
one=$dir/one two=$dir/another/place
sources "$one"
sources "$two"
(umask 022 && LC_ALL=C TZ=UTC build "$one") &
first=$!
(umask 002 && LC_ALL=C.UTF-8 TZ=Asia/Kolkata build "$two")
wait $first
for package in "$one"/*.deb; do
    cmp "$package" "$two/${package##*/}" || fail "${package##*/} is another one in another place"
    echo "ok   ${package##*/}: twice the same"
done
[ "$(find "$one" -name '*.deb' | wc -l)" = 3 ] || fail "there are not three packages"

if command -v lintian >/dev/null; then
    # --allow-root has another name in other versions, and says so
    lintian --fail-on error,warning "$one"/*.changes 2>"$dir/log" || { cat "$dir/log"; fail "lintian"; }
    echo "ok   lintian"
else
    echo "no lintian: packages are not judged"
fi

# ---- what is in them ----

root=$dir/root
for package in "$one"/*.deb; do dpkg-deb -x "$package" "$root"; done
for file in bin/procd bin/procctl include/procd.h share/man/man3/procd_lock_acquire.3.gz \
    share/man/man1/procctl.1.gz share/man/man5/procd.json.5.gz share/man/man7/procd-api.7.gz \
    share/man/man8/procd.8.gz share/bash-completion/completions/procctl \
    share/zsh/vendor-completions/_procctl share/fish/vendor_completions.d/procctl.fish \
    lib/systemd/user/procd.socket lib/sysusers.d/procd.conf lib/tmpfiles.d/procd.conf; do
    [ -s "$root/usr/$file" ] || fail "no package has /usr/$file"
done
[ -s "$root/lib/systemd/system/procd.socket" ] || fail "no package has procd.socket"

# ---- unpacked, and installed here ----

beside=$TOP_SRCDIR/tests/integration
sh "$beside/package_unpacked.sh" "$root"
status=0
sh "$beside/package_here.sh" "$one" "$TOP_SRCDIR/debian/tests" || status=$?
[ "$status" = 0 ] || [ "$status" = 77 ] || fail "the packages cannot be installed here"

# ---- installed where systemd runs ----

if [ -z "${PROCD_SYSTEMD_BOX:-}" ] || [ "$(id -u)" != 0 ]; then
    echo "not under systemd: PROCD_SYSTEMD_BOX names no program that boots a system, or this is not root"
    exit 0
fi
mkdir "$dir/new" "$dir/programs"
# The same once more, as if it were newer.
dpkg-deb -R "$one"/procd_*.deb "$dir/newer"
sed -i 's/^Version: \(.*\)/Version: \1+1/' "$dir/newer/DEBIAN/control"
dpkg-deb --root-owner-group -b "$dir/newer" "$dir/new" >"$dir/log"
libdir=$(dirname "$(find "$root" -name libprocd.a)")
# shellcheck disable=SC2046  # lists of words
cc "$TOP_SRCDIR/client/examples/hello.c" -o "$dir/programs/hello" \
    $(PKG_CONFIG_PATH=$libdir/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root pkg-config --cflags --libs procd)
chmod 755 "$dir" "$dir/programs"
"$PROCD_SYSTEMD_BOX" -b "$one:/packages" -b "$dir/new:/newer" -b "$dir/programs:/programs" \
    -b "$TOP_SRCDIR/debian/tests:/tests" -b "$TOP_SRCDIR/tests/integration:/inside" -- \
    sh /inside/package_inside.sh
