package rig

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
)

// TestCertificate holds that what is made can be used, by its owner alone, and that
// all servers of a folder have the same.
func TestCertificate(t *testing.T) {
	dir := t.TempDir()
	chain, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	var first []byte
	for range 2 {
		if err := certificate(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := tls.LoadX509KeyPair(chain, key); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(key)
		if err != nil {
			t.Fatal(err)
		}
		if first != nil && string(text) != string(first) {
			t.Error("a second call made another key")
		}
		first = text
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
