package web_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chatd/chatd/pkg/relay"
)

// client is a program with another implementation of WebSocket, of which nobody here
// knows how it cuts frames and answers pings.
const client = `
import asyncio, json, sys, websockets

async def main(url):
    async with websockets.connect(url + "ws/echo", max_size=None, compression=None) as ws:
        for message in ["grüß dich", "", "x" * 65000, b"\x00\xff", b""]:
            await ws.send(message)
            assert await ws.recv() == message
        await ws.send(["in ", "three ", "pieces"])
        assert await ws.recv() == "in three pieces"
        await asyncio.wait_for(await ws.ping(b"there?"), 5)

    async with websockets.connect(url + "ws", subprotocols=["chatd.v1"]) as ws:
        assert ws.subprotocol == "chatd.v1", ws.subprotocol
        await ws.send(json.dumps({"type": "hello", "name": "python", "bot": True}))
        kind = ""
        while kind != "live":
            kind = json.loads(await ws.recv())["type"]
        await ws.send(json.dumps({"type": "say", "text": "from another world: 你好", "id": "0123456789abcdef"}))
        seen = []
        while not {"message", "said", "stored"} <= set(seen):
            object = json.loads(await ws.recv())
            assert object["type"] != "error", object
            seen.append(object["type"])
        await asyncio.wait_for(await ws.ping(), 5)
        await ws.send(json.dumps({"type": "quit"}))
        try:
            while True:
                last = json.loads(await ws.recv())
        except websockets.ConnectionClosed as closed:
            assert last["type"] == "bye" and closed.code == 1000, (last, closed.code)

    for origin, allowed in [(None, True), (url[:-1].replace("ws", "http"), True), ("http://evil.example", False)]:
        try:
            async with websockets.connect(url + "ws", origin=origin):
                assert allowed, origin
        except websockets.InvalidStatusCode as refused:
            assert not allowed and refused.status_code == 403, (origin, refused.status_code)

asyncio.run(main(sys.argv[1]))
`

func TestAnotherImplementation(t *testing.T) {
	c := serve(t, relay.Config{})
	ana := c.person("ana")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// Debian's own, for which tools/deps.sh installs the module.
	program := exec.CommandContext(ctx, "/usr/bin/python3", "-c", client, strings.Replace(c.url, "http", "ws", 1))
	if said, err := program.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	ana.sees("python: from another world: 你好")
}
