package relay_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/chatd/chatd/internal/cert/certtest"
	"github.com/chatd/chatd/internal/listen"
	"github.com/chatd/chatd/internal/pipe"
	"github.com/chatd/chatd/internal/talk"
	"github.com/chatd/chatd/pkg/relay"
)

// overTLS is TLS over TCP, as chatd has it.
func overTLS(t *testing.T, srv *relay.Server) talk.Stage { return overListener(t, srv, "tls", "") }

// overProxy is TCP through a proxy, which says for whom it speaks.
func overProxy(t *testing.T, srv *relay.Server) talk.Stage {
	return overListener(t, srv, "tcp", "PROXY TCP4 127.0.0.1 127.0.0.1 40000 7777\r\n")
}

// overProxyTLS is both, with the other version of the header.
func overProxyTLS(t *testing.T, srv *relay.Server) talk.Stage {
	return overListener(t, srv, "tls", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01\x9c\x40\x1e\x61")
}

// overListener has the server accept as chatd does. The header, if there is one,
// comes before all else.
func overListener(t *testing.T, srv *relay.Server, scheme, header string) talk.Stage {
	server, client := certtest.Configs(t, "chat.example.org")
	c := listen.Config{TLS: server, OnError: func(err error) { t.Error(err) }}
	if header != "" {
		var err error
		if c.Proxies, err = listen.ParsePeers("127.0.0.0/8"); err != nil {
			t.Fatal(err)
		}
	}
	listeners, err := c.Open(t.Context(), listen.Spec{Scheme: scheme, Host: "127.0.0.1", Service: listen.Chat})
	if err != nil {
		t.Fatal(err)
	}
	l := listeners[0]
	dial := dialKernel(t, srv, l)
	return talk.Stage{Dial: func(open func(talk.Conn) error) (talk.Conn, error) {
		if scheme != "tls" {
			return dial(func(c talk.Conn) error {
				if _, err := c.Write([]byte(header)); err != nil {
					return err
				}
				return open(c)
			})
		}
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return nil, err
		}
		if _, err := nc.Write([]byte(header)); err != nil {
			return nil, err
		}
		return handshaken(nc, client, open)
	}}
}

// overTLSPipe is TLS without a kernel.
func overTLSPipe(t *testing.T, srv *relay.Server) talk.Stage {
	server, client := certtest.Configs(t, "chat.example.org")
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	return talk.Stage{Dial: func(open func(talk.Conn) error) (talk.Conn, error) {
		a, b := pipe.New()
		serving.Go(func() { _ = srv.ServeConn(context.Background(), tls.Server(b, server)) })
		return handshaken(a, client, open)
	}}
}

// handshaken is a client of TLS, over nc. What open does goes out together with the
// last of the handshake: the server cannot have greeted before it is there.
func handshaken(nc net.Conn, config *tls.Config, open func(talk.Conn) error) (talk.Conn, error) {
	h := &holder{Conn: nc}
	c := encrypted{tls.Client(h, config), nc}
	err := c.Handshake()
	if err == nil {
		err = open(c)
	}
	if err == nil {
		err = h.release()
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}

// holder sends what is written first, and keeps the rest until it is released.
type holder struct {
	net.Conn
	mu       sync.Mutex
	begun    bool
	released bool
	held     bytes.Buffer
}

func (h *holder) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.released || !h.begun {
		h.begun = true
		return h.Conn.Write(p)
	}
	return h.held.Write(p)
}

// SetWriteDeadline does nothing: CloseWrite of TLS has later writes fail by it.
func (h *holder) SetWriteDeadline(time.Time) error { return nil }

func (h *holder) release() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.released = true
	_, err := h.Conn.Write(h.held.Bytes())
	return err
}

// encrypted is a client's end of TLS.
type encrypted struct {
	*tls.Conn
	below net.Conn
}

// Reset ends the connection without a word.
func (e encrypted) Reset() error {
	switch nc := e.below.(type) {
	case *net.TCPConn:
		if err := nc.SetLinger(0); err != nil {
			return err
		}
		return nc.Close()
	case *pipe.Conn:
		nc.Abort()
		return nil
	}
	return fmt.Errorf("%T knows no reset", e.below)
}
