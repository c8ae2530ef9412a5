package web

import (
	"bytes"
	"io"
	"net"
	"strconv"

	"github.com/chatd/chatd/internal/wire"
)

// greeted is a connection whose first bytes are looked at: net/http has for a person
// with nc no better answer than 400 Bad Request.
type greeted struct {
	net.Conn
	seen bool // something was read
}

// wrongDoor is the answer to a line that is no request.
const wrongDoor = "this port is for browsers: open http://HOST:PORT/ in one. For nc and telnet the chat has another port"

// Read ends the input of a caller that begins with something else than HTTP, after
// it was told so.
func (g *greeted) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if g.seen || n == 0 {
		return n, err
	}
	g.seen = true
	first := p[:n]
	if bytes.IndexByte(first, '\n') < 0 && !isTLS(first) || wire.IsHTTP(first) {
		return n, err // what has no line end yet may become a request
	}
	_, _ = g.Conn.Write(answer("400 Bad Request", wrongDoor))
	return 0, io.EOF
}

func isTLS(first []byte) bool { return bytes.HasPrefix(first, []byte{22, 3}) }

// answer is a whole answer of HTTP with one sentence in it, which does no harm to
// who is no browser either.
func answer(status, sentence string) []byte {
	return []byte("HTTP/1.1 " + status + "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " +
		strconv.Itoa(len(sentence)+1) + "\r\nConnection: close\r\n\r\n" + sentence + "\n")
}
