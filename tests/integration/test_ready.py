#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Readiness: who says so, who is believed, and who waits for it."""
import array
import os
import signal
import socket
import sys

from clients import SOON, Client, Gate, Peer, drain, same, wait_for
from harness import PROCD, descriptors, main, options
from test_upgrade import NEWER, install, replaced, restart_by_request

# says each of its arguments on NOTIFY_SOCKET
SAY = '''
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for word in sys.argv[1:]:
    s.sendto(word.encode(), os.environ["NOTIFY_SOCKET"])
'''


def say(*words):
    """A command of a shell that says them, and what its process is then."""
    return "%s -I -S -c '%s' %s" % (sys.executable, SAY, ' '.join("'%s'" % word for word in words))


def info(client, process):
    return client.call('process.info', process=process)


def wait_ready(client, *processes, **params):
    return client.start('process.wait', processes=list(processes), **{'for': 'ready', **params})


def is_ready(client, *processes, **params):
    return client.result(wait_ready(client, *processes, timeout=0, **params))['done']


def gated(client, gate, script, **params):
    """A shell that runs the script once the gate is open."""
    return client.sh('read x; ' + script, _fds=gate.fds, stdin=gate.stdin, notify=True, **params)


def kinds(client, count):
    """Of the next events."""
    return [client.event()['kind'].removeprefix('process.') for _ in range(count)]


def names(daemon):
    return sorted(name for name in os.listdir(daemon.dir) if name.startswith('s.n'))


# ---------------------------------------------------------------- who waits

def test_it_says_so(daemon):
    """State, event and waits; its name goes with it."""
    with Client(daemon.path) as client, Gate() as gate:
        client.call('events.subscribe', kinds=['process.*'])
        child = gated(client, gate, say('STATUS=soon', 'READY=1') + '; exec sleep 1000')
        same((child['state'], is_ready(client, child['id'])), ('running', []))
        same(len(names(daemon)), 1)
        first = wait_ready(client, child['id'])
        second = wait_ready(client, child['id'], mode='all', timeout=SOON)
        assert client.pending(first, second)
        gate.open()
        same([client.result(each)['done'] for each in (first, second)], [[child['id']]] * 2)
        same((info(client, child['id'])['state'], is_ready(client, child['id'])), ('ready', [child['id']]))
        event = client.event_of('process.ready')
        same((event['process'], event['pid']), (child['id'], child['pid']))
        same(info(client, child['id'])['seq'], event['seq'])
        client.call('process.signal', process=child['id'], signal='SIGSTOP')
        wait_for(lambda: info(client, child['id'])['state'] == 'stopped')
        same(is_ready(client, child['id']), [child['id']], 'who is stopped is to go on')
        client.call('process.signal', process=child['id'], signal='SIGCONT')
        wait_for(lambda: info(client, child['id'])['state'] == 'ready')
        client.call('process.stop', process=child['id'])
        same(kinds(client, 3), ['stopped', 'continued', 'exited'])
        same(names(daemon), [])


def test_who_never_says_so_is_not_waited_for(daemon):
    """An end before that answers, and does not count as ready."""
    with Client(daemon.path) as client, Gate() as gate, Gate() as other:
        ends = gated(client, gate, 'exit 1')['id']
        says = gated(client, other, say('READY=1') + '; exec sleep 1000')['id']
        plain = client.spawn('/bin/sleep', '1000')['id']
        same(is_ready(client, ends, says, plain), [plain], 'one without notify is ready from its start')
        only, any_of, all_of = (wait_ready(client, ends), wait_ready(client, ends, says),
                                wait_ready(client, ends, says, plain, mode='all'))
        assert client.pending(only, any_of, all_of)
        gate.open()
        same(client.result(only)['done'], [])
        same(client.result(all_of)['done'], [plain], 'all of them will never be')
        assert client.pending(any_of)
        other.open()
        same(client.result(any_of)['done'], [says])
        same(client.result(wait_ready(client, ends))['done'], [])
        same(client.result(wait_ready(client, says, plain, mode='all'))['done'], [says, plain])


def test_ready_and_gone_at_once(daemon):
    """What was said before the end is heard before it."""
    with Client(daemon.path) as client:
        client.call('events.subscribe', kinds=['process.*'])
        for _ in range(20):
            child = client.sh('exec ' + say('READY=1'), notify=True)['id']
            same(kinds(client, 3), ['spawned', 'ready', 'exited'])
            same(is_ready(client, child), [child], 'it was')


def test_each_run_says_so_itself(daemon):
    """With a restart policy: who waits goes on waiting through ends, and readiness begins anew."""
    count = os.path.join(daemon.dir, 'runs')
    script = 'echo >>%s; [ $(wc -c <%s) -lt 3 ] && exit 1; ' % (count, count)
    script += say('READY=1') + '; exec sleep 1000'
    with Client(daemon.path) as client:
        child = client.sh(script, notify=True, restart={'policy': 'always', 'delay': 0.05, 'factor': 1})['id']
        same(client.result(wait_ready(client, child))['done'], [child])
        found = info(client, child)
        same((found['state'], found['restarts']), ('ready', 2))
        client.call('events.subscribe', kinds=['process.*'])
        os.kill(found['pid'], signal.SIGKILL)
        client.event_of('process.spawned')
        client.event_of('process.ready')
        client.call('process.stop', process=child)
        same(names(daemon), [])


# ---------------------------------------------------------------- who is believed

def test_a_helper_that_is_gone(daemon):
    """A child of it that ends as soon as it has said so, of a shell that lives on."""
    with Client(daemon.path) as client:
        for _ in range(10):
            child = client.sh('%s; exec sleep 1000' % say('READY=1'), notify=True)['id']
            same(client.result(wait_ready(client, child))['done'], [child])


def speak_to(daemon, words, fds=()):
    """From this process, which is none of a tree."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else []
        sender.sendmsg([words], extra, 0, os.path.join(daemon.dir, names(daemon)[0]))


def test_a_stranger_is_not_heard(daemon):
    """Of the same user, and alive."""
    with Client(daemon.path) as client, Gate() as gate:
        child = gated(client, gate, say('READY=1') + '; exec sleep 1000')['id']
        for _ in range(40):
            speak_to(daemon, b'READY=1')
        for _ in range(10):
            same(is_ready(client, child), [])
        gate.open()
        same(client.result(wait_ready(client, child))['done'], [child])


@options(root=True, mode='--system')
def test_another_user_cannot_even_speak(daemon):
    with Peer(daemon.path, uid=12345, gid=111) as peer:
        child = peer.call('process.spawn', argv=['/bin/sleep', '1000'], notify=True)['id']
        pid = os.fork()
        if pid == 0:
            os.setuid(23456)
            try:
                speak_to(daemon, b'READY=1')
            except PermissionError:
                os._exit(7)
            os._exit(0)
        same(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 7)
        found = os.stat(os.path.join(daemon.dir, names(daemon)[0]))
        same((found.st_uid, found.st_mode & 0o777), (12345, 0o600))
        peer.call('process.stop', process=child, grace=0)


HOSTILE = [b'', b'READY=0', b'READY=1 ', b' READY=1', b'XREADY=1', b'READY=11', b'\0READY=1', b'ready=1',
           b'\xff\xfe', b'READY=1\0', b'x' * 4096 + b'\nREADY=1', b'\n' * 4000,
           b'MAINPID=1\nSTOPPING=1\nWATCHDOG=1\nFDSTORE=1']

FLOOD = '''
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for number in range(3000):
    s.sendto(b'STATUS=%d' % number * 100, os.environ['NOTIFY_SOCKET'])
for word in eval(sys.argv[1]):
    s.sendto(word, os.environ['NOTIFY_SOCKET'])
os.close(1)
sys.stdin.read()
s.sendto(b'A=b\\nREADY=1\\nC=d', os.environ['NOTIFY_SOCKET'])
sys.stdin.close()
import time
time.sleep(1000)
'''


def test_hostile_words(daemon):
    """Thousands of them, long ones, and what only looks like it; the daemon answers meanwhile."""
    with Client(daemon.path) as client, Gate() as gate:
        read, write = os.pipe()
        child = client.spawn(sys.executable, '-I', '-S', '-c', FLOOD, repr(HOSTILE), _fds=[*gate.fds, write],
                             stdin={'fd': 0}, stdout={'fd': 1}, notify=True)['id']
        os.close(write)
        while not drain_some(read):
            same(client.call('daemon.ping'), {})
        same(is_ready(client, child), [])
        gate.open()
        same(client.result(wait_ready(client, child))['done'], [child])


def drain_some(read):
    """Its other end is closed."""
    os.set_blocking(read, False)
    try:
        if os.read(read, 1) == b'':
            os.close(read)
            return True
    except BlockingIOError:
        pass
    return False


def test_descriptors_are_closed(daemon):
    """That is what BARRIER=1 waits for; and the keeper keeps none."""
    with Client(daemon.path) as client:
        client.spawn('/bin/sleep', '1000', notify=True)
        before = wait_for(lambda: descriptors(daemon.keeper_pid))
        for count in (1, 200):
            read, write = os.pipe()
            speak_to(daemon, b'BARRIER=1', [write] * count)
            os.close(write)
            same(drain(read), b'')
        wait_for(lambda: descriptors(daemon.keeper_pid) == before)


SHOW = 'echo -$NOTIFY_SOCKET-'


def test_the_variable(daemon):
    """Ours and nobody else's; and none where it was not asked for."""
    with Client(daemon.path) as client:
        text = client.output('/bin/sh', '-c', SHOW + '; env | grep -c NOTIFY_SOCKET=', notify=True,
                             env={'PATH': '/usr/bin:/bin', 'NOTIFY_SOCKET': '/wrong'},
                             env_add={'NOTIFY_SOCKET': '/too'})
        path, count = text.decode().strip().split('\n')
        assert path.startswith('-' + daemon.path + '.n') and count == '1', text
        same(client.output('/bin/sh', '-c', SHOW), b'--\n')
        same(client.output('/bin/sh', '-c', SHOW, env_add={'NOTIFY_SOCKET': '/mine'}), b'-/mine-\n')


@options(env={'NOTIFY_SOCKET': '/nowhere'})
def test_not_the_daemons_own(daemon):
    with Client(daemon.path) as client:
        same(client.output('/bin/sh', '-c', SHOW), b'--\n')


# ---------------------------------------------------------------- the daemon is killed, or replaced

def test_said_while_there_is_no_broker(daemon):
    with Gate() as gate, Client(daemon.path) as client:
        said = os.path.join(daemon.dir, 'said')
        child = gated(client, gate, '%s; echo >%s; exec sleep 1000' % (say('READY=1'), said))['id']
        since = client.call('daemon.info')['seq']
        held = daemon.without_broker()
        gate.open()
        wait_for(lambda: os.path.exists(said))
        os.kill(held, signal.SIGCONT)
        with Client(daemon.path) as later:
            same(later.result(wait_ready(later, child))['done'], [child])
        daemon.kill_broker()
        with Client(daemon.path) as later:
            same(info(later, child)['state'], 'ready')
            later.call('events.subscribe', since=since, kinds=['process.*'])
            later.call('process.kill', process=child)
            same(kinds(later, 2), ['ready', 'exited'])


@options(copied=True)
def test_another_program(daemon):
    """The name stays, and is heard."""
    with Gate() as gate, Client(daemon.path) as client:
        before = client.sh(say('READY=1') + '; exec sleep 1000', notify=True)['id']
        same(client.result(wait_ready(client, before))['done'], [before])
        child = gated(client, gate, say('READY=1') + '; exec sleep 1000')['id']
        install(daemon, NEWER)
        replaced(daemon, restart_by_request, 'newer')
        with Client(daemon.path) as later:
            same([info(later, each)['state'] for each in (before, child)], ['ready', 'running'])
            gate.open()
            same(later.result(wait_ready(later, child))['done'], [child])
            for each in (before, child):
                later.call('process.stop', process=each)
        same(names(daemon), [])


def test_names_that_a_dead_keeper_left(daemon):
    """The next one with that socket removes them, and nothing else."""
    with Client(daemon.path) as client:
        client.spawn('/bin/sleep', '1000', notify=True)
        same(len(names(daemon)), 1)
        client.call('daemon.stop')
    daemon.ended()
    for name in ('s.n17', 's.n', 's.nx', 's.n1x', 't.n1'):
        with open(os.path.join(daemon.dir, name), 'wb'):
            pass
    daemon.start()
    same(names(daemon), ['s.n', 's.n1x', 's.nx'])


if __name__ == '__main__':
    main()
