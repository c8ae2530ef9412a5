package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// netcat runs a netcat with input until it ends, and returns what it printed.
func netcat(t *testing.T, input []byte, command ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(command[0]); err != nil {
		t.Fatalf("%s is missing; make test installs it", command[0])
	}
	nc := exec.CommandContext(t.Context(), command[0], command[1:]...)
	nc.Stdin = bytes.NewReader(input)
	out, err := nc.Output()
	if err != nil {
		t.Errorf("%v: %v", command, err)
	}
	return out
}

// fortuneFile makes a file with fortunes, and returns its name.
func fortuneFile(t *testing.T, fortunes ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fortunes")
	writeFortunes(t, file, fortunes...)
	return file
}

func writeFortunes(t *testing.T, file string, fortunes ...string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(strings.Join(fortunes, "\n%\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// 10 MB go there and come back through whatever nc people have.
func TestEchoThroughNetcat(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "echo")
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0?serve=echo,unix://" + socket + "?serve=echo"})
	port := p.says(`^listening on tcp://127\.0\.0\.1:(\d+)  reach it with: nc 127\.0\.0\.1 \d+  \(echo\)$`)[0]
	p.says(`^listening on unix://` + socket + `  reach it with: nc -U \S+  \(echo\)$`)
	sent := make([]byte, 10<<20)
	rand.NewChaCha8([32]byte{1}).Read(sent)
	for _, command := range [][]string{
		{"nc.openbsd", "-N", "127.0.0.1", port},
		{"nc.openbsd", "-N", "-U", socket},
		{"nc.traditional", "-q", "30", "127.0.0.1", port},
		{"ncat", "127.0.0.1", port},
		{"socat", "-t30", "-", "UNIX-CONNECT:" + socket},
	} {
		if got := netcat(t, sent, command...); !bytes.Equal(got, sent) {
			t.Errorf("through %v %d bytes come back, not the %d that were sent", command, len(got), len(sent))
		}
	}
	p.stop()
}

// A fortune is a line, another one each time, and the end.
func TestFortuneThroughNetcat(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "fortune")
	all := []string{"one", "two\nin two lines\n\t-- somebody", "三"}
	p := start(t, environment{
		"CHATD_LISTEN":       "tcp://127.0.0.1:0?serve=fortune,unix://" + socket + "?serve=fortune",
		"CHATD_FORTUNE_FILE": fortuneFile(t, all...),
	})
	port := p.port()
	told, last := make(map[string]int), ""
	for i := range 40 {
		command := []string{"nc.openbsd", "127.0.0.1", port}
		if i%2 == 1 {
			command = []string{"nc.openbsd", "-U", socket}
		}
		one, ended := strings.CutSuffix(string(netcat(t, nil, command...)), "\n")
		if !slices.Contains(all, one) || !ended || one == last {
			t.Errorf("%q is told after %q", one, last)
		}
		told[one]++
		last = one
	}
	if len(told) != len(all) {
		t.Errorf("of %q only %v are told", all, told)
	}
	p.stop()
}

// Without a file there is something to say too, and with one fortune it is said
// again.
func TestFortuneBuiltInAndOnly(t *testing.T) {
	t.Parallel()
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0?serve=fortune"})
	port, last := p.port(), ""
	for range 20 {
		one := dial(t, port).rest()
		if strings.Count(one, "\n") != 1 || len(one) < 20 || one == last {
			t.Errorf("%q is told after %q", one, last)
		}
		last = one
	}
	p.stop()
	p = start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0?serve=fortune", "CHATD_FORTUNE_FILE": fortuneFile(t, "the only one")})
	port = p.port()
	for range 3 {
		if one := dial(t, port).rest(); one != "the only one\n" {
			t.Errorf("%q is told", one)
		}
	}
	p.stop()
}

func TestFortunesAreReadAgain(t *testing.T) {
	t.Parallel()
	file := fortuneFile(t, "old", "older")
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0?serve=fortune", "CHATD_FORTUNE_FILE": file})
	port := p.port()
	tells := func(want ...string) {
		t.Helper()
		for range 6 {
			if one := dial(t, port).rest(); !slices.Contains(want, strings.TrimSuffix(one, "\n")) {
				t.Errorf("%q is told, want one of %q", one, want)
			}
		}
	}
	tells("old", "older")
	writeFortunes(t, file, "new", "newer")
	tells("old", "older") // not before the signal
	p.signal(syscall.SIGHUP)
	p.says(`"message":"files read again"`)
	tells("new", "newer")
	writeFortunes(t, file, "")
	p.signal(syscall.SIGHUP)
	p.says(`"level":"error","error":".*/fortunes is empty; write fortunes into it, with a line with % between two",.*"message":"the fortunes stay as they were"`)
	tells("new", "newer")
	p.stop()
}

// What clients written after Qt's examples get, byte for byte, over each kind of
// socket that those know.
func TestFortuneForQt(t *testing.T) {
	t.Parallel()
	const text = "千里之行 𠮷🙂"
	folder := t.TempDir()
	const utf16 = "5343" + "91cc" + "4e4b" + "884c" + "0020" + "d842dfb7" + "d83dde42"
	want := map[string]string{
		"qt":      "00000012" + utf16,
		"qt4":     "0016" + "00000012" + utf16,
		"qtlocal": "00000009" + "00000012" + utf16,
		"text":    hex.EncodeToString([]byte(text + "\n")),
	}
	var listeners []string
	for format := range want {
		listeners = append(listeners, "tcp://127.0.0.1:0?serve=fortune&format="+format,
			fmt.Sprintf("unix://%s/%s?serve=fortune&format=%[2]s", folder, format))
	}
	p := start(t, environment{"CHATD_LISTEN": strings.Join(listeners, ","), "CHATD_FORTUNE_FILE": fortuneFile(t, text)})
	for format, golden := range want {
		port := p.says(`^listening on tcp://127\.0\.0\.1:(\d+)  reach it with: .*  \(fortune` + strings.TrimSuffix(" "+format, " text") + `\)$`)[0]
		for _, where := range []string{port, filepath.Join(folder, format)} {
			if got := hex.EncodeToString([]byte(dial(t, where).rest())); got != golden {
				t.Errorf("format %s on %s\ngot  %s\nwant %s", format, where, got, golden)
			}
		}
	}
	p.stop()
}

// They have limits of their own, so that chat has its places whatever they do.
func TestSmallServicesLeaveChatItsPlaces(t *testing.T) {
	t.Parallel()
	p := start(t, environment{
		"CHATD_LISTEN":      "tcp://127.0.0.1:0?serve=echo,tcp://127.0.0.1:0,tcp://127.0.0.1:0?serve=fortune",
		"CHATD_MAX_CLIENTS": "8", "CHATD_LOG_LEVEL": "debug",
	})
	echo, chat, fortune := p.port(), p.port(), p.port()
	for range 2 { // a quarter of eight
		one := dial(t, echo)
		one.sends("x")
		one.gets("x")
	}
	for _, where := range []string{echo, fortune} {
		if rest := dial(t, where).rest(); strings.TrimRight(rest, "\r\n") != "* server full (limit 2); try again in a minute" {
			t.Errorf("the third one is told %q", rest)
		}
	}
	for i := range 8 {
		arrive(t, chat, fmt.Sprintf("p%d", i))
	}
	p.stop()
	if turned := p.logged("newcomers turned away"); len(turned) == 0 || turned[0]["service"] != "echo" {
		t.Errorf("of those turned away the log says %v", turned)
	}
	stopped := 0
	for _, fields := range p.logged("end") {
		if fields["service"] == "echo" && fields["cause"] == "server stopping" {
			stopped++
		}
	}
	if stopped != 2 {
		t.Errorf("%d echoes are said to be stopped, want 2", stopped)
	}
}

// They say nothing of what is sent and told, and count for one address.
func TestSmallServicesOfOneAddress(t *testing.T) {
	t.Parallel()
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0?serve=echo", "CHATD_MAX_PER_ADDRESS": "1", "CHATD_LOG_LEVEL": "debug"})
	port := p.port()
	one := dial(t, port)
	one.sends("secretive words")
	one.gets("secretive words")
	if rest := dial(t, port).rest(); rest != "* too many connections from your address (limit 1)\r\n" {
		t.Errorf("the second one is told %q", rest)
	}
	one.hasNothing()
	p.stop()
	if strings.Contains(strings.Join(p.stderr.all(), "\n"), "secretive") {
		t.Error("the log says what was sent")
	}
}

// The name of a socket of systemd's is the service on it.
func TestSmallServicesOfSystemd(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	echo, fortune := filepath.Join(folder, "e"), filepath.Join(folder, "f")
	p := activate(t, environment{"CHATD_FORTUNE_FILE": fortuneFile(t, "hello from systemd")}, "echo:fortune", echo, fortune)
	one := dial(t, echo)
	one.sends("/who\n")
	one.gets("/who\n")
	if text := dial(t, fortune).rest(); text != "hello from systemd\n" {
		t.Errorf("%q is told", text)
	}
	p.says(`^listening on unix://` + echo + `  .*\(echo\)$`)
	p.says(`^listening on unix://` + fortune + `  .*\(fortune\)$`)
	p.stop()

	q := activate(t, environment{"CHATD_LISTEN": "fd://fortune?format=qt4", "CHATD_FORTUNE_FILE": fortuneFile(t, "Hi")}, "fortune", filepath.Join(folder, "q"))
	if got := dial(t, filepath.Join(folder, "q")).rest(); got != "\x00\x08\x00\x00\x00\x04\x00H\x00i" {
		t.Errorf("a client of Qt 4 gets %q", got)
	}
	q.stop()
}
