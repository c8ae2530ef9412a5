package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/chatd/chatd/internal/invariant"
	"github.com/chatd/chatd/pkg/client"
)

// lineByLine gives each line that is written to it to a function, without its end.
type lineByLine struct {
	begun []byte
	line  func(string)
}

func (l *lineByLine) Write(p []byte) (int, error) {
	l.begun = append(l.begun, p...)
	for {
		line, rest, ok := bytes.Cut(l.begun, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.line(strings.TrimRight(string(line), "\r"))
		l.begun = rest
	}
}

// watched is a stream of which every line is given to a function as well.
type watched struct {
	io.Reader
	io.Closer
}

func watch(r io.ReadCloser, line func(string)) io.ReadCloser {
	return watched{io.TeeReader(r, &lineByLine{line: line}), r}
}

// piped runs a program whose input and output are pipes, until the test ends. Each line
// that it prints is given to a function, and stands in the transcript.
func piped(t *testing.T, line func(string), command ...string) (in io.Writer, out *transcript) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	keyboard, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	screen, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; tools/deps.sh installs it", err)
	}
	out = listenTo(t, watch(screen, line))
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		out.wait()
		_ = cmd.Wait()
	})
	return keyboard, out
}

// takesName has somebody with a plain connection take m's name.
func (m *member) takesName(in io.Writer, out *transcript) {
	m.party.t.Helper()
	fmt.Fprintf(in, "/nick %s\n/nick\n", m.name)
	out.until(m.party.t, `^\* you are `+m.name+`; /nick NAME changes it\r*$`)
}

// usesNC has m talk with nc.
func (m *member) usesNC(port string) {
	m.party.t.Helper()
	in, out := piped(m.party.t, m.line, "nc.openbsd", "127.0.0.1", port)
	m.say = func(text string) error {
		_, err := io.WriteString(in, text+"\n")
		return err
	}
	m.takesName(in, out)
}

// ofTelnet are lines of its own that telnet shows.
var ofTelnet = regexp.MustCompile(`^(Trying .*|Connected to .*|Escape character is .*|Connection closed .*)$`)

// usesTelnet has m talk with telnet, at a terminal.
func (m *member) usesTelnet(port string) {
	t := m.party.t
	t.Helper()
	cmd := exec.Command("inetutils-telnet", "127.0.0.1", port)
	cmd.Env = append(os.Environ(), "TERM=dumb")
	terminal, err := pty.Start(cmd)
	if err != nil {
		t.Fatalf("%v; tools/deps.sh installs it", err)
	}
	out := listenTo(t, watch(terminal, func(line string) {
		if !ofTelnet.MatchString(line) {
			m.line(line)
		}
	}))
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		out.wait()
		_ = cmd.Wait()
	})
	// From here on the terminal is as telnet wants it, but that it does not show what is
	// typed: that would stand in the middle of what others say.
	out.until(t, `^\* you are guest\d+: `)
	if err := noEcho(terminal); err != nil {
		t.Fatal(err)
	}
	m.say = func(text string) error {
		_, err := io.WriteString(terminal, text+"\n")
		return err
	}
	m.takesName(terminal, out)
}

// noEcho has a terminal not show what is typed.
func noEcho(terminal *os.File) error {
	way, err := terminal.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = way.Control(func(fd uintptr) {
		modes, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
		if err == nil {
			modes.Lflag &^= unix.ECHO
			err = unix.IoctlSetTermios(int(fd), unix.TCSETS, modes)
		}
		failed = err
	})
	if err == nil {
		err = failed
	}
	return err
}

// usesWebSocket has m talk with a WebSocket client that knows nothing of this server.
func (m *member) usesWebSocket(url string) {
	t := m.party.t
	t.Helper()
	// Debian's Python: another one would not have Debian's library.
	in, out := piped(t, m.object, "/usr/bin/python3", "testdata/websocket.py", url, m.name)
	m.say = func(text string) error {
		_, err := io.WriteString(in, text+"\n")
		return err
	}
	out.until(t, `"type":"live"`)
}

// object takes in an object of the protocol.
func (m *member) object(text string) {
	m.mustBeHarmless(text)
	var o struct {
		Type, From, Text     string
		Seq                  uint64
		Missing, First, Last uint64
	}
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		m.party.t.Errorf("%s is sent %q: %v", m.name, text, err)
	}
	switch o.Type {
	case "message":
		m.message(o.From, o.Text, o.Seq)
	case "gap":
		m.Add(invariant.Gap{Count: o.Missing, First: o.First, Last: o.Last})
	default:
		m.Add(invariant.Notice(o.Type))
	}
}

// usesGo has m talk with a program that is written in Go, and returns what that talks
// with.
func (m *member) usesGo(url string) *client.Client {
	t := m.party.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := client.Dial(ctx, url, client.Options{Name: m.name})
	if err != nil {
		t.Fatal(err)
	}
	live := make(chan struct{})
	var hearing sync.WaitGroup
	hearing.Go(func() { m.hear(c, sync.OnceFunc(func() { close(live) })) })
	t.Cleanup(func() {
		c.Close()
		hearing.Wait()
	})
	m.say = func(text string) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err := c.Post(ctx, client.Draft{Text: text, UntilStored: true})
		return err
	}
	select {
	case <-live:
	case <-ctx.Done():
		t.Fatalf("%s does not get into the room", m.name)
	}
	return c
}

// hear takes in what comes, until the client is closed.
func (m *member) hear(c *client.Client, live func()) {
	for {
		e, err := c.Next(context.Background())
		if err != nil {
			return
		}
		switch e := e.(type) {
		case client.Live:
			live()
		case client.Message:
			m.message(e.From, e.Text, e.Seq)
		case client.Gap:
			m.Add(invariant.Gap{Count: e.Missing, First: e.First, Last: e.Last})
		case client.Refused:
			m.party.t.Errorf("%s: %v", m.name, e.Err)
		default:
			m.Add(invariant.Notice(fmt.Sprintf("%T", e)))
		}
	}
}
