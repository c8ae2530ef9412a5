package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
)

// What a server does wrong is counted: on connection 2, from the 60th line on so
// that everybody is in the room.
func TestLoadFindsFaults(t *testing.T) {
	const begin, end = 60, 70
	held := ""
	for name, c := range map[string]struct {
		spoil func(n int, line string) string
		found func(r *result) int64
		want  int64
	}{
		"lost": {func(n int, line string) string {
			if n >= begin && n < end {
				return ""
			}
			return line
		}, func(r *result) int64 { return r.Lost }, end - begin},
		"lost, of which the server told": {func(n int, line string) string {
			switch {
			case n == end:
				return fmt.Sprintf("* %d messages skipped (#%d–#%d)\n%s", end-begin, begin, end-1, line)
			case n >= begin && n < end:
				return ""
			}
			return line
		}, func(r *result) int64 { return r.Lost - r.LostUntold }, end - begin},
		"repeated": {func(n int, line string) string {
			if n == begin {
				return line + line
			}
			return line
		}, func(r *result) int64 { return r.Repeated }, 1},
		"never said": {func(n int, line string) string {
			if n == begin {
				return line + line[:10] + "ffff" + line[14:]
			}
			return line
		}, func(r *result) int64 { return r.Repeated }, 1},
		"reordered": {func(n int, line string) string {
			switch {
			case n == begin:
				held = line
				return ""
			case held != "" && senderOf(line) == senderOf(held):
				line, held = line+held, ""
			}
			return line
		}, func(r *result) int64 { return r.Reordered }, 1},
		"torn": {func(n int, line string) string {
			if n == begin {
				return line[:len(line)-5] + "\n"
			}
			return line
		}, func(r *result) int64 { return r.Torn }, 1},
		"spliced": {func(n int, line string) string {
			if n == begin {
				return line[:30] + "\n* bob joined\n" + line[30:]
			}
			return line
		}, func(r *result) int64 { return r.Torn }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &server{spoil: func(i, n int, line string) string {
				if i != 2 {
					return line
				}
				return c.spoil(n, line)
			}}
			addr := s.serve(t, "tcp", "127.0.0.1:0")
			r := loaded(t, 1, "-addr", addr, "-conns", "5", "-senders", "3", "-window", "32", "-messages", "300", "-warmup", "0")
			if got := c.found(&r); got != c.want || r.Strayed != 0 {
				t.Errorf("%d, want %d: %+v", got, c.want, r)
			}
		})
	}
}

// senderOf is the sender in a line's mark.
func senderOf(line string) string {
	mark := strings.IndexByte(line, markBar)
	return line[mark+5 : mark+9]
}

// A message that comes to another group is no delivery there.
func TestLoadFindsStrays(t *testing.T) {
	strayed := ""
	s := &server{dialect: rooms, spoil: func(i, n int, line string) string {
		switch {
		case n < 60:
		case i == 0 && strayed == "":
			strayed = line
		case i == 3 && strayed != "" && strayed != "sent":
			line, strayed = strayed+line, "sent"
		}
		return line
	}}
	addr := s.serve(t, "tcp", "127.0.0.1:0")
	r := loaded(t, 1, "-addr", addr, "-proto", "room", "-conns", "4", "-group", "2", "-messages", "300", "-warmup", "0")
	if r.Strayed != 1 || r.Deliveries != 2*300 || r.Lost+r.Repeated+r.Reordered != 0 {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(r.text(), "1 came to another group") {
		t.Error(r.text())
	}
}

// A server that knows no rooms is found out before anything is measured.
func TestLoadNeedsGroupsApart(t *testing.T) {
	s := &server{dialect: func(s *server, c *caller, in *bufio.Scanner) {
		in.Scan()
		fmt.Fprint(c, "* there is no /join, and nothing was sent; /help lists the commands, //join sends the line as text\n")
		plain(s, c, in)
	}}
	addr := s.serve(t, "tcp", "127.0.0.1:0")
	r := loaded(t, 1, "-addr", addr, "-proto", "room", "-conns", "4", "-group", "2", "-time", "1m")
	if !strings.Contains(r.Error, "does not keep them apart") || r.Messages != 0 || !strings.Contains(r.text(), "there is no /join") {
		t.Errorf("%+v", r)
	}
}

// A server that stops delivering ends the run, and what did not come is lost.
func TestLoadGivesUp(t *testing.T) {
	addr := (&server{spoil: func(i, n int, line string) string {
		if i == 2 && n >= 60 {
			return ""
		}
		return line
	}}).serve(t, "tcp", "127.0.0.1:0")
	r := loaded(t, 1, "-addr", addr, "-conns", "5", "-senders", "1", "-window", "4", "-messages", "300", "-warmup", "0", "-patience", "500ms")
	if r.Lost != 4 || !strings.Contains(r.Error, "have not come to everybody") {
		t.Errorf("%+v", r)
	}
}

// Who never hears anything is waited for no longer than it was said.
func TestLoadWaitsInVain(t *testing.T) {
	addr := (&server{spoil: func(i, n int, line string) string {
		if i == 2 {
			return ""
		}
		return line
	}}).serve(t, "tcp", "127.0.0.1:0")
	r := loaded(t, 1, "-addr", addr, "-conns", "5", "-patience", "500ms")
	if !strings.Contains(r.Error, "1 of 5 connections hear nothing") {
		t.Errorf("%+v", r)
	}
}

// What a slow reader misses is set against what it was told: a silent gap is a
// fault, another one is not.
func TestLoadSlowMisses(t *testing.T) {
	const begin, end = 60, 70
	for name, c := range map[string]struct {
		notice       string
		told, untold int64
		code         int
	}{
		"told":      {"* 10 messages skipped (#60–#69); /show 60-69 shows them\n", 10, 0, 0},
		"told less": {"* 1 message skipped (#60)\n", 1, 9, 1},
		"silent":    {"", 0, 10, 1},
		"no notice": {"* 10 messages were skipped\n12:34 eve: * 10 messages skipped (#60–#69)\n", 0, 10, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &server{spoil: func(i, n int, line string) string {
				switch {
				case i == 4 && n == end:
					return c.notice + line
				case i == 4 && n >= begin && n < end:
					return ""
				}
				return line
			}}
			addr := s.serve(t, "tcp", "127.0.0.1:0")
			r := loaded(t, c.code, "-addr", addr, "-conns", "5", "-slow", "1", "-senders", "3", "-messages", "300", "-warmup", "0")
			if r.SlowMissed != 10 || r.ToldSkipped != c.told || r.SlowUntold != c.untold || r.Lost != 0 {
				t.Errorf("%+v", r)
			}
			if want := fmt.Sprintf("10 missed, %d of them without being told", c.untold); !strings.Contains(r.text(), want) {
				t.Error(r.text())
			}
		})
	}
}

// What a slow reader never gets is missed, though nothing comes after it.
func TestLoadSlowMissesTheEnd(t *testing.T) {
	total := 0
	s := &server{spoil: func(i, n int, line string) string {
		if i != 4 || line[5:9] == "ffff" { // a probe
			return line
		}
		if total++; total > 290 {
			return ""
		}
		return line
	}}
	addr := s.serve(t, "tcp", "127.0.0.1:0")
	r := loaded(t, 1, "-addr", addr, "-conns", "5", "-slow", "1", "-messages", "300", "-warmup", "0")
	if r.SlowMissed != 10 || r.SlowUntold != 10 || r.Lost != 0 {
		t.Errorf("%+v", r)
	}
}

// At a fixed rate latency counts from when a message was due. A server that holds
// back 300 messages of 1,000 a second makes the first of them 300 ms late, the next
// one 299 ms, and so on.
func TestLoadShowsStall(t *testing.T) {
	held := make(map[int]string) // by connection
	s := &server{spoil: func(i, n int, line string) string {
		switch {
		case n < 100 || n > 400:
			return line
		case n < 400:
			held[i] += line
			return ""
		}
		return held[i] + line
	}}
	addr := s.serve(t, "tcp", "127.0.0.1:0")
	r := loaded(t, 0, "-addr", addr, "-conns", "5", "-rate", "1000", "-messages", "1000", "-warmup", "0")
	// Of 1,000 messages 10 are above the 99 % and 1 above the 99.9 %. All bounds are
	// from below: the stall lasts until the 400th line is due.
	if ms(r.Max) < 300 || ms(r.P999) < 299 || ms(r.P99) < 290 || r.Deliveries != 5*1000 {
		t.Errorf("%+v", r)
	}
}

// Nor is a stall hidden that keeps the load from sending: connection 0 is not read
// until connection 1 has said 100 messages more. What the kernel takes for it
// meanwhile is much less.
func TestLoadShowsStallOfSender(t *testing.T) {
	resumed := make(chan struct{})
	resume := sync.OnceFunc(func() { close(resumed) })
	s := &server{dialect: func(s *server, c *caller, in *bufio.Scanner) {
		if c.i == 1 {
			defer resume()
		}
		_ = c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
		for n := 0; in.Scan(); n++ {
			switch {
			case c.i == 0 && n == 50:
				<-resumed
			case c.i == 1 && n == 150:
				resume()
			}
			s.say(c, in.Text()+"\n")
		}
	}}
	addr := s.serve(t, "tcp", "127.0.0.1:0")
	r := loaded(t, 0, "-addr", addr, "-conns", "2", "-senders", "2", "-size", "60000", "-rate", "400", "-messages", "400", "-warmup", "0")
	// Connection 0 probes, so its line 50 is a message before its 50th; connection
	// 1's line 150 is due half a second after its line 50.
	if ms(r.Max) < 490 || r.Deliveries != 2*400 {
		t.Errorf("%+v", r)
	}
}

func ms(us float64) float64 { return us / 1e3 }

func TestLoadRefused(t *testing.T) {
	for _, refusal := range refusals() {
		t.Run(refusal.says, func(t *testing.T) {
			t.Parallel()
			full := "* " + refusal.says + " (limit 4); try again in a minute"
			addr := (&server{most: 4, full: full}).serve(t, "tcp", "127.0.0.1:0")
			r := loaded(t, 1, "-addr", addr, "-conns", "10", "-messages", "10")
			if r.Set != refusal.set || r.Closed == 0 || r.Notice != full {
				t.Errorf("%+v", r)
			}
			if hint := "for a measurement, start the server with " + refusal.set + "\n"; strings.Contains(r.text(), hint) != (refusal.set != "") {
				t.Error(r.text())
			}
		})
	}
}

// A load that only sits there is told of a refusal too.
func TestLoadIdleRefused(t *testing.T) {
	addr := (&server{most: 4, full: "* server full (limit 4); try again in a minute"}).serve(t, "tcp", "127.0.0.1:0")
	r := loaded(t, 1, "-addr", addr, "-conns", "10", "-idle", "-time", "200ms")
	if !strings.HasPrefix(r.Set, "CHATD_MAX_CLIENTS=off") || r.Closed == 0 {
		t.Errorf("%+v", r)
	}
}

// A server that throws out one who speaks ends the run.
func TestLoadSenderClosed(t *testing.T) {
	s := new(server)
	s.dialect = func(s *server, c *caller, in *bufio.Scanner) {
		for n := 0; in.Scan() && (c.i != 1 || n < 20); n++ {
			s.say(c, in.Text()+"\n")
		}
	}
	addr := s.serve(t, "tcp", "127.0.0.1:0")
	r := loaded(t, 1, "-addr", addr, "-conns", "5", "-senders", "2", "-window", "4", "-time", "1m")
	if r.Error != errSenderGone.Error() || r.Closed != 1 {
		t.Errorf("%+v", r)
	}
}
