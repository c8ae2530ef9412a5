//go:build systemd

package systemd_test

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// tcp and local are what nc needs to reach chatd as it is shipped.
const (
	tcp   = "127.0.0.1 7777"
	local = "-U /run/chatd/chatd.sock"
)

// started boots a machine in which chatd runs as a service.
func started(t *testing.T) *machine {
	t.Helper()
	m := boot(t)
	m.install()
	m.start()
	return m
}

// start starts chatd, which is active when it returns.
func (m *machine) start() {
	m.t.Helper()
	m.run("systemctl start chatd")
	m.logs(`^systemd: Started chatd\.service`)
	m.is("active")
}

// is checks what systemctl is-active says of chatd.
func (m *machine) is(want string) {
	m.t.Helper()
	if state, _ := m.try("systemctl is-active chatd"); state != want {
		m.t.Errorf("chatd is %s and not %s", state, want)
	}
}

// talk has two people say something to each other.
func talk(a, b *person) {
	a.m.t.Helper()
	a.says("hello " + b.name)
	b.sees(a.name + ": hello " + b.name + "$")
	b.says("and hello " + a.name)
	a.sees(b.name + ": and hello " + a.name + "$")
}

// Two people talk, and systemctl status counts them.
func TestStart(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.install()
	// The status is told every 5 s, or three times in the watchdog's time.
	m.edit("chatd.service", "[Service]\nWatchdogSec=6s\n")
	m.start()
	m.logs(`^chatd: listening on tcp://:7777 `)
	ana, bob := m.arrive("ana", tcp), m.arrive("bob", local)
	talk(ana, bob)
	m.dial(tcp).sees("here: ana, bob")
	m.until("systemctl status chatd", `Status: "2 talking, 1 listening; 2 messages so far"`)
}

// A reload reads the message of the day again, in the same process, and nobody
// has to leave.
func TestReload(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.install()
	m.write("/etc/chatd/chatd.env", "CHATD_MOTD_FILE=/etc/chatd/motd\n")
	m.run("echo 'tea at four' > /etc/chatd/motd")
	m.start()
	run, pid := m.show("chatd", "InvocationID"), m.show("chatd", "MainPID")
	ana := m.dial(tcp)
	ana.sees("tea at four$")
	ana.is("ana")

	m.run("echo 'cake at five' > /etc/chatd/motd && systemctl reload chatd")
	m.logs(`^systemd: Reloaded chatd\.service`)
	m.logs("^chatd: files read again")
	bob := m.dial(tcp)
	bob.sees("cake at five$")
	bob.is("bob")
	talk(ana, bob)
	if again := m.show("chatd", "InvocationID"); again != run || m.show("chatd", "MainPID") != pid {
		t.Errorf("invocation %s, then %s", run, again)
	}
}

// Who is there when the service stops is told, and the end is a clean one.
func TestStop(t *testing.T) {
	t.Parallel()
	m := started(t)
	m.run("systemctl enable chatd") // else systemd forgets how it ended
	people := []*person{m.arrive("ana", tcp), m.arrive("bob", local), m.dial(tcp)}
	people[2].sees("here: ana, bob")
	m.run("systemctl stop chatd")
	for _, p := range people {
		p.sees(`^\* chatd is shutting down`)
		p.ends()
	}
	begin, end := m.logs(`^systemd: Stopping chatd\.service`), m.logs(`^systemd: Stopped chatd\.service`)
	if took := end.at(t) - begin.at(t); took > 5*time.Second { // CHATD_SHUTDOWN_GRACE
		t.Errorf("stopping takes %v", took)
	}
	for _, property := range []string{"Result=success", "ExecMainCode=1", "ExecMainStatus=0"} {
		name, want, _ := strings.Cut(property, "=")
		if got := m.show("chatd", name); got != want {
			t.Errorf("%s is %s and not %s", name, got, want)
		}
	}
	m.is("inactive")
	if out, _ := m.try("ls /run/chatd"); !strings.Contains(out, "No such file") {
		t.Errorf("the folder of the socket is still there: %s", out)
	}
}

// The machine restarts: people are told, and chatd is there again with what was
// said, without anybody's doing.
func TestReboot(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.install()
	m.run("systemctl enable --now chatd")
	ana, bob := m.arrive("ana", tcp), m.arrive("bob", local)
	talk(ana, bob)
	m.run("systemctl reboot")
	for _, p := range []*person{ana, bob} {
		p.sees(`^\* chatd is shutting down`)
		p.ends()
	}
	m.again()
	m.is("active")
	ana, bob = m.dial(tcp), m.dial(local)
	for _, p := range []*person{ana, bob} {
		p.sees("ana: hello bob$")
		p.sees("bob: and hello ana$")
	}
	if warnings := m.entries("--unit=chatd --priority=warning"); len(warnings) != 0 {
		t.Errorf("warnings: %v", warnings)
	}
}

// at is when the entry was made, since the machine of the machine was started.
func (e entry) at(t *testing.T) time.Duration {
	t.Helper()
	us, err := strconv.ParseInt(e["__MONOTONIC_TIMESTAMP"], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(us) * time.Microsecond
}

// A mistake in the environment ends the service with 78, once and for all.
func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.install()
	m.write("/etc/chatd/chatd.env", "CHATD_ECO=false\nCHATD_RATE=fast\n")
	if out, status := m.try("systemctl start chatd"); status == 0 {
		t.Errorf("chatd starts: %s", out)
	}
	m.logs("^chatd: .*CHATD_ECO.*CHATD_ECHO")
	m.logs("^chatd: .*CHATD_RATE")
	if failed := m.logs(`^systemd: chatd\.service: Main process exited`); !strings.Contains(failed["MESSAGE"], "status=78") {
		t.Error(failed)
	}
	// Were it to be started again, it would be activating by now.
	if state := m.show("chatd", "SubState") + " " + m.show("chatd", "NRestarts"); state != "failed 0" {
		t.Errorf("the state, and how often it was started again: %s", state)
	}

	m.write("/etc/chatd/chatd.env", "CHATD_ECHO=false\n")
	m.run("(set -a; . /etc/chatd/chatd.env; chatd check) && systemctl restart chatd") // as docs/operations.md says
	m.is("active")
}

// What systemd thinks that the running service could do to the machine, and what
// the kernel says that it may.
func TestHardening(t *testing.T) {
	t.Parallel()
	m := started(t)
	m.run("systemd-analyze security --threshold=13 chatd.service")
	process := m.run("cat /proc/" + m.show("chatd", "MainPID") + "/status")
	for _, line := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"} {
		if !strings.Contains(process, "\n"+line+"\n") {
			t.Errorf("/proc/PID/status has not %q:\n%s", line, process)
		}
	}
	if uid := m.show("chatd", "UID"); uid == "0" || !strings.Contains(process, "\nUid:\t"+uid+"\t"+uid+"\t"+uid+"\t"+uid+"\n") {
		t.Errorf("chatd does not run as the user %s:\n%s", uid, process)
	}
}
