package sock

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/chatd/chatd/internal/cert/certtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scale is how often something is tried: seldom with -short, often with
// CHATD_TORTURE=1.
func scale(short, normal, torture int) int {
	switch {
	case os.Getenv("CHATD_TORTURE") == "1":
		return torture
	case testing.Short():
		return short
	}
	return normal
}

// networks are what connections are made of. A pipe and TLS can only block; tls-bare
// is TLS that stands on the kernel's connection itself.
var networks = []string{"tcp", "unix", "pipe", "tls", "tls-bare"}

// connect returns the two ends of a connection. They are closed when the test ends.
func connect(t testing.TB, network string) (*Conn, net.Conn) {
	t.Helper()
	var a, b net.Conn
	network, encrypted := strings.CutPrefix(network, "tls")
	bare := network == "-bare"
	if encrypted {
		network = "tcp"
	}
	if network == "pipe" {
		a, b = net.Pipe()
	} else {
		address := "127.0.0.1:0"
		if network == "unix" {
			address = filepath.Join(t.TempDir(), "s")
		}
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if b, err = net.Dial(network, l.Addr().String()); err != nil {
			t.Fatal(err)
		}
		if a, err = l.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	if encrypted {
		a, b = encrypt(t, a, b, bare)
	}
	return New(a), b
}

// encrypt makes two ends of TLS of two ends of TCP.
func encrypt(t testing.TB, a, b net.Conn, bare bool) (*tls.Conn, *tls.Conn) {
	t.Helper()
	below := a
	if !bare {
		below = NewBase(a)
	}
	server, client := certtest.Configs(t, "localhost")
	x, y := tls.Server(below, server), tls.Client(b, client)
	var greeting sync.WaitGroup
	defer greeting.Wait()
	greeting.Go(func() {
		if err := x.Handshake(); err != nil {
			t.Error(err)
		}
	})
	if err := y.Handshake(); err != nil {
		t.Fatal(err)
	}
	return x, y
}

// each runs a test over each of the networks.
func each(t *testing.T, networks []string, test func(t *testing.T, c *Conn, peer net.Conn)) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			c, peer := connect(t, network)
			test(t, c, peer)
		})
	}
}
