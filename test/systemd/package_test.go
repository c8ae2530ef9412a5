//go:build systemd

package systemd_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// Versions of the packages that the tests build; the second one is the higher.
const (
	older = "1.0"
	newer = "1.1"
)

// packages builds those of both versions beside the binary, once, and returns their
// folder.
var packages = sync.OnceValues(func() (string, error) {
	folder := filepath.Join(filepath.Dir(binary), "packages")
	for _, version := range []string{older, newer} {
		build := exec.Command("../../tools/packages.sh")
		build.Env = append(os.Environ(), "OUT="+folder, "VERSION="+version, "ARCHS="+runtime.GOARCH, "FORMATS=deb")
		if out, err := build.CombinedOutput(); err != nil {
			return "", errors.Join(err, errors.New(string(out)))
		}
	}
	return folder, nil
})

// deb puts the package of a version into the machine and returns its path there,
// which has no chatd in it.
func (m *machine) deb(version string) string {
	m.t.Helper()
	folder, err := packages()
	if err != nil {
		m.t.Fatal(err)
	}
	inside := "/root/" + version + ".deb"
	m.copyIn(filepath.Join(folder, fmt.Sprintf("chatd_%s_%s.deb", version, runtime.GOARCH)), inside)
	return inside
}

// apt has apt-get install what is given, or remove it, and returns what it printed.
func (m *machine) apt(line string) string {
	m.t.Helper()
	return m.run("DEBIAN_FRONTEND=noninteractive apt-get -y --no-install-recommends " + line)
}

// installed boots a machine and has apt-get install the older package in it, from
// which on chatd runs.
func installed(t *testing.T) *machine {
	t.Helper()
	m := boot(t)
	m.apt("install " + m.deb(older))
	m.logs(`^systemd: Started chatd\.service`)
	m.is("active")
	return m
}

// Installed, it runs and will run after the next boot, and people talk by nc and by
// the client of the package.
func TestPackageInstalled(t *testing.T) {
	t.Parallel()
	m := installed(t)
	if enabled := m.run("systemctl is-enabled chatd.service"); enabled != "enabled" {
		t.Errorf("chatd.service is %s", enabled)
	}
	if enabled, _ := m.try("systemctl is-enabled chatd.socket"); enabled != "disabled" {
		t.Errorf("chatd.socket is %s", enabled)
	}
	ana, bob := m.arrive("ana", tcp), m.arrive("bob", local)
	talk(ana, bob)
	m.run("echo from a pipe | chat --name eve unix:///run/chatd/chatd.sock")
	bob.sees("eve: from a pipe$")
	for _, program := range []string{"chatd version", "chat --version"} {
		name, _, _ := strings.Cut(program, " ")
		if out := m.run(program); !strings.HasPrefix(out, name+" "+older+", commit ") {
			t.Errorf("%s: %s", program, out)
		}
	}
	if out := m.run("dpkg --verify chatd"); out != "" {
		t.Errorf("dpkg finds other files than those of the package:\n%s", out)
	}
}

// An upgrade tells everyone, restarts the service, and keeps what was said and what
// the administrator has written.
func TestPackageUpgraded(t *testing.T) {
	t.Parallel()
	m := installed(t)
	m.run("echo CHATD_NAME=tea.example.org >>/etc/chatd/chatd.env && systemctl restart chatd")
	ana := m.arrive("ana", tcp)
	ana.says("before the upgrade")
	ana.sees("ana: before the upgrade$")

	m.apt("install " + m.deb(newer))
	ana.sees("shutting down")
	m.is("active")
	if out := m.run("$(readlink -f /proc/$(systemctl show --value --property=MainPID chatd)/exe) version"); !strings.HasPrefix(out, "chatd "+newer+",") {
		t.Errorf("after the upgrade this runs: %s", out)
	}
	bob := m.dial(tcp)
	bob.sees("on tea.example.org")
	bob.sees("ana: before the upgrade$")
}

// An upgrade starts nothing that was stopped, and enables nothing that was disabled.
func TestPackageUpgradedWhileStopped(t *testing.T) {
	t.Parallel()
	m := installed(t)
	m.run("systemctl stop chatd")
	m.apt("install " + m.deb(newer))
	m.is("inactive")
	m.run("systemctl disable chatd && systemctl start chatd")
	m.apt("reinstall " + m.deb(newer))
	m.is("active")
	if enabled, _ := m.try("systemctl is-enabled chatd.service"); enabled != "disabled" {
		t.Errorf("chatd.service is %s", enabled)
	}
}

// A service that cannot start does not stop the package from being installed, and an
// upgrade tries again.
func TestPackageWithBadConfiguration(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.edit("chatd.service", "[Service]\nEnvironment=CHATD_LISTEN=nonsense\n")
	m.apt("install " + m.deb(older))
	m.logs(`^chatd: chatd: CHATD_LISTEN: `)
	m.is("failed")
	m.edit("chatd.service", "")
	m.apt("install " + m.deb(newer))
	m.is("active")
}

// With socket activation an upgrade keeps the sockets, and a removal closes them.
func TestPackageWithSockets(t *testing.T) {
	t.Parallel()
	m := installed(t)
	m.run("systemctl stop chatd && systemctl enable --now chatd.socket")
	ana := m.arrive("ana", tcp)
	m.apt("install " + m.deb(newer))
	ana.sees("shutting down")
	if state := m.run("systemctl is-active chatd.socket"); state != "active" {
		t.Errorf("chatd.socket is %s", state)
	}
	talk(m.arrive("ana", tcp), m.arrive("bob", "-U /run/chatd.sock"))
	m.apt("remove chatd")
	if out, status := m.try("nc -N 127.0.0.1 7777 </dev/null"); status == 0 {
		t.Errorf("somebody listens after the removal: %s", out)
	}
}

// Removed, configuration and history stay for the next installation; purged, nothing
// does.
func TestPackageRemovedAndPurged(t *testing.T) {
	t.Parallel()
	m := installed(t)
	m.run("echo CHATD_NAME=tea.example.org >>/etc/chatd/chatd.env")
	m.edit("chatd.service", "[Service]\nNice=1\n")
	ana := m.arrive("ana", tcp)
	ana.says("before the removal")
	ana.sees("ana: before the removal$")
	m.apt("remove chatd")
	ana.sees("shutting down")
	m.is("inactive")
	if out, status := m.try("test -e /usr/bin/chatd || test -e /usr/lib/systemd/system/chatd.service"); status == 0 {
		t.Errorf("files of the package stay: %s", out)
	}

	m.apt("install " + m.deb(newer))
	m.is("active")
	bob := m.dial(tcp)
	bob.sees("on tea.example.org")
	bob.sees("ana: before the removal$")

	m.apt("purge chatd")
	if left := m.run("find / -xdev -name '*chatd*'; find /run /tmp /var/tmp -name '*chatd*'"); left != "" {
		t.Errorf("after the purge there is\n%s", left)
	}
	if units := m.run("systemctl list-units --all --plain --no-legend 'chatd*'"); units != "" {
		t.Errorf("after the purge systemd knows\n%s", units)
	}
}

// Without a running systemd, as where images are made, it is installed, enabled for
// the first boot, and goes again.
func TestPackageWithoutSystemd(t *testing.T) {
	t.Parallel()
	m := boot(t)
	bare := "unshare --mount sh -ec 'mount -t tmpfs tmpfs /run; DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND; %s' 2>&1"
	m.run(fmt.Sprintf(bare, "apt-get install -y --no-install-recommends "+m.deb(older)+"; apt-get install -y --no-install-recommends "+m.deb(newer)))
	m.run("test -L /etc/systemd/system/multi-user.target.wants/chatd.service")
	if out := m.run("chatd version"); !strings.HasPrefix(out, "chatd "+newer+",") {
		t.Errorf("what is installed: %s", out)
	}
	m.run(fmt.Sprintf(bare, "apt-get purge -y chatd"))
	if left := m.run("find / -xdev -name '*chatd*'"); left != "" {
		t.Errorf("after the purge there is\n%s", left)
	}
}
