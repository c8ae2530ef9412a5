// Package cert is a TLS certificate that can be replaced while it is in use. It is
// read anew when somebody asks for it, at most once a second; a new one that is no
// good leaves the old one in its place. It does not know where certificates are
// kept.
package cert

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// lookEvery is how long what was read is taken for what is there.
const lookEvery = time.Second

// Config says where a certificate comes from, and who wants to know of it.
type Config struct {
	// Read returns the certificate, with its key, that is there now. It is called
	// by one goroutine at a time.
	Read func() (*tls.Certificate, error)
	// OnChange is told when another certificate has taken the place of the one
	// before, OnError once for each reason for which none could: the one before
	// is still in use. Both are called during a handshake.
	OnChange func(*tls.Certificate)
	OnError  func(error)
}

// Source is a certificate that can be replaced. Its methods may be called by any
// goroutine.
type Source struct {
	cfg     Config
	current atomic.Pointer[tls.Certificate]

	mu     sync.Mutex // held while reading; guards what follows
	looked time.Time  // when it was last read
	told   string     // why it could not be replaced then; "": it could
}

// Open reads the certificate for the first time.
func Open(cfg Config) (*Source, error) {
	c, err := cfg.Read()
	if err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, looked: time.Now()}
	s.current.Store(c)
	return s, nil
}

// Reload reads the certificate at once. An error is why the one before is still
// in use.
func (s *Source) Reload() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.look()
	s.told = reason(err)
	return err
}

// TLS returns a configuration for servers: TLS 1.2 and up, with the certificate
// that is there at each handshake. It is the caller's.
func (s *Source) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.get(), nil
		},
	}
}

// Current returns the certificate that is in use.
func (s *Source) Current() *tls.Certificate { return s.current.Load() }

// get returns the certificate, after a look if the last one was a while ago. While
// one handshake looks, which can take the time of a disk, others do not wait.
func (s *Source) get() *tls.Certificate {
	if s.mu.TryLock() {
		defer s.mu.Unlock()
		if time.Since(s.looked) >= lookEvery {
			err := s.look()
			if why := reason(err); why != s.told {
				s.told = why
				if err != nil {
					s.cfg.OnError(err)
				}
			}
		}
	}
	return s.current.Load()
}

// look reads the certificate, which takes the place of the one before if it is
// another one. s.mu is held.
func (s *Source) look() error {
	s.looked = time.Now()
	c, err := s.cfg.Read()
	if err != nil {
		return err
	}
	if !slices.EqualFunc(c.Certificate, s.current.Load().Certificate, bytes.Equal) {
		s.current.Store(c)
		s.cfg.OnChange(c)
	}
	return nil
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Error is what is wrong with a certificate or its key, for the person who made
// it: the sentence continues the name of the file.
type Error struct {
	InKey  bool // else it is the certificate
	Reason string
}

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }

// Parse returns the certificate in chain, followed there by those that lead to one
// that others trust, with its key. Both are in PEM. An error is an *Error.
func Parse(chain, key []byte) (*tls.Certificate, error) {
	if err := judgeChain(chain); err != nil {
		return nil, err
	}
	wrong := func(reason string) (*tls.Certificate, error) {
		return nil, &Error{InKey: true, Reason: reason}
	}
	switch kind := keyKind(key); {
	case kind == "":
		return wrong("holds no key: a block that begins with -----BEGIN PRIVATE KEY-----")
	case kind == "ENCRYPTED PRIVATE KEY", bytes.Contains(key, []byte("Proc-Type: 4,ENCRYPTED")):
		return wrong("holds a key that is locked with a password; openssl pkey -in KEY -out NEW unlocks it")
	}
	c, err := tls.X509KeyPair(chain, key)
	switch {
	case err == nil:
		return &c, nil
	case strings.Contains(err.Error(), "does not match"):
		return wrong("is not the key of the certificate, the first one in its file")
	}
	return wrong("holds a key that cannot be used: " + strings.TrimPrefix(err.Error(), "tls: "))
}

// judgeChain returns what is wrong with a file of certificates.
func judgeChain(chain []byte) error {
	found := false
	for {
		var block *pem.Block
		if block, chain = pem.Decode(chain); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		found = true
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return &Error{Reason: "holds a certificate that cannot be read: " + strings.TrimPrefix(err.Error(), "x509: ")}
		}
	}
	if !found {
		return &Error{Reason: "holds no certificate: a block that begins with -----BEGIN CERTIFICATE-----"}
	}
	return nil
}

// keyKind is the type of the first block that is a key; "": there is none.
func keyKind(key []byte) string {
	for {
		var block *pem.Block
		switch block, key = pem.Decode(key); {
		case block == nil:
			return ""
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return block.Type
		}
	}
}
