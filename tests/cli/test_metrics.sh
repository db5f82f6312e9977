#!/bin/sh
# SPDX-License-Identifier: MIT
# metrics: OpenMetrics text, on standard output and by HTTP on the loopback interface.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
start_daemon

evil='"name": "evil\"} 1\\n\u001b[31m\n"'
ctl -q call process.spawn "{$evil, \"argv\": [\"$(command -v sleep)\", \"1000\"]}" >/dev/null || fail "spawn"
ctl spawn -n worker -- sleep 1000 >/dev/null || fail "spawn"
pid=$(ctl inspect worker | awk '$1 == "pid" { print $2 }')
ctl -q lock acquire one --for-pid "$pid" >/dev/null || fail "acquire"

expect 0 ctl metrics
err_is_empty
python3 - "$dir/out" <<'END' || fail "that is no OpenMetrics text"
import re, sys
text = open(sys.argv[1], newline='').read()
assert text.endswith('# EOF\n') and text.count('# EOF') == 1 and '\x1b' not in text
family, values, seen = None, {}, set()
for line in text.split('\n')[:-2]:
    told = re.fullmatch(r'# (TYPE|UNIT|HELP) (procd_[a-z_]+) (.*)', line)
    if told:
        if told[1] == 'TYPE':
            family, kind = told[2], told[3]
            assert family not in seen, family
            seen.add(family)
        assert told[2] == family, line
        assert told[1] != 'UNIT' or family.endswith('_' + told[3]), line
        continue
    sample = re.fullmatch(r'([a-z_]+)((?:\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*\})?) (\S+)', line)
    assert sample, line
    assert sample[1] == family + {'counter': '_total', 'info': '_info', 'gauge': ''}[kind], line
    values[sample[1] + sample[2]] = float(sample[3])
def one(start):
    found, = [value for name, value in values.items() if name.startswith(start)]
    return found
assert values['procd_processes{state="running"}'] == 2
assert values['procd_object_holders{name="one",kind="lock"}'] == 1
assert values['procd_object_waiters{name="one",kind="lock"}'] == 0
assert one('procd_process_resident_memory_bytes{id="2",name="worker"}') > 4096
assert one('procd_process_threads{id="1",name="evil') == 1
assert one('procd_process_start_time_seconds{id="2"') > 1e9
END

for wrong in 0 65536 99999999999999999999 -1; do
    expect 2 timeout 20 "$PROCCTL" -s "$socket" metrics --listen "$wrong"
    err_has "--listen $wrong: a number from 1 to 65535 is wanted"
done
expect 2 ctl metrics --listen 12x
err_has "--listen 12x: a number is wanted"

# loopback is all there is
for wrong in 0.0.0.0:9100 :9100 '[::]:9100' ::1 10.0.0.1 127.0.0.2:9100 example.org:9100 '*:9100'; do
    expect 2 timeout 20 "$PROCCTL" -s "$socket" metrics --listen "$wrong"
    err_has "--listen $wrong: it listens on 127.0.0.1 only"
done
expect 2 ctl metrics --listen 127.0.0.1:65536
err_has "a port from 1 to 65535 is wanted"
expect 2 ctl metrics --listen localhost:
err_has "a port is wanted"
expect 2 ctl --json metrics
err_has "format of their own"

# a free port; should another take it before us, that is said
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$PROCCTL" -s "$socket" metrics --listen "127.0.0.1:$port" 2>"$dir/served" &
server=$!
serves() { grep -q "serving http://127.0.0.1:$port/metrics" "$dir/served"; }
wait_until "it serves" serves
ctl metrics >"$dir/out"
python3 - "$port" "$dir/out" <<'END' || fail "over HTTP"
import http.client, os, socket, struct, sys
port = int(sys.argv[1])
def ask(method='GET', path='/metrics', **headers):
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=20)
    connection.request(method, path, headers=headers)
    reply = connection.getresponse()
    return reply.status, reply.getheader('Content-Type'), reply.read().decode()
status, kind, text = ask()
assert status == 200 and kind.startswith('application/openmetrics-text; version=1.0.0'), (status, kind)
def names(of):
    return [line.split('{')[0].split(' ')[0] for line in of.split('\n') if not line.startswith('#')]
assert names(text) == names(open(sys.argv[2]).read())
assert ask(path='/')[0] == 404 and ask(path='/metrics/../etc/passwd')[0] == 404
assert ask(Host='evil.example')[0] == 403 and ask(Host=f'localhost:{port}')[0] == 200
assert ask(method='POST')[0] in (405, 501) and ask(method='DELETE')[0] in (405, 501)
assert ask(method='HEAD')[2] == ''
assert ask(path='/' + 'x' * 100000)[0] in (400, 413, 414)
def raw(data):
    with socket.create_connection(('127.0.0.1', port), timeout=20) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
for junk in (b'\0' * 4096, b'GET\r\n\r\n', b'GET /metrics HTTP/1.1\r\n' + b'a: b\r\n' * 100000,
             b'GET /metrics HTTP/9.9\r\n\r\n', b'\xff\xfe\r\n\r\n'):
    try:
        raw(junk)
    except OSError:
        pass
# what the kernel has listening at that port: it alone, on that address alone
tables = [open(path).readlines()[1:] for path in ('/proc/net/tcp', '/proc/net/tcp6') if os.path.exists(path)]
local = [line.split()[1] for table in tables for line in table if line.split()[3] == '0A']
own = '%08X:%04X' % (struct.unpack('=I', socket.inet_aton('127.0.0.1'))[0], port)
assert [each for each in local if each.endswith(own[8:])] == [own], (local, own)
idle = [socket.create_connection(('127.0.0.1', port)) for _ in range(50)]
assert ask()[0] == 200
END
expect 125 ctl metrics --listen "$port"
err_has "127.0.0.1:$port: Address already in use"

# without the daemon: said so, and it goes on
kill -STOP "$(broker)"
python3 -c '
import http.client, sys
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
c.request("GET", "/metrics")
sys.exit(c.getresponse().status != 503)' "$port" || fail "not 503 while the daemon stands still"
kill -CONT "$(broker)"
kill -TERM "$server"
wait "$server"
[ $? = 143 ] || fail "it does not end by SIGTERM"
ctl -q unlink one || fail "unlink"
finish
