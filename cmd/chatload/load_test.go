package main

import (
	"bufio"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLoad(t *testing.T) {
	for name, c := range map[string]struct {
		server *server
		args   string
		want   int64 // deliveries
	}{
		"window":     {&server{}, "-conns 20 -window 8 -messages 500 -warmup 20ms", 20 * 500},
		"one flight": {&server{}, "-conns 5 -window 1 -messages 100 -warmup 0", 5 * 100},
		"rate":       {&server{}, "-conns 10 -rate 2000 -messages 400 -warmup 0", 10 * 400},
		"chat mode": {
			&server{greeting: "* chatd on vm, room lobby; here: nobody\n* you are guest1\n", prefix: "12:34 guest7: "},
			"-conns 10 -window 4 -messages 200 -warmup 10ms", 10 * 200,
		},
		"no echo":  {&server{quiet: true}, "-conns 10 -window 4 -messages 200 -warmup 10ms", 9 * 200},
		"spinning": {&server{}, "-conns 4 -window 4 -messages 200 -warmup 0 -spin", 4 * 200},
		"long":     {&server{}, "-conns 3 -size 30000 -messages 50 -warmup 0", 3 * 50},
		"irc":      {&server{dialect: irc, quiet: true}, "-proto irc -conns 10 -window 4 -messages 200 -warmup 10ms", 9 * 200},
		"nats":     {&server{dialect: nats}, "-proto nats -conns 10 -window 4 -messages 200 -warmup 10ms", 10 * 200},

		"echo":          {&server{dialect: echo}, "-conns 10 -group 1 -messages 200 -warmup 10ms", 200},
		"rooms":         {&server{dialect: rooms}, "-proto room -conns 12 -group 4 -messages 200 -warmup 10ms", 4 * 200},
		"rooms, window": {&server{dialect: rooms}, "-proto room -conns 12 -group 4 -window 5 -messages 200 -warmup 10ms", 4 * 200},
		"rooms, rate":   {&server{dialect: rooms}, "-proto room -conns 12 -group 4 -rate 2000 -messages 400 -warmup 0", 4 * 400},
		"irc pairs":     {&server{dialect: irc, quiet: true}, "-proto irc -conns 10 -group 2 -messages 200 -warmup 10ms", 200},
		"nats pairs":    {&server{dialect: nats}, "-proto nats -conns 10 -group 2 -messages 200 -warmup 10ms", 2 * 200},
		"in one room":   {&server{dialect: rooms}, "-proto room -conns 10 -messages 200 -warmup 10ms", 10 * 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := c.server.serve(t, "tcp", "127.0.0.1:0")
			r := loaded(t, 0, append(strings.Fields(c.args), "-addr", addr, "-pid", fmt.Sprint(self))...)
			if r.Deliveries != c.want || r.OwnHeard == c.server.quiet {
				t.Errorf("%d deliveries, want %d: %+v", r.Deliveries, c.want, r)
			}
			if r.P50 <= 0 || r.P999 < r.P50 || r.CPUPerDelivery <= 0 || r.CPUPerMessage < r.CPUPerDelivery || r.Memory.RSS <= 0 {
				t.Errorf("something was not measured: %+v", r)
			}
		})
	}
}

// In each group all who are to send do, and the groups do as much as each other if
// they take turns.
func TestLoadTakesTurns(t *testing.T) {
	said := make(map[string]int) // by room and sender
	s := &server{dialect: rooms, spoil: func(i, _ int, line string) string {
		if _, text, ok := strings.Cut(line, ": |"); ok && text[4:8] != "ffff" {
			said[fmt.Sprintf("%d %s", i/3, text[4:8])]++
		}
		return line
	}}
	addr := s.serve(t, "tcp", "127.0.0.1:0")
	loaded(t, 0, "-addr", addr, "-proto", "room", "-conns", "6", "-group", "3", "-senders", "2", "-rate", "2000", "-messages", "200", "-warmup", "0")
	s.stop()
	for _, who := range []string{"0 0000", "0 0001", "1 0002", "1 0003"} {
		if said[who] != 3*50 { // a message comes to three
			t.Errorf("group and sender %s: %d lines, want 150; all: %v", who, said[who], said)
		}
	}
	if len(said) != 4 {
		t.Errorf("groups and senders: %v", said)
	}
}

// A window is each group's own: one that hears nothing does not hold up others.
func TestLoadGroupsGoOn(t *testing.T) {
	s := &server{dialect: rooms}
	said := make(map[int]int) // by connection
	s.spoil = func(i, n int, line string) string {
		if n >= 60 && i < 2 {
			return ""
		}
		said[i]++
		return line
	}
	addr := s.serve(t, "tcp", "127.0.0.1:0")
	r := loaded(t, 1, "-addr", addr, "-proto", "room", "-conns", "6", "-group", "2", "-messages", "600", "-warmup", "0", "-patience", "500ms")
	s.stop()
	if r.Lost != 2 || r.Messages != 600 || r.Deliveries != 2*600-2 {
		t.Errorf("%+v", r)
	}
	if said[0] > 60 || said[2] < 200 || said[4] < 200 {
		t.Errorf("lines by connection: %v", said)
	}
}

func TestLoadUnix(t *testing.T) {
	addr := new(server).serve(t, "unix", filepath.Join(t.TempDir(), "s"))
	if r := loaded(t, 0, "-addr", addr, "-conns", "10", "-messages", "100", "-warmup", "0"); r.Deliveries != 1000 {
		t.Errorf("%+v", r)
	}
}

func TestLoadSources(t *testing.T) {
	s := new(server)
	addr := s.serve(t, "tcp", "127.0.0.1:0")
	loaded(t, 0, "-addr", addr, "-conns", "10", "-sources", "3", "-messages", "200", "-warmup", "10ms")
	s.stop()
	if s.sources["127.0.0.1"] != 4 || s.sources["127.0.0.2"] != 3 || s.sources["127.0.0.3"] != 3 {
		t.Errorf("connections by address: %v", s.sources)
	}
}

func TestLoadIdle(t *testing.T) {
	s := new(server)
	addr := s.serve(t, "tcp", "127.0.0.1:0")
	r := loaded(t, 0, "-addr", addr, "-conns", "10", "-idle", "-time", "10ms", "-pid", fmt.Sprint(self))
	s.stop()
	if r.Deliveries != 0 || r.Messages != 0 || s.lines != 0 || !r.Idle || r.Memory.RSS <= 0 || r.MemoryBefore.RSS <= 0 {
		t.Errorf("%d lines; %+v", s.lines, r)
	}
	if !strings.Contains(r.text(), "10 connections, silent") {
		t.Error(r.text())
	}
}

// Closing a connection whose input has not been read resets it: so the server sees
// who has stalled.
func TestLoadStalled(t *testing.T) {
	s := new(server)
	addr := s.serve(t, "tcp", "127.0.0.1:0")
	r := loaded(t, 0, "-addr", addr, "-conns", "10", "-stalled", "3", "-window", "4", "-messages", "200", "-warmup", "10ms")
	s.stop()
	if r.Deliveries != 7*200 || s.unread != 3 {
		t.Errorf("%d connections did not read; %+v", s.unread, r)
	}
}

// Who reads slowly reads no faster than it was told to, while it is measured, and
// all there is after that.
func TestLoadSlow(t *testing.T) {
	s := new(server)
	addr := s.serve(t, "tcp", "127.0.0.1:0")
	r := loaded(t, 0, "-addr", addr, "-conns", "10", "-slow", "3", "-slow-speed", "10000", "-rate", "1000", "-messages", "300", "-warmup", "0")
	s.stop()
	if r.Deliveries != 7*300 || r.SlowMissed != 0 || s.unread != 0 {
		t.Errorf("%d connections did not read; %+v", s.unread, r)
	}
	if most := 3 * 10000 * (r.Seconds + tick.Seconds()); r.SlowDelivered == 0 || float64(r.SlowDelivered*64) > most {
		t.Errorf("slow connections read %d messages of 64 bytes, at most %.0f bytes; %+v", r.SlowDelivered, most, r)
	}
}

// Stalled and slow connections are shared out among the groups.
func TestKinds(t *testing.T) {
	c := config{conns: 12, group: 4, stalled: 4, slow: 2}
	var got strings.Builder
	for g := range c.groups() {
		for place := range c.group {
			got.WriteByte("pSx"[c.kind(g, place)])
		}
		got.WriteByte(' ')
	}
	if got.String() != "pSxx ppSx pppx " {
		t.Errorf("prompt, slow (S) and stalled (x): %s", got.String())
	}
	if c.live() != 1 {
		t.Errorf("%d are live in the smallest group", c.live())
	}
}

// Somebody who does not want to wait for the end gets what there is.
func TestLoadInterrupted(t *testing.T) {
	for name, args := range map[string]string{
		"talking": "-conns 5 -window 4",
		"rate":    "-conns 5 -rate 1000",
		"idle":    "-conns 5 -idle",
	} {
		t.Run(name, func(t *testing.T) {
			interrupt := func() { _ = unix.Kill(unix.Getpid(), unix.SIGINT) }
			s := &server{spoil: func(i, n int, line string) string {
				if n == 200 && i == 4 {
					interrupt()
				}
				return line
			}}
			if name == "idle" {
				s.greeting = "* hello\n"
				s.dialect = func(s *server, c *caller, in *bufio.Scanner) {
					if c.i == 4 {
						interrupt()
					}
					plain(s, c, in)
				}
			}
			addr := s.serve(t, "tcp", "127.0.0.1:0")
			r := loaded(t, 1, append(strings.Fields(args), "-addr", addr, "-time", "1m", "-warmup", "0")...)
			if r.Error != "interrupted" || r.Lost != 0 || name != "idle" && r.Deliveries < 5*100 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// The server's memory is looked at again when all have left.
func TestLoadSettles(t *testing.T) {
	args := strings.Fields(fmt.Sprintf("-conns 5 -messages 10 -warmup 0 -pid %d", self))
	addr := new(server).serve(t, "tcp", "127.0.0.1:0")
	r := loaded(t, 0, append(args, "-addr", addr, "-settle", "1ms")...)
	if r.SettledRSS <= 0 || !strings.Contains(r.text(), "after all connections were closed") {
		t.Errorf("%+v", r)
	}
	// It waits for as long as it was told, and not before they have left.
	addr = (&server{allLeft: func() { _ = unix.Kill(unix.Getpid(), unix.SIGINT) }}).serve(t, "tcp", "127.0.0.1:0")
	r = loaded(t, 1, append(args, "-addr", addr, "-settle", "1m")...)
	if r.Error != "interrupted" || r.SettledRSS != 0 || r.Deliveries != 50 {
		t.Errorf("%+v", r)
	}
}
