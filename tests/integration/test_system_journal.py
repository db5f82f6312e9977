#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""With --log=journal what a process writes goes to the system's journal, as its own; it alone waits there."""
import ctypes
import os
import socket
import struct
import subprocess
import threading

from clients import SOON, Client, Peer, same, wait_for
from harness import Skip, main, options

PROCCTL = os.environ.get('PROCCTL', os.path.join(os.environ.get('TOP_BUILDDIR', '.'), 'procctl'))
SOCKET = '/run/systemd/journal/stdout'  # as in daemon/keeper/spawn_child.h
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 1 << 18


class Stream:
    """One connection: who it is of, what it began with, and what came."""
    def __init__(self, connection):
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        self.pid, self.uid, _ = struct.unpack('3i', credentials)
        self.bytes, self.ended = b'', False
        self.connection = connection

    def run(self):
        while data := self.connection.recv(65536):
            self.bytes += data
        self.connection.close()
        self.ended = True

    @property
    def header(self):
        return self.bytes.split(b'\n')[:7]

    @property
    def text(self):
        return b'\n'.join(self.bytes.split(b'\n')[7:])


class Journal:
    """Whoever listens where journald does. reads: False: it lets all wait."""
    def __init__(self, reads=True):
        os.makedirs(os.path.dirname(SOCKET), exist_ok=True)
        self.listener, self.streams, self.reads = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), [], reads
        self.listener.bind(SOCKET)
        os.chmod(SOCKET, 0o666)
        self.listener.listen(128)
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            stream = Stream(connection)
            self.streams.append(stream)
            if self.reads:
                threading.Thread(target=stream.run, daemon=True).start()

    def of(self, pid, count=2):
        """Its streams, once they have ended: stdout's first."""
        def found():
            mine = [each for each in self.streams if each.pid == pid]
            return mine if len(mine) == count and all(each.ended for each in mine) else None
        return wait_for(found, 'the ends of %d streams of %d' % (count, pid))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(SOON)
        os.unlink(SOCKET)
        for stream in self.streams:
            if not self.reads:
                stream.connection.close()


def own_run():
    """A /run of our own, so that no journal of this machine is in the way."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.unshare(CLONE_NEWNS) != 0:
        raise Skip('needs root and mount namespaces')
    if libc.mount(b'none', b'/', None, MS_REC | MS_PRIVATE, None) != 0 or \
            libc.mount(b'none', b'/run', b'tmpfs', 0, None) != 0:
        raise Skip('cannot mount here: ' + os.strerror(ctypes.get_errno()))


journal = options('--log=journal', root=True)


def ended(client, *argv, **params):
    child = client.spawn(*argv, **params)
    client.call('process.join', process=child['id'])
    return child


@journal
def test_lines_priorities_and_who(daemon):
    """Under the name or that of the program; nothing of it is kept here, and procctl says where it is."""
    with Journal() as there, Client(daemon.path) as client:
        child = ended(client, '/bin/sh', '-c', 'echo one; echo "<4>two"; echo three >&2', name='na\nme')
        out, err = there.of(child['pid'])
        same(out.header, [b'na_me', b'', b'6', b'1', b'0', b'0', b'0'])
        same(err.header, [b'na_me', b'', b'3', b'1', b'0', b'0', b'0'])
        same((out.text, err.text), (b'one\n<4>two\n', b'three\n'))
        answer = client.call('process.logs', process=child['id'])
        same((answer['lines'], answer['gap'], answer['journal']), ([], False, True))
        same(there.of(ended(client, '/bin/echo', 'x')['pid'])[0].header[0], b'echo')
        done = subprocess.run([PROCCTL, '--socket', daemon.path, 'logs', str(child['id'])], check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=SOON)
        same((done.returncode, done.stdout), (0, b''))
        same(done.stderr.decode(),
             "procctl: logs: its output is in the system's journal: journalctl _PID=%d\n" % child['pid'])


@journal
def test_only_what_is_log(daemon):
    with Journal() as there, Client(daemon.path) as client:
        child = ended(client, '/bin/sh', '-c', 'echo one; echo two >&2', stdout='null')
        same([each.text for each in there.of(child['pid'], 1)], [b'two\n'])


@journal
def test_a_process_that_begins_again(daemon):
    """Each run has streams of its own, under the same name; also after an upgrade of the daemon."""
    with Journal() as there, Client(daemon.path) as client:
        broker = daemon.broker_pid
        daemon.ask('daemon.restart')
        wait_for(lambda: daemon.broker_pid != broker, 'the next broker')
        with Client(daemon.path) as after:
            child = ended(after, '/bin/sh', '-c', 'echo run; exit 1', name='again',
                          restart={'policy': 'on-failure', 'delay': 0.05, 'max_tries': 2})
            wait_for(lambda: len([each for each in there.streams if each.ended]) == 6, 'six streams')
            same([each.header[0] for each in there.streams], 6 * [b'again'])
            same(b''.join(each.text for each in there.streams), 3 * b'run\n')
            same(after.call('process.logs', process=child['id'])['journal'], True)
        del client


@options('--log', 'journal', '--system', root=True)
def test_whose_it_is(daemon):
    """The journal shows users their own: the child has become its user before it connects."""
    with Journal() as there, Peer(daemon.path, uid=1234, gid=1234) as peer:
        child = peer.call('process.spawn', argv=['/usr/bin/id', '-u'])
        out, _ = there.of(child['pid'])
        same((out.uid, out.text), (1234, b'1234\n'))


@journal
def test_a_journal_that_stands_still(daemon):
    """It is the child that waits, for as long as it is: nobody else, and it can be killed."""
    with Journal(reads=False) as there, Client(daemon.path) as client:
        child = client.spawn('/usr/bin/seq', '10000000')
        wait_for(lambda: len(there.streams) == 2, 'its streams')
        same(client.exitcode(client.spawn('/bin/true', stdout='null', stderr='null')['id']), 0)
        same(client.call('process.is_alive', process=child['id'])['alive'], True)
        client.call('process.kill', process=child['id'])
        same(client.exitcode(child['id']), -9)


@journal
def test_without_a_journal(daemon):
    """Where nobody listens it is kept here, as otherwise."""
    with Client(daemon.path) as client:
        child = ended(client, '/bin/echo', 'kept')
        answer = client.call('process.logs', process=child['id'])
        same(([line['text'] for line in answer['lines']], 'journal' in answer), (['kept'], False))


if __name__ == '__main__':
    try:
        own_run()
    except Skip as why:
        print('test_system_journal.py: %s' % why)
        raise SystemExit(77) from None
    main()
