#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clients that others have written for JSON-RPC 2.0, each over the Unix socket as it is: json-rpc-2.0 (npm)
by node, and aiorpcX (Debian: python3-aiorpcx). Each is left out where it is not installed; nothing is fetched
here."""
import contextlib
import json
import os
import shutil
import subprocess
import sys

from clients import ready, same
from harness import Skip, main

HERE = os.path.dirname(os.path.abspath(__file__))


def can(*command):
    return shutil.which(command[0]) and subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                                                       check=False).returncode == 0


def node():
    for program in ('node', 'nodejs'):
        if can(program, '-e', 'require("json-rpc-2.0")'):
            return [program, os.path.join(HERE, 'outside_client.js')]
    raise Skip('no node with json-rpc-2.0: npm install it, and say where by NODE_PATH')


def aiorpcx():
    # Debian's packages are for Debian's python
    for program in (sys.executable, '/usr/bin/python3'):
        if can(program, '-c', 'import aiorpcx'):
            return [program, '-B', os.path.join(HERE, 'outside_client.py')]
    raise Skip('no aiorpcX: Debian has it as python3-aiorpcx')


class Outside:
    """The other program, which has one connection."""
    def __init__(self, command, path):
        self.process = subprocess.Popen([*command, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self.process.pid

    def tell(self, **order):
        self.process.stdin.write(json.dumps(order).encode() + b'\n')
        self.process.stdin.flush()

    def hear(self):
        assert ready(self.process.stdout, 20), 'it does not answer'
        return json.loads(self.process.stdout.readline())

    def do(self, **order):
        self.tell(**order)
        return self.hear()

    def call(self, method, **params):
        answer = self.do(do='request', method=method, params=params)
        assert 'result' in answer, answer
        return answer['result']

    def fails(self, method, **params):
        return self.do(do='request', method=method, params=params)['error']

    def end(self):
        self.process.stdin.close()
        same(self.process.wait(20), 0, 'exit status of the client')
        self.process.stdout.close()


@contextlib.contextmanager
def outside(command, path):
    client = Outside(command, path)
    try:
        yield client
        client.end()
    finally:
        if client.process.poll() is None:
            client.process.kill()
            client.process.wait()


# ---------------------------------------------------------------- what each of them must find

def results_and_errors(client):
    same(client.call('daemon.ping'), {})
    hello = client.call('daemon.hello', client='outside')
    same((hello['protocol'], hello['peer']['pid']), (1, client.pid))
    same(client.fails('lock.steal')['code'], -32601)
    same(client.fails('process.info')['code'], -32602)
    error = client.fails('process.info', process='nobody')
    same((error['code'], error['message']), (-32001, 'no such process'))
    # of those that keep it
    same(error.get('data', {'name': 'NoSuchProcess'}), {'name': 'NoSuchProcess'})
    name = 'köln ✓ \u2028 \U0001f600 "\\'
    process = client.call('process.spawn', argv=['/bin/sh', '-c', 'exit 3', name], name=name)
    same((process['name'], process['argv'][-1]), (name, name))
    same(client.call('process.join', process=name)['exitcode'], 3)
    same(client.call('rpc.discover')['openrpc'], '1.2.6')


def many_at_once(client):
    """Answers in any order; each is that of its request."""
    requests = [['process.spawn', {'argv': ['/bin/sh', '-c', 'exit %d' % number]}] for number in range(50)]
    spawned = [each['result']['id'] for each in client.do(do='all', requests=requests)]
    same(len(set(spawned)), 50)
    joined = client.do(do='all', requests=[['process.join', {'process': each}] for each in reversed(spawned)])
    same([each['result']['exitcode'] for each in joined], list(reversed(range(50))))


def notifications(client):
    """Those that it sends are done and not answered; those that it gets are events."""
    last = client.call('events.subscribe', kinds=['object.*'])['last']
    same(client.do(do='notify', method='event.set', params={'name': 'outside'}), True)
    same(client.call('event.is_set', name='outside'), {'set': True})
    event = client.do(do='event')
    same((event['kind'], event['object'], event['seq']), ('object.created', 'outside', last + 1))
    client.call('object.unlink', name='outside')
    same(client.do(do='event')['kind'], 'object.unlinked')


def waits(client, other):
    """One waits for the other; a wait is given up by its id, which these clients do not tell: by its time."""
    token = client.call('lock.acquire', name='l')['token']
    other.tell(do='request', method='lock.acquire', params={'name': 'l', 'timeout': 20})
    while not client.call('object.info', name='l')['waiters']:
        pass
    client.call('lock.release', name='l', token=token)
    result = other.hear()['result']
    same((result['acquired'], result['token'] > token), (True, True))
    same(client.call('lock.acquire', name='l', timeout=0), {'acquired': False, 'abandoned': False})
    other.call('object.unlink', name='l')


def all_of_it(command, path):
    with outside(command, path) as client, outside(command, path) as other:
        results_and_errors(client)
        many_at_once(client)
        notifications(client)
        waits(client, other)


def test_json_rpc_2_0(daemon):
    all_of_it(node(), daemon.path)


def test_aiorpcx(daemon):
    all_of_it(aiorpcx(), daemon.path)


main()
