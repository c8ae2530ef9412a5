package metrics

import (
	"net"
	"sync"
)

// narrow is a listener of which so many connections are open at a time. Accept waits
// for a place; the kernel keeps the queue.
type narrow struct {
	net.Listener
	places chan struct{} // holds one for each open connection
	closed chan struct{} // closed by Close
	close  func() error
}

func newNarrow(l net.Listener, most int) *narrow {
	n := &narrow{Listener: l, places: make(chan struct{}, most), closed: make(chan struct{})}
	n.close = sync.OnceValue(func() error {
		close(n.closed)
		return l.Close()
	})
	return n
}

func (n *narrow) Accept() (net.Conn, error) {
	select {
	case n.places <- struct{}{}:
	case <-n.closed:
		return nil, net.ErrClosed
	}
	nc, err := n.Listener.Accept()
	if err != nil {
		<-n.places
		return nil, err
	}
	return &placed{Conn: nc, leave: sync.OnceFunc(func() { <-n.places })}, nil
}

func (n *narrow) Close() error { return n.close() }

// placed is a connection that gives its place back when it is closed.
type placed struct {
	net.Conn
	leave func()
}

func (p *placed) Close() error {
	defer p.leave()
	return p.Conn.Close()
}
