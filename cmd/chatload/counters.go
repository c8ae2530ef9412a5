package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// counters count what the processor does for all threads of a process, if the
// machine and its settings (kernel.perf_event_paranoid) let us. Unlike CPU time,
// instructions are the same however busy the machine is with other work.
type counters struct {
	fds [counts][]int
}

// What is counted.
const (
	userInstructions = iota
	instructions     // the kernel's too
	cycles
	counts
)

// count begins counting. It returns nil if that is not possible.
func (p process) count() *counters {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p))
	if err != nil {
		return nil
	}
	c := new(counters)
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		for i := range c.fds {
			attr := unix.PerfEventAttr{
				Type: unix.PERF_TYPE_HARDWARE, Config: unix.PERF_COUNT_HW_INSTRUCTIONS,
				Bits: unix.PerfBitInherit, // threads that it begins later count too
			}
			attr.Size = uint32(unsafe.Sizeof(attr))
			switch i {
			case userInstructions:
				attr.Bits |= unix.PerfBitExcludeKernel
			case cycles:
				attr.Config = unix.PERF_COUNT_HW_CPU_CYCLES
			}
			fd, err := unix.PerfEventOpen(&attr, tid, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
			if err != nil {
				c.close()
				return nil
			}
			c.fds[i] = append(c.fds[i], fd)
		}
	}
	return c
}

// read returns what was counted so far.
func (c *counters) read() (sums [counts]uint64) {
	if c == nil {
		return sums
	}
	var b [8]byte
	for i, fds := range c.fds {
		for _, fd := range fds {
			if n, err := unix.Read(fd, b[:]); n == len(b) && err == nil {
				sums[i] += binary.NativeEndian.Uint64(b[:])
			}
		}
	}
	return sums
}

func (c *counters) close() {
	if c == nil {
		return
	}
	for _, fds := range c.fds {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	}
}
