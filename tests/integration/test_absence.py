#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who waits with a key when the broker is killed keeps its place, and comes back to it or is given up."""
import os
import signal
import time

from clients import Client, Peer, Rpc, fails, same, wait_for
from harness import is_dead, main

PATIENCE = 5  # seconds after the new broker serves


def waiters(daemon, name):
    return daemon.ask('object.info', name=name)['waiters']


def holders(daemon, name):
    return daemon.ask('object.info', name=name)['holders']


class Asker:
    """A client process that asks one thing, and asks it again with the same key."""
    def __init__(self, daemon, method, key='k', **params):
        self.peer, self.request = Peer(daemon.path), (method, key, params)
        self.number = None

    def ask(self):
        method, key, params = self.request
        self.number = self.peer.start(method, _key=key, **params)

    def ask_again(self):
        """Its broker is dead: on another connection."""
        self.peer.do('drop')
        self.ask()

    def pending(self):
        self.peer.call('daemon.ping')
        return self.number not in self.peer.do('answered')

    def result(self):
        message = self.peer.reply(self.number)
        if 'error' in message:
            raise Rpc(message['error'])
        return message['result']


def queue_up(daemon, name, *askers):
    """They wait, in this order."""
    for asker in askers:
        before = len(waiters(daemon, name))
        asker.ask()
        wait_for(lambda: len(waiters(daemon, name)) > before, 'the wait begins')


def make(client, kind, name, **params):
    client.call('object.create', kind=kind, name=name, persist=True, **params)
    return name


def unlink(daemon, *names):
    for name in names:
        daemon.ask('object.unlink', name=name)


# ---------------------------------------------------------------- who comes back

def test_the_order_of_a_queue(daemon):
    """Who comes back first is not first."""
    with Client(daemon.path) as client:
        make(client, 'lock', 'l')
        client.call('lock.acquire', name='l')
    askers = [Asker(daemon, 'lock.acquire', name='l') for _ in range(3)]
    queue_up(daemon, 'l', *askers)
    pids = [each['pid'] for each in waiters(daemon, 'l')]
    for _ in range(2):
        daemon.kill_broker()
        same([each['pid'] for each in waiters(daemon, 'l')], pids, 'without a connection')
        for asker in reversed(askers):
            asker.ask_again()
        assert all(asker.pending() for asker in askers)
        same([each['pid'] for each in waiters(daemon, 'l')], pids, 'all are back')
    for asker in askers:
        daemon.ask('lock.release', name='l')
        same(asker.result()['acquired'], True)
        same([each['pid'] for each in holders(daemon, 'l')], [asker.peer.pid])
    unlink(daemon, 'l')


def test_without_a_key(daemon):
    """It is gone, as by a closed connection, and begins anew."""
    with Client(daemon.path) as client:
        make(client, 'lock', 'l')
        client.call('lock.acquire', name='l')
    first, second = Asker(daemon, 'lock.acquire', key=None, name='l'), Asker(daemon, 'lock.acquire', name='l')
    queue_up(daemon, 'l', first, second)
    daemon.kill_broker()
    same([each['pid'] for each in waiters(daemon, 'l')], [second.peer.pid])
    first.ask_again()
    second.ask_again()
    daemon.ask('lock.release', name='l')
    same(second.result()['acquired'], True)
    assert first.pending()
    unlink(daemon, 'l')


def test_a_sleeper(daemon):
    """Woken after the restart, before and after it has asked again: it has all its levels back."""
    with Client(daemon.path) as client:
        make(client, 'condition', 'c')
    sleepers = [Asker(daemon, 'condition.wait', name='c', holder='h') for _ in range(2)]
    for sleeper in sleepers:
        for _ in range(3):
            sleeper.peer.call('rlock.acquire', name='c.lock', holder='h')
        queue_up(daemon, 'c', sleeper)
    daemon.kill_broker()
    with Client(daemon.path) as client:
        for sleeper, is_back in zip(sleepers, (True, False)):
            if is_back:
                sleeper.ask_again()
                assert sleeper.pending()
            client.call('rlock.acquire', name='c.lock', holder='h')
            same(client.call('condition.notify', name='c', holder='h')['woken'], 1)
            client.call('rlock.release', name='c.lock', holder='h')
            if not is_back:
                wait_for(lambda: holders(daemon, 'c.lock')[0]['pid'] == sleeper.peer.pid)
                sleeper.ask_again()
            same(sleeper.result(), {'notified': True, 'abandoned': False})
            same(holders(daemon, 'c.lock')[0]['count'], 3)
            for _ in range(3):
                sleeper.peer.call('rlock.release', name='c.lock', holder='h')
    unlink(daemon, 'c', 'c.lock')


def test_a_barrier(daemon):
    """The broker's death breaks none."""
    with Client(daemon.path) as client:
        make(client, 'barrier', 'b', parties=3)
    parties = [Asker(daemon, 'barrier.wait', name='b') for _ in range(3)]
    queue_up(daemon, 'b', *parties[:2])
    daemon.kill_broker()
    same(daemon.ask('object.info', name='b')['broken'], False)
    parties[1].ask_again()
    parties[2].ask_again()
    same([parties[2].result(), parties[1].result()], [{'index': 2}, {'index': 1}])
    parties[0].ask_again()
    same(parties[0].result(), {'index': 0}, 'it was let go meanwhile')
    unlink(daemon, 'b')


def test_an_event_and_a_stop(daemon):
    """What was decided meanwhile is the answer."""
    with Client(daemon.path) as client:
        make(client, 'event', 'e')
        child = client.spawn('/bin/sleep', '1000')['id']
        client.call('process.signal', process=child, signal='SIGSTOP')
    event = Asker(daemon, 'event.wait', name='e')
    stop = Asker(daemon, 'process.stop', process=child, grace=100)  # which a stopped one does not hear
    queue_up(daemon, 'e', event)
    stop.ask()
    assert stop.pending()
    daemon.kill_broker()
    daemon.ask('event.set', name='e')
    daemon.ask('event.clear', name='e')
    daemon.ask('process.kill', process=child)
    same(daemon.ask('process.join', process=child)['exitcode'], -9)
    event.ask_again()
    stop.ask_again()
    same(event.result(), {'set': True})
    same(stop.result()['signal'], 'SIGKILL')
    unlink(daemon, 'e')


def test_a_time_out_goes_on(daemon):
    """It is the wait's, not that of the request that comes back."""
    with Client(daemon.path) as client:
        make(client, 'lock', 'l')
        client.call('lock.acquire', name='l')
    asker, begin = Asker(daemon, 'lock.acquire', name='l', timeout=1.5), time.monotonic()
    queue_up(daemon, 'l', asker)
    wait_for(lambda: time.monotonic() - begin > 1)
    daemon.kill_broker()
    back = time.monotonic()
    asker.ask_again()
    same(asker.result()['acquired'], False)
    end = time.monotonic()
    assert end - begin >= 1.5, 'too early: %g s' % (end - begin)
    assert end - back < 1.5 or begin + 1.5 < back, 'begun anew: %g s' % (end - back)
    unlink(daemon, 'l')


# ---------------------------------------------------------------- who does not

def test_given_up(daemon):
    """5 s after the new broker serves, and no sooner: its wait goes, and its grant to the next one."""
    with Client(daemon.path) as client:
        make(client, 'lock', 'l')
        make(client, 'lock', 'm')
        make(client, 'barrier', 'b', parties=3)
        client.call('lock.acquire', name='l')
        client.call('lock.acquire', name='m')
    gone = [Asker(daemon, 'lock.acquire', name='l'), Asker(daemon, 'lock.acquire', name='m'),
            Asker(daemon, 'barrier.wait', name='b')]
    for asker in gone:
        queue_up(daemon, asker.request[2]['name'], asker)
    killed = time.monotonic()
    daemon.kill_broker()
    served = time.monotonic()
    stays = [Asker(daemon, 'lock.acquire', name='m'), Asker(daemon, 'barrier.wait', name='b')]
    for asker in stays:
        queue_up(daemon, asker.request[2]['name'], asker)
    daemon.ask('lock.release', name='m')
    same(holders(daemon, 'm')[0]['pid'], gone[1].peer.pid, 'a grant to one that is absent')
    wait_for(lambda: not waiters(daemon, 'l'))
    passed = time.monotonic()
    assert passed - killed >= PATIENCE, 'given up after %g s' % (passed - killed)
    assert passed - served < PATIENCE + 4, 'given up after %g s' % (passed - served)
    same(stays[0].result()['abandoned'], False, 'nobody has held it')
    fails('BrokenBarrier', stays[1].result)
    gone[1].ask_again()
    wait_for(lambda: waiters(daemon, 'm'), 'asked anew, it waits')
    assert gone[1].pending()
    unlink(daemon, 'l', 'm', 'b')


def test_a_death_meanwhile(daemon):
    """Its wait ends with it at once; a grant to it goes to the next one, who hears of no holder that died."""
    with Client(daemon.path) as client:
        make(client, 'lock', 'l')
        client.call('lock.acquire', name='l')
    askers = [Asker(daemon, 'lock.acquire', name='l') for _ in range(3)]
    queue_up(daemon, 'l', *askers)
    daemon.kill_broker()
    askers[2].ask_again()
    assert askers[2].pending()
    askers[1].peer.kill()
    wait_for(lambda: len(waiters(daemon, 'l')) == 2)
    daemon.ask('lock.release', name='l')
    same(holders(daemon, 'l')[0]['pid'], askers[0].peer.pid)
    askers[0].peer.kill()
    same(askers[2].result()['abandoned'], False)
    unlink(daemon, 'l')


def test_an_end_while_there_is_no_broker(daemon):
    """The holder's: its lock is not for those whose wait has ended with the broker."""
    with Client(daemon.path) as client:
        make(client, 'lock', 'l')
        child = client.spawn('/bin/sleep', '1000')
        client.call('lock.acquire', name='l', owner_pid=child['pid'])
    askers = [Asker(daemon, 'lock.acquire', key=key, name='l') for key in (None, 'k')]
    queue_up(daemon, 'l', *askers)
    held = daemon.without_broker()
    os.kill(child['pid'], signal.SIGKILL)
    wait_for(lambda: is_dead(child['pid']))
    os.kill(held, signal.SIGCONT)
    same([each['pid'] for each in holders(daemon, 'l')], [askers[1].peer.pid])
    askers[1].ask_again()
    same(askers[1].result()['abandoned'], True)
    unlink(daemon, 'l')


if __name__ == '__main__':
    main()
