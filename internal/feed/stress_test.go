package feed

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/chatd/chatd/internal/sock"
)

// connect returns the two ends of a connection whose kernel buffers are small.
func connect(t *testing.T, network string) (*sock.Conn, net.Conn) {
	t.Helper()
	if network == "pipe" {
		a, b := net.Pipe()
		return sock.New(a), b
	}
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// Without keepalive: on a busy machine it gave up readers that had stopped for
	// minutes.
	quiet := net.Dialer{KeepAlive: -1}
	b, err := quiet.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	size := 4 << 10
	if network == "tcp" {
		size = 32 << 10 // with less, delayed acknowledgements take most of the time
	}
	_ = a.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(size)
	_ = b.(interface{ SetReadBuffer(int) error }).SetReadBuffer(size)
	return sock.New(a), b
}

// number is the sequence number of the record with an ordinal: every second one.
func number(ordinal uint64) uint64 { return 2 * ordinal }

func stressText(ordinal uint64) string {
	return strings.Repeat(string(rune('a'+ordinal%26)), int(ordinal%97))
}

// stressFormats look the same but for their first letter.
func stressFormats(ring int) (formats [2]*Format) {
	for i, letter := range []byte("mM") {
		formats[i] = &Format{
			Render: func(dst []byte, r *Record) []byte {
				return append(append(fmt.Appendf(dst, "%c %d %d ", letter, ring, r.Ordinal), r.Text...), '\n')
			},
			Gap: func(dst []byte, g Gap) []byte {
				return fmt.Appendf(dst, "g %d %d %d %d\n", ring, g.Missing, g.First, g.Last)
			},
		}
	}
	return formats
}

// stressReader reads the other end of an outlet and checks I1 to I4.
type stressReader struct {
	conn    net.Conn
	stops   []chan struct{} // it reads on when these are closed
	every   int             // lines between stops
	last    [2]uint64       // ordinal, by ring
	private [2]int          // lines seen, by poster
	gaps    int
	lines   int
}

// read returns at the end of input; with io.EOF or a reset as the error.
func (r *stressReader) read() error {
	in := bufio.NewReaderSize(r.conn, 512)
	for {
		if r.every > 0 && r.lines%r.every == r.every-1 && len(r.stops) > 0 {
			<-r.stops[0]
			r.stops = r.stops[1:]
		}
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		r.lines++
		if err := r.line(line); err != nil {
			return fmt.Errorf("line %d: %w", r.lines, err)
		}
	}
}

var errWrong = errors.New("wrong")

func (r *stressReader) line(line string) error {
	var ring, poster, n int
	var ordinal uint64
	var g Gap
	switch line[0] {
	case 'm', 'M':
		if got, _ := fmt.Sscanf(line[1:], "%d %d ", &ring, &ordinal); got != 2 ||
			line[1:] != fmt.Sprintf(" %d %d %s\n", ring, ordinal, stressText(ordinal)) {
			return fmt.Errorf("%w: %.80q", errWrong, line)
		}
		if ordinal != r.last[ring]+1 {
			return fmt.Errorf("%w: record %d of ring %d comes after %d", errWrong, ordinal, ring, r.last[ring])
		}
		r.last[ring] = ordinal
	case 'g':
		if got, _ := fmt.Sscanf(line, "g %d %d %d %d\n", &ring, &g.Missing, &g.First, &g.Last); got != 4 {
			return fmt.Errorf("%w: %.80q", errWrong, line)
		}
		r.gaps++
		want := Gap{Missing: g.Missing, First: number(r.last[ring]) + 1, Last: number(r.last[ring] + g.Missing)}
		if g != want {
			return fmt.Errorf("%w: gap %+v after record %d of ring %d, want %+v", errWrong, g, r.last[ring], ring, want)
		}
		r.last[ring] += g.Missing
	case 'p':
		if got, _ := fmt.Sscanf(line, "p %d %d\n", &poster, &n); got != 2 || n != r.private[poster]+1 {
			return fmt.Errorf("%w: %.80q after private line %d", errWrong, line, r.private[poster])
		}
		r.private[poster] = n
	default:
		return fmt.Errorf("%w: %.80q", errWrong, line)
	}
	return nil
}

// stressed is one connection of the stress test.
type stressed struct {
	out    *Outlet
	conn   *sock.Conn
	reader stressReader
	both   bool // it follows the second ring too
	cut    bool // it is closed in the middle
	posted [2]int
	err    error // of reading
}

// TestStress has two sweepers, two posters, readers that stop and go on, changes of
// format, and closes, all at once.
func TestStress(t *testing.T) {
	for _, network := range []string{"tcp", "unix", "pipe"} {
		t.Run(network, func(t *testing.T) { stress(t, network, scale(12, 32, 150), scale(500, 3000, 10000)) })
	}
}

func stress(t *testing.T, network string, conns, messages int) {
	const stops = 4
	var rings [2]*Ring
	var feeds [2][2]*Feed
	for i := range rings {
		rings[i] = NewRing(Place{}, Limits{Records: 200, Bytes: 24 << 10}, nil)
		for j, format := range stressFormats(i) {
			feeds[i][j] = rings[i].Feed(format)
		}
	}
	gates := make([]chan struct{}, stops) // closed by the first sweeper
	for i := range gates {
		gates[i] = make(chan struct{})
	}
	all := make([]*stressed, conns)
	var readers, writers sync.WaitGroup
	for i := range all {
		s := &stressed{both: i%3 == 0, cut: i%8 == 7}
		all[i] = s
		s.conn, s.reader.conn = connect(t, network)
		if i%4 == 0 {
			s.reader.stops, s.reader.every = gates, 1+i
		}
		s.out = NewOutlet(s.conn, func(err error) {
			if !s.cut {
				t.Errorf("outlet %d: %v", i, err)
			}
		})
		s.out.Follow(feeds[0][0], Place{}, nil)
		if s.both {
			s.out.Follow(feeds[1][0], Place{}, nil)
		}
		readers.Go(func() {
			s.err = s.reader.read()
			s.reader.conn.Close()
		})
	}
	for ring := range rings {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(ring)))
			for n := 0; n < messages; {
				for range min(1+random.IntN(8), messages-n) {
					n++
					rings[ring].Append(&Record{Seq: number(uint64(n)), Text: []byte(stressText(uint64(n)))})
				}
				for _, s := range all {
					if ring == 0 || s.both {
						s.out.Flush()
					}
				}
				if ring == 0 {
					for g := range gates {
						if at := (g + 1) * messages / stops; n >= at && n-8 < at {
							select {
							case <-gates[g]:
							default:
								close(gates[g])
							}
						}
					}
				}
				runtime.Gosched()
			}
		})
	}
	for poster := range 2 {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(2, uint64(poster)))
			for range messages {
				s := all[random.IntN(len(all))]
				if s.out.Post(fmt.Appendf(nil, "p %d %d\n", poster, s.posted[poster]+1)) {
					s.posted[poster]++
				}
				runtime.Gosched()
			}
		})
	}
	writers.Go(func() {
		random := rand.New(rand.NewPCG(3, 0))
		now := make([]int, len(all))
		for range messages / 4 {
			i := random.IntN(len(all))
			all[i].out.Switch(feeds[0][now[i]], feeds[0][1-now[i]])
			now[i] = 1 - now[i]
			runtime.Gosched()
		}
	})
	writers.Go(func() {
		<-gates[stops/2]
		for _, s := range all {
			if s.cut {
				s.out.Close()
				s.conn.Abort()
				s.out.Wait()
			}
		}
	})
	writers.Wait()
	for i, s := range all {
		if !s.cut {
			if err := s.out.Flushed(nil); err != nil {
				t.Errorf("outlet %d: %v", i, err)
			}
			s.out.Close()
			s.conn.Close()
			s.out.Wait()
		}
	}
	readers.Wait()

	gaps, waits := 0, 0
	for i, s := range all {
		r := &s.reader
		gaps += r.gaps
		if r.every > 0 {
			waits++
		}
		if errors.Is(s.err, errWrong) {
			t.Errorf("reader %d: %v", i, s.err)
		}
		if s.cut {
			continue
		}
		if s.err != io.EOF {
			t.Errorf("reader %d ended with %v", i, s.err)
		}
		if r.private != s.posted {
			t.Errorf("reader %d saw %v private lines, %v were posted", i, r.private, s.posted)
		}
		want := [2]uint64{uint64(messages), 0}
		if s.both {
			want[1] = uint64(messages)
		}
		if r.last != want {
			t.Errorf("reader %d came to %v, want %v", i, r.last, want)
		}
	}
	if gaps == 0 {
		t.Errorf("%d readers stopped and none fell off", waits)
	}
	t.Logf("%d connections, %d of which stop reading now and then; %d gaps", conns, waits, gaps)
}
