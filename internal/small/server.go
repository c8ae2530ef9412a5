// Package small serves the small services that inetd once had: echo, which sends
// back what comes (RFC 862), and fortune, which says something and closes (RFC 865).
// Who is connected to one of them knows of nobody else.
//
// Nobody holds a connection for ever: one that is silent or takes nothing for too
// long is ended, and there are only so many places, which chat does not share.
package small

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/chatd/chatd/internal/sock"
)

// ErrServerClosed is what Serve returns after Close.
var ErrServerClosed = errors.New("small: server closed")

// Config bounds what a Server does.
type Config struct {
	MaxClients    int             // most connections at a time, of all listeners together; at least 1
	MaxPerAddress int             // most of them from one address, of IPv6 from one /64; 0: no limit
	Logger        *zerolog.Logger // nil: nothing is logged
}

// Server gives connections their service. Its methods may be called by any
// goroutine.
type Server struct {
	// Set by New.
	cfg     Config
	log     zerolog.Logger
	refused chan struct{} // a token for each connection that is being turned away politely
	life    context.Context
	end     context.CancelFunc

	mu         sync.Mutex
	clients    int
	perAddress map[netip.Prefix]int
	turnedAway int       // since the last line about it in the log
	told       time.Time // when that was
}

// New returns a Server that does nothing until Serve.
func New(cfg Config) *Server {
	s := &Server{
		cfg:        cfg,
		log:        zerolog.Nop(),
		refused:    make(chan struct{}, refusedMost),
		perAddress: make(map[netip.Prefix]int),
	}
	if cfg.Logger != nil {
		s.log = *cfg.Logger
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// Close ends every Serve. It does not wait for them.
func (s *Server) Close() { s.end() }

// Serve accepts connections from l and gives each the service, in a goroutine of
// its own, until ctx is done or the server is closed. It returns ctx's error,
// ErrServerClosed, or the error of l, which has to wait out itself what may pass.
// When it returns, l is closed and every connection accepted from it has ended: all
// are told at once to do so, and none takes longer than two seconds.
func (s *Server) Serve(ctx context.Context, l net.Listener, service Service) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var serving sync.WaitGroup
	defer serving.Wait()
	defer cancel(nil)
	defer l.Close()
	defer context.AfterFunc(s.life, func() { cancel(ErrServerClosed) })()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		nc, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = nc.Close()
			}
			return context.Cause(ctx)
		case err != nil:
			return fmt.Errorf("small: accepting on %v: %w", l.Addr(), err)
		}
		if !s.enter() {
			serving.Go(func() { s.refuse(ctx, nc, service, s.full()) })
			continue
		}
		serving.Go(func() { s.begin(ctx, nc, service) })
	}
}

// handshaker is a connection that is to be used only after a handshake.
type handshaker interface {
	HandshakeContext(ctx context.Context) error
}

// shake makes the handshake of nc, if it has one.
func shake(ctx context.Context, nc net.Conn) error {
	if h, ok := nc.(handshaker); ok {
		return h.HandshakeContext(ctx)
	}
	return nil
}

// begin serves somebody who has a place, and gives that back.
func (s *Server) begin(ctx context.Context, nc net.Conn, service Service) {
	if err := shake(ctx, nc); err != nil {
		s.leave()
		s.logRefusal(nc, service, err.Error())
		c := sock.New(nc)
		c.Discard()
		_ = c.Close()
		return
	}
	address := addressOf(nc) // known only now, if it comes through a proxy
	if !s.arrive(address) {
		s.leave()
		s.refuse(ctx, nc, service, s.crowded())
		return
	}
	s.attend(ctx, nc, service)
	s.depart(address)
	s.leave()
}

// attend gives one connection its service and ends it.
func (s *Server) attend(ctx context.Context, nc net.Conn, service Service) {
	c := &conn{Conn: sock.New(nc), began: time.Now()}
	c.Tune()
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = c.SetDeadline(time.Unix(1, 0))
		close(interrupted)
	})
	why := service.serve(ctx, c)
	if !stop() {
		<-interrupted // or it would cut short how the connection ends
	}
	why.end(c.Conn)
	s.log.Debug().Str("service", service.name()).Str("transport", c.Transport()).
		Str("peer", nc.RemoteAddr().String()).Int64("lasted_ms", time.Since(c.began).Milliseconds()).
		Int64("bytes_in", c.in).Int64("bytes_out", c.out).Str("cause", why.log).Msg("end")
}
