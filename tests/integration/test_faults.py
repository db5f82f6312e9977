#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The kernel refuses what keeper and broker ask of it: the one request fails, or is served all the same."""
import collections
import os
import re
import socket
import time

from clients import SOON, Client, Closed, Gate, Rpc, fails, ready, same, wait_for
from harness import LONG, Daemon, main, options, quick_children_of
from strace import Injection, Strace, calls_of
from uses import EACH, LARGE, SOME

# What each call may answer. In the short run the first error of each, at the first calls.
ERRORS = {
    'keeper': {
        'accept4': 'EMFILE ENFILE ECONNABORTED EINTR ENOMEM', 'bind': 'ENOSPC EADDRINUSE',
        'clone3': 'EAGAIN ENOMEM', 'epoll_ctl': 'ENOMEM ENOSPC', 'epoll_wait': 'EINTR',
        'eventfd2': 'EMFILE ENFILE ENOMEM', 'fcntl': 'EMFILE',
        'fstatfs': 'EINTR', 'getdents64': 'ENOMEM', 'getsid': 'EACCES', 'getsockopt': 'EMFILE ENOMEM',
        'ioctl': 'EIO',
        'mkdirat': 'ENOSPC EMFILE', 'mmap': 'ENOMEM', 'mprotect': 'ENOMEM', 'newfstatat': 'ENOMEM',
        'openat': 'EMFILE ENFILE ENOMEM',
        'pidfd_open': 'EMFILE ENFILE ENOMEM', 'pipe2': 'EMFILE ENFILE', 'poll': 'EINTR',
        'pread64': 'EINTR EIO', 'pwrite64': 'ENOSPC EIO EINTR',
        'read': 'EINTR EAGAIN EIO', 'recvmsg': 'EINTR EAGAIN',
        'sendmsg': 'ETOOMANYREFS EINTR EAGAIN ENOBUFS ENOMEM', 'sendto': 'ENOBUFS EINTR EAGAIN ENOMEM',
        'setsockopt': 'ENOMEM', 'socket': 'EMFILE ENFILE ENOBUFS', 'socketpair': 'EMFILE ENFILE ENOBUFS',
        'splice': 'ENOSPC EIO ENOMEM EINTR',
        'statx': 'ENOMEM', 'unlink': 'EIO', 'unlinkat': 'EBUSY EIO', 'waitid': 'EINTR',
        'write': 'EIO ENOSPC EINTR',
    },
    'broker': {
        'clone': 'EAGAIN', 'clone3': 'EAGAIN', 'epoll_ctl': 'ENOMEM ENOSPC', 'epoll_wait': 'EINTR',
        'fallocate': 'ENOSPC EINTR ENOMEM', 'fcntl': 'EMFILE',
        'memfd_create': 'EMFILE ENOMEM', 'mmap': 'ENOMEM', 'mprotect': 'ENOMEM', 'pread64': 'EIO EINTR',
        'recvfrom': 'EINTR EAGAIN',
        'recvmsg': 'EINTR EAGAIN', 'sendmsg': 'ETOOMANYREFS EINTR EAGAIN ENOBUFS ENOMEM',
        'sendto': 'ENOBUFS EINTR EAGAIN ENOMEM', 'setsockopt': 'ENOMEM', 'statx': 'ENOMEM',
        'write': 'ENOSPC EIO EINTR',
    },
}
# These cannot fail (a signal only where the process is somebody else's), or nobody asks whether they have.
HARMLESS = {'brk', 'clock_gettime', 'close', 'futex', 'getegid', 'geteuid', 'getpid', 'gettid', 'getuid',
            'madvise', 'munmap', 'pidfd_send_signal', 'restart_syscall', 'rt_sigaction', 'rt_sigprocmask',
            'rt_sigreturn', 'sched_getaffinity', 'sched_yield', 'setfsgid', 'setfsuid', 'setitimer',
            'shutdown', 'umask'}
# Only where it makes cgroups; and only where it makes none, and looks for the tree of a child in /proc.
OF_CGROUPS = {'mkdirat', 'unlinkat', 'write'}
OF_PROC = {'getdents64'}
# Theirs, too, where there is one: its allocator ends the program, and it has threads of its own.
OF_SANITIZERS = {'mmap', 'mprotect', 'clone', 'clone3'}
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


def use_each(daemon, uses, may_close):
    """How much of it was refused. A connection that cannot be watched any more is closed, where it may."""
    client, count = new_client(daemon), 0
    for each in uses:
        try:
            count += refused(lambda: each(client))  # pylint: disable=cell-var-from-loop
        except Closed:
            assert may_close, 'the connection is closed'
            client.close()
            client, count = new_client(daemon), count + 1
    client.close()
    return count


def use(daemon, uses=SOME, may_close=False):
    """A bit of it: how much of it was refused."""
    count = use_each(daemon, uses, may_close)
    with new_client(daemon) as client:
        # what one of these could not undo can be undone
        for child in client.call('process.list')['processes']:
            client.call('process.stop', process=child['id'], grace=0)
            client.call('process.close', process=child['id'])
        for each in client.call('object.list')['objects']:
            client.call('object.unlink', name=each['name'])
        return count


def one_fault(daemon, role, call, error, when, uses):
    """Was there such a call? Others are served meanwhile, and everything is as before afterwards."""
    pid, broker = pid_of(daemon, role), daemon.broker_pid
    with new_client(daemon) as bystander, Injection(daemon, pid, call, 'error=' + error, when) as injection:
        use(daemon, uses, may_close=(role, call) == ('broker', 'epoll_ctl'))
        same(bystander.call('daemon.ping'), {})
        count = injection.injected()
    same(use(daemon, SOME[:2]), 0, 'refused, and nothing fails any more')
    same(daemon.broker_pid, broker, 'the broker')
    return count > 0


def renewed(daemon, role):
    """What a process makes once it makes again: it has done nothing yet."""
    if role == 'broker':
        daemon.kill_broker()
        return
    broker = daemon.broker_pid
    daemon.ask('daemon.restart')  # the keeper executes itself
    wait_for(lambda: daemon.broker_pid != broker, 'another broker')


def survey(daemon, role):
    """Which of its calls each use makes: [(call, use, how often)]."""
    found, known = [], set()
    for each in EACH:
        renewed(daemon, role)
        with new_client(daemon):  # as when one is to fail: who has a connection is known
            made = collections.Counter(calls_of(daemon, pid_of(daemon, role), lambda: use(daemon, [each])))
        found += [(call, each, made[call]) for call in made]
        known |= set(made)
    same(known - set(ERRORS[role]) - HARMLESS, set(), 'calls of which nobody knows how they fail')
    return found


def wanted(call):
    """How many of them fail, one after the other, in the short form."""
    return 12 if call == 'epoll_ctl' else 2  # that is three calls in one


def chosen(found):
    """All of it; or of each call the use that makes it most often, as not every run makes it as often."""
    if LONG:
        return [(call, each, min(count, 12)) for call, each, count in found]
    most = {}
    for call, each, count in found:
        if call not in most or most[call][1] < count:
            most[call] = each, count
    return [(call, most[call][0], min(most[call][1], wanted(call))) for call in sorted(most)]


def each_call_fails(daemon, role):
    """The n-th call of each kind, and each kind that is named above."""
    use(daemon, EACH)
    hits, tried = collections.Counter(), 0
    for call, each, count in chosen(survey(daemon, role)):
        if call in HARMLESS or call in OF_SANITIZERS and daemon.sanitized():
            continue
        for error in ERRORS[role][call].split()[:None if LONG else 1]:
            for when in range(1, count + 1):
                renewed(daemon, role)
                try:
                    hits[call] += one_fault(daemon, role, call, error, when, [each])
                except BaseException:
                    print('%s: %s %s at the call number %d, %s' % (role, call, error, when, each.__name__))
                    raise
                tried += 1
    print('%s: %d calls failed of %d that were to: %s' % (role, hits.total(), tried, sorted(hits.items())))
    missed = {call for call in ERRORS[role] if not hits[call]}
    missed -= (OF_PROC if daemon.cgroups() else OF_CGROUPS) | (OF_SANITIZERS if daemon.sanitized() else set())
    same(missed, set(), 'the premise: each kind has failed')


@options(limit=3600 if LONG else 600)
def test_each_call_of_the_keeper_fails(daemon):
    each_call_fails(daemon, 'keeper')


def test_a_spawn_that_fails_late(daemon):
    """What cannot be watched is killed, with whom it may have made meanwhile: the harness counts them."""
    def begin(client):
        client.spawn('/bin/sh', '-c', 'sleep 1000 & read x', pidfd=True, _fds=gate.fds, stdin=gate.stdin)
    hits = 0
    for when in range(1, 9):
        renewed(daemon, 'keeper')
        with Gate() as gate, new_client(daemon) as client:
            with Injection(daemon, daemon.keeper_pid, 'epoll_ctl', 'error=ENOMEM:delay_enter=100000', when):
                hits += refused(lambda: begin(client))  # pylint: disable=cell-var-from-loop
        same(use(daemon, []), 0)
    assert hits > 1, 'the premise: its end, and that of its exec'


def end_beside_a_birth(daemon, when):
    """A process ends while another is there, but not yet at its exec: that one has its pipes, too. What the
    keeper's epoll_ctl number `when` was, which fails."""
    with Gate() as gate, new_client(daemon) as client, new_client(daemon) as other:
        ends = client.spawn('/bin/sh', '-c', 'read x; exit 3', _fds=gate.fds, stdin=gate.stdin)
        before = quick_children_of(daemon.keeper_pid)
        with Strace(daemon.keeper_pid, os.path.join(daemon.dir, 'strace'), 'trace=epoll_ctl,setsid',
                    'inject=epoll_ctl:error=ENOMEM:when=%d' % when, 'inject=setsid:delay_enter=100000',
                    threads=True) as strace:
            number = other.start('process.spawn', argv=['/bin/true'])
            wait_for(lambda: quick_children_of(daemon.keeper_pid) != before or not other.pending(number),
                     'the other', step=0)
            gate.open()
            same(client.exitcode(ends['id']), 3)
            refused(lambda: other.result(number))
            return re.search(r'epoll_ctl\(\d+, (\w+), .*INJECTED', strace.detach())


def test_a_pipe_that_cannot_be_unwatched(daemon):
    """What is told of it after its end is of nobody, or of another one."""
    hits = collections.Counter()
    for when in range(1, 9):
        renewed(daemon, 'keeper')
        found = end_beside_a_birth(daemon, when)
        hits[found[1] if found else ''] += 1
        use(daemon)
        same(use(daemon, SOME[:2]), 0)
    print(hits)
    assert hits['EPOLL_CTL_DEL'] > 1, 'the premise'


@options(limit=3600 if LONG else 600)
def test_each_call_of_the_broker_fails(daemon):
    each_call_fails(daemon, 'broker')


# ---------------------------------------------------------------- while another program takes over

OF_THE_LOADER = ['access', 'arch_prctl', 'execveat', 'getrandom', 'prlimit64', 'rseq', 'set_robust_list',
                 'set_tid_address']  # before main, where nobody can do anything


def restart(daemon):
    """Was it refused? Else it waits until another broker serves."""
    before = daemon.broker_pid
    try:
        with new_client(daemon) as client:
            client.call('daemon.restart')
    except Closed:
        pass
    except Rpc as error:
        return 'not restarted' in str(error)
    wait_for(lambda: daemon.broker_pid != before, 'another broker')
    return False


def calls_of_restart(daemon, role):
    """[(call, the how-manieth)], but for those that may be of the loader of programs in another run."""
    made = calls_of(daemon, pid_of(daemon, role), lambda: restart(daemon))
    begin = made.index('execveat') if 'execveat' in made else len(made)
    end = made.index('prctl', begin) if begin < len(made) else begin
    before, loader = collections.Counter(made[:begin]), collections.Counter(made[begin:end])
    for call, count in collections.Counter(made).items():
        for when in range(1, count + 1):
            is_loaders = loader[call] and before[call] - 5 < when <= before[call] + loader[call] + 5
            if not is_loaders and call not in HARMLESS:
                yield call, when


def each_call_of_a_restart_fails(daemon, role):
    """It is refused, or it comes about: the same epoch, children, objects and lines."""
    with Client(daemon.path) as client, Gate() as gate:
        child = client.spawn('/bin/sh', '-c', 'echo here; read x; exit 5', _fds=gate.fds, stdin=gate.stdin)
        client.call('object.create', kind='lock', name='kept', persist=True)
        wait_for(lambda: client.call('process.logs', process=child['id'])['lines'])
        epoch, hits, refusals = client.call('daemon.hello')['epoch'], collections.Counter(), 0
        for call, when in list(calls_of_restart(daemon, role)):
            if when > 30 or call in OF_THE_LOADER or call in OF_SANITIZERS and daemon.sanitized():
                continue
            error = ERRORS[role].get(call, 'ENOMEM').split()[0]
            try:
                with Injection(daemon, pid_of(daemon, role), call, 'error=' + error, when) as injection:
                    refusals += restart(daemon)
                    hits[call] += injection.injected()
                with new_client(daemon) as other:
                    same(other.call('daemon.hello')['epoch'], epoch)
                    same([each['id'] for each in other.call('process.list')['processes']], [child['id']])
                    same([each['name'] for each in other.call('object.list')['objects']], ['kept'])
                    lines = other.call('process.logs', process=child['id'])['lines']
                    same([line['text'] for line in lines], ['here'])
            except BaseException:
                print('%s: %s %s at the call number %d' % (role, call, error, when))
                raise
        print('%s: %d calls failed, %d restarts refused: %s'
              % (role, hits.total(), refusals, sorted(hits.items())))
        assert refusals > 0 and hits.total() > 10, 'the premise'
        gate.open()
    with new_client(daemon) as client:
        same(client.exitcode(child['id']), 5)
        client.call('process.close', process=child['id'])
        client.call('object.unlink', name='kept')


@options(limit=600)
def test_each_call_of_the_broker_fails_in_a_restart(daemon):
    each_call_of_a_restart_fails(daemon, 'broker')


@options(limit=1200 if LONG else 600, allow=['cannot be started', 'this program goes on', 'broker: start: '])
def test_each_call_of_the_keeper_fails_in_a_restart(daemon):
    each_call_of_a_restart_fails(daemon, 'keeper')


# ---------------------------------------------------------------- faults that last

def cpu_time(pid):
    with open('/proc/%d/stat' % pid, encoding='utf-8') as file:
        return sum(map(int, file.read().rpartition(')')[2].split()[11:13])) / os.sysconf('SC_CLK_TCK')


def lasting_fault(daemon, role, call, error):
    """Nobody else waits, nobody spins, and what was asked meanwhile is answered by the end."""
    pid = pid_of(daemon, role)
    with Client(daemon.path) as bystander, Client(daemon.path) as client, Client(daemon.path) as late:
        for each in (bystander, client, late):  # the premise: they have been accepted
            same(each.call('daemon.ping'), {})
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
                        ('epoll_ctl', 'ENOMEM'), ('newfstatat', 'ENOMEM'), ('sendmsg', 'ENOBUFS')):
        lasting_fault(daemon, 'keeper', call, error)
    for call, error in (('fallocate', 'ENOSPC'), ('memfd_create', 'EMFILE')):
        lasting_fault(daemon, 'broker', call, error)


# ---------------------------------------------------------------- the log

def stderr_of(pid):
    return os.stat('/proc/%d/fd/2' % pid)


def speaks(daemon):
    """The keeper has something to say, and is needed."""
    daemon.kill_broker()
    use(daemon, SOME[:2])


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
