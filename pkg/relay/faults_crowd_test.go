// Many at once: too many from one address, many who come and go, and many who only
// take up places.

package relay

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/chatd/chatd/internal/figure"
)

// Of those who come from one address, all above the limit are told so; those who
// come from others are let in. Who is there waits no longer for it.
func TestFault10ManyFromOneAddress(t *testing.T) {
	r := openRig(t, Config{MaxPerAddress: 64})
	r.port.IP = net.IPv4(127, 0, 0, 2) // the people's own address
	l := r.baselineOf(sized(40, 64))   // it holds so many
	const refusal = "* too many connections from your address (limit 64)\r\n"
	rounds, told, refused := 0, 0, 0
	l.compare(disturbed(10, "who is in beside 200 who come"), nothing, func() func() {
		var (
			coming  sync.WaitGroup
			mu      sync.Mutex
			in, out int
			conns   []net.Conn
		)
		one := func() {
			nc := r.dial(r.port, net.IPv4(127, 0, 0, 2), 0)
			// The greeting, or why there is none; whichever, it is there soon.
			buf := make([]byte, 1024)
			_ = nc.SetReadDeadline(time.Now().Add(patience))
			n, err := nc.Read(buf)
			mu.Lock()
			defer mu.Unlock()
			conns = append(conns, nc)
			switch got := string(buf[:n]); {
			case strings.HasPrefix(got, "* chatd on "):
				in++
			case got == refusal:
				out++
				if n, err := nc.Read(buf); err != io.EOF {
					t.Errorf("after the refusal came %q, %v", buf[:n], err)
				}
			default:
				t.Errorf("read %q, %v", got, err)
			}
		}
		for range 200 {
			coming.Go(one)
		}
		return func() {
			coming.Wait()
			rounds, told, refused = rounds+1, told+out, refused+200-in
			if in != 64 || out != 136 {
				t.Errorf("%d were let in and %d told, want 64 and 136", in, out)
			}
			for _, nc := range conns {
				_ = nc.Close()
			}
			r.settled()
			r.await("all who came have left their places", func() bool { return r.Counts().Sessions == len(r.everyone()) })
		}
	})
	figure.Figure{
		Row: 10, Part: "one address", Held: told == 136*rounds && refused == told, Bar: "all but 64 of 200 are refused, and told",
		Got: fmt.Sprintf("%d of %d refused were told, in %d rounds", told, refused, rounds),
	}.Tell(t)
}

func TestFault10ManyFromManyAddresses(t *testing.T) {
	n := sized(500, 5000)
	r := openRig(t, Config{MaxPerAddress: 64})
	var coming sync.WaitGroup
	conns := make([]*net.TCPConn, n)
	for first := 0; first < n; first += 100 {
		for i := first; i < min(first+100, n); i++ {
			coming.Go(func() {
				conns[i] = r.dial(r.port, net.IPv4(127, 1, byte(i/250), byte(i%250+1)), 0)
				buf := make([]byte, 1024)
				if k, _ := conns[i].Read(buf); !bytes.HasPrefix(buf[:k], []byte("* chatd on ")) {
					t.Errorf("read %q", buf[:k])
				}
			})
		}
		coming.Wait()
	}
	got := r.Counts()
	figure.Figure{
		Row: 10, Part: "many addresses", Held: got.Sessions == n && got.Refused == 0, Bar: "all",
		Got: fmt.Sprintf("%d of %d are in", got.Sessions, n),
	}.Tell(t)
	if got.Sessions != n || got.Refused != 0 {
		t.Errorf("%d came, %d are there and %d were refused", n, got.Sessions, got.Refused)
	}
	for _, nc := range conns {
		_ = nc.Close()
	}
	r.await("all have left", func() bool { return r.Counts().Sessions == 0 })
}

// lineCounter counts lines that are written to it, and keeps those with none said.
type lineCounter struct {
	mu     sync.Mutex
	total  int
	silent []string
}

func (c *lineCounter) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total++
	if bytes.Contains(p, []byte(`"lines_in":0`)) || bytes.Contains(p, []byte(`"refused"`)) {
		c.silent = append(c.silent, string(p))
	}
	return len(p), nil
}

// Storms of people who come, speak and leave, and of those who reset at once:
// nothing is lost or repeated, nothing is left over, and only those who speak are
// heard of.
func TestFault14Storms(t *testing.T) {
	logged := &lineCounter{}
	log := zerolog.New(logged).Level(zerolog.InfoLevel)
	r := openRig(t, Config{Rate: Unlimited, Logger: &log})
	ana, bob := r.call("ana"), r.call("bob")
	r.settled()
	r.check.Observer(ana.saw)
	bob.say(100)
	ana.hears(bob)
	r.await("all is at rest", func() bool { return r.pendingNotices() == 0 })
	goroutines, files, notices := runtime.NumGoroutine(), descriptors(t), ana.saw.Seen().Notices

	var (
		begin   = time.Now()
		workers = 10
		each    = sized(15, 300)
		storm   sync.WaitGroup
		mu      sync.Mutex
		last    []*caller
	)
	for w := range workers {
		storm.Go(func() { // come, speak, leave
			for i := range each {
				c := r.call(fmt.Sprintf("s%dw%d", i, w))
				for range 3 {
					c.say(100)
				}
				if i%2 == 0 {
					c.hears(c)
					c.hangUp()
				} else {
					_ = c.CloseWrite()
					c.reading.Wait() // all it said was said by the end of input
					c.hears(c)
					c.hangUp()
				}
				mu.Lock()
				last = append(last, c)
				mu.Unlock()
			}
		})
		storm.Go(func() { // reset before, while and after being greeted
			for i := range each {
				nc := r.dial(r.port, nil, 0)
				switch i % 3 {
				case 1:
					_, _ = io.WriteString(nc, "/bot")
				case 2:
					_, _ = nc.Read(make([]byte, 10))
				}
				_ = nc.SetLinger(0)
				_ = nc.Close()
			}
		})
	}
	storm.Wait()
	for _, c := range last {
		ana.hears(c)
		r.check.Said(c.sender, c.said)
	}
	bob.say(100)
	ana.hears(bob)
	bob.hears(bob)
	bob.saw.SawAll()
	took := time.Since(begin)
	r.await("all have left", func() bool { return r.Counts().Sessions == 2 && r.members() == 2 })
	r.await("all is told", func() bool { return r.pendingNotices() == 0 })
	told, most := ana.saw.Seen().Notices-notices, 2*int(took/crowdWindow+2)
	if told > most {
		t.Errorf("%d people came and went in %v, which was told in %d notices, at most %d", workers*each, took, told, most)
	}
	r.await("its goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
	r.await("its descriptors are closed", func() bool { return descriptors(t) <= files })
	logged.mu.Lock()
	defer logged.mu.Unlock()
	more, open := max(runtime.NumGoroutine()-goroutines, 0), max(descriptors(t)-files, 0)
	for _, f := range []figure.Figure{
		{
			Part: fmt.Sprintf("left of %d who came and went, and as many resets", workers*each), Held: more == 0 && open == 0, Bar: "none",
			Got: fmt.Sprintf("%d goroutines, %d descriptors", more, open),
		},
		{
			Part: "told of them", Held: told <= most, Bar: fmt.Sprintf("2 a second, %d", most),
			Got: fmt.Sprintf("%d notices in %.1f s", told, took.Seconds()),
		},
		{
			Part: "logged of those who said nothing", Held: len(logged.silent) == 0, Bar: "0 lines",
			Got: fmt.Sprintf("%d lines", len(logged.silent)),
		},
	} {
		f.Row = 14
		f.Tell(t)
	}
	if len(logged.silent) > 0 {
		t.Errorf("%d lines in the log are about those who said nothing: %s", len(logged.silent), logged.silent[0])
	}
	if most := 2 * (workers*each + 2); logged.total > most {
		t.Errorf("%d lines in the log, at most %d", logged.total, most)
	}
}

// pendingNotices is how many arrivals and departures the room has not told yet.
func (r *rig) pendingNotices() (n int) {
	l := r.room(r.lobby())
	l.call(nil, func() { n = l.crowd.joined.n + l.crowd.left.n })
	return n
}

// Those who take up places in silence, or send a byte now and then, do not keep
// others out.
func TestFault27Drippers(t *testing.T) {
	n := sized(200, 2000)
	r := openRig(t, Config{MaxClients: n})
	newcomer := func() (took time.Duration, leave func()) {
		begin := time.Now()
		e := r.listen(r.dial(r.port, nil, 0))
		e.hears("* you are ")
		return time.Since(begin), func() { _ = e.Close() }
	}
	var without time.Duration
	for range 3 { // on an empty server
		took, leave := newcomer()
		leave()
		without = max(without, took)
		r.await("has left", func() bool { return r.Counts().Sessions == 0 })
	}

	drippers := make([]*ear, n)
	for i := range drippers {
		drippers[i] = r.listen(r.dial(r.port, nil, 0))
	}
	for i, d := range drippers {
		d.hears("* the last 10000 messages") // the greeting's end
		if i%2 == 0 {
			d.say("d")
		}
	}
	// They have been there for long.
	var oldest []string
	r.Server.mu.Lock()
	for e := r.strangers.Front(); e != nil; e = e.Next() {
		s := e.Value.(*session)
		s.began = s.began.Add(-strangerTime)
		oldest = append(oldest, s.conn.RemoteAddr().String())
	}
	r.Server.mu.Unlock()
	stop := make(chan struct{})
	var dripping sync.WaitGroup
	dripping.Go(func() { // on average a byte a second each
		drip := time.NewTicker(time.Second / time.Duration(n))
		defer drip.Stop()
		for i := 0; ; i = (i + 2) % n {
			select {
			case <-drip.C:
				_, _ = io.WriteString(drippers[i], "d")
			case <-stop:
				return
			}
		}
	})
	var (
		newcomers []func()
		longest   time.Duration
	)
	for range sized(20, 200) {
		took, leave := newcomer()
		longest = max(longest, took)
		newcomers = append(newcomers, leave)
		if most := without + time.Second; took > most {
			t.Errorf("a newcomer was in after %v, on an empty server after %v", took, without)
		}
	}
	figure.Figure{
		Row: 27, Part: fmt.Sprintf("a newcomer beside %d that drip", n), Held: longest <= without+time.Second, Bar: "1 s longer than on an empty server",
		Got: fmt.Sprintf("in after %s at most, of %d; on an empty server %s", inMillis(longest), len(newcomers), inMillis(without)),
	}.Tell(t)
	close(stop)
	dripping.Wait()
	// The oldest have made room, and were told.
	for _, d := range drippers {
		if !slices.Contains(oldest[:len(newcomers)], d.LocalAddr().String()) {
			continue
		}
		heard, err := d.toTheEnd()
		if err != nil || !strings.HasSuffix(heard, "* the server is full and you have not said anything yet; come back in a minute\n") {
			t.Errorf("one that made room heard %q, %v", tail(heard), err)
		}
		_ = d.Close()
	}
	r.await("they have left", func() bool { return r.Counts().Sessions == n })
	if refused := r.Counts().Refused; refused != 0 {
		t.Errorf("%d were refused", refused)
	}
}
