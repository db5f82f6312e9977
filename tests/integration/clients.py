# SPDX-License-Identifier: MIT
"""Raw clients of a daemon, in this process and in others, and the pipes and waits that go with them."""
import array
import collections
import itertools
import json
import os
import resource
import select
import signal
import socket
import time

PING = '{"jsonrpc":"2.0","id":"ping","method":"daemon.ping"}\n'
SOON = 20  # seconds that an answer may take on a busy machine; most take a millisecond


class Rpc(Exception):
    """An error answer."""
    def __init__(self, error):
        super().__init__(json.dumps(error))
        self.error, self.code, self.data = error, error['code'], error.get('data') or {}
        self.name = self.data.get('name')


class Closed(Exception):
    """The daemon has ended the connection."""


def wait_for(condition, what='', limit=SOON, step=0.003):
    """Polls until condition() is true, and returns its value."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, '%s: not within %g s' % (what or condition, limit)
        time.sleep(step)


def ready(file, limit, events=select.POLLIN):
    """Does it become readable (or what `events` says) within so many seconds?"""
    poll = select.poll()
    poll.register(file, events)
    return bool(poll.poll(max(0, limit) * 1000))


def fails(name, call, **data):
    """call() must fail with this error; returns it."""
    try:
        result = call()
    except Rpc as error:
        assert error.name == name, '%s, wanted %s' % (error, name)
        for member, value in data.items():
            assert error.data.get(member) == value, '%s, wanted %s %r' % (error, member, value)
        return error
    raise AssertionError('%r, wanted %s' % (result, name))


def same(got, want, what=''):
    assert got == want, '%s: got %r, want %r' % (what, got, want)


# ---------------------------------------------------------------- clients

class Client:
    """One connection: requests by id, answers in any order, notifications in the order they came."""
    numbers = itertools.count(1)
    alive = set()
    contract = None  # what every message is held against

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.connect(path)
        except BaseException:
            self.socket.close()
            raise
        self.socket.setblocking(False)
        self.buffer, self.fds, self.replies, self.events = b'', [], {}, collections.deque()
        self.unfinished, self.asked = b'', {}
        Client.alive.add(self)

    def raw(self, data, fds=()):
        """Sends bytes, descriptors with the first of them; reads meanwhile, so that neither side blocks."""
        extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else []
        self.remember(data)
        while data:
            try:
                sent = self.socket.sendmsg([data], extra)
                data, extra = data[sent:], []
            except BlockingIOError:
                assert ready(self.socket, SOON, select.POLLIN | select.POLLOUT), 'the daemon takes nothing'
                self.pump(0)
            except (BrokenPipeError, ConnectionResetError):
                raise Closed() from None

    def remember(self, data):
        """What is asked with which id: of whole lines that are requests, however they leave."""
        if not Client.contract:
            return
        *lines, self.unfinished = (self.unfinished + data).split(b'\n')
        for line in lines:
            try:
                request = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if not isinstance(request, dict) or not isinstance(request.get('id'), (int, str)):
                continue
            method, params = request.get('method'), request.get('params')
            if isinstance(method, str) and isinstance(params, (dict, type(None))):
                self.asked.setdefault(request['id'], []).append((method, params))

    def judge(self, message):
        """Two that were asked with one id may be answered in any order, or one of them not at all."""
        asked = self.asked.get(message.get('id'), ())
        if len(asked) == 1:
            del self.asked[message['id']]
        Client.contract.judge(message, asked)

    def start(self, method, _fds=(), _key=None, **params):
        """Sends a request and returns its id."""
        message = {'jsonrpc': '2.0', 'id': next(self.numbers), 'method': method, 'params': params}
        if _fds:
            message['fds'] = len(_fds)
        if _key is not None:
            message['key'] = _key
        self.raw(json.dumps(message).encode() + b'\n', _fds)
        return message['id']

    def note(self, method, **params):
        self.raw(json.dumps({'jsonrpc': '2.0', 'method': method, 'params': params}).encode() + b'\n')

    def pump(self, limit):
        """Reads once; False when nothing came."""
        if not ready(self.socket, limit):
            return False
        try:
            data, extra, _, _ = self.socket.recvmsg(1 << 18, socket.CMSG_SPACE(256), socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            raise Closed() from None
        if not data:
            raise Closed()
        for _, _, fds in extra:
            self.fds += array.array('i', fds)
        *lines, self.buffer = (self.buffer + data).split(b'\n')
        for line in lines:
            message = json.loads(line)
            if Client.contract:
                self.judge(message)
            self.take(message)
        return True

    def take(self, message):
        if 'method' in message:
            self.events.append(message['params'])
            return
        count = message.get('fds', 0)
        message['_fds'], self.fds = self.fds[:count], self.fds[count:]
        assert message['id'] is None or message['id'] not in self.replies, 'answered twice: %r' % message
        self.replies[message['id']] = message

    def reply(self, number, limit=SOON):
        """The whole answer."""
        end = time.monotonic() + limit
        while number not in self.replies:
            if not self.pump(end - time.monotonic()):
                assert time.monotonic() < end, 'no answer to %r within %g s' % (number, limit)
        return self.replies.pop(number)

    def result(self, number, limit=SOON):
        message = self.reply(number, limit)
        if 'error' in message:
            raise Rpc(message['error'])
        return message['result']

    def call(self, method, _fds=(), _key=None, **params):
        return self.result(self.start(method, _fds, _key, **params))

    def pending(self, *numbers):
        """Is none of these answered? A ping goes and comes before: what was answered at once is here."""
        self.call('daemon.ping')
        return not any(number in self.replies for number in numbers)

    def event(self, limit=SOON):
        """The next notification."""
        end = time.monotonic() + limit
        while not self.events:
            if not self.pump(end - time.monotonic()):
                assert time.monotonic() < end, 'no event within %g s' % limit
        return self.events.popleft()

    def event_of(self, kind, **want):
        """The next event of a kind; others before it are dropped."""
        while True:
            event = self.event()
            if event['kind'] == kind and all(event.get(name) == value for name, value in want.items()):
                return event

    def gone(self, limit=SOON):
        """Waits until the daemon has ended the connection, and reads what came before."""
        end = time.monotonic() + limit
        try:
            while self.pump(end - time.monotonic()) or time.monotonic() < end:
                pass
        except Closed:
            return True
        return False

    # what most tests do

    def spawn(self, *argv, **params):
        return self.call('process.spawn', argv=list(argv), **params)

    def sh(self, script, **params):
        return self.spawn('/bin/sh', '-c', script, **params)

    def join(self, process, timeout=SOON):
        return self.call('process.join', process=process, timeout=timeout)

    def exitcode(self, process):
        end = self.join(process)
        assert end['exited'], '%r has not ended' % process
        return end['exitcode']

    def output(self, *argv, **params):
        """Runs a program to its end: what it wrote. It must end with 0."""
        read, write = os.pipe()
        try:
            process = self.spawn(*argv, **{'_fds': [write], 'stdout': {'fd': 0}, **params})
        finally:
            os.close(write)
        text = drain(read)
        same(self.exitcode(process['id']), 0, 'exit code of %r, which wrote %r' % (argv, text))
        return text

    def close(self):
        Client.alive.discard(self)
        self.socket.close()
        for fd in self.fds:
            os.close(fd)
        self.fds = []

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class Lasting:
    """A client that connects again, and asks again with the same key."""
    def __init__(self, path):
        self.path, self.client, self.lost = path, None, 0

    def call(self, method, _key=None, _gate=None, **params):
        """However often brokers die meanwhile."""
        while True:
            try:
                self.client = self.client or Client(self.path)
                number = self.client.start(method, _gate.fds if _gate else (), _key, **params)
                return self.client.result(number, limit=10 * SOON)
            except (Closed, ConnectionRefusedError):
                if self.client:
                    self.client.close()
                self.client, self.lost = None, self.lost + 1

    def close(self):
        if self.client:
            self.client.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class Gate:
    """A pipe on which children wait with `stdin`; open() lets all of them go."""
    stdin = {'fd': 0}

    def __init__(self):
        self.read, self.write = os.pipe()
        self.fds = [self.read]

    def open(self):
        while self.fds:
            os.close(self.fds.pop())
            os.close(self.write)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.open()


def drain(fd, limit=SOON):
    """Everything until the end of the stream; closes the descriptor."""
    data = b''
    with open(fd, 'rb', buffering=0) as stream:
        while True:
            assert ready(stream, limit), 'nobody closes the pipe; it gave %r' % data
            more = stream.read(1 << 16)
            if not more:
                return data
            data += more


def windowed(client, requests, width=200):
    """Keeps `width` requests (method, params) under way: yields the answers in the order of the requests."""
    under_way = collections.deque()
    for method, params in requests:
        under_way.append(client.start(method, **params))
        if len(under_way) >= width:
            yield client.reply(under_way.popleft())
    while under_way:
        yield client.reply(under_way.popleft())


# ---------------------------------------------------------------- client processes

class Peer:
    """Another client process: forked, told by lines what to do, connected until drop() or its death."""
    alive = set()

    def __init__(self, path, uid=None, gid=None, groups=(), limits=()):
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            become_peer(theirs.fileno(), path, uid, gid, groups, limits)
        theirs.close()
        self.lines = ours.makefile('rw', encoding='utf-8')
        ours.close()
        Peer.alive.add(self)
        self.do('connect')

    def tell(self, verb, *arguments):
        self.lines.write(json.dumps([verb, *arguments]) + '\n')
        self.lines.flush()

    def hear(self):
        line = self.lines.readline()
        assert line, 'the client process has ended'
        answer = json.loads(line)
        if isinstance(answer, dict) and 'failed' in answer:
            raise AssertionError('client process: ' + answer['failed'])
        return answer

    def do(self, verb, *arguments):
        self.tell(verb, *arguments)
        return self.hear()

    def reply(self, number):
        return self.do('reply', number)

    def ask(self, method, **params):
        """The whole answer."""
        return self.reply(self.start(method, **params))

    def start(self, method, _key=None, **params):
        return self.do('start', method, params, _key)

    def call(self, method, **params):
        message = self.ask(method, **params)
        if 'error' in message:
            raise Rpc(message['error'])
        return message['result']

    def kill(self):
        if self in Peer.alive:
            Peer.alive.discard(self)
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.lines.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.kill()


class Servant:
    """What a client process can do: a method for each verb."""
    def __init__(self, path):
        self.path, self.clients, self.owners = path, [], {}

    def connect(self):
        self.clients.append(Client(self.path))

    def drop(self):
        """Its connections end, the process lives on, with a new one."""
        while self.clients:
            self.clients.pop().close()
        self.connect()

    def start(self, method, params, key=None):
        number = self.clients[-1].start(method, (), key, **params)
        self.owners[number] = self.clients[-1]
        return number

    def reply(self, number):
        message = self.owners[number].reply(number)
        message['_fds'] = len(message['_fds'])
        return message

    def answered(self):
        """The numbers of all answers that have come and were not asked for yet."""
        return [number for client in self.clients for number in client.replies]

    def begin(self, pattern, count):
        """So many lines of a pattern with %d for the number, on the newest connection: {limit or error: how
        many answers name it}, of those that are answered at once."""
        client, names, done = self.clients[-1], collections.Counter(), []

        def take(message):
            if message.get('id') == 'done':
                done.append(True)
            elif 'error' in message:
                data = message['error']['data']
                names[data.get('limit') or data['name']] += 1

        client.take = take
        some = 1 + 10000 // len(pattern)
        for first in range(0, count, some):
            numbers = range(first, min(first + some, count))
            client.raw(b''.join(pattern.replace('%d', str(number)).encode() + b'\n' for number in numbers))
            while client.pump(0):
                pass
        client.raw(b'{"jsonrpc":"2.0","id":"done","method":"daemon.ping"}\n')
        wait_for(lambda: done or client.pump(1) and done)
        del client.take
        return names

    def refusals(self, least):
        """{limit: how many of the silent were refused for it}, once at least so many are. Their other answers
        are not read."""
        refused = {}

        def look():
            for each in self.silent:
                try:
                    while each not in refused and (each.replies or each.pump(0)):
                        refused[each] = each.replies.popitem()[1].get('error')
                except (Closed, KeyError):
                    pass
            return sum(map(bool, refused.values())) >= least
        wait_for(look, 'refusals', step=0.01)
        return collections.Counter(error['data']['limit'] for error in refused.values() if error)

    def connect_many(self, count, texts=(PING,), least=0):
        """So many connections that each say all of it, one text after the other, and read nothing but
        refusals (see there), if there are to be any."""
        self.silent = [Client(self.path) for _ in range(count)]
        for text in texts:
            for each in self.silent:
                try:
                    each.raw(text.encode())
                except Closed:
                    pass
        return self.refusals(least) if least else {}

    def connect_with_fds(self, count, fds, least):
        """So many connections that each say what is no line, with so many descriptors. As connect_many."""
        self.silent = [Client(self.path) for _ in range(count)]
        with open('/dev/null', 'rb') as null:
            for each in self.silent:
                each.raw(b'{', [null.fileno()] * fds)
        return self.refusals(least)

    def drop_silent(self):
        for each in self.silent:
            each.close()

    def timed(self, requests, count):
        """The seconds that each of so many requests (method, params) took, one after the other, sorted."""
        client, took, turn = self.clients[-1], [], itertools.cycle(requests)
        for _ in range(count):
            method, params = next(turn)
            begin = time.monotonic()
            client.call(method, **params)
            took.append(time.monotonic() - begin)
        return sorted(took)

    def exchange(self, line):
        """One line there (unless it is empty), one line back, as they are."""
        with socket.socket(socket.AF_UNIX) as plain:
            plain.settimeout(SOON)
            plain.connect(self.path)
            if line:
                plain.sendall(line.encode() + b'\n')
            return plain.makefile('rb').readline().decode()

    def events(self):
        """What was told so far."""
        return list(self.clients[-1].events)

    def set_groups(self, groups):
        os.setgroups(groups)

    def act_as(self, uid, gid):
        """For connections that are made from now on; it can come back."""
        os.seteuid(0)
        os.setegid(gid)
        os.seteuid(uid)

    def become(self, uid, gid):
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)


def become_peer(fd, path, uid, gid, groups, limits):
    """The forked process: only the line to its master is left of what it inherited."""
    status = 1
    try:
        os.dup2(fd, 3)
        os.closerange(4, 65536)
        signal.alarm(0)
        for which, values in limits:
            resource.setrlimit(which, values)
        if uid is not None:
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
        serve(open(3, 'r+b', buffering=0), Servant(path))
        status = 0
    finally:
        os._exit(status)


def serve(stream, servant):
    buffer = b''
    while True:
        data = stream.read(1 << 16)
        if not data:
            return
        *lines, buffer = (buffer + data).split(b'\n')
        for line in lines:
            verb, *arguments = json.loads(line)
            try:
                answer = getattr(servant, verb)(*arguments)
            except (Closed, Rpc, AssertionError, OSError) as problem:
                answer = {'failed': '%s: %s' % (type(problem).__name__, problem)}
            stream.write(json.dumps(answer).encode() + b'\n')
