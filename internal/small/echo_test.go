package small

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd/chatd/internal/pipe"
)

func TestEcho(t *testing.T) {
	each(t, func(t *testing.T, l net.Listener) {
		begin(t, New(generous), l, Echo{})
		c := dial(t, l)
		for _, text := range []string{"x", "hello\n", "/quit\r\n", "\x00\xff\xfb\x01\x1b[2J", "你好 🙂", "界"[:1], "界"[1:], "GET / HTTP/1.1\r\n\r\n"} {
			c.echoes(text)
		}
		c.sends("last words")
		c.halfCloses()
		if rest := c.rest(); rest != "last words" {
			t.Errorf("after the end of input came %q", rest)
		}
	})
}

// 10 MB there and back, with the end of input at once.
func TestEchoLosesNothing(t *testing.T) {
	each(t, func(t *testing.T, l net.Listener) {
		begin(t, New(generous), l, Echo{})
		c, sent := dial(t, l), pattern(10<<20)
		var sending sync.WaitGroup
		sending.Go(func() {
			if _, err := c.Write(sent); err != nil {
				t.Error(err)
			}
			c.halfCloses()
		})
		got, err := io.ReadAll(c)
		sending.Wait()
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d bytes came back, not the %d that were sent; %v", len(got), len(sent), err)
		}
	})
}

// Somebody who sends and does not read fills what the kernel has, and is no trouble
// to anyone. When he reads, everything is there.
func TestEchoOfOneWhoDoesNotRead(t *testing.T) {
	each(t, func(t *testing.T, l net.Listener) {
		begin(t, New(generous), l, Echo{})
		lazy, other := dial(t, l), dial(t, l)
		_ = lazy.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		sent := pattern(plenty)
		n, err := lazy.Write(sent)
		if err == nil {
			t.Fatalf("all of it was taken from one who does not read")
		}
		other.echoes("hello")
		got := make([]byte, n)
		if read, err := io.ReadFull(lazy, got); err != nil || !bytes.Equal(got, sent[:n]) {
			t.Errorf("%d of %d bytes came back, %v", read, n, err)
		}
	})
}

// joined is a client of a server whose network and clock are simulated.
func joined(t *testing.T, s *Server, service Service) client {
	t.Helper()
	l := pipe.Listen(1)
	begin(t, s, l, service)
	c, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return client{c, t}
}

func TestEchoOfTheSilentEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, log := newJournal()
		c := joined(t, New(Config{MaxClients: 1, Logger: log}), Echo{})
		for range 3 {
			<-time.After(idleMost - 1)
			c.echoes("still here")
		}
		last := time.Now()
		if rest := c.rest(); rest != "" || time.Since(last) != idleMost {
			t.Errorf("after %v of silence came %q", time.Since(last), rest)
		}
		c.Close()
		if line := j.next(t, 1)[0]; !strings.Contains(line, `"cause":"idle"`) || !strings.Contains(line, `"bytes_in":30,"bytes_out":30`) {
			t.Errorf("the log says %s", line)
		}
	})
}

func TestEchoOfTheStalledEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, log := newJournal()
		c := joined(t, New(Config{MaxClients: 1, Logger: log}), Echo{})
		var sending sync.WaitGroup
		sending.Go(func() {
			if _, err := c.Write(pattern(1 << 20)); !errors.Is(err, syscall.EPIPE) {
				t.Errorf("somebody who does not read could send until %v", err)
			}
		})
		synctest.Wait()
		begun := time.Now()
		sending.Wait()
		if took := time.Since(begun); took != stallMost {
			t.Errorf("it took %v to end it", took)
		}
		if line := j.next(t, 1)[0]; !strings.Contains(line, `"cause":"stalled"`) {
			t.Errorf("the log says %s", line)
		}
	})
}

// Whoever reads a little now and then may stay.
func TestEchoOfTheSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := joined(t, New(generous), Echo{})
		var sending sync.WaitGroup
		sent := pattern(256 << 10)
		sending.Go(func() {
			_, _ = c.Write(sent)
			c.halfCloses()
		})
		var got []byte
		for piece := make([]byte, 4096); ; {
			<-time.After(stallMost - 1)
			n, err := c.Read(piece)
			got = append(got, piece[:n]...)
			if err != nil {
				break
			}
		}
		sending.Wait()
		if !bytes.Equal(got, sent) {
			t.Errorf("%d bytes came back, not the %d that were sent", len(got), len(sent))
		}
	})
}
