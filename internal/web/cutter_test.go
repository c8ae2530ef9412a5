package web_test

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// cutter is a network on the way to the page, which fails when it is told to.
type cutter struct {
	to   string
	l    net.Listener
	down atomic.Bool // newcomers are closed at once
	deaf atomic.Bool // what the server says is lost

	running sync.WaitGroup
	mu      sync.Mutex
	open    map[net.Conn]struct{}
}

// through returns a cutter before the page, and has it be the way to it.
func (c *chat) through(t *testing.T) *cutter {
	l := localListener(t)
	cut := &cutter{to: c.page, l: l, open: make(map[net.Conn]struct{})}
	c.url = "http://" + l.Addr().String() + "/"
	cut.running.Go(cut.accept)
	t.Cleanup(func() {
		l.Close()
		cut.cut()
		cut.running.Wait()
	})
	return cut
}

func (c *cutter) accept() {
	for {
		client, err := c.l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", c.to)
		if err != nil || c.down.Load() {
			client.Close()
			if err == nil {
				server.Close()
			}
			continue
		}
		c.mu.Lock()
		c.open[client], c.open[server] = struct{}{}, struct{}{}
		c.mu.Unlock()
		c.running.Go(func() { c.carry(server, client, nil) })
		c.running.Go(func() { c.carry(client, server, &c.deaf) })
	}
}

// carry takes bytes from one end to the other, or loses them.
func (c *cutter) carry(to, from net.Conn, lost *atomic.Bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if lost != nil && lost.Load() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// cut ends all connections.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for nc := range c.open {
		nc.Close()
	}
	clear(c.open)
}
