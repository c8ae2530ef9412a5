package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chatd/chatd/internal/figure"
)

// machine is a network of its own on this one: a namespace without a name, which
// is gone when its processes and sockets are, however the test ends.
type machine struct {
	t    *testing.T
	file *os.File // the namespace
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test makes network namespaces, which takes root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Fatal("ip is missing; on Debian, apt-get install iproute2 brings it")
	}
	m := &machine{t: t}
	var err error
	onThread(func() {
		if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
			m.file, err = os.Open("/proc/thread-self/ns/net")
		}
	})
	if err != nil {
		t.Fatalf("cannot make a network namespace: %v", err)
	}
	t.Cleanup(func() { m.file.Close() })
	m.ip("link set lo up")
	return m
}

// onThread runs do on a thread of its own, which ends with it.
func onThread(do func()) {
	var running sync.WaitGroup
	running.Go(func() {
		runtime.LockOSThread() // and never unlocked
		do()
	})
	running.Wait()
}

// on runs do on the machine: what it starts and connects is there.
func (m *machine) on(do func()) {
	m.t.Helper()
	var err error
	onThread(func() {
		if err = unix.Setns(int(m.file.Fd()), unix.CLONE_NEWNET); err == nil {
			do()
		}
	})
	if err != nil {
		m.t.Fatalf("cannot enter a network namespace: %v", err)
	}
}

// ip runs ip(8) on the machine.
func (m *machine) ip(command string) {
	m.t.Helper()
	var out []byte
	var err error
	m.on(func() { out, err = exec.Command("ip", strings.Fields(command)...).CombinedOutput() })
	if err != nil {
		m.t.Fatalf("ip %s: %v\n%s", command, err, out)
	}
}

// wire joins m and other with a cable, number n, and returns the address of m on it.
func (m *machine) wire(other *machine, n int) (address string) {
	m.t.Helper()
	m.ip(fmt.Sprintf("link add wire%d type veth peer name wire%[1]d netns /proc/%d/fd/%d", n, os.Getpid(), other.file.Fd()))
	for i, end := range []*machine{m, other} {
		end.ip(fmt.Sprintf("addr add 10.0.%d.%d/24 dev wire%[1]d", n, i+1))
		end.ip(fmt.Sprintf("link set wire%d up", n))
	}
	return fmt.Sprintf("10.0.%d.1", n)
}

// start runs chatd on the machine.
func (m *machine) start(environ environment) (p *program) {
	m.t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	defer write.Close()
	stderr := listenTo(m.t, read)
	m.on(func() { p, err = launch(m.t, write, environ) })
	if err != nil {
		m.t.Fatal(err)
	}
	p.stderr = stderr
	return p
}

// dial connects somebody who sits at the machine.
func (m *machine) dial(where string, control func(network, address string, c syscall.RawConn) error) *person {
	m.t.Helper()
	var conn net.Conn
	var err error
	m.on(func() {
		conn, err = (&net.Dialer{Timeout: patience, Control: control}).Dial("tcp", where)
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return meet(m.t, conn)
}

// littleRoom gives a connection as small a receive buffer as there is.
func littleRoom(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1)
	})
	if err != nil {
		return err
	}
	return failed
}

// What becomes of people whose machine is cut off, in two ways: the cable is
// pulled, or everything they are sent disappears, as behind a router that has
// forgotten them. Beside each of them sits somebody who has merely stopped
// reading, and has to be kept.
func TestVanishedPeers(t *testing.T) {
	t.Parallel()
	var running sync.WaitGroup
	defer running.Wait()
	for _, test := range []struct {
		name string
		cut  func(server, client *machine)
		busy bool // something is said after the cut
		most time.Duration
	}{
		{"cable pulled, idle", pullCable, false, 35 * time.Second},
		{"cable pulled, busy", pullCable, true, 25 * time.Second},
		{"forgotten, idle", forget, false, 35 * time.Second},
		{"forgotten, busy", forget, true, 25 * time.Second},
	} {
		running.Go(func() {
			t.Run(test.name, func(t *testing.T) {
				took := vanish(t, test.cut, test.busy)
				figure.Figure{
					Row: 11, Part: test.name, Held: took <= test.most, Bar: fmt.Sprintf("%.0f s", test.most.Seconds()),
					Got: fmt.Sprintf("noticed after %.1f s", took.Seconds()),
				}.Tell(t)
				if took > test.most+time.Second { // which is for a machine that has other things to do
					t.Errorf("it took %v, want %v at most", took, test.most)
				}
			})
		})
	}
}

func pullCable(_, client *machine) { client.ip("link set wire1 down") }

func forget(server, client *machine) {
	server.ip("neigh replace 10.0.1.2 dev wire1 lladdr 02:00:00:00:00:01 nud permanent")
	client.ip("addr flush dev wire1")
}

// vanish returns how long it took until the others were told.
func vanish(t *testing.T, cut func(server, client *machine), busy bool) (took time.Duration) {
	server, client := newMachine(t), newMachine(t)
	far, near := server.wire(client, 1), server.wire(client, 2)
	p := server.start(environment{"CHATD_LISTEN": "tcp://:0", "CHATD_RATE": "off"})
	port := p.port()

	bob := server.dial("127.0.0.1:"+port, nil).takes("bob")
	ana := client.dial(far+":"+port, nil).takes("ana")
	reader := client.dial(near+":"+port, littleRoom).takes("reader")
	bob.sees(`^\* .*\breader joined$`)
	text := strings.Repeat("x", 4000)
	const lines = 60 // 240 KB, which is more than the kernels keep for one who does not read
	for range lines {
		bob.says(text)
	}
	bob.says("that is all")
	for _, one := range []*person{bob, ana} {
		one.sees("bob: that is all$")
	}

	p.delivers(ana)
	cut(server, client)
	begin := time.Now()
	if busy {
		bob.says("ana?")
	}
	bob.sees(`^\* ana is gone \(connection lost\)$`)
	took = time.Since(begin)
	t.Logf("it took %v", took)
	server.dial("127.0.0.1:"+port, nil).takes("ana").says("back again")
	bob.sees("ana: back again$")

	// The one who stopped reading is still there, and finds everything.
	bob.says("/who")
	bob.sees(`^\* here: ana, bob, reader$`)
	whole := 0
	for line := ""; !strings.HasSuffix(line, "ana: back again"); {
		var err error
		if line, err = reader.line(); err != nil {
			t.Fatalf("the one who stopped reading gets %d of %d lines: %v", whole, lines, err)
		}
		if strings.HasSuffix(line, "bob: "+text) {
			whole++
		}
	}
	if whole != lines {
		t.Errorf("the one who stopped reading gets %d of %d lines", whole, lines)
	}
	reader.says("here I am")
	bob.sees("reader: here I am$")
	p.says(`"lines_in":2,.*"cause":"connection lost"`)
	p.stop()
	return took
}

// delivers waits until the other end has acknowledged all that chatd has sent to
// one, so that nothing is owed any more.
func (p *program) delivers(one *person) {
	p.t.Helper()
	port := fmt.Sprintf(":%04X", one.conn.LocalAddr().(*net.TCPAddr).Port)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for begin := time.Now(); time.Since(begin) < patience; <-look.C {
		table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp6", p.cmd.Process.Pid))
		if err != nil {
			p.t.Fatal(err)
		}
		for line := range strings.Lines(string(table)) {
			// sl local_address rem_address st tx_queue:rx_queue …
			if f := strings.Fields(line); strings.HasSuffix(f[2], port) && strings.HasPrefix(f[4], "00000000:") {
				return
			}
		}
	}
	p.t.Fatal("what was sent is not acknowledged")
}

// On a machine without a network, the command that is named leads to itself.
func TestHintWithoutANetwork(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	p := m.start(environment{"CHATD_LISTEN": "tcp://:0"})
	ports := p.says(`^listening on tcp://:(\d+)  reach it with: nc localhost (\d+)$`)
	if ports[0] != ports[1] {
		t.Errorf("port %s is bound and %s is named", ports[0], ports[1])
	}
	m.dial("127.0.0.1:"+ports[0], nil).takes("ana")
	p.stop()
}
