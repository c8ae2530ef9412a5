package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// server is one that is compared. It runs in the foreground, with all limits off,
// and listens on a port of 127.0.0.1.
type server struct {
	name  string
	what  string // and how to get it
	proto string // what chatload speaks to it
	most  int    // connections it can have; 0: as many as there are descriptors

	// make builds it, or writes what it needs, into a folder; nil: nothing.
	make func(ctx context.Context, b *bench) error
	// command starts it; PORT stands for the port, DIR for the folder.
	command string
	env     []string // added to the environment
	config  string   // written to DIR/NAME.conf, with the port put in
	path    string   // where its program is, if not in PATH
}

// servers are all that are known, the floor first.
func servers() []server {
	return []server{{
		name: "floor", what: "bench/floor.c; needs a C compiler (apt install gcc)", proto: "line",
		make: func(ctx context.Context, b *bench) error {
			return output(exec.CommandContext(ctx, "cc", "-O2", "-o", filepath.Join(b.dir, "floor"), "bench/floor.c"))
		},
		command: "DIR/floor 127.0.0.1 PORT",
	}, {
		name: "textbook", what: "bench/textbook: a channel and a goroutine for each client", proto: "line",
		make: func(ctx context.Context, b *bench) error {
			return build(ctx, filepath.Join(b.dir, "textbook"), "./bench/textbook")
		},
		command: "DIR/textbook 127.0.0.1:PORT",
	}, {
		name: "chatd", what: "cmd/chatd of this tree, or what -chatd names", proto: "line",
		make: func(ctx context.Context, b *bench) error {
			if b.chatd != "" {
				return nil
			}
			return build(ctx, filepath.Join(b.dir, "chatd"), "./cmd/chatd")
		},
		command: "DIR/chatd",
		env: []string{
			"CHATD_LISTEN=tcp://127.0.0.1:PORT", "CHATD_MAX_PER_ADDRESS=off", "CHATD_RATE=off",
			"CHATD_MAX_CLIENTS=off", "CHATD_LOG_LEVEL=warn",
		},
	}, {
		name: "ncat", what: "ncat --broker (apt install ncat)", proto: "line",
		most:    1000, // it uses select(2)
		command: "ncat --broker --listen 127.0.0.1 PORT --max-conns 5000",
	}, {
		name: "ngircd", what: "an IRC server in C (apt install ngircd)", proto: "irc",
		path:    "/usr/sbin/ngircd",
		command: "ngircd --nodaemon --config DIR/ngircd.conf",
		config: `[Global]
Name = bench.example
Info = bench
Listen = 127.0.0.1
Ports = PORT
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxNickLength = 16
MaxPenaltyTime = 0
PingTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
`,
	}, {
		name: "nats", what: "nats-server (apt install nats-server)", proto: "nats",
		path:    "/usr/sbin/nats-server",
		command: "nats-server --addr 127.0.0.1 --port PORT",
	}}
}

// prepare makes it ready, or says why it cannot be run.
func (s *server) prepare(ctx context.Context, b *bench) error {
	if s.name == "chatd" && b.chatd != "" {
		s.command = b.chatd
	}
	if s.make != nil {
		if err := s.make(ctx, b); err != nil {
			return err
		}
	}
	program := strings.Fields(s.words(b.dir, 0))[0]
	if _, err := exec.LookPath(program); err != nil {
		if s.path == "" || !executable(s.path) {
			return fmt.Errorf("%s is not installed: %s", program, s.what)
		}
		s.command = s.path + strings.TrimPrefix(s.command, program)
	}
	return nil
}

func executable(path string) bool {
	_, err := exec.LookPath(path)
	return err == nil
}

// words is the command with folder and port put in.
func (s *server) words(dir string, port int) string { return fill(s.command, dir, port) }

func fill(s, dir string, port int) string {
	return strings.NewReplacer("PORT", fmt.Sprint(port), "DIR", dir).Replace(s)
}

const (
	// startTime is how long a server may take to listen, and stopTime to end.
	startTime = 10 * time.Second
	stopTime  = 5 * time.Second
	// loadTime is what a run may take beside its warm-up and its measurement.
	loadTime = 2 * time.Minute
)

// once starts the server, loads it and stops it.
func (b *bench) once(ctx context.Context, s *server, load string) (r report, err error) {
	port, err := freePort()
	if err != nil {
		return r, err
	}
	if s.config != "" {
		path := filepath.Join(b.dir, s.name+".conf")
		if err := os.WriteFile(path, []byte(fill(s.config, b.dir, port)), 0o644); err != nil {
			return r, err
		}
	}
	log, err := os.Create(filepath.Join(b.dir, s.name+".log"))
	if err != nil {
		return r, err
	}
	defer log.Close()
	words := append([]string{"-c", b.serverCPU}, strings.Fields(s.words(b.dir, port))...)
	cmd := exec.Command("taskset", words...) // which becomes the server: the same process
	cmd.Stdout, cmd.Stderr = log, log
	for _, v := range s.env {
		cmd.Env = append(cmd.Env, fill(v, b.dir, port))
	}
	cmd.Env = append(os.Environ(), cmd.Env...)
	if err := cmd.Start(); err != nil {
		return r, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer stop(cmd, ended)
	if err := listening(port, ended); err != nil {
		text, _ := os.ReadFile(log.Name())
		return r, fmt.Errorf("%w: %s", err, lastLine(text))
	}
	return b.load(ctx, s, port, cmd.Process.Pid, load)
}

// load runs chatload.
func (b *bench) load(ctx context.Context, s *server, port, pid int, load string) (r report, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.time+loadTime)
	defer cancel()
	words := []string{
		"-c", b.loadCPU, filepath.Join(b.dir, "chatload"), "-addr", fmt.Sprintf("127.0.0.1:%d", port),
		"-proto", s.proto, "-pid", fmt.Sprint(pid), "-time", b.time.String(), "-json",
	}
	cmd := exec.CommandContext(ctx, "taskset", append(words, strings.Fields(load)...)...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if len(out) == 0 {
		return r, fmt.Errorf("%w: %s", err, lastLine([]byte(complaint.String())))
	}
	if r, err = readReport(out); err == nil && r.Error != "" {
		err = errors.New(r.Error)
	}
	return r, err
}

// stop ends the server and returns when it has ended.
func stop(cmd *exec.Cmd, ended <-chan error) {
	_ = cmd.Process.Signal(os.Interrupt)
	select {
	case <-ended:
	case <-time.After(stopTime):
		_ = cmd.Process.Kill()
		<-ended
	}
}

// listening returns when somebody does on the port.
func listening(port int, ended <-chan error) error {
	for begin := time.Now(); time.Since(begin) < startTime; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return c.Close()
		}
		select {
		case err := <-ended:
			return fmt.Errorf("the server has ended: %v", err)
		default:
		}
	}
	return fmt.Errorf("the server does not listen after %v", startTime)
}

// freePort is one that nobody listened on a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// build compiles a Go program of this module.
func build(ctx context.Context, to, what string) error {
	return output(exec.CommandContext(ctx, "go", "build", "-o", to, what))
}

// output runs cmd; its error is what cmd has said.
func output(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

func lastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}
