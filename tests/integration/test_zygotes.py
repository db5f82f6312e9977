#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Processes that begin as copies of a zygote: whatever that one does, who asks gets a process, once, or
learns why not; and nobody gets a process that he did not ask for."""
import collections
import itertools
import os
import shutil
import signal
import sys
import time

from clients import SOON, Client, Gate, Lasting, Peer, drain, fails, same, wait_for
from harness import LONG, is_dead, main, options
from manager import Manager
from played_zygote import WAYS
from strace import Strace, calls_of
from test_killed_anywhere import numbered
from test_takeover import WAYS as DEATHS
from test_takeover import keeper_of, serves
from test_upgrade import NEWER, install, replaced, restart_by_request

PLAYED = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'played_zygote.py')
COPIED, EXECUTED = 42, 7  # by the exit code


def zygote(client, way='good', **params):
    return client.spawn(sys.executable, PLAYED, way, zygote=0, name='zygote', stderr='log', **params)


def begin(client, of, script='exit %d' % EXECUTED, **params):
    return client.sh(script, zygote=of['id'], **params)


def run(client, of, **params):
    """Its exit code."""
    return client.exitcode(begin(client, of, **params)['id'])


# ---------------------------------------------------------------- a good one

def test_copies(daemon):
    with Client(daemon.path) as client:
        first = zygote(client)
        same([run(client, first) for _ in range(50)], [COPIED] * 50)
        same(client.call('process.info', process=first['id'])['state'], 'running')
        one = begin(client, first, pidfd=True)
        same(client.exitcode(one['id']), COPIED)
        numbers = [client.start('process.spawn', argv=['/bin/sh', '-c', 'exit 7'], zygote=first['id'])
                   for _ in range(200)]
        codes = [client.exitcode(client.result(number)['id']) for number in numbers]
        same(set(codes) | {EXECUTED}, {COPIED, EXECUTED})
        assert codes.count(COPIED) > 20, 'the premise: it is asked, until it has enough to do'


def test_who_is_executed_all_the_same(daemon):
    with Client(daemon.path) as client:
        first = zygote(client)
        plain = client.sh('sleep 1000')
        same(run(client, {'id': plain['id']}), EXECUTED, 'of one that is no zygote')
        same(run(client, {'id': 1 << 40}), EXECUTED, 'of nobody')
        same(run(client, first, notify=True), EXECUTED)
        same(run(client, first, stdin='pty', stdout='pty', stderr='pty'), EXECUTED)
        same(run(client, first, script='exit 7;' + 'x' * 100000), EXECUTED, 'too much to tell')
        client.call('process.stop', process=first['id'])
        same(run(client, first), EXECUTED, 'of one that has ended')


def test_what_cannot_be_a_zygote(daemon):
    with Client(daemon.path) as client, Gate() as gate:
        for params in ({'stdin': {'file': '/dev/zero'}}, {'stdin': gate.stdin, '_fds': gate.fds},
                       {'notify': True}, {'restart': {'policy': 'always'}}, {'stdin': 'pty'}):
            fails('InvalidParams', lambda each=params: client.sh('true', zygote=0, **each), param='zygote')
        fails('InvalidParams', lambda: client.sh('true', zygote=-1), param='zygote')
        fails('SpawnFailed', lambda: client.spawn('/does/not/exist', zygote=0), errno='ENOENT')


# ---------------------------------------------------------------- others

# It is chance whether one is seen to have died before it is told to begin, whether who goes on talking hears
# that, and which of two that have one socket.
MAY_BE = {'dies_ready': EXECUTED, 'says_more': -signal.SIGKILL, 'twice': -signal.SIGKILL}
COPIES = {'good', 'twice', 'with_descriptors', 'says_more'}
ENDS = {'hangs', 'stops', 'dies'}


def check_way(daemon, way):
    with Client(daemon.path) as client:
        one = zygote(client, way)
        want = COPIED if way in COPIES else -signal.SIGKILL if way == 'dies_ready' else EXECUTED
        for _ in range(3):
            got = run(client, one)
            assert got == want or got == MAY_BE.get(way), (way, got)
        if way in ENDS:  # whoever hangs is killed
            same(client.join(one['id'])['exited'], True)


def one_way(way):
    def test(daemon):
        check_way(daemon, way)
    # somebody of another uid takes root
    return options(root=way == 'as_another')(test)


for _way in sorted(set(WAYS) - {'waits_for_ever', 'outside', 'writes'}):
    globals()['test_one_that_%s' % _way] = one_way(_way)


@options(root=True, mode='--system')
def test_of_another_user(daemon):
    """Only its own user's processes are copies of it; in cgroups, only root's."""
    played = shutil.copy(PLAYED, daemon.dir)  # where everybody may read it
    peers = [Peer(daemon.path, uid=uid, gid=uid) for uid in (12345, 12346)]
    with Client(daemon.path) as root:
        own = zygote(root)
        same(run(root, own), COPIED)
        theirs = peers[0].call('process.spawn', argv=['/usr/bin/python3', played, 'good'], zygote=0,
                               daemon=True)
        want = COPIED if not daemon.cgroups() else EXECUTED
        for peer, of, code in ((peers[0], theirs, want), (peers[1], theirs, EXECUTED),
                               (peers[0], own, EXECUTED)):
            one = peer.call('process.spawn', argv=['/bin/sh', '-c', 'exit 7'], zygote=of['id'])
            same(peer.call('process.join', process=one['id'], timeout=SOON)['exitcode'], code)
        same(run(root, theirs), EXECUTED)
        one = begin(root, own, uid=1)
        same(root.call('process.join', process=one['id'], uid=1, timeout=SOON)['exitcode'], EXECUTED)
    for peer in peers:
        peer.kill()


# ---------------------------------------------------------------- trees, deaths

def test_a_copy_has_a_tree_of_its_own(daemon):
    with Client(daemon.path) as client:
        first = zygote(client, 'waits_for_ever')
        one, other = begin(client, first), begin(client, first)
        client.call('process.kill', process=one['id'])
        same(client.exitcode(one['id']), -signal.SIGKILL)
        for each in (first, other):
            same(client.call('process.is_alive', process=each['id'])['alive'], True)
        client.call('process.kill', process=first['id'])
        same(client.exitcode(first['id']), -signal.SIGKILL)
        same(client.call('process.is_alive', process=other['id'])['alive'], True)
        client.call('process.terminate', process=other['id'])
        same(client.exitcode(other['id']), -signal.SIGTERM)


def test_who_is_elsewhere_is_killed(daemon):
    with Client(daemon.path) as client:
        one = begin(client, zygote(client, 'outside'))
        client.call('process.kill', process=one['id'])
        same(client.exitcode(one['id']), -signal.SIGKILL)


def test_nobody_begins_unasked(daemon):
    """Who asks is gone before there is a process: it is not, or it has an end."""
    with Client(daemon.path) as client:
        first = zygote(client, 'hangs')
        with Client(daemon.path) as other:
            other.start('process.spawn', argv=['/bin/sh', '-c', 'exit 7'], zygote=first['id'], daemon=True)
            other.call('daemon.ping')
        wait_for(lambda: not client.call('process.list', alive=True)['processes'][1:], 'its end')


def test_one_that_hangs_keeps_nothing(daemon):
    """Who reads what the process writes sees its end, though the zygote was sent the other end, too."""
    with Client(daemon.path) as client:
        first = zygote(client, 'hangs')
        read, write = os.pipe()
        number = client.start('process.spawn', argv=['/bin/echo', 'here'], zygote=first['id'], _fds=[write],
                              stdout={'fd': 0})
        os.close(write)
        same(drain(read), b'here\n')
        client.exitcode(client.result(number)['id'])


# What it says to the keeper is a socket whose close takes six seconds.
LINGERS = """
import array, os, socket, struct, time
listening = socket.socket()
listening.bind(('127.0.0.1', 0))
listening.listen(1)
one = socket.create_connection(listening.getsockname())
other, _ = listening.accept()
if os.fork() == 0:
    os.setsid()
    one.close()
    os.close(0)
    time.sleep(7)
    os._exit(0)
other.close()
one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 6))
one.setblocking(False)
try:
    while True:
        one.send(b'x' * 65536)
except BlockingIOError:
    pass
keeper = socket.socket(fileno=os.dup(0))
%s
os._exit(0)
"""
RIGHTS = "[(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [one.fileno()]))]"


UNASKED = """
try:
    keeper.sendmsg([b'x'], %s)
except BrokenPipeError:
    os._exit(9)
"""
REFUSED = 9


ANSWERS = """
import sys
sys.argv = ['', '-']
exec(open(%r).read(), played := {'__name__': 'played'})
order = played['Order'](keeper)
order.socket.sendmsg([b'xyz'], %s)
one.close()
"""


def nobody_waits(client, start):
    """For what start() has brought about: others begin meanwhile."""
    begin_at = time.monotonic()
    start()
    for _ in range(3):
        client.exitcode(client.sh('exit 3')['id'])
    assert time.monotonic() - begin_at < 5, 'the keeper waited for a close'


def test_what_it_says_does_not_block(daemon):
    with Client(daemon.path) as client:
        said = LINGERS % UNASKED % RIGHTS

        def ended():
            one = client.spawn(sys.executable, '-c', said, zygote=0, stderr='log')
            same(client.exitcode(one['id']), REFUSED, 'nothing can be said where nobody reads')

        nobody_waits(client, ended)
        answers = LINGERS % ANSWERS % (PLAYED, RIGHTS)
        one = client.spawn(sys.executable, '-c', answers, zygote=0, stderr='log')
        nobody_waits(client, lambda: same(run(client, one), EXECUTED))
        for each in client.call('process.list', alive=True)['processes']:
            client.call('process.stop', process=each['id'], grace=0)


def test_a_keeper_that_stood_still_blames_nobody(daemon):
    with Client(daemon.path) as client:
        first = zygote(client)
        same(run(client, first), COPIED)
        numbers = [client.start('process.spawn', argv=['/bin/sh', '-c', 'exit 7'], zygote=first['id'])
                   for _ in range(40)]
        os.kill(daemon.keeper_pid, signal.SIGSTOP)
        moment = time.monotonic() + 2.5
        wait_for(lambda: time.monotonic() > moment)
        os.kill(daemon.keeper_pid, signal.SIGCONT)
        for number in numbers:
            client.exitcode(client.result(number)['id'])
        same(run(client, first), COPIED, 'the zygote is there still')


SHOWS = """
import sys
import time
sys.argv = ['', '-']
sys.path.insert(0, %r)
import played_zygote
def show():
    with open('/proc/self/status') as file:
        line = next(line for line in file if line.startswith('NoNewPrivs'))
    played_zygote.os._exit(40 + int(line.split()[1]))
played_zygote.WAYS['shows'] = lambda order: played_zygote.copy(order, after=show)
played_zygote.main('shows')
"""


@options(root=True, mode='--system')
def test_of_root_in_anothers_place(daemon):
    """Its privileges are not that user's to have."""
    shutil.copy(PLAYED, daemon.dir)
    with Client(daemon.path) as root, Peer(daemon.path, uid=1, gid=1, groups=(1,)) as peer:
        shows = ['/usr/bin/python3', '-c', SHOWS % daemon.dir]
        for of in (root.call('process.spawn', argv=shows, zygote=0, uid=1, stderr='log'),
                   peer.call('process.spawn', argv=shows, zygote=0, stderr='log')):
            script = 'grep -q "NoNewPrivs:.1" /proc/self/status && exit 7'
            one = peer.call('process.spawn', argv=['/bin/sh', '-c', script], zygote=of['id'])
            assert peer.call('process.join', process=one['id'], timeout=SOON)['exitcode'] in (EXECUTED, 41)
            root.call('process.stop', process=of['id'], uid=1, grace=0)


def test_an_upgrade_with_one_under_way(daemon):
    """It waits for it, as for any other spawn."""
    install(daemon, NEWER)
    with Client(daemon.path) as client:
        first = zygote(client, 'hangs')
        number = client.start('process.spawn', argv=['/bin/sh', '-c', 'exit 7'], zygote=first['id'])
        client.call('daemon.ping')
        replaced(daemon, restart_by_request, 'newer')
    del number


test_an_upgrade_with_one_under_way.daemon = {'copied': True}


def test_an_upgrade(daemon):
    """The zygote ends with the program that began it; a copy goes on."""
    install(daemon, NEWER)
    with Client(daemon.path) as client:
        first = zygote(client, 'waits_for_ever')
        one = begin(client, first)
    replaced(daemon, restart_by_request, 'newer')
    with Client(daemon.path) as client:
        assert client.join(first['id'])['exited']
        same(client.call('process.is_alive', process=one['id'])['alive'], True)
        client.call('process.kill', process=one['id'])
        same(client.exitcode(one['id']), -signal.SIGKILL)
        same(run(client, first), EXECUTED)


test_an_upgrade.daemon = {'copied': True}


def test_the_keeper_dies():
    for way, dies in DEATHS.items():
        with Manager() as manager:
            manager.start()
            with manager.client() as client:
                first = zygote(client, 'waits_for_ever')
                one = begin(client, first)
            dies(manager)
            with manager.client() as client:
                wait_for(lambda: is_dead(first['pid']), 'the end of the zygote, %s' % way)
                same(client.call('process.is_alive', process=one['id'])['alive'], True, way)
                client.call('process.kill', process=one['id'])
                assert client.join(one['id'])['exited']
                same(run(client, first), EXECUTED)


# ---------------------------------------------------------------- the keeper is killed on the way

def effects(path):
    try:
        with open(path, encoding='ascii') as file:
            return file.read().split()
    except FileNotFoundError:
        return []


class Counted:
    """A process that leaves a line in a file of its own, by which one sees how often it has begun; copy or
    not."""
    def __init__(self, manager, number):
        self.manager, self.path = manager, '%s/effect-%d' % (manager.dir, number)
        self.key, self.zygote = 'counted-%d' % number, None

    def prepare(self, last):
        self.zygote = last.call('process.spawn', argv=[sys.executable, PLAYED, 'writes', self.path], zygote=0,
                                name='zygote', stderr='log')['id']

    def run(self, last):
        script = 'echo executed >>%s; exit %d' % (self.path, EXECUTED)
        process = last.call('process.spawn', argv=['/bin/sh', '-c', script], zygote=self.zygote,
                            _key=self.key)
        return last.call('process.join', process=process['id'])['exitcode']

    def judge(self, code, where):
        """Whoever ends by SIGKILL, or nobody knows how, may have come to it or not."""
        want = {COPIED: [['copied']], EXECUTED: [['executed']], -signal.SIGKILL: [[]]}
        assert effects(self.path) in want.get(code, [[], ['copied'], ['executed']]), (where, code, self.path)


def begins_once(manager, numbers, keeper, call, when):
    """One, while the keeper is killed at that call."""
    one = Counted(manager, next(numbers))
    with Lasting(manager.path) as last:
        one.prepare(last)
        with Strace(keeper, manager.dir + '/strace', 'trace=' + call,
                    'inject=%s:signal=KILL:when=%d' % (call, when)) as strace:
            code = one.run(last)
            was_killed = '+++ killed by SIGKILL' in strace.detach()
        one.judge(code, (call, when))
        wait_for(lambda: serves(manager, keeper if was_killed else 0), 'a keeper')
        last.call('process.stop', process=one.zygote, grace=0)
    return was_killed, code


def without_scan(calls):
    """Where there are no cgroups it looks through /proc a little later, whether anybody is left: with as many
    calls as there are processes, of which these lists have some, all or none."""
    return calls[:calls.index('getdents64')] if 'getdents64' in calls else calls


def without_looks(calls):
    """A keeper that expects something looks again and again: how often is another matter each time."""
    points = list(numbered(calls))
    for point, after in zip(points, points[1:] + [('', 0)]):
        if point[0] not in ('clock_gettime', 'sched_yield') and (point[0], after[0]) not in LOOKS:
            yield point


LOOKS = [('epoll_wait', 'sched_yield'), ('epoll_wait', 'epoll_wait'), ('epoll_wait', 'clock_gettime')]


def test_the_keeper_is_killed_while_a_copy_begins():
    with Manager() as manager:
        manager.start()
        manager.supervises = True
        numbers, codes, kills = itertools.count(), collections.Counter(), 0
        one = Counted(manager, next(numbers))
        with Lasting(manager.path) as last:
            one.prepare(last)
            calls = without_scan(calls_of(manager, manager.info()['pid'], lambda: one.run(last)))
            points = list(without_looks(calls))
            last.call('process.stop', process=one.zygote, grace=0)
        same(effects(one.path), ['copied'])
        for call, when in points if LONG else points[::3]:
            was_killed, code = begins_once(manager, numbers, keeper_of(manager), call, when)
            kills += was_killed
            codes[code] += 1
        print('killed at %d of %d system calls: %s' % (kills, len(points), dict(codes)))
        assert kills > len(points) // 6, 'the premise: it gets that far'


test_the_keeper_is_killed_while_a_copy_begins.limit = 900 if LONG else 200


if __name__ == '__main__':
    main()
