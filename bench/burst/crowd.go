package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// crowd is the clients' process, seen from the server's.
type crowd struct {
	cmd     *exec.Cmd
	in      io.WriteCloser // numbers of bursts, a line each; its end ends the process
	answers *json.Decoder  // an answer for each, and one before
}

// answer is what the clients say of a burst, or of their joining.
type answer struct {
	Heard int    `json:"heard"` // clients that have had all of it
	Error string `json:"error"` // of the first that has not
}

// startCrowd returns when all clients are in the room. The process ends with ctx
// and with this one, stopped or not.
func startCrowd(ctx context.Context, server *net.TCPAddr, b *bench) (*crowd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, clientsCommand, strconv.Itoa(server.Port),
		strconv.Itoa(b.conns), strconv.Itoa(b.messages), strconv.Itoa(b.size))
	// The signal comes when the thread that starts it ends, and the runtime keeps
	// the threads it has.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &crowd{cmd: cmd, in: in, answers: json.NewDecoder(bufio.NewReader(out))}
	if err := c.answer(b.conns); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// close ends the process and returns when it has ended.
func (c *crowd) close() {
	c.resume()
	_ = c.in.Close()
	_ = c.cmd.Wait()
}

// halt returns when the process stands.
func (c *crowd) halt() error {
	if err := c.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(c.cmd.Process.Pid, &status, unix.WUNTRACED, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("waiting for the clients to stop: %w", err)
		case status.Stopped():
			return nil
		default:
			return errors.New("the clients' process has ended")
		}
	}
}

func (c *crowd) resume() { _ = c.cmd.Process.Signal(syscall.SIGCONT) }

// heard returns when all clients have had a burst.
func (c *crowd) heard(burst, clients int) error {
	if _, err := fmt.Fprintln(c.in, burst); err != nil {
		return err
	}
	return c.answer(clients)
}

func (c *crowd) answer(clients int) error {
	var a answer
	if err := c.answers.Decode(&a); err != nil {
		return fmt.Errorf("the clients' process does not answer: %w", err)
	}
	if a.Heard != clients || a.Error != "" {
		return fmt.Errorf("%d of %d clients: %s", a.Heard, clients, a.Error)
	}
	return nil
}
