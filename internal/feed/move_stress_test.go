package feed

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/chatd/chatd/internal/sock"
)

// busyRoom is a ring in which somebody speaks all the time, and who follows it.
type busyRoom struct {
	id   int
	ring *Ring
	feed *Feed
	do   chan func() // run by the ring's owner; closed when all movers have ended

	// Owned by run.
	said    uint64
	members []*Outlet
}

func newBusyRoom(id int) *busyRoom {
	r := &busyRoom{id: id, ring: NewRing(Place{}, Limits{Records: 200, Bytes: 24 << 10}, nil), do: make(chan func())}
	r.feed = r.ring.Feed(stressFormats(id)[0])
	return r
}

// run is the ring's owner.
func (r *busyRoom) run() {
	random := rand.New(rand.NewPCG(4, uint64(r.id)))
	for {
		select {
		case do, ok := <-r.do:
			if !ok {
				return
			}
			do()
		default:
			for range 1 + random.IntN(4) {
				r.said++
				r.ring.Append(&Record{Seq: number(r.said), Text: []byte(stressText(r.said))})
			}
			for _, o := range r.members {
				o.Flush()
			}
			runtime.Gosched()
		}
	}
}

// call has do run by the ring's owner.
func (r *busyRoom) call(do func()) {
	ran := make(chan struct{})
	r.do <- func() { do(); close(ran) }
	<-ran
}

// leave returns where o's reader stops.
func (r *busyRoom) leave(o *Outlet) (until Place) {
	r.call(func() {
		until = r.feed.Head()
		o.Unfollow(r.feed, until)
		r.members = slices.DeleteFunc(r.members, func(m *Outlet) bool { return m == o })
	})
	return until
}

// enter lets o's reader begin with the last records, between a line that names them
// and one that stands before all that is new. It returns false if the mailbox is full.
func (r *busyRoom) enter(o *Outlet, back int, after Mark) (ok bool) {
	r.call(func() {
		at, head := r.feed.Back(back), r.feed.Head()
		if ok = o.PostAfter(after, fmt.Appendf(nil, "e %d %d\n", r.id, at.Ordinal)); ok {
			r.members = append(r.members, o)
			o.Follow(r.feed, at, nil)
			o.PostAfter(Mark{r.ring, head.Index}, fmt.Appendf(nil, "n %d %d\n", r.id, head.Ordinal))
		}
	})
	return ok
}

// movingReader reads the other end of an outlet that moves, and checks that it is
// shown one ring at a time, each from where it enters to where it leaves.
type movingReader struct {
	conn  net.Conn
	stops chan struct{} // it stops after every so many lines until it receives one; closed by moveAround

	room   int
	last   uint64 // ordinal
	gapped bool   // last is where a gap has ended
	left   int    // rings
	gaps   int
}

func (r *movingReader) read() error {
	in := bufio.NewReaderSize(r.conn, 512)
	for n := 1; ; n++ {
		if n%50 == 0 && r.stops != nil {
			<-r.stops
		}
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		if err := r.line(line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
}

func (r *movingReader) line(line string) error {
	var room int
	var at, missing uint64
	if n, _ := fmt.Sscanf(line[1:], "%d %d", &room, &at); n != 2 {
		return fmt.Errorf("%w: %.80q", errWrong, line)
	}
	was, here := r.room, room == r.room
	switch line[0] {
	case 'm':
		here = here && at == r.last+1
		r.last, r.gapped = at, false
	case 'g':
		missing = at
		r.last, r.gapped = r.last+missing, true
		r.gaps++
	case 'n':
		here = here && (at == r.last || at < r.last && r.gapped)
	case 'l':
		here = here && at == r.last
		r.room = -1
		r.left++
	case 'e':
		here = r.room < 0
		r.room, r.last, r.gapped = room, at, false
	default:
		here = false
	}
	if !here {
		return fmt.Errorf("%w: %.80q in room %d after %d", errWrong, line, was, r.last)
	}
	return nil
}

// TestMovesUnderLoad has readers that move between busy rings, some of them without
// reading for a while.
func TestMovesUnderLoad(t *testing.T) {
	for _, network := range []string{"tcp", "unix", "pipe"} {
		t.Run(network, func(t *testing.T) { movesUnderLoad(t, network, scale(6, 12, 40), scale(30, 100, 400)) })
	}
}

func movesUnderLoad(t *testing.T, network string, conns, moves int) {
	var rooms []*busyRoom
	var owners, movers sync.WaitGroup
	for id := range 3 {
		r := newBusyRoom(id)
		rooms = append(rooms, r)
		owners.Go(r.run)
	}
	readers := make([]*movingReader, conns)
	for i := range readers {
		conn, peer := connect(t, network)
		r := &movingReader{conn: peer, room: -1}
		readers[i] = r
		if i%2 == 0 {
			r.stops = make(chan struct{}, moves)
		}
		movers.Go(func() {
			var read sync.WaitGroup
			read.Go(func() {
				if err := r.read(); !errors.Is(err, io.EOF) {
					t.Errorf("reader %d: %v", i, err)
					r.conn.Close()
				}
			})
			moveAround(t, NewOutlet(conn, func(err error) { t.Errorf("outlet %d: %v", i, err) }), conn, r, rooms, i, moves)
			read.Wait()
		})
	}
	movers.Wait()
	for _, r := range rooms {
		close(r.do)
	}
	owners.Wait()
	gaps := 0
	for i, r := range readers {
		gaps += r.gaps
		if r.left != moves {
			t.Errorf("reader %d saw %d moves, %d were made", i, r.left, moves)
		}
	}
	t.Logf("%d connections, %d moves each; %d gaps", conns, moves, gaps)
}

// moveAround moves o, which is r's, from ring to ring and ends it.
func moveAround(t *testing.T, o *Outlet, conn *sock.Conn, r *movingReader, rooms []*busyRoom, i, moves int) {
	defer o.Wait()
	defer conn.Close()
	defer o.Close()
	random := rand.New(rand.NewPCG(5, uint64(i)))
	stops := r.stops
	flushed := func() bool {
		if stops != nil {
			close(stops) // the reader does not stop any longer
			stops = nil
		}
		err := o.Flushed(nil)
		if err != nil {
			t.Errorf("outlet %d: %v", i, err)
		}
		return err == nil
	}
	var after Mark
	for n := range moves {
		room := rooms[random.IntN(len(rooms))]
		for !room.enter(o, random.IntN(4), after) {
			if !flushed() {
				return
			}
		}
		for range random.IntN(4) {
			runtime.Gosched()
		}
		until := room.leave(o)
		after = Mark{room.ring, until.Index}
		for !o.PostAfter(after, fmt.Appendf(nil, "l %d %d\n", room.id, until.Ordinal)) {
			if !flushed() {
				return
			}
		}
		if stops != nil && n%5 == 4 {
			stops <- struct{}{}
		}
	}
	flushed()
}
