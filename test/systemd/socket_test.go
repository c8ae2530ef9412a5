//go:build systemd

package systemd_test

import (
	"fmt"
	"strings"
	"testing"
)

// gate makes the service wait at its start, before its process is made, until open
// is called. Nobody but systemd listens meanwhile.
func (m *machine) gate() (open func()) {
	m.t.Helper()
	m.run("mkfifo --mode=644 /etc/gate")
	m.write("/etc/systemd/system/chatd.service.d/gate.conf", "[Service]\nExecStartPre=/bin/sh -c 'read line < /etc/gate'\n")
	m.run("systemctl daemon-reload")
	return func() {
		m.t.Helper()
		m.run("echo > /etc/gate")
	}
}

// listen makes a socket unit for chatd, beside chatd.socket.
func (m *machine) listen(unit, address, name string) {
	m.t.Helper()
	m.write("/etc/systemd/system/"+unit, fmt.Sprintf("[Socket]\nListenStream=%s\nFileDescriptorName=%s\nService=chatd.service\n", address, name))
	m.run("systemctl daemon-reload && systemctl start " + unit)
}

// What a socket is called chooses the service on it. Whoever connects before the
// server runs is served when it does.
func TestSocketsByName(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.install()
	open := m.gate()
	m.run("systemctl enable --now chatd.socket")
	m.listen("raw.socket", "7778", "raw")
	m.listen("page.socket", "8080", "http")
	m.listen("json.socket", "/run/json", "json")
	m.listen("fortune.socket", "/run/fortune", "fortune")
	m.is("inactive")

	ana, bob := m.dial(tcp), m.dial("-U /run/chatd.sock")
	one, other := m.dial("127.0.0.1 7778"), m.dial("127.0.0.1 7778")
	page, program, reader := m.dial("-N 127.0.0.1 8080"), m.dial("-U /run/json"), m.dial("-U /run/fortune")
	ana.says("/nick ana")
	bob.says("/nick bob")
	page.says("GET / HTTP/1.1\r\nHost: localhost:8080\r\nConnection: close\r\n\r")
	m.logs(`^systemd: Starting chatd\.service`)
	m.is("activating")
	if pid := m.show("chatd", "MainPID"); pid != "0" {
		t.Fatalf("chatd runs already, as process %s", pid)
	}
	open()
	m.logs(`^systemd: Started chatd\.service`)

	ana.joins("ana")
	bob.joins("bob")
	talk(ana, bob)
	one.says("as it is")
	one.sees("^as it is$")
	other.sees("^as it is$")
	other.says("\x1b[1mstill") // raw
	one.sees("^\x1b\\[1mstill$")
	page.sees("^HTTP/1.1 200 OK")
	page.sees("<title>")
	program.says(`{"type":"say","text":"from a program"}`)
	program.sees(`^{"type":`)
	ana.sees(": from a program$")
	reader.sees("[a-z]")
	reader.ends()
	ana.says("/who")
	ana.sees("ana, bob")
	for _, name := range []string{"tcp://:7777", "unix:///run/chatd.sock", "tcp://:7778", "http://:8080", "unix:///run/json", "unix:///run/fortune"} {
		m.logs("^chatd: listening on " + name + " ")
	}
}

// systemd keeps the sockets while the service restarts, even after kill -9: those
// who come meanwhile wait and are served.
func TestSocketsSurviveARestart(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.install()
	m.run("systemctl enable --now chatd.socket")
	ana, bob := m.arrive("ana", tcp), m.arrive("bob", "-U /run/chatd.sock")
	inode := m.run("stat --format=%i /run/chatd.sock")
	open := m.gate()
	for _, how := range []string{"systemctl restart --no-block chatd", "kill -KILL $(systemctl show --value --property=MainPID chatd)"} {
		talk(ana, bob)
		m.run(how)
		ana.ends()
		bob.ends()
		m.logs(`^systemd: (Stopped|chatd\.service: Scheduled restart)`)
		ana, bob = m.dial(tcp), m.dial("-U /run/chatd.sock")
		ana.says("/nick ana")
		bob.says("/nick bob")
		m.is("activating")
		open()
		ana.joins("ana")
		bob.joins("bob")
	}
	talk(ana, bob)
	if again := m.run("stat --format=%i /run/chatd.sock"); again != inode {
		t.Errorf("the socket was inode %s and is %s", inode, again)
	}
}

// Without chatd.socket nobody listens any more.
func TestSocketsAreStopped(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.install()
	m.run("systemctl enable --now chatd.socket")
	ana := m.arrive("ana", "-U /run/chatd.sock")
	m.run("systemctl stop chatd.socket chatd")
	ana.sees(`^\* chatd is shutting down`)
	ana.ends()
	m.is("inactive")
	if out, status := m.try("nc -N " + tcp + " < /dev/null"); status == 0 {
		t.Errorf("somebody still listens: %s", out)
	}
	if out, status := m.try("ls /run/chatd.sock"); status == 0 {
		t.Errorf("there is still %s", out)
	}
}

// A server that cannot start is not tried again for ever by who waits at its
// sockets; systemd closes these, and opens them again when it is told to.
func TestSocketsOfABadStart(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.install()
	m.write("/etc/chatd/chatd.env", "CHATD_RATE=fast\n")
	m.run("systemctl enable --now chatd.socket")
	m.dial(tcp).ends()
	m.logs(`^systemd: chatd\.service: Start request repeated too quickly`)
	m.logs(`^systemd: chatd\.socket: Failed with result 'service-start-limit-hit'`)
	if out, status := m.try("nc -N " + tcp + " < /dev/null"); status == 0 {
		t.Errorf("somebody still listens: %s", out)
	}
	m.run("rm /etc/chatd/chatd.env && systemctl reset-failed chatd && systemctl start chatd.socket")
	talk(m.arrive("ana", tcp), m.arrive("bob", "-U /run/chatd.sock"))
}

// A service without a network serves the sockets that it is given.
func TestSocketsWithoutANetwork(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.install()
	m.edit("chatd.service", "[Service]\nPrivateNetwork=yes\n")
	m.run("systemctl enable --now chatd.socket")
	ana, bob := m.arrive("ana", tcp), m.arrive("bob", "-U /run/chatd.sock")
	talk(ana, bob)
	if own, all := m.run("readlink /proc/"+m.show("chatd", "MainPID")+"/ns/net"), m.run("readlink /proc/1/ns/net"); own == all {
		t.Errorf("chatd is in the network of all, %s", own)
	}
	if networks := m.run("systemctl show --property=PrivateNetwork chatd"); !strings.HasSuffix(networks, "=yes") {
		t.Error(networks)
	}
}

// One that CHATD_LISTEN does not name is not served, and that is a warning.
func TestSocketNobodyServes(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.install()
	m.write("/etc/chatd/chatd.env", "CHATD_LISTEN=fd://chat\n")
	m.run("systemctl enable --now chatd.socket")
	m.listen("office.socket", "7778", "office")
	talk(m.arrive("ana", tcp), m.arrive("bob", "-U /run/chatd.sock"))
	warning := m.logs("^chatd: systemd handed over a socket that CHATD_LISTEN does not name; nobody serves it")
	if warning["PRIORITY"] != "4" || warning["NAME"] != "office" {
		t.Errorf("%v", warning)
	}
}
