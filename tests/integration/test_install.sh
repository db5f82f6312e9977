#!/bin/sh
# SPDX-License-Identifier: MIT
# What `make install DESTDIR=` makes: the files, the names in the library, and programs in C and C++ that are
# built against it through pkg-config, shared and static, and run on the installed daemon.
# shellcheck source=tests/cli/common.sh
. "$TOP_SRCDIR/tests/cli/common.sh"
tree=$dir/tree

# A make of its own, not a part of the one that runs the tests.
env -u MAKEFLAGS -u MAKELEVEL make -s -C "$TOP_BUILDDIR" install DESTDIR="$tree" >"$dir/log" 2>&1 ||
    fail "make install DESTDIR="

# one_file END: the file of the tree whose path ends so; there must be exactly one, with something in it
one_file() {
    found=$(find "$tree" -path "*/$1" -type f)
    [ -s "$found" ] || fail "installed as $1: ${found:-nothing}"
    say "$found"
}

# ---- the files ----

for name in bin/procd bin/procctl include/procd.h pkgconfig/procd.pc libprocd.so.0.0.0 libprocd.a \
    man1/procctl.1 man5/procd.json.5 man8/procd.8 completions/procctl _procctl procctl.fish README.md; do
    one_file "$name" >/dev/null
done
header=$(one_file include/procd.h)
headers=$(find "$tree" -name '*.h')
[ "$headers" = "$header" ] || fail "other headers than procd.h: $headers"
for_systemd=$(find "$tree" -name '*.service' -o -name '*.socket' -o -name '*.conf' |
    sed 's|.*/\(.*/\)|\1|' | LC_ALL=C sort | tr '\n' ' ')
wanted='system/procd-load.service system/procd.service system/procd.socket '
wanted="${wanted}sysusers.d/procd.conf tmpfiles.d/procd.conf "
wanted="${wanted}user/procd-load.service user/procd.service user/procd.socket "
[ "$for_systemd" = "$wanted" ] || fail "for systemd: $for_systemd"
! grep -rlF "$tree" "$tree" >"$dir/out" || fail "files that name the place where they were gathered"

# ---- the names in the library ----

library=$(one_file libprocd.so.0.0.0)
libdir=$(dirname "$library")
for name in libprocd.so libprocd.so.0; do
    [ "$(readlink "$libdir/$name")" = libprocd.so.0.0.0 ] || fail "$name is no link to the library"
done
if command -v nm >/dev/null; then
    # The version script names one version and one pattern: no name leaves the library without them.
    version=$(sed -n 's/^\(PROCD_[0-9]*\) {$/\1/p' "$TOP_SRCDIR/client/lib/libprocd.map")
    nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' >"$dir/names"
    [ -s "$dir/names" ] || fail "the library has no names"
    ! grep -vx "procd_[a-z_]*@@$version" "$dir/names" >"$dir/out" || fail "names that $version does not have"
fi

# ---- programs ----

cat >"$dir/a.c" <<'END'
#include <procd.h>
#include <stdio.h>

PROCD_TARGET(square)
{
    json_int_t n = json_integer_value(json_array_get(args, 0));

    return (int) (n * n);
}

int main(int argc, char **argv)
{
    struct procd_options options = PROCD_EMPTY;
    procd_process *process;
    int status = -1;

    procd_init(argc, argv);
    options.target = "square";
    options.args = json_pack("[i]", 7);
    process = procd_process_new(&options);
    if (procd_process_start(process) == 0 && procd_process_join(process, PROCD_FOREVER) == 1)
        procd_process_exitcode(process, &status);
    else
        fprintf(stderr, "%s\n", procd_last_error()->message);
    procd_process_free(process);
    return status;
}
END
cp "$dir/a.c" "$dir/a.cc"

# The tree is a system of its own to pkg-config; other libraries need neither -I nor -L.
PKG_CONFIG_PATH=$libdir/pkgconfig
PKG_CONFIG_SYSROOT_DIR=$tree
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
includes() { pkg-config --cflags procd; }

# builds HOW COMPILER SOURCE FLAG...: an unprepared user's command line
builds() {
    how=$1 compiler=$2 source=$3; shift 3
    if ! command -v "$compiler" >/dev/null; then say "no $compiler: no program in that language"; return 0; fi
    linkage=
    if [ "$how" = static ]; then
        if [ "$static_jansson" = no ]; then say "no static jansson: no static program"; return 0; fi
        linkage=--static
    fi
    # shellcheck disable=SC2046,SC2086  # lists of words
    "$compiler" -Wall -Wextra -Werror "$@" "$dir/$source" $(includes) $(pkg-config $linkage --libs procd) \
        -o "$dir/program" >"$dir/out" 2>&1 || fail "$compiler, $how"
    needed=no
    ! readelf -d "$dir/program" | grep -q 'NEEDED.*libprocd[.]so[.]0' || needed=yes
    case $how-$needed in
        shared-yes | static-no) ;;
        *) fail "$compiler, $how: linked with libprocd.so: $needed" ;;
    esac
    expect 49 env LD_LIBRARY_PATH="$libdir" PROCD_SOCKET="$socket" PROCD_AUTOSTART=0 "$dir/program"
    err_is_empty
    say "ok   $compiler, $how"
}

if ! command -v pkg-config >/dev/null; then say "no pkg-config: no programs"; exit 0; fi
same_version=$(pkg-config --modversion procd)
PROCD=$(one_file bin/procd)
PROCCTL=$(one_file bin/procctl)
[ "$("$PROCD" --version)" = "procd $same_version" ] || fail "procd.pc says version $same_version"
if grep -q __asan_init "$library"; then say "the library has sanitizers: no ordinary programs"; exit 0; fi
static_jansson=no
! echo 'int main(void) { return 0; }' | cc -x c - -static -ljansson -o "$dir/probe" 2>/dev/null ||
    static_jansson=yes
start_daemon
builds shared cc a.c -std=c11 -DPROCD_EMPTY='{0}'
builds static cc a.c -std=c11 -DPROCD_EMPTY='{0}' -static
builds shared c++ a.cc -std=c++11 -DPROCD_EMPTY='{}'
builds static c++ a.cc -std=c++11 -DPROCD_EMPTY='{}' -static
finish
