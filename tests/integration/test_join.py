#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""process.join and process.wait: who waits may vanish, give up, or be many."""
import os
import signal
import time

from clients import Client, Gate, Peer, Rpc, fails, same, wait_for
from harness import main

WAIT = ['/bin/sh', '-c', 'read x; exit 7']


def waiting_child(client, gate, **params):
    return client.spawn(*WAIT, _fds=gate.fds, stdin=gate.stdin, **params)['id']


def test_connection_closed_while_joining(daemon):
    with Client(daemon.path) as client, Gate() as gate:
        child = waiting_child(client, gate)
        for _ in range(10):
            with Client(daemon.path) as gone:
                gone.start('process.join', process=child)
                gone.start('process.join', process=child, timeout=0.01)
                gone.start('process.wait', processes=[child])
        other = client.start('process.join', process=child)
        assert client.pending(other)
        gate.open()
        same(client.result(other)['exitcode'], 7)


def test_client_killed_while_joining(daemon):
    with Client(daemon.path) as client, Gate() as gate:
        child = waiting_child(client, gate)
        for _ in range(5):
            with Peer(daemon.path) as peer:
                peer.start('process.join', process=child)
                peer.start('process.join', process=child, timeout=60)
        clients = wait_for(lambda: client.call('daemon.info')['clients'] == 1 and client.call('daemon.info'))
        same(clients['processes']['running'], 1)
        gate.open()
        same(client.exitcode(child), 7)


def test_client_killed_and_process_ends_at_once(daemon):
    """Both ends come in one turn, in either order."""
    with Client(daemon.path) as client:
        for turn in range(20):
            child = client.spawn('/bin/sleep', '1000')
            with Peer(daemon.path) as peer:
                peer.start('process.join', process=child['id'])
                victims = [peer.pid, child['pid']]
                for pid in victims if turn % 2 else victims[::-1]:
                    os.kill(pid, signal.SIGKILL)
            same(client.exitcode(child['id']), -9)


def test_64_joiners(daemon):
    """From one process on several connections, and from several processes: one answer for all."""
    connections = [Client(daemon.path) for _ in range(8)]
    peers = [Peer(daemon.path) for _ in range(4)]
    for peer in peers[:2]:
        peer.do('connect')
    with Gate() as gate:
        child = waiting_child(connections[0], gate)
        own = [(client, client.start('process.join', process=child)) for client in connections * 6]
        others = [(peer, peer.start('process.join', process=child)) for peer in peers * 4]
        same(len(own) + len(others), 64)
        assert all(client.pending(number) for client, number in own)
        gate.open()
        ends = [client.result(number) for client, number in own]
        ends += [peer.reply(number)['result'] for peer, number in others]
    same(ends[0]['exitcode'], 7)
    assert all(end == ends[0] for end in ends), ends


def test_time_outs(daemon):
    with Client(daemon.path) as client, Gate() as gate:
        child = waiting_child(client, gate)
        for timeout in (0, -1, -0.5, -1e300):
            same(client.join(child, timeout), {'exited': False}, 'timeout %r' % timeout)
        for timeout in (0.05, 0.3):
            begin = time.monotonic()
            same(client.join(child, timeout), {'exited': False})
            took = time.monotonic() - begin
            assert timeout <= took < timeout + 2, took
        # many at once leave in the order of their deadlines, whatever the order in which they came
        spans = [0.1 + 0.05 * (i * 7 % 10) for i in range(10)]
        numbers = {client.start('process.join', process=child, timeout=span): span for span in spans}
        forever = client.start('process.join', process=child, timeout=None)
        endless = client.start('process.join', process=child, timeout=1e300)
        wait_for(lambda: client.pump(1) and len(client.replies) == len(spans))
        same([numbers[number] for number in client.replies], sorted(spans), 'the order of the time-outs')
        client.replies.clear()
        assert client.pending(forever, endless)
        gate.open()
        same([client.result(number)['exitcode'] for number in (forever, endless)], [7, 7])


def test_cancel(daemon):
    with Client(daemon.path) as client, Gate() as gate:
        child = waiting_child(client, gate)
        first, second = [client.start('process.join', process=child) for _ in range(2)]
        client.note('cancel', id=first)
        fails('Cancelled', lambda: client.result(first))
        same(client.call('cancel', id=12345678), {}, 'an unknown id')
        same(client.call('cancel', id=first), {}, 'one that is answered')
        again = b'{"jsonrpc":"2.0","id":%d,"method":"process.join","params":{"process":%d}}\n'
        client.raw(again % (first, child))
        assert client.pending(first, second), 'the id of a cancelled request is free'
        same(client.call('cancel', id=first), {})
        fails('Cancelled', lambda: client.result(first))
        with Client(daemon.path) as stranger:
            stranger.call('cancel', id=second)
        assert client.pending(second), 'requests belong to their connection'
        gate.open()
        same(client.result(second)['exitcode'], 7)


def test_cancel_races_with_the_end(daemon):
    """Whoever wins, there is one answer, and it is one of the two."""
    with Client(daemon.path) as client:
        words = {'Cancelled': 0, 'exited': 0}
        for turn in range(200):
            child = client.spawn('/bin/sleep', '1000')
            number = client.start('process.join', process=child['id'])
            os.kill(child['pid'], signal.SIGKILL)
            if turn % 2:
                client.call('daemon.ping')
            client.note('cancel', id=number)
            try:
                words['exited'] += client.result(number)['exited']
            except Rpc as error:
                words[error.name] += 1
            client.call('daemon.ping')
            assert not client.replies, 'answered twice'
            same(client.exitcode(child['id']), -9)
            client.call('process.close', process=child['id'])
        same(sum(words.values()), 200)


def test_join_by_another_process(daemon):
    with Client(daemon.path) as client, Peer(daemon.path) as peer, Gate() as gate:
        child = waiting_child(client, gate, name='shared')
        number = peer.start('process.join', process='shared')
        late = peer.start('process.join', process=child)
        gate.open()
        ends = [client.join(child), peer.reply(number)['result'], peer.reply(late)['result']]
        assert ends[0] == ends[1] == ends[2], ends
        same(ends[0]['exitcode'], 7)
        # and when its creator is long gone
        orphan = peer.call('process.spawn', argv=['/bin/sleep', '1000'])
        peer.kill()
        number = client.start('process.join', process=orphan['id'])
        assert client.pending(number)
        os.kill(orphan['pid'], signal.SIGUSR1)
        same(client.result(number)['signal'], 'SIGUSR1')


def test_join_of_an_ended_process(daemon):
    with Client(daemon.path) as client:
        child = client.sh('exit 3', name='early')
        end = client.join(child['id'])
        same((end['exited'], end['exitcode'], end['signal'], end['core']), (True, 3, None, False))
        for which in (child['id'], 'early'):
            for timeout in (0, None, 5):
                same(client.join(which, timeout), end, 'join of %r' % which)
        info = client.call('process.info', process=child['id'])
        same({name: info[name] for name in ('exitcode', 'signal', 'core', 'rusage', 'started', 'ended')},
             {name: value for name, value in end.items() if name != 'exited'})
        client.call('process.close', process=child['id'])
        fails('NoSuchProcess', lambda: client.join(child['id']))
        fails('NoSuchProcess', lambda: client.join('early'))


def test_a_name_is_the_newest_living_process(daemon):
    with Client(daemon.path) as client, Gate() as gate:
        first = waiting_child(client, gate, name='twin')
        second = client.sh('exit 4', name='twin')['id']
        client.join(second)
        number = client.start('process.join', process='twin')
        assert client.pending(number), 'the living one counts'
        gate.open()
        same(client.result(number)['exitcode'], 7)
        same(client.exitcode('twin'), 4, 'of the ended ones the newest')
        client.call('process.close', process='twin')
        same(client.call('process.info', process='twin')['id'], first)


def test_wait_for_several(daemon):
    with Client(daemon.path) as client, Gate() as gate, Gate() as later:
        first, second = waiting_child(client, gate), waiting_child(client, later)
        both = [first, second]
        same(client.call('process.wait', processes=both, timeout=0), {'done': []})
        same(client.call('process.wait', processes=both, timeout=0.05, mode='all'), {'done': []})
        one = client.start('process.wait', processes=both + [first])
        every = client.start('process.wait', processes=both, mode='all')
        given_up = client.start('process.wait', processes=both, mode='all')
        ready = client.call('process.wait', processes=both, mode='all', **{'for': 'ready'})
        same(sorted(ready['done']), both, 'who does not notify is ready at once')
        client.note('cancel', id=given_up)
        fails('Cancelled', lambda: client.result(given_up))
        gate.open()
        same(client.result(one), {'done': [first]})
        assert client.pending(every)
        later.open()
        same(sorted(client.result(every)['done']), both)
        fails('NoSuchProcess', lambda: client.call('process.wait', processes=[first, 1 << 40]))


if __name__ == '__main__':
    main()
