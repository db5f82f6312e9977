#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The broker is killed again and again under load, and clients with it: what everybody saw must fit."""
import collections
import os
import random
import signal
import time

import histories
from clients import SOON, Client, Closed, Gate, same, wait_for, windowed
from harness import LONG, is_dead, main, options
from onlookers import Joiner, Lockers, Mortuary, Watcher

KILLS, CHILDREN, LOCKERS = (1000, 1000, 64) if LONG else (40, 200, 16)
LOCKS = 4
RECOVERY = 0.2  # seconds, of 99 in 100
START = 0.02  # in which a machine that has time for us starts and ends the program, ten times over
GATES = 10


def kill_broker(daemon, broker):
    """SIGKILL; the seconds until another one answers, and its pid."""
    os.kill(broker, signal.SIGKILL)
    begin = time.monotonic()
    while True:
        try:
            with Client(daemon.path) as client:
                found = client.call('daemon.info')['broker_pid']
                if found != broker:
                    return time.monotonic() - begin, found
        except (Closed, ConnectionRefusedError):
            assert time.monotonic() < begin + SOON, 'no broker stays'


def start_program(daemon):
    """The seconds that it takes meanwhile to start the program, which does nothing, and to see its end."""
    begin = time.monotonic()
    with open(os.devnull, 'wb') as null:
        pid = os.posix_spawn(daemon.program, [daemon.program, '--version'], {},
                             file_actions=[(os.POSIX_SPAWN_DUP2, null.fileno(), 1)])
    same(os.waitpid(pid, 0)[1], 0, 'status of --version')
    return time.monotonic() - begin


def of_99_in_100(spans):
    return sorted(spans)[len(spans) * 99 // 100]


# ---------------------------------------------------------------- the tests

def begin_children(daemon, gates):
    """Each waits at one of the gates, and ends with a status of its own. {id: status}"""
    want = {}
    with Client(daemon.path) as client:
        for gate in gates:
            numbers = {}
            for _ in range(CHILDREN // GATES):
                code = (len(want) + len(numbers)) % 250
                argv = ['/bin/sh', '-c', 'read x; exit %d' % code]
                numbers[client.start('process.spawn', _fds=gate.fds, argv=argv, stdin=gate.stdin)] = code
            want.update({client.result(number)['id']: code for number, code in numbers.items()})
    return want


@options(limit=1500 if LONG else 150)
def test_nothing_is_lost(daemon):
    """Children, statuses, events, locks and those who wait for them, while brokers and lockers are killed."""
    chance, took, floor = random.Random(11), [], []
    gates = [Gate() for _ in range(GATES)]
    locks = ['crash-%d' % i for i in range(LOCKS)]
    with Client(daemon.path) as client:
        for lock in locks:
            client.call('object.create', kind='lock', name=lock, persist=True)
        since = client.call('daemon.info')['seq']
    want = begin_children(daemon, gates)
    watcher, joiner = Watcher(daemon, since), Joiner(daemon, list(want))
    lockers = Lockers(daemon, locks, LOCKERS)
    watcher.start()
    joiner.start()
    wait_for(lockers.turns, 'the first turn')
    broker, mortuary = daemon.broker_pid, Mortuary(daemon, locks)
    mortuary.start()
    try:
        for kill in range(KILLS):
            moment = time.monotonic() + chance.random() * 0.05
            wait_for(lambda: time.monotonic() >= moment, step=0.001)
            if kill % (KILLS // GATES) == 0:
                gates.pop().open()
            if kill % 4 == 0:
                lockers.kill_one(chance)
            seconds, broker = kill_broker(daemon, broker)
            took.append(seconds)
            floor.append(start_program(daemon))
        lockers.end()
        joiner.join(SOON)
        wait_for(lambda: sum(watcher.exits.values()) >= len(want), 'the last event')
    finally:
        watcher.stop = True
        watcher.join(SOON)
        mortuary.end()
        lockers.kill()
    same(mortuary.wrong, None, 'holds')
    assert mortuary.looks > KILLS, 'somebody has looked'
    judge(daemon, want, joiner, watcher, lockers, locks)
    judge_times(daemon, took, floor)


def judge_times(daemon, took, floor):
    """The bound is for a machine that has time for us; on another one it grows as the start of a program that
    does nothing has grown, seen between the kills."""
    took, least, scale = sorted(took), of_99_in_100(floor), 10 if daemon.sanitized() else 1
    print('%d brokers killed, the next one serves after %.1f ms (median), %.1f (99 of 100), %.1f (most); the '
          'start of the program alone took %.1f (median), %.1f (99 of 100)'
          % (KILLS, took[KILLS // 2] * 1e3, of_99_in_100(took) * 1e3, took[-1] * 1e3,
             sorted(floor)[KILLS // 2] * 1e3, least * 1e3))
    limit = RECOVERY * scale * max(1, least / START)
    assert of_99_in_100(took) < limit, 'the time to the next broker: %r, above %g' % (took[-5:], limit)


def holders_of(client, lock):
    return client.call('object.info', name=lock)['holders']


def judge(daemon, want, joiner, watcher, lockers, locks):
    """Every status is there, right, and told once; every hold fits; nobody dead holds anything."""
    same(joiner.codes, want, 'statuses')
    same(watcher.wrong, None, 'events')
    same(watcher.exits, collections.Counter(want.items()), 'ends that were told')
    holds = histories.read(lockers.history)
    same(histories.check(holds, lockers.kills), None, 'holds')
    print('%d holds, %d lockers killed' % (len(holds), len(lockers.kills)))
    assert len(holds) > KILLS, 'there was some load'
    with Client(daemon.path) as client:
        for lock in locks:
            wait_for(lambda: not holders_of(client, lock), 'the dead hold nothing', limit=1)
            same(client.call('object.info', name=lock)['waiters'], [])
            client.call('object.unlink', name=lock)
        for _ in windowed(client, [('process.close', {'process': each}) for each in want]):
            pass


def hold(token, got, left, abandoned=False, pid=1):
    return histories.Hold('lock', pid, token, abandoned, got, left)


def test_the_judge_finds_what_is_wrong(daemon):
    """A history that cannot be true is not taken for one."""
    del daemon
    right = [hold(1, 10, 11), hold(2, 11, 12, pid=2), hold(5, 13, None, pid=3), hold(6, 15, 16, True)]
    kills = {3: 14}
    same(histories.check(right, kills), None)
    wrong = {
        'at once': [hold(1, 10, 12), hold(2, 11, 13)],
        'not in the order of its tokens': [hold(2, 10, 11), hold(1, 12, 13)],
        'of a living one': [hold(1, 10, None), hold(2, 11, 12)],
        'not told': [hold(1, 10, None, pid=3), hold(2, 15, 16)],
        'told for nothing': [hold(1, 10, 11), hold(2, 11, 12, True)],
    }
    for what, holds in wrong.items():
        assert histories.check(holds, kills), what


def test_the_mortuary_finds_the_dead(daemon):
    """A hold that lasts is found; several in a row, none of which does, are in order."""
    with Client(daemon.path) as client:
        client.call('object.create', kind='lock', name='held', persist=True)
        child = client.spawn('/bin/true')
        client.join(child['id'])
        wait_for(lambda: is_dead(child['pid']))
        living = {'pid': os.getpid(), 'token': 4}
        mortuary = Mortuary(daemon, ['held'])
        begin = time.monotonic()
        for token, asked in ((1, 0), (1, 0.9), (2, 0.9), (3, 0.9)):
            mortuary.judge('held', [{'pid': child['pid'], 'token': token}, living], begin + asked)
        same(mortuary.wrong, None)
        mortuary.judge('held', [{'pid': child['pid'], 'token': 3}, living], begin + 5)
        assert mortuary.wrong, 'it does not see it'
        client.call('process.close', process=child['id'])
        client.call('object.unlink', name='held')


if __name__ == '__main__':
    main()
