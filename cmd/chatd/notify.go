package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"runtime/pprof"
	"strings"
	"sync"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"

	"github.com/chatd/chatd/pkg/relay"
)

// notifier tells systemd how we are, by the protocol of sd_notify(3). Without
// NOTIFY_SOCKET it does nothing.
//
// It keeps its socket: the watchdog has to be fed also when no file descriptor is
// left to make another.
type notifier struct {
	// Set by newNotifier.
	log      zerolog.Logger
	address  string        // NOTIFY_SOCKET; empty: nobody wants to know
	watchdog time.Duration // how often systemd must hear from us; 0: it need not

	mu   sync.Mutex    // guards conn
	conn *net.UnixConn // nil: to be made
}

const (
	// statusEvery is how often the status line of systemctl is brought up to date.
	statusEvery = 5 * time.Second
	// notifyWait is how long systemd may take to receive a word.
	notifyWait = time.Second
	// maxStacks bounds what one log line says of a process that is not well. The
	// queue of the log drops lines of more than 256 KiB.
	maxStacks = 128 << 10
)

func newNotifier(log zerolog.Logger) *notifier {
	n := &notifier{log: log, address: os.Getenv("NOTIFY_SOCKET")}
	var err error
	if n.watchdog, err = sd.SdWatchdogEnabled(false); err != nil {
		log.Warn().Err(err).Msg("the watchdog is not fed")
	}
	return n
}

// send tells systemd the assignments in state, one a line.
func (n *notifier) send(state string) {
	if n.address == "" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	kept := n.conn != nil
	err := n.write(state)
	if err != nil && kept {
		err = n.write(state) // who listened there may have been replaced
	}
	if err != nil {
		n.log.Warn().Err(err).Msg("systemd does not hear us")
	}
}

// write sends one datagram. n.mu is held.
func (n *notifier) write(state string) error {
	if n.conn == nil {
		conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.address, Net: "unixgram"})
		if err != nil {
			return err
		}
		n.conn = conn
	}
	_ = n.conn.SetWriteDeadline(time.Now().Add(notifyWait))
	_, err := n.conn.Write([]byte(state))
	if err != nil {
		n.close()
	}
	return err
}

// close gives up the socket. n.mu is held.
func (n *notifier) close() {
	if n.conn != nil {
		_ = n.conn.Close()
		n.conn = nil
	}
}

// reloading announces a reload; READY=1 ends it.
func (n *notifier) reloading() { n.send("RELOADING=1\n" + sd.SdNotifyMonotonicUsec()) }

// begin says that we are ready, and from then on tells the status and, as long as
// probe succeeds, that we are well. The caller calls end, after which nothing is
// sent any more.
func (n *notifier) begin(status func() string, probe func(context.Context) error) (end func()) {
	if n.address == "" {
		return func() {}
	}
	first := status()
	n.send("READY=1\n" + first)
	ctx, cancel := context.WithCancel(context.Background())
	var beating sync.WaitGroup
	beating.Go(func() { n.beat(ctx, first, status, probe) })
	return func() {
		cancel()
		beating.Wait()
		n.mu.Lock()
		defer n.mu.Unlock()
		n.close()
	}
}

// beat sends the status when it is not the last one any more, and feeds the
// watchdog, until ctx is done.
func (n *notifier) beat(ctx context.Context, last string, status func() string, probe func(context.Context) error) {
	every := statusEvery
	if n.watchdog > 0 {
		every = min(every, n.watchdog/3)
	}
	t := time.NewTicker(every)
	defer t.Stop()
	well := true
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		var state []string
		if n.watchdog > 0 {
			err := n.probe(ctx, probe)
			if err == nil {
				state = append(state, "WATCHDOG=1")
			} else if well && ctx.Err() == nil {
				n.log.Error().Err(err).Str("stacks", stacks()).Msg("not well: the watchdog is not fed")
			}
			well = err == nil
		}
		if s := status(); s != last {
			state, last = append(state, s), s
		}
		if len(state) > 0 {
			n.send(strings.Join(state, "\n"))
		}
	}
}

// probe asks whether all is well. If no answer comes in time, systemd will
// restart us: the log then says who waited for whom.
func (n *notifier) probe(ctx context.Context, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, n.watchdog/3)
	defer cancel()
	return probe(ctx)
}

// stacks is where all goroutines are; those at the same place are counted.
func stacks() string {
	var b bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1)
	b.Truncate(min(b.Len(), maxStacks))
	return b.String()
}

// status is what systemctl status shows.
func status(c relay.Counts) string {
	return fmt.Sprintf("STATUS=%d talking, %d listening; %d messages so far", c.People, c.Sessions-c.People, c.Messages)
}
