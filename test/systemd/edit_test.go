//go:build systemd

package systemd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
)

// certify puts a certificate for localhost, signed by itself, and its key into a
// folder of the machine, where certbot would.
func (m *machine) certify(folder string) {
	m.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		m.t.Fatal(err)
	}
	now := time.Now()
	request := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), DNSNames: []string{"localhost"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), BasicConstraintsValid: true, IsCA: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, request, request, key.Public(), key)
	if err != nil {
		m.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		m.t.Fatal(err)
	}
	m.write(folder+"/fullchain.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})))
	m.write(folder+"/privkey.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// The service's user, who is made at its start, reads the key by a group, and a
// renewal is in force at once, as docs/operations.md says.
func TestCertificateIsRenewed(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.install()
	m.run("groupadd --system chatd-tls")
	m.edit("chatd.service", "[Service]\nSupplementaryGroups=chatd-tls\n")
	m.write("/etc/chatd/chatd.env", "CHATD_LISTEN=tls://:7778\nCHATD_TLS_CERT_FILE=/etc/chatd/tls/fullchain.pem\nCHATD_TLS_KEY_FILE=/etc/chatd/tls/privkey.pem\n")
	m.write("/root/deploy", `#!/bin/sh -eu
install -d -m 750 -g chatd-tls /etc/chatd/tls
install -m 640 -g chatd-tls "$RENEWED_LINEAGE/privkey.pem" /etc/chatd/tls/privkey.pem
install -m 640 -g chatd-tls "$RENEWED_LINEAGE/fullchain.pem" /etc/chatd/tls/fullchain.pem
`)
	// meet has somebody come who trusts this certificate and no other one.
	meet := func(name, certificate string) *person {
		p := m.open("socat - OPENSSL:127.0.0.1:7778,commonname=localhost,cafile=/root/" + certificate + "/fullchain.pem")
		p.is(name)
		return p
	}
	m.certify("/root/first")
	m.run("RENEWED_LINEAGE=/root/first sh -eu /root/deploy")
	m.start()
	ana := meet("ana", "first")
	pid := m.show("chatd", "MainPID")

	m.certify("/root/second")
	m.run("RENEWED_LINEAGE=/root/second sh -eu /root/deploy && systemctl reload chatd")
	bob := meet("bob", "second")
	talk(ana, bob)
	if again := m.show("chatd", "MainPID"); again != pid {
		t.Errorf("the process was %s and is %s", pid, again)
	}
	m.run("chmod o+r /etc/chatd/tls/privkey.pem && touch /etc/chatd/tls/privkey.pem && systemctl reload chatd")
	m.logs("^chatd: the certificate stays as it was .*privkey.pem is open to everybody").checks(t, map[string]string{"PRIORITY": "3"})
	talk(meet("eve", "second"), ana)
}

// systemd opens what chatd itself may not: a port below 1024, and a socket for a
// group.
func TestOtherSockets(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.install()
	m.run("groupadd --system talkers && useradd --system --groups talkers ana && useradd --system bob")
	m.edit("chatd.socket", "[Socket]\nListenStream=\nListenStream=23\nListenStream=/run/talk\nSocketGroup=talkers\nSocketMode=0660\n")
	m.run("systemctl enable --now chatd.socket")
	eve := m.arrive("eve", "127.0.0.1 23")
	ana := m.open("setpriv --reuid=ana --regid=ana --init-groups nc -U /run/talk")
	ana.is("ana")
	talk(ana, eve)
	if out, status := m.try("setpriv --reuid=bob --regid=bob --init-groups nc -N -U /run/talk < /dev/null"); status == 0 || !strings.Contains(out, "Permission denied") {
		t.Errorf("who is not in the group gets in, with status %d: %s", status, out)
	}
	if out, status := m.try("nc -N " + tcp + " < /dev/null"); status == 0 {
		t.Errorf("somebody still listens: %s", out)
	}
}

// History in a folder of one's own takes a user of one's own, as docs/operations.md
// says.
func TestOtherFolder(t *testing.T) {
	t.Parallel()
	m := started(t)
	m.run("systemctl stop chatd && useradd --system chatd && install -d -m 700 -o chatd -g chatd /srv/chat")
	m.edit("chatd.service", "[Service]\nDynamicUser=no\nUser=chatd\nReadWritePaths=/srv/chat\n")
	m.write("/etc/chatd/chatd.env", "CHATD_DATA=/srv/chat\n")
	m.start()
	talk(m.arrive("ana", tcp), m.arrive("bob", local))
	m.run("systemctl restart chatd")
	m.logs(`^systemd: Started chatd\.service`)
	m.dial(tcp).sees("bob: and hello ana$")
	if files := m.run("find /srv/chat -type f -printf '%u %m %f\\n'"); !strings.Contains(files, "chatd 600 chatd.db\n") {
		t.Errorf("/srv/chat has\n%s", files)
	}
	m.run("systemd-analyze security --threshold=13 chatd.service")
}
