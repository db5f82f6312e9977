# SPDX-License-Identifier: MIT
"""The units at work under the systemd of this machine, where procd is installed and unused, and the two users
of PROCD_TEST_USERS are there (alice and bob). It installs nothing; drop-ins live in /run, and nothing that
was started is left: see test_systemd.sh.
"""
import contextlib
import grp
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
import traceback
import types

from clients import Client, same, wait_for
from test_deadlock import Scene

SOCKET = '/run/procd/procd.sock'
CGROUPS = '/sys/fs/cgroup'
DROP_IN = '/run/systemd/system/procd.service.d'
WATCHDOG = 2  # seconds, where a test waits for it
USERS = ALICE, BOB = os.environ.get('PROCD_TEST_USERS', 'alice bob').split()
LONG_SLEEP = ('sleep', '1000')
STORED = 8  # besides children: the keeper's link, pidfd, ledger, state, program, cgroups, and two of logs
STORED_MAX = 512
STORED_CHILDREN = STORED_MAX - 16 - 64  # descriptors of children, and of the two pipes that each writes into
MAIN, RESTARTS = 2, 3  # places in service()
TELLS = [int(part) for part in os.uname().release.split('.')[:2]] >= [6, 15]  # how strangers' children end


# ---------------------------------------------------------------- commands

def run(*command, status=0, **more):
    """Runs it to its end, which must be `status`; returns what it wrote to its standard output."""
    end = subprocess.run(command, capture_output=True, encoding='utf-8', timeout=60, check=False, **more)
    assert end.returncode == status, '%s: status %d, wanted %d; it wrote: %s%s' % (
        ' '.join(command), end.returncode, status, end.stdout, end.stderr)
    return end.stdout


def show(name, unit='procd.service', manager=('systemctl',)):
    return run(*manager, 'show', '-P', name, unit).strip()


def states(unit='procd.service', manager=('systemctl',)):
    return [show(name, unit, manager) for name in ('ActiveState', 'SubState')]


def reaches(want, unit='procd.service', limit=20):
    wait_for(lambda: states(unit) == want, '%s in the states %s' % (unit, want), limit, 0.02)


def as_user(user, *command, env=()):
    """The command line that runs it as this user, with the user's groups and hardly any environment."""
    clean = ['env', '-i', 'PATH=' + os.environ['PATH'], *env]
    return [*clean, *command] if user == 'root' else ['runuser', '-u', user, '--', *clean, *command]


def procctl():
    """It is beside the daemon."""
    program = show('ExecStart').split('path=')[1].split()[0]
    return os.path.join(os.path.dirname(program), 'procctl')


def ctl(user, *words, status=0, env=()):
    return run(*as_user(user, procctl(), '--no-autostart', *words, env=env), status=status)


def info(user='root', env=()):
    return json.loads(ctl(user, '--json', 'daemon', 'info', env=env))


def spawn(user, *command):
    """Returns (id, pid)."""
    made = json.loads(ctl(user, '--json', 'spawn', '--', *command))
    return made['id'], made['pid']


def sh(user, script):
    return spawn(user, 'sh', '-c', script)


# ---------------------------------------------------------------- processes and cgroups

def status_of(pid):
    with open('/proc/%d/status' % pid, encoding='utf-8') as file:
        return {name: value.strip() for name, _, value in (line.partition(':') for line in file)}


def alive(pid):
    try:
        return status_of(pid)['State'][0] not in 'ZX'
    except (FileNotFoundError, ProcessLookupError):
        return False


def name_of(pid):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return status_of(pid)['Name']
    return ''


def parent_of(pid):
    return int(status_of(pid)['PPid'])


def cgroup_of(pid):
    with open('/proc/%d/cgroup' % pid, encoding='utf-8') as file:
        return next(line[3:].strip() for line in file if line.startswith('0::'))


def pids_below(cgroup):
    found = []
    for folder, _, files in os.walk(CGROUPS + cgroup):
        if 'cgroup.procs' in files:
            with contextlib.suppress(OSError), open(folder + '/cgroup.procs', encoding='utf-8') as file:
                found += [int(line) for line in file]
    return found


def identity_of(pid):
    status = status_of(pid)
    return [set(status['Uid'].split()), set(status['Gid'].split()), set(status['Groups'].split())]


def wanted_identity(user):
    entry = pwd.getpwnam(user)
    groups = {str(gid) for gid in os.getgrouplist(user, entry.pw_gid)}
    return [{str(entry.pw_uid)}, {str(entry.pw_gid)}, groups]


# ---------------------------------------------------------------- what is installed

def test_verify():
    """systemd accepts the installed units: it warns without failing, so every word about ours counts."""
    for manager in ('--system', '--user'):
        command = ['systemd-analyze', manager, '--man=no', 'verify', 'procd.service', 'procd.socket']
        end = subprocess.run(command, env={**os.environ, 'XDG_RUNTIME_DIR': '/run'}, capture_output=True,
                             encoding='utf-8', check=False)
        said = [line for line in (end.stdout + end.stderr).splitlines() if 'procd' in line]
        same((end.returncode, said), (0, []), 'systemd-analyze %s verify' % manager)


def test_user_and_folder():
    """sysusers made the broker's user; tmpfiles makes the folder again, as the socket unit does."""
    run('systemd-sysusers', 'procd.conf')
    entry = pwd.getpwnam('procd')
    assert 0 < entry.pw_uid < 1000, 'not a system user: %r' % (entry,)
    assert entry.pw_shell.endswith('nologin'), 'somebody could log in: %r' % (entry,)
    same([group.gr_name for group in grp.getgrall() if 'procd' in group.gr_mem], [], 'groups of procd')
    for make in (('systemctl', 'start', 'procd.socket'), ('systemd-tmpfiles', '--create', 'procd.conf')):
        run('systemctl', 'stop', 'procd.socket')
        shutil.rmtree(os.path.dirname(SOCKET), ignore_errors=True)
        run(*make)
        made = os.stat(os.path.dirname(SOCKET))
        same((stat.S_IMODE(made.st_mode), made.st_uid, made.st_gid), (0o755, 0, 0), 'folder by ' + make[0])


SERVICE = {'Type': 'notify', 'NotifyAccess': 'main', 'KillMode': 'process', 'Restart': 'on-failure',
           'OOMPolicy': 'continue', 'Delegate': 'yes', 'TasksMax': 'infinity', 'WatchdogUSec': '30s',
           'LimitNOFILESoft': '1024', 'NoNewPrivileges': 'no', 'FileDescriptorStoreMax': str(STORED_MAX)}


def test_properties():
    """What the units must say, as systemd has understood it."""
    ctl('root', 'ping')
    want = {**SERVICE, 'TriggeredBy': 'procd.socket'}
    same({name: show(name) for name in want}, want, 'systemctl show procd.service')
    want = {'Listen': SOCKET + ' (Stream)', 'SocketMode': '0666', 'DirectoryMode': '0755', 'Accept': 'no'}
    same({name: show(name, 'procd.socket') for name in want}, want, 'systemctl show procd.socket')


# ---------------------------------------------------------------- start and users

def test_first_connection():
    """Nothing runs until somebody connects; then the service gets ready, and the client gets its answer."""
    same(states('procd.socket'), ['active', 'listening'], 'procd.socket')
    same(states(), ['inactive', 'dead'], 'procd.service before the first connection')
    same(stat.S_IMODE(os.stat(SOCKET).st_mode), 0o666, 'mode of the socket')
    begin = time.monotonic()
    ctl(ALICE, 'ping')
    print('     the first connection: %.0f ms' % ((time.monotonic() - begin) * 1000))
    same(states(), ['active', 'running'], 'procd.service after it')
    same(int(show('MainPID')), parent_of(info()['pid']), 'the main process')


def test_two_users():
    """They run as themselves, and do not see each other's processes."""
    made = {user: spawn(user, *LONG_SLEEP) for user in USERS}
    for user, (process, pid) in made.items():
        same(identity_of(pid), wanted_identity(user), 'uid, gid and groups of a process of ' + user)
        seen = json.loads(ctl(user, '--json', 'ps', '-a'))['processes']
        same([each['id'] for each in seen], [process], 'what %s sees' % user)
    for user, other in (USERS, USERS[::-1]):
        foreign = str(made[other][0])
        for words in ('inspect', 'kill', 'kill -s KILL', 'terminate', 'stop', 'is-alive', 'rm'):
            ctl(user, *words.split(), foreign, status=4)
    for user, (process, pid) in made.items():
        assert alive(pid), 'the process of %s was killed' % user
        same(ctl(user, 'is-alive', str(process)), 'yes\n')
        ctl(user, 'daemon', 'stop', status=5)
        ctl(user, 'daemon', 'restart', status=5)


def test_groups_are_the_callers():
    """Not those of the database: what the client has when it connects."""
    group = next(each.gr_name for each in grp.getgrall() if each.gr_gid > 0 and not each.gr_mem
                 and each.gr_name not in USERS)
    shown = run('runuser', '-u', ALICE, '-G', group, '--', procctl(), 'run', '--', 'id', '-G')
    same(shown, run('runuser', '-u', ALICE, '-G', group, '--', 'id', '-G'), 'groups of the child')
    assert str(grp.getgrnam(group).gr_gid) in shown.split(), 'group %s is not among %s' % (group, shown)


def test_cgroups():
    """Each child has a cgroup of its own below the unit's, by which a tree is found wherever it went."""
    pid = info()['pid']
    unit = show('ControlGroup')
    same(cgroup_of(pid), unit, 'cgroup of the keeper')
    fork = 'setsid sleep 1000 & (setsid sleep 1000 &) ; wait'
    deaf = 'trap "" TERM; '
    made = [sh(ALICE, fork), sh(ALICE, deaf + fork), sh(BOB, fork), sh('root', fork)]
    cgroups = [cgroup_of(pid) for _, pid in made]
    same(len(set(cgroups)), len(made), 'different cgroups of %d processes' % len(made))
    for cgroup in cgroups:
        assert cgroup.startswith(unit + '/'), '%s is not below %s' % (cgroup, unit)
        wait_for(lambda: sorted(map(name_of, pids_below(cgroup))) == ['sh', 'sleep', 'sleep'],
                 'a tree in ' + cgroup)
    trees = [pids_below(cgroup) for cgroup in cgroups]
    ctl(ALICE, 'terminate', str(made[0][0]))
    wait_for(lambda: not any(map(alive, trees[0])), 'the end of a whole tree by terminate')
    ctl(ALICE, 'stop', '-g', '0', str(made[1][0]))
    same([pid for pid in trees[1] if alive(pid)], [], 'alive after stop')
    assert all(map(alive, trees[2] + trees[3])), 'other trees have lost processes'


# ---------------------------------------------------------------- privileges

CAPABILITIES = ('CapInh', 'CapPrm', 'CapEff', 'CapAmb', 'CapBnd')


def test_broker_is_confined():
    """The user procd, no capability, no way to get one, no network, no files, and few system calls."""
    broker, keeper = info()['broker_pid'], info()['pid']
    status, none = status_of(broker), '0' * 16
    same(identity_of(broker)[:2], wanted_identity('procd')[:2], 'uid and gid of the broker')
    same(status['Groups'], '', 'its groups')
    same({name: status[name] for name in CAPABILITIES}, dict.fromkeys(CAPABILITIES, none), 'its capabilities')
    same([status[name] for name in ('NoNewPrivs', 'Seccomp')], ['1', '2'], 'its NoNewPrivs and Seccomp')
    same(os.readlink('/proc/%d/root' % broker), '/proc/%d/fdinfo' % broker, 'its root directory')
    assert namespaces(broker)['net'] != namespaces(keeper)['net'], 'it has the network of the machine'


def test_a_deadlock_through_a_join():
    """Where the broker sees no other process the keeper counts their threads."""
    daemon = types.SimpleNamespace(path=SOCKET)
    with Scene(daemon) as scene:
        scene.go()
        scene.refused(scene.join())
    with Scene(daemon, threads=2) as scene:
        scene.go()
        scene.joined(scene.join())


def test_children_are_not_confined():
    """A process of root is as any other of root; others cannot gain privileges, and that is all."""
    names, every = ('CapBnd', 'CapPrm', 'CapEff', 'Seccomp', 'NoNewPrivs'), status_of(1)['CapBnd']
    for user in ('root', *USERS):
        _, pid = spawn(user, *LONG_SLEEP)
        own, stays = (every, '0') if user == 'root' else ('0' * 16, '1')
        status = status_of(pid)
        same(dict(zip(names, map(status.get, names))), dict(zip(names, (every, own, own, '0', stays))),
             'a process of ' + user)
        same(namespaces(pid), namespaces(1), 'namespaces of a process of ' + user)


def test_services_of_the_system():
    """With the daemon what is in /etc/procd starts; a bad file is in the log, and does no harm."""
    os.makedirs('/etc/procd')
    try:
        for name, text in (('good', '{"argv": ["sleep", "1000"]}'), ('bad', '{\n"argv": 1}')):
            with open('/etc/procd/%s.json' % name, 'w', encoding='ascii') as file:
                file.write(text)
        ctl('root', 'ping')
        wait_for(lambda: record_of('good'), 'the service')
        pid = record_of('good')['pid']
        same(show('ActiveState'), 'active')
        log = ('journalctl', '--no-pager', '-u', 'procd-load.service')
        wait_for(lambda: '/etc/procd/bad.json:2: argv: ' in run(*log), 'the bad file')
        ctl('root', 'daemon', 'reload', status=1)
        same(record_of('good')['pid'], pid)
    finally:
        shutil.rmtree('/etc/procd')
        run('systemctl', 'reset-failed', 'procd-load.service')
    same(ctl('root', 'daemon', 'reload'), 'good: stopped\n')


def record_of(name):
    """Its record, if it runs."""
    found = json.loads(ctl('root', '--json', 'ps', name))['processes']
    return found[0] if found else None


@contextlib.contextmanager
def dropped_in(text):
    """The service with that in a drop-in."""
    os.makedirs(DROP_IN, exist_ok=True)
    with open(DROP_IN + '/test.conf', 'w', encoding='utf-8') as file:
        file.write('[Service]\n%s\n' % text)
    run('systemctl', 'daemon-reload')
    try:
        yield
    finally:
        shutil.rmtree(DROP_IN)
        run('systemctl', 'daemon-reload')


def journal_of(pid):
    """[(identifier, priority, uid, line)] of what is in the journal of a process."""
    text = run('journalctl', '--no-pager', '-o', 'json', '_PID=%d' % pid)
    return [tuple(entry[name] for name in ('SYSLOG_IDENTIFIER', 'PRIORITY', '_UID', 'MESSAGE'))
            for entry in map(json.loads, text.splitlines())]


def test_output_in_the_journal():
    """With --log=journal a user's process writes there as itself."""
    program = show('ExecStart').split('path=')[1].split()[0]
    with dropped_in('ExecStart=\nExecStart=%s --system --log=journal' % program):
        _, pid = sh(ALICE, 'echo one; echo two >&2; sleep 1')
        uid = str(pwd.getpwnam(ALICE).pw_uid)
        lines = [('sh', '3', uid, 'two'), ('sh', '6', uid, 'one')]
        wait_for(lambda: sorted(journal_of(pid)) == lines, 'its lines')


def namespaces(pid):
    return {name: os.readlink('/proc/%d/ns/%s' % (pid, name))
            for name in ('mnt', 'net', 'ipc', 'uts', 'pid', 'user', 'cgroup')}


def test_children_do_not_inherit():
    """Nothing that systemd gave to the daemon: no variable, no descriptor; the soft limit of the unit."""
    with contextlib.closing(Client(SOCKET)) as client:
        text = client.output('/bin/sh', '-c', 'env; ls -l /proc/self/fd; ulimit -n').decode()
    for name in ('NOTIFY_SOCKET', 'LISTEN_', 'WATCHDOG_', 'INVOCATION_ID', 'JOURNAL_STREAM',
                 'SYSTEMD_EXEC_PID', 'socket:', 'anon_inode'):
        assert name not in text, '%s is in the child: %s' % (name, text)
    same(text.splitlines()[-1], '1024', 'the limit of descriptors')


SPEAK = '''
import array, os, select, socket, sys
speaker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
speaker.connect('/run/systemd/notify')
for state in sys.argv[1:]:
    speaker.send(state.replace('PID', str(os.getpid())).encode())
read, write = os.pipe()
rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [write]))]
speaker.sendmsg([b'FDSTORE=1\\nFDNAME=stranger'], rights)
speaker.sendmsg([b'BARRIER=1'], rights)
os.close(write)  # systemd closes the other one, once it has read all before it
sys.exit(0 if select.select([read], [], [], 20)[0] else 'systemd does not answer')
'''


def test_only_the_main_process_speaks():
    """A child that talks to systemd in the service's name is not heard: it could end it for everybody."""
    epoch = info()['epoch']
    before = show('MainPID')
    told = ('STATUS=stranger', 'MAINPID=PID', 'WATCHDOG=trigger', 'STOPPING=1', 'RELOADING=1')
    for user in (*USERS, 'root'):
        ctl(user, 'run', '-w', '30', '--', sys.executable, '-c', SPEAK, *told)
    seen = [show(name) for name in ('MainPID', 'StatusText')]
    same([*states(), *seen], ['active', 'running', before, ''], 'the service, after others spoke for it')
    wait_for(lambda: stored() == STORED, 'what is kept, after others spoke for it')
    same(info()['epoch'], epoch, 'the epoch')


# ---------------------------------------------------------------- another broker

def service():
    """What a restart of the broker must leave alone."""
    return [*states(), *(show(name) for name in ('MainPID', 'NRestarts'))]


def stored():
    return int(show('NFileDescriptorStore'))


def replaced_by(act, want=None):
    """act(): another broker must serve, under the same keeper; children live on, and no exit is lost.
    want: how service() changes thereby (index: value)."""
    before, unit = info(), service()
    lasting, pid = sh(ALICE, 'trap "exit 7" USR1; while :; do sleep 0.05; done')
    # one ends while no broker is there: it sees the end of the old one
    during, _ = sh('root', 'while kill -0 %d 2>/dev/null; do :; done; exit 9' % before['broker_pid'])
    with joining(ALICE, lasting) as waiting:
        begin = time.monotonic()
        act(before)
        after = wait_for(lambda: serving_other(before['broker_pid']), 'another broker', step=0.01)
        print('     another broker after %.0f ms' % ((time.monotonic() - begin) * 1000))
        same([after['pid'], after['epoch']], [before['pid'], before['epoch']], 'keeper and epoch')
        wait_for(lambda: changed(service(), unit) == (want or {}), 'the service as it was')
        assert alive(pid), 'a child of alice has died'
        same(identity_of(after['broker_pid'])[:2], wanted_identity('procd')[:2], 'uid and gid of the broker')
        ctl('root', '-q', 'join', '-w', '20', str(during), status=9)
        ctl(ALICE, 'kill', '-s', 'USR1', str(lasting))
        same(waiting.wait(20), 7, 'status of join, which began before')
    ctl(ALICE, '-q', 'join', '-w', '20', str(lasting), status=7)


def changed(new, old):
    """{index: value}; of the main process, only that it is another one."""
    return {at: value if at != MAIN else 'another' for at, value in enumerate(new) if value != old[at]}


@contextlib.contextmanager
def joining(user, process):
    """procctl join, under way."""
    words = [procctl(), '--no-autostart', 'join', str(process)]
    with subprocess.Popen(as_user(user, *words), stdout=subprocess.DEVNULL) as waiting:
        try:
            wait_for(lambda: info(user)['clients'] > 1 or waiting.poll() is not None, 'join', limit=5)
            yield waiting
        finally:
            waiting.kill()


def serving_other(old):
    end = subprocess.run(as_user('root', procctl(), '--no-autostart', '--json', 'daemon', 'info'),
                         capture_output=True, encoding='utf-8', timeout=30, check=False)
    after = json.loads(end.stdout) if end.returncode == 0 else {'broker_pid': old}
    return after['broker_pid'] not in (0, old) and after


def test_reload():
    replaced_by(lambda before: run('systemctl', 'reload', 'procd'))


def test_restart():
    """The main process is another one. Whoever asks meanwhile waits; the keeper and what it knows go on."""
    replaced_by(lambda before: run('systemctl', 'restart', 'procd'), {MAIN: 'another'})


def test_restarts_in_a_row():
    """Children of before each of them end with their own statuses; the next ones have cgroups, too."""
    ctl('root', 'ping')
    unit = show('ControlGroup')
    wait = 'trap "exit %d" USR1; while :; do sleep 0.05; done'
    made = []
    for status in range(1, 4):
        process, pid = sh(BOB, wait % status)
        assert cgroup_of(pid).startswith(unit + '/'), '%s is not below %s' % (cgroup_of(pid), unit)
        wait_for(lambda: has_signal(pid, 'SigCgt', signal.SIGUSR1), 'its trap')
        made.append((process, pid, status))
        run('systemctl', 'restart', 'procd')
    assert all(alive(pid) for _, pid, _ in made), 'a child has died'
    for process, _, status in made:
        ctl(BOB, '-q', 'kill', '-s', 'USR1', str(process))
        ctl(BOB, '-q', 'join', '-w', '20', str(process), status=status)
    _, last = spawn(ALICE, *LONG_SLEEP)
    run('systemctl', 'stop', 'procd')
    assert not alive(last), 'a child lives on'
    wait_for(lambda: not pids_below(unit), 'nobody left in the cgroup')
    same(show('NFileDescriptorStore'), '0', 'descriptors in the store')


def test_restart_of_the_socket():
    """The service is restarted with it, and its keeper listens to the new one."""
    process, pid = sh(ALICE, 'trap "exit 5" USR1; while :; do sleep 0.05; done')
    old = os.stat(SOCKET).st_ino
    run('systemctl', 'restart', 'procd.socket')
    assert os.stat(SOCKET).st_ino != old, 'the same socket'
    wait_for(lambda: states() == ['active', 'running'], 'the service')
    wait_for(lambda: has_signal(pid, 'SigCgt', signal.SIGUSR1), 'its trap')
    ctl(ALICE, 'kill', '-s', 'USR1', str(process))
    ctl(ALICE, '-q', 'join', '-w', '20', str(process), status=5)


def test_main_process_is_killed():
    """systemd starts another one, for the same keeper."""
    replaced_by(lambda before: os.kill(int(show('MainPID')), signal.SIGKILL),
                {MAIN: 'another', RESTARTS: '1'})


def test_left_alone():
    """A keeper that nobody is to take over does not stay: it ends its children, and itself."""
    keeper, (_, child) = info()['pid'], spawn(ALICE, *LONG_SLEEP)
    os.kill(int(show('MainPID')), signal.SIGUSR1)
    reaches(['inactive', 'dead'])
    wait_for(lambda: not alive(child) and not alive(keeper), 'the end of keeper and child')


def test_daemon_restart():
    replaced_by(lambda before: ctl('root', 'daemon', 'restart'))


def test_broker_is_killed():
    replaced_by(lambda before: os.kill(before['broker_pid'], signal.SIGKILL))


# ---------------------------------------------------------------- the watchdog

@contextlib.contextmanager
def impatient():
    """The service with a watchdog of WATCHDOG seconds, started."""
    with dropped_in('WatchdogSec=%d' % WATCHDOG):
        ctl('root', 'ping')
        same(show('WatchdogUSec'), '%ds' % WATCHDOG, 'the drop-in')
        yield


def test_watchdog_of_a_healthy_daemon():
    with impatient():
        pid, begin = show('MainPID'), int(show('WatchdogTimestampMonotonic'))
        wait_for(lambda: int(show('WatchdogTimestampMonotonic')) > begin + 3e6 * WATCHDOG,
                 'fed for three periods', step=0.2)
        same([*states(), show('MainPID'), show('NRestarts')], ['active', 'running', pid, '0'], 'the service')


def test_broker_hangs():
    """The keeper replaces it before systemd loses its patience, which would cost the children."""
    with impatient():
        replaced_by(lambda before: os.kill(before['broker_pid'], signal.SIGSTOP))


# ---------------------------------------------------------------- another keeper

def taken_over(act, want):
    """act(): another keeper must take over. want: how service() changes thereby. What was held is held, who
    waits gets it, events have no hole; children live on, and their ends are known."""
    before, unit = info(), service()
    lasting, pid = sh(ALICE, 'trap "exit 7" USR1; while :; do sleep 0.05; done')
    wait_for(lambda: stored() == STORED + 3, 'a child and its pipes in the store')
    young, young_pid = sh(BOB, 'trap "exit 8" USR1; while :; do sleep 0.05; done')
    wait_for(lambda: has_signal(pid, 'SigCgt', signal.SIGUSR1), 'its trap')
    with contextlib.closing(Client(SOCKET)) as client, contextlib.closing(Client(SOCKET)) as other:
        seq = client.call('daemon.info')['seq']
        token = client.call('lock.acquire', name='held', holder='one')['token']
        begin = time.monotonic()
        act(before)
        after = wait_for(lambda: serving_other(before['broker_pid']), 'another keeper', step=0.01)
        print('     another keeper after %.0f ms' % ((time.monotonic() - begin) * 1000))
        assert client.gone() and other.gone(), 'connections of the old broker'
    same([after['epoch'], after['started']], [before['epoch'], before['started']], 'epoch and start')
    assert after['pid'] != before['pid'] and not alive(before['pid']), 'the same keeper'
    wait_for(lambda: changed(service(), unit) == want, 'the service', step=0.05)
    same(str(parent_of(after['pid'])), show('MainPID'), 'its parent')
    assert alive(pid) and alive(young_pid), 'a child has died'
    wait_for(lambda: not alive(before['broker_pid']), 'the end of the old broker')
    look_at_locks_and_events(seq, token)
    known = not want or TELLS
    for user, process, status in ((ALICE, lasting, 7), (BOB, young, 8)):
        ctl(user, '-q', 'kill', '-s', 'USR1', str(process))
        ctl(user, '-q', 'join', '-w', '20', str(process), status=status if known else 125)
    wait_for(lambda: stored() == STORED, 'nothing but what is always kept')
    same(ctl(ALICE, 'run', '--', 'echo', 'served'), 'served\n')


def look_at_locks_and_events(seq, token):
    with contextlib.closing(Client(SOCKET)) as client:
        holder = client.call('object.info', name='held')['holders'][0]
        same([holder['token'], holder['holder'], holder['pid']], [token, 'one', os.getpid()], 'the holder')
        same(client.call('lock.acquire', name='held', holder='two', timeout=0)['acquired'], False)
        waiting = client.start('lock.acquire', name='held', holder='two')
        client.call('lock.release', name='held', token=token)
        assert client.result(waiting)['token'] > token, 'tokens do not rise'
        client.call('lock.release', name='held')
        same(client.call('events.subscribe', since=seq)['gap'], False)
        last = client.call('daemon.info')['seq']
        same([client.event()['seq'] for _ in range(last - seq)], list(range(seq + 1, last + 1)), 'events')


def kill_both(before):
    for pid in (int(show('MainPID')), before['pid']):
        os.kill(pid, signal.SIGKILL)


def test_keeper_is_killed():
    """The main process starts another one, and systemd notices nothing."""
    taken_over(lambda before: os.kill(before['pid'], signal.SIGKILL), {})


def test_keeper_and_main_process_are_killed():
    """systemd starts another one, with what it has kept."""
    taken_over(kill_both, {MAIN: 'another', RESTARTS: '1'})


def test_keeper_hangs():
    """The watchdog's patience is the end of both."""
    with impatient():
        taken_over(lambda before: os.kill(before['pid'], signal.SIGSTOP), {MAIN: 'another', RESTARTS: '1'})


def test_keepers_in_a_row():
    """Children of before each of them, and all are stopped at the end."""
    ctl('root', 'ping')
    unit, children = show('ControlGroup'), []
    for turn in range(6):
        process, pid = sh(ALICE, 'setsid sleep 1000 & trap "" TERM; sleep 1000')
        children.append(process)
        before = info()
        (kill_both if turn % 3 == 2 else lambda each: os.kill(each['pid'], signal.SIGKILL))(before)
        wait_for(lambda: serving_other(before['broker_pid']), 'another keeper', step=0.01)
        assert alive(pid) and cgroup_of(pid).startswith(unit + '/'), 'a child has moved'
    seen = json.loads(ctl(ALICE, '--json', 'ps', '-a'))['processes']
    same([[each['id'], each['state']] for each in seen], [[each, 'running'] for each in children], 'children')
    ctl(ALICE, 'stop', '-g', '0', str(children[0]))
    run('systemctl', 'stop', 'procd')
    wait_for(lambda: not pids_below(unit), 'nobody left in the cgroup')


def test_more_children_than_the_store_holds():
    """systemd can start the service again, as it could not with more descriptors than the soft limit."""
    count = STORED_CHILDREN // 3 + 50
    with contextlib.closing(Client(SOCKET)) as client:
        numbers = [client.start('process.spawn', argv=['/bin/sleep', '1000']) for _ in range(count)]
        children = [client.result(number)['id'] for number in numbers]
        wait_for(lambda: stored() == STORED_CHILDREN + STORED, 'a full store', step=0.1)
        before = info()
        kill_both(before)
        begin = time.monotonic()
        wait_for(lambda: serving_other(before['broker_pid']), 'another keeper', step=0.01)
        print('     with %d children after %.0f ms' % (count, (time.monotonic() - begin) * 1000))
        assert client.gone()
    with contextlib.closing(Client(SOCKET)) as client:
        same([each['id'] for each in client.call('process.list')['processes']], children, 'children')
        for each in children:
            client.call('process.kill', process=each)
        same({client.join(each)['exitcode'] for each in children}, {-9 if TELLS else None}, 'their ends')
    wait_for(lambda: stored() == STORED, 'an empty store', step=0.1)


def test_main_process_hangs():
    """Its keeper does not: the next main process has the same one."""
    with impatient():
        replaced_by(lambda before: os.kill(int(show('MainPID')), signal.SIGSTOP),
                    {MAIN: 'another', RESTARTS: '1'})


# ---------------------------------------------------------------- the end

def has_signal(pid, which, number=signal.SIGTERM):
    return int(status_of(pid)[which], 16) >> number - 1 & 1


def test_stop():
    """The children are asked first, whoever does not hear is killed; the socket listens on."""
    epoch = info()['epoch']
    unit = show('ControlGroup')
    told = '/run/procd-test-told'
    _, polite = sh('root', 'trap "echo told >%s; exit 0" TERM; while :; do sleep 0.05; done' % told)
    with contextlib.closing(Client(SOCKET)) as client:
        deaf = client.sh('trap "" TERM; while :; do sleep 1; done', stop_timeout=0.5)['pid']
    _, other = spawn(BOB, *LONG_SLEEP)
    try:
        wait_for(lambda: has_signal(polite, 'SigCgt') and has_signal(deaf, 'SigIgn'), 'their traps')
        begin = time.monotonic()
        run('systemctl', 'stop', 'procd')
        print('     stopped after %.1f s' % (time.monotonic() - begin))
        assert os.path.exists(told), 'a child was not asked by SIGTERM'
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(told)
    same([pid for pid in (polite, deaf, other) if alive(pid)], [], 'children that live on')
    same([*states(), show('Result')], ['inactive', 'dead', 'success'], 'the service')
    wait_for(lambda: not pids_below(unit), 'nobody left in the cgroup')
    assert not os.path.exists(CGROUPS + unit), '%s is still there' % unit
    same(states('procd.socket'), ['active', 'listening'], 'the socket')
    same(json.loads(ctl(ALICE, '--json', 'ps', '-a'))['processes'], [], 'processes of the next daemon')
    assert info()['epoch'] != epoch, 'the same daemon'


def test_daemon_stop():
    """Told so by a client it ends, and stays so until somebody connects."""
    epoch = info()['epoch']
    _, pid = spawn(ALICE, *LONG_SLEEP)
    # that is somebody who connects, too
    wait_for(lambda: states('procd-load.service')[0] in ('inactive', 'failed'), 'the end of the loading')
    ctl('root', 'daemon', 'stop')
    wait_for(lambda: states()[1] in ('dead', 'auto-restart', 'failed'), 'the end', step=0.02)
    same([*states(), show('Result')], ['inactive', 'dead', 'success'], 'the service')
    assert not alive(pid), 'a child of alice lives on'
    same(states('procd.socket'), ['active', 'listening'], 'the socket')
    assert info()['epoch'] != epoch, 'the same daemon'


# ---------------------------------------------------------------- a user's own

@contextlib.contextmanager
def user_manager(user):
    """The systemd of a user who is not logged in. Yields how systemctl and procctl speak to it."""
    folder = '/run/user/%d' % pwd.getpwnam(user).pw_uid
    lingering = os.path.exists('/var/lib/systemd/linger/' + user)
    run('loginctl', 'enable-linger', user)
    try:
        wait_for(lambda: os.path.exists(folder + '/systemd/private'), 'the user manager', step=0.02)
        yield ['XDG_RUNTIME_DIR=' + folder]
    finally:
        if not lingering:
            run('loginctl', 'disable-linger', user)


def test_user_units():
    """Where the system's socket is closed, a user's procctl goes to the user's own daemon."""
    run('systemctl', 'stop', 'procd.socket')
    reaches(['inactive', 'dead'])
    with user_manager(ALICE) as env:
        manager = as_user(ALICE, 'systemctl', '--user', env=env)
        run(*manager, 'start', 'procd.socket')
        try:
            same(states(manager=manager), ['inactive', 'dead'], 'her service before the first connection')
            look_at_users_own(env, manager)
        finally:
            run(*manager, 'stop', 'procd.socket', 'procd.service')
    ctl(BOB, 'ping', status=125)


def look_at_users_own(env, manager):
    path = env[0].partition('=')[2] + '/procd/procd.sock'
    same([stat.S_IMODE(os.stat(name).st_mode) for name in (path, os.path.dirname(path))], [0o600, 0o700],
         'modes of socket and folder')
    made = json.loads(ctl(ALICE, '--json', 'spawn', '--', *LONG_SLEEP, env=env))
    same(states(manager=manager), ['active', 'running'], 'her service')
    same(int(show('MainPID', manager=manager)), parent_of(info(ALICE, env)['pid']), 'the main process')
    same({name: show(name, manager=manager) for name in SERVICE}, SERVICE, 'systemctl --user show')
    same(identity_of(made['pid']), wanted_identity(ALICE), 'identity of the child')
    same(status_of(made['pid'])['NoNewPrivs'], '0', 'NoNewPrivs in a daemon of one\'s own')
    unit = show('ControlGroup', manager=manager)
    own = cgroup_of(made['pid'])
    assert own.startswith(unit + '/'), '%s is not below %s' % (own, unit)
    run(*manager, 'reload', 'procd.service')
    wait_for(lambda: info(ALICE, env)['restarts'] == 1, 'the reload')
    run(*manager, 'restart', 'procd.service')
    wait_for(lambda: info(ALICE, env)['restarts'] == 2, 'the restart')
    assert alive(made['pid']), 'a child has died'
    for kill in (lambda: None, lambda: os.kill(int(show('MainPID', manager=manager)), signal.SIGKILL)):
        before = info(ALICE, env)
        kill()
        os.kill(before['pid'], signal.SIGKILL)
        wait_for(lambda: not alive(before['pid']), 'its end')
        after = wait_for(lambda: info(ALICE, env), 'another keeper')
        same(after['epoch'], before['epoch'], 'the epoch of her daemon')
        assert after['pid'] != before['pid'] and alive(made['pid']), 'keeper and child'
    run(*manager, 'stop', 'procd.service')
    assert not alive(made['pid']), 'a child lives on'
    wait_for(lambda: not pids_below(unit), 'nobody left in the cgroup')
    same(states('procd.socket', manager), ['active', 'listening'], 'her socket')


# ---------------------------------------------------------------- the run

def reason_to_skip():
    """Why these tests cannot run here, or must not."""
    if os.geteuid() != 0:
        return 'needs root'
    if not os.path.isdir('/run/systemd/system'):
        return 'systemd does not run here'
    if show('LoadState', 'procd.socket') != 'loaded' or show('LoadState') != 'loaded':
        return 'procd is not installed here'
    if states('procd.socket')[0] != 'inactive' or states()[0] != 'inactive':
        return 'procd is in use here'
    if not os.path.exists(CGROUPS + '/cgroup.procs'):
        return 'no cgroup v2 at ' + CGROUPS
    known = [entry.pw_name for entry in pwd.getpwall()]
    missing = [user for user in USERS if user not in known]
    return 'there is no user ' + missing[0] if missing else None


def one(test):
    """Every test begins with the socket that listens and nothing that runs."""
    # so many starts of it in a row are a loop to systemd
    subprocess.run(['systemctl', 'reset-failed', 'procd.socket'], check=False, stderr=subprocess.DEVNULL)
    run('systemctl', 'start', 'procd.socket')
    try:
        test()
    except BaseException:
        subprocess.run(['systemctl', '--no-pager', 'status', 'procd.service', 'procd.socket'], check=False)
        subprocess.run(['journalctl', '--no-pager', '-n', '30', '-u', 'procd.service'], check=False)
        raise
    finally:
        run('systemctl', 'stop', 'procd.socket', 'procd.service')


def main():
    reason = reason_to_skip()
    if reason:
        print('systemd_inside.py: ' + reason)
        return 77
    failed = 0
    tests = [(name, test) for name, test in globals().items() if name.startswith('test_')]
    for name, test in tests:
        if sys.argv[1:] and not any(part in name for part in sys.argv[1:]):
            continue
        begin, word, why = time.monotonic(), 'ok', ''
        try:
            one(test)
        except (Exception, subprocess.TimeoutExpired) as problem:
            traceback.print_exc(file=sys.stdout)
            word, why, failed = 'FAIL', ': %s: %s' % (type(problem).__name__, problem), failed + 1
        print('%-4s %s (%.2f s)%s' % (word, name, time.monotonic() - begin, why), flush=True)
    print('%d of %d failed' % (failed, len(tests)))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
