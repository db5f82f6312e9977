#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Restart policies: which ends are followed by another run and when, what ends them, and that no run is lost
or doubled when the daemon itself is killed or replaced."""
import fcntl
import os
import random
import resource
import signal
import sys
import time

from clients import SOON, Client, Gate, Lasting, Peer, drain, fails, ready, same, wait_for
from harness import PROCD, is_dead, main, options
from test_upgrade import NEWER, install, replaced, restart_by_request, version

LONG_PAUSE = {'policy': 'always', 'delay': 1000}
TWICE = {'policy': 'on-failure', 'delay': 0.02, 'max_tries': 2}
QUICK = {'policy': 'always', 'delay': 0.01, 'factor': 1}


def info(client, process):
    return client.call('process.info', process=process)


def in_state(client, process, state):
    """Waits for it, and returns the info record."""
    def reached():
        found = info(client, process)
        return found if found['state'] == state else None

    return wait_for(reached, state)


def story(client, process, last):
    """The events of a process up to the one of that kind."""
    events = []
    while not events or events[-1]['kind'] != last:
        event = client.event()
        if event.get('process') == process:
            events.append(event)
    return events


def subscribed(client):
    return client.call('events.subscribe', kinds=['process.*'])


# ---------------------------------------------------------------- which ends, and when

def test_on_failure_until_there_were_too_many(daemon):
    """The same id, another pid each time; the pauses grow up to their limit; joined at the last end only."""
    with Client(daemon.path) as client:
        subscribed(client)
        child = client.sh('exit 3', restart={'policy': 'on-failure', 'delay': 0.05, 'factor': 2,
                                             'max_delay': 0.15, 'max_tries': 4})
        same((child['state'], child['restarts']), ('running', 0))
        end = client.join(child['id'])
        same((end['exited'], end['exitcode']), (True, 3))
        found = info(client, child['id'])
        same((found['state'], found['restarts'], found['exitcode']), ('exited', 4, 3))
        events = story(client, child['id'], 'process.exited')
    same([event['kind'].removeprefix('process.') for event in events],
         ['spawned', 'restarting'] * 4 + ['spawned', 'exited'])
    pauses = events[1:-1:2]
    same([event['delay'] for event in pauses], [0.05, 0.1, 0.15, 0.15])
    same([event['restarts'] for event in pauses], [0, 1, 2, 3])
    same([(event['exitcode'], event['signal'], event['core']) for event in pauses], [(3, None, False)] * 4)
    same(len({event['pid'] for event in events[::2]}), 5, 'pids')
    same(found['pid'], events[-1]['pid'])
    for pause, start in zip(pauses, events[2::2]):
        # the machine may take longer, and not less; the times are of another clock, which may be put right
        assert start['time'] - pause['time'] > pause['delay'] - 0.01, (pause, start)


def test_on_failure_not_after_0(daemon):
    with Client(daemon.path) as client:
        for policy in ('on-failure', 'no'):
            child = client.sh('exit 0', restart={'policy': policy, 'delay': 0.01})
            same(client.exitcode(child['id']), 0)
            same(info(client, child['id'])['restarts'], 0)
        child = client.sh('exit 1', restart={'policy': 'no', 'delay': 0.01})
        same(client.exitcode(child['id']), 1)
        same(info(client, child['id'])['restarts'], 0)


def test_always_also_after_0(daemon):
    with Client(daemon.path) as client:
        child = client.sh('exit 0', restart=QUICK)
        wait_for(lambda: info(client, child['id'])['restarts'] >= 5)
        join = client.start('process.join', process=child['id'])
        assert client.pending(join)
        same(client.call('process.stop', process=child['id'])['exited'], True)
        same(client.result(join)['exited'], True)
        last = info(client, child['id'])
        same(last['state'], 'exited')
        same(info(client, child['id'])['restarts'], last['restarts'])


def test_a_signal_is_a_failure(daemon):
    """From outside or by process.signal: it is nobody's wish that the process be gone."""
    with Client(daemon.path) as client:
        child = client.spawn('/bin/sleep', '1000', restart={'policy': 'on-failure', 'delay': 0.01})

        def again(end):
            before = in_state(client, child['id'], 'running')
            end(before['pid'])
            return wait_for(lambda: info(client, child['id'])['restarts'] > before['restarts'])

        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1):
            again(lambda pid, number=number: os.kill(pid, number))
        again(lambda pid: client.call('process.signal', process=child['id'], signal='SIGTERM'))
        in_state(client, child['id'], 'running')


def test_stop_terminate_and_kill_are_final(daemon):
    """Whoever says so wants it gone, and joins it."""
    with Client(daemon.path) as client:
        for method, status in (('process.stop', -15), ('process.terminate', -15), ('process.kill', -9)):
            child = client.spawn('/bin/sleep', '1000', restart=QUICK)
            client.call(method, process=child['id'])
            same(client.exitcode(child['id']), status, method)
            same(info(client, child['id'])['restarts'], 0, method)


def test_what_ends_a_pause(daemon):
    """Between two runs a process is alive, as far as anybody waits for it; then nothing more comes."""
    with Client(daemon.path) as client:
        subscribed(client)
        for method in ('process.stop', 'process.terminate', 'process.kill'):
            child = client.sh('exit 7', restart=LONG_PAUSE)['id']
            join = client.start('process.join', process=child)
            wait = client.start('process.wait', processes=[child])
            found = in_state(client, child, 'restarting')
            same((found['exitcode'], found['restarts']), (7, 0))
            assert found['ended'] >= found['started']
            same(client.call('process.is_alive', process=child), {'alive': True})
            assert child in [each['id'] for each in client.call('process.list', alive=True)['processes']]
            same(client.join(child, timeout=0), {'exited': False})
            fails('StillRunning', lambda: client.call('process.close', process=child))
            client.call('process.signal', process=child, signal='SIGTERM')  # there is nobody to get it
            assert client.pending(join, wait)
            client.call(method, process=child)
            same((client.result(join)['exitcode'], client.result(wait)), (7, {'done': [child]}), method)
            same([event['kind'].removeprefix('process.') for event in story(client, child, 'process.exited')],
                 ['spawned', 'restarting', 'exited'], method)
            same(client.call('process.close', process=child), {})


def test_bad_policies_are_named(daemon):
    with Client(daemon.path) as client:
        for bad in ('always', {}, {'policy': 'sometimes'}, {'policy': 'always', 'max_tries': 0},
                    {'policy': 'always', 'factor': 0.5}, {'policy': 'always', 'delay': -1},
                    {'policy': 'always', 'backoff': 1}):
            fails('InvalidParams', lambda bad=bad: client.spawn('/bin/true', restart=bad), param='restart')


# ---------------------------------------------------------------- what is there for each run

def test_each_run_has_what_was_asked_for(daemon):
    """Descriptors, environment, folder and limits; the reader sees the end of the stream at the last end."""
    with Client(daemon.path) as client:
        read, write = os.pipe()
        child = client.sh('echo $A $(pwd) $(umask) $(ulimit -n); echo more >&5; exit 1', _fds=[write],
                          stdout={'fd': 0}, fds=[[0, 5]], env_add={'A': 'b'}, cwd='/usr', umask=0o27,
                          limits={'nofile': 77}, restart=TWICE)
        os.close(write)
        same(drain(read), b'b /usr 0027 77\nmore\n' * 3)
        same(client.exitcode(child['id']), 1)


def test_the_stream_ends_with_the_policy(daemon):
    """What the keeper keeps it does not keep a moment longer."""
    with Client(daemon.path) as client:
        for method in ('process.stop', 'process.terminate'):
            read, write = os.pipe()
            child = client.sh('echo here; exit 1', _fds=[write], stdout={'fd': 0}, restart=LONG_PAUSE)
            os.close(write)
            in_state(client, child['id'], 'restarting')
            same(os.read(read, 100), b'here\n')
            assert not ready(read, 0)
            client.call(method, process=child['id'])
            same(drain(read), b'')


def test_a_descriptor_of_the_program(daemon):
    """The file that was passed is executed, whatever has its name by then."""
    name = os.path.join(daemon.dir, 'program')
    with open('/bin/false', 'rb') as source, open(name, 'wb') as copy:
        copy.write(source.read())
    os.chmod(name, 0o755)
    fd = os.open(name, os.O_PATH)
    os.unlink(name)
    with Client(daemon.path) as client:
        child = client.spawn('false', _fds=[fd], exe_fd=0,
                             restart=TWICE)
        os.close(fd)
        same(client.exitcode(child['id']), 1)
        same(info(client, child['id'])['restarts'], 2)


def test_what_a_run_leaves_is_killed(daemon):
    """Before the next one begins: a child of it that holds a lock on a file would show."""
    path = os.path.join(daemon.dir, 'lock')
    script = 'exec 9>%s; flock -n 9 || exit 0; /bin/sleep 1000 & exit 1' % path
    with Client(daemon.path) as client, open(path, 'wb') as file:
        child = client.sh(script, restart=TWICE)
        same(client.exitcode(child['id']), 1, 'the next run meets what the last one has left')
        same(info(client, child['id'])['restarts'], 2)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            raise AssertionError('what the last run leaves is not left alone')
        except BlockingIOError:
            pass
        client.call('process.stop', process=child['id'], grace=0)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


LOCKER = '''
import json, os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
f = s.makefile('rw')
f.write(json.dumps({'jsonrpc': '2.0', 'id': 1, 'method': 'lock.acquire', 'params': {'name': 'held'}}) + '\\n')
f.flush()
print(json.dumps(json.loads(f.readline())['result']), flush=True)
os._exit(1)
'''


def test_locks_go_and_objects_stay(daemon):
    """What a run held is free, and the next one is told; what it was spawned with stays open for it."""
    with Client(daemon.path) as client:
        client.call('object.create', kind='lock', name='held')
        read, write = os.pipe()
        child = client.spawn(sys.executable, '-I', '-S', '-c', LOCKER, daemon.path, _fds=[write],
                             stdout={'fd': 0}, objects=['held'], restart=TWICE)
        os.close(write)
        client.call('object.close', name='held')  # nobody has it open now but that process
        same(client.exitcode(child['id']), 1)
        answers = drain(read).decode().splitlines()
        fails('NoSuchObject', lambda: client.call('object.info', name='held'))
    same([('"abandoned": true' in answer, '"acquired": true' in answer) for answer in answers],
         [(False, True), (True, True), (True, True)])


def test_a_start_that_fails_is_a_try(daemon):
    """The program is gone: that is told, and tried again; and it may be there again."""
    name = os.path.join(daemon.dir, 'script')

    def write_script():
        with open(name + '.new', 'w', encoding='ascii') as file:
            file.write('#!/bin/sh\nrm %s\nexit 5\n' % name)
        os.chmod(name + '.new', 0o755)
        os.rename(name + '.new', name)

    with Client(daemon.path) as client:
        subscribed(client)
        write_script()
        child = client.spawn(name, restart={'policy': 'on-failure', 'delay': 0.01, 'max_tries': 3})['id']
        same(client.exitcode(child), 5)
        events = story(client, child, 'process.exited')
        same([event['kind'].removeprefix('process.') for event in events],
             ['spawned'] + ['restarting', 'spawn_failed'] * 3 + ['exited'])
        same([(each['errno'], each['stage']) for each in events[2:-1:2]], [('ENOENT', 'exec')] * 3)
        same([info(client, child)[member] for member in ('exitcode', 'restarts', 'state')], [5, 3, 'exited'])
        write_script()
        child = client.spawn(name, restart={'policy': 'always', 'delay': 0.01, 'factor': 1})['id']
        client.event_of('process.spawn_failed', process=child)
        write_script()
        client.event_of('process.spawned', process=child)
        client.call('process.stop', process=child)


# ---------------------------------------------------------------- whose end ends it

def test_a_daemon_process_ends_with_its_creator(daemon):
    """In a run, and in a pause; one that is none goes on."""
    with Client(daemon.path) as client, Peer(daemon.path) as peer:
        def spawn(script, **params):
            return peer.call('process.spawn', argv=['/bin/sh', '-c', script], restart=LONG_PAUSE,
                             **params)['id']

        runs, pauses = spawn('exec sleep 1000', daemon=True), spawn('exit 2', daemon=True)
        stays = spawn('exit 2', daemon=False)
        for each in (pauses, stays):
            in_state(client, each, 'restarting')
        peer.kill()
        same((client.exitcode(runs), client.exitcode(pauses)), (-15, 2))
        same(info(client, stays)['state'], 'restarting')


def test_the_daemons_end(daemon):
    """It waits for no pause, and nothing begins again."""
    path = os.path.join(daemon.dir, 'runs')
    with Client(daemon.path) as client:
        pauses = client.sh('exit 1', restart=LONG_PAUSE)['id']
        client.sh('trap "exit 1" TERM; echo >>%s; while :; do sleep 0.02; done' % path, restart=QUICK)
        in_state(client, pauses, 'restarting')
        wait_for(lambda: os.path.exists(path) and os.stat(path).st_size)
        same(client.call('daemon.stop'), {})
    daemon.ended()
    same(os.stat(path).st_size, 1)


def test_detached_children_end_for_good(daemon):
    path = os.path.join(daemon.dir, 'runs')
    with Gate() as gate, Client(daemon.path) as client:
        pauses = client.sh('exit 1', restart=LONG_PAUSE)['id']
        client.sh('echo >>%s; read x; exit 1' % path, _fds=gate.fds, stdin=gate.stdin, restart=QUICK)
        in_state(client, pauses, 'restarting')
        wait_for(lambda: os.path.exists(path))
        same(client.call('daemon.stop', mode='detach'), {})
        gate.open()
    daemon.ended()
    same(os.stat(path).st_size, 1)


# ---------------------------------------------------------------- the daemon is killed, or replaced

def runs_of(path):
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def test_a_pause_that_is_over_while_there_is_no_broker(daemon):
    """Exactly one run follows."""
    path = os.path.join(daemon.dir, 'runs')
    with Gate() as gate, Client(daemon.path) as client:
        script = 'echo >>%s; [ $(wc -c <%s) -gt 1 ] && read x; exit 1' % (path, path)
        child = client.sh(script, _fds=gate.fds, stdin=gate.stdin,
                          restart={'policy': 'on-failure', 'delay': 0.2})
        in_state(client, child['id'], 'restarting')
        held = daemon.without_broker()
        over = time.monotonic() + 0.3
        wait_for(lambda: time.monotonic() > over)
        same(runs_of(path), 1)
        os.kill(held, signal.SIGCONT)
        with Client(daemon.path) as later:
            in_state(later, child['id'], 'running')
            wait_for(lambda: runs_of(path) == 2)
            daemon.kill_broker()
        with Client(daemon.path) as later:
            same([info(later, child['id'])[member] for member in ('state', 'restarts')], ['running', 1])
            later.call('process.terminate', process=child['id'])
            same(later.exitcode(child['id']), -15)
    same(runs_of(path), 2)


def test_an_end_while_there_is_no_broker(daemon):
    with Client(daemon.path) as client:
        child = client.spawn('/bin/sleep', '1000', restart=TWICE | {'max_tries': 1})
        held = daemon.without_broker()
        os.kill(child['pid'], signal.SIGKILL)
        wait_for(lambda: is_dead(child['pid']))
        os.kill(held, signal.SIGCONT)
    with Client(daemon.path) as client:
        found = in_state(client, child['id'], 'running')
        same(found['restarts'], 1)
        os.kill(found['pid'], signal.SIGKILL)
        same(client.exitcode(child['id']), -9)
        same(info(client, child['id'])['restarts'], 1)


@options(limit=120)
def test_brokers_killed_at_any_moment(daemon):
    """Each run that was told is one that was, and none is missing."""
    chance, path, last = random.Random(5), os.path.join(daemon.dir, 'runs'), Lasting(daemon.path)
    script = ['/bin/sh', '-c', 'echo >>%s; exit 1' % path]
    spawned = last.call('process.spawn', argv=script, restart=QUICK)
    child, since = spawned['id'], spawned['seq'] - 1
    for _ in range(40):
        moment = time.monotonic() + chance.random() * 0.05
        wait_for(lambda moment=moment: time.monotonic() >= moment, step=0.001)
        os.kill(daemon.broker_pid, signal.SIGKILL)
    last.call('process.stop', process=child, _key='stop')
    found = last.call('process.info', process=child)
    last.call('events.subscribe', since=since, kinds=['process.spawned', 'process.exited'], process=child)
    events = story(last.client, child, 'process.exited')
    last.close()
    starts = len(events) - 1
    # one that was stopped before it could write has run, too
    assert starts - 1 <= runs_of(path) <= starts, (runs_of(path), starts)
    assert starts > 5 and found['restarts'] in (starts - 1, starts), (found, starts)


@options(copied=True)
def test_another_program(daemon):
    """Runs, pauses, and what is kept for them go on in it."""
    first = version(daemon)
    with Client(daemon.path) as client:
        read, write = os.pipe()
        paused = client.sh('echo paused; exit 1', _fds=[write], stdout={'fd': 0}, stderr={'fd': 0},
                           restart={'policy': 'on-failure', 'delay': 2, 'max_tries': 1})['id']
        runs = client.sh('echo runs; exec sleep 1000', _fds=[write], stdout={'fd': 0},
                         restart={'policy': 'on-failure', 'delay': 0.01, 'max_tries': 1})
        os.close(write)
        in_state(client, paused, 'restarting')
    install(daemon, NEWER)
    replaced(daemon, restart_by_request, 'newer')
    with Client(daemon.path) as client:
        os.kill(runs['pid'], signal.SIGKILL)
        wait_for(lambda: info(client, runs['id'])['restarts'])
        again = in_state(client, runs['id'], 'running')
        same(client.exitcode(paused), 1)
        install(daemon, PROCD)
        replaced(daemon, restart_by_request, first)
    with Client(daemon.path) as client:
        os.kill(again['pid'], signal.SIGKILL)
        same(client.exitcode(runs['id']), -9)
        same([info(client, each)['restarts'] for each in (paused, runs['id'])], [1, 1])
    same(sorted(drain(read).split()), [b'paused', b'paused', b'runs', b'runs'])


# ---------------------------------------------------------------- as whom

@options(root=True, mode='--system')
def test_credentials_and_limits_are_those_of_the_spawn(daemon):
    """Though the client is gone, and whoever has its number now."""
    script = 'id -u; id -g; id -G; ulimit -Hn; grep NoNewPrivs /proc/self/status; exit 1'
    name, policy = os.path.join(daemon.dir, 'out'), {'policy': 'on-failure', 'delay': 0.2, 'max_tries': 2}
    with open(name, 'wb'):
        os.chmod(name, 0o666)
    limits = [(resource.RLIMIT_NOFILE, (300, 400))]
    with Peer(daemon.path, uid=12345, gid=111, groups=[222, 333], limits=limits) as peer:
        child = peer.call('process.spawn', argv=['/bin/sh', '-c', script], restart=policy,
                          stdout={'file': name, 'append': True})['id']
    with Client(daemon.path) as client:
        same(client.call('process.join', process=child, uid=12345, timeout=SOON)['exitcode'], 1)
    with open(name, encoding='ascii') as file:
        same(file.read().split(), ['12345', '111', '111', '222', '333', '400', 'NoNewPrivs:', '1'] * 3)


if __name__ == '__main__':
    main()
