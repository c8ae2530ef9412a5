package sock

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
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

// networks are what connections are made of. A pipe can only block.
var networks = []string{"tcp", "unix", "pipe"}

// connect returns the two ends of a connection. They are closed when the test ends.
func connect(t testing.TB, network string) (*Conn, net.Conn) {
	t.Helper()
	var a, b net.Conn
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
	return New(a), b
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
