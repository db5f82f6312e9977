#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pictures.py BUILD [DIRECTORY]: makes the README's pictures from a real run of the programs in BUILD.

top.svg is what `procctl top` shows on a terminal (tmux), graph.svg what `procctl graph` says of two processes
that wait for each other, drawn by dot (Debian: graphviz).
"""
import html
import json
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS, COLUMNS, WIDTH, HEIGHT = 18, 100, 8.4, 18  # of the terminal; pixels of a letter
COLORS = ['#2e3436', '#cc0000', '#4e9a06', '#c4a000', '#3465a4', '#75507b', '#06989a', '#d3d7cf']
PAPER, INK = '#ffffff', '#2e3436'

# Takes one lock, says so, and waits for the other until it is given: a program that does not mind deadlocks.
TAKES_BOTH = '''
import json, os, socket, sys, time
link = socket.socket(socket.AF_UNIX)
link.connect(os.environ['PROCD_SOCKET'])
for number, name in enumerate(sys.argv[1:]):
    while number and not open(0).readline():
        pass
    link.sendall(json.dumps({'jsonrpc': '2.0', 'id': number, 'method': 'lock.acquire',
                             'params': {'name': name, 'on_deadlock': 'wait'}}).encode() + b'\\n')
    link.recv(65536)
time.sleep(1000)
'''


def main():
    build, directory = os.path.abspath(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else HERE
    with tempfile.TemporaryDirectory() as folder:
        run = Run(build, folder)
        try:
            run.scene()
            graph = subprocess.run(['dot', '-Tsvg'], input=run.ctl('graph'), check=True,
                                   stdout=subprocess.PIPE)
            write(os.path.join(directory, 'graph.svg'), graph.stdout)
            write(os.path.join(directory, 'top.svg'), picture(run.top()).encode())
        finally:
            run.ctl('daemon', 'stop')
            run.daemon.wait()


def write(path, data):
    with open(path, 'wb') as file:
        file.write(data)


class Run:
    """A daemon of its own, and what goes on in it."""
    def __init__(self, build, folder):
        self.procctl, self.folder = os.path.join(build, 'procctl'), folder
        self.path = os.path.join(folder, 's')
        self.daemon = subprocess.Popen([os.path.join(build, 'procd'), '--user', '--socket', self.path])
        self.until(lambda: os.path.exists(self.path))

    def until(self, true):
        end = time.monotonic() + 20
        while not true():
            if time.monotonic() > end:
                sys.exit('pictures.py: it does not come to pass')
            time.sleep(0.05)

    def ctl(self, *words):
        return subprocess.run([self.procctl, '--socket', self.path, *words], check=True,
                              stdout=subprocess.PIPE).stdout

    def call(self, method, **params):
        return json.loads(self.ctl('--json', 'call', method, json.dumps(params)))

    def waiters(self, name):
        return self.call('object.info', name=name)['waiters']

    def scene(self):
        """Two that wait for each other, and some that do other things."""
        for name in ('flour', 'oven'):
            self.call('object.create', kind='lock', name=name, persist=True)
        opened = []
        for name, first, second in (('baker', 'oven', 'flour'), ('miller', 'flour', 'oven')):
            gate, program = os.path.join(self.folder, name), name + '.py'
            os.mkfifo(gate)
            opened.append(os.open(gate, os.O_RDWR))
            with open(os.path.join(self.folder, program), 'w', encoding='ascii') as file:
                file.write(TAKES_BOTH)
            self.call('process.spawn', name=name, argv=['python3', program, first, second], cwd=self.folder,
                      stdin={'file': gate}, env={'PATH': os.environ['PATH'], 'PROCD_SOCKET': self.path})
        self.until(lambda: all(self.call('object.info', name=name)['holders'] for name in ('flour', 'oven')))
        for fd in opened:
            os.write(fd, b'\n')
        self.until(lambda: self.waiters('flour') and self.waiters('oven'))
        self.call('process.spawn', name='shop', argv=['sh', '-c', 'while :; do :; done'], nice=19)
        self.call('process.spawn', name='backup', argv=['sleep', '3600'],
                  restart={'policy': 'on-failure', 'delay': 5})
        self.ctl('semaphore', 'create', '-v', '4', '--bound', 'tables')
        self.ctl('event', 'set', 'open')

    def top(self):
        """The screen, with its colours, once the busy one is seen to be: there have been two looks."""
        tmux = ['tmux', '-S', os.path.join(self.folder, 'tmux')]
        command = '%s --socket %s top -d 1' % (self.procctl, self.path)
        subprocess.run([*tmux, '-f', '/dev/null', 'new-session', '-d', '-x', str(COLUMNS),
                        '-y', str(ROWS + 1), command],
                       check=True, env={**os.environ, 'TERM': 'xterm-256color', 'LC_ALL': 'C.UTF-8'})
        screen = lambda *more: subprocess.run([*tmux, 'capture-pane', '-p', *more], check=True,
                                              stdout=subprocess.PIPE).stdout.decode()
        try:
            self.until(lambda: re.search(r'shop +\d+ running +[1-9]\d*\.', screen()))
            return screen('-e')
        finally:
            subprocess.run([*tmux, 'kill-server'], check=False)


# ---------------------------------------------------------------- a terminal as a picture

class Style:
    def __init__(self):
        self.bold = self.reverse = False
        self.color = INK

    def take(self, numbers):
        for number in numbers or [0]:
            if number == 0:
                self.__init__()
            elif number == 1:
                self.bold = True
            elif number in (7, 27):
                self.reverse = number == 7
            elif 30 <= number <= 37:
                self.color = COLORS[number - 30]
            elif number == 39:
                self.color = INK


def pieces(screen):
    """(row, column, text, bold, ink, paper)"""
    style = Style()
    for row, line in enumerate(screen.split('\n')[:ROWS]):
        column = 0
        for numbers, text in re.findall(r'\x1b\[([\d;]*)m|([^\x1b]+)', line):
            if not text:
                style.take([int(each) for each in numbers.split(';') if each])
                continue
            yield (row, column, text, style.bold,
                   PAPER if style.reverse else style.color, style.color if style.reverse else None)
            column += len(text)


def picture(screen):
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" width="%g" height="%g" font-family="monospace" '
             'font-size="14">' % (COLUMNS * WIDTH + 20, ROWS * HEIGHT + 20),
             '<rect width="100%%" height="100%%" fill="%s" stroke="%s"/>' % (PAPER, '#d3d7cf')]
    for row, column, text, bold, ink, paper in pieces(screen):
        x, y = 10 + column * WIDTH, 10 + row * HEIGHT
        if paper:
            parts.append('<rect x="%g" y="%g" width="%g" height="%g" fill="%s"/>'
                         % (x, y, len(text) * WIDTH, HEIGHT, paper))
        if text.strip():
            parts.append('<text x="%g" y="%g" textLength="%g" xml:space="preserve" fill="%s"%s>%s</text>'
                         % (x, y + 13.5, len(text) * WIDTH, ink, ' font-weight="bold"' if bold else '',
                            html.escape(text)))
    return '\n'.join([*parts, '</svg>', ''])


if __name__ == '__main__':
    main()
