#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lines and descriptors as hostile as they come: it answers or closes, serves others, and leaks nothing."""
import array
import collections
import json
import os
import random
import resource
import signal
import socket
import time

from clients import Client, Closed, Peer, Rpc, fails, ready, same, wait_for
from harness import LONG, Skip, main, options, prompt, stat_of

LINE_MAX = 1 << 20
PING = b'{"jsonrpc":"2.0","id":%d,"method":"daemon.ping"}\n'
CREATE = b'{"jsonrpc":"2.0","id":"%d","method":"object.create","params":{"name":"%d-%d","kind":"lock"}}\n'


def errors_of(client, count):
    """The names of so many errors without an id."""
    names = []
    client.take = lambda message: names.append(message['error']['data']['name'])
    wait_for(lambda: client.pump(0.1) and len(names) >= count or len(names) >= count)
    del client.take
    return names


def refusal(act):
    """How it fails in a client process."""
    try:
        return 'no failure, but %r' % act()
    except AssertionError as error:
        return str(error)


def closes(client, what):
    assert client.gone(), '%s: the connection lives on' % what


def is_well(daemon):
    with Client(daemon.path) as client:
        same(client.exitcode(client.spawn('/bin/true')['id']), 0)


# ---------------------------------------------------------------- lines

def test_cut_at_every_byte(daemon):
    """A request in two writes, the descriptor with the first byte, and the daemon has looked in between."""
    pipe = os.pipe()
    params = {'argv': ['/bin/true', 'é'], 'stdin': {'fd': 0}}
    line = json.dumps({'jsonrpc': '2.0', 'id': 0, 'method': 'process.spawn', 'params': params, 'fds': 1},
                      ensure_ascii=False).encode() + b'\n'
    with Client(daemon.path) as client, Client(daemon.path) as other:
        for cut in range(1, len(line)):
            client.raw(line[:cut], [pipe[0]])
            other.call('daemon.ping')
            client.raw(line[cut:])
            process = client.result(0)
            same(process['argv'], ['/bin/true', 'é'])
            same(other.exitcode(process['id']), 0)
            other.call('process.close', process=process['id'])
        client.raw(line[:cut], [pipe[0]])  # and one that never comes to its end
    for fd in pipe:
        os.close(fd)


def test_byte_by_byte(daemon):
    text = b''.join(PING % number for number in range(3))
    with Client(daemon.path) as client:
        client.socket.setblocking(True)
        for i in range(len(text)):
            client.socket.send(text[i:i + 1])
        client.socket.setblocking(False)
        same([client.result(number) for number in range(3)], [{}] * 3)


# 40 requests that each leave something to be seen; what cannot be done is part of it.
STREAM = [
    *[('object.create', {'kind': kind, 'name': kind}) for kind in ('lock', 'rlock', 'event', 'condition')],
    ('object.create', {'kind': 'semaphore', 'name': 's', 'value': 0}),
    ('object.create', {'kind': 'barrier', 'name': 'b', 'parties': 2}),
    ('lock.acquire', {'name': 'lock', 'holder': 'a'}),
    ('lock.acquire', {'name': 'lock', 'holder': 'b', 'timeout': 0}),
    ('semaphore.release', {'name': 's', 'n': 2}),
    *[('rlock.acquire', {'name': 'rlock', 'holder': 'a'})] * 4, ('event.set', {'name': 'event'}),
    *[('semaphore.release', {'name': 's'})] * 6, ('lock.release', {'name': 'lock'}),
    ('lock.release', {'name': 'lock'}), ('semaphore.acquire', {'name': 's'}),
    ('event.clear', {'name': 'event'}),
    *[('rlock.release', {'name': 'rlock', 'holder': 'a'})] * 3, ('rlock.acquire', {'name': 'condition.lock'}),
    ('no.such.method', {}), ('lock.acquire', {'name': 'second'}), ('object.unlink', {'name': 'b'}),
    ('barrier.abort', {'name': 'b'}), ('object.open', {'name': 'event'}),
    ('condition.notify', {'name': 'condition', 'n': 3}), ('object.create', {'kind': 'lock', 'name': 'third'}),
    ('object.unlink', {'name': 'second'}), ('semaphore.release', {'name': 's', 'n': 3}),
    ('event.set', {'name': 'other'}), ('process.close', {'process': 'nobody'}),
    ('object.create', {'kind': 'rlock', 'name': 'last'}),
]


def state_of(client):
    """What can be seen of a uid's things, and is the same in each run."""
    objects = client.call('object.list')['objects']
    for each in objects:
        del each['created']
        each['holders'] = [hold['count'] for hold in each.get('holders', [])]
    return objects


def reset(client):
    for each in client.call('object.list')['objects']:
        client.start('object.unlink', name=each['name'])  # a condition's lock goes with the condition


@options(limit=600)
def test_a_stream_cut_at_every_byte(daemon):
    """What was a whole line is done, and nothing else, whether the rest never comes or its sender is gone."""
    same(len(STREAM), 40)
    lines = [json.dumps({'jsonrpc': '2.0', 'id': number, 'method': method, 'params': params}).encode() + b'\n'
             for number, (method, params) in enumerate(STREAM)]
    stream, ends = b''.join(lines), [sum(map(len, lines[:count])) for count in range(len(lines) + 1)]
    near = {end + step for end in ends for step in (-1, 0, 1)}
    cuts = [cut for cut in range(len(stream) + 1) if LONG or cut in near or cut % 97 == 0]
    want = {}
    with Client(daemon.path) as watcher:
        for cut in cuts:
            whole = sum(end <= cut for end in ends) - 1
            with Client(daemon.path) as client:
                client.raw(stream[:cut])
                client.socket.shutdown(socket.SHUT_WR)
                closes(client, 'cut at %d' % cut)
                same(sorted(number for number in client.replies if number is not None), list(range(whole)))
            got = state_of(watcher)
            same(got, want.setdefault(whole, got), 'cut at %d, behind %d lines' % (cut, whole))
            reset(watcher)
    assert sum(want[count] != want[count + 1] for count in range(len(lines))) > 25, 'the premise: it shows'


def test_many_lines_in_one_write(daemon):
    """Descriptors belong to the lines that declare them, in order, wherever the writes are cut."""
    files = [os.memfd_create('line-%d' % i) for i in range(3)]
    lines = [json.dumps({'jsonrpc': '2.0', 'id': i, 'method': 'process.spawn', 'fds': 1, 'params': {
        'argv': ['/bin/sh', '-c', 'echo %d' % i], 'stdout': {'fd': 0}}}).encode() + b'\n' for i in range(3)]
    with Client(daemon.path) as client:
        client.raw(PING % 7 + lines[0] + PING % 8 + lines[1] + lines[2] + PING % 9, files)
        for number in (7, 8, 9):
            same(client.result(number), {})
        for number in range(3):
            same(client.exitcode(client.result(number)['id']), 0)
    for number, file in enumerate(files):
        same(os.pread(file, 100, 0), b'%d\n' % number)
        os.close(file)


def test_connections_take_turns(daemon):
    """All have said a lot, and none more than the others is done before its turn comes again."""
    count, turn, broker = 200, 16, daemon.broker_pid
    clients = [Client(daemon.path) for _ in range(4)]
    with Client(daemon.path) as watcher:
        watcher.call('events.subscribe', kinds=['object.created'])
        for client in clients:
            client.call('daemon.ping')
        os.kill(broker, signal.SIGSTOP)
        wait_for(lambda: stat_of(broker)[1] == 'T')
        for number, client in enumerate(clients):
            client.raw(b''.join(CREATE % (each, number, each) for each in range(count)))
        os.kill(broker, signal.SIGCONT)
        done = [0] * len(clients)
        for _ in range(count * len(clients)):
            name = watcher.event_of('object.created')['object']
            done[int(name.split('-')[0])] += 1
            if max(done) < count:
                assert max(done) - min(done) <= turn, done
    for number, client in enumerate(clients):
        for each in range(count):
            client.result(str(each))
            client.call('object.unlink', name='%d-%d' % (number, each))
        client.close()


def test_the_longest_line(daemon):
    whole = PING % 1
    with Client(daemon.path) as client:
        client.raw(b' ' * (LINE_MAX - len(whole)) + whole)
        same(client.result(1), {}, 'exactly 1 MiB')
        client.raw(b' ' * (LINE_MAX - len(whole) + 1) + whole)
        same(client.reply(None)['error']['data']['name'], 'ParseError')
        closes(client, 'a byte too many')
    with Client(daemon.path) as client:
        try:
            client.raw(b'[' * (2 * LINE_MAX))
        except Closed:
            pass
        closes(client, 'an endless line')


@options(limit=90)
def test_many_long_lines_at_once(daemon):
    """Half-sent lines cost what they hold, and no more once their senders are gone."""
    resident = daemon.info()['rss']
    clients = [Client(daemon.path) for _ in range(30)]
    for client in clients:
        client.raw(b'"' + b'x' * (LINE_MAX - 10000))
    assert daemon.sanitized() or daemon.info()['rss'] < resident + 30 * 2.5 * LINE_MAX
    is_well(daemon)
    for client in clients:
        client.close()
    assert daemon.sanitized() or wait_for(lambda: daemon.info()['rss'] < resident + (16 << 20))


def test_floods_of_garbage(daemon):
    """Each line of garbage is an error, and the connection lives on."""
    chance = random.Random(1)
    count = 20000 if LONG else 3000
    with Client(daemon.path) as client, Client(daemon.path) as other:
        names = []
        client.take = lambda message: names.append(message['error']['data']['name'])
        for _ in range(count // 100):
            garbage = [bytes(chance.choices(range(256), k=chance.randrange(60))) for _ in range(100)]
            client.raw(b''.join(line.replace(b'\n', b'') + b'\n' for line in garbage))
            other.call('daemon.ping')
        wait_for(lambda: client.pump(0.1) and len(names) >= count or len(names) >= count)
        same(len(names), count)
        same(set(names) - {'ParseError', 'InvalidRequest'}, set())
        del client.take
        same(client.call('daemon.ping'), {})


def test_damaged_requests(daemon):
    """A good request with a byte changed: an answer, or none for what became a notification; never an end."""
    chance = random.Random(2)
    good = b'{"jsonrpc":"2.0","id":5,"method":"process.info","params":{"process":1},"key":"k"}'
    with Client(daemon.path) as client:
        answers = []
        client.take = answers.append
        for turn in range(20000 if LONG else 3000):
            bad = bytearray(good)
            bad[chance.randrange(len(bad))] = chance.choice(b'\0"\\{}[]:,0a \x80\xff')
            client.raw(bytes(bad) + b'\n')
        client.raw(PING % 77777)
        wait_for(lambda: client.pump(0.1) and answers[-1].get('id') == 77777)
        assert turn * 0.9 < len(answers) <= turn + 2, len(answers)
        assert all('error' in answer for answer in answers[:-1])


def test_deep_nests(daemon):
    with Client(daemon.path) as client:
        for text in (b'[' * 100000, b'{"a":' * 100000, b'[' * 33 + b']' * 33, b'"' + b'\\' * 99999):
            client.raw(text + b'\n')
            same(client.reply(None)['error']['data']['name'], 'ParseError')
        same(client.call('daemon.ping'), {})


@options(allow=['no memory for JSON'])
def test_large_lines_in_little_memory(daemon):
    """Each is answered, or another broker takes over; none goes on with a heap that is not what it seems."""
    if daemon.sanitized():
        raise Skip('a sanitizer needs all address space')
    broker, child = daemon.broker_pid, daemon.connection.spawn('/bin/sleep', '1000')
    with open('/proc/%d/statm' % broker, encoding='ascii') as file:
        room = int(file.read().split()[0]) * resource.getpagesize() + (3 << 20)
    resource.prlimit(broker, resource.RLIMIT_AS, (room, room))
    ends, clients = collections.Counter(), [Client(daemon.path) for _ in range(20)]
    for turn in range(200):
        client = clients[turn % 20]
        try:
            client.call('process.spawn', argv=['/bin/true'], labels={'x': 'x' * 300000})
            ends['started'] += 1
        except Rpc as error:
            same((error.name, error.data['limit']), ('LimitExceeded', 'memory'))
            ends['memory'] += 1
        except Closed:
            ends['memory' if None in client.replies else 'another broker'] += 1
            clients[turn % 20] = Client(daemon.path)
    assert ends['memory'] or ends['another broker'], ends
    log = daemon.log()
    same(log.count('the broker ended'), log.count('no memory for JSON'), 'ends that were not chosen: ' + log)
    same(daemon.ask('process.is_alive', process=child['id']), {'alive': True})
    daemon.kill_broker()  # the next one has room


# ---------------------------------------------------------------- descriptors

def send_with(client, data, fds):
    extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))]
    return client.socket.sendmsg([data], extra)


def test_floods_of_descriptors(daemon):
    """Descriptors that nobody declares: the connection is closed, and with it every one of them."""
    read, write = os.pipe()
    floods = {
        'with a whole line': (PING % 1, 64),
        'with two lines': (PING % 1 + PING % 2, 1),
        'with half a line': (b'{', 64),
        'more than fit': (b'{', 250),
        'with garbage': (b'garbage\n', 3),
        'declared as fewer': (b'{"jsonrpc":"2.0","id":1,"method":"daemon.ping","fds":2}\n', 3),
        'declared as more': (b'{"jsonrpc":"2.0","id":1,"method":"daemon.ping","fds":3}\n', 2),
        'declared as too many': (b'{"jsonrpc":"2.0","id":1,"method":"daemon.ping","fds":65}\n', 65),
        'declared as words': (b'{"jsonrpc":"2.0","id":1,"method":"daemon.ping","fds":"two"}\n', 2),
    }
    for what, (data, count) in floods.items():
        with Client(daemon.path) as client:
            for _ in range(10):
                try:
                    send_with(client, data, [write] * count)
                except (BrokenPipeError, ConnectionResetError, BlockingIOError):
                    break
            closes(client, what)
        is_well(daemon)
    os.close(write)
    assert ready(read, 20) and os.read(read, 1) == b'', 'a descriptor is left in the daemon'
    os.close(read)


def test_truncated_control_message(daemon):
    """More descriptors in a message than anybody may send: the kernel drops some; the connection ends."""
    read, write = os.pipe()
    declared = b'{"jsonrpc":"2.0","id":%d,"method":"daemon.ping","fds":%d}\n'
    for count in (73, 128, 253):
        for data in (PING % 1, declared % (1, 64), declared % (1, 64) + declared % (2, 8)):
            with Client(daemon.path) as client:
                send_with(client, data, [write] * count)
                closes(client, '%d descriptors' % count)
    os.close(write)
    assert ready(read, 20) and os.read(read, 1) == b''
    os.close(read)


def test_descriptors_of_refused_requests(daemon):
    """An error for the request, the descriptors closed, and the connection goes on."""
    read, write = os.pipe()
    with Client(daemon.path) as client:
        refused = [('no.such.method', {}, 'MethodNotFound'), ('process.info', {}, 'InvalidParams'),
                   ('process.spawn', {'argv': ['/bin/true'], 'stdin': {'fd': 2}}, 'InvalidParams'),
                   ('process.spawn', {'argv': ['/nonexistent'], 'stdin': {'fd': 1}}, 'SpawnFailed')]
        for method, params, name in refused:
            fails(name, lambda: client.call(method, _fds=[write, write], **params))
        same(client.call('daemon.ping', _fds=[write] * 64), {}, 'unused ones are closed')
        os.close(write)
        assert ready(read, 20) and os.read(read, 1) == b''
    os.close(read)


# ---------------------------------------------------------------- ends

def test_half_closed(daemon):
    """What was asked before the client shut its side is answered, what still waits is cancelled; then EOF."""
    with Client(daemon.path) as client, Client(daemon.path) as other:
        child = other.spawn('/bin/sleep', '1000')['id']
        pings = [client.start('daemon.ping') for _ in range(2000)]
        listing = client.start('process.list')
        waiting = client.start('process.join', process=child)
        client.socket.shutdown(socket.SHUT_WR)
        closes(client, 'after the answers')
        same([client.replies[number]['result'] for number in pings], [{}] * 2000)
        same(len(client.replies[listing]['result']['processes']), 1)
        assert waiting not in client.replies or 'error' in client.replies[waiting]
        same(other.call('daemon.info')['connections'], 2, 'it is gone')
        same(other.call('process.is_alive', process=child), {'alive': True})


def test_half_closed_in_the_middle_of_a_line(daemon):
    with Client(daemon.path) as client:
        client.raw(PING % 1 + b'{"jsonrpc":"2.0","id":2,"met')
        client.socket.shutdown(socket.SHUT_WR)
        closes(client, 'half a line')
        same(client.replies.pop(1)['result'], {})
        assert all('error' in reply for reply in client.replies.values())


def test_closed_for_reading(daemon):
    """Answers have nowhere to go."""
    for _ in range(20):
        with Client(daemon.path) as client:
            client.socket.shutdown(socket.SHUT_RD)
            try:
                for _ in range(100):
                    client.raw(PING % 1 * 50)
            except (Closed, AssertionError):
                pass
    is_well(daemon)


@options(limit=90)
def test_a_client_that_never_reads(daemon):
    """100,000 pings without reading: the daemon stops reading, keeps little, and serves others at once."""
    resident, sent, worst, idle = daemon.info()['rss'], 0, 0, 0
    text = b''.join(PING % number for number in range(100000))
    with Client(daemon.path) as deaf, Client(daemon.path) as other:
        while sent < len(text) and idle < 30:
            try:
                sent += deaf.socket.send(text[sent:sent + (1 << 16)])
                idle = 0
            except BlockingIOError:
                idle += 1
            begin = time.monotonic()
            other.call('daemon.ping')
            worst = max(worst, time.monotonic() - begin)
        assert sent < len(text), 'the daemon takes whatever comes'
        assert prompt(worst), 'somebody else waited for %g s' % worst
        assert daemon.sanitized() or daemon.info()['rss'] < resident + (4 << 20)
        # it reads after all: every request is answered, in spite of the pause
        answers = []
        deaf.take = answers.append
        deaf.raw(text[sent:])
        wait_for(lambda: deaf.pump(0.1) and len(answers) >= 100000 or len(answers) >= 100000)
        same([answer['id'] for answer in answers], list(range(100000)))


@options(mode='--system', root=True, limit=90)
def test_many_long_answers_that_nobody_reads(daemon):
    """A uid asks for 20 MiB again and again: others are served meanwhile, and it cannot have all memory."""
    with Peer(daemon.path, uid=12345, gid=12345) as peer, Client(daemon.path) as other:
        for _ in range(20):
            peer.call('process.spawn', argv=['/bin/true'], labels={'x': 'x' * 1000000})
        resident, deaf = daemon.info()['rss'], [Peer(daemon.path, 12345, 12345) for _ in range(30)]
        waits = []
        for some in (deaf[:1], deaf[1:]):
            for each in some:
                each.start('process.list')
            begin = time.monotonic()
            other.call('daemon.ping')
            waits.append(time.monotonic() - begin)
        assert waits[1] < 3 * waits[0] + 1, 'somebody else waited for %g s, and then for %g s' % tuple(waits)
        fails_for = wait_for(lambda: peer.ask('process.list', name='none').get('error'))
        same((fails_for['data']['name'], fails_for['data']['limit']), ('LimitExceeded', 'unsent bytes'))
        same(peer.call('daemon.ping'), {}, 'short answers it gets')
        same(other.call('process.list')['processes'], [], 'another uid may ask')
        assert daemon.sanitized() or daemon.info()['rss'] < resident + (256 << 20)
        for each in deaf:
            each.kill()
        wait_for(lambda: 'result' in peer.ask('process.list', name='none'))


def test_2000_connections(daemon):
    with Client(daemon.path) as watcher:
        clients = [Client(daemon.path) for _ in range(2000)]
        numbers = [client.start('daemon.ping') for client in clients]
        same([client.result(number) for client, number in zip(clients, numbers)], [{}] * 2000)
        same(watcher.call('daemon.info')['connections'], 2002)
        child = watcher.spawn('/bin/sleep', '1000')
        joins = [client.start('process.join', process=child['id']) for client in clients]
        assert clients[-1].pending(joins[-1])
        for client in clients[:1000]:
            client.close()
        watcher.call('process.kill', process=child['id'])
        left = zip(clients[1000:], joins[1000:])
        same({client.result(number)['exitcode'] for client, number in left}, {-9})
        for client in clients[1000:]:
            client.close()
        wait_for(lambda: watcher.call('daemon.info')['connections'] == 2)


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))


@options(mode='--system', root=True, before=few_descriptors)
def test_connections_of_a_uid_leave_room_for_others(daemon):
    with Peer(daemon.path, uid=12345, gid=12345) as greedy:
        for _ in range(300):
            greedy.do('connect')
        others = [Client(daemon.path) for _ in range(20)]
        same([other.call('daemon.ping') for other in others], [{}] * 20)
        same(daemon.connection.exitcode(daemon.connection.spawn('/bin/true')['id']), 0)
        with Peer(daemon.path, uid=23456, gid=23456) as modest:
            same(modest.call('daemon.ping'), {}, 'another uid')
        answer = json.loads(greedy.do('exchange', ''))['error']['data']
        same((answer['limit'], answer['value']), ('connections', 64))


def test_connections_come_and_go(daemon):
    for turn in range(10000 if LONG else 2000):
        with Client(daemon.path) as client:
            if turn % 3:
                client.raw(PING % 1)
            if turn % 3 == 2:
                same(client.result(1), {})


@options(root=True)
def test_connections_that_do_not_arrive(daemon):
    """The broker has no descriptor free for them: they end, are not counted, and their clients may return."""
    broker = daemon.broker_pid
    limits = resource.prlimit(broker, resource.RLIMIT_NOFILE)
    resource.prlimit(broker, resource.RLIMIT_NOFILE, (3, limits[1]))
    clients = [Client(daemon.path) for _ in range(20)]
    for client in clients:
        closes(client, 'no descriptor is free')
    peer = Peer(daemon.path)
    assert 'Closed' in refusal(lambda: peer.call('daemon.ping'))
    info = daemon.connection.call('daemon.info')
    same((info['connections'], info['clients']), (1, 1))
    resource.prlimit(broker, resource.RLIMIT_NOFILE, limits)
    peer.do('drop')
    same(peer.call('lock.acquire', name='x')['acquired'], True)
    waiting = daemon.connection.start('lock.acquire', name='x')
    assert daemon.connection.pending(waiting)
    peer.kill()
    same(daemon.connection.result(waiting)['acquired'], True, 'its death is seen')
    daemon.connection.call('lock.release', name='x')
    daemon.connection.call('object.unlink', name='x')


# ---------------------------------------------------------------- ids, notifications, keys

def test_ids_in_use(daemon):
    with Client(daemon.path) as client:
        child = client.spawn('/bin/sleep', '1000')['id']
        for number in (b'7', b'"7"', b'"' + b'\\u00e9' * 32 + b'"', b'9007199254740991', b'-1', b'""'):
            join = b'{"jsonrpc":"2.0","id":%s,"method":"process.join","params":{"process":%d}}\n'
            join %= (number, child)
            client.raw(join)
            client.raw(join)
            same(client.reply(None)['error']['data']['name'], 'InvalidRequest')
            own = json.loads(number)
            assert client.pending(own), 'the first still waits'
            client.note('cancel', id=own)
            fails('Cancelled', lambda: client.result(own))
        for number in (b'9007199254740992', b'"' + b'x' * 65 + b'"', b'1.5', b'null', b'true', b'[]'):
            client.raw(b'{"jsonrpc":"2.0","id":%s,"method":"daemon.ping"}\n' % number)
            assert client.reply(None)['error']['data']['name'] in ('InvalidRequest', 'ParseError')


def test_notifications(daemon):
    """Executed, never answered, whatever they say."""
    with Client(daemon.path) as client:
        client.note('process.spawn', argv=['/bin/sleep', '1000'], name='quiet')
        client.note('process.spawn', argv=['/nonexistent'])
        client.note('process.spawn')
        client.note('no.such.method')
        client.note('process.info', process='nobody')
        child = wait_for(lambda: client.call('process.list', name='quiet')['processes'])[0]
        client.note('process.join', process=child['id'])
        client.note('process.kill', process=child['id'])
        same(client.exitcode(child['id']), -9)
        client.raw(b'{"jsonrpc":"2.0","method":"process.spawn","params":{"argv":["/bin/true"]},"key":"k"}\n')
        same(client.reply(None)['error']['data']['name'], 'InvalidRequest', 'it carries no key')
        client.call('daemon.ping')
        same(client.replies, {})
        same(len(client.call('process.list')['processes']), 1)


def test_keys(daemon):
    with Client(daemon.path) as client, Client(daemon.path) as again, Peer(daemon.path) as stranger:
        params = {'argv': ['/bin/sleep', '1000']}
        first = client.call('process.spawn', _key='k' * 64, **params)
        same(again.call('process.spawn', _key='k' * 64, **params), first, 'the recorded answer')
        for key, other in (('k' * 64, {'argv': ['/bin/true']}), ('k' * 65, params), (7, params)):
            fails('InvalidRequest', lambda: client.call('process.spawn', _key=key, **other))
        fails('InvalidRequest', lambda: client.call('process.kill', _key='k' * 64, process=first['id']))
        theirs = stranger.call('process.spawn', _key='k' * 64, **params)
        assert theirs['id'] != first['id'], "another process's keys are its own"
        # errors are recorded, too
        name = 'e'
        for _ in range(2):
            fails('NoSuchProcess', lambda: client.call('process.kill', _key=name, process=1 << 40))
        # pipelined repeats join the first
        askers = [client, again] * 10
        numbers = [each.start('process.spawn', _key='p', **params) for each in askers]
        ids = {each.result(number)['id'] for number, each in zip(numbers, askers)}
        same(len(ids), 1)
        same(len(client.call('process.list')['processes']), 3)


def test_old_keys_are_forgotten(daemon):
    """The last 1,024 answers are kept."""
    with Client(daemon.path) as client:
        def spawn(key):
            return client.call('process.spawn', _key=key, argv=['/bin/true'])['id']

        oldest, old = spawn('oldest'), spawn('old')
        for turn in range(1023):
            try:
                client.call('process.kill', _key='k%d' % turn, process=1 << 40)
            except Exception as error:
                same(error.name, 'NoSuchProcess')
        same(spawn('old'), old, 'still there')
        assert spawn('oldest') != oldest, 'one too many'


if __name__ == '__main__':
    main()
