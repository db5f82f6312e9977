#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""use_top.py PROCCTL SOCKET: types at `procctl top` on a terminal of its own, and reads what it shows."""
import fcntl, json, os, pty, re, select, signal, struct, subprocess, sys, termios, time

PROCCTL, SOCKET = sys.argv[1:3]
UP, DOWN, HOME, END, PAGE_UP, PAGE_DOWN = '\x1bOA', '\x1bOB', '\x1b[1~', '\x1b[4~', '\x1b[5~', '\x1b[6~'
LEAVES = '\x1b[?1049l'  # what gives the terminal back


def fail(text):
    print('FAIL:', text, file=sys.stderr)
    sys.exit(1)


def ctl(*words):
    return subprocess.run([PROCCTL, '-s', SOCKET, *words], check=True, capture_output=True, text=True).stdout


def shift(cells, at, count, is_insertion, new):
    """Letters of a line, or lines: some put in there, or taken out"""
    size = len(cells)
    if is_insertion:
        cells[at:at] = [new() for _ in range(count)]
    else:
        del cells[at:at + count]
    cells[:] = (cells + [new() for _ in range(count)])[:size]


class Screen:
    """What a terminal shows of what is written to it: enough of a vt100, or of a screen, for curses"""
    def __init__(self, rows, columns=120):
        self.lines = [[' '] * columns for _ in range(rows)]
        self.marks = [[False] * columns for _ in range(rows)]  # what is shown in reverse
        self.y = self.x = 0
        self.region, self.saved = (0, rows - 1), (0, 0)  # first and last line of what is scrolled
        self.is_reverse, self.rest = False, ''

    def write(self, text):
        text, self.rest = self.rest + text, ''
        cut = re.search(r'\x1b(\[[?\d;]*|[()])?\Z', text)
        if cut:  # the other part of it comes later
            text, self.rest = text[:cut.start()], cut[0]
        for control, numbers, final, other, letter in re.findall(
                r'(\x1b\[)([?\d;]*)([A-Za-z@])|(\x1b[()][0-9A-B]|\x1b[=>78EM])|([\s\S])', text):
            if control:
                self.control([int(n) for n in numbers.split(';') if n.isdigit()], final)
            elif other in ('\x1bE', '\x1bM'):
                self.feed(1 if other == '\x1bE' else -1)
                self.x = 0 if other == '\x1bE' else self.x
            elif other == '\x1b7':
                self.saved = self.y, self.x
            elif other == '\x1b8':
                self.y, self.x = self.saved
            elif not other:
                self.put(letter)

    def feed(self, step):
        """A line on; where that leaves what is scrolled, its lines move"""
        top, bottom = self.region
        if self.y == (bottom if step > 0 else top):
            self.scroll(step)
        else:
            self.y += step

    def scroll(self, step):
        """Up by so many lines"""
        top, bottom = self.region
        for rows, blank in ((self.lines, ' '), (self.marks, False)):
            part = rows[top:bottom + 1]
            shift(part, 0, abs(step), step < 0, lambda blank=blank: [blank] * len(self.lines[0]))
            rows[top:bottom + 1] = part

    def control(self, numbers, final):
        first = numbers[0] if numbers else 0
        line = self.lines[min(self.y, len(self.lines) - 1)]
        if final == 'm':
            for number in numbers or [0]:
                self.is_reverse = number in (3, 7) or (self.is_reverse and number not in (0, 23, 27))
        elif final == 'H':
            self.y, self.x = max(first, 1) - 1, (numbers[1] if len(numbers) > 1 else 1) - 1
        elif final == 'r':
            self.region = max(first, 1) - 1, (numbers[1] if len(numbers) > 1 else len(self.lines)) - 1
            self.y = self.x = 0
        elif final in 'ST':
            self.scroll(max(first, 1) * (1 if final == 'S' else -1))
        elif final == 'G':
            self.x = max(first, 1) - 1
        elif final == 'd':
            self.y = max(first, 1) - 1
        elif final in 'ABCD':
            step = max(first, 1)
            self.y += {'A': -step, 'B': step}.get(final, 0)
            self.x += {'C': step, 'D': -step}.get(final, 0)
        elif final == 'K':
            begin, end = (0, self.x + 1) if first == 1 else (self.x, len(line))
            line[begin:end] = [' '] * (end - begin)
        elif final in '@P':
            for cells, blank in ((line, ' '), (self.marks[self.y], False)):
                shift(cells, self.x, max(first, 1), final == '@', lambda blank=blank: blank)
        elif final in 'LM':
            for rows, blank in ((self.lines, ' '), (self.marks, False)):
                shift(rows, self.y, max(first, 1), final == 'L', lambda blank=blank: [blank] * len(line))
        elif final == 'J':
            line[self.x:] = [' '] * (len(line) - self.x)
            for below in self.lines[self.y + 1:]:
                below[:] = [' '] * len(below)

    def put(self, letter):
        if letter == '\r':
            self.x = 0
        elif letter == '\n':
            self.feed(1)
        elif letter == '\b':
            self.x -= 1
        elif letter == '\t':
            self.x = (self.x // 8 + 1) * 8
        elif letter >= ' ':
            if self.y < len(self.lines) and self.x < len(self.lines[0]):
                self.lines[self.y][self.x] = letter
                self.marks[self.y][self.x] = self.is_reverse
            self.x += 1

    def text(self):
        return '\n'.join(''.join(line).rstrip() for line in self.lines)

    def reverse(self):
        """the lines of which some letter is shown in reverse: headers of the table where the keys move, the
        line that is chosen, and the bar below"""
        return '\n'.join(''.join(line).rstrip() for line, marks in zip(self.lines, self.marks)
                         if any(mark and letter != ' ' for letter, mark in zip(line, marks)))


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

    def shows(self, pattern, part=None):
        """until that is seen"""
        end = time.monotonic() + 20
        while not re.search(pattern, (part or Screen.text)(self.screen)):
            if time.monotonic() > end:
                fail(f'waited in vain for {pattern}; the terminal shows\n{self.screen.text()}\n'
                     f'--- in reverse:\n{self.screen.reverse()}')
            self.read(0.2)

    def marks(self, pattern):
        """until that is seen among the lines in reverse"""
        self.shows(pattern, Screen.reverse)

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


def until(true, what):
    deadline = time.monotonic() + 20
    while not true():
        if time.monotonic() > deadline:
            fail(f'waited in vain until {what}')
        time.sleep(0.02)


def ended(identity):
    until(lambda: json.loads(ctl('--json', 'inspect', identity))['state'] == 'exited', f'{identity} ends')


def looks(top):
    """processes, objects, the keys"""
    top.shows(r'order: cpu')
    top.shows(r'(?m)^ *\d+ busy +\d+ running')
    top.shows(r'(?m)^ *ID .* RESTARTS COMMAND$')
    top.shows(r'(?m)^ *\d+ again .* 2 sh -c')
    top.shows(r'(?m)^NAME +KIND +STATE +HOLDER +WAITERS$')
    top.shows(r'(?m)^a-lock +lock held +\d+ +2$')
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
    top.keys(5 * UP)  # it is the chosen one
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


def logs(top):
    """l shows what the chosen one has written, from its end; the keys move there; another key comes back"""
    ctl('spawn', '-n', 'chatty', '--', 'sh', '-c',
        'for n in $(seq 100); do echo "line $n of it"; done; printf "bell\\007 esc\\033[31m\\n"; '
        'exec sleep 1000')
    until(lambda: 'bell' in ctl('logs', 'chatty'), 'it writes')
    top.keys('ir')
    top.shows(r'\n[^\n]*\n *\d+ chatty ')
    top.keys(5 * UP)
    top.marks(r'(?m)^ *\d+ chatty ')
    top.keys('l')
    top.shows(r'^chatty +q back\n')
    top.shows(r'line 100 of it\nbell\\x07 esc\\x1b\[31m$')  # the end, and nothing that a terminal obeys
    top.keys(HOME)
    top.shows(r'q back\nline 1 of it\nline 2 of it\n')
    top.keys(DOWN + DOWN + UP)
    top.shows(r'q back\nline 2 of it\nline 3 of it\n')
    top.keys(PAGE_DOWN)
    top.shows(r'q back\nline 25 of it\n')
    top.keys(PAGE_UP)
    top.shows(r'q back\nline 2 of it\n')
    top.keys(END)
    top.shows(r'line 100 of it\nbell')
    top.keys('q')
    top.shows(r'order: id, reversed')
    silent = new('silent')
    top.shows(r'\n[^\n]*\n *\d+ silent ')
    top.keys(5 * UP + 'l')
    top.shows('silent has written nothing that is kept$')
    for name in (silent, 'chatty'):
        ctl('stop', '-g', '0', name)
    top.keys('q')
    top.end(0)


def panes(top):
    """Tab leads the keys to the objects, of which there are more than have room, and back"""
    for number in range(20):
        ctl('event', 'set', f'event-{number:02}')
    top.shows(r'objects: 21 ')
    top.keys('i')
    top.shows(r'order: id ')
    top.marks(r'^ *ID .*COMMAND\n *\d+ busy ')
    top.keys('\t')
    top.marks(r'^NAME +KIND .*WAITERS\na-lock .*\n.*Tab processes$')
    top.keys(DOWN)
    top.marks(r'WAITERS\nevent-00 +event ')
    top.keys(END)
    top.marks(r'WAITERS\nevent-19 +event ')
    top.shows(r'\A(?![\s\S]*a-lock)')  # it is scrolled away
    top.keys(HOME)
    top.marks(r'WAITERS\na-lock ')
    top.keys('\t' + DOWN)
    top.marks(r'^ *ID .*COMMAND\n *\d+ idle .*\n.*Tab objects$')
    for number in range(20):
        ctl('unlink', f'event-{number:02}')
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
                      (logs, Top('-d', '0.1', terminal='screen')),
                      (panes, Top('-d', '0.1', terminal='screen')),
                      (follows, Top('-d', '0.1')), (suspended, Top('-d', '0.1', terminal='xterm')),
                      (no_terminal_type, Top(terminal='nonsense'))):
        part(top)
        print('passed', part.__name__)


main()
