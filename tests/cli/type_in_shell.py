#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""type_in_shell.py SHELL SCRIPT (TYPED EXPECTED)...: types into an interactive bash, zsh or fish on a
terminal of its own, presses Tab, and compares the command line. EXPECTED "~TEXT": the list that a second Tab
shows has TEXT."""
import os, pty, re, select, signal, sys, tempfile, time

# What makes each of them load the completions, and shows its line as <LINE> for ^X.
START = {
    'bash': ['bash', '--norc', '--noprofile', '-i'],
    'zsh': ['zsh', '-d', '-i'],
    'fish': ['fish', '--no-config', '-i'],
}
BASH_COMPLETION = '/usr/share/bash-completion/bash_completion'


def bash_set_up(script, home):
    with open(os.path.join(home, 'rc'), 'w', encoding='utf-8') as rc:
        rc.write(f'[ ! -e {BASH_COMPLETION} ] || source {BASH_COMPLETION}\nsource {script}\n'
                 'bind "set bell-style none"; bind "set enable-bracketed-paste off"\n'
                 'bind "set page-completions off"\n'
                 'bind "set completion-query-items 0"\n'
                 'show() { printf "<%s>\\n" "$READLINE_LINE"; READLINE_LINE=; }\n'
                 'bind -x \'"\\C-x": show\'\n')
    return 'source ' + os.path.join(home, 'rc') + '; PS1="ready> "\n'


def zsh_set_up(script, home):
    with open(os.path.join(home, '.zshrc'), 'w', encoding='utf-8') as rc:
        rc.write(f'fpath=({os.path.dirname(script)} $fpath)\nautoload -Uz compinit\ncompinit -D -u\n'
                 'LISTMAX=1000\nshow() { print -r -- "<$BUFFER>" > /dev/tty; BUFFER=; zle reset-prompt }\n'
                 'zle -N show\nbindkey "^X" show\n')
    return 'PS1="ready> "\n'


def fish_set_up(script, home):
    with open(os.path.join(home, 'rc.fish'), 'w', encoding='utf-8') as rc:
        rc.write(f'source {script}\nset -g fish_autosuggestion_enabled 0\n'
                 'function show\necho\necho "<"(commandline)">"\ncommandline ""\n'
                 'commandline -f repaint\nend\n'
                 'bind \\cx show\nfunction fish_prompt; echo "ready> "; end\n')
    return 'source ' + os.path.join(home, 'rc.fish') + '\n'


class Shell:
    def __init__(self, name, script):
        self.name, self.text = name, ''
        self.home = tempfile.TemporaryDirectory()
        begin = globals()[name + '_set_up'](script, self.home.name)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(ZDOTDIR=self.home.name, TERM='xterm', HOME=self.home.name, PS1='$ ',
                              XDG_CONFIG_HOME=self.home.name, XDG_DATA_HOME=self.home.name)
            os.chdir(self.home.name)
            os.mkdir('builder')  # a name of a process, too
            os.execvp(START[name][0], START[name])
        os.write(self.fd, begin.encode())
        self.read_until('ready> $')

    def read_until(self, pattern, seconds=20):
        end = time.monotonic() + seconds
        while True:
            plain = re.sub(r'\x1b(\[[0-9;?>]*[a-zA-Z]|[()=>].?|\][^\x07]*\x07)|\r|\x0f', '', self.text)
            found = re.search(pattern, plain)
            if found:
                self.text = ''
                return found, plain
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise SystemExit(f'{self.name}: waited in vain for {pattern}; it said {plain!r}')
            try:
                self.text += os.read(self.fd, 65536).decode('utf-8', 'replace')
            except OSError:
                status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
                raise SystemExit(f'{self.name} ended ({status}) before {pattern}, said {plain!r}') from None

    def complete(self, typed, tabs=1):
        """The line that comes of it, and everything that was shown."""
        os.write(self.fd, typed.encode() + tabs * b'\t' + b'\x18')
        found, shown = self.read_until('(?s)<(procctl[^>\n]*)>')
        return found.group(1).rstrip(), shown

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.home.cleanup()


def main():
    pairs, wrong = sys.argv[3:], 0
    shell = Shell(*sys.argv[1:3])
    for typed, expected in zip(pairs[::2], pairs[1::2]):
        line, shown = shell.complete(typed, 2 if expected.startswith('~') else 1)
        if expected.startswith('~') and expected[1:] not in shown:
            print(f'{shell.name}: [{typed}] does not show [{expected[1:]}], but {shown!r}', file=sys.stderr)
            wrong += 1
        elif not expected.startswith('~') and line != expected:
            print(f'{shell.name}: [{typed}] became [{line}], not [{expected}]', file=sys.stderr)
            wrong += 1
    shell.close()
    return 1 if wrong else 0


sys.exit(main())
