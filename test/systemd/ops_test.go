//go:build systemd

package systemd_test

import (
	"strings"
	"testing"
)

// get asks for a path of the listener for metrics.
func (m *machine) get(path string) string {
	m.t.Helper()
	return m.run(`printf 'GET ` + path + ` HTTP/1.0\r\nHost: localhost\r\n\r\n' | nc -N 127.0.0.1 9777`)
}

// Metrics, health and profiles are there under the restrictions of the unit.
func TestMetrics(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.install()
	m.write("/etc/chatd/chatd.env", "CHATD_OPS_LISTEN=tcp://127.0.0.1:9777\n")
	m.start()
	ana := m.arrive("ana", "127.0.0.1 7777")
	ana.says("hello")
	ana.sees("ana: hello$")
	for path, want := range map[string]string{
		"/healthz":                       "\nok",
		"/readyz":                        "\nok",
		"/debug/pprof/goroutine?debug=2": "goroutine ",
		"/metrics":                       `chatd_build_info{`,
	} {
		if got := m.get(path); !strings.HasPrefix(got, "HTTP/1.0 200 ") || !strings.Contains(strings.ReplaceAll(got, "\r", ""), want) {
			t.Errorf("%s: %.2000s", path, got)
		}
	}
	if got := m.get("/metrics"); !strings.Contains(got, "\nchatd_messages_total 1\n") || !strings.Contains(got, `chatd_connections{transport="tcp"} 1`) {
		t.Errorf("metrics: %s", got)
	}
	m.run("echo /pause | chatd console")
	if got := m.get("/readyz"); !strings.HasPrefix(got, "HTTP/1.0 503 ") || !strings.Contains(got, "paused") {
		t.Errorf("while paused: %s", got)
	}
}

// The operator's seat is there whatever the service listens on, for root alone then,
// and so it is with socket activation.
func TestOperatorsSeat(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.install()
	m.write("/etc/chatd/chatd.env", "CHATD_LISTEN=tcp://127.0.0.1:7777\n")
	m.start()
	ana := m.arrive("ana", "127.0.0.1 7777")
	if got := m.run("stat -c '%a' /run/chatd/chatd.sock"); got != "600" {
		t.Errorf("the socket has mode %s", got)
	}
	m.seat(ana)
	if out, status := m.try("setpriv --reuid=65534 --clear-groups chatd say lobby hello"); status != 77 {
		t.Errorf("nobody's say ends with %d: %s", status, out)
	}
	m.run("systemctl stop chatd")
	if out, status := m.try("chatd say lobby hello"); status != 69 {
		t.Errorf("without a server it ends with %d: %s", status, out)
	}
	m.run("rm /etc/chatd/chatd.env && systemctl start chatd.socket")
	m.seat(m.arrive("bob", "127.0.0.1 7777"))
}

// seat has root look around, say something and send a person away.
func (m *machine) seat(p *person) {
	m.t.Helper()
	m.run("chatd say lobby 'The disk is changed at 18:00'")
	p.sees("root: The disk is changed at 18:00$")
	out := m.run("printf '/stats\\n/sessions\\nhow is it?\\n' | chatd console")
	for _, want := range []string{" up since ", " lobby"} {
		if !strings.Contains(out, want) {
			m.t.Errorf("the console does not show %q: %s", want, out)
		}
	}
	p.sees("root: how is it\\?$")
	m.run("echo '/kick " + p.name + " enough' | chatd console")
	p.sees("enough")
	p.ends()
	m.logs(`^chatd: moderation`)
}
