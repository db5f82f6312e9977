#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What else does the same work, and is at hand: Python's multiprocessing, supervisord, task-spooler.

    peers.py WORK        the names of those that do this kind of work, one a line
    peers.py WORK NAME   "ready", then for each line that comes in a round's value, until its input ends

A round of "spawn" is microseconds for one start and end; of "throughput" how many a second; of "ping" and
"lock" microseconds for one; of "mutex" nanoseconds for one. peers.c asks.
"""
import contextlib
import http.client
import multiprocessing
import multiprocessing.managers
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client

BEST_EFFORT = 0.2  # seconds of a round, where one takes long
OUTSTANDING = 64
MANY = 100000


def nothing():
    """What a child does."""


def each(one):
    """Microseconds for one, of as many as go into a round."""
    begin = time.monotonic()
    count = 0
    while count == 0 or time.monotonic() - begin < BEST_EFFORT:
        one()
        count += 1
    return (time.monotonic() - begin) / count * 1e6


# ---- multiprocessing ----

def python_spawn(method):
    context = multiprocessing.get_context(method)

    def one():
        process = context.Process(target=nothing)
        process.start()
        process.join()
    one()  # the forkserver starts with its first child
    return lambda: each(one)


def python_throughput(method):
    context = multiprocessing.get_context(method)
    count = OUTSTANDING * (4 if method == 'fork' else 1)

    def round_of_many():
        begin = time.monotonic()
        alive = []
        for _ in range(count):
            if len(alive) == OUTSTANDING:
                ready = multiprocessing.connection.wait([process.sentinel for process in alive])
                for process in [process for process in alive if process.sentinel in ready]:
                    process.join()
                    alive.remove(process)
            process = context.Process(target=nothing)
            process.start()
            alive.append(process)
        for process in alive:
            process.join()
        return count / (time.monotonic() - begin)
    return round_of_many


def python_mutex(method):
    """A semaphore of the C library, between processes."""
    lock = multiprocessing.get_context(method).Lock()

    def round_of_many():
        begin = time.monotonic()
        for _ in range(MANY):
            lock.acquire()
            lock.release()
        return (time.monotonic() - begin) / MANY * 1e9
    return round_of_many


class Manager:
    """A SyncManager's server, which outlives nobody: it is told to end with us."""

    def __init__(self):
        self.manager = multiprocessing.managers.SyncManager()
        self.manager.start(signal.signal, (signal.SIGTERM, signal.SIG_DFL))

    def lock(self):
        lock = self.manager.Lock()

        def one():
            lock.acquire()
            lock.release()
        return lambda: each(one)

    def ping(self):
        value = self.manager.Value('i', 0)
        return lambda: each(value.get)


# ---- supervisord ----

class UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def make_connection(self, host):
        connection = http.client.HTTPConnection('localhost')
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.path)
        return connection


CONFIGURATION = '''
[unix_http_server]
file = {folder}/socket
[supervisord]
nodaemon = true
logfile = /dev/null
logfile_maxbytes = 0
pidfile = {folder}/pid
childlogdir = {folder}
minfds = 1024
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[program:child]
command = {child}
process_name = %(process_num)d
numprocs = {count}
autostart = false
autorestart = false
startsecs = 0
stdout_logfile = NONE
stderr_logfile = NONE
'''


class Supervisor:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='procd-bench-supervisor.')
        path = os.path.join(self.folder, 'conf')
        child = os.path.join(os.environ['TOP_BUILDDIR'], 'tests/bench/nothing')
        with open(path, 'w', encoding='utf-8') as conf:
            conf.write(CONFIGURATION.format(folder=self.folder, child=child, count=OUTSTANDING))
        self.daemon = subprocess.Popen(['supervisord', '-c', path], stdout=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while not os.path.exists(self.folder + '/socket') and time.monotonic() < until:
            time.sleep(0.01)
        self.rpc = xmlrpc.client.ServerProxy('http://localhost',
                                             transport=UnixTransport(self.folder + '/socket')).supervisor

    def close(self):
        self.daemon.terminate()
        self.daemon.wait()
        shutil.rmtree(self.folder)

    def ping(self):
        return lambda: each(self.rpc.getIdentification)

    def start(self, number):
        self.rpc.startProcess(f'child:{number}', False)

    def ended(self, number):
        return self.rpc.getProcessInfo(f'child:{number}')['statename'] == 'EXITED'

    def spawn(self):
        def one():
            self.start(0)
            while not self.ended(0):
                pass
        return lambda: each(one)

    def throughput(self):
        def round_of_many():
            begin = time.monotonic()
            for number in range(OUTSTANDING):
                self.start(number)
            while any(info['statename'] != 'EXITED' for info in self.rpc.getAllProcessInfo()):
                pass
            return OUTSTANDING / (time.monotonic() - begin)
        return round_of_many


# ---- which there are ----

@contextlib.contextmanager
def supervised(work):
    supervisor = Supervisor()
    try:
        yield getattr(supervisor, work)()
    finally:
        supervisor.close()


@contextlib.contextmanager
def managed(work):
    manager = Manager()
    try:
        yield getattr(manager, work)()
    finally:
        manager.manager.shutdown()


@contextlib.contextmanager
def python(make, method):
    yield make(method)


def peers(work):
    found = {}
    if work in ('spawn', 'throughput'):
        make = python_spawn if work == 'spawn' else python_throughput
        for method in ('fork', 'forkserver', 'spawn'):
            found[f'multiprocessing, {method}'] = lambda method=method: python(make, method)
    if work == 'mutex':
        found['multiprocessing'] = lambda: python(python_mutex, 'fork')
    if work in ('ping', 'lock'):
        found['SyncManager'] = lambda: managed(work)
    if work not in ('lock', 'mutex') and shutil.which('supervisord'):
        found['supervisord'] = lambda: supervised(work)
    return found


def main():
    work = sys.argv[1]
    found = peers(work)
    if len(sys.argv) == 2:
        print('\n'.join(found))
        return
    with found[sys.argv[2]]() as round_of:
        round_of()
        print('ready', flush=True)
        for _ in sys.stdin:
            print(f'{round_of():.3f}', flush=True)


if __name__ == '__main__':
    main()
