package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chatd/chatd/pkg/relay"
)

// patience is how long anything may take that a burst consists of.
const patience = 30 * time.Second

// host is the server with the client that sends.
type host struct {
	relay    *relay.Server
	listener net.Listener
	served   chan struct{} // closed when Serve has returned

	sender net.Conn
	in     *bufio.Reader // of sender
}

func newHost() (*host, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &host{
		listener: l, served: make(chan struct{}),
		relay: relay.New(relay.Config{
			Name: "burst", MaxClients: relay.Unlimited, MaxPerAddress: relay.Unlimited, Rate: relay.Unlimited,
		}),
	}
	go func() {
		defer close(h.served)
		_ = h.relay.Serve(context.Background(), l) // close ends it
	}()
	return h, nil
}

func (h *host) addr() *net.TCPAddr { return h.listener.Addr().(*net.TCPAddr) }

// close ends everything and returns when it has ended.
func (h *host) close() {
	if h.sender != nil {
		_ = h.sender.Close()
	}
	_ = h.relay.Close()
	<-h.served
}

// hello makes a newcomer one that gets no greeting, and tells it its name as soon as
// it is in the room.
const hello = "/bot\n/nick\n"

// join brings the sender into the room.
func (h *host) join(ctx context.Context) (err error) {
	if h.sender, err = net.Dial("tcp", h.listener.Addr().String()); err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = h.sender.Close() })
	h.in = bufio.NewReader(h.sender)
	if _, err := h.sender.Write([]byte(hello)); err != nil {
		return err
	}
	_, err = h.line()
	return err
}

func (h *host) line() (string, error) {
	_ = h.sender.SetReadDeadline(time.Now().Add(patience))
	line, err := h.in.ReadString('\n')
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("the sender has heard nothing for %v", patience)
	}
	return line, err
}

// timing is what a burst took.
type timing struct {
	took time.Duration // until it was written to everybody
	cpu  time.Duration // that this process used meanwhile
	size int           // bytes written to each client
}

// had is how many processors worked for the server.
func (t timing) had() float64 { return float64(t.cpu) / float64(t.took) }

// burst sends the messages and returns when they are written to everybody.
func (h *host) burst(ctx context.Context, messages []string) (t timing, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	text := []byte(strings.Join(messages, "\n") + "\n")
	used, begin := cpu(), time.Now()
	if _, err := h.sender.Write(text); err != nil {
		return t, err
	}
	if t.size, err = h.echo(messages); err != nil {
		return t, err
	}
	err = h.relay.Probe(ctx)
	t.took, t.cpu = time.Since(begin), cpu()-used
	return t, err
}

// echo returns when the sender has its own messages back, and how many bytes those
// were, notices included: what everybody is sent.
func (h *host) echo(messages []string) (size int, err error) {
	var back hearing
	for back.had < len(messages) {
		line, err := h.line()
		if err != nil {
			return size, err
		}
		size += len(line)
		if err := back.take([]byte(line), messages); err != nil {
			return size, fmt.Errorf("the sender: %w", err)
		}
	}
	return size, nil
}

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t) // cannot fail
	return time.Duration(t.Nano())
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// seenLeast is the share of the clients that must be among those the kernel lists:
// the list may lack a few.
const seenLeast = 0.99

// allWritten fails if the kernel holds other than so many bytes for a client.
func (h *host) allWritten(size, clients int) error {
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return err
	}
	defer f.Close()
	sender := h.sender.LocalAddr().(*net.TCPAddr)
	full, other, err := backlog(f, h.addr().AddrPort(), sender.AddrPort(), size)
	switch {
	case err != nil:
		return err
	case other > 0:
		return fmt.Errorf("when the clock was stopped, %d of %d clients had not been written the burst", other, clients)
	case float64(full) < seenLeast*float64(clients):
		return fmt.Errorf("the kernel lists only %d of %d clients", full, clients)
	}
	return nil
}
