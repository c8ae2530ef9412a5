package small

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/chatd/chatd/internal/sock"
)

const (
	// refusedMost is how many at a time are turned away politely, which can take
	// seconds; beyond it they are closed at once.
	refusedMost = 64
	// tellEvery is how long at least lies between two lines in the log about
	// newcomers that were turned away.
	tellEvery = time.Second
)

// enter takes a place, if there is one; each success is followed by one call of
// leave.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients >= s.cfg.MaxClients {
		return false
	}
	s.clients++
	return true
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients--
}

// arrive counts somebody from an address, unless there are too many from there;
// each success is followed by one call of depart.
func (s *Server) arrive(address netip.Prefix) bool {
	if !address.IsValid() || s.cfg.MaxPerAddress == 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.perAddress[address] >= s.cfg.MaxPerAddress {
		return false
	}
	s.perAddress[address]++
	return true
}

func (s *Server) depart(address netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.perAddress[address]--; s.perAddress[address] <= 0 { // who was not counted leaves nothing
		delete(s.perAddress, address)
	}
}

// full and crowded are why somebody is turned away.
func (s *Server) full() string {
	return fmt.Sprintf("server full (limit %d); try again in a minute", s.cfg.MaxClients)
}

func (s *Server) crowded() string {
	return fmt.Sprintf("too many connections from your address (limit %d)", s.cfg.MaxPerAddress)
}

// addressOf is what counts as one address: of IPv6 the /64. It is invalid if nc has
// none, as on a Unix socket.
func addressOf(nc net.Conn) netip.Prefix {
	tcp, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits)
	return p
}

// refuse says why there is no place and closes, the polite way while not too many
// are turned away at once.
func (s *Server) refuse(ctx context.Context, nc net.Conn, service Service, reason string) {
	s.countRefusal(service, reason)
	words := service.refusal("* " + reason)
	select {
	case s.refused <- struct{}{}:
		defer func() { <-s.refused }()
		err := shake(ctx, nc)
		s.logRefusal(nc, service, reason)
		c := sock.New(nc)
		if err == nil {
			_ = c.SetWriteDeadline(time.Now().Add(time.Second)) // for those that can only block
			_, _ = c.Write(words)
		}
		c.Linger()
	default:
		c := sock.New(nc)
		if _, ok := nc.(handshaker); !ok { // else it would be no TLS
			_, _ = c.TryWrite(words)
		}
		c.Discard()
		_ = c.Close()
	}
}

// countRefusal logs, at most once a second, how many were turned away.
func (s *Server) countRefusal(service Service, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turnedAway++
	if time.Since(s.told) < tellEvery {
		return
	}
	s.log.Warn().Str("service", service.name()).Int("count", s.turnedAway).Str("reason", reason).Msg("newcomers turned away")
	s.turnedAway, s.told = 0, time.Now()
}

// logRefusal logs one who was turned away. A handshake has to be over.
func (s *Server) logRefusal(nc net.Conn, service Service, reason string) {
	s.log.Debug().Str("service", service.name()).Str("peer", nc.RemoteAddr().String()).Str("reason", reason).Msg("refused")
}
