# SPDX-License-Identifier: MIT
"""What lockers have written down, and whether it can be true.

A hold lasts at least from `got`, which is written after its grant, to `left`, which is written before its
release; of one that was killed `left` may be missing. The kills are known from who did them.
"""
import collections
import json

UNSEEN = 1  # seconds; who was killed while it waited may still be granted, until its death is seen

Hold = collections.namedtuple('Hold', 'lock pid token abandoned got left')


def read(path):
    """The holds of a history."""
    holds = {}
    with open(path, encoding='ascii') as file:
        for line in file:
            kind, lock, pid, token, *rest = json.loads(line)
            if kind == 'got':
                assert (lock, token) not in holds, 'token %d of %s was given twice' % (token, lock)
                holds[lock, token] = Hold(lock, pid, token, rest[0], rest[1], None)
            else:
                assert holds[lock, token].pid == pid, 'token %d is not that of %d' % (token, pid)
                holds[lock, token] = holds[lock, token]._replace(left=rest[0])
    return list(holds.values())


def check_pair(before, after, kills):
    """What is wrong with two holds of a lock, one behind the other by their tokens; None: nothing."""
    killed = kills.get(before.pid)
    if after.got < (before.got if before.left is None else before.left):
        return 'two hold it at once'
    if before.left is None and killed is None:
        return 'the first one has not been left, and its process lives'
    if before.left is None and not after.abandoned:
        return 'its holder was killed, and the next one is not told'
    if after.abandoned and not any(before.got - UNSEEN <= when <= after.got for when in kills.values()):
        return 'called abandoned, and nobody was killed'
    return None


def check(holds, kills):
    """The first thing that is wrong, or None. kills: {pid: time}, of those that had asked."""
    by_lock = collections.defaultdict(list)
    for hold in sorted(holds, key=lambda hold: hold.token):
        by_lock[hold.lock].append(hold)
    for chain in by_lock.values():
        for before, after in zip(chain, chain[1:]):
            wrong = check_pair(before, after, kills)
            if wrong:
                return '%s: %r, %r' % (wrong, before, after)
    return None
