#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who does the work of what is measured, how much of it, and by which calls: Markdown.

    profile.py [--short] [--output FILE] [FIGURE...]

From the top of the build tree: its programs run one side at a time (watch.h). The daemon is $PROCD. strace
and perf take part where they are installed and may look at the daemon.
"""
import argparse
import collections
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

from lookers import PARTS, Calls, Scene, Symbols, Times
from run import machine

SOURCES = os.path.dirname(os.path.abspath(__file__))
ROUNDS, ROUNDS_TRACED, TOP = 30, 3, 15

WAKE = 'One is an event for all, until the last of them runs.'
HAND_OVER = 'One is a hand-over. Clients want the lock: for 100 us they have it, for 100 they do not.'

Load = collections.namedtuple('Load', 'figure program title one rounds', defaults=(ROUNDS,))
LOADS = [
    Load('SPAWN_ONE', 'bench_spawn', 'Spawn and join, one at a time', 'One is a spawn and its join.'),
    Load('TARGET', 'bench_target', 'A target: start and join', 'One is a start and its join.'),
    Load('TARGET_ZYGOTE', 'bench_target', 'A target as a copy of a zygote',
         'One is a start and its join. The zygote is what stays; children are its copies.'),
    Load('CHILDREN_KILL', 'bench_children', 'Kill and reap of 2,000 sleeping children',
         'One is the end of one of them. The aim is of 10,000.', 8),
    Load('HANDOVER_MANY', 'bench_handover', 'A lock that goes round four threads', HAND_OVER),
    Load('HANDOVER_DOZES', 'bench_handover', 'The same, who is away sleeps', HAND_OVER),
    Load('WAKE', 'bench_wake', 'One event wakes 1,000 processes, by libprocd', WAKE, 15),
    Load('WAKE_SOCKET', 'bench_wake', 'One event wakes 1,000 processes, by the socket', WAKE, 15),
]
Figure = collections.namedtuple('Figure', 'floor unit limit')


def figures():
    """Those of figures.def. "The same" is the floor of the one before."""
    entry = re.compile(r'^FIGURE\((\w+),\s*".*?",\s*"(.*?)",\s*"(.*?)",\s*\w+,\s*([\d.]+)\)')
    found, floor = {}, ''
    with open(f'{SOURCES}/figures.def', encoding='utf-8') as file:
        for match in filter(None, map(entry.match, file)):
            floor = floor if match[2] == 'the same' else match[2]
            found[match[1]] = Figure(floor, match[3], float(match[4]))
    return found


FIGURES = figures()


# ---- a program that is watched ----

Run = collections.namedtuple('Run', 'count clock')  # iterations; microseconds of one


def watch(load, side, rounds, looker, processors=None):
    command = [os.path.abspath(f'tests/bench/{load.program}'), '--rounds', str(rounds), '--watch',
               f'{side}:{load.figure}']
    pin = processors and (lambda: os.sched_setaffinity(0, processors))
    count, values, scene = 0, [], None
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          preexec_fn=pin) as program:
        for line in filter(re.compile('watch ').match, program.stdout):
            _, what, amount = line.split()
            scene = scene or Scene(program.pid)
            if what == 'begin':
                looker.begin(scene)
                count += int(amount)
            else:
                looker.end(scene)
                values.append(float(amount))
            program.stdin.write('\n')
            program.stdin.flush()
    if program.returncode != 0 or not values:
        raise OSError(f'{load.program} cannot measure {load.figure}')
    # milliseconds are those of a round, microseconds those of one
    scale = 1000 * rounds / count if FIGURES[load.figure].unit == 'ms' else 1
    return Run(count, statistics.median(values) * scale)


def times(load, side, rounds, processors):
    """Microseconds of one: by part, all of them, and by the clock."""
    looker = Times()
    run = watch(load, side, rounds, looker, processors)
    row = {part: looker.sums[part] / run.count / 1000 for part in PARTS}
    return {**row, 'together': sum(row.values()), 'by the clock': run.clock}


# ---- what is told ----

def number(value):
    return f'{value:,.0f}' if abs(value) >= 100 else f'{value:.1f}'


def table(rows):
    columns = [name for name in [*PARTS, 'together', 'by the clock']
               if any(abs(row[name]) >= 0.05 for row in rows.values())]
    yield '| us of one | ' + ' | '.join(columns) + ' |'
    yield '|---' * (len(columns) + 1) + '|'
    for name, row in rows.items():
        yield f'| {name} | ' + ' | '.join(number(row[column]) for column in columns) + ' |'


def sum_up(figure, floor, procd, floor_one, procd_one):
    ratio = procd['by the clock'] / floor['by the clock']
    in_floor, in_procd = (row['zygote'] + row['children'] for row in (floor_one, procd_one))
    more = procd_one['together'] - floor_one['together']
    in_children = in_procd - in_floor
    parts = ', '.join(f'{part} {number(procd_one[part])}' for part in PARTS if procd_one[part] >= 0.05)
    ratio_one = procd_one['by the clock'] / floor_one['by the clock']
    verdict = 'met' if ratio <= figure.limit else 'missed'
    yield f'**{ratio:.2f}** times the floor ({figure.floor}) by the clock, {ratio_one:.2f} on one ' \
          f'processor; the aim, at most {figure.limit:g}, is {verdict}.'
    yield f'On one processor the floor takes {number(floor_one["together"])} us of processor time: itself ' \
          f'{number(floor_one["client"])}, its children {number(in_floor)}.'
    yield f'procd takes {number(procd_one["together"])}: {parts}.'
    yield f'The difference is {number(more)} us: {number(in_children)} in what is started, ' \
          f'{number(more - in_children)} in those who ask, serve and wait.'


def calls(load, folder):
    looker = Calls(folder)
    run = watch(load, 'subject', ROUNDS_TRACED, looker)
    for who, counts in looker.counts.items():
        each = ', '.join(f'{name} {count / run.count:.2f}' for name, count in counts.most_common()
                         if count / run.count >= 0.005)
        total = sum(counts.values()) / run.count
        yield f'- {who}, system calls of one: {total:.2f}' + (each and f': {each}')


def symbols(load, rounds, folder, processors, daemon_us):
    looker = Symbols(folder)
    watch(load, 'subject', rounds, looker, processors)
    shares = looker.shares()
    rooms = collections.Counter()
    for share, who, room, _ in shares:
        rooms[f"the {who}'s {room}"] += share
    if not shares:
        yield 'Neither was found at work: there is no table of symbols.'
        return
    yield 'Of the samples ' + ', '.join(f'{share:.0f} % are in {room}' for room, share in rooms.items()) + '.'
    yield from ['', '| % of broker and keeper | us | who | where |', '|---|---|---|---|']
    for share, who, _, where in shares[:TOP]:
        yield f'| {share:.1f} | {share * daemon_us / 100:.2f} | {who} | `{where}` |'


def attempt(tool, lines):
    """What a tool finds, or why it finds nothing."""
    if not shutil.which(tool):
        return [f'Nothing by {tool}: it is not installed.']
    try:
        return list(lines)
    except (OSError, subprocess.SubprocessError) as error:
        return [f'Nothing by {tool}: {error}.']


def profile(load, divisor):
    rounds, one = max(load.rounds // divisor, 2), {min(os.sched_getaffinity(0))}
    rows = {f'{name}{where}': times(load, side, rounds, processors)
            for where, processors in (('', None), (', one processor', one))
            for name, side in (('floor', 'floor'), ('procd', 'subject'))}
    daemon_us = rows['procd, one processor']['broker'] + rows['procd, one processor']['keeper']
    yield from [f'## {load.title}', '', load.one, '', *table(rows), '']
    yield from sum_up(FIGURES[load.figure], *rows.values())
    with tempfile.TemporaryDirectory() as folder:
        yield from ['', *attempt('strace', calls(load, folder))]
        yield from ['', *attempt('perf', symbols(load, rounds, folder, one, daemon_us)), '']


HEAD = """# Profiles

{date}, {procd}, {processors} processors ({processor}), {kernel}; load {load:.1f} when it began.
Made by `make bench-profile`, see [README.md](README.md).

- Processor time is that of `/proc/PID/task/*/schedstat`; of children that have ended it is in their parent's
  account, in ticks. The client of a floor is who does its work.
- *together* is not what the clock says. On two processors work overlaps, and who expects a message looks for
  it for a moment, which is processor time, too; on one nobody looks.
- System calls are counted by `strace -c` in a run of their own, the keeper's without those of its children.
- Symbols are of `perf record -e cpu-clock` on one processor, their microseconds their shares of that time.
  What runs while interrupts are off is found where they are on again: `finish_task_switch`, `..._irqrestore`.
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--short', action='store_true', help='fewer rounds')
    parser.add_argument('--output', help='where it goes, in place of stdout')
    parser.add_argument('figures', nargs='*', metavar='FIGURE', help=', '.join(load.figure for load in LOADS))
    asked = parser.parse_args()
    lines = [HEAD.format(**machine())]
    for load in LOADS:
        if load.figure in asked.figures or not asked.figures:
            print(f'== {load.figure}', file=sys.stderr, flush=True)
            lines += profile(load, 5 if asked.short else 1)
    text = '\n'.join(lines).rstrip('\n') + '\n'
    if not asked.output:
        sys.stdout.write(text)
        return
    with open(asked.output, 'w', encoding='utf-8') as file:
        file.write(text)


if __name__ == '__main__':
    main()
