package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// logged are the fields of the log lines with the given message.
func (p *program) logged(message string) []map[string]any {
	p.t.Helper()
	var found []map[string]any
	for _, line := range p.stderr.all() {
		if !strings.HasPrefix(line, "{") {
			continue
		}
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			p.t.Errorf("%v: %s", err, line)
		}
		if fields["message"] == message {
			found = append(found, fields)
		}
	}
	return found
}

// Everybody who says something is worth two lines in the log, the second one with
// the cause; what is said is not in it, nor who said it.
func TestLogOfConnections(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"info", "debug"} {
		p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0,unix://" + t.TempDir() + "/chat", "CHATD_LOG_LEVEL": level})
		port := p.port()
		socket := p.says(`^listening on unix://(\S+) `)[0]
		stays := arrive(t, socket, "stays")
		stays.says("secretive words")
		quits := arrive(t, port, "quits")
		quits.says("/msg stays secretive words")
		quits.says("/secretive words")
		quits.says("/quit")
		quits.rest()
		resets := arrive(t, port, "resets")
		resets.reset()
		stays.sees(`^\* .*(resets is gone|left)`)
		ends := arrive(t, port, "ends")
		ends.says("secretive words")
		ends.sees("ends: secretive words$")
		ends.finishes()
		silent := dial(t, port)
		silent.sees("until the server stops")
		silent.finishes()
		p.signal(unix.SIGTERM)
		stays.rest()
		p.exit()

		var begins, causes []string
		for _, fields := range p.logged("begin") {
			begins = append(begins, fmt.Sprintf("%v %v %v", fields["level"], fields["id"], fields["transport"]))
			if fields["transport"] == "tcp" && !strings.HasPrefix(fmt.Sprint(fields["peer"]), "127.0.0.1:") {
				t.Errorf("the peer of a begin is %v", fields["peer"])
			}
		}
		for _, fields := range p.logged("end") {
			causes = append(causes, fmt.Sprintf("%v %v %v: %v lines, %v", fields["level"], fields["id"], fields["transport"], fields["lines_in"], fields["cause"]))
			if _, ok := fields["lasted_ms"].(float64); !ok || fields["bytes_out"] == 0.0 || fields["peer"] == nil {
				t.Errorf("the end says %v", fields)
			}
		}
		slices.Sort(begins)
		wantBegins := []string{"info 1 unix", "info 2 tcp", "info 3 tcp", "info 4 tcp"}
		wantCauses := []string{
			"info 1 unix: 3 lines, server stopping", "info 2 tcp: 5 lines, said goodbye",
			"info 3 tcp: 2 lines, connection reset", "info 4 tcp: 3 lines, end of input",
		}
		if level == "debug" {
			wantCauses = append([]string{"debug 5 tcp: 0 lines, end of input"}, wantCauses...)
		}
		slices.Sort(causes)
		if diff := cmp.Diff(wantBegins, begins); diff != "" {
			t.Errorf("at level %s (-want begins +got):\n%s", level, diff)
		}
		if diff := cmp.Diff(wantCauses, causes); diff != "" {
			t.Errorf("at level %s (-want ends +got):\n%s", level, diff)
		}
		for _, line := range p.stderr.all() {
			if strings.Contains(line, "secretive") || strings.Contains(line, "stays") {
				t.Errorf("the log says what people say: %s", line)
			}
		}
	}
}

// Nobody reads the log, and its pipe is full: people talk on, and the process ends
// when it is told to.
func TestNobodyReadsTheLog(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	size, err := unix.FcntlInt(write.Fd(), unix.F_SETPIPE_SZ, 4096)
	if err != nil {
		t.Fatal(err)
	}
	socket := t.TempDir() + "/chat"
	m := newManager(t)
	p, err := launch(t, write, environment{
		"CHATD_LISTEN": "unix://" + socket, "CHATD_LOG_LEVEL": "debug", "NOTIFY_SOCKET": m.address, "CHATD_RATE": "off",
	})
	if err != nil {
		t.Fatal(err)
	}
	m.hears("^READY=1$")
	ana, bob := arrive(t, socket, "ana"), arrive(t, socket, "bob")
	// What these leave in the log is more than pipe and queue hold.
	for range 1500 {
		one := dial(t, socket)
		one.sends("/quit\n")
		one.conn.Close()
	}
	if n, err := unix.IoctlGetInt(int(read.Fd()), unix.TIOCINQ); err != nil || n < size/2 {
		t.Errorf("the pipe holds %d of %d bytes, %v", n, size, err)
	}
	begin := time.Now()
	for i := range 100 {
		ana.says(fmt.Sprint("line ", i))
		bob.sees(fmt.Sprintf("ana: line %d$", i))
	}
	t.Logf("100 lines took %v", time.Since(begin))
	arrive(t, socket, "cleo").says("anybody here?") // whose beginning is a line in the log
	bob.sees("cleo: anybody here\\?$")
	p.signal(unix.SIGTERM)
	bob.rest()
	if status := p.exit(); status != exitOK {
		t.Errorf("chatd exits with %d", status)
	}
}
