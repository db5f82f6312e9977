#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Another program takes the daemon's place while it runs: nothing is lost. Or it cannot: nothing changes."""
import os
import shutil
import signal
import threading

from clients import SOON, Client, Gate, Lasting, Peer, Rpc, fails, same, wait_for
from harness import PROCD, children_of, is_dead, main, options
from lingering import lingering_socket, listening, send_lingering

HERE = os.path.join(os.path.dirname(PROCD), 'tests', 'integration')
NEWER, FOREIGN, NO_PROCD = (os.path.join(HERE, name) for name in ('procd_newer', 'procd_foreign', 'no_procd'))
REFUSED, GOES_ON = 'not restarted: ', 'keeper: goes on as version '


def install(daemon, program, mode=0o755):
    """As a package manager does it: the name is never without a file."""
    new = daemon.program + '.new'
    shutil.copyfile(program, new)
    os.chmod(new, mode)
    os.rename(new, daemon.program)


def version(daemon):
    return daemon.info()['version']


def restart_by_request(daemon):
    same(daemon.ask('daemon.restart'), {})


def restart_by_signal(daemon):
    os.kill(daemon.keeper_pid, signal.SIGHUP)


def replaced(daemon, restart, want):
    """The restart, and what must be as before. Returns when another broker, of that version, serves."""
    before, told = daemon.info(), daemon.log().count(GOES_ON + want + '\n')
    restart(daemon)
    wait_for(lambda: daemon.broker_pid != before['broker_pid'], 'another broker')
    after, hello = daemon.info(), daemon.ask('daemon.hello')
    same([after[name] for name in ('pid', 'epoch', 'started', 'version', 'restarts')],
         [before['pid'], before['epoch'], before['started'], want, before['restarts'] + 1])
    same(hello['version'], want)
    assert after['seq'] >= before['seq'], 'seq goes on'
    same(daemon.log().count(GOES_ON + want + '\n'), told + 1, 'the keeper is of that version, too')


class Scene:
    """Something of everything, held and waited for by processes of their own."""
    def __init__(self, daemon):
        self.daemon, self.gate = daemon, Gate()
        self.holder, self.waiter = Peer(daemon.path), Peer(daemon.path)
        call = self.holder.call
        for kind, more in (('lock', {}), ('rlock', {}), ('bounded_semaphore', {'value': 3}), ('event', {}),
                           ('semaphore', {'value': 5}), ('condition', {}), ('barrier', {'parties': 2})):
            call('object.create', kind=kind, name='an-' + kind, persist=True, **more)
        self.tokens = [call('lock.acquire', name='an-lock')['token'],
                       call('rlock.acquire', name='an-rlock', holder='t')['token'],
                       call('rlock.acquire', name='an-rlock', holder='t')['token'],
                       call('semaphore.acquire', name='an-bounded_semaphore')['token'],
                       call('semaphore.acquire', name='an-bounded_semaphore')['token'],
                       call('semaphore.acquire', name='an-semaphore')['token']]
        call('event.set', name='an-event')
        call('object.create', kind='semaphore', name='an-empty-one', persist=True, value=0)
        with Client(daemon.path) as client:
            self.child = client.spawn('/bin/sh', '-c', 'read x; exit 7', _fds=self.gate.fds,
                                      stdin=self.gate.stdin, name='a-child', labels={'a': 'b'})['id']
            same(client.exitcode(client.sh('exit 3', name='an-ended-one')['id']), 3)
        self.before = self.facts()
        self.ask()

    def ask(self):
        """What waits; asked again with the same keys by who has lost its connection."""
        start = self.waiter.start
        self.waits = [start('lock.acquire', 'k1', name='an-lock', holder='w1'),
                      start('rlock.acquire', 'k2', name='an-rlock', holder='w2'),
                      start('semaphore.acquire', 'k3', name='an-empty-one', holder='w3'),
                      start('process.join', process=self.child)]
        wait_for(lambda: self.waiting() == 3, 'all of them wait')

    def waiting(self):
        names = ('an-lock', 'an-rlock', 'an-empty-one')
        return sum(len(self.daemon.ask('object.info', name=name)['waiters']) for name in names)

    def facts(self):
        """What nobody may lose."""
        objects = self.daemon.ask('object.list')['objects']
        infos = [self.daemon.ask('object.info', name=each['name']) for each in objects]
        for info in infos:
            info.pop('waiters', None)
            info.pop('seq', None)
        return [infos, self.daemon.ask('process.list')['processes']]

    def goes_on(self):
        """What was held is held; who waits gets what it waits for."""
        same(self.facts(), self.before)
        call = self.holder.call
        call('lock.release', name='an-lock', token=self.tokens[0])
        for _ in range(2):
            call('rlock.release', name='an-rlock', holder='t')
            call('semaphore.release', name='an-bounded_semaphore')
        fails('TooManyReleases', lambda: call('semaphore.release', name='an-bounded_semaphore'))
        call('semaphore.release', name='an-empty-one')
        got = [self.waiter.reply(number)['result'] for number in self.waits[:3]]
        assert all(each['acquired'] and each['token'] > max(self.tokens) for each in got), got
        self.gate.open()
        same(self.waiter.reply(self.waits[3])['result']['exitcode'], 7)
        same(call('process.spawn', argv=['/bin/true'])['id'], self.before[1][-1]['id'] + 1)

    def end(self):
        for each in self.daemon.ask('object.list')['objects']:
            if not each['name'].endswith('.lock'):  # which goes with its condition
                self.daemon.ask('object.unlink', name=each['name'])
        self.holder.kill()
        self.waiter.kill()
        self.gate.open()


# ---------------------------------------------------------------- one that can go on

def upgraded(daemon, restart):
    scene = Scene(daemon)
    install(daemon, NEWER)
    replaced(daemon, restart, 'newer')
    scene.holder.do('drop')
    scene.waiter.do('drop')
    scene.ask()
    scene.goes_on()
    scene.end()


@options(copied=True)
def test_a_newer_program(daemon):
    upgraded(daemon, restart_by_request)


@options(copied=True)
def test_a_newer_program_by_signal(daemon):
    upgraded(daemon, restart_by_signal)


@options(copied=True, mode='--system', root=True)
def test_a_newer_program_for_the_system(daemon):
    upgraded(daemon, restart_by_request)


@options(copied=True)
def test_there_and_back(daemon):
    """Each takes over from the other, several times, whoever asked and however many."""
    scene = Scene(daemon)
    old = version(daemon)
    for turn in range(6):
        program, want = ((NEWER, 'newer'), (PROCD, old))[turn % 2]
        install(daemon, program)
        with Client(daemon.path) as client, Client(daemon.path) as other:
            broker = client.call('daemon.info')['broker_pid']
            os.kill(broker, signal.SIGSTOP)  # it hears of the first with the others
            numbers = [each.start('daemon.restart') for each in (client, client, other)]
            os.kill(broker, signal.SIGCONT)
            same([client.result(numbers[0]), client.result(numbers[1]), other.result(numbers[2])], [{}] * 3)
            assert client.gone() and other.gone()
        wait_for(lambda: daemon.broker_pid != broker, 'another broker')
        same(version(daemon), want)
        same(scene.facts(), scene.before)
    scene.end()


@options(copied=True)
def test_after_a_crash_the_same_program(daemon):
    """The one that is held open, not the one that has its name by then: the journal is its own."""
    scene = Scene(daemon)
    old = version(daemon)
    for program in (FOREIGN, NO_PROCD, NEWER):
        install(daemon, program)
        daemon.kill_broker()
        same(version(daemon), old)
        same(scene.facts(), scene.before)
    replaced(daemon, restart_by_request, 'newer')
    install(daemon, PROCD)
    daemon.kill_broker()
    same(version(daemon), 'newer')
    same(scene.facts(), scene.before)
    scene.end()


@options(copied=True, limit=120)
def test_under_load(daemon):
    """Spawns and locks with keys go on while one program follows another: each happens once."""
    stop, turns, old = threading.Event(), [], version(daemon)

    def load(number):
        with Lasting(daemon.path) as last:
            turn = 0
            while not stop.is_set():
                turn += 1
                key = 'u%d-%d' % (number, turn)
                lock = last.call('lock.acquire', _key=key + 'a', name='shared-lock', holder='h%d' % number)
                assert lock['acquired']
                child = last.call('process.spawn', _key=key, argv=['/bin/sh', '-c', 'exit %d' % (turn % 200)],
                                  labels={'key': key})
                same(last.call('process.join', process=child['id'])['exitcode'], turn % 200)
                last.call('lock.release', _key=key + 'r', name='shared-lock', token=lock['token'])
            turns.append(turn)

    threads = [threading.Thread(target=load, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(10):
            install(daemon, (NEWER, PROCD)[turn % 2])
            replaced(daemon, (restart_by_request, restart_by_signal)[turn % 3 == 0],
                     'newer' if turn % 2 == 0 else old)
    finally:
        stop.set()
        for thread in threads:
            thread.join(SOON)
    same(len(turns), 3, 'every load went to its end')
    with Client(daemon.path) as client:
        client.call('object.unlink', name='shared-lock')
        keys = [each['labels']['key'] for each in client.call('process.list')['processes']]
        same(len(keys), len(set(keys)), 'each once')
        same(len(keys), sum(turns))


# ---------------------------------------------------------------- the keeper's own exec

def limits_of(client):
    return client.output('/bin/sh', '-c', 'ulimit -Sn; ulimit -Hn; ulimit -Ss; ulimit -Sc')


@options(copied=True)
def test_children_know_nothing_of_it(daemon):
    """Their parent is the same process: ends, stops and trees are told as before."""
    install(daemon, NEWER)
    with Client(daemon.path) as client, Gate() as gate:
        limits = limits_of(client)
        waits = client.sh('read x; exit 21', _fds=gate.fds, stdin=gate.stdin)
        unread = client.sh('exit 5')
        during = client.sh('while kill -0 %d 2>/dev/null; do :; done; exit 9' % daemon.broker_pid)
        stopped = client.spawn('/bin/sleep', '1000')
        client.call('process.signal', process=stopped['id'], signal='SIGSTOP')
        # what is left of its tree is ours, by way of the subreaper
        head = client.sh('setsid sleep 1000 & exit 4')
        same(client.exitcode(head['id']), 4)
        wait_for(lambda: client.call('process.info', process=stopped['id'])['state'] == 'stopped')
        wait_for(lambda: client.call('process.info', process=unread['id'])['state'] == 'exited')
        peer = Peer(daemon.path)
        peer.call('object.create', kind='lock', name='held', persist=True)
        peer.call('lock.acquire', name='held')
        replaced(daemon, restart_by_request, 'newer')
    with Client(daemon.path) as client:
        same([client.exitcode(each['id']) for each in (unread, during, head)], [5, 9, 4])
        same(client.call('process.info', process=stopped['id'])['state'], 'stopped')
        client.call('process.signal', process=stopped['id'], signal='SIGCONT')
        wait_for(lambda: client.call('process.info', process=stopped['id'])['state'] == 'running')
        client.call('process.stop', process=head['id'], grace=0)
        assert not [pid for pid, stat in children_of(daemon.keeper_pid).items() if stat[0] == 'sleep'
                    and pid != stopped['pid']], 'something of the tree is left'
        gate.open()
        same(client.exitcode(waits['id']), 21)
        same(client.call('process.kill', process=stopped['id']), {})
        same(client.join(stopped['id'])['signal'], 'SIGKILL')
        same(limits_of(client), limits)
        peer.kill()
        same(client.call('lock.acquire', name='held', timeout=SOON)['abandoned'], True)
        client.call('object.unlink', name='held')


def slow_spawn(daemon):
    """A spawn that does not come to its exec before somebody opens the pipe."""
    fifo = os.path.join(daemon.dir, 'fifo')
    os.mkfifo(fifo)
    return {'argv': ['/bin/cat'], 'stdin': {'file': fifo}, '_key': 'slow'}


def under_way(daemon, client, spawn):
    """It is, and the broker has ended for a restart: the keeper waits for that spawn."""
    before = set(children_of(daemon.keeper_pid))
    client.start('process.spawn', **spawn)
    wait_for(lambda: set(children_of(daemon.keeper_pid)) - before, 'the child')
    client.start('daemon.restart')
    assert client.gone()


def comes_to_its_end(daemon, last, spawn):
    with open(spawn['stdin']['file'], 'w', encoding='ascii'):
        pass
    child = last.call('process.spawn', **spawn)
    same(last.call('process.join', process=child['id'])['exitcode'], 0)
    same([each['id'] for each in daemon.ask('process.list')['processes']], [child['id']], 'once')


@options(copied=True)
def test_a_spawn_under_way(daemon):
    """It happens once, and the keeper has time for it."""
    spawn = slow_spawn(daemon)
    install(daemon, NEWER)
    with Client(daemon.path) as client, Lasting(daemon.path) as last:
        under_way(daemon, client, spawn)
        comes_to_its_end(daemon, last, spawn)
    same(version(daemon), 'newer')


@options(copied=True)
def test_a_close_under_way(daemon):
    """Nobody keeps an upgrade waiting by a socket that lingers for longer than it has time."""
    with listening() as listener, Client(daemon.path) as client:
        client.call('events.subscribe', kinds=['process.exited'])
        _, number = send_lingering(client, listener, 'process.spawn', seconds=1000, argv=['/bin/true'],
                                   fds=[[0, 3]], restart={'policy': 'on-failure'})
        assert 'result' in client.reply(number)
        client.event()  # the keeper had it for another start: its copy is the last
        install(daemon, NEWER)
        replaced(daemon, restart_by_request, 'newer')


@options(copied=True, allow=['does not take over, this program goes on: Permission denied'])
def test_an_exec_that_fails(daemon):
    """Too late for an answer; the same program goes on, and nothing is lost."""
    scene, spawn, old = Scene(daemon), slow_spawn(daemon), version(daemon)
    install(daemon, NEWER)
    with Client(daemon.path) as client, Lasting(daemon.path) as last:
        for each in scene.before[1]:
            if each['ended']:
                client.call('process.close', process=each['id'])
        under_way(daemon, client, spawn)
        os.chmod(daemon.program, 0)
        with open(spawn['stdin']['file'], 'w', encoding='ascii'):
            pass
        child = last.call('process.spawn', **spawn)
        same(last.call('process.join', process=child['id'])['exitcode'], 0)
        assert 'this program goes on' in daemon.log()
        same(version(daemon), old)
        same(scene.facts()[0], scene.before[0])
        os.chmod(daemon.program, 0o755)
        replaced(daemon, restart_by_request, 'newer')
        same(scene.facts()[0], scene.before[0])
        same(len(scene.facts()[1]), 2, 'each process once')
    scene.end()


@options(copied=True)
def test_its_end_is_as_ever(daemon):
    """SIGTERM to a keeper that was another program: children are stopped, the socket is gone."""
    install(daemon, NEWER)
    for restart in (restart_by_signal, restart_by_request):
        replaced(daemon, restart, 'newer')
    child = daemon.ask('process.spawn', argv=['/bin/sleep', '1000'])
    daemon.connection.close()
    os.kill(daemon.keeper_pid, signal.SIGTERM)
    daemon.ended()
    assert is_dead(child['pid'])


# ---------------------------------------------------------------- one that cannot

def refused(daemon, scene, *words):
    """By request and by signal: the same broker serves, on the same connections."""
    broker, restarts = daemon.broker_pid, daemon.info()['restarts']
    with Client(daemon.path) as client:
        try:
            raise AssertionError('restarted: %r' % client.call('daemon.restart'))
        except Rpc as error:
            same(error.name, 'InternalError')
            assert all(word in str(error) for word in (REFUSED, *words)), error
        told = daemon.log().count(REFUSED)
        restart_by_signal(daemon)
        wait_for(lambda: daemon.log().count(REFUSED) > told, 'the refusal in the log')
        same(client.call('daemon.ping'), {})
    same([daemon.broker_pid, daemon.info()['restarts']], [broker, restarts])
    same(scene.facts(), scene.before)
    same(scene.waiting(), 3, 'the same waits')


@options(copied=True)
def test_another_format(daemon):
    scene = Scene(daemon)
    install(daemon, FOREIGN)
    refused(daemon, scene, 'format 1000')
    scene.goes_on()
    scene.end()


@options(copied=True)
def test_no_such_program(daemon):
    """What cannot be started, or says nothing that makes sense, changes nothing."""
    scene, path = Scene(daemon), daemon.program
    with open(path + '.text', 'w', encoding='ascii') as file:
        file.write('no program at all\n' * 1000)
    install(daemon, path + '.text')
    refused(daemon, scene, 'cannot be executed', 'Exec format error')
    install(daemon, NEWER, mode=0o644)
    refused(daemon, scene, 'cannot be executed', 'Permission denied')
    os.remove(path)
    refused(daemon, scene, 'No such file')
    os.mkdir(path)
    refused(daemon, scene, 'cannot be executed')
    os.rmdir(path)
    for what in 'qcn':
        with open(path + '.does', 'w', encoding='ascii') as file:
            file.write(what)
        install(daemon, NO_PROCD)
        refused(daemon, scene, {'q': 'did not say why', 'c': 'check', 'n': 'did not say why'}[what])
    install(daemon, NEWER)
    scene.goes_on()
    scene.end()
    replaced(daemon, restart_by_request, 'newer')


@options(copied=True)
def test_one_that_hangs(daemon):
    """Its time is limited, and nobody waits for it but those who asked."""
    scene = Scene(daemon)
    with open(daemon.program + '.does', 'w', encoding='ascii') as file:
        file.write('h')
    install(daemon, NO_PROCD)
    with Client(daemon.path) as client, Client(daemon.path) as other:
        number = client.start('daemon.restart')
        for _ in range(100):
            assert client.pending(number)
            same(other.exitcode(other.sh('exit 2')['id']), 2)
            other.call('process.close', process=daemon.ask('process.list')['processes'][-1]['id'])
        asked_again = other.start('daemon.restart')
        for each, which in ((client, number), (other, asked_again)):
            answer = each.reply(which, limit=30)['error']
            assert '10 s' in answer['message'], answer
    same(scene.facts(), scene.before)
    scene.end()


@options(copied=True)
def test_the_broker_dies_during_a_check(daemon):
    """The next one knows nothing of it, and can be restarted."""
    scene = Scene(daemon)
    with open(daemon.program + '.does', 'w', encoding='ascii') as file:
        file.write('h')
    install(daemon, NO_PROCD)
    with Client(daemon.path) as client:
        client.start('daemon.restart')
        client.call('daemon.ping')
        daemon.kill_broker()
    same(scene.facts(), scene.before)
    install(daemon, NEWER)
    replaced(daemon, restart_by_request, 'newer')
    same(scene.facts(), scene.before)
    scene.end()


if __name__ == '__main__':
    main()
