package web

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"github.com/rs/zerolog"
)

// subprotocol is what the objects of a chat are called where a WebSocket is opened.
const subprotocol = "chatd.v1"

// shakeTime is how long a client may take to read the answer to its handshake, which
// any empty buffer holds.
const shakeTime = 5 * time.Second

// upgrades makes WebSockets of requests, for one listener.
type upgrades struct {
	ctx    context.Context // ends chats
	begun  context.Context // ends echoes: it is done earlier, when the server stops
	log    zerolog.Logger
	guests *guests
	ended  func() // is called when a connection has ended that was taken from net/http
}

// webSocket serves one connection on which the handshake is done until it has ended,
// and closes it.
type webSocket func(nc net.Conn, early []byte) error

// to answers requests for a WebSocket that allow does not refuse, and leaves them to
// serve in a goroutine of its own, with nothing of the request on its stack.
func (u upgrades) to(serve webSocket, allow func(*http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !wantsWebSocket(r) {
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade, close")
			http.Error(w, "this address is for WebSocket clients", http.StatusUpgradeRequired)
			return
		}
		if err := allow(r); err != nil {
			u.log.Debug().Str("peer", r.RemoteAddr).Str("host", r.Host).
				Strs("origin", r.Header["Origin"]).AnErr("reason", err).Msg("refused")
			forbid(w, err)
			return
		}
		shake := ws.HTTPUpgrader{Timeout: shakeTime, Protocol: func(p string) bool { return p == subprotocol }}
		nc, rw, _, err := shake.Upgrade(r, w)
		if nc == nil {
			return // the connection is still net/http's
		}
		nc = unwrapped(nc)
		if err != nil {
			_ = nc.Close()
			u.ended()
			return
		}
		var early []byte
		if n := rw.Reader.Buffered(); n > 0 {
			early = make([]byte, n)
			_, _ = rw.Reader.Read(early) // it has them
		}
		go func() {
			defer u.ended()
			_ = serve(nc, early) // whoever serves it knows why it ended, and tells
		}()
	}
}

// wantsWebSocket tells whether a request asks for what RFC 6455 calls an upgrade.
// What is wrong with it beyond that the handshake finds.
func wantsWebSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && hasWord(r.Header["Upgrade"], "websocket") && hasWord(r.Header["Connection"], "upgrade")
}

// hasWord tells whether a header that is a list, in however many lines, has word.
func hasWord(lines []string, word string) bool {
	for _, line := range lines {
		for one := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(one), word) {
				return true
			}
		}
	}
	return false
}

// unwrapped is the connection as it was accepted.
func unwrapped(nc net.Conn) net.Conn {
	if g, ok := nc.(*greeted); ok {
		return g.Conn
	}
	return nc
}

// forbid answers that a request is turned away, and why.
func forbid(w http.ResponseWriter, why error) {
	w.Header().Set("Connection", "close")
	http.Error(w, why.Error(), http.StatusForbidden)
}
