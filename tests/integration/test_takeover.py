#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The keeper is killed, and another one takes over: at once, where the front lives on; else that of the next
main process, which a service manager that these tests play starts with what it was given to keep."""
import contextlib
import mmap
import os
import random
import shutil
import signal
import struct
import sys
import threading
import time

from clients import SOON, Closed, Gate, Lasting, Peer, fails, same, wait_for
from harness import (LONG, PROCD, Daemon, Skip, cgroups_of, descriptors, is_dead, main, options,
                     quick_children_of, stat_of)
from manager import KEPT, Manager, ends_with_its_status, family_of, sleeper, without_libsystemd
from strace import Strace
from test_crash import GATES, LOCKERS, Joiner, Lockers, Watcher, begin_children, judge
from test_killed_anywhere import killed_at_each, survey
from test_logs import check_numbers, last_text, lines, texts
from test_pty import PTY, attach, spawn_attached
from test_pty import lines as pty_lines
from test_ready import say
from test_restart_policy import QUICK, runs_of
from test_upgrade import NEWER, Scene

PIDFD_INFO_EXIT = [int(part) for part in os.uname().release.split('.')[:2]] >= [6, 15]
TAKES_OVER = 'takes over from a keeper that has died'
STORED = 144  # children, each with a descriptor and two pipes, that there is room for
KILLS = 500 if LONG else 8


def front_goes_on(manager, between=lambda: None):
    """The keeper alone dies. between(): while there is none."""
    os.kill(manager.main, signal.SIGSTOP)
    before = manager.kill_keeper()
    between()
    os.kill(manager.main, signal.SIGCONT)
    return before


def all_die(manager, between=lambda: None):
    before = manager.kill_all()
    between()
    manager.start()
    return before


WAYS = {'front': front_goes_on, 'manager': all_die}


def one_way(test, way):
    def run():
        with Manager() as manager:
            manager.start()
            test(manager, way)
    run.limit = getattr(test, 'limit', 60)
    return run


def tells(way):
    """Is it known how a child ends that a new keeper has a descriptor of?"""
    return way is front_goes_on or PIDFD_INFO_EXIT


def both_ways(test):
    """One test for each of the ways in which a keeper comes to take over."""
    for name, way in WAYS.items():
        globals()['%s_by_%s' % (test.__name__.replace('check', 'test', 1), name)] = one_way(test, way)
    return test


def taken_over(manager, way, between=lambda: None, epoch=True):
    """What must be as before. epoch False: it must be another one."""
    before = way(manager, between)
    after = manager.info()
    manager.keepers.add(after['pid'])
    assert after['pid'] != before['pid'], 'the same keeper'
    same(after['epoch'] == before['epoch'], epoch, 'the same epoch')
    wait_for(lambda: is_dead(before['broker_pid']), 'the end of the old broker')
    if epoch:
        same([after[name] - before[name] for name in ('restarts', 'started')], [1, 0], 'restarts and start')
        assert after['seq'] > before['seq'], 'seq goes on'
    return after


# ---------------------------------------------------------------- children

def script(code):
    return ['/bin/sh', '-c', 'read x; exit %d' % code]


def waiting(client, gate, codes):
    """Children that end with these codes when the gate opens: {id: pid}."""
    numbers = [client.start('process.spawn', _fds=gate.fds, argv=script(code), stdin=gate.stdin)
               for code in codes]
    infos = [client.result(number) for number in numbers]
    return {info['id']: info['pid'] for info in infos}


def codes_of(manager, processes):
    with manager.client() as client:
        numbers = [client.start('process.join', process=each, timeout=SOON) for each in processes]
        return [client.result(number)['exitcode'] for number in numbers]


def numbered(folder):
    """{name: inode} of those that a keeper has made there."""
    with os.scandir(folder) as entries:
        return {entry.name: entry.inode() for entry in entries if entry.name.isdigit()}


@both_ways
def check_its_cgroups(manager, way):
    """A daemon that removes what the dead have left leaves them alone, and while there is no keeper, too."""
    folders = cgroups_of(manager.info()['pid'])
    if not folders:
        raise Skip('there are no cgroups here')
    process, pid = sleeper(manager)
    before = numbered(folders[0])

    def another_starts():
        with Daemon():
            same(numbered(folders[0]), before, 'its cgroups, while it is dead')

    def renewed():
        after = numbered(folders[0])
        return sorted(after) == sorted(before) and len(after.items() & before.items()) == 1 and after
    taken_over(manager, way, another_starts)
    after = wait_for(renewed, 'new ones, but for that of the child')
    with Daemon():
        same(numbered(folders[0]), after, 'its cgroups')
    ends_with_its_status(manager, process, pid)


@both_ways
def check_the_living(manager, way):
    """Stored or not, they end with their statuses, and can be signalled and stopped with all they have."""
    with manager.client() as client, Gate() as gate:
        old = waiting(client, gate, [1, 2, 3])
        wait_for(lambda: sorted(manager.children()) == sorted(old), 'the store')
        young = waiting(client, gate, [4, 5])
        tree = client.sh('sleep 1000 & sleep 1000 & trap "exit 9" USR1; while :; do sleep 0.02; done',
                         stderr='null')  # where its shell tells of signals, and it is young
        before = client.call('process.list')['processes']
        taken_over(manager, way)
        same(manager.ask('process.list')['processes'], before, 'the list of processes')
        wait_for(lambda: len(manager.children()) == 6, 'all of them in the store')
        gate.open()
        same(codes_of(manager, [*old, *young]), [1, 2, 3, 4, 5] if tells(way) else [None] * 5)
        wait_for(lambda: manager.children() == [tree['id']], 'the others are out of the store')
        members = family_of(tree['pid'])
        assert len(members) >= 2, members
        end = manager.ask('process.stop', process=tree['id'], signal='SIGUSR1', grace=SOON)
        same(end['exitcode'], 9 if tells(way) else None)
        wait_for(lambda: all(map(is_dead, members)), 'the end of its tree')
        wait_for(lambda: manager.names() == KEPT, 'an empty store')


def unknown(manager, process):
    """Null, and never 0; it is told, too."""
    end = manager.ask('process.join', process=process)
    same([end[name] for name in ('exited', 'exitcode', 'signal')], [True, None, None])
    info = manager.ask('process.info', process=process)
    same([info[name] for name in ('state', 'exitcode', 'signal', 'core', 'oom')],
         ['exited', None, None, False, None])
    with manager.client() as client:
        client.call('events.subscribe', since=0, kinds=['process.exited'], process=process)
        event = client.event_of('process.exited')
        same([event['exitcode'], event['signal']], [None, None])


@both_ways
def check_ends_while_there_is_no_keeper(manager, way):
    """Known by the front, or from the store where the kernel tells; else unknown."""
    with manager.client() as client, Gate() as gate, Gate() as other:
        old = waiting(client, gate, [21, 0])
        killed = client.spawn('/bin/sleep', '1000')
        wait_for(lambda: len(manager.children()) == 3, 'the store')
        young = waiting(client, other, [22, 0])

        def between():
            gate.open()
            other.open()
            os.kill(killed['pid'], signal.SIGSEGV)
            for each in young:  # whose second is over on a busy machine
                manager.drop_child(each)
            pids = [*old.values(), *young.values(), killed['pid']]
            wait_for(lambda: all(map(is_dead, pids)), 'their ends')
            if way is all_die:
                wait_for(lambda: not manager.orphans.intersection(pids), 'that they are waited for')
        taken_over(manager, way, between)
        known = way is front_goes_on
        same(codes_of(manager, [*old, killed['id']]), [21, 0, -11] if tells(way) else [None] * 3)
        same(codes_of(manager, young), [22, 0] if known else [None, None])
        if not known:
            unknown(manager, list(young)[1])
            assert 'nobody knows how' in manager.log()
        wait_for(lambda: manager.names() == KEPT, 'an empty store')


def test_a_kernel_that_does_not_tell():
    """What nobody can know is unknown, and never 0."""
    with Manager() as manager:
        manager.start()
        process, pid = sleeper(manager)
        done = manager.ask('process.spawn', argv=['/bin/sh', '-c', 'exit 0'])['id']
        same(manager.ask('process.join', process=done)['exitcode'], 0)
        keeper = taken_over(manager, all_die)['pid']
        # ENOTTY: as before Linux 6.13
        with Strace(keeper, manager.dir + '/strace', 'trace=ioctl', 'inject=ioctl:error=ENOTTY'):
            os.kill(pid, signal.SIGTERM)
            unknown(manager, process)
        same(manager.ask('process.info', process=done)['exitcode'], 0)


@both_ways
def check_stops_meanwhile(manager, way):
    """Whoever has waited for them: it is seen what has become of a child, and told."""
    (stops, stopping), (goes_on, stopped) = sleeper(manager), sleeper(manager)
    os.kill(stopped, signal.SIGSTOP)
    wait_for(lambda: manager.ask('process.info', process=goes_on)['state'] == 'stopped', 'its stop')

    def between():
        os.kill(stopping, signal.SIGSTOP)
        os.kill(stopped, signal.SIGCONT)
        wait_for(lambda: [stat_of(pid)[1] for pid in (stopping, stopped)] == ['T', 'S'], 'both')

    taken_over(manager, way, between)
    wait_for(lambda: [manager.ask('process.info', process=each)['state'] for each in (stops, goes_on)]
             == ['stopped', 'running'], 'what they are')
    for process in (stops, goes_on):
        manager.ask('process.kill', process=process)


def test_rusage_and_stops_by_front():
    """The front is their parent: it knows all that a parent knows."""
    with Manager() as manager:
        manager.start()
        with manager.client() as client, Gate() as gate:
            busy = client.sh('i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; read x; exit 3',
                             _fds=gate.fds, stdin=gate.stdin)
            stopped, goes_on = [client.spawn('/bin/sleep', '1000') for _ in range(2)]
            client.call('process.signal', process=goes_on['id'], signal='SIGSTOP')
            wait_for(lambda: client.call('process.info', process=goes_on['id'])['state'] == 'stopped')
            seq = client.call('process.list')['seq']
            # what happens while there is no keeper is told as well
            taken_over(manager, front_goes_on, lambda: (os.kill(stopped['pid'], signal.SIGSTOP),
                                                        os.kill(goes_on['pid'], signal.SIGCONT)))
            gate.open()
            end = manager.ask('process.join', process=busy['id'])
            assert end['exitcode'] == 3 and end['rusage']['utime'] > 0 and end['rusage']['maxrss'] > 0, end
        for each, state in ((stopped, 'stopped'), (goes_on, 'running')):
            wait_for(lambda: manager.ask('process.info', process=each['id'])['state'] == state, state)
        with manager.client() as client:
            client.call('events.subscribe', since=seq, kinds=['process.stopped', 'process.continued'])
            same(sorted(client.event()['kind'] for _ in range(2)), ['process.continued', 'process.stopped'])
        for each in (stopped, goes_on):
            manager.ask('process.kill', process=each['id'])
            same(manager.ask('process.join', process=each['id'])['exitcode'], -9)


def test_many_ends_at_once_by_front():
    """Each with its own status, one after the other."""
    count = 1000 if LONG else 200
    with Manager() as manager:
        manager.start()
        gate, codes = Gate(), [i % 256 for i in range(count)]
        with manager.client() as client:
            children = waiting(client, gate, codes)

            def between():
                gate.open()
                wait_for(lambda: all(map(is_dead, children.values())), 'their ends')
            taken_over(manager, front_goes_on, between)
            same(codes_of(manager, children), codes)
        wait_for(lambda: not set(quick_children_of(manager.main)) - manager.keepers, 'a front without them')


def test_more_than_the_store_holds():
    """The oldest are stored, the others found by their numbers; who leaves makes room."""
    count = STORED + 50
    with Manager() as manager:
        manager.start()
        gate, codes = Gate(), [i % 256 for i in range(count)]
        with manager.client() as client:
            children = waiting(client, gate, codes)
        wait_for(lambda: len(manager.children()) >= STORED, 'a full store')
        wait_for(lambda: len(manager.names()) == STORED * 3 + len(KEPT), 'not one more')
        assert 'no room to keep' in manager.log()
        manager.ask('process.kill', process=next(iter(children)))
        wait_for(lambda: len(manager.children()) == STORED and next(iter(children)) not in manager.children(),
                 'another one in its place')
        taken_over(manager, all_die)
        gate.open()
        same(codes_of(manager, list(children)[1:]), codes[1:] if PIDFD_INFO_EXIT else [None] * (count - 1))
        wait_for(lambda: manager.names() == KEPT, 'an empty store')


def test_who_is_stored_when():
    """Nobody who is young, and nothing wakes up a keeper that has nothing to store."""
    with Manager() as manager:
        manager.start()
        with manager.client() as client:
            for _ in range(50):
                client.exitcode(client.spawn('/bin/true')['id'])
            same(manager.names(), KEPT, 'after short ones')
            client.spawn('/bin/sleep', '1000')
            same(manager.names(), KEPT, 'at once')
            wait_for(lambda: len(manager.children()) == 1, 'after a second')
            keeper = client.call('daemon.info')['pid']
            wait_for(lambda: not wakes(keeper, 1), 'a keeper at rest', step=0)


def wakes(pid, seconds):
    """How often it has been woken up meanwhile."""
    def count():
        with open('/proc/%d/status' % pid, encoding='utf-8') as file:
            return int(next(line for line in file if line.startswith('voluntary_ctxt')).split()[1])
    before, event = count(), threading.Event()
    event.wait(seconds)
    return count() - before


# ---------------------------------------------------------------- what is held and waited for

@both_ways
def check_locks_and_waiters(manager, way):
    """Whatever is held is held, tokens and order go on, who waits with a key gets it."""
    scene = Scene(manager)
    taken_over(manager, way)
    scene.holder.do('drop')
    scene.waiter.do('drop')
    scene.ask()
    scene.goes_on()
    scene.end()


@both_ways
def check_a_holder_dies_meanwhile(manager, way):
    """It holds nothing any more, and the next one is told; one that lives holds on."""
    dead, alive = Peer(manager.path), Peer(manager.path)
    with manager.client() as client:
        for name in 'ab':
            client.call('object.create', kind='lock', name=name, persist=True)
    dead.call('lock.acquire', name='a')
    token = alive.call('lock.acquire', name='b')['token']
    taken_over(manager, way, dead.kill)
    with manager.client() as client:
        same(client.call('lock.acquire', name='a', timeout=SOON)['abandoned'], True)
        same(client.call('lock.acquire', name='b', timeout=0)['acquired'], False)
        same(client.call('object.info', name='b')['holders'][0]['token'], token)
    alive.kill()
    with manager.client() as client:
        same(client.call('lock.acquire', name='b', timeout=SOON)['abandoned'], True)


class Word:
    """A lock's word in the memory that a client shares with the daemon: see proto/page.h."""
    def __init__(self, manager, client, name):
        client.call('object.create', kind='lock', name=name, persist=True)
        reply = client.reply(client.start('object.map', name=name, holder='h'))
        self.at, self.slot = reply['result']['word'] * 64, reply['result']['slot']
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, reply['_fds'][0])
            self.page = mmap.mmap(reply['_fds'][0], 0)
        # a front that dies may take with it what it has not passed on
        wait_for(lambda: any(name.startswith('page-') for name in manager.names()), 'its page in the store')

    def value(self):
        return struct.unpack_from('<Q', self.page, self.at)[0]

    def put(self, owner, depth):
        """Nobody else moves it meanwhile."""
        struct.pack_into('<Q', self.page, self.at, self.value() >> 40 << 40 | depth << 28 | owner)

    def is_gone(self):
        return self.value() & 0xfff0003fff == 0xfff0003fff


@both_ways
def check_a_lock_in_memory(manager, way):
    """Its word says who holds it, which the daemon was never told: whoever comes next sees it."""
    with manager.client() as client:
        word = Word(manager, client, 'm')
        word.put(word.slot, 1)
        for _ in range(2):
            taken_over(manager, way)
            with manager.client() as again:
                same(again.call('lock.acquire', name='m', timeout=0)['acquired'], False)
                same(again.call('object.info', name='m')['holders'][0]['holder'], 'h')
        word.put(0, 0)
        taken_over(manager, way)
        same(manager.ask('lock.acquire', name='m', timeout=0)['acquired'], True)


def test_a_lock_in_memory_is_of_an_epoch():
    """Whoever has it mapped sees that nobody looks after it any more, and asks."""
    with Manager() as manager:
        manager.start()
        for harm in ('state', 'ledger'):
            with manager.client() as client:
                word = Word(manager, client, harm)
                word.put(word.slot, 1)
                taken_over(manager, all_die, lambda name=harm: manager.drop(name), epoch=False)
                assert word.is_gone(), 'it is open'
                same(manager.ask('lock.acquire', name=harm, timeout=0)['acquired'], True)


@both_ways
def check_events_since(manager, way):
    """Neither hole nor repeat."""
    with manager.client() as client:
        since = client.call('process.list')['seq']
        for _ in range(5):
            client.exitcode(client.spawn('/bin/true')['id'])
    taken_over(manager, way)
    process, _ = sleeper(manager)
    with manager.client() as client:
        answer = client.call('events.subscribe', since=since)
        same(answer['gap'], False)
        event = client.event()
        for _ in range(client.call('daemon.info')['seq'] - since - 1):
            following = client.event()
            same(following['seq'], event['seq'] + 1)
            event = following
        same(event['process'] if 'process' in event else process, process)


@both_ways
def check_joiners_go_on(manager, way):
    """Blocked before, and answered after."""
    with Gate() as gate, manager.client() as client:
        child = [*waiting(client, gate, [7])][0]
        answers, joiner = [], Lasting(manager.path)
        thread = threading.Thread(
            target=lambda: answers.append(joiner.call('process.join', 'k', process=child)))
        thread.start()
        wait_for(lambda: client.call('daemon.info')['connections'] == 2, 'its connection')
        taken_over(manager, way)
        gate.open()
        thread.join(SOON)
        same([each['exitcode'] for each in answers], [7 if tells(way) else None])


@both_ways
def check_a_daemon_process(manager, way):
    """It ends with its creator, though that dies while there is no keeper."""
    creator = Peer(manager.path)
    child = creator.call('process.spawn', argv=['/bin/sleep', '1000'], daemon=True)
    taken_over(manager, way, creator.kill)
    wait_for(lambda: is_dead(child['pid']), 'its end')


@both_ways
def check_terminals(manager, way):
    """They are open as before, and logged; who was attached finds the lease at its end, and asks again."""
    echo = 'stty -echo; while read x; do echo "got $x"; done'
    with manager.client() as client:
        one = spawn_attached(client, echo)
        alone = client.sh(echo, **PTY)['id']
        wait_for(lambda: sorted(manager.children()) == sorted([one.info['id'], alone]), 'the store')
        one.type('a\n')
        one.until('got a')
        taken_over(manager, way)
        assert one.is_over(), 'of the old keeper'
        one.type('b\n')
    with one, manager.client() as again:
        for process in (one.info['id'], alone):
            with attach(again, process) as other:
                other.type('c\n')
                other.until('got c')
            with attach(again, process) as other:
                other.type('d\n')
            wait_for(lambda each=process: 'got d' in pty_lines(again, each), 'the log')
            with attach(again, process) as other:
                other.type('\x04')
                again.join(process)
                assert other.is_over()
        wait_for(lambda: manager.names() == KEPT, 'an empty store')


def test_what_a_terminal_has_given():
    """It is in the log once, wherever between reading and writing it the keeper is killed."""
    says = 'trap "echo once" USR1; echo; while :; do sleep 0.02; done'
    with Manager() as manager:
        manager.start()
        for call, when in [('read', 1), ('pwrite64', 1), ('pwrite64', 2), ('epoll_wait', 1),
                           ('epoll_wait', 2)]:
            with manager.client() as client:
                tty, keeper = client.sh(says, **PTY), manager.info()['pid']
                wait_for(lambda process=tty['id']: pty_lines(client, process) == [''], 'its trap')
                with Strace(keeper, manager.dir + '/strace', 'trace=' + call,
                            'inject=%s:signal=KILL:when=%d' % (call, when)):
                    os.kill(tty['pid'], signal.SIGUSR1)
                    wait_for(lambda pid=keeper: is_dead(pid), 'its end at %s number %d' % (call, when))
            with manager.client() as client:
                manager.keepers.add(manager.info()['pid'])
                wait_for(lambda process=tty['id']: pty_lines(client, process)[1:] == ['once'],
                         'what it gave, where %s number %d had the keeper killed' % (call, when))
                os.kill(tty['pid'], signal.SIGUSR1)
                wait_for(lambda process=tty['id']: len(pty_lines(client, process)) > 2, 'more')
                same(pty_lines(client, tty['id']), ['', 'once', 'once'], 'killed at %s %d' % (call, when))
                client.call('process.kill', process=tty['id'])


# ---------------------------------------------------------------- what was under way

def spawn_at_a_fifo(manager, client, *argv):
    """Its child waits for somebody to open the other end: the request, the path, the child's pid."""
    path = os.path.join(manager.dir, 'fifo-%d' % len(os.listdir(manager.dir)))
    os.mkfifo(path)
    params = {'argv': list(argv), 'stdin': {'file': path}, '_key': path, 'cwd': manager.dir}
    keeper = client.call('daemon.info')['pid']
    before = set(quick_children_of(keeper))
    client.start('process.spawn', **params)
    child = wait_for(lambda: set(quick_children_of(keeper)) - before, 'the child').pop()
    # its working directory is the last thing before
    there = '/proc/%d/cwd' % child
    wait_for(lambda: os.readlink(there) == manager.dir and stat_of(child)[1] == 'S', 'its open')
    return params, path, child


def open_fifo(path):
    os.close(os.open(path, os.O_WRONLY))


@both_ways
def check_a_spawn_under_way(manager, way):
    """It happens once, whenever it comes to its exec, and fails as it would have failed."""
    with manager.client() as client, Lasting(manager.path) as last:
        for between in (True, False):
            good, path, _ = spawn_at_a_fifo(manager, client, '/bin/sh', '-c', 'read x; exit 4')
            bad, other, _ = spawn_at_a_fifo(manager, client, '/nonexistent')
            taken_over(manager, way, lambda: between and (open_fifo(path), open_fifo(other)))
            if not between:
                assert not is_dead(manager.info()['pid'])
                open_fifo(path)
                open_fifo(other)
            fails('SpawnFailed', lambda: last.call('process.spawn', **bad), errno='ENOENT', stage='exec')
            made = last.call('process.spawn', **good)
            code = last.call('process.join', process=made['id'])['exitcode']
            assert code in (4, None) and (code == 4 or way is all_die), code
            same([each['id'] for each in last.call('process.list')['processes']].count(made['id']), 1)
            client.close()
            client = manager.client()


@both_ways
def check_a_spawn_that_is_killed(manager, way):
    """Before its exec: nothing has begun."""
    with manager.client() as client, Lasting(manager.path) as last:
        spawn, _, child = spawn_at_a_fifo(manager, client, '/bin/true')
        taken_over(manager, way, lambda: os.kill(child, signal.SIGKILL))
        fails('SpawnFailed', lambda: last.call('process.spawn', **spawn), errno='ECANCELED', stage='stdio')
        same(last.call('process.list')['processes'], [])


@both_ways
def check_ends_that_nobody_was_told_of(manager, way):
    """The broker did not listen: the ledger has them, and they are told once."""
    with manager.client() as client, Gate() as gate:
        children = waiting(client, gate, [11, 12, 0])
        info = client.call('daemon.info')
        os.kill(info['broker_pid'], signal.SIGSTOP)
        gate.open()
        wait_for(lambda: all(stat_of(pid) is None for pid in children.values()), 'that they are waited for')
        # a broker that is stopped does not see the end of its link: the next keeper ends it
        os.kill(manager.main, signal.SIGSTOP)
        manager.hear()
        manager.kill(*([info['pid']] if way is front_goes_on else [info['pid'], manager.main]))
        wait_for(lambda: is_dead(info['pid']), 'the end of the keeper')
        if way is front_goes_on:
            os.kill(manager.main, signal.SIGCONT)
        else:
            wait_for(lambda: manager.ended() is not None, 'the end of the main process')
            manager.start()
    after = manager.info()
    manager.keepers.add(after['pid'])
    same(after['epoch'], info['epoch'])
    assert is_dead(info['broker_pid']), 'the old broker lives on'
    same(codes_of(manager, children), [11, 12, 0])
    with manager.client() as client:
        client.call('events.subscribe', since=0, kinds=['process.exited'])
        same([client.event()['exitcode'] for _ in children].sort(), [0, 11, 12].sort())
        client.call('daemon.ping')
        same(len(client.events), 0, 'told once')


# ---------------------------------------------------------------- again, and after other things

@both_ways
def check_again_and_again(manager, way):
    """Each takes over from the last one: nothing gets lost or grows."""
    process, pid = sleeper(manager)
    accounts = None
    for turn in range(6):
        after = taken_over(manager, way)
        done = manager.ask('process.spawn', argv=['/bin/sh', '-c', 'exit %d' % turn])['id']
        same(manager.ask('process.join', process=done)['exitcode'], turn)
        manager.ask('process.close', process=done)
        wait_for(lambda: manager.children() == [process], 'the store')
        accounts = accounts or descriptors(after['pid'])
        wait_for(lambda: descriptors(after['pid']) == accounts, 'the same descriptors', limit=5)
    if tells(way):
        ends_with_its_status(manager, process, pid)
    same(manager.end(signal.SIGTERM), 0, 'exit status')
    assert 'Sanitizer' not in manager.log(), manager.log()


@both_ways
def check_with_a_restart_between(manager, way):
    """The exec of a keeper that has taken over hands all of it on, and the other way round."""
    process, pid = sleeper(manager)
    for _ in range(2):
        after = taken_over(manager, way)
        manager.ask('daemon.restart')
        wait_for(lambda: manager.info()['restarts'] == after['restarts'] + 1, 'another broker')
        same(manager.info()['pid'], after['pid'])
    wait_for(lambda: manager.children() == [process], 'the store')
    if tells(way):
        ends_with_its_status(manager, process, pid)
    wait_for(lambda: manager.names() == KEPT, 'an empty store')


def test_a_new_main_process_between():
    """The front that has inherited the children is gone: the kernel tells, or nobody."""
    with Manager() as manager:
        manager.start()
        process, pid = sleeper(manager)
        after = taken_over(manager, front_goes_on)
        manager.orphans.add(pid)
        same(manager.end(signal.SIGUSR1), 0)
        manager.start()
        same(manager.info()['pid'], after['pid'])
        if PIDFD_INFO_EXIT:
            ends_with_its_status(manager, process, pid)
        other, pid = sleeper(manager)
        taken_over(manager, front_goes_on)  # which is not the parent of that keeper
        manager.orphans.add(pid)
        if PIDFD_INFO_EXIT:
            ends_with_its_status(manager, other, pid)


def test_a_socket_of_its_own():
    """It is kept as well: who connects while there is no keeper waits for the next one."""
    for way in WAYS.values():
        with Manager(activates=False) as manager:
            manager.start()
            same(manager.names(), sorted([*KEPT, 'listen']))
            process, pid = sleeper(manager)
            early = []
            taken_over(manager, way, lambda: early.append(manager.client()))
            same(early[0].call('daemon.ping'), {})
            if tells(way):
                ends_with_its_status(manager, process, pid)
            same(manager.end(signal.SIGTERM), 0)
            assert not os.path.exists(manager.path), 'the socket is left behind'


def test_nothing_is_kept_after_the_end():
    """Children that were left running are not another keeper's; nor is anything after a stop."""
    with Manager() as manager:
        manager.start()
        _, pid = sleeper(manager)
        wait_for(manager.children, 'the store')
        manager.ask('daemon.stop', mode='detach')
        wait_for(lambda: [name for name in manager.names() if name != 'keeper'] == [], 'an empty store')
        os.kill(pid, signal.SIGUSR1)
        wait_for(lambda: manager.ended() is not None, 'the end')
        manager.start()
        same(manager.ask('process.list')['processes'], [])
        same(manager.end(signal.SIGTERM), 0)
        same([name for name in manager.names() if name != 'keeper'], [])


# ---------------------------------------------------------------- what processes write

WRITES = ('go() { until [ -e $1 ]; do sleep 0.02; done; }; seq 1 100; printf 10; go a; echo 1; '
          'seq 102 60000; go b; seq 60001 60100; go c; exit 7')


@both_ways
def check_writers(manager, way):
    """Without a keeper they wait, and none dies of it. No line is lost or doubled, and one that has begun
    goes on; also when the process has ended and a child of it writes."""
    def open_gate(name):
        with open('%s/%s' % (manager.dir, name), 'w'):
            pass

    def writes():
        open_gate('a')
        wait_for(lambda: any(comm_of(pid) == 'seq' for pid in quick_children_of(info['pid'])), 'a writer')

    with manager.client() as client, Gate() as gate:
        info = client.spawn('/bin/sh', '-c', WRITES, cwd=manager.dir)
        process = info['id']
        heir = client.spawn('/bin/sh', '-c', '(%s) & read x' % HEIR, cwd=manager.dir, _fds=gate.fds,
                            stdin=gate.stdin)['id']
        wait_for(lambda: process in manager.children() and len(pipes(manager)) == 4, 'the store')
        gate.open()
        same(client.join(heir)['exited'], True)
    taken_over(manager, way, writes)
    with manager.client() as client:
        wait_for(lambda: last_text(client, process) == '60000', 'the last line')
    taken_over(manager, way, lambda: open_gate('b'))
    open_gate('c')
    same(codes_of(manager, [process]), [7 if tells(way) else None])
    with manager.client() as client:
        check_numbers(lines(client, process), 1, 60100)
        wait_for(lambda: os.path.exists(manager.dir + '/e'), 'the heir')
        wait_for(lambda: texts(client, heir) == [('stdout', 'one'), ('stderr', 'two')], 'what the heir says')
    wait_for(lambda: manager.names() == KEPT, 'an empty store')


HEIR = 'until [ -e c ]; do sleep 0.02; done; echo one; echo two >&2; echo >e'


def pipes(manager):
    return [name for name in manager.names() if name.startswith('log-')]


def comm_of(pid):
    try:
        with open('/proc/%d/comm' % pid) as file:
            return file.read().strip()
    except OSError:
        return None


# ---------------------------------------------------------------- what a process begins again from

APPENDS = 'echo one; echo two >&2; exec sleep 1000'


def runs(manager, process, restarts):
    """Waits until it runs for the how-manieth time, and returns its pid."""
    def reached():
        found = manager.ask('process.info', process=process)
        return found['state'] == 'running' and found['restarts'] == restarts and found['pid']
    return wait_for(reached, 'run %d' % restarts)


def tickets(manager):
    return [name for name in manager.names() if name.startswith('ticket-')]


@both_ways
def check_a_restart_policy_goes_on(manager, way):
    """As it was asked for, with the same descriptors, of which two are one and the same."""
    with manager.client() as client, open(manager.dir + '/out', 'w+b') as out:
        process = client.spawn('/bin/sh', '-c', APPENDS, restart=QUICK, cwd=manager.dir, env={'A': 'b'},
                               _fds=[out.fileno(), out.fileno()], stdout={'fd': 0}, stderr={'fd': 1})['id']
        pids = [runs(manager, process, 0)]
        wait_for(lambda: started(pids[0], b'sleep'), 'its last program')
        for restarts in (1, 2):
            # a front that dies may take with it what it has not passed on
            wait_for(lambda: len(tickets(manager)) == 1, 'the ticket in the store')
            taken_over(manager, way)
            same(len(tickets(manager)), 1, 'tickets')
            os.kill(pids[-1], signal.SIGKILL)
            pids.append(runs(manager, process, restarts))
            environment = wait_for(lambda: started(pids[-1], b'sleep'), 'its last program')
            same(environment[b'A'], b'b')
            same(os.readlink('/proc/%d/cwd' % pids[-1]), manager.dir)
        os.kill(pids[-1], signal.SIGKILL)  # by the same keeper
        runs(manager, process, 3)
        wait_for(lambda: out.seek(0) == 0 and out.read() == b'one\ntwo\n' * 4, 'what each run says')
        same(manager.ask('process.stop', process=process)['exited'], True)
        wait_for(lambda: not tickets(manager), 'no ticket')
        same(manager.ask('process.info', process=process)['restarts'], 3)


def started(pid, name):
    """The environment of a process that has become that program."""
    with open('/proc/%d/cmdline' % pid, 'rb') as file:
        if not file.read().startswith(name):
            return None
    with open('/proc/%d/environ' % pid, 'rb') as file:
        return dict(each.split(b'=', 1) for each in file.read().split(b'\0') if each)


@both_ways
def check_between_two_runs(manager, way):
    """A pause goes on; and where the end came while there was no keeper, it begins with that."""
    first = manager.ask('process.spawn', argv=['/bin/sh', '-c', 'exit 3'],
                        restart={'policy': 'on-failure', 'delay': 1, 'factor': 1, 'max_tries': 2})['id']
    second = manager.ask('process.spawn', argv=['/bin/sleep', '1000'], restart=QUICK)
    wait_for(lambda: manager.ask('process.info', process=first)['state'] == 'restarting', 'a pause')
    taken_over(manager, way, lambda: os.kill(second['pid'], signal.SIGKILL))
    runs(manager, second['id'], 1)
    same(manager.ask('process.join', process=first, timeout=20)['exitcode'], 3)
    same(manager.ask('process.info', process=first)['restarts'], 2)
    manager.ask('process.kill', process=second['id'])


@both_ways
def check_a_policy_that_ends_with_the_keeper(manager, way):
    """More descriptors than are kept: who is left out lives on, and is not started again. This is said."""
    with manager.client() as client, open('/dev/null', 'rb') as null:
        since = client.call('daemon.info')['seq']
        made = [client.spawn('/bin/sleep', '1000', restart=QUICK, _fds=[null.fileno()] * 64,
                             fds=[[at, at + 10] for at in range(64)]) for _ in range(9)]
    wait_for(lambda: len(tickets(manager)) == 7, 'as many as there is room for')
    assert 'process %d: its restart policy ends with this keeper' % made[7]['id'] in manager.log()
    taken_over(manager, way)
    assert 'and its restart policy ends' in manager.log()
    for each in made:
        os.kill(each['pid'], signal.SIGKILL)
    for each in made[:7]:
        runs(manager, each['id'], 1)
        manager.ask('process.kill', process=each['id'])
    with manager.client() as client:
        for each in made[7:]:
            client.call('events.subscribe', since=since, kinds=['process.*'], process=each['id'])
            same(client.join(each['id'])['exited'], True)
            told = [client.event() for _ in range(4)]
            same([event['kind'] for event in told],
                 ['process.' + kind for kind in ('spawned', 'restarting', 'spawn_failed', 'exited')])
            same((told[2]['errno'], told[2]['stage']), ('ENOENT', 'ticket'))


@both_ways
def check_readiness(manager, way):
    """Said before, while there is no keeper, and after that."""
    with manager.client() as client, contextlib.ExitStack() as stack:
        since = client.call('daemon.info')['seq']
        gates = [stack.enter_context(Gate()) for _ in range(3)]
        script = 'read x; %s; echo >said-$0; exec sleep 1000' % say('READY=1')
        made = [client.spawn('/bin/sh', '-c', script, str(at), _fds=gate.fds, stdin=gate.stdin, notify=True,
                             cwd=manager.dir)['id'] for at, gate in enumerate(gates)]

        def said(at):
            gates[at].open()
            wait_for(lambda: os.path.exists('%s/said-%d' % (manager.dir, at)), 'READY=1')
        said(0)
        same(client.call('process.wait', processes=made[:1], **{'for': 'ready'}, timeout=20),
             {'done': made[:1]})
        taken_over(manager, way, lambda: said(1))
        for process in made[:2]:
            manager.ask('process.wait', processes=[process], **{'for': 'ready'}, timeout=20)
            same(manager.ask('process.info', process=process)['state'], 'ready')
        same(manager.ask('process.info', process=made[2])['state'], 'running')
        said(2)
        taken_over(manager, way)
    with manager.client() as client:
        same(client.call('process.wait', processes=made, mode='all', **{'for': 'ready'}, timeout=20),
             {'done': made})
        client.call('events.subscribe', since=since, kinds=['process.ready'])
        same([client.event()['process'] for _ in made], made, 'each of them once')
        for process in made:
            client.call('process.kill', process=process)
    wait_for(lambda: not [name for name in manager.names() if name.startswith('notify-')], 'an empty store')
    same([name for name in os.listdir(manager.dir) if '.n' in name], [], 'names of sockets')


# ---------------------------------------------------------------- at any moment

def keeper_of(manager):
    manager.hear()
    return manager.info()['pid']


def test_the_keeper_is_killed_at_each_system_call():
    """Who asks again with a key sees no difference."""
    with Manager() as manager:
        manager.start()
        manager.supervises = True
        want, points = survey(manager, keeper_of)
        killed_at_each(manager, points if LONG else points[::3], want, keeper_of)


test_the_keeper_is_killed_at_each_system_call.limit = 7000 if LONG else 250


def kill_one(manager, chance):
    """The keeper; in one of four cases, where `chance` is given, its front, too. The seconds until the next
    one answers."""
    before = manager.info()
    manager.hear()
    victims = [before['pid']]
    if chance and chance.randrange(4) == 0:
        victims.insert(chance.randrange(2), manager.main)
    begin = time.monotonic()
    manager.kill(*victims)
    after = wait_for(lambda: serves(manager, before['pid']), 'another keeper', step=0.001)
    manager.keepers.add(after['pid'])
    same(after['epoch'], before['epoch'])
    return time.monotonic() - begin


def serves(manager, old):
    with manager.client() as client, contextlib.suppress(AssertionError, Closed):
        info = client.result(client.start('daemon.info'), limit=0.5)
        return info['pid'] != old and info
    return None


class Again:
    """A process that begins again and again, and never twice at a time."""
    def __init__(self, manager):
        self.manager, self.path = manager, manager.dir + '/runs'
        script = 'exec 9>>%s; flock -n 9 || exit 9; echo >&9; sleep 0.01; exit 1' % self.path
        self.process = manager.ask('process.spawn', argv=['/bin/sh', '-c', script], restart=QUICK)['id']

    def end(self):
        """However many runs there were, the last one had an end, and it is told how many."""
        before = runs_of(self.path)
        wait_for(lambda: runs_of(self.path) > before + 2, 'more of its runs')
        same(self.manager.ask('process.stop', process=self.process)['exited'], True)
        found = self.manager.ask('process.info', process=self.process)
        assert found['exitcode'] != 9, 'two runs at a time'
        assert found['restarts'] + 1 >= runs_of(self.path) > 3, (found, runs_of(self.path))


def kill_under_load(chance, kills, with_front):
    """Children, statuses, events, locks and those who wait for them."""
    with Manager() as manager:
        manager.start()
        manager.supervises = True
        gates, locks = [Gate() for _ in range(GATES)], ['crash-%d' % i for i in range(4)]
        with manager.client() as client:
            for lock in locks:
                client.call('object.create', kind='lock', name=lock, persist=True)
            since = client.call('daemon.info')['seq']
        want = begin_children(manager, gates)
        again = Again(manager)
        watcher, joiner = Watcher(manager, since), Joiner(manager, list(want))
        lockers, took = Lockers(manager, locks, LOCKERS), []
        watcher.start()
        joiner.start()
        wait_for(lockers.turns, 'the first turn')
        try:
            for kill in range(kills):
                moment = time.monotonic() + chance.random() * 0.1
                wait_for(lambda: time.monotonic() >= moment, step=0.001)
                if kill % max(1, kills // GATES) == 0 and gates:
                    gates.pop().open()
                if kill % 4 == 0:
                    lockers.kill_one(chance)
                took.append(kill_one(manager, chance if with_front else None))
            while gates:
                gates.pop().open()
            again.end()
            lockers.end()
            joiner.join(SOON)
            wait_for(lambda: sum(watcher.exits.values()) > len(want), 'the last event')
        finally:
            watcher.stop = True
            watcher.join(SOON)
            for each in lockers.alive:
                each.kill()
                each.wait()
        if with_front:  # whose status nobody can know is unknown, and told so
            lost = [process for process, code in joiner.codes.items() if code is None]
            print('%d of %d statuses are unknown' % (len(lost), len(want)))
            want.update(dict.fromkeys(lost))
        for end in [end for end in watcher.exits if end[0] == again.process]:
            same(watcher.exits.pop(end), 1, 'its end is told once')
        judge(manager, want, joiner, watcher, lockers, locks)
        took.sort()
        print('%d keepers killed, the next one serves after %.1f ms (median), %.1f (most)'
              % (kills, took[kills // 2] * 1e3, took[-1] * 1e3))


def test_nothing_is_lost_under_load():
    kill_under_load(random.Random(5), KILLS, False)


def test_nothing_is_lost_under_load_with_the_front():
    kill_under_load(random.Random(6), KILLS // 2, True)


for _each in (test_nothing_is_lost_under_load, test_nothing_is_lost_under_load_with_the_front):
    _each.limit = 3000 if LONG else 150


# ---------------------------------------------------------------- what cannot be taken over

def kept(manager, name):
    return next(fd for each, fd in manager.store if each == name)


def begins_anew(manager, harm, *words, knows=False):
    """harm() what is in the store: another epoch, said loudly. knows: processes are known all the same."""
    process, pid = sleeper(manager)
    wait_for(manager.children, 'the store')
    token = manager.ask('lock.acquire', name='a')['token']
    taken_over(manager, all_die, harm, epoch=False)
    log = manager.log()
    assert all(word in log for word in words), log
    same('<3>' in log, bool(words), 'errors in the log')
    assert not is_dead(pid), 'its child has died'
    same([each['id'] for each in manager.ask('process.list')['processes']], [process] if knows else [])
    assert manager.ask('lock.acquire', name='a', timeout=0)['token'] > token
    if knows and PIDFD_INFO_EXIT:
        ends_with_its_status(manager, process, pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: manager.names() == KEPT, 'a store without what is of no use')


def test_a_damaged_ledger():
    with Manager() as manager:
        manager.start()
        begins_anew(manager, lambda: os.pwrite(kept(manager, 'ledger'), b'not what it was', 0),
                    'cannot be taken over')
        taken_over(manager, all_die)


def test_a_cut_ledger():
    with Manager() as manager:
        manager.start()
        begins_anew(manager, lambda: os.ftruncate(kept(manager, 'ledger'), 100000), 'cannot be taken over')


def test_a_ledger_of_another_format():
    with Manager() as manager:
        manager.start()
        begins_anew(manager, lambda: os.pwrite(kept(manager, 'ledger'), b'\xff', 16), 'cannot be taken over')


def test_without_the_ledger():
    with Manager() as manager:
        manager.start()
        begins_anew(manager, lambda: manager.drop('ledger'), 'cannot be taken over')


def test_without_the_state():
    """The table is there: processes are known, by their names and numbers."""
    with Manager() as manager:
        manager.start()
        begins_anew(manager, lambda: manager.drop('state'), 'the state is lost', knows=True)
        taken_over(manager, all_die)


def test_a_damaged_state():
    with Manager() as manager:
        manager.start()
        begins_anew(manager, lambda: os.pwrite(kept(manager, 'state'), b'x' * 200, 4096), 'EMPTY state',
                    knows=True)


def test_another_build():
    """It reads the table, and not the journal: only who has written one replays it."""
    with Manager() as manager:
        manager.start()
        def harm():
            manager.program = NEWER
            manager.drop('program')
        begins_anew(manager, harm, 'another build', knows=True)
        same(manager.info()['version'], 'newer')


def test_the_same_program_takes_over():
    """Whatever the front's is, and what is installed meanwhile: the journal is its own."""
    with Manager() as manager:
        manager.start()
        old, (process, pid) = manager.info()['version'], sleeper(manager)
        scene = Scene(manager)
        manager.program = NEWER
        taken_over(manager, all_die)
        same(manager.info()['version'], old)
        same(scene.facts(), scene.before)
        scene.end()
        if PIDFD_INFO_EXIT:
            ends_with_its_status(manager, process, pid)


@both_ways
def check_after_an_upgrade(manager, way):
    """The keeper was newer than its front, and so is the next one."""
    old = manager.info()['version']
    manager.program = shutil.copy(PROCD, os.path.join(manager.dir, 'procd'))
    manager.end(signal.SIGTERM)
    manager.start()
    process, pid = sleeper(manager)
    os.rename(shutil.copy(NEWER, manager.program + '.new'), manager.program)
    manager.ask('daemon.restart')
    wait_for(lambda: manager.info()['version'] == 'newer', 'the newer one')
    os.rename(shutil.copy(PROCD, manager.program + '.new'), manager.program)
    scene = Scene(manager)
    for _ in range(2):
        taken_over(manager, way)
        same(manager.info()['version'], 'newer')
    same(scene.facts(), scene.before)
    scene.end()
    manager.ask('daemon.restart')
    wait_for(lambda: manager.info()['version'] == old, 'the older one')
    if tells(way):
        ends_with_its_status(manager, process, pid)


# ---------------------------------------------------------------- without a manager

@options(allow=['.'])
def test_what_was_just_before_an_upgrade():
    """What the old program saw last, and told nobody, the keeper after the new one knows."""
    with Manager() as manager:
        manager.start()
        with manager.client() as client:
            # its tree is there for longer than it is
            process = client.sh('trap "" HUP; sleep 1000 </dev/null >/dev/null 2>&1 & echo $!')['id']
            client.join(process)
            left = int(wait_for(lambda: last_text(client, process), 'the number of the rest'))
        before = manager.info()
        late = 'inject=waitid:delay_enter=200000'
        with Strace(before['pid'], manager.dir + '/strace', 'trace=waitid', late), manager.client() as client:
            client.start('daemon.restart')
            wait_for(lambda: is_dead(before['broker_pid']), 'the end of its broker')
            os.kill(left, signal.SIGKILL)  # before the keeper has looked
            wait_for(lambda: manager.info()['broker_pid'] != before['broker_pid'], 'the new one')
        process, pid = sleeper(manager)
        taken_over(manager, front_goes_on)
        ends_with_its_status(manager, process, pid)


def test_without_a_manager(daemon):
    """The broker ends, and leaves nothing; a new daemon has another epoch. Children go on, and nobody's."""
    before, child = daemon.info(), daemon.ask('process.spawn', argv=['/bin/sleep', '1000'])
    client = daemon.connect()
    os.kill(before['pid'], signal.SIGKILL)
    assert client.gone(), 'the connection is open'
    wait_for(lambda: is_dead(before['broker_pid']), 'the end of the broker', limit=10)
    log = daemon.log()
    assert not any(line.startswith('<3>') for line in log.splitlines()), log
    assert not is_dead(child['pid']), 'its child has died'
    daemon.process.wait()
    daemon.start()
    assert daemon.info()['epoch'] != before['epoch'], 'the same epoch'
    same(daemon.ask('process.list')['processes'], [])
    os.kill(child['pid'], signal.SIGKILL)


if without_libsystemd():
    print('this daemon was built without libsystemd')
    sys.exit(77)
if __name__ == '__main__':
    main()
