#!/bin/sh
# SPDX-License-Identifier: MIT
# --json: exactly one document on standard output, whatever happens; events: one a line.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
start_daemon

# one STATUS EXPRESSION WORD...: exits so, with exactly one document, d, of which the expression (of Python)
# is true
one() {
    wanted=$1 expression=$2
    shift 2
    expect "$wanted" ctl --json "$@"
    python3 - "$dir/out" "$expression" <<'END' || fail "$*: not exactly one document with $expression"
import json, sys
text = open(sys.argv[1], encoding="ascii").read()
d, end = json.JSONDecoder().raw_decode(text)
assert isinstance(d, dict) and text[end:] == "\n", text
assert eval(sys.argv[2]), text
END
}

one 0 'd["seconds"] >= 0' ping
one 0 '(d["name"], d["argv"], d["labels"]) == ("long", ["sleep", "1000"], {"role": "test"})' \
    spawn -n long -l role=test -- sleep 1000
one 0 'd["id"] > 0' spawn -n bad -- sh -c 'exit 3'
one 3 'd["results"][0]["exitcode"] == 3' join bad
one 124 'd["results"][0]["exited"] is False' join -w 0 long
one 1 '[r["process"] for r in d["results"]] == ["bad", "bad"]' join bad bad
one 1 'd["results"][1]["error"]["data"]["name"] == "NoSuchProcess"' join bad nobody
one 125 'len(d["results"]) == 1' join nobody
one 0 '[p["name"] for p in d["processes"]] == ["long"] and d["seq"] > 0' ps
one 0 '[p["name"] for p in d["processes"]] == ["bad"]' ps -a bad
one 0 'd["processes"] == []' ps nobody
one 0 'd["name"] == "long"' inspect long
one 0 'd["alive"] is True' is-alive long
one 3 'd["alive"] is False' is-alive bad
one 4 'd["error"]["code"] == -32001' is-alive nobody
one 0 'd["results"] == [{"process": "long"}]' kill -s CONT long
one 0 'd["results"]' terminate bad
one 0 'd["results"][0]["exited"] is True' stop bad
one 1 'd["results"][0]["error"]["data"]["name"] == "StillRunning"' rm long
one 0 'd["results"]' rm bad
one 0 'd["forgotten"] == []' prune
one 0 'd == {}' call daemon.ping
one 1 'd["error"]["data"]["name"] == "MethodNotFound"' call no.such.method
one 0 'd["openrpc"]' schema
one 0 'd["pid"] > 0' daemon info
one 0 'd["restarts"] == 1' daemon restart
one 127 'd["error"]["data"]["stage"] == "exec"' spawn -- ./nope
one 2 'd["error"]' spawn
one 2 'd["error"]' no-such-command
one 2 'd["error"]' ps --bogus
one 2 'd["error"]' call daemon.ping '{'

# run: the document is procctl's, the output goes to standard error
one 5 'd["exitcode"] == 5 and d["exited"]' run -- sh -c 'echo said; echo more >&2; exit 5'
err_has said
err_has more
one 137 'd["signal"] == "SIGKILL"' run -- sh -c 'kill -9 $$'
one 127 'd["error"]["data"]["errno"] == "ENOENT"' run -- ./nope
one 124 'd["signal"] == "SIGTERM"' run -w 0.05 -- sleep 1000

# synchronisation objects
long=$(ctl call process.info '{"process": "long"}' | sed -n 's/^  "pid": \([0-9]*\).*/\1/p')
one 7 '(d["acquired"], d["abandoned"], d["exitcode"]) == (True, False, 7) and d["token"] > 0' \
    lock a -- sh -c 'echo said; exit 7'
err_has said
one 137 'd["exitcode"] == -9' lock a -- sh -c 'kill -9 $$'
one 127 'd["error"]["data"]["name"] == "SpawnFailed"' lock a -- ./nope
one 0 'd["acquired"] is True and d["token"] > 0' lock acquire --for-pid "$long" a
one 1 'd == {"acquired": False}' lock -n a -- true
one 9 'd == {"acquired": False}' lock -w 0.05 -E 9 a -- true
one 124 'd["acquired"] is False' lock acquire --for-pid "$long" -w 0.05 a
one 6 'd["error"]["data"]["name"] == "Deadlock" and d["error"]["data"]["cycle"]' \
    lock acquire --for-pid "$long" a
one 0 '(d["name"], d["kind"], d["holders"][0]["pid"]) == ("a", "lock", '"$long"')' lock show a
one 1 'd["error"]["data"]["name"] == "WrongKind"' rlock show a
one 0 'd == {}' lock release a
one 1 'd["error"]["data"]["name"] == "TooManyReleases"' lock release a
one 0 'd == {}' lock break a
one 0 '(d["name"], d["created"]) == ("s", True)' semaphore create s -v 2
one 0 'd["exitcode"] == 0' semaphore s -- true
one 0 'd == {}' semaphore release --for-pid "$long" s
one 0 'd["value"] == 3' semaphore show s
one 0 'd == {}' event set e
one 0 'd["set"] is True' event is-set e
one 0 'd["set"] is True' event wait e
one 0 'd == {}' event clear e
one 1 'd["set"] is False' event is-set e
one 124 'd["set"] is False' event wait -w 0.05 e
one 124 'd["notified"] is False' condition wait -w 0.05 c
one 0 'd["woken"] == 0' condition notify c
one 0 'd["woken"] == 0' condition notify-all c
one 0 'd["index"] == 0' barrier wait -p 1 b
one 1 'd["error"]' barrier wait -p 2 b
one 0 'd == {}' barrier abort b
one 6 'd["error"]["data"]["name"] == "BrokenBarrier"' barrier wait b
one 0 'd == {}' barrier reset b
one 0 '"a" in [o["name"] for o in d["objects"]]' objects
one 0 'd["edges"] == [] and d["cycles"] == []' graph
one 1 '[r["name"] for r in d["results"]] == ["a", "nope"] and d["results"][1]["error"]' unlink a nope
one 4 'd["error"]["data"]["name"] == "NoSuchObject"' lock show a

# bytes that are not UTF-8
one 0 'd["argv"][3] == {"b64": "Yf9i"}' spawn -n odd -- sh -c : "$(printf 'a\377b')"

# behind the command, where no daemon is, and as another program reads it
for command in "ps -a" "inspect odd" "events -n 1" "daemon info"; do
    # shellcheck disable=SC2086
    expect 0 ctl $command --json
    python3 -m json.tool "$dir/out" >/dev/null || fail "$command --json: json.tool refuses it"
done
expect 125 "$PROCCTL" -s "$dir/nobody" --no-autostart ps --json
python3 -m json.tool "$dir/out" >/dev/null || fail "no daemon: no document"

# a stream: one a line
expect 0 ctl events --json
python3 -c '
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
assert len(lines) > 5 and all("kind" in line and "subscription" not in line for line in lines)
assert [line["seq"] for line in lines] == sorted(line["seq"] for line in lines)' "$dir/out" ||
    fail "events --json"
expect 0 ctl events --json --since 1000000
[ "$(wc -l <"$dir/out")" = 1 ] || fail "a number beyond the last one is one gap"
out_has '"gap"'
finish
