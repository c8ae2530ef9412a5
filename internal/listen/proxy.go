package listen

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"

	"github.com/pires/go-proxyproto"
)

const (
	// fixedHeader is how long a PROXY header of version 2 is at least; what
	// follows has its length in the last two of these bytes.
	fixedHeader = 16
	// maxHeader is the longest one taken, with a client's certificate in it.
	maxHeader = fixedHeader + 4096
	// maxTextHeader is the longest one of version 1, its line end included.
	maxTextHeader = 107
)

var errNoHeader = errors.New("what came in is none")

// readHeader reads a PROXY header of either version, in however many pieces it
// comes, and takes the address in it for the connection's. What came in behind it
// stays to be read. A header that names no address of TCP (LOCAL, UNKNOWN, unix)
// leaves the connection's own.
func (t *transport) readHeader() error {
	var buf [maxHeader]byte
	n, size := 0, 0
	for size == 0 || n < size {
		more, err := t.Conn.Read(buf[n:])
		if n += more; err != nil {
			if errors.Is(err, io.EOF) && n > 0 {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if size, err = headerSize(buf[:n]); err != nil {
			return err
		}
	}
	// The parser wants all of version 1 to be in its buffer.
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(buf[:size]), size))
	if err != nil {
		return err
	}
	if source, _, ok := h.TCPAddrs(); ok && h.Command.IsProxy() {
		t.remote = source
	}
	if n > size {
		t.ahead = bytes.Clone(buf[size:n])
	}
	return nil
}

// headerSize is how long the header is that p begins with, or 0 as long as that
// cannot be told.
func headerSize(p []byte) (int, error) {
	switch {
	case bytes.HasPrefix(p, proxyproto.SIGV1):
		if end := bytes.IndexByte(p[:min(len(p), maxTextHeader)], '\n'); end >= 0 {
			return end + 1, nil
		}
		if len(p) >= maxTextHeader {
			return 0, proxyproto.ErrVersion1HeaderTooLong
		}
		return 0, nil
	case bytes.HasPrefix(p, proxyproto.SIGV2):
		if len(p) < fixedHeader {
			return 0, nil
		}
		size := fixedHeader + int(binary.BigEndian.Uint16(p[fixedHeader-2:]))
		if size > maxHeader {
			return 0, proxyproto.ErrInvalidLength
		}
		return size, nil
	case bytes.HasPrefix(proxyproto.SIGV1, p), bytes.HasPrefix(proxyproto.SIGV2, p):
		return 0, nil
	}
	return 0, errNoHeader
}

// Peers are addresses of other machines: the zero Peers are none.
type Peers []netip.Prefix

// ParsePeers reads addresses and prefixes, separated by commas: 192.0.2.7,
// 10.0.0.0/8, 2001:db8::/32. Its errors are what is wrong with one of them and
// what to write instead.
func ParsePeers(text string) (Peers, error) {
	var peers Peers
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(part)
		if addr, failed := netip.ParseAddr(part); failed == nil && addr.Zone() == "" {
			addr = addr.Unmap()
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("holds %s, which is neither an address nor a prefix; write one such as 192.0.2.7 or 10.0.0.0/8", shown(part))
		case prefix != prefix.Masked():
			return nil, fmt.Errorf("holds %s, an address with bits behind its prefix; write %s or %s", part, prefix.Masked(), prefix.Addr())
		case prefix.Addr().Is4In6():
			return nil, fmt.Errorf("holds %s, a prefix of IPv4 in IPv6; write the one of IPv4", part)
		}
		peers = append(peers, prefix)
	}
	if len(peers) == 0 {
		return nil, errors.New("holds no address; write one such as 192.0.2.7 or 10.0.0.0/8")
	}
	return peers, nil
}

// holds tells whether addr is among the peers.
func (p Peers) holds(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return false
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	for _, prefix := range p {
		if prefix.Contains(ip) {
			return true
		}
	}
	return false
}
