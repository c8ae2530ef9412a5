package listen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// roleVariable makes the test binary play a part in a process of its own.
const roleVariable = "LISTEN_TEST_ROLE"

var roles = map[string]func() error{
	"activated": activated, // systemd_test.go
	"crowded":   crowded,   // full_test.go
	"holder":    holder,    // process_test.go
}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := roles[role](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// open opens what a list says and closes it when the test ends.
func open(t *testing.T, c Config, urls string) []*Listener {
	t.Helper()
	listeners, err := tryOpen(c, urls)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, l := range listeners {
			l.Close()
		}
	})
	return listeners
}

func tryOpen(c Config, urls string) ([]*Listener, error) {
	specs, err := Parse(urls)
	if err != nil {
		return nil, err
	}
	return c.Open(context.Background(), specs...)
}

// openError is the text of the one error that opening gives.
func openError(t *testing.T, urls string) string {
	t.Helper()
	listeners, err := tryOpen(Config{}, urls)
	for _, l := range listeners {
		l.Close()
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("opening %s: %v, want an *Error", urls, err)
	}
	return err.Error()
}

// shortDir is a new directory whose name leaves room for a socket's.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "listen")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func socketPath(t *testing.T) string { return filepath.Join(shortDir(t), "chat.sock") }

func wantText(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func wantPart(t *testing.T, got, part string) {
	t.Helper()
	if !strings.Contains(got, part) {
		t.Errorf("%q lacks %q", got, part)
	}
}

// readAll returns what the other side says until it has ended.
func readAll(t *testing.T, conn net.Conn) string {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}
