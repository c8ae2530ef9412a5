// Runs `go test` and takes in what its tests tell.

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/chatd/chatd/internal/figure"
)

// event is a line of `go test -json` (go doc test2json).
type event struct {
	Action string
	Test   string
	Output string
	Key    string
	Value  string
}

// outcome is what became of one test.
type outcome struct {
	name    string
	repeat  string // the command that runs it again as it was
	ended   string // pass, fail, skip; "": it was never begun, or not ended
	figures []figure.Figure
	output  []string // what it said
}

// outcomes are those of a step: its tests, and the package itself.
type outcomes struct {
	tests  []*outcome
	output []string // what belongs to no test, such as why it does not build
	absent error    // why it was not run; nil: it was
}

// run runs a row's steps and judges them.
func run(ctx context.Context, r row) verdict {
	begin := time.Now()
	all := make([][]outcomes, len(r.steps)) // in the order of the plan
	var running sync.WaitGroup
	for i, s := range r.steps {
		do := func() { all[i] = s.run(ctx) }
		if r.together {
			running.Go(do)
		} else {
			do()
		}
	}
	running.Wait()
	var list []outcomes
	for _, o := range all {
		list = append(list, o...)
	}
	v := judge(r, list)
	v.took = time.Since(begin)
	return v
}

// run runs the step once or, with seeds, for as long as it has.
func (s step) run(ctx context.Context) (list []outcomes) {
	if s.needs != nil {
		if err := s.needs(); err != nil {
			return []outcomes{{absent: err}}
		}
	}
	if s.seeds == 0 {
		return []outcomes{s.once(ctx)}
	}
	for seed, begin := 1, time.Now(); seed == 1 || time.Since(begin) < s.seeds; seed++ {
		one := s
		one.env = append([]string{fmt.Sprintf("CHATD_SEED=%d", seed)}, s.env...)
		o := one.once(ctx)
		list = append(list, o)
		if o.absent != nil {
			break
		}
	}
	return list
}

// stepMost is how long the tests of a step may need: one that hangs ends with its
// stacks. The longest takes two minutes on a machine with two processors.
const stepMost = 20 * time.Minute

// args are those of go.
func (s step) args() []string {
	args := []string{"test", "-count=1", fmt.Sprintf("-timeout=%v", stepMost+s.lasts), "-run=^(" + strings.Join(s.tests, "|") + ")$"}
	if s.race {
		args = append(args, "-race")
	}
	return append(args, "./"+s.pkg)
}

// command is what to type to run one test of the step again.
func (s step) command(test string) string {
	one := s
	one.tests = []string{test}
	args := one.args()
	for i, a := range args {
		if strings.ContainsAny(a, "^|$") {
			args[i] = "'" + a + "'"
		}
	}
	return strings.Join(append(append([]string{"CHATD_TORTURE=1"}, s.env...), "go "+strings.Join(args, " ")), " ")
}

// once runs `go test` and ends it, with all that it has started, when ctx does.
func (s step) once(ctx context.Context) outcomes {
	if ctx.Err() != nil {
		return outcomes{absent: errors.New("interrupted")}
	}
	args := s.args()
	cmd := exec.CommandContext(ctx, "go", append([]string{args[0], "-json"}, args[1:]...)...)
	cmd.Env = append(append(os.Environ(), "CHATD_TORTURE=1"), s.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.StdoutPipe()
	if err == nil {
		cmd.Stderr = cmd.Stdout
		err = cmd.Start()
	}
	if err != nil {
		return outcomes{absent: err}
	}
	o := s.read(out)
	_ = cmd.Wait() // the tests have said what was wrong
	if ctx.Err() != nil {
		o.absent = errors.New("interrupted")
	}
	return o
}

// read takes in all that `go test -json` says.
func (s step) read(out io.Reader) (o outcomes) {
	byName := make(map[string]*outcome)
	for _, name := range s.tests {
		t := &outcome{name: name, repeat: s.command(name)}
		o.tests = append(o.tests, t)
		byName[name] = t
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	defer func() { _, _ = io.Copy(io.Discard, out) }() // a line that is too long ends only the reading
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			o.output = append(o.output, lines.Text())
			continue
		}
		name, part, isPart := strings.Cut(e.Test, "/")
		t := byName[name]
		switch {
		case t == nil:
			if text := strings.TrimSpace(e.Output); text != "" {
				o.output = append(o.output, text)
			}
		case e.Action == "output":
			t.output = append(t.output, strings.TrimRight(e.Output, "\n"))
		case e.Action == "attr":
			if f, ok := figure.Parse(e.Key, e.Value); ok {
				t.figures = append(t.figures, f)
			}
		case e.Action == "skip" && isPart && t.ended == "":
			t.ended = "skip"
			t.output = append(t.output, part+" was skipped")
		case (e.Action == "pass" || e.Action == "fail" || e.Action == "skip") && !isPart:
			if t.ended != "skip" || e.Action == "fail" {
				t.ended = e.Action
			}
		}
	}
	return o
}

// namespaces looks whether this user may make network namespaces.
func namespaces() error {
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("network namespaces cannot be made by this user (%w)", err)
	}
	return nil
}
