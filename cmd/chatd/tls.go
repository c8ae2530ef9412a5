package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chatd/chatd/internal/cert"
	"github.com/chatd/chatd/internal/listen"
)

// maxPEM is the largest file with certificates or a key in bytes: some twenty times
// the longest chains there are.
const maxPEM = 256 << 10

// judgeTLS reads the certificate, if there is to be one, and returns what is wrong
// with that, one sentence each.
func (c *config) judgeTLS() (wrong []string) {
	switch {
	case c.TLSCertFile != "" && c.TLSKeyFile == "":
		wrong = append(wrong, "CHATD_TLS_CERT_FILE is of no use without CHATD_TLS_KEY_FILE; set both")
	case c.TLSCertFile == "" && c.TLSKeyFile != "":
		wrong = append(wrong, "CHATD_TLS_KEY_FILE is of no use without CHATD_TLS_CERT_FILE; set both")
	case c.TLSCertFile != "":
		certificate, err := c.readCertificate()
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		c.certificate = certificate
	}
	if c.TLSCertFile == "" || c.TLSKeyFile == "" {
		for _, l := range c.listeners {
			if l.TLS() {
				wrong = append(wrong, fmt.Sprintf("CHATD_LISTEN: %s: %s", l, takesCertificate))
			}
		}
	}
	return wrong
}

const takesCertificate = "takes a certificate; set CHATD_TLS_CERT_FILE and CHATD_TLS_KEY_FILE"

// judgeSockets says which of the sockets that systemd hands over cannot be served.
func (d *daemon) judgeSockets(specs []listen.Spec) error {
	var wrong []error
	for _, s := range specs {
		if s.TLS() && d.certificate == nil {
			wrong = append(wrong, fmt.Errorf("systemd handed over the socket %s, which %s", s.Name, takesCertificate))
		}
	}
	return errors.Join(wrong...)
}

// readCertificate returns the certificate that its two files hold. Its errors are
// whole sentences for the operator that begin with the variable.
func (c config) readCertificate() (*tls.Certificate, error) {
	chain, err := readPEM(c.TLSCertFile)
	if err != nil {
		return nil, fmt.Errorf("CHATD_TLS_CERT_FILE: %w", err)
	}
	key, err := readKey(c.TLSKeyFile)
	if err != nil {
		return nil, fmt.Errorf("CHATD_TLS_KEY_FILE: %w", err)
	}
	certificate, err := cert.Parse([]byte(chain), []byte(key))
	var bad *cert.Error
	switch {
	case errors.As(err, &bad) && bad.InKey:
		return nil, fmt.Errorf("CHATD_TLS_KEY_FILE: %s %w", c.TLSKeyFile, err)
	case err != nil:
		return nil, fmt.Errorf("CHATD_TLS_CERT_FILE: %s %w", c.TLSCertFile, err)
	}
	return certificate, nil
}

func readPEM(path string) (string, error) {
	text, _, err := readFile(path, maxPEM)
	if errors.Is(err, errTooLarge) {
		err = fmt.Errorf("%s is larger than 256 KiB, the most a certificate can be", path)
	}
	return text, err
}

// readKey refuses a file that others than its owner and group may use.
func readKey(path string) (string, error) {
	text, mode, err := readFile(path, maxPEM)
	switch {
	case errors.Is(err, errTooLarge):
		return "", fmt.Errorf("%s is larger than 256 KiB, the most a key can be", path)
	case err == nil && mode&0o007 != 0:
		return "", fmt.Errorf("%s is open to everybody on this machine; chmod o= %[1]s", path)
	}
	return text, err
}

// certified says of a certificate whose it is and how long it lasts.
func certified(c *tls.Certificate) (names, until string) {
	all := slices.Clone(c.Leaf.DNSNames)
	for _, ip := range c.Leaf.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		all = append(all, c.Leaf.Subject.CommonName) // which clients of today look at no more
	}
	return strings.Join(all, ","), c.Leaf.NotAfter.UTC().Format(time.RFC3339)
}

// certifiedHosts are the names that a certificate is for, but for whole domains (*).
func certifiedHosts(c *tls.Certificate) []string {
	var hosts []string
	for _, name := range c.Leaf.DNSNames {
		if !strings.HasPrefix(name, "*") {
			hosts = append(hosts, strings.ToLower(name))
		}
	}
	return hosts
}

// openCertificate reads the certificate to serve TLS with, if there is to be one.
func (d *daemon) openCertificate() error {
	if d.cfg.TLSCertFile == "" {
		return nil
	}
	var err error
	d.certificate, err = cert.Open(cert.Config{
		Read:     d.cfg.readCertificate,
		OnChange: d.tellCertificate,
		OnError:  d.tellOldCertificate,
	})
	if err == nil {
		d.tellCertificate(d.certificate.Current())
	}
	return err
}

// tellCertificate logs what is served from now on.
func (d *daemon) tellCertificate(c *tls.Certificate) {
	names, until := certified(c)
	if time.Now().After(c.Leaf.NotAfter) {
		d.log.Warn().Str("names", names).Str("until", until).Msg("the certificate has expired")
		return
	}
	d.log.Info().Str("names", names).Str("until", until).Msg("certificate")
}

func (d *daemon) tellOldCertificate(err error) {
	d.log.Error().Err(err).Msg("the certificate stays as it was")
}

// tlsConfig is what listeners speak TLS with, nil if there is no certificate.
func (d *daemon) tlsConfig() *tls.Config {
	if d.certificate == nil {
		return nil
	}
	return d.certificate.TLS()
}

// loadCertificate reports whether the certificate is what its files hold.
func (d *daemon) loadCertificate() bool {
	if d.certificate == nil {
		return true
	}
	err := d.certificate.Reload()
	if err != nil {
		d.tellOldCertificate(err)
	}
	return err == nil
}

// proxies are machines that are believed for whom they speak, separated by commas:
// 192.0.2.7,10.0.0.0/8. The word off is none.
type proxies listen.Peers

func (p *proxies) UnmarshalText(text []byte) error {
	*p = nil
	if isOff(text) {
		return nil
	}
	peers, err := listen.ParsePeers(string(text))
	*p = proxies(peers)
	return err
}
