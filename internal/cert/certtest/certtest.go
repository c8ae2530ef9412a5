// Package certtest makes certificates for tests, in memory.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// New returns a certificate for the host with the given name, for localhost and for
// loopback addresses, signed by itself, with its key. Both are in PEM.
func New(t testing.TB, name string) (chain, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		DNSNames:    []string{name, "localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		// On the clock of synctest it is the year 2000.
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return Block("CERTIFICATE", der), Block("PRIVATE KEY", pkcs8)
}

// Block is a block of PEM.
func Block(kind string, bytes []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes})
}

// Configs returns what a server with such a certificate uses, and a client that
// trusts no other.
func Configs(t testing.TB, name string) (server, client *tls.Config) {
	t.Helper()
	chain, key := New(t, name)
	c, err := tls.X509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(chain)
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{c}},
		&tls.Config{RootCAs: trusted, ServerName: name}
}
