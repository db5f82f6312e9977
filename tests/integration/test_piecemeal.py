#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The kernel gives and takes byte by byte, and interrupts a third of the calls: everything is as without."""
import os
import subprocess

import breadth
import harness
from clients import SOON, Client, drain, same
from harness import LONG, Daemon, main, options
from inside import Variable
from steady import Steady

TOP = os.environ.get('TOP_BUILDDIR', '.')
HERE = os.path.dirname(os.path.abspath(__file__))


CALLS = ('accept4', 'connect', 'epoll_wait', 'poll', 'ppoll', 'read', 'recv', 'recvmsg', 'send', 'sendmsg',
         'write')  # as in piecemeal.c


def built(name):
    return os.path.join(TOP, 'tests/integration', name)


PROCD = harness.PROCD
PIECEMEAL = harness.PROCD = built('procd_piecemeal')


def story_of(daemon):
    """What each method answers, and what happens."""
    ask = Steady(daemon.path)
    answers, story = breadth.script(ask), ask.story()
    ask.close()
    return answers, story


def judge(numbers, interrupted, cut):
    """The premise: these have met each of it; and a third of all."""
    found = {call: numbers[at::len(CALLS)] for at, call in enumerate(CALLS)}
    print({call: counts for call, counts in found.items() if any(counts)})
    same([call for call in interrupted.split() if not found[call][1]], [], 'never interrupted')
    same([call for call in cut.split() if not found[call][2]], [], 'never cut')
    assert sum(each[1] for each in found.values()) > sum(each[0] for each in found.values()) // 4


def again_after_restart(daemon):
    """The script ends with one, and the numbers begin again with it."""
    ask = Steady(daemon.path)
    for part in breadth.PARTS:
        for _ in part(ask):
            pass
    ask.close()


@options(limit=200, root=True)
def test_each_method(daemon):
    """As of a daemon to which the kernel is kinder, a restart and its check included."""
    counts = Variable(PIECEMEAL, 'piecemeal', 3 * len(CALLS))
    got = story_of(daemon)
    again_after_restart(daemon)
    judge(counts.read(daemon.keeper_pid), 'accept4 epoll_wait read recvmsg send sendmsg', '')
    judge(counts.read(daemon.broker_pid), 'recvmsg send sendmsg', 'recvmsg send sendmsg')
    harness.PROCD = PROCD
    try:
        with Daemon() as other:
            want = story_of(other)
    finally:
        harness.PROCD = PIECEMEAL
    for what, one, another in zip(('answers', 'events'), got, want):
        for each, wanted in zip(one, another):
            same(each, wanted, what)
        same(len(one), len(another), what)


def test_long_lines_with_descriptors(daemon):
    """Each way: of a request the descriptors come with its first byte, and those of an answer go with its."""
    with Client(daemon.path) as client:
        read, write = os.pipe()
        text = 'x' * 20000
        child = client.reply(client.start('process.spawn', _fds=[write], argv=['/bin/echo', text],
                                          stdout={'fd': 0}, pidfd=True))
        os.close(write)
        same(drain(read), text.encode() + b'\n')
        same(len(child['_fds']), 1)
        os.close(child['_fds'].pop())
        same(client.call('process.info', process=child['result']['id'])['argv'][1], text)


def run(daemon, calls, program, *arguments, **environment):
    """A program on a daemon of its own, both piecemeal. calls: those that are to meet it, in either."""
    told = os.path.join(daemon.dir, 'told')
    environment['PIECEMEAL_TOLD'] = told
    done = subprocess.run([program, *arguments], env={**os.environ, **environment, 'PROCD': PIECEMEAL},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=5 * SOON, check=False)
    same(done.returncode, 0, '%s: %s' % (program, done.stdout.decode(errors='replace')[-4000:]))
    with open(told, encoding='ascii') as file:
        ends = [[int(number) for number in line.split()] for line in file]
    judge([sum(each) for each in zip(*ends)], calls, 'recvmsg send')


@options(limit=250)
def test_the_library(daemon):
    """Its own tests, of processes and of objects."""
    for name in ('lib_process_piecemeal', 'lib_sync_piecemeal'):
        run(daemon, 'connect ppoll read recvmsg send sendmsg', built(name))


@options(limit=250)
def test_procctl(daemon):
    """Its own tests, of what it is most used for."""
    for name in ('lock', 'sync', *(('run', 'commands') if LONG else ())):
        run(daemon, 'poll ppoll read recvmsg send', 'sh', os.path.join(HERE, '../cli/test_%s.sh' % name),
            PROCCTL=built('procctl_piecemeal'))


if __name__ == '__main__':
    main()
