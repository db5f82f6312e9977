#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""process.spawn: what the child gets, and what a failed start leaves: nothing."""
import base64
import errno
import fcntl
import hashlib
import json
import os
import random
import re
import resource
import signal
import stat
import sys
import time

from clients import Client, Gate, Peer, Rpc, drain, fails, same, wait_for, windowed
from harness import LONG, main, options

PYTHON = [sys.executable, '-I', '-S', '-c']
DEFAULT_ENVIRONMENT = {'PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL'}


def ask_child(client, code, *arguments, **params):
    """Runs python code that prints JSON."""
    return json.loads(client.output(*PYTHON, code, *arguments, **params))


# ---------------------------------------------------------------- many, and failures

def test_thousands_that_end_at_once(daemon):
    """They exit before anybody has read the answer to their spawn: each is answered once, each end known."""
    with Client(daemon.path) as client:
        count = 9000 if LONG else 1500
        answers = windowed(client, [('process.spawn', {'argv': ['/bin/true']})] * count)
        ids = [answer['result']['id'] for answer in answers]
        same(ids, sorted(set(ids)), 'ids rise')
        ends = list(windowed(client, [('process.join', {'process': each}) for each in ids]))
        same({(end['result']['exited'], end['result']['exitcode']) for end in ends}, {(True, 0)})
        same(client.call('daemon.info')['processes'], {'running': 0, 'ended': count})


def failures(folder):
    """(errno, stage, params) of starts that fail, in the order of the stages."""
    garbage, text = os.path.join(folder, 'garbage'), os.path.join(folder, 'text')
    for path, content, mode in ((garbage, b'\x7fgarbage', 0o755), (text, b'#!/bin/sh\n', 0o644)):
        with open(path, 'wb') as file:
            file.write(content)
        os.chmod(path, mode)
    beyond = 1 << 40  # above fs.nr_open: nobody may
    return [
        ('EPERM', 'limits', {'limits': {'nofile': beyond}}),
        ('ENOENT', 'chdir', {'cwd': '/nonexistent'}),
        ('ENOTDIR', 'chdir', {'cwd': text}),
        ('ENOENT', 'stdio', {'stdin': {'file': '/nonexistent'}}),
        ('ENOENT', 'stdio', {'stdout': {'file': '/nonexistent/file'}}),
        ('EISDIR', 'stdio', {'stderr': {'file': folder, 'append': True}}),
        ('ENOENT', 'exec', {'argv': ['/nonexistent']}),
        ('ENOENT', 'exec', {'argv': ['nowhere-in-the-path']}),
        ('EACCES', 'exec', {'argv': [text]}),
        ('EACCES', 'exec', {'argv': [folder]}),
        ('ENOEXEC', 'exec', {'argv': [garbage]}),
        ('ENOTDIR', 'exec', {'argv': [text + '/x']}),
        ('E2BIG', 'exec', {'argv': ['/bin/true', 'x' * 200000]}),
    ]


def test_failed_starts_leave_nothing(daemon):
    with Client(daemon.path) as client:
        client.call('events.subscribe', kinds=['process.spawn_failed'])
        accounts = daemon.steady_accounts()
        before = client.spawn('/bin/true')
        for name, stage, params in failures(daemon.dir) * 3:
            params = {'argv': ['/bin/true'], **params}
            error = fails('SpawnFailed', lambda: client.call('process.spawn', **params), errno=name,
                          stage=stage)
            path = {'exec': params['argv'][0], 'chdir': params.get('cwd')}.get(stage)
            same(error.error['message'], '%s%s: %s' % (stage, ' ' + path if path else '',
                                                       os.strerror(getattr(errno, name))))
            event = client.event_of('process.spawn_failed')
            same((event['errno'], event['stage']), (name, stage))
        for path in ('/' + 'é' * 300, {'b64': 'L/8='}):
            error = fails('SpawnFailed', lambda: client.spawn(path), stage='exec').error
            assert error['message'].startswith('exec: '), 'not for a message'
        after = client.spawn('/bin/true')
        same([before['name'], after['name']], ['Process-1', 'Process-2'], 'a failure uses no number')
        same([each['id'] for each in client.call('process.list')['processes']], [before['id'], after['id']])
        wait_for(lambda: daemon.accounts() == accounts, 'descriptors and children as before')


# ---------------------------------------------------------------- descriptors

LIST_FDS = '''
import json, os
names = [int(name) for name in os.listdir('/proc/self/fd')]
found = {}
for fd in names:
    try: found[fd] = os.fstat(fd).st_ino
    except OSError: pass  # the one that listed them
print(json.dumps(found))
'''


def memfds(count):
    fds = [os.memfd_create('test-%d' % i) for i in range(count)]
    return fds, [os.fstat(fd).st_ino for fd in fds]


def found_in_child(client, passed, **params):
    """{descriptor: inode} of what the child has besides its output."""
    read, write = os.pipe()
    process = client.spawn(*PYTHON, LIST_FDS, _fds=passed + [write], stdout={'fd': len(passed)}, **params)
    os.close(write)
    found = json.loads(drain(read))
    same(client.exitcode(process['id']), 0)
    return {int(fd): inode for fd, inode in found.items() if fd != '1'}


def test_64_descriptors(daemon):
    fds, inodes = memfds(63)
    with Client(daemon.path) as client:
        placed = [[index, index + 3] for index in range(63)]
        found = found_in_child(client, fds, fds=placed)
        same({fd: inode for fd, inode in found.items() if fd > 2}, dict(zip(range(3, 66), inodes)))
        params = {'argv': ['/bin/true'], 'fds': [[index, 3 + index] for index in range(64)]}
        same(client.exitcode(client.call('process.spawn', _fds=fds + fds[:1], **params)['id']), 0)
        fails('InvalidRequest', lambda: client.result(client.start('daemon.ping', _fds=fds + fds[:2])))
    for fd in fds:
        os.close(fd)


def test_permutations_of_descriptors(daemon):
    """Targets that are other descriptors' numbers on the way, indices used often; nothing else gets there."""
    seed = random.randrange(1 << 30)
    print('seed %d' % seed)
    chance = random.Random(seed)
    fds, inodes = memfds(8)
    with Client(daemon.path) as client:
        for _ in range(300 if LONG else 25):
            targets = chance.sample(list(range(3, 24)) + [100, 255, 256, 1000], chance.randrange(12))
            placed = [[chance.randrange(8), target] for target in targets]
            chance.shuffle(placed)
            stdin, stderr = chance.randrange(8), chance.randrange(8)
            found = found_in_child(client, fds, fds=placed, stdin={'fd': stdin}, stderr={'fd': stderr})
            want = {target: inodes[index] for index, target in [*placed, (stdin, 0), (stderr, 2)]}
            same(found, want, 'seed %d, %r' % (seed, placed))
    for fd in fds:
        os.close(fd)


def test_pidfd(daemon):
    with Client(daemon.path) as client:
        number = client.start('process.spawn', argv=['/bin/sleep', '1000'], pidfd=True)
        message = client.reply(number)
        info, [pidfd] = message['result'], message['_fds']
        same(info['pidfd'], 0)
        signal.pidfd_send_signal(pidfd, signal.SIGUSR2)
        os.close(pidfd)
        same(client.join(info['id'])['signal'], 'SIGUSR2')


# ---------------------------------------------------------------- what the child is

def test_rusage(daemon):
    code = 'import time; x = bytearray(64 << 20)\nwhile time.process_time() < 0.3: pass'
    with Client(daemon.path) as client:
        before = time.time()
        end = client.join(client.spawn(*PYTHON, code)['id'])
        usage = end['rusage']
        assert 0.2 < usage['utime'] + usage['stime'] < 3, usage
        assert 64 << 20 < usage['maxrss'] < 512 << 20, usage
        assert usage['minflt'] > 1000, usage
        assert before - 0.01 <= end['started'] < end['ended'] <= time.time() + 0.01, end
        assert end['ended'] - end['started'] > 0.25, end
        small = client.join(client.spawn('/bin/true')['id'])['rusage']
        assert small['maxrss'] < 32 << 20, 'it counts the memory of its parent: %r' % small


@options(env={'PROCD_TEST_SECRET': 'secret', 'LD_BIND_NOW': '1'})
def test_environment(daemon):
    def environment(**params):
        text = client.output('/usr/bin/env', '-0', **params)
        return dict(entry.split(b'=', 1) for entry in text.split(b'\0') if entry)

    with Client(daemon.path) as client:
        same({name.decode() for name in environment()}, DEFAULT_ENVIRONMENT)
        same(environment()[b'PATH'], b'/usr/local/bin:/usr/bin:/bin')
        same(environment(env={}), {})
        same(environment(env={'A': '1', 'B': ''}), {b'A': b'1', b'B': b''})
        laid_over = environment(env={'A': '1', 'B': '2'}, env_add={'B': '3', 'C': ''})
        same(laid_over, {b'A': b'1', b'B': b'3', b'C': b''})
        added = environment(env_add={'PATH': '/bin', 'X': 'y'})
        same({name.decode() for name in added}, DEFAULT_ENVIRONMENT | {'X'})
        same((added[b'PATH'], added[b'X']), (b'/bin', b'y'))
        # nor does a failed start or another program of the daemon know it
        assert b'secret' not in client.output('/bin/cat', '/proc/self/environ')


SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def block(data, seals=SEALS):
    """A memfd as env_fd wants it."""
    fd = os.memfd_create('environment', os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def test_environment_in_a_memfd(daemon):
    def environment(data, **params):
        read, write = os.pipe()
        with Client(daemon.path) as client:
            process = client.spawn('/usr/bin/env', '-0', _fds=[write, block(data)], stdout={'fd': 0},
                                   env_fd=1, **params)
            os.close(write)
            text = drain(read)
            same(client.exitcode(process['id']), 0)
            return text

    same(environment(b''), b'')
    same(environment(b'A=1\0B=\0C=x=y\0\xff=\xfe\0'), b'A=1\0B=\0C=x=y\0\xff=\xfe\0', 'as it is')
    same(environment(b'A=1\0B=2\0A=3\0', env_add={'C': '4'}), b'A=1\0B=2\0A=3\0C=4\0')
    same(environment(b'A=1\0B=2\0A=3\0B2=5\0', env_add={'A': '4', 'B': ''}), b'B2=5\0A=4\0B=\0')
    large = b'A=' + b'x' * 100000 + b'\0' + b'B=' + b'y' * 100000 + b'\0'
    same(environment(large), large)
    with Client(daemon.path) as client:
        found = [client.exitcode(client.spawn('sh', '-c', 'exit 7', _fds=[block(data)], env_fd=0)['id'])
                 for data in (b'PATH=/nowhere:/bin\0PATH=/nowhere\0', b'')]
        same(found, [7, 7], 'looked for in its PATH, or where execvp(3) does')
        fails('SpawnFailed', lambda: client.spawn('sh', _fds=[block(b'PATH=/nowhere\0')], env_fd=0))


def test_what_is_no_environment(daemon):
    accounts = daemon.steady_accounts()
    with Client(daemon.path) as client:
        def refused(fd, **params):
            fails('InvalidParams', lambda: client.spawn('/bin/true', _fds=[fd], env_fd=0, **params),
                  param='env_fd')
            os.close(fd)

        large = b'x=' + b'y' * (1 << 20) + b'\0'
        for data in (b'A=1', b'\0', b'=1\0', b'A=1\0\0', b'A\0', b'A=1\0B\0', large):
            refused(block(data))
        for missing in (fcntl.F_SEAL_SHRINK, fcntl.F_SEAL_GROW, fcntl.F_SEAL_WRITE):
            refused(block(b'A=1\0', SEALS & ~missing))
        refused(os.open('/dev/zero', os.O_RDONLY))
        refused(os.open('/proc/self/environ', os.O_RDONLY))
        read, write = os.pipe()
        refused(read)
        os.close(write)
        refused(block(b'A=1\0'), env={'A': '2'})
        fails('InvalidParams', lambda: client.spawn('/bin/true', env_fd=0), param='env_fd')
    wait_for(lambda: daemon.accounts() == accounts, 'descriptors and children as before')


def test_search_in_the_path(daemon):
    folders = [os.path.join(daemon.dir, name) for name in ('first', 'second')]
    for folder, mode in zip(folders, (0o644, 0o755)):
        os.mkdir(folder)
        path = os.path.join(folder, 'tool')
        with open(path, 'w', encoding='utf-8') as file:
            file.write('#!/bin/sh\necho "$0"\n')
        os.chmod(path, mode)
    with Client(daemon.path) as client:
        text = client.output('tool', env={'PATH': ':'.join(['/nonexistent', *folders])})
        same(text.decode().strip(), os.path.join(folders[1], 'tool'), 'as execvp(3)')
        fails('SpawnFailed', lambda: client.spawn('tool', env={'PATH': folders[0]}), errno='EACCES')
        fails('SpawnFailed', lambda: client.spawn('tool', env={'PATH': '.'}, cwd=folders[1]), errno='ENOENT')


DIGEST = '''
import hashlib, sys
sys.stdout.write(hashlib.sha256("\\0".join(sys.argv[1:]).encode()).hexdigest())
'''


def digest(arguments):
    return hashlib.sha256('\0'.join(arguments).encode()).hexdigest()


def test_large_arguments(daemon):
    arguments = [chr(97 + i) * 50000 for i in range(10)]
    with Client(daemon.path) as client:
        many = [str(i) for i in range(20000)]
        for each in (arguments, many):
            same(client.output(*PYTHON, DIGEST, *each).decode(), digest(each))
        info = client.spawn('/bin/true', *arguments, env={'X': 'y' * 100000})
        same(info['argv'], ['/bin/true', *arguments])
        same(client.exitcode(info['id']), 0)


def test_bytes_that_are_no_text(daemon):
    def b64(data):
        return {'b64': base64.b64encode(data).decode()}

    odd = b'\xff\xfe caf\xe9'
    folder = os.path.join(os.fsencode(daemon.dir), odd)
    os.mkdir(folder)
    with Client(daemon.path) as client:
        same(client.output('/usr/bin/printf', '%s', b64(odd)), odd)
        same(client.output('/usr/bin/env', env={'X': b64(odd)}), b'X=' + odd + b'\n')
        same(client.output('/bin/pwd', cwd=b64(folder)), folder + b'\n')
        stdout = {'file': b64(folder + b'/out')}
        info = client.spawn('/bin/echo', b64(odd), 'text', cwd=b64(folder), stdout=stdout)
        same(client.exitcode(info['id']), 0)
        with open(folder + b'/out', 'rb') as file:
            same(file.read(), odd + b' text\n')
        for record in (info, client.call('process.info', process=info['id'])):
            same((record['argv'], record['cwd']), (['/bin/echo', b64(odd), 'text'], b64(folder)))
        same(client.output('/usr/bin/printf', '%s', b64(b'plain')), b'plain')
        fails('InvalidParams', lambda: client.spawn('/bin/true', b64(b'a\0b')), param='argv')


ATTRIBUTES = '''
import json, os, resource
print(json.dumps([os.umask(0), os.nice(0), resource.getrlimit(resource.RLIMIT_NOFILE),
    resource.getrlimit(resource.RLIMIT_FSIZE), os.getsid(0) == os.getpgid(0) == os.getpid(), os.getcwd()]))
'''


def low_limits():
    """Of descriptors, and of files, than which the daemon's memory is larger."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@options(before=low_limits)
def test_attributes(daemon):
    nofile, fsize = [512, resource.getrlimit(resource.RLIMIT_NOFILE)[1]], [1 << 20, -1]
    with Client(daemon.path) as client:
        plain = ask_child(client, ATTRIBUTES)
        same(plain, [0o022, os.nice(0), nofile, fsize, True, '/'], 'as procd was started')
        nicer = min(os.nice(0) + 5, 19)
        limits = {'nofile': [100, 200], 'fsize': 12345}
        asked = ask_child(client, ATTRIBUTES, umask=0o077, nice=nicer, limits=limits, cwd='/usr')
        same(asked, [0o077, nicer, [100, 200], [12345, 12345], True, '/usr'])
        same(ask_child(client, ATTRIBUTES, umask=0)[0], 0)
        # a limit below what the way to the exec needs
        same(ask_child(client, ATTRIBUTES, limits={'nofile': 4})[2], [4, 4])
        path = os.path.join(daemon.dir, 'new')
        for _ in range(2):
            child = client.sh('echo x', umask=0o027, stdout={'file': path, 'append': True})
            same(client.exitcode(child['id']), 0)
        made = os.stat(path)
        same((stat.S_IMODE(made.st_mode), made.st_size), (0o640, 4), 'made with its umask, appended to')


def disturb_signals():
    """What a careless parent leaves to the daemon."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR2, signal.SIGALRM})


@options(before=disturb_signals)
def test_signals_are_as_at_birth(daemon):
    with Client(daemon.path) as client:
        lines = client.output('/bin/cat', '/proc/self/status').decode().splitlines()
        status = dict(line.split(':', 1) for line in lines)
        masks = {name: int(status[name], 16) for name in ('SigPnd', 'ShdPnd', 'SigBlk', 'SigIgn', 'SigCgt')}
        same(set(masks.values()), {0}, repr(masks))


def test_core_dumps(daemon):
    with Client(daemon.path) as client:
        end = client.join(client.sh('kill -SEGV $$', limits={'core': 0})['id'])
        same((end['exitcode'], end['signal'], end['core']), (-11, 'SIGSEGV', False))
        if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
            return  # nothing may dump here
        limits = {'core': [1 << 24, 1 << 24]}
        end = client.join(client.sh('kill -SEGV $$', limits=limits, cwd=daemon.dir)['id'])
        same((end['exitcode'], end['signal']), (-11, 'SIGSEGV'))
        with open('/proc/sys/kernel/core_pattern', encoding='utf-8') as file:
            if not file.read().startswith('|'):
                assert end['core'], 'no core was told of'


def test_standard_streams(daemon):
    """Where nothing is said: no input, and output that nobody reads holds up nobody."""
    with Client(daemon.path) as client, Gate() as gate:
        same(client.output('/bin/cat'), b'')
        process = client.sh('head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2')
        same(client.exitcode(process['id']), 0)
        child = client.spawn('/bin/cat', _fds=gate.fds, stdin=gate.stdin, stdout='null')
        os.write(gate.write, b'x')
        gate.open()
        same(client.exitcode(child['id']), 0)


def test_a_script_without_interpreter(daemon):
    path = os.path.join(daemon.dir, 'script')
    with open(path, 'w', encoding='utf-8') as file:
        file.write('#!/nonexistent/interpreter\n')
    os.chmod(path, 0o755)
    with Client(daemon.path) as client:
        error = fails('SpawnFailed', lambda: client.spawn(path), errno='ENOENT', stage='exec')
        assert os.strerror(errno.ENOENT) in error.error['message'], error


def hundred_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))


def spawn_until_full(client):
    """A child has a descriptor of the keeper: in the end there is none for another."""
    for _ in range(200):
        try:
            client.spawn('/bin/sleep', '1000')
        except Rpc as error:
            same((error.name, error.data['errno']), ('SpawnFailed', 'EMFILE'))
            return
    raise AssertionError('200 children with 100 descriptors')


def is_refused(peer):
    try:
        return peer.call('daemon.ping') != {}
    except AssertionError as error:
        if re.search('Closed|BrokenPipe|ConnectionReset', str(error)):
            return True
        raise


@options(before=hundred_descriptors)
def test_no_descriptor_is_left(daemon):
    """Who comes then is refused. The log says so, but not each time."""
    with Client(daemon.path) as client:
        spawn_until_full(client)
        for _ in range(20):
            fails('SpawnFailed', lambda: client.spawn('/bin/true'), errno='EMFILE')
        refused = [is_refused(Peer(daemon.path)) for _ in range(8)]
        same((client.call('daemon.ping'), refused[-3:]), ({}, [True] * 3))
        lines = daemon.log().splitlines()
        same(len([line for line in lines if 'no descriptor is left' in line]), 1)
        same([line for line in set(lines) if lines.count(line) > 1], [], 'lines that came again')
        for process in client.call('process.list', alive=True)['processes']:
            client.call('process.stop', process=process['id'], grace=0)


def test_who_connects_at_once_is_known(daemon):
    """However many begin at a time: the daemon knows of each before it has a connection."""
    with Client(daemon.path) as client:
        for _ in range(5):
            numbers, ends = [], []
            for _ in range(40):
                read, write = os.pipe()
                ps = [os.environ['PROCCTL'], '-s', daemon.path, '--json', 'ps']
                numbers.append(client.start('process.spawn', argv=ps, stdout={'fd': 0}, _fds=[write]))
                os.close(write)
                ends.append(open(read, encoding='utf-8'))
            for number, end in zip(numbers, ends):
                pid = client.result(number)['pid']
                with end:
                    seen = [each['pid'] for each in json.load(end)['processes']]
                assert pid in seen, '%d does not see itself' % pid


if __name__ == '__main__':
    main()
