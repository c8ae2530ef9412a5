// Everything at once, on real sockets, for as long as one likes.

package relay

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatd/chatd/internal/figure"
	"github.com/chatd/chatd/internal/invariant"
	"github.com/chatd/chatd/internal/wire"
)

// soak is how long everything happens at once.
func soak(t *testing.T) time.Duration {
	text := os.Getenv("CHATD_TORTURE_TIME")
	if text == "" {
		return time.Duration(sized(1, 600)) * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("CHATD_TORTURE_TIME=%q is no time", text)
	}
	return d
}

// A lap is as much as is checked at once: then all leave, so that what is kept of it
// for the check does not add up.
var (
	lapStays = sized(50, 500)   // people who come, move between rooms, and leave
	lapFlood = sized(400, 2000) // messages of 1,000 bytes
)

const (
	lapResets = 100 // connections that end as soon as they have begun
	lapStalls = 8   // readers who stop until the flood is over
	// lapWindow is the size of their receive buffers in bytes. Into a smaller one the
	// kernel may send a packet every 200 ms only, when it is read again.
	lapWindow = 32 << 10
)

// soaking is a relay and what was measured of it, lap by lap.
type soaking struct {
	*rig
	frames *net.TCPAddr // where WebSockets are served, without their handshake
	stays  int

	said, gaps, broken, laps int
	resident                 []int64 // bytes of memory after each lap
}

// A storm of people who move, floods, readers who stop, resets, kicks, raw
// connections, programs with lines and with frames: all promises are kept, and when
// all have left, nothing is. CHATD_TORTURE_TIME is how long it goes on: ten minutes in
// full, a second else.
func TestEverythingAtOnce(t *testing.T) {
	lasts := soak(t)
	s := &soaking{rig: openRig(t, Config{Rate: Unlimited, History: Unlimited, Keep: Keep{Count: 2000}})}
	s.serveFrames()
	s.lap() // what the process keeps for its next lap is there after the first
	goroutines, files, begin := runtime.NumGoroutine(), descriptors(t), time.Now()
	for time.Since(begin) < lasts && !t.Failed() {
		s.lap()
	}
	took := time.Since(begin)
	s.await("its goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
	s.await("its descriptors are closed", func() bool { return descriptors(t) <= files })
	figure.Figure{
		Row: 34, Part: fmt.Sprintf("promises in %v on real sockets", took.Round(time.Second)), Held: s.broken == 0 && !t.Failed(), Bar: "0 broken",
		Got: fmt.Sprintf("%d broken: %d people, %.2f million messages, %d gaps, %d laps", s.broken, s.stays, float64(s.said)/1e6, s.gaps, s.laps),
	}.Tell(t)
	more, open := max(runtime.NumGoroutine()-goroutines, 0), max(descriptors(t)-files, 0)
	figure.Figure{
		Row: 34, Part: "left after that", Held: more == 0 && open == 0, Bar: "none",
		Got: fmt.Sprintf("%d goroutines, %d descriptors", more, open),
	}.Tell(t)
	s.isFlat()
}

// isFlat compares the memory of the process early with that in the end, each the
// median of a fifth of all laps; the first fifth is when caches and history fill.
func (s *soaking) isFlat() {
	s.Helper()
	fifth := len(s.resident) / 5
	if fifth < 3 {
		return // too short to tell
	}
	early, late := median(s.resident[fifth:2*fifth]), median(s.resident[len(s.resident)-fifth:])
	grown := float64(late-early) / float64(early)
	figure.Figure{
		Row: 34, Part: "resident memory meanwhile", Held: grown <= flat && grown >= -flat, Bar: "±5 %",
		Got: fmt.Sprintf("%+.1f %%: %.1f MiB in the second fifth, %.1f in the last", 100*grown, float64(early)/(1<<20), float64(late)/(1<<20)),
	}.Tell(s)
	if torture && (grown > flat || grown < -flat) {
		s.Errorf("resident memory was %d bytes in the second fifth and %d in the last: %v", early, late, s.resident)
	}
}

// residentBytes is how much memory this process has after a collection, in bytes.
func residentBytes(t *testing.T) int64 {
	t.Helper()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// lap is one round of everything.
func (s *soaking) lap() {
	s.Helper()
	s.check = invariant.New()
	s.check.Before = s.journal.Last(s.cfg.Room)
	h := s.gatherFoyer()
	storm := newStorm(s.rig)
	var all sync.WaitGroup
	all.Go(func() { storm.blow(2+s.stays, lapStays) })
	all.Go(s.resets)
	all.Go(s.raw)
	h.talk()
	all.Wait()
	h.judge()
	s.await("all have left", func() bool {
		c := s.Counts()
		return c.Sessions == 0 && c.Rooms == 0 && c.LogBytes == 0
	})
	said, broken := storm.judge()
	s.said, s.broken, s.stays, s.laps = s.said+said, s.broken+broken, s.stays+lapStays, s.laps+1
	s.check = invariant.New()
	h, storm = nil, nil
	s.resident = append(s.resident, residentBytes(s.T))
}

// resets connects, and ends that at once, before and after the first byte.
func (s *soaking) resets() {
	for i := range lapResets {
		nc := s.dial(s.port, nil, 0)
		if i%2 == 0 {
			_, _ = io.WriteString(nc, "/bot")
		}
		_ = nc.SetLinger(0)
		_ = nc.Close()
	}
}

// raw has two in the raw room; each hears what one of them sends, byte for byte.
func (s *soaking) raw() {
	var ends [2]*net.TCPConn
	for i := range ends {
		ends[i] = s.dial(s.rig.raw, nil, 0)
		defer ends[i].Close()
	}
	key := roomKey{name: "raw", raw: true}
	s.await("both are in the raw room", func() bool { return s.membersOf(key) == len(ends) })
	file := noise(64 << 10)
	file = append(file, '\n') // no character is cut at the end
	if _, err := ends[0].Write(file); err != nil {
		s.Error(err)
	}
	for _, nc := range ends {
		got := make([]byte, len(file))
		_ = nc.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, file) {
			s.broken++
			s.Errorf("what came in the raw room is not what was sent: %v", err)
		}
	}
}

// foyer is the room where everybody begins, and who stays there for a lap.
type foyer struct {
	*soaking
	observer *caller
	people   []*caller // who talk, in lines
	bots     []*bot    // who talk, in objects
	stalled  []*caller // who do not read until the end
	flooder  *caller
	kicked   *caller
}

func (s *soaking) gatherFoyer() *foyer {
	s.Helper()
	h := &foyer{soaking: s, observer: s.call("observer")}
	s.check.Observer(h.observer.saw)
	for i := range 6 {
		h.people = append(h.people, s.call(fmt.Sprintf("person%dx", i)))
	}
	for i := range 4 {
		h.bots = append(h.bots, s.bot(fmt.Sprintf("bot%dx", i), i%2 == 0))
	}
	for i := range lapStalls {
		h.stalled = append(h.stalled, s.mute(fmt.Sprintf("stalled%dx", i), lapWindow))
	}
	h.flooder, h.kicked = s.call("flooder"), s.call("kicked")
	s.settled()
	return h
}

// talk has all say something while somebody floods the room and one is kicked.
func (h *foyer) talk() {
	h.Helper()
	var talking sync.WaitGroup
	// None waits to hear itself: who falls behind the flood may be told of a gap.
	talk := func(say func(size int)) {
		beat := time.NewTicker(5 * time.Millisecond)
		defer beat.Stop()
		for range 50 {
			<-beat.C
			say(100)
		}
	}
	for _, c := range append(slices.Clone(h.people), h.kicked) {
		talking.Go(func() { talk(c.say) })
	}
	for _, b := range h.bots {
		talking.Go(func() { talk(b.say) })
	}
	h.flooder.blast(lapFlood, 1000, h.observer)
	talking.Wait()
	for _, sess := range h.snapshot() {
		if sess.conn.RemoteAddr().String() == h.kicked.LocalAddr().String() {
			sess.end(&cause{log: "kicked", how: "was kicked", last: "you were kicked: enough"})
		}
	}
	h.kicked.reading.Wait()
}

// judge has those read who did not, and checks what all have seen.
func (h *foyer) judge() {
	h.Helper()
	for _, c := range h.stalled {
		c.read()
	}
	h.observer.say(100)
	for _, c := range h.everyone() {
		if c != h.kicked {
			c.hears(h.observer)
			c.saw.SawAll()
		}
	}
	for _, c := range h.everyone() {
		if c != h.kicked { // of whom what was not read yet is not said
			h.check.Said(c.sender, c.said)
		}
		h.gaps += c.saw.Seen().Gaps
	}
	for i, v := range h.check.Check() {
		if h.broken++; i < 3 {
			h.Errorf("the foyer: %v", v)
		}
	}
	h.said += h.observer.saw.Seen().Messages
	for _, c := range h.everyone() {
		c.hangUp()
	}
}

// bot is a caller that speaks JSON, in lines or in WebSocket frames.
type bot struct {
	*caller
	framed bool
}

// object is what a program is told, as far as it matters here.
type object struct {
	Type    string
	Seq     uint64
	From    string
	Text    string
	Missing uint64
	First   uint64
	Last    uint64
}

// bot brings one in.
func (s *soaking) bot(name string, framed bool) *bot {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.senders++
	to := s.port
	if framed {
		to = s.frames
	}
	from := net.IPv4(127, 2, byte(s.senders>>8), byte(s.senders))
	b := &bot{framed: framed, caller: &caller{
		TCPConn: s.dial(to, from, 0), rig: s.rig, saw: s.check.Client(name), sender: s.senders,
	}}
	s.callers = append(s.callers, b.caller)
	if !framed {
		b.write("/json\n")
	}
	b.send(map[string]any{"type": "hello", "name": name, "bot": true})
	b.reading.Go(b.listen)
	return b
}

func (b *bot) send(o map[string]any) {
	text, err := json.Marshal(o)
	if err != nil {
		b.rig.Error(err)
	}
	if b.framed {
		text = maskedFrame(text)
	} else {
		text = append(text, '\n')
	}
	b.write(string(text))
}

// maskedFrame is a text frame of a client (RFC 6455, section 5.3). The key is 0.
func maskedFrame(text []byte) []byte {
	f := wire.AppendFrameHeader(nil, wire.FrameText, len(text))
	f[1] |= 0x80
	f = append(f, 0, 0, 0, 0)
	return append(f, text...)
}

func (b *bot) say(size int) {
	b.said++
	b.send(map[string]any{"type": "say", "text": string(b.rig.check.Text(nil, b.sender, b.said, size))})
}

// listen gives what comes to the checker.
func (b *bot) listen() {
	in := bufio.NewReader(b.TCPConn)
	for {
		text, err := b.next(in)
		if err != nil {
			b.saw.End(nil) // what was begun is the reader's, and not given to the checker
			return
		}
		var o object
		if err := json.Unmarshal(text, &o); err != nil {
			b.rig.Errorf("%q: %v", text, err)
			continue
		}
		b.see(o)
	}
}

// next is the next object.
func (b *bot) next(in *bufio.Reader) ([]byte, error) {
	if !b.framed {
		return in.ReadBytes('\n')
	}
	for {
		op, text, err := readFrame(in)
		if err != nil || op == wire.FrameText {
			return text, err
		}
	}
}

// readFrame reads a server's frame, which is not masked and never a fragment.
func readFrame(in io.Reader) (op byte, body []byte, err error) {
	head := make([]byte, 2, 10)
	if _, err = io.ReadFull(in, head); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1])
	if n >= 126 {
		long := head[2 : 2+2+6*(n-126)] // 2 bytes or 8
		if _, err = io.ReadFull(in, long); err != nil {
			return 0, nil, err
		}
		n = binary.BigEndian.Uint64(append(make([]byte, 8-len(long), 8), long...))
	}
	body = make([]byte, n)
	_, err = io.ReadFull(in, body)
	return head[0] & 0x0f, body, err
}

func (b *bot) see(o object) {
	switch o.Type {
	case "message":
		e, err := invariant.ParseLine(fmt.Appendf(nil, "00:00 %s: %s", o.From, o.Text))
		if err != nil {
			b.rig.Errorf("%q: %v", o.Text, err)
			return
		}
		m := e.(invariant.Message)
		m.Seq = o.Seq
		b.saw.Add(m)
	case "gap":
		b.saw.Add(invariant.Gap{Count: o.Missing, First: o.First, Last: o.Last})
	case "error":
		b.rig.Errorf("a program was told: %s", o.Text)
	}
}

// serveFrames serves WebSockets whose handshake is done.
func (s *soaking) serveFrames() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	s.frames = l.Addr().(*net.TCPAddr)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { _ = s.ServeWebSocketConn(context.Background(), nc, nil) })
		}
	})
	s.Cleanup(func() {
		_ = l.Close()
		ctx, cancel := soon()
		defer cancel()
		_ = s.Shutdown(ctx)
		serving.Wait()
	})
}
