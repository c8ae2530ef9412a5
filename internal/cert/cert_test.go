package cert

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd/chatd/internal/cert/certtest"
)

func TestParse(t *testing.T) {
	t.Parallel()
	chain, key := certtest.New(t, "one")
	otherChain, otherKey := certtest.New(t, "other")
	both := append(append([]byte(nil), key...), chain...)
	params := certtest.Block("EC PARAMETERS", []byte{1, 2, 3})
	for _, c := range []struct {
		name       string
		chain, key []byte
		inKey      bool
		want       string
	}{
		{"good", chain, key, false, ""},
		{"one that leads to it", append(append([]byte(nil), chain...), otherChain...), key, false, ""},
		{"text before", append([]byte("subject: one\n"), chain...), append(params, key...), false, ""},
		{"one file for both", both, both, false, ""},

		{"nothing", nil, key, false, "holds no certificate: a block that begins with -----BEGIN CERTIFICATE-----"},
		{"the two exchanged", key, chain, false, "holds no certificate: a block that begins with -----BEGIN CERTIFICATE-----"},
		{"cut", chain[:len(chain)/2], key, false, "holds no certificate: a block that begins with -----BEGIN CERTIFICATE-----"},
		{"junk", certtest.Block("CERTIFICATE", []byte("junk")), key, false, "holds a certificate that cannot be read: malformed certificate"},
		{"junk at the end", append(append([]byte(nil), chain...), certtest.Block("CERTIFICATE", []byte("junk"))...), key, false, "holds a certificate that cannot be read: malformed certificate"},
		{"no key", chain, chain, true, "holds no key: a block that begins with -----BEGIN PRIVATE KEY-----"},
		{"another's key", chain, otherKey, true, "is not the key of the certificate, the first one in its file"},
		{"the wrong order", append(append([]byte(nil), otherChain...), chain...), key, true, "is not the key of the certificate, the first one in its file"},
		{"junk for a key", chain, certtest.Block("PRIVATE KEY", []byte("junk")), true, "holds a key that cannot be used: failed to parse private key"},
		{"locked", chain, certtest.Block("ENCRYPTED PRIVATE KEY", []byte("junk")), true, "holds a key that is locked with a password; openssl pkey -in KEY -out NEW unlocks it"},
		{
			"locked as of old", chain, pem.EncodeToMemory(&pem.Block{
				Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: []byte("junk"),
			}),
			true, "holds a key that is locked with a password; openssl pkey -in KEY -out NEW unlocks it",
		},
	} {
		got, err := Parse(c.chain, c.key)
		if c.want == "" {
			if err != nil || got.Leaf.Subject.CommonName != "one" {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		var wrong *Error
		if !errors.As(err, &wrong) || wrong.Reason != c.want || wrong.InKey != c.inKey {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

// shelf is where the test keeps a certificate.
type shelf struct {
	mu      sync.Mutex
	kept    *tls.Certificate
	err     error
	reads   int
	changes []string
	errs    []string
}

func (s *shelf) put(c *tls.Certificate, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept, s.err = c, err
}

func (s *shelf) config() Config {
	return Config{
		Read: func() (*tls.Certificate, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.reads++
			return s.kept, s.err
		},
		OnChange: func(c *tls.Certificate) { s.changes = append(s.changes, c.Leaf.Subject.CommonName) },
		OnError:  func(err error) { s.errs = append(s.errs, err.Error()) },
	}
}

func parsed(t *testing.T, name string) *tls.Certificate {
	t.Helper()
	c, err := Parse(certtest.New(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestReplaced: a new certificate is there within a second, by itself; a bad one
// leaves the old one, and is told of once.
func TestReplaced(t *testing.T) {
	t.Parallel()
	one, two, three := parsed(t, "one"), parsed(t, "two"), parsed(t, "three")
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		s.put(nil, errors.New("there is none"))
		if _, err := Open(s.config()); err == nil || err.Error() != "there is none" {
			t.Fatalf("opened: %v", err)
		}
		s.put(one, nil)
		source, err := Open(s.config())
		if err != nil {
			t.Fatal(err)
		}
		config := source.TLS()
		served := func(want string) {
			t.Helper()
			c, err := config.GetCertificate(nil)
			if err != nil || c.Leaf.Subject.CommonName != want {
				t.Errorf("served is %v, %v; want %s", c.Leaf.Subject, err, want)
			}
		}
		later := func(d time.Duration) {
			time.Sleep(d) // on the clock of synctest
			synctest.Wait()
		}
		served("one")
		s.put(two, nil)
		later(lookEvery - 1)
		served("one")
		later(1)
		served("two")
		served("two")

		s.put(nil, errors.New("it is gone"))
		for range 3 {
			later(lookEvery)
			served("two")
		}
		s.put(nil, errors.New("it is junk"))
		later(lookEvery)
		served("two")
		s.put(two, nil) // the one before is back
		later(lookEvery)
		served("two")
		s.put(nil, errors.New("it is gone"))
		later(lookEvery)
		served("two")

		// At once, and told to who asks.
		if err := source.Reload(); err == nil || err.Error() != "it is gone" {
			t.Errorf("reloaded: %v", err)
		}
		s.put(three, nil)
		if err := source.Reload(); err != nil {
			t.Error(err)
		}
		served("three")

		reads := s.reads
		for range 1000 {
			served("three")
		}
		if s.reads != reads {
			t.Errorf("it was read %d times in no time", s.reads-reads)
		}
		want := []string{"it is gone", "it is junk", "it is gone"}
		if len(s.errs) != len(want) || s.errs[0] != want[0] || s.errs[1] != want[1] || s.errs[2] != want[2] {
			t.Errorf("told of %q, want %q", s.errs, want)
		}
		if len(s.changes) != 2 || s.changes[0] != "two" || s.changes[1] != "three" {
			t.Errorf("changes were %q", s.changes)
		}
	})
}

// TestSlowDiskDelaysOne: while one handshake waits for the files, others go on with
// what was read before.
func TestSlowDiskDelaysOne(t *testing.T) {
	t.Parallel()
	one, two := parsed(t, "one"), parsed(t, "two")
	synctest.Test(t, func(t *testing.T) {
		const slow = time.Minute
		first := true
		source, err := Open(Config{
			Read: func() (*tls.Certificate, error) {
				if first {
					first = false
					return one, nil
				}
				time.Sleep(slow)
				return two, nil
			},
			OnChange: func(*tls.Certificate) {}, OnError: func(err error) { t.Error(err) },
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookEvery)
		begin := time.Now()
		var looking sync.WaitGroup
		looking.Go(func() {
			if source.get() != two || time.Since(begin) != slow {
				t.Errorf("who looked has waited %v", time.Since(begin))
			}
		})
		synctest.Wait() // it waits for the disk
		if source.get() != one || time.Since(begin) != 0 {
			t.Errorf("another one has waited %v", time.Since(begin))
		}
		looking.Wait()
		if source.get() != two {
			t.Error("the new one is not there")
		}
	})
}

// TestOldVersions: nothing below 1.2 is spoken.
func TestOldVersions(t *testing.T) {
	t.Parallel()
	one := parsed(t, "one")
	source, err := Open(Config{Read: func() (*tls.Certificate, error) { return one, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if v := source.TLS().MinVersion; v != tls.VersionTLS12 {
		t.Errorf("the least version is %x", v)
	}
}
