// Package configs_test asks systemd itself what it thinks of the unit files.
package configs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// analyze runs systemd-analyze and returns what it printed.
func analyze(t *testing.T, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Fatal("systemd-analyze is missing; on Debian, apt-get install systemd brings it")
	}
	out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
	return string(out), err
}

// Exposure is what systemd-analyze counts a service could do to the machine, from
// 0 to 10; 1.3 is all that a server on the network with a full list of
// restrictions has left.
func TestServiceIsHardened(t *testing.T) {
	t.Parallel()
	if out, err := analyze(t, "security", "--no-pager", "--offline=true", "--threshold=13", "chatd.service"); err != nil {
		t.Errorf("the exposure of chatd.service is over 1.3 (%v):\n%s", err, out)
	}
}

func TestUnitsAreClean(t *testing.T) {
	t.Parallel()
	// The program that the service starts need not be installed here, so the
	// test's own takes its place.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	service, err := os.ReadFile("chatd.service")
	if err != nil {
		t.Fatal(err)
	}
	start := regexp.MustCompile(`(?m)^ExecStart=/usr/bin/chatd$`)
	if len(start.FindAll(service, -1)) != 1 {
		t.Fatal("chatd.service has not one line ExecStart=/usr/bin/chatd")
	}
	socket, err := os.ReadFile("chatd.socket")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	units := []string{filepath.Join(folder, "chatd.service"), filepath.Join(folder, "chatd.socket")}
	for i, text := range [][]byte{start.ReplaceAllLiteral(service, []byte("ExecStart="+self)), socket} {
		if err := os.WriteFile(units[i], text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// It only warns of a directive that it does not know.
	out, err := analyze(t, append([]string{"verify", "--man=no", "--recursive-errors=no"}, units...)...)
	if err != nil || out != "" {
		t.Errorf("systemd-analyze verify (%v):\n%s", err, out)
	}
}
