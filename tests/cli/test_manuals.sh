#!/bin/sh
# The manual pages: they render without a word from whichever formatter is here; the one of the protocol names
# all that the tables declare, the one of the library all that its header does; and its example is true.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
: "${TOP_BUILDDIR:?}"
proto=$TOP_SRCDIR/proto
api=$TOP_BUILDDIR/proto/procd-api.7
library=$TOP_SRCDIR/client/lib/procd.3

for page in "$api" "$library" "$TOP_SRCDIR/client/ctl/procctl.1" "$TOP_SRCDIR/daemon/procd.8"; do
    [ -s "$page" ] || fail "$page is missing"
    if command -v mandoc >/dev/null; then
        expect 0 mandoc -T lint -W warning "$page"
        out_is ""
    fi
    if command -v groff >/dev/null && [ -n "$(find /usr/share/groff -name doc.tmac 2>/dev/null)" ]; then
        expect 0 groff -ww -mandoc -T utf8 -z "$page"
        err_is_empty
    fi
done

# names FILE WORD: the wire's names in a table, by its form
names() { sed -n "s/^ *$2([^\"]*\"\([a-z_.]*\)\".*/\1/p" "$proto/$1"; }
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
    has result METHODS '\.It Cm ' $(names methods.def RESULT | grep . | sort -u)
    has error 'ERROR CODES' '\.It Er ' $(sed -n 's/^ERROR([A-Z_]*, \([A-Za-z]*\),.*/\1/p' "$proto/errors.def")
}

# Each function is in the synopsis with its arguments, and explained.
functions=$(sed -n 's/^\(PROCD_PUBLIC\|static inline\) .*[ *]\(procd_[a-z_]*\)(.*/\2/p' \
    "$TOP_SRCDIR/client/lib/procd.h")
[ "$(echo "$functions" | wc -l)" -ge 29 ] || fail "procd.h is not read"
for function in $functions; do
    sed '/^\.Sh DESCRIPTION/q' "$library" | grep -q "^\.Fn $function \"" ||
        fail "the synopsis lacks $function"
    sed '1,/^\.Sh DESCRIPTION/d' "$library" | grep -q "^\.It .*Fn $function\( \|\$\)" ||
        fail "procd(3) does not explain $function"
done

# The example is the program beside it, which the build compiles.
example=$TOP_SRCDIR/client/examples/greet.c
sed -n '/^\.Bd -literal/,/^\.Ed/{/^\.[BE]d/d; s/\\e/\\/g; p;}' "$library" >"$dir/page.c"
sed '1,/^ \*\//d' "$example" | diff - "$dir/page.c" || fail "the example of procd(3) is not greet.c"
start_daemon
expect 0 env PROCD_SOCKET="$socket" PROCD_AUTOSTART=0 "$TOP_BUILDDIR/client/examples/greet"
out_is "hello alvin
exit code 3"
