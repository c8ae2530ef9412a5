package relay

import (
	"bufio"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chatd/chatd/internal/invariant"
)

// stormRooms is how many rooms those in a storm move between.
const stormRooms = 50

// storm is many people in many rooms, each room with a checker of its own.
type storm struct {
	*rig
	rooms [stormRooms]*invariant.Checker
}

// newStorm is one that begins where what was said in the rooms before ends.
func newStorm(r *rig) *storm {
	s := &storm{rig: r}
	for i := range s.rooms {
		s.rooms[i] = invariant.New()
		s.rooms[i].Before = r.journal.Last(stormRoom(i))
	}
	return s
}

func stormRoom(i int) string { return fmt.Sprintf("room%dr", i) }

// stormer is one of them. What is said in a room has a sender's number of its own,
// by which it is known where it was said.
type stormer struct {
	*net.TCPConn
	storm *storm
	n     int
	rng   *rand.Rand
	in    int // the room it is in; -1: where everyone begins
	said  [stormRooms]uint64

	mu      sync.Mutex // held by who stalls the reader
	reading sync.WaitGroup
}

func (s *stormer) sender(room int) uint32 { return uint32(s.n*stormRooms + room + 1) }

// Many who join, move, take other names, speak, stall and leave: in each room all see
// one order, whole, none twice, none missing in silence, and nothing of another room;
// who moves has seen the old room to the end. In the end nothing is left.
func TestStormOfMoves(t *testing.T) {
	r := openRig(t, Config{Rate: Unlimited, History: Unlimited})
	s := newStorm(r)
	s.one(1) // the server's own goroutines are there from the first one on
	r.await("the first one has left", func() bool { return r.Counts().Sessions == 0 })
	goroutines := runtime.NumGoroutine()
	s.blow(2, sized(200, 2000)-2)
	r.await("all is left", func() bool {
		c := r.Counts()
		return c.Sessions == 0 && c.Rooms == 0 && c.LogBytes == 0
	})
	r.await("its goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
	s.judge()
}

// blow has n people stay, the first of them with the number given, many at once.
func (s *storm) blow(first, n int) {
	const atOnce = 100
	var (
		people sync.WaitGroup
		places = make(chan struct{}, atOnce)
	)
	for i := range n {
		places <- struct{}{}
		people.Go(func() {
			defer func() { <-places }()
			s.one(first + i)
		})
	}
	people.Wait()
}

// judge checks what was seen in each room, and returns how much was said and how
// often a promise was broken.
func (s *storm) judge() (said, broken int) {
	for i, check := range s.rooms {
		said += s.observe(check, stormRoom(i))
		for j, v := range check.Check() {
			if broken++; j < 3 {
				s.Errorf("room %d: %v", i, v)
			}
		}
	}
	return said, broken
}

// observe compares what was seen in a room with what the journal has of it: no one
// was there from the beginning to the end.
func (s *storm) observe(check *invariant.Checker, room string) (said int) {
	kept, err := s.journal.From(s.Context(), room, check.Before+1, math.MaxInt32)
	if err != nil {
		s.Fatal(err)
	}
	journal := check.Client("the journal")
	check.Observer(journal)
	for _, m := range kept {
		e, err := invariant.ParseLine(fmt.Appendf(nil, "00:00 %s: %s", m.Author, m.Text))
		if err != nil {
			s.Fatalf("%s: %v", room, err)
		}
		said := e.(invariant.Message)
		said.Seq, said.Sent = m.Seq, 0
		journal.Add(said)
	}
	return len(kept)
}

// one is a person's stay.
func (s *storm) one(n int) {
	c := &stormer{
		TCPConn: s.dial(s.port, net.IPv4(127, 3, byte(n>>8), byte(n)), 0), storm: s, n: n, in: -1,
		rng: rand.New(rand.NewPCG(uint64(n), 4)),
	}
	defer c.Close()
	c.reading.Go(c.read)
	c.write("/bot s%dn\n", n)
	for range 30 {
		c.act()
	}
	if n%4 == 0 { // is cut off; what it has not seen is nobody's loss
		_ = c.SetLinger(0)
		_ = c.Close()
		c.reading.Wait()
		return
	}
	c.write("/leave\n/quit\n")
	c.reading.Wait()
	for room, said := range c.said {
		s.rooms[room].Said(c.sender(room), said)
	}
}

func (c *stormer) write(format string, args ...any) {
	if _, err := fmt.Fprintf(c, format, args...); err != nil {
		c.storm.Errorf("%d: %v", c.n, err)
	}
}

// act does one thing or another.
func (c *stormer) act() {
	switch what := c.rng.IntN(20); {
	case what < 5 || c.in < 0:
		to := c.rng.IntN(stormRooms)
		if to != c.in {
			c.write("/join room%dr\n", to)
			c.in = to
		}
	case what < 7:
		c.write("/nick s%dn%dn\n", c.n, c.rng.IntN(1000))
	case what < 8: // it reads nothing for a while
		c.mu.Lock()
		defer c.mu.Unlock()
		for range 5 {
			c.say()
		}
	case what < 9:
		c.write("/who\n/away for %d\n/rooms\n", c.n)
	default:
		c.say()
	}
}

func (c *stormer) say() {
	if c.in < 0 {
		return
	}
	c.said[c.in]++
	line := c.storm.rooms[c.in].Text(nil, c.sender(c.in), c.said[c.in], 80+c.rng.IntN(400))
	c.write("%s\n", line)
}

var (
	entered = regexp.MustCompile(`^\* room room(\d+)r; here: `)
	saidBy  = regexp.MustCompile(`^\d\d:\d\d s\d+n\S*: <(\d+)\.`) // somebody of the storm
)

// mayRead waits while the reader is stalled.
func (c *stormer) mayRead() {
	c.mu.Lock()
	defer c.mu.Unlock()
}

// read gives what comes in to the checker of the room it is about: each stay in a
// room is a client of its own.
func (c *stormer) read() {
	var (
		saw  *invariant.Client
		room = -1
		in   = bufio.NewReader(c)
	)
	for {
		c.mayRead()
		line, err := in.ReadString('\n')
		if err != nil { // of who is cut off, the last line may be
			if line != "" && c.n%4 != 0 {
				c.storm.Errorf("%d: ended in a line, %v: %q", c.n, err, line)
			}
			return
		}
		line = strings.TrimSuffix(line, "\n")
		if m := entered.FindStringSubmatch(line); m != nil {
			room, _ = strconv.Atoi(m[1])
			saw = c.storm.rooms[room].Client(fmt.Sprintf("%d in room %d", c.n, room))
		} else if strings.HasPrefix(line, "* room ") {
			saw, room = nil, -1
		}
		if m := saidBy.FindStringSubmatch(line); m != nil {
			if by, _ := strconv.Atoi(m[1]); room < 0 || (by-1)%stormRooms != room {
				c.storm.Errorf("%d sees in room %d what was said in another: %q", c.n, room, line)
				continue
			}
		}
		if saw != nil {
			_, _ = saw.Write([]byte(line + "\n"))
		}
	}
}
