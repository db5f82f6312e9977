#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""events.subscribe: what is told to whom, in which order, and that nothing is ever lost silently."""
from clients import Client, Gate, Peer, fails, same
from harness import LONG, main, options

KEPT = 16384  # events that can still be asked for


def fail_to_spawn(client, count, width=100, meanwhile=None):
    """Makes `count` events of one kind."""
    under_way = []
    for _ in range(count):
        under_way.append(client.start('process.spawn', argv=['/nonexistent']))
        if len(under_way) == width:
            for number in under_way:
                same(client.reply(number)['error']['data']['name'], 'SpawnFailed')
            under_way.clear()
            if meanwhile:
                meanwhile()
    for number in under_way:
        client.reply(number)


def drain_events(client, last):
    """All events until the one of that number."""
    events = [client.event()]
    while max(events[-1]['seq'], events[-1].get('to', 0)) < last:
        events.append(client.event())
    return events


def seqs(events):
    return [event['seq'] for event in events]


def test_since_and_kinds(daemon):
    with Client(daemon.path) as client, Client(daemon.path) as reader, Client(daemon.path) as picky:
        begin = client.call('daemon.hello')['seq']
        children = [client.sh('exit %d' % i, name='n%d' % i)['id'] for i in range(5)]
        for child in children:
            client.join(child)
        fail_to_spawn(client, 1)
        last = client.call('daemon.hello')['seq']
        same(last, begin + 11)
        told = reader.call('events.subscribe', since=begin)
        same((told['last'], told['gap']), (last, False))
        events = drain_events(reader, last)
        same(seqs(events), list(range(begin + 1, last + 1)), 'each once, in order')
        assert all(event['subscription'] == told['subscription'] for event in events)
        for i, child in enumerate(children):
            mine = [event for event in events if event.get('process') == child]
            same([(event['kind'], event['name']) for event in mine],
                 [('process.spawned', 'n%d' % i), ('process.exited', 'n%d' % i)])
            same([mine[1][name] for name in ('exitcode', 'signal', 'core')], [i, None, False])
            same(client.call('process.info', process=child)['seq'], mine[1]['seq'], 'the seq of its state')
        picky.call('events.subscribe', since=begin, kinds=['process.exited', 'process.spawn_failed'])
        chosen = [event for event in events if event['kind'] in ('process.exited', 'process.spawn_failed')]
        got = drain_events(picky, chosen[-1]['seq'])
        same(seqs(got), seqs(chosen))
        # in the middle, and at the end
        with Client(daemon.path) as late:
            late.call('events.subscribe', since=begin + 4)
            same(late.event()['seq'], begin + 5)
        with Client(daemon.path) as late:
            late.call('events.subscribe', since=last, kinds=['process.*'])
            client.sh('exit 0')
            same(late.event()['kind'], 'process.spawned')


def test_of_one_process(daemon):
    with Client(daemon.path) as client, Client(daemon.path) as reader, Gate() as gate:
        child = client.spawn('/bin/cat', _fds=gate.fds, stdin=gate.stdin)['id']
        begin = client.call('daemon.hello')['seq']
        reader.call('events.subscribe', process=child)
        reader.call('events.subscribe', process=child, kinds=['process.spawned'], since=begin)
        for _ in range(5):
            client.exitcode(client.spawn('/bin/true')['id'])
        gate.open()
        event = reader.event()
        same((event['process'], event['kind'], event['exitcode']), (child, 'process.exited', 0))
        reader.call('daemon.ping')
        assert not reader.events, reader.events
        fails('NoSuchProcess', lambda: reader.call('events.subscribe', process=1 << 40))
        fails('InvalidParams', lambda: reader.call('events.subscribe', kinds=['process.none']), param='kinds')


def test_two_subscriptions(daemon):
    with Client(daemon.path) as client, Client(daemon.path) as reader:
        first = reader.call('events.subscribe', kinds=['process.spawned'])['subscription']
        second = reader.call('events.subscribe')['subscription']
        assert first != second
        same(client.call('daemon.info')['subscriptions'], 2)
        child = client.spawn('/bin/true')['id']
        client.join(child)
        got = [reader.event() for _ in range(3)]
        same(sorted((event['subscription'], event['kind']) for event in got),
             sorted([(first, 'process.spawned'), (second, 'process.spawned'), (second, 'process.exited')]))
        same(reader.call('events.unsubscribe', subscription=second), {})
        client.join(client.spawn('/bin/true')['id'])
        same(reader.event()['subscription'], first)
        reader.call('daemon.ping')
        assert not reader.events, 'told after the end of the subscription'
        fails('InvalidParams', lambda: reader.call('events.unsubscribe', subscription=second))
        with Client(daemon.path) as other:
            fails('InvalidParams', lambda: other.call('events.unsubscribe', subscription=first),
                  param='subscription')
        reader.call('events.unsubscribe', subscription=first)
        same(client.call('daemon.info')['subscriptions'], 0)


def test_list_and_since_lose_nothing(daemon):
    """A list, then the events behind its seq: each process and each end once, whatever happens meanwhile."""
    with Client(daemon.path) as busy:
        for turn in range(20):
            numbers = [busy.start('process.spawn', argv=['/bin/true']) for _ in range(60)]
            for number in numbers[:turn * 3]:
                busy.reply(number)
            with Client(daemon.path) as watcher:
                answer = watcher.call('process.list')
                kinds = ['process.spawned', 'process.exited']
                watcher.call('events.subscribe', since=answer['seq'], kinds=kinds)
                states = {each['id']: each['state'] for each in answer['processes']}
                ids = [busy.result(number)['id'] for number in numbers[turn * 3:]]
                for each in ids:
                    busy.join(each)
                last = busy.call('daemon.hello')['seq']
                watcher.call('daemon.ping')
                follow(watcher, states, answer['seq'], last)
                same(states, {each['id']: each['state'] for each in busy.call('process.list')['processes']})


def follow(watcher, states, seq, last):
    """Applies what was told to what was listed."""
    while any(state != 'exited' for state in states.values()) or watcher.events or seq < last - 1:
        event = watcher.event()
        assert seq < event['seq'], 'told twice, or out of order'
        seq, process = event['seq'], event['process']
        if event['kind'] == 'process.spawned':
            assert process not in states, 'listed, and told as new'
            states[process] = 'running'
        else:
            same(states[process], 'running', 'before its end')
            states[process] = 'exited'
        if seq >= last:
            break


@options(limit=300)
def test_a_slow_reader_is_told_of_its_gap(daemon):
    """Far more events than are kept: who reads gets each, who does not gets gaps, and blocks nobody."""
    count = 300000 if LONG else 60000
    with Client(daemon.path) as client, Client(daemon.path) as fast, Client(daemon.path) as slow:
        first = slow.call('events.subscribe')['last'] + 1
        same(fast.call('events.subscribe', since=first - 1)['gap'], False)
        got = []

        def read_fast():
            while fast.pump(0):
                pass
            got.extend(fast.events)
            fast.events.clear()

        fail_to_spawn(client, count, meanwhile=read_fast)
        info = client.call('daemon.info')
        last = info['seq']
        same(last, first + count - 1)
        if not got or got[-1]['seq'] < last:
            got += drain_events(fast, last)
        same(seqs(got), list(range(first, last + 1)), 'the fast reader')
        check_gaps(drain_events(slow, last), first, last)
        assert daemon.sanitized() or info['rss'] < 64 << 20, info
        check_late_readers(daemon, last)


def check_gaps(events, first, last):
    """Each number was told, or is in a gap, in order; and there is a gap."""
    at, gaps = first, 0
    for event in events:
        if event['kind'] == 'gap':
            same(event['from'], at, 'the beginning of a gap')
            assert event['to'] >= at
            at, gaps = event['to'] + 1, gaps + 1
        else:
            same(event['seq'], at, 'silently lost')
            at += 1
    same(at, last + 1)
    assert gaps > 0, 'the premise: it was too slow'


def check_late_readers(daemon, last):
    with Client(daemon.path) as late:
        told = late.call('events.subscribe', since=0)
        # the connection of this reader may have been an event itself, and so on: at least these are kept
        same((told['gap'], told['first']), (True, told['last'] - KEPT + 1))
        event = late.event()
        same((event['kind'], event['from'], event['to']), ('gap', 1, told['first'] - 1))
        same(late.event()['seq'], told['first'])
    with Client(daemon.path) as late:
        same(late.call('events.subscribe', since=told['first'] - 1)['gap'], False, 'nothing is missing')
        same(late.event()['seq'], told['first'])


def test_since_of_another_epoch(daemon):
    with Client(daemon.path) as client, Client(daemon.path) as reader:
        last = client.call('daemon.hello')['seq']
        told = reader.call('events.subscribe', since=last + 1000)
        same((told['gap'], told['last']), (True, last))
        child = client.spawn('/bin/true')['id']
        same((reader.event()['seq'], reader.event()['seq'], child > 0), (last + 1, last + 2, True))
        for bad in (-1, 'x', 1.5, 1 << 53):
            fails('InvalidParams', lambda: reader.call('events.subscribe', since=bad), param='since')


def test_clients_and_restarts_are_told(daemon):
    with Client(daemon.path) as client:
        begin = client.call('events.subscribe', kinds=['client.*'])['last']
        with Peer(daemon.path) as peer:
            same(client.event()['pid'], peer.pid)
            peer.do('connect')
            peer.do('drop')
            peer.call('daemon.ping')  # its last connection was accepted, and is not that of a dead process
        event = client.event()
        same((event['kind'], event['pid']), ('client.gone', peer.pid))
        daemon.kill_broker()
    with Client(daemon.path) as client:
        told = client.call('events.subscribe', since=begin)
        same(told['gap'], False, 'the events outlive the broker')
        kinds = [event['kind'] for event in drain_events(client, told['last'])]
        same(kinds, ['client.connected', 'client.gone', 'daemon.restarted'])


if __name__ == '__main__':
    main()
