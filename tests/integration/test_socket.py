#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The daemon's socket: where it may be, and what is left alone; for a user's own daemon and the system's."""
import os
import resource
import signal
import socket
import stat
import subprocess

from clients import SOON, Client, same, wait_for
from harness import PROCD, Skip, main, options

ANN, BOB = 12345, 23456  # uids that nobody has


FILES = {'most': None}  # bytes that a file of the next daemon can have


def prepare(mode):
    if FILES['most']:
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILES['most'], FILES['most']))
    if mode == '--user':
        become_ann()


def become_ann():
    os.setgroups([])
    os.setresgid(111, 111, 111)
    os.setresuid(ANN, ANN, ANN)


def start(mode, path=None, **env):
    """A daemon of ann's, or the system's, in the foreground."""
    return subprocess.Popen([PROCD, mode, *(['--socket', path] if path else [])], env={'PATH': '/bin', **env},
                            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd='/',
                            preexec_fn=lambda: prepare(mode))


def listens(path):
    """The name is there a moment earlier: bind(2) makes it."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0


def refuses(mode, path, words, **env):
    """It does not start, and says why."""
    with start(mode, path, **env) as daemon:
        try:
            _, said = daemon.communicate(timeout=SOON)
        finally:
            daemon.kill()
    same((daemon.returncode, words in said.decode()), (125, True), '%s, %s: %r' % (mode, words, said))


def serves(mode, given, path=None, **env):
    """It starts and can be stopped: the modes of socket and directory while it serves."""
    path = path or given
    with start(mode, given, **env) as daemon:
        try:
            wait_for(lambda: daemon.poll() is not None or listens(path))
            with Client(path) as client:
                modes = [stat.S_IMODE(os.stat(each).st_mode) for each in (path, os.path.dirname(path))]
                client.call('daemon.stop')
            daemon.communicate(timeout=SOON)
            same(daemon.returncode, 0)
        finally:
            daemon.kill()
    return modes


def make_folder(path, owner=0, mode=0o700):
    os.mkdir(path)
    os.chown(path, owner, -1)
    os.chmod(path, mode)
    return path


MODES = [('--user', ANN), ('--system', 0)]


@options(root=True)
def test_directories_of_others(daemon):
    """Where somebody else could put something in the socket's place."""
    os.chmod(daemon.dir, 0o755)
    for mode, uid in MODES:
        base = make_folder(os.path.join(daemon.dir, mode), uid, 0o755)
        for name, owner, bits, words in (
                ('foreign', BOB, 0o700, 'another user'), ('open', BOB, 0o777, 'another user'),
                ('group', uid, 0o770, 'can be written by other users'),
                ('all', uid, 0o707, 'can be written by other users')):
            folder = make_folder(os.path.join(base, name), owner, bits)
            refuses(mode, folder + '/s', '' if name == 'foreign' and mode == '--user' else words)
            same(os.listdir(folder), [])
        # a link that its owner can turn to somewhere else, and one that is of root's or of one's own
        own = make_folder(os.path.join(base, 'own'), uid)
        for owner in (BOB, 0, uid):
            link = os.path.join(base, 'link-%d' % owner)
            if not os.path.lexists(link):
                os.symlink(own, link)
                os.lchown(link, owner, -1)
            if owner == BOB:
                refuses(mode, link + '/s', 'another user')
            else:
                same(serves(mode, link + '/s')[0], 0o600 if uid else 0o666)
            same(os.listdir(own), [] if owner == BOB else ['s.lock'])


@options(root=True)
def test_default_directories(daemon):
    """A user's own: nothing but a directory of that user with mode 0700 will do."""
    base, fallback = make_folder(os.path.join(daemon.dir, 'run'), ANN), '/tmp/procd-%d' % ANN
    folder, own = os.path.join(base, 'procd'), make_folder(os.path.join(base, 'own'), ANN)
    os.chmod(daemon.dir, 0o755)
    same(serves('--user', None, path=folder + '/procd.sock', XDG_RUNTIME_DIR=base), [0o600, 0o700])
    os.chmod(folder, 0o750)
    refuses('--user', None, 'mode 0700', XDG_RUNTIME_DIR=base)
    os.unlink(folder + '/procd.sock.lock')
    os.rmdir(folder)
    os.symlink(own, folder)
    refuses('--user', None, '', XDG_RUNTIME_DIR=base)
    same(os.listdir(own), [])
    # where that directory is not one's own, in /tmp, where anybody may have been before
    if os.path.lexists(fallback) or os.path.lexists('/run/user/%d' % ANN):
        raise Skip('uid %d has directories on this machine' % ANN)
    try:
        for loosened in (0o755, 0o701):
            os.chmod(base, loosened)
            make_folder(fallback, BOB, 0o777)
            refuses('--user', None, 'another user', XDG_RUNTIME_DIR=base)
            os.rmdir(fallback)
        os.symlink(own, fallback)
        os.lchown(fallback, BOB, -1)
        refuses('--user', None, '', XDG_RUNTIME_DIR=base)
        same(os.listdir(own), [])
    finally:
        for remove in (os.unlink, os.rmdir):
            if os.path.lexists(fallback):
                try:
                    remove(fallback)
                except OSError:
                    pass


@options(root=True)
def test_something_else_has_the_name(daemon):
    """A file, a directory, a link to a file or to a dead socket: all is left as it is."""
    os.chmod(daemon.dir, 0o755)
    for mode, uid in MODES:
        base = make_folder(os.path.join(daemon.dir, mode), uid)
        target, dead = os.path.join(base, 'target'), os.path.join(base, 'dead')
        with open(target, 'w', encoding='ascii') as file:
            file.write('precious')
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(dead)
        for path in (target, dead):
            os.chown(path, uid, -1)
        for name, make in (('file', lambda path: os.link(target, path)), ('folder', os.mkdir),
                           ('link', lambda path: os.symlink(target, path)),
                           ('link-to-socket', lambda path: os.symlink(dead, path)),
                           ('dangling', lambda path: os.symlink(base + '/nothing', path))):
            path = os.path.join(base, name)
            make(path)
            os.lchown(path, uid, -1)
            before = os.lstat(path)
            refuses(mode, path, 'no socket')
            same(os.lstat(path).st_ino, before.st_ino, name)
            # in the lock's place
            os.unlink(path + '.lock')
            os.rename(path, path + '.lock')
            if name != 'file':
                refuses(mode, path, path)
            same(os.lstat(path + '.lock').st_ino, before.st_ino, name)
        with open(target, encoding='ascii') as file:
            same(file.read(), 'precious')
        assert os.path.exists(dead) and not os.path.lexists(base + '/nothing')


@options(root=True)
def test_somebody_serves_there(daemon):
    """Whoever it is, and however busy: nothing is unlinked."""
    os.chmod(daemon.dir, 0o755)
    for mode, uid in MODES:
        base = make_folder(os.path.join(daemon.dir, mode), uid)
        path = os.path.join(base, 's')
        with start(mode, path) as first:
            try:
                wait_for(lambda: listens(path))
                inode = os.stat(path).st_ino
                for state in (signal.SIGCONT, signal.SIGSTOP):
                    os.kill(first.pid, state)
                    refuses(mode, path, 'already serving')
                    same(os.stat(path).st_ino, inode)
                os.kill(first.pid, signal.SIGCONT)
                with Client(path) as client:
                    same(client.call('daemon.ping'), {})
                    client.call('daemon.stop')
                first.communicate(timeout=SOON)
            finally:
                first.kill()
        # a stranger, whose backlog is full
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
            listener.bind(path)
            os.chmod(path, 0o666)
            listener.listen(0)
            client.connect(path)
            refuses(mode, path, 'already serving')
            assert os.path.exists(path)


@options(root=True)
def test_the_longest_path(daemon):
    os.chmod(daemon.dir, 0o755)
    for mode, uid in MODES:
        base = make_folder(os.path.join(daemon.dir, mode), uid, 0o755)
        path = base + '/' + 's' * (107 - len(base) - 1)
        same(serves(mode, path)[0], 0o600 if uid else 0o666)
        refuses(mode, path + 's', 'at most 107 bytes')
        refuses(mode, base + '/' + 'd' * 5000 + '/s', 'at most 107 bytes')


def can_raise_limits():
    with open('/proc/self/status', encoding='ascii', errors='replace') as file:
        effective = next(int(line.split()[1], 16) for line in file if line.startswith('CapEff:'))
    return effective >> 24 & 1  # CAP_SYS_RESOURCE


@options(root=True)
def test_a_limit_of_file_sizes(daemon):
    """The daemon's memory consists of files that are larger than such a limit, which root's lifts."""
    os.chmod(daemon.dir, 0o755)
    try:
        for mode, uid in MODES:
            path = os.path.join(make_folder(os.path.join(daemon.dir, mode), uid, 0o755), 's')
            FILES['most'] = 1 << 20
            if uid or not can_raise_limits():
                refuses(mode, path, 'no more than 1048576 bytes')
            else:
                serves(mode, path)
            FILES['most'] = 1 << 50
            serves(mode, path)
    finally:
        FILES['most'] = None


if __name__ == '__main__':
    main()
