package feed

import (
	"bufio"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// TestSendGoesAtTheReadersPace: what is sent arrives in order, beside the feed and
// other people's lines, and no wake-up is lost on the way.
func TestSendGoesAtTheReadersPace(t *testing.T) {
	for _, network := range []string{"unix", "tcp", "pipe"} {
		t.Run(network, func(t *testing.T) {
			lines := scale(100, 1000, 20000)
			conn, peer := connect(t, network)
			c, o := followed(conn, func(err error) { t.Error(err) })
			var others sync.WaitGroup
			others.Go(func() { // a sweep
				for i := range lines {
					c.append(11+uint64(i), 0, 20)
					o.Flush()
					runtime.Gosched()
				}
			})
			others.Go(func() {
				for range lines {
					o.Post([]byte("q\n"))
					runtime.Gosched()
				}
			})
			others.Go(func() {
				in := bufio.NewReader(peer)
				next := 0
				for {
					line, err := in.ReadString('\n')
					if err != nil {
						if err != io.EOF || next != lines {
							t.Errorf("%d lines of %d were read; %v", next, lines, err)
						}
						return
					}
					if line[0] == 's' {
						if want := sendLine(next); line != want {
							t.Errorf("%.30q was read, want %.30q", line, want)
						}
						next++
					}
				}
			})
			for i := range lines {
				if err := o.Send(nil, Mark{}, []byte(sendLine(i))); err != nil {
					t.Fatal(err)
				}
				if i%7 == 0 {
					if err := o.Flushed(nil); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := o.Flushed(nil); err != nil {
				t.Fatal(err)
			}
			o.Close()
			conn.Close()
			o.Wait()
			others.Wait()
		})
	}
}

func sendLine(i int) string {
	return fmt.Sprintf("s %d %s\n", i, strings.Repeat("z", i*131%6000))
}

// TestFlushedWakes: a reader that takes the last byte wakes who waits for it,
// whoever wrote it.
func TestFlushedWakes(t *testing.T) {
	sink := newFakeSink(0)
	c, o := followed(sink, func(err error) { t.Error(err) })
	for i := range scale(100, 1000, 50000) {
		c.append(11+uint64(i), 0, 50)
		o.Flush()
		sink.settle(o)
		done := make(chan error)
		go func() { done <- o.Flushed(nil) }()
		if i%2 == 0 {
			go o.Flush() // somebody else may be the one who finds that nothing is due
		}
		for len(done) == 0 && !o.turn.free() {
			if sink.waiting.Load() {
				sink.room = 10000
				sink.waiting.Store(false)
				sink.resume <- struct{}{}
			}
			runtime.Gosched()
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		o.Wait()
		sink.room = 0
	}
}

// TestAwaitEnds: who waits does not wait for an outlet that is closed, nor for ever
// if it has something else to do.
func TestAwaitEnds(t *testing.T) {
	for i := range scale(50, 400, 20000) {
		sink := newFakeSink(0)
		o := NewOutlet(sink, func(err error) { t.Error(err) })
		big := make([]byte, mailboxSize)
		if !o.Post(big) || i%2 == 0 && !o.Post(big) {
			t.Fatal("an empty mailbox refused a line")
		}
		done, ended := make(chan struct{}), make(chan error)
		go func() {
			if i%2 == 0 {
				ended <- o.Send(done, Mark{}, big)
			} else {
				ended <- o.Flushed(done)
			}
		}()
		if i%3 == 0 {
			runtime.Gosched()
		}
		if i%4 < 2 {
			o.Close()
		} else {
			close(done)
		}
		if err := <-ended; err != ErrClosed {
			t.Fatalf("round %d: %v, want ErrClosed", i, err)
		}
		o.Close()
		close(sink.closed)
		o.Wait()
	}
}
