# SPDX-License-Identifier: MIT
"""A client that no broker's death disturbs, and what of its answers and events is the same in each run."""
import itertools

from clients import SOON, Client, Closed, same, wait_for

# What differs from one run to the next, and from one broker to the next.
VOLATILE = {'pid', 'broker_pid', 'epoch', 'seq', 'token', 'first', 'last', 'restarts', 'rss', 'rusage',
            'subscription', 'clients', 'connections', 'subscriptions', 'started', 'created', 'since', 'time',
            'word'}


class Asked:
    """A request that is not answered yet."""
    def __init__(self, method, params, fds):
        self.method, self.params, self.fds = method, params, fds
        self.number, self.is_cancelled = None, False


class Steady:
    """Asks again, in the order in which it had asked, whatever is unanswered when a broker dies; and is told
    of each event once, or says so."""
    keys = itertools.count(1)

    def __init__(self, path):
        self.path, self.client, self.open, self.lost = path, None, {}, -1
        self.names, self.pids, self.methods = {}, {}, set()
        self.events, self.looked, self.token = [], 0, 0
        self.seq = self.subscription = None
        self.connect()

    # ---- the connection

    def subscribe(self):
        told = self.client.call('events.subscribe', since=self.seq)
        same(told['gap'], False)
        self.subscription = told['subscription']
        self.seq = told['last'] if self.seq is None else self.seq

    def send(self, key):
        asked = self.open[key]
        asked.number = self.client.start(asked.method, asked.fds, key, **asked.params)
        if asked.is_cancelled:
            self.client.note('cancel', id=asked.number)

    def connect(self):
        """Until all that is unanswered is on its way once more."""
        while True:
            if self.client:
                self.take_events()
                self.client.close()
            try:
                self.client = Client(self.path)
                self.subscribe()
                self.lost += 1  # one that was about to end may have taken the connection, too
                for key in self.open:
                    self.send(key)
                return
            except (Closed, ConnectionRefusedError):
                pass

    def lasting(self, act):
        """act(), until no broker dies meanwhile."""
        while True:
            try:
                return act()
            except Closed:
                self.connect()

    # ---- requests

    def start(self, method, _fds=(), **params):
        key = 'k%d' % next(self.keys)
        self.methods.add(method)
        self.open[key] = Asked(method, params, _fds)
        try:
            self.send(key)
        except Closed:
            self.connect()
        return key

    def cancel(self, key):
        self.methods.add('cancel')
        self.open[key].is_cancelled = True
        try:
            self.client.note('cancel', id=self.open[key].number)
        except Closed:
            self.connect()

    def result(self, key):
        """What does not differ between two runs."""
        message = self.lasting(lambda: self.client.reply(self.open[key].number, limit=2 * SOON))
        asked = self.open.pop(key)
        for fd in message['_fds']:
            self.client.fds.append(fd)  # closed with the connection
        if 'error' in message:
            return {'error': constant(message['error']['data'], self.names)}
        answer = message['result']
        if asked.method == 'process.spawn':
            self.names[answer['id']], self.pids[answer['name']] = answer['name'], answer['pid']
        if asked.method == 'lock.acquire' and answer['acquired']:
            assert answer['token'] > self.token, 'a token comes again'
            self.token = answer['token']
        return constant(answer, self.names)

    def call(self, method, _fds=(), **params):
        return self.result(self.start(method, _fds, **params))

    def note(self, method, **params):
        """One without an answer, which bears being asked twice."""
        self.methods.add(method)

        def act():
            self.client.note(method, **params)
            return self.client.call('daemon.ping')

        return self.lasting(act)

    def listen(self, **params):
        """A subscription of its own, and its end: one goes with the other's connection."""
        self.methods |= {'events.subscribe', 'events.unsubscribe'}

        def act():
            told = self.client.call('events.subscribe', **params)
            self.client.call('events.unsubscribe', subscription=told['subscription'])
            return constant(told, self.names)

        return self.lasting(act)

    # ---- events

    def take_events(self):
        while self.client.events:
            event = self.client.events.popleft()
            if event['subscription'] == self.subscription:
                same(event['seq'], self.seq + 1, 'the number of an event')
                self.seq = event['seq']
                self.events.append(event)

    def told(self, kind, name):
        """Waits until this has been told of the process, behind what was waited for before."""
        def place():
            self.lasting(lambda: self.client.call('daemon.ping'))
            self.take_events()
            return next((number for number, event in enumerate(self.events, 1)
                         if number > self.looked and (event['kind'], event.get('name')) == (kind, name)), 0)

        self.looked = wait_for(place, '%s of %s' % (kind, name))

    def story(self):
        """What has happened, by what was told until now."""
        self.lasting(lambda: self.client.call('daemon.ping'))
        self.take_events()
        return [constant(event, self.names) for event in self.events
                if event['kind'].split('.')[0] not in ('client', 'daemon')]

    def close(self):
        self.client.close()


def constant(value, names, member=None):
    """The value without what is volatile; processes by their names."""
    if isinstance(value, list):
        return [constant(each, names, member) for each in value]
    if isinstance(value, dict):
        return {name: constant(each, names, 'process' if name == 'id' and 'argv' in value else name)
                for name, each in value.items()
                if name not in VOLATILE or isinstance(each, bool)}
    if member in ('process', 'parent', 'done') and isinstance(value, int):
        return names.get(value, 'a process')
    if member == 'holder' and value.startswith('#'):
        return 'a connection'
    return 'a time' if isinstance(value, float) else value
