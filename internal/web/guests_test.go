package web

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"testing"
)

// caller is a connection from somewhere.
type caller struct {
	net.Conn
	from net.Addr
}

func (c *caller) RemoteAddr() net.Addr { return c.from }

func from(addr string) *caller {
	return &caller{from: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(addr), 1))}
}

func TestOldestMakesRoom(t *testing.T) {
	g := guests{most: 16} // two of one address
	var gone []string
	enter := func(name string, c *caller) *caller {
		g.enter(c, func() { gone = append(gone, name) })
		return c
	}
	enter("first", from("192.0.2.1"))
	second := enter("second", from("192.0.2.1"))
	enter("third", from("192.0.2.1"))
	if want := []string{"first"}; !slices.Equal(gone, want) {
		t.Fatalf("%q had to go, want %q", gone, want)
	}
	g.leave(second)
	g.leave(second)
	enter("fourth", from("::ffff:192.0.2.1")) // the same address, as IPv6 has it
	if len(gone) != 1 {
		t.Fatalf("%q had to go where one had left", gone)
	}
	enter("v6", from("2001:db8::1"))
	enter("v6 2", from("2001:db8::2"))
	enter("v6 3", from("2001:db8::ffff:3"))
	enter("elsewhere", from("2001:db8:0:1::1"))
	if want := []string{"first", "v6"}; !slices.Equal(gone, want) {
		t.Fatalf("%q had to go, want %q: a /64 counts as one address", gone, want)
	}
	for i := range 11 {
		enter(strconv.Itoa(i), from("198.51.100."+strconv.Itoa(i)))
	}
	if want := []string{"first", "v6"}; !slices.Equal(gone, want) || g.all.Len() != 16 {
		t.Fatalf("%q had to go, want %q; %d are here", gone, want, g.all.Len())
	}
	enter("one more", from("203.0.113.1"))
	if want := []string{"first", "v6", "third"}; !slices.Equal(gone, want) {
		t.Fatalf("%q had to go, want %q", gone, want)
	}
	unix := &caller{from: &net.UnixAddr{Name: "@"}}
	for range 5 { // which are not counted by address
		enter("unix", &caller{from: unix.from})
	}
	if want := []string{"first", "v6", "third", "fourth", "v6 2", "v6 3", "elsewhere", "0"}; !slices.Equal(gone, want) {
		t.Fatalf("%q had to go, want %q", gone, want)
	}
	for len(g.byKey) > 0 {
		for key := range g.byKey {
			g.leave(key.(net.Conn))
		}
	}
	if g.all.Len() != 0 || len(g.from) != 0 {
		t.Errorf("%d guests and %d addresses are left", g.all.Len(), len(g.from))
	}
}

// One place for all, and only one address: the newest has it.
func TestOnlyPlace(t *testing.T) {
	g := guests{most: 1}
	gone := 0
	for range 3 {
		g.enter(from("192.0.2.1"), func() { gone++ })
	}
	if gone != 2 || g.all.Len() != 1 || len(g.from) != 1 {
		t.Errorf("%d had to go, %d are here from %d addresses", gone, g.all.Len(), len(g.from))
	}
}
