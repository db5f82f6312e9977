#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The system's daemon: who one is, what one may, and what one can see of others: nothing."""
import collections
import json
import os
import pwd
import re
import resource
import signal

from clients import Client, Closed, Peer, Rpc, fails, same, wait_for
from harness import LONG, Skip, descriptors, is_dead, main, options, stat_of

ANN, BOB = 12345, 23456  # uids that nobody has
STATUS = ['/bin/grep', '-E', '^(Uid|Gid|Groups|NoNewPrivs|CapEff|CapBnd)', '/proc/self/status']

system = options(mode='--system', root=True)


def ann(daemon, **params):
    return Peer(daemon.path, **{'uid': ANN, 'gid': 111, 'groups': [222, 333], **params})


def bob(daemon, **params):
    return Peer(daemon.path, **{'uid': BOB, 'gid': 444, **params})


def status_of(pid):
    with open('/proc/%d/status' % pid, encoding='utf-8') as file:
        return parse_status(file.read())


def parse_status(text):
    return {name: value.split() for name, _, value in (line.partition(':') for line in text.splitlines())}


def status_in_child(daemon, peer, **params):
    """What a child of the client process is, by its own words."""
    path = os.path.join(daemon.dir, 'status-%d' % peer.pid)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o666))
    os.chmod(path, 0o666)
    child = peer.call('process.spawn', argv=STATUS, stdout={'file': path}, **params)
    whose = {'uid': params['uid']} if 'uid' in params else {}
    same(peer.call('process.join', process=child['id'], **whose)['exitcode'], 0)
    with open(path, encoding='utf-8') as file:
        return parse_status(file.read()), child


# ---------------------------------------------------------------- seeing

def questions(process):
    """Every method about one process."""
    target = {'process': process}
    plain = ['process.join', 'process.is_alive', 'process.terminate', 'process.kill', 'process.stop',
             'process.info', 'process.attach', 'process.close', 'events.subscribe']
    yield from ((method, target) for method in plain)
    yield 'process.join', {**target, 'timeout': 0}
    yield 'process.signal', {**target, 'signal': 'SIGKILL'}
    yield 'process.wait', {'processes': [process]}
    yield 'process.wait', {'processes': [process], 'mode': 'all', 'for': 'ready', 'timeout': 0}
    yield 'process.kill', {**target, 'tree': False}


def lines_about(peer, process, key=None):
    """The bytes of the answers about it; the keys do not depend on its id."""
    answers = []
    for method, params in questions(process):
        request = {'jsonrpc': '2.0', 'id': 'x', 'method': method, 'params': params}
        if key:
            request['key'] = '%s-%d' % (key, len(answers))
        answers.append(peer.do('exchange', json.dumps(request)))
    return answers


@system
def test_another_uid_sees_nothing(daemon):
    """Every method on another's process answers, byte for byte, as if there were none."""
    with ann(daemon) as one, bob(daemon) as other:
        living = one.call('process.spawn', argv=['/bin/sleep', '1000'], name='mine')
        ended = one.call('process.spawn', argv=['/bin/true'], name='done')
        one.call('process.join', process=ended['id'])
        for process in (living['id'], ended['id'], 'mine', 'done'):
            missing = 'none' if isinstance(process, str) else 987654321
            same(lines_about(other, process), lines_about(other, missing), 'about %r' % process)
            keyed = lines_about(other, process, 'k%s' % process)
            same(keyed, lines_about(other, missing, 'm%s' % process), 'about %r, with keys' % process)
        same(other.call('process.list')['processes'], [])
        same(other.call('process.list', name='mine')['processes'], [])
        same(other.call('daemon.info')['processes'], {'running': 0, 'ended': 0})
        assert not is_dead(living['pid'])
        same(one.call('process.is_alive', process='mine'), {'alive': True})
        same(len(one.call('process.list')['processes']), 2)
        # names are one's own
        own = other.call('process.spawn', argv=['/bin/sleep', '1000'], name='mine')
        other.call('process.kill', process='mine')
        same(other.call('process.join', process=own['id'])['exitcode'], -9)
        same(one.call('process.is_alive', process='mine'), {'alive': True})
        one.call('process.stop', process='mine')


@system
def test_events_of_others_are_not_told(daemon):
    with ann(daemon) as one, bob(daemon) as other, Client(daemon.path) as root:
        for reader in (one, other):
            reader.call('events.subscribe')
        root.call('events.subscribe')
        root.call('events.subscribe', uid=ANN, kinds=['process.*'])
        child = one.call('process.spawn', argv=['/bin/true'])['id']
        one.call('process.join', process=child)
        fails('SpawnFailed', lambda: one.call('process.spawn', argv=['/nonexistent']))
        told = ['process.spawned', 'process.exited', 'process.spawn_failed']
        for reader, kinds in ((one, told), (other, [])):
            reader.call('daemon.ping')
            same([event['kind'] for event in reader.do('events')], kinds)
        same([root.event()['kind'] for _ in range(3)], told)
        root.call('daemon.ping')
        same(list(root.events), [], 'root sees another only by uid')
        same([peer.call('daemon.info')['subscriptions'] for peer in (one, other)], [1, 1])
        same([peer.call('daemon.info')['clients'] for peer in (one, other)], [1, 1])


# ---------------------------------------------------------------- being

@system
def test_children_run_as_the_caller(daemon):
    with ann(daemon) as one:
        status, child = status_in_child(daemon, one)
        same(status['Uid'], [str(ANN)] * 4)
        same(status['Gid'], ['111'] * 4)
        same(sorted(status['Groups']), ['222', '333'])
        same(status['NoNewPrivs'], ['1'])
        same(int(status['CapEff'][0], 16), 0)
        same(child['owner'], {'uid': ANN, 'pid': one.pid})
        # files are opened, and directories entered, as the caller
        secret = os.path.join(daemon.dir, 'secret')
        os.mkdir(secret, 0o700)
        for params, stage in (({'cwd': secret}, 'chdir'), ({'stdin': {'file': '/etc/shadow'}}, 'stdio'),
                              ({'stdout': {'file': daemon.dir + '/new'}}, 'stdio')):
            fails('SpawnFailed', lambda: one.call('process.spawn', argv=['/bin/true'], **params),
                  errno='EACCES', stage=stage)
        fails('SpawnFailed', lambda: one.call('process.spawn', argv=['/bin/true'], nice=-5), stage='nice')
    with Client(daemon.path) as root:
        status = parse_status(root.output(*STATUS).decode())
        same((status['Uid'], status['NoNewPrivs']), (['0'] * 4, ['0']))
        with open('/proc/self/status', encoding='utf-8') as file:
            same(status['CapBnd'], parse_status(file.read())['CapBnd'], 'root loses nothing')


IN_PROC = [({'stdin': {'file': '/proc/self/maps'}}, 'stdio'),
           ({'stdin': {'file': '/proc/thread-self/maps'}}, 'stdio'),
           ({'stdin': {'file': '/proc/version'}}, 'stdio'),
           ({'stdout': {'file': '/proc/self/comm'}}, 'stdio'),
           ({'stdout': {'file': '/proc/self/comm', 'append': True}}, 'stdio'),
           ({'cwd': '/proc/self'}, 'chdir'), ({'cwd': '/proc'}, 'chdir')]


def refuses_proc(peer):
    """Before its exec a child has the keeper's memory: nothing below /proc is opened for it."""
    for params, stage in IN_PROC:
        fails('SpawnFailed', lambda: peer.call('process.spawn', argv=['/bin/cat'], **params),
              errno='EACCES', stage=stage)
    child = peer.call('process.spawn', argv=['/bin/cat', '/proc/self/maps'], stdin={'file': '/dev/zero'},
                      stdout={'file': '/dev/null'}, cwd='/dev')
    same(peer.call('process.join', process=child['id'])['exitcode'], 0, 'what is elsewhere is opened')


@system
def test_the_memory_of_the_keeper_is_not_shown(daemon):
    with ann(daemon) as one, Client(daemon.path) as root:
        for peer in (one, root):
            refuses_proc(peer)


def test_the_memory_of_a_users_keeper_is_not_shown(daemon):
    with Client(daemon.path) as client:
        refuses_proc(client)


@system
def test_identity_is_frozen_at_accept(daemon):
    """Who becomes another after connecting is still who connected; a new connection is the new one."""
    with Peer(daemon.path) as peer:
        peer.do('become', ANN, 111)
        same(peer.call('daemon.hello')['peer'], {'pid': peer.pid, 'uid': 0, 'gid': 0})
        status, child = status_in_child(daemon, peer)
        same(status['Uid'], ['0'] * 4)
        same(child['owner']['uid'], 0)
        peer.do('connect')
        same(peer.call('daemon.hello')['peer'], {'pid': peer.pid, 'uid': ANN, 'gid': 111})
        status, child = status_in_child(daemon, peer)
        same((status['Uid'], status['NoNewPrivs']), ([str(ANN)] * 4, ['1']))
        same([each['id'] for each in peer.call('process.list')['processes']], [child['id']])
        fails('PermissionDenied', lambda: peer.call('daemon.stop'))
        same(peer.call('daemon.info')['connections'], 1)


@system
def test_root_in_anothers_place(daemon):
    user = pwd.getpwnam('daemon')
    with Client(daemon.path) as root, Peer(daemon.path, uid=user.pw_uid, gid=user.pw_gid) as one:
        text = root.start('process.spawn', argv=['/bin/sleep', '1000'], uid=user.pw_uid, name='placed')
        child = root.result(text)
        status = status_of(child['pid'])
        same((status['Uid'], status['Gid']), ([str(user.pw_uid)] * 4, [str(user.pw_gid)] * 4))
        groups = sorted(map(str, os.getgrouplist(user.pw_name, user.pw_gid)))
        same(sorted(status['Groups']), groups)
        same(one.call('process.info', process='placed')['id'], child['id'], 'it is theirs')
        fails('NoSuchProcess', lambda: root.call('process.info', process=child['id']))
        same(root.call('process.info', process=child['id'], uid=user.pw_uid)['id'], child['id'])
        same(len(root.call('process.list', uid=user.pw_uid)['processes']), 1)
        one.call('process.terminate', process='placed')
        same(root.call('process.join', process=child['id'], uid=user.pw_uid)['signal'], 'SIGTERM')
        fails('InvalidParams', lambda: root.call('process.spawn', argv=['/bin/true'], uid=ANN), param='uid')


@system
def test_only_root_may_act_for_others(daemon):
    with ann(daemon) as one, bob(daemon) as other:
        child = other.call('process.spawn', argv=['/bin/sleep', '1000'])['id']
        spawn = ('process.spawn', {'argv': ['/bin/true']})
        for method, params in [*questions(child), ('process.list', {}), spawn]:
            for uid in (BOB, 0, 1 << 31):
                fails('PermissionDenied', lambda: one.call(method, **params, uid=uid))
        same(one.call('process.list', uid=ANN)['processes'], [])
        refused = [('daemon.stop', {}), ('daemon.stop', {'mode': 'detach'}), ('daemon.restart', {})]
        for pid in (other.pid, os.getpid()):
            refused.append(('process.spawn', {'argv': ['/bin/true'], 'owner_pid': pid}))
        for method, params in refused:
            fails('PermissionDenied', lambda: one.call(method, **params))
        same(other.call('process.stop', process=child)['signal'], 'SIGTERM')
        same(daemon.info()['restarts'], 0)


def limits_of_process(pid):
    """(soft, hard) of the descriptors and of the size of files."""
    with open('/proc/%d/limits' % pid, encoding='utf-8') as file:
        rows = [re.split(' {2,}', line) for line in file]
    values = {row[0]: [-1 if value == 'unlimited' else int(value) for value in row[1:3]] for row in rows[1:]}
    return [tuple(values['Max open files']), tuple(values['Max file size'])]


@system
def test_limits_are_capped_by_the_callers(daemon):
    limits = [(resource.RLIMIT_NOFILE, (100, 200)), (resource.RLIMIT_FSIZE, (5000, 60000))]
    with ann(daemon, limits=limits) as one, ann(daemon) as free:
        def limits_of(**params):
            child = one.call('process.spawn', argv=['/bin/sleep', '1000'], **params)
            found = limits_of_process(child['pid'])
            one.call('process.stop', process=child['id'], grace=0)
            return found

        same([hard for _, hard in limits_of()], [200, 60000])
        assert all(soft <= hard for soft, hard in limits_of())
        same(limits_of(limits={'nofile': [50, 150], 'fsize': 4096}), [(50, 150), (4096, 4096)])
        same(limits_of(limits={'nofile': 200})[0], (200, 200))
        for limit in ({'nofile': 201}, {'fsize': 'unlimited'}):
            fails('SpawnFailed', lambda: one.call('process.spawn', argv=['/bin/true'], limits=limit),
                  errno='EPERM', stage='limits')
        child = free.call('process.spawn', argv=['/bin/sleep', '1000'])
        own = resource.getrlimit(resource.RLIMIT_NOFILE)
        same(limits_of_process(child['pid'])[0], own, 'as procd was started')
        free.call('process.stop', process=child['id'])


@system
def test_owner_pid(daemon):
    """A client acts for another process of its uid, whose end is then the child's, however new it is."""
    with ann(daemon) as one:
        for _ in range(20):
            owner = ann(daemon)
            child = one.call('process.spawn', argv=['/bin/sleep', '1000'], daemon=True, owner_pid=owner.pid)
            same(child['owner'], {'uid': ANN, 'pid': owner.pid})
            owner.kill()
            same(one.call('process.join', process=child['id'])['signal'], 'SIGTERM')
            fails('NoSuchProcess', lambda: one.call('process.spawn', argv=['/bin/true'], owner_pid=owner.pid))


@options(mode='--system', root=True, limit=120)
def test_a_client_that_was_refused_comes_again(daemon):
    """Too many connections of its uid: it is told so; later it is served, and its death is seen."""
    most = 16384
    if not LONG or resource.getrlimit(resource.RLIMIT_NOFILE)[1] < most + 100:
        raise Skip('only in the long run, with enough descriptors')
    with ann(daemon) as greedy, ann(daemon) as other:
        for _ in range(most - 2):
            greedy.do('connect')
        greedy.call('daemon.ping')
        same(greedy.call('daemon.info')['connections'], most)
        with Peer(daemon.path, uid=ANN, gid=111) as late, Peer(daemon.path, uid=ANN, gid=111) as never:
            for peer in (late, never):
                refused = json.loads(peer.do('exchange', ''))
                same(refused['error']['data'],
                     {'name': 'LimitExceeded', 'limit': 'connections', 'value': most})
            greedy.do('drop')
            wait_for(lambda: other.call('daemon.info')['connections'] == 2)
            late.do('drop')
            child = late.call('process.spawn', argv=['/bin/sleep', '1000'], daemon=True)
        same(other.call('process.join', process=child['id'])['signal'], 'SIGTERM')


# ---------------------------------------------------------------- the roles

@system
def test_uids_after_a_broker_kill(daemon):
    with ann(daemon) as one, bob(daemon) as other:
        child = one.call('process.spawn', argv=['/bin/sleep', '1000'], name='kept')
        daemon.kill_broker()
        for peer in (one, other):
            peer.do('drop')
        same(lines_about(other, child['id']), lines_about(other, 987654321))
        same(one.call('process.info', process='kept')['owner'], {'uid': ANN, 'pid': one.pid})
        status, _ = status_in_child(daemon, one)
        same((status['Uid'], status['NoNewPrivs']), ([str(ANN)] * 4, ['1']))
        same(one.call('process.stop', process='kept')['signal'], 'SIGTERM')


def hold(pid):
    """Stops a process of the daemon, and waits until it stands."""
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: stat_of(pid)[1] == 'T')


@options(root=True)
def test_the_next_client_is_not_taken_for_the_last(daemon):
    """Whose descriptors get the numbers of one that has just died, while the keeper has its pidfd still."""
    keeper, broker = daemon.keeper_pid, daemon.broker_pid
    with Client(daemon.path) as client:
        hole = Client(daemon.path)
        hole.call('daemon.ping')
        dead = Peer(daemon.path)
        hole.close()  # the next socket goes here, and the pidfd that comes with it where dead's was
        wait_for(lambda: client.call('daemon.info')['connections'] == 3)
        hold(broker)
        dead.kill()
        handed_over = descriptors(keeper) + collections.Counter({'anon_inode:[pidfd]': 1})
        living = Peer(daemon.path)
        wait_for(lambda: descriptors(keeper) == handed_over, 'the keeper knows the next')
        hold(keeper)
        try:
            os.kill(broker, signal.SIGCONT)
            for _ in range(10):
                same(living.call('daemon.ping'), {})
        finally:
            os.kill(keeper, signal.SIGCONT)
        living.kill()


def become_ann():
    os.setgroups([])
    os.setresgid(111, 111, 111)
    os.setresuid(ANN, ANN, ANN)


@options(root=True, before=become_ann, owner=ANN)
def test_a_users_own_daemon(daemon):
    """It serves its user, and root as that user; nobody else, whatever the mode of the socket."""
    os.chmod(daemon.path, 0o777)
    with Client(daemon.path) as root, ann(daemon) as one:
        for client in (root, one):
            child = client.call('process.spawn', argv=['/bin/sleep', '1000'])
            status = status_of(child['pid'])
            same((status['Uid'], status['NoNewPrivs']), ([str(ANN)] * 4, ['0']), 'its programs may be setuid')
            same(child['owner']['uid'], ANN)
        same(len(root.call('process.list')['processes']), 2)
        fails('PermissionDenied', lambda: root.call('process.list', uid=0))
        try:
            with bob(daemon) as other:
                answer = other.call('daemon.ping')
        except (Rpc, Closed, AssertionError) as refused:
            answer = refused
        assert answer != {}, 'a stranger is served'


if __name__ == '__main__':
    main()
