package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/chatd/chatd/bench/rig"
)

// machine is where something was measured, and with what.
type machine struct {
	Processor  string            `json:"processor"`
	Processors int               `json:"processors"`
	Kernel     string            `json:"kernel"`
	Congestion string            `json:"congestion"` // control that TCP uses
	Versions   map[string]string `json:"versions"`   // by server
	Pauses     *pauses           `json:"pauses,omitempty"`
}

// machineHere looks at this machine, for some seconds at its clock.
func machineHere(ctx context.Context, there []rig.Server, processors ...string) (m machine, err error) {
	m = machine{Processors: runtime.NumCPU(), Versions: make(map[string]string)}
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.Processor = strings.TrimSpace(value)
			break
		}
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel, _, _ = strings.Cut(unix.ByteSliceToString(u.Release[:]), "-")
	}
	text, _ = os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
	m.Congestion = strings.TrimSpace(string(text))
	for _, s := range there {
		m.Versions[s.Name] = s.Version(ctx)
	}
	m.Pauses, err = pausesOn(ctx, processors...)
	return m, err
}

// machineBlock says what the figures of the document come from.
func machineBlock(f *results) string {
	m := f.last.Machine
	if m == nil {
		return ""
	}
	version := func(what, server string) string {
		if v := m.Versions[server]; v != "" {
			return what + " " + v
		}
		return ""
	}
	var peers []string
	for _, s := range rig.Servers() {
		name := s.Label
		switch s.Name {
		case "floor", "chatd", "textbook":
			continue
		case "qt":
			name = "Qt"
		}
		if v := version(name, s.Name); v != "" {
			peers = append(peers, v)
		}
	}
	processor := m.Processor
	if processor == "" {
		processor = "processor of unknown make"
	}
	parts := []string{
		fmt.Sprintf("Measured on %s: %d processors (%s)", f.last.Begun.Format("2 January 2006"), m.Processors, processor),
		"Linux " + m.Kernel, "TCP congestion control " + m.Congestion, version("Go", "chatd"), version("gcc", "floor"),
	}
	parts = append(parts, peers...)
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, p)
		}
	}
	block := strings.Join(said, ", ") + ".\n"
	if m.Pauses != nil {
		block += m.Pauses.String() + "\n"
	}
	return block
}
