//go:build systemd

package systemd_test

import (
	"strings"
	"testing"
)

// What was said is in the folder of the service's user, who is made at its start,
// and is there again after a restart.
func TestHistory(t *testing.T) {
	t.Parallel()
	m := started(t)
	ana, bob := m.arrive("ana", tcp), m.arrive("bob", local)
	talk(ana, bob)
	uid := m.show("chatd", "UID")
	if owner := m.run("stat --dereference --format='%u %a' /var/lib/chatd"); owner != uid+" 700" || uid == "0" {
		t.Errorf("/var/lib/chatd has owner and mode %s; chatd runs as %s", owner, uid)
	}
	if foreign := m.run("find /var/lib/chatd/ ! -user " + uid + " -o -perm /077"); foreign != "" {
		t.Errorf("others own, or can read, what is in /var/lib/chatd:\n%s", foreign)
	}
	m.run("systemctl restart chatd")
	m.logs(`^systemd: Started chatd\.service`)
	eve := m.arrive("eve", tcp)
	for _, line := range []string{"ana: hello bob$", "bob: and hello ana$"} {
		m.dial(tcp).sees(line)
	}
	eve.says("late")
	eve.sees("eve: late$")
}

// root reads, saves, changes and puts back the history by the commands in
// docs/operations.md, and the service can still use it.
func TestHistoryByHand(t *testing.T) {
	t.Parallel()
	m := started(t)
	talk(m.arrive("ana", tcp), m.arrive("bob", tcp))
	const export = "CHATD_DATA=/var/lib/chatd chatd export"
	m.until(export+" --text lobby | tail -n 20", "ana: hello bob\n.*bob: and hello ana$")
	if out := m.run(export + " | grep -c '\"room\":\"lobby\"'"); out != "2" {
		t.Errorf("of 2 messages, %s are exported", out)
	}
	const query = `sqlite3 -readonly /var/lib/chatd/chatd.db "SELECT author, text FROM history WHERE room = 'lobby' ORDER BY number DESC LIMIT 5" | cat -v`
	if out := m.run(query); out != "bob|and hello ana\nana|hello bob" {
		t.Errorf("sqlite3 reads:\n%s", out)
	}
	m.run(`mkdir -p /var/backups && sqlite3 /var/lib/chatd/chatd.db ".backup /var/backups/chatd.db"`)

	m.run("systemctl stop chatd")
	if out := m.run(export + " --text lobby"); !strings.Contains(out, "bob: and hello ana") {
		t.Errorf("while chatd is stopped, root exports:\n%s", out)
	}
	m.run("CHATD_DATA=/var/lib/chatd chatd forget ana")
	m.start()
	carl := m.arrive("carl", tcp)
	if history := strings.Join(carl.seen, "\n"); strings.Contains(history, "ana: ") || !strings.Contains(history, "bob: and hello ana") {
		t.Errorf("ana was forgotten; carl sees:\n%s", history)
	}
	carl.says("kept?")
	carl.sees("carl: kept\\?$")
	m.until(export+" --text lobby", "carl: kept")

	m.run("systemctl stop chatd && rm -f /var/lib/chatd/chatd.db-wal /var/lib/chatd/chatd.db-shm && cat /var/backups/chatd.db > /var/lib/chatd/chatd.db")
	m.start()
	dora := m.arrive("dora", tcp)
	if history := strings.Join(dora.seen, "\n"); !strings.Contains(history, "ana: hello bob") || strings.Contains(history, "carl: ") {
		t.Errorf("the backup was put back; dora sees:\n%s", history)
	}
	dora.says("kept too?")
	m.until(export+" --text lobby", "dora: kept too")
}

// After kill -9 systemd starts chatd again, with all that was on the disk.
func TestKilled(t *testing.T) {
	t.Parallel()
	m := started(t)
	ana, bob := m.arrive("ana", tcp), m.arrive("bob", tcp)
	talk(ana, bob)
	m.until("CHATD_DATA=/var/lib/chatd chatd export --text lobby", "and hello ana")
	m.run("kill -KILL " + m.show("chatd", "MainPID"))
	ana.ends()
	bob.ends()
	m.logs(`^systemd: chatd\.service: Main process exited, code=killed, status=9/KILL`)
	m.logs(`^systemd: chatd\.service: Scheduled restart job, restart counter is at 1`)
	m.logs("^chatd: chatd ended without closing its history; the last messages may be missing").checks(t, map[string]string{"PRIORITY": "4"})
	m.logs(`^systemd: Started chatd\.service`)
	eve := m.dial(tcp)
	eve.sees("ana: hello bob$")
	eve.sees("bob: and hello ana$")
	if out := m.run("sqlite3 -readonly /var/lib/chatd/chatd.db 'PRAGMA integrity_check'"); out != "ok" {
		t.Errorf("the database: %s", out)
	}
}
