package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/chatd/chatd/internal/sock"
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
	sess.run(func() {})
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
	c.running.Go(func() {
		sess.run(sync.OnceFunc(c.srv.greeted))
		c.mu.Lock()
		delete(c.open, sess)
		c.mu.Unlock()
		c.srv.forget(sess)
	})
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
	for {
		s.mu.Lock()
		paused, closed := s.paused, s.closed
		s.mu.Unlock()
		switch {
		case closed:
			return ErrServerClosed
		case paused != nil:
			select {
			case <-paused:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			continue
		case s.pending == nil:
			return nil
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
}

// greeted gives back a place among the pending.
func (s *Server) greeted() {
	if s.pending != nil {
		<-s.pending
	}
}

// PauseAccepting lets newcomers wait in the kernel's queue. A listener whose
// Accept cannot be interrupted may accept one more.
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

// RefusedError is why a connection was turned away, in words for its person.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

// admit makes nc a session, or says why not.
func (s *Server) admit(nc net.Conn, key roomKey) (*session, error) {
	address := s.addressOf(nc)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, &RefusedError{endStopping.last}
	}
	if most := s.cfg.MaxPerAddress; most > 0 && address.IsValid() && s.perAddr[address] >= most {
		s.mu.Unlock()
		return nil, &RefusedError{fmt.Sprintf("too many connections from your address (limit %d)", most)}
	}
	if most := s.cfg.MaxClients; most > 0 && len(s.sessions)-s.evicted >= most {
		stranger := s.oldestStranger()
		if stranger == nil {
			s.mu.Unlock()
			return nil, &RefusedError{fmt.Sprintf("server full (limit %d); try again in a minute", most)}
		}
		s.known(stranger)
		if stranger.end(endFull) {
			s.evicted++
		}
	}
	sess := newSession(s, key, nc)
	s.lastID++
	sess.id = s.lastID
	sess.address = address
	if address.IsValid() {
		s.perAddr[address]++
	}
	sess.slot = len(s.sessions)
	s.sessions = append(s.sessions, sess)
	sess.stranger = s.strangers.PushBack(sess)
	if !s.reaping {
		s.reaping = true
		s.running.Go(s.reap)
	}
	s.mu.Unlock()
	s.accepted.Add(1)
	return sess, nil
}

// strangerTime is how long one may listen in silence, on a full server, before a
// newcomer takes the place.
const strangerTime = 5 * time.Second

// oldestStranger is the session that has been there for longest without ever
// having spoken, if that is long enough, or nil. s.mu is held.
func (s *Server) oldestStranger() *session {
	e := s.strangers.Front()
	if e == nil {
		return nil
	}
	if sess := e.Value.(*session); time.Since(sess.began) >= strangerTime {
		return sess
	}
	return nil
}

// known takes sess off the list of strangers. s.mu is held.
func (s *Server) known(sess *session) {
	if sess.stranger != nil {
		s.strangers.Remove(sess.stranger)
		sess.stranger = nil
	}
}

// speaks notes that sess is no stranger.
func (s *Server) speaks(sess *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known(sess)
}

// forget takes sess, which has ended, off the list.
func (s *Server) forget(sess *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known(sess)
	last := len(s.sessions) - 1
	s.sessions[sess.slot] = s.sessions[last]
	s.sessions[sess.slot].slot = sess.slot
	s.sessions[last] = nil
	s.sessions = s.sessions[:last]
	if sess.why.Load() == endFull {
		s.evicted--
	}
	if sess.address.IsValid() {
		if s.perAddr[sess.address]--; s.perAddr[sess.address] == 0 {
			delete(s.perAddr, sess.address)
		}
	}
	if s.empty != nil && last == 0 {
		close(s.empty)
	}
}

// addressOf is what counts as nc's address: of IPv6 the /64, of a Unix socket
// nothing.
func (s *Server) addressOf(nc net.Conn) netip.Prefix {
	tcp, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	a := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

// refuse tells the person why, without waiting, and closes. run is as in linger.
func (s *Server) refuse(nc net.Conn, err error, run func(func())) {
	s.refused.Add(1)
	s.logRefusal(nc, err)
	c := sock.New(nc)
	line := []byte("* " + err.Error() + "\r\n")
	n, werr := c.TryWrite(line)
	switch {
	case werr != nil:
		_ = c.Close()
	case n == len(line):
		s.linger(c, run)
	default: // a connection that can only block
		run(func() {
			_ = c.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = c.Write(line[n:])
			s.linger(c, inline)
		})
	}
}

// logRefusal logs that somebody was turned away, and at most once a second for
// all to see.
func (s *Server) logRefusal(nc net.Conn, err error) {
	s.log.Debug().Str("peer", nc.RemoteAddr().String()).Str("reason", err.Error()).Msg("refused")
	n := s.turnedAway.Add(1)
	now, told := s.uptime(), s.turnedAwayTold.Load()
	if told != 0 && now-told < int64(time.Second) || !s.turnedAwayTold.CompareAndSwap(told, now) {
		return
	}
	s.turnedAway.Add(-n) // what others counted meanwhile is for the next line
	s.log.Warn().Uint64("count", n).Str("reason", err.Error()).Msg("newcomers turned away")
}
