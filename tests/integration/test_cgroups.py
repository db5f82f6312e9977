#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What somebody does to the cgroup of a child is not for the children that come after it."""
import contextlib
import glob
import os
import signal
import time

from clients import Client, same, wait_for
from harness import Skip, main, options, targets_of


def cgroup_of(daemon, pid):
    """The folder of its cgroup: one of the daemon's."""
    if not daemon.cgroups():
        raise Skip('there are no cgroups here')
    with open('/proc/%d/cgroup' % pid, encoding='utf-8') as file:
        path = [line for line in file if line.startswith('0::')][0].rstrip().rsplit('/', 1)[1]
    return os.path.join(daemon.cgroups()[0], path)


def write(folder, name, text):
    with open(os.path.join(folder, name), 'w', encoding='ascii') as file:
        file.write(text)


def members(folder):
    with open(folder + '/cgroup.procs', encoding='ascii') as file:
        return file.read().split()


def others_are_well(daemon, client):
    """As many as could meet that cgroup again, one after another and together: each in one of its own."""
    for _ in range(5):
        begun = time.monotonic()
        same(client.exitcode(client.sh('exit 7')['id']), 7)
        assert time.monotonic() - begun < 5, 'a child was held up'
    together = [client.sh('echo; exec sleep 1000') for _ in range(20)]
    folders = {cgroup_of(daemon, each['pid']) for each in together}
    same(len(folders), 20, 'cgroups of 20 processes')
    for folder in folders:
        same(glob.glob(folder + '/*/'), [], 'cgroups of somebody before')
        with open(folder + '/cgroup.type', encoding='ascii') as file:
            same(file.read(), 'domain\n')
    for each in together:
        client.call('process.kill', process=each['id'])
        same(client.exitcode(each['id']), -signal.SIGKILL)


@options(root=True)
def test_killed(daemon):
    with Client(daemon.path) as client:
        for _ in range(3):
            one = client.sh('exec sleep 1000')
            write(cgroup_of(daemon, one['pid']), 'cgroup.kill', '1')
            same(client.exitcode(one['id']), -signal.SIGKILL)
            others_are_well(daemon, client)


@options(root=True)
def test_killed_after_its_end(daemon):
    """It ends well, and those that it leaves behind are killed."""
    with Client(daemon.path) as client:
        one = client.sh('sleep 1000 & exec sleep 1000')
        folder = cgroup_of(daemon, one['pid'])
        wait_for(lambda: len(members(folder)) == 2, 'both sleep')
        os.kill(one['pid'], signal.SIGTERM)
        same(client.exitcode(one['id']), -signal.SIGTERM)
        write(folder, 'cgroup.kill', '1')
        client.call('process.stop', process=one['id'], grace=5)
        others_are_well(daemon, client)


@contextlib.contextmanager
def last_to_run(daemon):
    """On one processor, with everybody else before the keeper: whom it wakes has done before it goes on."""
    keeper, everybody = daemon.keeper_pid, (0, daemon.keeper_pid, daemon.broker_pid)
    before = os.sched_getaffinity(0)
    for pid in everybody:
        os.sched_setaffinity(pid, {min(before)})
    os.sched_setscheduler(keeper, os.SCHED_IDLE, os.sched_param(0))
    try:
        yield
    finally:
        os.sched_setscheduler(keeper, os.SCHED_OTHER, os.sched_param(0))
        for pid in everybody:
            os.sched_setaffinity(pid, before)


@options(root=True)
def test_killed_at_once_after_its_end(daemon):
    """Nothing is left in it by the time that the keeper gets on."""
    with Client(daemon.path) as client:
        for _ in range(10):
            one = client.sh('sleep 1000 & exec sleep 1000')
            folder = cgroup_of(daemon, one['pid'])
            wait_for(lambda path=folder: len(members(path)) == 2, 'both sleep')
            with last_to_run(daemon):
                os.kill(one['pid'], signal.SIGTERM)
                same(client.exitcode(one['id']), -signal.SIGTERM)
                write(folder, 'cgroup.kill', '1')
                end = time.monotonic() + 20
                while members(folder):  # who slept would let the keeper run
                    assert time.monotonic() < end, 'it lives on'
            client.call('process.stop', process=one['id'], grace=5)
            same(client.exitcode(client.sh('exit 7')['id']), 7)


def kept_events(daemon):
    """The descriptors by which the keeper reads whether cgroups are empty."""
    return sum(target.endswith('/cgroup.events') for target in targets_of(daemon.keeper_pid).values())


def test_few_are_kept_open(daemon):
    """However many were in use at a time, and however they end."""
    with Client(daemon.path) as client:
        for count in (30, 8, 30, 8, 4, 8):
            together = [client.sh('exec sleep 1000') for _ in range(count)]
            cgroup_of(daemon, together[0]['pid'])
            for one in together[::3] + together[1::3] + together[2::3]:
                client.call('process.kill', process=one['id'])
                same(client.exitcode(one['id']), -signal.SIGKILL)
        assert kept_events(daemon) <= 8, '%d are kept open' % kept_events(daemon)


@options(root=True)
def test_frozen(daemon):
    with Client(daemon.path) as client:
        one = client.sh('exec sleep 1000')
        folder = cgroup_of(daemon, one['pid'])
        write(folder, 'cgroup.freeze', '1')
        client.call('process.kill', process=one['id'])
        same(client.exitcode(one['id']), -signal.SIGKILL)
        others_are_well(daemon, client)


@options(root=True)
def test_threaded(daemon):
    """Nobody can be put into it from outside."""
    with Client(daemon.path) as client:
        one = client.sh('exec sleep 1000')
        folder = cgroup_of(daemon, one['pid'])
        os.mkdir(folder + '/sub')
        write(folder + '/sub', 'cgroup.type', 'threaded')
        os.kill(one['pid'], signal.SIGTERM)
        same(client.exitcode(one['id']), -signal.SIGTERM)
        others_are_well(daemon, client)


@options(root=True)
def test_many_cgroups_of_its_own(daemon):
    """More than are removed at a time, deep and wide, in more children than keep their folder open."""
    with Client(daemon.path) as client:
        together = [client.sh('exec sleep 1000') for _ in range(12)]
        for at, one in enumerate(together):
            folder = cgroup_of(daemon, one['pid'])
            for number in range(300 if at % 4 == 0 else 1):
                os.makedirs(folder + '/%d/%s' % (number, '/'.join('x' * (40 if at % 4 == 1 else 1))))
        for one in together:
            client.call('process.kill', process=one['id'])
            same(client.exitcode(one['id']), -signal.SIGKILL)
        for _ in range(3):
            others_are_well(daemon, client)
        wait_for(lambda: client.exitcode(client.sh('true')['id']) == 0 and
                 not glob.glob(daemon.cgroups()[0] + '/*/*/'), 'they are removed')


@options(root=True)
def test_cgroups_of_its_own(daemon):
    with Client(daemon.path) as client:
        for sleeper in ('', 'sleep 1000 & '):
            one = client.sh(sleeper + 'exec sleep 1000')
            folder = cgroup_of(daemon, one['pid'])
            os.makedirs(folder + '/one/below')
            os.makedirs(folder + '/other')
            os.kill(one['pid'], signal.SIGTERM)
            same(client.exitcode(one['id']), -signal.SIGTERM)
            client.call('process.stop', process=one['id'], grace=5)
            others_are_well(daemon, client)
            wait_for(lambda path=folder: not glob.glob(path + '/*/'), 'they are removed')


if __name__ == '__main__':
    main()
