package client_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chatd/chatd/internal/store"
	"github.com/chatd/chatd/pkg/client"
	"github.com/chatd/chatd/pkg/relay"
)

// serveIn names the folder in which a process serves until it is killed: its socket and
// its history.
const serveIn = "CHATD_CLIENT_SERVE"

// serve is a relay with history on disk.
func serve(dir string) {
	ctx := context.Background()
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	journal, err := store.Open(ctx, dir, store.Options{})
	fail(err)
	state, err := relay.LoadState(ctx, journal, journal)
	fail(err)
	socket := filepath.Join(dir, "socket")
	_ = os.Remove(socket) // of one that was killed
	l, err := net.Listen("unix", socket)
	fail(err)
	s := relay.New(relay.Config{Journal: journal, Registry: journal, State: state, Rate: relay.Unlimited})
	go func() { // it does not outlive the test
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	fmt.Println("ready")
	fail(s.Serve(ctx, l))
}

// start runs serve in a process of its own and waits until it can be reached.
func start(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(self)
	server.Env = append(os.Environ(), serveIn+"="+dir)
	server.Stderr = os.Stderr
	if _, err := server.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err == nil {
		_, err = io.ReadFull(out, make([]byte, len("ready\n")))
	}
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func kill(server *exec.Cmd) {
	_ = server.Process.Kill()
	_ = server.Wait()
}

// hear takes events until as many messages have come as are wanted, or an error; it
// returns how often each came, in order.
func hear(c *client.Client, wanted int) (order []string, faults []string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	had := map[string]bool{}
	for len(had) < wanted {
		e, err := c.Next(ctx)
		if err != nil {
			return order, faults, err
		}
		switch e := e.(type) {
		case client.Message:
			had[e.Text] = true
			order = append(order, e.Text)
		case client.Gap, client.Refused, client.Left:
			faults = append(faults, fmt.Sprintf("%#v", e))
		}
	}
	return order, faults, nil
}

// A server is killed again and again while two clients talk. Each sees every message
// once, and the history has each once.
func TestServerIsKilled(t *testing.T) {
	const (
		kills    = 4
		messages = 150 // of each
	)
	dir := t.TempDir()
	server := start(t, dir)
	defer func() { kill(server) }()
	url := "unix://" + filepath.Join(dir, "socket")
	var (
		talk, listen sync.WaitGroup
		clients      = map[string]*client.Client{}
		pause        = make(chan struct{}) // a token for each message that may be said
	)
	for _, name := range []string{"ana", "bob"} {
		c := dial(t, url, client.Options{Name: name, RetryBase: 10 * time.Millisecond, RetryCap: 100 * time.Millisecond})
		await[client.Live](t, c, nil)
		clients[name] = c
	}
	for name, c := range clients {
		listen.Go(func() {
			order, faults, err := hear(c, 2*messages)
			if err != nil || len(faults) > 0 {
				t.Errorf("%s: %v %q", name, err, faults)
			}
			seen := map[string]int{}
			for _, text := range order {
				seen[text]++
			}
			for text, n := range seen {
				if n != 1 {
					t.Errorf("%s saw %s %d times", name, text, n)
				}
			}
			if len(seen) != 2*messages {
				t.Errorf("%s saw %d messages of %d", name, len(seen), 2*messages)
			}
		})
		talk.Go(func() {
			for i := range messages {
				<-pause
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				if _, err := c.SendStored(ctx, "", fmt.Sprintf("%s %03d", name, i)); err != nil {
					t.Errorf("%s could not say %d: %v", name, i, err)
				}
				cancel()
			}
		})
	}
	for i := range 2 * messages {
		pause <- struct{}{}
		if i%(2*messages/(kills+1)) == 2*messages/(kills+1)-1 && i < 2*messages-2 {
			kill(server)
			server = start(t, dir)
		}
	}
	talk.Wait()
	listen.Wait()

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	kept := map[string]int{}
	for after, more := uint64(0), true; more; {
		p, err := clients["ana"].HistoryAfter(ctx, "lobby", after, 500)
		if err != nil || len(p.Messages) == 0 {
			t.Fatal(p, err)
		}
		for _, m := range p.Messages {
			if kept[m.Text]++; kept[m.Text] > 1 {
				t.Errorf("%s was said again as %v, under the id %q", m.Text, m.Position, m.ID)
			}
			after = m.Seq
		}
		more = p.More
	}
	if counts := slices.Compact(slices.Sorted(maps.Values(kept))); len(kept) != 2*messages || !slices.Equal(counts, []int{1}) {
		t.Errorf("%d messages are kept, %v times", len(kept), counts)
	}
}
