# SPDX-License-Identifier: MIT
"""What the tests of whole daemons share: a daemon of one's own, and the accounts at its end.

A test is a function test_*(daemon) of a module that ends with `main()`. It gets a daemon that nobody else
uses, and at its end descriptors, children, connections and log of that daemon must be what they were: see
Daemon.finish. Whatever the daemon says meanwhile must be as it says in rpc.discover: see contract.py.
"""
import collections
import fnmatch
import glob
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

from clients import SOON, Client, Closed, Peer, same, wait_for
from contract import Contract

PROCD = os.environ.get('PROCD') or os.path.join(os.environ.get('TOP_BUILDDIR', '.'), 'procd')
LONG = bool(os.environ.get('TEST_LONG'))


class Skip(Exception):
    """This machine or user cannot run the test."""


class TimeUp(BaseException):
    """The test has run for too long; no test's own `except Exception` may swallow it."""


def prompt(seconds):
    """Was nobody held up? A ping takes less than a millisecond, but a busy machine may take its time, too."""
    return seconds < (0.1 if os.getloadavg()[0] <= os.cpu_count() else 1)


# ---------------------------------------------------------------- processes, as /proc shows them

def stat_of(pid):
    """(name, state, parent), or None once it is gone."""
    try:
        with open('/proc/%d/stat' % pid, encoding='utf-8', errors='replace') as file:
            head, _, tail = file.read().rpartition(')')
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, parent = tail.split()[:2]
    return head.partition('(')[2], state, int(parent)


def processes():
    """{pid: (name, state, parent)} of all."""
    found = {int(name): stat_of(int(name)) for name in os.listdir('/proc') if name.isdigit()}
    return {pid: stat for pid, stat in found.items() if stat}


def children_of(pid):
    found = {child: stat_of(child) for child in quick_children_of(pid)}
    return {child: stat for child, stat in found.items() if stat}


def quick_children_of(pid):
    """Their pids, from a file that not every kernel has; but it takes no walk through all processes."""
    try:
        with open('/proc/%d/task/%d/children' % (pid, pid), encoding='ascii') as file:
            return [int(child) for child in file.read().split()]
    except FileNotFoundError:
        return [child for child, stat in processes().items() if stat[2] == pid]
    except ProcessLookupError:
        return []


def descendants_of(pid):
    table, found, layer = processes(), [], [pid]
    while layer:
        layer = [child for child, stat in table.items() if stat[2] in layer]
        found += layer
    return found


def is_dead(pid):
    """Gone, or a zombie."""
    stat = stat_of(pid)
    return stat is None or stat[1] in 'ZX'


def is_broker(pid):
    try:
        with open('/proc/%d/cmdline' % pid, 'rb') as file:
            return b'--role=broker' in file.read()
    except OSError:
        return False


def targets_of(pid):
    """What the process has open: each descriptor's number, and where it leads. OSError: nobody may look."""
    folder, targets = '/proc/%d/fd' % pid, {}
    for name in os.listdir(folder):
        try:
            targets[int(name)] = os.readlink(os.path.join(folder, name))
        except FileNotFoundError:
            continue  # closed meanwhile
    return targets


def descriptors(pid):
    """How many of each sort the process has open; their number where nobody may look; None: it is gone."""
    sorts = collections.Counter()
    try:
        targets = targets_of(pid).values()
    except PermissionError:
        return collections.Counter({'all': os.stat('/proc/%d/fd' % pid).st_size})
    except OSError:
        return None
    for target in targets:
        # The keeper has some empty cgroups ready, more or less of them. What a uid's clients share with the
        # daemon is made with the first lock that is mapped, and stays.
        if 'cgroup' not in target and 'procd-page' not in target:
            sorts[re.sub(r'\d+', 'N', target.removesuffix(' (deleted)'))] += 1
    return sorts


def cgroups_of(keeper_pid):
    """The directories that keepers with this pid have made for their children; '*': all keepers."""
    with open('/proc/self/mountinfo', encoding='utf-8') as file:
        mounts = [line.split()[4] for line in file if ' - cgroup2 ' in line]
    found = []
    for folder, below, _ in (each for mount in mounts for each in os.walk(mount)):
        found += [os.path.join(folder, name) for name in fnmatch.filter(below, 'procd-%s.*' % keeper_pid)]
        below[:] = [name for name in below if not name.startswith('procd-')]  # many, each with many
    return found


def remove_cgroups(folders):
    """What a keeper that was killed has left."""
    for path in [below for top in folders for below in (*glob.glob(top + '/*/'), top)]:
        try:
            os.rmdir(path)
        except OSError:
            pass  # somebody is in it


# ---------------------------------------------------------------- the daemon

class Daemon:
    """A daemon in a directory of its own. Use it as a context: its end is its accounts."""

    def __init__(self, *options, env=None, mode='--user', allow=(), before=None, owner=-1,
                 copied=False, stderr=None):
        self.options, self.mode, self.env, self.before = options, mode, env or {}, before
        self.stderr = stderr  # in place of its log
        self.allow = list(allow)  # patterns of lines that its log may hold
        self.dir = tempfile.mkdtemp(prefix='procd-test-')
        os.chmod(self.dir, 0o755)
        os.chown(self.dir, owner, -1)
        self.path = os.path.join(self.dir, 's')
        self.log_path = os.path.join(self.dir, 'log')
        # a file of its own, where a test puts another in its place
        self.program = shutil.copy(PROCD, os.path.join(self.dir, 'procd')) if copied else PROCD
        self.process = self.keeper_pid = None
        self.foreign_cgroups = []

    def cgroups(self):
        """Its own: a pid may come again after a keeper that was killed."""
        return [path for path in cgroups_of(self.keeper_pid) if path not in self.foreign_cgroups]

    def start(self):
        self.foreign_cgroups = cgroups_of('*')
        with open(self.log_path, 'wb') as log:
            stat = os.fstat(log.fileno())
            kept = {name: value for name, value in os.environ.items()
                    if re.match('PATH$|[A-Z]+SAN_OPTIONS$', name)}
            # its lines then carry their level, as for the journal
            stream = {'JOURNAL_STREAM': '%d:%d' % (stat.st_dev, stat.st_ino)}
            self.process = subprocess.Popen(
                [self.program, self.mode, '--socket', self.path, *self.options],
                env={**kept, **stream, **self.env},
                stdin=subprocess.DEVNULL, stdout=log, stderr=self.stderr or log, cwd='/',
                preexec_fn=self.before)
        wait_for(self.answers, 'the start of the daemon')
        Client.contract = Client.contract or Contract(self.ask('rpc.discover'))
        self.keeper_pid = self.info()['pid']
        self.connection = self.connect()  # the one that is counted, before and after
        wait_for(lambda: self.accounts()['connections'] == 1, 'the end of the first connections')
        self.accounts_before = self.steady_accounts()
        return self

    def answers(self):
        assert self.process.poll() is None, 'the daemon has ended: ' + self.log()
        try:
            return self.ask('daemon.ping') == {}
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    def connect(self):
        return Client(self.path)

    def ask(self, method, **params):
        """One request on a connection of its own; asked again where a broker took it to its grave."""
        end = time.monotonic() + SOON
        while True:
            try:
                with self.connect() as client:
                    return client.call(method, **params)
            except Closed:
                assert time.monotonic() < end, 'every connection is closed: ' + self.log()

    def info(self):
        return self.ask('daemon.info')

    @property
    def broker_pid(self):
        return self.info()['broker_pid']

    def kill_broker(self):
        """SIGKILL, and wait until another one answers. Returns the new one's pid."""
        pid = self.broker_pid
        os.kill(pid, signal.SIGKILL)
        return wait_for(lambda: self.broker_pid not in (0, pid) and self.broker_pid, 'a new broker')

    def without_broker(self):
        """Kills the broker, and stops the next one as soon as it is there: SIGCONT lets it begin. Its pid."""
        return self.hold_next(self.broker_pid)

    def hold_next(self, broker):
        """The same where no broker answers that could be asked who it is."""
        def next_ones():
            return [pid for pid in quick_children_of(self.keeper_pid) if pid != broker and is_broker(pid)]

        os.kill(broker, signal.SIGKILL)
        found = wait_for(next_ones, 'the next broker', step=0.0002)
        os.kill(found[0], signal.SIGSTOP)
        return found[0]

    def log(self):
        with open(self.log_path, encoding='utf-8', errors='replace') as file:
            return file.read()

    def sanitized(self):
        """Memory is then no measure."""
        with open(PROCD, 'rb') as file:
            return b'__asan_init' in file.read()

    # the end

    def accounts(self):
        """What must be as before: who is there, the descriptors of both roles, the keeper's children."""
        info = self.connection.call('daemon.info')
        return {**{name: info[name] for name in ('connections', 'subscriptions', 'clients', 'objects')},
                'keeper': descriptors(self.keeper_pid), 'broker': descriptors(info['broker_pid']),
                'children': sorted(state == 'Z' for _, state, _ in children_of(self.keeper_pid).values())}

    def steady_accounts(self):
        """The accounts, once they stay the same and both roles sleep: until then the keeper may still hold a
        connection that the broker serves already."""
        def steady():
            first = self.accounts()
            broker = self.connection.call('daemon.info')['broker_pid']
            stats = [stat_of(pid) for pid in (self.keeper_pid, broker)]
            return all(stat and stat[1] == 'S' for stat in stats) and self.accounts() == first and first

        return wait_for(steady, 'a steady state')

    def end_processes(self):
        """Nothing that a test has started outlives it."""
        with self.connect() as client:
            running = client.call('process.list', alive=True)['processes']
            for number in [client.start('process.stop', process=each['id'], grace=0) for each in running]:
                client.result(number)

    def finish(self):
        """The accounts: everything is as it was at the start."""
        for peer in list(Peer.alive):
            peer.kill()
        for client in list(Client.alive):
            client.close()
        self.connection = self.connect()
        self.end_processes()
        try:
            # a child that never gets to its exec has 10 s, and is killed then
            wait_for(lambda: self.accounts() == self.accounts_before, limit=SOON)
        except AssertionError:
            left = 'left behind: %r; it began with %r' % (self.accounts(), self.accounts_before)
            raise AssertionError(left) from None
        self.stop()

    def stop(self):
        self.ask('daemon.stop')
        self.ended()

    def ended(self, status=0):
        """Waits for the daemon's end by itself, and looks at what is left."""
        same(self.process.wait(SOON), status, 'exit status of the daemon')
        assert not os.path.exists(self.path), 'the socket is left behind'
        same(self.cgroups(), [], 'cgroups left behind')

    def judge_log(self):
        """Its lines carry a level, 3 for errors; what has none came from a library, or a sanitizer."""
        # a thread that ends, or is watched by strace, while leaks are looked for: none was found
        allow = ['Unable to get registers from thread', *self.allow,
                 'Running thread [0-9]+ was not suspended. False leaks are possible.$',
                 'LeakSanitizer has encountered a fatal error.$', 'HINT: .*LSAN_OPTIONS=verbosity',
                 'HINT: LeakSanitizer does not work under ptrace']
        bad = [line for line in self.log().splitlines()
               if re.search(r'Sanitizer|runtime error|^<3>|^(?!<\d>)', line)
               and not any(re.search(pattern, line) for pattern in allow)]
        assert not bad, 'in its log: ' + '\n'.join(bad[:20])

    def kill(self):
        """Whatever state the test has left it in: nothing stays behind."""
        for peer in list(Peer.alive):
            peer.kill()
        for client in list(Client.alive):
            client.close()
        if self.process and self.process.poll() is None:
            left = descendants_of(self.process.pid)
            for pid in [self.process.pid, *left]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait()
            remove_cgroups(self.cgroups())
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.kill()
            raise

    def __exit__(self, kind, *unused):
        try:
            if kind in (None, Skip):
                if self.process.poll() is None:
                    self.finish()
                self.judge_log()
        except BaseException:
            kind = True
            raise
        finally:
            if kind not in (None, Skip):
                self.tell_state()
            self.kill()

    def tell_state(self):
        """What somebody who looks for the cause of a failure wants to see."""
        for pid in [self.process.pid, *descendants_of(self.process.pid)]:
            print('%d %s' % (pid, stat_of(pid)), flush=True)
        print('the log of the daemon:\n' + self.log()[-4000:], flush=True)


# ---------------------------------------------------------------- the run

def options(*arguments, limit=60, root=False, **daemon):
    """What a test wants: arguments of procd and of Daemon, the seconds it may take, whether it needs root."""
    def mark(test):
        test.options, test.limit, test.root, test.daemon = arguments, limit, root, daemon
        return test
    return mark


def time_up(*unused):
    signal.alarm(30)  # for the clean-up; then the signal's default action
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    raise TimeUp('time is up')


def run(test):
    if getattr(test, 'root', False) and os.geteuid() != 0:
        raise Skip('needs root')
    signal.signal(signal.SIGALRM, time_up)
    signal.alarm(getattr(test, 'limit', 60))
    try:
        if test.__code__.co_argcount == 0:
            test()
            return
        with Daemon(*getattr(test, 'options', ()), **getattr(test, 'daemon', {})) as daemon:
            test(daemon)
        # also where a thread, or a test that expects failures, has kept it to itself
        assert not Client.contract.broken, 'not as rpc.discover says: ' + Client.contract.broken[0]
    finally:
        signal.alarm(0)
        if Client.contract:
            Client.contract.broken.clear()


def main(prefix='test_'):
    """Runs the tests of the program, or those that its arguments name."""
    tests = [(name, test) for name, test in vars(sys.modules['__main__']).items() if name.startswith(prefix)]
    results = collections.Counter()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for name, test in tests:
        if sys.argv[1:] and not any(part in name for part in sys.argv[1:]):
            continue
        begin, word, why = time.monotonic(), 'ok', ''
        try:
            run(test)
        except Skip as reason:
            word, why = 'skip', ': %s' % reason
        except (Exception, TimeUp) as problem:
            traceback.print_exc(file=sys.stdout)
            word, why = 'FAIL', ': %s: %s' % (type(problem).__name__, problem)
        results[word] += 1
        print('%-4s %s (%.2f s)%s' % (word, name, time.monotonic() - begin, why), flush=True)
    print('%d passed, %d failed' % (results['ok'], results['FAIL']))
    sys.exit(1 if results['FAIL'] else 0 if results['ok'] else 77)
