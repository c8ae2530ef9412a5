// People talk while their history cannot be kept: what that costs them, and what they
// are told. The fault and its figures are row 19 of docs/faults.md.

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatd/chatd/internal/figure"
	"github.com/chatd/chatd/internal/invariant"
	"github.com/chatd/chatd/pkg/relay"
)

// patience is how long a test waits for what must come, before it gives up.
const patience = 30 * time.Second

// party is people who talk in one room of a server that keeps what they say: the load
// that docs/faults.md calls so, or less of it.
type party struct {
	*testing.T
	store  *Store
	server *relay.Server
	check  *invariant.Checker
	people []*guest
	told   notices // what the first of them is told of the history
	next   int

	pause time.Duration // between two messages
	lasts time.Duration // of one round

	longest time.Duration // until saving went on, once it could
}

// guest is one of them.
type guest struct {
	net.Conn
	saw  *invariant.Client
	id   uint32
	said uint64
}

// gather brings people in, whose words are kept in a folder until the test ends. The disk
// may take so long for a message.
func gather(t *testing.T, dir string, limit time.Duration) *party {
	t.Helper()
	s := mustOpen(t, dir, Options{})
	s.q.limit = limit
	p := &party{
		T: t, store: s, check: invariant.New(),
		server: relay.New(relay.Config{Zone: time.UTC, Journal: s, Registry: s, MaxPerAddress: relay.Unlimited}),
		pause:  time.Second / 50, lasts: time.Duration(sized(300, 2000)) * time.Millisecond,
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := p.server.Serve(context.Background(), l); !errors.Is(err, relay.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(func() {
		_ = p.server.Close()
		running.Wait()
		for _, v := range p.check.Check() {
			t.Error(v)
		}
	})
	for i := range sized(40, 100) {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		g := &guest{Conn: nc, saw: p.check.Client(fmt.Sprint("guest ", i)), id: uint32(i + 1)}
		p.people = append(p.people, g)
		ears := io.Writer(g.saw)
		if i == 0 {
			ears = io.MultiWriter(g.saw, &p.told)
		}
		running.Go(func() {
			defer nc.Close()
			_, err := io.Copy(ears, struct{ io.Reader }{nc})
			g.saw.End(err)
		})
		p.write(g, fmt.Sprintf("/bot caller%dx\n", i))
	}
	p.await("all are in", patience, func() bool { return p.server.Counts().People == len(p.people) })
	p.check.Observer(p.people[0].saw)
	p.round()
	return p
}

func (p *party) write(g *guest, text string) {
	if _, err := io.WriteString(g, text); err != nil {
		p.Errorf("writing: %v", err)
	}
}

// await waits until so is true.
func (p *party) await(what string, most time.Duration, so func() bool) {
	p.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(most); !so(); <-again.C {
		if time.Now().After(end) {
			p.Fatalf("waited %v in vain: %s", most, what)
		}
	}
}

// notices is what somebody is told of the history.
type notices struct {
	held string

	mu     sync.Mutex
	paused string // why; "": it is not
	pauses int
	lost   uint64 // messages that were not saved
	odd    []string
}

var resumed = regexp.MustCompile(`^\* history resumed \((\d+) messages? (?:was|were) not saved\)$`)

func (n *notices) Write(b []byte) (int, error) {
	n.held += string(b)
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		line, rest, whole := strings.Cut(n.held, "\n")
		if !whole {
			return len(b), nil
		}
		n.held = rest
		why, tail, paused := strings.Cut(strings.TrimPrefix(line, "* history paused: "), ";")
		switch m := resumed.FindStringSubmatch(line); {
		case !strings.HasPrefix(line, "* history "):
		case m != nil:
			lost, _ := strconv.ParseUint(m[1], 10, 64)
			n.lost += lost
			n.paused = ""
		case paused && tail == " talk goes on, unsaved":
			n.paused = why
			n.pauses++
		default:
			n.odd = append(n.odd, line)
		}
	}
}

// isTold waits until people know that saving is paused, and why.
func (p *party) isTold(why string) {
	p.Helper()
	p.await("history paused: "+why, patience, func() bool {
		p.told.mu.Lock()
		defer p.told.mu.Unlock()
		return p.told.paused == why
	})
}

// resumes waits until saving goes on, which takes 5 s at most, and people know how many
// messages were not saved.
func (p *party) resumes() {
	p.Helper()
	begin := time.Now()
	defer func() { p.longest = max(p.longest, time.Since(begin)) }()
	p.await("history resumed", 5*time.Second, func() bool {
		p.told.mu.Lock()
		lost, odd := p.told.lost, p.told.odd
		on := p.told.paused == ""
		p.told.mu.Unlock()
		if odd != nil {
			p.Fatalf("told %q", odd)
		}
		return on && lost > 0 && lost == p.missing()
	})
}

// round has people talk for a while, and returns how long their messages took, at the
// 99th percentile.
func (p *party) round() time.Duration {
	p.Helper()
	var ears []*invariant.Client
	for _, g := range p.people {
		ears = append(ears, g.saw)
	}
	runtime.GC()
	invariant.Lap(ears...)
	tick := time.NewTicker(p.pause)
	defer tick.Stop()
	for range p.lasts / p.pause {
		<-tick.C
		p.next = (p.next + 1) % len(p.people)
		by := p.people[p.next]
		by.said++
		p.write(by, string(p.check.Text(nil, by.id, by.said, 100))+"\n")
	}
	ctx, cancel := context.WithTimeout(p.Context(), patience)
	defer cancel()
	for _, by := range p.people {
		for _, ear := range ears {
			if err := ear.Await(ctx, by.id, by.said); err != nil {
				p.Fatalf("waiting for message %d of %d: %v", by.said, by.id, err)
			}
		}
	}
	return invariant.Lap(ears...).Percentile(0.99)
}

// longerShare and longerTime are how much longer messages may take while nothing can
// be kept, whichever is more.
const (
	longerShare = 0.05
	longerTime  = time.Millisecond
)

// compare fails unless messages take as long while nothing can be kept as else: 5 % or
// a millisecond longer at most. Rounds take turns, and who is first changes with each
// pair; what counts is the median of how much longer the one of a pair took than the
// other. If that is too much, there are twice as many rounds more, and then all count.
// fault begins it and returns what ends it; part says what it is.
func (p *party) compare(part string, fault func() (end func())) {
	p.Helper()
	var without, with []time.Duration
	faulty := func() {
		end := fault()
		defer end()
		with = append(with, p.round())
	}
	within := false
	for try := 0; try < sized(3, 2) && !within; try++ {
		for i := range sized(3, 5) << try {
			if i%2 == 0 {
				without = append(without, p.round())
				faulty()
			} else {
				faulty()
				without = append(without, p.round())
			}
		}
		usual := median(without)
		most := max(time.Duration(float64(usual)*longerShare), longerTime)
		if !torture { // short rounds on a busy machine
			most += 10*time.Millisecond + 2*(usual-slices.Min(without))
		}
		within = median(longer(with, without)) <= most
		p.Logf("p99 %v without, %v with, longer by %v, by %v at most, over %d rounds",
			usual, median(with), median(longer(with, without)), most, len(with))
	}
	p.tell(part, without, with, within)
	if !within {
		p.Errorf("people wait longer: without the fault %v, with it %v", without, with)
	}
}

func median(d []time.Duration) time.Duration { return slices.Sorted(slices.Values(d))[len(d)/2] }

// longer is by how much each round with a fault took longer than that without which
// was run beside it.
func longer(with, without []time.Duration) (by []time.Duration) {
	for i := range with {
		by = append(by, with[i]-without[i])
	}
	return by
}

// tell tells what compare found, and how soon saving went on.
func (p *party) tell(part string, without, with []time.Duration, within bool) {
	p.Helper()
	figure.Figure{
		Row: 19, Part: part + ", people under load", Held: within, Bar: fmt.Sprintf("%.0f %% or %d ms longer", 100*longerShare, longerTime.Milliseconds()),
		Got: fmt.Sprintf("p99 %.2f ms, %+.2f ms with the fault", median(without).Seconds()*1000, median(longer(with, without)).Seconds()*1000),
	}.Tell(p)
	figure.Figure{
		Row: 19, Part: part + ", until saving goes on and the exact count is told", Held: p.longest <= 5*time.Second, Bar: "5 s",
		Got: fmt.Sprintf("%.2f s at most in %d pauses", p.longest.Seconds(), len(with)),
	}.Tell(p)
}

// missing is how many messages of all that were said are not kept.
func (p *party) missing() (n uint64) {
	p.Helper()
	rooms, err := p.store.Rooms(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	for _, r := range rooms {
		n += p.store.Last(r.Room)
		list, err := p.store.From(p.Context(), r.Room, 0, math.MaxInt32)
		if err != nil {
			p.Fatal(err)
		}
		for _, m := range list {
			if m.Kind != relay.KindHole {
				n--
			}
		}
	}
	return n
}

// A disk that answers nothing for 5 s delays nobody. People are told that what they say
// is not saved, and how many messages that were.
func TestFault19StalledDisk(t *testing.T) {
	limit := stallAfter
	if !torture {
		limit /= 2
	}
	p := gather(t, t.TempDir(), limit)
	stall := make(chan struct{}, 1) // who holds its place stalls the disk
	save, mark := p.store.q.save, p.store.q.mark
	wait := func() { stall <- struct{}{}; <-stall }
	_, err := ask(t.Context(), p.store.q, func() (bool, error) { // the writer's own goroutine
		p.store.q.save = func(batch []*entry) error { wait(); return save(batch) }
		p.store.q.mark = func(holes []hole) error { wait(); return mark(holes) }
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p.compare("a stalled disk", func() func() {
		stall <- struct{}{}
		return func() {
			p.isTold(reasonSlow)
			<-stall
			p.resumes()
		}
	})
}

// A disk that is full delays nobody either, and saving goes on within 5 s after it has
// room again.
func TestFault19FullDisk(t *testing.T) {
	disk := smallDisk(t, 16<<10)
	p := gather(t, filepath.Join(disk, "history"), time.Minute) // what is tried here is no slow disk
	ballast := filepath.Join(disk, "ballast")
	l := newLedger()
	p.compare("a full disk", func() func() {
		fill(t, ballast)
		for l.say(p.store, "elsewhere", strings.Repeat("until nothing is left of what the files have ", 50)) == nil {
		}
		p.isTold(reasonFull)
		return func() {
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			p.resumes()
		}
	})
	t.Logf("saving has paused %d times", p.told.pauses)
}
