// Ends: the last words can be read, whatever is left unread, and a stop reaches
// everyone.

package relay

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatd/chatd/internal/figure"
)

// batch is how many are ended at once: fewer than may linger.
const batch = lingersMost / 4

// Who is ended while input is unread can read why, to the end of input.
func TestFault12LastWords(t *testing.T) {
	unread := strings.Repeat(strings.Repeat("x", 99)+"\n", 200)
	kicked := &cause{log: "kicked", how: "was kicked", last: "you were kicked: enough"}
	r := openRig(t, Config{Rate: 0.001, Burst: 1})
	lost := 0
	for done := 0; done < sized(100, 1000); {
		var conns []*net.TCPConn
		for range min(batch, sized(100, 1000)-done) {
			nc := r.dial(r.port, nil, 0)
			conns = append(conns, nc)
			if _, err := nc.Write([]byte("/bot\n" + unread)); err != nil {
				t.Fatal(err)
			}
		}
		r.await("all have input that is not read", func() bool {
			n := 0
			for _, s := range r.snapshot() {
				if s.conn.Unread() > len(unread)/2 && s.out.Written() > 0 {
					n++
				}
			}
			return n == len(conns)
		})
		for i, s := range r.snapshot() {
			if i%2 == 0 {
				s.end(kicked)
			} else {
				s.end(endIdle(time.Minute))
			}
		}
		for _, nc := range conns {
			heard, err := r.listen(nc).toTheEnd()
			if err != nil || !strings.HasSuffix(heard, "\n* you were kicked: enough\n") && !strings.HasSuffix(heard, "\n* you were silent for 1 minute; goodbye\n") {
				lost++
				t.Errorf("heard %q, %v", tail(heard), err)
			}
			_ = nc.Close()
		}
		done += len(conns)
		r.await("all have ended", func() bool { return r.Counts().Sessions == 0 })
	}
	figure.Figure{
		Row: 12, Part: "kicked or idle", Held: lost == 0, Bar: "0",
		Got: fmt.Sprintf("%d of %d could not read why", lost, sized(100, 1000)),
	}.Tell(t)
}

// Who is refused while input is unread can read why.
func TestFault12Refusals(t *testing.T) {
	r := openRig(t, Config{MaxPerAddress: 1})
	first := r.listen(r.dial(r.port, nil, 0))
	first.hears("* you are ")
	unread := []byte(strings.Repeat("hello\n", 3000))
	lost, refused := 0, 0
	for refused < sized(100, 1000) {
		var conns []*net.TCPConn
		for range batch {
			nc := r.dial(r.port, nil, 0)
			_, _ = nc.Write(unread)
			conns = append(conns, nc)
		}
		for _, nc := range conns {
			heard, err := r.listen(nc).toTheEnd()
			refused++
			if err != nil || heard != "* too many connections from your address (limit 1)\r\n" {
				lost++
				t.Errorf("heard %q, %v", heard, err)
			}
			_ = nc.Close()
		}
	}
	figure.Figure{
		Row: 12, Part: "refused", Held: lost == 0, Bar: "0",
		Got: fmt.Sprintf("%d of %d could not read why", lost, refused),
	}.Tell(t)
}

// Who is ended while it waits for the broadcaster's answer shares nothing with it
// any more.
func TestEndedWhileAsking(t *testing.T) {
	r := openRig(t, Config{})
	nc := r.dial(r.port, nil, 0)
	defer nc.Close()
	if _, err := nc.Write([]byte("/bot ana\n")); err != nil {
		t.Fatal(err)
	}
	r.await("it is in the room", func() bool { return r.members() == 1 })
	lobby, busy := r.room(r.lobby()), make(chan struct{})
	lobby.nudge(func() { <-busy })
	if _, err := nc.Write([]byte("/who\n")); err != nil {
		t.Fatal(err)
	}
	r.await("it has asked", func() bool { return len(lobby.inbox) == 1 })
	for _, s := range r.snapshot() {
		s.end(endIdle(time.Minute))
	}
	r.await("it is about to leave", func() bool { return len(lobby.inbox) == 2 })
	close(busy)
	r.await("it has left", func() bool { return r.members() == 0 })
}

// A stop is told to everyone, also to those whose input is unread.
func TestFault29Stop(t *testing.T) {
	n := sized(100, 1000)
	r := openRig(t, Config{})
	ears := make([]*ear, n)
	for i := range ears {
		ears[i] = r.listen(r.dial(r.port, nil, 0))
		switch i % 3 {
		case 1:
			ears[i].say(fmt.Sprintf("/bot p%dp\n", i))
		case 2:
			ears[i].say("/bot\n" + strings.Repeat("\n", 1000) + "begun")
		}
	}
	r.await("all are in the room", func() bool { return r.members() == n })
	begin := time.Now()
	var stopping sync.WaitGroup
	stopping.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	heardOf := 0
	for _, e := range ears {
		heard, err := e.toTheEnd()
		if err != nil || !strings.HasSuffix(heard, "* chatd is shutting down\n") {
			t.Errorf("heard %q, %v", tail(heard), err)
		} else {
			heardOf++
		}
	}
	told := time.Since(begin)
	figure.Figure{
		Row: 29, Held: heardOf == n && told <= 2*time.Second, Bar: "all within 2 s",
		Got: fmt.Sprintf("%d of %d told within %.2f s", heardOf, n, told.Seconds()),
	}.Tell(t)
	for _, e := range ears {
		_ = e.Close()
	}
	stopping.Wait()
	t.Logf("%d were told within %v, and the server had stopped after %v", n, told, time.Since(begin))
	if torture && told > 2*time.Second {
		t.Errorf("%d were told within %v", n, told)
	}
}
