// Package guess says how soon a password may be tried again, by who tries it and
// by whose it is.
//
// An address has three wrong tries in any minute; a name has thirty, from all
// addresses together. One stranger, who has three, can so not use up what the
// owner of a name needs, and strangers with ten addresses or more hinder the owner
// only at an address that is new: where the name's password was right before, the
// name's own count does not apply. What was right never counts, so a household
// behind one address logs in at once.
//
// Memory is bounded: 8,192 addresses, 8,192 names, less than 8 MiB in all. Under a
// flood of more than that in a minute the oldest are forgotten first. Who floods
// gains little: it takes 4,096 tries elsewhere to have thirty at one name forgotten.
package guess

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// Window is the time in which tries are counted.
	Window = time.Minute
	// PerAddress is how many wrong tries an address has in any Window.
	PerAddress = 3
	// PerName is how many wrong tries a name has in any Window, those from
	// addresses at which its password was right not counted.
	PerName = 30

	// homes is at how many addresses a name is known, the latest: home, work,
	// telephone, one more.
	homes = 4
	// homeAge is for how long at least a name is known there, unless more than
	// 4,096 other names log in meanwhile.
	homeAge = 30 * 24 * time.Hour
)

// Limiter counts tries. Its methods may be called by any goroutine.
type Limiter struct {
	began time.Time // all times are counted from here, monotonic, so that no step of the clock matters
	seed  maphash.Seed

	mu        sync.Mutex // guards what follows
	addresses table[tries]
	names     table[tries]
	known     table[[]uint64] // of a name, the addresses at which its password was right, latest last
}

// New returns a Limiter that has seen nothing.
func New() *Limiter {
	return &Limiter{
		began:     time.Now(),
		seed:      maphash.MakeSeed(),
		addresses: table[tries]{age: Window},
		names:     table[tries]{age: Window},
		known:     table[[]uint64]{age: homeAge},
	}
}

// Try asks whether somebody at address may try a password for name now, be there
// such a name or not. If so, wait is 0 and the try counts as wrong, until right is
// called, once, because the password was right. Otherwise nothing counts, right is
// nil, and wait, at most Window, is how long it takes until it may be tried.
//
// An address is all that one person may have: of IPv6 the /64. Who has none, as
// behind a Unix socket, has the zero Prefix together with all others who have none.
func (l *Limiter) Try(address netip.Prefix, name string) (right func(), wait time.Duration) {
	a, n := maphash.Comparable(l.seed, address), maphash.String(l.seed, name)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Since(l.began)
	here := l.addresses.get(a).after(now - Window)
	named := l.names.get(n).after(now - Window)
	home := slices.Contains(l.known.get(n), a)
	wait = here.wait(PerAddress, now)
	if !home {
		wait = max(wait, named.wait(PerName, now))
	}
	if wait > 0 {
		return nil, wait
	}
	l.addresses.put(a, append(here, now), now)
	if !home {
		l.names.put(n, append(named, now), now)
	}
	return func() { l.right(a, n, now, home) }, 0
}

// right takes back the try of a name at an address, and knows the name there.
func (l *Limiter) right(a, n uint64, at time.Duration, home bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Since(l.began)
	l.addresses.put(a, l.addresses.get(a).without(at), now)
	if !home {
		l.names.put(n, l.names.get(n).without(at), now)
	}
	known := slices.DeleteFunc(l.known.get(n), func(k uint64) bool { return k == a })
	known = append(known, a)
	l.known.put(n, known[max(0, len(known)-homes):], now)
}

// tries are times, oldest first.
type tries []time.Duration

func (t tries) after(then time.Duration) tries {
	for len(t) > 0 && t[0] <= then {
		t = t[1:]
	}
	return t
}

func (t tries) without(at time.Duration) tries {
	if i := slices.Index(t, at); i >= 0 {
		t = slices.Delete(t, i, i+1)
	}
	return t
}

// wait is how long it takes until fewer than most are within Window.
func (t tries) wait(most int, now time.Duration) time.Duration {
	if len(t) < most {
		return 0
	}
	return t[len(t)-most] + Window - now
}
