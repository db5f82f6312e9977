#!/bin/sh
# SPDX-License-Identifier: MIT
# systemd accepts the units as they will be installed: no unknown key, no missing program.
set -eu
command -v systemd-analyze >/dev/null || exit 77
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
bindir=$(dirname "$PROCD")

failed=0
for manager in system user; do
    mkdir "$scratch/$manager"
    for unit in procd.service procd-load.service; do
        made=$TOP_BUILDDIR/systemd/$manager/$unit
        if grep -n '@' "$made"; then
            echo "$made: a place that was not filled in"
            failed=1
        fi
        sed "s|@bindir@|$bindir|" "$TOP_SRCDIR/systemd/$manager/$unit.in" >"$scratch/$manager/$unit"
    done
    cp "$TOP_SRCDIR/systemd/$manager/procd.socket" "$scratch/$manager"
    # It warns without failing, so every word about our files counts; other units are not ours to judge.
    if ! XDG_RUNTIME_DIR=$scratch systemd-analyze "--$manager" --man=no verify \
        "$scratch/$manager/procd.service" "$scratch/$manager/procd.socket" \
        "$scratch/$manager/procd-load.service" >"$scratch/said" 2>&1; then
        cat "$scratch/said"
        failed=1
    elif grep -F "procd" "$scratch/said"; then
        failed=1
    fi
done

# sysusers and tmpfiles read their files without touching the system.
if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers --dry-run "$TOP_SRCDIR/systemd/sysusers.d/procd.conf" || failed=1
fi
exit "$failed"
