#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clients that are stopped, or gone without a word: the daemon keeps little of what it has for them."""
import os
import resource
import signal
import socket
import time

from clients import Client, Peer, same, wait_for
from harness import LONG, main, options, prompt, stat_of

EVENTS = 1000000 if LONG else 100000
GROWTH = 8 << 20  # bytes


def rss_of(pid):
    with open('/proc/%d/statm' % pid, encoding='ascii') as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: stat_of(pid)[1] == 'T')


def make_events(client, count, other):
    """So many, as fast as they come; the longest that somebody else waited meanwhile."""
    lines = [b'{"jsonrpc":"2.0","method":"lock.%s","params":{"name":"traced"}}\n' % verb
             for verb in (b'acquire', b'release')]
    batch, worst = b''.join(lines) * 500, 0
    for _ in range(count // 1000):
        client.raw(batch)
        begin = time.monotonic()
        other.call('daemon.ping')
        worst = max(worst, time.monotonic() - begin)
    client.call('daemon.ping')  # behind all of them
    return worst


def told(peer, last):
    """What the subscriber was told once it goes on: until the event of that number."""
    def events():
        peer.do('reply', peer.start('daemon.ping'))
        found = peer.do('events')
        return found if found and max(found[-1]['seq'], found[-1].get('to', 0)) >= last else None

    return wait_for(events, 'the last event')


@options(limit=600)
def test_a_stopped_subscriber(daemon):
    """Memory stays, each number was told or is in a gap, and others do not notice."""
    with Client(daemon.path) as client, Client(daemon.path) as other, Peer(daemon.path) as peer:
        client.call('object.create', kind='lock', name='traced', trace=True, persist=True)
        make_events(client, 20000, other)  # so that the events that are kept are there
        begin = peer.call('events.subscribe')['last'] + 1
        pids = daemon.broker_pid, daemon.keeper_pid
        before, took = sum(map(rss_of, pids)), time.monotonic()
        stop(peer.pid)
        worst = make_events(client, EVENTS, other)
        grown, took = sum(map(rss_of, pids)) - before, time.monotonic() - took
        last = client.call('daemon.info')['seq']
        os.kill(peer.pid, signal.SIGCONT)
        at, gaps = begin, 0
        for event in told(peer, last):
            if event['kind'] == 'gap':
                same(event['from'], at, 'the beginning of a gap')
                at, gaps = event['to'] + 1, gaps + 1
            else:
                same(event['seq'], at, 'silently lost')
                at += 1
        same(at, last + 1)
        assert last - begin >= EVENTS - 1 and gaps > 0, 'the premise: it was too slow'
        print('%d events in %.1f s, %d KiB more; %d gaps; others waited for %.1f ms at most'
              % (last - begin + 1, took, grown >> 10, gaps, worst * 1e3))
        assert daemon.sanitized() or grown < GROWTH, 'grown by %d bytes' % grown
        assert prompt(worst), 'somebody else waited for %g s' % worst
        client.call('object.unlink', name='traced')


def test_stopped_clients(daemon):
    """Some that wait, some that are in the middle of a line, some whose answers nobody takes."""
    peers = [Peer(daemon.path) for _ in range(6)]
    with Client(daemon.path) as client:
        client.call('lock.acquire', name='l')
        for peer in peers[:2]:
            peer.start('lock.acquire', name='l')
        for peer in peers:
            stop(peer.pid)
        before = rss_of(daemon.broker_pid)
        client.call('lock.release', name='l')
        wait_for(lambda: client.call('object.info', name='l')['holders'], 'a hold of one that is stopped')
        same(client.call('lock.acquire', name='l', timeout=0)['acquired'], False)
        begin = time.monotonic()
        for _ in range(1000):
            client.call('daemon.ping')
        assert prompt((time.monotonic() - begin) / 1000)
        assert daemon.sanitized() or rss_of(daemon.broker_pid) < before + GROWTH
        # a stopped one that is killed lets go
        for peer in peers:
            peer.kill()
        same(client.call('lock.acquire', name='l')['acquired'], True)
        client.call('lock.release', name='l')
        client.call('object.unlink', name='l')


# ---------------------------------------------------------------- half-open connections

def test_half_open(daemon):
    """Ends of each kind, with something said and something asked before: nothing stays, nobody waits."""
    half = b'{"jsonrpc":"2.0","id":1,"method":"lock.acquire","params":{"name":"half","timeout":'
    wait = b'{"jsonrpc":"2.0","id":2,"method":"lock.acquire","params":{"name":"held"}}\n'
    with Client(daemon.path) as client:
        client.call('object.create', kind='lock', name='held', persist=True)
        client.call('lock.acquire', name='held')
        for end in (socket.SHUT_WR, socket.SHUT_RD, socket.SHUT_RDWR, None):
            for said in (b'', half, wait, wait + half):
                for _ in range(5):
                    with Client(daemon.path) as other:
                        other.raw(said)
                        if end is not None:
                            other.socket.shutdown(end)
                        client.call('daemon.ping')
        # one that says nothing and stays costs nobody anything
        silent = [Client(daemon.path) for _ in range(100)]
        for each in silent:
            each.raw(half)
        same(client.call('daemon.ping'), {})
        for each in silent:
            each.close()
        daemon.ask('daemon.ping')  # by a connection that is taken after all of them
        wait_for(lambda: client.call('daemon.info')['connections'] == 2, 'the end of the others')
        same(client.call('object.info', name='held')['waiters'], [])
        left = client.call('object.list')['objects']
        same([each['name'] for each in left], ['held'], 'half a line is none')
        client.call('lock.release', name='held')
        client.call('object.unlink', name='held')


if __name__ == '__main__':
    main()
