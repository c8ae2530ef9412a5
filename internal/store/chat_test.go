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
		pause:  time.Second / 50, lasts: time.Duration(sized(300, 5000)) * time.Millisecond,
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

// compare fails unless messages take as long while nothing can be kept as else: 5 % or
// a millisecond longer at most, and what the rounds without differ by. fault begins it
// and returns what ends it.
func (p *party) compare(fault func() (end func())) {
	p.Helper()
	var without, with []time.Duration
	for try := range sized(3, 2) {
		for range sized(3, 5) << try {
			without = append(without, p.round())
			end := fault()
			with = append(with, p.round())
			end()
		}
		slices.Sort(without)
		slices.Sort(with)
		usual, late := without[len(without)/2], with[len(with)/2]
		most := usual + max(usual/20, time.Millisecond) + 2*(usual-without[0])
		if !torture {
			most += 10 * time.Millisecond // short rounds on a busy machine
		}
		p.Logf("p99 %v without, %v with, at most %v, over %d rounds", usual, late, most, len(with))
		if late <= most {
			return
		}
	}
	p.Errorf("people wait longer: without the fault %v, with it %v", without, with)
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
	p.compare(func() func() {
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
	p.compare(func() func() {
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
