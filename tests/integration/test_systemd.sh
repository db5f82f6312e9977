#!/bin/bash
# SPDX-License-Identifier: MIT
# The units at work under a real systemd. That of this machine, where procd is installed and unused (make
# install) and the users alice and bob are there (or two others: PROCD_TEST_USERS="NAME NAME"); else one that
# the program $PROCD_SYSTEMD_BOX boots:
#     $PROCD_SYSTEMD_BOX -b DIRECTORY:NAME... -- COMMAND...
# shows each directory under that name in a system of its own, which has the two users and what procd and
# python need, and runs the command there as root. Into that system, and no other, this build is installed.
#     test_systemd.sh [NAME...]    only the tests with one of these in their names
set -eu
: "${TOP_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}" "${TOP_BUILDDIR:=$TOP_SRCDIR/build}"
tests=$TOP_SRCDIR/tests/integration

status=0
python3 "$tests/systemd_inside.py" "$@" || status=$?
if [ "$status" != 77 ]; then exit "$status"; fi
if [ -z "${PROCD_SYSTEMD_BOX:-}" ]; then echo "PROCD_SYSTEMD_BOX names no program that boots one"; exit 77; fi
if [ "$(id -u)" != 0 ]; then exit 77; fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
umask 022
# A make of its own, not a part of the one that runs the tests.
if ! env -u MAKEFLAGS -u MAKELEVEL make -s -C "$TOP_BUILDDIR" install DESTDIR="$scratch/tree" \
    >"$scratch/log" 2>&1; then
    cat "$scratch/log"
    exit 1
fi

status=0
# shellcheck disable=SC2016  # expanded by the other shell
"$PROCD_SYSTEMD_BOX" -b "$scratch/tree:/procd/tree" -b "$tests:/procd/tests" -- sh -euc '
    cd /procd/tree
    tar -cf - -- * | tar -C / --keep-directory-symlink --no-overwrite-dir -xf -
    ldconfig
    systemctl daemon-reload
    systemd-sysusers
    export PYTHONDONTWRITEBYTECODE=1
    exec python3 /procd/tests/systemd_inside.py "$@"' sh "$@" || status=$?
# What was prepared for it must do: there a reason to skip is a failure.
if [ "$status" = 77 ]; then status=1; fi
exit "$status"
