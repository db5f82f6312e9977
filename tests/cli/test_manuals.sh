#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual pages: they render without a word from whichever formatter is here; the one of the protocol names
# all that the tables declare, those of the library all that its header does, each once; and the example is
# true.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
: "${TOP_BUILDDIR:?}"
proto=$TOP_SRCDIR/proto
api=$TOP_BUILDDIR/proto/procd-api.7
library=$TOP_SRCDIR/client/lib/man

for page in "$api" "$library"/*.3 "$TOP_SRCDIR/client/ctl/procctl.1" "$TOP_SRCDIR/daemon/procd.8"; do
    [ -s "$page" ] || fail "$page is missing"
    if command -v mandoc >/dev/null; then
        # which other pages this machine has is not ours to say
        mandoc -T lint "$page" 2>/dev/null | grep -v 'referenced manual not found' >"$dir/out"
        [ ! -s "$dir/out" ] || fail "mandoc has something to say"
    fi
    if command -v groff >/dev/null && [ -n "$(find /usr/share/groff -name doc.tmac 2>/dev/null)" ]; then
        expect 0 groff -ww -mandoc -T utf8 -z "$page"
        err_is_empty
    fi
done

# names FILE WORD: the wire's names in a table, by its form
names() { sed -n "s/^ *\($2\)([^\"]*\"\([a-z_.]*\)\".*/\2/p" "$proto/$1"; }
# has KIND SECTION TEXT NAME...: a line of that section is TEXT with the name
has() {
    kind=$1 section=$2 text=$3; shift 3
    sed -n "/^\.Sh $section\$/,/^\.Sh /p" "$api" >"$dir/section"
    [ $# -ge 4 ] || fail "the table of ${kind}s is not read"
    for name; do
        grep -qxE -e "$text$name( .*)?" "$dir/section" || fail "procd-api(7) lacks the $kind $name"
    done
}
# shellcheck disable=SC2046  # lists of words
{
    has method METHODS '\.Ss ' $(names methods.def METHOD)
    has event EVENTS '\.It Cm ' $(names events.def EVENT)
    has parameter METHODS '\.It Cm ' \
        $(sed -n 's/^ *PARAM([a-z_]*, \([a-z_]*\),.*/\1/p' "$proto/methods.def" | sort -u)
    has result METHODS '\.It Cm ' $(names methods.def 'RESULT\|MAYBE' | grep . | sort -u)
    has record 'RESULT RECORDS' '\.Ss ' $(names records.def RECORD)
    has member 'RESULT RECORDS' '\.It Cm ' $(names records.def 'MEMBER\|MAYBE' | sort -u)
    has 'member of an event' EVENTS '\.It Cm ' $(names events.def MEMBER | sort -u)
    has 'member of an error' 'ERROR CODES' '\.Cm ' $(names errors.def DATA)
    has error 'ERROR CODES' '\.It Er ' $(sed -n 's/^ERROR([A-Z_]*, \([A-Za-z]*\),.*/\1/p' "$proto/errors.def")
}

# Each function is in the synopsis of one page, with its arguments, and explained there; the page is found by
# its name; and no page has a function that the header has not.
functions=$(sed -n 's/^\(PROCD_PUBLIC\|static inline\) .*[ *]\(procd_[a-z_]*\)(.*/\2/p' \
    "$TOP_SRCDIR/client/lib/procd.h")
[ "$(echo "$functions" | wc -l)" -ge 29 ] || fail "procd.h is not read"
synopses() { sed '/^\.Sh DESCRIPTION/,$d' "$@"; }
for function in $functions; do
    page=
    for candidate in "$library"/*.3; do
        synopses "$candidate" | grep -q "^\.F[no] $function\( \"\|\$\)" || continue
        [ -z "$page" ] || fail "$function is in $page and in $candidate"
        page=$candidate
    done
    [ -n "$page" ] || fail "no synopsis has $function"
    synopses "$page" | grep -q "^\.Nm $function\( ,\|\$\)" || fail "$page is not found as $function"
    sed '1,/^\.Sh DESCRIPTION/d' "$page" | grep -q "^\.It .*Fn $function\( \|\$\)" ||
        fail "$page does not explain $function"
done
for page in "$library"/*.3; do
    sed -n 's/^\.F[no] \(procd_[a-z_]*\)\( "\|$\).*/\1/p' "$page" >"$dir/named"
    while read -r function; do
        echo "$functions" | grep -qx "$function" || fail "$page has $function, which procd.h has not"
    done <"$dir/named"
done

# The example is the program beside it, which the build compiles.
example=$TOP_SRCDIR/client/examples/greet.c
sed -n '/^\.Bd -literal/,/^\.Ed/{/^\.[BE]d/d; s/\\e/\\/g; p;}' "$library/libprocd.3" >"$dir/page.c"
sed '1,/^ \*\//d' "$example" | diff - "$dir/page.c" || fail "the example of libprocd(3) is not greet.c"
start_daemon
expect 0 env PROCD_SOCKET="$socket" PROCD_AUTOSTART=0 "$TOP_BUILDDIR/client/examples/greet"
out_is "hello alvin
exit code 3"
