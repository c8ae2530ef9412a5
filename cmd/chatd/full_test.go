package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatd/chatd/internal/figure"
)

// torture tells whether the tests of faults run in full.
var torture = os.Getenv("CHATD_TORTURE") == "1"

// fewFiles is a limit of open files that a few people reach.
const fewFiles = "128"

// crowd is people who talk on a server that has no place left.
type crowd struct {
	*program
	port   string
	people []*person
	full   string // what a newcomer is told
	began  time.Time
	told   int // newcomers that were
	untold int // and those that were not
}

// reports is a figure of this crowd.
func (c *crowd) reports(what, got, bar string, held bool) {
	c.t.Helper()
	part := fmt.Sprintf("%s, %s", strings.TrimSuffix(strings.TrimPrefix(c.full, "* server full ("), "); try again in a minute\r\n"), what)
	figure.Figure{Row: 9, Part: part, Got: got, Bar: bar, Held: held}.Tell(c.t)
}

// gather lets n people in, who arrive together.
func (c *crowd) gather(n int) {
	c.t.Helper()
	for range n {
		c.people = append(c.people, dial(c.t, c.port))
	}
	for i, one := range c.people {
		one.takes(fmt.Sprintf("p%d", i))
	}
}

// newcomers come all at once, every second one typing at once, and must all be
// told.
func (c *crowd) newcomers(n int) {
	c.t.Helper()
	var (
		coming sync.WaitGroup
		told   atomic.Int64
	)
	for i := range n {
		coming.Go(func() {
			one, err := tryDial(c.t, c.port)
			if err != nil {
				c.t.Error(err)
				return
			}
			defer one.conn.Close()
			if i%2 == 1 {
				_, _ = io.WriteString(one.conn, "hello?\n")
			}
			if text := one.rest(); text != c.full {
				c.t.Errorf("newcomer %d is told %q, want %q", i, text, c.full)
				return
			}
			told.Add(1)
		})
	}
	coming.Wait()
	c.told += int(told.Load())
	c.untold += n - int(told.Load())
}

// unharmed has the first of the crowd say something and the last one hear it.
func (c *crowd) unharmed(text string) {
	c.t.Helper()
	c.people[0].says(text)
	for _, one := range []*person{c.people[0], c.people[len(c.people)-1]} {
		one.sees("^[0-9:]{5} p0: " + text + "$")
	}
}

// cheap measures what it costs, for a second or ten, that somebody knocks again and
// again. A loop that spins would take a whole core. In one second a tick of the
// clock that counts is 1 % already, so that only ten can tell.
func (c *crowd) cheap() {
	c.t.Helper()
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	lasts, most := time.Second, 0.25
	if torture {
		lasts, most = 10*time.Second, 0.01
	}
	begin, used := time.Now(), c.processorTime()
	for time.Since(begin) < lasts {
		<-pace.C
		c.newcomers(1)
	}
	used, took := c.processorTime()-used, time.Since(begin)
	share := used.Seconds() / took.Seconds()
	c.reports("the processor while 20 a second knock", fmt.Sprintf("%.1f %% of one", 100*share), fmt.Sprintf("%.0f %%", 100*most),
		share <= most)
	if share > most {
		c.t.Errorf("%v of the processor in %v", used, took)
	}
}

// recovers has n people leave and somebody come: within a second, and another one
// for a machine that has other things to do.
func (c *crowd) recovers(n int) {
	c.t.Helper()
	for range n {
		last := len(c.people) - 1
		c.people[last].says("/quit")
		c.people[last].rest()
		c.people[last].conn.Close()
		c.people = c.people[:last]
	}
	for begin := time.Now(); ; {
		one := dial(c.t, c.port)
		line, err := one.line()
		switch {
		case err == nil && strings.HasPrefix(line, "* chatd on "):
			took, most := time.Since(begin), 2*time.Second
			if torture {
				most = time.Second
			}
			c.reports("until a place is taken again", fmt.Sprintf("%.0f ms", took.Seconds()*1000), fmt.Sprintf("%.0f s", most.Seconds()), took <= most)
			if took > most {
				c.t.Errorf("it took %v until there was a place again", took)
			}
			c.people = append(c.people, one.takes("late"))
			return
		case time.Since(begin) > patience:
			c.t.Fatalf("there is no place again; the last one was told %q, %v", line, err)
		}
		one.conn.Close()
	}
}

// quiet looks at how much was logged: no more than a line a second, besides the
// begin and end of those who were let in.
func (c *crowd) quiet() {
	c.t.Helper()
	lines := 0
	for _, line := range c.stderr.all() {
		if !regexp.MustCompile(`"message":"(begin|end)"|^listening on |"message":"(started|stopping|stopped)"`).MatchString(line) {
			lines++
		}
	}
	most := int(time.Since(c.began).Seconds()) + 1
	c.reports("the newcomers", fmt.Sprintf("%d of %d told", c.told, c.told+c.untold), "all", c.untold == 0)
	c.reports("the log", fmt.Sprintf("%d lines in %d s", lines, most-1), "1 a second", lines <= most)
	if lines > most {
		c.t.Errorf("%d lines in %v:\n%s", lines, time.Since(c.began), strings.Join(c.stderr.all(), "\n"))
	}
}

func TestServerIsFull(t *testing.T) {
	t.Parallel()
	const most = 64 // 128 files less 64
	c := &crowd{
		program: start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0", "CHATD_MAX_PER_ADDRESS": "off", "FILES": fewFiles}),
		full:    "* server full (limit 64); try again in a minute\r\n",
		began:   time.Now(),
	}
	c.port = c.program.port()
	c.gather(most)
	c.newcomers(100)
	c.unharmed("one")
	c.cheap()
	c.unharmed("two")
	c.recovers(1)
	c.newcomers(10)
	c.unharmed("three")
	c.quiet()
	c.stop()
}

// With more clients allowed than there are descriptors, newcomers are told by
// means of one that is kept back, and systemd still hears that all is well.
func TestNoDescriptorIsLeft(t *testing.T) {
	t.Parallel()
	manager := newManager(t)
	c := &crowd{
		program: start(t, environment{
			"CHATD_LISTEN": "tcp://127.0.0.1:0?backlog=512", "CHATD_MAX_PER_ADDRESS": "off", "CHATD_MAX_CLIENTS": "1000", "FILES": fewFiles,
			"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "300000", "WATCHDOG_PID": "self",
		}),
		full:  "* server full (limit 128); try again in a minute\r\n",
		began: time.Now(),
	}
	c.port = c.program.port()
	c.says(`"level":"warn","max_clients":1000,"open_files":128,.*raise that \(LimitNOFILE\)"`)
	const surely = 100
	c.gather(surely)
	for {
		one := dial(t, c.port)
		if line, err := one.line(); err != nil || !strings.HasPrefix(line, "* chatd on ") {
			if line+"\r\n" != c.full {
				t.Errorf("the first one too many is told %q, %v", line, err)
			}
			one.conn.Close()
			break
		}
		c.people = append(c.people, one.takes(fmt.Sprintf("p%d", len(c.people))))
	}
	if n := len(c.people); n == surely || n >= 128 {
		t.Errorf("%d people are let in", n)
	}
	c.newcomers(100)
	c.says(`"level":"warn","error":"tcp://127.0.0.1:\d+: no file descriptor is left, raise the limit \(LimitNOFILE\); newcomers turned away: \d+: .*","time":".*","message":"accept"`)
	manager.skip()
	for range 3 {
		manager.hears("^WATCHDOG=1$")
	}
	c.unharmed("one")
	c.cheap()
	c.unharmed("two")
	c.recovers(3)
	c.unharmed("three")
	c.quiet()
	c.stop()
}

// Those who never said anything have to leave first, the oldest before all, once
// they have been there for five seconds.
func TestStrangersMakeWay(t *testing.T) {
	t.Parallel()
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0", "CHATD_MAX_CLIENTS": "3"})
	port := p.port()
	ana := arrive(t, port, "ana")
	first := dial(t, port)
	first.sees("until the server stops")
	second := dial(t, port)
	second.sees("until the server stops")
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	for begin := time.Now(); ; <-pace.C {
		bob := dial(t, port)
		line, err := bob.line()
		if err == nil && strings.HasPrefix(line, "* chatd on ") {
			bob.takes("bob").says("at last")
			break
		}
		if line != "* server full (limit 3); try again in a minute" || time.Since(begin) > patience {
			t.Fatalf("a newcomer is told %q, %v, after %v", line, err, time.Since(begin))
		}
		bob.conn.Close()
	}
	ana.sees("bob: at last$")
	if text := first.rest(); !strings.HasSuffix(text, "* the server is full and you have not said anything yet; come back in a minute\n") {
		t.Errorf("the oldest stranger is told %q", text)
	}
	second.sees("bob: at last$")
	p.stop()
}
