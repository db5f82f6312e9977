#!/usr/bin/env python3
"""The broker is killed at each of its system calls: who asks again with a key sees no difference."""
import itertools

from clients import SOON, Client, Closed, Gate, Rpc, same
from harness import LONG, main, options
from strace import Strace, calls_of

CALLS, STEP = (400, 1) if LONG else (60, 10)  # of the script; between the system calls at which it is killed
CONSTANT = ('acquired', 'abandoned', 'woken', 'notified', 'set', 'index', 'run_action', 'name', 'created',
            'lock', 'exited', 'exitcode', 'signal', 'argv', 'labels', 'alive', 'error')


class Steady:
    """Asks again, in the order in which it had asked, whatever is unanswered when a broker dies."""
    keys = itertools.count(1)

    def __init__(self, path):
        self.path, self.client, self.open, self.lost = path, Client(path), {}, 0

    def send(self, key):
        method, params, fds = self.open[key][:3]
        self.open[key][3] = self.client.start(method, fds, key, **params)

    def connect(self):
        """Until all that is unanswered is on its way once more."""
        while True:
            self.client.close()
            self.lost += 1
            try:
                self.client = Client(self.path)
                for key in self.open:
                    self.send(key)
                return
            except (Closed, ConnectionRefusedError):
                pass

    def start(self, method, _fds=(), **params):
        key = 'k%d' % next(self.keys)
        self.open[key] = [method, params, _fds, None]
        try:
            self.send(key)
        except Closed:
            self.connect()
        return key

    def result(self, key):
        """What does not differ between two runs."""
        while True:
            try:
                answer = self.client.result(self.open[key][3], limit=SOON)
                break
            except Rpc as error:
                answer = {'error': error.name}
                break
            except Closed:
                self.connect()
        del self.open[key]
        return {name: answer[name] for name in CONSTANT if name in answer}

    def call(self, method, **params):
        return self.result(self.start(method, **params))


def waits(ask):
    """Each who waits, and who lets it go."""
    yield ask.call('lock.acquire', name='l', holder='a')
    second = ask.start('lock.acquire', name='l', holder='b')
    third = ask.start('lock.acquire', name='l', holder='c', timeout=1000)
    yield ask.call('lock.acquire', name='l', holder='d', timeout=0)
    yield ask.call('lock.release', name='l')
    yield ask.result(second)
    yield ask.call('lock.release', name='l')
    yield ask.result(third)
    yield ask.call('lock.release', name='l')
    yield ask.call('lock.release', name='l')

    yield ask.call('object.create', kind='semaphore', name='s', value=1)
    first, second = [ask.start('semaphore.acquire', name='s', holder=each) for each in 'ab']
    yield ask.result(first)
    yield ask.call('semaphore.release', name='s')
    yield ask.result(second)

    waiting = ask.start('event.wait', name='e')
    yield ask.call('event.set', name='e')
    yield ask.result(waiting)
    yield ask.call('event.clear', name='e')
    yield ask.call('event.is_set', name='e')

    yield ask.call('object.create', kind='barrier', name='b', parties=3)
    arrived = [ask.start('barrier.wait', name='b') for _ in range(3)]
    yield from [ask.result(each) for each in arrived]


def condition(ask):
    yield ask.call('object.create', kind='condition', name='c')
    yield ask.call('rlock.acquire', name='c.lock', holder='w')
    waiting = ask.start('condition.wait', name='c', holder='w')
    yield ask.call('rlock.acquire', name='c.lock', holder='n')
    yield ask.call('rlock.acquire', name='c.lock', holder='n')
    yield ask.call('condition.notify', name='c', holder='n')
    yield ask.call('rlock.release', name='c.lock', holder='n')
    yield ask.call('rlock.release', name='c.lock', holder='n')
    yield ask.result(waiting)
    yield ask.call('rlock.release', name='c.lock', holder='n')
    yield ask.call('rlock.release', name='c.lock', holder='w')


def children(ask):
    with Gate() as gate:
        argv = ['/bin/sh', '-c', 'read x; exit 5']
        yield ask.call('process.spawn', _fds=gate.fds, argv=argv, stdin=gate.stdin, name='child',
                       labels={'a': 'b'})
        yield ask.call('process.spawn', argv=['/bin/sleep', '1000'], name='other')
        yield ask.call('process.spawn', argv=['/nonexistent'], name='none')
        joining = ask.start('process.join', process='child')
        yield ask.call('process.kill', process='other')
        yield ask.call('process.join', process='other')
        yield ask.call('process.close', process='child')
        gate.open()
        yield ask.result(joining)
        yield ask.call('process.is_alive', process='child')
        for name in ('child', 'other', 'none'):
            yield ask.call('process.close', process=name)


def script(ask):
    """The parts again and again, up to so many answers and until nothing waits."""
    parts = itertools.chain.from_iterable(part(ask) for _ in itertools.count()
                                          for part in (children, waits, condition, clean))
    answers = list(itertools.islice(parts, CALLS))
    while ask.open:
        answers.append(next(parts))
    return answers


def clean(ask):
    for name in ('l', 's', 'e', 'b', 'c', 'c.lock'):
        yield ask.call('object.unlink', name=name)


def finish(ask):
    """Whatever the script has left where it was cut."""
    for _ in clean(ask):
        pass
    for name in ('child', 'other'):
        ask.call('process.kill', process=name)
        ask.call('process.join', process=name)
        ask.call('process.close', process=name)
    ask.client.close()


def run(daemon):
    """(the answers, how often a broker was lost)"""
    ask = Steady(daemon.path)
    answers = script(ask)
    finish(ask)
    return answers, ask.lost


def numbered(calls):
    """strace counts the calls of each kind: (kind, the how-manieth)."""
    counts = {}
    for call in calls:
        counts[call] = counts.get(call, 0) + 1
        yield call, counts[call]


def killed_at(daemon, call, when):
    """The same, and the broker is killed at that call of it."""
    with Strace(daemon.broker_pid, daemon.dir + '/strace', 'trace=' + call,
                'inject=%s:signal=KILL:when=%d' % (call, when)) as strace:
        answers, lost = run(daemon)
        strace.detach()
    return answers, lost


@options(limit=7000 if LONG else 150)
def test_the_broker_is_killed_at_each_system_call(daemon):
    want, lost = run(daemon)
    same(lost, 0)
    assert len(want) >= CALLS
    assert sum('error' in answer for answer in want) < CALLS // 4, want
    calls = calls_of(daemon, daemon.broker_pid, lambda: same(run(daemon), (want, 0), 'the same twice'))
    points, kills = list(numbered(calls))[::STEP], 0
    for call, when in points:
        answers, lost = killed_at(daemon, call, when)
        for number, (got, wanted) in enumerate(zip(answers, want)):
            same(got, wanted, 'answer %d, killed at %s number %d' % (number, call, when))
        assert lost < 10
        kills += lost > 0
    print('%d requests make %d system calls; killed at %d of them' % (len(want), len(calls), kills))
    assert kills > len(points) * 0.7, 'the premise: it gets that far'


if __name__ == '__main__':
    main()
