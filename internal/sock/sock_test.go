package sock

import (
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd/chatd/internal/pipe"
	"golang.org/x/sys/unix"
)

// parting has the peer send what nobody reads, says last words, ends the
// connection, and returns what the peer read.
func parting(t *testing.T, network string, end func(c *Conn)) (words string, err error) {
	c, peer := connect(t, network)
	defer peer.Close()
	if _, err := peer.Write(make([]byte, 10_000)); err != nil {
		t.Fatal(err)
	}
	for c.Unread() == 0 { // on its way
		runtime.Gosched()
	}
	if _, err := c.TryWrite([]byte("goodbye")); err != nil {
		t.Fatal(err)
	}
	var ending sync.WaitGroup
	ending.Go(func() { end(c) })
	p, err := io.ReadAll(peer)
	peer.Close()
	ending.Wait()
	return string(p), err
}

// TestLingerIsReadable: the last words arrive, whatever was left unread.
func TestLingerIsReadable(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			rounds, resets := scale(5, 20, 200), 0
			for range rounds {
				if words, err := parting(t, network, (*Conn).Linger); words != "goodbye" || err != nil {
					t.Errorf("%q was read, %v", words, err)
				}
				if _, err := parting(t, network, func(c *Conn) { c.Close() }); errors.Is(err, syscall.ECONNRESET) {
					resets++
				}
			}
			// What this is for: if a plain close were as good, Linger could go.
			t.Logf("a plain close reset %d of %d", resets, rounds)
			if resets == 0 {
				t.Error("a plain close reset none")
			}
		})
	}
}

// TestLingerIsBounded: in time, for a peer that does nothing; in bytes, for one
// that goes on sending.
func TestLingerIsBounded(t *testing.T) {
	t.Run("time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := pipe.New()
			begin := time.Now()
			var reader sync.WaitGroup
			reader.Go(func() {
				if p, err := io.ReadAll(b); len(p) != 0 || err != nil {
					t.Errorf("the peer read %q, %v; want the end", p, err)
				}
				if d := time.Since(begin); d != 0 {
					t.Errorf("the peer saw the end after %v, want it at once", d)
				}
			})
			New(a).Linger()
			if d := time.Since(begin); d != lingerTime {
				t.Errorf("it took %v, want %v", d, lingerTime)
			}
			reader.Wait()
			b.Close()
		})
	})
	t.Run("bytes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := pipe.New()
			begin := time.Now()
			var sender sync.WaitGroup
			sender.Go(func() {
				for {
					if _, err := b.Write(make([]byte, 1000)); err != nil {
						return
					}
				}
			})
			New(a).Linger()
			if d := time.Since(begin); d != 0 {
				t.Errorf("a peer that goes on sending was heard for %v", d)
			}
			sender.Wait()
			b.Close()
		})
	})
	each(t, networks, func(t *testing.T, c *Conn, peer net.Conn) {
		sent := 0
		var sender sync.WaitGroup
		sender.Go(func() {
			for {
				n, err := peer.Write(make([]byte, 1000))
				if sent += n; err != nil {
					return
				}
			}
		})
		c.Linger()
		sender.Wait()
		if sent < lingerBytes {
			t.Errorf("it was closed after %d bytes, want %d at least", sent, lingerBytes)
		}
		if c.chunk != nil {
			t.Error("a buffer is held")
		}
	})
}

// TestAbort: the peer of a TCP connection is told that it was reset, and nothing
// that was queued is kept for it.
func TestAbort(t *testing.T) {
	each(t, networks, func(t *testing.T, c *Conn, peer net.Conn) {
		fill(t, c)
		c.Abort()
		n, err := io.Copy(io.Discard, peer)
		if peer.LocalAddr().Network() == "tcp" && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the peer read %d bytes and %v, want a reset", n, err)
		}
		if _, err := c.Write([]byte("x")); err == nil {
			t.Error("it is still open")
		}
	})
}

func TestCloseWrite(t *testing.T) {
	each(t, networks, func(t *testing.T, c *Conn, peer net.Conn) {
		if err := c.CloseWrite(); err != nil {
			t.Error(err)
		}
		if c.raw == nil {
			return
		}
		if p, err := io.ReadAll(peer); len(p) != 0 || err != nil {
			t.Errorf("%q, %v; want the end", p, err)
		}
		if _, err := peer.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		if p, err := c.ReadChunk(); string(p) != "x" {
			t.Errorf("%q, %v", p, err)
		}
	})
}

// option reads a socket option.
func option(t *testing.T, c *Conn, level, name int) (value int) {
	t.Helper()
	var err error
	if e := c.raw.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), level, name) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
	return value
}

func TestTune(t *testing.T) {
	each(t, []string{"tcp", "unix"}, func(t *testing.T, c *Conn, peer net.Conn) {
		c.Tune()
		// The kernel doubles what it is given, for its own needs.
		if n := option(t, c, unix.SOL_SOCKET, unix.SO_SNDBUF); n != 2*localSendBuffer {
			t.Errorf("the send buffer is %d, want %d", n, 2*localSendBuffer)
		}
		if c.LocalAddr().Network() == "tcp" {
			for name, want := range map[int]int{unix.TCP_KEEPIDLE: 15, unix.TCP_KEEPINTVL: 5, unix.TCP_KEEPCNT: 4} {
				if n := option(t, c, unix.IPPROTO_TCP, name); n != want {
					t.Errorf("keepalive option %d is %d, want %d", name, n, want)
				}
			}
			if option(t, c, unix.SOL_SOCKET, unix.SO_KEEPALIVE) == 0 {
				t.Error("keepalive is off")
			}
		}
		if took := fill(t, c); took > 16*localSendBuffer {
			t.Errorf("a peer that reads nothing was sent %d bytes", took)
		}
	})
	t.Run("network", func(t *testing.T) {
		// A connection to an address of this machine that is not loopback's.
		addrs, err := net.InterfaceAddrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			ip := a.(*net.IPNet).IP
			if ip.IsLoopback() || ip.To4() == nil {
				continue
			}
			l, err := net.Listen("tcp", net.JoinHostPort(ip.String(), "0"))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			peer, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			nc, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			c := New(nc)
			c.Tune()
			if n := option(t, c, unix.SOL_SOCKET, unix.SO_SNDBUF); n != 2*sendBuffer {
				t.Errorf("the send buffer is %d, want %d", n, 2*sendBuffer)
			}
			return
		}
		t.Log("this machine has no address but loopback's: not tried")
	})
	c, _ := connect(t, "pipe")
	c.Tune()
}

// TestCosts: a write and a read allocate nothing.
func TestCosts(t *testing.T) {
	each(t, []string{"tcp", "unix"}, func(t *testing.T, c *Conn, peer net.Conn) {
		p, in := []byte("12:00 alice: a line of some length, as people write them\n"), make([]byte, 4096)
		if n := testing.AllocsPerRun(1000, func() {
			if n, err := c.TryWrite(p); n != len(p) || err != nil {
				t.Fatal(n, err)
			}
			_, _ = peer.Read(in)
		}); n != 0 {
			t.Errorf("a write allocates %v times", n)
		}
		var prober Prober
		if n := testing.AllocsPerRun(1000, func() {
			if _, ok := prober.Probe(c); !ok {
				t.Fatal("no health")
			}
		}); n != 0 {
			t.Errorf("a look at the peer allocates %v times", n)
		}
		if raceEnabled {
			t.Log("reads are not counted: under the race detector pools forget at random")
			return
		}
		early := func(fd uintptr) { c.read(fd) } // a look that finds nothing
		if n := testing.AllocsPerRun(1000, func() {
			_ = c.raw.Control(early)
			if _, err := peer.Write(p); err != nil {
				t.Fatal(err)
			}
			if _, err := c.ReadChunk(); err != nil {
				t.Fatal(err)
			}
			c.Release()
		}); n != 0 {
			t.Errorf("a read allocates %v times", n)
		}
	})
}

func BenchmarkTryWrite(b *testing.B) {
	for _, network := range []string{"tcp", "unix"} {
		b.Run(network, func(b *testing.B) {
			c, peer := connect(b, network)
			c.Tune()
			var reader sync.WaitGroup
			reader.Go(func() { _, _ = io.Copy(io.Discard, peer) })
			p := make([]byte, 64)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.TryWrite(p); err != nil {
					b.Fatal(err)
				}
			}
			c.Close()
			reader.Wait()
		})
	}
}
