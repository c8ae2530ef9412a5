package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/chatd/chatd/pkg/client"
)

// Follow prints what is said, each line as soon as it comes, until whoever reads stdout
// has had enough, or the client has ended. With more than one room, each line names its.
// What there is to tell of the connection goes to complain, a sentence at a time.
func Follow(c *client.Client, rooms int, stdout *os.File, complain func(error)) error {
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() {
		if abandoned(ctx, stdout) {
			cancel()
		}
	})
	defer watching.Wait()
	defer cancel()
	f := follower{out: stdout, complain: complain, days: newDays(), several: rooms > 1}
	for {
		e, err := c.Next(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		switch err := f.show(e); {
		case errors.Is(err, syscall.EPIPE):
			return nil
		case err != nil:
			return fmt.Errorf("printing what is said: %w", err)
		}
	}
}

// follower prints events for programs.
type follower struct {
	out      io.Writer
	complain func(error)
	days     days
	several  bool // rooms, so that each line says in which it is
	lost     bool // the connection, and it was said so
}

// show prints what an event tells of what was said. Of the connection it
// speaks to complain.
func (f *follower) show(e client.Event) error {
	switch e := e.(type) {
	case client.Connected:
		if f.lost {
			f.lost = false
			f.complain(errors.New("connected again"))
		}
	case client.Disconnected:
		if !f.lost && !e.Retry.IsZero() {
			f.lost = true
			f.complain(errors.New("connecting again: " + Reason(e.Err)))
		}
	case client.Refused:
		f.complain(e.Err)
	case client.Left:
		if e.Err != nil {
			f.complain(errors.New(e.Room + ": " + e.Err.Error()))
		}
	default:
		x, ok := entryOf(e)
		if !ok || x.kind == passing {
			return nil
		}
		if !f.several {
			x.room = ""
		}
		if day, ok := f.days.next(x); ok {
			if _, err := io.WriteString(f.out, day.plain()+"\n"); err != nil {
				return err
			}
		}
		_, err := io.WriteString(f.out, x.plain()+"\n")
		return err
	}
	return nil
}

// abandoned waits until nobody can read any more what is written to f, a pipe, and
// tells whether that came before the end of ctx. Without it, grep -m1 would be over and
// the program stay until somebody says something.
func abandoned(ctx context.Context, f *os.File) bool {
	r, w, err := os.Pipe()
	if err != nil {
		return false
	}
	defer r.Close()
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		w.Close()
		close(ended)
	})
	defer func() {
		if stop() {
			w.Close()
		} else {
			<-ended
		}
	}()
	fds := []unix.PollFd{{Fd: int32(f.Fd())}, {Fd: int32(r.Fd())}}
	for ctx.Err() == nil {
		n, err := unix.Poll(fds, -1)
		switch {
		case errors.Is(err, unix.EINTR) || n == 0:
		case err != nil || fds[1].Revents != 0:
			return false
		case fds[0].Revents&(unix.POLLERR|unix.POLLNVAL) != 0:
			return true
		default: // a terminal that is gone, or what else is no pipe
			return false
		}
	}
	return false
}
