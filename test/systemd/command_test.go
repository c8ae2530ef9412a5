//go:build systemd

package systemd_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// command makes a process in the machine, by its shell. When ctx is done that is
// killed which leads into the machine; what is inside may go on until that ends.
func (m *machine) command(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", "--target="+strconv.Itoa(m.leader), "--all", "/bin/sh", "-c", line)
	cmd.WaitDelay = time.Second // for what is left of it inside
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER="}
	return cmd
}

// try runs a line of shell in the machine, as root, and returns all it printed
// without the last line end, and its exit status.
func (m *machine) try(line string) (string, int) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := m.command(ctx, line)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		m.t.Fatalf("%s: %v\n%s", line, errors.Join(err, ctx.Err()), out)
	}
	return strings.TrimSuffix(string(out), "\n"), cmd.ProcessState.ExitCode()
}

// run is try for what has to succeed.
func (m *machine) run(line string) string {
	m.t.Helper()
	out, status := m.try(line)
	if status != 0 {
		m.t.Fatalf("%s: exit status %d\n%s\nThe journal:\n%s", line, status, out, m.journal.tail())
	}
	return out
}

// until repeats a command until the pattern fits what it prints, and returns that.
// It is for what nothing tells of when it happens.
func (m *machine) until(line, pattern string) string {
	m.t.Helper()
	re := regexp.MustCompile(pattern)
	begin := time.Now()
	for {
		out, status := m.try(line)
		if status == 0 && re.MatchString(out) {
			return out
		}
		if time.Since(begin) > patience {
			m.t.Fatalf("%s does not print %q but, with status %d:\n%s\nThe journal:\n%s", line, pattern, status, out, m.journal.tail())
		}
	}
}

// show returns a property of a unit, as systemctl show does.
func (m *machine) show(unit, property string) string {
	m.t.Helper()
	return m.run("systemctl show --value --property=" + property + " " + unit)
}

// write puts a file with this text into the machine, and makes the folders that
// lead there. Nobody but root can read it.
func (m *machine) write(path, text string) {
	m.t.Helper()
	m.put(path, []byte(text), 0o600)
}

// copyIn puts a copy of a file of the host, with its permissions, into the machine.
func (m *machine) copyIn(from, to string) {
	m.t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		m.t.Fatal(err)
	}
	info, err := os.Stat(from)
	if err != nil {
		m.t.Fatal(err)
	}
	m.put(to, text, info.Mode().Perm())
}

func (m *machine) put(path string, text []byte, mode os.FileMode) {
	m.t.Helper()
	path = strings.TrimPrefix(path, "/")
	if err := m.files.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := m.files.WriteFile(path, text, mode); err != nil {
		m.t.Fatal(err)
	}
	if err := m.files.Chmod(path, mode); err != nil { // whatever our umask is
		m.t.Fatal(err)
	}
}

// install puts chatd and its shipped units where docs/operations.md puts them.
func (m *machine) install() {
	m.t.Helper()
	m.copyIn(binary, "/usr/bin/chatd")
	for _, unit := range []string{"chatd.service", "chatd.socket"} {
		m.copyIn(filepath.Join("..", "..", "configs", unit), "/etc/systemd/system/"+unit)
	}
	m.run("systemctl daemon-reload")
}

// edit changes a unit as systemctl edit does.
func (m *machine) edit(unit, text string) {
	m.t.Helper()
	m.write("/etc/systemd/system/"+unit+".d/override.conf", text)
	m.run("systemctl daemon-reload")
}
