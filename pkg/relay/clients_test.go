package relay_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/chatd/chatd/internal/talk"
	"github.com/chatd/chatd/pkg/relay"
)

// clientProgram is one of the programs people chat with.
type clientProgram struct {
	name    string // of the test
	pkg     string // Debian's, that has it
	args    string // the command line; HOST, PORT and SOCKET are replaced
	scripts string // which it plays

	terminal bool               // runs under a pseudo-terminal
	client   func() talk.Client // how to use it; nil: talk.Plain, or terminal
}

const (
	// pipedScripts are those without a client's own half-close, which only some
	// programs do, and without resets.
	pipedScripts = "nick slash scripts control forged goodbye"
	halfClosing  = pipedScripts + " quit terminal"
	// terminalScripts have neither control characters nor those that telnet takes
	// for some: it looks at seven bits of what is typed, and so 녕 and х lose a
	// byte.
	terminalScripts = "nick slash echo quit terminal"
)

var clientPrograms = []clientProgram{
	{name: "nc.openbsd", pkg: "netcat-openbsd", args: "nc.openbsd HOST PORT", scripts: pipedScripts},
	{name: "nc.openbsd -N", pkg: "netcat-openbsd", args: "nc.openbsd -N HOST PORT", scripts: "terminal"},
	{name: "nc.openbsd -U", pkg: "netcat-openbsd", args: "nc.openbsd -N -U SOCKET", scripts: "terminal"},
	{name: "nc.traditional", pkg: "netcat-traditional", args: "nc.traditional HOST PORT", scripts: pipedScripts},
	{name: "ncat", pkg: "ncat", args: "ncat HOST PORT", scripts: halfClosing},
	{name: "ncat -C", pkg: "ncat", args: "ncat -C HOST PORT", scripts: halfClosing, client: endingCRLF},
	{name: "busybox nc", pkg: "busybox", args: "busybox nc HOST PORT", scripts: halfClosing},
	{name: "socat tcp", pkg: "socat", args: "socat - TCP:HOST:PORT", scripts: halfClosing},
	{name: "socat unix", pkg: "socat", args: "socat - UNIX-CONNECT:SOCKET", scripts: halfClosing},
	{name: "socat crnl", pkg: "socat", args: "socat - TCP:HOST:PORT,crnl", scripts: "terminal"},
	{name: "inetutils-telnet", pkg: "inetutils-telnet", args: "inetutils-telnet HOST PORT", terminal: true, scripts: terminalScripts},
	{name: "telnet-ssl", pkg: "telnet-ssl", args: "telnet-ssl HOST PORT", terminal: true, scripts: terminalScripts},
	{name: "telnet-ssl -8", pkg: "telnet-ssl", args: "telnet-ssl -8 HOST PORT", terminal: true, scripts: terminalScripts},
}

// TestClientPrograms plays scripts with the programs people have.
func TestClientPrograms(t *testing.T) {
	atOnce := newAtOnce(16)
	defer atOnce.wait()
	for _, p := range clientPrograms {
		need(t, p.args, p.pkg)
		for _, name := range strings.Fields(p.scripts) {
			scripts, err := talk.Load("testdata/" + name + ".chat")
			if err != nil {
				t.Fatal(err)
			}
			atOnce.run(t, p.name+"/"+name, func(t *testing.T) { p.play(t, scripts[0]) })
		}
	}
}

// need fails unless the first word of a command line is a program that is there.
func need(t *testing.T, args, pkg string) {
	t.Helper()
	program, _, _ := strings.Cut(args, " ")
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("needs %s: apt-get install %s", program, pkg)
	}
}

func (p clientProgram) play(t *testing.T, s *talk.Script) {
	port := openPort(t, settings(t, s))
	stage := talk.Stage{Client: p.client, Dial: func(open func(talk.Conn) error) (talk.Conn, error) {
		c, err := port.start(p)
		if err != nil {
			return nil, err
		}
		return c, open(c)
	}}
	if p.terminal {
		stage.Client = func() talk.Client { return &terminal{} }
	}
	if err := stage.Play(s); err != nil {
		t.Error(err)
	}
}

// endingCRLF is a program that makes CR LF of the LF one types, and not the other
// way round.
func endingCRLF() talk.Client { return crlfShown{talk.CRLF()} }

type crlfShown struct{ talk.Client }

func (crlfShown) Line(text string) []byte { return []byte(text + "\n") }

// port is a server on TCP and on a Unix socket.
type port struct {
	*relay.Server
	tcp  *net.TCPAddr
	unix string
}

func openPort(t *testing.T, cfg relay.Config) *port {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "relay") // a socket's name has room for 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &port{Server: relay.New(cfg), unix: filepath.Join(dir, "chat.sock")}
	relay.Unrecognised(p.Server)
	var serving sync.WaitGroup
	t.Cleanup(func() {
		if err := p.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": p.unix} {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		if a, ok := l.Addr().(*net.TCPAddr); ok {
			p.tcp = a
		}
		serving.Go(func() {
			if err := p.Serve(context.Background(), l); !errors.Is(err, relay.ErrServerClosed) {
				t.Errorf("Serve: %v", err)
			}
		})
	}
	return p
}

// command fills the server's address into a command line.
func (p *port) command(line string) string {
	return strings.NewReplacer("HOST", p.tcp.IP.String(), "PORT", fmt.Sprint(p.tcp.Port), "SOCKET", p.unix).Replace(line)
}

func (p *port) start(c clientProgram) (talk.Conn, error) {
	args := strings.Fields(p.command(c.args))
	cmd := exec.Command(args[0], args[1:]...)
	if c.terminal {
		cmd.Env = append(os.Environ(), "TERM=dumb")
		file, err := pty.Start(cmd)
		if err != nil {
			return nil, err
		}
		return &atTerminal{File: file, cmd: cmd}, nil
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &piped{Reader: out, WriteCloser: in, cmd: cmd}, cmd.Start()
}

// piped is a program whose input and output are pipes.
type piped struct {
	io.Reader
	io.WriteCloser
	cmd *exec.Cmd
}

func (p *piped) CloseWrite() error { return p.WriteCloser.Close() }

// Close ends the program, if it has not ended by itself, and its output.
func (p *piped) Close() error {
	_ = p.cmd.Process.Kill()
	return p.cmd.Wait()
}

// atTerminal is a telnet under a pseudo-terminal.
type atTerminal struct {
	*os.File
	cmd *exec.Cmd
}

// Read has the end of the program be the end of the stream.
func (a *atTerminal) Read(b []byte) (int, error) {
	n, err := a.File.Read(b)
	if errors.Is(err, syscall.EIO) {
		err = io.EOF
	}
	return n, err
}

// CloseWrite closes the connection as one does in telnet.
func (a *atTerminal) CloseWrite() error {
	_, err := a.Write([]byte("\x1dquit\n"))
	return err
}

func (a *atTerminal) Close() error {
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
	return a.File.Close()
}

// terminal is what one sees of a telnet: the server's lines, and between them
// those typed and its own.
type terminal struct {
	shown string   // of a line not ended yet
	begun string   // of the line being typed
	typed []string // not shown yet
}

func (m *terminal) Hello() []byte { return nil }

func (m *terminal) Text(text string) []byte {
	m.begun += text
	return []byte(text)
}

func (m *terminal) Line(text string) []byte {
	m.typed = append(m.typed, m.begun+text)
	m.begun = ""
	return []byte(text + "\n")
}

func (m *terminal) Interrupt() []byte { return []byte{3} }

// own are telnet's own lines.
var own = regexp.MustCompile(`^(|Trying .*|Connected to .*|Escape character is .*|\^\](quit)?|[a-z-]*telnet[a-z-]*> .*|Connection closed.*)$`)

func (m *terminal) Receive(data []byte) (lines []string, reply []byte, err error) {
	m.shown += string(data)
	for {
		line, rest, ok := strings.Cut(m.shown, "\r\n")
		if !ok {
			return lines, nil, nil
		}
		m.shown = rest
		for strings.HasPrefix(line, "^C") {
			line = line[len("^C"):]
		}
		switch {
		case len(m.typed) > 0 && line == m.typed[0]:
			m.typed = m.typed[1:]
		case own.MatchString(line):
		default:
			lines = append(lines, line)
		}
	}
}

// listen returns the lines that a client sees from now on, without its greeting,
// until stop is called.
func (p *port) listen(t *testing.T) (lines <-chan string, stop func()) {
	t.Helper()
	c, err := net.DialTCP("tcp", nil, p.tcp)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan string)
	go func() {
		defer close(seen)
		for in := bufio.NewScanner(c); in.Scan(); {
			seen <- in.Text()
		}
	}()
	for range 4 {
		if _, ok := <-seen; !ok {
			t.Fatal("no greeting")
		}
	}
	// The answer comes when the client is in the room.
	if _, err := io.WriteString(c, "/who\n"); err != nil {
		t.Fatal(err)
	}
	for line := range seen {
		if strings.HasPrefix(line, "* here: ") {
			break
		}
	}
	return seen, sync.OnceFunc(func() {
		c.Close()
		for range seen { // it ends with the connection
		}
	})
}

var comesOrGoes = regexp.MustCompile(`^\* .*(joined|left)$`)

// TestOneLinePipes has programs say one line and end, as scripts do.
func TestOneLinePipes(t *testing.T) {
	for _, p := range []struct {
		pkg, command string
		greeted      bool // ends its input only when it goes
	}{
		{"netcat-openbsd", "printf hi | nc.openbsd -N HOST PORT", false},
		{"netcat-openbsd", "printf hi | nc.openbsd -N -U SOCKET", false},
		{"netcat-openbsd", "echo hi | nc.openbsd -N HOST PORT", false},
		{"netcat-traditional", "echo hi | nc.traditional -q1 HOST PORT", true},
		{"ncat", "echo hi | ncat HOST PORT", false},
		{"ncat", "printf hi | ncat -C HOST PORT", false},
		{"busybox", "echo hi | busybox nc HOST PORT", false},
		{"socat", "echo hi | socat - TCP:HOST:PORT", false},
		{"socat", "echo hi | socat - UNIX-CONNECT:SOCKET", false},
	} {
		t.Run(p.command, func(t *testing.T) {
			t.Parallel()
			_, program, _ := strings.Cut(p.command, "| ")
			need(t, program, p.pkg)
			port := openPort(t, relay.Config{Name: "test"})
			heard, stop := port.listen(t)
			defer stop()
			port.sayOnce(t, p.command, p.greeted)
			awaitSaid(t, heard, 1)
		})
	}
}

// TestOneLinePipesAreAllSaid repeats the commonest of them: each line is said,
// each sender sees it with its time and nothing else.
func TestOneLinePipesAreAllSaid(t *testing.T) {
	need(t, "nc.openbsd", "netcat-openbsd")
	times := 100
	if os.Getenv("CHATD_TORTURE") == "1" {
		times = 1000
	}
	port := openPort(t, relay.Config{Name: "test"})
	heard, stop := port.listen(t)
	defer stop()
	said := make(chan struct{})
	go func() {
		defer close(said)
		awaitSaid(t, heard, times)
	}()
	for range times {
		port.sayOnce(t, "printf hi | nc.openbsd -N HOST PORT", false)
	}
	<-said
}

// A pipe is one however much it says: it is not greeted, and nobody is told of it.
func TestLongPipes(t *testing.T) {
	need(t, "nc.openbsd", "netcat-openbsd")
	port := openPort(t, relay.Config{Name: "test", Rate: relay.Unlimited})
	for _, size := range []int{4000, 4095, 4096, 4097, 5000, 8192, 20000} {
		command := port.command(fmt.Sprintf("yes abcdefg | head -c %d | nc.openbsd -N HOST PORT", size))
		out, err := exec.Command("sh", "-c", command).Output()
		if err != nil {
			t.Errorf("%s: %v", command, err)
		}
		own, notices := 0, ""
		for line := range strings.Lines(string(out)) {
			switch {
			case strings.HasPrefix(line, "* you are faster than"):
			case stamped.MatchString(line):
				own++
			default:
				notices += line
			}
		}
		if want := (size + 7) / 8; own != want || notices != "" {
			t.Errorf("%d bytes in %d lines: %d have come back, and besides\n%s", size, want, own, notices)
		}
	}
}

// sayOnce runs a shell's pipeline that says hi, and checks what it prints.
func (p *port) sayOnce(t *testing.T, command string, greeted bool) {
	t.Helper()
	out, err := exec.Command("sh", "-c", p.command(command)).Output()
	if err != nil {
		t.Errorf("%s: %v", command, err)
	}
	lines := strings.Split(strings.TrimRight(string(out), "\r\n"), "\n")
	receipts := 0
	for _, line := range lines {
		line = strings.TrimSuffix(line, "\r")
		switch {
		case receipt.MatchString(line):
			receipts++
		case comesOrGoes.MatchString(line), greeted && !stamped.MatchString(line):
		default:
			t.Errorf("%s has shown %q", command, line)
		}
	}
	if receipts != 1 {
		t.Errorf("%s has shown its line %d times:\n%s", command, receipts, out)
	}
}

var (
	stamped = regexp.MustCompile(`^\d\d:\d\d `)
	receipt = regexp.MustCompile(`^\d\d:\d\d guest\d+: hi$`)
)

// awaitSaid returns when so many hi have been heard, and nothing else but who
// came and went.
func awaitSaid(t *testing.T, heard <-chan string, times int) {
	t.Helper()
	const most = 30 * time.Second // for a line; only a failure takes it
	patience := time.NewTimer(most)
	defer patience.Stop()
	for said := 0; said < times; patience.Reset(most) {
		select {
		case line, ok := <-heard:
			switch {
			case !ok:
				t.Error("the listener's connection has ended")
				return
			case receipt.MatchString(line):
				said++
			case !comesOrGoes.MatchString(line):
				t.Errorf("the listener has seen %q", line)
			}
		case <-patience.C:
			t.Errorf("%d of %d were heard", said, times)
			return
		}
	}
}

// TestTelnetInterrupt has somebody press Ctrl-C and go on. Telnet then sends IAC IP
// and IAC DO TIMING-MARK, and shows nothing until that is answered.
func TestTelnetInterrupt(t *testing.T) {
	for _, p := range clientPrograms {
		if !p.terminal {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			need(t, p.args, p.pkg)
			port := openPort(t, settings(t, &talk.Script{}))
			between, err := newTap(port.tcp)
			if err != nil {
				t.Fatal(err)
			}
			defer between.stop()
			behind := *port
			behind.tcp = between.address()
			stage := talk.Stage{
				Client: func() talk.Client { return &terminal{} },
				Dial: func(open func(talk.Conn) error) (talk.Conn, error) {
					c, err := behind.start(p)
					if err != nil {
						return nil, err
					}
					return interruptible{c, between}, open(c)
				},
			}
			script, err := talk.Parse("Ctrl-C", "bob> one\nbob< 00:00 guest1: one\n"+
				strings.Repeat("bob^\nbob> two\nbob< 00:00 guest1: two\n", 3))
			if err != nil {
				t.Fatal(err)
			}
			if err := stage.Play(script); err != nil {
				t.Error(err)
			}
		})
	}
}

// interruptible is a telnet that takes what is typed after Ctrl-C only when its
// timing mark has been answered: telnet-ssl loses its connection otherwise.
type interruptible struct {
	talk.Conn
	between *tap
}

func (i interruptible) Write(p []byte) (int, error) {
	n, err := i.Conn.Write(p)
	if err == nil && slices.Equal(p, []byte{3}) {
		err = i.between.awaitMark()
	}
	return n, err
}

// tap forwards connections to a server and sees what the server sends.
type tap struct {
	net.Listener
	server *net.TCPAddr
	marks  chan struct{} // for each IAC WONT TIMING-MARK that was forwarded
	work   sync.WaitGroup
}

func newTap(server *net.TCPAddr) (*tap, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &tap{Listener: l, server: server, marks: make(chan struct{}, 100)}
	b.work.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			b.work.Go(func() { b.forward(client.(*net.TCPConn)) })
		}
	})
	return b, nil
}

func (b *tap) address() *net.TCPAddr { return b.Addr().(*net.TCPAddr) }

func (b *tap) stop() {
	b.Close()
	b.work.Wait()
}

func (b *tap) awaitMark() error {
	select {
	case <-b.marks:
		return nil
	case <-time.After(30 * time.Second):
		return errors.New("the server has not answered DO TIMING-MARK")
	}
}

func (b *tap) forward(client *net.TCPConn) {
	defer client.Close()
	server, err := net.DialTCP("tcp", nil, b.server)
	if err != nil {
		return
	}
	defer server.Close()
	var up sync.WaitGroup
	defer up.Wait()
	up.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.CloseWrite()
	})
	buf := make([]byte, 4096)
	for {
		n, err := server.Read(buf)
		if err != nil {
			client.Close()
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
		for range strings.Count(string(buf[:n]), "\xff\xfc\x06") {
			b.marks <- struct{}{}
		}
	}
}
