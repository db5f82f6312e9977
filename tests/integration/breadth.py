# SPDX-License-Identifier: MIT
"""A script of some hundred requests that uses each method, with answers that are the same in each run.

Each part leaves nothing behind. What it asks of, and is told by, is a Steady (see steady.py).
"""
import itertools
import os

from clients import Gate, wait_for

CALLS = 400  # at least, in the whole script


def waits(ask):
    """Each who waits, and who lets it go."""
    yield ask.call('lock.acquire', name='l', holder='a')
    yield ask.call('object.map', name='l', holder='b')
    second = ask.start('lock.acquire', name='l', holder='b', bell=True)
    third = ask.start('lock.acquire', name='l', holder='c', timeout=1000)
    yield ask.call('lock.acquire', name='l', holder='d', timeout=0)
    yield ask.call('lock.acquire', name='l', holder='d', timeout=0.01)
    yield ask.call('object.info', name='l')
    yield ask.call('object.graph')
    yield ask.call('lock.release', name='l')
    yield ask.result(second)
    yield ask.call('lock.release', name='l', token=1)
    yield ask.call('lock.release', name='l')
    yield ask.result(third)
    given_up = ask.start('lock.acquire', name='l', holder='a')
    ask.cancel(given_up)
    yield ask.result(given_up)
    yield ask.call('object.break', name='l')
    yield ask.call('lock.acquire', name='l', holder='a')
    gone = ask.start('lock.acquire', name='l', holder='b')
    yield ask.call('object.unlink', name='l')
    yield ask.result(gone)
    yield ask.call('lock.release', name='l')


def semaphores(ask):
    yield ask.call('object.create', kind='semaphore', name='s', value=1)
    first, second = [ask.start('semaphore.acquire', name='s', holder=each) for each in 'ab']
    yield ask.result(first)
    yield ask.call('semaphore.release', name='s')
    yield ask.result(second)
    yield ask.call('semaphore.release', name='s', n=3)
    yield ask.call('object.create', kind='bounded_semaphore', name='t', value=2)
    yield ask.call('semaphore.acquire', name='t', holder='a')
    yield ask.call('semaphore.release', name='t', n=2)
    yield ask.call('semaphore.release', name='t')
    yield ask.call('object.info', name='s')
    yield ask.call('object.info', name='t')
    for name in 'st':
        yield ask.call('object.unlink', name=name)


def events(ask):
    waiting = ask.start('event.wait', name='e')
    yield ask.call('object.map', name='e', holder='b')
    yield ask.call('event.wait', name='e', holder='b', round=1)
    yield ask.call('event.set', name='e')
    yield ask.result(waiting)
    yield ask.call('event.clear', name='e')
    yield ask.call('event.is_set', name='e')
    yield ask.call('event.wait', name='e', timeout=0.01)
    yield ask.note('event.set', name='e')
    yield ask.call('event.wait', name='e')
    yield ask.call('object.unlink', name='e')


def barriers(ask):
    yield ask.call('object.create', kind='barrier', name='b', parties=3)
    arrived = [ask.start('barrier.wait', name='b') for _ in range(3)]
    yield from [ask.result(each) for each in arrived]
    arrived = [ask.start('barrier.wait', name='b', action=True) for _ in range(3)]
    yield ask.result(arrived.pop())
    yield ask.call('object.info', name='b')
    yield ask.call('barrier.done', name='b', ok=True)
    yield from [ask.result(each) for each in arrived]
    broken = ask.start('barrier.wait', name='b')
    yield ask.call('barrier.abort', name='b')
    yield ask.result(broken)
    yield ask.call('barrier.wait', name='b')
    yield ask.call('barrier.reset', name='b')
    yield ask.call('barrier.wait', name='b', timeout=0.01)
    yield ask.call('object.unlink', name='b')


def conditions(ask):
    yield ask.call('object.create', kind='condition', name='c')
    yield ask.call('rlock.acquire', name='c.lock', holder='w')
    waiting = ask.start('condition.wait', name='c', holder='w')
    yield ask.call('rlock.acquire', name='c.lock', holder='n')
    yield ask.call('rlock.acquire', name='c.lock', holder='n')
    yield ask.call('condition.notify', name='c', holder='n')
    yield ask.call('rlock.release', name='c.lock', holder='n')
    yield ask.call('rlock.release', name='c.lock', holder='n')
    yield ask.result(waiting)
    asleep = ask.start('condition.wait', name='c', holder='w')
    yield ask.call('rlock.acquire', name='c.lock', holder='n')
    yield ask.call('condition.notify_all', name='c', holder='n')
    yield ask.call('object.info', name='c')
    yield ask.call('rlock.release', name='c.lock', holder='n')
    yield ask.result(asleep)
    yield ask.call('condition.wait', name='c', holder='w', timeout=0.01)
    yield ask.call('rlock.release', name='c.lock', holder='n')
    yield ask.call('rlock.release', name='c.lock', holder='w')
    yield ask.call('condition.notify', name='c', holder='n')
    yield ask.call('object.unlink', name='c')
    yield ask.call('object.unlink', name='c.lock')


def deadlock(ask):
    for name in ('l', 'm'):
        yield ask.call('object.create', kind='lock', name=name, persist=True, trace=True)
        yield ask.call('lock.acquire', name=name, holder=name)
    waiting = ask.start('lock.acquire', name='l', holder='m')
    yield ask.call('lock.acquire', name='m', holder='l')
    yield ask.call('object.graph')
    yield ask.call('lock.release', name='l')
    yield ask.result(waiting)
    for name in ('l', 'm'):
        yield ask.call('object.unlink', name=name)


def things(ask):
    """Objects as such."""
    kinds = {'lock': {}, 'rlock': {}, 'event': {}, 'semaphore': {'value': 3}, 'condition': {},
             'barrier': {'parties': 2}, 'bounded_semaphore': {}}
    for kind, more in kinds.items():
        yield ask.call('object.create', kind=kind, name=kind, **more)
        yield ask.call('object.create', kind=kind, name=kind, exist_ok=True)
        yield ask.call('object.open', name=kind)
        yield ask.call('object.map', name=kind, holder='a')
    yield ask.call('object.create', kind='lock', name='event')
    yield ask.call('object.create', kind='lock', name='/shared', mode='0644')
    yield ask.call('object.list')
    yield ask.call('object.list', kind='lock')
    yield ask.call('lock.acquire', name='lock', holder='a')
    for name in (*kinds, 'condition.lock', '/shared'):
        yield ask.call('object.close', name=name)
    yield ask.call('object.list')
    yield ask.call('event.is_set', name='event')


def owners(ask):
    """What a child holds ends with it."""
    yield ask.call('process.spawn', argv=['/bin/sleep', '1000'], name='owner')
    pid = ask.pids['owner']
    yield ask.call('object.create', kind='bounded_semaphore', name='s', value=1, persist=True)
    yield ask.call('object.create', kind='lock', name='l', persist=True)
    yield ask.call('object.create', kind='rlock', name='r', persist=True)
    yield ask.call('lock.acquire', name='l', owner_pid=pid)
    yield ask.call('rlock.acquire', name='r', owner_pid=pid)
    yield ask.call('rlock.acquire', name='r', owner_pid=pid)
    yield ask.call('semaphore.acquire', name='s', owner_pid=pid, undo=True)
    waiting = [ask.start(kind + '.acquire', name=kind[0], holder='a')
               for kind in ('lock', 'rlock', 'semaphore')]
    yield ask.call('process.kill', process='owner')
    yield from [ask.result(each) for each in waiting]
    yield ask.call('process.join', process='owner')
    for name in 'lrs':
        yield ask.call('object.info', name=name)
        yield ask.call('object.unlink', name=name)
    yield ask.call('process.close', process='owner')


def spawns(ask):
    """What a child may be told, and ways in which it does not begin."""
    once = os.path.join(os.path.dirname(ask.path), 'once')
    yield ask.call('process.spawn', argv=['/bin/echo', 'once'], stdout={'file': once, 'append': True},
                   name='echo', env={'A': 'b'}, cwd='/usr', umask=0o77, nice=1, limits={'nofile': 100},
                   pidfd=True, labels={'c': 'd'}, stop_signal='SIGINT')
    yield ask.call('process.join', process='echo')
    yield ask.call('process.info', process='echo')
    yield ask.call('process.logs', process='echo')
    yield ask.call('process.attach', process='echo')
    yield ask.call('process.close', process='echo')
    yield ask.call('process.spawn', argv=['/bin/echo', 'once'], stdin='pty', stdout='pty',
                   winsize=[24, 80], name='tty')
    yield ask.call('process.join', process='tty')
    yield ask.call('process.logs', process='tty')
    yield ask.call('process.attach', process='tty')
    yield ask.call('process.close', process='tty')
    yield ask.call('process.spawn', argv=['/nonexistent'], name='none')
    yield ask.call('process.spawn', argv=['/bin/true'], cwd='/nonexistent', name='none')
    yield ask.call('process.spawn', argv=['/bin/true'], objects=['nothing'], name='none')
    yield ask.call('process.close', process='none')
    yield ask.call('process.spawn', argv=['/bin/true', 'x' * 100000], name='large',
                   labels={'x': 'x' * 200000})
    yield ask.call('process.wait', processes=['large'])
    yield ask.call('process.close', process='large')


def children(ask):
    with Gate() as gate:
        argv = ['/bin/sh', '-c', 'read x; exit 5']
        yield ask.call('process.spawn', _fds=gate.fds, argv=argv, stdin=gate.stdin, name='child',
                       labels={'a': 'b'})
        yield ask.call('process.spawn', argv=['/bin/sleep', '1000'], name='other')
        joining = ask.start('process.join', process='child')
        waiting = ask.start('process.wait', processes=['child', 'other'], mode='all')
        yield ask.call('process.join', process='child', timeout=0.01)
        yield ask.call('process.list')
        yield ask.call('process.list', labels={'a': 'b'}, alive=True)
        yield ask.call('process.kill', process='other')
        yield ask.call('process.join', process='other')
        yield ask.call('process.close', process='child')
        gate.open()
        yield ask.result(joining)
        yield ask.result(waiting)
        yield ask.call('process.is_alive', process='child')
        for name in ('child', 'other'):
            yield ask.call('process.close', process=name)


def signals(ask):
    argv = ['/bin/sleep', '1000']
    for name, signal in (('stopped', 'SIGSTOP'), ('ended', 'SIGUSR1')):
        yield ask.call('process.spawn', argv=argv, name=name)
        yield ask.call('process.signal', process=name, signal=signal)
        if signal == 'SIGSTOP':
            ask.told('process.stopped', name)
            yield ask.call('process.info', process=name)
            yield ask.call('process.signal', process=name, signal='SIGCONT')
            ask.told('process.continued', name)
            yield ask.call('process.terminate', process=name)
        yield ask.call('process.join', process=name)
        yield ask.call('process.close', process=name)
    # SIGTERM would not end it: if it were not for SIGKILL the stop would take a quarter of an hour
    family = os.path.join(os.path.dirname(ask.path), 'family')
    yield ask.call('process.spawn', argv=['/bin/sh', '-c', 'trap "" TERM; sleep 1000 & echo; wait'],
                   name='family', stdout={'file': family, 'append': True})
    wait_for(lambda: os.stat(family).st_size > 0, 'the heir')
    os.unlink(family)
    yield ask.call('process.kill', process='family')
    yield ask.call('process.stop', process='family', grace=1000)
    yield ask.call('process.close', process='family')
    yield ask.call('process.spawn', argv=['/bin/sh', '-c', 'sleep 1000 & wait'], name='tree')
    yield ask.call('process.stop', process='tree', grace=1000)
    yield ask.call('process.stop', process='tree')
    yield ask.call('process.close', process='tree')


def questions(ask):
    """What changes nothing, but shows what there is."""
    for method in ('rpc.discover', 'daemon.hello', 'daemon.info', 'daemon.ping', 'object.list',
                   'object.graph', 'process.list'):
        yield ask.call(method)
    yield ask.listen(kinds=['process.*'])


PARTS = (waits, semaphores, events, barriers, conditions, deadlock, things, owners, spawns, children, signals,
         questions)


def script(ask):
    """All parts again and again, up to so many answers; then the broker is replaced."""
    answers = []
    while len(answers) < CALLS:
        answers += itertools.chain.from_iterable(part(ask) for part in PARTS)
    answers += [ask.call('daemon.restart'), *questions(ask)]
    return answers
