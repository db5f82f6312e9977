#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who waits for an event by its word's round (proto/page.h) is told in memory, and not by an answer."""
import contextlib

from clients import Client, Rpc, fails, same, wait_for
from harness import main
from mapped import Mapped

@contextlib.contextmanager
def mapped(daemon, name='e'):
    with contextlib.ExitStack() as stack:
        client, other = (stack.enter_context(Client(daemon.path)) for _ in range(2))
        client.call('object.create', kind='event', name=name)
        yield client, other, stack.enter_context(Mapped(client, name))
    with Client(daemon.path) as last, contextlib.suppress(Rpc):  # one may be unlinked
        last.call('object.close', name=name)


def wait_by_round(client, other, seen, **params):
    """A wait that is in the queue."""
    number = client.start('event.wait', name='e', holder='h', round=seen, **params)
    wait_for(lambda: other.call('object.info', name='e')['waiters'], 'the wait begins')
    return number


def test_it_is_told_by_the_round_alone(daemon):
    with mapped(daemon) as (client, other, word):
        for _ in range(3):
            seen = word.round()
            silent, loud = wait_by_round(client, other, seen), client.start('event.wait', name='e')
            client.call('daemon.ping')
            other.call('event.set', name='e')
            assert word.round() > seen, 'no other round'
            same(client.result(loud)['set'], True)
            assert client.pending(silent), 'it was answered'
            other.call('event.clear', name='e')
        seen = word.round()
        other.call('event.set', name='e')
        other.call('event.clear', name='e')
        same(word.round(), seen, 'the round, where nobody waits')


def test_who_has_seen_another_round_is_answered(daemon):
    with mapped(daemon) as (client, other, word):
        for seen in (0, word.round() - 1, word.round() + 1):
            same(client.call('event.wait', name='e', holder='h', round=seen)['set'], False, seen)
        other.call('event.set', name='e')
        same(client.call('event.wait', name='e', holder='h', round=word.round())['set'], True)
        other.call('event.clear', name='e')
        number = wait_by_round(client, other, word.round(), timeout=0.05)
        same(client.result(number)['set'], False, 'its time is up')
        number = wait_by_round(client, other, word.round())
        other.call('object.unlink', name='e')
        fails('ObjectGone', lambda: client.result(number))


def test_who_has_no_bell_is_answered(daemon):
    """A holder who has mapped nothing has nothing to look at."""
    with mapped(daemon) as (client, other, word):
        number = other.start('event.wait', name='e', holder='nobody', round=word.round())
        wait_for(lambda: client.call('object.info', name='e')['waiters'], 'the wait begins')
        client.call('event.set', name='e')
        same(other.result(number)['set'], True)


def test_the_next_broker_tells_it(daemon):
    """The wait keeps its place, is told by the round, and when it is asked again by an answer."""
    with mapped(daemon) as (client, other, word):
        seen = word.round()
        client.start('event.wait', _key='k', name='e', holder='h', round=seen)
        wait_for(lambda: other.call('object.info', name='e')['waiters'], 'the wait begins')
        daemon.kill_broker()
        with Client(daemon.path) as setter:
            setter.call('event.set', name='e')
            setter.call('event.clear', name='e')
            assert word.round() > seen, 'no other round'
        with Client(daemon.path) as again:
            params = {'name': 'e', 'holder': 'h', 'round': seen}
            same(again.call('event.wait', _key='k', **params)['set'], True)


if __name__ == '__main__':
    main()
