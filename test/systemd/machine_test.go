//go:build systemd

package systemd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cgroups is where tools/systemd.sh mounts them, of the second version.
const cgroups = "/sys/fs/cgroup"

// machine is a container with a systemd as its first process.
type machine struct {
	t *testing.T

	// Set by boot.
	name string // of its control group too
	root string // folder of its files

	// Set by launch.
	heard   *net.UnixConn // on which nspawn says how far it is
	over    chan struct{} // closed by launch's goroutine when it has ended
	leader  int           // process id of its systemd
	files   *os.Root      // its file system, with what systemd has mounted
	journal *journal
	inside  context.Context // for processes that may last as long as the machine
	leave   context.CancelFunc

	people sync.WaitGroup // the goroutines that read from processes in the machine, which end with it
}

// boot starts a machine, without chatd, and returns when its systemd says that all
// is up. It ends with the test.
func boot(t *testing.T) *machine {
	t.Helper()
	m := &machine{t: t}
	m.name = m.group()
	m.root = m.mount()
	t.Cleanup(m.end)
	m.launch()
	return m
}

// again starts a machine anew that was told to reboot. Whoever is still in it is
// thrown out.
func (m *machine) again() {
	m.t.Helper()
	// The machine only ends when who follows its journal has; and that one's nsenter
	// stands still from when systemd halts all processes.
	m.leave()
	select {
	case <-m.over: // up to 10 s after all in it has ended
	case <-time.After(patience):
		m.t.Fatalf("the machine does not end:\n%s", m.journal.tail())
	}
	m.people.Wait()
	m.launch()
}

// launch has systemd-nspawn start the machine's systemd, and waits until all is up.
func (m *machine) launch() {
	m.t.Helper()
	group, err := os.Open(filepath.Join(cgroups, m.name))
	if err != nil {
		m.t.Fatal(err)
	}
	defer group.Close()
	cmd := exec.Command("systemd-nspawn", "--quiet", "--boot", "--notify-ready=yes", "--directory="+m.root, "--machine="+m.name,
		"--private-network", "--register=no", "--keep-unit", "--console=pipe")
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.hear())
	cmd.Stdout, cmd.Stderr = m.t.Output(), m.t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd())}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.over = make(chan struct{})
	go func(heard *net.UnixConn, over chan<- struct{}) {
		_ = cmd.Wait()
		heard.Close() // whoever waits for it to be up waits no more
		close(over)
	}(m.heard, m.over)
	m.hears("READY=1")
	m.enter(child(m.t, cmd.Process.Pid))
}

// enter makes a way into the machine, by the process id of its systemd.
func (m *machine) enter(leader int) {
	m.t.Helper()
	m.leader = leader
	m.inside, m.leave = context.WithCancel(context.Background())
	m.t.Cleanup(m.leave)
	files, err := os.OpenRoot(fmt.Sprintf("/proc/%d/root", m.leader))
	if err != nil {
		m.t.Fatal(err)
	}
	m.files = files
	m.t.Cleanup(func() { files.Close() })
	m.journal = m.follow()
}

// end ends the machine at once, and waits until none of its processes is left.
func (m *machine) end() {
	if m.over == nil {
		return // it was never started
	}
	if err := os.WriteFile(filepath.Join(cgroups, m.name, "cgroup.kill"), []byte("1"), 0); err != nil {
		m.t.Errorf("the machine cannot be ended: %v", err)
	}
	<-m.over
	m.people.Wait()
}

// mount gives the machine a view of the tree in which all that it writes goes to
// memory, where tools/systemd.sh has the temporary files.
func (m *machine) mount() string {
	m.t.Helper()
	folder := m.t.TempDir()
	root, upper, work := filepath.Join(folder, "root"), filepath.Join(folder, "upper"), filepath.Join(folder, "work")
	for _, path := range []string{root, upper, work} {
		if err := os.Mkdir(path, 0o755); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := unix.Mount("overlay", root, "overlay", 0, "lowerdir="+tree+",upperdir="+upper+",workdir="+work); err != nil {
		m.t.Fatalf("mounting an overlay: %v", err)
	}
	m.t.Cleanup(func() {
		if err := unix.Unmount(root, 0); err != nil {
			m.t.Errorf("unmounting the overlay: %v", err)
		}
	})
	return root
}

// group makes the control group that the machine's own are below, and with that a
// name that no other machine has.
func (m *machine) group() string {
	m.t.Helper()
	path, err := os.MkdirTemp(cgroups, "chatd-test-")
	if err != nil {
		m.t.Fatalf("no control group can be made: %v", err)
	}
	m.t.Cleanup(m.ungroup)
	return filepath.Base(path)
}

// isEmpty waits until no process is left in the machine's control groups, which the
// kernel says of its own accord, and reports whether that is so.
func (m *machine) isEmpty() bool {
	events, err := os.Open(filepath.Join(cgroups, m.name, "cgroup.events"))
	if err != nil {
		return false
	}
	defer events.Close()
	b := make([]byte, 256)
	for begin := time.Now(); time.Since(begin) < patience; {
		n, err := events.ReadAt(b, 0)
		if err != nil && err != io.EOF {
			return false
		}
		if strings.Contains(string(b[:n]), "populated 0\n") {
			return true
		}
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(events.Fd()), Events: unix.POLLPRI}}, int(patience.Milliseconds()))
	}
	return false
}

// ungroup removes the machine's control groups, the innermost first, when nobody is
// in them any more.
func (m *machine) ungroup() {
	if !m.isEmpty() {
		m.t.Errorf("processes are left in %s", filepath.Join(cgroups, m.name))
	}
	var groups []string
	err := filepath.WalkDir(filepath.Join(cgroups, m.name), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			groups = append(groups, path)
		}
		return err
	})
	for i := len(groups) - 1; i >= 0; i-- {
		err = errors.Join(err, os.Remove(groups[i]))
	}
	if err != nil {
		m.t.Errorf("control groups are left: %v", err)
	}
}

// hear opens the socket on which nspawn says how far the machine is, and returns its
// address.
func (m *machine) hear() string {
	m.t.Helper()
	address := filepath.Join(m.t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		m.t.Fatal(err)
	}
	m.heard = conn
	return address
}

// hears waits until nspawn says this line.
func (m *machine) hears(want string) {
	m.t.Helper()
	_ = m.heard.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 4096)
	for {
		n, err := m.heard.Read(b)
		if err != nil {
			m.t.Fatalf("the machine does not boot; systemd-nspawn does not say %s: %v", want, err)
		}
		for line := range strings.Lines(string(b[:n])) {
			if strings.TrimSpace(line) == want {
				return
			}
		}
	}
}

// child returns the one child process of pid.
func child(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	id, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatalf("nspawn has not one child but %q", text)
	}
	return id
}
