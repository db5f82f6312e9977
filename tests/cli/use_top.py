#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""use_top.py PROCCTL SOCKET: types at `procctl top` on a terminal of its own, and reads what it shows."""
import fcntl, json, os, pty, re, select, signal, struct, subprocess, sys, termios, time

PROCCTL, SOCKET = sys.argv[1:3]
LEAVES = '\x1b[?1049l'  # what gives the terminal back


def fail(text):
    print('FAIL:', text, file=sys.stderr)
    sys.exit(1)


def ctl(*words):
    return subprocess.run([PROCCTL, '-s', SOCKET, *words], check=True, capture_output=True, text=True).stdout


class Screen:
    """What a vt100 shows of what is written to it: enough of one for curses"""
    def __init__(self, rows, columns=120):
        self.lines = [[' '] * columns for _ in range(rows)]
        self.y = self.x = 0

    def write(self, text):
        for control, numbers, final, other, letter in re.findall(
                r'(\x1b\[)([?\d;]*)([A-Za-z])|(\x1b[()][0-9A-B]|\x1b[=>78M])|([\s\S])', text):
            if control:
                self.control([int(n) for n in numbers.split(';') if n.isdigit()], final)
            elif letter and not other:
                self.put(letter)

    def control(self, numbers, final):
        first = numbers[0] if numbers else 0
        line = self.lines[min(self.y, len(self.lines) - 1)]
        if final == 'H':
            self.y, self.x = max(first, 1) - 1, (numbers[1] if len(numbers) > 1 else 1) - 1
        elif final in 'ABCD':
            step = max(first, 1)
            self.y += {'A': -step, 'B': step}.get(final, 0)
            self.x += {'C': step, 'D': -step}.get(final, 0)
        elif final == 'K':
            begin, end = (0, self.x + 1) if first == 1 else (self.x, len(line))
            line[begin:end] = [' '] * (end - begin)
        elif final == 'J':
            line[self.x:] = [' '] * (len(line) - self.x)
            for below in self.lines[self.y + 1:]:
                below[:] = [' '] * len(below)

    def put(self, letter):
        if letter == '\r':
            self.x = 0
        elif letter == '\n':
            self.y += 1
        elif letter == '\b':
            self.x -= 1
        elif letter == '\t':
            self.x = (self.x // 8 + 1) * 8
        elif letter >= ' ':
            if self.y < len(self.lines) and self.x < len(self.lines[0]):
                self.lines[self.y][self.x] = letter
            self.x += 1

    def text(self):
        return '\n'.join(''.join(line).rstrip() for line in self.lines)


class Top:
    def __init__(self, *words, terminal='vt100', rows=24):
        self.raw = ''
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ['TERM'] = terminal
            # curses keeps some of its memory to the end
            os.environ['ASAN_OPTIONS'] = os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', rows, 120, 0, 0))
            os.execv(PROCCTL, [PROCCTL, '-s', SOCKET, 'top', *words])
        self.screen = Screen(rows)

    def size(self, rows):
        self.screen = Screen(rows)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, 120, 0, 0))

    def odd_size(self, rows, columns):
        """one that no screen has"""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def keys(self, text):
        os.write(self.fd, text.encode())

    def read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 65536).decode('utf-8', 'replace')
        except OSError:  # it has ended
            return False
        self.raw += data
        self.screen.write(data)
        return bool(data)

    def shows(self, pattern):
        """until that is seen"""
        end = time.monotonic() + 20
        while not re.search(pattern, self.screen.text()):
            if time.monotonic() > end:
                fail(f'waited in vain for {pattern}; the terminal shows\n{self.screen.text()}')
            self.read(0.2)

    def writes(self, text):
        """until that was written, after what was waited for before"""
        end = time.monotonic() + 20
        while text not in self.raw:
            if time.monotonic() > end:
                fail(f'waited in vain for {text!r}')
            self.read(0.2)
        self.raw = self.raw.partition(text)[2]

    def end(self, status):
        while self.read(20):
            pass
        got = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        if got != status:
            fail(f'it exited {got}, not {status}; the terminal shows\n{self.screen.text()}')


def new(name):
    return ctl('spawn', '-n', name, '--', 'sleep', '1000').strip()


def ended(identity):
    deadline = time.monotonic() + 20
    while json.loads(ctl('--json', 'inspect', identity))['state'] != 'exited':
        if time.monotonic() > deadline:
            fail(f'{identity} lives on')
        time.sleep(0.02)


def looks(top):
    """processes, objects, the keys"""
    top.shows(r'order: cpu')
    top.shows(r'(?m)^ *\d+ busy +\d+ running')
    top.shows(r'(?m)^a-lock +lock held +\d+ +0$')
    top.shows(r'q quit.*Tab objects$')
    top.keys('q')
    top.end(0)


def interrupted(top):
    """^C; the terminal is given back"""
    top.writes('q quit')
    top.keys('\x03')
    top.writes(LEAVES)
    top.end(130)


def signals(top):
    """a signal for the chosen line, by a name that is wrong, not at all, and by one that is right"""
    victim = new('victim')
    top.keys('ir')
    top.shows(r'order: id, reversed')
    top.shows(r'\n[^\n]*\n *\d+ victim ')  # the first line below the header
    top.keys(5 * '\x1bOA')  # up: it is the chosen one
    top.keys('k')
    top.shows(r'signal for \d+ victim')
    top.keys('NONSENSE\r')
    top.shows(r'NONSENSE is no signal')
    top.keys('k')
    top.shows(r'signal for \d+ victim')
    top.keys('\x1b')
    top.shows(r'q quit')
    top.keys('k')
    top.shows(r'signal for \d+ victim')
    top.keys('usr1\r')
    ended(victim)
    if json.loads(ctl('--json', 'inspect', victim))['signal'] != 'SIGUSR1':
        fail('another signal')
    top.keys('q')
    top.end(0)


def follows(top):
    """what begins shows; a size that is too small for anything is no harm"""
    top.shows('q quit')
    first = new('newcomer')
    top.shows('newcomer')
    top.size(3)
    top.read(0.3)
    top.size(1)
    for rows, columns in ((65535, 1), (1, 65535), (32768, 80), (24, 40000), (65535, 65535), (0, 0)):
        top.odd_size(rows, columns)
        top.read(0.3)
    ctl('stop', '-g', '0', first)
    top.size(30)
    second = new('follower')
    top.shows('follower')
    top.keys('a')
    top.shows(r'newcomer +\d+ exited')
    ctl('stop', '-g', '0', second)
    top.keys('q')
    top.end(0)


def suspended(top):
    """^Z gives the terminal back meanwhile"""
    top.writes('q quit')
    top.keys('\x1a')
    top.writes(LEAVES)
    os.kill(top.pid, signal.SIGCONT)  # without a shell the kernel may have ended the stop by itself
    top.writes('q quit')
    top.keys('q')
    top.end(0)


def no_terminal_type(top):
    """a terminal that nobody knows"""
    top.writes('TERM is wrong')
    top.end(125)


def main():
    for part, top in ((looks, Top()), (interrupted, Top(terminal='xterm')), (signals, Top('-d', '0.1')),
                      (follows, Top('-d', '0.1')), (suspended, Top('-d', '0.1', terminal='xterm')),
                      (no_terminal_type, Top(terminal='nonsense'))):
        part(top)
        print('passed', part.__name__)


main()
