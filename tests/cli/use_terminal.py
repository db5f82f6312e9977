#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""use_terminal.py PROCCTL SOCKET: types into an interactive bash on a terminal of its own, and reads what it
shows."""
import fcntl, json, os, pty, re, select, signal, struct, subprocess, sys, termios, time

PROCCTL, SOCKET = sys.argv[1:3]


def fail(text):
    print('FAIL:', text, file=sys.stderr)
    sys.exit(1)


def wait_until(what, condition):
    end = time.monotonic() + 20
    while not condition():
        if time.monotonic() > end:
            fail(f'waited in vain until {what}')
        time.sleep(0.02)


def state(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='utf-8', errors='replace') as stat:
            return stat.read().rsplit(')', 1)[1].split()[0]
    except FileNotFoundError:
        return 'gone'


class Terminal:
    """bash, its prompt "$N> " with N the last status; `procctl` is a function that names the socket"""
    def __init__(self):
        self.text = ''
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(PS1='[$?]> ', TERM='xterm', PROCD_SOCKET=SOCKET)
            os.environ['PATH'] = os.path.dirname(PROCCTL) + ':' + os.environ['PATH']
            for name in ('NO_COLOR', 'PROMPT_COMMAND'):
                os.environ.pop(name, None)
            os.execvp('bash', ['bash', '--norc', '--noprofile', '--noediting', '-i'])
        self.size(24, 80)
        self.expect(r'\[0\]> ')

    def size(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def keys(self, text):
        os.write(self.fd, text.encode())

    def line(self, text):
        self.keys(text + '\n')
        self.expect(re.escape(text) + r'\r\n')  # the echo

    def expect(self, pattern, seconds=20):
        end = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.text)
            if found:
                self.text = self.text[found.end():]
                return found
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                fail(f'waited in vain for {pattern}; the terminal says {self.text[-2000:]!r}')
            self.text += os.read(self.fd, 65536).decode('utf-8', 'replace')

    def status(self, number):
        shown = int(self.expect(r'\[(\d+)\]> ').group(1))
        if shown != number:
            fail(f'the status is {shown}, not {number}')

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def interrupt(terminal):
    """^C and ^\\ reach the process, which is not in the terminal's session; procctl exits as it does"""
    for key, number in (('\x03', 130), ('\x1c', 131)):
        terminal.line('procctl run -- sh -c "ulimit -c 0; echo pid \\$\\$; exec sleep 1000"')
        pid = terminal.expect(r'pid (\d+)\r\n').group(1)
        terminal.keys(key)
        terminal.status(number)
        wait_until('the process is gone', lambda: state(pid) in ('gone', 'Z'))
    terminal.line('procctl run -- sh -c "trap \'echo caught; exit 7\' INT; echo pid \\$\\$;'
                  ' while :; do sleep 0.02; done"')
    terminal.expect(r'pid (\d+)\r\n')
    terminal.keys('\x03')
    terminal.expect('caught')
    terminal.status(7)
    for command in ('join %s', 'join %s %s', 'stop -g 1000 %s', 'events -f'):
        identity = spawn(terminal, 'sh -c "trap : TERM; while :; do sleep 0.02; done"')
        terminal.line('procctl ' + command.replace('%s', identity))
        wait_until('it waits', lambda: 'procctl' in foreground(terminal))
        terminal.keys('\x03')
        terminal.status(130)
        terminal.line(f'procctl kill -s KILL {identity}')
        terminal.status(0)


def spawn(terminal, command, options=''):
    terminal.line(f'procctl spawn {options} -- {command}')
    identity = terminal.expect(r'(\d+)\r\n').group(1)
    terminal.status(0)
    return identity


def foreground(terminal):
    group = os.tcgetpgrp(terminal.fd)
    try:
        with open(f'/proc/{group}/cmdline', 'rb') as cmdline:
            return cmdline.read().decode('utf-8', 'replace')
    except FileNotFoundError:
        return ''


def suspend(terminal):
    """^Z stops the process, then procctl; the shell has its terminal back; fg continues both"""
    terminal.line('procctl run -- sh -c "echo pid \\$\\$; exec sleep 1000"')
    pid = terminal.expect(r'pid (\d+)\r\n').group(1)
    for _ in range(2):
        terminal.keys('\x1a')
        terminal.expect('Stopped')
        terminal.status(148)
        if state(pid) != 'T':
            fail(f'^Z: the process is in state {state(pid)}')
        terminal.line('fg')
        wait_until('it goes on', lambda: state(pid) in 'RS')
    terminal.keys('\x1a')
    terminal.expect('Stopped')
    terminal.status(148)
    terminal.line('bg')
    terminal.status(0)
    wait_until('it goes on in the background', lambda: state(pid) in 'RS')
    terminal.line('kill -TERM %1; wait %1')
    terminal.status(143)


def read_and_write(terminal):
    """a run in the foreground reads what is typed; one in the background does not take it from the shell"""
    terminal.line('procctl run -- sh -c "echo ready; read line; echo got \\$line"')
    terminal.expect('ready')
    terminal.keys('hello\n')
    terminal.expect('got hello\r\n')
    terminal.status(0)
    terminal.line('procctl run -- sh -c "cat; echo end of input" &')
    terminal.expect('end of input')
    terminal.line('echo $((6 * 7))')
    terminal.expect('42\r\n')
    terminal.line('wait')
    terminal.status(0)


def resize(terminal):
    """the window's new size reaches the process, also before procctl has heard of its start"""
    for rows in (30, 31, 32):
        terminal.line('procctl run -- sh -c "trap \'stty size\' WINCH; echo ready;'
                      ' while :; do sleep 0.02; done"')
        terminal.expect('ready\r\n')
        terminal.size(rows, 100)
        terminal.expect(f'{rows} 100\r\n')
        terminal.keys('\x03')
        terminal.status(130)


def waiters(name):
    answer = subprocess.run([PROCCTL, '-s', SOCKET, 'call', 'object.info', json.dumps({'name': name})],
                            stdout=subprocess.PIPE, check=True)
    return len(json.loads(answer.stdout)['waiters'])


def lock(terminal):
    """^C while one waits leaves no waiter, and no lock; ^C and ^Z are the command's when it runs"""
    terminal.line('procctl lock acquire deploy')
    terminal.expect(r'\d+\r\n')
    terminal.status(0)
    second = Terminal()
    for command in ('lock deploy -- false', 'lock -F deploy -- false', 'lock acquire deploy'):
        second.line('procctl ' + command)
        wait_until('it waits', lambda: waiters('deploy') == 1)
        second.keys('\x03')
        second.status(130)
        wait_until('nobody waits', lambda: waiters('deploy') == 0)
    second.line('procctl lock deploy -- echo obtained')
    wait_until('it waits', lambda: waiters('deploy') == 1)
    terminal.line('procctl lock release deploy')
    terminal.status(0)
    second.expect('obtained\r\n')
    second.status(0)
    second.line('procctl lock deploy -- sh -c "trap \'echo caught; exit 7\' INT; echo pid \\$\\$; read line"')
    pid = second.expect(r'pid (\d+)\r\n').group(1)
    second.keys('\x1a')
    second.expect('Stopped')
    second.status(148)
    wait_until('it has stopped', lambda: state(pid) == 'T')
    terminal.line('procctl lock -n deploy -- true')
    terminal.status(1)
    second.line('fg')
    # a shell that is interrupted on its way back into its read notes the signal, and reads on
    wait_until('it reads again', lambda: state(pid) == 'S')
    second.keys('\x03')
    second.expect('caught\r\n')
    second.status(7)
    second.line('procctl lock deploy -- sh -c "read line; echo got \\$line"')
    second.keys('hello\n')
    second.expect('got hello\r\n')
    second.status(0)
    second.close()


ERASE = '\r\x1b[K'


def progress(terminal):
    """a wait of more than a second says what for and how long, on a terminal only, and leaves no trace"""
    identity = spawn(terminal, 'sh -c "exec sleep 1000"')
    odd = spawn(terminal, 'sleep 1000', r"-n $'we\e[31m\xc2\x9b ird'")
    for command, shown in (('join ' + identity, f'join: {identity}'),
                           (f'join {identity} {identity}', 'join: 2 left'),
                           (r"join $'we\e[31m\xc2\x9b ird'", r'join: we\x1b[31m\xc2\x9b ird'),
                           ('event wait never', 'event wait: never')):
        terminal.line('procctl ' + command)
        terminal.expect(re.escape(f'{ERASE}procctl: {shown}: waiting 00:01'))
        terminal.expect(re.escape(f'{ERASE}procctl: {shown}: waiting 00:02'))
        terminal.keys('\x03')
        terminal.expect(re.escape(ERASE) + r'\[130\]> ')
    quiet(terminal, f'join -w 1.5 {identity} 2>&1 | cat; true')
    quiet(terminal, f'-q join -w 1.5 {identity}; true')
    quiet(terminal, f'join -w 0.5 {identity}; true')
    terminal.line(f'procctl stop -g 0 {identity} {odd}; procctl unlink never')
    terminal.status(0)


def quiet(terminal, command):
    """it says nothing"""
    terminal.line('procctl ' + command)
    shown = terminal.expect(r'(?s)(.*?)\[0\]> ').group(1)
    if shown:
        fail(f'{command} shows {shown!r}')


def look(terminal):
    """colors, and long command lines cut off, on a terminal only"""
    identity = spawn(terminal, 'sh -c "exec sleep 1000" ' + 'x' * 200)
    terminal.size(24, 80)
    terminal.line('procctl ps')
    shown = terminal.expect(r'(?s)ID NAME.*\[0\]> ').group(0)
    if '\x1b[' not in shown:
        fail('no colors on a terminal')
    if 'x' * 100 in shown or 'xxx' not in shown:
        fail('the command line is not cut off')
    terminal.line('NO_COLOR=1 procctl ps | cat; NO_COLOR=1 procctl ps')
    shown = terminal.expect(r'(?s)ID NAME.*ID NAME.*\[0\]> ').group(0)
    if '\x1b[' in shown or 'x' * 200 not in shown:
        fail('NO_COLOR, or the whole line in a pipe')
    terminal.line(f'procctl stop -g 0 {identity}')
    terminal.status(0)


def main():
    terminal = Terminal()
    for part in (interrupt, suspend, read_and_write, resize, lock, progress, look):
        part(terminal)
        print('passed', part.__name__)
    terminal.close()


if __name__ == '__main__':
    main()
