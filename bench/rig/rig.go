// Package rig runs servers and loads them with cmd/chatload: the server on one
// processor, the load on another, one run after the other. It knows how the
// servers are built, found and started, and how a report is read; what is run, and
// what is made of the figures, is the programs' that use it.
//
// Programs that use it are run from the root of this module.
package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Rig is where servers run.
type Rig struct {
	ServerCPU string        // processors of the server, as taskset -c has them
	LoadCPU   string        // processors of the load
	Time      time.Duration // how long a run measures, unless its load says -time
	Chatd     string        // command to run as chatd, with PORT in it; empty: cmd/chatd of this tree
	Dir       string        // built programs, configurations and logs
	Log       io.Writer     // what is under way, a line each
}

// Build compiles the load and prepares the servers named, or, if none are, all
// that can be prepared: Log then says what is missing and how to get it.
func (r *Rig) Build(ctx context.Context, names ...string) (there []Server, err error) {
	if err := r.Compile(ctx, "chatload", "./cmd/chatload"); err != nil {
		return nil, err
	}
	wanted := make(map[string]bool)
	for _, n := range names {
		wanted[n] = true
	}
	for _, s := range Servers() {
		if len(names) > 0 && !wanted[s.Name] {
			continue
		}
		delete(wanted, s.Name)
		if err := r.Prepare(ctx, &s); err != nil {
			if len(names) > 0 || ctx.Err() != nil {
				return nil, fmt.Errorf("%s: %w", s.Name, err)
			}
			fmt.Fprintf(r.Log, "without %s: %v\n", s.Name, err)
			continue
		}
		there = append(there, s)
	}
	for n := range wanted {
		return nil, fmt.Errorf("there is no server %q; see -help", n)
	}
	return there, nil
}

// Job is one run: a server under a load, which is flags of cmd/chatload.
type Job struct {
	Server *Server
	Load   string
}

// Jobs are all servers under all loads, without those that cannot have so many
// connections. Servers under one load follow each other.
func Jobs(there []Server, loads ...string) (jobs []Job) {
	for _, load := range loads {
		for i := range there {
			if s := &there[i]; s.Most == 0 || Conns(load) <= s.Most {
				jobs = append(jobs, Job{s, load})
			}
		}
	}
	return jobs
}

// Measure does all jobs, one after the other, and that so many times: what changes
// on the machine meanwhile changes for all servers. Each report goes to keep, those
// of runs that failed too; an error of keep ends it, as does ctx.
func (r *Rig) Measure(ctx context.Context, jobs []Job, rounds int, keep func(Report) error) error {
	for round := range rounds {
		for _, j := range jobs {
			fmt.Fprintf(r.Log, "round %d of %d: %s, %s ", round+1, rounds, j.Server.Name, j.Load)
			rep, err := r.Run(ctx, j)
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			if err != nil {
				fmt.Fprintln(r.Log, "failed:", err)
				rep.Error = err.Error()
			} else {
				fmt.Fprintln(r.Log, rep.Brief())
			}
			rep.Server, rep.Round, rep.Load = j.Server.Name, round+1, j.Load
			if err := keep(rep); err != nil {
				return err
			}
		}
	}
	return nil
}

// Conns is what follows -conns in a load.
func Conns(load string) (n int) {
	words := strings.Fields(load)
	for i, w := range words[:max(len(words)-1, 0)] {
		if strings.TrimLeft(w, "-") == "conns" {
			_, _ = fmt.Sscan(words[i+1], &n)
		}
	}
	return n
}

// loadTime is what a run may take beside its warm-up and its measurement.
const loadTime = 2 * time.Minute

// Run starts the server, loads it and stops it. When it returns, both have ended.
func (r *Rig) Run(ctx context.Context, j Job) (rep Report, err error) {
	p, err := r.start(j.Server)
	if err != nil {
		return rep, err
	}
	defer p.stop()
	ctx, cancel := context.WithTimeout(ctx, r.Time+loadTime)
	defer cancel()
	words := []string{
		"-c", r.LoadCPU, filepath.Join(r.Dir, "chatload"), "-addr", fmt.Sprintf("127.0.0.1:%d", p.port),
		"-proto", j.Server.Proto, "-pid", fmt.Sprint(p.cmd.Process.Pid), "-time", r.Time.String(), "-json",
	}
	cmd := exec.CommandContext(ctx, "taskset", append(words, strings.Fields(j.Load)...)...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if len(out) == 0 {
		return rep, fmt.Errorf("%w: %s", err, lastLine(complaint.String()))
	}
	if rep, err = ReadReport(out); err == nil && rep.Error != "" {
		err = errors.New(rep.Error)
	}
	return rep, err
}

// Compile builds a Go program of this module into the folder.
func (r *Rig) Compile(ctx context.Context, name, what string) error {
	return quiet(exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(r.Dir, name), what))
}

// quiet runs cmd; its error is what cmd has said.
func quiet(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
