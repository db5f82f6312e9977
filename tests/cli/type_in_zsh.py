#!/usr/bin/env python3
"""type_in_zsh.py FPATH (TYPED EXPECTED)...: types into a zsh on a terminal of its own, presses Tab, compares
the line."""
import os, pty, re, select, signal, sys, tempfile, time


class Zsh:
    def __init__(self, fpath):
        self.home = tempfile.TemporaryDirectory()
        with open(os.path.join(self.home.name, '.zshrc'), 'w', encoding='utf-8') as rc:
            rc.write(f'fpath=({fpath} $fpath)\nautoload -Uz compinit\ncompinit -D -u\nPS1="ready> "\n'
                     'show() { print -r -- "<$BUFFER>" > /dev/tty; BUFFER=; zle reset-prompt }\n'
                     'zle -N show\nbindkey "^X" show\n')
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(ZDOTDIR=self.home.name, TERM='xterm', HOME=self.home.name)
            os.execvp('zsh', ['zsh', '-d', '-i'])

    def read_until(self, pattern, seconds=20):
        text, end = '', time.monotonic() + seconds
        while True:
            found = re.search(pattern, text)
            if found: return found
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise SystemExit(f'zsh: waited in vain for {pattern}; it said {text!r}')
            text += os.read(self.fd, 65536).decode('utf-8', 'replace')

    def complete(self, typed):
        os.write(self.fd, typed.encode() + b'\t\x18')
        return self.read_until('<(procctl[^<>\r\n]*)>').group(1).rstrip()

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.home.cleanup()


def main():
    pairs = sys.argv[2:]
    zsh = Zsh(sys.argv[1])
    zsh.read_until('ready> ')
    wrong = 0
    for typed, expected in zip(pairs[::2], pairs[1::2]):
        line = zsh.complete(typed)
        if line != expected:
            print(f'zsh: [{typed}] became [{line}], not [{expected}]', file=sys.stderr)
            wrong += 1
    zsh.close()
    return 1 if wrong else 0


sys.exit(main())
