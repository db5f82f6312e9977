#!/bin/sh
# SPDX-License-Identifier: MIT
# trace: what happened, as a picture that Perfetto opens.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
start_daemon

expect 0 ctl trace
out_is '{"traceEvents":[],"displayTimeUnit":"ms"}'

ctl -q call object.create '{"name": "traced", "kind": "lock", "trace": true, "persist": true}' >/dev/null ||
    fail "create"
worker=$(ctl spawn -n worker -- sleep 1000) || fail "spawn"
pid=$(ctl inspect "$worker" | awk '$1 == "pid" { print $2 }')
# the worker holds it; another waits in vain, a third until the worker dies
ctl -q lock acquire traced --for-pid "$pid" >/dev/null || fail "acquire"
expect 1 ctl lock traced -w 0.05 -- true
ctl -q lock traced -- true &
third=$!
waits() { ctl objects | grep -q '^traced .* 1 '; }
wait_until "the third waits" waits
ctl -q kill -s KILL "$worker" || fail "kill"
wait "$third" || fail "the third"
living=$(ctl spawn -n living -- sleep 1000) || fail "spawn"
odd=$(ctl spawn -n "$(printf 'odd"\033[31m\302\233\177\n\\\303\244')" -- sleep 1000) || fail "spawn"

expect 0 ctl trace -o "$dir/trace.json"
out_is ""
err_is_empty
# what a viewer or a terminal would obey is written as JSON has it, and comes out as it was
! LC_ALL=C grep -q "$(printf '[\001-\011\013-\037\177-\377]')" "$dir/trace.json" || fail "control bytes"
python3 - "$dir/trace.json" "$pid" <<'END' || fail "the trace is wrong"
import json, sys
events = json.load(open(sys.argv[1]))['traceEvents']
pid = int(sys.argv[2])
for event in events:
    assert set(event) >= {'ph', 'name', 'pid', 'tid'}, event
    assert event['ph'] in 'MXi' and (event['ph'] == 'M' or event['ts'] > 1e15), event
    assert event['ph'] != 'X' or event['dur'] >= 0, event
def of(**wanted):
    return [e for e in events if all(e.get(key) == value for key, value in wanted.items())]
tracks = {e['pid']: e['args']['name'] for e in of(ph='M', name='process_name')}
assert 'odd"\x1b[31m\x9b\x7f\n\\\xe4' in tracks.values(), tracks
assert tracks[pid] == 'worker' and 'living' in tracks.values(), tracks
worker, = of(cat='process', pid=pid)
assert worker['args']['signal'] == 'SIGKILL' and worker['dur'] > 0, worker
holds = sorted(of(cat='hold', name='hold traced'), key=lambda e: e['ts'])
assert holds[0]['pid'] == pid and holds[0]['args']['end'] == 'abandoned', holds
ends = [span['ts'] + span['dur'] for span in (worker, holds[0])]
assert worker['ts'] <= holds[0]['ts'] and abs(ends[0] - ends[1]) < 1e6, (worker, holds[0])
# one at a time, in the order of their tokens
for one, next_one in zip(holds, holds[1:]):
    assert one['ts'] + one['dur'] <= next_one['ts'] + 1, (one, next_one)
    assert one['args']['token'] < next_one['args']['token']
waits = of(cat='wait', name='wait traced')
granted, = [e for e in waits if e['args']['end'] == 'granted']
assert len(waits) == 2 and granted['ts'] + granted['dur'] <= holds[1]['ts'] + 1, waits
assert granted['pid'] == holds[1]['pid'] and granted['tid'] == holds[1]['tid'] > 0
assert [e['args']['object'] for e in of(ph='i', name='lock.abandoned')][0] == 'traced'
END

# the file is whole or it is not there
expect 125 ctl trace -o /nonexistent/trace.json
err_has "/nonexistent/trace.json: No such file or directory"
expect 125 ctl trace -o /dev/full/x
mkdir "$dir/folder"
expect 125 ctl trace -o "$dir/folder"
[ "$(find "$dir" -name 'folder*' | wc -l)" = 1 ] || fail "a part of a file is left"

ctl -q stop -g 0 "$living" "$odd" >/dev/null
ctl -q unlink traced || fail "unlink"
finish
