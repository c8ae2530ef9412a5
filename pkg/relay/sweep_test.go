package relay

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A room that is large enough to be swept by several hands brings everything to
// everybody, once and in order.
func TestManyHands(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	simulate(t, Config{Rate: Unlimited, MaxClients: Unlimited, History: -1}, func(b *bubble) {
		people := make([]*person, 3*sweepShare)
		for i := range people {
			people[i] = b.connect()
		}
		time.Sleep(openTime)
		synctest.Wait()
		ana := people[0]
		ana.say("/nick ana")
		time.Sleep(2 * time.Second)
		for _, p := range people {
			p.seen()
		}
		const each = 20
		for i := range each {
			ana.say("number %d", i)
			if i%4 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		for i, p := range people {
			lines := slices.DeleteFunc(p.seen(), func(l string) bool { return strings.HasPrefix(l, "* ") })
			if len(lines) != each {
				t.Fatalf("client %d has %d of %d lines: %q", i, len(lines), each, lines)
			}
			for n, l := range lines {
				if !strings.HasSuffix(l, fmt.Sprintf("ana: number %d", n)) {
					t.Fatalf("client %d: line %d is %q", i, n, l)
				}
			}
		}
	})
}

// A hand's panic is the broadcaster's, which ends the room and not the process.
func TestAHandFails(t *testing.T) {
	var h hands
	h.sweep(nil, 2)
	h.members = []*member{nil}
	h.next.Store(0)
	h.others.Add(1)
	h.help()
	defer func() {
		if _, ok := recover().(*failure); !ok {
			t.Fatal("the broadcaster does not know")
		}
	}()
	h.sweep(nil, 2)
}

// A session that falls silent gets a new goroutine, and nothing else changes.
func TestRest(t *testing.T) {
	simulate(t, Config{}, func(b *bubble) {
		ana := b.arrive()
		ana.say("one")
		ana.seen()
		sess := b.snapshot()[0]
		if !sess.worked.Load() {
			t.Fatal("said something, and has not worked")
		}
		time.Sleep(restAfter + 2*b.cfg.ReapInterval)
		synctest.Wait()
		if sess.worked.Load() {
			t.Fatal("silent, and was not replaced")
		}
		ana.say("two")
		if n := count(ana.seen(), `guest1: two$`); n != 1 {
			t.Fatalf("after a rest heard itself %d times", n)
		}
		time.Sleep(restAfter + 2*b.cfg.ReapInterval)
		ana.say("/quit")
		ana.expect("* goodbye")
	})
}
