package listen

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A child is a process that is talked to line by line.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out chan string // closed when the child's standard output ends

	addr string // of a holder
}

// start runs cmd, which ends with the test at the latest, in a role if it is
// this test binary.
func start(t *testing.T, cmd *exec.Cmd, role string, env ...string) *child {
	t.Helper()
	cmd.Env = append(os.Environ(), env...)
	if role != "" {
		cmd.Env = append(cmd.Env, roleVariable+"="+role)
	}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, in: in, out: make(chan string, 4096)}
	go func() {
		defer close(c.out)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			c.out <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		for range c.out {
		}
		cmd.Wait()
	})
	return c
}

// line is the next line the child says.
func (c *child) line(t *testing.T) string {
	t.Helper()
	select {
	case line, ok := <-c.out:
		if !ok {
			t.Fatal("the child process has ended")
		}
		return line
	case <-time.After(30 * time.Second):
		t.Fatal("the child process says nothing")
	}
	panic("unreachable")
}

// expect waits for a line that begins like that and returns the rest of it.
func (c *child) expect(t *testing.T, prefix string) string {
	t.Helper()
	line := c.line(t)
	rest, ok := strings.CutPrefix(line, prefix)
	if !ok {
		t.Fatalf("the child process says %q, want %q", line, prefix)
	}
	return strings.TrimSpace(rest)
}

func (c *child) say(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

// holder listens as it is told until its standard input ends.
func holder() error {
	network, address, _ := strings.Cut(os.Getenv("LISTEN_TEST_AT"), " ")
	l, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Println("listening at", l.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// startHolder starts a process that listens, and returns what errors call it
// besides.
func startHolder(t *testing.T, network, address string) (c *child, program string) {
	t.Helper()
	c = start(t, exec.Command(os.Args[0]), "holder", "LISTEN_TEST_AT="+network+" "+address)
	c.addr = c.expect(t, "listening at ")
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", c.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return c, fmt.Sprintf("%s (pid %d)", strings.TrimSpace(string(name)), c.cmd.Process.Pid)
}
