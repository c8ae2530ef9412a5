// People who live with a relay for thirty days, on a simulated clock. What they do
// follows from one seed, so that a month can be lived again.

package relay

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd/chatd/internal/figure"
	"github.com/chatd/chatd/internal/invariant"
	"github.com/chatd/chatd/internal/pipe"
)

const (
	monthRooms  = 4  // in each of them somebody watches from morning to evening
	monthPeople = 15 // besides those who watch
	monthNooks  = 5  // rooms that come and go; with more, their history would fill for weeks

	// What somebody pastes now and then: more than the log keeps of all rooms, so
	// that readers who pause meanwhile fall off it. At the rate it takes minutes.
	pasteLines = 1500
)

// seed is which month is lived.
func seed(t *testing.T) uint64 {
	text := os.Getenv("CHATD_SEED")
	if text == "" {
		return 1
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("CHATD_SEED=%q is no number", text)
	}
	return n
}

// month is a relay and those who live with it. All that happens happens while
// everything else is at rest, so that the seed decides what people do.
type month struct {
	*testing.T
	cfg    Config
	server *Server // another one after each restart
	served sync.WaitGroup
	rng    *rand.Rand
	off    atomic.Int64 // nanoseconds by which the machine's clock is wrong

	people   []*villager
	watchers [monthRooms]*villager
	checks   [monthRooms]*invariant.Checker // of this day
	senders  uint32                         // that were given away

	said, visits, restarts, steps int
	seen, gaps, reaped, broken    atomic.Int64
}

// villager is one of them, over all connections.
type villager struct {
	*month
	name    string
	conn    *pipe.Conn // nil: is out
	back    time.Time  // when it comes again, or reads on
	room    int        // where what it says is heard; -1: nowhere that is checked
	first   uint32     // its sender's number in the first room, today
	said    [monthRooms]uint64
	pasting atomic.Bool

	mu     sync.Mutex // what follows is shared with its reader
	in     int        // the room that is shown; -1: another one
	saw    *invariant.Client
	paused chan struct{} // not nil: it does not read until this is closed
	since  time.Time     // it last stopped reading
	slow   bool          // it may have been reaped for that, in the middle of a line
	over   chan struct{} // closed by the reader at the end of the connection
}

// Thirty days of people who come and go, talk, move, take other names, paste, stop
// reading, are cut off or kicked, with a clock that is set back and forth and a relay
// that is restarted: each day all promises are kept, and memory does not grow. Outside of
// torture two days of two hours have to do. CHATD_SEED says which month it is.
func TestThirtyDays(t *testing.T) {
	number, days, began := seed(t), sized(2, 30), time.Now()
	lived := ""
	defer func() { // a bubble that fails does not return
		t.Logf("seed %d, %d days in %v: %s", number, days, time.Since(began), lived)
		if t.Failed() {
			t.Logf("the same month again: CHATD_TORTURE=1 CHATD_SEED=%d go test -count=1 -run '^TestThirtyDays$' ./pkg/relay", number)
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		m := &month{
			T: t, rng: rand.New(rand.NewPCG(number, 30)),
			cfg: Config{Zone: time.UTC, History: Unlimited, LogMemory: 1 << 20, Journal: NewMemory(Keep{Count: 500})},
		}
		m.open()
		var heaps []int64
		for day := range days {
			if day%4 == 1 {
				m.restart()
			}
			m.live(day)
			heap, _ := memoryOf()
			heaps = append(heaps, heap)
			if t.Failed() {
				t.Logf("on day %d of seed %d", day+1, number)
				break
			}
		}
		m.shut()
		lived = fmt.Sprintf("%d messages, %d times read, %d gaps, %d visits, %d reaped, %d restarts, %d steps of the clock; heap in KiB %v",
			m.said, m.seen.Load(), m.gaps.Load(), m.visits, m.reaped.Load(), m.restarts, m.steps, inKiB(heaps))
		m.report(number, heaps)
	})
}

func inKiB(bytes []int64) (kib []int64) {
	for _, b := range bytes {
		kib = append(kib, b>>10)
	}
	return kib
}

// flat is how much of its size memory may grow or shrink by.
const flat = 0.05

// report tells the figures of row 34, and fails if memory has grown.
func (m *month) report(number uint64, heaps []int64) {
	figure.Figure{
		Row: 34, Part: fmt.Sprintf("promises in %d simulated days, seed %d", len(heaps), number), Held: m.broken.Load() == 0 && !m.Failed(), Bar: "0 broken",
		Got: fmt.Sprintf("%d broken: %d people, %.2f million messages, %.2f million times read, %d gaps, %d steps of the clock, %d restarts",
			m.broken.Load(), len(m.people), float64(m.said)/1e6, float64(m.seen.Load())/1e6, m.gaps.Load(), m.steps, m.restarts),
	}.Tell(m)
	if len(heaps) < 30 {
		return // a log that is not full yet may grow
	}
	// What one evening happens to leave to be collected is in no other one's.
	early, late := median(heaps[3:6]), median(heaps[27:30])
	grown := float64(late-early) / float64(early)
	figure.Figure{
		Row: 34, Part: fmt.Sprintf("memory in thirty simulated days, seed %d", number), Held: grown <= flat && grown >= -flat, Bar: "±5 %",
		Got: fmt.Sprintf("%+.1f %%: %.2f MiB about day 5, %.2f about day 30", 100*grown, float64(early)/(1<<20), float64(late)/(1<<20)),
	}.Tell(m)
	if grown > flat || grown < -flat {
		m.Errorf("the heap has %d bytes about day 5 and %d about day 30", early, late)
	}
}

// open begins a relay on the journal that is there, and brings those in who watch.
func (m *month) open() {
	m.server = New(m.cfg)
	m.server.clock = func() time.Time { return time.Now().Add(time.Duration(m.off.Load())) }
	if m.people == nil {
		for i := range monthRooms {
			m.watchers[i] = &villager{month: m, name: fmt.Sprintf("watcher%dw", i)}
		}
		for i := range monthPeople {
			m.people = append(m.people, &villager{month: m, name: fmt.Sprintf("p%dp", i), back: time.Now()})
		}
	}
}

// shut stops the relay, which ends all connections.
func (m *month) shut() {
	if err := m.server.Shutdown(context.Background()); err != nil {
		m.Error(err)
	}
	for _, p := range m.everyone() {
		p.goOn()
		p.gone()
	}
	m.served.Wait()
}

func (m *month) restart() {
	m.shut()
	m.open()
	m.restarts++
}

func (m *month) everyone() []*villager { return append(slices.Clone(m.watchers[:]), m.people...) }

// live is a day: in the morning everybody has seen everything, and so in the evening.
func (m *month) live(day int) {
	m.begin(day)
	for evening := time.Now().Add(time.Duration(sized(2, 24)) * time.Hour); time.Now().Before(evening) && !m.Failed(); {
		time.Sleep(time.Duration(m.rng.ExpFloat64() * float64(10*time.Second)))
		synctest.Wait()
		m.people[m.rng.IntN(len(m.people))].act()
	}
	m.end()
}

// begin has new checkers look at what is said from now on.
func (m *month) begin(day int) {
	for room := range m.checks {
		m.checks[room] = invariant.New()
		m.checks[room].Before = m.server.journal.Last(roomName(room))
		w := m.watchers[room]
		if w.conn == nil {
			w.arrive()
			w.goTo(room)
		}
	}
	synctest.Wait()
	for _, p := range m.everyone() {
		if p.conn == nil {
			continue
		}
		p.first, p.said = m.sender(), [monthRooms]uint64{}
		if p.saw = nil; p.in >= 0 {
			p.saw = m.checks[p.in].Client(fmt.Sprintf("%s from the morning of day %d", p.name, day+1))
		}
	}
	for room, w := range m.watchers {
		if w.saw == nil || w.in != room {
			m.Fatalf("%s is not in its room", w.name)
		}
		m.checks[room].Observer(w.saw)
	}
}

// end brings everybody home, has them read all there is, and checks the day.
func (m *month) end() {
	for _, p := range m.people {
		p.goOn()
	}
	time.Sleep(10 * time.Minute) // a paste that was begun is said to its end
	synctest.Wait()
	for _, p := range m.people {
		if p.gone() {
			p.arrive()
			p.goTo(m.rng.IntN(monthRooms))
		} else if p.conn != nil {
			p.owes()
		}
	}
	time.Sleep(2 * time.Second) // and who has come is told
	synctest.Wait()
	for _, p := range m.everyone() {
		if p.saw != nil {
			p.saw.SawAll()
		}
	}
	for room, check := range m.checks {
		for i, v := range check.Check() {
			m.broken.Add(1)
			if i < 3 {
				m.Errorf("%s: %v", roomName(room), v)
			}
		}
		seen := m.watchers[room].saw.Seen()
		m.said += seen.Messages
		m.checks[room] = nil
	}
	for _, p := range m.everyone() {
		p.leaveCheck()
	}
}

func roomName(room int) string { return fmt.Sprintf("room%dr", room) }

// sender is the first of the numbers that somebody has for a day or a connection,
// one for each room.
func (m *month) sender() uint32 {
	m.senders += monthRooms
	return m.senders
}

// act does one thing or another.
func (p *villager) act() {
	switch {
	case p.pasting.Load():
		return // and does nothing else meanwhile
	case p.isPaused():
		if time.Now().After(p.back) {
			p.goOn()
		}
		return
	case p.gone():
		if time.Now().After(p.back) {
			p.arrive()
		}
		return
	}
	what := p.rng.IntN(1000)
	switch {
	case p.room < 0 || what < 60:
		p.goTo(p.rng.IntN(monthRooms))
	case what < 75:
		p.room = -1
		p.write("/join nook%dk\n%s", p.rng.IntN(monthNooks), strings.Repeat("is anybody here?\n", 30))
	case what < 110:
		p.write("/nick %s%dn\n", p.name, p.rng.IntN(10))
	case what < 140:
		p.pause(p.after(20 * time.Minute))
	case what < 160:
		p.leave()
	case what < 162:
		p.kick()
	case what < 164:
		p.paste()
	case what < 165:
		p.off.Store(int64(time.Duration(p.rng.IntN(3)-1) * time.Hour))
		p.steps++
	case what < 200:
		p.write("/who\n/away for a while\n/rooms\n")
	default:
		p.write("%s\n", p.text(70+p.rng.IntN(330)))
	}
}

// after is a moment in a while, on average.
func (p *villager) after(d time.Duration) time.Time {
	return time.Now().Add(time.Duration(p.rng.ExpFloat64() * float64(d)))
}

// text is the next that it says in its room.
func (p *villager) text(size int) []byte {
	p.said[p.room]++
	return p.checks[p.room].Text(nil, p.first+uint32(p.room), p.said[p.room], size)
}

// write types a line or more. What the relay has ended meanwhile is not written to.
func (p *villager) write(format string, args ...any) { _, _ = fmt.Fprintf(p.conn, format, args...) }

func (p *villager) goTo(room int) {
	p.write("/join %s\n", roomName(room))
	p.room = room
}

// paste writes a lot, which the relay takes at its rate.
func (p *villager) paste() {
	p.pasting.Store(true)
	var all []byte
	for range pasteLines {
		all = append(append(all, p.text(400)...), '\n')
	}
	conn := p.conn
	p.served.Go(func() {
		_, _ = conn.Write(all)
		p.pasting.Store(false)
	})
}

// owes says that all it has said today has to be there.
func (p *villager) owes() {
	for room, n := range p.said {
		if p.checks[room] != nil {
			p.checks[room].Said(p.first+uint32(room), n)
		}
	}
}

// leave goes for a while: with a word, at the end of input, or without either.
func (p *villager) leave() {
	p.back = p.after(30 * time.Minute)
	switch p.rng.IntN(3) {
	case 0:
		p.write("/quit\n")
		p.owes()
	case 1:
		_ = p.conn.CloseWrite()
		p.owes()
	case 2:
		p.conn.Abort()
	}
}

// kick has the relay end its session, as an operator does.
func (p *villager) kick() {
	p.back = p.after(time.Minute)
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	for _, s := range p.server.sessions {
		if strings.HasPrefix(s.name, p.name) {
			s.end(&cause{log: "kicked", how: "was kicked", last: "you were kicked: enough"})
			return
		}
	}
}

// arrive connects, and is in no room that is checked.
func (p *villager) arrive() {
	ours, theirs := pipe.New()
	p.conn, p.room, p.first, p.said = ours, -1, p.sender(), [monthRooms]uint64{}
	p.in, p.saw, p.over, p.slow = -1, nil, make(chan struct{}), false
	p.visits++
	server := p.server
	p.served.Go(func() { _ = server.ServeConn(context.Background(), theirs) })
	p.served.Go(func() { p.read(ours) })
	p.write("/bot %s\n", p.name)
	synctest.Wait()
}

// gone is whether its connection has ended. It is closed then on this side too.
func (p *villager) gone() bool {
	if p.conn == nil {
		return true
	}
	synctest.Wait()
	select {
	case <-p.over:
		_ = p.conn.Close()
		p.conn = nil
		p.leaveCheck()
		return true
	default:
		return false
	}
}

// leaveCheck counts what was seen, and forgets who has seen it.
func (p *villager) leaveCheck() {
	if p.saw != nil {
		seen := p.saw.Seen()
		p.seen.Add(int64(seen.Messages))
		p.gaps.Add(int64(seen.Gaps))
		p.saw = nil
	}
}

// pause stops reading until the given time.
func (p *villager) pause(until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.back, p.since, p.paused = until, time.Now(), make(chan struct{})
}

func (p *villager) isPaused() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.paused != nil
}

// goOn reads on.
func (p *villager) goOn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused != nil {
		close(p.paused)
		p.paused, p.slow = nil, time.Since(p.since) >= p.server.cfg.StallTimeout
	}
}

func (p *villager) wasSlow() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.slow
}

// mayRead waits while it is paused.
func (p *villager) mayRead() {
	p.mu.Lock()
	paused := p.paused
	p.mu.Unlock()
	if paused != nil {
		<-paused
	}
}

// read gives what comes in to the checker of the room it is about: each stay in a
// room is a client of its own.
func (p *villager) read(conn *pipe.Conn) {
	defer close(p.over)
	in := bufio.NewReader(conn)
	for {
		p.mayRead()
		line, err := in.ReadString('\n')
		if err == io.EOF && line != "" && !p.wasSlow() {
			p.broken.Add(1)
			p.Errorf("%s: ended in a line: %q", p.name, line)
		}
		if err != nil {
			return
		}
		p.see(strings.TrimSuffix(line, "\n"))
	}
}

var villagers = regexp.MustCompile(`^\d\d:\d\d \S+: <(\d+)\.`)

// see looks at a line.
func (p *villager) see(line string) {
	if strings.HasSuffix(line, "is gone (stopped reading)") && slices.Contains(p.watchers[:], p) {
		p.reaped.Add(1)
	}
	if m := entered.FindStringSubmatch(line); m != nil {
		p.leaveCheck()
		p.in, _ = strconv.Atoi(m[1])
		p.saw = p.checks[p.in].Client(fmt.Sprintf("%s in %s", p.name, m[0]))
	} else if strings.HasPrefix(line, "* room ") {
		p.leaveCheck()
		p.in = -1
	}
	if m := villagers.FindStringSubmatch(line); m != nil {
		if by, _ := strconv.Atoi(m[1]); p.in < 0 || by%monthRooms != p.in {
			p.broken.Add(1)
			p.Errorf("%s sees in room %d what was said in another: %q", p.name, p.in, line)
			return
		}
	}
	if p.saw != nil {
		_, _ = p.saw.Write([]byte(line + "\n"))
	}
}
