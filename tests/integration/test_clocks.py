#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The clock on the wall jumps ahead and back: nobody waits for longer or shorter than he wanted."""
import os
import random
import subprocess
import threading
import time

import harness
from clients import Client, Gate, drain, same
from harness import is_broker, main, options, quick_children_of
from inside import Variable
from steady import Steady

ADRIFT = os.path.join(os.environ.get('TOP_BUILDDIR', '.'), 'tests/integration/procd_adrift')
harness.PROCD = ADRIFT
PROCCTL = os.environ.get('PROCCTL', 'procctl')

YEAR = 365 * 86400
JUMPS = (0, 1, -1, 3600, -86400, 10 * YEAR, -20 * YEAR, 100 * YEAR)  # seconds; before 1970 there was no clock
SPAN = 1.2  # seconds, of the time-outs
MARGIN = 3  # for a busy machine


class Wall(threading.Thread):
    """The clock of keeper and broker, each for itself, that never comes to rest."""
    def __init__(self, daemon):
        super().__init__()
        self.clock, self.keeper = Variable(ADRIFT, 'adrift', 2), daemon.keeper_pid
        self.stop, self.jumps = False, 0

    def pids(self):
        return [self.keeper, *[pid for pid in quick_children_of(self.keeper) if is_broker(pid)]]

    def set(self, seconds):
        for pid in self.pids():
            try:
                self.clock.write(pid, seconds() if callable(seconds) else seconds)
                self.jumps += 1
            except (OSError, StopIteration):
                pass  # its end, or before its program begins

    def run(self):
        chance = random.Random(6)
        while not self.stop:
            self.set(lambda: chance.choice(JUMPS))
            time.sleep(0.002)  # the test waits for something else

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *unused):
        self.stop = True
        self.join()
        self.set(0)


def begin_waits(ask, child):
    """Of each kind, with a time-out: {key: what it then says}"""
    make = {'event': {}, 'semaphore': {'value': 0}, 'barrier': {'parties': 2}, 'condition': {}, 'lock': {}}
    for kind, more in make.items():
        ask.call('object.create', kind=kind, name=kind, persist=True, **more)
    ask.call('lock.acquire', name='lock', holder='h')
    ask.call('rlock.acquire', name='condition.lock', holder='w')
    waits = {
        'lock.acquire': ({'name': 'lock', 'holder': 'w'}, {'acquired': False, 'abandoned': False}),
        'semaphore.acquire': ({'name': 'semaphore', 'holder': 'w'}, {'acquired': False, 'abandoned': False}),
        'event.wait': ({'name': 'event'}, {'set': False}),
        'barrier.wait': ({'name': 'barrier'}, {'error': {'name': 'BrokenBarrier'}}),
        'condition.wait': ({'name': 'condition', 'holder': 'w'}, {'notified': False, 'abandoned': False}),
        'process.join': ({'process': child}, {'exited': False}),
        'process.wait': ({'processes': [child]}, {'done': []}),
    }
    return {ask.start(method, timeout=SPAN, **params): want for method, (params, want) in waits.items()}


def end_waits(ask, waits, begin):
    for key, want in waits.items():
        same(ask.result(key), want)
        took = time.monotonic() - begin
        assert SPAN <= took < SPAN + MARGIN, '%r after %g s' % (want, took)
    for name in ('event', 'semaphore', 'barrier', 'condition', 'condition.lock', 'lock'):
        ask.call('object.unlink', name=name)


def stubborn(client):
    """A child that does not hear SIGTERM."""
    read, write = os.pipe()
    child = client.sh('trap "" TERM; echo; while :; do sleep 0.01; done', _fds=[write], stdout={'fd': 0})
    os.close(write)
    same(os.read(read, 1), b'\n')
    return child['id'], read


@options(root=True)
def test_time_outs_do_not_follow_the_wall(daemon):
    """Neither those of waits, nor the grace of a stop, whether a broker dies meanwhile or not."""
    for is_killed in (False, True):
        ask = Steady(daemon.path)
        with Client(daemon.path) as client:
            child, output = stubborn(client)
            gate = Gate()
            waiting = client.sh('read x; exit 3', _fds=gate.fds, stdin=gate.stdin)
        with Wall(daemon) as wall, gate:
            begin = time.monotonic()
            waits = begin_waits(ask, waiting['id'])
            stop = ask.start('process.stop', process=child, grace=SPAN)
            forever = ask.start('process.join', process=waiting['id'])
            if is_killed:
                daemon.kill_broker()
            end_waits(ask, waits, begin)
            same(ask.result(stop)['signal'], 'SIGKILL')
            took = time.monotonic() - begin
            assert SPAN <= took < SPAN + MARGIN, 'killed after %g s' % took
            assert wall.jumps > 100, wall.jumps
            gate.open()
            same(ask.result(forever)['exitcode'], 3)
            for pid in wall.pids():
                assert wall.clock.read(pid)[1] > 0, 'the premise: it asks for that clock'
        drain(output)
        for process in (child, waiting['id']):
            ask.call('process.close', process=process)
        ask.close()


@options(root=True)
def test_what_is_shown(daemon):
    """Times are those of the wall, whatever it says; ages are never below nothing."""
    wall = Wall(daemon)
    with Client(daemon.path) as client:
        for seconds in (10 * YEAR, -20 * YEAR):
            wall.set(seconds)
            child = client.spawn('/bin/sleep', '1000')
            event = client.call('object.create', kind='event', name='e', persist=True)
            same(event['created'], True)
            expected = time.time() + seconds
            for shown in (client.call('process.info', process=child['id'])['started'],
                          client.call('object.info', name='e')['created']):
                assert abs(shown - expected) < 10, (shown, expected)
            wall.set(0)
            client.call('process.kill', process=child['id'])
            end = client.join(child['id'])
            assert abs(end['ended'] - time.time()) < 10, end
            for command in (['ps', '-a'], ['objects']):
                text = subprocess.run([PROCCTL, '--socket', daemon.path, *command], check=True,
                                      stdout=subprocess.PIPE).stdout.decode()
                assert (' 00:00' in text) == (seconds > 0) and ' -' not in text.replace(' - ', ' '), text
            client.call('process.close', process=child['id'])
            client.call('object.unlink', name='e')


@options(root=True)
def test_tokens_rise_all_the_same(daemon):
    """They were begun at the clock, and do not look at it again."""
    wall, tokens = Wall(daemon), []
    for seconds in (0, -20 * YEAR, 10 * YEAR, -1):
        wall.set(seconds)
        tokens.append(daemon.ask('lock.acquire', name='l', holder='h')['token'])
        daemon.kill_broker()
        wall.set(seconds)
        daemon.ask('object.break', name='l')
    same(tokens, sorted(set(tokens)))
    daemon.ask('object.unlink', name='l')


if __name__ == '__main__':
    main()
