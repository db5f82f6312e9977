# SPDX-License-Identifier: MIT
"""Who does the work while a program of the measurements is watched: three ways to look at it, for profile.py.

A looker is told where each part of the work begins and ends: begin(scene), end(scene).
"""
import collections
import contextlib
import os
import re
import select
import signal
import subprocess
import time

TICK_NS = 1e9 / os.sysconf('SC_CLK_TCK')
ATTACH_SECONDS = 10
BROKER = 'procd-broker'
PARTS = ['client', 'broker', 'keeper', 'zygote', 'children']


# ---- processor time, from /proc ----

Process = collections.namedtuple('Process', 'pid name parent ns ended_ns')


def process(pid):
    """Its own time, of all its threads, and that of its children that have ended, in whole ticks."""
    with open(f'/proc/{pid}/stat', encoding='utf-8', errors='replace') as file:
        name, rest = file.read().split('(', 1)[1].rsplit(')', 1)
    fields = rest.split()
    own = 0
    for task in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{task}/schedstat', encoding='utf-8') as file:
            own += int(file.read().split()[0])
    return Process(pid, name, int(fields[1]), own, (int(fields[13]) + int(fields[14])) * TICK_NS)


def tree(top, found):
    """`top` and what descends from it."""
    children = collections.defaultdict(list)
    for each in found.values():
        children[each.parent].append(each.pid)
    pids, left = [], [top]
    while left:
        pids.append(left.pop())
        left += children[pids[-1]]
    return pids


class Scene:
    """Keeper, broker, and everybody who descends from the program that drives them."""

    def __init__(self, program):
        self.program = program
        found = self.processes()
        self.broker = next(pid for pid, each in found.items() if each.name == BROKER)
        self.keeper = found[self.broker].parent

    def processes(self):
        found = {}
        for pid in filter(str.isdigit, os.listdir('/proc')):
            with contextlib.suppress(OSError):  # it has ended
                found[int(pid)] = process(int(pid))
        return {pid: found[pid] for pid in tree(self.program, found)}

    def part_of(self, pid, before, after):
        """Who is there all the time is a client, or, below the keeper, a zygote; the others are children."""
        if pid in (self.keeper, self.broker):
            return 'keeper' if pid == self.keeper else 'broker'
        if pid not in before or pid not in after:
            return 'children'
        return 'zygote' if pid in tree(self.keeper, before) else 'client'


class Times:
    """Nanoseconds of each part."""

    def __init__(self):
        self.sums, self.before = collections.Counter(), None

    def begin(self, scene):
        self.before = scene.processes()

    def end(self, scene):
        after, nobody = scene.processes(), Process(0, '', 0, 0, 0)
        for pid in self.before.keys() | after.keys():
            then, now = self.before.get(pid, nobody), after.get(pid, nobody)
            self.sums[scene.part_of(pid, self.before, after)] += now.ns - then.ns
            self.sums['children'] += now.ended_ns - then.ended_ns


# ---- system calls ----

class Calls:
    """Of a process that has one thread, as the keeper has, nobody is followed: these are its children."""

    def __init__(self, folder):
        self.folder, self.counts = folder, {'broker': collections.Counter(), 'keeper': collections.Counter()}
        self.running = []

    def begin(self, scene):
        for who, pid in ('broker', scene.broker), ('keeper', scene.keeper):
            report = f'{self.folder}/{who}'
            follow = ['-f'] if who == 'broker' else []
            tracer = subprocess.Popen(['strace', '-c', *follow, '-o', report, '-p', str(pid)],
                                      stderr=subprocess.DEVNULL)
            self.running.append((who, report, tracer))
            until = time.monotonic() + ATTACH_SECONDS
            while not self.traces(tracer, pid):
                if tracer.poll() is not None or time.monotonic() > until:
                    raise OSError('it may not look at the daemon')
                time.sleep(0.01)

    @staticmethod
    def traces(tracer, pid):
        with open(f'/proc/{pid}/status', encoding='utf-8') as status:
            return f'TracerPid:\t{tracer.pid}\n' in status.read()

    def end(self, _scene):
        for who, report, tracer in self.running:
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
            with open(report, encoding='utf-8') as file:
                rows = [line.split() for line in file if re.match(r'\s*[\d.]+\s+[\d.]+\s+\d+\s+\d+', line)]
            self.counts[who].update({row[-1]: int(row[3]) for row in rows if row[-1] != 'total'})
        self.running = []


# ---- symbols ----

class Symbols:
    """perf that is told when to look: it records the daemon's two processes, not their children."""

    def __init__(self, folder):
        self.data, self.perf = f'{folder}/perf.data', None
        self.control, self.answers = os.pipe(), os.pipe()

    def say(self, word):
        os.write(self.control[1], f'{word}\n'.encode())
        if not select.select([self.answers[0]], [], [], ATTACH_SECONDS)[0] or self.perf.poll() is not None:
            raise OSError('it may not look at the daemon')
        os.read(self.answers[0], 64)

    def begin(self, scene):
        if not self.perf:
            control = f'--control=fd:{self.control[0]},{self.answers[1]}'
            self.perf = subprocess.Popen(
                ['perf', 'record', '-q', '-i', '-e', 'cpu-clock', '-F', '10000', '-D', '-1', control,
                 '-o', self.data, '-p', f'{scene.keeper},{scene.broker}'],
                pass_fds=(self.control[0], self.answers[1]), stderr=subprocess.DEVNULL)
        self.say('enable')

    def end(self, _scene):
        self.say('disable')

    def shares(self):
        """(percent, who, kernel or program, symbol), the greatest first."""
        self.perf.send_signal(signal.SIGINT)
        self.perf.wait()
        text = subprocess.run(['perf', 'report', '--stdio', '-i', self.data, '-s', 'comm,symbol'], check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        rows = re.findall(r'^\s+([\d.]+)%\s+(\S+)\s+\[(.)\]\s+(\S+)', text, re.MULTILINE)
        return [(float(share), 'broker' if who == BROKER else 'keeper',
                 'kernel' if room == 'k' else 'program', symbol) for share, who, room, symbol in rows]
