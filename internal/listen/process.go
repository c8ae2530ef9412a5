package listen

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// portHolder returns the process that listens at addr, or 0 if it cannot be
// told: only root may look into other users' processes. The unspecified and
// the zero address conflict with every other.
func portHolder(addr netip.AddrPort) (pid int) {
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if bound, inode, ok := parseListening(line); ok && conflict(bound, addr) {
				sockets["socket:["+inode+"]"] = true
			}
		}
	}
	if len(sockets) == 0 {
		return 0
	}
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		descriptors, err := os.ReadDir("/proc/" + p.Name() + "/fd")
		if err != nil {
			continue // gone, or another user's
		}
		for _, d := range descriptors {
			if target, err := os.Readlink("/proc/" + p.Name() + "/fd/" + d.Name()); err == nil && sockets[target] {
				return pid
			}
		}
	}
	return 0
}

// parseListening reads a line of /proc/net/tcp or tcp6 that is about a
// listening socket:
//
//	sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …
func parseListening(line string) (bound netip.AddrPort, inode string, ok bool) {
	const listening = "0A"
	fields := strings.Fields(line)
	if len(fields) < 10 || fields[3] != listening {
		return bound, "", false
	}
	host, port, _ := strings.Cut(fields[1], ":")
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil || len(host) != 8 && len(host) != 32 {
		return bound, "", false
	}
	var words []byte
	for ; host != ""; host = host[8:] {
		word, err := strconv.ParseUint(host[:8], 16, 32)
		if err != nil {
			return bound, "", false
		}
		words = binary.NativeEndian.AppendUint32(words, uint32(word)) // the kernel prints memory as numbers
	}
	addr, _ := netip.AddrFromSlice(words)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), fields[9], true
}

// conflict reports whether a socket bound there keeps another from being bound
// at wanted.
func conflict(there, wanted netip.AddrPort) bool {
	if there.Port() != wanted.Port() {
		return false
	}
	a, b := there.Addr(), wanted.Addr().Unmap().WithZone("")
	return !b.IsValid() || a.IsUnspecified() || b.IsUnspecified() || a == b
}

// program is what an error calls a process, 0 being one that is not known.
func program(pid int) string {
	switch pid {
	case 0:
		return "another program"
	case os.Getpid():
		return "another listener of this server"
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return fmt.Sprintf("a program with pid %d", pid)
	}
	return fmt.Sprintf("%s (pid %d)", shown(strings.TrimSuffix(string(name), "\n")), pid)
}
