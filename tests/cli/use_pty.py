#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""use_pty.py PROCCTL SOCKET: run -t, spawn --pty and attach, typed into a bash on a terminal of its own."""
import os, re, signal, subprocess, sys, termios, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from use_terminal import Terminal, fail, foreground, state, wait_until

PROCCTL, SOCKET = sys.argv[1:3]


def modes(terminal):
    """of the terminal; as bash left it for a command that runs, or as that has made it"""
    return termios.tcgetattr(terminal.fd)[:4]


def restored(terminal, before):
    """what a command sees of the terminal is what one before it saw"""
    if settings(terminal) != before:
        fail(f'the terminal is not as it was: {settings(terminal)!r}, not {before!r}')


def settings(terminal):
    terminal.line('stty -g')
    text = terminal.expect(r'([0-9a-f:]+)\r\n').group(1)
    terminal.status(0)
    return text


def procctl(*words):
    done = subprocess.run([PROCCTL, '-s', SOCKET, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, check=False, timeout=20)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def log_of(process):
    return procctl('logs', process)[1].replace('\r', '').splitlines()


def procctl_of(terminal):
    """the pid of the procctl in the foreground"""
    group = os.tcgetpgrp(terminal.fd)
    return group


def run(terminal):
    before = settings(terminal)
    terminal.line('procctl run -t -- sh -c "test -t 0 && test -t 1 && test -t 2 && tty && stty size; exit 7"')
    terminal.expect(r'/dev/pts/\d+\r\n24 80\r\n')
    terminal.status(7)
    restored(terminal, before)
    terminal.line('procctl run -t -- sh -c "stty -echo; echo name?; read name; echo hello \\$name"')
    terminal.expect(r'name\?\r\n')
    terminal.keys('somebody\n')
    terminal.expect(r'hello somebody\r\n')
    terminal.status(0)
    for key, number in (('\x03', 130), ('\x1c', 131)):
        terminal.line('procctl run -t -- sh -c "ulimit -c 0; echo on; exec sleep 1000"')
        terminal.expect(r'on\r\n')
        terminal.keys(key)
        terminal.status(number)
        restored(terminal, before)
    terminal.line('procctl run -t -- seq 5000')
    shown = terminal.expect(r'\A((?:\d+\r\n)*)\[0\]> ').group(1).split()
    if shown != [str(number) for number in range(1, 5001)]:
        fail(f'of 5000 lines {len(shown)} are there: {shown[:3]} ... {shown[-3:]}')
    terminal.line('procctl run -t -w 0.3 -- sh -c "echo on; exec sleep 1000"')
    terminal.expect(r'on\r\nprocctl: run: the time limit is over; stopping the process\r\n')
    terminal.status(124)
    restored(terminal, before)
    terminal.line('procctl run -t -- ./nope')
    terminal.expect(r'procctl: run: exec ./nope: No such file or directory\r\n')
    terminal.status(127)
    restored(terminal, before)


def sizes(terminal):
    terminal.line('procctl run -t -- sh -c "trap \'stty size\' WINCH; echo on; while :; do sleep 0.02; done"')
    terminal.expect(r'on\r\n')
    terminal.size(33, 101)
    terminal.expect(r'33 101\r\n')
    terminal.keys('\x03')
    terminal.status(130)
    terminal.size(24, 80)


def without_a_terminal(_):
    for words in (('run', '-t', '--', 'true'), ('attach', '1')):
        status, out, err = procctl(*words)
        if status != 125 or out or 'standard input is not a terminal' not in err:
            fail(f'{words}: {status}, {out!r}, {err!r}')
    for words in (('run', '-t', '--stdin', '/dev/null', '--', 'true'),
                  ('run', '-t', '--stdout', 'x', '--', 'true'),
                  ('--json', 'run', '-t', '--', 'true'), ('--json', 'attach', '1')):
        status, out, err = procctl(*words)
        if status != 2 or not err:
            fail(f'{words}: {status}, {out!r}, {err!r}')


def attach(terminal):
    before = settings(terminal)
    process = procctl('spawn', '--pty', '--', 'sh', '-c',
                      'stty -echo; echo on; while read line; do echo "got $line"; done; exit 9')[1].strip()
    wait_until('it has written', lambda: log_of(process) == ['on'])
    for turn in range(3):
        terminal.line(f'procctl attach {process}')
        terminal.expect(r'attached to \d+; Ctrl-P Ctrl-Q leaves it\r\n')
        terminal.keys(f'line {turn}\n')
        terminal.expect(rf'got line {turn}\r\n')
        if turn == 0:  # what only begins like it goes to the process
            terminal.keys('\x10a\x10\x10b\n')
            terminal.expect('got \x10a\x10\x10b\r\n')
            status, out, err = procctl('attach', '--no-stdin', process)
            if status != 125 or 'somebody is attached' not in err:
                fail(f'a second one: {status}, {out!r}, {err!r}')
        for key in ('\x10', '\x11'):
            terminal.keys(key)
            time.sleep(0.01)
        terminal.expect(rf'left {process} alone\r\n')
        terminal.status(0)
        restored(terminal, before)
    if log_of(process) != ['on']:
        fail(f'in the log: {log_of(process)!r}')
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        terminal.line(f'procctl attach {process}')
        terminal.expect(r'attached to \d+; .*\r\n')
        os.kill(procctl_of(terminal), number)
        terminal.status(128 + number)
        restored(terminal, before)
    terminal.line(f'procctl attach {process}')
    terminal.expect(r'attached to \d+; .*\r\n')
    terminal.keys('\x04')
    terminal.status(9)
    restored(terminal, before)
    terminal.line(f'procctl attach {process}')
    terminal.expect(r'has no terminal, or has ended')
    terminal.status(125)
    terminal.line('procctl attach nobody')
    terminal.expect(r'nobody: no such process')
    terminal.status(125)


def looking_on(_):
    process = procctl('spawn', '--pty', '--', 'sh', '-c', 'while echo tick; do sleep 0.02; done')[1].strip()
    watcher = subprocess.Popen([PROCCTL, '-s', SOCKET, 'attach', '--no-stdin', process],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    out = watcher.stdout.readline()
    procctl('terminate', process)
    watcher.communicate(timeout=20)
    if watcher.returncode != 128 + 15 or out != b'tick\r\n':
        fail(f'looking on: {watcher.returncode}, {out!r}')


def stopped(terminal):
    """by a signal from elsewhere: the shell gets the terminal as it was, and back"""
    before = settings(terminal)
    terminal.line('procctl run -t -- sh -c "stty -echo; echo on; read x; echo got \\$x"')
    terminal.expect(r'on\r\n')
    os.kill(procctl_of(terminal), signal.SIGTSTP)
    terminal.expect(r'Stopped')
    terminal.expect(r'\[\d+\]> ')
    restored(terminal, before)
    terminal.line('fg')
    terminal.expect(r'procctl run .*\r\n')
    wait_until('it is in the foreground', lambda: 'procctl' in foreground(terminal))
    wait_until('it is raw', lambda: not modes(terminal)[3] & termios.ICANON)
    terminal.keys('back\n')
    terminal.expect(r'got back\r\n')
    terminal.status(0)
    restored(terminal, before)


def killed(terminal):
    """procctl is: the process ends, as it does with run"""
    terminal.line('procctl run -t -n mine -- sh -c "echo on; exec sleep 1000"')
    terminal.expect(r'on\r\n')
    os.kill(procctl_of(terminal), signal.SIGKILL)
    terminal.status(137)
    terminal.line('stty sane')
    terminal.status(0)
    wait_until('the process has ended', lambda: procctl('is-alive', 'mine')[0] == 3)


def lost(terminal):
    """the daemon is: the terminal is as before"""
    before = settings(terminal)
    terminal.line('procctl run -t -- sh -c "echo on; exec sleep 1000"')
    terminal.expect(r'on\r\n')
    keeper = re.search(r'"pid":\s*(\d+)', procctl('--json', 'daemon', 'info')[1]).group(1)
    os.kill(int(keeper), signal.SIGKILL)
    wait_until('it is dead', lambda: state(keeper) in ('gone', 'Z'))
    terminal.expect(r'procd is gone')
    terminal.status(125)
    restored(terminal, before)


PARTS = (run, sizes, without_a_terminal, attach, looking_on, stopped, killed)


def main():
    terminal = Terminal()
    for part in [lost] if sys.argv[3:] == ['lost'] else PARTS:
        part(terminal)
        print('passed', part.__name__, flush=True)
    terminal.close()


main()
