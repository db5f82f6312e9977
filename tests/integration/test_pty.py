#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Processes with a terminal: what they get, who reads it, and what happens to it when somebody goes."""
import fcntl
import os
import select
import signal
import struct
import termios
import time

from clients import SOON, Client, Peer, fails, ready, same, wait_for
from harness import LONG, descriptors, main, options
from test_upgrade import NEWER, install, replaced, restart_by_request

PTY = {'stdin': 'pty', 'stdout': 'pty', 'stderr': 'pty'}
ANN = 12345  # a uid that nobody has


def lines(client, process):
    """What its log has, without the carriage returns of a terminal."""
    return [line['text'].rstrip('\r') for line in client.call('process.logs', process=process)['lines']]


class Attached:
    """One who is attached: the master, read as one goes on, and the lease."""
    def __init__(self, client, message):
        result = message['result']
        self.info, fds = result, message['_fds']
        self.master, self.lease = fds[result['pty']], fds[result['lease']]
        self.others = [fd for fd in fds if fd not in (self.master, self.lease)]
        self.client, self.text = client, b''

    def read(self, limit):
        """False: nothing came, or there is nothing any more."""
        if not ready(self.master, limit):
            return False
        try:
            more = os.read(self.master, 1 << 16)
        except OSError:
            return False
        self.text += more
        return bool(more)

    def until(self, text):
        """Reads until the text has come; it and what is before it are taken away."""
        end = time.monotonic() + SOON
        while text.encode() not in self.text:
            assert self.read(end - time.monotonic()) or time.monotonic() < end, \
                'no %r in %r' % (text, self.text)
        before, self.text = self.text.split(text.encode(), 1)
        return before.decode()

    def to_the_end(self):
        while self.read(SOON):
            pass
        return self.text.decode().replace('\r\n', '\n')

    def type(self, text):
        os.write(self.master, text.encode())

    def is_over(self, limit=SOON):
        return ready(self.lease, limit) and os.read(self.lease, 1) == b''

    def close(self):
        for fd in (self.master, self.lease, *self.others):
            os.close(fd)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def attached(client, method, **params):
    return Attached(client, client_reply(client, method, **params))


def client_reply(client, method, **params):
    message = client.reply(client.start(method, **params))
    assert 'error' not in message, message
    return message


def attach(client, process):
    return attached(client, 'process.attach', process=process)


def spawn_attached(client, script, **params):
    return attached(client, 'process.spawn', argv=['/bin/sh', '-c', script], attach=True, **{**PTY, **params})


def resize(master, rows, columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))


def ended(client, script, **params):
    process = client.sh(script, **{**PTY, **params})['id']
    client.join(process)
    return process


# ---------------------------------------------------------------- what it gets

def test_it_is_the_controlling_terminal(daemon):
    with Client(daemon.path) as client:
        process = ended(client, 'tty; for i in 0 1 2; do test -t $i && echo $i; done; echo here >/dev/tty; '
                                'ps -o tty= $$; stty -a | head -1')
        text = lines(client, process)
        assert text[0].startswith('/dev/pts/'), text
        same(text[1:5], ['0', '1', '2', 'here'])
        same('/dev/' + text[5].strip(), text[0])
        assert 'rows 0; columns 0' in text[6], text


def test_only_the_streams_that_say_so(daemon):
    """The others are what they are otherwise; each goes to the log once."""
    with Client(daemon.path) as client:
        process = ended(client, 'test -t 0 && echo 0; test -t 1 || echo out; test -t 2 || echo err >&2; '
                                'echo tty >/dev/tty', stdin='pty', stdout='log', stderr='log')
        found = client.call('process.logs', process=process)['lines']
        same(sorted((line['stream'], line['text'].rstrip('\r')) for line in found),
             [('stderr', 'err'), ('stdout', '0'), ('stdout', 'out'), ('stdout', 'tty')])
        same(lines(client, ended(client, 'test -t 0 || test -t 1 && echo 1', stdin='null')), ['1'])


def test_the_window_size(daemon):
    with Client(daemon.path) as client:
        same(lines(client, ended(client, 'stty size', winsize=[24, 80])), ['24 80'])
        same(lines(client, ended(client, 'stty size', winsize=[65535, 1])), ['65535 1'])
        with spawn_attached(client, 'trap "stty size" WINCH; echo on; while :; do sleep 0.01; done',
                            winsize=[10, 20]) as one:
            one.until('on')
            resize(one.master, 50, 132)
            one.until('50 132')


def test_absurd_sizes_and_senseless_members(daemon):
    with Client(daemon.path) as client:
        for size in ([0, 80], [24, 0], [-1, 1], [65536, 1], [24], [24, 80, 1], [], '24x80', {}, True,
                     [1.5, 2], ['24', '80'], [24, None], [1 << 62, 1 << 62]):
            fails('InvalidParams', lambda size=size: client.sh('true', **PTY, winsize=size), param='winsize')
        fails('InvalidParams', lambda: client.sh('true', winsize=[24, 80]), param='winsize')
        fails('InvalidParams', lambda: client.sh('true', attach=True), param='attach')
        fails('InvalidParams', lambda: client.sh('true', **PTY, attach=1), param='attach')
        for stream in PTY:
            fails('InvalidParams', lambda stream=stream: client.sh('true', **{stream: 'tty'}), param=stream)
        same(client.call('process.list')['processes'], [])


def test_a_key_that_is_typed_is_a_signal(daemon):
    with Client(daemon.path) as client:
        with spawn_attached(client, 'echo on; exec sleep 1000') as one:
            one.until('on')
            one.type('\x03')
            same(client.exitcode(one.info['id']), -signal.SIGINT)
            assert one.is_over(), 'the lease ends with the process'
        with spawn_attached(client, 'stty -echo; echo on; read line; echo "got $line"') as one:
            one.until('on')
            one.type('some words\n')
            one.until('got some words')
            same(client.exitcode(one.info['id']), 0)


@options(mode='--system', root=True)
def test_it_is_the_childs_own(daemon):
    """The slave belongs to whoever the child is, and nobody else may attach."""
    with Peer(daemon.path, uid=ANN, gid=111) as ann, Client(daemon.path) as root:
        process = ann.call('process.spawn', argv=['/bin/sh', '-c', 'stat -c "%u %a" $(tty)'], **PTY)['id']
        ann.call('process.join', process=process)
        text = ann.call('process.logs', process=process)['lines'][0]['text'].rstrip('\r')
        assert text in ('%d 620' % ANN, '%d 600' % ANN), text
        mine = root.sh('sleep 1000', **PTY)['id']
        for each in (mine, 1 << 40):
            got = ann.reply(ann.start('process.attach', process=each))['error']
            same((got['code'], got['data']['name']), (-32001, 'NoSuchProcess'))
        theirs = ann.call('process.spawn', argv=['/bin/sleep', '1000'], **PTY)['id']
        fails('NoSuchProcess', lambda: root.call('process.attach', process=theirs))
        with attached(root, 'process.attach', process=theirs, uid=ANN) as one:
            assert not one.is_over(0)
            one.type('\x03')
            assert one.is_over()
        with spawn_attached(root, 'stat -c "is %u" $(tty)') as one:
            one.until('is 0')


# ---------------------------------------------------------------- who reads it

def test_nobody_is_attached(daemon):
    """It goes to the log, also what is written just before the end, and much of it."""
    with Client(daemon.path) as client:
        same(lines(client, ended(client, 'echo one; echo two >&2; printf three')), ['one', 'two', 'three'])
        for _ in range(20):
            same(lines(client, ended(client, 'seq 100'))[-1], '100')
        process = ended(client, 'seq 20000')
        found, since = [], 0
        while True:
            answer = client.call('process.logs', process=process, since=since)
            found += [line['text'].rstrip('\r') for line in answer['lines']]
            if not answer['more']:
                break
            since = answer['seq']
        same(found, [str(number) for number in range(1, 20001)])


def test_attached_from_the_start(daemon):
    """Everything goes to who is attached, and nothing to the log."""
    with Client(daemon.path) as client:
        for _ in range(20):
            with spawn_attached(client, 'seq 1000', pidfd=True) as one:
                same(one.info['pidfd'], 0)
                assert ready(one.others[0], SOON), 'the pidfd is one'
                same(one.to_the_end(), ''.join('%d\n' % number for number in range(1, 1001)))
                assert one.is_over()
                same(lines(client, one.info['id']), [])
        failure = fails('SpawnFailed', lambda: spawn_failing(client), stage='exec')
        assert 'nope' in str(failure)


def spawn_failing(client):
    return client.call('process.spawn', argv=['./nope'], attach=True, **PTY)


def test_attach_and_detach(daemon):
    with Client(daemon.path) as client:
        process = client.sh('stty -echo; echo on; while read line; do echo "got $line"; done', **PTY)['id']
        wait_for(lambda: lines(client, process) == ['on'])
        for turn in ('1', '2', '3'):
            with attach(client, process) as one:
                fails('AlreadyAttached', lambda: client.call('process.attach', process=process))
                one.type('a%s\n' % turn)
                one.until('got a%s\r\n' % turn)
                one.type('b%s\n' % turn)
                # detached with this unread, maybe: it is then the log's
            wait_for(lambda turn=turn: 'got b%s' % turn in lines(client, process), 'the log goes on')
        same(lines(client, process), ['on', 'got b1', 'got b2', 'got b3'])
        with attach(client, process) as one:
            one.type('\x04')
            same(client.exitcode(process), 0)
            assert one.is_over()
        fails('NoTerminal', lambda: client.call('process.attach', process=process))


def test_there_is_nothing_to_attach_to(daemon):
    with Client(daemon.path) as client:
        without = client.sh('sleep 1000')['id']
        failure = fails('NoTerminal', lambda: client.call('process.attach', process=without))
        assert str(without) in failure.error['message'], failure
        gone = ended(client, 'true')
        fails('NoTerminal', lambda: client.call('process.attach', process=gone))
        fails('NoSuchProcess', lambda: client.call('process.attach', process=gone + 1))
        fails('NoSuchProcess', lambda: client.call('process.attach', process='nobody'))
        fails('InvalidParams', lambda: client.call('process.attach'), param='process')


def test_who_is_attached_is_killed(daemon):
    with Client(daemon.path) as client:
        process = client.sh('stty -echo; while read line; do echo "got $line"; done', **PTY)['id']
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            with Client(daemon.path) as other:
                Client.contract = None
                one = attach(other, process)
                one.type('x\n')
                one.until('got x')
                os.write(one.master, b'y\n')
                os.kill(os.getpid(), signal.SIGKILL)
        same(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), -signal.SIGKILL)
        wait_for(lambda: lines(client, process) == ['got y'], 'the log goes on')


def test_a_client_that_ends_before_its_answer(daemon):
    """It had asked to be attached: without it the log is read."""
    with Client(daemon.path) as watcher:
        for _ in range(20):
            client = Client(daemon.path)
            client.start('process.spawn', argv=['/bin/sh', '-c', 'seq 10000'], attach=True, **PTY)
            client.close()
        wait_for(lambda: len(watcher.call('process.list')['processes']) >= 1)
        for each in watcher.call('process.list')['processes']:
            same(watcher.exitcode(each['id']), 0)


def take_before_it(master):
    """For ever: what the daemon has been told of, so that it would wait for more."""
    while True:
        try:
            fcntl.fcntl(master, fcntl.F_SETFL, os.O_RDWR)
            os.write(master, b'z\n')
            fcntl.fcntl(master, fcntl.F_SETFL, os.O_RDWR)
            if select.select([master], [], [], 0.01)[0]:
                os.read(master, 1 << 16)
        except BlockingIOError:
            pass
        except OSError:
            os._exit(1)


def test_flags_that_others_change(daemon):
    """The master is the same file for all who have it: the daemon waits for nobody who plays with that."""
    with Client(daemon.path) as client:
        process = client.sh('stty -echo; while read line; do echo "got $line"; done', **PTY)['id']
        with attach(client, process) as one:
            copy = os.dup(one.master)
            one.type('x\n')
            one.until('got x')
            os.set_blocking(copy, True)
        os.write(copy, b'y\n')
        wait_for(lambda: 'got y' in lines(client, process))
        same(client.call('daemon.ping'), {})
        pid = os.fork()
        if pid == 0:
            take_before_it(copy)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            begin = time.monotonic()
            same(client.call('daemon.ping'), {})
            assert time.monotonic() - begin < 1
            client.exitcode(client.spawn('/bin/true')['id'])
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(copy)
        client.call('process.kill', process=process)
        client.join(process)


# ---------------------------------------------------------------- what happens to the daemon

def test_the_broker_is_killed(daemon):
    with Client(daemon.path) as client:
        one = spawn_attached(client, 'stty -echo; echo on; while read line; do echo "got $line"; done')
        logged = client.sh('stty -echo; while read line; do echo "got $line"; done', **PTY)['id']
        with one:
            one.until('on')
            daemon.kill_broker()
            one.type('without a broker\n')
            one.until('got without a broker')
            assert not one.is_over(0)
            with Client(daemon.path) as again:
                fails('AlreadyAttached', lambda: again.call('process.attach', process=one.info['id']))
                one.type('after\n')
                one.until('got after')
                same(lines(again, one.info['id']), [])
        with Client(daemon.path) as again:
            with attach(again, logged) as other:
                other.type('words\n')
                other.until('got words')
            with attach(again, one.info['id']) as other:
                other.type('\x04')
                same(again.exitcode(one.info['id']), 0)
                assert other.is_over()


def test_a_spawn_that_is_asked_again(daemon):
    """With its key, of another broker: one is attached, or told that there is nothing to attach to."""
    with Client(daemon.path) as client:
        params = {'argv': ['/bin/sh', '-c', 'echo on; read x'], 'attach': True, **PTY}
        one = Attached(client, client.reply(client.start('process.spawn', _key='k', **params)))
        one.close()
        daemon.kill_broker()
        with Client(daemon.path) as again:
            with Attached(again, again.reply(again.start('process.spawn', _key='k', **params))) as other:
                same(other.info['id'], one.info['id'])
                other.type('\n')
                again.join(other.info['id'])
            message = again.reply(again.start('process.spawn', _key='k', **params))
            same((message['result']['id'], message['_fds']), (one.info['id'], []))
            assert 'pty' not in message['result']


@options(copied=True)
def test_the_keeper_goes_on_as_another_program(daemon):
    with Client(daemon.path) as client:
        one = spawn_attached(client, 'stty -echo; echo on; while read line; do echo "got $line"; done',
                             winsize=[7, 9])
        logged = client.sh('stty -echo; while read line; do echo "got $line"; done', **PTY)['id']
        one.until('on')
        install(daemon, NEWER)
        replaced(daemon, restart_by_request, 'newer')
        one.type('words\n')
        one.until('got words')
        assert not one.is_over(0)
        with Client(daemon.path) as again:
            fails('AlreadyAttached', lambda: again.call('process.attach', process=one.info['id']))
            same(lines(again, one.info['id']), [])
            os.write(one.master, b'unread\n')
            one.close()
            wait_for(lambda: lines(again, one.info['id']) == ['got unread'], 'the log goes on')
            with attach(again, logged) as other:
                other.type('x\n')
                other.until('got x')
            for process in (logged, one.info['id']):
                with attach(again, process) as other:
                    other.type('\x04')
                    same(again.exitcode(process), 0)
                    assert other.is_over()


# ---------------------------------------------------------------- restarts

def test_each_run_has_the_same(daemon):
    """Who is attached stays so; a run begins with a terminal as new."""
    with Client(daemon.path) as client:
        script = 'tty; stty -a | grep -o " -*echo "; stty raw -echo; read x; exit 1'
        policy = {'policy': 'on-failure', 'delay': 0, 'max_tries': 5}
        with spawn_attached(client, script, winsize=[30, 90], restart=policy) as one:
            first = one.until(' echo ')
            one.type('\n\r')
            second = one.until(' echo ')
            same(second.split()[0], first.split()[0])
            fails('AlreadyAttached', lambda: client.call('process.attach', process=one.info['id']))
            assert not one.is_over(0)
        with attach(client, one.info['id']) as other:
            other.type('\n\r')
            other.until(' echo ')
            client.call('process.stop', process=one.info['id'], grace=0)
            assert other.is_over()
        process = client.sh('echo run; exit 3', **PTY,
                            restart={'policy': 'on-failure', 'delay': 0, 'max_tries': 3})['id']
        client.call('process.join', process=process)
        same(lines(client, process), ['run'] * 4)
        fails('NoTerminal', lambda: client.call('process.attach', process=process))


def test_descriptors_come_back(daemon):
    with Client(daemon.path) as client:
        count = 1000 if LONG else 100
        for _ in range(count // 20):
            numbers = [client.start('process.spawn', argv=['/bin/echo', 'x'], attach=i % 2 == 0, **PTY)
                       for i in range(20)]
            for number in numbers:
                message = client.reply(number)
                for fd in message['_fds']:
                    os.close(fd)
                client.join(message['result']['id'])
        for pid in (daemon.keeper_pid, daemon.broker_pid):
            wait_for(lambda each=pid: not any('/dev/pt' in name for name in descriptors(each)), 'their close')


def test_children_that_stay_on_it(daemon):
    """The terminal ends with its process: they are hung up, and nobody waits for them."""
    with Client(daemon.path) as client:
        process = ended(client, 'trap "" HUP; (trap "" HUP; while echo x; do :; done) & sleep 0.1; exit 4')
        same(client.call('process.info', process=process)['exitcode'], 4)
        assert len(lines(client, process)) > 0
        fails('NoTerminal', lambda: client.call('process.attach', process=process))


if __name__ == '__main__':
    main()
