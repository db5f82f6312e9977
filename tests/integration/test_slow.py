#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What holds a child or a descriptor up holds up nobody else: FIFOs, SIGSTOP, closes that block."""
import array
import os
import re
import signal
import socket
import threading
import time

from clients import Client, Peer, drain, fails, same, wait_for
from harness import children_of, is_dead, main, options, prompt, stat_of
from lingering import close_takes, lingering_socket, listening, send_lingering

LINE_MAX = 1 << 20


def held_child(daemon, client, fifo, **params):
    """Begins a spawn that opens a FIFO without a reader: (request, pid)."""
    before = set(children_of(daemon.keeper_pid))
    number = client.start('process.spawn', argv=['/bin/sleep', '1000'], stdout={'file': fifo}, **params)
    new = wait_for(lambda: set(children_of(daemon.keeper_pid)) - before, 'the held child')
    same(len(new), 1)
    return number, new.pop()


def fifo_at(daemon, name):
    path = os.path.join(daemon.dir, name)
    os.mkfifo(path)
    return path


def slowest(client, seconds, *busy):
    """Pings for a while, and until each of `busy` (client, request) is answered: the longest one took."""
    longest, end = 0, time.monotonic() + seconds
    while time.monotonic() < end or any(number not in other.replies for other, number in busy):
        begin = time.monotonic()
        client.call('daemon.ping')
        longest = max(longest, time.monotonic() - begin)
        for other, _ in busy:
            other.pump(0.001)
    return longest


def test_held_children_hold_up_nobody(daemon):
    """A FIFO without a reader, and SIGSTOP before the exec: others go on, and after 10 s both have failed."""
    fifo, other_fifo = fifo_at(daemon, 'fifo'), fifo_at(daemon, 'other')
    with Client(daemon.path) as client, Client(daemon.path) as other:
        begin = time.monotonic()
        held, pid = held_child(daemon, client, fifo)
        stopped, stopped_pid = held_child(daemon, client, other_fifo)
        os.kill(stopped_pid, signal.SIGSTOP)
        wait_for(lambda: stat_of(stopped_pid)[1] == 'T')
        # the FIFO would let it go, the stop does not
        reader = os.open(other_fifo, os.O_RDONLY | os.O_NONBLOCK)
        same(other.exitcode(other.spawn('/bin/true')['id']), 0)
        assert client.pending(held, stopped)
        worst = slowest(other, 1, (client, held), (client, stopped))
        took = time.monotonic() - begin
        assert 9.5 < took < 15, 'the deadline came after %g s' % took
        assert prompt(worst), 'somebody else waited for %g s' % worst
        fails('SpawnFailed', lambda: client.result(held), errno='ETIMEDOUT', stage='stdio')
        fails('SpawnFailed', lambda: client.result(stopped), errno='ETIMEDOUT')
        wait_for(lambda: is_dead(pid) and is_dead(stopped_pid), 'the end of what was late')
        os.close(reader)
        same([each['argv'] for each in client.call('process.list')['processes']], [['/bin/true']])


def test_client_vanishes_during_a_held_spawn(daemon):
    """The start goes on without it; where it was to end with its creator, it does."""
    fifo = fifo_at(daemon, 'fifo')
    with Client(daemon.path) as client, Peer(daemon.path) as peer:
        with Client(daemon.path) as gone:
            _, pid = held_child(daemon, gone, fifo)
        before = set(children_of(daemon.keeper_pid))
        peer.start('process.spawn', argv=['/bin/sleep', '1000'], stdout={'file': fifo}, daemon=True)
        daemon_pid = wait_for(lambda: set(children_of(daemon.keeper_pid)) - before).pop()
        peer.kill()
        wait_for(lambda: client.call('daemon.info')['clients'] == 1)
        same(client.call('process.list')['processes'], [], 'not begun, not seen')
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        wait_for(lambda: is_dead(daemon_pid), 'the end of the orphan')
        living = lambda: [each['pid'] for each in client.call('process.list', alive=True)['processes']]
        wait_for(lambda: living() == [pid], 'the held one alone')
        os.close(reader)


def test_held_children_keep_nothing_of_others(daemon):
    """A child that is held up has no copy of a descriptor that others wait to see closed."""
    fifo = fifo_at(daemon, 'fifo')
    with Client(daemon.path) as client:
        pipes = [os.pipe() for _ in range(30)]
        for _, write in pipes:
            client.start('process.spawn', _fds=[write] * 64, argv=['/bin/true'])
            client.start('process.spawn', argv=['/bin/sleep', '1000'], stdout={'file': fifo})
            os.close(write)
        for read, _ in pipes:
            same(drain(read, limit=5), b'')
        with Client(daemon.path) as other:
            other.raw(b'garbage that ends it', [0])
            other.socket.shutdown(socket.SHUT_WR)
            assert other.gone(limit=5)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        wait_for(lambda: client.call('daemon.info')['processes']['running'] == 30)
        os.close(reader)


@options(limit=90)
def test_descriptors_whose_close_blocks(daemon):
    """Wherever the last copy of a lingering socket is closed, others are served."""
    with listening() as listener, Client(daemon.path) as other:
        assert close_takes(lingering_socket(listener)) > 3, 'the premise: such a close blocks'
        users = [Client(daemon.path) for _ in range(7)]
        busy = [
            send_lingering(users[0], listener, 'daemon.ping'),
            send_lingering(users[1], listener, 'no.such.method'),
            send_lingering(users[2], listener, 'process.spawn', argv=['/bin/true']),
            send_lingering(users[3], listener, 'process.spawn', argv=['/bin/true'], fds=[[0, 3]]),
            send_lingering(users[4], listener, 'process.spawn', argv=['/nonexistent'], stdin={'fd': 0}),
            send_lingering(users[5], listener, 'process.spawn', argv=[]),
        ]
        sock = lingering_socket(listener)
        users[6].raw(b'{"half a line', [sock.fileno()])
        threading.Thread(target=close_takes, args=[sock]).start()
        users[6].close()
        worst = slowest(other, 5, *busy)
        assert prompt(worst), 'somebody else waited for %g s' % worst
        assert 'result' in busy[0][0].reply(busy[0][1])
        same(other.exitcode(other.spawn('/bin/true')['id']), 0)


def send_last(sock, listener, before=(), flags=0):
    """Sends a lingering socket, of which there is no other copy then, behind other descriptors."""
    lingering = lingering_socket(listener)
    fds = array.array('i', [*before, lingering.fileno()])
    same(sock.sendmsg([b'\n'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)], flags), 1)
    lingering.close()


def stays_unread(client, listener):
    client.raw(b'x', [0])  # ends the connection, and who reads stops here
    send_last(client.socket, listener)


def comes_out_of_band(client, listener):
    send_last(client.socket, listener, flags=socket.MSG_OOB)


def comes_with_many(client, listener):
    send_last(client.socket, listener, before=[0] * 252)


@options(limit=90)
def test_descriptors_that_nobody_wants(daemon):
    """What the kernel would close in our place, as nobody has read it, holds nobody else up."""
    broker = daemon.broker_pid
    with listening() as listener, Client(daemon.path) as other:
        for send in stays_unread, comes_out_of_band, comes_with_many:
            with Client(daemon.path) as user:
                user.call('daemon.ping')
                user.raw(b' ' * (LINE_MAX - 1))
                os.kill(broker, signal.SIGSTOP)
                send(user, listener)
                os.kill(broker, signal.SIGCONT)
                worst = slowest(other, 1)
                assert prompt(worst), '%s: somebody else waited for %g s' % (send.__name__, worst)
                assert user.gone(limit=5), send


def give_away(daemon, client, method, socks, **params):
    """Sends all of them. Whoever closes them in the daemon closes them last."""
    broker = daemon.broker_pid
    os.kill(broker, signal.SIGSTOP)
    number = client.start(method, _fds=[sock.fileno() for sock in socks], **params)
    for sock in socks:
        sock.close()
    os.kill(broker, signal.SIGCONT)
    client.result(number)


def kept_by_the_keeper(count):
    """It could begin another one, and closes its copies behind the end of the child."""
    return {'argv': ['/bin/true'], 'fds': [[i, i + 3] for i in range(count)],
            'restart': {'policy': 'on-failure'}}


def handled(pid):
    with open('/proc/%d/status' % pid, encoding='ascii') as status:
        return int(re.search(r'^SigCgt:\s*(\w+)', status.read(), re.M)[1], 16)


def test_a_held_child_handles_nothing(daemon):
    """A signal that is ignored by default would end its wait, as the keeper's threads have theirs ended."""
    urgent = 1 << (signal.SIGURG - 1)
    fifo = fifo_at(daemon, 'fifo')
    with Client(daemon.path) as client:
        client.call('events.subscribe', kinds=['process.exited'])
        client.call('process.spawn', _fds=[client.socket.fileno()], **kept_by_the_keeper(1))
        client.event()
        wait_for(lambda: handled(daemon.keeper_pid) & urgent, 'a thread of the keeper that closes it')
        number, pid = held_child(daemon, client, fifo)
        wait_for(lambda: stat_of(pid)[1] == 'S', 'that it waits')
        same(handled(pid) & urgent, 0)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        same(client.result(number)['state'], 'running')
        os.close(reader)


@options(limit=90)
def test_more_of_them_than_are_closed_at_once(daemon):
    """In the broker and in the keeper: whoever sends them does not keep what is to be closed after them."""
    with listening() as listener, Client(daemon.path) as bad, Client(daemon.path) as good:
        for method, params in ('daemon.ping', lambda count: {}), ('process.spawn', kept_by_the_keeper):
            for _ in range(2):
                many = [lingering_socket(listener, 1000) for _ in range(40)]
                give_away(daemon, bad, method, many, **params(40))
            ours, theirs = socket.socketpair()
            give_away(daemon, good, method, [theirs], **params(1))
            ours.settimeout(10)
            same(ours.recv(1), b'', method)
            ours.close()


if __name__ == '__main__':
    main()
