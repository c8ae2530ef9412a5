package client

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
)

// lineMost is how many bytes a line, or a message of a WebSocket, may have: a text of
// 64 KiB, the most a server may allow, all of whose bytes are escaped, and half as much
// besides.
const lineMost = 1 << 20

// wire carries objects over one connection. One goroutine reads, one writes.
type wire interface {
	// read returns the next object. It is valid until the next call.
	read() ([]byte, error)
	// write sends an object, at the latest with the next flush.
	write(object []byte) error
	flush() error
	// replies has what the peer is owed by the protocol below the objects.
	replies() <-chan []byte
	reply(what []byte) error
}

// errTooLong is why a connection is ended on which something longer than lineMost came.
var errTooLong = fmt.Errorf("%w: it sent more than %d bytes without an end", ErrProtocol, lineMost)

// ended says an error of reading or writing as people understand it.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("client: the server has closed the connection: %w", io.EOF)
	}
	return fmt.Errorf("client: the connection is lost: %w", err)
}

// lines is an object a line.
type lines struct {
	r    *bufio.Reader
	w    *bufio.Writer
	long []byte // a line that was longer than r's buffer
}

func newLines(conn net.Conn) *lines {
	return &lines{r: bufio.NewReaderSize(conn, 8<<10), w: bufio.NewWriter(conn)}
}

// read returns the next line that is not blank, without its end. A last line without an
// end is none: it may have been cut.
func (l *lines) read() ([]byte, error) {
	for {
		line, err := l.line()
		if err != nil {
			return nil, err
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return line, nil
		}
	}
}

func (l *lines) line() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	l.long = nil
	for errors.Is(err, bufio.ErrBufferFull) {
		if l.long = append(l.long, line...); len(l.long) > lineMost {
			return nil, errTooLong
		}
		line, err = l.r.ReadSlice('\n')
	}
	if err != nil {
		return nil, ended(err)
	}
	if l.long != nil {
		return append(l.long, line...), nil
	}
	return line, nil
}

func (l *lines) write(object []byte) error {
	if _, err := l.w.Write(object); err != nil {
		return err
	}
	return l.w.WriteByte('\n')
}

func (l *lines) flush() error { return l.w.Flush() }

func (l *lines) replies() <-chan []byte { return nil }

func (l *lines) reply([]byte) error { return nil }
