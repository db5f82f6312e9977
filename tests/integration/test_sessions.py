#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where there are no cgroups a process's tree is its session, which is found by a look at all of /proc."""
import os
import re
import signal
import sys
import time

from clients import Client, ready, same, wait_for
from harness import Skip, cgroups_of, main, options
from manager import Manager
from strace import Injection, Strace
from test_takeover import serves


def sessions_only(cgroups):
    if cgroups:
        raise Skip('there are cgroups, and no looks at /proc')


def stopped_keeper(daemon, client, act):
    """What act() asks for comes to the keeper at once."""
    os.kill(daemon.keeper_pid, signal.SIGSTOP)
    act()
    client.call('daemon.ping')
    os.kill(daemon.keeper_pid, signal.SIGCONT)


def looks_for(daemon, client, exitcode, ask):
    """So often the keeper looks for others between the signals that it sends where many are to end; what
    it looks for behind the last one depends on how long they take to end."""
    ids = [client.spawn('/bin/sleep', '1000')['id'] for _ in range(150)]
    log = os.path.join(daemon.dir, 'strace')
    with Strace(daemon.keeper_pid, log, 'trace=getdents64,pidfd_send_signal') as strace:
        stopped_keeper(daemon, client, lambda: [ask(each) for each in ids])
        same({client.exitcode(each) for each in ids}, {exitcode})
        calls = re.findall(r'^(getdents64|pidfd_send_signal)\(', strace.detach(), re.M)
    for each in ids:
        client.call('process.close', process=each)
    assert calls.count('pidfd_send_signal') >= 150, 'the premise'
    return len(re.findall('gs', ''.join(call[0].replace('p', 's') for call in calls)))


@options(root=True)
def test_one_look_for_many(daemon):
    """However many are killed, or stopped, together. What else it looks for is none of their number."""
    sessions_only(daemon.cgroups())
    with Client(daemon.path) as client:
        kills = looks_for(daemon, client, -9, lambda each: client.note('process.kill', process=each))
        stops = looks_for(daemon, client, -15,
                          lambda each: client.note('process.stop', process=each, grace=20))
    assert kills < 30, 'killed: it has looked %d times in between' % kills
    assert stops < 30, 'stopped: it has looked %d times in between' % stops


# Its exit code tells how often it has had two signals, which do not merge.
COUNTS = '''import signal
wanted = [34, 35, 36]
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
print(flush=True)
had = []
while 36 not in had:
    had.append(signal.sigwaitinfo(wanted).si_signo)
raise SystemExit(10 * had.count(34) + had.count(35))'''


def counting(client):
    read, write = os.pipe()
    process = client.spawn(sys.executable, '-c', COUNTS, stdout={'fd': 0}, _fds=[write])['id']
    os.close(write)
    with open(read, 'rb') as begun:
        same(begun.read(1), b'\n')
    return process


def test_each_has_its_own_signals(daemon):
    """However many are asked for at once, and whatever shares a look at /proc."""
    with Client(daemon.path) as client:
        ids = [counting(client) for _ in range(5)]

        def ask():
            for i, each in enumerate(ids):
                for turn in range(4):
                    client.note('process.signal', process=each, signal=34 if turn < i else 35, tree=True)
            for each in ids:
                client.note('process.signal', process=each, signal=36, tree=True)
        stopped_keeper(daemon, client, ask)
        same([client.exitcode(each) for each in ids], [4, 13, 22, 31, 40])


# Both have it in one session; the second is found by a look only.
TWO_WAIT = '''import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [34])
name = b'second' if os.fork() == 0 else b'first'
while True:
    os.write(1, b'%s waits\\n' % name)
    signal.sigwaitinfo([34])
    os.write(1, b'%s has it\\n' % name)'''


class Lines:
    """What comes out of a pipe."""
    def __init__(self, fd):
        self.fd, self.all = fd, []

    def until(self, *wanted):
        def have():
            while ready(self.fd, 0):
                got = os.read(self.fd, 65536)
                assert got, 'the end'
                self.all += got.decode().splitlines()
            return set(wanted) <= set(self.all)
        wait_for(have, ' and '.join(wanted))


def test_a_keeper_killed_while_it_looks():
    """What it was asked for is done by the next one."""
    if os.geteuid() != 0:
        raise Skip('needs root')
    read, write = os.pipe()
    with Manager() as manager:
        manager.start()
        keeper = manager.info()['pid']
        sessions_only(cgroups_of(keeper))
        with manager.client() as client:
            process = client.spawn(sys.executable, '-c', TWO_WAIT, stdout={'fd': 0}, _fds=[write])['id']
            os.close(write)
            seen = Lines(read)
            seen.until('first waits', 'second waits')
            with Injection(manager, keeper, 'getdents64', 'delay_enter=5000000', '1+'):
                client.note('process.signal', process=process, signal=34, tree=True)
                seen.until('first has it')
                assert 'second has it' not in seen.all
                manager.kill(keeper)
            manager.keepers.add(wait_for(lambda: serves(manager, keeper), 'another keeper')['pid'])
            seen.until('second has it')
        manager.ask('process.kill', process=process)
        same(manager.ask('process.join', process=process)['exitcode'], -9)
    os.close(read)


@options(root=True)
def test_a_keeper_that_stood_still_looks_again_soon(daemon):
    """A scan of the processes in which it stood still has cost it no time."""
    sessions_only(daemon.cgroups())
    with Client(daemon.path) as client:
        with Injection(daemon, daemon.keeper_pid, 'getdents64', 'delay_enter=3000000', '1') as still:
            one = client.spawn('/bin/true')
            same(client.exitcode(one['id']), 0)
            wait_for(lambda: '(DELAYED)' in still.log(), 'the scan')
        begun = time.monotonic()
        for each in (one, client.spawn('/bin/true')):
            same(client.call('process.stop', process=each['id'], grace=0)['exited'], True)
        assert time.monotonic() - begun < 5, 'it looked after %.1f s' % (time.monotonic() - begun)


if __name__ == '__main__':
    main()
