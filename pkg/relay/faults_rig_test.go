// The rig of the tests of faults: a server in this process, clients on real
// sockets, the load they put on it, and the comparison of how long messages take
// with and without a fault. The faults and their figures are in docs/faults.md.

package relay

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chatd/chatd/internal/figure"
	"github.com/chatd/chatd/internal/invariant"
)

// torture tells whether the tests run in full; otherwise at about a tenth.
var torture = os.Getenv("CHATD_TORTURE") == "1"

// sized is how often or how much: some by default, all under torture.
func sized(some, all int) int {
	if torture {
		return all
	}
	return some
}

// patience is how long a test waits for what must come, before it gives up.
const patience = 30 * time.Second

// rig is a server on a TCP port of its own, and what its clients have seen.
type rig struct {
	*testing.T
	*Server
	check *invariant.Checker
	port  *net.TCPAddr
	raw   *net.TCPAddr // where a raw room is served

	mu      sync.Mutex
	callers []*caller
	senders uint32
}

// openRig serves a chat and a raw room until the test ends, and checks then that
// every promise was kept.
func openRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	if cfg.Zone == nil {
		cfg.Zone = time.UTC
	}
	if cfg.MaxPerAddress == 0 {
		cfg.MaxPerAddress = Unlimited
	}
	r := &rig{T: t, Server: New(cfg), check: invariant.New()}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for _, c := range r.everyone() {
			c.hangUp()
		}
		if err := r.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		serving.Wait()
		for i, v := range r.check.Check() {
			if i == 10 {
				t.Error("and more")
				break
			}
			t.Error(v)
		}
	})
	serve := func(serve func(context.Context, net.Listener) error) *net.TCPAddr {
		l, err := net.Listen("tcp", "0.0.0.0:0")
		if err != nil {
			t.Fatal(err)
		}
		serving.Go(func() {
			if err := serve(context.Background(), l); !errors.Is(err, ErrServerClosed) {
				t.Errorf("Serve: %v", err)
			}
		})
		return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: l.Addr().(*net.TCPAddr).Port}
	}
	r.port = serve(r.Serve)
	r.raw = serve(func(ctx context.Context, l net.Listener) error { return r.ServeRaw(ctx, l, "raw") })
	return r
}

func (r *rig) everyone() []*caller {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.callers)
}

// soon is the time a test gives to what must come.
func soon() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.Background(), patience, errors.New("it did not come"))
}

// await waits until so is true. Where the server says nothing when it is, it
// looks again and again.
func (r *rig) await(what string, so func() bool) {
	r.Helper()
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(patience); !so(); <-again.C {
		if time.Now().After(end) {
			r.Fatalf("waited in vain: %s", what)
		}
	}
}

// dial connects. from is the caller's own address, or nil; window the size of its
// receive buffer in bytes, 0 for the default.
func (r *rig) dial(to *net.TCPAddr, from net.IP, window int) *net.TCPConn {
	r.Helper()
	d := net.Dialer{Timeout: patience}
	if from != nil {
		d.LocalAddr = &net.TCPAddr{IP: from}
	}
	if window > 0 {
		d.Control = func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) {
				_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, window)
			})
		}
	}
	nc, err := d.Dial("tcp", to.String())
	if err != nil {
		r.Fatal(err)
	}
	return nc.(*net.TCPConn)
}

// caller is a client whose reading is checked.
type caller struct {
	*net.TCPConn
	rig    *rig
	saw    *invariant.Client
	sender uint32
	said   uint64

	reading sync.WaitGroup
}

// call brings a caller in that reads. It says nothing and is not greeted.
func (r *rig) call(name string) *caller {
	r.Helper()
	c := r.mute(name, 0)
	c.read()
	return c
}

// mute brings a caller in that does not read, until read is called.
func (r *rig) mute(name string, window int) *caller {
	r.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.senders++
	from := net.IPv4(127, 2, byte(r.senders>>8), byte(r.senders)) // each its own
	c := &caller{
		TCPConn: r.dial(r.port, from, window), rig: r, saw: r.check.Client(name), sender: r.senders,
	}
	r.callers = append(r.callers, c)
	c.write("/bot " + name + "\n")
	return c
}

// crowd brings n callers in and returns when all are members of the room.
func (r *rig) crowd(n int) []*caller {
	r.Helper()
	crowd := make([]*caller, n)
	for i := range crowd {
		crowd[i] = r.call(fmt.Sprintf("caller%dx", i))
	}
	r.settled()
	return crowd
}

// settled returns when all callers that have not hung up are members of the room.
func (r *rig) settled() {
	r.Helper()
	r.await("all are in the room", func() bool { return r.members() == len(r.everyone()) })
}

// lobby is the key of the room that callers come to.
func (r *rig) lobby() roomKey { return roomKey{name: r.cfg.Room} }

func (r *rig) room(key roomKey) *room {
	r.Server.mu.Lock()
	defer r.Server.mu.Unlock()
	return r.rooms[key]
}

// members is how many the broadcaster of the lobby serves.
func (r *rig) members() int { return r.membersOf(r.lobby()) }

func (r *rig) membersOf(key roomKey) (n int) {
	ctx, cancel := soon()
	defer cancel()
	if room := r.room(key); room != nil {
		room.call(ctx.Done(), func() { n = len(room.members) })
	}
	return n
}

func (c *caller) write(text string) {
	if _, err := c.Write([]byte(text)); err != nil {
		c.rig.Errorf("writing: %v", err)
	}
}

// say says the next message, size bytes long.
func (c *caller) say(size int) {
	c.said++
	line := append(c.rig.check.Text(nil, c.sender, c.said, size), '\n')
	if _, err := c.Write(line); err != nil {
		c.rig.Errorf("saying: %v", err)
	}
}

// read reads all there is from now on.
func (c *caller) read() {
	c.reading.Go(func() {
		_, err := io.Copy(onlyWriter{c.saw}, onlyReader{c})
		c.saw.End(err)
	})
}

// They keep io.Copy from its shortcuts, which read what is not there yet.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// hears returns when c has seen what by has said so far.
func (c *caller) hears(by *caller) {
	c.rig.Helper()
	ctx, cancel := soon()
	defer cancel()
	if err := c.saw.Await(ctx, by.sender, by.said); err != nil {
		c.rig.Fatalf("waiting for message %d of %d: %v", by.said, by.sender, err)
	}
}

// hangUp resets the connection.
func (c *caller) hangUp() {
	r := c.rig
	r.mu.Lock()
	r.callers = slices.DeleteFunc(r.callers, func(o *caller) bool { return o == c })
	r.mu.Unlock()
	_ = c.SetLinger(0)
	_ = c.Close()
	c.reading.Wait()
}

// blast has c say n messages of the given size, each time no more than ear can
// follow: half of what a feed holds.
func (c *caller) blast(n, size int, ear *caller) {
	c.rig.Helper()
	step := max(ringBytes/2/(size+32), 1)
	for done := 0; done < n; done += step {
		for range min(step, n-done) {
			c.say(size)
		}
		ear.hears(c)
	}
}

// load is chat in one room as people make it, B of docs/faults.md, or less of it.
type load struct {
	*rig
	people []*caller
	pause  time.Duration // between two messages
	lasts  time.Duration // of one round
	next   int
}

// baseline brings the people in.
func (r *rig) baseline() *load { return r.baselineOf(sized(40, 100)) }

// baselineOf is baseline with so many people.
func (r *rig) baselineOf(people int) *load {
	r.Helper()
	l := &load{
		rig: r, people: r.crowd(people), pause: time.Second / 50,
		lasts: time.Duration(sized(300, 2000)) * time.Millisecond,
	}
	r.check.Observer(l.people[0].saw)
	l.round()
	return l
}

func (l *load) ears() (ears []*invariant.Client) {
	for _, c := range l.people {
		ears = append(ears, c.saw)
	}
	return ears
}

// round has people talk for a while, and returns how long their messages took,
// at the 99th percentile.
func (l *load) round() time.Duration {
	l.Helper()
	l.heard()
	runtime.GC() // what was before this round is not its fault
	invariant.Lap(l.ears()...)
	tick := time.NewTicker(l.pause)
	defer tick.Stop()
	for range l.lasts / l.pause {
		<-tick.C
		l.next = (l.next + 1) % len(l.people)
		l.people[l.next].say(100)
	}
	l.heard()
	return invariant.Lap(l.ears()...).Percentile(0.99)
}

// heard returns when all have heard what all have said so far.
func (l *load) heard() {
	l.Helper()
	ctx, cancel := soon()
	defer cancel()
	for _, by := range l.people {
		for _, c := range l.people {
			if err := c.saw.Await(ctx, by.sender, by.said); err != nil {
				l.Fatalf("waiting for message %d of %d: %v", by.said, by.sender, err)
			}
		}
	}
}

// bound is how much longer messages may take with a fault than without: by a
// share or by a time, whichever is more.
type bound struct {
	row   int    // of docs/faults.md
	part  string // of the row
	share float64
	time  time.Duration
}

func (b bound) String() string {
	return fmt.Sprintf("%.0f %% or %d ms longer", 100*b.share, b.time.Milliseconds())
}

// most is how much longer messages may take with the fault, if they take so long
// without.
func (b bound) most(without time.Duration) time.Duration {
	return max(time.Duration(float64(without)*b.share), b.time)
}

// compare fails unless messages take as long with the fault as without, within
// the bound. Rounds with and without take turns, and who is first changes with each
// pair, so that a machine that becomes slower favours neither; what counts is the
// median of how much longer the one of a pair took than the other. If that is too
// much, there are twice as many rounds more, and then all count. usual and fault
// prepare a round and return what ends it.
func (l *load) compare(b bound, usual, fault func() (end func())) {
	l.Helper()
	var without, with []time.Duration
	run := func(into *[]time.Duration, prepare func() (end func())) {
		end := prepare()
		defer end()
		*into = append(*into, l.round())
	}
	within := false
	for try := 0; try < sized(3, 2) && !within; try++ {
		for i := range sized(3, 5) << try {
			if i%2 == 0 {
				run(&without, usual)
				run(&with, fault)
			} else {
				run(&with, fault)
				run(&without, usual)
			}
			if l.Failed() {
				return
			}
		}
		most := b.most(median(without))
		if !torture { // what the short rounds without differ by is not the fault's
			most += hum + 2*(median(without)-slices.Min(without))
		}
		within = median(longer(with, without)) <= most
		l.Logf("p99 %v without, %v with, longer by %v, by %v at most, over %d rounds",
			median(without), median(with), median(longer(with, without)), most, len(with))
	}
	figure.Figure{
		Row: b.row, Part: b.part, Bar: b.String(), Held: within,
		Got: fmt.Sprintf("p99 %s, %+.2f ms with the fault", inMillis(median(without)), median(longer(with, without)).Seconds()*1000),
	}.Tell(l)
	if !within {
		l.Errorf("others wait longer: without the fault %v, with it %v", without, with)
	}
}

// longer is by how much each round with a fault took longer than that without which
// was run beside it.
func longer(with, without []time.Duration) (by []time.Duration) {
	for i := range with {
		by = append(by, with[i]-without[i])
	}
	return by
}

func inMillis(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }

// nothing is the usual where a fault needs no preparation.
func nothing() (end func()) { return func() {} }

// hum is what short rounds on a busy machine are forgiven.
const hum = 10 * time.Millisecond

func median[T cmp.Ordered](d []T) T { return slices.Sorted(slices.Values(d))[len(d)/2] }

// memory is what this process holds, in bytes: heap and stacks.
func memory() int64 {
	heap, stacks := memoryOf()
	return heap + stacks
}

// memoryOf is what this process holds after a collection.
func memoryOf() (heap, stacks int64) {
	// Pools give up what they hold with the second collection.
	runtime.GC()
	runtime.GC()
	s := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/stacks:bytes"},
	}
	metrics.Read(s)
	return int64(s[0].Value.Uint64()), int64(s[1].Value.Uint64())
}

// numbering is a journal that keeps nothing but the last numbers, for those who
// measure what else takes memory.
type numbering struct {
	Journal
	mu   sync.Mutex
	last map[string]uint64
}

func newNumbering() *numbering {
	return &numbering{Journal: NewMemory(Keep{}), last: make(map[string]uint64)}
}

func (n *numbering) Append(m *Message, stored func(error)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last[m.Room] = m.Seq
	if stored != nil {
		stored(nil)
	}
}

func (n *numbering) Last(room string) uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last[room]
}

func (n *numbering) First(room string) uint64 { return n.Last(room) + 1 }

// descriptors is how many files this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// ear is a client that keeps what it hears as it came.
type ear struct {
	net.Conn
	t *testing.T

	mu      sync.Mutex
	got     bytes.Buffer
	news    chan struct{}
	ended   error
	reading sync.WaitGroup
}

// listen has nc read.
func (r *rig) listen(nc net.Conn) *ear {
	e := &ear{Conn: nc, t: r.T, news: make(chan struct{}, 1)}
	e.reading.Go(e.run)
	r.Cleanup(func() {
		_ = e.Close()
		e.reading.Wait()
	})
	return e
}

func (e *ear) run() {
	buf := make([]byte, 64<<10)
	for {
		n, err := e.Read(buf)
		e.mu.Lock()
		e.got.Write(buf[:n])
		e.ended = err
		e.mu.Unlock()
		select {
		case e.news <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// until waits until enough tells of what was heard so far that it is, and returns
// it. What it returns is not heard again.
func (e *ear) until(enough func(heard []byte) bool) string {
	e.t.Helper()
	give := time.NewTimer(patience)
	defer give.Stop()
	for {
		e.mu.Lock()
		if enough(e.got.Bytes()) {
			heard := e.got.String()
			e.got.Reset()
			e.mu.Unlock()
			return heard
		}
		heard, ended := e.got.String(), e.ended
		e.mu.Unlock()
		if ended != nil {
			e.t.Fatalf("heard %q, then %v", tail(heard), ended)
		}
		select {
		case <-e.news:
		case <-give.C:
			e.t.Fatalf("heard only %q", tail(heard))
		}
	}
}

// hears waits until the text given has been heard, and returns all up to now.
func (e *ear) hears(text string) string {
	e.t.Helper()
	return e.until(func(heard []byte) bool { return bytes.Contains(heard, []byte(text)) })
}

// toTheEnd returns what is heard before the connection ends, and how it ends; nil
// is the end of input.
func (e *ear) toTheEnd() (string, error) {
	_ = e.SetReadDeadline(time.Now().Add(patience))
	e.reading.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended == io.EOF {
		return e.got.String(), nil
	}
	return e.got.String(), e.ended
}

// reset ends a TCP connection without a goodbye.
func (e *ear) reset() {
	_ = e.Conn.(*net.TCPConn).SetLinger(0)
	_ = e.Close()
}

func (e *ear) say(text string) {
	e.t.Helper()
	if _, err := e.Write([]byte(text)); err != nil {
		e.t.Errorf("writing: %v", err)
	}
}

// tail is the end of a long text.
func tail(text string) string {
	if len(text) > 300 {
		return "… " + text[len(text)-300:]
	}
	return text
}

// lines are those of text, without their ends.
func lines(text string) []string {
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
