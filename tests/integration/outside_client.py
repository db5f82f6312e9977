#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A client of somebody else's making, aiorpcX, on a connection of its own: orders and answers as
outside_client.js has them."""
import asyncio
import functools
import json
import sys

import aiorpcx
from aiorpcx.rawsocket import RSTransport
from aiorpcx.session import SessionKind


class Transport(RSTransport):
    """It takes the address of every peer for a host's, unless somebody has connected on its behalf."""
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._proxy = 'a Unix socket'


class Session(aiorpcx.RPCSession):
    """Its connection speaks JSON-RPC 2.0 only; what the other side asks are the notifications."""
    def __init__(self, transport):
        super().__init__(transport)
        self.connection = aiorpcx.JSONRPCConnection(aiorpcx.JSONRPCv2)
        self.events = asyncio.Queue()

    async def handle_request(self, request):
        assert isinstance(request, aiorpcx.Notification) and request.method == 'event', request
        await self.events.put(request.args)


async def request(session, method, params):
    try:
        return {'result': await session.send_request(method, params)}
    except aiorpcx.RPCError as error:
        return {'error': {'code': error.code, 'message': error.message}}


async def act(session, order):
    if order['do'] == 'request':
        return await request(session, order['method'], order['params'])
    if order['do'] == 'notify':
        await session.send_notification(order['method'], order['params'])
        return True
    if order['do'] == 'all':
        return await asyncio.gather(*(request(session, *each) for each in order['requests']))
    return await session.events.get()


async def main(path):
    loop = asyncio.get_running_loop()
    framer = aiorpcx.NewlineFramer(max_size=0)
    make = functools.partial(Transport, Session, framer, SessionKind.CLIENT)
    _, protocol = await loop.create_unix_connection(make, path)
    orders = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)

    async def answer(line):
        print(json.dumps(await act(protocol.session, json.loads(line))), flush=True)

    tasks = []
    async for line in orders:
        tasks.append(asyncio.ensure_future(answer(line)))
    await asyncio.gather(*tasks)
    await protocol.session.close()


asyncio.run(main(sys.argv[1]))
