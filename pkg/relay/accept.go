package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// listener is one that is being served.
type listener struct{ net.Listener }

// deadliner is a listener whose Accept can be interrupted.
type deadliner interface{ SetDeadline(time.Time) error }

// acceptPause is how long the accept loop rests after an error that may pass,
// such as no free descriptor.
const acceptPause = 100 * time.Millisecond

// Serve accepts connections from l and serves each, as a chat, in a goroutine of
// its own, until ctx is done or the server is shut down. When it returns, l is
// closed and every connection accepted from it has ended. It returns ctx's error,
// ErrServerClosed, or the error of l that made it give up; errors that may pass
// go to Config.OnError. It may be called for several listeners at once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return s.serve(ctx, l, roomKey{name: s.cfg.Room})
}

// ServeRaw is Serve for clients that bring their own format: each chunk read goes
// unchanged to every client of the raw room with the given name, its author too.
// Chat never hears it.
func (s *Server) ServeRaw(ctx context.Context, l net.Listener, room string) error {
	return s.serve(ctx, l, roomKey{name: room, raw: true})
}

// ServeConn serves one connection as Serve does and returns when it has ended,
// closed. It returns a *RefusedError if the connection was turned away.
func (s *Server) ServeConn(ctx context.Context, nc net.Conn) error {
	return s.serveConn(ctx, nc, roomKey{name: s.cfg.Room})
}

// ServeRawConn is ServeConn as ServeRaw does.
func (s *Server) ServeRawConn(ctx context.Context, nc net.Conn, room string) error {
	return s.serveConn(ctx, nc, roomKey{name: room, raw: true})
}

func (s *Server) serveConn(ctx context.Context, nc net.Conn, key roomKey) error {
	sess, err := s.admit(nc, key)
	if err != nil {
		s.refuse(nc, err, inline)
		return err
	}
	stop := context.AfterFunc(ctx, func() { sess.end(endServing) })
	defer stop()
	sess.arrive(func() {})
	for sess.attend() {
	}
	sess.finish()
	s.forget(sess)
	return nil
}

func (s *Server) serve(ctx context.Context, nl net.Listener, key roomKey) error {
	l := &listener{nl}
	defer l.Close()
	if !s.track(l) {
		return ErrServerClosed
	}
	defer s.untrack(l)
	// Accept and the wait for its turn end with ctx.
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()

	conns := connections{srv: s, room: key, open: make(map[*session]struct{})}
	defer conns.end()
	for {
		if err := s.mayAccept(ctx); err != nil {
			return err
		}
		nc, err := l.Accept()
		if err == nil {
			_ = s.resumed(ctx) // it may have been accepted while accepting was paused; who is too late is told so
			conns.begin(nc)
			continue
		}
		s.greeted()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case s.isClosed():
			return ErrServerClosed
		case errors.Is(err, os.ErrDeadlineExceeded):
			// Accepting was paused.
		case !passing(err):
			return fmt.Errorf("relay: accepting on %v: %w", l.Addr(), err)
		default:
			s.log.Warn().Err(err).Msg("accept")
			if s.cfg.OnError != nil {
				s.cfg.OnError(err)
			}
			t := time.NewTimer(acceptPause)
			select {
			case <-t.C:
			case <-ctx.Done():
			case <-s.killed:
			}
			t.Stop()
		}
	}
}

// connections are those accepted from one listener.
type connections struct {
	srv  *Server
	room roomKey

	running sync.WaitGroup
	mu      sync.Mutex
	open    map[*session]struct{}
}

// begin serves nc in a goroutine of its own. Who comes first is admitted first.
func (c *connections) begin(nc net.Conn) {
	sess, err := c.srv.admit(nc, c.room)
	if err != nil {
		c.srv.greeted()
		c.srv.refuse(nc, err, c.running.Go)
		return
	}
	c.mu.Lock()
	c.open[sess] = struct{}{}
	c.mu.Unlock()
	c.running.Add(1)
	go func() {
		sess.arrive(c.srv.greeted)
		go c.attend(sess)
	}()
}

// attend serves sess, and leaves it to a new goroutine now and then.
func (c *connections) attend(sess *session) {
	if sess.attend() {
		go c.attend(sess)
		return
	}
	c.finish(sess)
}

func (c *connections) finish(sess *session) {
	sess.finish()
	c.mu.Lock()
	delete(c.open, sess)
	c.mu.Unlock()
	c.srv.forget(sess)
	c.running.Done()
}

// end ends all of them, if Shutdown does not see to that, and returns when they
// have ended.
func (c *connections) end() {
	c.mu.Lock()
	if !c.srv.isClosed() {
		for sess := range c.open {
			sess.end(endServing)
		}
	}
	c.mu.Unlock()
	c.running.Wait()
}

// passing tells whether an error of Accept may pass.
func passing(err error) bool {
	var ne net.Error
	//lint:ignore SA1019 for Accept there is no other way to tell
	return errors.As(err, &ne) && ne.Temporary()
}

// mayAccept waits until accepting is not paused and a newcomer may be pending.
// Each success is followed by one call of greeted.
func (s *Server) mayAccept(ctx context.Context) error {
	if err := s.resumed(ctx); err != nil || s.pending == nil {
		return err
	}
	select {
	case s.pending <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.killed:
		return ErrServerClosed
	}
}

// resumed waits until accepting is not paused.
func (s *Server) resumed(ctx context.Context) error {
	for {
		s.mu.Lock()
		paused, closed := s.paused, s.closed
		s.mu.Unlock()
		switch {
		case closed:
			return ErrServerClosed
		case paused == nil:
			return nil
		}
		select {
		case <-paused:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// greeted gives back a place among the pending.
func (s *Server) greeted() {
	if s.pending != nil {
		<-s.pending
	}
}

// PauseAccepting lets newcomers wait in the kernel's queue. One may be accepted at this
// very moment, by a listener whose Accept cannot be interrupted at any later one: it
// is not served before ResumeAccepting.
func (s *Server) PauseAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused != nil || s.closed {
		return
	}
	s.paused = make(chan struct{})
	for l := range s.listeners {
		if d, ok := l.Listener.(deadliner); ok {
			_ = d.SetDeadline(time.Unix(1, 0))
		}
	}
}

// ResumeAccepting ends PauseAccepting.
func (s *Server) ResumeAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused == nil {
		return
	}
	for l := range s.listeners {
		if d, ok := l.Listener.(deadliner); ok {
			_ = d.SetDeadline(time.Time{})
		}
	}
	close(s.paused)
	s.paused = nil
}

// Accepting tells whether newcomers are let in: something is served, and
// accepting is not paused.
func (s *Server) Accepting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.listeners) > 0 && s.paused == nil && !s.closed
}

// Addrs returns the addresses that are being served.
func (s *Server) Addrs() []net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	var addrs []net.Addr
	for l := range s.listeners {
		addrs = append(addrs, l.Addr())
	}
	return addrs
}

func (s *Server) track(l *listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.listeners[l] = struct{}{}
	if d, ok := l.Listener.(deadliner); ok && s.paused != nil {
		_ = d.SetDeadline(time.Unix(1, 0))
	}
	return true
}

func (s *Server) untrack(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
