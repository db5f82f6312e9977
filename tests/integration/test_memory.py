#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The n-th allocation of the broker fails, for every n, in every method: the request is refused or served."""
import os
import re

import harness
from clients import Client, Closed, Gate, Rpc, same, wait_for
from harness import LONG, main, options
from inside import Variable

STARVED = os.path.join(os.environ.get('TOP_BUILDDIR', '.'), 'tests/integration/procd_starved')
harness.PROCD = STARVED


class Memory:
    """The allocator of the broker: see starve.c."""
    def __init__(self, daemon):
        self.variable, self.daemon, self.pid = Variable(STARVED, 'starve', 4), daemon, 0
        self.find()

    def find(self):
        """Where it is in the present broker."""
        pid = self.daemon.broker_pid
        is_new, self.pid = pid != self.pid, pid
        return is_new

    def fail(self, which, lasting=False):
        self.variable.write(self.pid, 0, 0, 0)
        self.variable.write(self.pid, which, lasting, 0)

    def look(self):
        """(asked, held); None: it is gone."""
        numbers = self.variable.read(self.pid)
        return numbers and numbers[2:]


def ask(method, **params):
    return lambda client: client.call(method, **params)


def keyed(method, **params):
    return lambda client: client.call(method, _key='k%d' % next(client.numbers), **params)


def with_descriptors(client, method, **params):
    message = client.reply(client.start(method, **params))
    for fd in message['_fds']:
        os.close(fd)
    if 'error' in message:
        raise Rpc(message['error'])


def spawned_attached(client):
    with_descriptors(client, 'process.spawn', argv=['/bin/true'], stdout='pty', attach=True, pidfd=True)


def attached(client):
    with_descriptors(client, 'process.attach', process='terminal')


def mapped(client):
    with_descriptors(client, 'object.map', name='free')


def unsubscribed(client):
    client.call('events.unsubscribe', subscription=client.call('events.subscribe')['subscription'])


def wait(method, **params):
    """One that waits, and is given up."""
    def act(client):
        number = client.start(method, **params)
        client.note('cancel', id=number)
        try:
            client.result(number)
        except Rpc as error:
            assert error.name in ('Cancelled', 'LimitExceeded', 'BrokenBarrier'), error
            if error.name == 'LimitExceeded':
                raise
    return act


def spawn(**params):
    def act(client):
        with Gate() as gate:
            client.call('process.spawn', argv=['/bin/cat'], _fds=gate.fds, stdin=gate.stdin, **params)
    return act


def connect(client):
    with Client(client.path) as other:
        other.call('daemon.ping')


def acts():
    """What each method does, in a world where `world` has been; {method: act}"""
    child, other = {'process': 'child'}, {'process': 'ended'}
    yield 'connect', connect
    for method in ('rpc.discover', 'daemon.hello', 'daemon.info', 'daemon.ping', 'process.list',
                   'object.list', 'object.graph', 'events.subscribe'):
        yield method, ask(method)
    yield 'process.spawn', spawn()
    yield 'process.spawn, pidfd', spawn(pidfd=True, labels={'a': 'b'}, env_add={'A': 'b'}, cwd='/usr')
    yield 'process.spawn, large', ask('process.spawn', argv=['/bin/true', *['x' * 60000] * 2], name='new')
    yield 'process.spawn, bad', ask('process.spawn', argv=['/nonexistent'])
    yield 'process.join', ask('process.join', **other)
    yield 'process.join, waiting', wait('process.join', **child)
    yield 'process.wait', ask('process.wait', processes=['child', 'ended'])
    yield 'process.stop', ask('process.stop', process='child', grace=0)
    yield 'process.kill', keyed('process.kill', **child)
    yield 'process.signal', ask('process.signal', signal='SIGCONT', **child)
    yield 'process.info', ask('process.info', **child)
    yield 'process.is_alive', ask('process.is_alive', **child)
    yield 'process.spawn, pty', ask('process.spawn', argv=['/bin/true'], stdin='pty', winsize=[24, 80])
    yield 'process.spawn, attach', spawned_attached
    yield 'process.spawn, zygote', ask('process.spawn', argv=['/bin/true'], zygote=0)
    yield 'process.attach', attached
    yield 'process.terminate', keyed('process.terminate', **child)
    yield 'process.logs', ask('process.logs', **other)
    yield 'process.close', keyed('process.close', **other)
    yield 'events.unsubscribe', unsubscribed
    yield 'object.map', mapped
    yield 'barrier.done', keyed('barrier.done', name='action', ok=True)
    for kind in ('lock', 'rlock', 'event', 'condition', 'semaphore', 'bounded_semaphore'):
        yield 'object.create, ' + kind, keyed('object.create', kind=kind, name='new')
    yield 'object.create, barrier', ask('object.create', kind='barrier', name='new', parties=2)
    for method, name in (('object.open', 'free'), ('object.close', 'free'), ('object.info', 'held'),
                         ('object.unlink', 'held'), ('object.break', 'held'), ('lock.acquire', 'free'),
                         ('lock.release', 'held'), ('rlock.acquire', 'new'), ('rlock.release', 'c.lock'),
                         ('semaphore.acquire', 's'),
                         ('semaphore.release', 's'), ('event.set', 'new'), ('event.set', 'e'),
                         ('event.clear', 'e'), ('event.is_set', 'e'), ('condition.notify', 'c'),
                         ('condition.notify_all', 'c'), ('barrier.reset', 'b'), ('barrier.abort', 'b')):
        yield '%s, %s' % (method, name), keyed(method, name=name)
    for method, name in (('lock.acquire', 'held'), ('event.wait', 'e'), ('condition.wait', 'c'),
                         ('barrier.wait', 'b')):
        yield method + ', waiting', wait(method, name=name, **({'holder': 'w'} if name == 'held' else {}))


def clear(client):
    """Nothing is left of what the methods have made and found."""
    for each in client.call('object.list')['objects']:
        client.start('object.unlink', name=each['name'])
    for each in client.call('process.list')['processes']:
        client.call('process.kill', process=each['id'])
        client.join(each['id'])
        client.start('process.close', process=each['id'])
    client.call('daemon.ping')
    client.replies.clear()


def world(client):
    """What the methods find."""
    clear(client)
    client.call('process.spawn', argv=['/bin/sleep', '1000'], name='child')
    client.call('process.spawn', argv=['/bin/sleep', '1000'], name='terminal', stdin='pty')
    client.join(client.call('process.spawn', argv=['/bin/true'], name='ended')['id'])
    for name, more in (('free', {'kind': 'lock'}), ('held', {'kind': 'lock'}), ('e', {'kind': 'event'}),
                       ('s', {'kind': 'semaphore', 'value': 1}), ('c', {'kind': 'condition'}),
                       ('b', {'kind': 'barrier', 'parties': 2}),
                       ('action', {'kind': 'barrier', 'parties': 1})):
        client.call('object.create', name=name, persist=True, **more)
    client.call('lock.acquire', name='held')
    client.call('rlock.acquire', name='c.lock')
    same(client.call('barrier.wait', name='action', action=True), {'run_action': True})


def connected(daemon):
    client = Client(daemon.path)
    client.path = daemon.path
    return client


def tried(act, client):
    """Was it refused?"""
    try:
        act(client)
    except Rpc as error:
        # one is there to fail
        assert error.name == 'LimitExceeded' or error.data.get('stage') == 'exec', error
        return error.name == 'LimitExceeded'
    except Closed:
        return True
    return False


def starved(daemon, memory, act, which, lasting):
    """(was it refused, did it get so far). Others are served, and all is well again afterwards."""
    with connected(daemon) as client, Client(daemon.path) as bystander:
        world(client)
        bystander.call('daemon.ping')
        memory.fail(which, lasting)
        refused = tried(act, client)
        look = memory.look()
        if look:
            memory.fail(0)
        try:
            same(bystander.call('daemon.ping'), {})
        except Closed:
            assert memory.find(), 'a bystander was let go'
    return refused, look is None or look[0] >= which


def held_at_end(daemon):
    """The daemon ends: how many blocks the broker had not freed."""
    pid = daemon.broker_pid
    daemon.finish()
    return int(re.search(r'starve: %d holds (-?\d+)' % pid, daemon.log()).group(1))


def held_undisturbed():
    """The same of a daemon that never lacked memory."""
    with harness.Daemon() as daemon:
        with connected(daemon) as client:
            for _, act in acts():
                world(client)
                tried(act, client)
            clear(client)
        return held_at_end(daemon)


def each_allocation_fails(daemon, lasting, step):
    """Each one in the long run; in the short one every `step`-th, another one first in each method."""
    memory, refusals, count = Memory(daemon), 0, 0
    step = 1 if LONG else step
    for number, (name, act) in enumerate(acts()):
        which, far = 1 + number * 7 % step, True
        while far:
            try:
                refused, far = starved(daemon, memory, act, which, lasting)
            except BaseException:
                print('%s: allocation %d' % (name, which))
                raise
            memory.find()
            refusals, count, which = refusals + refused, count + 1, which + step
    chosen = daemon.log().count('no memory for JSON')
    print('%d allocations failed, %d requests refused, %d brokers replaced' % (count, refusals, chosen))
    with connected(daemon) as client:
        clear(client)
    held = held_at_end(daemon)
    assert chosen or held == held_undisturbed(), '%d blocks are not freed' % held
    ends = re.findall(r'the broker ended.*', daemon.log())
    same(len(ends), chosen, 'ends that were not chosen')


def test_every_method_is_tried(daemon):
    """All that the daemon has; but for its end, a restart, and what every wait here ends with."""
    with Client(daemon.path) as client:
        known = {each['name'] for each in client.call('rpc.discover')['methods']}
    tried_here = {name.split(',')[0] for name, _ in acts()} - {'connect'}
    same(known - tried_here, {'daemon.stop', 'daemon.restart', 'cancel'})
    same(tried_here - known, set())


@options(allow=['no memory for JSON'], root=True)
def test_a_long_answer_is_whole_or_not_there(daemon):
    """The last allocations are those of the line that grows."""
    memory, act = Memory(daemon), ask('rpc.discover')
    memory.fail(0)
    with connected(daemon) as client:
        act(client)
        asked = memory.look()[0]
    for which in range(asked - 250, asked):
        with connected(daemon) as client:
            client.call('daemon.ping')
            memory.fail(which)
            tried(act, client)  # what is no JSON is no answer
            memory.fail(0)


@options(limit=1200, allow=['no memory for JSON'], root=True)
def test_one_allocation_fails(daemon):
    each_allocation_fails(daemon, False, 24)


@options(limit=1200, allow=['no memory for JSON', 'no memory for the journal', 'out of memory'], root=True)
def test_all_allocations_fail(daemon):
    """From some one on, for as long as the request lasts."""
    each_allocation_fails(daemon, True, 60)


if __name__ == '__main__':
    main()
