package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/chatd/chatd/internal/cert/certtest"
)

// drawer is where a test keeps a certificate and its key.
type drawer struct {
	t         *testing.T
	cert, key string // paths
}

func newDrawer(t *testing.T) *drawer {
	t.Helper()
	folder := t.TempDir()
	d := &drawer{t, filepath.Join(folder, "fullchain.pem"), filepath.Join(folder, "privkey.pem")}
	d.renew("one.example.org")
	return d
}

// write makes a file anew, which takes the place of the one before at once.
func (d *drawer) write(path string, text []byte, mode os.FileMode) {
	d.t.Helper()
	if err := os.WriteFile(path+".new", text, mode); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		d.t.Fatal(err)
	}
}

// renew puts a certificate for name into the drawer. The key comes first: with it
// alone the old certificate is no good, and stays.
func (d *drawer) renew(name string) {
	d.t.Helper()
	chain, key := certtest.New(d.t, name)
	d.write(d.key, key, 0o600)
	d.write(d.cert, chain, 0o644)
}

// environ is what a server with TLS needs, with port 0 of it and one without.
func (d *drawer) environ() environment {
	return environment{
		"CHATD_LISTEN": "tls://127.0.0.1:0,tcp://127.0.0.1:0", "CHATD_TLS_CERT_FILE": d.cert, "CHATD_TLS_KEY_FILE": d.key,
		"CHATD_MAX_PER_ADDRESS": "off", "CHATD_LOG_LEVEL": "debug",
	}
}

// tlsPort waits until a TLS listener is announced.
func (p *program) tlsPort() string {
	p.t.Helper()
	m := p.says(`^listening on tls://127\.0\.0\.1:(\d+)  reach it with: openssl s_client -quiet -connect 127\.0\.0\.1:(\d+)$`)
	if m[0] != m[1] {
		p.t.Errorf("port %s is bound and %s is named", m[0], m[1])
	}
	return m[0]
}

// secretly connects with TLS, whoever the certificate is for, and returns for whom it is.
func secretly(t *testing.T, port string) (one *person, name string) {
	t.Helper()
	conn, err := tls.Dial("tcp", "127.0.0.1:"+port, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	return meet(t, conn), conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// Programs that people have talk in TLS, with somebody who does not.
func TestTLSClients(t *testing.T) {
	t.Parallel()
	p := start(t, newDrawer(t).environ())
	secret, plain := p.tlsPort(), p.port()
	ana := arrive(t, plain, "ana")
	for _, client := range []struct{ name, command, pipe string }{
		{"openssl", "openssl s_client -quiet -connect 127.0.0.1:PORT", ""},
		{"openssl12", "openssl s_client -quiet -tls1_2 -connect 127.0.0.1:PORT", ""},
		{"ncat", "ncat --ssl 127.0.0.1 PORT", "printf hi | ncat --ssl 127.0.0.1 PORT"},
		{"socat", "socat - OPENSSL:127.0.0.1:PORT,verify=0", "printf hi | socat - OPENSSL:127.0.0.1:PORT,verify=0"},
	} {
		program, _, _ := strings.Cut(client.command, " ")
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is missing; on Debian, apt-get install openssl ncat socat brings it", program)
		}
		cmd := exec.Command("sh", "-c", "exec "+strings.ReplaceAll(client.command, "PORT", secret))
		keyboard, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		screen, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		seen := listenTo(t, screen)
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		seen.until(t, `^\* you are guest\d+: `)
		fmt.Fprintf(keyboard, "/nick %s\nQuite a line from %s, behind\nR\n", client.name, client.name)
		ana.sees(client.name + ": Quite a line from " + client.name + ", behind$")
		ana.sees(client.name + ": R$")
		ana.says("hello " + client.name)
		seen.until(t, "ana: hello "+client.name+"$")
		fmt.Fprintln(keyboard, "/quit")
		seen.until(t, `^\* goodbye$`)
		seen.wait() // the program ends when the server says goodbye
		keyboard.Close()
		if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
			t.Error(err)
		}
		if client.pipe == "" {
			continue
		}
		out, err := exec.Command("sh", "-c", strings.ReplaceAll(client.pipe, "PORT", secret)).Output()
		if !regexp.MustCompile(`^\d\d:\d\d guest\d+: hi\n$`).Match(out) || err != nil {
			t.Errorf("%s shows %q, %v", client.pipe, out, err)
		}
		ana.sees(`guest\d+: hi$`)
	}
	p.stop()
	for _, fields := range p.logged("begin") {
		if fields["peer"] == "127.0.0.1" || fields["transport"] != "tls" && fields["transport"] != "tcp" {
			t.Errorf("a begin says %v", fields)
		}
	}
	if n := len(p.logged("begin")); n != 7 {
		t.Errorf("%d have begun, want 7", n)
	}
}

// What is not TLS, or too old, is refused, and says so; so does TLS where there is none.
func TestFault26WhatIsNoTLS(t *testing.T) {
	t.Parallel()
	p := start(t, newDrawer(t).environ())
	secret, plain := p.tlsPort(), p.port()

	nc := dial(t, secret)
	nc.says("hello?")
	if told := nc.rest(); told != "* this port speaks TLS: use  openssl s_client -quiet -connect HOST:PORT  or  ncat --ssl HOST PORT\r\n" {
		t.Errorf("nc is told %q", told)
	}
	p.says(`"reason":"what came in is not TLS".*"message":"refused"`)

	for _, c := range []struct{ name, command, says string }{
		{"TLS 1.1", "openssl s_client -quiet -tls1_1 -cipher ALL:@SECLEVEL=0 -connect 127.0.0.1:" + secret, "alert protocol version"},
		{"TLS on a plain port", "openssl s_client -quiet -connect 127.0.0.1:" + plain, "wrong version number"},
	} {
		out, err := exec.Command("sh", "-c", c.command+" </dev/null 2>&1").CombinedOutput()
		if !strings.Contains(string(out), c.says) || err == nil {
			t.Errorf("%s: openssl says %q, %v", c.name, out, err)
		}
	}
	p.says(`"reason":"tls: client offered only unsupported versions: .*"message":"refused"`)
	_, err := tls.Dial("tcp", "127.0.0.1:"+plain, &tls.Config{InsecureSkipVerify: true})
	if err == nil || !strings.Contains(err.Error(), "does not look like a TLS handshake") {
		t.Errorf("on a plain port Go says %v", err)
	}
	p.stop()
	if lines := p.logged("begin"); len(lines) != 0 {
		t.Errorf("somebody got in: %v", lines)
	}
}

// A hundred people talk while the certificate is replaced, by a good one, a bad one,
// and a good one again. None of them is dropped or misses a line, and newcomers see the
// last good one.
func TestFault26CertificateIsReplaced(t *testing.T) {
	t.Parallel()
	const crowd = 100
	d := newDrawer(t)
	p := start(t, d.environ())
	secret := p.tlsPort()
	p.says(`"names":"one\.example\.org,localhost,127\.0\.0\.1,::1","until":"2100-01-01T00:00:00Z".*"message":"certificate"`)
	people := make([]*person, crowd)
	for i := range people {
		people[i], _ = secretly(t, secret)
		people[i].says("/echo on") // who is answered is in the room
		people[i].sees("^\\* your own lines")
	}
	said := 0
	talk := func() {
		t.Helper()
		said++
		people[said%crowd].says(fmt.Sprintf("line %d", said))
		var hearing sync.WaitGroup
		for _, one := range people {
			hearing.Go(func() {
				if got := one.sees(`: (line \d+)$`)[0]; got != fmt.Sprintf("line %d", said) {
					t.Errorf("after line %d comes %s", said-1, got)
				}
			})
		}
		hearing.Wait()
	}
	served := func(want string) {
		t.Helper()
		one, name := secretly(t, secret)
		if name != want {
			t.Errorf("a newcomer sees the certificate of %s, want %s", name, want)
		}
		one.finishes()
	}
	reload := func(message string) {
		t.Helper()
		p.signal(syscall.SIGHUP)
		p.says(message)
	}
	talk()
	d.renew("two.example.org")
	reload(`"message":"files read again"`)
	p.says(`"names":"two\.example\.org,.*"message":"certificate"`)
	served("two.example.org")
	talk()
	for what, breakIt := range map[string]func(){
		"holds no certificate":                  func() { d.write(d.cert, []byte("junk"), 0o644) },
		"is not the key of the certificate":     func() { _, key := certtest.New(t, "x"); d.write(d.key, key, 0o600) },
		"is open to everybody on this machine":  func() { d.write(d.key, nil, 0o604) },
		"fullchain.pem does not exist":          func() { os.Remove(d.cert) },
		"privkey.pem is a folder, not a file":   func() { os.Remove(d.key); os.Mkdir(d.key, 0o700) },
		"holds a key that is locked with a pas": func() { d.write(d.key, certtest.Block("ENCRYPTED PRIVATE KEY", nil), 0o600) },
	} {
		breakIt()
		reload(`"error":"CHATD_TLS_.*` + what + `.*"message":"the certificate stays as it was"`)
		served("two.example.org")
		talk()
		if what == "privkey.pem is a folder, not a file" {
			os.Remove(d.key)
		}
		d.renew("two.example.org")
		reload(`"message":"files read again"`)
		p.says(`"names":"two\.example\.org,.*"message":"certificate"`)
	}
	// And by itself, without a signal, within a second of a handshake.
	d.renew("three.example.org")
	name := ""
	for name != "three.example.org" {
		var one *person
		one, name = secretly(t, secret)
		one.finishes()
	}
	p.says(`"names":"three\.example\.org,.*"message":"certificate"`)
	talk()
	p.stop()
	for _, fields := range p.logged("end") {
		if fields["lines_in"] != 0.0 && fields["cause"] != "server stopping" {
			t.Errorf("somebody was dropped: %v", fields)
		}
	}
}

// The address that a listed proxy names is the one in the log, and anybody else's
// header is a line.
func TestProxyHeader(t *testing.T) {
	t.Parallel()
	environ := newDrawer(t).environ()
	environ["CHATD_PROXY_FROM"] = "127.0.0.9"
	environ["CHATD_LISTEN"] = "tls://127.0.0.1:0,tcp://127.0.0.1:0,tcp://127.0.0.1:0?serve=raw"
	p := start(t, environ)
	secret, plain, raw := p.tlsPort(), p.port(), p.port()
	proxy := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	through := func(port, header string) net.Conn {
		conn, err := proxy.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(header)); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	const header = "PROXY TCP4 192.0.2.7 192.0.2.1 40000 7777\r\n"
	ana := meet(t, through(plain, header)).takes("ana")
	bob := meet(t, tls.Client(through(secret, strings.ReplaceAll(header, "2.7", "2.8")), &tls.Config{InsecureSkipVerify: true})).takes("bob")
	ana.says("hello")
	bob.sees("ana: hello$")
	p.says(`"transport":"tcp","peer":"192\.0\.2\.7:40000".*"message":"begin"`)
	p.says(`"transport":"tls","peer":"192\.0\.2\.8:40000".*"message":"begin"`)
	meet(t, through(raw, header+"x")).gets("x")

	eve := dial(t, plain)
	eve.sends(header)
	ana.sees(`guest\d+: PROXY TCP4 192\.0\.2\.7 192\.0\.2\.1 40000 7777$`)

	junk := meet(t, through(plain, "hello?\n"))
	if told := junk.rest(); told != "* connections from this address have to begin with a PROXY header: come through the proxy, or from another machine\r\n" {
		t.Errorf("who comes without a header is told %q", told)
	}
	p.says(`"level":"warn","error":"tcp://127\.0\.0\.1:` + plain + `: no PROXY header from 127\.0\.0\.9:\d+: what came in is none".*"message":"accept"`)
	p.stop()
}

// Every mistake about the certificate is told, by its variable and its file.
func TestBadCertificates(t *testing.T) {
	t.Parallel()
	d := newDrawer(t)
	folder := filepath.Dir(d.cert)
	in := func(name string, text []byte, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		d.write(path, text, mode)
		return path
	}
	chain, err := os.ReadFile(d.cert)
	if err != nil {
		t.Fatal(err)
	}
	_, otherKey := certtest.New(t, "other")
	large := in("large", make([]byte, maxPEM+1), 0o600)
	const (
		inCert = "CHATD_TLS_CERT_FILE: "
		inKey  = "CHATD_TLS_KEY_FILE: "
	)
	for _, test := range []struct{ cert, key, want string }{
		{folder, d.key, inCert + folder + " is a folder, not a file"},
		{"/nonexistent", d.key, inCert + "/nonexistent does not exist"},
		{large, d.key, inCert + large + " is larger than 256 KiB, the most a certificate can be"},
		{d.key, d.key, inCert + d.key + " holds no certificate: a block that begins with -----BEGIN CERTIFICATE-----"},
		{d.cert, "/nonexistent", inKey + "/nonexistent does not exist"},
		{d.cert, large, inKey + large + " is larger than 256 KiB, the most a key can be"},
		{d.cert, in("open", otherKey, 0o604), inKey + folder + "/open is open to everybody on this machine; chmod o= " + folder + "/open"},
		{d.cert, in("other", otherKey, 0o600), inKey + folder + "/other is not the key of the certificate, the first one in its file"},
		{d.cert, in("none", chain, 0o600), inKey + folder + "/none holds no key: a block that begins with -----BEGIN PRIVATE KEY-----"},
	} {
		_, err := loadConfig(environment{"CHATD_TLS_CERT_FILE": test.cert, "CHATD_TLS_KEY_FILE": test.key, "CHATD_LISTEN": "tls://:7778"})
		if err == nil || err.Error() != test.want {
			t.Errorf("%s and %s: got  %v\nwant %s", test.cert, test.key, err, test.want)
		}
	}
	_, err = loadConfig(environment{"CHATD_LISTEN": "tcp://:7777,tls://:7778"})
	if want := "CHATD_LISTEN: tls://:7778: takes a certificate; set CHATD_TLS_CERT_FILE and CHATD_TLS_KEY_FILE"; err == nil || err.Error() != want {
		t.Errorf("without a certificate: got  %v\nwant %s", err, want)
	}
	status, stdout, stderr := chatd(t, environment{"CHATD_TLS_CERT_FILE": d.cert, "CHATD_TLS_KEY_FILE": d.key, "CHATD_LISTEN": "tls://:7778"}, "check")
	if want := "would speak TLS as one.example.org,localhost,127.0.0.1,::1 until 2100-01-01T00:00:00Z\n"; status != exitOK || !strings.Contains(stdout, want) {
		t.Errorf("check exits with %d, says %q and shows\n%s", status, stderr, stdout)
	}
}

// A client that looks at the certificate is content with it.
func TestTLSIsTrusted(t *testing.T) {
	t.Parallel()
	d := newDrawer(t)
	p := start(t, d.environ())
	secret := p.tlsPort()
	trusted := x509.NewCertPool()
	chain, err := os.ReadFile(d.cert)
	if err != nil || !trusted.AppendCertsFromPEM(chain) {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", "localhost:"+secret, &tls.Config{RootCAs: trusted})
	if err != nil {
		t.Fatal(err)
	}
	if v := conn.ConnectionState().Version; v != tls.VersionTLS13 {
		t.Errorf("it is version %x", v)
	}
	one := meet(t, conn)
	one.says("/quit")
	one.sees(`^\* goodbye$`)
	if rest := one.rest(); rest != "" { // which fails if TLS did not say goodbye
		t.Errorf("after the goodbye comes %q", rest)
	}
	p.stop()
}
