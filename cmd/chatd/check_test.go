package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// With a file, chatd check judges what the service would be started with.
func TestCheckFile(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("the service's folder is for root to look at")
	}
	folder := t.TempDir() // below /tmp, which the service does not see
	file, motd := filepath.Join(folder, "chatd.env"), filepath.Join(folder, "motd")
	if err := os.WriteFile(motd, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"# nothing is set\n": `
configuration is good
would listen on tcp://:7777
would listen on unix:///run/chatd/chatd.sock?mode=0666
would keep the last 1000000 messages of each room in /var/lib/chatd`,
		"CHATD_LISTEN=tcp://:7777?backlog=5&serve=raw\n": `
configuration is good
would listen on tcp://:7777?serve=raw&backlog=5
would listen on unix:///run/chatd/chatd.sock?mode=0600
would keep the last 1000000 messages of each room in /var/lib/chatd`,
		"CHATD_LISTEN=tcp://:80,unix:///srv/chat\nCHATD_DATA=/srv\nCHATD_MOTD_FILE=" + motd + "\n": `
configuration is good, but the service as it is shipped cannot do all of it
would listen on tcp://:80
would listen on unix:///srv/chat
would listen on unix:///run/chatd/chatd.sock?mode=0600
would keep the last 1000000 messages of each room in /srv
note: CHATD_MOTD_FILE: ` + motd + ` is below /tmp, which the service does not see; put it elsewhere, such as into /etc/chatd
note: CHATD_LISTEN: tcp://:80: the service may not open a port below 1024; let systemd open it, with a socket unit
note: CHATD_LISTEN: unix:///srv/chat: others reach a socket of the service in /run/chatd only; choose a path in it
note: CHATD_DATA: the service may write to /srv only if the unit has ReadWritePaths=/srv, and its user may`,
		"export CHATD_ECHO=off\nCHATD_HISTROY=5\nCHATD_OPERATORS=ana bob\n": `
chatd: ` + file + `: line 1: systemd passes over a line with export; remove the word
chatd: CHATD_OPERATORS="ana bob" `,
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		var out, errs strings.Builder
		status := check([]string{file}, nil, &out, &errs)
		got := strings.TrimSpace(out.String() + errs.String())
		want = strings.TrimSpace(want)
		fine := exitOK
		if strings.Contains(want, "note: ") {
			fine = exitFailed
		}
		if good := strings.HasPrefix(want, "configuration"); good && (got != want || status != fine) ||
			!good && (!strings.HasPrefix(got, want) || status != exitConfig) {
			t.Errorf("%q: status %d\ngot\n%s\nwant\n%s", text, status, got, want)
		}
	}
	var out, errs strings.Builder
	if status := check([]string{filepath.Join(folder, "none")}, nil, &out, &errs); status != exitConfig || !strings.Contains(errs.String(), "does not exist") {
		t.Errorf("no file: status %d, %s", status, &errs)
	}
}

// What another user cannot read is noted, and what a group can is not.
func TestKeptFromService(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/etc/passwd":   "",
		"/etc/shadow":   "", // its group can
		"/root/x":       "is below /root",
		"/home":         "is below /home",
		"/run/user/1/x": "is below /run/user",
		"/no/such/file": "",
	} {
		if got := keptFromService(path); got != want && (want == "" || !strings.HasPrefix(got, want)) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
