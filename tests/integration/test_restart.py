#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The broker dies, or is replaced: nothing is lost, and nothing is done twice."""
import os
import random
import re
import signal
import threading
import time

import harness
from clients import SOON, Client, Gate, Lasting, Peer, fails, same, wait_for, windowed
from harness import LONG, children_of, is_dead, main, options, stat_of


def exit_script(code):
    return ['/bin/sh', '-c', 'read x; exit %d' % code]


def spawn_waiting(client, gate, code, **params):
    return client.start('process.spawn', _fds=gate.fds, argv=exit_script(code), stdin=gate.stdin, **params)


# ---------------------------------------------------------------- a broker dies

def test_100_children_outlive_the_broker(daemon):
    """Some exit before, some while there is none, some after: all 100 statuses arrive."""
    gates = [Gate() for _ in range(4)]
    with Client(daemon.path) as client:
        numbers = [spawn_waiting(client, gates[i % 4], i) for i in range(100)]
        ids = [client.result(number)['id'] for number in numbers]
        for each in ids:
            client.start('process.join', process=each)
        gates[0].open()
        wait_for(lambda: daemon.info()['processes']['ended'] == 25)
        infos = {each['id']: each for each in client.call('process.list')['processes']}
        held = daemon.without_broker()
        gates[1].open()
        pids = [infos[each]['pid'] for each in ids[1::4]]
        wait_for(lambda: all(is_dead(pid) for pid in pids), 'exits while no broker is there')
        assert client.gone(), 'its connection is gone with the broker'
        os.kill(held, signal.SIGCONT)
    with Client(daemon.path) as client:
        joins = [client.start('process.join', process=each) for each in ids]
        gates[2].open()
        wait_for(lambda: client.call('daemon.info')['processes']['ended'] == 75)
        assert client.pending(joins[-1])
        assert daemon.kill_broker() != held
        gates[3].open()
    with Client(daemon.path) as client:
        joins = [client.start('process.join', process=each) for each in ids]
        same([client.result(number)['exitcode'] for number in joins], list(range(100)))
        same(client.call('daemon.info')['restarts'], 2)


def test_what_is_known_outlives_the_broker(daemon):
    """Ended processes, names, labels, counters of names, seq, epoch, keys."""
    last = Lasting(daemon.path)
    first = {'argv': ['/bin/sh', '-c', 'exit 9'], 'labels': {'a': 'b', 'c': ''}, '_key': 'one'}
    ended = last.call('process.spawn', **first)
    last.call('process.join', process=ended['id'])
    living = last.call('process.spawn', argv=['/bin/sleep', '1000'], name='long', cwd='/usr',
                       stop_signal='SIGUSR1')
    third = last.call('process.spawn', argv=['/bin/sleep', '1000'])
    same([ended['name'], third['name']], ['Process-1', 'Process-3'])
    fails('SpawnFailed', lambda: last.call('process.spawn', argv=['/nonexistent'], _key='bad'))
    before, hello = last.call('process.list'), last.call('daemon.hello')
    for kill in range(1, 4):
        daemon.kill_broker()
        after = last.call('process.list')
        same(after['processes'], before['processes'], 'after %d kills' % kill)
        assert after['seq'] > before['seq']
        again = last.call('daemon.hello')
        same(again['epoch'], hello['epoch'])
        same(last.call('process.spawn', **first), ended)
        fails('SpawnFailed', lambda: last.call('process.spawn', argv=['/nonexistent'], _key='bad'))
        fails('InvalidRequest', lambda: last.call('process.spawn', argv=['/bin/true'], _key='one'))
    same(last.call('process.join', process='Process-1')['exitcode'], 9)
    same(last.call('process.spawn', argv=['/bin/true'])['name'], 'Process-4')
    same(last.call('process.list', labels={'a': 'b'})['processes'][0]['id'], ended['id'])
    same(last.call('process.stop', process='long')['signal'], 'SIGUSR1')
    same(last.call('process.info', process=living['id'])['cwd'], '/usr')
    fails('StillRunning', lambda: last.call('process.close', process=third['id']))
    last.close()


def test_failed_spawns_do_not_come_back(daemon):
    """The broker dies when it has told of one: the next must not take any for a child that is to begin, which
    would be waited for at the end."""
    for _ in range(20):
        broker = daemon.broker_pid
        with Client(daemon.path) as client:
            numbers = [client.start('process.spawn', argv=['/nonexistent']) for _ in range(20)]
            answer = client.reply(numbers[0])
            os.kill(broker, signal.SIGKILL)
            same(answer['error']['data']['name'], 'SpawnFailed')
        wait_for(lambda: daemon.broker_pid != broker, 'another broker')


def test_a_large_state_outlives_the_broker(daemon):
    """More than one snapshot's worth, in the journal and behind it."""
    count, label = 3000, 'x' * 1000
    spawn = ('process.spawn', {'argv': ['/bin/true', label], 'labels': {'label': label}})
    with Client(daemon.path) as client:
        ids = [answer['result']['id'] for answer in windowed(client, [spawn] * count)]
        for each in ids:
            client.join(each)
        for each in ids[::3]:
            client.call('process.close', process=each)
        before = client.call('process.list')['processes']
        same([each['id'] for each in before], [each for i, each in enumerate(ids) if i % 3])
    for _ in range(3):
        daemon.kill_broker()
        with Client(daemon.path) as client:
            assert client.call('process.list')['processes'] == before, 'another list'
            client.exitcode(client.spawn('/bin/true')['id'])
            client.call('process.close', process='Process-%d' % (count := count + 1))


def test_joiners_ask_again(daemon):
    """Joiners of several connections and processes lose their broker, twice, and still get their answer."""
    with Gate() as gate:
        first = Lasting(daemon.path)
        child = first.call('process.spawn', argv=exit_script(7), stdin=gate.stdin, _gate=gate)['id']
        answers, joiners = [], [Lasting(daemon.path) for _ in range(8)]

        def join(each):
            answers.append(each.call('process.join', process=child))

        threads = [threading.Thread(target=join, args=[each]) for each in joiners]
        for thread in threads:
            thread.start()
        for turn in range(2):
            # they, the first's and the call's; until it is killed, the first broker has the harness's, too
            wait_for(lambda: daemon.info()['connections'] == (11 if turn == 0 else 10))
            daemon.kill_broker()
            first.call('daemon.ping')
            wait_for(lambda: all(each.lost > turn for each in joiners))
        gate.open()
        for thread in threads:
            thread.join(SOON)
        same([answer['exitcode'] for answer in answers], [7] * 8)
        for each in [first, *joiners]:
            each.close()


def keyed_spawn(key):
    return {'_key': key, 'argv': ['/bin/sleep', '1000'], 'labels': {'key': key}}


@options(limit=120)
def test_keys_make_each_process_once(daemon):
    """The broker dies in bursts of spawns with keys: asked again, each process is there exactly once."""
    chance, made = random.Random(3), {}
    for burst in range(20 if LONG else 6):
        keys = ['key-%d-%d' % (burst, i) for i in range(60)]
        with Client(daemon.path) as client:
            numbers = {client.start('process.spawn', **keyed_spawn(key)): key for key in keys}
            wanted = chance.randrange(60)
            while len(client.replies) < wanted:
                client.pump(1)
            daemon.kill_broker()
            assert client.gone()
            for number, reply in client.replies.items():
                made[numbers[number]] = reply['result']['id']
        last = Lasting(daemon.path)
        for key in keys:
            answer = last.call('process.spawn', **keyed_spawn(key))
            same(answer['labels'], {'key': key})
            same(made.setdefault(key, answer['id']), answer['id'], 'the process of ' + key)
        seen = last.call('process.list')['processes']
        last.close()
        same(sorted(each['labels']['key'] for each in seen), sorted(made), 'each once')
        same(sorted(each['id'] for each in seen), sorted(made.values()))
        assert all(each['state'] == 'running' for each in seen)


def test_spawns_with_descriptors_during_a_kill(daemon):
    """Their descriptors went down with the broker: asked again with new ones, each runs once."""
    folder = daemon.dir
    last = Lasting(daemon.path)
    for burst in range(4):
        with Client(daemon.path) as client, Gate() as gate:
            spawns = [{'argv': ['/bin/sh', '-c', 'read x; echo x >>%s/out-%d-%d' % (folder, burst, i)],
                       '_key': '%d-%d' % (burst, i), 'stdin': gate.stdin} for i in range(40)]
            for params in spawns:
                client.start('process.spawn', _fds=gate.fds, **params)
            while burst > 0 and len(client.replies) < burst * 10:
                client.pump(1)
            daemon.kill_broker()
            for params in spawns:
                assert last.call('process.spawn', _gate=gate, **params)['id'] > 0
            gate.open()
            for each in last.call('process.list')['processes']:
                same(last.call('process.join', process=each['id'])['exitcode'], 0)
        for i in range(40):
            with open('%s/out-%d-%d' % (folder, burst, i), encoding='ascii') as file:
                same(file.read(), 'x\n', 'ran once')
    last.close()


@options(limit=200)
def test_50_kills_under_load(daemon):
    """At random moments, while processes begin, end, are joined, signalled and closed."""
    kills, chance, stop = (200 if LONG else 50), random.Random(4), threading.Event()
    counts = []

    def load(number):
        last, turn = Lasting(daemon.path), 0
        try:
            while not stop.is_set():
                turn += 1
                code = turn % 200
                key = 'load-%d-%d' % (number, turn)
                child = last.call('process.spawn', _key=key, argv=['/bin/sh', '-c', 'exit %d' % code])['id']
                same(last.call('process.join', process=child)['exitcode'], code)
                same(last.call('process.close', _key=key + 'c', process=child), {})
                fails('NoSuchProcess', lambda: last.call('process.info', process=child))
            counts.append(turn)
        finally:
            last.close()

    threads = [threading.Thread(target=load, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(kills):
            moment = time.monotonic() + chance.random() * 0.04
            wait_for(lambda: time.monotonic() >= moment, step=0.001)
            daemon.kill_broker()
    finally:
        stop.set()
        for thread in threads:
            thread.join(SOON)
    same(len(counts), 3, 'every load went to its end')
    assert min(counts) > 0
    info = daemon.info()
    same((info['restarts'], info['processes']), (kills, {'running': 0, 'ended': 0}))


def test_the_listening_socket_stays(daemon):
    """One can connect and ask while there is no broker; the answer comes when there is one."""
    held = daemon.without_broker()
    clients = [Client(daemon.path) for _ in range(20)]
    numbers = [client.start('daemon.info') for client in clients]
    assert not any(client.pump(0) for client in clients)
    os.kill(held, signal.SIGCONT)
    same({client.result(number)['broker_pid'] for client, number in zip(clients, numbers)}, {held})


def test_creator_dies_while_there_is_no_broker(daemon):
    """Its child that was to end with it does, once there is a broker; the others live."""
    with Peer(daemon.path) as peer:
        ends = peer.call('process.spawn', argv=['/bin/sleep', '1000'], daemon=True)
        stays = peer.call('process.spawn', argv=['/bin/sleep', '1000'])
        held = daemon.without_broker()
        peer.kill()
    assert not is_dead(ends['pid'])
    os.kill(held, signal.SIGCONT)
    with Client(daemon.path) as client:
        same(client.join(ends['id'])['signal'], 'SIGTERM')
        same(client.call('process.is_alive', process=stays['id']), {'alive': True})


def test_a_stop_outlives_the_broker(daemon):
    """Its grace goes on."""
    with Client(daemon.path) as client:
        read, write = os.pipe()
        child = client.sh('trap "" TERM; echo; while :; do sleep 0.05; done', _fds=[write], stdout={'fd': 0})
        os.close(write)
        os.read(read, 1)
        os.close(read)
        client.start('process.stop', process=child['id'], grace=1)
        client.call('daemon.ping')
        daemon.kill_broker()
    with Client(daemon.path) as client:
        same(client.exitcode(child['id']), -9)


def test_the_look_up_helper_dies(daemon):
    """A new one takes its place, and requests that need it go on."""
    with Client(daemon.path) as client:
        for _ in range(3):
            helpers = [pid for pid in children_of(daemon.keeper_pid) if pid != daemon.broker_pid]
            same(len(helpers), 1)
            os.kill(helpers[0], signal.SIGKILL)
            same(client.exitcode(client.spawn('/bin/true')['id']), 0)
            gone = {daemon.broker_pid, *helpers}
            wait_for(lambda: set(children_of(daemon.keeper_pid)) - gone, 'a new helper')


def test_what_is_gone_stays_gone(daemon):
    """Failed and closed at the moment of the kill: the keeper has them in its table, the state does not."""
    last = Lasting(daemon.path)
    for turn in range(15):
        child = last.call('process.spawn', argv=['/bin/true'])
        last.call('process.join', process=child['id'])
        fails('SpawnFailed', lambda: last.call('process.spawn', argv=['/nonexistent'], _key='f%d' % turn))
        last.call('process.close', process=child['id'], _key='c%d' % turn)
        os.kill(daemon.broker_pid, signal.SIGKILL)
        same(last.call('process.list')['processes'], [])
    last.close()  # a child that is being started for ever would keep the daemon from its end


# ---------------------------------------------------------------- a state that is fatal

FATAL = ['before they served: the next begins with an EMPTY state', 'the state was fatal to three brokers']


def anew(daemon, break_state):
    """Whatever the state was, the children are kept, and the numbers are those of another epoch."""
    last = Lasting(daemon.path)
    hello = last.call('daemon.hello')
    with Gate() as gate:
        first = last.call('process.spawn', argv=exit_script(9), stdin=gate.stdin, name='first', _key='one',
                          _gate=gate)
        ended = last.call('process.spawn', argv=['/bin/sh', '-c', 'exit 7'])
        same(last.call('process.join', process=ended['id'])['exitcode'], 7)
        stopped = last.call('process.spawn', argv=['/bin/sleep', '1000'])
        last.call('process.signal', process=stopped['id'], signal='SIGSTOP')
        wait_for(lambda: last.call('process.info', process=stopped['id'])['state'] == 'stopped')
        break_state()
        again = last.call('daemon.hello')
        assert again['epoch'] != hello['epoch'], 'the epoch stays'
        same(daemon.info()['pid'], daemon.keeper_pid, 'the same keeper')
        same(last.call('process.info', process='first')['id'], first['id'])
        # what was acknowledged by the brokers before is told again
        same(last.call('process.join', process=ended['id'])['exitcode'], 7)
        wait_for(lambda: last.call('process.info', process=stopped['id'])['state'] == 'stopped')
        newest = last.call('process.spawn', argv=['/bin/true'], _key='one')
        assert newest['id'] > stopped['id'], 'an id comes again'
        gate.open()
        same(last.call('process.join', process=first['id'])['exitcode'], 9)
        last.call('process.kill', process=stopped['id'])
        same(last.call('process.join', process=stopped['id'])['exitcode'], -9)
    # it is a state like any other from then on
    daemon.kill_broker()
    same(last.call('daemon.hello')['epoch'], again['epoch'])
    same(last.call('process.join', process=ended['id'])['exitcode'], 7)
    last.close()


@options(allow=FATAL)
def test_three_brokers_die_before_they_serve(daemon):
    def break_state():
        held = daemon.without_broker()
        # one that was too quick to be stopped has served: it does not count
        while 'EMPTY state' not in daemon.log():
            held = daemon.hold_next(held)
        os.kill(held, signal.SIGCONT)

    anew(daemon, break_state)


@options(limit=150)
def test_an_input_that_is_fatal(_):
    """The broker dies of it when it is on record, and each next one that reads it; three times, and aloud."""
    def break_state():
        with Client(daemon.path) as client:
            client.note('event.set', name='/fatal')
            assert client.gone()
        wait_for(lambda: 'EMPTY state' in daemon.log(), 'the loud word')

    ours = harness.PROCD
    harness.PROCD = os.path.join(os.environ.get('TOP_BUILDDIR', '.'), 'tests/integration/procd_fatal')
    try:
        with harness.Daemon(allow=FATAL) as daemon:
            anew(daemon, break_state)
            log = daemon.log()
            same(log.count('the broker ended (signal 9)'), 4 + 1, 'the first, three that read it, and a kill')
            for line in FATAL:
                same(len(re.findall('^<3>.*' + line, log, re.M)), 1, line)
            same(daemon.ask('object.list')['objects'], [])
    finally:
        harness.PROCD = ours


def link_of(path):
    try:
        return os.readlink(path)
    except FileNotFoundError:  # closed since it was listed: the keeper tidies up
        return ''


@options(allow=[*FATAL, 'state memory, replay: ', 'start: Bad message'], root=True)
def test_a_state_that_cannot_be_read(daemon):
    def break_state():
        folder = '/proc/%d/fd/' % daemon.keeper_pid
        paths = [folder + name for name in os.listdir(folder)]
        state = next(path for path in paths if 'procd-state' in link_of(path))
        with open(state, 'r+b') as file:
            file.seek(4096 + 64)
            byte = file.read(1)
            file.seek(4096 + 64)
            file.write(bytes([byte[0] ^ 1]))
        os.kill(daemon.broker_pid, signal.SIGKILL)

    anew(daemon, break_state)


# ---------------------------------------------------------------- daemon.restart

def restart_by_request(daemon):
    same(daemon.ask('daemon.restart'), {})


def restart_by_signal(daemon):
    os.kill(daemon.keeper_pid, signal.SIGHUP)


def test_restart(daemon):
    for restart in (restart_by_request, restart_by_signal, restart_by_request):
        with Client(daemon.path) as client, Gate() as gate:
            child = client.spawn(*exit_script(8), _fds=gate.fds, stdin=gate.stdin)
            before, broker = client.call('process.list'), daemon.broker_pid
            restarts = daemon.info()['restarts']
            restart(daemon)
            wait_for(lambda: daemon.broker_pid != broker, 'another broker')
            same(daemon.info()['pid'], daemon.keeper_pid, 'the same keeper')
            same(daemon.info()['restarts'], restarts + 1)
            assert client.gone()
            with Client(daemon.path) as again:
                same(again.call('process.list')['processes'], before['processes'])
                gate.open()
                same(again.exitcode(child['id']), 8)


def test_restart_while_there_is_no_broker(daemon):
    """The signal comes together with the broker's end: the next one is replaced, as that was meant."""
    broker, keeper = daemon.broker_pid, daemon.keeper_pid
    os.kill(keeper, signal.SIGSTOP)
    wait_for(lambda: stat_of(keeper)[1] == 'T')
    os.kill(broker, signal.SIGKILL)
    wait_for(lambda: is_dead(broker))
    os.kill(keeper, signal.SIGHUP)
    os.kill(keeper, signal.SIGCONT)
    wait_for(lambda: daemon.info()['restarts'] == 2)


def test_restart_under_load(daemon):
    """Nothing is lost between two brokers."""
    last = Lasting(daemon.path)
    for turn in range(10):
        with Client(daemon.path) as client:
            spawns = [{'_key': 'r%d-%d' % (turn, i), 'argv': ['/bin/sh', '-c', 'exit %d' % i]}
                      for i in range(30)]
            for params in spawns:
                client.start('process.spawn', **params)
            restart_by_request(daemon)
            ids = [last.call('process.spawn', **params)['id'] for params in spawns]
            same([last.call('process.join', process=each)['exitcode'] for each in ids], list(range(30)))
    same(daemon.info()['processes'], {'running': 0, 'ended': 300})
    last.close()


if __name__ == '__main__':
    main()
