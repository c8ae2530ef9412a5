package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/chatd/chatd/bench/rig"
)

const (
	// loadTime is what a crowd may take beside its talk.
	loadTime = 3 * time.Minute
	// perSource is how many connections, of all crowds together, come from one
	// address: the ports of those that have ended are not free at once, and there
	// are some 28,000.
	perSource = 20000
)

// load has a crowd come, talk and leave.
func (b *bench) load(ctx context.Context, d *daemon, conns int, long time.Duration) (r rig.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, long+loadTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(b.dir, "chatload"), "-json",
		"-addr", d.addr, "-pid", fmt.Sprint(d.cmd.Process.Pid), "-time", long.String(),
		"-conns", fmt.Sprint(conns), "-window", fmt.Sprint(b.window),
		"-sources", fmt.Sprint((conns*b.crowds+perSource-1)/perSource))
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if len(out) == 0 {
		return r, fmt.Errorf("chatload: %w: %s", err, strings.TrimSpace(complaint.String()))
	}
	// It ends with 1 when there are faults: they are in the report.
	if r, err = rig.ReadReport(out); err == nil && r.Error != "" && r.Faults() == 0 {
		err = errors.New("chatload: " + r.Error)
	}
	return r, err
}
