# SPDX-License-Identifier: MIT
"""What a client does with a daemon, a bit of everything: each of it leaves nothing behind."""
import os
import re
import subprocess
import sys

from clients import Gate, Rpc, same, wait_for
from harness import cgroups_of, quick_children_of

PLAYED_ZYGOTE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'played_zygote.py')
LARGE = {'argv': ['/bin/true', *['x' * 60000] * 2], 'labels': {'x': 'x' * 700000}}
MANY = 12  # of these at once are more than the journal has memory for, whatever it has kept


def end(client, child, code=None):
    """Waits for it, and has it forgotten."""
    found = client.exitcode(child['id'])
    assert code is None or found == code, 'exit code %r, want %r' % (found, code)
    client.call('process.close', process=child['id'])


def use_child(client):
    with Gate() as gate:
        argv = ['/bin/sh', '-c', 'read x; exit 3']
        child = client.call('process.spawn', argv=argv, _fds=gate.fds, stdin=gate.stdin, pidfd=True)
        gate.open()
        end(client, child, 3)


def use_lock(client):
    same(client.call('lock.acquire', name='faults')['acquired'], True)
    client.call('lock.release', name='faults')
    client.call('object.unlink', name='faults')


def use_events(client):
    client.call('events.subscribe')


def use_large(client):
    for child in [client.call('process.spawn', **LARGE) for _ in range(MANY)]:
        end(client, child, 0)


def use_log(client):
    """More than a pipe holds; what could not be kept is told."""
    child = client.sh('seq 20000; echo end >&2')
    client.join(child['id'])
    found = client.call('process.logs', process=child['id'], tail=1)
    assert found['seq'] >= 20001 or found['gap'], 'lines are neither there nor missed: %r' % found
    end(client, child, 0)


def use_terminal(client):
    child = client.sh('echo tty; exec sleep 1000', stdin='pty', stdout='pty', winsize=[24, 80])
    number = client.start('process.attach', process=child['id'])
    message = client.reply(number)
    for fd in message['_fds']:
        os.close(fd)
    if 'error' in message:
        raise Rpc(message['error'])
    client.call('process.kill', process=child['id'])
    end(client, child, -9)


def use_copy(client):
    zygote = client.call('process.spawn', argv=[sys.executable, PLAYED_ZYGOTE, 'good'], zygote=0)
    end(client, client.sh('exit 42', zygote=zygote['id']), 42)
    client.call('process.kill', process=zygote['id'])
    end(client, zygote, -9)


def use_tree(client):
    """Whom SIGTERM does not reach has SIGKILL."""
    child = client.sh('sleep 1000 & wait')
    client.call('process.stop', process=child['id'], grace=0.3)
    end(client, child)


def cgroup_of(pid):
    """Its folder and the inode of that, as its name may come again; or None."""
    with open('/proc/%d/cgroup' % pid, encoding='utf-8') as file:
        path = next((line[3:].strip() for line in file if line.startswith('0::')), '')
    found = re.fullmatch(r'.*/procd-(\d+)\.\d+/(\d+)', path)
    folder = found and os.path.join(cgroups_of(int(found[1]))[0], found[2])
    return folder and (folder, os.stat(folder).st_ino)


def is_there(cgroup):
    try:
        return cgroup is not None and os.stat(cgroup[0]).st_ino == cgroup[1]
    except FileNotFoundError:
        return False


def use_heirs(client):
    """Who outlives a killed process is killed, and the cgroup that had to be killed is not used again."""
    cgroups = []
    for _ in range(4):
        with Gate() as gate:
            child = client.spawn('/bin/sh', '-c', 'trap "" TERM; sleep 1000 & read x', _fds=gate.fds,
                                 stdin=gate.stdin)
            cgroups.append(cgroup_of(child['pid']))
            wait_for(lambda: quick_children_of(child['pid']), 'the heir')  # pylint: disable=W0640
            client.call('process.kill', process=child['id'])
            client.call('process.stop', process=child['id'], grace=1000)
            end(client, child, -9)

    def are_removed():
        end(client, client.spawn('/bin/true'), 0)  # they are looked at when something has ended
        return not any(map(is_there, cgroups))
    assert wait_for(are_removed, 'their cgroups are removed')


def use_signals(client):
    child = client.spawn('/bin/sleep', '1000')
    for signal, code in (('SIGSTOP', None), ('SIGCONT', None), ('SIGUSR1', -10)):
        client.call('process.signal', process=child['id'], signal=signal)
    end(client, child, code)


def use_owner(client):
    """A process that is no child holds, and dies."""
    with subprocess.Popen(['sleep', '1000']) as owner:
        try:
            client.call('lock.acquire', name='owned', owner_pid=owner.pid)
            waiting = client.start('lock.acquire', name='owned', holder='next')
        finally:
            owner.kill()
        owner.wait()
        same(client.result(waiting)['abandoned'], True)
    client.call('object.unlink', name='owned')


def use_page(client):
    client.call('object.create', kind='lock', name='page')
    message = client.reply(client.start('object.map', name='page', holder='a'))
    for fd in message['_fds']:
        os.close(fd)
    if 'error' in message:
        raise Rpc(message['error'])
    client.call('object.unlink', name='page')


def use_respawn(client):
    policy = {'policy': 'on-failure', 'delay': 0.01, 'max_tries': 1}
    end(client, client.sh('exit 4', restart=policy), 4)


def use_ready(client):
    end(client, client.sh('exit 5', notify=True), 5)


def use_file(client):
    """One that is closed by a thread, as that might block."""
    with open(__file__, 'rb') as file:
        child = client.spawn('/bin/true', stdout={'file': '/dev/null'}, cwd='/usr', limits={'nofile': 100},
                             stdin={'fd': 0}, _fds=[file.fileno()])
    end(client, child, 0)


def use_many(client):
    numbers = [client.start('process.spawn', argv=['/bin/true']) for _ in range(20)]
    for child in [client.result(number) for number in numbers]:
        end(client, child, 0)


SOME = [use_child, use_lock, use_events, use_large]
EACH = [use_child, use_lock, use_events, use_large, use_log, use_terminal, use_copy, use_tree, use_heirs,
        use_signals, use_owner, use_page, use_respawn, use_ready, use_file, use_many]
