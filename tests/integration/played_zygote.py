# SPDX-License-Identifier: MIT
"""A zygote that does as its argument says (proto/zygote.h): by a user who means no good, or one that dies."""
import array
import contextlib
import ctypes
import os
import signal
import socket
import struct
import sys
import time

CLONE_PARENT = 0x8000
CLONE_INTO_CGROUP = 0x200000000
HEAD = struct.Struct('IIII')  # version, flags, spec_size, limit_count; limits and spec follow
IN_CGROUP = 1
libc = ctypes.CDLL(None, use_errno=True)


def clone_parent(cgroup):
    """0 in a copy that is the keeper's child, in that cgroup."""
    flags = CLONE_PARENT | (0 if cgroup is None else CLONE_INTO_CGROUP)
    arguments = struct.pack('11Q', flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, cgroup or 0)
    return libc.syscall(435, arguments, len(arguments))


class Order:
    def __init__(self, keeper):
        data, extra, _, _ = keeper.recvmsg(1 << 17, socket.CMSG_SPACE(4 * 253))
        self.fds = [fd for _, _, fds in extra for fd in array.array('i', fds)]
        self.ended = not data
        if self.ended:
            return
        _, flags, _, _ = HEAD.unpack_from(data)
        self.cgroup = self.fds.pop() if flags & IN_CGROUP else None
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=self.fds.pop())

    def say(self, text=b'r'):
        self.socket.send(text)

    def wait(self):
        return self.socket.recv(1)

    def close(self):
        self.socket.close()
        for fd in self.fds + [self.cgroup] * (self.cgroup is not None):
            os.close(fd)


def copy(order, before=lambda: None, after=lambda: os._exit(42), session=os.setsid):
    """A copy that says that it is ready. before(): what it does until then."""
    if clone_parent(order.cgroup) != 0:
        return
    try:
        session()
        before()
        order.say()
        if order.wait() == b'g':
            after()
    finally:
        os.kill(os.getpid(), signal.SIGKILL)


def from_nobody(order):
    """Not the keeper's child, but ours."""
    if os.fork() == 0:
        order.say()
        order.wait()
        time.sleep(1000)


def as_another(order):
    copy(order, before=lambda: (os.setresgid(12345, 12345, 12345), os.setresuid(12345, 12345, 12345)))


def twice(order):
    copy(order)
    copy(order)


def with_descriptors(order):
    def say():
        null = os.open('/dev/null', os.O_RDONLY)
        order.socket.sendmsg([b'r'],
                             [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [null] * 200))])
        if order.wait() == b'g':
            os._exit(42)
    copy(order, before=say)


def dies_ready(order):
    def die():
        order.say()
        os.kill(os.getpid(), signal.SIGKILL)
    copy(order, before=die)


def says_more(order):
    """Whatever comes after the first is not heard."""
    def more():
        with contextlib.suppress(OSError):
            for _ in range(5):
                order.say()
            for _ in range(5):
                order.say(b'x')
        if order.wait() == b'g':
            os._exit(42)
    copy(order, before=more)


def outside(order):
    """In the zygote's own cgroup."""
    cgroup, order.cgroup = order.cgroup, None
    copy(order, after=lambda: time.sleep(1000))
    order.cgroup = cgroup


def writes(order):
    """A line into the file that is named behind the way."""
    def write():
        with open(sys.argv[2], 'a', encoding='ascii') as file:
            file.write('copied\n')
        os._exit(42)
    copy(order, after=write)


WAYS = {
    'good': copy,
    'hangs': lambda order: time.sleep(1000),
    'stops': lambda order: os.kill(os.getpid(), signal.SIGSTOP),
    'dies': lambda order: os._exit(1),
    'is_silent': lambda order: None,
    'itself': lambda order: order.say(),
    'garbage': lambda order: order.socket.send(b'abc'),
    'long': lambda order: order.socket.send(b'\0' * 5000),
    'empty': lambda order: order.socket.send(b''),
    'other': lambda order: order.say(b'x'),
    'from_nobody': from_nobody,
    'as_another': as_another,
    'twice': twice,
    'with_descriptors': with_descriptors,
    'dies_ready': dies_ready,
    'says_more': says_more,
    'ends_soon': lambda order: copy(order, before=lambda: os._exit(3)),
    'outside': outside,
    'writes': writes,
    'stays_in_its_session': lambda order: copy(order, session=lambda: None),
    'waits_for_ever': lambda order: copy(order, after=lambda: time.sleep(1000)),
}


def main(way):
    keeper = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=os.dup(0))
    while True:
        order = Order(keeper)
        if order.ended:
            return
        WAYS[way](order)
        order.close()


if __name__ == '__main__':
    main(sys.argv[1])
