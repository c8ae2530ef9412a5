package relay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Foreseeable has srv give the codes C-1, C-2 and so on to those who come.
func Foreseeable(srv *Server) {
	var n atomic.Int64
	srv.code = func() string { return fmt.Sprintf("C-%d", n.Add(1)) }
}

var codeForm = regexp.MustCompile(`/resume (\S+) after a break`)

// codeIn is the code that somebody was shown.
func codeIn(t *testing.T, lines []string) string {
	t.Helper()
	m := codeForm.FindStringSubmatch(strings.Join(lines, "\n"))
	if m == nil {
		t.Fatalf("no code in %q", lines)
	}
	return m[1]
}

// shelf is a registry of tickets in memory, as slow as it is told to be.
type shelf struct {
	*Memory
	pause time.Duration // that saving takes
	stuck bool          // it takes until the caller gives up

	mu      sync.Mutex
	tickets map[string]Ticket
	saves   int
	most    int // saves at once
	now     int
}

func (f *shelf) SaveTicket(ctx context.Context, t Ticket) error {
	return f.write(ctx, func() { f.tickets[t.Hash] = t })
}

func (f *shelf) DeleteTicket(ctx context.Context, hash string) error {
	return f.write(ctx, func() { delete(f.tickets, hash) })
}

func (f *shelf) write(ctx context.Context, do func()) error {
	f.mu.Lock()
	f.saves++
	f.now++
	f.most = max(f.most, f.now)
	f.mu.Unlock()
	var over <-chan time.Time
	if !f.stuck {
		over = time.After(f.pause)
	}
	defer func() {
		f.mu.Lock()
		f.now--
		f.mu.Unlock()
	}()
	select {
	case <-over:
	case <-ctx.Done():
		return ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tickets == nil {
		f.tickets = make(map[string]Ticket)
	}
	do()
	return nil
}

func (f *shelf) all() []Ticket {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Values(f.tickets))
}

// TestCodes: they are what a person can type, in whatever case, and random.
func TestCodes(t *testing.T) {
	form := regexp.MustCompile(`^[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}$`)
	seen, letters := map[string]bool{}, map[rune]bool{}
	for range 2000 {
		c := newCode()
		if !form.MatchString(c) || seen[c] {
			t.Fatalf("code %q", c)
		}
		seen[c] = true
		for _, r := range c {
			letters[r] = true
		}
		if codeHash(c) != codeHash(" "+strings.ToLower(strings.ReplaceAll(c, "-", " "))) {
			t.Fatalf("%q is not found however it is typed", c)
		}
	}
	if len(letters) != 33 {
		t.Errorf("%d letters are in use, of 32 and a dash", len(letters))
	}
}

// TestTicketExpires: a code works 24 hours after the seat was left, however long
// somebody sat there.
func TestTicketExpires(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		want  string
	}{
		{24*time.Hour - time.Second, "* welcome back, ana"},
		{24 * time.Hour, "* that code has expired: it worked for 24 hours after the seat was left"},
	} {
		simulate(t, Config{Journal: NewMemory(Keep{})}, func(b *bubble) {
			p := b.arrive()
			p.say("/nick ana")
			code := codeIn(t, p.seen())
			time.Sleep(30 * time.Hour)
			_ = p.conn.Close()
			synctest.Wait()
			time.Sleep(c.after - openTime)
			q := b.arrive()
			q.seen()
			q.say("/resume %s", code)
			if got := q.seen(); got[0] != c.want {
				t.Errorf("after %v: %q", c.after, got)
			}
		})
	}
}

// TestCodesAreNotGuessed: three wrong ones a minute.
func TestCodesAreNotGuessed(t *testing.T) {
	simulate(t, Config{Journal: NewMemory(Keep{})}, func(b *bubble) {
		p, q := b.arrive(), b.arrive()
		p.say("/nick ana")
		code := codeIn(t, p.seen())
		q.seen()
		for range 3 {
			q.say("/resume 2222-2222")
			if got := q.seen(); !strings.HasPrefix(got[0], "* no seat has that code") {
				t.Fatalf("%q", got)
			}
		}
		q.say("/resume %s", code)
		q.expect("* too many wrong codes; try again in 1 minute")
		time.Sleep(time.Minute)
		q.say("/resume %s", code)
		if got := q.seen(); got[0] != "* welcome back, ana" && count(got, "welcome back, ana") != 1 {
			t.Fatalf("%q", got)
		}
	})
}

// TestMissedAcrossTheRing: what the ring no longer holds comes from the journal, and
// where one ends and the other begins nothing is missing and nothing comes twice.
func TestMissedAcrossTheRing(t *testing.T) {
	for _, said := range []int{1, 100, ringRecords - 1, ringRecords + 1, 3 * ringRecords / 2, 2*ringRecords + 17} {
		simulate(t, Config{Journal: NewMemory(Keep{}), Rate: Unlimited}, func(b *bubble) {
			ana, bob := b.arrive(), b.arrive()
			ana.say("/nick ana")
			bob.say("/nick bob")
			code := codeIn(t, ana.seen())
			ana.say("before")
			synctest.Wait()
			_ = ana.conn.Close()
			synctest.Wait()
			for i := range said {
				bob.say("line %d", i+1)
				if i%100 == 0 {
					bob.seen()
				}
			}
			bob.seen()
			again := b.connect()
			again.say("/resume %s", code)
			lines := again.seen()
			bob.say("line %d", said+1)
			lines = append(lines, again.seen()...)
			if n := count(lines, fmt.Sprintf(`^\* %s while you were away:$`, plural(uint64(said), "message"))); n != 1 {
				t.Errorf("after %d: %q", said, lines[:min(len(lines), 5)])
			}
			numbersFrom(t, lines, 1, said+1)
		})
	}
}

var numbered = regexp.MustCompile(`^\d\d:\d\d \S+: line (\d+)$`)

// numbersFrom fails unless the numbered lines are those from first to last, each once
// and in order.
func numbersFrom(t *testing.T, lines []string, first, last int) {
	t.Helper()
	next := first
	for _, l := range lines {
		if m := numbered.FindStringSubmatch(l); m != nil {
			if m[1] != fmt.Sprint(next) {
				t.Fatalf("%q, want line %d", l, next)
			}
			next++
		}
	}
	if next != last+1 {
		t.Fatalf("the lines end before %d, want up to %d", next, last)
	}
}

// TestResumeAfterRestart: the registry has the seats; a stop that was not clean is
// said.
func TestResumeAfterRestart(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprint("killed ", killed), func(t *testing.T) {
			journal, reg := NewMemory(Keep{}), &shelf{pause: time.Millisecond}
			var code string
			var kept []Ticket
			simulate(t, Config{Journal: journal, Registry: reg, Rate: Unlimited}, func(b *bubble) {
				ana, bob := b.arrive(), b.arrive()
				ana.say("/nick ana")
				code = codeIn(t, ana.seen())
				ana.say("/join den")
				ana.seen()
				bob.say("/join den")
				bob.say("line 1")
				time.Sleep(time.Second)
				numbersFrom(t, ana.seen(), 1, 1)
				if kept = reg.all(); !killed {
					_ = ana.conn.Close()
					synctest.Wait()
				}
				bob.say("line 2")
				synctest.Wait()
			})
			if !killed {
				kept = reg.all()
			} else {
				journal.epoch++
			}
			if len(kept) != 2 {
				t.Fatalf("%d tickets are kept", len(kept))
			}
			cfg := Config{Journal: journal, Registry: reg, State: State{Tickets: kept}}
			simulate(t, cfg, func(b *bubble) {
				ana := b.connect()
				ana.say("/resume %s", code)
				lines := ana.seen()
				if killed {
					numbersFrom(t, lines, 1, 2) // what is kept is the place at joining
				} else {
					numbersFrom(t, lines, 2, 2)
				}
				unclean := count(lines, `^\* chatd did not end cleanly`)
				if count(lines, `^\* welcome back, ana;`) != 1 || count(lines, `^\* room den; `) != 1 || (unclean == 1) != killed {
					t.Errorf("%q", lines)
				}
			})
			for _, one := range reg.all() {
				if one.Hash == codeHash(code) {
					t.Error("a code that was used is kept")
				}
			}
		})
	}
}

// TestManySeatsAreLeft: a stop waits for a thousand seats to be saved, many at once,
// and not for a registry that is stuck.
func TestManySeatsAreLeft(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		reg := &shelf{pause: 5 * time.Millisecond}
		const seats = 1000
		var took time.Duration
		simulate(t, Config{Journal: NewMemory(Keep{}), Registry: reg, History: Unlimited}, func(b *bubble) {
			for i := range seats {
				b.connect().say("/nick p%d", i)
			}
			time.Sleep(2 * time.Second)
			if n := len(reg.all()); n != seats {
				t.Errorf("%d seats are known", n)
			}
			reg.mu.Lock()
			reg.stuck, reg.saves, reg.most = stuck, 0, 0
			reg.mu.Unlock()
			begin := time.Now()
			if err := b.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
			took = time.Since(begin)
		})
		if most := 3 * time.Second; !stuck && (took > most || reg.saves < seats || reg.most < savesMost) {
			t.Errorf("it took %v, with %d saves, %d at once", took, reg.saves, reg.most)
		}
		if most := keepTime + 2*time.Second; stuck && took > most {
			t.Errorf("with a registry that is stuck it took %v", took)
		}
	}
}

// TestTicketsAreBounded: the oldest go first, and before them the seats on which
// nobody ever typed a line.
func TestTicketsAreBounded(t *testing.T) {
	srv := New(Config{Journal: NewMemory(Keep{})})
	defer srv.Close()
	var codes []string
	leave := func(n int, spoken bool) {
		for range n {
			x, code := srv.tickets.issue(nil)
			srv.tickets.leave(x, func(*Ticket) {}, spoken)
			codes = append(codes, code)
		}
	}
	known := func(code string) bool {
		srv.tickets.mu.Lock()
		defer srv.tickets.mu.Unlock()
		return srv.tickets.byHash[codeHash(code)] != nil
	}
	leave(10, true)
	leave(10, false)
	leave(ticketsMost-20, true)
	leave(5, true)
	for i, want := range map[int]bool{0: true, 9: true, 10: false, 14: false, 15: true, ticketsMost + 4: true} {
		if known(codes[i]) != want {
			t.Errorf("seat %d is known: %v", i, !want)
		}
	}
	leave(10, true)
	if known(codes[0]) || known(codes[4]) || !known(codes[5]) || len(srv.tickets.byHash) != ticketsMost {
		t.Errorf("%d seats are known", len(srv.tickets.byHash))
	}
}

// TestResumeIsExact: over TCP, somebody who comes back again and again, once after
// having left and once while still there, reads every message once.
func TestResumeIsExact(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	srv := New(Config{Journal: NewMemory(Keep{}), Rate: Unlimited, MaxPerAddress: Unlimited})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() { _ = srv.Serve(context.Background(), l) })
	defer srv.Close()

	talker := dial(t, l)
	stop := make(chan struct{})
	var talking sync.WaitGroup
	talking.Go(func() {
		in := bufio.NewReader(talker)
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			fmt.Fprintf(talker, "line %d\n", i)
			for { // in pace with the server
				line, err := in.ReadString('\n')
				if err != nil || strings.HasSuffix(line, fmt.Sprintf(": line %d\n", i)) {
					break
				}
			}
		}
	})
	var seen []string
	read := func(in *bufio.Reader, until func(string) bool) (code string) {
		for {
			line, err := in.ReadString('\n')
			line = strings.TrimSuffix(line, "\n")
			if errors.Is(err, io.EOF) {
				return code
			}
			if err != nil {
				t.Error(err)
				return code
			}
			if m := codeForm.FindStringSubmatch(line); m != nil {
				code = m[1]
			}
			seen = append(seen, line)
			if until != nil && until(line) {
				return code
			}
		}
	}
	c := dial(t, l)
	in := bufio.NewReader(c)
	fmt.Fprint(c, "/nick ana\n")
	code := read(in, func(line string) bool {
		return strings.Contains(line, "ana joined") || strings.Contains(line, "you are ana")
	})
	first := len(seen)
	for i := range rounds {
		lines := 0
		read(in, func(string) bool { lines++; return lines > i%7 })
		next := dial(t, l)
		if i%2 == 0 {
			_ = c.CloseWrite()
			read(in, nil)
			c.Close()
		}
		fmt.Fprintf(next, "/resume %s\n", code)
		if i%2 == 1 {
			read(in, nil)
			c.Close()
		}
		c, in = next, bufio.NewReader(next)
		code = read(in, func(line string) bool { return codeForm.MatchString(line) })
		if code == "" {
			t.Fatal("no new code")
		}
	}
	read(in, func(line string) bool { return numbered.MatchString(line) })
	close(stop)
	talking.Wait()
	c.Close()
	talker.Close()
	var numbers []int
	for _, line := range seen[first:] {
		var n int
		if m := numbered.FindStringSubmatch(line); m != nil {
			fmt.Sscan(m[1], &n)
			numbers = append(numbers, n)
		}
	}
	for i := 1; i < len(numbers); i++ {
		if numbers[i] != numbers[i-1]+1 {
			t.Fatalf("line %d comes after line %d", numbers[i], numbers[i-1])
		}
	}
	if len(numbers) < rounds {
		t.Errorf("only %d lines in %d rounds", len(numbers), rounds)
	}
}

// TestStalledGhost: somebody whose connection takes no more bytes comes back on another
// one, and goes on with the first message that the first connection did not get whole.
func TestStalledGhost(t *testing.T) {
	const said = 6000
	srv := New(Config{Journal: NewMemory(Keep{}), Rate: Unlimited, MaxPerAddress: Unlimited})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() { _ = srv.Serve(context.Background(), l) })
	defer srv.Close()

	ghost := dial(t, l)
	defer ghost.Close()
	_ = ghost.SetReadBuffer(4096)
	fmt.Fprint(ghost, "/nick ana\n")
	first := bufio.NewReaderSize(ghost, 16)
	code := ""
	for code == "" {
		line, err := first.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if m := codeForm.FindStringSubmatch(line); m != nil {
			code = m[1]
		}
	}
	talker := dial(t, l)
	defer talker.Close()
	fmt.Fprint(talker, "/echo off\n")
	body := strings.Repeat("x", 90)
	for i := range said {
		fmt.Fprintf(talker, "line %d %s\n", i+1, body)
	}
	fmt.Fprint(talker, "/nick bob\n")
	in := bufio.NewReader(talker)
	for line := ""; !strings.Contains(line, "bob joined") && !strings.Contains(line, "is now bob"); {
		if line, err = in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	again := dial(t, l)
	defer again.Close()
	fmt.Fprintf(again, "/resume %s\n", code)
	second := linesUntil(bufio.NewReader(again), fmt.Sprintf(": line %d ", said))
	had, gaps := runs(t, linesUntil(first, "never"), 1)
	if had < 2 || had > said/2 || gaps != 0 {
		t.Fatalf("the first connection took lines up to %d", had-1)
	}
	if next, gaps := runs(t, second, had); next != said+1 || gaps != 0 {
		t.Errorf("after line %d it went on to line %d, with %d gaps", had-1, next-1, gaps)
	}
}

// linesUntil reads whole lines until one holds a word, or until the connection ends.
func linesUntil(in *bufio.Reader, word string) (lines []string) {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return lines
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
		if strings.Contains(line, word) {
			return lines
		}
	}
}

// dial is a client's connection, which fails rather than wait for ever.
func dial(t *testing.T, l net.Listener) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c.(*net.TCPConn)
}
