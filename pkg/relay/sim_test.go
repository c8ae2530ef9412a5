package relay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd/chatd/internal/figure"
	"github.com/chatd/chatd/internal/pipe"
)

// bubble is a server on a simulated clock. Whoever waits for it to come to rest
// sees all that has happened.
type bubble struct {
	*testing.T
	*Server
	people []*person
	served sync.WaitGroup
}

// simulate runs play in a bubble of its own, on a server that behaves as cfg says.
func simulate(t *testing.T, cfg Config, play func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if cfg.Zone == nil {
			cfg.Zone = time.UTC
		}
		b := &bubble{T: t, Server: New(cfg)}
		defer b.served.Wait()
		defer func() {
			if err := b.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
			for _, p := range b.people {
				p.resume()
				_ = p.conn.Close()
			}
		}()
		play(b)
	})
}

// person is one client. What it reads is there after rest.
type person struct {
	b    *bubble
	conn *pipe.Conn

	mu     sync.Mutex
	paused chan struct{} // not nil: does not read until it is closed
	got    strings.Builder
	whole  bool // the last line that was seen has its end
	ended  error
}

// arrive connects a client and waits until it has been greeted.
func (b *bubble) arrive() *person {
	p := b.connect()
	time.Sleep(openTime)
	synctest.Wait()
	return p
}

// connect connects a client.
func (b *bubble) connect() *person {
	ours, theirs := pipe.New()
	return b.meet(ours, theirs)
}

// meet brings in who has one end of a connection; the server has the other.
func (b *bubble) meet(ours *pipe.Conn, theirs net.Conn) *person {
	p := &person{b: b, conn: ours}
	b.people = append(b.people, p)
	b.served.Go(func() { _ = b.ServeConn(context.Background(), theirs) })
	b.served.Go(p.read)
	return p
}

func (p *person) read() {
	buf := make([]byte, 4096)
	for {
		p.mu.Lock()
		paused := p.paused
		p.mu.Unlock()
		if paused != nil {
			<-paused
		}
		n, err := p.conn.Read(buf)
		p.mu.Lock()
		p.got.Write(buf[:n])
		if err != nil {
			p.ended = err
		}
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// pause stops reading, after what is read next.
func (p *person) pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = make(chan struct{})
}

// resume goes on reading.
func (p *person) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused != nil {
		close(p.paused)
		p.paused = nil
	}
}

func (p *person) say(format string, args ...any) {
	p.b.Helper()
	if _, err := fmt.Fprintf(p.conn, format+"\n", args...); err != nil {
		p.b.Fatal(err)
	}
}

// seen returns all lines read since the last call, once nothing moves any more.
func (p *person) seen() []string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	text := p.got.String()
	p.got.Reset()
	p.whole = strings.HasSuffix(text, "\n")
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

func (p *person) gone() bool {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended != nil
}

// expect fails unless exactly these lines were read since the last look.
func (p *person) expect(want ...string) {
	p.b.Helper()
	got := strings.Join(p.seen(), "\n")
	if got != strings.Join(want, "\n") {
		p.b.Fatalf("saw\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func count(lines []string, pattern string) (n int) {
	re := regexp.MustCompile(pattern)
	for _, l := range lines {
		if re.MatchString(l) {
			n++
		}
	}
	return n
}

func TestIdle(t *testing.T) {
	simulate(t, Config{IdleTimeout: 30 * time.Minute}, func(b *bubble) {
		p := b.arrive()
		time.Sleep(5*time.Second - openTime) // to a moment at which the reaper looks
		p.say("here I am")
		p.seen()
		time.Sleep(29*time.Minute - 1)
		if got := p.seen(); got[0] != "" {
			t.Fatalf("before the warning: %q", got)
		}
		time.Sleep(time.Nanosecond)
		p.expect("* you have been silent for 29 minutes; say something within 1 minute to stay")
		time.Sleep(time.Minute - 1)
		if p.gone() {
			t.Fatal("thirty minutes less a nanosecond, and gone")
		}
		time.Sleep(time.Nanosecond)
		p.expect("* you were silent for 30 minutes; goodbye")
		if !p.gone() {
			t.Fatal("thirty minutes, and still here")
		}
	})
}

func TestIdleEndsWithALine(t *testing.T) {
	simulate(t, Config{IdleTimeout: 30 * time.Minute}, func(b *bubble) {
		p := b.arrive()
		for range 10 {
			time.Sleep(29*time.Minute + 30*time.Second)
			p.say("still here")
		}
		if p.gone() {
			t.Fatal("gone")
		}
		if n := count(p.seen(), `^\* you have been silent`); n != 10 {
			t.Fatalf("warned %d times in ten silences", n)
		}
	})
}

// A reader that stops reading costs the others nothing, and when it goes on it is
// told exactly what it missed.
func TestPausedReader(t *testing.T) {
	simulate(t, Config{Rate: Unlimited}, func(b *bubble) {
		ana, bob := b.arrive(), b.arrive()
		ana.say("/nick ana")
		time.Sleep(2 * time.Second)
		ana.seen()
		bob.seen()
		bob.pause()
		const said = 20_000
		body := strings.Repeat("x", 60)
		for i := range said {
			ana.say("%d %s", i+1, body)
			if i%500 == 499 {
				if got := count(ana.seen(), ` ana: `); got != 500 {
					t.Fatalf("ana saw %d of 500 of her own", got)
				}
			}
		}
		time.Sleep(14 * time.Minute)
		if bob.gone() {
			t.Fatal("a paused reader was reaped within 14 minutes")
		}
		figure.Figure{Row: 11, Part: "who has only stopped reading", Held: true, Bar: "still there after 14 minutes", Got: "still there"}.Tell(t)
		bob.resume()
		next, gaps := 1, 0
		gap := regexp.MustCompile(`^\* (\d+) messages skipped \(#(\d+)–#(\d+)\)(.*)$`)
		for _, line := range bob.seen() {
			if m := gap.FindStringSubmatch(line); m != nil {
				var n, first, last int
				fmt.Sscan(m[1], &n)
				fmt.Sscan(m[2], &first)
				fmt.Sscan(m[3], &last)
				if first != next || last != first+n-1 {
					t.Fatalf("%q, but #%d is next", line, next)
				}
				if want := fmt.Sprintf("; /show %d-%d shows those that are kept", first, last); m[4] != want {
					t.Fatalf("hint %q, want %q", m[4], want)
				}
				next += n
				gaps++
				continue
			}
			var i int
			if _, err := fmt.Sscanf(line[6:], "ana: %d "+body, &i); err != nil || i != next {
				t.Fatalf("%q, but #%d is next", line, next)
			}
			next++
		}
		if next != said+1 || gaps != 1 {
			t.Fatalf("went on to #%d with %d gaps", next, gaps)
		}
		figure.Figure{
			Row: 1, Part: "who reads on after 14 minutes", Held: true, Bar: "every message, or its number in a gap",
			Got: fmt.Sprintf("%d of %d unaccounted for, %d gap", said-next+1, said, gaps),
		}.Tell(t)
	})
}

func TestStalledIsReaped(t *testing.T) {
	simulate(t, Config{Rate: Unlimited}, func(b *bubble) {
		ana, bob := b.arrive(), b.arrive()
		bob.say("/nick bob")
		ana.seen()
		bob.pause()
		ana.say("hello")
		synctest.Wait()
		for range 2_000 {
			ana.say("%s", strings.Repeat("y", 80))
		}
		time.Sleep(15*time.Minute - 5*time.Second)
		if _, name := b.names.find("bob"); name == "" {
			t.Fatal("reaped before its time")
		}
		ana.seen()
		time.Sleep(15 * time.Second)
		ana.expect("* bob is gone (stopped reading)")
	})
}

func TestStormOfArrivals(t *testing.T) {
	simulate(t, Config{}, func(b *bubble) {
		watcher := b.arrive()
		watcher.say("/nick watcher")
		time.Sleep(time.Minute)
		watcher.seen()
		var crowd []*person
		for range 1_000 {
			ours, theirs := pipe.New()
			p := &person{b: b, conn: ours}
			crowd, b.people = append(crowd, p), append(b.people, p)
			b.served.Go(func() { _ = b.ServeConn(context.Background(), theirs) })
			b.served.Go(p.read)
		}
		time.Sleep(openTime)
		for i, p := range crowd {
			p.say("/nick n%dn", i)
			time.Sleep(time.Millisecond / 2)
		}
		time.Sleep(time.Minute)
		got := watcher.seen()
		if len(got) > 2 || !strings.HasSuffix(got[len(got)-1], " joined") {
			t.Fatalf("1,000 arrivals in a second are %d lines: %q", len(got), got)
		}
		arrivals := len(got)
		for _, p := range crowd {
			_ = p.conn.Close()
		}
		time.Sleep(time.Minute)
		if got := watcher.seen(); len(got) > 2 || got[len(got)-1] != "* 999 left" {
			t.Fatalf("1,000 departures at once are %d lines: %q", len(got), got)
		}
		figure.Figure{
			Row: 14, Part: "1,000 arrivals within a second", Held: arrivals <= 2, Bar: "2 notices",
			Got: fmt.Sprintf("%d notices", arrivals),
		}.Tell(t)
	})
}

// Nobody is heard before being announced, but in a storm.
func TestAnnouncedBeforeHeard(t *testing.T) {
	simulate(t, Config{}, func(b *bubble) {
		watcher, bob, carol := b.arrive(), b.arrive(), b.arrive()
		watcher.say("/nick watcher")
		time.Sleep(crowdWindow / 2)
		watcher.seen()
		bob.say("/nick bob")
		synctest.Wait()
		carol.say("/nick carol")
		time.Sleep(crowdWindow / 4)
		carol.say("hello")
		synctest.Wait()
		want := []string{"* bob and carol joined", "00:00 carol: hello"}
		if got := watcher.seen(); !slices.Equal(got, want) {
			t.Fatalf("seen: %q, want %q", got, want)
		}
		time.Sleep(time.Minute)
		if got := watcher.seen(); strings.Join(got, "") != "" {
			t.Fatalf("told again: %q", got)
		}
	})
}

// Port scanners make no noise.
func TestStrangersMakeNoNoise(t *testing.T) {
	simulate(t, Config{}, func(b *bubble) {
		ana := b.arrive()
		ana.say("/nick ana")
		ana.seen()
		for range 100 {
			ours, theirs := pipe.New()
			b.served.Go(func() { _ = b.ServeConn(context.Background(), theirs) })
			synctest.Wait()
			ours.Abort()
		}
		time.Sleep(time.Minute)
		if got := ana.seen(); got[0] != "" {
			t.Fatalf("saw %q", got)
		}
		b.arrive()
		ana.say("/who")
		ana.expect("* here: ana and 1 listening")
	})
}

// The clock of the machine is set back and forth; order is by number, and nobody
// is found idle for it.
func TestClockSteps(t *testing.T) {
	simulate(t, Config{IdleTimeout: 30 * time.Minute}, func(b *bubble) {
		var step time.Duration
		var mu sync.Mutex
		b.clock = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(step)
		}
		ana := b.arrive()
		ana.say("/nick ana")
		ana.seen()
		for i, s := range []time.Duration{0, time.Hour, -time.Hour, 48 * time.Hour, 0} {
			mu.Lock()
			step = s
			mu.Unlock()
			ana.say("line %d", i)
			time.Sleep(20 * time.Second)
		}
		var order []string
		for _, l := range ana.seen() {
			if i := strings.Index(l, "line "); i >= 0 {
				order = append(order, l[i+5:])
			}
		}
		if got := strings.Join(order, ""); got != "01234" {
			t.Fatalf("order %q", got)
		}
		if ana.gone() {
			t.Fatal("reaped for a step of the clock")
		}
		figure.Figure{Row: 30, Held: true, Bar: "0, and nobody is found idle", Got: "0 of 5 out of order, 0 found idle"}.Tell(t)
	})
}

// When the day changes, a line stands between, in replay too.
func TestDays(t *testing.T) {
	simulate(t, Config{}, func(b *bubble) { // the simulated clock begins on 1 January 2000
		ana := b.arrive()
		ana.say("/nick ana")
		ana.say("today")
		time.Sleep(24 * time.Hour)
		ana.say("tomorrow")
		time.Sleep(time.Second)
		ana.seen()
		ana.say("/last")
		ana.expect("* the last 2 messages, all that are kept:",
			"* Saturday 1 January 2000", "00:00 ana: today",
			"* Sunday 2 January 2000", "00:00 ana: tomorrow", "* now:")
		time.Sleep(24 * time.Hour)
		bob := b.arrive()
		got := bob.seen()
		want := []string{
			"* earlier in lobby:",
			"* Saturday 1 January 2000", "* ana joined", "00:00 ana: today",
			"* Sunday 2 January 2000", "00:00 ana: tomorrow",
			"* now:",
		}
		if fmt.Sprint(got[4:]) != fmt.Sprint(want) {
			t.Fatalf("a newcomer sees %q, want %q", got[4:], want)
		}
	})
}

// A flooder is read at the rate; all it typed arrives, and it is told once.
func TestRate(t *testing.T) {
	simulate(t, Config{}, func(b *bubble) {
		ana, bob := b.arrive(), b.arrive()
		ana.seen()
		bob.seen()
		for i := range 40 {
			ana.say("paste %d", i)
		}
		if n := count(bob.seen(), "paste"); n != 40 {
			t.Fatalf("of a 40-line paste %d came at once", n)
		}
		for i := range 100 {
			ana.say("flood %d", i)
		}
		time.Sleep(time.Second)
		if n := count(bob.seen(), "flood"); n != 10 {
			t.Fatalf("%d lines in a second", n)
		}
		time.Sleep(9 * time.Second)
		if n := count(bob.seen(), "flood"); n != 90 {
			t.Fatalf("%d lines in the next nine seconds", n)
		}
		if n := count(ana.seen(), `^\* you are faster than 10 lines a second; the rest follows$`); n != 1 {
			t.Fatalf("told %d times", n)
		}
	})
}

// The end of input goes on at the rate; a reset gives up what is unread and says so.
func TestUnreadAtTheEnd(t *testing.T) {
	simulate(t, Config{}, func(b *bubble) {
		ana, bob, watcher := b.arrive(), b.arrive(), b.arrive()
		for i := range 100 {
			ana.say("half-closed %d", i)
		}
		_ = ana.conn.CloseWrite()
		time.Sleep(10 * time.Second)
		if n := count(watcher.seen(), "half-closed"); n != 100 {
			t.Fatalf("%d of 100 lines before the end of input were said", n)
		}
		bob.say("/nick bob")
		for i := range 100 {
			bob.say("reset %d", i)
		}
		time.Sleep(2 * time.Second)
		watcher.seen()
		b.mu.Lock()
		for _, s := range b.sessions {
			if s.name == "bob" {
				s.end(endReset) // as the reaper does when it finds the state
			}
		}
		b.mu.Unlock()
		time.Sleep(2 * time.Second)
		watcher.expect("* bob is gone (connection lost); the rest of what bob sent was not said")
	})
}

func TestPanicInACommand(t *testing.T) {
	simulate(t, Config{}, func(b *bubble) {
		b.commands = append(b.commands, command{name: "boom", run: func(*session, string) error { panic("boom") }})
		ana, bob := b.arrive(), b.arrive()
		ana.seen()
		ana.say("/boom")
		if got := ana.seen(); len(got) != 1 || !regexp.MustCompile(`^\* internal error \(ref [0-9a-f]{4}\); your line was not sent$`).MatchString(got[0]) {
			t.Fatalf("saw %q", got)
		}
		ana.say("still here")
		if n := count(bob.seen(), "still here"); n != 1 {
			t.Fatal("the session did not go on")
		}
		there := b.Counts().Sessions
		figure.Figure{Row: 13, Held: there == 2, Bar: "0", Got: fmt.Sprintf("%d of 2 dropped", 2-there)}.Tell(t)
		if there != 2 {
			t.Errorf("%d of 2 are there", there)
		}
	})
}

// A broadcaster that fails ends its own room's sessions, with a line, and nothing else.
func TestPanicInARoom(t *testing.T) {
	simulate(t, Config{}, func(b *bubble) {
		ana := b.arrive()
		ana.seen()
		b.mu.Lock()
		r := b.rooms[roomKey{name: "lobby"}]
		b.mu.Unlock()
		r.nudge(func() { panic("boom") })
		ana.expect("* internal error in this room; connect again")
		if !ana.gone() {
			t.Fatal("still here")
		}
		bob := b.arrive()
		bob.seen()
		bob.say("hello")
		bob.expect("* guest2 joined", "00:00 guest2: hello")
	})
}

func TestProbe(t *testing.T) {
	simulate(t, Config{}, func(b *bubble) {
		b.arrive()
		if err := b.Probe(context.Background()); err != nil {
			t.Fatal(err)
		}
		b.mu.Lock()
		r := b.rooms[roomKey{name: "lobby"}]
		b.mu.Unlock()
		wedge := make(chan struct{})
		r.nudge(func() { <-wedge })
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		if err := b.Probe(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("a wedged room: %v", err)
		}
		figure.Figure{Row: 32, Part: "the probe of a room that hangs", Held: true, Bar: "fails within 15 s", Got: "fails at its deadline, 15 s"}.Tell(t)
		close(wedge)
	})
}

// Ten people, one day.
func TestADayOfChat(t *testing.T) {
	begin := time.Now()
	said, delivered := 0, 0
	simulate(t, Config{}, func(b *bubble) {
		rng := rand.New(rand.NewPCG(1, 2))
		var people []*person
		for range 10 {
			people = append(people, b.arrive())
		}
		end := time.Now().Add(24 * time.Hour)
		for time.Now().Before(end) {
			time.Sleep(time.Duration(rng.ExpFloat64() * float64(8*time.Second)))
			people[rng.IntN(10)].say("message %d", said)
			said++
		}
		time.Sleep(time.Minute)
		for _, p := range people {
			next := 0
			for _, line := range p.seen() {
				if i := strings.Index(line, ": message "); i >= 0 {
					if want := fmt.Sprint(": message ", next); line[i:] != want {
						t.Fatalf("saw %q, want %q", line[i:], want)
					}
					next++
				}
			}
			if next != said {
				t.Fatalf("saw %d of %d", next, said)
			}
			delivered += next
		}
	})
	t.Logf("%d messages, %d deliveries, simulated in %v", said, delivered, time.Since(begin))
}
