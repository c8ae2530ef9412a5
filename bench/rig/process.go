package rig

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// startTime is how long a server may take to listen, and stopTime to end.
	startTime = 10 * time.Second
	stopTime  = 5 * time.Second
)

// process is a server that runs.
type process struct {
	cmd   *exec.Cmd
	port  int
	log   *os.File
	ended chan struct{} // closed by the goroutine that waits for it, when err is set
	err   error
}

// start returns when the server listens.
func (r *Rig) start(s *Server) (p *process, err error) {
	p = &process{ended: make(chan struct{})}
	if p.port, err = freePort(); err != nil {
		return nil, err
	}
	if s.config != "" {
		path := filepath.Join(r.Dir, s.Name+".conf")
		if err := os.WriteFile(path, []byte(fill(s.config, r.Dir, p.port)), 0o644); err != nil {
			return nil, err
		}
	}
	if p.log, err = os.Create(filepath.Join(r.Dir, s.Name+".log")); err != nil {
		return nil, err
	}
	p.cmd = exec.Command("prlimit", r.words(s, p.port)...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.Env = os.Environ()
	for _, v := range s.env {
		p.cmd.Env = append(p.cmd.Env, fill(v, r.Dir, p.port))
	}
	if err := p.cmd.Start(); err != nil {
		_ = p.log.Close()
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	if err := p.listening(); err != nil {
		text, _ := os.ReadFile(p.log.Name())
		p.stop()
		return nil, fmt.Errorf("%w: %s", err, lastLine(string(text)))
	}
	return p, nil
}

// words are the arguments of prlimit, which becomes taskset, which becomes the
// server: the same process, with as many open files as it may have.
func (r *Rig) words(s *Server, port int) []string {
	var limit unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	words := []string{fmt.Sprintf("--nofile=%d", limit.Max), "taskset", "-c", r.ServerCPU}
	return append(words, strings.Fields(fill(s.command, r.Dir, port))...)
}

// stop ends the server and returns when it has ended.
func (p *process) stop() {
	defer p.log.Close()
	_ = p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.ended:
	case <-time.After(stopTime):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// listening returns when somebody does on the port.
func (p *process) listening() error {
	for begin := time.Now(); time.Since(begin) < startTime; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.port))
		if err == nil {
			return c.Close()
		}
		select {
		case <-p.ended:
			return fmt.Errorf("the server has ended: %v", p.err)
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
