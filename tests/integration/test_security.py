#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What must hold against others on the machine, and where it is proven.

 1 identity is frozen at accept     test_identity.py: identity_is_frozen_at_accept; here: groups_are_frozen;
                                    unit/keeper/test_accept.c: pidfds on old and new kernels
 2 others' ids are as missing ones  here: every_method_on_what_is_anothers, recorded_answers_are_for_
                                    the_uid_that_asked, the_graph_is_of_what_a_uid_has_asked;
                                    test_identity.py: events, keys, a killed broker
 3 the keeper proves every uid      unit/keeper/test_hostile.c: a broker that was taken over; test_orders.c:
                                    numbers, malformed messages and specs; test_spec.c: every member
 4 the broker has no means          here: the_broker_is_sandboxed, a_users_broker_is_sandboxed;
                                    unit/daemon/test_sandbox.c: what is refused
 5 the socket's directory           test_socket.py: directories of others, links, live daemons, long paths;
                                    test_stop.py: a dead one's socket; cli/test_autostart.sh: procctl's side
 6 floods of descriptors            test_framing.py: floods_of_descriptors, truncated_control_message;
                                    unit/keeper/test_hostile.c: the same on the private link
 7 no_new_privs                     test_identity.py: children_run_as_the_caller, a_users_own_daemon
 8 arguments and environments       here: hostile_arguments; test_spawn.py: large_arguments,
                                    bytes_that_are_no_text
 9 nothing raw on a terminal        cli/test_output.sh: tables, events, JSON, messages; unit/base/test_log.c,
                                    test_harmless.c
10 names are no paths               here: names_are_no_paths
"""
import base64
import collections
import json
import os
import re

from clients import Client, Peer, fails, same, wait_for
from harness import children_of, main, options, targets_of

ANN, BOB = 12345, 23456  # uids that nobody has

system = options(mode='--system', root=True)


def ann(daemon, **params):
    return Peer(daemon.path, **{'uid': ANN, 'gid': 111, 'groups': [222, 333], **params})


def bob(daemon, **params):
    return Peer(daemon.path, **{'uid': BOB, 'gid': 444, **params})


# ---------------------------------------------------------------- every method on what is another's

class Subject:
    """In a sample: what stands for an id or a name of something."""
    def __init__(self, kind):
        self.kind = kind


PROCESS, OBJECT, SUBSCRIPTION, REQUEST = map(Subject, ('process', 'object', 'subscription', 'request'))

# Params of each method, with a subject in each place that takes one. What changes nothing comes first: some
# of the objects are made, for who asks, while they are asked for.
SAMPLES = [
    ('rpc.discover', []), ('daemon.hello', []), ('daemon.info', []), ('daemon.ping', []),
    ('daemon.stop', []), ('daemon.restart', []), ('object.list', []), ('object.graph', []),
    ('process.list', [{'name': PROCESS}, {'name': PROCESS, 'alive': True}]),
    ('process.join', [{'process': PROCESS}, {'process': PROCESS, 'timeout': 0}]),
    ('process.is_alive', [{'process': PROCESS}]),
    ('process.terminate', [{'process': PROCESS}, {'process': PROCESS, 'tree': False}]),
    ('process.kill', [{'process': PROCESS}, {'process': PROCESS, 'tree': False}]),
    ('process.signal', [{'process': PROCESS, 'signal': 9}, {'process': PROCESS, 'signal': 9, 'tree': True}]),
    ('process.stop', [{'process': PROCESS}, {'process': PROCESS, 'signal': 9, 'grace': 0}]),
    ('process.wait', [{'processes': [PROCESS]}, {'processes': [PROCESS], 'mode': 'all', 'timeout': 0},
                      {'processes': [PROCESS], 'for': 'ready'}]),
    ('process.info', [{'process': PROCESS}]),
    ('process.logs', [{'process': PROCESS}, {'process': PROCESS, 'follow': True}]),
    ('process.attach', [{'process': PROCESS}]),
    ('process.close', [{'process': PROCESS}]),
    ('events.subscribe', [{'process': PROCESS}, {'process': PROCESS, 'since': 0}, {'object': OBJECT}]),
    ('events.unsubscribe', [{'subscription': SUBSCRIPTION}]),
    ('cancel', [{'id': REQUEST}]),
    ('process.spawn', [{'argv': ['/nonexistent'], 'objects': [OBJECT]}]),
    ('object.info', [{'name': OBJECT}]),
    ('object.close', [{'name': OBJECT}]),
    ('object.open', [{'name': OBJECT}]),
    ('object.map', [{'name': OBJECT}, {'name': OBJECT, 'holder': 'a'}]),
    ('object.break', [{'name': OBJECT}]),
    ('object.unlink', [{'name': OBJECT}]),
    ('event.is_set', [{'name': OBJECT}]),
    ('lock.release', [{'name': OBJECT}, {'name': OBJECT, 'token': 1}]),
    ('rlock.release', [{'name': OBJECT}]),
    ('semaphore.acquire', [{'name': OBJECT, 'timeout': 0}]),
    ('semaphore.release', [{'name': OBJECT}]),
    ('condition.wait', [{'name': OBJECT, 'timeout': 0}]),
    ('condition.notify', [{'name': OBJECT}]),
    ('condition.notify_all', [{'name': OBJECT}]),
    ('barrier.wait', [{'name': OBJECT, 'timeout': 0}]),
    ('barrier.done', [{'name': OBJECT, 'ok': True}]),
    ('barrier.reset', [{'name': OBJECT}]),
    ('barrier.abort', [{'name': OBJECT}]),
    # each of these makes it
    ('lock.acquire', [{'name': OBJECT, 'timeout': 0}]),
    ('rlock.acquire', [{'name': OBJECT, 'timeout': 0}]),
    ('event.set', [{'name': OBJECT}]),
    ('event.clear', [{'name': OBJECT}]),
    ('event.wait', [{'name': OBJECT, 'timeout': 0}]),
    ('object.create', [{'kind': 'event', 'name': OBJECT}, {'kind': 'lock', 'name': OBJECT, 'exist_ok': True},
                       {'kind': 'condition', 'name': 'own', 'lock': OBJECT}]),
    ('object.unlink', [{'name': 'own'}, {'name': OBJECT}]),
]

# Every parameter that there is: those that name something, and what they name; and those that name nothing
# of anybody's (owner_pid and uid: test_identity.py).
NAMING = {'process': PROCESS, 'processes': PROCESS, 'object': OBJECT, 'objects': OBJECT, 'lock': OBJECT,
          'subscription': SUBSCRIPTION, 'id': REQUEST}
PLAIN = set('''client mode argv env env_fd env_add cwd stdin stdout stderr fds exe_fd daemon umask nice limits
    stop_signal stop_timeout restart notify labels owner_pid pidfd timeout holder on_deadlock tree signal
    grace for alive kind value parties exist_ok persist trace token undo n action ok since kinds
    uid stream tail follow bell round winsize attach zygote'''.split())


def subject_named(method, param):
    """What a parameter names, or None."""
    if param == 'name':
        return OBJECT if method.split('.')[0] != 'process' else PROCESS if method == 'process.list' else None
    return NAMING.get(param)


def holds(value, subject):
    return value is subject or isinstance(value, list) and subject in value


def judge_samples(methods):
    """Does the table above speak of every method and of every parameter that names something?"""
    samples = collections.defaultdict(list)
    for name, some in SAMPLES:
        samples[name] += some
    same(sorted(samples), sorted(method['name'] for method in methods), 'methods with samples')
    for method in methods:
        for param in (each['name'] for each in method['params']):
            where = '%s, %s' % (method['name'], param)
            assert param in PLAIN | set(NAMING) | {'name'}, where + ': what does it name?'
            subject = subject_named(method['name'], param)
            used = any(holds(params.get(param), subject) for params in samples[method['name']])
            assert used or not subject, where + ': no sample has it'


def filled(value, subjects):
    if isinstance(value, dict):
        return {name: filled(each, subjects) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, subjects) for each in value]
    return subjects[value] if isinstance(value, Subject) else value


def masked(line, subjects):
    """Without what differs from one request to the next anyway, and without the name that was asked for."""
    line = re.sub('"(token|first|last|seq|created|since)":[0-9.]+', r'"\1":0', line)
    line = re.sub('"holder":"#[0-9]+"', '"holder":"#"', line)
    return line.replace('"%s"' % subjects[OBJECT], '"X"').replace('"%s.lock"' % subjects[OBJECT], '"X.lock"')


def walk(peer, subjects, key=None, **more):
    """The answers to all samples about these subjects, as bytes."""
    requests = [(method, params) for method, samples in SAMPLES for params in samples]
    for number, (method, params) in enumerate(requests):
        params = {**filled(params, subjects), **more}
        request = {'jsonrpc': '2.0', 'id': 'x', 'method': method, 'params': params}
        if key:
            request['key'] = '%s-%d' % (key, number)
        yield '%s, %r' % (method, params), masked(peer.do('exchange', json.dumps(request)), subjects)


def alike(peer, theirs, missing, keys=(None, None), **more):
    """The same requests about both, in the same order: the answers must be the same."""
    walks = [list(walk(peer, subjects, key, **more)) for subjects, key in zip((theirs, missing), keys)]
    for (what, got), (_, want) in zip(*walks):
        same(got, want, what)


KINDS = [('lock', {}), ('rlock', {}), ('semaphore', {}), ('bounded_semaphore', {}), ('event', {}),
         ('condition', {'lock': 'theirs-rlock'}), ('barrier', {'parties': 1})]


def make_things(one):
    """What ann has: processes by ids and names, a subscription, the id of a request under way."""
    living = one.call('process.spawn', argv=['/bin/sleep', '1000'], name='theirs', labels={'a': 'theirs'})
    ended = one.call('process.spawn', argv=['/bin/true'], name='theirs-too')
    one.call('process.join', process=ended['id'])
    for kind, params in KINDS:
        one.call('object.create', kind=kind, name='theirs-' + kind, **params)
    one.call('lock.acquire', name='theirs-lock')
    subscription = one.call('events.subscribe', kinds=['gap'])['subscription']
    request = one.start('process.join', process=living['id'])
    return [living['id'], ended['id'], 'theirs', 'theirs-too'], subscription, request


def state_of(one):
    return one.call('process.list')['processes'], one.call('object.list')['objects']


@options(mode='--system', root=True, limit=120)
def test_every_method_on_what_is_anothers(daemon):
    """As if there were nothing of that id or name, byte for byte, whoever asks; and nothing is changed."""
    judge_samples(daemon.connection.call('rpc.discover')['methods'])
    with ann(daemon) as one, bob(daemon) as other, Peer(daemon.path) as root:
        processes, subscription, request = make_things(one)
        before = state_of(one)
        for turn, (kind, _) in enumerate(KINDS):
            process = processes[turn % len(processes)]
            theirs = {PROCESS: process, OBJECT: 'theirs-' + kind,
                      SUBSCRIPTION: subscription, REQUEST: request}
            missing = {PROCESS: 'none' if isinstance(process, str) else 987654321, OBJECT: 'absent-' + kind,
                       SUBSCRIPTION: 987654321, REQUEST: 987654321}
            for peer in (other, root):
                alike(peer, theirs, missing)
            alike(other, theirs, missing, ('k%d' % turn, 'm%d' % turn))
            alike(other, theirs, missing, uid=ANN)
            alike(root, theirs, missing, uid=BOB)
        same(state_of(one), before)
        same([one.do('answered'), one.do('events')], [[], []], 'nothing has reached it')
        one.call('process.stop', process='theirs', grace=0)


# ---------------------------------------------------------------- a process that changes its uid

@system
def test_groups_are_frozen(daemon):
    """What a child may is what its caller was at connect, not what the caller has become since."""
    with Peer(daemon.path, uid=0, gid=0, groups=[222, 333]) as peer:
        path = os.path.join(daemon.dir, 'groups')
        groups = {'argv': ['/bin/sh', '-c', 'id -G'], 'stdout': {'file': path}}
        for change, expected in ((None, '0 222 333'), ([], '0 222 333'), ('connect', '0')):
            if change == 'connect':
                peer.do('connect')
            elif change is not None:
                peer.do('set_groups', change)
            child = peer.call('process.spawn', **groups)
            same(peer.call('process.join', process=child['id'])['exitcode'], 0)
            with open(path, encoding='ascii') as file:
                same(file.read().strip(), expected)


@system
def test_recorded_answers_are_for_the_uid_that_asked(daemon):
    """The same process with the same key, as somebody else: what the daemon has told one uid is no answer for
    another."""
    with Peer(daemon.path) as peer:
        spawn = {'argv': ['/bin/sleep', '1000'], 'name': 'secret'}
        first = peer.reply(peer.start('process.spawn', 'key', **spawn))['result']
        same(peer.reply(peer.start('process.spawn', 'key', **spawn))['result']['id'], first['id'])
        peer.do('act_as', ANN, 111)
        peer.do('connect')
        same(peer.call('daemon.hello')['peer']['uid'], ANN)
        again = peer.reply(peer.start('process.spawn', 'key', **spawn))
        same(again['error']['data']['name'], 'InvalidRequest')
        same(peer.call('process.list')['processes'], [])
        peer.do('act_as', 0, 0)
        peer.do('connect')
        same(peer.reply(peer.start('process.spawn', 'key', **spawn))['result']['id'], first['id'])


@system
def test_the_graph_is_of_what_a_uid_has_asked(daemon):
    """Not of what its processes have asked, which may have become somebody else (sudo keeps the process)."""
    with Peer(daemon.path) as peer, ann(daemon) as one, Peer(daemon.path) as root:
        def graph_of(who):
            graph = who.call('object.graph')
            return len(graph['nodes']), [edge['object'] for edge in graph['edges']]

        root.call('lock.acquire', name='roots')
        one.call('lock.acquire', name='anns')
        for uid, gid, name, owner, stranger in ((ANN, 111, 'anns', one, root), (0, 0, 'roots', root, one)):
            peer.do('act_as', uid, gid)
            peer.do('connect')
            waiting = peer.start('lock.acquire', name=name, holder=name)
            peer.call('daemon.ping')
            same(graph_of(owner), (2, [name]))
            same(graph_of(stranger), (0, []), 'of %s' % name)
            owner.call('lock.release', name=name)
            same(peer.reply(waiting)['result']['acquired'], True)
            holder = owner.call('object.info', name=name)['holders'][0]
            same((holder['pid'], holder['uid']), (peer.pid, uid), 'as whom it holds')
            peer.call('lock.release', name=name)
            owner.call('lock.acquire', name=name)


# ---------------------------------------------------------------- the broker

CAPABILITIES = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']


def status_of(pid):
    with open('/proc/%d/status' % pid, encoding='utf-8') as file:
        return dict(line.rstrip('\n').split(':\t') for line in file if ':\t' in line)


CAP_SYS_CHROOT, CAP_SYS_ADMIN = 18, 21


def may(capability):
    """Not every root may do everything: in a container."""
    return int(status_of(os.getpid())['CapEff'], 16) >> capability & 1


def namespace_of(pid, kind):
    return os.readlink('/proc/%d/ns/%s' % (pid, kind))


def is_filtered(daemon, status):
    """Has it a filter of system calls? Not where a sanitizer looks on, nor on every machine."""
    same(status['NoNewPrivs'], '1')
    known = os.uname().machine in ('x86_64', 'aarch64', 'riscv64')
    same(status['Seccomp'], '2' if known and not daemon.sanitized() else status['Seccomp'])


def owns(pid, pattern):
    """Its descriptors of that sort."""
    return [target for target in targets_of(pid).values() if re.match(pattern, target)]


def helpers_of(daemon):
    """Those that look names up for a broker."""
    return {pid for pid, (name, _, _) in children_of(daemon.keeper_pid).items() if name == 'procd-lookup'}


def is_nobody(pid):
    try:
        status = status_of(pid)
    except (FileNotFoundError, ProcessLookupError):
        return False  # it ended with its broker
    return (status['CapPrm'], status['CapEff'], '0' in status['Uid'].split()) == ('0' * 16, '0' * 16, False)


@system
def test_the_broker_is_sandboxed(daemon):
    """The first one, and the next: nobody, without capabilities, files, network, and most system calls."""
    first_helpers = wait_for(lambda: helpers_of(daemon), 'the helper of the first')
    for next_one in (lambda: daemon.broker_pid, daemon.kill_broker):
        pid = next_one()
        status = status_of(pid)
        same({status[name] for name in CAPABILITIES}, {'0' * 16})
        assert '0' not in status['Uid'].split() + status['Gid'].split(), status
        same(len(set(status['Uid'].split())), 1, 'saved and file system uid, too')
        same(status['Groups'].strip(), '')
        is_filtered(daemon, status)
        if not daemon.sanitized() and may(CAP_SYS_CHROOT):
            root = os.readlink('/proc/%d/root' % pid)
            assert re.fullmatch('/proc/[0-9]+/fdinfo', root), 'its root is ' + root
            same(os.readlink('/proc/%d/cwd' % pid), root)
        for kind in ('net', 'ipc') if may(CAP_SYS_ADMIN) else ():
            assert namespace_of(pid, kind) != namespace_of(daemon.keeper_pid, kind), kind
        files = owns(pid, '/')
        same([path for path in files if path not in ('/dev/null', '/proc/%d/statm' % pid, daemon.log_path,
                                                     '/memfd:procd-state (deleted)',
                                                     '/memfd:procd-logs (deleted)')], [])
    # It begins beside its broker, and takes a moment to become nobody.
    wait_for(lambda: any(map(is_nobody, helpers_of(daemon) - first_helpers)),
             'the look-up helper of the next broker is nobody')


def test_a_users_broker_is_sandboxed(daemon):
    """It is that user still, but starts no program and opens no file to write into."""
    is_filtered(daemon, status_of(daemon.broker_pid))
    is_filtered(daemon, status_of(daemon.kill_broker()))


# ---------------------------------------------------------------- arguments, environments, names

def b64(data):
    return {'b64': base64.b64encode(data).decode()}


def test_hostile_arguments(daemon):
    """Each is refused by name, or fails as exec(2) does; the connection, and the next spawn, are fine."""
    fine, nul = ['/bin/true'], b64(b'a\0b')
    refused = {
        'argv': ([], [''], [b64(b'')], 'text', {}, [1], [None], [fine], [nul], ['/bin/true', nul],
                 [{'b64': '*'}], [{'b64': 'YQ==', 'x': 1}]),
        'env': ({'': 'x'}, {'A=B': 'x'}, {'=': ''}, {'A': 1}, {'A': {}}, {'A': nul}, {'A': None}, [], 'A=B'),
        'env_add': ({'': 'x'}, {'A=': 'x'}, {'A': nul}, []),
        'cwd': ('', nul, 1, ['/']),
        'name': ('', 'x' * 256, 'é' * 128, 1, b64(b'x')),
        'labels': ([], {'a': 1}, {'a': b64(b'x')}),
        'limits': (5, {'no': 1}, {'nofile': -1}, {'nofile': [1]}, {'nofile': [2, 1]}, {'nofile': 1 << 53}),
        'fds': ([[0, 3]], [[0]], [0], [[0, 3]] * 2000),
        'stdin': ('log', {}, {'fd': 0}, {'file': ''}, {'file': nul}),
    }
    too_big = [
        {'argv': ['/bin/true', 'x' * 131072]},  # MAX_ARG_STRLEN, with its NUL
        {'argv': ['/bin/true'] + [''] * 200000, 'limits': {'stack': 1 << 20}},
        {'argv': fine, 'env': {'A': 'x' * 131072}},
        {'argv': fine, 'env': {'x' * 131072: ''}},
        {'argv': ['/bin/true', 'x' * 50000, 'x' * 50000, 'x' * 50000], 'limits': {'stack': 131072}},
    ]
    with Client(daemon.path) as client:
        for param, values in refused.items():
            for value in values:
                params = {'argv': fine, param: value}
                fails('InvalidParams', lambda: client.call('process.spawn', **params), param=param)
        for params in too_big:
            fails('SpawnFailed', lambda: client.call('process.spawn', **params), errno='E2BIG', stage='exec')
        for text in ('"argv":["a\\u0000b"]', '"argv":["true"],"env":{"A\\u0000B":"x"}', '"argv":["\\ud800"]'):
            line = '{"jsonrpc":"2.0","id":1,"method":"process.spawn","params":{%s}}\n' % text
            client.raw(line.encode())
            same(client.reply(None)['error']['data']['name'], 'ParseError')
        many = {'V%d' % i: 'x' * 5 for i in range(20000)}
        same(client.exitcode(client.spawn('/bin/true', 'x' * 131071, env=many, name='é' * 127)['id']), 0)
        same(client.call('daemon.info')['processes'], {'running': 0, 'ended': 1})


PATHS = ['.', '..', '../x', './x', 'a/b', '/', '/.', '/..', '/../x', '/a/b', '//x', '.x', '/.x']


def test_names_are_no_paths(daemon):
    """Objects have no such names, whatever the method; processes may, and nothing is called by them."""
    with Client(daemon.path) as client:
        for name in (*PATHS, '', 'a b', 'a\\b', 'a\nb', 'é', '\x7f', 'x' * 256, '/' + 'x' * 255):
            for method, samples in SAMPLES:
                for params in samples:
                    if any(holds(value, OBJECT) for value in params.values()):
                        params = filled(params, {OBJECT: name})
                        fails('InvalidParams', lambda: client.call(method, **params))
        for name in ('a..b', '/a..', '-', '@', '_', 'x' * 255, '/' + 'x' * 254):
            client.call('event.set', name=name)
            client.call('object.unlink', name=name)
        same(client.call('object.list')['objects'], [])
        before = sorted(os.listdir(daemon.dir))
        for name in (*PATHS, '/etc/passwd', '\x1b[2J', 'x' * 255):
            child = client.spawn('/bin/sleep', '1000', name=name)
            with open('/proc/%d/cgroup' % child['pid'], encoding='utf-8') as file:
                ours = re.findall('/procd-.*', file.read())
            for path in ours:
                assert re.fullmatch('/procd-[0-9]+[.][0-9]+/[0-9]+', path), path
            same(client.call('process.info', process=name)['id'], child['id'])
            client.call('process.stop', process=name, grace=0)
        same(sorted(os.listdir(daemon.dir)), before)
        for path in daemon.cgroups():
            for folder in (entry for entry in os.scandir(path) if entry.is_dir()):
                assert folder.name.isdigit(), folder.path


if __name__ == '__main__':
    main()
