package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// room is a small broadcast server in this process: it writes each line to all
// connections before it takes the next one.
type room struct {
	greeting string
	prefix   string
	quiet    bool // authors do not hear themselves
	most     int  // connections; 0: any number
	// spoil changes what connection i is sent as the n-th line, in the course of
	// the whole run.
	spoil func(i, n int, line string) string

	l       net.Listener
	running sync.WaitGroup
	mu      sync.Mutex
	conns   []net.Conn
	lines   int
}

// serve starts it and returns its address for -addr.
func (r *room) serve(t *testing.T, network, address string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	r.l = l
	r.running.Go(r.accept)
	t.Cleanup(func() {
		_ = l.Close()
		r.running.Wait()
	})
	if network == "unix" {
		return "unix:" + address
	}
	return l.Addr().String()
}

func (r *room) accept() {
	for {
		c, err := r.l.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		if r.most > 0 && len(r.conns) >= r.most {
			fmt.Fprintf(c, "* too many connections from your address (limit %d)\n", r.most)
			_ = c.Close()
			r.mu.Unlock()
			continue
		}
		fmt.Fprint(c, r.greeting)
		i := len(r.conns)
		r.conns = append(r.conns, c)
		r.mu.Unlock()
		r.running.Go(func() { r.read(i, c) })
	}
}

func (r *room) read(author int, c net.Conn) {
	defer c.Close()
	for in := bufio.NewScanner(c); in.Scan(); {
		r.mu.Lock()
		r.lines++
		for i, to := range r.conns {
			if r.quiet && i == author {
				continue
			}
			line := r.prefix + in.Text() + "\n"
			if r.spoil != nil {
				line = r.spoil(i, r.lines, line)
			}
			fmt.Fprint(to, line)
		}
		r.mu.Unlock()
	}
}

// loaded runs chatload and returns what it reports.
func loaded(t *testing.T, wantCode int, args ...string) result {
	t.Helper()
	var out, stderr bytes.Buffer
	code := command(append(args, "-json"), &out, &stderr)
	var r result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v in %q; stderr: %s", err, out.String(), stderr.String())
	}
	if code != wantCode {
		t.Errorf("exit status %d, want %d; stderr: %s; result: %s", code, wantCode, stderr.String(), out.String())
	}
	return r
}

func TestLoad(t *testing.T) {
	for name, c := range map[string]struct {
		room *room
		args string
		want int64 // deliveries
	}{
		"window":     {&room{}, "-conns 20 -window 8 -messages 500 -warmup 20ms", 20 * 500},
		"one flight": {&room{}, "-conns 5 -window 1 -messages 100 -warmup 0", 5 * 100},
		"rate":       {&room{}, "-conns 10 -rate 2000 -messages 400 -warmup 0", 10 * 400},
		"chat mode": {
			&room{greeting: "* chatd on vm, room lobby; here: nobody\n* you are guest1\n", prefix: "12:34 guest7: "},
			"-conns 10 -window 4 -messages 200 -warmup 10ms", 10 * 200,
		},
		"no echo":  {&room{quiet: true}, "-conns 10 -window 4 -messages 200 -warmup 10ms", 9 * 200},
		"spinning": {&room{}, "-conns 4 -window 4 -messages 200 -warmup 0 -spin", 4 * 200},
		"stalled":  {&room{}, "-conns 10 -stalled 3 -window 4 -messages 200 -warmup 10ms", 7 * 200},
		"slow":     {&room{}, "-conns 10 -slow 3 -slow-speed 100000 -window 4 -messages 200 -warmup 10ms", 7 * 200},
		"sources":  {&room{}, "-conns 10 -sources 3 -messages 200 -warmup 10ms", 10 * 200},
		"long":     {&room{}, "-conns 3 -size 30000 -messages 50 -warmup 0", 3 * 50},
	} {
		t.Run(name, func(t *testing.T) {
			addr := c.room.serve(t, "tcp", "127.0.0.1:0")
			r := loaded(t, 0, append(strings.Fields(c.args), "-addr", addr, "-pid", fmt.Sprint(self))...)
			if r.Deliveries != c.want {
				t.Errorf("%d deliveries, want %d: %+v", r.Deliveries, c.want, r)
			}
			if r.P50 <= 0 || r.P999 < r.P50 || r.CPUPerDelivery <= 0 || r.Memory.RSS <= 0 {
				t.Errorf("something was not measured: %+v", r)
			}
		})
	}
}

func TestLoadUnix(t *testing.T) {
	addr := new(room).serve(t, "unix", filepath.Join(t.TempDir(), "s"))
	if r := loaded(t, 0, "-addr", addr, "-conns", "10", "-messages", "100", "-warmup", "0"); r.Deliveries != 1000 {
		t.Errorf("%+v", r)
	}
}

func TestLoadIdle(t *testing.T) {
	addr := new(room).serve(t, "tcp", "127.0.0.1:0")
	if r := loaded(t, 0, "-addr", addr, "-conns", "10", "-idle", "-time", "10ms"); r.Deliveries != 0 || r.Messages != 0 {
		t.Errorf("%+v", r)
	}
}

// What a server does wrong is counted: on connection 2, from the 30th line on so
// that everybody is in the room.
func TestLoadFindsFaults(t *testing.T) {
	held := ""
	for name, c := range map[string]struct {
		spoil func(i, n int, line string) string
		found func(r *result) int64
		want  int64
	}{
		"lost": {func(i, n int, line string) string {
			if i == 2 && n >= 30 && n < 40 {
				return ""
			}
			return line
		}, func(r *result) int64 { return r.Lost }, 10},
		"repeated": {func(i, n int, line string) string {
			if i == 2 && n == 30 {
				return line + line
			}
			return line
		}, func(r *result) int64 { return r.Repeated }, 1},
		"reordered": {func(i, n int, line string) string {
			switch {
			case i == 2 && n == 30:
				held = line
				return ""
			case i == 2 && n == 40:
				return line + held
			}
			return line
		}, func(r *result) int64 { return r.Reordered }, 1},
		"torn": {func(i, n int, line string) string {
			if i == 2 && n == 30 {
				return line[:len(line)-5] + "\n"
			}
			return line
		}, func(r *result) int64 { return r.Torn }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			addr := (&room{spoil: c.spoil}).serve(t, "tcp", "127.0.0.1:0")
			r := loaded(t, 1, "-addr", addr, "-conns", "5", "-senders", "3", "-window", "32", "-messages", "300", "-warmup", "0")
			if got := c.found(&r); got != c.want {
				t.Errorf("%d, want %d: %+v", got, c.want, r)
			}
		})
	}
}

// A server that stops delivering ends the run, and what did not come is lost.
func TestLoadGivesUp(t *testing.T) {
	addr := (&room{spoil: func(i, n int, line string) string {
		if i == 2 && n >= 30 {
			return ""
		}
		return line
	}}).serve(t, "tcp", "127.0.0.1:0")
	r := loaded(t, 1, "-addr", addr, "-conns", "5", "-senders", "1", "-window", "4", "-messages", "300", "-warmup", "0", "-patience", "100ms")
	if r.Lost != 4 || !strings.Contains(r.Error, "have not come to everybody") {
		t.Errorf("%+v", r)
	}
}

func TestLoadRefused(t *testing.T) {
	addr := (&room{most: 4}).serve(t, "tcp", "127.0.0.1:0")
	r := loaded(t, 1, "-addr", addr, "-conns", "10", "-messages", "10")
	if r.Set != "CHATD_MAX_PER_ADDRESS=off" || r.Closed != 6 {
		t.Errorf("%+v", r)
	}
	var text strings.Builder
	r.write(&text)
	if !strings.Contains(text.String(), "start the server with CHATD_MAX_PER_ADDRESS=off") {
		t.Error(text.String())
	}
}

func TestFlags(t *testing.T) {
	for args, want := range map[string]string{
		"":                                                 "-addr is missing",
		"-addr 127.0.0.1:1 extra":                          "not a flag",
		"-addr 127.0.0.1:1 -proto gopher":                  "there are line, irc, nats",
		"-addr nonsense":                                   "HOST:PORT or unix:PATH",
		"-addr 127.0.0.1:1 -window 2 -rate 3":              "not both",
		"-addr 127.0.0.1:1 -size 10":                       "-size must be",
		"-addr 127.0.0.1:1 -conns 10 -stalled 9":           "one speaks, one hears",
		"-addr 127.0.0.1:1 -conns 99999999":                "open files",
		"-addr 192.0.2.1:1 -sources 2":                     "127.0.0.0/8",
		"-addr 127.0.0.1:1 -conns 10 -senders 11":          "-senders must be",
		"-addr 127.0.0.1:1 -conns 10 -window 0 -senders 1": "-window must be",
	} {
		var stderr strings.Builder
		if code := command(strings.Fields(args), &stderr, &stderr); code != 2 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%q: exit status %d, %s", args, code, stderr.String())
		}
	}
	var help strings.Builder
	if code := command([]string{"--help"}, &help, &help); code != 0 || !strings.Contains(help.String(), "CHATD_MAX_PER_ADDRESS=off") {
		t.Errorf("--help: exit status %d, %s", code, help.String())
	}
}
