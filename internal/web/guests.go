package web

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
)

// guests are the connections that are no chat, in the order in which they came. When
// there are too many, the one that has been here longest has to go, so that those
// who only hold a place cannot keep a newcomer out. Of what a page needs the last
// byte is sent long before its turn comes.
type guests struct {
	most int // set before the first use

	mu    sync.Mutex // guards what follows
	all   list.List  // of *guest, the oldest first
	byKey map[any]*list.Element
	from  map[netip.Prefix]*list.List // of *list.Element of all
}

// guest is one of them.
type guest struct {
	key  any
	from netip.Prefix
	same *list.Element // its place among those of its address
	end  func()
}

// enter adds the connection nc under itself as the key. When it has to go, end is
// called, which must not wait, and leave still has to be.
func (g *guests) enter(nc net.Conn, end func()) {
	newest := &guest{key: nc, from: neighbourhood(nc), end: end}
	g.mu.Lock()
	if g.byKey == nil {
		g.byKey, g.from = make(map[any]*list.Element), make(map[netip.Prefix]*list.List)
	}
	neighbours := g.from[newest.from]
	if neighbours == nil {
		neighbours = new(list.List)
		g.from[newest.from] = neighbours
	}
	var oldest *guest
	switch {
	case newest.from.IsValid() && neighbours.Len() >= max(g.most/8, 1):
		oldest = neighbours.Front().Value.(*list.Element).Value.(*guest)
	case g.all.Len() >= g.most:
		oldest = g.all.Front().Value.(*guest)
	}
	if oldest != nil {
		g.remove(oldest.key)
		if g.from[newest.from] == nil { // it was the only one
			g.from[newest.from] = neighbours
		}
	}
	place := g.all.PushBack(newest)
	newest.same = neighbours.PushBack(place)
	g.byKey[nc] = place
	g.mu.Unlock()
	if oldest != nil {
		oldest.end()
	}
}

// leave takes nc out, if it is in.
func (g *guests) leave(nc net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.remove(nc)
}

// remove is leave. g.mu is held.
func (g *guests) remove(key any) {
	place := g.byKey[key]
	if place == nil {
		return
	}
	delete(g.byKey, key)
	one := g.all.Remove(place).(*guest)
	neighbours := g.from[one.from]
	if neighbours.Remove(one.same); neighbours.Len() == 0 {
		delete(g.from, one.from)
	}
}

// neighbourhood is where connections count together: an IPv4 address or an IPv6 /64.
// It is not valid for others, such as Unix sockets, nor for proxies, which come for
// many, and whose header may not be there yet.
func neighbourhood(nc net.Conn) netip.Prefix {
	if p, ok := unwrapped(nc).(interface{ FromProxy() bool }); ok && p.FromProxy() {
		return netip.Prefix{}
	}
	tcp, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	prefix, _ := ip.Prefix(bits)
	return prefix
}
