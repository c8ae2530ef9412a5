package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/chatd/chatd/internal/cert/certtest"
	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/web"
	"github.com/chatd/chatd/pkg/relay"
)

// chatd serves in this process and returns its address.
func chatd(t *testing.T, cfg relay.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := relay.New(cfg)
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		<-served
	})
	return l.Addr().String()
}

// served has something serve a new listener, and returns its address.
func served(t *testing.T, serve func(context.Context, net.Listener) error, wrap func(net.Listener) net.Listener) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, wrap(l)) }()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return l.Addr().String()
}

// TestChatdPrograms holds that what is said in each protocol of programs, and over
// TLS, is judged as lines are.
func TestChatdPrograms(t *testing.T) {
	config, _ := certtest.Configs(t, "chat.example.org")
	encrypted := func(l net.Listener) net.Listener { return tls.NewListener(l, config) }
	plain := func(l net.Listener) net.Listener { return l }
	for _, proto := range []string{"json", "ws", "wss", "tls"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			s := relay.New(unlimited)
			serve, wrap := s.Serve, plain
			if strings.HasPrefix(proto, "ws") {
				serve = web.New(web.Config{Relay: s}).Serve
			}
			if proto == "wss" || proto == "tls" {
				wrap = encrypted
			}
			addr := served(t, serve, wrap)
			for args, want := range map[string]int64{
				"-conns 100 -messages 1000 -size 19":           100 * 1000,
				"-conns 50 -messages 200 -window 1":            50 * 200,
				"-conns 10 -messages 100 -size 3000 -rate 200": 10 * 100,
				"-conns 10 -messages 50 -size 4000 -spin":      10 * 50,
				"-conns 20 -messages 200 -stalled 2 -slow 3":   15 * 200,
			} {
				r := loaded(t, 0, append(strings.Fields(args), "-addr", addr, "-proto", proto, "-warmup", "20ms", "-pid", fmt.Sprint(self))...)
				if r.Deliveries != want || !r.OwnHeard || r.BytesPerSec < r.PerSecond*float64(r.Size) {
					t.Errorf("%s: %d deliveries, want %d: %+v", args, r.Deliveries, want, r)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHandshakes holds that who does not get the protocol it wants is told so.
func TestHandshakes(t *testing.T) {
	addr := chatd(t, unlimited)
	for proto, want := range map[string]string{"ws": "is -proto right?", "tls": "handshake: "} {
		r := loaded(t, 1, "-addr", addr, "-conns", "5", "-proto", proto, "-patience", "1s")
		if !strings.Contains(r.Error, "connection 1 of 5: ") || !strings.Contains(r.Error, want) {
			t.Errorf("%s: %s", proto, r.Error)
		}
	}
}

// What a slow program misses is what it is told that it misses.
func TestChatdTellsSlowPrograms(t *testing.T) {
	for _, proto := range []string{"json", "ws"} {
		s := relay.New(unlimited)
		serve := s.Serve
		if proto == "ws" {
			serve = web.New(web.Config{Relay: s}).Serve
		}
		addr := served(t, serve, func(l net.Listener) net.Listener { return l })
		r := loaded(t, 0, "-addr", addr, "-proto", proto, "-conns", "10", "-slow", "3", "-slow-speed", "1000",
			"-size", "4000", "-window", "4", "-messages", "5000", "-warmup", "0")
		if r.SlowMissed == 0 || r.ToldSkipped != r.SlowMissed || r.SlowUntold != 0 {
			t.Errorf("%s: %+v", proto, r)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// unlimited is chatd as for a measurement.
var unlimited = relay.Config{MaxPerAddress: relay.Unlimited, Rate: relay.Unlimited}

func TestChatd(t *testing.T) {
	for args, want := range map[string]int64{
		"-conns 100 -messages 2000":                              100 * 2000,
		"-conns 100 -messages 300 -rate 1000":                    100 * 300,
		"-conns 100 -messages 2000 -proto msg":                   2 * 2000,
		"-conns 100 -messages 2000 -proto msg -window 5":         2 * 2000,
		"-conns 100 -messages 2000 -stalled 5 -slow 5":           90 * 2000,
		"-conns 10 -messages 500 -proto msg -rate 1000 -size 40": 2 * 500,
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			addr := chatd(t, unlimited)
			r := loaded(t, 0, append(strings.Fields(args), "-addr", addr, "-warmup", "50ms")...)
			if r.Deliveries != want || r.OwnHeard != true {
				t.Errorf("%d deliveries, want %d: %+v", r.Deliveries, want, r)
			}
		})
	}
}

// What a slow reader misses of chatd is exactly what it is told that it misses.
func TestChatdTellsTheSlow(t *testing.T) {
	addr := chatd(t, unlimited)
	r := loaded(t, 0, "-addr", addr, "-conns", "10", "-slow", "3", "-slow-speed", "1000", "-size", "4000", "-window", "4", "-messages", "5000", "-warmup", "0")
	if r.SlowMissed == 0 || r.ToldSkipped != r.SlowMissed || r.SlowUntold != 0 {
		t.Errorf("%+v", r)
	}
}

// Each limit of chatd is met, and the variable that lifts it is named.
func TestChatdLimits(t *testing.T) {
	for want, c := range map[string]struct {
		cfg  relay.Config
		args string
		code int
	}{
		"CHATD_MAX_PER_ADDRESS=off": {relay.Config{MaxPerAddress: 20}, "-conns 50 -messages 10", 1},
		"CHATD_MAX_CLIENTS=off":     {relay.Config{MaxPerAddress: relay.Unlimited, MaxClients: 20}, "-conns 50 -messages 10", 1},
		"CHATD_RATE=off":            {relay.Config{Burst: 10, Rate: 100}, "-conns 10 -senders 1 -messages 40 -warmup 0", 0},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			r := loaded(t, c.code, append(strings.Fields(c.args), "-addr", chatd(t, c.cfg))...)
			if !strings.HasPrefix(r.Set, want) || !strings.Contains(r.text(), "start the server with "+want) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// No name of one run looks like another one to chatd, which would refuse it.
func TestNames(t *testing.T) {
	taken := make(map[string]string)
	for _, number := range []uint16{0, 1, 0x1000, 0x0ff0, 0xfffe, 0xffff} {
		for _, i := range []int{0, 1, 2, 15, 16, 17, 255, 256, 19999, 1<<20 - 1} {
			n := newRun(number).name(i)
			if other, ok := taken[name.Key(n)]; ok {
				t.Errorf("%s looks like %s", n, other)
			}
			taken[name.Key(n)] = n
			if shown, err := name.Check(n); err != nil || shown != n || name.IsGuest(n) || len(n) != 9 {
				t.Errorf("%q: %v", n, err)
			}
		}
	}
	for i := range 20000 {
		n := newRun(0x0123).name(i)
		if other, ok := taken[name.Key(n)]; ok {
			t.Fatalf("%s looks like %s", n, other)
		}
		taken[name.Key(n)] = n
	}
	pair := seat{run: newRun(7), conn: 6}
	if other := (seat{run: newRun(7), conn: 7}); pair.partner() != other.name() || other.partner() != pair.name() {
		t.Errorf("%s speaks to %s, %s to %s", pair.name(), pair.partner(), other.name(), other.partner())
	}
}
