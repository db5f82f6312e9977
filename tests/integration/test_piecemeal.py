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


@options(limit=200, root=True)
def test_each_method(daemon):
    """As of a daemon to which the kernel is kinder, a restart and its check included."""
    counts = Variable(PIECEMEAL, 'piecemeal', 3)
    got = story_of(daemon)
    for pid in (daemon.keeper_pid, daemon.broker_pid):
        asked, interrupted, cut = counts.read(pid)
        assert interrupted > asked // 4 and (cut > 0 or pid == daemon.keeper_pid), 'the premise'
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


def run(program, *arguments, **environment):
    """A program on a daemon of its own, both piecemeal."""
    done = subprocess.run([program, *arguments], env={**os.environ, **environment, 'PROCD': PIECEMEAL},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=5 * SOON, check=False)
    same(done.returncode, 0, '%s: %s' % (program, done.stdout.decode(errors='replace')[-4000:]))


@options(limit=250)
def test_the_library(daemon):
    """Its own tests, of processes and of objects."""
    del daemon
    for name in ('lib_process_piecemeal', 'lib_sync_piecemeal'):
        run(built(name))


@options(limit=250)
def test_procctl(daemon):
    """Its own tests, of what it is most used for."""
    del daemon
    for name in ('lock', 'sync', *(('run', 'commands') if LONG else ())):
        run('sh', os.path.join(HERE, '../cli/test_%s.sh' % name), PROCCTL=built('procctl_piecemeal'))


if __name__ == '__main__':
    main()
