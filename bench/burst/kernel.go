package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// backlog reads, in what /proc/net/tcp says, for how many connections to server the
// kernel holds exactly so many bytes that their clients have not read yet, and for
// how many it does not. That of the client except is not counted. While connections
// come and go elsewhere, a few may be listed twice, and are counted once, or not at
// all.
func backlog(proc io.Reader, server, except netip.AddrPort, size int) (full, other int, err error) {
	to, from := kernelAddr(server), kernelAddr(except)
	seen := make(map[string]bool) // by the client's address
	in := bufio.NewScanner(proc)
	in.Scan() // the heading
	for in.Scan() {
		// sl local_address rem_address st tx_queue:rx_queue ...
		words := strings.Fields(in.Text())
		if len(words) < 5 {
			return full, other, fmt.Errorf("/proc/net/tcp has the line %q", in.Text())
		}
		if words[2] != to || words[1] == from || seen[words[1]] {
			continue
		}
		seen[words[1]] = true
		_, unread, _ := strings.Cut(words[4], ":")
		held, err := strconv.ParseUint(unread, 16, 32)
		switch {
		case err != nil:
			return full, other, fmt.Errorf("/proc/net/tcp has the line %q", in.Text())
		case held == uint64(size):
			full++
		default:
			other++
		}
	}
	return full, other, in.Err()
}

// kernelAddr writes an IPv4 address as /proc/net/tcp does: a number in the
// machine's order, then the port.
func kernelAddr(a netip.AddrPort) string {
	ip := a.Addr().As4()
	return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), a.Port())
}
