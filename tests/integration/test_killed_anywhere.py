#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The broker is killed at each of its system calls: who asks again with a key sees no difference."""
import os
import sys
import traceback

import breadth
from clients import Client, same
from harness import LONG, Daemon, main, options
from steady import Steady
from strace import Strace, calls_of

POINTS = None if LONG else 16  # how many of the system calls, besides the first of each kind; None: each
WORKERS = os.cpu_count() if LONG else 1


def run(daemon):
    """(the answers, what happened, what is there afterwards; how often a broker was lost)"""
    ask = Steady(daemon.path)
    answers, story = breadth.script(ask), ask.story()
    same(ask.open, {})
    ask.close()
    once = os.path.join(daemon.dir, 'once')
    with open(once, encoding='ascii') as file:
        left = file.read().splitlines()
    os.unlink(once)
    return (answers, story, left), ask.lost, ask.methods


def numbered(calls):
    """strace counts the calls of each kind: (kind, the how-manieth)."""
    counts = {}
    for call in calls:
        counts[call] = counts.get(call, 0) + 1
        yield call, counts[call]


def chosen(calls):
    """All of them; or the first of each kind, and then one here and there."""
    points = list(numbered(calls))
    if POINTS is None:
        return points
    return [point for point in points if point[1] == 1] + points[7::len(points) // POINTS]


def broker(daemon):
    return daemon.broker_pid


def killed_at(daemon, pid, call, when):
    """The same, and this process is killed at that call of it."""
    with Strace(pid, daemon.dir + '/strace', 'trace=' + call,
                'inject=%s:signal=KILL:when=%d' % (call, when)) as strace:
        got, lost, _ = run(daemon)
        was_killed = '+++ killed by SIGKILL' in strace.detach()
    return got, lost, was_killed


def alike(got, want, where):
    """One answer, event or line after the other."""
    for what, one, other in zip(('answers', 'events', 'children'), got, want):
        for number, (each, wanted) in enumerate(zip(one, other)):
            same(each, wanted, '%s, number %d, killed at %s' % (what, number, where))
        same(len(one), len(other), '%s, killed at %s' % (what, where))


def killed_at_each(daemon, points, want, pid_of=broker):
    """Whoever asks sees nothing of it. pid_of(daemon): the process that is killed, or the one that has taken
    its place."""
    epoch, kills = daemon.ask('daemon.hello')['epoch'], 0
    for call, when in points:
        got, lost, was_killed = killed_at(daemon, pid_of(daemon), call, when)
        alike(got, want, '%s number %d' % (call, when))
        assert lost < 10
        kills += was_killed
    same(daemon.ask('daemon.hello')['epoch'], epoch)
    print('killed at %d of %d system calls' % (kills, len(points)), flush=True)
    assert kills > len(points) * 0.7, 'the premise: it gets that far'


def begin_worker(points, want):
    """The same in a process of its own, with a daemon of its own."""
    pid, status = os.fork(), 1
    if pid:
        return pid
    try:
        with Daemon() as daemon:
            killed_at_each(daemon, points, want)
        status = 0
    except BaseException:  # pylint: disable=broad-except
        traceback.print_exc(file=sys.stdout)
    finally:
        sys.stdout.flush()
        os._exit(status)


def survey(daemon, pid_of=broker):
    """What the script answers, and the calls at which that process is to be killed."""
    want, lost, methods = run(daemon)
    same(lost, 1, 'the one that was replaced')
    assert len(want[0]) >= breadth.CALLS
    assert sum('error' in answer for answer in want[0]) < len(want[0]) // 5, want
    with Client(daemon.path) as client:
        known = {method['name'] for method in client.call('rpc.discover')['methods']}
    same(methods ^ known, {'daemon.stop'}, 'methods that the script does not use')
    calls = calls_of(daemon, pid_of(daemon), lambda: alike(run(daemon)[0], want, 'nothing'))
    points = chosen(calls)
    print('%d requests make %d system calls, %d chosen' % (len(want[0]), len(calls), len(points)), flush=True)
    return want, points


@options(limit=7000 if LONG else 250)
def test_the_broker_is_killed_at_each_system_call(daemon):
    want, points = survey(daemon)
    if WORKERS == 1:
        killed_at_each(daemon, points, want)
        return
    workers = [begin_worker(points[number::WORKERS], want) for number in range(WORKERS)]
    same([os.waitpid(worker, 0)[1] for worker in workers], [0] * WORKERS, 'workers')


if __name__ == '__main__':
    main()
