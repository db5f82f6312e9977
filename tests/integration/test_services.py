#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Services from files: what has changed is started, changed or stopped, nothing else; bad files are named."""
import json
import os
import subprocess

import harness
from clients import SOON, Client, Peer, same, wait_for
from harness import main, options

TOP = os.environ.get('TOP_BUILDDIR', '.')
PROCCTL = os.environ.get('PROCCTL', os.path.join(TOP, 'procctl'))


class Files:
    """A directory of services, and procctl daemon reload with it."""
    def __init__(self, daemon):
        self.daemon, self.directory = daemon, os.path.join(daemon.dir, 'services')
        os.mkdir(self.directory)

    def put(self, file_name, text=None, mode=0o644, **members):
        """Of that name: the members, or that text."""
        path = os.path.join(self.directory, file_name)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(json.dumps(members) if text is None else text)
        os.chmod(path, mode)

    def remove(self, name):
        os.unlink(os.path.join(self.directory, name))

    def run(self, *words, **more):
        command = [PROCCTL, '--socket', self.daemon.path, *words, 'daemon', 'reload', self.directory]
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=5 * SOON, check=False, **more)

    def reload(self, status=0, **want):
        """want: what is to be done, and nothing else: {what: names}. The failures: [(file, line, reason)]."""
        done = self.run('--json')
        same(done.returncode, status, done.stderr.decode())
        answer = json.loads(done.stdout)
        failed = [(os.path.basename(each['file']), each['line'], each['reason'])
                  for each in answer.pop('failed')]
        same({what: names for what, names in answer.items() if names}, want)
        return failed


def services(client, alive=True):
    """{service: record}"""
    found = client.call('process.list', **({'alive': True} if alive else {}))['processes']
    return {os.path.basename(each['labels']['procd.service']).removesuffix('.json'): each
            for each in found if 'procd.service' in each['labels']}


def end_all(client):
    for record in services(client, alive=False).values():
        client.call('process.stop', process=record['id'])
        client.call('process.close', process=record['id'])


SLEEP = ['/bin/sleep', '1000']


def test_only_what_has_changed(daemon):
    files = Files(daemon)
    files.put('one.json', argv=SLEEP)
    files.put('two.json', argv=SLEEP, labels={'mine': 'x'}, name='another')
    files.put('.hidden.json', 'no')
    files.put('notes.txt', 'no')
    with Client(daemon.path) as client:
        files.reload(started=['one', 'two'])
        before = services(client)
        same((before['one']['name'], before['two']['name']), ('one', 'another'))
        same(before['two']['labels']['mine'], 'x')
        same((before['one']['daemon'], before['one']['cwd']), (False, '/'))
        files.put('one.json', '{\n\n "argv" : %s }' % json.dumps(SLEEP))  # the same in other words
        files.reload(unchanged=['one', 'two'])
        files.put('two.json', argv=SLEEP, umask=0o77)
        files.reload(unchanged=['one'], changed=['two'])
        after = services(client)
        same(after['one']['pid'], before['one']['pid'])
        assert after['two']['pid'] != before['two']['pid'] and after['two']['name'] == 'two', after
        files.put('two.json', argv=SLEEP, umask=0o77, enabled=False)
        files.put('three.json', argv=SLEEP, enabled=True)
        files.reload(unchanged=['one'], stopped=['two'], started=['three'])
        files.put('one.v2.json', argv=SLEEP)
        files.reload(unchanged=['one', 'three'], started=['one.v2'])
        files.remove('one.v2.json')
        files.reload(unchanged=['one', 'three'], stopped=['one.v2'])
        files.remove('one.json')
        files.reload(unchanged=['three'], stopped=['one'])
        same(list(services(client, alive=False)), ['three'])
        end_all(client)


def test_one_that_has_ended(daemon):
    """It stays ended until its file is another, or the daemon is."""
    files = Files(daemon)
    files.put('task.json', argv=['/bin/sh', '-c', 'exit 7'])
    with Client(daemon.path) as client:
        files.reload(started=['task'])
        process = services(client, alive=False)['task']['id']
        same(client.exitcode(process), 7)
        files.reload(unchanged=['task'])
        files.put('task.json', argv=['/bin/sh', '-c', 'exit 8'])
        files.reload(changed=['task'])
        same(client.exitcode(services(client, alive=False)['task']['id']), 8)
        end_all(client)


BAD = {
    'text.json': ('{"argv": [1,}', 1, "unexpected token near '}'"),
    'lines.json': ('{\n  "argv": ["true"],\n  "umask":\n  "\\" x"\n}', 3, 'umask: want an integer in range'),
    'deep.json': ('{"env": {"nice": "1"},\n "argv": ["true"],\n\n "nice": 77}', 4,
                  'nice: want an integer in range'),
    'unknown.json': ('{"argv": ["true"],\n "comand": 1}', 2,
                     'comand: there is no such member (procd.json(5) lists them)'),
    'misspelt.json': ('{"argv": ["true"],\n\n "unmask": 18}', 3,
                      'unmask: there is no such member (perhaps umask?)'),
    'own.json': ('{"argv": ["true"],\n "enable": true}', 2,
                 'enable: there is no such member (perhaps enabled?)'),
    'not-near.json': ('{"argv": ["true"],\n "fdss": []}', 2, 'fdss: there is no such member (procd.json(5)'),
    'twice.json': ('{"argv": ["true"],\n "argv": ["false"]}', 2, 'duplicate object key near \'"argv"\''),
    'list.json': ('[]', 1, 'want an object'),
    'empty.json': ('', 1, "'[' or '{' expected near end of file"),
    'none.json': ('{}', 1, 'argv: want'),
    'fd.json': ('{"argv": ["true"],\n"stdin": {"fd": 0}}', 2, 'stdin: want'),
    'mine.json': ('{"argv": ["true"], "owner_pid": 1}', 1,
                  'owner_pid: want nothing: it cannot be in a file'),
    'after.json': ('{"argv": ["true"],\n"after": "x"}', 2, 'after: want an array of names of services'),
    'enabled.json': ('{"argv": ["true"],\n"enabled": 1}', 2, 'enabled: want true or false'),
    'behind.json': ('{"argv": ["true"],\n"after": ["nobody"]}', 2, 'after: nobody is no file here'),
    'hen.json': ('{"argv": ["true"],\n"after": ["egg"]}', 2, 'after: egg comes after it, too'),
    'self.json': ('{"argv": ["true"], "after": ["self"]}', 1, 'after: self comes after it, too'),
    'nul.json': ('{"argv": ["true"]}\0', 0, 'it has a NUL byte'),
    'large.json': ('{"argv": ["true"]}' + ' ' * (1 << 20), 0, 'it has more than a megabyte'),
    'absent.json': ('{"cwd": "/",\n\n"argv": ["/nonexistent"]}', 3, 'exec /nonexistent: No such file'),
    'adrift.json': ('{"argv": ["true"],\n"cwd": "/nonexistent"}', 2, 'chdir /nonexistent: No such file'),
    'input.json': ('{"argv": ["true"],\n"stdin": {"file": "/nonexistent"}}', 0,
                   'stdio /nonexistent: No such file'),
}


def test_bad_files_are_named(daemon):
    """With the line and the reason; the others start, and what runs by a file that is bad now goes on."""
    files = Files(daemon)
    for name, (text, _, _) in BAD.items():
        files.put(name, text)
    files.put('good.json', argv=SLEEP, after=['list', 'hen'])
    files.put('egg.json', argv=SLEEP, after=['hen'])
    os.mkfifo(os.path.join(files.directory, 'fifo.json'))
    os.mkdir(os.path.join(files.directory, 'directory.json'))
    files.put('loose.json', argv=SLEEP, mode=0o664)
    with Client(daemon.path) as client:
        failed = dict((name, (line, reason)) for name, line, reason in
                      files.reload(status=1, started=['egg', 'good']))
        for name, (_, line, reason) in BAD.items():
            assert failed[name][0] == line and reason in failed[name][1], (name, failed[name], line, reason)
        same(failed['fifo.json'][1], 'it is no regular file')
        same(failed['directory.json'][1], 'it is no regular file')
        same(failed['loose.json'][1], 'it can be written by others: chmod go-w')
        same(len(failed), len(BAD) + 3)
        # a name that cannot be a label would be started anew each time
        for name in (b'x\xff.json', b'w\x1b[31m.json'):
            path = os.path.join(files.directory.encode(), name)
            with open(path, 'wb') as file:
                file.write(b'{"argv": ["/bin/sleep", "1000"]}')
            os.chmod(path, 0o644)
        done = files.run()
        assert b'w\\x1b[31m: started' in done.stdout and b'\x1b' not in done.stdout + done.stderr, done
        assert b'x\\xff.json: its name is no UTF-8' in done.stderr, done
        assert not [each for each in client.call('process.list', alive=True)['processes']
                    if each['name'] not in ('good', 'egg', 'w\x1b[31m')], 'something else was started'
        for name in (b'x\xff.json', b'w\x1b[31m.json'):
            os.unlink(os.path.join(files.directory.encode(), name))
        files.run()
        before = services(client)['good']['pid']
        files.put('good.json', 'no')
        done = files.run()
        same((done.returncode, done.stdout), (1, b''))
        want = 'procctl: daemon reload: %s/good.json:1: ' % files.directory
        assert want in done.stderr.decode(), done.stderr
        same(services(client)['good']['pid'], before)
        end_all(client)


def test_in_order(daemon):
    """Those that it comes after first, and ready, where they say that they are."""
    files = Files(daemon)
    gate = os.path.join(daemon.dir, 'gate')
    os.mkfifo(gate)
    say = 'read x <%s; printf READY=1 | %s/notify_send; exec sleep 1000' % (gate, daemon.dir)
    with open(daemon.dir + '/notify_send', 'w', encoding='ascii') as file:
        file.write('#!/usr/bin/python3\nimport os, socket, sys\n'
                   's = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n'
                   's.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])\n')
    os.chmod(daemon.dir + '/notify_send', 0o755)
    files.put('a.json', argv=SLEEP, after=['b', 'c'])
    files.put('b.json', argv=SLEEP)
    files.put('c.json', argv=['/bin/sh', '-c', say], notify=True, after=['b'])
    with Client(daemon.path) as client:
        reload = subprocess.Popen([PROCCTL, '--socket', daemon.path, 'daemon', 'reload', files.directory],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_for(lambda: 'c' in services(client), 'the second')
        same(sorted(services(client)), ['b', 'c'])
        with open(gate, 'w', encoding='ascii') as file:
            file.write('\n')
        same(reload.communicate(timeout=SOON), (b'b: started\nc: started\na: started\n', b''))
        same(reload.returncode, 0)
        end_all(client)
        # one that ends without a word keeps nobody back
        files.put('c.json', argv=['/bin/true'], notify=True)
        done = files.run()
        same((done.returncode, done.stdout), (0, b'b: started\nc: started\na: started\n'))
        same(done.stderr.decode(),
             'procctl: daemon reload: c is not ready; what comes after it is started all the same\n')
        end_all(client)


@options(mode='--system', root=True)
def test_procd_load(daemon):
    """The same with the directory of who asks; none is as an empty one."""
    home = os.path.join(daemon.dir, 'config')

    def load(status, said):
        done = subprocess.run([harness.PROCD, '--system', '--socket', daemon.path, '--load'], user=12345,
                              group=12345, extra_groups=(), env={'PATH': '/bin', 'XDG_CONFIG_HOME': home},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=SOON, check=False)
        same((done.returncode, done.stdout), (status, said))

    load(0, b'')
    for path in (home, home + '/procd'):
        os.mkdir(path)
    os.chown(home + '/procd', 12345, 12345)
    with open(home + '/procd/x.json', 'w', encoding='ascii') as file:
        file.write(json.dumps({'argv': SLEEP}))
    load(0, b'x: started\n')
    load(0, b'')
    with Peer(daemon.path, uid=12345, gid=12345) as peer:
        process = peer.call('process.list', labels={'procd.service': home + '/procd/x.json'})['processes'][0]
        same(process['owner']['uid'], 12345)
        peer.call('process.stop', process=process['id'])
        peer.call('process.close', process=process['id'])


@options(mode='--system', root=True)
def test_others_cannot_put_services_there(daemon):
    """Root's daemon: a file or a directory of another user is refused; and no label of theirs stands for
    a service of root."""
    files = Files(daemon)
    files.put('theirs.json', argv=SLEEP)
    os.chown(os.path.join(files.directory, 'theirs.json'), 12345, 12345)
    files.put('roots.json', argv=['/usr/bin/id', '-u'])
    files.put('lent.json', argv=['/usr/bin/id', '-u'], uid=0)
    with Client(daemon.path) as client, Peer(daemon.path, uid=12345, gid=12345) as peer:
        label = os.path.join(files.directory, 'roots.json')
        fake = peer.call('process.spawn', argv=SLEEP, labels={'procd.service': label, 'procd.content': 'x'})
        failed = files.reload(status=1, started=['roots'])
        same(failed, [('lent.json', 1, 'uid: want nothing: it cannot be in a file'),
                      ('theirs.json', 0, 'it belongs to another user')])
        same(client.exitcode(services(client, alive=False)['roots']['id']), 0)
        os.chown(files.directory, 12345, 12345)
        done = files.run()
        same(done.returncode, 5)
        assert b'it belongs to another user' in done.stderr, done.stderr
        same(peer.call('process.is_alive', process=fake['id'])['alive'], True)
        peer.call('process.stop', process=fake['id'])
        peer.call('process.close', process=fake['id'])
        end_all(client)


if __name__ == '__main__':
    main()
