// Bad input: too much of it, bytes that are no text, and text that would do
// something to a terminal.

package relay

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/chatd/chatd/internal/figure"
	"github.com/chatd/chatd/internal/wire"
)

// follower reads lines of one author, and notices, and wants the text of the
// lines, end to end, to be what sent generates. It keeps none of it.
type follower struct {
	nc   *net.TCPConn
	sent func(at int64, p []byte) // writes what was sent from the place at on into p
	got  atomic.Int64             // bytes of text
	news chan struct{}
	done chan struct{} // closed when run has returned
	err  error
}

func follow(nc *net.TCPConn, label string, sent func(int64, []byte)) *follower {
	f := &follower{nc: nc, sent: sent, news: make(chan struct{}, 1), done: make(chan struct{})}
	go f.run(label)
	return f
}

func (f *follower) run(label string) {
	defer close(f.done)
	in := bufio.NewReaderSize(f.nc, 16<<10)
	want := make([]byte, 16<<10)
	for {
		line, err := in.ReadSlice('\n')
		if err == io.EOF && len(line) == 0 {
			return
		}
		if err != nil {
			f.err = err
			return
		}
		if bytes.HasPrefix(line, []byte("* ")) {
			continue
		}
		text, ok := bytes.CutPrefix(line[:len(line)-1], []byte(label))
		if !ok {
			f.err = fmt.Errorf("read %q", tail(string(line)))
			return
		}
		f.sent(f.got.Load(), want[:len(text)])
		if !bytes.Equal(text, want[:len(text)]) {
			f.err = fmt.Errorf("after %d bytes read %q, want %q", f.got.Load(), text, want[:len(text)])
			return
		}
		f.got.Add(int64(len(text)))
		select {
		case f.news <- struct{}{}:
		default:
		}
	}
}

// has waits until n bytes of text were read.
func (f *follower) has(t *testing.T, n int64) {
	t.Helper()
	give := time.NewTimer(patience)
	defer give.Stop()
	for f.got.Load() < n {
		select {
		case <-f.news:
		case <-f.done:
			t.Fatalf("after %d bytes: %v", f.got.Load(), f.err)
		case <-give.C:
			t.Fatalf("%d of %d bytes came", f.got.Load(), n)
		}
	}
}

// member connects with the given name and returns when it is in the room. What it
// reads begins with what is said from then on.
func (r *rig) member(name string, to *net.TCPAddr) *net.TCPConn {
	r.Helper()
	n := r.members()
	nc := r.dial(to, nil, 0)
	r.Cleanup(func() { _ = nc.Close() })
	if _, err := io.WriteString(nc, "/bot "+name+"\n"); err != nil {
		r.Fatal(err)
	}
	r.await(name+" is in the room", func() bool { return r.members() == n+1 })
	return nc
}

// stamp is how lines begin on a clock that stands still.
const stamp = "12:00 "

// still is the clock of those who compare lines.
func still() time.Time { return time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC) }

// A line without an end, as long as one likes, comes in pieces, of which none is
// lost, and the server holds no more than a few of them.
func TestFault2EndlessLine(t *testing.T) {
	const unit = "one-long-líne-行-🙂-and-nothing-but-"
	sent := func(at int64, p []byte) {
		for len(p) > 0 {
			n := copy(p, unit[at%int64(len(unit)):])
			at, p = at+int64(n), p[n:]
		}
	}
	r := openRig(t, Config{Rate: Unlimited, Journal: newNumbering()})
	r.clock = still
	ana, bob := r.member("ana", r.port), r.member("bob", r.port)
	if _, err := io.WriteString(ana, "/echo off\n"); err != nil {
		t.Fatal(err)
	}
	var mute sync.WaitGroup
	mute.Go(func() { _, _ = io.Copy(io.Discard, ana) })
	t.Cleanup(mute.Wait)
	t.Cleanup(func() { _ = ana.Close() })
	bobs := follow(bob, stamp+"ana: ", sent)

	var (
		total = int64(sized(64, 1024)) << 20
		step  = int64(ringBytes / 4)
		chunk = make([]byte, step)
		least int64 // of memory, once the feeds are full
		most  int64
	)
	for at := int64(0); at < total; at += step {
		sent(at, chunk)
		if _, err := ana.Write(chunk); err != nil {
			t.Fatal(err)
		}
		bobs.has(t, at+step-int64(r.cfg.MaxLine))
		if at < 4*ringBytes || at%(8<<20) != 0 && at+step < total {
			continue
		}
		held := memory()
		if least == 0 {
			least, most = held, held
		}
		least, most = min(least, held), max(most, held)
	}
	if _, err := io.WriteString(ana, "\n"); err != nil {
		t.Fatal(err)
	}
	bobs.has(t, total)
	t.Logf("%d MiB; the process grew by %d KiB", total>>20, (most-least)>>10)
	figure.Figure{
		Row: 2, Part: fmt.Sprintf("a line of %d MiB, of which all has come", total>>20), Held: most-least <= 1<<20, Bar: "1 MiB",
		Got: fmt.Sprintf("the process grew by %d KiB", (most-least)>>10),
	}.Tell(t)
	if most-least > 1<<20 {
		t.Errorf("the process grew by %d bytes", most-least)
	}
}

// Pieces of a long line are text, whatever they look like.
func TestFault2PiecesAreText(t *testing.T) {
	r := openRig(t, Config{Rate: Unlimited})
	r.clock = still
	ana, bob := r.member("ana", r.port), r.listen(r.member("bob", r.port))
	full := strings.Repeat("x", r.cfg.MaxLine)
	for _, piece := range []string{"/me waves", "/quit", "//x", "   "} {
		if _, err := io.WriteString(ana, full+piece+"\nend\n"); err != nil {
			t.Fatal(err)
		}
		heard := bob.hears("ana: end\n")
		if want := stamp + "ana: " + full + "\n" + stamp + "ana: " + piece + "\n"; !strings.Contains(heard, want) {
			t.Errorf("of a line that goes on with %q came %q", piece, tail(heard))
		}
	}
}

// What is meant for one person is not said aloud because it is too long.
func TestFault2LongCommandIsNotText(t *testing.T) {
	r := openRig(t, Config{Rate: Unlimited})
	ana, eve := r.member("ana", r.port), r.listen(r.member("eve", r.port))
	r.listen(r.member("bob", r.port))
	if _, err := io.WriteString(ana, "/msg bob "+strings.Repeat("secret ", r.cfg.MaxLine/5)+"\nend\n"); err != nil {
		t.Fatal(err)
	}
	if heard := eve.hears("ana: end\n"); strings.Contains(heard, "secret") {
		t.Errorf("eve reads %q", tail(heard))
	}
}

// A paste is read no faster than the rate, however large it is.
func TestFault2PasteIsReadAtTheRate(t *testing.T) {
	const rate, burst = 50, 10
	r := openRig(t, Config{Rate: rate, Burst: burst})
	ana, bob := r.member("ana", r.port), r.listen(r.member("bob", r.port))
	begin := time.Now()
	var paste sync.WaitGroup
	paste.Go(func() { _, _ = ana.Write(bytes.Repeat([]byte("0123456789abcdef"), 4<<20/16)) })
	t.Cleanup(paste.Wait)
	t.Cleanup(func() { _ = ana.Close() })
	const pieces = burst + 30
	bob.until(func(heard []byte) bool { return bytes.Count(heard, []byte(" ana: ")) >= pieces })
	// The name has cost one message of the burst.
	if took, least := time.Since(begin), time.Second*(pieces-burst)/rate; took < least {
		t.Errorf("%d pieces in %v, at the rate it takes %v", pieces, took, least)
	}
}

// heldMost is how much the server may hold of one connection's input, in bytes: a
// begun line and a chunk make 8 KiB; the rest is the timer that waits for the rate.
const heldMost = 10 << 10

// What the server holds for those it does not read is bounded.
func TestFault2UnreadInputIsLeftToTheKernel(t *testing.T) {
	r := openRig(t, Config{Rate: 0.001, Burst: 1, Journal: newNumbering()})
	paste := bytes.Repeat([]byte("0123456789abcdef"), 32<<10/16)
	n := sized(100, 1000)
	conns := make([]*net.TCPConn, n)
	var reading sync.WaitGroup
	t.Cleanup(reading.Wait)
	for i := range conns {
		conns[i] = r.dial(r.port, nil, 0)
		t.Cleanup(func() { _ = conns[i].Close() })
		if _, err := io.WriteString(conns[i], "/bot\n"); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 512)
		reading.Go(func() {
			for {
				if _, err := conns[i].Read(buf); err != nil {
					return
				}
			}
		})
	}
	r.await("all are in the room", func() bool { return r.members() == n })
	idle := r.unsaid()
	for _, nc := range conns {
		if _, err := nc.Write(paste); err != nil {
			t.Fatal(err)
		}
	}
	// One piece of each is said, and the next one waits.
	r.await("each has said one piece", func() bool { return r.Counts().Messages == uint64(n) })
	r.await("all have heard that, and that they are too fast", func() bool {
		r.members() // one round of the broadcaster, and with the next it has served all
		if r.members(); r.parked() > 0 {
			return false
		}
		for _, s := range r.snapshot() {
			if s.out.Written() < uint64(len("* you are faster than")) || s.conn.Unread() == 0 {
				return false
			}
		}
		return true
	})
	each := (r.unsaid() - idle) / int64(n)
	t.Logf("%d bytes each", each)
	figure.Figure{
		Row: 2, Part: "held for a connection that is not read", Held: each <= heldMost, Bar: "8 KiB, and the timer of the rate",
		Got: fmt.Sprintf("%.1f KiB", float64(each)/1024),
	}.Tell(t)
	if each > heldMost {
		t.Errorf("the server holds %d bytes for each, at most %d", each, heldMost)
	}
}

// unsaid is what the heap holds besides what was said.
func (r *rig) unsaid() (bytes int64) {
	l := r.room(r.lobby())
	l.call(nil, func() {
		heap, _ := memoryOf()
		bytes = heap - l.ring.HeldAll()
	})
	return bytes
}

// noise is n bytes of a binary file, of which no line is a command.
func noise(n int) []byte {
	rng := rand.New(rand.NewPCG(2, uint64(n)))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rng.Uint32())
		for p[i] == '/' || p[i] == 0xff { // what a command begins with, and telnet's
			p[i] = byte(rng.Uint32())
		}
	}
	return p
}

// lineEnds are where the server ends lines.
var lineEnds = regexp.MustCompile("\r\n|\r\x00|\r|\n")

// A binary file sent as text is noise, but all of it.
func TestFault2BinaryFileAsText(t *testing.T) {
	r := openRig(t, Config{Rate: Unlimited})
	r.clock = still
	ana, bob := r.member("ana", r.port), r.listen(r.member("bob", r.port))
	r.listen(ana)
	file := noise(sized(256, 16<<10) << 10)
	var want []byte
	for _, line := range lineEnds.Split(string(file), -1) {
		if strings.TrimSpace(line) != "" {
			want = wire.AppendText(append(want, stamp+"ana: "...), []byte(line))
			want = append(want, '\n')
		}
	}
	// The first line says that this is no stranger of another protocol's.
	if _, err := io.WriteString(ana, "begin\n"); err != nil {
		t.Fatal(err)
	}
	heard := bob.hears(stamp + "ana: begin\n")
	heard = heard[strings.Index(heard, stamp+"ana: begin\n")+len(stamp+"ana: begin\n"):]
	var got strings.Builder
	got.WriteString(heard)
	sent := 0
	for piece := range slices.Chunk(file, 64<<10) {
		if _, err := ana.Write(piece); err != nil {
			t.Fatal(err)
		}
		// Nothing is lost of what bob can follow: he is kept within the log. The
		// file is noise, so that all of it grows alike on its way.
		sent += len(piece)
		most := len(want)*sent/len(file) - 256<<10
		got.WriteString(bob.until(func(heard []byte) bool { return got.Len()+len(heard) > most }))
	}
	if _, err := io.WriteString(ana, "\nend\n"); err != nil {
		t.Fatal(err)
	}
	got.WriteString(bob.hears(stamp + "ana: end\n"))
	text := regexp.MustCompile(`(?m)^\* .*\n`).ReplaceAllString(got.String(), "")
	text = strings.TrimSuffix(text, stamp+"ana: end\n")
	figure.Figure{
		Row: 2, Part: "a binary file", Held: text == string(want), Bar: "all, as it is shown",
		Got: fmt.Sprintf("%.1f of %.1f MiB came", float64(len(text))/(1<<20), float64(len(want))/(1<<20)),
	}.Tell(t)
	if text != string(want) {
		i := 0
		for i < min(len(text), len(want)) && text[i] == want[i] {
			i++
		}
		t.Errorf("of %d bytes, %d came, and differ from byte %d on", len(want), len(text), i)
	}
}

// In a raw room every byte arrives as it was sent, and a character that is cut
// waits for its rest.
func TestFault6RawRoom(t *testing.T) {
	r := openRig(t, Config{Rate: Unlimited})
	join := func(n int) *ear {
		e := r.listen(r.dial(r.raw, nil, 0))
		r.await("is in the room", func() bool { return r.membersOf(roomKey{name: "raw", raw: true}) == n })
		return e
	}
	ana, bob := join(1), join(2)
	ana.say("a\xe2") // the first byte of three
	if got := bob.hears("a"); got != "a" {
		t.Fatalf("heard %q", got)
	}
	bob.say("b")
	if got := ana.hears("b"); got != "ab" {
		t.Fatalf("heard %q", got)
	}
	ana.say("\x82\xac")
	if got := bob.hears("€"); got != "b€" {
		t.Fatalf("heard %q", got)
	}
	ana.hears("€")

	file := noise(sized(1, 16) << 20)
	file = append(file, 0xff, 0xff, '/', '\r', 0, 0xc3, 0x28, 0xf0, 0x9f)
	for piece := range slices.Chunk(file, 64<<10) {
		ana.say(string(piece))
		// The character at its end may have been cut.
		got := bob.until(func(heard []byte) bool { return len(heard) > len(piece)-2*utf8.UTFMax })
		ana.until(func(heard []byte) bool { return len(heard) > len(piece)-2*utf8.UTFMax })
		if n := min(len(got), len(file)); got[:n] != string(file[:n]) {
			t.Fatal("the bytes are not as sent")
		}
		file = file[len(got):]
	}
	_ = ana.Conn.(*net.TCPConn).CloseWrite()
	if got := bob.until(func(heard []byte) bool { return len(heard) == len(file) }); got != string(file) {
		t.Fatalf("at the end of input came %q, want %q", got, file)
	}
}
