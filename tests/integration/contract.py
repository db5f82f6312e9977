# SPDX-License-Identifier: MIT
"""What the daemon says of itself (rpc.discover), held against what it does: every answer and every event, and
every request that was done."""
from json_schema import Schemas, short


def reference_name(reference):
    return reference['$ref'].rpartition('/')[2]


class Contract:
    def __init__(self, document):
        self.document, self.broken, self.judged = document, [], 0
        schemas = Schemas(document, closed=True)
        components = document['components']
        self.errors = {name: (error['code'], schemas.compile(components['schemas'][name]))
                       for name, error in components['errors'].items()}
        self.events = {event['name']: schemas.compile(event['schema']) for event in document['x-events']}
        self.log = schemas.compile(components['schemas']['log'])
        self.results, self.params, self.required, self.allowed = {}, {}, {}, {}
        for method in document['methods']:
            name = method['name']
            self.results[name] = schemas.compile(method['result']['schema'])
            self.params[name] = {each['name']: schemas.compile(each['schema']) for each in method['params']}
            self.required[name] = {each['name'] for each in method['params'] if each['required']}
            self.allowed[name] = {reference_name(each) for each in method['errors']}

    def judge(self, message, asked):
        """asked: the (method, params) that were sent with the id of the message; it answers one of them."""
        self.judged += 1
        wrong = self.event(message) if 'method' in message else self.answer(message, asked)
        if wrong:
            self.broken.append('%s: %s' % (wrong, short(message)))
            raise AssertionError('not as rpc.discover says: ' + self.broken[-1])

    def event(self, message):
        if set(message) != {'jsonrpc', 'method', 'params'} or message['method'] not in ('event', 'log'):
            return 'no notification'
        if message['method'] == 'log':
            return self.log(message['params'])
        check = self.events.get(message['params'].get('kind'))
        return check(message['params']) if check else 'an unknown kind'

    def answer(self, message, asked):
        what, others = {'result', 'error'} & set(message), set(message) - {'result', 'error', 'fds'}
        if message.get('jsonrpc') != '2.0' or len(what) != 1 or others != {'jsonrpc', 'id'}:
            return 'no answer'
        if 'error' in message:
            return self.error(message['error'], {method for method, _ in asked})
        wrong = [self.result(method, params, message['result']) for method, params in asked]
        return None if None in wrong or not wrong else '; '.join(wrong)

    def error(self, error, methods):
        name = isinstance(error.get('data'), dict) and error['data'].get('name')
        code, check = self.errors.get(name, (None, None))
        if set(error) != {'code', 'message', 'data'} or error['code'] != code:
            return 'no error'
        if not isinstance(error['message'], str) or not error['message']:
            return 'an error without words'
        unknown = {'MethodNotFound', 'InvalidRequest'}
        allowed = [self.allowed.get(method, unknown) for method in methods]
        if allowed and not any(name in names for names in allowed):
            return 'the error %s of %s' % (name, ' or '.join(methods))
        return check(error['data'])

    def result(self, method, params, result):
        if method not in self.results:
            return 'a result of %s' % method
        if method == 'rpc.discover':
            same = all(result.get(name) == value for name, value in self.document.items() if name != 'info')
            return None if same else 'another document'
        given = {name: value for name, value in (params or {}).items()
                 if value is not None or name in self.required[method]}
        lacks = self.required[method] - set(given)
        if lacks:
            return '%s was done without %s' % (method, lacks)
        for name, value in given.items():
            check = self.params[method].get(name)
            wrong = check(value) if check else 'unknown'
            if wrong:
                return '%s was done with %s: %s' % (method, name, wrong)
        wrong = self.results[method](result)
        return wrong and 'the result of %s: %s' % (method, wrong)
