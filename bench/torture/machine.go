// What the figures come from: this machine and this tree.

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// machineHere describes the machine, as docs/performance.md does, and how busy it is:
// beside other work, what takes time takes longer.
func machineHere() string {
	processor := "processor of unknown make"
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			processor = strings.TrimSpace(value)
			break
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	release, _, _ := strings.Cut(strings.TrimSpace(string(kernel)), "-")
	load, _ := os.ReadFile("/proc/loadavg")
	busy, _, _ := strings.Cut(string(load), " ")
	return fmt.Sprintf("%d processors (%s), Linux %s, Go %s, load average %s before the first row",
		runtime.NumCPU(), processor, release, strings.TrimPrefix(runtime.Version(), "go"), busy)
}

// commitHere names the commit, and says if the tree is another.
func commitHere(ctx context.Context) string {
	commit, err := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "of an unknown commit"
	}
	name := strings.TrimSpace(string(commit))
	if exec.CommandContext(ctx, "git", "diff", "--quiet", "HEAD").Run() != nil {
		name += " with changes"
	}
	return name
}
