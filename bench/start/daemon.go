package main

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
	"strings"
	"time"
)

// startTime is how long a start may take, its end included.
const startTime = 10 * time.Second

// start runs a program once and returns how long it took, from just before it was
// executed, until it said that it listens, and until a connection to it was made.
// The program has ended when start returns.
func start(ctx context.Context, program string) (listening, connected time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), "CHATD_LISTEN=tcp://127.0.0.1:0", "CHATD_LOG_LEVEL=warn")
	if cmd.Dir, err = os.MkdirTemp(filepath.Dir(program), "run"); err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(cmd.Dir)
	says, err := cmd.StderrPipe()
	if err != nil {
		return 0, 0, err
	}
	in := bufio.NewReader(says)
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	addr, err := announced(in)
	listening = time.Since(begin)
	if err == nil {
		err = connect(ctx, addr)
		connected = time.Since(begin)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	_, _ = io.Copy(io.Discard, in)
	return listening, connected, errors.Join(err, cmd.Wait())
}

// announced reads until chatd says that it listens, and returns where.
func announced(in *bufio.Reader) (addr string, err error) {
	var said strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("it does not say that it listens, but %q", said.String())
		}
		if url, ok := strings.CutPrefix(line, "listening on tcp://"); ok {
			addr, _, _ = strings.Cut(strings.TrimSpace(url), " ")
			return addr, nil
		}
		said.WriteString(line)
	}
}

func connect(ctx context.Context, addr string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return c.Close()
}
