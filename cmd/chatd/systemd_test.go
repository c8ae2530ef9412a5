package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/chatd/chatd/internal/figure"
)

// manager is the one who hears what a service says of itself, as systemd does.
type manager struct {
	t       *testing.T
	address string // NOTIFY_SOCKET
	conn    *net.UnixConn
	heard   *transcript
}

func newManager(t *testing.T) *manager {
	t.Helper()
	return newManagerAt(t, filepath.Join(t.TempDir(), "notify"))
}

func newManagerAt(t *testing.T, address string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	return &manager{t: t, address: address, conn: conn, heard: listenTo(t, datagrams{conn})}
}

// datagrams reads each datagram as lines.
type datagrams struct{ *net.UnixConn }

func (d datagrams) Read(p []byte) (int, error) {
	n, err := d.UnixConn.Read(p[:len(p)-1])
	if err == nil && !bytes.HasSuffix(p[:n], []byte("\n")) {
		p[n] = '\n'
		n++
	}
	return n, err
}

func (m *manager) hears(pattern string) []string {
	m.t.Helper()
	return m.heard.until(m.t, pattern)
}

// skip forgets what was heard so far.
func (m *manager) skip() {
	m.heard.mu.Lock()
	defer m.heard.mu.Unlock()
	for i := range m.heard.given {
		m.heard.given[i] = true
	}
}

// heardEver reports whether any line so far begins with prefix.
func (m *manager) heardEver(prefix string) bool {
	for _, line := range m.heard.all() {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}

func monotonic(t *testing.T) int64 {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano() / 1000
}

func TestSystemdIsTold(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	socket := filepath.Join(t.TempDir(), "chat")
	p := start(t, environment{
		"CHATD_LISTEN": "unix://" + socket, "NOTIFY_SOCKET": m.address,
		"WATCHDOG_USEC": "300000", "WATCHDOG_PID": "1", // somebody else's
	})
	m.hears("^READY=1$")
	m.hears("^STATUS=0 talking, 0 listening; 0 messages so far$")
	ana := arrive(t, socket, "ana")
	ana.says("hello")
	ana.sees("ana: hello$")
	m.hears("^STATUS=1 talking, 0 listening; 1 messages so far$")

	before := monotonic(t)
	p.signal(syscall.SIGHUP)
	m.hears("^RELOADING=1$")
	at, err := strconv.ParseInt(m.hears(`^MONOTONIC_USEC=(\d+)$`)[0], 10, 64)
	if err != nil || at < before || at > monotonic(t) {
		t.Errorf("the reload began at %d, %v, after %d", at, err, before)
	}
	m.hears("^READY=1$")

	p.signal(syscall.SIGTERM)
	m.hears("^STOPPING=1$")
	p.exit()
	if m.heardEver("WATCHDOG=") {
		t.Error("a watchdog is fed that waits for another process")
	}
}

// A service that could not bind everything was never ready.
func TestNotReadyBeforeItListens(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	folder := t.TempDir()
	taken, err := net.Listen("unix", filepath.Join(folder, "taken"))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0,unix://" + folder + "/taken", "NOTIFY_SOCKET": m.address})
	if status := p.exit(); status != exitFailed {
		t.Errorf("chatd exits with %d", status)
	}
	// All it said is in the socket, and this comes behind it.
	tell(t, m.address, "OVER=1")
	m.hears("^OVER=1$")
	if m.heardEver("READY=") {
		t.Error("systemd was told that chatd was ready")
	}
}

// tell says something to a manager.
func tell(t *testing.T, address, text string) {
	t.Helper()
	conn, err := net.Dial("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

// The watchdog is fed with people and without, until the last goodbye, and not by
// a process that stands still.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0", "NOTIFY_SOCKET": m.address, "WATCHDOG_USEC": "300000", "WATCHDOG_PID": "self"})
	port := p.port()
	m.hears("^READY=1$")
	m.hears("^WATCHDOG=1$")
	ana := arrive(t, port, "ana")
	m.skip()
	m.hears("^WATCHDOG=1$")
	m.hears("^WATCHDOG=1$")

	p.signal(syscall.SIGSTOP)
	var status unix.WaitStatus
	if _, err := unix.Wait4(p.cmd.Process.Pid, &status, unix.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("chatd does not stand still: %v, %v", status, err)
	}
	tell(t, m.address, "STANDS=1")
	m.hears("^STANDS=1$")
	<-time.After(500 * time.Millisecond) // nothing can be waited for: it is fed every 100 ms
	tell(t, m.address, "GOES=1")
	m.hears("^GOES=1$")
	p.signal(syscall.SIGCONT)
	m.hears("^WATCHDOG=1$")
	heard := strings.Join(m.heard.all(), "\n")
	if _, after, _ := strings.Cut(heard, "STANDS=1\n"); !strings.HasPrefix(after, "GOES=1\n") {
		t.Errorf("a process that stands still says %q", after)
	}
	ana.says("hello")
	ana.sees("ana: hello$")
	p.stop()
}

// A room that does not answer is told in the log, once and with what everybody
// waits for, and the watchdog goes hungry until it answers again.
func TestWatchdogOfARoomThatIsStuck(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	read, write := io.Pipe()
	log := listenTo(t, read)
	defer write.Close()
	n := &notifier{log: zerolog.New(write), address: m.address, watchdog: 30 * time.Millisecond}
	verdicts := make(chan bool) // one for each probe; closed: all is well
	probe := func(ctx context.Context) error {
		if isStuck := <-verdicts; !isStuck {
			return nil
		}
		<-ctx.Done()
		return fmt.Errorf("room lobby: %w", ctx.Err())
	}
	end := n.begin(func() string { return "STATUS=busy" }, probe)
	verdicts <- true
	log.until(t, `"error":"room lobby: context deadline exceeded","stacks":"goroutine profile: .*TestWatchdogOfARoomThatIsStuck.*not well: the watchdog is not fed"`)
	verdicts <- true
	verdicts <- true
	if m.heardEver("WATCHDOG=") {
		t.Error("the watchdog is fed")
	}
	close(verdicts)
	m.hears("^WATCHDOG=1$")
	end()
	lines := log.all()
	figure.Figure{
		Row: 32, Part: "the watchdog beside a room that hangs", Held: len(lines) == 1 && !t.Failed(), Bar: "not fed until it answers, stacks in the log once",
		Got: fmt.Sprintf("not fed, %d line with stacks", len(lines)),
	}.Tell(t)
	if len(lines) != 1 {
		t.Errorf("%d lines are logged: %.200q", len(lines), lines)
	}
}

// Who listens may be replaced, as by systemctl daemon-reexec.
func TestManagerIsReplaced(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	n := &notifier{log: zerolog.Nop(), address: m.address}
	n.send("READY=1")
	m.hears("^READY=1$")
	if err := os.Remove(m.address); err != nil {
		t.Fatal(err)
	}
	second := newManagerAt(t, m.address)
	// Closing is not enough: a process that another test starts just now may hold a
	// copy for a moment.
	if err := m.conn.CloseRead(); err != nil {
		t.Fatal(err)
	}
	m.conn.Close()
	n.send("STATUS=still here")
	second.hears("^STATUS=still here$")
	var again sync.WaitGroup
	for range 2 { // reload and heartbeat may speak at once
		again.Go(func() { n.send("WATCHDOG=1") })
	}
	again.Wait()
	second.hears("^WATCHDOG=1$")
	second.hears("^WATCHDOG=1$")
	n.mu.Lock()
	n.close()
	n.mu.Unlock()
}

// activate starts chatd as systemd-socket-activate does: it listens on the paths
// and hands them over, under the given names, at the first connection.
func activate(t *testing.T, environ environment, names string, paths ...string) *program {
	t.Helper()
	if _, err := exec.LookPath("systemd-socket-activate"); err != nil {
		t.Fatal("systemd-socket-activate is missing; on Debian, apt-get install systemd brings it")
	}
	command := []string{"systemd-socket-activate", "--fdname=" + names, "-E", "BE=chatd", "-E", "TZ=UTC", "-E", "GORACE=atexit_sleep_ms=0"}
	for name, value := range environ {
		command = append(command, "-E", name+"="+value)
	}
	for _, path := range paths {
		command = append(command, "--listen="+path)
	}
	p := start(t, nil, command...)
	for range paths {
		p.says("^Listening on ")
	}
	return p
}

func TestSocketsAreHandedOver(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	chat, raw, other := filepath.Join(folder, "chat"), filepath.Join(folder, "raw"), filepath.Join(folder, "other")
	p := activate(t, environment{"RUNTIME_DIRECTORY": folder}, "chat:raw:office", chat, raw, other)
	ana := dial(t, chat) // nobody is there yet
	ana.says("first!")
	ana.sees(": first!$") // under the name that the kernel knows
	p.says("^listening on unix://" + chat + "  reach it with: nc -U " + chat + "$")
	p.says("^listening on unix://" + raw + `  reach it with: nc -U ` + raw + `  \(raw\)$`)
	p.says("^listening on unix://" + other + "  reach it with: nc -U " + other + "$")

	seat := filepath.Join(folder, "chatd.sock")
	p.says("^listening on unix://" + seat + "[?]?.*  reach it with: nc -U " + seat + "$")
	if info, err := os.Stat(seat); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the operator's seat: %v, %v", info, err)
	}

	arrive(t, other, "bob").says("from another socket")
	ana.sees("bob: from another socket$")
	one := dial(t, raw)
	one.sends("as it is\n")
	if line, err := one.line(); line != "as it is" {
		t.Errorf("raw gives back %q, %v", line, err)
	}
	p.stop()
	for _, path := range []string{chat, raw, other} {
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("a socket of systemd's is gone: %v", err)
		}
	}
	if _, err := os.Lstat(filepath.Join(folder, "chatd.sock")); !os.IsNotExist(err) {
		t.Errorf("its own socket is left: %v", err)
	}
}

// Systemd may open ports that chatd itself may not, such as 443 for https.
func TestSocketsForTLSAreHandedOver(t *testing.T) {
	t.Parallel()
	d, folder := newDrawer(t), t.TempDir()
	secret, page := filepath.Join(folder, "secret"), filepath.Join(folder, "page")
	environ := environment{"CHATD_TLS_CERT_FILE": d.cert, "CHATD_TLS_KEY_FILE": d.key}
	p := activate(t, environ, "tls:https", secret, page)
	over := func(path string) *tls.Conn {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		return tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	ana := meet(t, over(secret))
	ana.says("first!")
	ana.sees(": first!$")
	browser := &http.Client{Transport: &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return over(page), nil }}}
	r, err := browser.Get("https://localhost/")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	browser.CloseIdleConnections()
	if r.StatusCode != http.StatusOK {
		t.Errorf("the page: %s", r.Status)
	}
	p.stop()

	q := activate(t, nil, "tls", filepath.Join(folder, "none"))
	dial(t, filepath.Join(folder, "none"))
	q.says("^chatd: systemd handed over the socket tls, which takes a certificate; set CHATD_TLS_CERT_FILE and CHATD_TLS_KEY_FILE$")
	if status := q.exit(); status != exitFailed {
		t.Errorf("without a certificate, chatd exits with %d", status)
	}
}

// A listener of CHATD_LISTEN can be one of systemd's.
func TestSocketIsNamed(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	office, spare := filepath.Join(folder, "office"), filepath.Join(folder, "spare")
	p := activate(t, environment{"CHATD_LISTEN": "fd://office?serve=raw&room=office,tcp://127.0.0.1:0?serve=raw&room=office"}, "office:spare", office, spare)
	one := dial(t, office)
	p.says(`"level":"warn","name":"spare",.*"message":"systemd handed over a socket that CHATD_LISTEN does not name; nobody serves it"`)
	p.says("^listening on unix://" + office + `  reach it with: nc -U ` + office + `  \(raw\)$`)
	other := dial(t, p.port())
	one.sends("one\n")
	one.sees("^one$")
	other.sends("two\n")
	for _, person := range []*person{one, other} {
		person.sees("^two$")
	}
	p.stop()

	q := start(t, environment{"CHATD_LISTEN": "fd://office"})
	if status := q.exit(); status != exitFailed {
		t.Errorf("without a socket, chatd exits with %d", status)
	}
	q.says("^chatd: fd://office: systemd handed over no socket; start through a socket unit with FileDescriptorName=office$")
}
