package small

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long anything is waited for. Only a failure takes it.
const patience = time.Minute

// generous is a Config that nobody comes near to.
var generous = Config{MaxClients: 1000}

// begin serves on l until the test ends, and returns the end of Serve.
func begin(t *testing.T, s *Server, l net.Listener, service Service) (ended <-chan error) {
	t.Helper()
	end := make(chan error, 1)
	var serving sync.WaitGroup
	serving.Go(func() { end <- s.Serve(context.Background(), l, service) })
	t.Cleanup(func() {
		s.Close()
		serving.Wait()
	})
	return end
}

// each runs a test over each kind of network.
func each(t *testing.T, test func(t *testing.T, l net.Listener)) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) { test(t, listen(t, network)) })
	}
}

func listen(t *testing.T, network string) net.Listener {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// plenty is more bytes than the kernel keeps for two ends of a connection.
const plenty = 32 << 20

// client is a connection of the test's, which fails it rather than waits for ever.
type client struct {
	net.Conn
	t *testing.T
}

func dial(t *testing.T, l net.Listener) client {
	t.Helper()
	conn, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { conn.Close() })
	return client{conn, t}
}

func (c client) sends(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// gets reads as many bytes as want has, which they must be.
func (c client) gets(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		c.t.Fatalf("got %.40q, %v; want %.40q", got[:n], err, want)
	}
}

// echoes sends something and gets it back.
func (c client) echoes(text string) {
	c.t.Helper()
	c.sends(text)
	c.gets(text)
}

func (c client) halfCloses() {
	c.t.Helper()
	if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
}

// rest is everything up to the end, which has to be a clean one.
func (c client) rest() string {
	c.t.Helper()
	text, err := io.ReadAll(c)
	if err != nil {
		c.t.Errorf("after %.40q: %v", text, err)
	}
	return string(text)
}

// journal is a log that can be read while it is written.
type journal struct {
	mu    sync.Mutex
	lines []string
	added chan struct{} // a token for each line
}

func newJournal() (*journal, *zerolog.Logger) {
	j := &journal{added: make(chan struct{}, 10_000)}
	log := zerolog.New(j)
	return j, &log
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, string(p))
	j.added <- struct{}{}
	return len(p), nil
}

// next waits for the next lines, so many, and returns them.
func (j *journal) next(t *testing.T, n int) []string {
	t.Helper()
	for range n {
		select {
		case <-j.added:
		case <-time.After(patience):
			t.Fatalf("only so much is in the log: %q", j.lines)
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := j.lines[:n]
	j.lines = j.lines[n:]
	return lines
}

// pattern is n bytes that no shift or loss leaves as they are.
func pattern(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}
