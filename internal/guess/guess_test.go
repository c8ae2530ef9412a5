package guess

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// address is the n-th of many, every third one of IPv6.
func address(n uint32) netip.Prefix {
	if n%3 == 0 {
		a := [16]byte{0x20, 0x01, 0x0d, 0xb8}
		binary.BigEndian.PutUint32(a[4:], n)
		return netip.PrefixFrom(netip.AddrFrom16(a), 64)
	}
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], n)
	return netip.PrefixFrom(netip.AddrFrom4(a), 32)
}

// wrong tries a wrong password and returns how long one had to wait instead.
func wrong(l *Limiter, a netip.Prefix, name string) time.Duration {
	_, wait := l.Try(a, name)
	return wait
}

// correct tries the right password and tells whether one was let try.
func correct(l *Limiter, a netip.Prefix, name string) bool {
	right, _ := l.Try(a, name)
	if right == nil {
		return false
	}
	right()
	return true
}

// bubble runs a test with a clock of its own.
func bubble(t *testing.T, test func(t *testing.T, l *Limiter)) {
	synctest.Test(t, func(t *testing.T) { test(t, New()) })
}

func TestThreeAMinute(t *testing.T) {
	for who, a := range map[string]netip.Prefix{"IPv4": address(1), "IPv6": address(3), "Unix": {}} {
		t.Run(who, func(t *testing.T) {
			bubble(t, func(t *testing.T, l *Limiter) {
				for i := range 3 {
					if wait := wrong(l, a, "ana"+strconv.Itoa(i)); wait != 0 {
						t.Fatalf("try %d has to wait %v", i+1, wait)
					}
					time.Sleep(time.Second)
				}
				for range 100 { // asking again does not make it longer
					if wait := wrong(l, a, "bob"); wait != 57*time.Second {
						t.Fatalf("the fourth has to wait %v, want 57s", wait)
					}
				}
				if wait := wrong(l, address(2), "ana0"); wait != 0 {
					t.Errorf("another address has to wait %v", wait)
				}
				time.Sleep(57*time.Second - time.Nanosecond)
				if wait := wrong(l, a, "bob"); wait != 1 {
					t.Errorf("a nanosecond too early, one has to wait %v", wait)
				}
				time.Sleep(time.Nanosecond)
				if wait := wrong(l, a, "bob"); wait != 0 {
					t.Errorf("after a minute one has to wait %v", wait)
				}
				if wait := wrong(l, a, "bob"); wait != time.Second {
					t.Errorf("after that one has to wait %v, want 1s", wait)
				}
			})
		})
	}
}

// TestRightDoesNotCount: a household logs in through one address.
func TestRightDoesNotCount(t *testing.T) {
	bubble(t, func(t *testing.T, l *Limiter) {
		for i := range 100 {
			if !correct(l, address(1), "ana"+strconv.Itoa(i)) {
				t.Fatalf("number %d has to wait", i)
			}
		}
		wrong(l, address(1), "ana1")
		wrong(l, address(1), "ana1")
		for range 2 {
			if !correct(l, address(1), "ana1") {
				t.Error("the third has to wait")
			}
		}
		wrong(l, address(1), "ana1")
		if correct(l, address(1), "ana1") {
			t.Error("what is right gives back tries that were wrong")
		}
	})
}

// TestOneStranger: whatever somebody does at one address, the owner of the name is
// let in at another, at once.
func TestOneStranger(t *testing.T) {
	bubble(t, func(t *testing.T, l *Limiter) {
		tried := 0
		for second := range 3600 {
			for wrong(l, address(1), "ana") == 0 {
				tried++
			}
			if second%60 == 7 && !correct(l, address(uint32(1000+second)), "ana") {
				t.Fatalf("after %d s the owner has to wait", second)
			}
			time.Sleep(time.Second)
		}
		if tried != 3*60 {
			t.Errorf("the stranger tried %d passwords in an hour, want 180", tried)
		}
	})
}

// TestManyStrangers: guessing at one name is slow from however many addresses,
// and its owner is not locked out where the password was right before.
func TestManyStrangers(t *testing.T) {
	bubble(t, func(t *testing.T, l *Limiter) {
		if !correct(l, address(1), "ana") {
			t.Fatal("the owner has to wait")
		}
		tried := 0
		for minute := range 60 {
			for a := range uint32(1000) {
				if wrong(l, address(10+a), "ana") == 0 {
					tried++
				}
			}
			if !correct(l, address(1), "ana") {
				t.Fatalf("after %d min the owner has to wait at home", minute)
			}
			if _, wait := l.Try(address(2), "ana"); wait != Window {
				t.Fatalf("after %d min one has to wait %v at a new address, want a minute", minute, wait)
			}
			if wait := wrong(l, address(3), "bob"+strconv.Itoa(minute)); wait != 0 {
				t.Fatalf("after %d min another name has to wait %v", minute, wait)
			}
			time.Sleep(Window)
		}
		if tried != 60*30 {
			t.Errorf("the strangers tried %d passwords in an hour, want 1800", tried)
		}
	})
}

// TestHomes: the latest four addresses are known, for a month at least.
func TestHomes(t *testing.T) {
	bubble(t, func(t *testing.T, l *Limiter) {
		for _, a := range []uint32{1, 2, 3, 4, 1, 5} {
			if !correct(l, address(a), "ana") {
				t.Fatal("the owner has to wait")
			}
		}
		time.Sleep(homeAge)
		correct(l, address(9), "bob")
		for a := range uint32(1000) {
			wrong(l, address(10+a), "ana")
		}
		for a, want := range map[uint32]bool{1: true, 2: false, 3: true, 4: true, 5: true, 6: false} {
			if _, wait := l.Try(address(a), "ana"); (wait == 0) != want {
				t.Errorf("at address %d one has to wait %v", a, wait)
			}
		}
	})
}

// model is the rule as it is said, without a thought of cost.
type model struct {
	counted []counted
	homes   map[string][]uint32 // of a name, where its password was right, latest last
}

// counted is a try that was wrong, or is not known to be right yet.
type counted struct {
	id      int
	address uint32
	name    string
	at      time.Time
	home    bool
}

// until is how long it takes before fewer than most of those that match are within
// a minute.
func (m *model) until(most int, match func(counted) bool) time.Duration {
	var times []time.Time
	for _, c := range m.counted {
		if match(c) && time.Since(c.at) < Window {
			times = append(times, c.at)
		}
	}
	if len(times) < most {
		return 0
	}
	return Window - time.Since(times[len(times)-most])
}

// try says how long to wait by the address's count and by the name's, and counts
// the try if that is 0.
func (m *model) try(id int, address uint32, name string) (byAddress, byName time.Duration) {
	home := slices.Contains(m.homes[name], address)
	byAddress = m.until(PerAddress, func(c counted) bool { return c.address == address })
	if !home {
		byName = m.until(PerName, func(c counted) bool { return c.name == name && !c.home })
	}
	if byAddress == 0 && byName == 0 {
		m.counted = append(m.counted, counted{id, address, name, time.Now(), home})
	}
	return byAddress, byName
}

func (m *model) right(id int, address uint32, name string) {
	m.counted = slices.DeleteFunc(m.counted, func(c counted) bool { return c.id == id })
	homes := slices.DeleteFunc(m.homes[name], func(a uint32) bool { return a == address })
	m.homes[name] = append(homes, address)[max(0, len(homes)-3):]
}

// TestModel compares with the rule as it is said, over nine hours of tries. Some
// passwords turn out to be right only after others have been tried.
func TestModel(t *testing.T) {
	bubble(t, func(t *testing.T, l *Limiter) {
		m := model{homes: map[string][]uint32{}}
		random := rand.New(rand.NewPCG(1, 2))
		var pending []func()
		var byAddress, byName, homely, rights int
		for id := range 40_000 {
			from, name := random.Uint32N(25), "ana"
			if random.IntN(10) == 0 {
				name = "bob"
			}
			a, n := m.try(id, from, name)
			right, wait := l.Try(address(from), name)
			if want := max(a, n); wait != want || (right == nil) != (want > 0) {
				t.Fatalf("try %d, of %s at address %d, has to wait %v, want %v", id, name, from, wait, want)
			}
			switch {
			case a > 0:
				byAddress++
			case n > 0:
				byName++
			case from < 7 && random.IntN(4) == 0:
				rights++
				pending = append(pending, func() { right(); m.right(id, from, name) })
			case slices.Contains(m.homes[name], from):
				homely++
			}
			for len(pending) > 0 && random.IntN(3) == 0 {
				pending[0]()
				pending = pending[1:]
			}
			m.counted = slices.DeleteFunc(m.counted, func(c counted) bool { return time.Since(c.at) >= 2*Window })
			time.Sleep(time.Duration(random.Int64N(int64(1700 * time.Millisecond))))
		}
		t.Logf("%d right, %d wrong at home, %d refused by the address, %d by the name", rights, homely, byAddress, byName)
		if min(byAddress, byName, homely, rights) < 500 {
			t.Error("these tries do not touch each part of the rule")
		}
	})
}

// TestClock: times are counted by the monotonic clock, which does not step.
func TestClock(t *testing.T) {
	if l := New(); l.began == l.began.Round(0) {
		t.Error("times are counted from a reading of the wall clock alone")
	}
}

// TestConcurrent: of many tries at once three are let through.
func TestConcurrent(t *testing.T) {
	bubble(t, func(t *testing.T, l *Limiter) {
		var trying sync.WaitGroup
		passed := make(chan struct{}, 200)
		for range 100 {
			trying.Go(func() {
				if wrong(l, address(1), "ana") == 0 {
					passed <- struct{}{}
				}
				correct(l, address(2), "bob")
			})
		}
		trying.Wait()
		if len(passed) != PerAddress {
			t.Errorf("%d were let through, want %d", len(passed), PerAddress)
		}
	})
}

// TestMemory: what is remembered does not grow with a flood, be it of addresses,
// of names, of long names, or of names that log in.
func TestMemory(t *testing.T) {
	bubble(t, func(t *testing.T, l *Limiter) {
		long := strings.Repeat("a", 4096)
		for i := range uint32(10 * most) {
			wrong(l, address(i), "ana")
			wrong(l, address(i), long+strconv.Itoa(int(i)))
			correct(l, address(i), strconv.Itoa(int(i)))
			if i%most == 0 {
				time.Sleep(time.Second)
			}
		}
		for a := range uint32(2 * most) { // and each name as often as it may
			for range PerName {
				wrong(l, address(a), strconv.Itoa(int(a%100)))
			}
		}
		for what, n := range map[string]int{
			"addresses": l.addresses.len(), "names": l.names.len(), "known names": l.known.len(),
		} {
			if n > 2*most {
				t.Errorf("%d %s are remembered, want %d at most", n, what, 2*most)
			}
		}
		for _, v := range l.names.young {
			if cap(v) > 2*PerName+4 {
				t.Fatalf("a name has room for %d tries", cap(v))
			}
		}
		// Time makes forget too.
		time.Sleep(Window)
		wrong(l, address(1), "ana")
		time.Sleep(Window)
		wrong(l, address(1), "ana")
		if n := l.addresses.len(); n != 1 {
			t.Errorf("%d addresses are remembered after two minutes, want 1", n)
		}
	})
}

// len counts a key that is in both generations once.
func (t *table[V]) len() int {
	n := len(t.young)
	for k := range t.old {
		if _, both := t.young[k]; !both {
			n++
		}
	}
	return n
}

func BenchmarkTry(b *testing.B) {
	l := New()
	b.ReportAllocs()
	for i := uint32(0); b.Loop(); i++ {
		l.Try(address(i), "ana")
	}
}
