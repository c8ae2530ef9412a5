package relay

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A room begins when somebody comes, and ends when nobody is there: its broadcaster,
// and all it held.
func TestRoomLife(t *testing.T) {
	simulate(t, Config{Rate: Unlimited}, func(b *bubble) {
		ana := b.arrive()
		ana.say("/nick ana")
		ana.seen()
		before := b.Counts()
		for _, said := range []string{"", "two lumps", ""} {
			ana.say("/join tea")
			ana.seen()
			tea := b.roomNamed("tea")
			if n := b.Counts().Rooms; tea == nil || n != 1 {
				t.Fatalf("%d rooms: %v", n, tea)
			}
			if said != "" {
				ana.say("%s", said)
				ana.seen()
				if b.Counts().LogBytes == 0 {
					t.Error("what is said takes no memory")
				}
			}
			ana.say("/leave")
			ana.seen()
			select {
			case <-tea.done:
			default:
				t.Error("the broadcaster of an empty room goes on")
			}
			if after := b.Counts(); after.Rooms != 1 || after.LogBytes > before.LogBytes {
				t.Errorf("before %+v, after %+v", before, after)
			}
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.catalog.find("tea") == nil {
			t.Error("a room with a history is forgotten")
		}
	})
}

// Of a room in which nothing was said nothing is left.
func TestEmptyRoomsAreForgotten(t *testing.T) {
	simulate(t, Config{Rate: Unlimited}, func(b *bubble) {
		ana := b.arrive()
		for i := range 1000 {
			ana.say("/join r%dr", i)
			if i%100 == 99 {
				ana.seen()
			}
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if rooms, listed := len(b.rooms), len(b.catalog.byKey); rooms != 1 || listed != 1 {
			t.Errorf("%d rooms, %d listed", rooms, listed)
		}
	})
}

func (b *bubble) roomNamed(n string) *room {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rooms[roomKey{name: n}]
}

// Many rooms at once, of four each: all hear what is said in theirs, and nothing else.
func TestManyRooms(t *testing.T) {
	simulate(t, Config{Rate: Unlimited, History: Unlimited}, func(b *bubble) {
		const each = 4
		rooms := make([][]*person, sized(200, 2000))
		for i := range rooms {
			for range each {
				rooms[i] = append(rooms[i], b.connect())
			}
		}
		time.Sleep(openTime)
		for i, people := range rooms {
			for _, p := range people { // at once
				p.say("/join r%dr", i)
			}
		}
		time.Sleep(time.Minute)
		for _, people := range rooms {
			for _, p := range people {
				p.seen()
			}
		}
		for i, people := range rooms {
			for j, p := range people {
				p.say("in %d by %d", i, j)
			}
		}
		time.Sleep(time.Minute)
		for i, people := range rooms {
			for _, p := range people {
				got := p.seen()
				if all, here := count(got, `: in `), count(got, fmt.Sprintf(`: in %d by \d$`, i)); all != each || here != each {
					t.Fatalf("in room %d %d lines were seen, %d of them said there: %q", i, all, here, got)
				}
			}
		}
		if n := b.Counts().Rooms; n != len(rooms) {
			t.Errorf("%d rooms, want %d", n, len(rooms))
		}
		for _, people := range rooms {
			for _, p := range people {
				_ = p.conn.Close()
			}
		}
		time.Sleep(time.Minute)
		if got := b.Counts(); got.Rooms != 0 || got.LogBytes != 0 || got.Sessions != 0 {
			t.Errorf("left over: %+v", got)
		}
	})
}

// Those who make a room at once, under names that look alike, are in one room.
func TestRoomsThatLookAlikeAreOne(t *testing.T) {
	s := New(Config{})
	defer s.Close()
	var (
		held sync.WaitGroup
		mu   sync.Mutex
		all  []*room
	)
	for i := range 100 {
		held.Go(func() {
			r := s.hold(roomKey{name: []string{"illi", "IIIi", "Illi", "lllI"}[i%4]})
			mu.Lock()
			defer mu.Unlock()
			all = append(all, r)
		})
	}
	held.Wait()
	for _, r := range all {
		if r != all[0] {
			t.Fatalf("%s and %s are two rooms", r.key.name, all[0].key.name)
		}
		s.release(r)
	}
}

// Who moves while behind reads what the old room has to the end, then where they are
// now, then the new room.
func TestMovingWhileBehind(t *testing.T) {
	simulate(t, Config{Rate: Unlimited, History: 1000}, func(b *bubble) {
		ana, bob, carol := b.arrive(), b.arrive(), b.arrive()
		ana.say("/nick ana")
		bob.say("/nick bob")
		carol.say("/nick carol")
		carol.say("/join tea")
		time.Sleep(2 * time.Second)
		bob.seen()
		bob.pause()
		const said = 3000 // more than the connection holds, less than the room
		for i := range said {
			ana.say("lobby %d %s", i, strings.Repeat("x", 60))
			if i%500 == 0 {
				ana.seen()
			}
		}
		ana.seen()
		bob.say("/join tea")
		bob.say("here I am")
		time.Sleep(2 * time.Second)
		if got := ana.seen(); !slices.Contains(got, "* bob left (for another room)") {
			t.Errorf("ana has seen %q", got)
		}
		ana.say("bob is not to see this")
		for i := range 100 {
			carol.say("tea %d", i)
		}
		synctest.Wait()
		bob.resume()
		time.Sleep(2 * time.Second)
		carol.say("welcome")
		next, where := 0, "lobby"
		for _, line := range bob.seen() {
			switch {
			case strings.HasPrefix(line, "* room tea;"):
				if where != "lobby" || next != said {
					t.Fatalf("moved after %d lines of %s", next, where)
				}
				where, next = "tea", 0
			case strings.Contains(line, " "+where+" "), strings.Contains(line, ": "+where+" "):
				if !strings.Contains(line, fmt.Sprintf(": %s %d", where, next)) {
					t.Fatalf("saw %q, want number %d", line, next)
				}
				next++
			case strings.Contains(line, "not to see"), strings.Contains(line, ": lobby "):
				t.Fatalf("saw %q in %s", line, where)
			case strings.Contains(line, "welcome"):
				where = "the end"
			}
		}
		if where != "the end" || next != 100 {
			t.Errorf("came to %d of %s", next, where)
		}
		if got := carol.seen(); count(got, `bob: here I am`) != 1 || !slices.Contains(got, "* bob joined") {
			t.Errorf("carol has seen %q", got)
		}
	})
}

// A topic, a lock and who may come in are there again after the server has stopped.
func TestRoomsAreKept(t *testing.T) {
	kept := RoomState{Name: "Tea", Topic: "milk", Locked: true, Owner: "ana", Invited: []string{"bob"}}
	simulate(t, Config{Rate: Unlimited, State: State{Rooms: []RoomState{kept}}}, func(b *bubble) {
		eve, bob := b.arrive(), b.arrive()
		eve.seen()
		eve.say("/rooms")
		eve.expect("* lobby: nobody")
		eve.say("/join tea")
		eve.expect("* Tea is locked; somebody in it can /invite you")
		bob.seen()
		b.make(bob, &login{key: "bob"})
		bob.say("/join tea")
		bob.expect("* room Tea; here: nobody; topic: milk")
	})
}

// A journal that fails when a room begins ends those who wanted in, with a line, and
// nothing else.
func TestPanicAsARoomBegins(t *testing.T) {
	simulate(t, Config{Journal: fragile{NewMemory(Keep{})}}, func(b *bubble) {
		ana, bob := b.arrive(), b.arrive()
		ana.seen()
		bob.seen()
		ana.say("/join broken")
		if got := ana.seen(); got[len(got)-1] != "* internal error in this room; connect again" || !ana.gone() {
			t.Errorf("ana was told %q", got)
		}
		bob.say("hello")
		bob.expect("* guest2 joined", "00:00 guest2: hello")
	})
}

// fragile is a journal that panics for one room.
type fragile struct{ Journal }

func (f fragile) Last(room string) uint64 {
	if room == "broken" {
		return 1
	}
	return f.Journal.Last(room)
}

func (f fragile) Before(ctx context.Context, room string, seq uint64, n int) ([]Message, error) {
	if room == "broken" {
		panic("broken")
	}
	return f.Journal.Before(ctx, room, seq, n)
}
