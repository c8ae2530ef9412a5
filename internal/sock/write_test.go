package sock

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// fill writes until the kernel takes no more, and returns how much it took.
func fill(t testing.TB, c *Conn) (total int) {
	t.Helper()
	for {
		p := pattern(total, 64<<10)
		n, err := c.TryWrite(p)
		if err != nil {
			t.Fatal(err)
		}
		if total += n; n < len(p) {
			return total
		}
	}
}

// pattern is what stands at an offset of a stream of the tests'.
func pattern(offset, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		at := offset + i
		p[i] = byte(at ^ at>>8 ^ at>>16)
	}
	return p
}

// TestTryWriteThenDrain: what the kernel does not take, a drain brings when the
// peer reads on, every byte once.
func TestTryWriteThenDrain(t *testing.T) {
	each(t, networks, func(t *testing.T, c *Conn, peer net.Conn) {
		sent := fill(t, c)
		if (sent == 0) != (c.raw == nil) {
			t.Fatalf("%d bytes were taken without waiting", sent)
		}
		if n, err := c.TryWrite(pattern(sent, 10)); n != 0 || err != nil {
			t.Fatalf("a full connection took %d bytes, %v", n, err)
		}
		total := sent + 1_000_000
		var drain sync.WaitGroup
		drain.Go(func() {
			var p []byte
			err := c.Drain(
				func() ([]byte, error) {
					p = pattern(sent, min(total-sent, 50_000))
					return p, nil
				},
				func(n int) {
					sent += n
					clear(p) // as if it were dropped
				})
			if err != nil || sent != total {
				t.Errorf("%d bytes of %d were written, %v", sent, total, err)
			}
			c.Close()
		})
		got, err := io.ReadAll(peer)
		if err != nil || !bytes.Equal(got, pattern(0, total)) {
			t.Errorf("%d bytes were read, %v; want the %d that were written", len(got), err, total)
		}
		drain.Wait()
	})
}

// TestDrainEnds: with the connection's end, whichever side ends it, and with an
// error of peek's.
func TestDrainEnds(t *testing.T) {
	mine := errors.New("mine")
	for name, end := range map[string]func(c *Conn, peer net.Conn){
		"closed":   func(c *Conn, peer net.Conn) { c.Close() },
		"aborted":  func(c *Conn, peer net.Conn) { c.Abort() },
		"the peer": func(c *Conn, peer net.Conn) { peer.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, networks, func(t *testing.T, c *Conn, peer net.Conn) {
				fill(t, c)
				waits, ended := make(chan struct{}, 1000), make(chan error)
				go func() {
					ended <- c.Drain(
						func() ([]byte, error) { waits <- struct{}{}; return make([]byte, 1<<20), nil },
						func(n int) {})
				}()
				<-waits
				end(c, peer)
				if err := <-ended; err == nil {
					t.Error("no error")
				}
			})
		})
	}
	each(t, networks, func(t *testing.T, c *Conn, peer net.Conn) {
		if err := c.Drain(func() ([]byte, error) { return nil, mine }, nil); err != mine {
			t.Errorf("%v, want peek's error", err)
		}
		if err := c.Drain(func() ([]byte, error) { return nil, nil }, nil); err != nil {
			t.Errorf("nothing is due: %v", err)
		}
		c.Close()
		err := c.Drain(func() ([]byte, error) { return []byte("x"), nil }, func(int) {})
		if !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%v, want closed", err)
		}
		if c.raw == nil {
			return
		}
		if n, err := c.TryWrite([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("a closed connection took %d bytes, %v", n, err)
		}
	})
}

// TestTryWriteFails: a peer that is gone is an error and no signal.
func TestTryWriteFails(t *testing.T) {
	each(t, []string{"tcp", "unix"}, func(t *testing.T, c *Conn, peer net.Conn) {
		New(peer).Abort()
		_, _ = c.ReadChunk() // the kernel knows
		for range 3 {
			if n, err := c.TryWrite([]byte("x")); err != nil && n == 0 {
				return
			}
		}
		t.Error("a peer that is gone goes on taking bytes")
	})
}

// nowhere takes all that is written to it, as only a stream does.
type nowhere struct{ net.Conn }

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// TestDrainStreamAllocatesNothing: a thousand of them write in each sweep.
func TestDrainStreamAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector pools forget on purpose")
	}
	c := New(nowhere{})
	message, left := pattern(0, 3*maxCopy), 0
	peek := func() ([]byte, error) { return message[len(message)-left:], nil }
	took := func(n int) { left -= n }
	if n := testing.AllocsPerRun(100, func() {
		left = len(message)
		if err := c.Drain(peek, took); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%.1f allocations", n)
	}
	if left != 0 {
		t.Errorf("%d bytes are left", left)
	}
}
