#!/bin/sh
# SPDX-License-Identifier: MIT
# One table: what commands.def declares is in --help, in the manual page and in the completions, and nothing
# else is.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
table=$TOP_SRCDIR/client/ctl/commands.def
page=$TOP_SRCDIR/client/ctl/procctl.1

# The table, read by its form: COMMAND(id, "name", "aliases", ... and OPTION(ID, letter, "word", ...
sed -n 's/^COMMAND([a-z_]*, "\([^"]*\)", .*/\1/p' "$table" >"$dir/commands"
sed -n 's/^COMMAND([a-z_]*, "[^"]*", "\([^"]*\)",.*/\1/p' "$table" | tr ' ' '\n' | grep . >"$dir/aliases"
sed -n "s/^OPTION([A-Z_]*, \(0\|'.'\), \"\([^\"]*\)\".*/\1 \2/p" "$table" | tr -d "'" >"$dir/options"
for list in commands options aliases; do
    [ "$(wc -l <"$dir/$list")" -ge 4 ] || fail "the table of $list is not read"
done

expect 0 "$PROCCTL" --help
err_is_empty
cp "$dir/out" "$dir/help"
for shell in bash zsh fish; do
    "$PROCCTL" completion $shell >"$dir/$shell" || fail "completion $shell exited $?"
done

while read -r command; do
    grep -q "^  $command  " "$dir/help" || fail "--help lacks $command"
    grep -q "^\.It Cm $command\( \|\$\)" "$page" || fail "the manual page lacks $command"
    # shellcheck disable=SC2086  # two words
    expect 0 "$PROCCTL" $command --help
    err_is_empty
    grep -q "^usage: procctl $command" "$dir/out" || fail "$command --help lacks its usage"
    for shell in bash zsh fish; do
        grep -qw -e "${command##* }" "$dir/$shell" || fail "the $shell completions lack $command"
    done
    cat "$dir/out" >>"$dir/all-help"
done <"$dir/commands"
while read -r letter word; do
    grep -qe "--$word\( \|\$\)" "$dir/all-help" || fail "no --help has --$word"
    if [ "$letter" = 0 ]; then
        grep -q "^\.It Fl -$word\( \|\$\)" "$page" || fail "the manual page lacks --$word"
    else
        grep -qe "-$letter, --$word\( \|\$\)" "$dir/all-help" || fail "no --help has -$letter, --$word"
        grep -q "^\.It Fl $letter , Fl -$word\( \|\$\)" "$page" ||
            fail "the manual page lacks -$letter, --$word"
    fi
    for shell in bash zsh fish; do
        grep -qe "\(--\|-l \)$word" "$dir/$shell" || fail "the $shell completions lack --$word"
    done
done <"$dir/options"
while read -r alias; do
    grep -q "^\.Cm $alias\( \|\$\)" "$page" || fail "the manual page lacks $alias"
    grep -qw "$alias" "$dir/all-help" || fail "no --help has $alias"
    expect 0 "$PROCCTL" "$alias" --help
done <"$dir/aliases"

# nothing that does not exist
grep -o 'Fl -[a-z][a-z-]*' "$page" | sed 's/^Fl -//' | sort -u | while read -r word; do
    grep -q " $word\$" "$dir/options" || { say "the manual page has --$word" >&2; exit 1; }
done || fail "the manual page has an option too many"
sed -n 's/^\.It Cm \([a-z-]*\).*/\1/p' "$page" | sort -u | while read -r word; do
    grep -q "^$word\( \|\$\)" "$dir/commands" || { say "the manual page has $word" >&2; exit 1; }
done || fail "the manual page has a command too many"

# every exit status of the program is in the page
for status in 0 1 2 3 4 5 6 124 125 126 130; do
    grep -q "^\.It $status\( \|\$\)" "$page" || fail "the manual page lacks the exit status $status"
done

expect 0 "$PROCCTL" --version
case $(cat "$dir/out") in "procctl "[0-9]*.[0-9]*) ;; *) fail "--version says $(cat "$dir/out")" ;; esac
expect 0 "$PROCCTL" spawn --help -- ignored
expect 0 "$PROCCTL" ps --version

# lines of help fit a terminal
awk 'length > 80 { print FILENAME ": " $0; bad = 1 } END { exit bad }' "$dir/help" "$dir/all-help" ||
    fail "help is too wide"
