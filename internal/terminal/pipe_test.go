package terminal

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd/chatd/internal/terminal/tmuxtest"
	"github.com/chatd/chatd/pkg/client"
	"github.com/chatd/chatd/pkg/relay"
)

// dial joins as a client, without history and back at once.
func dial(t *testing.T, socket string, o client.Options) *client.Client {
	t.Helper()
	o.RetryCap, o.History = 10*time.Millisecond, client.None
	c, err := client.Dial(t.Context(), "unix://"+socket, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Every line is done, one command after the other, and the end of the input is the end
// when all is answered.
func TestPipe(t *testing.T) {
	t.Parallel()
	c := dial(t, serve(t), client.Options{Name: "ana"})
	const input = "hello\n\n  \n/topic tea at \x1b[2Jfour\n/topic\n//quit is said\r\n/whois\n/me waves\n/join den\nin the den\n" +
		"/dance\n/leave\n/last 2\n/nick eva\nmy last words"
	const want = `00:00 ana: hello
00:00 * ana set the topic: tea at ␛[2Jfour
* topic: tea at ␛[2Jfour
00:00 ana: /quit is said
* write /whois NAME
00:00 * ana waves
00:00 ana: in the den
* there is no /dance, and nothing was sent; /help lists the commands, //dance sends the line as text
* you left den
* room lobby; topic: tea at ␛[2Jfour
* the last messages:
00:00 ana: /quit is said
00:00 * ana waves
* now:
00:00 eva: my last words
`
	var out strings.Builder
	if err := Pipe(c, Options{}, strings.NewReader(input), &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, tmuxtest.Timeless(out.String())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What comes behind /quit is not done.
func TestPipeIsQuit(t *testing.T) {
	t.Parallel()
	c := dial(t, serve(t), client.Options{Name: "ana"})
	var out strings.Builder
	if err := Pipe(c, Options{Notes: []string{"a note"}}, strings.NewReader("hello\n/quit\nnever\n"), &out); err != nil {
		t.Fatal(err)
	}
	if got := tmuxtest.Timeless(out.String()); got != "* a note\n00:00 ana: hello\n" {
		t.Errorf("it prints %q", got)
	}
}

// A room that cannot be had ends it with the server's sentence, before anything is done.
func TestPipeIntoNoRoom(t *testing.T) {
	t.Parallel()
	c := dial(t, serve(t), client.Options{Rooms: []client.RoomOptions{{Room: "a b"}}})
	var out strings.Builder
	err := Pipe(c, Options{}, strings.NewReader("hello\n"), &out)
	if err == nil || err.Error() != "a name has no spaces; try a_b" || out.String() != "" {
		t.Errorf("it ends with %v and prints %q", err, out.String())
	}
}

// Texts and commands are answered however many they are.
func TestPipeOfMany(t *testing.T) {
	t.Parallel()
	c := dial(t, serve(t), client.Options{Name: "ana"})
	var out strings.Builder
	if err := Pipe(c, Options{}, strings.NewReader(strings.Repeat("a text\n", 1000)+strings.Repeat("/whois\n", 100)), &out); err != nil {
		t.Fatal(err)
	}
	if texts, answers := strings.Count(out.String(), "ana: a text\n"), strings.Count(out.String(), "* write /whois NAME\n"); texts != 1000 || answers != 100 {
		t.Errorf("of 1000 texts %d came back, and of 100 commands %d answers", texts, answers)
	}
}

// Input that is no lines, or fails, and output that nobody reads end it.
func TestPipeIsBroken(t *testing.T) {
	t.Parallel()
	socket := serve(t)
	for _, test := range []struct {
		name string
		in   io.Reader
		out  io.Writer
		want string
	}{
		{"a line without end", strings.NewReader("one\n" + strings.Repeat("x", lineMost+1)), io.Discard, "a line of the input has more than 1048576 bytes; what was before it is done"},
		{"input that fails", io.MultiReader(strings.NewReader("two\n"), failing{}), io.Discard, "the input could not be read to its end: gone"},
		{"output that fails", strings.NewReader("three\n"), failing{}, "gone"},
		{"nobody reads", strings.NewReader("four\n"), failing{syscall.EPIPE}, ""},
	} {
		err := Pipe(dial(t, socket, client.Options{}), Options{}, test.in, test.out)
		if err == nil && test.want != "" || err != nil && err.Error() != test.want {
			t.Errorf("%s: it ends with %v", test.name, err)
		}
	}
}

type failing struct{ error }

func (f failing) why() error {
	if f.error != nil {
		return f.error
	}
	return errors.New("gone")
}

func (f failing) Read([]byte) (int, error)  { return 0, f.why() }
func (f failing) Write([]byte) (int, error) { return 0, f.why() }

// A server that goes is told of, and what is typed meanwhile waits until it is back.
func TestPipeOutlivesTheServer(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "socket")
	begin := func() (stop func()) {
		l, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		s := relay.New(relay.Config{Name: "test", Rate: relay.Unlimited})
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(context.Background(), l) }()
		return func() {
			s.Close()
			<-ended
		}
	}
	stop := begin()
	c := dial(t, socket, client.Options{Name: "ana"})
	in, typed := io.Pipe()
	shown, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- Pipe(c, Options{Seat: true}, in, out)
		out.Close()
	}()
	lines := bufio.NewReader(shown)
	expect := func(want string) {
		t.Helper()
		line, err := lines.ReadString('\n')
		if err != nil || !strings.HasPrefix(tmuxtest.Timeless(line), want) {
			t.Fatalf("%q came instead of %q, %v", line, want, err)
		}
	}
	_, _ = io.WriteString(typed, "before\n")
	expect("00:00 ana: before")
	stop()
	expect("* the server is gone (")
	_, _ = io.WriteString(typed, "meanwhile\n")
	typed.Close()
	defer begin()()
	expect("* the server is back")
	expect("* chatd did not end cleanly")
	expect("00:00 ana: meanwhile")
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
