package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

const (
	// startTime is how long chatd may take to listen, and stopTime to end.
	startTime = 10 * time.Second
	stopTime  = 10 * time.Second
)

// daemon is chatd, as a process of its own.
type daemon struct {
	cmd   *exec.Cmd
	addr  string        // where it listens
	ended chan struct{} // closed when it has ended
}

// startDaemon returns when it listens. What it says goes to log.
func startDaemon(ctx context.Context, program, dir string, log io.Writer) (*daemon, error) {
	cmd := exec.Command(program)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CHATD_LISTEN=tcp://127.0.0.1:0", "CHATD_MAX_PER_ADDRESS=off",
		"CHATD_RATE=off", "CHATD_MAX_CLIENTS=off", "CHATD_LOG_LEVEL=warn")
	says, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	d := &daemon{cmd: cmd, ended: make(chan struct{})}
	bound := make(chan string, 1)
	go func() {
		defer close(d.ended)
		for in := bufio.NewScanner(says); in.Scan(); {
			if addr, ok := announced(in.Text()); ok {
				bound <- addr
				continue
			}
			fmt.Fprintln(log, in.Text())
		}
		_ = cmd.Wait()
	}()
	timer := time.NewTimer(startTime)
	defer timer.Stop()
	select {
	case d.addr = <-bound:
		return d, nil
	case <-d.ended:
		return nil, errors.New("chatd has ended")
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-timer.C:
		err = fmt.Errorf("chatd does not listen after %v", startTime)
	}
	d.stop()
	return nil, err
}

// announced is the address in the line by which chatd says that it listens.
func announced(line string) (addr string, ok bool) {
	url, ok := strings.CutPrefix(line, "listening on tcp://")
	if !ok {
		return "", false
	}
	addr, _, _ = strings.Cut(url, " ")
	return addr, true
}

// stop ends it and returns when it has ended.
func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(os.Interrupt)
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case <-d.ended:
	case <-timer.C:
		_ = d.cmd.Process.Kill()
		<-d.ended
	}
}

// holds is what the process holds.
type holds struct {
	files  int   // open descriptors
	memory int64 // resident, in bytes
}

func (h holds) String() string {
	return fmt.Sprintf("%d descriptors, %.1f MiB", h.files, mib(h.memory))
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// holds looks at it.
func (d *daemon) holds() (h holds, err error) {
	proc := fmt.Sprintf("/proc/%d/", d.cmd.Process.Pid)
	dir, err := os.Open(proc + "fd")
	if err != nil {
		return h, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return h, err
	}
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		return h, err
	}
	h.files = len(names)
	h.memory, err = resident(status)
	return h, err
}

// resident is the VmRSS of a /proc/PID/status, in bytes.
func resident(status []byte) (int64, error) {
	for line := range bytes.Lines(status) {
		words := strings.Fields(string(line))
		if len(words) == 3 && words[0] == "VmRSS:" && words[2] == "kB" {
			n, err := strconv.ParseInt(words[1], 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("the process has no VmRSS: it has ended")
}
