package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is the server's, looked at from outside.
type process int

// cpu is the processor time it has used, user and system, its ended threads
// included, in nanoseconds (a running thread's last tick, at most 4 ms, is not in
// it). The clock is what clock_getcpuclockid(3) makes of a process id.
func (p process) cpu() (time.Duration, error) {
	const scheduled = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(^int32(p)<<3|scheduled, &ts); err != nil {
		return 0, fmt.Errorf("processor time of process %d: %w", p, err)
	}
	return time.Duration(ts.Nano()), nil
}

// memory is what a process holds, in bytes.
type memory struct {
	RSS  int64 `json:"rss" desc:"resident, bytes"`
	Peak int64 `json:"rss_peak" desc:"the most that ever was resident, bytes"`
	PSS  int64 `json:"pss" desc:"resident, shared pages by share, bytes; 0: cannot be seen"`
}

// memory reads what it holds. It makes the kernel walk all its pages: not for
// while a measurement runs.
func (p process) memory() (m memory, err error) {
	if m.RSS, err = p.field("status", "VmRSS:"); err != nil {
		return m, err
	}
	if m.Peak, err = p.field("status", "VmHWM:"); err != nil {
		return m, err
	}
	m.PSS, _ = p.field("smaps_rollup", "Pss:") // other users' processes do not show it
	return m, nil
}

// field reads a line such as "VmRSS:  1234 kB".
func (p process) field(file, name string) (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/%s", p, file))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	for in.Scan() {
		if words := strings.Fields(in.Text()); len(words) > 1 && words[0] == name {
			n, err := strconv.ParseInt(words[1], 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", f.Name(), name)
}
