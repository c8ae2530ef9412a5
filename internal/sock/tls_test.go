package sock

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var encrypted = []string{"tls", "tls-bare"}

// TestTLSWaitsWithoutBuffer looks at what a reader holds when it begins to wait. What
// came in one piece and was not read at once is not waited for.
func TestTLSWaitsWithoutBuffer(t *testing.T) {
	c, peer := connect(t, "tls")
	waits := make(chan bool)
	c.await = func(fd uintptr) bool {
		done := readable(fd)
		if !done {
			waits <- c.chunk == nil
		}
		return done
	}
	read := make(chan []byte)
	go func() {
		defer close(read)
		for {
			p, err := c.ReadChunk()
			if err != nil {
				return
			}
			read <- bytes.Clone(p)
		}
	}()
	for _, size := range []int{3, ChunkSize, 3*ChunkSize + 1, 40_000} {
		if !<-waits {
			t.Error("a reader waits and holds a buffer")
		}
		want := pattern(size, size)
		var sending sync.WaitGroup
		sending.Go(func() {
			if _, err := peer.Write(want); err != nil {
				t.Error(err)
			}
		})
		var got []byte
		for len(got) < size {
			select {
			case p := <-read:
				got = append(got, p...)
			case <-waits: // between two records
			}
		}
		sending.Wait()
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes were read, not the %d that were sent", len(got), size)
		}
	}
	<-waits
	peer.Close()
	for p := range read {
		t.Errorf("%q was read after the end", p)
	}
}

// TestTLSGoesThrough: what the kernel knows is known, what is set there is set, and
// nothing is written past TLS.
func TestTLSGoesThrough(t *testing.T) {
	each(t, encrypted, func(t *testing.T, c *Conn, peer net.Conn) {
		if c.raw != nil || !c.Encrypted() || c.Transport() != "tls" || !c.Loopback() {
			t.Errorf("it is %s, encrypted %v, loopback %v", c.Transport(), c.Encrypted(), c.Loopback())
		}
		c.Tune()
		var size int
		_ = c.kernel.Control(func(fd uintptr) { size, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF) })
		if size != 2*localSendBuffer {
			t.Errorf("the send buffer is %d, want %d", size, 2*localSendBuffer)
		}
		if n, err := c.TryWrite([]byte("x")); n != 0 || err != nil {
			t.Errorf("%d bytes were taken without waiting, %v", n, err)
		}
		before := probe(t, c)
		if !before.TCP || !before.Open || before.Unsent != 0 || before.Queued != 0 {
			t.Errorf("at first: %+v", before)
		}

		const total = 8 << 20 // more than fits between the two
		var drain sync.WaitGroup
		left := total
		drain.Go(func() {
			err := c.Drain(
				func() ([]byte, error) { return pattern(total-left, min(left, 50_000)), nil },
				func(n int) { left -= n })
			if err != nil {
				t.Error(err)
			}
		})
		h := probe(t, c)
		for h.Unsent == 0 || h.Queued < h.Unsent {
			runtime.Gosched()
			h = probe(t, c)
		}
		got := make([]byte, total)
		if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, pattern(0, total)) {
			t.Errorf("what was read is not what was written: %v", err)
		}
		drain.Wait()
		for h = probe(t, c); h.Queued != 0; h = probe(t, c) { // on its way
			runtime.Gosched()
		}
		if h.Acked <= before.Acked+total {
			t.Errorf("%d bytes are acknowledged for %d in TLS", h.Acked-before.Acked, total)
		}

		if _, err := peer.Write(make([]byte, 5000)); err != nil {
			t.Fatal(err)
		}
		for c.Unread() < 5000 { // on its way
			runtime.Gosched()
		}
	})
}

// TestTLSGoodbye: close_notify is the end of output and of input, and the other
// direction goes on. Behind it comes the end of TCP's.
func TestTLSGoodbye(t *testing.T) {
	each(t, encrypted, func(t *testing.T, c *Conn, peer net.Conn) {
		if err := peer.(*tls.Conn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if p, err := c.ReadChunk(); err != io.EOF {
			t.Errorf("%q, %v; want the end", p, err)
		}
		if h := probe(t, c); h.Half {
			t.Error("the peer has ended TCP too")
		}
		if _, err := c.Write([]byte("goodbye")); err != nil {
			t.Error(err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Error(err)
		}
		if p, err := io.ReadAll(peer); string(p) != "goodbye" || err != nil {
			t.Errorf("%q, %v", p, err)
		}
		below := peer.(*tls.Conn).NetConn()
		if n, err := below.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("below TLS: %d bytes, %v; want the end", n, err)
		}
	})
}

// TestTLSAbortWaitsForNobody: neither for room, as Close would, nor for who writes.
func TestTLSAbortWaitsForNobody(t *testing.T) {
	each(t, encrypted, func(t *testing.T, c *Conn, peer net.Conn) {
		ended := make(chan error)
		go func() {
			ended <- c.Drain(func() ([]byte, error) { return make([]byte, 1<<20), nil }, func(int) {})
		}()
		for h := probe(t, c); h.Unsent == 0; h = probe(t, c) {
			runtime.Gosched()
		}
		begin := time.Now()
		c.Abort()
		if err := <-ended; err == nil {
			t.Error("the drain ended without an error")
		}
		if d := time.Since(begin); d > 4*time.Second { // Close would take 5
			t.Errorf("it took %v", d)
		}
		if _, err := io.Copy(io.Discard, peer); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the peer read %v, want a reset", err)
		}
	})
}

// TestTLSLingerWaitsForNobody: a peer that does not read, and a writer that waits for
// it, hold up the end for a moment only.
func TestTLSLingerWaitsForNobody(t *testing.T) {
	c, _ := connect(t, "tls")
	ended := make(chan error)
	go func() {
		ended <- c.Drain(func() ([]byte, error) { return make([]byte, 1<<20), nil }, func(int) {})
	}()
	for h := probe(t, c); h.Unsent == 0; h = probe(t, c) {
		runtime.Gosched()
	}
	begin := time.Now()
	c.Linger()
	<-ended
	if d := time.Since(begin); d > 4*time.Second {
		t.Errorf("it took %v", d)
	}
}

// TestTLSBeforeTheHandshake: who cannot be spoken to is let go all the same.
func TestTLSBeforeTheHandshake(t *testing.T) {
	below, peer := connect(t, "tcp")
	c := New(tls.Server(NewBase(below.Conn), &tls.Config{}))
	if c.base != nil {
		t.Error("a handshake would fail for not waiting")
	}
	var ending sync.WaitGroup
	ending.Go(c.Linger)
	if p, err := io.ReadAll(peer); len(p) != 0 || err != nil {
		t.Errorf("the peer reads %q, %v", p, err)
	}
	peer.Close()
	ending.Wait()
}

// wrapped is a connection of which something was read already, by who knows better
// where it comes from.
type wrapped struct {
	net.Conn
	first []byte
}

func (w *wrapped) Unwrap() (net.Conn, []byte) { return w.Conn, w.first }

func (w *wrapped) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 7} }

// TestUnwrap: what was read already comes first, and the kernel is asked directly
// behind it; what is told of the peer stays.
func TestUnwrap(t *testing.T) {
	each(t, networks, func(t *testing.T, plain *Conn, peer net.Conn) {
		first := pattern(0, ChunkSize+100)
		c := New(&wrapped{plain.Conn, bytes.Clone(first)})
		if (c.raw != nil) != (plain.raw != nil) || (c.kernel != nil) != (plain.kernel != nil) || c.Encrypted() != plain.Encrypted() {
			t.Error("what is below is not found")
		}
		if c.RemoteAddr().String() != "192.0.2.7:7" || c.Loopback() != plain.Loopback() {
			t.Errorf("the peer is %v, loopback %v", c.RemoteAddr(), c.Loopback())
		}
		go func() {
			_, _ = peer.Write([]byte("and the rest"))
			_ = peer.Close()
		}()
		var got []byte
		for {
			p, err := c.ReadChunk()
			if len(p) > ChunkSize {
				t.Errorf("a chunk of %d bytes", len(p))
			}
			if err != nil {
				if err != io.EOF {
					t.Error(err)
				}
				break
			}
			got = append(got, p...)
		}
		if want := append(first, "and the rest"...); !bytes.Equal(got, want) {
			t.Errorf("%d bytes were read, want %d", len(got), len(want))
		}
		if c.first != nil {
			t.Error("what was read is kept")
		}
	})
}
