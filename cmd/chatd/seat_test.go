package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd/chatd/internal/terminal/tmuxtest"
)

// socketIn is the path of a socket in a folder of its own: a name has room for 107 bytes.
func socketIn(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/tmp", "seat")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return filepath.Join(folder, "chat.sock")
}

// startOn runs a server on a socket, and on a port.
func startOn(t *testing.T, socket string, environ environment) (p *program, port string) {
	t.Helper()
	all := environment{"CHATD_LISTEN": "tcp://127.0.0.1:0,unix://" + socket, "CHATD_RATE": "off"}
	for name, value := range environ {
		all[name] = value
	}
	p = start(t, all)
	port = p.port()
	p.says(`^listening on unix://`)
	return p, port
}

// command is chatd with an input, in a process of its own. Whose may be set.
func command(t *testing.T, environ environment, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = []string{"BE=chatd with an input", "TZ=UTC", "GORACE=atexit_sleep_ms=0"}
	for name, value := range environ {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// outcome runs a command to its end.
func outcome(t *testing.T, cmd *exec.Cmd, input string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &err
	if failure := cmd.Run(); failure != nil && cmd.ProcessState == nil {
		t.Fatal(failure)
	}
	return cmd.ProcessState.ExitCode(), tmuxtest.Timeless(out.String()), err.String()
}

// asNobody has a command be run by a user who is no operator; it is a copy that everyone
// may run. Only root can do so.
func asNobody(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	folder, err := os.MkdirTemp("/tmp", "nobody")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path = filepath.Join(folder, "chatd")
	if err := os.WriteFile(cmd.Path, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.Dir = folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return cmd
}

// forEveryone lets everyone into the folder of a socket.
func forEveryone(t *testing.T, socket string) {
	t.Helper()
	if err := os.Chmod(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
}

// The console is an operator's seat: what is typed there an operator's commands do, and
// the answers are printed. Bob is told as by any operator.
func TestConsolePipe(t *testing.T) {
	t.Parallel()
	socket := socketIn(t)
	_, port := startOn(t, socket, nil)
	bob := arrive(t, port, "bob")
	bob.says("hello")
	bob.sees(`bob: hello$`)
	eve := arrive(t, port, "eve")
	status, stdout, stderr := outcome(t, command(t, nil, "console", "--socket", socket),
		"/nick olga\n/sessions bob\n/topic tea\nwho is eve?\n/kick eve\n/kick #1000\n/close\n/open\n/join den\nhello den\n")
	want := `* 1 of 3 connections:
* #1 bob (tcp 127.0.0.1), in lobby, since 00:00, idle 0s
00:00 * olga set the topic: tea
00:00 olga: who is eve?
* eve is out
* there is no connection #1000; /sessions lists them
* newcomers are turned away until /open
* newcomers are let in
00:00 olga: hello den
`
	stdout = regexp.MustCompile(`idle \d+s`).ReplaceAllString(stdout, "idle 0s")
	if diff := cmp.Diff(want, stdout); diff != "" || status != exitOK || stderr != "" {
		t.Errorf("it exits with %d, says %q and prints (-want +got)\n%s", status, stderr, diff)
	}
	eve.sees(`^\* you were kicked by olga$`)
	bob.sees(`olga: who is eve\?$`)

	status, stdout, _ = outcome(t, command(t, nil, "console", "den", "--socket", socket), "/stats\n/who")
	if status != exitOK || !strings.HasPrefix(stdout, "* up since 00:00, for ") || strings.Count(stdout, "\n") != 8 ||
		!strings.HasSuffix(stdout, "\n* here: 1 listening\n") {
		t.Errorf("it exits with %d and prints\n%s", status, stdout)
	}
}

// Whoever is no operator is told so once, and takes part.
func TestConsoleOfNobody(t *testing.T) {
	t.Parallel()
	socket := socketIn(t)
	startOn(t, socket, nil)
	forEveryone(t, socket)
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := outcome(t, asNobody(t, command(t, nil, "console", "--socket", socket)), "/stats\nhello\n")
	want := `* you are no operator here, and sit as everybody does: root and the user chatd runs as are operators
* /stats is for operators; nothing was done
00:00 nobody: hello
`
	if diff := cmp.Diff(want, stdout); diff != "" || status != exitOK || stderr != "" {
		t.Errorf("it exits with %d, says %q and prints (-want +got)\n%s", status, stderr, diff)
	}
}

// withoutUsual skips a test where a chatd runs at a usual socket: it would be found.
func withoutUsual(t *testing.T) {
	t.Helper()
	for _, path := range usualSockets {
		if _, err := os.Stat(path); err == nil {
			t.Skipf("a chatd has %s on this machine", path)
		}
	}
}

// The server is found by what it was started with.
func TestSeatIsFound(t *testing.T) {
	t.Parallel()
	withoutUsual(t)
	socket := socketIn(t)
	_, port := startOn(t, socket, nil)
	bob := arrive(t, port, "bob")
	environ := environment{"CHATD_LISTEN": "tcp://127.0.0.1:0,unix://" + socket + "none,unix://" + socket, "CHATD_RATE": "bad"}
	for _, args := range [][]string{{"console"}, {"say", "lobby", "hello"}} {
		status, _, stderr := outcome(t, command(t, environ, args...), "hello\n")
		if status != exitOK || stderr != "" {
			t.Fatalf("chatd %q exits with %d and says %q", args, status, stderr)
		}
		bob.sees(`: hello$`)
	}
}

// What keeps one from a seat is told in a sentence, and by the exit status.
func TestNoSeat(t *testing.T) {
	t.Parallel()
	withoutUsual(t)
	socket := socketIn(t)
	folder := filepath.Dir(socket)
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: folder + "/stale", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	for _, test := range []struct {
		name    string
		listen  string
		named   string
		status  int
		stderr  string
		another bool // by a user who may not
	}{
		{
			name: "nothing", status: exitNoServer,
			stderr: "no chatd is running here: /run/chatd/chatd.sock is not there; /run/chatd.sock is not there; --socket PATH names another one",
		},
		{
			name: "CHATD_LISTEN", listen: "tcp://:7777, unix://" + folder + "/none?mode=0600,unix://" + folder + "/raw?serve=raw,nonsense", status: exitNoServer,
			stderr: "no chatd is running here: /run/chatd/chatd.sock is not there; /run/chatd.sock is not there; " + folder + "/none is not there; --socket PATH names another one",
		},
		{
			name: "a stale one", named: folder + "/stale", status: exitNoServer,
			stderr: "no chatd is running here: nobody listens on " + folder + "/stale; --socket PATH names another one",
		},
		{
			name: "no permission", named: folder + "/stale", status: exitDenied, another: true,
			stderr: "you have no permission to use " + folder + "/stale; be root, or of the group that it is for",
		},
	} {
		for _, what := range [][]string{{"console"}, {"say", "--timeout", "10s"}} {
			if test.named != "" {
				what = append(what, "--socket", test.named)
			}
			if what[0] == "say" {
				what = append(what, "lobby", "hello")
			}
			cmd := command(t, environment{"CHATD_LISTEN": test.listen}, what...)
			if test.another {
				cmd = asNobody(t, cmd)
			}
			status, stdout, stderr := outcome(t, cmd, "hello\n")
			if status != test.status || stdout != "" || stderr != "chatd: "+test.stderr+"\n" {
				t.Errorf("%s: %q exits with %d, prints %q and says\n%swant\n%s", test.name, what, status, stdout, stderr, test.stderr)
			}
		}
	}
}

// Sockets are tried in their order, each once, and others than those of chat not at all.
func TestDoors(t *testing.T) {
	t.Parallel()
	usual := []string{"unix:///run/chatd/chatd.sock", "unix:///run/chatd.sock"}
	for _, test := range []struct {
		listen, named string
		want          []string
	}{
		{want: usual},
		{listen: "tcp://:7777,fd://chat", want: usual},
		{listen: "unix:///run/chatd.sock?mode=0600", want: usual},
		{
			listen: " unix:///tmp/a b?c , unix:///tmp/json?serve=json,unix:///tmp/raw?serve=raw,unix:///tmp/echo?serve=echo,unix:///tmp/%41",
			want:   append(slices.Clone(usual), "unix:///tmp/json?serve=json", "unix:///tmp/A"),
		},
		{listen: "unix:///tmp/chat", named: "/tmp/a b?c", want: []string{"unix:///tmp/a%20b%3Fc"}},
	} {
		var got []string
		for _, d := range doors(environment{"CHATD_LISTEN": test.listen}, test.named) {
			got = append(got, d.url())
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q %q (-want +got):\n%s", test.listen, test.named, diff)
		}
	}
}

// Each command explains itself, with no server there, on the narrowest terminal.
func TestSeatHelp(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{"console": consoleHelp, "say": sayHelp} {
		for _, arg := range []string{"--help", "-h"} {
			status, stdout, stderr := chatd(t, nil, command, arg)
			if status != exitOK || stdout != want || stderr != "" {
				t.Errorf("chatd %s %s exits with %d and says %q", command, arg, status, stderr)
			}
		}
		for line := range strings.Lines(want) {
			if n := len(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("a line has %d columns: %s", n, line)
			}
		}
	}
}

// What listens on a socket and says nothing, or is no chatd, is told apart.
func TestSeatAtSomethingElse(t *testing.T) {
	t.Parallel()
	socket := socketIn(t)
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	silent := "chatd: the server on " + socket + " does not answer; perhaps an operator has newcomers wait (/pause)\n"
	status, _, stderr := outcome(t, command(t, nil, "say", "--socket", socket, "--timeout", "200ms", "lobby", "x"), "")
	if status != exitNoAnswer || stderr != silent {
		t.Errorf("before a silent server it exits with %d and says %q", status, stderr)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "220 ready\r\n\x00\r\n{\"type\":5}\r\n")
			c.Close()
		}
	}()
	status, _, stderr = outcome(t, command(t, nil, "say", "--socket", socket, "lobby", "x"), "")
	if status != exitNoServer {
		t.Errorf("before something else it exits with %d and says %q", status, stderr)
	}
}

// While an operator has newcomers wait, nobody gets in, on no listener; then all who
// waited do.
func TestNewcomersWait(t *testing.T) {
	t.Parallel()
	socket := socketIn(t)
	_, port := startOn(t, socket, nil)
	olga := dial(t, socket)
	olga.says("/pause 1m")
	olga.sees(`^\* newcomers wait for 1 minute, or until /resume-accepting$`)
	bob := dial(t, port)
	status, _, stderr := outcome(t, command(t, nil, "say", "--socket", socket, "--timeout", "300ms", "lobby", "x"), "")
	if status != exitNoAnswer || !strings.Contains(stderr, "does not answer") {
		t.Errorf("meanwhile say exits with %d and says %q", status, stderr)
	}
	olga.says("/sessions")
	olga.sees(`^\* 1 connection:$`)
	olga.says("/resume-accepting")
	olga.sees(`^\* newcomers are let in$`)
	bob.sees(`^\* you are guest\d+: `)
}

// At a terminal it is a screen. The server goes, and comes back; what was typed is said.
func TestConsoleScreen(t *testing.T) {
	t.Parallel()
	socket := socketIn(t)
	server, port := startOn(t, socket, nil)
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	x := tmuxtest.Open(t, 120, 40, "tmux-256color", fmt.Sprintf(
		"env -u COLORTERM 'BE=chatd with an input' NO_COLOR=1 TZ=UTC GORACE=atexit_sleep_ms=0 %s console --socket %s lobby; echo It exits with $?; cat",
		tmuxtest.Quote(self), socket))
	x.Drawn("operator>", "nobody else ──")
	x.Types("/sess", "Tab")
	x.Shows("operator> /sessions")
	x.Types("", "Enter")
	x.Shows("* 1 connection:", "operator, you")
	bob := arrive(t, port, "bob")
	x.Shows("* bob joined")
	x.Types("half a")
	bob.says("nothing tears it")
	x.Shows("bob: nothing tears it", "operator> half a")
	x.Types(" line", "Enter")
	bob.sees(`: half a line$`)

	server.stop()
	x.Shows("* the server is gone (the server says: chatd is shutting down); what you type waits until it is back")
	x.Types("meanwhile", "Enter")
	x.Shows("… meanwhile")
	server, port = startOn(t, socket, nil)
	x.Shows("* the server is back")
	x.Without("… meanwhile")
	golden(t, "testdata/console.screen", screenOf(x.Drawn("nobody else ──")))
	x.Types("/quit", "Enter")
	x.Shows("It exits with 0")
	_, _ = server, port
}

// screenOf is a screen without what is different each time.
func screenOf(screen string) string {
	screen = regexp.MustCompile(`connected to chatd on \S+; you are \w+:`).ReplaceAllString(screen, "connected to chatd on HOST; you are USER:")
	screen = regexp.MustCompile(`(?m)^(\* #\d+ )\S+( .* idle )\d+s`).ReplaceAllString(screen, "${1}USER${2}0s")
	screen = regexp.MustCompile(`(00:00 )\w+(: (half|meanwhile))`).ReplaceAllString(tmuxtest.Timeless(screen), "${1}USER$2")
	return regexp.MustCompile(`── lobby · \w+ ·`).ReplaceAllString(screen, "── lobby · USER ·")
}
