package relay

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/when"
)

// sanctions are the bans and mutes that hold.
type sanctions struct {
	some   atomic.Bool // there are any
	mu     sync.Mutex
	all    []Sanction // by ID
	lastID uint64
}

func newSanctions(list []Sanction) *sanctions {
	s := &sanctions{all: slices.Clone(list)}
	slices.SortFunc(s.all, func(a, b Sanction) int { return int(a.ID) - int(b.ID) })
	s.some.Store(len(s.all) > 0)
	if n := len(s.all); n > 0 {
		s.lastID = s.all[n-1].ID
	}
	return s
}

// over tells whether it no longer holds.
func (s *Sanction) over(now time.Time) bool { return !s.Until.IsZero() && !now.Before(s.Until) }

// about tells whether it concerns who has a name, or comes from an address.
func (s *Sanction) about(key string, address netip.Addr) bool {
	if s.Address.IsValid() {
		return address.IsValid() && s.Address.Contains(address)
	}
	return key != "" && s.Key == key
}

// whom is the name or the address, as it is written.
func (s *Sanction) whom() string {
	switch {
	case !s.Address.IsValid():
		return s.Name
	case s.Address.IsSingleIP():
		return s.Address.Addr().String()
	}
	return s.Address.String()
}

// act is what an operator did, and done what became of whom it concerns.
func (s *Sanction) act() string {
	if s.Mute {
		return "mute"
	}
	return "ban"
}

func (s *Sanction) done() string {
	if s.Mute {
		return "muted"
	}
	return "banned"
}

// sentence is for how long from now on, and why.
func (s *Sanction) sentence(now time.Time) string {
	text := "for ever"
	if !s.Until.IsZero() {
		text = "for " + when.Spell(max(s.Until.Sub(now).Round(time.Second), time.Second))
	}
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	return text
}

// holding returns the first that holds, is a mute or a ban, and concerns a name or
// an address.
func (l *sanctions) holding(mute bool, key string, address netip.Addr, now time.Time) (Sanction, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.all {
		if s := &l.all[i]; s.Mute == mute && !s.over(now) && s.about(key, address) {
			return *s, true
		}
	}
	return Sanction{}, false
}

// none tells whether there are none at all. It costs next to nothing.
func (l *sanctions) none() bool { return !l.some.Load() }

// list returns those that hold, and forgets the others, which it returns too.
func (l *sanctions) list(now time.Time) (holding, over []Sanction) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.all {
		if s.over(now) {
			over = append(over, s)
		} else {
			holding = append(holding, s)
		}
	}
	l.all = slices.Clone(holding)
	l.some.Store(len(l.all) > 0)
	return holding, over
}

// add numbers a sanction and puts it in force, in the place of one of the same kind
// for the same person or address, which it returns.
func (l *sanctions) add(s Sanction) (added Sanction, instead []Sanction) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastID++
	s.ID = l.lastID
	l.all = slices.DeleteFunc(l.all, func(o Sanction) bool {
		same := o.Mute == s.Mute && o.Key == s.Key && o.Address == s.Address
		if same {
			instead = append(instead, o)
		}
		return same
	})
	l.all = append(l.all, s)
	l.some.Store(true)
	return s, instead
}

// lift ends those of a kind for a name or an address, as whom writes it, or with a
// number, and returns them.
func (l *sanctions) lift(mute bool, whom string) (lifted []Sanction) {
	key := name.Key(whom)
	network := networkOf(whom)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = slices.DeleteFunc(l.all, func(s Sanction) bool {
		meant := s.Mute == mute &&
			(whom == fmt.Sprintf("#%d", s.ID) || s.Address == network && network.IsValid() || s.Key != "" && s.Key == key)
		if meant {
			lifted = append(lifted, s)
		}
		return meant
	})
	l.some.Store(len(l.all) > 0)
	return lifted
}

// networkOf is the network that is written as ADDRESS/BITS or ADDRESS, or an invalid
// one. An IPv6 address alone stands for its /64, which is what one person has.
func networkOf(text string) netip.Prefix {
	if p, err := netip.ParsePrefix(text); err == nil {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		return p.Masked()
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return addressOf(a.Unmap().WithZone(""))
	}
	return netip.Prefix{}
}

// sanctionsSwept is how often those that are over are looked for.
const sanctionsSwept = time.Minute

// expire has sanctions that are over be kept no longer, by a goroutine that ends by
// itself: the reaper, which calls it, does not wait for a disk.
func (s *Server) expire(now time.Time) {
	if s.sanctions.none() || now.Sub(s.expired) < sanctionsSwept {
		return
	}
	s.expired = now
	_, over := s.sanctions.list(s.clock())
	if len(over) == 0 {
		return
	}
	s.running.Go(func() {
		ctx, cancel := context.WithTimeout(s.life, keepTime)
		defer cancel()
		if err := s.dropAll(ctx, over); err != nil {
			s.log.Error().Err(err).Msg("registry") // they are looked at again after a restart
		}
	})
}

// dropAll has the registry keep sanctions no longer.
func (s *Server) dropAll(ctx context.Context, list []Sanction) error {
	for i := range list {
		if err := s.registry.DeleteSanction(ctx, list[i].ID); err != nil {
			return err
		}
	}
	return nil
}

// impose puts a sanction in force and keeps it.
func (s *session) impose(n Sanction) (Sanction, error) {
	added, instead := s.srv.sanctions.add(n)
	err := s.keep(func(ctx context.Context) error {
		if err := s.srv.dropAll(ctx, instead); err != nil {
			return err
		}
		return s.srv.registry.SaveSanction(ctx, added)
	})
	return added, err
}

// drop has sanctions kept no longer.
func (s *session) drop(list []Sanction) error {
	if len(list) == 0 {
		return nil
	}
	return s.keep(func(ctx context.Context) error { return s.srv.dropAll(ctx, list) })
}
