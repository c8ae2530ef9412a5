package main

import (
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd/chatd/internal/figure"
)

func TestTwoPeopleTalkUntilTheStop(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "chat")
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0,unix://" + socket})
	port := p.port()
	p.says(`"message":"started"`)
	want := []string{
		"listening on tcp://127.0.0.1:" + port + "  reach it with: nc 127.0.0.1 " + port,
		"listening on unix://" + socket + "  reach it with: nc -U " + socket,
	}
	if diff := cmp.Diff(want, p.stderr.all()[:2]); diff != "" {
		t.Errorf("what is printed first (-want +got):\n%s", diff)
	}

	ana, bob := arrive(t, port, "ana"), arrive(t, socket, "bob")
	ana.says("hello bob")
	bob.sees(`^\d\d:\d\d ana: hello bob$`)
	bob.says("你好 ana")
	ana.sees(`^\d\d:\d\d bob: 你好 ana$`)

	p.signal(syscall.SIGTERM)
	for _, person := range []*person{ana, bob} {
		if rest := person.rest(); !strings.HasSuffix(rest, "\n* chatd is shutting down\n") && rest != "* chatd is shutting down\n" {
			t.Errorf("the last words are %q", rest)
		}
	}
	if status := p.exit(); status != exitOK {
		t.Errorf("chatd exits with %d", status)
	}
	p.says(`"signal":"terminated".*"message":"stopping"`)
	p.says(`"message":"stopped"`)
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

// All thousand are told within two seconds. It runs by itself: what others do to the
// processors is not what it is about.
func TestStopTellsEveryone(t *testing.T) {
	const crowd = 1000
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0?backlog=1024", "CHATD_MAX_PER_ADDRESS": "off"})
	port := p.port()
	people := make([]*person, crowd)
	for i := range people {
		people[i] = dial(t, port)
	}
	for _, one := range people {
		one.sees(`until the server stops`)
	}
	p.signal(syscall.SIGTERM)
	begin := time.Now()
	var told sync.WaitGroup
	for _, one := range people {
		told.Go(func() {
			if rest := one.rest(); rest != "* chatd is shutting down\n" {
				t.Errorf("the last words are %q", rest)
			}
		})
	}
	told.Wait()
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %v to tell everyone", took)
	}
	if status := p.exit(); status != exitOK {
		t.Errorf("chatd exits with %d", status)
	}
}

// Somebody who reads slowly is given the whole grace, but not if the operator has
// none: with 700 KB to go at 100 KB a second, a second signal makes the difference.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0", "CHATD_SHUTDOWN_GRACE": "1m", "CHATD_RATE": "off"})
	port := p.port()
	_, ana, wait := readSlowly(t, port)
	defer wait()
	p.signal(syscall.SIGTERM)
	ana.rest()
	select {
	case <-p.exited:
		t.Error("chatd did not wait for the slow reader")
	default:
	}
	p.signal(syscall.SIGTERM)
	second := time.Now()
	if status := p.exit(); status != exitOK || time.Since(second) > 3*time.Second {
		t.Errorf("chatd exits with %d, %v after the second signal", status, time.Since(second))
	}
	p.says("a second signal: some were cut off")
}

func TestReload(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "motd")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("coffee at ten\n")
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0", "CHATD_MOTD_FILE": file})
	port := p.port()
	ana := arrive(t, port, "ana")
	if !slices.Contains(ana.seen, "* coffee at ten\n") {
		t.Errorf("the greeting is %q", ana.seen)
	}

	write("coffee at nine\nand at four\n")
	dial(t, port).sees(`^\* coffee at ten$`) // not before the signal
	p.signal(syscall.SIGHUP)
	p.says(`"message":"files read again"`)
	bob := dial(t, port)
	bob.sees(`^\* coffee at nine$`)
	bob.sees(`^\* and at four$`)

	for _, breakIt := range []func(){
		func() { write(strings.Repeat("x", maxMOTD+1)) },
		func() { os.Remove(file) },
	} {
		breakIt()
		p.signal(syscall.SIGHUP)
		p.says(`"level":"error","error":".*motd .*"message":"the message of the day stays as it was"`)
		dial(t, port).sees(`^\* coffee at nine$`)
	}
	ana.says("still here")
	ana.sees("ana: still here$")
	p.stop()
	if n := len(p.logged("files read again")); n != 1 {
		t.Errorf("files are said to be read again %d times, want once", n)
	}
}

// A bad configuration is told whole, and leaves nothing behind.
func TestBadConfigurationBindsNothing(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "chat")
	p := start(t, environment{
		"CHATD_LISTEN":    "unix://" + socket + ",tcp://127.0.0.1:0?serve=chess",
		"CHATD_RATE":      "fast",
		"CHATD_MAX_LNIE":  "100",
		"CHATD_MOTD_FILE": "/nonexistent/motd",
	})
	if status := p.exit(); status != exitConfig {
		t.Errorf("chatd exits with %d", status)
	}
	want := []string{
		`chatd: CHATD_RATE="fast" is not a number; write one such as 10 or 0.5`,
		`chatd: CHATD_LISTEN: tcp://127.0.0.1:0?serve=chess: unknown service chess; use chat, raw, json, http, echo or fortune`,
		`chatd: CHATD_MOTD_FILE: /nonexistent/motd does not exist`,
		`chatd: CHATD_MAX_LNIE is not known to this version; did you mean CHATD_MAX_LINE?`,
	}
	if diff := cmp.Diff(want, p.stderr.all()); diff != "" {
		t.Errorf("what is said (-want +got):\n%s", diff)
	}
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket was bound: %v", err)
	}
	figure.Figure{
		Row: 22, Part: "a bad configuration", Held: !t.Failed(), Bar: "nothing is bound",
		Got: fmt.Sprintf("%d lines, exit status 78", len(p.stderr.all())),
	}.Tell(t)
}

// self is what an error calls this process.
func self(t *testing.T) string {
	t.Helper()
	name, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s (pid %d)", strings.TrimSpace(string(name)), os.Getpid())
}

// A place that is taken is named, with who has it, and what could be bound is
// given back.
func TestPlaceIsTaken(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	port := tcp.Addr().(*net.TCPAddr).Port
	live, err := net.Listen("unix", in("live"))
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	if err := os.WriteFile(in("file"), []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(in("live"), in("link")); err != nil {
		t.Fatal(err)
	}
	refused := 0
	taken := []struct{ listen, want string }{
		{
			fmt.Sprintf("tcp://127.0.0.1:%d", port),
			fmt.Sprintf("port %d is in use by %s; choose another with CHATD_LISTEN", port, self(t)),
		},
		{
			fmt.Sprintf("tcp://:%d", port),
			fmt.Sprintf("port %d is in use by %s; choose another with CHATD_LISTEN", port, self(t)),
		},
		{"unix://" + in("live"), in("live") + " is in use by " + self(t) + "; choose another path with CHATD_LISTEN"},
		{"unix://" + in("file"), in("file") + " is a regular file; remove it or choose another path"},
		{"unix://" + in("link"), in("link") + " is a symbolic link; remove it or choose another path"},
		{"unix://" + in("none/chat"), "directory " + in("none") + " does not exist; create it or choose another path"},
		{"tcp://192.0.2.199:0", `192.0.2.199 is not an address of this machine; .*`},
	}
	for _, test := range taken {
		p := start(t, environment{"CHATD_LISTEN": "unix://" + in("mine") + "," + test.listen})
		if status := p.exit(); status != exitFailed {
			t.Errorf("%s: chatd exits with %d", test.listen, status)
		}
		want := "chatd: " + test.listen + ": " + test.want
		pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(want), `\.\*`, `.*`) + "$"
		if got := strings.Join(p.stderr.all(), "\n"); !regexp.MustCompile(pattern).MatchString(got) {
			t.Errorf("chatd says\n%s\nwant\n%s", got, want)
		} else {
			refused++
		}
		if _, err := os.Lstat(in("mine")); !os.IsNotExist(err) {
			t.Errorf("%s: a socket is left behind: %v", test.listen, err)
		}
	}
	for name, mode := range map[string]fs.FileMode{"live": fs.ModeSocket, "file": 0, "link": fs.ModeSymlink} {
		if info, err := os.Lstat(in(name)); err != nil || info.Mode().Type() != mode {
			t.Errorf("%s is no longer what it was: %v", name, err)
		}
	}
	figure.Figure{
		Row: 21, Part: "places that are taken, or cannot be used", Held: !t.Failed(), Bar: "each named with who has it, and none changed",
		Got: fmt.Sprintf("%d of %d refused", refused, len(taken)),
	}.Tell(t)
}

// The socket of a server that was killed is replaced.
func TestStaleSocketIsReplaced(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "chat")
	for range 2 {
		p := start(t, environment{"CHATD_LISTEN": "unix://" + socket + "?mode=0600"})
		p.says("^listening on unix://")
		arrive(t, socket, "ana")
		if info, err := os.Lstat(socket); err != nil || info.Mode() != fs.ModeSocket|0o600 {
			t.Errorf("the socket is %v, %v", info.Mode(), err)
		}
		p.signal(syscall.SIGKILL)
		p.exit()
		if _, err := os.Lstat(socket); err != nil {
			t.Error(err)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	p := start(t, environment{"CHATD_LISTEN": "tcp://[::1]:0,tcp://:0,tcp://localhost:0,tcp://0.0.0.0:0"})
	six := p.says(`^listening on tcp://\[::1\]:(\d+)  reach it with: nc ::1 (\d+)$`)
	all := p.says(`^listening on tcp://:(\d+)  reach it with: nc \S+ (\d+)`)
	name := p.says(`^listening on tcp://127\.0\.0\.1:(\d+)  reach it with: nc 127\.0\.0\.1 (\d+)$`)
	four := p.says(`^listening on tcp://0\.0\.0\.0:(\d+)  reach it with: nc [\d.a-z]+ (\d+)$`)
	for _, ports := range [][]string{six, all, name, four} {
		if ports[0] != ports[1] {
			t.Errorf("port %s is bound and %s is named", ports[0], ports[1])
		}
	}
	ana := arrive(t, "[::1]:"+six[0], "ana")
	for where, who := range map[string]string{
		"[::1]:" + all[0]:      "bob",
		"127.0.0.1:" + all[0]:  "cleo",
		"127.0.0.1:" + name[0]: "dan",
		"127.0.0.2:" + four[0]: "eve",
	} {
		arrive(t, where, who).says("hello from " + who)
		ana.sees(who + ": hello from " + who + "$")
	}
	if _, err := tryDial(t, "[::1]:"+four[0]); err == nil {
		t.Error("0.0.0.0 is reached by IPv6")
	}
	p.stop()
}

// Without any setting, and with the runtime directory that systemd gives: port
// 7777, a socket beside it, and the command that is named brings one there.
func TestDefault(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("nc"); err != nil {
		t.Fatal("nc is missing; on Debian, apt-get install netcat-openbsd brings it")
	}
	folder := t.TempDir()
	p := start(t, environment{"RUNTIME_DIRECTORY": folder})
	line := p.says("(.*)")[0]
	if strings.Contains(line, "port 7777 is in use by") {
		t.Fatalf("this test needs port 7777, the default, and cannot have it: %s", line)
	}
	m := regexp.MustCompile(`^listening on tcp://:7777  reach it with: (nc \S+ 7777)(  or: nc \S+ 7777)?$`).FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("chatd says %q", line)
	}
	socket := filepath.Join(folder, "chatd.sock")
	p.says("^listening on unix://" + socket + "  reach it with: nc -U " + socket + "$")
	if info, err := os.Lstat(socket); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("the socket is not for everyone: %v, %v", info.Mode(), err)
	}

	nc := exec.Command("sh", "-c", "exec "+m[1])
	keyboard, err := nc.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	screen, err := nc.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Start(); err != nil {
		t.Fatal(err)
	}
	seen := listenTo(t, screen)
	t.Cleanup(func() {
		nc.Process.Kill()
		nc.Wait()
	})
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	seen.until(t, `^\* chatd on `+regexp.QuoteMeta(host)+`, room lobby; here: nobody`)
	seen.until(t, `^\* you are guest1: /nick NAME changes it, /help lists the rest$`)
	seen.until(t, `/echo off stops that$`)
	seen.until(t, `^\* the last 10000 messages are kept until the server stops; times are UTC$`)
	io.WriteString(keyboard, "hello from nc\n")
	seen.until(t, `^\d\d:\d\d guest1: hello from nc$`)
	bob := dial(t, socket)
	bob.sees(`^\d\d:\d\d guest1: hello from nc$`)
	p.stop()
}

// readSlowly has somebody come who reads slowly, and another one, ana, say so much that a
// stop takes long. wait returns when the connection of the first has ended.
func readSlowly(t *testing.T, port string) (slow, ana *person, wait func()) {
	t.Helper()
	conn, err := (&net.Dialer{Control: littleRoom}).Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	slow, ana = meet(t, conn).takes("slow"), arrive(t, port, "ana")
	ana.sends(strings.Repeat(strings.Repeat("x", 4000)+"\n", 175))
	ana.says("that is all")
	ana.sees(`ana: that is all$`)
	var reading sync.WaitGroup
	reading.Go(func() {
		pace := time.NewTicker(10 * time.Millisecond)
		defer pace.Stop()
		buf := make([]byte, 1000)
		for {
			<-pace.C
			if _, err := slow.conn.Read(buf); err != nil {
				return
			}
		}
	})
	return slow, ana, reading.Wait
}
