package sock

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestReadChunkReadsAll(t *testing.T) {
	each(t, networks, func(t *testing.T, c *Conn, peer net.Conn) {
		want := make([]byte, 200_000)
		random := rand.NewChaCha8([32]byte{1})
		random.Read(want)
		var sender sync.WaitGroup
		sender.Go(func() {
			sizes := rand.New(random)
			for p := want; len(p) > 0; {
				n, err := peer.Write(p[:min(len(p), sizes.IntN(3*ChunkSize))])
				if err != nil {
					t.Error(err)
					return
				}
				p = p[n:]
			}
			peer.Close()
		})
		var got []byte
		for {
			p, err := c.ReadChunk()
			if err != nil {
				if err != io.EOF {
					t.Error(err)
				}
				break
			}
			if len(p) == 0 || len(p) > ChunkSize {
				t.Errorf("a chunk of %d bytes", len(p))
			}
			got = append(got, p...)
			if rand.IntN(2) == 0 {
				c.Release()
			}
		}
		sender.Wait()
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes were read, not the %d that were sent", len(got), len(want))
		}
		if c.chunk != nil {
			t.Error("a buffer is held after the end of input")
		}
	})
}

// TestReadChunkWaitsWithoutBuffer looks at what a reader holds at the moment at
// which it begins to wait.
func TestReadChunkWaitsWithoutBuffer(t *testing.T) {
	each(t, []string{"tcp", "unix"}, func(t *testing.T, c *Conn, peer net.Conn) {
		waits := make(chan bool)
		try := c.read
		c.read = func(fd uintptr) bool {
			done := try(fd)
			if !done {
				waits <- c.chunk == nil
			}
			return done
		}
		read := make(chan string)
		go func() {
			defer close(read)
			for {
				p, err := c.ReadChunk()
				if err != nil {
					return
				}
				read <- string(p)
			}
		}()
		for _, word := range []string{"one", "two", "three"} {
			if !<-waits {
				t.Error("a reader waits and holds a buffer")
			}
			if _, err := io.WriteString(peer, word); err != nil {
				t.Fatal(err)
			}
			if got := <-read; got != word {
				t.Errorf("%q was read, want %q", got, word)
			}
		}
		<-waits
		peer.Close()
		if got, more := <-read; more {
			t.Errorf("%q was read after the end", got)
		}
	})
}

// TestWake: it ends a read that waits and one that has not begun, and a later
// deadline takes it back.
func TestWake(t *testing.T) {
	each(t, networks, func(t *testing.T, c *Conn, peer net.Conn) {
		for i := range scale(20, 100, 2000) {
			ended := make(chan error)
			go func() {
				_, err := c.ReadChunk()
				ended <- err
			}()
			if i%2 == 0 { // else it may be that nobody reads yet
				runtime.Gosched()
			}
			c.Wake()
			if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("%v, want a deadline exceeded", err)
			}
			if _, err := c.ReadChunk(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("afterwards: %v, want a deadline exceeded", err)
			}
			if c.chunk != nil {
				t.Fatal("a buffer is held")
			}
			_ = c.SetReadDeadline(time.Time{})
		}
		go func() { _, _ = io.WriteString(peer, "still here") }()
		if p, err := c.ReadChunk(); string(p) != "still here" {
			t.Errorf("%q, %v", p, err)
		}
	})
}

func TestReadChunkEnds(t *testing.T) {
	each(t, []string{"tcp", "unix"}, func(t *testing.T, c *Conn, peer net.Conn) {
		_, _ = io.WriteString(peer, "last words")
		_ = peer.(interface{ CloseWrite() error }).CloseWrite()
		if p, err := c.ReadChunk(); string(p) != "last words" {
			t.Errorf("%q, %v", p, err)
		}
		for range 2 {
			if _, err := c.ReadChunk(); err != io.EOF {
				t.Errorf("%v, want EOF", err)
			}
		}
		if n, err := c.TryWrite([]byte("an answer")); n != 9 || err != nil {
			t.Errorf("after the end of input, %d bytes were written, %v", n, err)
		}
		c.Close()
		if _, err := c.ReadChunk(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v, want closed", err)
		}
	})
	t.Run("reset", func(t *testing.T) {
		c, peer := connect(t, "tcp")
		New(peer).Abort()
		if _, err := c.ReadChunk(); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v, want a reset", err)
		}
	})
	t.Run("closed while it waits", func(t *testing.T) {
		for _, network := range networks {
			c, _ := connect(t, network)
			ended := make(chan error)
			go func() {
				_, err := c.ReadChunk()
				ended <- err
			}()
			c.Close()
			if err := <-ended; !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("%s: %v, want closed", network, err)
			}
		}
	})
}

// TestEmptyReadIsNoEnd: a connection may return no bytes and no error.
func TestEmptyReadIsNoEnd(t *testing.T) {
	c, peer := connect(t, "pipe")
	go func() {
		_, _ = peer.Write(nil)
		_, _ = peer.Write([]byte("x"))
	}()
	if p, err := c.ReadChunk(); string(p) != "x" {
		t.Errorf("%q, %v", p, err)
	}
}

// TestDescriptorMayBlock: whoever shares the descriptor may have made it block.
func TestDescriptorMayBlock(t *testing.T) {
	each(t, []string{"tcp", "unix"}, func(t *testing.T, c *Conn, peer net.Conn) {
		if err := c.raw.Control(func(fd uintptr) {
			if err := syscall.SetNonblock(int(fd), false); err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
		fill(t, c)
		if n, err := c.TryWrite([]byte("x")); n != 0 || err != nil {
			t.Errorf("a full connection took %d bytes, %v", n, err)
		}
		waits := make(chan struct{})
		try := c.read
		c.read = func(fd uintptr) bool {
			done := try(fd)
			close(waits)
			return done
		}
		ended := make(chan error)
		go func() {
			_, err := c.ReadChunk()
			ended <- err
		}()
		<-waits // for the poller, not for the kernel
		c.Wake()
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v, want a deadline exceeded", err)
		}
	})
}
