"""Talks over a WebSocket: says each line of the input, prints each object that comes.

    python3 websocket.py URL NAME
"""

import asyncio
import json
import sys

import websockets


async def keyboard():
    """The input, which a coroutine can wait for."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    return lines


async def hear(socket):
    async for frame in socket:
        sys.stdout.write(frame + "\n")
        sys.stdout.flush()


async def main(url, name):
    lines = await keyboard()
    async with websockets.connect(url, subprotocols=["chatd.v1"]) as socket:
        await socket.send(json.dumps({"type": "hello", "name": name}))
        hearing = asyncio.create_task(hear(socket))
        while line := await lines.readline():
            text = line.decode().removesuffix("\n")
            await socket.send(json.dumps({"type": "say", "text": text}))
        hearing.cancel()


asyncio.run(main(*sys.argv[1:]))
