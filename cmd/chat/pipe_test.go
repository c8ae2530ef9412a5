package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatd/chatd/internal/terminal/tmuxtest"
	"github.com/chatd/chatd/pkg/client"
	"github.com/chatd/chatd/pkg/relay"
)

// pipe returns both ends of a pipe, which are closed at the end of the test.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return r, w
}

// chat runs the program in this process without a terminal. Env is its environment.
func chat(t *testing.T, env map[string]string, input string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	in, inWriter := pipe(t)
	outReader, out := pipe(t)
	go func() {
		_, _ = io.WriteString(inWriter, input)
		inWriter.Close()
	}()
	printed := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(outReader)
		printed <- all
	}()
	var errs bytes.Buffer
	status = run(args, func(name string) string { return env[name] }, in, out, &errs)
	out.Close()
	return status, string(<-printed), errs.String()
}

// Each line that comes in is a message, whatever it looks like.
func TestSay(t *testing.T) {
	t.Parallel()
	url := serve(t, relay.Config{MaxLine: 64})
	bob := someone(t, url, "bob", "tea")
	long := strings.Repeat("长", 50)
	status, stdout, stderr := chat(t, nil, "one\n\n  \n/quit\r\n"+long+"\nlast", "--name", "deploy", "--room", "tea", url)
	if status != exitOK || stdout != "" || stderr != "" {
		t.Fatalf("it exits with %d, prints %q and complains %q", status, stdout, stderr)
	}
	for _, text := range []string{"one", "/quit", strings.Repeat("长", 21), strings.Repeat("长", 21), strings.Repeat("长", 8), "last"} {
		bob.hears(text)
	}
}

// What is not said makes it fail, with the reason.
func TestNotSaid(t *testing.T) {
	t.Parallel()
	url := serve(t, relay.Config{})
	bob := someone(t, url, "bob")
	if _, err := bob.Register(t.Context(), "correct horse"); err != nil {
		t.Fatal(err)
	}
	status, _, stderr := chat(t, nil, "hello\n", "--name", "bob", url)
	if status != exitOK || !strings.HasPrefix(stderr, "chat: bob is not to be had") {
		t.Errorf("with somebody else's name it exits with %d and says %q", status, stderr)
	}
	status, _, stderr = chat(t, nil, "hello\nworld\n", url+"?room="+strings.Repeat("x", 33))
	if status != exitFailed || !strings.HasPrefix(stderr, "chat: 2 lines were not said, the first because ") {
		t.Errorf("in no room it exits with %d and says %q", status, stderr)
	}
}

// startFollowing runs chat -f, and returns what it prints. Stop ends that by not reading on.
func startFollowing(t *testing.T, args ...string) (lines *bufio.Reader, stop func() int) {
	t.Helper()
	in, _ := pipe(t)
	outReader, out := pipe(t)
	ended := make(chan int, 1)
	go func() {
		ended <- run(append([]string{"-f"}, args...), func(string) string { return "" }, in, out, io.Discard)
	}()
	return bufio.NewReader(outReader), func() int {
		outReader.Close()
		return <-ended
	}
}

// next returns the next lines, sorted, without their times.
func next(t *testing.T, lines *bufio.Reader, n int) (all []string) {
	t.Helper()
	for range n {
		line, err := lines.ReadString('\n')
		if err != nil || len(line) < 7 || !tmuxtest.Clock.MatchString(line[:5]) {
			t.Fatalf("%q is no line of what was said: %v", line, err)
		}
		all = append(all, line[6:len(line)-1])
	}
	slices.Sort(all)
	return all
}

// What is said is printed, a line each, and nothing else; it ends when nobody reads it.
func TestFollow(t *testing.T) {
	t.Parallel()
	url := serve(t, relay.Config{})
	bob := someone(t, url, "bob", "lobby", "tea")
	bob.says("lobby", "earlier")
	lines, stop := startFollowing(t, url, "--history", "1")
	if got := next(t, lines, 1); got[0] != "bob: earlier" {
		t.Errorf("%q was said before", got)
	}
	bob.says("tea", "in another room")
	bob.says("lobby", "one\x1b[m\ntwo")
	if _, err := bob.Command(t.Context(), "lobby", "/topic cake"); err != nil {
		t.Fatal(err)
	}
	want := []string{"* bob set the topic: cake", "bob: one␛[m⏎two"}
	if got := next(t, lines, 2); !slices.Equal(got, want) {
		t.Errorf("%q was said instead of %q", got, want)
	}
	if status := stop(); status != exitOK {
		t.Errorf("when nobody reads any more it exits with %d", status)
	}

	lines, stop = startFollowing(t, url, "--room", "tea", "--room", "lobby", "--history", "2")
	want = []string{"[lobby] * bob set the topic: cake", "[lobby] bob: one␛[m⏎two", "[tea] bob: in another room"}
	if got := next(t, lines, 3); !slices.Equal(got, want) {
		t.Errorf("in two rooms %q was said instead of %q", got, want)
	}
	stop()
}

// certified writes a certificate for 127.0.0.1 to a file, and returns how a server uses
// it.
func certified(t *testing.T) (file string, server *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// A server's certificate is checked, unless it is said that it is not to be.
func TestTLS(t *testing.T) {
	t.Parallel()
	file, cfg := certified(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := relay.New(relay.Config{Name: "test"})
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(t.Context(), tls.NewListener(l, cfg)) }()
	t.Cleanup(func() {
		s.Close()
		<-ended
	})
	url := "tls://" + l.Addr().String()
	for args, want := range map[string]string{
		"--ca " + file: "",
		"--insecure":   "",
		"":             "chat: " + url + ": x509: certificate signed by unknown authority; --ca FILE names the certificate to trust\n",
	} {
		status, _, stderr := chat(t, nil, "hello\n", append(strings.Fields(args), url)...)
		if stderr != want || (status == exitOK) != (want == "") {
			t.Errorf("%s: it exits with %d and says %q", args, status, stderr)
		}
	}
}

// A password comes from a file, for the name and for the chat.
func TestPasswordFiles(t *testing.T) {
	t.Parallel()
	// On a socket nobody is asked.
	url := serveOn(t, "tcp", "127.0.0.1:0", relay.Config{Password: func() string { return "open sesame" }})
	dir := t.TempDir()
	for name, text := range map[string]string{"right": "open sesame\n", "wrong": "open barley\n", "empty": "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for file, want := range map[string]string{
		"right": "",
		"wrong": "chat: this chat has a password and that was not it; --chat-password-file names the file that holds it\n",
		"empty": "chat: --chat-password-file: " + dir + "/empty is empty\n",
		"none":  "chat: --chat-password-file: open " + dir + "/none: no such file or directory\n",
	} {
		if _, _, stderr := chat(t, nil, "hello\n", "--chat-password-file", filepath.Join(dir, file), url); stderr != want {
			t.Errorf("%s: it says %q", file, stderr)
		}
	}
}

// A command line that makes no sense is told what is wrong with it.
func TestUsage(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, args := range []string{
		"", "a b", "--nmae x host", "--history -1 host", "--history x host", "--ca x tcp://host", "--ca x --insecure tls://host",
		"--ca /nonexistent tls://host", "--password-file /dev/null host", "http://host", "tcp://", "tcp://ana:secret@host", "tls://host/a/b",
	} {
		status, stdout, stderr := chat(t, nil, "", strings.Fields(args)...)
		if status != exitUsage || stdout != "" {
			t.Errorf("chat %s exits with %d and prints %q", args, status, stdout)
		}
		fmt.Fprintf(&out, "$ chat %s\n%s", args, stderr)
	}
	golden(t, "mistakes.golden", out.String())

	status, stdout, stderr := chat(t, nil, "", "--help")
	if status != exitOK || stderr != "" {
		t.Errorf("chat --help exits with %d and complains %q", status, stderr)
	}
	golden(t, "help.golden", stdout)
	status, stdout, _ = chat(t, nil, "", "--version")
	if status != exitOK || !strings.HasPrefix(stdout, "chat ") {
		t.Errorf("chat --version exits with %d and prints %q", status, stdout)
	}
}

// The environment says where and who, if the command line does not.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	url := serve(t, relay.Config{})
	bob := someone(t, url, "bob")
	env := map[string]string{"CHAT_URL": url, "CHAT_NAME": "cron"}
	if status, _, stderr := chat(t, env, "from the environment\n"); status != exitOK {
		t.Fatal(stderr)
	}
	bob.await("cron", func(e client.Event) bool { m, ok := e.(client.Message); return ok && m.From == "cron" })
}

// A server that is not there is told in a sentence.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	for url, want := range map[string]string{
		address:                  "nobody listens there; check the port, and whether chatd runs",
		"unix:///nonexistent/so": "there is no such socket; check the path, and whether chatd runs",
	} {
		status, _, stderr := chat(t, nil, "", url)
		if status != exitFailed || stderr != "chat: "+url+": "+want+"\n" {
			t.Errorf("%s: it exits with %d and says %q", url, status, stderr)
		}
	}
}
