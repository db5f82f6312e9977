# SPDX-License-Identifier: MIT
"""strace as a source of failures: it changes what the kernel answers to a process that it watches.

Only the system calls that are named are stopped at; `when` counts those of each thread.
"""
import os
import re
import shutil
import signal
import subprocess

from clients import SOON, wait_for
from harness import Skip, is_dead


def tracer_of(pid):
    try:
        with open('/proc/%d/status' % pid, encoding='utf-8', errors='replace') as file:
            return int(re.search(r'^TracerPid:\t(\d+)', file.read(), re.M).group(1))
    except (FileNotFoundError, ProcessLookupError):
        return 0


STOPPED = '--- stopped by SIGSTOP ---'


def signal_to(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class Strace:
    """Watches a process while the context lasts. threads: also those that it has and makes."""
    def __init__(self, pid, log, *expressions, threads=False):
        if not shutil.which('strace'):
            raise Skip('no strace')
        self.pid, self.log_path = pid, log
        options = [option for each in expressions for option in ('-e', each)]
        self.process = subprocess.Popen(
            ['strace', '-q', *(['-f'] if threads else []), '-o', log, '-p', str(pid), *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait_for(lambda: self.process.poll() is not None or tracer_of(pid) == self.process.pid, 'strace')
        if self.process.poll() is not None and not is_dead(pid):
            why = self.process.stderr.read().decode()
            self.process.stderr.close()
            if 'attach' in why:
                raise Skip('nothing can be traced here: ' + why.strip())
            raise AssertionError('strace: ' + why)

    def log(self):
        with open(self.log_path, encoding='utf-8', errors='replace') as file:
            return file.read()

    def stop(self):
        """Between two calls: let go of in the middle of one that was to fail, it would be told ENOSYS."""
        before = self.log().count(STOPPED)
        signal_to(self.pid, signal.SIGSTOP)
        wait_for(lambda: self.log().count(STOPPED) > before or self.process.poll() is not None
                 or is_dead(self.pid), 'its stop', step=0.0005)

    def detach(self):
        """What it has seen."""
        if self.process.poll() is None:
            self.stop()
            self.process.terminate()
        self.process.wait(SOON)
        signal_to(self.pid, signal.SIGCONT)
        self.process.stderr.close()
        return self.log()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.returncode is None:
            self.detach()


class Injection(Strace):
    """The n-th call of a kind (`when` as in strace: '3', '1+') fails, or whatever `what` says."""
    def __init__(self, daemon, pid, call, what, when, threads=False):
        super().__init__(pid, os.path.join(daemon.dir, 'strace'), 'trace=' + call,
                         'inject=%s:%s:when=%s' % (call, what, when), threads=threads)

    def has_begun(self):
        """Has it changed a call?"""
        return '(INJECTED)' in self.log()

    def injected(self):
        """How many calls it has changed; ends it."""
        return self.detach().count('(INJECTED)')


def calls_of(daemon, pid, act, threads=False):
    """Which system calls the process makes while act() runs, in their order."""
    with Strace(pid, os.path.join(daemon.dir, 'strace'), threads=threads) as strace:
        act()
        return re.findall(r'^(?:\d+ +)?(\w+)\(', strace.detach(), re.M)
