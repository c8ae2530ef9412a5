//go:build systemd

package systemd_test

import "testing"

// A process that stands still is ended by systemd, which has it say where everyone
// was, and started again.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.install()
	m.edit("chatd.service", "[Service]\nWatchdogSec=3s\n")
	m.start()
	ana, bob := m.arrive("ana", tcp), m.arrive("bob", tcp)
	talk(ana, bob)
	pid := m.show("chatd", "MainPID")
	m.run("kill -STOP " + pid)
	m.logs(`^systemd: chatd\.service: Watchdog timeout`)
	m.logs("^chatd: SIGABRT: abort")
	m.logs(`^chatd: goroutine \d+ .*:$`)
	m.logs(`^systemd: chatd\.service: Main process exited, code=exited, status=2/`)
	m.logs(`^systemd: chatd\.service: Scheduled restart job, restart counter is at 1`)
	m.logs(`^systemd: Started chatd\.service`)
	ana.ends()
	bob.ends()
	if again := m.show("chatd", "MainPID"); again == pid {
		t.Errorf("the process is still %s", pid)
	}
	talk(m.arrive("ana", tcp), m.arrive("bob", tcp))
}
