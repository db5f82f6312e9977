# SPDX-License-Identifier: MIT
"""Who works with a daemon while a test disturbs it, and writes down what it saw."""
import collections
import itertools
import os
import subprocess
import sys
import threading
import time

from clients import SOON, Client, Closed, Lasting, same
from harness import is_dead

DEAD_MOST = 1  # seconds that a hold outlives its process
HERE = os.path.dirname(os.path.abspath(__file__))


class Watcher(threading.Thread):
    """Subscribes with `since`, again after each death: no event is missing, none comes twice."""
    def __init__(self, daemon, since):
        super().__init__()
        self.daemon_path, self.seq, self.stop, self.wrong = daemon.path, since, False, None
        self.exits = collections.Counter()

    def take(self, event):
        if event['seq'] != self.seq + 1 and not self.wrong:
            self.wrong = 'event %r after %d' % (event, self.seq)
        self.seq = event['seq']
        if event['kind'] == 'process.exited':
            self.exits[event['process'], event['exitcode']] += 1

    def run(self):
        while not self.stop:
            try:
                with Client(self.daemon_path) as client:
                    client.call('events.subscribe', since=self.seq)
                    while not self.stop:
                        while client.events:
                            self.take(client.events.popleft())
                        client.pump(0.05)
            except (Closed, ConnectionRefusedError):
                pass


class Joiner(threading.Thread):
    """Joins processes one after the other, whatever brokers die."""
    def __init__(self, daemon, processes):
        super().__init__()
        self.last, self.processes, self.codes = Lasting(daemon.path), processes, {}

    def run(self):
        for process in self.processes:
            self.codes[process] = self.last.call('process.join', process=process)['exitcode']
        self.last.close()


class Mortuary(threading.Thread):
    """Looks for holds of the dead, whatever brokers die: each ends within a second."""
    def __init__(self, daemon, names):
        super().__init__()
        self.last, self.names, self.seen = Lasting(daemon.path), names, {}
        self.stop, self.wrong, self.looks = False, None, 0

    def judge(self, name, holds, asked):
        """These held it at some moment since then."""
        self.looks += 1
        for hold in holds:
            key = name, hold['pid'], hold['token']
            if not is_dead(hold['pid']):
                continue
            lasted = asked - self.seen.setdefault(key, time.monotonic())
            if lasted > DEAD_MOST and not self.wrong:
                self.wrong = '%s, pid %d, token %r: held by the dead for %.3f s' % (*key, lasted)

    def run(self):
        while not self.stop:
            for name in self.names:
                asked = time.monotonic()
                self.judge(name, self.last.call('object.info', name=name)['holders'], asked)
            time.sleep(0.1)  # whoever is killed meanwhile is seen later

    def __enter__(self):
        self.start()
        return self

    def end(self):
        self.stop = True
        self.join()
        self.last.close()

    def __exit__(self, *unused):
        self.end()


class Lockers:
    """The processes that take locks, and some of them killed."""
    def __init__(self, daemon, locks, count, program=()):
        self.daemon, self.locks, self.seeds, self.kills = daemon, locks, itertools.count(1), {}
        self.program = program or [sys.executable, os.path.join(HERE, 'locker.py')]
        self.history, self.stop = os.path.join(daemon.dir, 'history'), os.path.join(daemon.dir, 'stop')
        self.alive = []
        for _ in range(count):
            self.begin()

    def begin(self):
        self.alive.append(subprocess.Popen([*self.program, self.daemon.path, self.history, self.stop,
                                            str(next(self.seeds)), *self.locks]))

    def turns(self):
        try:
            return os.stat(self.history).st_size
        except FileNotFoundError:
            return 0

    def kill_one(self, chance):
        victim = self.alive.pop(chance.randrange(len(self.alive)))
        self.kills[victim.pid] = time.monotonic()  # before: what comes of it is seen after
        victim.kill()
        victim.wait()
        self.begin()

    def end(self):
        """Each has its turn and ends: nobody waits for ever."""
        with open(self.stop, 'wb'):
            pass
        for each in self.alive:
            same(each.wait(3 * SOON), 0, 'a locker')

    def kill(self):
        for each in self.alive:
            each.kill()
            each.wait()
