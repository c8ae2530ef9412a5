package small

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/chatd/chatd/internal/sock"
)

const (
	// idleMost is how long one may be silent. Echo is for trying a connection, and
	// who does that by hand types more often.
	idleMost = 5 * time.Minute
	// stallMost is how long one may take to accept one chunk, 4 KiB.
	stallMost = time.Minute
)

// conn is a connection that is being served. It is for one goroutine.
type conn struct {
	*sock.Conn
	began   time.Time
	in, out int64 // bytes so far
}

// cause is why a connection ended, as the log has it, and how it is ended.
type cause struct {
	log string
	end func(*sock.Conn)
}

var (
	endTold     = &cause{"fortune told", (*sock.Conn).Linger}
	endInput    = &cause{"end of input", (*sock.Conn).Linger}
	endIdle     = &cause{"idle", (*sock.Conn).Linger}
	endStopping = &cause{"server stopping", (*sock.Conn).Linger}
	endStalled  = &cause{"stalled", (*sock.Conn).Abort}
	endReset    = &cause{"connection reset", (*sock.Conn).Abort}
	endLost     = &cause{"connection lost", (*sock.Conn).Abort}
)

// read returns what comes next, which is valid until the next call, or why there
// will be nothing more.
func (c *conn) read(ctx context.Context) ([]byte, *cause) {
	_ = c.SetReadDeadline(time.Now().Add(idleMost))
	if ctx.Err() != nil { // the deadline that ctx's end sets may just have been overwritten
		return nil, endStopping
	}
	p, err := c.ReadChunk()
	c.in += int64(len(p))
	return p, causeOf(ctx, err, endIdle)
}

// write sends all of p, waiting where it must, or returns why it could not.
func (c *conn) write(ctx context.Context, p []byte) *cause {
	_ = c.SetWriteDeadline(time.Now().Add(stallMost))
	if ctx.Err() != nil { // as in read
		return endStopping
	}
	n, err := c.Write(p)
	c.out += int64(n)
	return causeOf(ctx, err, endStalled)
}

// causeOf is the cause that an error of reading or writing amounts to; late is the
// one if a deadline has passed. No error is none.
func causeOf(ctx context.Context, err error, late *cause) *cause {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return endStopping
	case errors.Is(err, io.EOF):
		return endInput
	case errors.Is(err, os.ErrDeadlineExceeded):
		return late
	case errors.Is(err, syscall.ETIMEDOUT), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return endLost
	}
	return endReset
}
