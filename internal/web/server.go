package web

import (
	"context"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Relay is the chat that a WebSocket is for.
type Relay interface {
	// ServeWebSocketConn serves a connection on which the handshake is done until
	// it has ended, and closes it. early is what the client has sent behind the
	// handshake.
	ServeWebSocketConn(ctx context.Context, nc net.Conn, early []byte) error
}

// Config says what a Server serves.
type Config struct {
	Relay  Relay
	Policy Policy
	Logger *zerolog.Logger // told of who is turned away, at level debug; nil: nobody is

	// MaxConns is how many connections there may be that are no chat (yet): pages
	// being fetched, handshakes, echoes. The oldest makes room for the newest; those
	// of one address, or one /64, do so from MaxConns/8 on. 0: 512.
	MaxConns int
}

// ErrServerClosed is what Serve returns after Shutdown.
var ErrServerClosed = http.ErrServerClosed

const (
	// headerTime is how long a request may take to arrive, and a TLS handshake.
	headerTime = 5 * time.Second
	// answerTime is how long the largest answer may take to be read, some 30 KiB.
	answerTime = 30 * time.Second
	// idleTime is how long a connection is kept for the next request.
	idleTime = 30 * time.Second
	// maxHeader is the longest head of a request, in bytes, to which net/http adds
	// 4 KiB. A browser's is about 1 KiB, with the cookies of other ports 8 KiB.
	maxHeader = 12 << 10
	// shutdownTime is how long a stop waits for answers under way.
	shutdownTime = time.Second
)

// Server serves the page and what belongs to it. Its methods may be called at the
// same time.
type Server struct {
	// Set by New, never changed.
	cfg   Config
	log   zerolog.Logger
	files map[string]file // by path
	guests

	stop     sync.Once
	stopping chan struct{} // closed by Shutdown
}

// New returns a server that serves nothing yet.
func New(cfg Config) *Server {
	if cfg.MaxConns == 0 {
		cfg.MaxConns = 512
	}
	s := &Server{cfg: cfg, log: zerolog.Nop(), files: embedded(), stopping: make(chan struct{})}
	if cfg.Logger != nil {
		s.log = *cfg.Logger
	}
	s.guests.most = cfg.MaxConns
	return s
}

// Serve serves the page at / and the chat's WebSocket at /ws to those who connect to
// l, until ctx is done, which ends everyone, or Shutdown is called, or l fails. For
// https its connections speak TLS and make the handshake when they are read first,
// as those of crypto/tls do; they agree on no HTTP/2. When it returns, l is closed and every connection accepted from it has ended; after
// Shutdown the Relay is the one to end those it has. Its error is ctx's,
// ErrServerClosed, or l's.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return s.serve(ctx, l, s.site)
}

// ServeEcho is as Serve, but every path is a WebSocket that sends back what it gets,
// and any page may use it.
func (s *Server) ServeEcho(ctx context.Context, l net.Listener) error {
	return s.serve(ctx, l, s.echoSite)
}

// site is how a server's requests are answered, given what serves the WebSockets
// that they become.
type site func(u upgrades) http.Handler

func (s *Server) serve(ctx context.Context, l net.Listener, answer site) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	begun, stop := context.WithCancel(ctx)
	defer stop()

	var open sync.WaitGroup // connections
	hs := &http.Server{
		Handler:           answer(upgrades{ctx: ctx, begun: begun, log: s.log, ended: open.Done, guests: &s.guests}),
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       headerTime,
		WriteTimeout:      answerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		Protocols:         new(http.Protocols),
		ErrorLog:          log.New(debugLog{s.log}, "", 0),
		ConnState: func(nc net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				open.Add(1)
				// TLS may take five seconds to close, and accepting must not wait.
				s.guests.enter(nc, func() { go nc.Close() })
			case http.StateHijacked: // the upgrade sees to its end
				s.guests.leave(nc)
			case http.StateClosed:
				s.guests.leave(nc)
				open.Done()
			}
		},
	}
	hs.Protocols.SetHTTP1(true) // of HTTP/2 a WebSocket is another story

	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		failed <- hs.Serve(listener{l})
	}()
	var err error
	select {
	case err = <-failed:
		cancel(err)
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-s.stopping:
		err = ErrServerClosed
	}
	stop()
	s.end(hs)
	for range failed { // until it has returned
	}
	open.Wait()
	return err
}

// end ends what is no WebSocket within a second: at once where no request is being
// answered.
func (s *Server) end(hs *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	_ = hs.Shutdown(ctx)
	_ = hs.Close()
}

// Shutdown makes every Serve close its listener, end its echoes and answer what was
// asked. The connections that the Relay has are left to it; Serve returns when they
// have ended too.
func (s *Server) Shutdown() {
	s.stop.Do(func() { close(s.stopping) })
}

// listener wraps what is accepted from it, so that callers who took the port for
// something else are told.
type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &greeted{Conn: nc}, nil
}

// debugLog takes the lines of net/http about bad requests and handshakes.
type debugLog struct{ log zerolog.Logger }

func (d debugLog) Write(line []byte) (int, error) {
	d.log.Debug().Bytes("detail", line).Msg("refused")
	return len(line), nil
}
