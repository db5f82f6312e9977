#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a request may cost, counted in a build that counts: answers without a tree, an event's text made once,
what one turn has to say to a client said at once."""
import json
import os

import harness
from clients import Client, same
from harness import main
from inside import Variable

COUNTED = os.path.join(os.environ.get('TOP_BUILDDIR', '.'), 'tests/integration/procd_counted')
harness.PROCD = COUNTED

MANY = 12  # requests of one client are served in one turn; of more, others may come between
KINDS = {'lock': {}, 'rlock': {}, 'semaphore': {'value': 1}}


class Tally:
    """What the broker has done since: see tally.c."""
    def __init__(self, daemon):
        self.variable, self.pid = Variable(COUNTED, 'tally', 3), daemon.broker_pid
        self.before = self.read()

    def read(self):
        return dict(zip(('trees', 'events', 'sends'), self.variable.read(self.pid)))

    def counts(self):
        return {what: count - self.before[what] for what, count in self.read().items()}


def hot(client):
    """What is asked often."""
    client.call('daemon.ping')
    for kind in KINDS:
        client.call(kind + '.acquire', name=kind)
        client.call(kind + '.release', name=kind)
    for method in 'event.set', 'event.wait', 'event.clear':
        client.call(method, name='event')
    process = client.call('process.spawn', argv=['/bin/true'])['id']
    client.call('process.join', process=process)
    client.call('process.info', process=process)
    client.call('process.list')


def test_hot_answers_are_written_without_a_tree(daemon):
    with Client(daemon.path) as client:
        for kind, value in {**KINDS, 'event': {}}.items():
            client.call('object.create', kind=kind, name=kind, **value)
        hot(client)  # what is made with the first is not theirs
        tally = Tally(daemon)
        for _ in range(3):
            hot(client)
        same(tally.counts()['trees'], 0)
        client.call('object.list')
        assert tally.counts()['trees'] > 0, 'nothing is counted'
        for name in [*KINDS, 'event']:
            client.call('object.unlink', name=name)


def told(reader):
    return [reader.event() for _ in range(MANY)]


def unlink(client):
    for number in range(MANY):
        client.call('object.unlink', name='l%d' % number)


def test_an_event_becomes_text_once(daemon):
    """However many are told."""
    readers = [Client(daemon.path) for _ in range(4)]
    for reader in readers:
        reader.call('events.subscribe', kinds=['object.created'])
    with Client(daemon.path) as client:
        tally = Tally(daemon)
        for number in range(MANY):
            client.call('object.create', kind='lock', name='l%d' % number)
        for reader in readers:
            same([event['object'] for event in told(reader)], ['l%d' % number for number in range(MANY)])
        same(tally.counts()['events'], MANY)
        unlink(client)
    for reader in readers:
        reader.close()


def test_what_a_turn_tells_is_sent_at_once(daemon):
    """The requests of one write, their answers, and the events of all to each subscriber."""
    readers = [Client(daemon.path) for _ in range(2)]
    for reader in readers:
        reader.call('events.subscribe', kinds=['object.created'])
    with Client(daemon.path) as client:
        client.call('daemon.ping')
        tally = Tally(daemon)
        requests = [{'jsonrpc': '2.0', 'id': -1 - number, 'method': 'object.create',
                     'params': {'kind': 'lock', 'name': 'l%d' % number}} for number in range(MANY)]
        client.raw(b''.join(json.dumps(request).encode() + b'\n' for request in requests))
        for request in requests:
            same(client.reply(request['id'])['result']['created'], True)
        for reader in readers:
            same(len(told(reader)), MANY)
        same(tally.counts()['sends'], 1 + len(readers))
        unlink(client)
    for reader in readers:
        reader.close()


if __name__ == '__main__':
    main()
