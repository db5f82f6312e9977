#!/bin/sh
# SPDX-License-Identifier: MIT
# The completions load, and offer what fits the place; then what a person types in each shell, on a terminal,
# and what Tab makes of it. Shells that are not installed are left out.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
start_daemon
ctl spawn -n worker -- sleep 1000 >/dev/null
# names as the examples have them, with a blank, that of a directory, and what bash would break
ctl spawn -n alvin:0 -- sleep 1000 >/dev/null
ctl spawn -n 'my job' -- sleep 1000 >/dev/null
ctl spawn -n builder -- sleep 1000 >/dev/null
ctl event set built
ctl event set n:a@b
bin=$(dirname "$PROCCTL")
PATH=$bin:$PATH PROCD_SOCKET=$socket
export PATH PROCD_SOCKET

# completes LINE: what bash would offer, one a line
completes() {
    cat >"$dir/complete.bash" <<'END'
source "$1"
line=$2
read -ra COMP_WORDS <<<"$line"
[[ $line == *' ' ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$line COMP_POINT=${#line}
_procctl procctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
END
    bash "$dir/complete.bash" "$dir/procctl.bash" "$1"
}
offers() {
    completes "$1" | grep -qxF -e "$2" ||
        fail "bash: [$1] does not offer $2, but $(completes "$1" | tr '\n' ' ')"
}
refuses() {
    ! completes "$1" | grep -qxF -e "$2" || fail "bash: [$1] offers $2"
}

if command -v bash >/dev/null; then
    ctl completion bash >"$dir/procctl.bash"
    bash -n "$dir/procctl.bash" || fail "bash cannot read its completions"
    offers "procctl " spawn
    offers "procctl " daemon
    offers "procctl sp" spawn
    offers "procctl --json " ps
    offers "procctl --" --socket
    offers "procctl -s $dir/" "$dir/s"
    offers "procctl --color a" always
    offers "procctl daemon " restart
    offers "procctl join w" worker
    offers "procctl wait " worker
    offers "procctl join -w 3 worker w" worker
    offers "procctl kill -s TE" TERM
    offers "procctl kill --signal H" HUP
    offers "procctl events --kind process.e" process.exited
    offers "procctl call process.j" process.join
    offers "procctl completion z" zsh
    offers "procctl spawn --l" --limit
    offers "procctl run -C $dir/ --" --chdir
    offers "procctl run sl" sleep
    offers "procctl run -n x -- sl" sleep
    offers "procctl run -- cat $dir/procctl.b" "$dir/procctl.bash"
    # commands of one word and of two; objects; a command line behind an object
    offers "procctl lo" lock
    offers "procctl lock " acquire
    offers "procctl lock " built
    offers "procctl rlock sh" show
    offers "procctl event " is-set
    offers "procctl lock acquire " built
    offers "procctl unlink built b" built
    offers "procctl event wait -w 3 bu" built
    offers "procctl lock --conf" --conflict-exit-code
    offers "procctl lock release --tok" --token
    offers "procctl lock built sl" sleep
    offers "procctl lock -w 3 built -- sl" sleep
    offers "procctl lock built -- cat $dir/procctl.b" "$dir/procctl.bash"
    refuses "procctl lock show --" --token
    refuses "procctl event " built
    refuses "procctl lock built acq" acquire
    refuses "procctl " acquire
    # What others call their processes is offered, not executed.
    # shellcheck disable=SC2016
    trap_name='$(touch${IFS}'$dir/executed')'
    ctl spawn -n "$trap_name" -- true >/dev/null
    offers 'procctl inspect $' "$(bash -c 'printf %q "$1"' - "$trap_name")"
    [ ! -e "$dir/executed" ] || fail "bash executes the name of a process"
    refuses "procctl ps --" --grace
    refuses "procctl " info
    refuses "procctl kill -s $dir/" "$dir/s"
fi

# typed_in SHELL SCRIPT END: END is what the shell puts behind an option that takes a value
typed_in() {
    env -u PROCD_SOCKET python3 "$TOP_SRCDIR/tests/cli/type_in_shell.py" "$1" "$2" \
        'procctl pru' 'procctl prune' 'procctl daemon resta' 'procctl daemon restart' \
        'procctl events --foll' 'procctl events --follow' \
        'procctl kill --signal STO' 'procctl kill --signal STOP' \
        'procctl --color=al' 'procctl --color=always' 'procctl lock acq' 'procctl lock acquire' \
        'procctl lock release --tok' "procctl lock release --token$3" \
        'procctl barrier wait --part' "procctl barrier wait --parties$3" \
        "procctl -s $socket inspect work" "procctl -s $socket inspect worker" \
        "procctl --socket=$socket inspect work" "procctl --socket=$socket inspect worker" \
        "procctl kill -s TERM --socket $socket work" "procctl kill -s TERM --socket $socket worker" \
        'procctl inspect work' 'procctl inspect work' || fail "$1"
    python3 "$TOP_SRCDIR/tests/cli/type_in_shell.py" "$1" "$2" \
        'procctl inspect work' 'procctl inspect worker' 'procctl wait alv' 'procctl wait alvin:0' \
        'procctl join alvin:' 'procctl join alvin:0' 'procctl join my' 'procctl join my\ job' \
        'procctl join builde' 'procctl join builder' 'procctl join ' '~worker' \
        'procctl lock acquire bui' 'procctl lock acquire built' 'procctl lock bui' 'procctl lock built' \
        'procctl unlink n:' 'procctl unlink n:a@b' 'procctl unlink n:a@' 'procctl unlink n:a@b' \
        'procctl lock built -- slee' 'procctl lock built -- sleep' 'procctl run slee' 'procctl run sleep' \
        'procctl run -- cat build' 'procctl run -- cat builder/' || fail "$1"
}
if command -v bash >/dev/null; then
    typed_in bash "$dir/procctl.bash" ''
fi
if command -v zsh >/dev/null; then
    mkdir "$dir/zsh"
    ctl completion zsh >"$dir/zsh/_procctl"
    zsh -n "$dir/zsh/_procctl" || fail "zsh cannot read its completions"
    typed_in zsh "$dir/zsh/_procctl" =
    python3 "$TOP_SRCDIR/tests/cli/type_in_shell.py" zsh "$dir/zsh/_procctl" \
        'procctl inspect ' '~running, sleep 1000' 'procctl ' '~wait until processes have ended' || fail zsh
fi
if command -v fish >/dev/null; then
    ctl completion fish >"$dir/procctl.fish"
    fish -n "$dir/procctl.fish" || fail "fish cannot read its completions"
    typed_in fish "$dir/procctl.fish" ''
    python3 "$TOP_SRCDIR/tests/cli/type_in_shell.py" fish "$dir/procctl.fish" \
        'procctl inspect ' '~running, sleep' || fail fish
fi
unset PROCD_SOCKET

# What the scripts ask for: the living before the others, a name once, nothing that nobody could type.
ctl join "$(ctl spawn -n worker -- true)" >/dev/null
ctl spawn -n "$(printf 'a\nb')" -- true >/dev/null
expect 0 ctl completion processes
tr '\t' '|' <"$dir/out" >"$dir/words"
[ "$(grep -c '^worker|' "$dir/words")" = 1 ] || fail "a name is offered twice"
grep -q '^worker|running, sleep 1000, id 1$' "$dir/words" || fail "worker is not the one that runs"
[ "$(grep '^[ab]' "$dir/words" | cut -d'|' -f1 | tr '\n' ' ')" = "builder alvin:0 " ] ||
    fail "a name of two lines is offered"
# what is cut off is a whole character, wherever that is
for before in '' x xx xxx; do
    ctl spawn -n cut -- sh -c : "$before$(printf '%030d' 0 | sed 's/0/\xe2\x82\xac/g')" >/dev/null
done
expect 0 ctl completion processes
grep -q '^cut' "$dir/out" || fail "the long command line is not offered"
iconv -f UTF-8 "$dir/out" >/dev/null || fail "a part of a character is offered"
expect 0 ctl completion objects
[ "$(tr '\t' '|' <"$dir/out" | grep '^built')" = 'built|event' ] || fail "completion objects lacks built"
finish
