//go:build systemd

package systemd_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// checks compares fields of an entry.
func (e entry) checks(t *testing.T, fields map[string]string) {
	t.Helper()
	for name, want := range fields {
		if got, ok := e[name]; got != want || !ok {
			t.Errorf("of %q, %s is %q and not %q", e, name, got, want)
		}
	}
}

// The journal has a connection's beginning and end with what is to know of it as
// fields, and nothing that was said.
func TestJournal(t *testing.T) {
	t.Parallel()
	m := started(t)
	ana := m.arrive("ana", tcp)
	begin := m.logs("^chatd: begin ")
	begin.checks(t, map[string]string{
		"PRIORITY": "6", "TRANSPORT": "tcp", "_SYSTEMD_UNIT": "chatd.service", "_PID": m.show("chatd", "MainPID"),
		"_SYSTEMD_INVOCATION_ID": m.show("chatd", "InvocationID"),
	})
	if begin["ID"] == "" || !strings.HasPrefix(begin["PEER"], "127.0.0.1:") {
		t.Errorf("%v", begin)
	}
	bob := m.arrive("bob", "-N "+local)
	m.logs("^chatd: begin ").checks(t, map[string]string{"TRANSPORT": "unix"})
	talk(ana, bob)
	ana.says("/quit")
	ana.ends()
	m.logs("^chatd: end ").checks(t, map[string]string{
		"PRIORITY": "6", "ID": begin["ID"], "TRANSPORT": "tcp", "PEER": begin["PEER"], "CAUSE": "said goodbye", "LINES_IN": "3",
	})
	bob.leaves()
	m.logs("^chatd: end ").checks(t, map[string]string{"CAUSE": "end of input", "TRANSPORT": "unix"})

	// What an operator would ask.
	found := m.entries("--unit=chatd CAUSE='said goodbye'")
	if len(found) != 1 || found[0]["ID"] != begin["ID"] {
		t.Errorf("by its cause, journalctl finds %v", found)
	}
	if found := m.entries("--unit=chatd ID=" + begin["ID"]); len(found) != 2 {
		t.Errorf("by its id, journalctl finds %v", found)
	}
	if found := m.entries("--unit=chatd --priority=warning"); len(found) != 0 {
		t.Errorf("warnings: %v", found)
	}
	if text := m.run("journalctl --output=export"); strings.Contains(text, "hello") {
		t.Error("the journal has what was said")
	}
}

// entries returns what journalctl finds.
func (m *machine) entries(args string) []entry {
	m.t.Helper()
	var found []entry
	for line := range strings.Lines(m.run("journalctl --sync && journalctl --output=json --all --quiet " + args)) {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			m.t.Fatalf("%v: %q", err, line)
		}
		found = append(found, e)
	}
	return found
}

// A password that systemd hands over, as docs/operations.md says. Nobody but root
// can read its file.
func TestCredentials(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.install()
	m.write("/etc/chatd/password", "open sesame\n")
	m.edit("chatd.service", "[Service]\nLoadCredential=password:/etc/chatd/password\nEnvironment=CHATD_PASSWORD_FILE=%d/password\n")
	m.start()
	bob := m.dial(tcp)
	bob.says("open barley")
	bob.sees("asks for a password")
	bob.sees("asks for a password")
	m.logs("^chatd: wrong password ").checks(t, map[string]string{"PRIORITY": "4", "OF": "chat", "TRANSPORT": "tcp"})
	if found := m.entries("--unit=chatd --priority=warning"); len(found) != 1 {
		t.Errorf("warnings: %v", found)
	}
	bob.says("open sesame")
	bob.is("bob")
	talk(m.arrive("ana", local), bob) // root is not asked
	for _, e := range m.entries("--unit=chatd") {
		if strings.Contains(e["MESSAGE"], "open ") {
			t.Errorf("the journal has a password: %s", e)
		}
	}
}
