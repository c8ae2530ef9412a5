package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// clientsCommand is the first argument of the process that is the clients.
const clientsCommand = "clients"

// clients hold the connections. They read only when told to, one after the other,
// and nothing waits for their input: a descriptor that is watched would have the
// kernel note, in the middle of the burst, that there is something to read.
type clients struct {
	fds      []int
	messages int
	size     int
	buf      []byte
}

// clientsMain is the clients' process: it joins with as many connections as its
// second argument says, and then reads the number of a burst from standard input
// and what each connection was sent of it, until there are no more numbers.
func clientsMain(_ context.Context, args []string) error {
	var n [4]int // the port, the connections, messages of a burst, bytes of a message
	if len(args) != len(n) {
		return errors.New("clients is what burst starts by itself")
	}
	for i, word := range args {
		var err error
		if n[i], err = strconv.Atoi(word); err != nil {
			return err
		}
	}
	c := clients{messages: n[2], size: n[3], buf: make([]byte, 64<<10)}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(c.join(n[0], n[1])); err != nil {
		return err
	}
	return c.serve(os.Stdin, out)
}

// serve answers until in ends.
func (c *clients) serve(in io.Reader, out *json.Encoder) error {
	numbers := bufio.NewScanner(in)
	for numbers.Scan() {
		burst, err := strconv.Atoi(numbers.Text())
		if err != nil {
			return err
		}
		if err := out.Encode(c.hear(texts(burst, c.messages, c.size))); err != nil {
			return err
		}
	}
	return numbers.Err()
}

// join makes the connections.
func (c *clients) join(port, conns int) (a answer) {
	for a.Heard < conns {
		fd, err := c.dial(port)
		if err != nil {
			a.Error = fmt.Sprintf("joining: %v", err)
			return a
		}
		c.fds = append(c.fds, fd)
		a.Heard++
	}
	return a
}

// dial makes a connection and returns when it is in the room.
func (c *clients) dial(port int) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return -1, fmt.Errorf("connect: %w", err)
	}
	limit := unix.NsecToTimeval(int64(patience))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return -1, err
	}
	if _, err := unix.Write(fd, []byte(hello)); err != nil {
		return -1, err
	}
	for n := 0; ; {
		m, err := unix.Read(fd, c.buf[n:])
		switch n += max(m, 0); {
		case err == unix.EINTR:
		case err != nil:
			return -1, fmt.Errorf("reading: %w", err)
		case m == 0:
			return -1, fmt.Errorf("the server has closed the connection and said %q", c.buf[:n])
		case bytes.IndexByte(c.buf[:n], '\n') >= 0:
			return fd, nil
		}
	}
}

// hear returns when each client has had the burst, one was sent something else, or
// there is nothing more to read for too long.
func (c *clients) hear(burst []string) (a answer) {
	begin := time.Now()
	had := make([]hearing, len(c.fds))
	for {
		read := 0
		a.Heard = 0
		for i := range had {
			n, err := c.read(i, &had[i], burst)
			if err != nil {
				a.Error = fmt.Sprintf("client %d: %v", i, err)
				return a
			}
			read += n
			if had[i].had == len(burst) {
				a.Heard++
			}
		}
		switch {
		case a.Heard == len(had) && read == 0: // nor was there anything behind it
			return a
		case read > 0:
			begin = time.Now()
		case time.Since(begin) > patience:
			a.Error = fmt.Sprintf("nothing has come for %v", patience)
			return a
		default:
			time.Sleep(time.Millisecond)
		}
	}
}

// read takes what there is for the i-th client and returns how much that was.
func (c *clients) read(i int, h *hearing, burst []string) (int, error) {
	for {
		n, _, err := unix.Recvfrom(c.fds[i], c.buf, unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return 0, nil
		case err != nil:
			return 0, err
		case n == 0:
			return 0, errors.New("the server has closed the connection")
		}
		return n, h.take(c.buf[:n], burst)
	}
}
