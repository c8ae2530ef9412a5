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
//
// A connection with a method HandshakeContext, such as a *tls.Conn, is served when
// that has succeeded, in 5 seconds at most; nobody else waits for it.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return s.serve(ctx, l, s.chatDoor(formatText))
}

// ServeRaw is Serve for clients that bring their own format: each chunk read goes
// unchanged to every client of the raw room with the given name, its author too.
// Chat never hears it.
func (s *Server) ServeRaw(ctx context.Context, l net.Listener, room string) error {
	return s.serve(ctx, l, rawDoor(room))
}

// ServeConn serves one connection as Serve does and returns when it has ended,
// closed. It returns a *RefusedError if the connection was turned away, and the
// handshake's error if there is one and it fails.
func (s *Server) ServeConn(ctx context.Context, nc net.Conn) error {
	return s.serveConn(ctx, nc, s.chatDoor(formatText))
}

// ServeRawConn is ServeConn as ServeRaw does.
func (s *Server) ServeRawConn(ctx context.Context, nc net.Conn, room string) error {
	return s.serveConn(ctx, nc, rawDoor(room))
}

// ServeJSON is Serve for programs: JSON from the first byte on, an object a line.
func (s *Server) ServeJSON(ctx context.Context, l net.Listener) error {
	return s.serve(ctx, l, s.chatDoor(formatJSON))
}

// ServeJSONConn is ServeConn as ServeJSON does.
func (s *Server) ServeJSONConn(ctx context.Context, nc net.Conn) error {
	return s.serveConn(ctx, nc, s.chatDoor(formatJSON))
}

// ServeWebSocketConn serves one connection as ServeConn does, with an object a text
// frame. The WebSocket handshake is done; early is what the client sent behind it.
func (s *Server) ServeWebSocketConn(ctx context.Context, nc net.Conn, early []byte) error {
	d := s.chatDoor(formatFrames)
	d.early = early
	return s.serveConn(ctx, nc, d)
}

// door is how a connection comes in.
type door struct {
	room   roomKey
	format format
	early  []byte // what it has sent already
}

func (s *Server) chatDoor(f format) door { return door{room: roomKey{name: s.cfg.Room}, format: f} }

func rawDoor(room string) door { return door{room: roomKey{name: room, raw: true}, format: formatRaw} }

func (s *Server) serveConn(ctx context.Context, nc net.Conn, d door) error {
	if h, ok := nc.(handshaker); ok {
		if err := s.shake(ctx, h); err != nil {
			s.unready(nc, err, inline)
			return fmt.Errorf("relay: handshake: %w", err)
		}
	}
	sess, err := s.admit(nc, d)
	if err != nil {
		s.refuse(nc, d.format, err, inline)
		return err
	}
	stop := context.AfterFunc(ctx, func() { sess.end(endServing) })
	defer stop()
	sess.arrive(func() {})
	if len(d.early) > 0 && sess.why.Load() == nil {
		sess.input(d.early)
	}
	for sess.attend() {
	}
	sess.finish()
	s.forget(sess)
	return nil
}

func (s *Server) serve(ctx context.Context, nl net.Listener, d door) error {
	l := &listener{nl}
	defer l.Close()
	if !s.track(l) {
		return ErrServerClosed
	}
	defer s.untrack(l)
	s.pauses.prepare() // now that descriptors are left
	// Accept and the wait for its turn end with ctx.
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()

	conns := connections{srv: s, door: d, open: make(map[*session]struct{})}
	defer conns.end()
	shaking, stopShaking := context.WithCancelCause(ctx)
	defer stopShaking(errServing)
	for {
		if err := s.mayAccept(ctx); err != nil {
			return err
		}
		s.waiting.Add(1)
		nc, err := l.Accept()
		s.waiting.Add(-1)
		if err == nil {
			_ = s.resumed(ctx) // it may have been accepted while accepting was paused; who is too late is told so
			conns.begin(shaking, nc)
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
	door door

	running sync.WaitGroup
	mu      sync.Mutex
	open    map[*session]struct{}
	over    bool // who is admitted now ends at once
}

// errServing ends handshakes when their listener is served no more.
var errServing = errors.New("listener closed")

// begin serves nc in a goroutine of its own. Who comes first is admitted first, but
// for those with a handshake: of these it is who has made it first.
func (c *connections) begin(ctx context.Context, nc net.Conn) {
	h, ok := nc.(handshaker)
	if !ok {
		c.enter(nc)
		return
	}
	c.running.Go(func() {
		if err := c.srv.shake(ctx, h); err != nil {
			c.srv.greeted()
			c.srv.unready(nc, err, inline)
			return
		}
		c.enter(nc)
	})
}

// enter admits nc and serves it in a goroutine of its own.
func (c *connections) enter(nc net.Conn) {
	sess, err := c.srv.admit(nc, c.door)
	if err != nil {
		c.srv.greeted()
		c.srv.refuse(nc, c.door.format, err, c.running.Go)
		return
	}
	c.mu.Lock()
	c.open[sess] = struct{}{}
	if c.over && !c.srv.isClosed() {
		sess.end(endServing)
	}
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
	c.over = true
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
	for {
		if err := s.resumed(ctx); err != nil || s.pending == nil {
			return err
		}
		select {
		case s.pending <- struct{}{}:
			return nil
		default:
		}
		again := time.NewTimer(s.handshakes.yield())
		select {
		case s.pending <- struct{}{}:
			again.Stop()
			return nil
		case <-again.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.killed:
			return ErrServerClosed
		}
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
