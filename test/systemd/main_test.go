//go:build systemd

// Package systemd_test boots a real systemd, in a container, and tries chatd and
// its shipped units in it. "make test-systemd" runs it, as root.
//
// A test boots a machine of its own, in less than a second: a copy-on-write view of
// a minimal Debian with a network that consists of its loopback device. Nothing of
// it is left when the test is over, whatever has happened in between.
//
//	m := boot(t)
//	m.install()
//	m.run("systemctl start chatd")
//	m.logs("^systemd: Started chatd.service")
//	ana := m.dial("127.0.0.1 7777")
//	ana.says("hello")
//	ana.sees("hello$")
//	if end := m.logs("^chatd: end$"); end["CAUSE"] != "end of input" { … }
//
// What happens inside is done with the programs that are there (systemctl, nc,
// sqlite3), and waited for by what they print or by what the journal says.
package systemd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// patience is how long a test waits for anything. It is much more than anything
// takes, for the sake of machines that are busy.
const patience = 30 * time.Second

// Set by TestMain.
var (
	tree   string // folder of the Debian that machines are made from
	binary string // chatd as it is shipped, linked statically
)

func TestMain(m *testing.M) {
	tree = os.Getenv("CHATD_TEST_TREE")
	if tree == "" {
		fmt.Fprintln(os.Stderr, "CHATD_TEST_TREE names no Debian to boot; run these tests with make test-systemd")
		os.Exit(1)
	}
	os.Exit(inFolder(m.Run))
}

// inFolder builds chatd in a folder that is there while run runs.
func inFolder(run func() int) int {
	folder, err := os.MkdirTemp("", "chatd-systemd-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	binary = filepath.Join(folder, "chatd")
	build := exec.Command("go", "build", "-o", binary, "github.com/chatd/chatd/cmd/chatd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building chatd: %v\n%s", err, out)
		return 1
	}
	return run()
}
