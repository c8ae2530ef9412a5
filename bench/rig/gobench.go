package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Benchmark is what one of Go's benchmarks found.
type Benchmark struct {
	Name    string             // without Benchmark in front, and the number of processors at the end
	Figures map[string]float64 // by unit
}

// Bench runs benchmarks of a package of this module, those whose names match pattern,
// each for so long or, as 1x, so often. env is added to their environment. Temporary
// folders are made in the rig's.
func (r *Rig) Bench(ctx context.Context, pkg, pattern, long string, env ...string) ([]Benchmark, error) {
	program := filepath.Join(r.Dir, filepath.Base(pkg)+".test")
	if err := quiet(exec.CommandContext(ctx, "go", "test", "-c", "-o", program, pkg)); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", long)
	cmd.Env = append(append(os.Environ(), "TMPDIR="+r.Dir), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second // for who holds its output open
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("benchmarks %s of %s: %w\n%s", pattern, pkg, err, out)
	}
	return ReadBenchmarks(out)
}

// benchmarkEnd is the number of processors that names end with, if it is not 1.
var benchmarkEnd = regexp.MustCompile(`-\d+$`)

// ReadBenchmarks reads what benchmarks print. That there is none is an error.
func ReadBenchmarks(out []byte) (all []Benchmark, err error) {
	for line := range bytes.Lines(out) {
		// BenchmarkNAME N FIGURE UNIT FIGURE UNIT ...
		words := strings.Fields(string(line))
		if len(words) < 4 || len(words)%2 != 0 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		b := Benchmark{
			Name:    benchmarkEnd.ReplaceAllString(strings.TrimPrefix(words[0], "Benchmark"), ""),
			Figures: make(map[string]float64),
		}
		for i := 2; i < len(words); i += 2 {
			if b.Figures[words[i+1]], err = strconv.ParseFloat(words[i], 64); err != nil {
				return nil, fmt.Errorf("a benchmark says %q: %w", line, err)
			}
		}
		all = append(all, b)
	}
	if len(all) == 0 {
		return nil, errors.New("there is no such benchmark")
	}
	return all, nil
}
