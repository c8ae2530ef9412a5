// Chatload puts a load on a server that passes what one connection says to all
// of them, and reports what that cost: CPU per delivery (one message read by one
// client), latency, memory, and whether each client got every message once and in
// order.
//
// It is one thread that reads with epoll, so that the server is what is measured.
// There are two ways to send. With -window W, W messages are in flight: when all
// who read have got one, the next is sent, so the server is as busy as it can be.
// With -rate R, messages are due at R a second whatever the server does, and
// latency counts from when a message was due: a stall is not hidden.
//
// With -group G there are many conversations instead of one: rooms, pairs, or with
// G = 1 an echo. Each group has a window of its own, so that a slow one holds up no
// other, and 2,000 pairs with one message in flight each keep a server busy. A rate
// is that of all groups, which take turns.
//
// Senders take turns. The measurement begins and ends with nothing in flight, so
// what the server's CPU was spent on is what was delivered.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// self is this process.
var self = process(os.Getpid())

func main() { os.Exit(command(os.Args[1:], os.Stdout, os.Stderr)) }

// command runs the program: 0 all is well; 1 something was lost, repeated,
// reordered, torn or led astray, or the run failed; 2 the flags make no sense.
func command(args []string, stdout, stderr io.Writer) int {
	cfg, out, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "chatload:", err)
		return 2
	case out.fields:
		writeFields(stdout)
		return 0
	}
	if f, ok := stderr.(*os.File); ok && terminal(f) {
		cfg.progress = f
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second one ends the program at once

	r, err := cfg.run(ctx)
	if out.json {
		_ = json.NewEncoder(stdout).Encode(r)
	} else {
		r.write(stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "chatload:", err)
	}
	if err != nil || r.faults() > 0 {
		return 1
	}
	return 0
}

// run puts the load on and takes it off again. In spite of an error it returns
// what was found until then.
func (c config) run(ctx context.Context) (result, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l := newLoad(c)
	r, err := l.measure(ctx)
	if err == nil {
		err = l.settle(ctx, &r)
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r, err
}
