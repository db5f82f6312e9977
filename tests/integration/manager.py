# SPDX-License-Identifier: MIT
"""A service manager that tests play: it listens for clients and for what a main process says, keeps the
descriptors that it is given, gives them to the next main process, and waits for orphans, as systemd does.
"""
import array
import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from clients import Client, Closed, ready, same, wait_for
from harness import PROCD, cgroups_of, is_dead, quick_children_of, remove_cgroups

PR_SET_CHILD_SUBREAPER = 36
KEEPER = 'keeper'  # the name of the link to the keeper and of its pidfd
CGROUPS = 'cgroups'
# while there are no children
KEPT = [KEEPER, KEEPER, 'ledger', 'logs-data', 'logs-index', 'program', 'state']


def family_of(pid):
    """Its children, their children, and so on."""
    children = quick_children_of(pid)
    return children + [each for child in children for each in family_of(child)]


class Manager:
    def __init__(self, *options, activates=True):
        """activates: it has bound the socket; else the daemon does."""
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
        self.dir = tempfile.mkdtemp(prefix='procd-test-')
        os.chmod(self.dir, 0o700)
        self.ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.ear.bind(self.dir + '/notify')
        self.wrong = None  # what somebody has said
        self.store, self.words, self.keepers, self.main, self.status = [], [], set(), None, None
        self.options, self.socket, self.path = list(options), None, self.dir + '/own'
        self.log_path, self.program = self.dir + '/log', PROCD
        self.orphans, self.done, self.supervises, self.lock = set(), False, False, threading.RLock()
        self.reaper = threading.Thread(target=self.reap, daemon=True)
        self.reaper.start()
        if activates:
            self.renew_socket()
        else:
            self.options += ['--socket', self.path]

    def renew_socket(self):
        self.path = tempfile.mktemp(dir=self.dir)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.socket.bind(self.path)
        self.socket.listen(100)

    # what is said

    def hear(self):
        """Everything that has been said; the store is brought up to date."""
        with self.lock:
            if self.wrong:
                raise self.wrong
            while ready(self.ear, 0):
                text, ancillary, _, _ = self.ear.recvmsg(4096, 4096, socket.MSG_CMSG_CLOEXEC)
                fds = array.array('i')
                for _, _, data in ancillary:
                    fds.frombytes(data)
                text = text.decode()
                self.take(dict(line.split('=', 1) for line in text.split('\n')), text, list(fds))
            return self.words

    def listen(self):
        """Nobody who speaks has to wait until a test asks, as a socket may hold no more than ten messages."""
        try:
            self.hear()
        except AssertionError as error:
            self.wrong = error

    def take(self, said, text, fds):
        if 'FDSTOREREMOVE' in said:
            self.drop(said['FDNAME'])
        elif 'FDSTORE' in said:
            name = said['FDNAME']
            assert re.fullmatch('[!-9;-~]{1,255}', name), 'no name for the store: %r' % name
            # what hangs up goes, unless it is not to be polled
            same(said.get('FDPOLL'), None if name == KEEPER else '0', 'FDPOLL of ' + name)
            assert fds, 'nothing to store'
            self.store += [(name, fd) for fd in fds]
        else:
            same(fds, [], 'descriptors with ' + text)
            self.words.append(text)

    def drop(self, name):
        for each in [each for each in self.store if each[0] == name]:
            self.store.remove(each)
            os.close(each[1])

    def drop_child(self, process):
        with self.lock:
            for name in {name for name, _ in self.store if name.startswith('child-%d-' % process)}:
                self.drop(name)

    def names(self):
        """But for the directory of cgroups, which there is on some machines."""
        with self.lock:
            self.hear()
            return sorted(name for name, _ in self.store if name != CGROUPS)

    def children(self):
        """The numbers of the processes that are in the store."""
        return [int(name.split('-')[1]) for name in self.names() if name.startswith('child-')]

    def empty_store(self):
        with self.lock:
            self.hear()
            for _, fd in self.store:
                os.close(fd)
            self.store.clear()

    # main processes

    def start(self, watchdog=0):
        """A main process; returns when it has said that it is ready."""
        self.begin(watchdog)
        self.until_ready()

    def begin(self, watchdog=0):
        with self.lock:  # nothing of the store goes meanwhile
            self.begin_locked(watchdog)

    def begin_locked(self, watchdog):
        self.hear()
        self.words, self.status = [], None
        # systemd gives the newest first
        passed = [('procd.socket', self.socket.fileno())] if self.socket else []
        passed += [each for each in reversed(self.store) if each[0] != KEEPER or not self.hung_up(each[1])]
        env = {name: value for name, value in os.environ.items()
               if re.fullmatch('PATH|[A-Z]+SAN_OPTIONS', name)}
        env['NOTIFY_SOCKET'] = self.dir + '/notify'
        if passed:
            env.update(LISTEN_FDS=str(len(passed)), LISTEN_FDNAMES=':'.join(name for name, _ in passed))
        if watchdog:
            env['WATCHDOG_USEC'] = str(watchdog * 1000000)
        read, write = os.pipe2(os.O_CLOEXEC)  # its end: the main process has been executed
        self.main = os.fork()
        if self.main == 0:
            self.become_main([fd for _, fd in passed], env)
        os.close(write)
        assert ready(read, 20), 'the main process is not executed'
        os.close(read)

    @staticmethod
    def hung_up(fd):
        """The link of a keeper that is dead, or the pidfd."""
        return ready(fd, 0, 0)

    def become_main(self, fds, env):
        """In the child: descriptors 3 and up as systemd passes them, from numbers that are out of the way."""
        high = [os.dup2(fd, 1000 + at) for at, fd in enumerate(fds)]
        log = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        for at, fd in enumerate(high):
            os.dup2(fd, 3 + at)
        os.closerange(3 + len(fds), 1000 + len(fds))
        stat = os.fstat(2)
        env['JOURNAL_STREAM'] = '%d:%d' % (stat.st_dev, stat.st_ino)
        env['LISTEN_PID'] = str(os.getpid())
        try:
            os.execve(self.program, [self.program, '--user', *self.options], env)
        finally:
            os._exit(127)

    def until_ready(self):
        wait_for(lambda: 'READY=1' in self.hear() or self.ended() is not None, 'READY=1')
        assert 'READY=1' in self.words, 'the main process has ended: ' + self.log()
        self.keepers.add(self.info()['pid'])

    def reap(self):
        """Waits for orphans, in a thread of its own; hears what is said; and starts another main process
        where it is to."""
        while not self.done:
            self.listen()
            with self.lock:
                if self.supervises and self.ended() is not None:
                    self.begin()
            for pid in list(self.orphans):
                with contextlib.suppress(ChildProcessError):  # it is not left to us yet
                    if os.waitpid(pid, os.WNOHANG)[0]:
                        self.orphans.discard(pid)
            time.sleep(0.002)

    def kill(self, *pids):
        """SIGKILL, at once; what they leave behind may become ours."""
        self.orphans.update(pid for each in pids for pid in family_of(each))
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def kill_keeper(self):
        """Only that; returns once it is dead. What was said of it before."""
        before = self.info()
        self.kill(before['pid'])
        wait_for(lambda: is_dead(before['pid']), 'its end')
        return before

    def kill_all(self):
        """Main process and keeper: another keeper begins with what is in the store."""
        before = self.info()
        self.hear()
        self.kill(self.main, before['pid'])
        self.orphans.add(before['pid'])
        wait_for(lambda: self.ended() is not None and is_dead(before['pid']), 'their end')
        return before

    def ended(self):
        """None, or the status of the main process."""
        with self.lock:
            if self.main is not None:
                pid, status = os.waitpid(self.main, os.WNOHANG)
                if pid != 0:
                    self.main, self.status = None, status
            return self.status

    def end(self, number):
        """A signal to the main process, and how it ended: by os.waitstatus_to_exitcode."""
        self.orphans.update(family_of(self.main))
        os.kill(self.main, number)
        wait_for(lambda: self.ended() is not None, 'the end of the main process')
        return os.waitstatus_to_exitcode(self.status)

    def log(self):
        with open(self.log_path, encoding='utf-8', errors='replace') as file:
            return file.read()

    # clients

    def client(self):
        return Client(self.path)

    def ask(self, method, **params):
        """Asked again where a broker took the question to its grave."""
        while True:
            with contextlib.suppress(Closed, ConnectionRefusedError), self.client() as client:
                return client.call(method, **params)

    def info(self):
        return self.ask('daemon.info')

    # the end

    def end_all(self):
        """Nothing that was started outlives the test."""
        for pid in [*self.keepers, *family_of(os.getpid())]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while quick_children_of(os.getpid()):
            os.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, *unused):
        self.supervises = False
        if kind:
            print('the log of the daemon:\n' + self.log()[-6000:], flush=True)
        if self.ended() is None and self.main is not None:
            self.end(signal.SIGKILL)
        self.empty_store()
        if self.socket:
            self.socket.close()
        for client in list(Client.alive):
            client.close()
        try:
            wait_for(lambda: all(map(is_dead, self.keepers)), 'the end of keepers that nobody wants')
        finally:
            self.done = True
            self.reaper.join()
            self.empty_store()
            self.ear.close()
            self.end_all()
            for keeper in self.keepers:
                remove_cgroups(cgroups_of(keeper))
            shutil.rmtree(self.dir)


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


def without_libsystemd():
    listed = subprocess.run(['ldd', PROCD], stdout=subprocess.PIPE, check=False).stdout
    return b'libsystemd' not in listed
