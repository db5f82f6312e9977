#!/bin/sh
# SPDX-License-Identifier: MIT
# graph: who waits for whom, as DOT, with cycles in red; names that others chose cannot break it.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
start_daemon

expect 0 ctl graph
err_has "nobody waits"
grep -q '^digraph waits {$' "$dir/out" || fail "no graph"
expect 0 ctl -q graph
err_is_empty

# Holders and waiters are processes that do nothing; other processes wait for them.
spawned() {
    ctl spawn -n "$1" -- sleep 1000 >/dev/null || fail "spawn"
    ctl call process.info "{\"process\": \"$1\"}" | sed -n 's/^  "pid": \([0-9]*\).*/\1/p'
}
a=$(spawned a) b=$(spawned b) c=$(spawned c)
# asks OWNER HOLDER NAME: acquires a lock, or waits for it, in the background; with a time limit, so that a
# deadlock is not refused
asks() {
    params="{\"name\": \"$3\", \"owner_pid\": $1, ${2:+\"holder\": \"$2\",} \"timeout\": 1000}"
    ctl call lock.acquire "$params" >/dev/null 2>&1 &
    asked="$asked $!"
}
asked=
edges() { ctl -q graph | grep -c -e ' -> ' ; }
edges_are() { [ "$(edges)" = "$1" ]; }
held() { [ "$(ctl objects | awk -v name="$1" '$1 == name { print $3 }')" = held ]; }

# hostile holders: quotes, DOT's own escapes, entities, a terminal's controls, line breaks
evil='q\" \\N \\ &lt;\" ]; evil [ \u001b[31m \n end'
asks "$a" "$evil" one
wait_until "one is held" held one
asks "$b" "" two
wait_until "two is held" held two
asks "$b" "" one
wait_until "b waits" edges_are 1
asks "$c" "idle" one
wait_until "c waits" edges_are 2
expect 0 ctl graph
err_is_empty
! grep -q red "$dir/out" || fail "a red edge without a cycle"
! LC_ALL=C grep -q "$(printf '[\001-\010\013-\037\177]')" "$dir/out" ||
    fail "graph lets control bytes through"
grep -q '^    n[0-9]* \[label="'"$b"'"\];$' "$dir/out" || fail "no node for b"
grep -qF "[label=\"$c\\nidle\"];" "$dir/out" || fail "no node for c"
shown="$a\\nq\\\" \\\\\\\\N \\\\\\\\ &amp;lt;\\\" ]; evil [ \\\\x1b[31m \\\\x0a end"
grep -qF "[label=\"$shown\"];" "$dir/out" ||
    fail "the hostile holder is not escaped"
[ "$(grep -c 'label="one"' "$dir/out")" = 2 ] || fail "an edge lacks the name of its lock"
# every line is one that we know
known='digraph waits \{|    node \[shape=box\];|\}'
known="$known"'|    n[0-9]+( -> n[0-9]+)? \[label="([^"\\]|\\.)*"(, color=red, fontcolor=red)?\];'
! grep -vqE "^($known)\$" "$dir/out" || fail "something else is in the graph"

# a cycle is red, and nothing else is
asks "$a" "$evil" two
wait_until "a waits, too" edges_are 3
expect 0 ctl graph
[ "$(grep -c -e '->.*color=red' "$dir/out")" = 2 ] || fail "two edges should be red"
[ "$(grep -c '^    n[0-9]* \[.*color=red' "$dir/out")" = 2 ] || fail "two nodes should be red"
! grep -qE 'idle.*red' "$dir/out" || fail "who only waits for a cycle is red"
if command -v dot >/dev/null; then
    dot -Tsvg "$dir/out" >"$dir/svg" 2>"$dir/err" || fail "dot refuses the graph"
    err_is_empty
    grep -q "&amp;lt;" "$dir/svg" || fail "an entity in a name was interpreted"
    [ "$(grep -c '<g id="node' "$dir/svg")" = 3 ] || fail "dot sees other nodes"
    [ "$(grep -c '<g id="edge' "$dir/svg")" = 3 ] || fail "dot sees other edges"
fi

for process in a b c; do ctl kill -s KILL $process; done
for pid in $asked; do wait "$pid"; done
wait_until "nobody waits" edges_are 0
finish
