package sock

import (
	"io"
	"net"
	"runtime"
	"testing"
)

func probe(t *testing.T, c *Conn) Health {
	t.Helper()
	h, ok := new(Prober).Probe(c)
	if !ok {
		t.Fatal("nothing is known of the peer")
	}
	return h
}

// TestProbeUnsent: what a peer does not read is seen, and that it reads again.
func TestProbeUnsent(t *testing.T) {
	each(t, []string{"tcp", "unix"}, func(t *testing.T, c *Conn, peer net.Conn) {
		tcp := c.LocalAddr().Network() == "tcp"
		before := probe(t, c)
		if before.TCP != tcp || before.Unsent != 0 {
			t.Errorf("at first: %+v", before)
		}
		if tcp && (!before.Open || before.Half || before.Tries != 0 || before.Acked != 0) {
			t.Errorf("at first: %+v", before)
		}
		sent := fill(t, c)
		stopped := probe(t, c)
		if stopped.Unsent == 0 || tcp && stopped.Acked == 0 {
			t.Errorf("full: %+v", stopped)
		}
		if _, err := io.CopyN(io.Discard, peer, int64(sent)); err != nil {
			t.Fatal(err)
		}
		h := probe(t, c)
		for h.Unsent != 0 || tcp && h.Acked < uint64(sent) { // on its way
			runtime.Gosched()
			h = probe(t, c)
		}
		if tcp && h.Acked != uint64(sent) {
			t.Errorf("%d bytes were acknowledged, %d sent", h.Acked, sent)
		}
	})
}

func TestProbeEnds(t *testing.T) {
	t.Run("half-close", func(t *testing.T) {
		c, peer := connect(t, "tcp")
		_ = peer.(*net.TCPConn).CloseWrite()
		if _, err := c.ReadChunk(); err != io.EOF {
			t.Fatal(err)
		}
		if h := probe(t, c); !h.Open || !h.Half {
			t.Errorf("%+v, want open and half", h)
		}
	})
	t.Run("reset", func(t *testing.T) {
		c, peer := connect(t, "tcp")
		New(peer).Abort()
		_, _ = c.ReadChunk()
		if h := probe(t, c); h.Open || h.Half {
			t.Errorf("%+v, want not open", h)
		}
	})
	each(t, networks, func(t *testing.T, c *Conn, peer net.Conn) {
		var p Prober
		if _, ok := p.Probe(c); ok != (c.kernel != nil) {
			t.Errorf("ok is %v", ok)
		}
		c.Close()
		if h, ok := p.Probe(c); ok {
			t.Errorf("closed, and %+v is known", h)
		}
		other, _ := connect(t, "tcp")
		if h, ok := p.Probe(other); !ok || !h.TCP {
			t.Errorf("another one after it: %+v, %v", h, ok)
		}
	})
}

// The end of the input is known before all of it was read.
func TestInputEnded(t *testing.T) {
	each(t, networks, func(t *testing.T, c *Conn, peer net.Conn) {
		if c.InputEnded() {
			t.Error("it has ended before it began")
		}
		if c.kernel == nil || c.tls {
			return
		}
		_, _ = peer.Write(make([]byte, 5000))
		for c.Unread() < 5000 {
			runtime.Gosched()
		}
		if c.InputEnded() {
			t.Error("it has ended, and the peer has not")
		}
		if half, ok := peer.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
			t.Fatal("the peer cannot end its output")
		}
		for !c.InputEnded() { // on its way
			runtime.Gosched()
		}
		if n := c.Unread(); n < 5000 {
			t.Errorf("%d bytes are unread", n)
		}
		c.Close()
		if c.InputEnded() {
			t.Error("it has ended although it is closed")
		}
	})
}

func TestUnread(t *testing.T) {
	each(t, networks, func(t *testing.T, c *Conn, peer net.Conn) {
		if n := c.Unread(); n != 0 {
			t.Errorf("%d bytes are unread", n)
		}
		if c.raw == nil {
			return
		}
		_, _ = peer.Write(make([]byte, 5000))
		for c.Unread() < 5000 { // on its way
			runtime.Gosched()
		}
		if _, err := c.ReadChunk(); err != nil {
			t.Fatal(err)
		}
		if n := c.Unread(); n != 5000-ChunkSize {
			t.Errorf("%d bytes are unread, want %d", n, 5000-ChunkSize)
		}
		c.Close()
		if n := c.Unread(); n != 0 {
			t.Errorf("%d bytes are unread of a closed connection", n)
		}
	})
}
