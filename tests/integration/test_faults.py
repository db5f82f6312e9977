#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The kernel refuses what keeper and broker ask of it: the one request fails, or is served all the same."""
import os
import re
import socket
import time

from clients import SOON, Client, Closed, Gate, Rpc, fails, ready, same, wait_for
from harness import LONG, Daemon, main, options
from strace import Injection, calls_of

LARGE = {'argv': ['/bin/true', *['x' * 60000] * 2], 'labels': {'x': 'x' * 700000}}  # two of them: a new chunk
# What each call may answer. In the short run the first error of each, at the first calls.
ERRORS = {
    'keeper': {
        'accept4': 'EMFILE ENFILE ECONNABORTED EINTR ENOMEM', 'clone3': 'EAGAIN ENOMEM',
        'pipe2': 'EMFILE ENFILE', 'mmap': 'ENOMEM', 'epoll_ctl': 'ENOMEM ENOSPC', 'epoll_wait': 'EINTR',
        'openat': 'EMFILE ENFILE ENOMEM',
        'recvmsg': 'EINTR EAGAIN', 'read': 'EINTR EAGAIN', 'sendto': 'ENOBUFS EINTR EAGAIN ENOMEM',
        'sendmsg': 'ETOOMANYREFS EINTR EAGAIN ENOBUFS ENOMEM', 'waitid': 'EINTR', 'poll': 'EINTR ENOMEM',
        'getsockopt': 'EMFILE ENOMEM', 'fstatfs': 'EINTR', 'newfstatat': 'ENOMEM', 'pread64': 'EINTR',
        'mkdirat': 'ENOSPC EMFILE', 'fcntl': 'EMFILE', 'write': 'EIO ENOSPC EINTR',
    },
    'broker': {
        'epoll_ctl': 'ENOMEM ENOSPC', 'epoll_wait': 'EINTR', 'recvmsg': 'EINTR EAGAIN',
        'recvfrom': 'EINTR EAGAIN',
        'sendto': 'ENOBUFS EINTR EAGAIN ENOMEM', 'sendmsg': 'ETOOMANYREFS EINTR EAGAIN ENOBUFS ENOMEM',
        'fallocate': 'ENOSPC EINTR ENOMEM', 'memfd_create': 'EMFILE ENOMEM', 'write': 'ENOSPC EIO EINTR',
        'fcntl': 'EMFILE', 'mmap': 'ENOMEM', 'clone': 'EAGAIN', 'mprotect': 'ENOMEM',
    },
}
PATIENCE = 0.3  # seconds that a lasting fault lasts


def pid_of(daemon, role):
    return daemon.keeper_pid if role == 'keeper' else daemon.broker_pid


def refused(act):
    """Does it fail, as it may?"""
    try:
        act()
    except Rpc as error:
        assert error.name in ('LimitExceeded', 'SpawnFailed'), error
        return True
    return False


def new_client(daemon):
    """A connection may be refused, with a word or, where the keeper has no means, without."""
    for _ in range(3):
        client = Client(daemon.path)
        try:
            client.call('daemon.hello')
            return client
        except Closed:
            assert all(reply['error']['data']['name'] == 'LimitExceeded' for reply in client.replies.values())
            client.close()
    raise AssertionError('three connections in a row are refused')


def use_child(client):
    with Gate() as gate:
        argv = ['/bin/sh', '-c', 'read x; exit 3']
        child = client.call('process.spawn', argv=argv, _fds=gate.fds, stdin=gate.stdin, pidfd=True)
        gate.open()
        same(client.exitcode(child['id']), 3)
        client.call('process.close', process=child['id'])


def use_lock(client):
    same(client.call('lock.acquire', name='faults')['acquired'], True)
    client.call('lock.release', name='faults')
    client.call('object.unlink', name='faults')


def use_large(client):
    child = client.call('process.spawn', **LARGE)
    same(client.exitcode(child['id']), 0)
    client.call('process.close', process=child['id'])


USES = [use_child, use_lock, lambda client: client.call('events.subscribe'), use_large, use_large]


def use_each(daemon, uses, may_close):
    """How much of it was refused. A connection that cannot be watched any more is closed, where it may."""
    client, count = new_client(daemon), 0
    for each in USES[:uses]:
        try:
            count += refused(lambda: each(client))  # pylint: disable=cell-var-from-loop
        except Closed:
            assert may_close, 'the connection is closed'
            client.close()
            client, count = new_client(daemon), count + 1
    client.close()
    return count


def use(daemon, uses=len(USES), may_close=False):
    """A bit of everything: how much of it was refused."""
    count = use_each(daemon, uses, may_close)
    with new_client(daemon) as client:
        # what one of these could not undo can be undone
        for child in client.call('process.list')['processes']:
            client.call('process.kill', process=child['id'])
            client.join(child['id'])
            client.call('process.close', process=child['id'])
        for each in client.call('object.list')['objects']:
            client.call('object.unlink', name=each['name'])
        return count


def one_fault(daemon, role, call, error, when, uses):
    """Was there such a call? Others are served meanwhile, and everything is as before afterwards."""
    pid, broker = pid_of(daemon, role), daemon.broker_pid
    with Client(daemon.path) as bystander, Injection(daemon, pid, call, 'error=' + error, when) as injection:
        use(daemon, uses, may_close=(role, call) == ('broker', 'epoll_ctl'))
        same(bystander.call('daemon.ping'), {})
        count = injection.injected()
    same(use(daemon, 2), 0, 'refused, and nothing fails any more')
    same(daemon.broker_pid, broker, 'the broker')
    return count > 0


def each_call_fails(daemon, role, uses):
    """The n-th call of each kind."""
    use(daemon)  # what is made once is there
    made, count = calls_of(daemon, pid_of(daemon, role), lambda: use(daemon, uses)), 0
    for call, errors in ERRORS[role].items():
        if call == 'mmap' and daemon.sanitized():
            continue  # its allocator ends the program for this
        for error in errors.split() if LONG else errors.split()[:1]:
            for when in range(1, min(made.count(call), 30 if LONG else 2) + 1):
                try:
                    count += one_fault(daemon, role, call, error, when, uses)
                except BaseException:
                    print('%s: %s %s at the call number %d' % (role, call, error, when))
                    raise
    print('%s: %d calls failed' % (role, count))
    assert count > 10, 'the premise: there were some'


@options(limit=600)
def test_each_call_of_the_keeper_fails(daemon):
    each_call_fails(daemon, 'keeper', 4 if LONG else 2)


@options(limit=600)
def test_each_call_of_the_broker_fails(daemon):
    each_call_fails(daemon, 'broker', len(USES))


# ---------------------------------------------------------------- faults that last

def cpu_time(pid):
    with open('/proc/%d/stat' % pid, encoding='utf-8') as file:
        return sum(map(int, file.read().rpartition(')')[2].split()[11:13])) / os.sysconf('SC_CLK_TCK')


def lasting_fault(daemon, role, call, error):
    """Nobody else waits, nobody spins, and what was asked meanwhile is answered by the end."""
    pid = pid_of(daemon, role)
    with Client(daemon.path) as bystander, Client(daemon.path) as client, Client(daemon.path) as late:
        with Injection(daemon, pid, call, 'error=' + error, '1+') as injection:
            begin, before, pings = time.monotonic(), cpu_time(pid), 0
            small = {'argv': ['/bin/true']}
            asked = [client.start('process.spawn', **params)
                     for params in (small, *[LARGE] * 4, {**small, 'pidfd': True})]
            comers = [Client(daemon.path) for _ in range(5)]
            while time.monotonic() < begin + PATIENCE or (
                    not injection.has_begun() and time.monotonic() < begin + SOON):
                same(bystander.call('daemon.ping'), {})
                pings += 1
            spent, lasted, count = cpu_time(pid) - before, time.monotonic() - begin, injection.injected()
        print('%s, %s: %s: %d calls failed, %.2f s of processor time' % (role, call, error, count, spent))
        assert count > 0, 'the premise: it is called'
        assert count < 200, 'it is called again and again'
        assert role == 'broker' or spent < 0.4 * lasted, 'the keeper spins'
        for number in asked:
            refused(lambda: client.result(number))
        for comer in comers:
            comer.close()
        same(late.call('daemon.ping'), {})
    use(daemon)


@options(limit=120)
def test_faults_that_last(daemon):
    use(daemon)
    for call, error in (('accept4', 'EMFILE'), ('clone3', 'EAGAIN'), ('pipe2', 'EMFILE'),
                        ('epoll_ctl', 'ENOMEM'), ('sendmsg', 'ENOBUFS')):
        lasting_fault(daemon, 'keeper', call, error)
    for call, error in (('fallocate', 'ENOSPC'), ('memfd_create', 'EMFILE')):
        lasting_fault(daemon, 'broker', call, error)


# ---------------------------------------------------------------- the log

def stderr_of(pid):
    return os.stat('/proc/%d/fd/2' % pid)


def speaks(daemon):
    """The keeper has something to say, and is needed."""
    daemon.kill_broker()
    use(daemon, 2)


def test_a_log_on_a_full_disk(_):
    """Its lines are lost, and nothing else."""
    with open('/dev/full', 'wb') as full, Daemon('--log-level', 'debug', stderr=full) as daemon:
        same(stderr_of(daemon.keeper_pid).st_rdev, os.fstat(full.fileno()).st_rdev, 'the premise')
        speaks(daemon)


def test_a_log_that_nobody_reads(_):
    """Whether a pipe or the service manager's socket: who does not take its lines loses them, and stops
    nobody. Once there is room again it goes on."""
    pipe, pair = os.pipe(), socket.socketpair()
    for read, write in (pipe, [each.detach() for each in pair]):
        os.set_blocking(write, False)
        with open(read, 'rb', buffering=0) as reader, open(write, 'wb', buffering=0) as writer:
            while writer.write(bytes(4096)):
                pass
            while writer.write(b'x'):
                pass
            os.set_blocking(write, True)
            with Daemon('--log-level', 'debug', stderr=writer) as daemon:
                speaks(daemon)
                while ready(reader, 0):
                    reader.read(1 << 16)
                speaks(daemon)
                text = b''
                while not re.search(rb'[1-9]\d* lines are lost.*the broker ended', text, re.S):
                    text += reader.read(1 << 16)


def test_the_journal_gets_no_memory(daemon):
    """What can be refused is; what has happened is on record, and the next broker knows it."""
    with Client(daemon.path) as client, Gate() as gate:
        children = [client.spawn('/bin/sh', '-c', 'read x; exit 4', _fds=gate.fds, stdin=gate.stdin)['id']
                    for _ in range(50)]
        client.call('object.create', kind='lock', name='kept', persist=True)
        strangers = [Client(daemon.path) for _ in range(20)]
        for stranger in strangers:
            stranger.call('daemon.ping')
        epoch = client.call('daemon.hello')['epoch']
        with Injection(daemon, daemon.broker_pid, 'fallocate', 'error=ENOSPC', '1+') as injection:
            for more in ({'x': 'x' * 700000}, {'x': 'x' * 50000}, {}):
                wait_for(lambda: refused(lambda: client.spawn('/bin/true', labels=more)), 'its end', step=0)
            fails('LimitExceeded', lambda: client.spawn('/bin/true', labels={}), limit='memory')
            for stranger in strangers:
                stranger.close()
            gate.open()
            # ends are told to those who look, though nobody can be told that waits
            state = lambda: {each['state'] for each in client.call('process.list')['processes']}
            wait_for(lambda: state() == {'exited'})
            assert injection.injected() > 70
        broker = daemon.kill_broker()
        assert client.gone()
    with Client(daemon.path) as client:
        same(client.call('daemon.hello')['epoch'], epoch)
        same([client.exitcode(each) for each in children], [4] * 50)
        same(client.call('object.info', name='kept')['kind'], 'lock')
        client.call('object.unlink', name='kept')
        same(daemon.broker_pid, broker)
    use(daemon)


if __name__ == '__main__':
    main()
