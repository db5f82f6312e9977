# SPDX-License-Identifier: MIT
"""A variable of ours in a build of procd: found by its name, read and written in a running process."""
import os
import re
import struct
import subprocess

from harness import Skip


class Variable:
    """Of so many 64-bit numbers."""
    def __init__(self, program, name, count):
        if os.geteuid() != 0:
            raise Skip('needs root')
        symbols = subprocess.run(['nm', program], stdout=subprocess.PIPE, check=True).stdout.decode()
        found = re.search(r'^([0-9a-f]+) \w %s$' % name, symbols, re.M)
        assert found, '%s has no %s' % (program, name)
        self.program, self.offset, self.format = program, int(found.group(1), 16), '%dq' % count

    def address(self, pid):
        with open('/proc/%d/maps' % pid, encoding='utf-8') as file:
            return self.offset + next(int(line.split('-')[0], 16) for line in file
                                      if os.path.basename(self.program) in line)

    def read(self, pid):
        """All numbers; None: it is gone."""
        try:
            with open('/proc/%d/mem' % pid, 'rb', buffering=0) as file:
                data = os.pread(file.fileno(), struct.calcsize(self.format), self.address(pid))
                return struct.unpack(self.format, data)
        except (OSError, struct.error, StopIteration):
            return None

    def write(self, pid, *numbers):
        """The first ones."""
        with open('/proc/%d/mem' % pid, 'r+b', buffering=0) as file:
            os.pwrite(file.fileno(), struct.pack('%dq' % len(numbers), *numbers), self.address(pid))
