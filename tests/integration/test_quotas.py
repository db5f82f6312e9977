#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A uid that takes all it can get: it is refused in time, and others do not notice."""
import itertools
import json
import os
import resource
import time

from clients import PING, SOON, Client, Peer, same, wait_for
from harness import LONG, Daemon, main, options, quick_children_of

ANN, BOB = 12345, 23456  # uids that nobody has
ROUNDS, REQUESTS, CHUNK = (31, 1000, 10) if LONG else (15, 400, 10)  # of each; CHUNK in a row
FILES = 4096  # descriptors of each role: a quarter of them is a uid's most connections
MIB = 1 << 20


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))


def greedy(test):
    """A test of a daemon of its own, with another one that is idle."""
    def with_two(daemon):
        with Daemon(mode='--system', before=few_descriptors) as idle:
            test(daemon, Greed(daemon, idle))

    return options(mode='--system', root=True, before=few_descriptors, limit=120)(with_two)

# what the modest one does all the time
DAY = [('lock.acquire', {'name': 'b'}), ('lock.release', {'name': 'b'}), ('event.set', {'name': 'e'}),
       ('object.info', {'name': 'b'}), ('object.list', {})]


def line(method, **params):
    return json.dumps({'jsonrpc': '2.0', 'id': '%d', 'method': method, 'params': params})


def place(took, share):
    return took[min(int(len(took) * share), len(took) - 1)]


def middle_ratio(rounds, share):
    """Of the subject to the floor; what hits one round only does not count."""
    ratios = sorted(place(subject, share) / place(floor, share) for floor, subject in rounds)
    return ratios[len(ratios) // 2]


def compare(what, make_round):
    """99 of 100 of the subject's requests take less than twice as long as of the floor's. What else the
    machine does hits both in a round, as they take turns, and seldom hits most rounds: the middle counts."""
    rounds = [make_round() for _ in range(ROUNDS)]
    floor, subject = [sorted(itertools.chain.from_iterable(each)) for each in zip(*rounds)]
    middle = {share: middle_ratio(rounds, share) for share in (0.5, 0.99)}
    shown = [place(took, share) * 1e6 for share in (0.5, 0.99) for took in (subject, floor)]
    print('%-14s median %4.0f us, idle %4.0f, ratio %.2f; 99 of 100 %5.0f us, idle %5.0f, ratio %.2f'
          % (what, *shown[:2], middle[0.5], *shown[2:], middle[0.99]))
    assert max(middle.values()) < 2, '%s slows others down' % what


class Greed:
    """Two uids, and what one of them takes; the other is also a client of a daemon that has nothing to do."""
    def __init__(self, daemon, idle):
        self.daemon = daemon
        self.ann = Peer(daemon.path, uid=ANN, gid=ANN)
        self.bob, self.idle = [Peer(each.path, uid=BOB, gid=BOB) for each in (daemon, idle)]
        # a wake across processors takes three times as long, and where somebody once was he often stays
        one = {max(os.sched_getaffinity(0))}
        for pid in (daemon.broker_pid, idle.broker_pid, self.bob.pid, self.idle.pid):
            os.sched_setaffinity(pid, one)

    def measure(self, what, take, give_back=None):
        """What becomes of another's requests once that is taken."""
        for peer in (self.idle, self.bob):
            peer.do('timed', DAY, 100)
        take()
        compare(what, self.round)
        if give_back:
            give_back()

    def round(self):
        """(floor, subject): sorted times of as many requests of each, a few in turn."""
        floor, subject = [], []
        for _ in range(REQUESTS // CHUNK):
            floor += self.idle.do('timed', DAY, CHUNK)
            subject += self.bob.do('timed', DAY, CHUNK)
        return sorted(floor), sorted(subject)

    def renew(self):
        """A new process: what the old one had ends with it."""
        def alone():
            self.ann.kill()
            self.ann = Peer(self.daemon.path, uid=ANN, gid=ANN)
            try:
                return self.ann.call('daemon.info')['clients'] == 1
            except AssertionError:  # its connection is refused
                return False

        wait_for(alone, 'the end of the one before')

    def end_processes(self, names):
        for name in names:
            for method in ('process.kill', 'process.join', 'process.close'):
                self.ann.ask(method, process=name)  # some of them were never made

    def refused(self, pattern, count, limit, most=None):
        """Begins so many requests: some are done, and the last ones are refused for this limit."""
        names = self.ann.do('begin', pattern, count)
        same(list(names), [limit])
        assert names[limit] < count, 'none was done'
        assert most is None or names[limit] == count - most, names
        same(self.ann.call('daemon.ping'), {})


@greedy
def test_connections(daemon, greed):
    def take():
        same(greed.ann.do('connect_many', FILES // 4 + 50, [PING], 51), {'connections': 51})
        with Peer(daemon.path, uid=BOB, gid=BOB) as another, Client(daemon.path) as root:
            same(another.call('daemon.ping'), {})
            same(root.call('daemon.ping'), {})

    greed.measure('connections', take, greed.renew)


@greedy
def test_objects(daemon, greed):
    pattern = line('event.set', name='e%d')
    greed.measure('objects', lambda: greed.refused(pattern, 65536 + 10, 'objects', 65536), greed.renew)


@greedy
def test_waiters(daemon, greed):
    pattern = line('event.wait', name='w')
    greed.measure('waiters', lambda: greed.refused(pattern, 65536 + 10, 'waiting requests'), greed.renew)


@greedy
def test_holds(daemon, greed):
    def take():
        greed.ann.call('object.create', kind='semaphore', name='s', value=1 << 20)
        pattern = line('semaphore.acquire', name='s', holder='%d', undo=True)
        greed.refused(pattern, 131072 + 10, 'holds', 131072)

    greed.measure('holds', take, greed.renew)


@greedy
def test_subscriptions(daemon, greed):
    def take():
        for _ in range(8192 // 64):
            greed.refused(line('events.subscribe'), 65, 'subscriptions', 64)
            greed.ann.do('connect')
        same(greed.ann.do('begin', line('events.subscribe'), 10), {'subscriptions': 10})

    greed.measure('subscriptions', take, greed.renew)


@greedy
def test_bytes_of_processes(daemon, greed):
    """Arguments and labels, and processes that do not get to their exec."""
    spawn = line('process.spawn', argv=['/bin/sleep', '1000'], name='p%d', labels={'x': 'x' * 1000000})

    def take():
        greed.refused(spawn, 70, 'bytes of arguments and labels')

    greed.measure('labels', take, lambda: greed.end_processes(['p%d' % number for number in range(70)]))


@greedy
def test_processes_that_start(daemon, greed):
    fifo = os.path.join(daemon.dir, 'fifo')
    os.mkfifo(fifo)
    os.chmod(fifo, 0o666)
    pattern = line('process.spawn', argv=['/bin/true'], stdout={'file': fifo}, name='p%d')
    def take():
        greed.ann.do('begin', pattern, 600)
        # what can be made is made, and is held up
        wait_for(lambda: len(quick_children_of(daemon.keeper_pid)) > 500)

    greed.measure('starting', take)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    wait_for(lambda: greed.daemon.connection.call('process.list', uid=ANN, alive=True)['processes'] == [])
    os.close(reader)


@greedy
def test_living_processes(daemon, greed):
    """The keeper has two descriptors of each."""
    def take():
        pattern = line('process.spawn', argv=['/bin/sleep', '1000'], name='p%d')
        def running():
            known = daemon.connection.call('process.list', uid=ANN, alive=True)['processes']
            return sum(each['state'] == 'running' for each in known)

        for count in (200, 400, FILES // 8):  # no more than may start at a time
            greed.ann.do('begin', pattern, 200)
            wait_for(lambda most=count: running() == most, 'their exec')
        same(greed.ann.do('begin', pattern, 1), {'processes': 1})
        with Peer(daemon.path, uid=BOB, gid=BOB) as another, Client(daemon.path) as root:
            for each in (another, root):
                made = each.call('process.spawn', argv=['/bin/true'])
                same(each.call('process.join', process=made['id'])['exitcode'], 0)

    def give_back():
        root = daemon.connection
        for each in root.call('process.list', uid=ANN, alive=True)['processes']:
            root.call('process.kill', uid=ANN, process=each['id'])
        wait_for(lambda: root.call('process.list', uid=ANN, alive=True)['processes'] == [], 'their ends')

    greed.measure('processes', take, give_back)


def must_pass_descriptors(daemon, greed):
    """The broker has enough of them, and the kernel lets more of them into queues."""
    count = len(os.listdir('/proc/%d/fd' % daemon.broker_pid))
    assert count < FILES // 2, '%d of %d descriptors' % (count, FILES)
    greed.bob.call('object.create', kind='lock', name='mapped', exist_ok=True)
    same(greed.bob.call('object.map', name='mapped')['mapped'], True)
    with Client(daemon.path) as root:
        reply = root.reply(root.start('process.spawn', argv=['/bin/true'], pidfd=True))
        os.close(reply['_fds'][0])
        root.call('process.join', process=reply['result']['id'])


@greedy
def test_descriptors_that_nobody_reads(daemon, greed):
    def take():
        greed.ann.call('object.create', kind='lock', name='m')
        greed.ann.do('connect_many', 80, [(line('object.map', name='m') + '\n') * 400])
        wait_for(lambda: greed.ann.call('object.map', name='m')['mapped'] is False, 'its share')
        must_pass_descriptors(daemon, greed)

    greed.measure('fds out', take, greed.renew)


@greedy
def test_descriptors_without_lines(daemon, greed):
    def take():
        limits = greed.ann.do('connect_with_fds', 200, 60, 200 - FILES // 16 // 60)
        same(limits, {'descriptors': 200 - FILES // 16 // 60})
        must_pass_descriptors(daemon, greed)

    greed.measure('fds in', take, greed.renew)


def cpu_of(pid):
    """Seconds, of user and system."""
    with open('/proc/%d/stat' % pid, encoding='utf-8') as file:
        fields = file.read().rpartition(')')[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf('SC_CLK_TCK')


@options()
def test_questions_without_an_answer(daemon):
    """A query as a notification costs its line: what nobody is told is not made."""
    with Client(daemon.path) as client:
        for _ in range(20):
            client.exitcode(client.spawn('/bin/true', labels={'x': 'x' * 1000000})['id'])
        before = cpu_of(daemon.broker_pid)
        for _ in range(200):
            for method in ('process.list', 'object.list', 'object.graph', 'rpc.discover'):
                client.note(method)
        client.call('daemon.ping')
        took = cpu_of(daemon.broker_pid) - before
        print('800 questions that nobody wants to be answered: %.2f s of CPU time' % took)
        assert took < 2, 'they are answered'


@greedy
def test_bytes_that_come_in(daemon, greed):
    """Lines that do not come to their end."""
    resident = daemon.info()['rss']

    def take():
        limits = greed.ann.do('connect_many', 200, ['"' + 'x' * 900000, 'x' * 50000], 101)
        same(set(limits), {'unread bytes'})
        assert daemon.sanitized() or daemon.info()['rss'] < resident + 100 * MIB
        same(greed.ann.call('daemon.ping'), {}, 'short lines it may send')

    greed.measure('bytes in', take, lambda: greed.ann.do('drop_silent'))


@greedy
def test_bytes_that_go_out(daemon, greed):
    """Answers and events that nobody reads."""
    for _ in range(20):
        greed.ann.call('process.spawn', argv=['/bin/true'], labels={'x': 'x' * 1000000})

    def take():
        greed.ann.do('connect_many', 10, [line('process.list') + '\n'])
        names = wait_for(lambda: greed.ann.do('begin', line('process.list', name='none'), 1))
        same(names, {'unsent bytes': 1})

    greed.measure('bytes out', take, greed.renew)


# ---------------------------------------------------------------- turns

@options(limit=120)
def test_turns(daemon):
    """However many requests somebody has sent ahead: of each connection at most 16 come before another's."""
    flooders, ahead, count = 4, 100000 if LONG else 20000, 320
    with Client(daemon.path) as client:
        peers = [Peer(daemon.path) for _ in range(flooders)]
        for number in range(flooders):
            client.call('object.create', kind='lock', name='traced-%d' % number, trace=True, persist=True)
        worst, end = [], time.monotonic() + SOON
        # on a busy machine some may be through before others begin
        while not worst or (max(worst) <= 16 and time.monotonic() < end):
            for number, peer in enumerate(peers):
                # each of them is an event, and so has a number
                params = {'name': 'traced-%d' % number}
                note = [json.dumps({'jsonrpc': '2.0', 'method': method, 'params': params})
                        for method in ('lock.acquire', 'lock.release')]
                peer.tell('begin', '\n'.join(note), ahead // 2)
            for _ in range(40):
                client.raw(b''.join(b'{"jsonrpc":"2.0","id":%d,"method":"daemon.hello"}\n' % number
                                    for number in range(count)))
                seqs = [client.result(number)['seq'] for number in range(count)]
                worst.append(max(after - before for before, after in zip(seqs, seqs[1:])))
            for peer in peers:
                peer.hear()
        print('between two answers at most %d requests of %d others' % (max(worst), flooders))
        assert 16 < max(worst) <= 16 * flooders, worst
        for number, peer in enumerate(peers):
            peer.kill()
            client.call('object.unlink', name='traced-%d' % number)


if __name__ == '__main__':
    main()
