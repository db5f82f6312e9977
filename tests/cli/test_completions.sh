#!/bin/sh
# The completions load, and offer what fits the place. Shells that are not installed are left out.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
start_daemon
ctl spawn -n worker -- sleep 1000 >/dev/null
ctl event set built
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
    offers 'procctl inspect $' "$trap_name"
    [ ! -e "$dir/executed" ] || fail "bash executes the name of a process"
    refuses "procctl ps --" --grace
    refuses "procctl " info
    refuses "procctl kill -s $dir/" "$dir/s"
fi
if command -v zsh >/dev/null; then
    mkdir "$dir/zsh"
    ctl completion zsh >"$dir/zsh/_procctl"
    zsh -n "$dir/zsh/_procctl" || fail "zsh cannot read its completions"
    python3 "$TOP_SRCDIR/tests/cli/type_in_zsh.py" "$dir/zsh" 'procctl pru' 'procctl prune' \
        'procctl daemon resta' 'procctl daemon restart' \
        'procctl inspect work' 'procctl inspect worker' 'procctl events --foll' 'procctl events --follow' \
        'procctl kill --signal STO' 'procctl kill --signal STOP' \
        'procctl lock acq' 'procctl lock acquire' 'procctl lock acquire bui' 'procctl lock acquire built' \
        'procctl lock bui' 'procctl lock built' 'procctl lock release --tok' 'procctl lock release --token' \
        'procctl lock built -- slee' 'procctl lock built -- sleep' \
        'procctl barrier wait --part' 'procctl barrier wait --parties' || fail "zsh"
fi
if command -v fish >/dev/null; then
    ctl completion fish >"$dir/procctl.fish"
    fish -n "$dir/procctl.fish" || fail "fish cannot read its completions"
    fish_offers() {
        XDG_CONFIG_HOME=$dir HOME=$dir fish -N -c "source $dir/procctl.fish; complete -C '$1'" 2>/dev/null |
            cut -f1 | grep -qxF -e "$2" || fail "fish: [$1] does not offer $2"
    }
    fish_offers "procctl sp" spawn
    fish_offers "procctl daemon res" restart
    fish_offers "procctl inspect wor" worker
    fish_offers "procctl --json join wor" worker
    fish_offers "procctl events --foll" --follow
    fish_offers "procctl kill --signal STO" STOP
    fish_offers "procctl run -- slee" sleep
    fish_offers "procctl lock acq" acquire
    fish_offers "procctl lock bui" built
    fish_offers "procctl lock acquire bui" built
    fish_offers "procctl lock release --tok" --token
    fish_offers "procctl lock built -- slee" sleep
    fish_offers "procctl event wait --time" --timeout
fi
unset PROCD_SOCKET
finish
