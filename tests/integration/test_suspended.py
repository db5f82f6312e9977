#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Broker or keeper stand still for seconds: what came in time counts, and nobody gets less than his time."""
import os
import signal
import time

from clients import Client, Gate, Peer, drain, same, wait_for
from harness import is_dead, main, stat_of

HELD = 1  # seconds
IN_TIME = 0.5  # a time-out that passes meanwhile
ABSENCE = 5  # for so long a new broker keeps the places of those who do not come back
MARGIN = 3  # for a busy machine
KINDS = ('lock', 'event', 'semaphore', 'barrier', 'condition')


class Held:
    """A process that stands still while the context lasts, and for so long."""
    def __init__(self, pid, seconds=HELD):
        self.pid, self.seconds, self.begin = pid, seconds, 0

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)
        wait_for(lambda: stat_of(self.pid)[1] == 'T', 'a process that is stopped')
        self.begin = time.monotonic()
        return self

    def __exit__(self, *unused):
        wait_for(lambda: time.monotonic() >= self.begin + self.seconds)
        os.kill(self.pid, signal.SIGCONT)


def make(client, *kinds):
    for kind in kinds:
        more = {'parties': 2} if kind == 'barrier' else {'value': 0} if kind == 'semaphore' else {}
        client.call('object.create', kind=kind, name=kind, persist=True, **more)


def unlink(client, *names):
    for name in names:
        client.call('object.unlink', name=name)


# ---------------------------------------------------------------- the broker

def waits_of_each_kind(client, child, timeout):
    """{what: (request, its answer if it was in time)}, of one who waits for everything."""
    client.call('rlock.acquire', name='condition.lock', holder='w')
    hold = {'holder': 'w', 'timeout': timeout}
    return {
        'lock': (client.start('lock.acquire', name='lock', **hold), ('acquired', True)),
        'event': (client.start('event.wait', name='event', timeout=timeout), ('set', True)),
        'semaphore': (client.start('semaphore.acquire', name='semaphore', **hold), ('acquired', True)),
        'barrier': (client.start('barrier.wait', name='barrier', timeout=timeout), ('index', 0)),
        'condition': (client.start('condition.wait', name='condition', **hold), ('notified', True)),
        'join': (client.start('process.join', process=child, timeout=timeout), ('exited', True)),
        'wait': (client.start('process.wait', processes=[child], timeout=timeout), ('done', [child])),
    }


def let_all_go(client):
    """What they wait for, behind a lot of other things."""
    for _ in range(100):
        client.note('event.set', name='another')
    client.note('lock.release', name='lock')
    client.note('event.set', name='event')
    client.note('semaphore.release', name='semaphore')
    client.start('barrier.wait', name='barrier')
    client.start('rlock.acquire', name='condition.lock', holder='n')
    client.start('condition.notify', name='condition', holder='n')
    client.note('rlock.release', name='condition.lock', holder='n')


def test_what_came_in_time_counts(daemon):
    """Whoever waits gets what lay in the broker's sockets, of old clients and new ones, before his time was
    over."""
    for is_new in (False, True):
        with Client(daemon.path) as client, Client(daemon.path) as other, Gate() as gate:
            make(client, *KINDS)
            client.call('lock.acquire', name='lock', holder='h')
            child = client.sh('read x', _fds=gate.fds, stdin=gate.stdin)
            waits = waits_of_each_kind(client, child['id'], IN_TIME)
            client.call('daemon.ping')
            with Held(daemon.broker_pid), Client(daemon.path) as new:
                let_all_go(new if is_new else other)
                gate.open()
                wait_for(lambda: is_dead(child['pid']))  # pylint: disable=cell-var-from-loop
            for what, (number, (member, value)) in waits.items():
                if is_new and what in ('barrier', 'condition'):
                    continue  # their parties have gone with the connection
                same(client.result(number)[member], value, what + ', which was there in time')
            unlink(client, *KINDS, 'another', 'condition.lock')


def test_time_outs_are_not_longer(daemon):
    """Those that pass meanwhile end with it, the others when they are due."""
    with Client(daemon.path) as client:
        make(client, 'event')
        begin = time.monotonic()
        spans = (0.3, HELD + 0.5)
        waits = [client.start('event.wait', name='event', timeout=span) for span in spans]
        client.call('daemon.ping')
        with Held(daemon.broker_pid):
            pass
        for number, due in zip(waits, (HELD, HELD + 0.5)):
            same(client.result(number)['set'], False)
            took = time.monotonic() - begin
            assert due <= took < due + MARGIN, 'a time-out of %g s ended after %g s' % (due, took)
        unlink(client, 'event')


def test_who_comes_back_is_waited_for(daemon):
    """The broker stands still as soon as it serves: those whose places it keeps have the whole time from then
    on."""
    with Client(daemon.path) as client:
        make(client, 'lock')
        client.call('lock.acquire', name='lock', holder='h')
    peers = [Peer(daemon.path) for _ in range(3)]
    for number, peer in enumerate(peers):
        peer.start('lock.acquire', _key='k', name='lock')
        wait_for(lambda: len(daemon.ask('object.info', name='lock')['waiters']) > number)
    with Held(daemon.kill_broker(), ABSENCE + 2):
        # they say hello first, as the library does, and can go on only when they are answered
        for peer in peers:
            peer.do('drop')
        hellos = [peer.start('daemon.hello') for peer in peers]
    for peer, hello in zip(peers, hellos):
        peer.reply(hello)
    waiters = daemon.ask('object.info', name='lock')['waiters']
    same([each['pid'] for each in waiters], [peer.pid for peer in peers], 'in their places')
    again = [peer.start('lock.acquire', _key='k', name='lock') for peer in peers]
    for peer, number in zip(peers, again):
        daemon.ask('lock.release', name='lock')
        same(peer.reply(number)['result']['acquired'], True)
    daemon.ask('object.unlink', name='lock')


# ---------------------------------------------------------------- the keeper

def test_the_grace_begins_with_the_signal(daemon):
    """A keeper that stands still sends it late; nobody is killed before he could obey."""
    read, write = os.pipe()
    with Client(daemon.path) as client:
        # it takes a while to end
        child = client.sh('trap "sleep 0.2; exit 7" TERM; echo; while :; do sleep 0.01; done',
                          _fds=[write], stdout={'fd': 0})
        os.close(write)
        same(os.read(read, 1), b'\n')
        with Held(daemon.keeper_pid):
            stop = client.start('process.stop', process=child['id'], grace=IN_TIME)
            client.call('daemon.ping')
        same(client.result(stop)['exitcode'], 7, 'killed before its time')
        # and one that does not obey is killed all the same
        child = client.sh('trap "" TERM; echo; while :; do sleep 0.01; done')
        with Held(daemon.keeper_pid):
            begin = time.monotonic()
            stop = client.start('process.stop', process=child['id'], grace=IN_TIME)
        same(client.result(stop)['exitcode'], -9)
        took = time.monotonic() - begin
        assert HELD + IN_TIME <= took < HELD + IN_TIME + MARGIN, 'killed after %g s' % took
    drain(read)


def test_ends_meanwhile(daemon):
    """What ends, and is begun, while the keeper stands still is told and done afterwards."""
    with Client(daemon.path) as client, Gate() as gate:
        child = client.sh('read x; exit 5', _fds=gate.fds, stdin=gate.stdin)
        with Held(daemon.keeper_pid), Client(daemon.path) as new:
            gate.open()
            wait_for(lambda: is_dead(child['pid']))
            spawn = client.start('process.spawn', argv=['/bin/true'])
            assert client.pending(spawn)
            new.start('daemon.ping')
            joining = client.start('process.join', process=child['id'], timeout=HELD + MARGIN)
        same(client.result(joining)['exitcode'], 5)
        same(client.exitcode(client.result(spawn)['id']), 0)


if __name__ == '__main__':
    main()
