# SPDX-License-Identifier: MIT
"""As much of JSON Schema (draft 7) as our own schemas and that of OpenRPC use. A keyword that it does not
know is an error, not something that holds."""
import re

TYPES = {'null': type(None), 'boolean': bool, 'object': dict, 'array': list, 'string': str, 'integer': int,
         'number': (int, float)}
ANNOTATIONS = {'title', 'description', 'default', 'examples', '$schema', '$id', '$comment', 'definitions',
               'format'}


def is_a(value, name):
    """1.0 is no integer here, and true no number."""
    return isinstance(value, TYPES[name]) and (name == 'boolean' or not isinstance(value, bool))


def short(value):
    text = repr(value)
    return text if len(text) < 200 else text[:200] + '...'


def judge(kind, is_right, what):
    """The check of a keyword that is about one kind of value."""
    return lambda value: ('%s %s' % (short(value), what)
                          if is_a(value, kind) and not is_right(value) else None)


class Schemas:
    """Compiles the schemas of a document, in which references begin with '#/'. elsewhere: {reference: schema}
    for others. closed: an object has only members that its schema names, unless that says otherwise.
    """
    def __init__(self, document, elsewhere=None, closed=False):
        self.document, self.elsewhere, self.closed, self.made = document, elsewhere or {}, closed, {}

    def find(self, reference):
        if reference in self.elsewhere:
            return self.elsewhere[reference]
        assert reference.startswith('#'), 'a reference to elsewhere: ' + reference
        at = self.document
        for part in reference.split('/')[1:]:
            at = at[part.replace('~1', '/').replace('~0', '~')]
        return at

    def compile(self, schema):
        """The function that says what is wrong with a value, or None."""
        if isinstance(schema, bool):
            return lambda value: None if schema else 'nothing is allowed here'
        if '$ref' in schema:
            return self.referred(schema['$ref'])
        checks = []
        for keyword, argument in schema.items():
            if keyword in ANNOTATIONS:
                continue
            make = getattr(self, 'on_' + keyword, None)
            assert make, 'unknown keyword %s in %s' % (keyword, short(schema))
            check = make(argument, schema)
            if check:
                checks.append(check)
        if len(checks) == 1:
            return checks[0]
        return lambda value: next((wrong for check in checks for wrong in (check(value),) if wrong), None)

    def referred(self, reference):
        """Compiled at its first use: schemas may contain themselves."""
        def check(value):
            if reference not in self.made:
                self.made[reference] = self.compile(self.find(reference))
            return self.made[reference](value)

        return check

    # keywords about any value

    def on_type(self, names, _):
        names = [names] if isinstance(names, str) else names
        return lambda value: (None if any(is_a(value, name) for name in names)
                              else '%s is no %s' % (short(value), ' or '.join(names)))

    def on_enum(self, allowed, _):
        return lambda value: None if value in allowed else '%s is none of %s' % (short(value), allowed)

    def on_const(self, only, _):
        return lambda value: None if value == only else '%s is not %r' % (short(value), only)

    def on_allOf(self, schemas, _):
        checks = [self.compile(each) for each in schemas]
        return lambda value: next((wrong for check in checks for wrong in (check(value),) if wrong), None)

    def on_anyOf(self, schemas, _):
        return self.count(schemas, lambda number: number > 0)

    def on_oneOf(self, schemas, _):
        return self.count(schemas, lambda number: number == 1)

    def count(self, schemas, is_right):
        checks = [self.compile(each) for each in schemas]

        def check(value):
            wrong = [each(value) for each in checks]
            return (None if is_right(wrong.count(None))
                    else '%s fits %d of %d: %s' % (short(value), wrong.count(None), len(wrong), wrong))

        return check

    def on_not(self, schema, _):
        inner = self.compile(schema)
        return lambda value: None if inner(value) else '%s is what it must not be' % short(value)

    # about numbers and strings

    def on_minimum(self, low, _):
        return judge('number', lambda value: value >= low, 'is below %r' % low)

    def on_exclusiveMinimum(self, low, _):
        return judge('number', lambda value: value > low, 'is not above %r' % low)

    def on_maximum(self, high, _):
        return judge('number', lambda value: value <= high, 'is above %r' % high)

    def on_minLength(self, least, _):
        return judge('string', lambda value: len(value) >= least, 'is too short')

    def on_maxLength(self, most, _):
        return judge('string', lambda value: len(value) <= most, 'is too long')

    def on_pattern(self, pattern, _):
        found = re.compile(pattern).search
        return judge('string', found, 'is not like ' + pattern)

    # about arrays

    def on_minItems(self, least, _):
        return judge('array', lambda value: len(value) >= least, 'has too few')

    def on_maxItems(self, most, _):
        return judge('array', lambda value: len(value) <= most, 'has too many')

    def on_uniqueItems(self, wanted, _):
        return wanted and judge('array', lambda value: len({repr(each) for each in value}) == len(value),
                                'has twice the same')

    def on_items(self, items, schema):
        if isinstance(items, list):
            is_closed = schema.get('maxItems') == len(items) or schema.get('additionalItems') is False
            assert is_closed, 'an open tuple'
            checks = [self.compile(each) for each in items]
            return lambda value: self.in_items(zip(checks, value), value)
        one = self.compile(items)
        return lambda value: self.in_items(((one, each) for each in value), value)

    @staticmethod
    def in_items(pairs, value):
        if not isinstance(value, list):
            return None
        for index, (check, each) in enumerate(pairs):
            wrong = check(each)
            if wrong:
                return '[%d]: %s' % (index, wrong)
        return None

    def on_additionalItems(self, allowed, schema):
        assert allowed is False, 'additionalItems'
        tuple_size = len(schema['items']) if isinstance(schema['items'], list) else None
        return tuple_size and self.on_maxItems(tuple_size, schema)

    # about objects: all of them in one check

    def on_required(self, names, _):
        def check(value):
            missing = [name for name in names if name not in value] if isinstance(value, dict) else []
            return '%s lacks %s' % (short(value), missing) if missing else None

        return check

    def on_properties(self, properties, schema):
        known = {name: self.compile(each) for name, each in properties.items()}
        patterns = [(re.compile(pattern).search, self.compile(each))
                    for pattern, each in schema.get('patternProperties', {}).items()]
        more = schema.get('additionalProperties', not self.closed)
        other = self.compile(more)

        def check(value):
            if not isinstance(value, dict):
                return None
            for name, each in value.items():
                checks = [inner for found, inner in patterns if found(name)]
                checks += [known[name]] if name in known else []
                for inner in checks or [other]:
                    wrong = inner(each)
                    if wrong:
                        return '%s: %s' % (name, wrong)
            return None

        return check

    def on_patternProperties(self, _, schema):
        return None if 'properties' in schema else self.on_properties({}, schema)

    def on_additionalProperties(self, _, schema):
        return None if {'properties', 'patternProperties'} & set(schema) else self.on_properties({}, schema)

    def on_dependencies(self, needs, _):
        def check(value):
            lacks = [name for name, others in needs.items()
                     if isinstance(value, dict) and name in value and not set(others) <= set(value)]
            return 'needs more: %s' % lacks if lacks else None

        return check
