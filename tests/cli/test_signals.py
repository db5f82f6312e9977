#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`procctl run` passes on every signal, from its start on, also one that comes before the spawn was answered.
The daemon is played here, so that each answer comes exactly when the test wants it."""
import json, os, shutil, signal, socket, subprocess, sys, tempfile, time

PROCCTL = os.environ['PROCCTL']
SECONDS = 20
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
PASSED_ON = ENDING + (signal.SIGWINCH, signal.SIGCONT)


def check(condition, text):
    if not condition:
        print('FAIL:', text, file=sys.stderr)
        sys.exit(1)


def wait_until(what, condition):
    end = time.monotonic() + SECONDS
    while not condition():
        check(time.monotonic() < end, f'waited in vain until {what}')
        time.sleep(0.005)


def status_of(pid, field):
    with open(f'/proc/{pid}/status', encoding='ascii', errors='replace') as status:
        return next(line.split()[1] for line in status if line.startswith(field + ':'))


def plain_signals():
    """as a person's shell hands them over: a job in the background has two ignored"""
    for number in PASSED_ON + (signal.SIGTSTP,):
        signal.signal(number, signal.SIG_DFL)


class Run:
    """procctl run on a daemon that says nothing by itself"""
    def __init__(self, folder, *options):
        path = os.path.join(folder, 's')
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        listener.settimeout(SECONDS)
        self.procctl = subprocess.Popen([PROCCTL, '-s', path, *options, 'run', '--', 'true'],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, preexec_fn=plain_signals)
        self.pid = self.procctl.pid
        self.socket = listener.accept()[0]
        self.socket.settimeout(SECONDS)
        self.lines = self.socket.makefile('r', encoding='utf-8')
        listener.close()
        os.unlink(path)

    def expect(self, method):
        line = self.lines.readline()
        check(line, f'procctl hung up instead of asking {method}')
        request = json.loads(line)
        check(request['method'] == method, f'procctl asked {request["method"]}, not {method}')
        return request

    def say(self, message):
        self.socket.sendall(json.dumps({'jsonrpc': '2.0', **message}).encode() + b'\n')

    def answer(self, request, result):
        self.say({'id': request['id'], 'result': result})

    def greet(self):
        self.answer(self.expect('daemon.hello'), {'protocol': 1, 'version': '1', 'epoch': 'e', 'seq': 0})
        return self.expect('process.spawn')

    def started(self, spawn):
        self.answer(spawn, {'id': 7, 'state': 'running'})
        self.join = self.expect('process.join')

    def kill(self, number):
        os.kill(self.pid, number)

    def taken(self):
        """procctl knows of what was sent"""
        wait_until('procctl has read its signals', lambda: int(status_of(self.pid, 'ShdPnd'), 16) == 0)

    def is_passed_on(self, number):
        request = self.expect('process.signal')
        check(request['params'] == {'process': 7, 'signal': number, 'tree': True},
              f'signal {number}: procctl asked {request}')
        self.answer(request, {})

    def suspend(self):
        """from SIGTSTP on its way to what the daemon would say once the process has stopped"""
        self.answer(self.expect('events.subscribe'), {'subscription': 1, 'first': 1, 'last': 1, 'gap': False})
        self.is_passed_on(signal.SIGTSTP)

    def stopped(self):
        event = {'seq': 2, 'time': 0, 'kind': 'process.stopped', 'process': 7, 'name': 'p', 'pid': 1}
        self.say({'method': 'event', 'params': {'subscription': 1, **event}})

    def end(self, exitcode=0):
        self.answer(self.join, {'exited': True, 'exitcode': exitcode})
        self.status_is(exitcode)

    def status_is(self, wanted):
        out, err = self.procctl.communicate(timeout=SECONDS)
        check(self.procctl.returncode == wanted, f'procctl exited {self.procctl.returncode}, not {wanted}')
        self.lines.close()
        self.socket.close()
        return out.decode(), err.decode()


def before_hello(folder):
    """while procctl connects, or waits for a daemon that starts"""
    for number in PASSED_ON:
        run = Run(folder)
        run.kill(number)
        run.started(run.greet())
        run.is_passed_on(number)
        run.end(3)


def before_the_answer(folder):
    """the process may run already: it may even have said so"""
    for number in PASSED_ON:
        run = Run(folder)
        spawn = run.greet()
        run.kill(number)
        run.taken()
        run.started(spawn)
        run.is_passed_on(number)
        run.end()


def all_in_order(folder):
    run = Run(folder)
    spawn = run.greet()
    for number in reversed(PASSED_ON):
        run.kill(number)
        run.taken()
    run.started(spawn)
    for number in reversed(PASSED_ON):
        run.is_passed_on(number)
    run.end()


def stop_before_the_answer(folder):
    """^Z: once the process runs both are stopped; unless SIGCONT has come meanwhile"""
    run = Run(folder)
    spawn = run.greet()
    run.kill(signal.SIGTSTP)
    run.started(spawn)
    run.suspend()
    run.is_passed_on(signal.SIGSTOP)
    wait_until('procctl has stopped', lambda: status_of(run.pid, 'State') == 'T')
    run.kill(signal.SIGCONT)
    run.is_passed_on(signal.SIGCONT)
    run.end()
    run = Run(folder)
    spawn = run.greet()
    run.kill(signal.SIGTSTP)
    run.kill(signal.SIGCONT)
    run.started(spawn)
    run.is_passed_on(signal.SIGCONT)
    run.end()


def continued_at_once(folder):
    """SIGCONT that comes when procctl is about to stop itself is not lost with that"""
    here = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(here)})  # procctl inherits it
    for _ in range(50):
        run = Run(folder)
        os.sched_setscheduler(run.pid, os.SCHED_BATCH, os.sched_param(0))  # so it acts when we wait
        run.started(run.greet())
        run.kill(signal.SIGTSTP)
        run.suspend()
        run.stopped()
        run.kill(signal.SIGCONT)
        run.is_passed_on(signal.SIGCONT)
        run.end()
    os.sched_setaffinity(0, here)


def no_answer(folder):
    """a daemon that does not answer: who wants an end gets one"""
    for numbers, options in (((signal.SIGTERM,), ()), ((signal.SIGINT, signal.SIGINT), ('--json',))):
        run = Run(folder, *options)
        run.greet()
        for number in numbers:
            run.kill(number)
            run.taken()
        out, err = run.status_is(128 + numbers[0])
        check('does not answer' in err, f'procctl says {err!r}')
        check(not options or json.loads(out)['error'], f'the document is {out!r}')


def main():
    folder = tempfile.mkdtemp(prefix='procd-signals.')
    try:
        for part in (before_hello, before_the_answer, all_in_order, stop_before_the_answer, continued_at_once,
                     no_answer):
            part(folder)
            print('passed', part.__name__)
    finally:
        shutil.rmtree(folder)


main()
