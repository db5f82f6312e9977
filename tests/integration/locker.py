#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A process that takes locks in turn, asks again where a broker has died, and writes down what it saw.

    locker.py SOCKET HISTORY STOP SEED LOCK...

Each turn is two lines of HISTORY: ["got", lock, pid, token, abandoned, time] once it holds, and ["left",
lock, pid, token, time] before it releases. It ends after its turn once the file STOP is there.
"""
import json
import os
import random
import sys
import time

from clients import Lasting

HOLD = 0.004  # seconds, at most


class Locker:
    def __init__(self, path, history, seed):
        self.client = Lasting(path)
        self.history = os.open(history, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.chance, self.turns = random.Random(seed), 0

    def note(self, *what):
        """One write, so that the lines of many stay whole."""
        os.write(self.history, json.dumps(what).encode() + b'\n')

    def turn(self, lock):
        self.turns += 1
        key = '%d-%d' % (os.getpid(), self.turns)
        # a broker's death makes new connections: the holder is said
        hold = self.client.call('lock.acquire', key + 'a', name=lock, holder='locker')
        self.note('got', lock, os.getpid(), hold['token'], hold['abandoned'], time.monotonic())
        end = time.monotonic() + self.chance.random() * HOLD
        while time.monotonic() < end:
            os.sched_yield()
        self.note('left', lock, os.getpid(), hold['token'], time.monotonic())
        self.client.call('lock.release', key + 'r', name=lock)

    def run(self, stop, locks):
        while not os.path.exists(stop):
            self.turn(self.chance.choice(locks))


if __name__ == '__main__':
    Locker(sys.argv[1], sys.argv[2], int(sys.argv[4])).run(sys.argv[3], sys.argv[5:])
