#!/bin/sh
# SPDX-License-Identifier: MIT
# More processes than fit into an answer of 1 MiB, which is the limit of a request only.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
start_daemon

long=$(printf '%0400d' 0)
# Spawned over one connection: 2,500 commands would take their time.
python3 - "$socket" "$long" <<'END' || fail "the processes could not be made"
import json
import socket
import sys

COUNT = 2500
link = socket.socket(socket.AF_UNIX)
link.connect(sys.argv[1])
answers = link.makefile('rb')


def call(method, **params):
    request = {'jsonrpc': '2.0', 'id': 1, 'method': method, 'params': params}
    link.sendall(json.dumps(request).encode() + b'\n')
    answer = json.loads(answers.readline())
    assert 'result' in answer, answer
    return answer['result']


for _ in range(COUNT):
    process = call('process.spawn', argv=['true', sys.argv[2]])['id']
    call('process.join', process=process)
END
size=$("$PROCCTL" -s "$socket" --json ps -a | wc -c)
[ "$size" -gt 1048576 ] || fail "the answer is no longer than a request may be: $size bytes"
expect 0 ctl ps -a
[ "$(wc -l <"$dir/out")" = 2501 ] || fail "ps -a printed $(wc -l <"$dir/out") lines"
expect 0 ctl prune
grep -q '^.*2500 forgotten' "$dir/err" || fail "prune did not forget 2500"
expect 0 ctl ps -aq
out_is ""
finish
