#!/bin/sh
# SPDX-License-Identifier: MIT
# package_unpacked.sh ROOT: what the packages hold, unpacked into the directory ROOT, by anybody: its procctl
# with its procd and its library, and a program that its libprocd-dev builds.
set -eu
root=$1
fail() { echo "FAIL: $*"; exit 1; }
scratch=$(mktemp -d "${TMPDIR:-/tmp}/procd-unpacked.XXXXXX")
trap 'procctl daemon stop 2>/dev/null || :; rm -rf "$scratch"' EXIT
libdir=$(dirname "$(find "$root" -name libprocd.a)")
PATH=$root/usr/bin:$PATH LD_LIBRARY_PATH=$libdir PROCD_SOCKET=$scratch/socket
PKG_CONFIG_PATH=$libdir/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root AUTOPKGTEST_TMP=$scratch
export PATH LD_LIBRARY_PATH PROCD_SOCKET PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR AUTOPKGTEST_TMP
unset PROCD_DAEMON PROCD_HOST PROCD_AUTOSTART

# ---- on a daemon of its own, which is the unpacked one ----

status=0
procctl run -- sh -c 'exit 7' || status=$?
[ "$status" = 7 ] || fail "procctl run exits $status, not 7"
keeper=$(procctl --json daemon info | tr ',' '\n' | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' | head -n 1)
[ "$(readlink "/proc/$keeper/exe")" = "$root/usr/bin/procd" ] ||
    fail "the daemon is $(readlink "/proc/$keeper/exe")"
[ "$(procd --version)" = "procd $(pkg-config --modversion procd)" ] || fail "procd.pc has another version"
procctl daemon stop

# ---- a program, with the package's own flags: its own test, whose paths are those of the package ----

sed "s|/usr/share/doc/|$root/usr/share/doc/|" "${TOP_SRCDIR:?}/debian/tests/hello" >"$scratch/test"
sh "$scratch/test" >"$scratch/said" 2>&1 || { cat "$scratch/said"; fail "debian/tests/hello"; }
readelf -d "$scratch/hello" | grep -q 'NEEDED.*libprocd[.]so[.]0' ||
    fail "hello is not linked with libprocd.so.0"
LD_TRACE_LOADED_OBJECTS=1 "$scratch/hello" | grep -qF "$libdir/libprocd.so.0" ||
    fail "another libprocd is taken"
echo "ok   unpacked: procctl, procd, and a program built with libprocd-dev"
