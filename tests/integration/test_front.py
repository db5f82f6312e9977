#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The front and its keeper, under a service manager that these tests play: what it is told, what it is given
to keep, and what happens when the main process ends and another one is started with that."""
import array
import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from clients import Client, Closed, ready, same, wait_for
from harness import LONG, PROCD, Skip, cgroups_of, is_dead, main, remove_cgroups, stat_of

WATCHDOG = 2  # seconds


class Manager:
    """Listens for clients and for what a main process says; keeps the descriptors that it is given."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix='procd-test-')
        os.chmod(self.dir, 0o700)
        self.ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.ear.bind(self.dir + '/notify')
        self.store, self.words, self.keepers, self.main = [], [], set(), None
        self.renew_socket()

    def renew_socket(self):
        self.path = tempfile.mktemp(dir=self.dir)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.socket.bind(self.path)
        self.socket.listen(100)

    def hear(self):
        """Everything that has been said; the store is brought up to date."""
        while ready(self.ear, 0):
            text, ancillary, _, _ = self.ear.recvmsg(4096, 4096, socket.MSG_CMSG_CLOEXEC)
            fds = array.array('i')
            for _, _, data in ancillary:
                fds.frombytes(data)
            text = text.decode()
            if text == 'FDSTOREREMOVE=1\nFDNAME=keeper':
                self.empty_store()
            elif text == 'FDSTORE=1\nFDNAME=keeper':
                self.store += fds
            else:
                same(list(fds), [], 'descriptors with ' + text)
                self.words.append(text)
        return self.words

    def empty_store(self):
        for fd in self.store:
            os.close(fd)
        self.store.clear()

    def start(self, watchdog=0):
        """A main process; returns when it has said that it is ready."""
        fds, self.words = [self.socket.fileno(), *self.store], []
        env = {name: value for name, value in os.environ.items()
               if re.fullmatch('PATH|[A-Z]+SAN_OPTIONS', name)}
        env.update(NOTIFY_SOCKET=self.dir + '/notify', LISTEN_FDS=str(len(fds)))
        if watchdog:
            env['WATCHDOG_USEC'] = str(watchdog * 1000000)
        read, write = os.pipe2(os.O_CLOEXEC)  # its end: the main process has been executed
        self.main = os.fork()
        if self.main == 0:
            become_main(fds, env)
        os.close(write)
        assert ready(read, 20), 'the main process is not executed'
        os.close(read)
        self.until_ready()

    def until_ready(self):
        wait_for(lambda: 'READY=1' in self.hear() or self.ended(), 'READY=1')
        assert 'READY=1' in self.words, 'the main process has ended'
        self.keepers.add(self.info()['pid'])

    def client(self):
        return Client(self.path)

    def ask(self, method, **params):
        """Asked again where a broker took the question to its grave."""
        while True:
            with contextlib.suppress(Closed), self.client() as client:
                return client.call(method, **params)

    def info(self):
        return self.ask('daemon.info')

    def ended(self):
        """None, or the status of the main process."""
        if self.main is not None:
            pid, status = os.waitpid(self.main, os.WNOHANG)
            if pid == 0:
                return None
            self.main, self.status = None, status
        return self.status

    def end(self, number):
        """A signal to the main process, and how it ended: by os.waitstatus_to_exitcode."""
        os.kill(self.main, number)
        wait_for(lambda: self.ended() is not None, 'the end of the main process')
        return os.waitstatus_to_exitcode(self.status)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.main is not None:
            os.kill(self.main, signal.SIGKILL)
            os.waitpid(self.main, 0)
        self.empty_store()
        self.ear.close()
        self.socket.close()
        for client in list(Client.alive):
            client.close()
        try:
            wait_for(lambda: all(map(is_dead, self.keepers)), 'the end of keepers that nobody wants')
        finally:
            for keeper in self.keepers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(keeper, signal.SIGKILL)
                remove_cgroups(cgroups_of(keeper))
            shutil.rmtree(self.dir)


def become_main(fds, env):
    """In the child: descriptors 3 and up as systemd passes them, from numbers that are out of the way."""
    high = [os.dup2(fd, 100 + at) for at, fd in enumerate(fds)]
    for at, fd in enumerate(high):
        os.dup2(fd, 3 + at)
    for fd in range(3 + len(fds), 100 + len(fds)):
        with contextlib.suppress(OSError):
            os.set_inheritable(fd, False)
    env['LISTEN_PID'] = str(os.getpid())
    try:
        os.execve(PROCD, [PROCD, '--user'], env)
    finally:
        os._exit(127)


def sleeper(manager):
    """A child that ends with status 7 when it is told to by SIGUSR1."""
    script = 'trap "exit 7" USR1; while :; do sleep 0.02; done'
    made = manager.ask('process.spawn', argv=['/bin/sh', '-c', script])
    wait_for(lambda: catches(made['pid'], signal.SIGUSR1), 'its trap')
    return made['id'], made['pid']


def catches(pid, number):
    with open('/proc/%d/status' % pid, encoding='utf-8') as file:
        caught = re.search(r'^SigCgt:\s*(\w+)', file.read(), re.MULTILINE)
    return int(caught[1], 16) >> number - 1 & 1


def ends_with_its_status(manager, process, pid):
    os.kill(pid, signal.SIGUSR1)
    same(manager.ask('process.join', process=process, timeout=20)['exitcode'], 7)


def test_words(_):
    """Ready once it serves; the watchdog is fed; the end is announced, and is that of the keeper."""
    with Manager() as manager:
        manager.start(watchdog=1)
        same(len(manager.store), 2, 'descriptors in the store')
        info = manager.info()
        same(stat_of(info['pid'])[2], manager.main, 'parent of the keeper')
        wait_for(lambda: manager.hear().count('WATCHDOG=1') >= 3, 'three of the watchdog')
        assert 'STOPPING=1' not in manager.words, manager.words
        same(manager.end(signal.SIGTERM), 0, 'exit status')
        assert 'STOPPING=1' in manager.hear(), manager.words
        assert is_dead(info['pid']), 'the keeper lives on'


def test_next_main_process(_):
    """It has the same keeper, and nothing is lost; the broker is another one."""
    with Manager() as manager:
        manager.start()
        before, (process, pid) = manager.info(), sleeper(manager)
        for _ in range(3):
            same(manager.end(signal.SIGUSR1), 0, 'exit status')
            wait_for(lambda: manager.info()['pid'] == before['pid'], 'service without a main process')
            manager.start()
            after = wait_for(lambda: manager.info()['broker_pid'] not in (0, before['broker_pid'])
                             and manager.info(), 'another broker')
            same([after['pid'], after['epoch']], [before['pid'], before['epoch']], 'keeper and epoch')
            same(len(manager.store), 2, 'descriptors in the store')
            before = after
        ends_with_its_status(manager, process, pid)
        same(manager.end(signal.SIGTERM), 0, 'exit status of a main process that is not its parent')
        assert is_dead(before['pid']), 'the keeper lives on'


def test_another_socket_and_watchdog(_):
    with Manager() as manager:
        manager.start()
        keeper, (process, pid) = manager.info()['pid'], sleeper(manager)
        old = manager.path
        manager.end(signal.SIGUSR1)
        manager.renew_socket()
        os.unlink(old)
        manager.start(watchdog=1)
        same(manager.info()['pid'], keeper)
        wait_for(lambda: 'WATCHDOG=1' in manager.hear(), 'the watchdog')
        ends_with_its_status(manager, process, pid)


def test_main_process_is_killed(_):
    with Manager() as manager:
        manager.start()
        keeper, (process, pid) = manager.info()['pid'], sleeper(manager)
        same(manager.end(signal.SIGKILL), -signal.SIGKILL)
        manager.start()
        same(manager.info()['pid'], keeper)
        ends_with_its_status(manager, process, pid)


def test_keeper_is_killed(_):
    """The main process fails with it; what was kept is of no use to the next one: another keeper."""
    with Manager() as manager:
        manager.start()
        before, (_, pid) = manager.info(), sleeper(manager)
        os.kill(before['pid'], signal.SIGKILL)
        wait_for(lambda: manager.ended() is not None, 'the end of the main process')
        same(os.waitstatus_to_exitcode(manager.status), 128 + signal.SIGKILL)
        manager.start()
        assert manager.info()['epoch'] != before['epoch'], 'the same epoch'
        same(len(manager.store), 2, 'descriptors in the store')
        os.kill(pid, signal.SIGKILL)


def test_keeper_hangs(_):
    """The watchdog's SIGABRT is the end of a keeper that says nothing, and of no other."""
    with Manager() as manager:
        manager.start(watchdog=60)
        keeper = manager.info()['pid']
        os.kill(keeper, signal.SIGSTOP)
        same(manager.end(signal.SIGABRT), -signal.SIGABRT)
        wait_for(lambda: is_dead(keeper), 'the end of the keeper')
        manager.start(watchdog=1)
        keeper, main_process = manager.info()['pid'], manager.main
        manager.hear()
        os.kill(main_process, signal.SIGSTOP)
        wait_for(lambda: stat_of(main_process)[1] == 'T', 'the stop')
        link = manager.store[0]
        assert select.select([link], [], [], 20)[0], 'the keeper says nothing'
        os.kill(main_process, signal.SIGABRT)
        os.kill(main_process, signal.SIGCONT)
        wait_for(lambda: manager.ended() is not None, 'the end of the main process')
        manager.start()
        same(manager.info()['pid'], keeper)


def test_keeper_hangs_at_a_restart(_):
    if not LONG:
        raise Skip('its time-out is long')
    with Manager() as manager:
        manager.start()
        keeper = manager.info()['pid']
        manager.end(signal.SIGUSR1)
        os.kill(keeper, signal.SIGSTOP)
        manager.start()
        assert is_dead(keeper), 'the old keeper lives on'


def test_left_alone(_):
    """A manager that keeps nothing has ended the service: the keeper stops its children and leaves."""
    with Manager() as manager:
        manager.start()
        keeper, (_, pid) = manager.info()['pid'], sleeper(manager)
        manager.empty_store()
        same(manager.end(signal.SIGUSR1), 0)
        wait_for(lambda: is_dead(pid) and is_dead(keeper), 'the end of keeper and child')


def test_detached(_):
    """A keeper that was told to leave its children running keeps them; the next service has another one."""
    with Manager() as manager:
        manager.start()
        (keeper, epoch), (_, pid) = [manager.info()[name] for name in ('pid', 'epoch')], sleeper(manager)
        manager.ask('daemon.stop', mode='detach')
        wait_for(lambda: 'STOPPING=1' in manager.hear(), 'STOPPING=1')
        assert manager.ended() is None, 'the main process has ended before the keeper'
        manager.end(signal.SIGUSR1)
        manager.start()
        assert manager.info()['epoch'] != epoch, 'the same keeper'
        assert not is_dead(pid) and not is_dead(keeper), 'keeper or child have ended'
        os.kill(pid, signal.SIGUSR1)
        wait_for(lambda: is_dead(keeper), 'its end after that of its last child')


def test_reload(_):
    """SIGHUP to the main process is meant for the keeper."""
    with Manager() as manager:
        manager.start()
        before = manager.info()
        os.kill(manager.main, signal.SIGHUP)
        after = wait_for(lambda: manager.info()['broker_pid'] not in (0, before['broker_pid'])
                         and manager.info(), 'another broker')
        same([after['pid'], after['epoch']], [before['pid'], before['epoch']], 'keeper and epoch')
        assert manager.ended() is None, 'the main process has ended'


def test_cgroups_that_were_removed(_):
    """systemd removes the empty ones where a service ends; children have some all the same."""
    with Manager() as manager:
        manager.start()
        keeper = manager.info()['pid']
        if not cgroups_of(keeper):
            raise Skip('no cgroups here')
        remove_cgroups(cgroups_of(keeper))
        same(cgroups_of(keeper), [], 'cgroups')
        process, pid = sleeper(manager)
        with open('/proc/%d/cgroup' % pid, encoding='utf-8') as file:
            assert re.search(r'^0::.*/procd-%d\.\d+/\d+$' % keeper, file.read(), re.MULTILINE), 'no cgroup'
        ends_with_its_status(manager, process, pid)


def without_libsystemd():
    listed = subprocess.run(['ldd', PROCD], stdout=subprocess.PIPE, check=False).stdout
    return b'libsystemd' not in listed


if without_libsystemd():
    print('this daemon was built without libsystemd')
    sys.exit(77)
main()
