# SPDX-License-Identifier: MIT
"""Descriptors whose close blocks: sockets that linger."""
import socket
import struct
import threading
import time


def listening():
    """Whoever connects is never answered, nor read from."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(('127.0.0.1', 0))
    listener.listen(256)
    return listener


def lingering_socket(listener, seconds=4):
    """A TCP socket whose last close blocks that long: it has data that the other side does not take."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    sock.connect(listener.getsockname())
    sock.setblocking(False)
    try:
        while True:
            sock.send(bytes(1 << 16))
    except BlockingIOError:
        pass
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, seconds))
    return sock


def close_takes(sock):
    begin = time.monotonic()
    sock.close()
    return time.monotonic() - begin


def send_lingering(client, listener, method, seconds=4, **params):
    """The daemon's copies are the last ones."""
    sock = lingering_socket(listener, seconds)
    number = client.start(method, _fds=[sock.fileno()], **params)
    threading.Thread(target=close_takes, args=[sock]).start()  # should it be the last after all
    return client, number
