#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Under load the daemon is restarted every two seconds: nobody sees an error, and what was seen fits."""
import collections
import os
import subprocess
import threading
import time

import histories
from clients import SOON, Client, Gate, same, wait_for
from harness import LONG, main, options
from onlookers import Joiner, Lockers, Watcher

TOP = os.environ.get('TOP_BUILDDIR', '.')
PROCCTL = os.environ.get('PROCCTL', os.path.join(TOP, 'procctl'))
SECONDS, EACH = (600 if LONG else 20), 2
LOCKS = ['load-%d' % number for number in range(4)]
CHILDREN = 100
# to the daemon each end of a command that held something looks like a death, see procctl(1); what procctl
# does about it where nobody waits comes too late, perhaps, in a restart
ABANDONED = b'abandoned: its holder before ended without a release\n'
NOTES = {'lock': b'procctl: lock: shell: ' + ABANDONED,
         'semaphore': b'procctl: semaphore: slots: ' + ABANDONED}


class Shell(threading.Thread):
    """Someone who types one command of procctl after the other: its status is that of the command, and it
    complains of nothing."""
    COMMANDS = [
        (['run', '--', 'sh', '-c', 'exit 7'], 7, b''),
        (['run', '--', 'echo', 'here'], 0, b'here\n'),
        (['lock', 'shell', '--', 'sh', '-c', 'mkdir "$0" && sleep 0.01 && rmdir "$0"', '%(dir)s/held'],
         0, b''),
        (['semaphore', 'slots', '--', 'true'], 0, b''),
        (['event', 'set', 'shell-event'], 0, b''),
        (['event', 'wait', 'shell-event'], 0, b''),
        (['ping'], 0, None),
        (['objects'], 0, None),
        (['ps', '-a'], 0, None),
    ]

    def __init__(self, daemon):
        super().__init__()
        self.daemon, self.stop, self.wrong, self.count = daemon, False, None, 0

    def command(self, words, status, output):
        words = [word % {'dir': self.daemon.dir} for word in words]
        done = subprocess.run([PROCCTL, '--socket', self.daemon.path, *words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=5 * SOON, check=False)
        notes = done.stderr.replace(NOTES.get(words[0], b'-'), b'')
        if (done.returncode, notes) != (status, b'') or output not in (None, done.stdout):
            self.wrong = done
        self.count += 1

    def run(self):
        while not self.stop and not self.wrong:
            for each in self.COMMANDS:
                self.command(*each)


def restart_for(daemon, seconds):
    """Every so often; how many brokers there were."""
    begin, count = time.monotonic(), 0
    while time.monotonic() < begin + seconds:
        count += 1
        wait_for(lambda: time.monotonic() >= begin + count * EACH)  # pylint: disable=cell-var-from-loop
        broker = daemon.broker_pid
        daemon.ask('daemon.restart')
        wait_for(lambda: daemon.broker_pid != broker, 'the next broker')  # pylint: disable=cell-var-from-loop
    return count


def begin_children(client, gate):
    """They wait for the end of the load. {id: status}"""
    codes = {client.start('process.spawn', _fds=gate.fds, stdin=gate.stdin,
                          argv=['/bin/sh', '-c', 'read x; exit %d' % (number % 250)]): number % 250
             for number in range(CHILDREN)}
    return {client.result(number)['id']: code for number, code in codes.items()}


def make(client):
    for name in (*LOCKS, 'shell'):
        client.call('object.create', kind='lock', name=name, persist=True)
    client.call('object.create', kind='bounded_semaphore', name='slots', value=2, persist=True)
    client.call('object.create', kind='event', name='shell-event', persist=True)


def end_objects(client):
    for name in (*LOCKS, 'shell', 'slots', 'shell-event'):
        info = client.call('object.info', name=name)
        same((info.get('holders', []), info['waiters']), ([], []), name)
        client.call('object.unlink', name=name)


@options(limit=SECONDS + 200)
def test_restarts_under_load(daemon):
    """Of procctl, of the library and of plain JSON that asks again with keys; children, statuses, events."""
    worker = [os.path.join(TOP, 'tests/integration/worker')]
    with Client(daemon.path) as client:
        make(client)
        since, gate = client.call('daemon.info')['seq'], Gate()
        want = begin_children(client, gate)
    watcher, joiner = Watcher(daemon, since), Joiner(daemon, list(want))
    shells = [Shell(daemon) for _ in range(2)]
    plain, library = Lockers(daemon, LOCKS, 4), Lockers(daemon, LOCKS, 2, worker)
    for each in (watcher, joiner, *shells):
        each.start()
    try:
        wait_for(plain.turns, 'the first turn')
        restarts = restart_for(daemon, SECONDS)
        for each in shells:
            each.stop = True
        plain.end()
        library.end()
        for each in shells:
            each.join(5 * SOON)
            same(each.wrong, None, 'procctl')
        gate.open()
        joiner.join(SOON)
        wait_for(lambda: all(watcher.exits[each] for each in want.items()), 'the last event')
    finally:
        watcher.stop = True
        watcher.join(SOON)
        plain.kill()
        library.kill()
    same(joiner.codes, want, 'statuses')
    same(watcher.wrong, None, 'events')
    same([each for each, count in watcher.exits.items() if count != 1], [], 'ends that were told twice')
    holds = histories.read(plain.history)
    same(histories.check(holds, {}), None, 'holds')
    same(len({hold.pid for hold in holds}), 6, 'processes that had their turn')
    with Client(daemon.path) as client:
        same(client.call('daemon.info')['restarts'], restarts)
        end_objects(client)
        for each in client.call('process.list')['processes']:
            client.call('process.close', process=each['id'])
    turns = collections.Counter('library' if hold.pid in [each.pid for each in library.alive] else 'plain'
                                for hold in holds)
    print('%d restarts; %d holds by plain clients, %d by the library; %d commands of procctl'
          % (restarts, turns['plain'], turns['library'], sum(each.count for each in shells)))


if __name__ == '__main__':
    main()
