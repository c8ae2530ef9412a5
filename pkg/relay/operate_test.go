package relay

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/chatd/chatd/internal/pipe"
)

// A pause ends by itself when it is over and not before, so that no operator can lock
// everybody out; one that was ended before ends no later one.
func TestPauseEnds(t *testing.T) {
	var log bytes.Buffer
	logger := zerolog.New(&log)
	moderated(t, Config{Logger: &logger}, func(b *bubble, olga *person) {
		paused := func(want bool) {
			t.Helper()
			synctest.Wait()
			if got := b.Stats().Paused; got != want {
				t.Fatalf("accepting is paused: %v", got)
			}
		}
		olga.say("/pause 30s")
		olga.expect("* newcomers wait for 30 seconds, or until /resume-accepting")
		began := time.Now()
		time.Sleep(30*time.Second - time.Since(began) - time.Nanosecond)
		paused(true)
		time.Sleep(time.Nanosecond)
		paused(false)

		olga.say("/pause 30s")
		olga.say("/resume-accepting")
		olga.say("/pause 1m")
		time.Sleep(40 * time.Second)
		paused(true)
		time.Sleep(20 * time.Second)
		paused(false)
		olga.say("/pause") // which the end of the server ends
		paused(true)
	})
	var acts []string
	for line := range strings.Lines(log.String()) {
		if _, rest, ok := strings.Cut(line, `"act":"`); ok {
			act, rest, _ := strings.Cut(rest, `"`)
			_, by, _ := strings.Cut(rest, `"by":"`)
			by, _, _ = strings.Cut(by, `"`)
			acts = append(acts, act+" by "+by)
		}
	}
	want := []string{
		"pause by olga", "resume-accepting by the end of the pause", "pause by olga", "resume-accepting by olga",
		"pause by olga", "resume-accepting by the end of the pause", "pause by olga",
	}
	if !slices.Equal(acts, want) {
		t.Errorf("the log has %q", acts)
	}
}

// Who said that it is unannounced is heard, and neither comes nor goes; under another
// name too.
func TestUnannounced(t *testing.T) {
	simulate(t, Config{Rate: Unlimited}, func(b *bubble) {
		bob := b.arrive()
		bob.say("/nick bob")
		bob.seen()
		script := b.arrive()
		b.sessionOf(script).login.Store(&login{operator: true})
		script.say("/unannounced")
		script.say("/nick backup")
		script.say("done")
		script.say("/join tea")
		script.say("/quit")
		got := bob.seen()
		if len(got) != 1 || !strings.HasSuffix(got[0], " backup: done") {
			t.Errorf("bob sees %q", got)
		}
	})
}

// A long list is cut, and read in pace with who asked for it; others are not held up.
func TestSessionsAreMany(t *testing.T) {
	moderated(t, Config{MaxClients: 3000}, func(b *bubble, olga *person) {
		for range sessionsMost + 100 {
			b.connect()
		}
		time.Sleep(openTime)
		synctest.Wait()
		olga.seen()
		olga.pause()
		olga.say("/sessions")
		synctest.Wait()
		bob := b.arrive()
		bob.say("hello")
		if got := bob.seen(); !strings.HasSuffix(got[len(got)-1], ": hello") {
			t.Fatalf("while olga does not read, bob sees %q", got)
		}
		olga.resume()
		got := slices.DeleteFunc(olga.seen(), func(line string) bool { return !strings.HasPrefix(line, "* ") || strings.Contains(line, " joined") })
		total := len(b.people) - 1 // bob came later
		last := fmt.Sprintf("* … and %d more; /sessions NAME, ADDRESS or ROOM shows fewer", total-sessionsMost)
		if len(got) != sessionsMost+2 || got[0] != fmt.Sprintf("* %d connections:", total) || got[len(got)-1] != last {
			t.Errorf("%d lines, from %q to %q", len(got), got[0], got[len(got)-1])
		}
		for i, line := range got[1 : len(got)-1] {
			if !strings.HasPrefix(line, fmt.Sprintf("* #%d ", i+1)) {
				t.Fatalf("line %d is %q", i+1, line)
			}
		}
	})
}

// Who does not read is shown so, and what was skipped.
func TestSessionsShowWhoIsPaused(t *testing.T) {
	moderated(t, Config{}, func(b *bubble, olga *person) {
		bob := b.arrive()
		bob.say("/nick bob")
		bob.pause()
		long := strings.Repeat("x", 4000)
		for range 100 {
			olga.say("%s", long)
		}
		time.Sleep(3 * time.Minute)
		olga.seen()
		olga.say("/sessions bob")
		got := olga.seen()
		if len(got) != 2 || !strings.Contains(got[1], "idle 3m, paused for 3m") {
			t.Errorf("olga sees %q", got)
		}
	})
}

// Programs, browsers, raw clients and reading windows are told apart.
func TestSessionsOfAllKinds(t *testing.T) {
	moderated(t, Config{}, func(b *bubble, olga *person) {
		_, window, _ := b.trio()
		serve := func(serve func(context.Context, net.Conn) error) *pipe.Conn {
			ours, theirs := pipe.New()
			b.served.Go(func() { _ = serve(context.Background(), theirs) })
			return ours
		}
		program := serve(b.ServeJSONConn)
		defer program.Close()
		_, _ = io.WriteString(program, `{"type":"hello","name":"robot","rooms":[{"room":"tea"},{"room":"lobby"}]}`+"\n")
		raw := serve(func(ctx context.Context, nc net.Conn) error { return b.ServeRawConn(ctx, nc, "qt") })
		defer raw.Close()
		quiet := serve(b.ServeJSONConn)
		defer quiet.Close()
		browser := serve(func(ctx context.Context, nc net.Conn) error { return b.ServeWebSocketConn(ctx, nc, nil) })
		defer browser.Close()
		go func() { _, _ = io.Copy(io.Discard, program) }()
		time.Sleep(time.Second)
		olga.seen()
		window.seen()
		olga.say("/sessions")
		got := strings.Join(olga.seen(), "\n")
		for _, want := range []string{
			`(?m)^\* 8 connections:$`,
			`(?m)^\* #\d+ \(?pipe\)?, a reading window, since 00:00, `,
			`(?m)^\* #\d+ robot \(pipe json\), in lobby and tea, since 00:00, `,
			`(?m)^\* #\d+ pipe raw, in qt, since 00:00, `,
			`(?m)^\* #\d+ pipe json, in no room, since 00:00, `,
			`(?m)^\* #\d+ pipe websocket, in no room, since 00:00, `,
		} {
			if !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("%s is not in\n%s", want, got)
			}
		}
	})
}

// What /stats tells agrees with what was done.
func TestStatsTell(t *testing.T) {
	moderated(t, Config{History: -1}, func(b *bubble, olga *person) {
		bob := b.arrive()
		bob.say("one")
		bob.say("two")
		time.Sleep(time.Minute) // who comes is told
		olga.say("/close")
		olga.seen()
		olga.say("/stats")
		synctest.Wait()
		bob.say("three")
		time.Sleep(statsTime)
		got := slices.DeleteFunc(olga.seen(), func(line string) bool { return !strings.HasPrefix(line, "* ") }) // bob's
		for i, want := range []string{
			"up since 00:00, for ", "2 connections of ", "newcomers are turned away until /open; 2 connections accepted and 0 turned away so far",
			"3 messages and 6 deliveries so far; just now 1 and 2 a second", "everybody reads along; ",
			"history is kept in memory",
		} {
			if line := got[i]; !strings.HasPrefix(line, "* "+want) {
				t.Errorf("line %d is %q, not %q", i, line, want)
			}
		}
	})
}

// A history that is paused, or has lost something, is told.
func TestStatsOfTheHistory(t *testing.T) {
	s := New(Config{Journal: NewMemory(Keep{})})
	defer s.Close()
	for want, j := range map[string]JournalStats{
		"history is kept: 7 messages so far, 0 waiting":                                             {Kept: 7},
		"history is kept: 1 message so far, 3 waiting for 20ms at most":                             {Kept: 1, Queue: 3, Lag: 20 * time.Millisecond},
		"history is kept: 7 messages so far, 0 waiting; 2 messages lost, 1 attempt failed, 1 pause": {Kept: 7, Lost: 2, Failures: 1, Pauses: 1},
		"history is paused: nothing is kept for now; 2 messages lost, 5 attempts failed":            {Kept: 7, Lost: 2, Failures: 5, Paused: true},
	} {
		if got := s.historyLine(&Stats{Journal: j}); got != want {
			t.Errorf("%+v is told as %q", j, got)
		}
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 59 * time.Second: "59s", 119 * time.Second: "119s", 2 * time.Minute: "2m",
		119 * time.Minute: "119m", 2 * time.Hour: "2h", 47 * time.Hour: "47h", 48 * time.Hour: "2d", 1000 * time.Hour: "41d",
	} {
		if got := brief(d); got != want {
			t.Errorf("%v is %s, not %s", d, got, want)
		}
	}
}

// An operator on this machine comes in when the server is full, and no more of them than
// there are seats for.
func TestOperatorOfAFullServer(t *testing.T) {
	r := openRig(t, Config{MaxClients: 1, Version: "1.2.3"})
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "chat"))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = r.Serve(context.Background(), l) }() // the rig's end ends it
	here := func() *ear {
		nc, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		return r.listen(nc)
	}
	ana := r.listen(r.dial(r.port, nil, 0))
	ana.hears("* you are ")
	ana.say("hello\n")
	ana.hears(": hello")
	r.listen(r.dial(r.port, nil, 0)).hears("server full (limit 1)")
	for range operatorSeats {
		root := here()
		root.hears("* you are ")
		root.say("/stats\n")
		root.hears("version 1.2.3")
	}
	here().hears("server full (limit 1)")
}
