#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Deadlocks through a join, for which the threads of the joined process are counted: with a user's daemon,
and with the system's, whose broker sees no other process."""
import json
import os
import signal
import sys

from clients import SOON, Client, fails, ready, same, wait_for
from harness import main, options

# Threads, each with a connection of its own: the first is the main one. Each acquires when told to.
CODE = '''
import json, os, socket, sys, threading
def work(fd):
    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); lines = s.makefile()
    def ask(method, **params):
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        s.sendall(json.dumps(request).encode() + b"\\n")
        return lines.readline().encode()
    ask("daemon.ping")
    os.write(1, b"ready\\n")
    if os.read(fd, 1):
        os.write(1, ask("lock.acquire", name=sys.argv[2]))
threads = [threading.Thread(target=work, args=[int(fd)]) for fd in sys.argv[4:]]
for thread in threads: thread.start()
work(int(sys.argv[3]))
'''


class Child:
    """Of a client that holds the lock 'l': go() lets its next thread acquire it, too."""
    def __init__(self, client, path, threads=1):
        pipes = [os.pipe() for _ in range(threads)]
        output, theirs = os.pipe()
        numbers = [str(3 + at) for at in range(threads)]
        info = client.spawn(sys.executable, '-I', '-S', '-c', CODE, path, 'l', *numbers,
                            _fds=[theirs, *(read for read, _ in pipes)], stdout={'fd': 0},
                            fds=[[1 + at, 3 + at] for at in range(threads)])
        self.id, self.pid = info['id'], info['pid']
        for fd in (theirs, *(read for read, _ in pipes)):
            os.close(fd)
        self.gates, self.output, self.text = [write for _, write in pipes], output, b''
        for _ in range(threads):
            same(self.line(), b'ready')

    def line(self):
        while b'\n' not in self.text:
            assert ready(self.output, SOON), 'the child is silent'
            more = os.read(self.output, 4096)
            assert more, 'the child has ended'
            self.text += more
        line, _, self.text = self.text.partition(b'\n')
        return line

    def go(self):
        gate = self.gates.pop(0)
        os.write(gate, b'x')
        os.close(gate)

    def let_end(self):
        """Its threads that were never told to wait end."""
        while self.gates:
            os.close(self.gates.pop())

    def close(self):
        self.let_end()
        os.close(self.output)


class Scene:
    """We hold 'l'; `other` is somebody who may release it."""
    def __init__(self, daemon, threads=1):
        self.daemon, self.threads = daemon, threads

    def __enter__(self):
        self.client, self.other = Client(self.daemon.path), Client(self.daemon.path)
        self.other.call('daemon.ping')
        self.client.call('lock.acquire', name='l')
        self.holder = self.client.call('object.info', name='l')['holders'][0]['holder']
        self.child = Child(self.client, self.daemon.path, self.threads)
        return self

    def __exit__(self, *unused):
        self.child.close()
        self.other.call('object.unlink', name='l')
        self.client.close()
        self.other.close()

    def waiting(self):
        return len(self.other.call('object.info', name='l')['waiters'])

    def go(self, count=1):
        """So many threads of the child wait, besides those that do."""
        before = self.waiting()
        for _ in range(count):
            self.child.go()
        wait_for(lambda: self.waiting() == before + count, 'the child waits')

    def join(self, **params):
        return self.client.start('process.join', process=self.child.id, **params)

    def joined(self, number):
        """It waits, and ends with the child."""
        assert self.client.pending(number), 'it was answered: %r' % self.client.replies
        while self.waiting():
            self.other.call('lock.release', name='l')
        self.child.let_end()
        same(self.client.result(number)['exitcode'], 0)

    def cycle_of_join(self, cycle):
        same([(each['pid'], each['waits_for']) for each in cycle],
             [(os.getpid(), self.child.id), (self.child.pid, 'l')], 'the cycle')
        same(cycle[0]['holder'], self.holder)

    def refused(self, number):
        self.cycle_of_join(fails('Deadlock', lambda: self.client.result(number)).data['cycle'])


class Stopped:
    """The keeper, meanwhile: what is asked of it is answered later."""
    def __init__(self, daemon):
        self.pid = daemon.keeper_pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *unused):
        os.kill(self.pid, signal.SIGCONT)


def both(body):
    """The test for both sorts of daemon."""
    @options(mode='--system', root=True)
    def in_the_system(daemon):
        body(daemon)

    globals()[body.__name__ + '_in_the_system'] = in_the_system
    return body


# ---------------------------------------------------------------- who is refused

@both
def test_the_joiner_comes_last(daemon):
    with Scene(daemon) as scene:
        scene.go()
        scene.refused(scene.join())
        same(scene.client.join(scene.child.id, 0.01)['exited'], False, 'with a time-out')
        scene.client.call('lock.release', name='l')
        same(scene.client.exitcode(scene.child.id), 0)


@both
def test_the_joined_comes_last(daemon):
    with Scene(daemon) as scene:
        number = scene.join()
        assert scene.client.pending(number)
        scene.child.go()
        error = json.loads(scene.child.line())['error']['data']
        same((error['name'], [(each['pid'], each['waits_for']) for each in error['cycle']]),
             ('Deadlock', [(scene.child.pid, 'l'), (os.getpid(), scene.child.id)]))
        same(scene.client.result(number)['exitcode'], 0)


@both
def test_a_free_thread_is_a_way_out(daemon):
    with Scene(daemon, threads=2) as scene:
        scene.go()
        scene.joined(scene.join())


@both
def test_all_threads_wait(daemon):
    with Scene(daemon, threads=2) as scene:
        scene.go(2)
        scene.refused(scene.join())


@both
def test_the_last_thread_comes_last(daemon):
    """The one whose wait leaves nobody who could go on is refused."""
    with Scene(daemon, threads=2) as scene:
        number = scene.join()
        scene.go()
        assert scene.client.pending(number)
        scene.child.go()
        same(json.loads(scene.child.line())['error']['data']['name'], 'Deadlock')
        scene.joined(number)


@both
def test_to_wait_all_the_same(daemon):
    with Scene(daemon) as scene:
        scene.go()
        scene.other.call('events.subscribe', kinds=['deadlock.detected'])
        number = scene.join(on_deadlock='wait')
        scene.cycle_of_join(scene.other.event_of('deadlock.detected')['cycle'])
        same(len(scene.other.call('object.graph')['cycles']), 1, 'cycles in the graph')
        scene.joined(number)


# ---------------------------------------------------------------- while it is being counted

@both
def test_nobody_else_waits_for_the_count(daemon):
    """What a connection asks next is begun after it; the others go on."""
    with Scene(daemon) as scene:
        scene.go()
        with Stopped(daemon):
            number = scene.join()
            after = scene.client.start('daemon.ping')
            for _ in range(3):
                scene.other.call('daemon.ping')
            assert not ready(scene.client.socket, 0), 'it was answered before it was counted'
        scene.refused(number)
        same(scene.client.result(after), {})


@both
def test_the_cycle_is_gone_when_it_is_counted(daemon):
    with Scene(daemon) as scene:
        scene.go()
        with Stopped(daemon):
            number = scene.join()
            scene.other.call('daemon.ping')
            scene.other.call('lock.release', name='l')
            same('result' in json.loads(scene.child.line()), True, 'the lock is the child\'s')
        same(scene.client.result(number)['exitcode'], 0)


@both
def test_a_wait_that_began_after_the_question(daemon):
    """It may be that of a thread that was made after the count: counted again."""
    for threads in (2, 3):
        with Scene(daemon, threads) as scene:
            scene.go()
            with Stopped(daemon):
                number = scene.join()
                scene.other.call('daemon.ping')
                scene.go()
            if threads == 2:
                scene.refused(number)
            else:
                scene.joined(number)


@both
def test_who_gives_up_before_it_is_counted(daemon):
    with Scene(daemon) as scene:
        scene.go()
        with Stopped(daemon):
            scene.join()
            scene.other.call('daemon.ping')
            scene.client.close()
            scene.other.call('daemon.ping')
        scene.other.call('lock.release', name='l')
        same(scene.other.exitcode(scene.child.id), 0)


@both
def test_a_broker_that_dies_before_it_is_counted(daemon):
    with Scene(daemon) as scene:
        scene.go()
        broker = daemon.broker_pid
        with Stopped(daemon):
            scene.join()
            scene.other.call('daemon.ping')
            os.kill(broker, signal.SIGKILL)
        assert scene.client.gone()
        scene.other.close()
        daemon.ask('daemon.ping')  # the next one serves
        scene.other = Client(daemon.path)
        scene.other.call('lock.release', name='l')
        same(scene.other.exitcode(scene.child.id), 0)


if __name__ == '__main__':
    main()
