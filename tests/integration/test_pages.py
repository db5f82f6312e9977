#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The memory that a uid's clients share with the daemon goes when others need the room."""
import array
import contextlib
import fcntl
import json
import os
import termios

from clients import SOON, Client, Peer, same, wait_for
from harness import main, options, targets_of
from mapped import Mapped

FIRST = 40000  # of the uids of nobody
KEPT = 64     # daemon/rpc/pages.c

system = options(mode='--system', root=True, limit=120)


def kept(pid):
    """How many pages the process has open."""
    return sum('procd-page' in target for target in targets_of(pid).values())


def map_lock(peer, name='l'):
    peer.call('object.create', kind='lock', name=name)
    return peer.call('object.map', name=name, holder='h')


def pass_by(daemon, first, count):
    """So many others, each for a moment."""
    for uid in range(first, first + count):
        with Peer(daemon.path, uid=uid, gid=uid) as peer:
            same(map_lock(peer)['mapped'], True, 'uid %d' % uid)


@system
def test_those_of_the_gone_are_given_up(daemon):
    with Peer(daemon.path, uid=FIRST, gid=FIRST) as stays:
        before = map_lock(stays)
        pass_by(daemon, FIRST + 1, 3 * KEPT)
        for pid in (daemon.keeper_pid, daemon.broker_pid):
            wait_for(lambda of=pid: kept(of) <= KEPT + 1, 'the pages of %d to go' % pid)
        same(stays.call('object.map', name='l', holder='h'), before, 'what is in use')
        same(stays.call('lock.acquire', name='l', holder='h')['acquired'], True)
    with Peer(daemon.path, uid=FIRST + 1, gid=FIRST + 1) as again:
        same(map_lock(again)['mapped'], True, 'who comes again')


@system
def test_they_are_kept_by_the_next_broker(daemon):
    with Peer(daemon.path, uid=FIRST, gid=FIRST) as stays:
        map_lock(stays)
        pass_by(daemon, FIRST + 1, KEPT + 8)
        daemon.kill_broker()
        stays.do('connect')
        same(stays.call('object.map', name='l', holder='h')['mapped'], True)
        pass_by(daemon, FIRST + 500, 2 * KEPT)
        for pid in (daemon.keeper_pid, daemon.broker_pid):
            wait_for(lambda of=pid: kept(of) <= KEPT + 1, 'the pages of %d to go' % pid)


@system
def test_what_a_client_writes_of_the_keeper_is_mended(daemon):
    """Of its own uid's page; whoever believes it asks for another, and is given the same one, alive."""
    with Client(daemon.path) as client:
        client.call('object.create', kind='lock', name='l')
        for _ in range(3):
            with Mapped(client, 'l') as page:
                same(page.keeper(), daemon.keeper_pid, 'who keeps it')
                page.mark_dead()
        client.call('object.close', name='l')


def unread(client):
    """Bytes that wait in its socket."""
    count = array.array('i', [0])
    fcntl.ioctl(client.socket, termios.FIONREAD, count)
    return count[0]


def fill(client, other):
    """Answers that it does not read, more than its socket holds: how many bytes of them that holds."""
    size = len(json.dumps(other.call('rpc.discover')))
    count = (200 << 10) // size + 2
    for _ in range(count):
        client.start('rpc.discover')
    wait_for(lambda: unread(client) > size // 2, 'answers')
    found = 0
    while found != unread(client):
        found = unread(client)
        other.call('daemon.ping')
    assert found < count * size, 'the premise: not all of them have room'
    return found


def test_who_does_not_read_is_rung(daemon):
    """What is in the way of its answer keeps that from the socket, but not the bell from ringing."""
    with Client(daemon.path) as holder, Client(daemon.path) as waiter:
        first = holder.call('lock.acquire', name='l')
        with Mapped(waiter, 'l') as page:
            number = waiter.start('lock.acquire', name='l', holder='h', bell=True)
            wait_for(lambda: holder.call('object.info', name='l')['waiters'], 'its wait')
            found = fill(waiter, holder)
            page.set_bell()
            holder.call('lock.release', name='l', token=first['token'])
            wait_for(page.is_rung, 'its bell')
            same(unread(waiter), found, 'the premise: its answer is not there yet')
            waiter.call('lock.release', name='l', token=waiter.result(number)['token'])
        holder.call('object.unlink', name='l')


def test_who_has_gone_does_not_keep_what_it_was_handed(daemon):
    """It was handed the lock, and has ended its connection without a look: the next one gets it."""
    with Client(daemon.path) as holder, Client(daemon.path) as waiter:
        holder.call('lock.acquire', name='l', holder='first')
        with Mapped(holder, 'l', 'first') as page, Mapped(waiter, 'l', 'second'):
            waiter.start('lock.acquire', name='l', holder='second', bell=True)
            wait_for(lambda: holder.call('object.info', name='l')['waiters'], 'its wait')
            page.hand_over()
            waiter.close()
            same(holder.call('lock.acquire', name='l', holder='third', timeout=SOON)['acquired'], True)
            holder.call('lock.release', name='l')
        holder.call('object.unlink', name='l')


if __name__ == '__main__':
    main()
