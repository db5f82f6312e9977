#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Locks, semaphores, events, conditions and barriers between real processes, which die at bad moments."""
import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time

from clients import SOON, Client, Peer, drain, fails, ready, same, wait_for
from harness import LONG, is_dead, main, options
from onlookers import DEAD_MOST, Mortuary

HERE = os.path.dirname(os.path.abspath(__file__))
numbers = itertools.count(1)


def name(prefix='o'):
    return '%s-%d' % (prefix, next(numbers))


class Made:
    """Names that are unlinked at the end, whatever made them."""
    def __init__(self, daemon):
        self.client, self.names = Client(daemon.path), []

    def __call__(self, kind=None, prefix='o', **params):
        made = name(prefix)
        if kind:
            self.client.call('object.create', kind=kind, name=made, **params)
        self.names.append(made)
        return made

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for made in self.names:
            try:
                self.client.call('object.unlink', name=made)
            except Exception:  # pylint: disable=broad-except  # it is gone already
                pass
        self.client.close()


def waiters(client, made):
    return client.call('object.info', name=made)['waiters']


def holders(client, made):
    return client.call('object.info', name=made)['holders']


def queue_up(client, made, method='lock.acquire', **params):
    """Starts a request that waits, and returns its number once it does."""
    before = len(waiters(client, made))
    number = client.start(method, name=made, **params)
    wait_for(lambda: len(waiters(client, made)) > before, 'the wait begins', step=0)
    return number


def queue_up_by(client, other, made):
    """The same on another connection."""
    number = other.start('lock.acquire', name=made)
    wait_for(lambda: waiters(client, made), 'the wait begins', step=0)
    return number


# ---------------------------------------------------------------- holds and processes

def test_a_hold_is_of_its_process(daemon):
    """Not of its connection; a forked child holds nothing, a program that is executed in its place does."""
    with Made(daemon) as made, Peer(daemon.path) as peer:
        lock, client = made('lock'), made.client
        peer.call('lock.acquire', name=lock)
        peer.do('drop')
        same(client.call('lock.acquire', name=lock, timeout=0)['acquired'], False, 'without its connection')
        number = queue_up(client, lock)
        peer.kill()
        answer = client.result(number)
        same((answer['acquired'], answer['abandoned']), (True, True), 'after its death')
        client.call('lock.release', name=lock)
        same(client.call('lock.acquire', name=lock)['abandoned'], False, 'told once')
        client.call('lock.release', name=lock)


SCRIPT = '''
import json, os, socket, sys
def call(method, **params):
    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
    s.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\\n")
    return json.loads(s.makefile().readline())
'''


def test_a_forked_child_holds_nothing(daemon):
    code = SCRIPT + '''
call("lock.acquire", name=sys.argv[2])
read, write = os.pipe()
if os.fork() == 0:
    os.read(read, 1)
    answer = call("lock.acquire", name=sys.argv[2], timeout=5)
    os._exit(0 if answer["result"]["abandoned"] else 9)
os._exit(0)
'''
    with Made(daemon) as made:
        lock, client = made('lock'), made.client
        child = client.spawn(sys.executable, '-I', '-S', '-c', code, daemon.path, lock)
        same(client.exitcode(child['id']), 0)
        # its parent is dead, and the child that goes on has got the lock, or nobody
        wait_for(lambda: client.call('lock.acquire', name=lock, timeout=SOON)['acquired'])
        client.call('lock.release', name=lock)
        client.call('process.stop', process=child['id'], grace=0)


def test_exec_keeps_holds(daemon):
    code = SCRIPT + '''
call("lock.acquire", name=sys.argv[2])
os.execv("/bin/sh", ["sh", "-c", "echo ready; read x"])
'''
    with Made(daemon) as made:
        lock, client = made('lock'), made.client
        to_child, ours = os.pipe()
        read, write = os.pipe()
        child = client.spawn(sys.executable, '-I', '-S', '-c', code, daemon.path, lock,
                             _fds=[to_child, write], stdin={'fd': 0}, stdout={'fd': 1})
        os.close(to_child)
        os.close(write)
        same(os.read(read, 6), b'ready\n')
        same([each['pid'] for each in holders(client, lock)], [child['pid']])
        number = queue_up(client, lock)
        os.close(ours)
        same(client.result(number)['abandoned'], True)
        same(client.exitcode(child['id']), 1, 'the read met the end')
        same(drain(read), b'')
        client.call('lock.release', name=lock)


def test_a_joiner_finds_the_locks_free(daemon):
    """Whoever joins a dead holder is told after its locks are free."""
    code = SCRIPT + 'call("lock.acquire", name=sys.argv[2])'
    with Made(daemon) as made:
        lock, client = made('lock'), made.client
        for _ in range(10):
            child = client.spawn(sys.executable, '-I', '-S', '-c', code, daemon.path, lock)
            same(client.exitcode(child['id']), 0)
            answer = client.call('lock.acquire', name=lock, timeout=0)
            same((answer['acquired'], answer['abandoned']), (True, True))
            client.call('lock.release', name=lock)


def test_owner_pid_binds_to_another_process(daemon):
    with Made(daemon) as made:
        lock, client = made('lock'), made.client
        with subprocess.Popen(['/bin/cat'], stdin=subprocess.PIPE) as shell:
            token = client.call('lock.acquire', name=lock, owner_pid=shell.pid)['token']
            same([(each['pid'], each['holder'], each['token']) for each in holders(client, lock)],
                 [(shell.pid, '', token)])
            number = queue_up(client, lock)
            shell.stdin.close()
        same(client.result(number)['abandoned'], True)
        client.call('lock.release', name=lock)
        # who waits in the place of one that dies gets an answer
        client.call('lock.acquire', name=lock)
        with subprocess.Popen(['/bin/cat'], stdin=subprocess.PIPE) as shell:
            number = queue_up(client, lock, owner_pid=shell.pid)
            shell.stdin.close()
        fails('NoSuchProcess', lambda: client.result(number))
        client.call('lock.release', name=lock)
        fails('NoSuchProcess', lambda: client.call('lock.acquire', name=lock, owner_pid=(1 << 22) + 1))


def test_a_child_has_objects_open_from_its_start(daemon):
    with Client(daemon.path) as client:
        read, write = os.pipe()
        event = name('event')
        with Peer(daemon.path) as peer:
            peer.call('object.create', kind='event', name=event)
            client.call('process.spawn', argv=['/bin/sh', '-c', 'read x'], stdin={'fd': 0}, name='opener',
                        objects=[event], _fds=[read])
            os.close(read)
            fails('NoSuchObject', lambda: client.spawn('/bin/true', objects=['missing']))
        client.call('daemon.ping')
        same([each['name'] for each in client.call('object.list')['objects']], [event])
        os.close(write)
        client.join('opener')
        same(client.call('object.list')['objects'], [], 'it went with the last process that had it open')


# ---------------------------------------------------------------- races

def test_a_cancel_crosses_a_grant(daemon):
    """One answer, and the lock is held by nobody who was told Cancelled."""
    with Made(daemon) as made, Client(daemon.path) as other:
        lock, client = made('lock'), made.client
        for round_number in range(300 if LONG else 60):
            client.call('lock.acquire', name=lock)
            number = other.start('lock.acquire', name=lock)
            if round_number % 3:
                wait_for(lambda: waiters(client, lock), step=0)
            client.note('lock.release', name=lock)
            for _ in range(1 + round_number % 2):  # two cancels within one wake
                other.note('cancel', id=number)
            message = other.reply(number)
            if 'result' in message:
                other.call('lock.release', name=lock)
            client.call('daemon.ping')
            other.call('daemon.ping')
            assert number not in other.replies, 'answered twice'
            same(holders(client, lock), [])
            same(waiters(client, lock), [])


def test_a_time_out_crosses_a_grant(daemon):
    chance = random.Random(1)
    with Made(daemon) as made, Client(daemon.path) as other:
        lock, client = made('lock'), made.client
        for _ in range(400 if LONG else 100):
            client.call('lock.acquire', name=lock)
            number = other.start('lock.acquire', name=lock, timeout=0.002)
            threading.Event().wait(chance.uniform(0.001, 0.003))
            client.call('lock.release', name=lock)
            if other.result(number)['acquired']:
                same(len(holders(client, lock)), 1)
                other.call('lock.release', name=lock)
            same(holders(client, lock), [])


def test_who_is_next_is_told_at_once(daemon):
    """The head of a queue closes its connection in the moment it is granted: whoever has the lock then is
    told, though nobody asks anything meanwhile."""
    with Made(daemon) as made, Client(daemon.path) as last:
        lock, holder = made('lock'), made.client
        holder.call('lock.acquire', name=lock, holder='h')
        for _ in range(50):
            with Client(daemon.path) as first:
                first.start('lock.acquire', name=lock, holder='first')
                wait_for(lambda: len(waiters(holder, lock)) == 1, step=0)
                number = queue_up(holder, lock, holder='last')
                released = holder.start('lock.release', name=lock)
            same(holder.result(number, limit=2)['acquired'], True)
            holder.result(released)
            holder.call('lock.acquire', name=lock, holder='h', timeout=0)
            holder.call('object.break', name=lock)
            holder.call('lock.acquire', name=lock, holder='h')
        last.call('daemon.ping')


def test_parties_are_told_of_a_closed_connection(daemon):
    """A party asks and closes at once: the others learn that the barrier is broken, without asking."""
    with Made(daemon) as made, Client(daemon.path) as waiting:
        barrier = made('barrier', parties=3)
        for _ in range(20):
            number = queue_up(waiting, barrier, method='barrier.wait')
            with Client(daemon.path) as gone:
                gone.call('daemon.ping')
                gone.start('barrier.wait', name=barrier)
                gone.start('daemon.ping')
            fails('BrokenBarrier', lambda: waiting.result(number, limit=2))
            waiting.call('barrier.reset', name=barrier)


def test_a_client_vanishes_when_it_is_granted(daemon):
    """Its connection, or the whole process: the next gets the lock, and only a death is called abandoned."""
    with Made(daemon) as made:
        lock, client = made('lock'), made.client
        for round_number in range(60 if LONG else 20):
            client.call('lock.acquire', name=lock)
            with Peer(daemon.path) as peer:
                peer.start('lock.acquire', name=lock)
                wait_for(lambda: waiters(client, lock), step=0)
                client.note('lock.release', name=lock)
                if round_number % 2:
                    peer.kill()
                else:
                    peer.do('drop')
                    # written before the connection ended, or taken back: its process may let go either way
                    try:
                        peer.call('lock.release', name=lock)
                    except Exception as error:  # pylint: disable=broad-except
                        same(getattr(error, 'name', None), 'TooManyReleases')
                same(client.call('lock.acquire', name=lock, timeout=SOON)['acquired'], True)
                client.call('lock.release', name=lock)
        client.call('lock.acquire', name=lock)
        client.call('lock.release', name=lock)


def test_a_grant_that_nobody_has_read(daemon):
    """Who closes a connection with the answer in it cannot know of the hold: the next gets the lock. Who has
    read it keeps the hold."""
    with Made(daemon) as made:
        lock, client = made('lock'), made.client
        for reads in (False, True):
            client.call('lock.acquire', name=lock)
            with Client(daemon.path) as other:
                number = queue_up_by(client, other, lock)
                client.call('lock.release', name=lock)
                assert ready(other.socket, SOON), 'the grant comes'
                if reads:
                    same(other.result(number)['acquired'], True)
            answer = client.call('lock.acquire', name=lock, timeout=0.3 if reads else SOON)
            same((answer['acquired'], answer['abandoned']), (not reads, False))
            client.call('lock.release', name=lock)


def test_an_answer_that_is_asked_for_again_stands(daemon):
    """A grant is taken back when none of its answers was read, not when one of several was not."""
    with Made(daemon) as made:
        lock, client = made('lock'), made.client
        for reads in (True, False):
            with Client(daemon.path) as first, Client(daemon.path) as again:
                first.start('lock.acquire', _key=lock, name=lock)
                assert ready(first.socket, SOON), 'the grant comes'
                first.close()
                number = again.start('lock.acquire', _key=lock, name=lock)
                if reads:
                    same(again.result(number)['acquired'], True)
                    time.sleep(0.2)  # for longer than the daemon waits to see whether a process has died
                    same(len(client.call('object.info', name=lock)['holders']), 1)
                    again.call('lock.release', name=lock)
                else:
                    assert ready(again.socket, SOON), 'it comes again'
            same(client.call('lock.acquire', name=lock, timeout=SOON)['acquired'], True)
            client.call('lock.release', name=lock)
            lock = made('lock')


def program(built):
    return os.path.join(os.environ.get('TOP_BUILDDIR', '.'), 'tests/integration', built)


def run_holders(daemon, *arguments):
    with Client(daemon.path) as client:
        client.call('object.create', kind='lock', name='holders', persist=True)
        done = subprocess.run([program('holders'), daemon.path, *map(str, arguments)], stdout=subprocess.PIPE,
                              check=False)
        client.call('object.unlink', name='holders')
    print(done.stdout.decode(), end='')
    same(done.returncode, 0, 'holders')
    return json.loads(done.stdout)


@options(limit=200)
def test_killed_holders(daemon):
    """Each holder is killed while it holds: never two at once, never a death that the next is not told of."""
    told = run_holders(daemon, 'kill', 10000)
    same((told['doubles'], told['missed']), (0, 0))
    # on a machine that does nothing else
    assert told['p99_ms'] < (5 if os.getloadavg()[0] <= 2 * os.cpu_count() else 100), told


@options(limit=3600 if LONG else 200)
def test_killed_at_any_moment(daemon):
    """Holders and waiters of each kind: never two at once, none of the dead, nobody waits in vain."""
    names = ('lock', 'rlock', 'semaphore')
    with Client(daemon.path) as client:
        client.call('object.create', kind='lock', name='lock', persist=True)
        client.call('object.create', kind='rlock', name='rlock', persist=True)
        client.call('object.create', kind='bounded_semaphore', name='semaphore', value=3, persist=True)
        with Mortuary(daemon, names) as mortuary:
            done = subprocess.run([program('victims'), daemon.path, str(100000 if LONG else 3000)],
                                  stdout=subprocess.PIPE, check=False)
        print(done.stdout.decode(), end='')
        same(done.returncode, 0, 'victims')
        same(mortuary.wrong, None)
        told = json.loads(done.stdout)
        same((told['doubles'], told['missed']), (0, 0))
        assert told['turns'] > 0
        for made in names:
            wait_for(lambda: not holders(client, made), limit=DEAD_MOST)  # pylint: disable=cell-var-from-loop
            info = client.call('object.info', name=made)
            same((info['holders'], info['waiters']), ([], []))
            assert made != 'semaphore' or info['value'] == 3, info
            client.call('object.unlink', name=made)


@options(limit=200)
def test_first_come_first_served(daemon):
    """64 processes that ask again as they give back have as many turns, but for who is just next."""
    told = run_holders(daemon, 'share', 60 if LONG else 3)
    assert told['least'] > 0 and told['most'] <= told['least'] + 2, told


# ---------------------------------------------------------------- uids

NOBODY = 65534


@options(mode='--system', root=True)
def test_names_of_two_uids(daemon):
    with Made(daemon) as made, Peer(daemon.path, NOBODY, NOBODY) as peer:
        mine, client = made('lock'), made.client
        token = client.call('lock.acquire', name=mine)['token']
        fails('NoSuchObject', lambda: peer.call('object.info', name=mine))
        assert peer.call('lock.acquire', name=mine)['token'] != token, 'the same name is another object'
        same([each['name'] for each in peer.call('object.list')['objects']], [mine])
        same(client.call('object.list', uid=NOBODY)['objects'][0]['holders'][0]['pid'], peer.pid)
        for mode, look, use in (('0600', False, False), ('0604', True, False), ('0666', True, True)):
            shared = made('semaphore', prefix='/shared', mode=mode, value=1)
            same(shared in [each['name'] for each in peer.call('object.list')['objects']], look, mode)
            if look:
                same(peer.call('object.info', name=shared)['mode'], mode)
            else:
                fails('PermissionDenied', lambda: peer.call('object.info', name=shared))
            if use:
                same(peer.call('semaphore.acquire', name=shared)['acquired'], True)
            else:
                fails('PermissionDenied', lambda: peer.call('semaphore.acquire', name=shared))
            fails('PermissionDenied', lambda: peer.call('object.unlink', name=shared))
        client.call('lock.release', name=mine)
    # its own went with it


# ---------------------------------------------------------------- a broker dies

def test_what_is_held_outlives_the_broker(daemon):
    """Holds, permits, tokens, flags and sleepers' order; who waited without a key asks again."""
    with Made(daemon) as made, Peer(daemon.path) as peer:
        lock, semaphore = made('lock', persist=True), made('semaphore', value=3, persist=True)
        event = made('event', persist=True)
        barrier = made('barrier', parties=2, persist=True)
        token = peer.call('lock.acquire', name=lock)['token']
        peer.call('semaphore.acquire', name=semaphore)
        made.client.call('event.set', name=event)
        made.client.call('barrier.abort', name=barrier)
        listed = made.client.call('object.list')['objects']
        for _ in range(2):
            daemon.kill_broker()
            with Client(daemon.path) as client:
                same(client.call('object.list')['objects'], listed)
        made.client.close()
        made.client = Client(daemon.path)
        number = queue_up(made.client, lock)
        peer.kill()
        answer = made.client.result(number)
        same((answer['acquired'], answer['abandoned']), (True, True))
        assert answer['token'] > token
        made.client.call('lock.release', name=lock)
        same(made.client.call('object.info', name=semaphore)['value'], 2, 'a signal is not given back')


def test_tokens_rise_across_a_full_stop(daemon):
    with Client(daemon.path) as client:
        lock = name()
        first = client.call('lock.acquire', name=lock)['token']
        client.call('object.unlink', name=lock)
        again = client.call('lock.acquire', name=lock)['token']
        assert again > first
        client.call('object.unlink', name=lock)
    daemon.connection.close()
    daemon.stop()
    daemon.start()
    with Client(daemon.path) as client:
        assert client.call('lock.acquire', name=lock)['token'] > again, 'a fencing token that fell'
        client.call('object.unlink', name=lock)


# ---------------------------------------------------------------- limits

@options(limit=120)
def test_limits_name_themselves(daemon):
    with Client(daemon.path) as client:
        limits = client.call('daemon.hello')['limits']
        made, batch = 0, 2000
        while made < limits['objects']:
            some = [client.start('object.create', kind='event')
                    for _ in range(min(batch, limits['objects'] - made))]
            for number in some:
                client.result(number)
            made += len(some)
        fails('LimitExceeded', lambda: client.call('object.create', kind='event'), limit='objects',
              value=limits['objects'])
        same(client.call('daemon.info')['objects'], limits['objects'])
        for each in client.call('object.list')['objects']:
            client.note('object.unlink', name=each['name'])
        same(client.call('daemon.info')['objects'], 0)


if __name__ == '__main__':
    main()
