package relay

import (
	"container/list"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/chatd/chatd/internal/sock"
)

// handshaker is a connection that has to be made ready before it is served: a
// *tls.Conn, or one of a proxy that first says for whom it speaks.
type handshaker interface {
	net.Conn
	HandshakeContext(context.Context) error
}

const (
	// handshakeTime is how long a handshake may take.
	handshakeTime = 5 * time.Second
	// handshakeYield is how long it may take, at least, while other newcomers find
	// no place among the pending.
	handshakeYield = time.Second
)

var (
	errYielded  = errors.New("made room for others")
	errTooMany  = errors.New("too many handshakes with one address")
	errNotReady = errors.New("handshake took too long")
)

// handshakes are those under way. Each has a place among the pending; when no place
// is left, the oldest one gives way.
type handshakes struct {
	mu      sync.Mutex
	oldest  list.List            // of *handshake
	perAddr map[netip.Prefix]int // those that come through no proxy
}

// handshake is one of them.
type handshake struct {
	address netip.Prefix // invalid: not counted
	end     context.CancelCauseFunc
	asked   time.Time // when it began, or was told to end
}

// shake makes nc ready, in the goroutine that calls it. It returns an error if that
// fails, and at once if as many handshakes with the address are under way as it may
// have connections.
func (s *Server) shake(ctx context.Context, nc handshaker) error {
	h := &handshake{asked: time.Now()}
	if p, ok := nc.(interface{ FromProxy() bool }); !ok || !p.FromProxy() {
		h.address = addressOf(addrOf(nc))
	}
	ctx, h.end = context.WithCancelCause(ctx)
	defer h.end(nil)
	stop := context.AfterFunc(s.life, func() { h.end(ErrServerClosed) })
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, handshakeTime, errNotReady)
	defer cancel()
	e, ok := s.handshakes.begin(h, s.cfg.MaxPerAddress)
	if !ok {
		return errTooMany
	}
	defer s.handshakes.over(e)
	err := nc.HandshakeContext(ctx)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}

// unready turns away who could not be made ready. Why, it was told by the handshake
// if it can be told anything. run is as in linger.
func (s *Server) unready(nc net.Conn, err error, run func(func())) {
	s.turned(err)
	s.log.Debug().Str("peer", nc.RemoteAddr().String()).Str("reason", err.Error()).Msg("refused")
	if errors.Is(err, errYielded) || errors.Is(err, errTooMany) {
		_ = nc.Close()
		return
	}
	s.linger(sock.New(nc), run)
}

func (hs *handshakes) begin(h *handshake, most int) (e *list.Element, ok bool) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if h.address.IsValid() {
		if most > 0 && hs.perAddr[h.address] >= most {
			return nil, false
		}
		if hs.perAddr == nil {
			hs.perAddr = make(map[netip.Prefix]int)
		}
		hs.perAddr[h.address]++
	}
	return hs.oldest.PushBack(h), true
}

func (hs *handshakes) over(e *list.Element) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	h := hs.oldest.Remove(e).(*handshake)
	if !h.address.IsValid() {
		return
	}
	if hs.perAddr[h.address]--; hs.perAddr[h.address] == 0 {
		delete(hs.perAddr, h.address)
	}
}

// yield ends the oldest one, if it has had its time. It returns after how long to
// ask again.
func (hs *handshakes) yield() time.Duration {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	e := hs.oldest.Front()
	if e == nil {
		return handshakeYield
	}
	h := e.Value.(*handshake)
	if left := handshakeYield - time.Since(h.asked); left > 0 {
		return left
	}
	h.end(errYielded)
	h.asked = time.Now()
	hs.oldest.MoveToBack(e) // next time it is another's turn
	return handshakeYield
}
