package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything is waited for. Only a failure takes it.
const patience = time.Minute

// beChatd makes this process chatd, and does before what a process cannot have
// done to it from outside.
func beChatd() {
	os.Unsetenv("BE")
	if files, err := strconv.ParseUint(os.Getenv("FILES"), 10, 64); err == nil {
		limit := syscall.Rlimit{Cur: files, Max: files}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			panic(err)
		}
	}
	if os.Getenv("WATCHDOG_PID") == "self" {
		os.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends, however it does
		os.Exit(exitFailed)
	}()
	main()
}

// program is chatd in a process of its own.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr *transcript

	exited chan struct{} // closed when the process is gone
	status int           // set before
}

// start runs chatd in an environment that has nothing else. What stands in before
// is a command line that ends up as chatd.
func start(t *testing.T, environ environment, before ...string) *program {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	stderr := listenTo(t, read)
	p, err := launch(t, write, environ, before...)
	if err != nil {
		t.Fatal(err)
	}
	p.stderr = stderr
	return p
}

// launch is start with a stderr that the caller reads. It may be called by any
// goroutine.
func launch(t *testing.T, stderr *os.File, environ environment, before ...string) (*program, error) {
	command := append(before, os.Args[0])
	p := &program{t: t, cmd: exec.Command(command[0], command[1:]...), exited: make(chan struct{})}
	p.cmd.Stderr = stderr
	// With the race detector, a process sleeps for a second at its end otherwise.
	p.cmd.Env = []string{"BE=chatd", "TZ=UTC", "GORACE=atexit_sleep_ms=0", "PATH=" + os.Getenv("PATH")}
	for name, value := range environ {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	if _, err := p.cmd.StdinPipe(); err != nil { // closed by Wait
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		p.status = p.cmd.ProcessState.ExitCode()
		close(p.exited)
	}()
	t.Cleanup(p.end)
	return p, nil
}

// end kills the process if it still runs, and looks at what it left.
func (p *program) end() {
	_ = p.cmd.Process.Kill()
	<-p.exited
	if p.stderr == nil {
		return
	}
	p.stderr.wait()
	for _, line := range p.stderr.all() {
		if strings.Contains(line, "DATA RACE") || strings.Contains(line, "panic") {
			p.t.Errorf("chatd is broken:\n%s", strings.Join(p.stderr.all(), "\n"))
			return
		}
	}
}

// signal sends s to the process.
func (p *program) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// exit waits until the process has ended and returns its exit status.
func (p *program) exit() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("chatd does not end:\n%s", strings.Join(p.stderr.all(), "\n"))
	}
	if p.stderr != nil {
		p.stderr.wait()
	}
	return p.status
}

// stop ends the process as systemd does, which must succeed.
func (p *program) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if status := p.exit(); status != exitOK {
		p.t.Errorf("chatd exits with %d", status)
	}
}

// says waits for a line on stderr that matches, other than those it has returned,
// and returns what the groups of the pattern matched.
func (p *program) says(pattern string) []string {
	p.t.Helper()
	return p.stderr.until(p.t, pattern)
}

// port waits until the next TCP listener is announced, and returns its port.
func (p *program) port() string {
	p.t.Helper()
	return p.says(`^listening on tcp://\S*:(\d+)  reach it`)[0]
}

// processorTime is what the process has used of the processor so far.
func (p *program) processorTime() time.Duration {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	// The second field is the name in parentheses; 14 and 15 are ticks of 10 ms.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// transcript is what somebody says, line by line, while it is being said.
type transcript struct {
	mu    sync.Mutex
	lines []string
	given []bool        // which lines until has returned
	more  chan struct{} // closed at the next line or the end
	over  bool
}

// listenTo makes a transcript of what comes from r until its end.
func listenTo(t *testing.T, r io.ReadCloser) *transcript {
	tr := &transcript{more: make(chan struct{})}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer tr.end()
		in := bufio.NewReader(r)
		for {
			line, err := in.ReadString('\n')
			if line != "" {
				tr.add(strings.TrimSuffix(line, "\n"))
			}
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		r.Close()
		reading.Wait()
	})
	return tr
}

func (tr *transcript) add(line string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.lines, tr.given = append(tr.lines, line), append(tr.given, false)
	close(tr.more)
	tr.more = make(chan struct{})
}

func (tr *transcript) end() {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.over = true
	close(tr.more)
}

// all is what was said so far.
func (tr *transcript) all() []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.Clone(tr.lines)
}

// wait waits for the end.
func (tr *transcript) wait() {
	for {
		tr.mu.Lock()
		more, over := tr.more, tr.over
		tr.mu.Unlock()
		if over {
			return
		}
		<-more
	}
}

// until waits for a line that matches pattern, other than those it has returned,
// and returns what its groups matched. What two goroutines say has no order.
func (tr *transcript) until(t *testing.T, pattern string) []string {
	t.Helper()
	want := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for {
		tr.mu.Lock()
		for i, line := range tr.lines {
			if m := want.FindStringSubmatch(line); m != nil && !tr.given[i] {
				tr.given[i] = true
				tr.mu.Unlock()
				return m[1:]
			}
		}
		more, over := tr.more, tr.over
		tr.mu.Unlock()
		if over {
			t.Fatalf("%s is never said, but:\n%s", pattern, strings.Join(tr.all(), "\n"))
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("%s is not said, but:\n%s", pattern, strings.Join(tr.all(), "\n"))
		}
	}
}

// person is somebody who is connected.
type person struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	seen []string
}

// dial connects to what nc would be told: a port of this machine, a host and
// port, or a path.
func dial(t *testing.T, where string) *person {
	t.Helper()
	p, err := tryDial(t, where)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func tryDial(t *testing.T, where string) (*person, error) {
	network := "tcp"
	switch {
	case strings.HasPrefix(where, "/"):
		network = "unix"
	case !strings.Contains(where, ":"):
		where = "127.0.0.1:" + where
	}
	conn, err := net.DialTimeout(network, where, patience)
	if err != nil {
		return nil, err
	}
	return meet(t, conn), nil
}

// meet makes conn a person's.
func meet(t *testing.T, conn net.Conn) *person {
	t.Cleanup(func() { conn.Close() })
	return &person{t: t, conn: conn, in: bufio.NewReader(conn)}
}

// arrive connects somebody and gives a name.
func arrive(t *testing.T, where, name string) *person {
	t.Helper()
	return dial(t, where).takes(name)
}

// takes gives p a name.
func (p *person) takes(name string) *person {
	p.t.Helper()
	p.says("/nick " + name)
	p.says("/nick")
	p.sees(`^\* you are ` + name + `; /nick NAME changes it$`)
	return p
}

// says sends a line.
func (p *person) says(line string) { p.sends(line + "\n") }

// sends sends text as it is.
func (p *person) sends(text string) {
	p.t.Helper()
	_ = p.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(p.conn, text); err != nil {
		p.t.Fatalf("cannot send %.40q: %v", text, err)
	}
}

// line is the next line, without its end, or an error.
func (p *person) line() (string, error) {
	_ = p.conn.SetReadDeadline(time.Now().Add(patience))
	line, err := p.in.ReadString('\n')
	if line != "" {
		p.seen = append(p.seen, line)
	}
	return strings.TrimRight(line, "\r\n"), err
}

// sees reads until a line matches pattern, and returns what its groups matched.
func (p *person) sees(pattern string) []string {
	p.t.Helper()
	want := regexp.MustCompile(pattern)
	for {
		line, err := p.line()
		if err != nil {
			p.t.Fatalf("%s is not seen (%v), but:\n%s", pattern, err, strings.Join(p.seen, ""))
		}
		if m := want.FindStringSubmatch(line); m != nil {
			return m[1:]
		}
	}
}

// rest is everything up to the end of the stream, which has to be a clean one.
func (p *person) rest() string {
	p.t.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(patience))
	text, err := io.ReadAll(p.in)
	if err != nil {
		p.t.Errorf("after %q: %v", text, err)
	}
	return string(text)
}

// finishes ends p's input and returns what still comes.
func (p *person) finishes() string {
	p.t.Helper()
	if err := p.conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		p.t.Fatal(err)
	}
	return p.rest()
}

// reset ends the connection as a crash does.
func (p *person) reset() {
	p.t.Helper()
	if err := errors.Join(p.conn.(*net.TCPConn).SetLinger(0), p.conn.Close()); err != nil {
		p.t.Error(err)
	}
}
