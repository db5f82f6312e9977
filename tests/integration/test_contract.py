#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""rpc.discover: an OpenRPC document, by OpenRPC's own schema where that is installed; every method answers as
it says; and the checks that hold every answer of all these tests against it do find what is wrong."""
import copy
import json
import os
import shutil
import subprocess

from clients import Client, Gate, fails, same, wait_for
from contract import Contract
from harness import Skip, main
from json_schema import TYPES, Schemas

# A JSON Schema (draft 7) as far as json_schema.py goes; OpenRPC's own schema refers to another one for it.
ANY, TEXT, COUNT = {'$ref': '#any'}, {'type': 'string'}, {'type': 'integer', 'minimum': 0}
MANY = {'type': 'array', 'minItems': 1, 'items': ANY}
NAMED = {'type': 'object', 'additionalProperties': ANY}
NAME = {'enum': list(TYPES)}
REFERENCE = 'https://meta.json-schema.tools/#/definitions/JSONSchemaObject/properties/$ref'
ANY_SCHEMA = {'type': ['object', 'boolean'], 'additionalProperties': False, 'properties': {
    'title': TEXT, 'description': TEXT, '$ref': TEXT, 'pattern': TEXT,
    'enum': {'type': 'array', 'minItems': 1},
    'const': {}, 'default': {}, 'type': {'oneOf': [NAME, {'type': 'array', 'items': NAME}]},
    'properties': NAMED, 'patternProperties': NAMED, 'additionalProperties': ANY, 'not': ANY,
    'required': {'type': 'array', 'items': TEXT, 'uniqueItems': True},
    'items': {'oneOf': [ANY, MANY]}, 'oneOf': MANY, 'anyOf': MANY, 'allOf': MANY,
    'minItems': COUNT, 'maxItems': COUNT, 'minLength': COUNT, 'maxLength': COUNT,
    'minimum': {'type': 'number'}, 'maximum': {'type': 'number'}}}


def meta_schema():
    """That of OpenRPC, from npm's @open-rpc/meta-schema, which node finds by itself or through NODE_PATH."""
    node = shutil.which('node') or shutil.which('nodejs')
    if not node:
        raise Skip('no node')
    text = 'console.log(JSON.stringify(require("@open-rpc/meta-schema").default))'
    done = subprocess.run([node, '-e', text], capture_output=True, check=False)
    if done.returncode:
        raise Skip('node has no @open-rpc/meta-schema: npm install it, and say where by NODE_PATH')
    return json.loads(done.stdout)


def test_is_openrpc(daemon):
    document, meta = daemon.ask('rpc.discover'), meta_schema()
    elsewhere = {'https://meta.json-schema.tools': ANY_SCHEMA, '#any': ANY_SCHEMA, REFERENCE: TEXT}
    is_right = Schemas(meta, elsewhere).compile(meta)
    same(is_right(document), None)
    # and finds what is wrong
    for spoil in (lambda doc: doc.pop('info'), lambda doc: doc.update(more=1),
                  lambda doc: doc['methods'][3].pop('params'), lambda doc: doc.update(openrpc='1.9'),
                  lambda doc: doc['methods'][9]['result'].pop('schema'),
                  lambda doc: doc['methods'][9]['params'][0].update(required='yes'),
                  lambda doc: doc['methods'][9]['params'][0]['schema'].update(type='text'),
                  lambda doc: doc['components']['errors']['Deadlock'].update(code='x')):
        wrong = copy.deepcopy(document)
        spoil(wrong)
        assert is_right(wrong), 'not seen'


def test_same_by_procctl(daemon):
    program = os.environ.get('PROCCTL') or os.path.join(os.environ['TOP_BUILDDIR'], 'procctl')
    done = subprocess.run([program, '-s', daemon.path, 'schema'], stdout=subprocess.PIPE, check=True)
    same(json.loads(done.stdout), daemon.ask('rpc.discover'))


# ---------------------------------------------------------------- every method

def requests():
    """(method, params) that are done one after the other, but for those that other parts of the test ask."""
    yield from (('daemon.hello', {'client': 'a test'}), ('daemon.info', {}), ('daemon.ping', {}))
    yield 'process.spawn', {'argv': ['/bin/cat'], 'name': 'cat', 'stdin': {'fd': 0}, 'labels': {'a': 'b'}}
    yield from (('process.' + name, {'process': 'cat'}) for name in ('info', 'is_alive'))
    yield from (('process.join', {'process': 'cat', 'timeout': 0}), ('process.list', {'labels': {'a': 'b'}}))
    yield 'process.signal', {'process': 'cat', 'signal': 'SIGCONT'}
    yield from (('process.' + name, {'process': 'cat'}) for name in ('terminate', 'kill', 'stop', 'join'))
    yield from (('process.' + name, {'process': 'cat'}) for name in ('info', 'logs', 'close'))
    yield 'process.spawn', {'argv': ['/bin/cat'], 'name': 'tty', 'stdin': 'pty', 'winsize': [24, 80]}
    yield from (('process.' + name, {'process': 'tty'}) for name in ('attach', 'kill', 'join'))
    yield 'process.spawn', {'argv': ['/bin/true'], 'name': 'attached', 'stdout': 'pty', 'attach': True,
                            'pidfd': True}
    yield 'process.join', {'process': 'attached'}
    yield 'process.spawn', {'argv': ['/bin/cat'], 'name': 'zygote', 'zygote': 0}
    yield 'process.join', {'process': 'zygote', 'timeout': 0}
    yield from (('process.kill', {'process': 'zygote'}), ('process.join', {'process': 'zygote'}))
    yield 'process.spawn', {'argv': ['/bin/true'], 'name': 'copy', 'zygote': 1}
    yield 'process.join', {'process': 'copy'}
    yield 'process.wait', {'processes': [], 'mode': 'all'}
    for kind in ('lock', 'rlock', 'semaphore', 'bounded_semaphore', 'event', 'condition'):
        yield 'object.create', {'kind': kind, 'name': kind, 'trace': True}
    yield 'object.create', {'kind': 'barrier', 'parties': 1, 'name': 'barrier'}
    yield from ((method, {'name': method.split('.')[0]}) for method in (
        'lock.acquire', 'rlock.acquire', 'semaphore.acquire', 'event.set', 'event.is_set', 'event.wait'))
    yield from (('object.list', {}), ('object.graph', {}), ('lock.release', {'name': 'lock'}))
    yield 'object.create', {'kind': 'lock', 'name': 'mapped'}
    yield from (('object.map', {'name': name}) for name in ('mapped', 'lock', 'semaphore'))
    yield 'rlock.acquire', {'name': 'condition.lock'}
    yield 'condition.wait', {'name': 'condition', 'timeout': 0}
    yield from ((method, {'name': method.split('.')[0]}) for method in (
        'condition.notify', 'condition.notify_all', 'rlock.release', 'semaphore.release', 'event.clear',
        'barrier.wait', 'barrier.reset', 'barrier.abort'))
    yield from (('barrier.reset', {'name': 'barrier'}), ('barrier.wait', {'name': 'barrier', 'action': True}))
    yield 'barrier.done', {'name': 'barrier', 'ok': True}
    for kind in ('lock', 'bounded_semaphore', 'event', 'condition', 'barrier'):
        yield from (('object.' + name, {'name': kind}) for name in ('open', 'info'))
    yield from (('object.break', {'name': 'lock'}), ('object.close', {'name': 'lock'}))
    yield from (('object.unlink', {'name': name}) for name in (
        'mapped', 'rlock', 'semaphore', 'bounded_semaphore', 'event', 'condition', 'condition.lock',
        'barrier'))
    yield from (('events.subscribe', {'since': 0}), ('events.unsubscribe', {'subscription': 1}))
    yield from (('cancel', {'id': 'x'}), ('daemon.restart', {}))


def test_every_method_as_it_says(daemon):
    """There is a result of each; all of them are held against the document by Client."""
    before, done, broker = Client.contract.judged, {'rpc.discover', 'daemon.stop'}, daemon.broker_pid
    with Gate() as gate, Client(daemon.path) as client:
        for method, params in requests():
            fds = gate.fds if params.get('stdin') == {'fd': 0} else ()
            message = client.reply(client.start(method, fds, **params))
            assert 'result' in message, message
            for fd in message['_fds']:
                os.close(fd)
            done.add(method)
    wait_for(lambda: daemon.broker_pid not in (0, broker), 'the next broker')
    same(done, set(Client.contract.results), 'methods whose result was seen')
    assert Client.contract.judged - before > len(done)


def test_errors_as_it_says(daemon):
    """One of each that a client can bring about alone, with all that its data has."""
    with Client(daemon.path) as client, Client(daemon.path) as other:
        client.call('object.create', kind='event', name='e')
        client.call('lock.acquire', name='l')
        client.call('object.create', kind='barrier', name='b', parties=2)
        client.call('barrier.abort', name='b')
        running = client.spawn('/bin/sleep', '1000')['id']
        client.call('object.create', kind='lock', name='m')
        attached = client.spawn('/bin/sleep', '1000', stdin='pty')['id']
        ends = client.reply(client.start('process.attach', process=attached))['_fds']
        client.call('object.create', kind='condition', name='c')
        for name, method, params in (
                ('MethodNotFound', 'lock.steal', {}),
                ('InvalidParams', 'object.info', {}),
                ('NoSuchProcess', 'process.info', {'process': 1000}),
                ('NoSuchObject', 'object.info', {'name': 'x'}),
                ('SpawnFailed', 'process.spawn', {'argv': ['/nope']}),
                ('NotOwner', 'lock.release', {'name': 'l', 'token': 1}),
                ('TooManyReleases', 'lock.release', {'name': 'm'}),
                ('Deadlock', 'lock.acquire', {'name': 'l'}),
                ('BrokenBarrier', 'barrier.wait', {'name': 'b'}),
                ('WrongKind', 'lock.acquire', {'name': 'e'}),
                ('AlreadyExists', 'object.create', {'kind': 'event', 'name': 'e'}),
                ('StillRunning', 'process.close', {'process': running}),
                ('NoTerminal', 'process.attach', {'process': running}),
                ('AlreadyAttached', 'process.attach', {'process': attached}),
                ('NotHeld', 'condition.notify', {'name': 'c'})):
            fails(name, lambda ask=(method, params): client.call(ask[0], **ask[1]))
        for fd in ends:
            os.close(fd)
        waits = other.start('lock.acquire', name='l', timeout=1000)
        other.call('cancel', id=waits)
        fails('Cancelled', lambda: other.result(waits))
        waits = other.start('lock.acquire', name='l', timeout=1000)
        client.call('object.unlink', name='l')
        fails('ObjectGone', lambda: other.result(waits))
        for line in (b'{', b'[]', b'{"jsonrpc":"2.0","id":1,"id":2,"method":"daemon.ping"}'):
            client.raw(line + b'\n')
            reply = client.reply(None)
            assert reply['error']['data']['name'] in ('ParseError', 'InvalidRequest'), reply
        for name in ('e', 'b', 'm', 'c'):
            client.call('object.unlink', name=name)


# ---------------------------------------------------------------- the checks themselves

def spoiled(message):
    """The same message with something wrong, in as many ways as there are."""
    for part in ('result', 'error'):
        for name in message.get(part, {}):
            yield {**message, part: {key: value for key, value in message[part].items() if key != name}}
            yield {**message, part: {**message[part], name: {'another': 'value'}}}
        if part in message:
            yield {**message, part: {**message[part], 'one_more': 1}}
    yield {**message, 'result': {}, 'error': {}}
    yield {**message, 'jsonrpc': '1.0'}
    yield {**message, 'more': None}


def seen(contract, message, asked):
    """Is it seen that something is wrong?"""
    try:
        contract.judge(message, asked)
    except AssertionError:
        return True
    return False


def test_the_checks_find_what_is_wrong(daemon):
    contract = Contract(daemon.ask('rpc.discover'))
    with Client(daemon.path) as client:
        client.call('object.create', kind='lock', name='l')
        asked = [('object.info', {'name': 'l'}), ('process.wait', {'processes': []}), ('daemon.info', {}),
                 ('lock.acquire', {'name': 'l'}), ('lock.acquire', {'name': 'l'}),
                 ('process.spawn', {'argv': ['/nope']})]
        answers = [client.reply(client.start(method, **params)) for method, params in asked]
        client.call('events.subscribe', since=0, kinds=['object.created'])
        event = {'jsonrpc': '2.0', 'method': 'event', 'params': client.event()}
        client.call('object.unlink', name='l')
    for answer in answers:
        del answer['_fds']
    contract.judge(event, ())
    for member in event['params']:
        params = {name: value for name, value in event['params'].items() if name != member}
        assert seen(contract, {**event, 'params': params}, ()), 'not seen without ' + member
    for request, answer in zip(asked, answers):
        contract.judge(answer, [request])
        for wrong in spoiled(answer):
            # that a token is missing is right where the lock was not acquired
            if 'token' not in wrong.get('result', {'token': 1}) and 'acquired' in wrong['result']:
                continue
            assert seen(contract, wrong, [request]), 'not seen: %r' % wrong
    # an error that the method does not have, a result of another one, and requests that should not be done
    assert seen(contract, answers[-1], [('daemon.ping', {})])
    assert seen(contract, answers[0], [('daemon.ping', {})])
    assert seen(contract, answers[0], [('object.info', {})])
    assert seen(contract, answers[0], [('object.info', {'name': 'l', 'timeout': 1})])
    assert seen(contract, answers[0], [('object.info', {'name': '.l'})])
    same(len(contract.broken) > 50, True)


main()
