#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How the daemon ends: children first, or children left alone; and who finds its socket then."""
import glob
import os
import signal
import subprocess

from clients import SOON, Client, Gate, fails, same, wait_for
from harness import PROCD, Daemon, Skip, children_of, is_dead, main, remove_cgroups


def stubborn(client):
    """A child that ends a while after SIGTERM: (info, what it says then)."""
    read, write = os.pipe()
    child = client.sh('trap "sleep 0.3; echo done; exit 0" TERM; echo; while :; do sleep 0.02; done',
                      _fds=[write], stdout={'fd': 0})
    os.close(write)
    same(os.read(read, 10), b'\n')
    return child, read


def test_stop_stops_the_children_first(daemon):
    with Client(daemon.path) as client:
        children = [stubborn(client) for _ in range(3)]
        join = client.start('process.join', process=children[0][0]['id'])
        same(client.call('daemon.stop'), {})
        fails('ShuttingDown', lambda: client.spawn('/bin/true'))
        same(client.call('daemon.ping'), {})
        same(client.result(join)['exitcode'], 0, 'joiners are answered')
        assert client.gone()
    daemon.ended()
    for _, read in children:
        same(os.read(read, 10), b'done\n')
        os.close(read)


def test_sigterm_stops_the_children_first(daemon):
    for_each = (signal.SIGTERM, signal.SIGINT)
    with Client(daemon.path) as client:
        _, read = stubborn(client)
        os.kill(daemon.keeper_pid, for_each[daemon.keeper_pid % 2])
        assert client.gone()
    daemon.ended()
    same(os.read(read, 10), b'done\n')
    os.close(read)


def test_sigterm_while_there_is_no_broker(daemon):
    with Client(daemon.path) as client:
        _, read = stubborn(client)
        held = daemon.without_broker()
        os.kill(daemon.keeper_pid, signal.SIGTERM)
        os.kill(held, signal.SIGCONT)
    daemon.ended()
    same(os.read(read, 10), b'done\n')
    os.close(read)


def test_detach(daemon):
    """The daemon gives up its socket, the children live on, and it ends after the last of them."""
    gates = [Gate(), Gate()]
    client = Client(daemon.path)
    children = [client.spawn('/bin/cat', _fds=gate.fds, stdin=gate.stdin, stdout='null') for gate in gates]
    join = client.start('process.join', process=children[0]['id'])
    same(client.call('daemon.stop', mode='detach'), {})
    wait_for(lambda: not os.path.exists(daemon.path), 'the socket is given up')
    fails('ShuttingDown', lambda: client.spawn('/bin/true'))
    assert client.pending(join)
    gates[0].open()
    same(client.result(join)['exitcode'], 0, 'who was connected is still served')
    client.close()
    with Daemon() as other:  # nothing is in the way of a new one
        same(other.info()['processes'], {'running': 0, 'ended': 0})
    assert not is_dead(children[1]['pid'])
    assert daemon.process.poll() is None, 'it has ended before its last child'
    gates[1].open()
    daemon.ended()


def test_detach_without_children(daemon):
    daemon.ask('daemon.stop', mode='detach')
    daemon.ended()


def with_grandchild(client, gate, ignore='', **params):
    """A child that ends with the gate, and a grandchild that does not: (info, the grandchild's pid)."""
    read, write = os.pipe()
    script = 'sh -c \'%s echo $$; while :; do sleep 0.1; done\' & read x; exit 6' % ignore
    info = client.sh(script, _fds=[gate.read, write], stdin={'fd': 0}, stdout={'fd': 1}, **params)
    os.close(write)
    with open(read, encoding='ascii') as stream:
        return info, int(stream.readline())


def detach(daemon, client):
    same(client.call('daemon.stop', mode='detach'), {})
    wait_for(lambda: not os.path.exists(daemon.path), 'the socket is given up')


def test_detach_leaves_grandchildren_alone(daemon):
    """It ends after its last child, whose end is told; what that has left behind lives on."""
    with Client(daemon.path) as client, Gate() as gate:
        child, grandchild = with_grandchild(client, gate)
        join = client.start('process.join', process=child['id'])
        detach(daemon, client)
        gate.open()
        same(client.result(join)['exitcode'], 6)
    folders = daemon.cgroups()
    same(daemon.process.wait(SOON), 0)
    assert not is_dead(grandchild), 'killed'
    os.kill(grandchild, signal.SIGKILL)
    wait_for(lambda: is_dead(grandchild))
    wait_for(lambda: remove_cgroups(folders) or not daemon.cgroups(), 'nobody else is left')


def test_sigterm_to_a_detached_daemon(daemon):
    """Ends what is left, grandchildren of ended children included."""
    with Client(daemon.path) as client, Gate() as gate, Gate() as never:
        first = with_grandchild(client, gate, 'trap "" TERM;')
        second = with_grandchild(client, never)
        join = client.start('process.join', process=first[0]['id'])
        detach(daemon, client)
        gate.open()
        same(client.result(join)['exitcode'], 6)
        assert not is_dead(first[1]), 'a child is left, and so is the daemon'
        os.kill(daemon.keeper_pid, signal.SIGTERM)
        daemon.ended()
    assert all(is_dead(pid) for pid in (first[1], second[0]['pid'], second[1]))


def test_stop_of_a_detached_daemon(daemon):
    """Who is still connected may have the children stopped after all, with what they have left behind."""
    with Client(daemon.path) as client, Gate() as never:
        _, read = stubborn(client)
        child, grandchild = with_grandchild(client, never, 'trap "" TERM;', stop_timeout=1)
        join = client.start('process.join', process=child['id'])
        detach(daemon, client)
        same(client.call('daemon.stop', mode='detach'), {})
        assert not is_dead(child['pid'])
        same(client.call('daemon.stop'), {})
        same(client.result(join)['signal'], 'SIGTERM')
        assert client.gone()
    daemon.ended()
    same(os.read(read, 10), b'done\n')
    os.close(read)
    assert is_dead(child['pid']) and is_dead(grandchild)


def test_two_daemons_on_one_socket(daemon):
    """The second says so and ends with 125; the first goes on."""
    second = subprocess.run([PROCD, '--user', '--socket', daemon.path], stdin=subprocess.DEVNULL, check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SOON)
    same(second.returncode, 125)
    assert second.stderr, 'without a word'
    same(daemon.ask('daemon.ping'), {})


def test_a_socket_left_behind(daemon):
    """The keeper was killed: broker and helper end with it, and the next one takes the path over."""
    roles, folders = children_of(daemon.keeper_pid), daemon.cgroups()
    os.kill(daemon.keeper_pid, signal.SIGKILL)
    daemon.process.wait(SOON)
    assert os.path.exists(daemon.path)
    wait_for(lambda: all(is_dead(pid) for pid in roles), 'the end of broker and helper')
    daemon.start()
    same(daemon.info()['restarts'], 0)
    same([path for path in folders if os.path.exists(path)], [], 'cgroups that are left behind')


def below(folders):
    return [path for folder in folders for path in glob.glob(folder + '/*/')]


def test_cgroups_left_behind(daemon):
    """The next daemon removes what a keeper that was killed has left, and nobody is in; and nothing else."""
    if not daemon.cgroups():
        raise Skip('there are no cgroups here')
    with Daemon() as other, Gate() as gate:
        child = Client(other.path).spawn('/bin/cat', _fds=gate.fds, stdin=gate.stdin, stdout='null')
        os.kill(other.keeper_pid, signal.SIGKILL)
        # as long as nobody has reaped it no daemon that starts just now takes them for left behind
        os.waitid(os.P_PID, other.keeper_pid, os.WEXITED | os.WNOWAIT)
        left, living = other.cgroups(), below(daemon.cgroups())
        assert len(below(left)) > 1, 'no empty ones'
        other.process.wait(SOON)
        with Daemon():
            same([len(below(left)), below(daemon.cgroups())], [1, living], 'in use, and of one that lives')
        gate.open()
        wait_for(lambda: is_dead(child['pid']))
        with Daemon():
            same([path for path in left if os.path.exists(path)], [], 'cgroups that are left behind')


if __name__ == '__main__':
    main()
