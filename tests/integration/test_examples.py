#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The programs of client/examples do what their first lines promise, where a user sees it; and what a user's
own program meets: the header, also in C++, and the names in the library."""
import os
import pty
import re
import shutil
import subprocess
import tempfile
import time

from clients import Client, drain, same
from harness import Skip, main

BUILD = os.environ.get('TOP_BUILDDIR', '.')
FOLDER = os.path.join(BUILD, 'client', 'examples')
LIBRARY = os.path.join(BUILD, '.libs', 'libprocd.so')
HEADERS = os.path.join(os.environ.get('TOP_SRCDIR', '.'), 'client', 'lib')
CLOCK = r'\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}'


def example(daemon, name, stdout):
    return subprocess.Popen([os.path.join(FOLDER, name)], stdout=stdout, stdin=subprocess.DEVNULL,
                            env={**os.environ, 'PROCD_SOCKET': daemon.path, 'PROCD_AUTOSTART': '0'})


def run(daemon, name):
    """What it wrote, its pid, and how long it took."""
    begun = time.monotonic()
    program = example(daemon, name, subprocess.PIPE)
    text = program.communicate()[0].decode()
    same(program.returncode, 0, 'exit status of ' + name)
    return text.splitlines(), program.pid, time.monotonic() - begun


class Course:
    """Which processes began and ended, in which order: side by side, each begins before the one before it
    ends. How long something took tells less: a busy machine takes its time."""
    def __init__(self, daemon):
        self.client = Client(daemon.path)
        self.client.call('events.subscribe', kinds=['process.spawned', 'process.exited'])

    def told(self, count):
        """(began, ended) of that many processes: positions in the order of events"""
        began, ended = {}, {}
        for position in range(2 * count):
            event = self.client.event()
            place = began if event['kind'] == 'process.spawned' else ended
            place[event['process']] = position
        self.client.close()
        return [(began[process], ended[process]) for process in sorted(began)]


def side_by_side(course, lines, names):
    """Three greetings in any order, then the end."""
    same(lines[-1], 'end')
    for line in lines[:-1]:
        assert re.fullmatch('hello \\S+ ' + CLOCK, line), line
    same(sorted(line.split()[1] for line in lines[:-1]), names)
    told = course.told(3)
    assert told[1][0] < told[0][1] and told[2][0] < told[1][1], told


def test_hello(daemon):
    course = Course(daemon)
    lines, _, seconds = run(daemon, 'hello')
    side_by_side(course, lines, ['alvin:0', 'alvin:1', 'alvin:2'])
    assert seconds >= 1, seconds


def test_subclass(daemon):
    course = Course(daemon)
    lines, _, seconds = run(daemon, 'subclass')
    side_by_side(course, lines, ['Process-1', 'Process-2', 'Process-3'])
    assert seconds >= 1, seconds


def test_hello_on_a_terminal(daemon):
    """Its processes have a session of their own, and write to its terminal nevertheless."""
    course = Course(daemon)
    ours, theirs = pty.openpty()
    program = example(daemon, 'hello', theirs)
    same(program.wait(), 0)
    os.close(theirs)
    text = ''
    try:
        while True:
            text += os.read(ours, 4096).decode()
    except OSError:  # how a terminal says that nobody has it open any more
        os.close(ours)
    side_by_side(course, text.split('\r\n')[:-1], ['alvin:0', 'alvin:1', 'alvin:2'])


def test_info(daemon):
    lines, pid, _ = run(daemon, 'info')
    same(lines[:4], ['name: main process line', 'parent process: %d' % os.getpid(), 'process id: %d' % pid,
                     '-' * 18])
    same(lines[-1], 'ending')
    told = [lines[i:i + 4] for i in range(4, len(lines) - 1, 4)]
    if told[0][0] == 'name: egon':
        told.reverse()
    same([part[0] for part in told], ['name: alvin', 'name: egon'])
    for part in told:
        same(part[1], 'parent process: %d' % pid)
        assert re.fullmatch(r'process id: \d+', part[2]) and part[2] != 'process id: %d' % pid, part
        same(part[3], '-' * 18)
    assert told[0][2] != told[1][2]


def test_parallel(daemon):
    course = Course(daemon)
    lines, _, _ = run(daemon, 'parallel')
    same(len(lines), 3)
    assert re.fullmatch(r'one after the other: \d+\.\d\d s', lines[0]), lines
    assert re.fullmatch(r'side by side: \d+\.\d\d s', lines[1]), lines
    assert re.fullmatch(r'ratio: \d+\.\d\d', lines[2]), lines
    first, second, third, fourth = course.told(4)
    assert first[1] < second[0] < second[1] < third[0] < fourth[0] < third[1], (first, second, third, fourth)


def test_lock_counter(daemon):
    same(run(daemon, 'lock_counter')[0], ['10 processes added 20 each: 200'])


def test_producer_consumer(daemon):
    same(run(daemon, 'producer_consumer')[0], ['took %d' % i for i in range(1, 11)] + ['in all 55', 'end'])


def test_rendezvous(daemon):
    """All of a round, in any order, come before its end, and that before the next round."""
    lines, _, _ = run(daemon, 'rendezvous')
    same(lines.pop(), 'end')
    for number in (1, 2, 3):
        same(sorted(lines[:4]), [name + ': round %d' % number for name in ('alvin', 'egon', 'wusir', 'yuan')])
        same(lines[4], '-- all have finished round %d' % number)
        del lines[:5]
    same(lines, [])


def test_semaphore_workers(daemon):
    lines, _, seconds = run(daemon, 'semaphore_workers')
    same(sorted(lines[:-1]), ['worker-%d works' % i for i in range(1, 7)])
    same(lines[-1], 'never more than two at once: yes')
    assert seconds >= 0.6, seconds  # three turns of two


def test_starting_gun(daemon):
    lines, _, _ = run(daemon, 'starting_gun')
    same(lines[0], 'all are ready')
    same(sorted(lines[1:-1]), ['runner %d runs' % i for i in range(1, 6)])
    same(lines[-1], 'end')


def test_nothing_is_left(daemon):
    """The objects of the examples have no names, and are gone with them."""
    run(daemon, 'starting_gun')
    with Client(daemon.path) as client:
        same(client.call('object.list')['objects'], [])


def survives_kill(daemon, path):
    """The status, output and error messages of the script, which finds programs by path.
    A process that it leaves behind keeps the output open."""
    script = os.path.join(os.environ.get('TOP_SRCDIR', '.'), 'client', 'examples', 'survives_kill.sh')
    env = {**os.environ, 'PATH': path, 'PROCD_SOCKET': daemon, 'PROCD_AUTOSTART': '0'}
    done = subprocess.run([shutil.which('sh'), script], env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=30, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_survives_kill(daemon):
    """The lock of a killed job is free, though its child lives on; flock(1) says otherwise of its own."""
    if not shutil.which('flock'):
        raise Skip('no flock')
    status, said, errors = survives_kill(daemon.path, os.path.dirname(os.environ['PROCCTL']) + ':' +
                                         os.environ['PATH'])
    same((status, errors), (0, ''))
    killed = 'the job was killed, and its child lives on: '
    same(said.splitlines(), ['flock:        ' + killed + 'the next one waits in vain',
                             'procctl lock: ' + killed + 'the next one has the lock'])


def test_survives_kill_without_procctl(daemon):
    with tempfile.TemporaryDirectory() as folder:
        for name in ('sh', 'mktemp', 'mkfifo', 'sleep', 'cat', 'rm', 'true'):
            os.symlink(shutil.which(name), os.path.join(folder, name))
        status, said, errors = survives_kill(daemon.path, folder)
    same((status, said), (1, ''))
    assert re.search(r'procctl: .*not found\n$', errors) and errors.count('\n') == 1, errors


def test_survives_kill_without_a_daemon(daemon):
    status, said, errors = survives_kill(daemon.path + '.none', os.path.dirname(os.environ['PROCCTL']) + ':' +
                                         os.environ['PATH'])
    same((status, said.count('procctl')), (1, 0))
    assert errors.startswith('procctl: ') and errors.count('\n') == 1, errors


def test_without_a_daemon(daemon):
    """A program that cannot have processes says so, and does not hang."""
    # it gives up where it stands: what it has then is no leak
    env = {**os.environ, 'PROCD_SOCKET': daemon.path + '.none', 'PROCD_AUTOSTART': '0',
           'ASAN_OPTIONS': 'detect_leaks=0'}
    for name in ('hello', 'info', 'lock_counter', 'parallel', 'producer_consumer', 'rendezvous',
                 'semaphore_workers', 'starting_gun', 'subclass'):
        done = subprocess.run([os.path.join(FOLDER, name)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=env, timeout=30, check=False)
        same((name, done.returncode, done.stderr.decode()), (name, 1, name + ': no daemon answers\n'))


CPP = """
#include <procd.h>

namespace {
PROCD_TARGET(square)
{
    json_int_t n = json_integer_value(json_array_get(args, 0));
    return static_cast<int>(n * n);
}
}

int main(int argc, char **argv)
{
    procd_init(argc, argv);
    procd_options options{};
    options.target = "square";
    options.args = json_pack("[i]", 7);
    procd_process *process = procd_process_new(&options);
    int status = -1;
    if (procd_process_start(process) == 0 && procd_process_join(process, PROCD_FOREVER) == 1)
        procd_process_exitcode(process, &status);
    procd_process_free(process);
    auto action = [](void *n) { return ++*static_cast<int *>(n); };
    procd_barrier *barrier = procd_barrier_new(nullptr, 1, action, &status);
    int r = procd_barrier_wait(barrier, PROCD_FOREVER, nullptr);
    procd_barrier_free(barrier);
    return r == PROCD_E_BROKEN_BARRIER ? status : 1;
}
"""


def sanitizer_runtime():
    """The environment by which a program that was built without sanitizers loads a library that has them."""
    listed = subprocess.run(['ldd', LIBRARY], stdout=subprocess.PIPE, check=True).stdout.decode()
    found = re.search(r'=> (\S*asan\S*) ', listed)
    return {'LD_PRELOAD': found[1]} if found else {}


def build_and_run(daemon, compiler, *options):
    if not shutil.which(compiler) or not os.path.exists(LIBRARY):
        raise Skip('no %s, or no shared library' % compiler)
    with tempfile.TemporaryDirectory() as folder:
        source, program = os.path.join(folder, 'a.cc'), os.path.join(folder, 'a')
        with open(source, 'w', encoding='utf-8') as file:
            file.write(CPP)
        command = [compiler, '-Wall', '-Wextra', '-Wshadow', '-pedantic', '-Werror', *options, '-I', HEADERS,
                   source, LIBRARY, '-ljansson', '-Wl,--gc-sections', '-o', program]
        built = subprocess.run(command, stderr=subprocess.PIPE, check=False)
        same(built.returncode, 0, built.stderr.decode())
        env = {**os.environ, **sanitizer_runtime(), 'PROCD_SOCKET': daemon.path,
               'LD_LIBRARY_PATH': os.path.dirname(LIBRARY)}
        same(subprocess.run([program], env=env, check=False).returncode, 50)


def test_cpp(daemon):
    build_and_run(daemon, 'g++', '-std=c++11', '-ffunction-sections', '-fdata-sections')


def test_cpp_by_clang(daemon):
    build_and_run(daemon, 'clang++', '-std=c++11', '-O2')


def test_names_in_the_library(daemon):
    """What the header declares, and nothing else."""
    del daemon
    if not shutil.which('nm') or not os.path.exists(LIBRARY):
        raise Skip('no nm, or no shared library')
    listed = subprocess.run(['nm', '-D', '--defined-only', LIBRARY], stdout=subprocess.PIPE, check=True)
    lines = listed.stdout.decode().splitlines()
    names = {line.split()[2].partition('@')[0] for line in lines if ' A ' not in line}
    with open(os.path.join(HEADERS, 'procd.h'), encoding='utf-8') as header:
        declared = set(re.findall(r'PROCD_PUBLIC [^(;]*?\b(procd_\w+)\(', header.read()))
    same(names, declared)


main()
