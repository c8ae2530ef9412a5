package relay

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/chatd/chatd/internal/sock"
)

// RefusedError is why a connection was turned away, in words for its person.
type RefusedError struct {
	Reason string
	why    string // one of refusedFor
}

func (e *RefusedError) Error() string { return e.Reason }

// admit makes nc a session, or says why not.
func (s *Server) admit(nc net.Conn, d door) (*session, error) {
	ip := addrOf(nc)
	address := addressOf(ip)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, &RefusedError{endStopping.last, refusedStopping}
	}
	// Who is banned from now on is on the list of sessions, or refused.
	if err := s.unwelcome(ip); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	if most := s.cfg.MaxPerAddress; most > 0 && address.IsValid() && s.perAddr[address] >= most {
		s.mu.Unlock()
		return nil, &RefusedError{fmt.Sprintf("too many connections from your address (limit %d)", most), refusedAddress}
	}
	if most := s.cfg.MaxClients; most > 0 && len(s.sessions)-s.evicted >= most {
		stranger := s.oldestStranger()
		switch {
		case stranger != nil:
			s.known(stranger)
			if stranger.end(endFull) {
				s.evicted++
			}
		case len(s.sessions)-s.evicted < most+operatorSeats && s.trusts(sock.New(nc)):
		default:
			s.mu.Unlock()
			return nil, &RefusedError{fmt.Sprintf("server full (limit %d); try again in a minute", most), refusedFull}
		}
	}
	sess := newSession(s, d, nc)
	s.lastID++
	sess.id = s.lastID
	sess.address = address
	if address.IsValid() {
		s.perAddr[address]++
	}
	s.came(sess)
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

// operatorSeats is how many operators on this machine are let in when the server is
// full, so that they can see why.
const operatorSeats = 4

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
	s.went(sess)
	if sess.writer != nil {
		s.windows--
	}
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

// unwelcome is why nobody, or nobody from an address, is let in. Who has no address
// is on this machine: so an operator can come in and open a closed server again.
func (s *Server) unwelcome(ip netip.Addr) error {
	if s.shut.Load() && ip.IsValid() {
		return &RefusedError{"this chat takes no newcomers just now; come back later", refusedClosed}
	}
	if s.sanctions.none() {
		return nil
	}
	now := s.clock()
	if n, holds := s.sanctions.holding(false, "", ip, now); holds {
		return &RefusedError{"your address is banned " + n.sentence(now), refusedBanned}
	}
	return nil
}

// addrOf is nc's address; invalid if it has none, as on a Unix socket.
func addrOf(nc net.Conn) netip.Addr {
	tcp, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// addressOf is what counts as one address: of IPv6 the /64, of a Unix socket nothing.
func addressOf(ip netip.Addr) netip.Prefix {
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits)
	return p
}

// refuse tells the person why, without waiting, and closes. run is as in linger.
func (s *Server) refuse(nc net.Conn, f format, err error, run func(func())) {
	s.turned(err)
	s.logRefusal(nc, err)
	c := sock.New(nc)
	line := f.refusal(err)
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
