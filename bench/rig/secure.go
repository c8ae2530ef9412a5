package rig

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// OverTLS is chatd with a listener that speaks TLS.
func OverTLS() Server {
	s := chatdAs("chatd-tls", "chatd, TLS")
	compile := s.build
	s.Proto = "tls"
	s.build = func(ctx context.Context, r *Rig) error { return errors.Join(certificate(r.Dir), compile(ctx, r)) }
	s.env = append(s.env, "CHATD_LISTEN=tls://127.0.0.1:PORT", "CHATD_TLS_CERT_FILE=DIR/cert.pem", "CHATD_TLS_KEY_FILE=DIR/key.pem")
	return s
}

// FloorOverTLS is the floor that encrypts with OpenSSL.
func FloorOverTLS() Server {
	const get = "apt install gcc libc6-dev libssl-dev"
	return Server{
		Name: "floor-tls", Label: "floor, TLS", What: "bench/floor.c with OpenSSL (" + get + ")", Proto: "tls",
		build: func(ctx context.Context, r *Rig) error {
			words := []string{"-O2", "-DTLS", "-o", filepath.Join(r.Dir, "floor-tls"), "bench/floor.c", "-lssl", "-lcrypto"}
			if err := installed(exec.CommandContext(ctx, "cc", words...), get); err != nil {
				return fmt.Errorf("%w; it needs: %s", err, get)
			}
			return certificate(r.Dir)
		},
		command: "DIR/floor-tls 127.0.0.1 PORT DIR/cert.pem DIR/key.pem",
		version: "openssl version",
	}
}

// certificate writes a new one for 127.0.0.1, signed by itself, into cert.pem and
// key.pem in a folder, unless they are there. The key is of the kind that most
// certificates have today, P-256.
func certificate(dir string) error {
	chain, secret := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if _, err := os.Stat(chain); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	write := func(path, kind string, bytes []byte) error {
		return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600)
	}
	return errors.Join(write(secret, "PRIVATE KEY", private), write(chain, "CERTIFICATE", der))
}
