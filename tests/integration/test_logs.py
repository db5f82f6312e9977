#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What processes write is kept, told in order, and survives the broker; what is dropped is said."""
import os
import re
import signal
import time

from clients import SOON, Client, Closed, Gate, Peer, fails, ready, same, wait_for
from harness import LONG, descriptors, main, options, prompt, targets_of
from strace import Injection


def shell(client, script, **params):
    return client.spawn('/bin/sh', '-c', script, **params)['id']


def behind(client, gate, script):
    """It begins when the gate opens."""
    return shell(client, 'read x; ' + script, _fds=gate.fds, stdin=gate.stdin)


def ended(client, script, **params):
    process = shell(client, script, **params)
    client.call('process.join', process=process)
    return process


# Writes lines one by one, and at last into a file how many seconds the longest write took.
WRITER = '''
import os, sys, time
longest, path = 0, sys.argv[1]
for number in range(int(sys.argv[2])):
    line = b'%0100d\\n' % (number + 1)
    begin = time.monotonic()
    os.write(1, line)
    longest = max(longest, time.monotonic() - begin)
with open(path + '.new', 'w') as file:
    file.write(str(longest))
os.rename(path + '.new', path)
'''


class Writer:
    """A child whose every write takes less than a second, whatever becomes of the lines"""
    def __init__(self, daemon, client, count=100000):
        self.path, self.last = os.path.join(daemon.dir, 'longest'), '%0100d' % count
        self.gate, self.keyboard = keyboard_of(daemon)
        script = 'read -r go; exec python3 -c "$0" "$1" "$2"'
        self.id = client.spawn('/bin/sh', '-c', script, WRITER, self.path, str(count),
                               stdin={'file': self.gate}, env_add={'PATH': os.environ['PATH']})['id']

    def begin(self):
        self.keyboard.write(b'go\n')

    def longest_write(self):
        """Seconds. It has come to its end."""
        wait_for(lambda: os.path.exists(self.path), 'the end of the writing')
        self.keyboard.close()
        with open(self.path, encoding='ascii') as file:
            longest = float(file.read())
        print('the longest write took %.3f s' % longest)
        assert longest < 1, 'a write took %g s' % longest


def lines(client, process, **params):
    """All of them, however many answers that takes."""
    found, more = [], True
    while more:
        answer = client.call('process.logs', process=process, **params)
        found += answer['lines']
        more, params = answer['more'], {**params, 'since': answer['seq']}
    return found


def texts(client, process, **params):
    return [(line['stream'], line['text']) for line in lines(client, process, **params)]


def last_text(client, process):
    found = lines(client, process, tail=1)
    return found[-1]['text'] if found else None


def keyboard_of(daemon):
    """A FIFO to be a child's stdin, open already: (path, stream)."""
    path = os.path.join(daemon.dir, 'fifo')
    os.mkfifo(path)
    return path, os.fdopen(os.open(path, os.O_RDWR), 'wb', buffering=0)


def follow(client, process, **params):
    """Begins to; what the answer has already is put in front, as if it had come."""
    answer = client.call('process.logs', process=process, follow=True, **params)
    number = answer['subscription']
    client.events.extendleft({'subscription': number, **line} for line in reversed(answer['lines']))
    return number


def told(client, number, until=None, limit=SOON):
    """What a follower is told, up to the end of the process or a text: [line, or {'gap': ...}]."""
    found, end = [], time.monotonic() + limit
    while True:
        while client.events:
            params = client.events.popleft()
            same(params.pop('subscription'), number, 'subscription')
            if params.get('end'):
                assert until is None, 'the end came before %r' % until
                return found
            found.append(params)
            if until is not None and params.get('text') == until:
                return found
        assert time.monotonic() < end, 'only %d lines came, the last ones %r' % (len(found), found[-3:])
        client.pump(0.1)


def check_numbers(found, first, last):
    """The texts are these numbers, each once, in order; so are their seqs."""
    numbers = [int(line['text']) for line in found]
    same(numbers, list(range(first, last + 1)), 'lines')
    seqs = [line['seq'] for line in found]
    same(seqs, list(range(seqs[0], seqs[0] + len(seqs))), 'seqs')


# ---------------------------------------------------------------- what is kept

def test_both_streams_are_kept(daemon):
    path, keyboard = keyboard_of(daemon)
    with Client(daemon.path) as client, keyboard:
        process = shell(client, 'echo one; read x; echo two >&2; read x; printf three', stdin={'file': path})
        between = []
        for text in ('one', 'two'):
            wait_for(lambda: last_text(client, process) == text)
            between.append(time.time())
            keyboard.write(b'\n')
        client.call('process.join', process=process)
        same(texts(client, process), [('stdout', 'one'), ('stderr', 'two'), ('stdout', 'three')])
        same(texts(client, process, stream='stderr'), [('stderr', 'two')])
        same(texts(client, process, tail=1), [('stdout', 'three')])
        same(texts(client, process, tail=1, stream='stderr'), [('stderr', 'two')])
        same(texts(client, process, tail=0), [])
        same(texts(client, process, since=1), [('stderr', 'two'), ('stdout', 'three')])
        found = lines(client, process)
        same([line['seq'] for line in found], [1, 2, 3])
        times = [between[0] - 60, *(line['time'] for line in found), time.time()]
        times[2:2], times[4:4] = between[:1], between[1:]
        same(times, sorted(times), 'one after the other')
        answer = client.call('process.logs', process=process)
        same((answer['gap'], answer['more'], answer['seq'], answer['process']), (False, False, 3, process))


def test_only_what_is_log_is_kept(daemon):
    path = os.path.join(daemon.dir, 'file')
    with Client(daemon.path) as client:
        script = 'echo out; echo err >&2'
        same(texts(client, ended(client, script, stdout='null')), [('stderr', 'err')])
        same(texts(client, ended(client, script, stdout='log', stderr={'file': path})), [('stdout', 'out')])
        nothing = ended(client, script, stdout='null', stderr='null')
        answer = client.call('process.logs', process=nothing)
        same((answer['lines'], answer['gap'], answer['more']), ([], False, False))
        # who follows it is told of the end all the same
        same(told(client, follow(client, nothing)), [])
        fails('InvalidParams', lambda: client.spawn('/bin/true', stdin='log'), param='stdin')


def test_the_shortest_job(daemon):
    """Many in a row: each one's line is there when its end is told."""
    with Client(daemon.path) as client:
        for number in range(1000 if LONG else 200):
            process = client.spawn('/bin/echo', str(number))['id']
            client.call('process.join', process=process)
            same(texts(client, process), [('stdout', str(number))])
            client.call('process.close', process=process)


def test_any_bytes(daemon):
    """Control characters, C1, what is not UTF-8, NUL, and lines without an end."""
    script = r'printf "\033[2J\ta\\b\r\n\377\376\n\302\233m\nx\000y\n\n"; head -c 50000 /dev/zero | tr "\0" z'
    with Client(daemon.path) as client:
        process = ended(client, script)
        found = lines(client, process)
        same([line['text'] for line in found[:5]],
             ['\x1b[2J\ta\b\r', {'b64': '//4='}, '\x9bm', {'b64': 'eAB5'}, ''])
        pieces = found[5:]
        same([len(piece['text']) for piece in pieces], [16384, 16384, 16384, 848])
        same([piece.get('split', False) for piece in pieces], [True, True, True, False])
        # no byte of it is a control character on the wire
        number = client.start('process.logs', process=process)
        raw = b''
        while not raw.endswith(b'\n'):
            ready(client.socket, SOON)
            raw += client.socket.recv(1 << 18)
        assert re.fullmatch(rb'[ -~\x80-\xff]*\n', raw), 'control characters in the answer'
        assert number


def test_a_line_of_megabytes(daemon):
    """It comes in pieces, as a line of any length would; nobody's memory grows with it."""
    with Client(daemon.path) as client:
        process = shell(client, 'head -c 100000000 /dev/zero | tr "\\0" x; echo; echo done; sleep 1000')
        wait_for(lambda: last_text(client, process) == 'done', 'its end', limit=50)
        found = lines(client, process)
        assert sum(len(line['text']) for line in found) < 1 << 20
        assert all(line['text'] == 'x' * 16384 and line['split'] for line in found[:-2])
        same(found[-1]['seq'], 100000000 // 16384 + 2)
        if not daemon.sanitized():
            assert daemon.info()['rss'] < 64 << 20, daemon.info()


@options('--log-size', '128K')
def test_the_oldest_lines_go_first(daemon):
    with Client(daemon.path) as client:
        process = ended(client, 'seq 100000')
        answer = client.call('process.logs', process=process)
        assert answer['gap']
        found = lines(client, process)
        check_numbers(found, int(found[0]['text']), 100000)
        same(found[-1]['seq'], 100000)
        assert 60 << 10 < sum(len(line['text']) + 1 for line in found) <= 128 << 10
        # who asks for lines that are there misses nothing
        answer = client.call('process.logs', process=process, since=99990)
        same((answer['gap'], len(answer['lines'])), (False, 10))
        assert not client.call('process.logs', process=process, tail=5)['gap']


@options('--log-age', '1')
def test_old_lines_go(daemon):
    with Client(daemon.path) as client:
        process = shell(client, 'echo old; sleep 1000')
        wait_for(lambda: texts(client, process) == [('stdout', 'old')], 'its line')
        wait_for(lambda: texts(client, process) == [], 'its end')
        answer = client.call('process.logs', process=process)
        same((answer['lines'], answer['gap'], answer['seq']), ([], False, 0))


@options('--log-quota', '256K')
def test_a_uid_has_its_share(daemon):
    """What was not written to for longest goes first."""
    with Client(daemon.path) as client:
        first = ended(client, 'echo first')
        noisy = [ended(client, 'seq 30000') for _ in range(4)]
        same(texts(client, first), [])
        same(texts(client, noisy[-1], tail=1), [('stdout', '30000')])
        assert sum(len(line['text']) + 1 for process in noisy for line in lines(client, process)) <= 256 << 10


def test_the_log_goes_with_the_process(daemon):
    with Client(daemon.path) as client:
        process = ended(client, 'echo x')
        client.call('process.close', process=process)
        fails('NoSuchProcess', lambda: client.call('process.logs', process=process))
        # of a living one nothing goes, and a follower goes with the process
        other = shell(client, 'echo y; sleep 1000')
        number = follow(client, other)
        told(client, number, 'y')
        client.call('process.kill', process=other)
        client.call('process.join', process=other)
        client.call('process.close', process=other)
        same(told(client, number), [])


# ---------------------------------------------------------------- following

def test_following(daemon):
    with Client(daemon.path) as client, Client(daemon.path) as late:
        path, keyboard = keyboard_of(daemon)
        process = shell(client, 'echo one; while read x && [ $x != end ]; do echo $x; done; printf end',
                        stdin={'file': path})
        with keyboard:
            number = follow(client, process)
            told(client, number, 'one')
            for word in ('two', 'three'):
                begin = time.monotonic()
                keyboard.write(word.encode() + b'\n')
                same([line['text'] for line in told(client, number, word)], [word])
                assert prompt(time.monotonic() - begin), 'it took %g s' % (time.monotonic() - begin)
            other = follow(late, process, tail=1)
            keyboard.write(b'end\n')
        same([line['text'] for line in told(client, number)], ['end'])
        same([line['text'] for line in told(late, other)], ['three', 'end'])
        same(client.call('daemon.info')['subscriptions'], 0)
        fails('InvalidParams', lambda: client.call('events.unsubscribe', subscription=number))


def test_the_end_comes_last(daemon):
    """Everything that the process wrote is told before its end, also a line without one."""
    with Client(daemon.path) as client:
        for _ in range(20 if LONG else 4):
            with Gate() as gate:
                process = behind(client, gate, 'seq 20000; printf 20001')
                number = follow(client, process)
            found = told(client, number)
            check_numbers(found, 1, 20001)
            client.call('process.close', process=process)


def test_unsubscribing(daemon):
    with Client(daemon.path) as client:
        process = shell(client, 'while :; do echo x; sleep .01; done')
        number = follow(client, process)
        told(client, number, 'x')
        client.call('events.unsubscribe', subscription=number)
        same(client.call('daemon.info')['subscriptions'], 0)
        client.events.clear()
        client.call('daemon.ping')
        same(list(client.events), [])
        # one stream only
        number = follow(client, process, stream='stderr', tail=0)
        client.call('process.kill', process=process)
        same(told(client, number), [])


@options('--log-size', '128K')
def test_a_follower_that_lags_is_told_of_a_gap(daemon):
    """It costs no memory, holds up nobody, and knows what it has missed."""
    with Client(daemon.path) as client, Client(daemon.path) as slow:
        with Gate() as gate:
            process = behind(client, gate, 'seq 1000000; sleep 1000')
            number = follow(slow, process)
        wait_for(lambda: last_text(client, process) == '1000000', 'its last line', limit=50)
        found = told(slow, number, '1000000')
        gaps = [line['gap'] for line in found if 'gap' in line]
        assert gaps, 'no gap in %d lines' % len(found)
        expected = 1
        for line in found:
            if 'gap' in line:
                same(line['gap']['from'], expected, 'the beginning of a gap')
                expected = line['gap']['to'] + 1
                continue
            same((line['seq'], int(line['text'])), (expected, expected), 'a line')
            expected += 1
        same(expected, 1000001)


def test_many_followers(daemon):
    with Client(daemon.path) as client:
        followers = [Client(daemon.path) for _ in range(50)]
        with Gate() as gate:
            process = behind(client, gate, 'seq 5000')
            numbers = [follow(follower, process) for follower in followers]
        for follower, number in zip(followers, numbers):
            check_numbers(told(follower, number), 1, 5000)
            follower.close()


def test_subscriptions_have_a_limit(daemon):
    with Client(daemon.path) as client:
        process = shell(client, 'sleep 1000')
        most = client.call('daemon.hello')['limits']['subscriptions']
        for _ in range(most):
            follow(client, process)
        fails('LimitExceeded', lambda: follow(client, process))


# ---------------------------------------------------------------- who dies, stops and stays

def follow_through(client, daemon, process, found):
    """Follows, also behind the death of the broker: takes up where it was. True: it was the end."""
    since = found[-1]['seq'] if found else 0
    try:
        number = follow(client, process, since=since)
        while True:
            while client.events:
                params = client.events.popleft()
                if params.get('end'):
                    return True
                assert 'gap' not in params, params
                found.append(params)
            client.pump(0.1)
    except Closed:
        return False


@options('--log-size', '64M', '--log-quota', '128M', limit=180)
def test_the_broker_is_killed_under_heavy_output(daemon):
    """No line is lost, none comes twice, and whoever writes does not notice."""
    last = 3000000 if LONG else 600000
    with Client(daemon.path) as client:
        process = shell(client, 'i=0; while [ $i -lt 20 ]; do seq $((i*%d+1)) $((i*%d+%d)); i=$((i+1)); done'
                        % (last // 20, last // 20, last // 20))
    found, deaths = [], 0
    daemon.allow.append('the broker ended')
    while True:
        reader = Client(daemon.path)
        if deaths < 15:
            broker = daemon.broker_pid
            time.sleep(deaths % 10 / 100)
            os.kill(broker, signal.SIGKILL)
            deaths += 1
        try:
            over = follow_through(reader, daemon, process, found)
        finally:
            reader.close()
        if over:
            break
    check_numbers(found, 1, last)
    assert deaths > 5, deaths


def test_without_a_broker_nobody_waits(daemon):
    """The child goes on writing, and ends, though nobody reads; the next broker has all of it."""
    with Client(daemon.path) as client:
        writer = Writer(daemon, client)
    stopped = daemon.without_broker()
    try:
        writer.begin()
        writer.longest_write()
    finally:
        os.kill(stopped, signal.SIGCONT)
    daemon.allow.append('the broker ended')
    with Client(daemon.path) as client:
        client.call('process.join', process=writer.id)
        same(texts(client, writer.id, tail=1), [('stdout', writer.last)])


def test_a_stopped_broker_holds_up_no_writer(daemon):
    with Client(daemon.path) as client:
        writer = Writer(daemon, client)
        broker = daemon.broker_pid
        os.kill(broker, signal.SIGSTOP)
        try:
            writer.begin()
            writer.longest_write()
        finally:
            os.kill(broker, signal.SIGCONT)
        client.call('process.join', process=writer.id)
        same(texts(client, writer.id, tail=1), [('stdout', writer.last)])


def test_a_broker_that_dies_holds_up_no_writer(daemon):
    """Again and again, by SIGKILL."""
    with Client(daemon.path) as client:
        writer = Writer(daemon, client, 400000)
    daemon.allow.append('the broker ended')
    writer.begin()
    deaths = 0
    while not os.path.exists(writer.path):
        daemon.kill_broker()
        deaths += 1
    writer.longest_write()
    assert deaths > 2, deaths
    with Client(daemon.path) as client:
        client.call('process.join', process=writer.id)
        same(texts(client, writer.id, tail=1), [('stdout', writer.last)])


def test_a_stopped_child(daemon):
    """In the middle of a line: that is told once it is whole."""
    with Client(daemon.path) as client:
        process = shell(client, 'printf begun; kill -STOP $$; echo ", and ended"')
        number = follow(client, process)
        wait_for(lambda: client.call('process.info', process=process)['state'] == 'stopped', 'the stop')
        same(texts(client, process), [])
        client.call('process.signal', process=process, signal='SIGCONT')
        same([line['text'] for line in told(client, number)], ['begun, and ended'])


def test_writers_without_end_hold_up_nobody(daemon):
    """Four of them; a spawn, its line and its end come at once, and so does a line of one that is quiet."""
    with Client(daemon.path) as client:
        noisy = [shell(client, 'exec yes') for _ in range(4)]
        worst = 0
        for number in range(20):
            begin = time.monotonic()
            process = client.spawn('/bin/echo', str(number))['id']
            client.call('process.join', process=process)
            worst = max(worst, time.monotonic() - begin)
            same(texts(client, process), [('stdout', str(number))])
        assert worst < (1 if os.getloadavg()[0] <= os.cpu_count() else 10), 'a spawn took %g s' % worst
        for process in noisy:
            client.call('process.kill', process=process)
            client.call('process.join', process=process)
            same(texts(client, process, tail=1), [('stdout', 'y')])


def test_grandchildren_that_hold_the_pipe(daemon):
    """The end of the process is the end for its followers; what comes later is kept as long as it is."""
    go = os.path.join(daemon.dir, 'go')
    with Client(daemon.path) as client:
        process = shell(client, '(while [ ! -e %s ]; do sleep .02; done; echo late) & printf early' % go)
        number = follow(client, process)
        begin = time.monotonic()
        same([line['text'] for line in told(client, number)], ['early'])
        assert time.monotonic() - begin < 10
        open(go, 'w', encoding='ascii').close()
        wait_for(lambda: texts(client, process) == [('stdout', 'early'), ('stdout', 'late')], 'the late line')


def test_a_forgotten_process_kills_no_writer(daemon):
    """Its grandchild goes on writing into the pipe: nobody reads that, and it does not die of it."""
    go, done = (os.path.join(daemon.dir, name) for name in ('go', 'done'))
    with Client(daemon.path) as client:
        before = descriptors(daemon.keeper_pid)['pipe:[N]']
        script = '(while [ ! -e %s ]; do sleep .02; done; seq 100000 && touch %s) &' % (go, done)
        process = ended(client, script)
        client.call('process.close', process=process)
        wait_for(lambda: descriptors(daemon.keeper_pid)['pipe:[N]'] == before + 2)
        open(go, 'w', encoding='ascii').close()
        wait_for(lambda: os.path.exists(done), 'the end of the writing')
        wait_for(lambda: descriptors(daemon.keeper_pid)['pipe:[N]'] == before, 'the end of the pipes')


def test_no_memory_holds_up_no_writer(daemon):
    """As long as there is none."""
    with Client(daemon.path) as client:
        writer = Writer(daemon, client, 20000)
        with Injection(daemon, daemon.keeper_pid, 'splice', 'error=ENOSPC', '1+') as injection:
            writer.begin()
            writer.longest_write()
            client.call('process.join', process=writer.id)
            assert injection.injected() > 0
        same(texts(client, writer.id), [])


def test_no_memory_for_lines(daemon):
    """Where the kernel has none the writer goes on, and the reader is told."""
    with Client(daemon.path) as client:
        process = shell(client, 'while :; do echo x; sleep .01; done')
        number = follow(client, process)
        told(client, number, 'x')
        with Injection(daemon, daemon.keeper_pid, 'splice', 'error=ENOSPC', '1+'):
            before = client.call('process.logs', process=process)['seq']
            other = ended(client, 'seq 100000 >&2; echo "lost, too"')
            wait_for(lambda: client.call('process.logs', process=process, since=before)['gap'], 'a lost line')
        same(texts(client, other), [])
        wait_for(lambda: client.call('process.logs', process=process)['seq'] > before + 3, 'more lines')
        found = told(client, number, 'x')
        while not any('gap' in line for line in found):
            found += told(client, number, 'x')
        assert client.call('process.info', process=process)['state'] == 'running'


# ---------------------------------------------------------------- others

@options(root=True, mode='--system')
def test_others_read_nothing(daemon):
    """Another uid's process is one that is not there; and there is no file that anybody could open."""
    with Client(daemon.path) as client, Peer(daemon.path, uid=1234, gid=1234) as one, \
            Peer(daemon.path, uid=1235, gid=1235) as other:
        process = one.call('process.spawn', argv=['/bin/sh', '-c', 'echo secret; sleep 1000'])['id']
        wait_for(lambda: one.call('process.logs', process=process)['lines'], 'its line')
        for params in ({}, {'follow': True}, {'tail': 1}):
            error = fails('NoSuchProcess', lambda: other.call('process.logs', process=process, **params))
            same(error.error, fails('NoSuchProcess',
                                    lambda: other.call('process.logs', process=999999, **params)).error)
        # root may ask for it in the other's place
        fails('NoSuchProcess', lambda: client.call('process.logs', process=process))
        same(client.call('process.logs', process=process, uid=1234)['lines'][0]['text'], 'secret')
        fails('PermissionDenied', lambda: other.call('process.logs', process=process, uid=1234))
        one.call('process.kill', process=process)
        one.call('process.join', process=process)


def test_the_broker_can_only_read_them(daemon):
    """Neither memfd can be changed through the broker's descriptors."""
    modes = {}
    with Client(daemon.path) as client:
        ended(client, 'echo x')
    for descriptor, target in targets_of(daemon.broker_pid).items():
        if 'procd-logs' in target:
            with open('/proc/%d/fdinfo/%d' % (daemon.broker_pid, descriptor), encoding='ascii') as file:
                flags = int(re.search(r'flags:\s*(\d+)', file.read())[1], 8)
            modes[target] = flags & os.O_ACCMODE
    assert modes and set(modes.values()) == {os.O_RDONLY}, modes


def test_an_upgrade_keeps_them(daemon):
    """Through an exec of the keeper: what is kept, what is in the pipes, and a line in its middle."""
    with Client(daemon.path) as client:
        path, keyboard = keyboard_of(daemon)
        process = shell(client, 'echo before; printf begun; read x; echo ", and ended"; seq 50000',
                        stdin={'file': path})
        with keyboard:
            wait_for(lambda: texts(client, process) == [('stdout', 'before')], 'its line')
            broker = daemon.broker_pid
            daemon.ask('daemon.restart')
            wait_for(lambda: daemon.broker_pid != broker, 'the next broker')
            with Client(daemon.path) as after:
                number = follow(after, process)
                keyboard.write(b'x\n')
                found = told(after, number)
                same([line['text'] for line in found[:2]], ['before', 'begun, and ended'])
                check_numbers(found[2:], 1, 50000)


def test_a_process_that_begins_again(daemon):
    """It goes on in its log, and the follower hears of the last end; through a broker's death in between."""
    policy = {'policy': 'on-failure', 'delay': 0.05, 'factor': 1, 'max_tries': 3}
    with Client(daemon.path) as client:
        process = shell(client, 'echo run; exit 1', restart={**policy, 'delay': 0.3})
        number = follow(client, process)
        same([line['text'] for line in told(client, number)], 4 * ['run'])
        same(texts(client, process), 4 * [('stdout', 'run')])
        process = shell(client, 'echo run; exit 1', restart=policy)
        daemon.kill_broker()
    with Client(daemon.path) as client:
        client.call('process.join', process=process)
        same(texts(client, process), 4 * [('stdout', 'run')])


def test_a_run_that_cannot_begin(daemon):
    """What the runs before it wrote is still there."""
    program = os.path.join(daemon.dir, 'once')
    with open(program, 'w', encoding='ascii') as file:
        file.write('#!/bin/sh\nrm "$0"; echo once; exit 1\n')
    os.chmod(program, 0o755)
    with Client(daemon.path) as client:
        process = client.spawn(program, restart={'policy': 'on-failure', 'delay': 0.05, 'max_tries': 2})['id']
        client.call('process.join', process=process)
        same(texts(client, process), [('stdout', 'once')])


@options(limit=120)
def test_detached_it_goes_on_draining(daemon):
    """Children that live on do not wait for anybody who reads."""
    done = os.path.join(daemon.dir, 'done')
    with Gate() as gate:
        with Client(daemon.path) as client:
            behind(client, gate, 'seq 200000; touch %s' % done)
            client.call('daemon.stop', mode='detach')
        gate.open()
        daemon.ended()
        assert os.path.exists(done), 'it has not written everything'


if __name__ == '__main__':
    main()
