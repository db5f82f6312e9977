#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ends: bursts of them, what they leave, trees that outlive their root, and numbers that come again."""
import os
import shutil
import signal
import subprocess
import sys
import time

from clients import Client, Gate, Peer, same, wait_for, windowed
from harness import LONG, Skip, is_dead, main, options, targets_of

IGNORE = 'trap "" TERM; '


def sleeper_of(client, script, **params):
    """Runs a shell script whose first line of output is a pid: (info, that pid)."""
    read, write = os.pipe()
    try:
        info = client.sh(script, _fds=[write], stdout={'fd': 0}, **params)
    finally:
        os.close(write)
    with open(read, encoding='ascii') as stream:
        return info, int(stream.readline())


# ---------------------------------------------------------------- bursts

def test_1000_exits_at_once(daemon):
    """1,000 children wait on one pipe and are released at once: every exit code is right, once."""
    with Client(daemon.path) as client, Client(daemon.path) as joiner, Gate() as gate:
        client.call('events.subscribe', kinds=['process.exited'])
        ids = []
        for first in range(0, 1000, 100):
            scripts = ['read x; exit %d' % (i % 256) for i in range(first, first + 100)]
            numbers = [client.start('process.spawn', _fds=gate.fds, argv=['/bin/sh', '-c', script],
                                    stdin=gate.stdin) for script in scripts]
            ids += [client.result(number)['id'] for number in numbers]
        joins = [joiner.start('process.join', process=each) for each in ids]
        assert joiner.pending(*joins)
        same(client.call('daemon.info')['processes'], {'running': 1000, 'ended': 0})
        gate.open()
        same([joiner.result(number)['exitcode'] for number in joins], [i % 256 for i in range(1000)])
        told = [client.event() for _ in range(1000)]
        same(sorted((event['process'], event['exitcode']) for event in told),
             [(each, i % 256) for i, each in enumerate(ids)])
        same(client.call('daemon.info')['processes'], {'running': 0, 'ended': 1000})


def keeps_its_cgroup_open(daemon, pid):
    """Has the keeper a descriptor of the folder of its cgroup?"""
    for folder in targets_of(daemon.keeper_pid).values():
        try:
            with open(os.path.join(folder, 'cgroup.procs'), encoding='ascii') as file:
                if str(pid) in file.read().split():
                    return True
        except OSError:
            continue
    return False


@options(root=True)
def test_cgroups_are_hot_again_after_a_burst(daemon):
    """Of more children at once than keep their cgroups open some do not: that must not be for good."""
    if not daemon.cgroups():
        raise Skip('there are no cgroups here')
    for _ in range(3):
        with Client(daemon.path) as client:
            with Gate() as gate:
                argv = ['/bin/sh', '-c', 'read x']
                numbers = [client.start('process.spawn', _fds=gate.fds, argv=argv, stdin=gate.stdin)
                           for _ in range(40)]
                burst = [client.result(number) for number in numbers]
                same(sum(keeps_its_cgroup_open(daemon, each['pid']) for each in burst), 8, 'hot ones')
            for each in burst:
                client.exitcode(each['id'])
            one = client.spawn('/bin/sleep', '100')
            assert keeps_its_cgroup_open(daemon, one['pid']), 'the cgroup of a single child is not hot'
            client.call('process.kill', process=one['id'])
            client.exitcode(one['id'])


def test_1000_are_killed_at_once(daemon):
    with Client(daemon.path) as client:
        spawns = windowed(client, [('process.spawn', {'argv': ['/bin/sleep', '1000']})] * 1000)
        infos = [answer['result'] for answer in spawns]
        joins = [client.start('process.join', process=info['id']) for info in infos]
        for info in infos:
            os.kill(info['pid'], signal.SIGKILL)
        same({client.result(number)['exitcode'] for number in joins}, {-9})


def spawn_and_close(client, count):
    """Spawns, joins and closes: the ids."""
    spawn = ('process.spawn', {'argv': ['/bin/true'], 'labels': {'x': 'y'}})
    ids = [answer['result']['id'] for answer in windowed(client, [spawn] * count)]
    joins = windowed(client, [('process.join', {'process': each}) for each in ids])
    same({answer['result']['exitcode'] for answer in joins}, {0})
    for answer in windowed(client, [('process.close', {'process': each}) for each in ids]):
        same(answer['result'], {})
    return ids


@options(limit=200)
def test_10000_spawns_leave_nothing(daemon):
    """Descriptors and memory are where they were, and no id is used again."""
    rounds, size = (50, 1000) if LONG else (8, 1000)
    with Client(daemon.path) as client:
        ids = spawn_and_close(client, 8500)  # what grows once has grown: the log of events is full
        levels, resident = daemon.steady_accounts(), client.call('daemon.info')['rss']
        for _ in range(rounds):
            ids += spawn_and_close(client, size)
        same(ids, sorted(set(ids)), 'ids')
        info = client.call('daemon.info')
        same(info['processes'], {'running': 0, 'ended': 0})
        wait_for(lambda: daemon.accounts() == levels, 'descriptors and children as before')
        assert daemon.sanitized() or info['rss'] < resident + (4 << 20), (resident, info['rss'])


# ---------------------------------------------------------------- trees

def test_join_is_about_the_child_stop_about_the_tree(daemon):
    with Client(daemon.path) as client:
        info, grandchild = sleeper_of(client, 'sh -c \'%s echo $$; exec sleep 1000\' & exit 4' % IGNORE)
        same(client.exitcode(info['id']), 4)
        assert not is_dead(grandchild)
        same(client.call('process.is_alive', process=info['id']), {'alive': False})
        begin = time.monotonic()
        end = client.call('process.stop', process=info['id'], grace=0.5)
        took = time.monotonic() - begin
        same(end, client.join(info['id']), 'the answer of a join')
        assert is_dead(grandchild), 'answered before the tree was gone'
        assert 0.4 < took < 5, took


def test_stop_waits_for_a_tree_that_obeys(daemon):
    with Client(daemon.path) as client:
        # the tree is asked member by member: who joins it meanwhile is asked, too
        obeys = 'trap "trap \\"\\" TERM; sleep 2; exit" TERM; echo $$; while :; do sleep 0.05; done'
        script = "sh -c '%s' & exec sleep 1000" % obeys
        info, grandchild = sleeper_of(client, script)
        end = client.call('process.stop', process=info['id'])
        same(end['signal'], 'SIGTERM')
        assert is_dead(grandchild)
        # a busy keeper sees that end later
        assert end['ended'] < time.time() - 0.2, 'the child ended well before the tree'


def test_kill_tree_and_kill_alone(daemon):
    with Client(daemon.path) as client:
        info, grandchild = sleeper_of(client, 'sleep 1000 & echo $!; wait')
        same(client.call('process.kill', process=info['id'], tree=False), {})
        same(client.exitcode(info['id']), -9)
        assert not is_dead(grandchild)
        client.call('process.stop', process=info['id'], grace=0)
        assert is_dead(grandchild)
        for method in ('process.kill', 'process.terminate'):
            info, grandchild = sleeper_of(client, 'sleep 1000 & echo $!; wait')
            client.call(method, process=info['id'])
            assert client.exitcode(info['id']) in (-9, -15)
            wait_for(lambda: is_dead(grandchild), method + ' takes the tree')


def test_a_tree_that_leaves_its_session(daemon):
    """setsid, and a parent that has ended: found by its cgroup."""
    if not daemon.cgroups():
        raise Skip('no cgroups here')
    with Client(daemon.path) as client:
        info, stray = sleeper_of(client, 'sh -c \'setsid sh -c "echo \\$\\$; exec sleep 1000" &\'; exit 0')
        same(client.exitcode(info['id']), 0)
        assert not is_dead(stray)
        same(client.call('process.stop', process=info['id'], grace=5)['exitcode'], 0)
        assert is_dead(stray)


def test_forks_during_the_kill(daemon):
    """A tree that forks as fast as it can does not get away."""
    with Client(daemon.path) as client:
        for _ in range(3):
            script = 'f() { sleep 1000 & [ $1 = 0 ] || f $(($1 - 1)) & wait; }; f 300 & f 300 & wait'
            info = client.sh(script)
            wait_for(lambda: len(session_of(info['pid'])) > 30)
            assert client.call('process.stop', process=info['id'], grace=0)['exitcode'] in (-9, -15)
            same(session_of(info['pid']), [])


def session_of(leader):
    """The living processes of a session."""
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir('/proc'))):
        try:
            if os.getsid(pid) == leader and not is_dead(pid):
                found.append(pid)
        except ProcessLookupError:
            pass
    return found


# ---------------------------------------------------------------- stop

def test_stop_with_grace(daemon):
    with Client(daemon.path) as client:
        def stop(script, spawn=None, **params):
            """(exit code, seconds) of a stop of what has said that it is ready."""
            info, _ = sleeper_of(client, script + ' echo 1; while :; do sleep 0.02; done', **(spawn or {}))
            begin = time.monotonic()
            end = client.call('process.stop', process=info['id'], **params)
            return end['exitcode'], time.monotonic() - begin

        code, took = stop('trap "exit 5" TERM;')
        assert (code, took < 3) == (5, True), (code, took)
        code, took = stop(IGNORE, grace=0.4)
        assert (code, 0.4 <= took < 3) == (-9, True), (code, took)
        code, took = stop('trap "exit 6" USR1;' + IGNORE, signal='SIGUSR1')
        assert (code, took < 3) == (6, True), (code, took)
        code, took = stop('trap "exit 7" INT;' + IGNORE, {'stop_signal': 'SIGINT'})
        assert (code, took < 3) == (7, True), (code, took)
        code, took = stop(IGNORE, {'stop_timeout': 0.3})
        assert (code, 0.3 <= took < 3) == (-9, True), (code, took)


def test_of_two_stops_the_more_impatient_counts(daemon):
    with Client(daemon.path) as client, Client(daemon.path) as other:
        info, _ = sleeper_of(client, IGNORE + 'echo 1; while :; do sleep 0.02; done')
        patient = client.start('process.stop', process=info['id'], grace=1000)
        assert client.pending(patient)
        same(other.call('process.stop', process=info['id'], grace=0.1)['exitcode'], -9)
        same(client.result(patient)['exitcode'], -9)
        same(client.call('process.stop', process=info['id'])['exitcode'], -9, 'of one that is gone')


def test_stop_of_a_stopped_process(daemon):
    with Client(daemon.path) as client:
        client.call('events.subscribe', kinds=['process.stopped', 'process.continued'])
        info = client.spawn('/bin/sleep', '1000')
        client.call('process.signal', process=info['id'], signal='SIGSTOP')
        same(client.event()['kind'], 'process.stopped')
        same(client.call('process.info', process=info['id'])['state'], 'stopped')
        client.call('process.signal', process=info['id'], signal='SIGCONT')
        same(client.event()['kind'], 'process.continued')
        same(client.call('process.info', process=info['id'])['state'], 'running')
        client.call('process.signal', process=info['id'], signal='SIGSTOP')
        same(client.event()['kind'], 'process.stopped')
        assert client.call('process.stop', process=info['id'], grace=0.2)['exitcode'] in (-15, -9)


def test_a_stop_whose_client_vanishes_goes_on(daemon):
    with Client(daemon.path) as client, Peer(daemon.path) as peer:
        info, _ = sleeper_of(client, IGNORE + 'echo 1; while :; do sleep 0.02; done')
        peer.start('process.stop', process=info['id'], grace=0.3)
        peer.kill()
        same(client.exitcode(info['id']), -9)


def test_signals(daemon):
    with Client(daemon.path) as client:
        for name, code in (('SIGUSR1', -10), (64, -64), ('SIGKILL', -9), (12, -12)):
            info = client.spawn('/bin/sleep', '1000')
            same(client.call('process.signal', process=info['id'], signal=name), {})
            same(client.exitcode(info['id']), code)
            same(client.call('process.signal', process=info['id'], signal=name), {}, 'nothing after the end')


# ---------------------------------------------------------------- numbers that come again

def test_a_pid_that_comes_again(daemon):
    """The same test in a pid namespace of its own, where pids can be chosen."""
    if os.geteuid() != 0 or not shutil.which('unshare'):
        raise Skip('needs root and unshare(1)')
    command = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child', sys.executable, __file__]
    inner = subprocess.run([*command, 'inner_pid'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           check=False, timeout=50)
    assert inner.returncode == 0, inner.stdout.decode()


def is_taken(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def next_pid(pid):
    """Without cgroups an ended child keeps its number until its session is known to be empty: the keeper
    looks every 50 ms at most, so also that long after its own start."""
    wait_for(lambda: not is_taken(pid), 'the number is free')
    with open('/proc/sys/kernel/ns_last_pid', 'w', encoding='ascii') as file:
        file.write(str(pid - 1))


def inner_pid_is_another_child(daemon):
    with Client(daemon.path) as client:
        old = client.sh('exit 3')
        client.join(old['id'])
        next_pid(old['pid'])
        new = client.spawn('/bin/sleep', '1000')
        same(new['pid'], old['pid'], 'the premise: the number came again')
        check_that_nothing_reaches(client, old)
        same(client.call('process.is_alive', process=new['id']), {'alive': True})
        same(client.call('process.info', process=new['id'])['state'], 'running')
        client.call('process.close', process=old['id'])
        os.kill(new['pid'], signal.SIGTERM)
        same(client.exitcode(new['id']), -15)


def check_that_nothing_reaches(client, old):
    """No method on an ended process touches who has its number now, nor changes what is known of it."""
    before = client.call('process.info', process=old['id'])
    for method, params in (('terminate', {}), ('kill', {}), ('kill', {'tree': False}), ('stop', {'grace': 0}),
                           ('signal', {'signal': 9}), ('signal', {'signal': 9, 'tree': True})):
        client.call('process.' + method, process=old['id'], **params)
    client.call('daemon.ping')
    same(client.call('process.info', process=old['id']), before)


def inner_pid_is_a_stranger(daemon):
    with Client(daemon.path) as client:
        old = client.sh('exit 3')
        client.join(old['id'])
        next_pid(old['pid'])
        stranger = os.fork()
        if stranger == 0:
            os.execv('/bin/sleep', ['sleep', '1000'])
        try:
            same(stranger, old['pid'], 'the premise')
            check_that_nothing_reaches(client, old)
            same(os.waitpid(stranger, os.WNOHANG), (0, 0), 'it lives')
        finally:
            os.kill(stranger, signal.SIGKILL)
            os.waitpid(stranger, 0)


def inner_pid_is_another_client(daemon):
    """A client with a dead one's pid is another client: it is not the parent, and its keys are its own."""
    def keyed(peer):
        return peer.call('process.spawn', _key='key', argv=['/bin/sleep', '1000'], daemon=True)

    with Client(daemon.path) as client:
        first = Peer(daemon.path)
        old = keyed(first)
        same(keyed(first)['id'], old['id'])
        client.call('events.subscribe', kinds=['client.gone'])
        first.kill()
        next_pid(first.pid)
        second = Peer(daemon.path)
        same(second.pid, first.pid, 'the premise')
        same(client.event()['pid'], first.pid)
        same(client.exitcode(old['id']), -15, 'it ended with its creator')
        new = keyed(second)
        assert new['id'] != old['id']
        same(new['name'], 'Process-1', 'a new client begins to count anew')
        same(client.call('process.is_alive', process=new['id']), {'alive': True})
        second.kill()
        same(client.exitcode(new['id']), -15)


def states_of(client):
    return {each['state'] for each in client.call('process.list')['processes']}


def test_many_that_stop(daemon):
    """More than are waited for one by one."""
    with Client(daemon.path) as client:
        ids = [client.spawn('/bin/sleep', '1000')['id'] for _ in range(200)]
        for name, state in (('SIGSTOP', 'stopped'), ('SIGCONT', 'running')) * 2:
            for each in ids:
                client.note('process.signal', process=each, signal=name)
            wait_for(lambda: states_of(client) == {state}, state)  # pylint: disable=cell-var-from-loop
        for each in ids:
            client.note('process.kill', process=each)
        for each in ids:
            same(client.exitcode(each), -9)


if __name__ == '__main__':
    inner = sys.argv[1:] == ['inner_pid']
    main(prefix='inner_' if inner else 'test_')
