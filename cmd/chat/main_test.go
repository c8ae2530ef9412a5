package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/chatd/chatd/internal/store"
	"github.com/chatd/chatd/pkg/client"
	"github.com/chatd/chatd/pkg/relay"
)

var update = flag.Bool("update", false, "write the screens and the help that tests compare with")

// patience is how long a test waits for what has to come.
const patience = 30 * time.Second

// TestMain runs the tests or, if the environment says so, the program or a server that
// can be killed.
func TestMain(m *testing.M) {
	switch be := os.Getenv("BE"); {
	case be == "chat":
		os.Exit(run(os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
	case strings.HasPrefix(be, "server in "):
		beServer(strings.TrimPrefix(be, "server in "))
		return
	}
	goleak.VerifyTestMain(m)
}

// beServer is a relay with history on disk, on a socket in the same folder.
func beServer(dir string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	ctx := context.Background()
	journal, err := store.Open(ctx, dir, store.Options{})
	fail(err)
	state, err := relay.LoadState(ctx, journal, journal)
	fail(err)
	socket := filepath.Join(dir, "socket")
	_ = os.Remove(socket) // of one that was killed
	l, err := net.Listen("unix", socket)
	fail(err)
	s := relay.New(relay.Config{Name: "test", Journal: journal, Registry: journal, State: state, Rate: relay.Unlimited})
	fmt.Println("ready")
	fail(s.Serve(ctx, l))
}

// startServer runs beServer in a process, and returns when it can be reached.
func startServer(t *testing.T, dir string) (kill func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(self)
	server.Env = append(os.Environ(), "BE=server in "+dir)
	server.Stderr = os.Stderr
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the server says %q: %v", line, err)
	}
	return func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	}
}

// serve runs a relay on a socket until the test has ended, and returns its address.
func serve(t *testing.T, cfg relay.Config) string {
	t.Helper()
	return serveOn(t, "unix", filepath.Join(t.TempDir(), "socket"), cfg)
}

// serveOn is serve on any address.
func serveOn(t *testing.T, network, address string, cfg relay.Config) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Name, cfg.Rate = "test", relay.Unlimited
	s := relay.New(cfg)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		s.Close()
		<-ended
	})
	return network + "://" + l.Addr().String()
}

// person is somebody else in the chat.
type person struct {
	*client.Client
	t *testing.T
}

// someone joins as a client, in rooms.
func someone(t *testing.T, url, name string, rooms ...string) *person {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	o := client.Options{Name: name, RetryCap: 100 * time.Millisecond}
	for _, room := range rooms {
		o.Rooms = append(o.Rooms, client.RoomOptions{Room: room})
	}
	c, err := client.Dial(ctx, url, o)
	if err != nil {
		t.Fatal(err)
	}
	p := &person{Client: c, t: t}
	t.Cleanup(func() { c.Close() })
	p.live()
	return p
}

// await takes events until one is right.
func (p *person) await(what string, right func(client.Event) bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		e, err := p.Next(ctx)
		if err != nil {
			p.t.Fatalf("%s did not come: %v", what, err)
		}
		if right(e) {
			return
		}
	}
}

func (p *person) live() {
	p.t.Helper()
	p.await("the room", func(e client.Event) bool { _, ok := e.(client.Live); return ok })
}

// hears waits until somebody says something.
func (p *person) hears(text string) {
	p.t.Helper()
	p.await(text, func(e client.Event) bool { m, ok := e.(client.Message); return ok && m.Text == text })
}

// says says something, and returns when everybody will see it.
func (p *person) says(room, text string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := p.Send(ctx, room, text); err != nil {
		p.t.Fatal(err)
	}
}

// golden compares got with a file, or writes it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	file = filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs; go test ./cmd/chat -update writes it anew (-file +now):\n%s", file, diff)
	}
}

// The client takes in nothing of the server.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/chatd/chatd/"
	var ours []string
	for _, path := range strings.Fields(string(out)) {
		if of, ok := strings.CutPrefix(path, module); ok {
			ours = append(ours, of)
		}
		for _, server := range []string{"modernc.org/", "github.com/rs/zerolog", "github.com/caarlos0/", "github.com/coreos/"} {
			if strings.HasPrefix(path, server) {
				t.Errorf("it depends on %s", path)
			}
		}
	}
	slices.Sort(ours)
	if want := []string{"cmd/chat", "internal/terminal", "internal/when", "internal/wire", "pkg/client"}; !slices.Equal(ours, want) {
		t.Errorf("it depends on %q of ours", ours)
	}
}
