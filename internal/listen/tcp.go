package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// firstFreePort is the first port that takes no privilege, unless the machine
// was told otherwise.
const firstFreePort = 1024

func openTCP(ctx context.Context, spec Spec) ([]socket, error) {
	lc := net.ListenConfig{KeepAlive: -1} // Accept sets it
	lc.SetMultipathTCP(false)             // Go's default; who reads TCP_INFO wants plain TCP
	network := "tcp"
	if spec.Host == "0.0.0.0" {
		network = "tcp4" // which Go would make IPv6 too
	}
	l, err := lc.Listen(ctx, network, net.JoinHostPort(spec.Host, strconv.Itoa(int(spec.Port))))
	if err != nil {
		return nil, &Error{Reason: tcpReason(spec, err), Err: err}
	}
	return []socket{l.(*net.TCPListener)}, nil
}

// tcpReason says why spec cannot be bound.
func tcpReason(spec Spec, err error) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		addr, _ := netip.ParseAddr(spec.Host) // a name: the zero Addr, which is any
		pid := portHolder(netip.AddrPortFrom(addr, spec.Port))
		return fmt.Sprintf("port %d is in use by %s; choose another with %s", spec.Port, program(pid), spec.variable())
	case errors.Is(err, unix.EADDRNOTAVAIL):
		reason := shown(spec.Host) + " is not an address of this machine; "
		if ours := reachable(); len(ours) > 0 {
			words := make([]string, 0, 4)
			for _, a := range ours[:min(len(ours), cap(words))] {
				words = append(words, a.String())
			}
			reason += "choose " + list(words, "or") + ", or "
		}
		return reason + "leave the host empty for all addresses"
	case errors.Is(err, unix.EACCES) && spec.Port < firstFreePort:
		return fmt.Sprintf("port %d takes a privilege; choose one from %d to 65535, or have a socket unit of systemd open it", spec.Port, firstFreePort)
	case errors.Is(err, unix.EAFNOSUPPORT):
		return "this machine has no IPv6; choose an IPv4 address or leave the host empty"
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("host %s is not known; write an address of this machine, or leave the host empty for all", shown(spec.Host))
	}
	return shown(plain(err))
}

// reachable are the addresses at which other machines may reach this one, in
// the order of its interfaces.
func reachable() []netip.Addr {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var addrs []netip.Addr
	for _, i := range interfaces {
		// Up without running is a bridge or a plug that nothing is connected to.
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagRunning == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		own, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range own {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().IsGlobalUnicast() {
				addrs = append(addrs, prefix.Addr())
			}
		}
	}
	return addrs
}

func nc(host string, port uint16) string {
	return "nc " + host + " " + strconv.Itoa(int(port))
}

// openssl is the command for TLS that most machines have. Without -quiet it would
// take lines that begin with Q or R for commands.
func openssl(host string, port uint16) string {
	return "openssl s_client -quiet -connect " + net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// curl is the command for what is read with a browser or a program.
func (s Spec) curl(host string, port uint16) string {
	return "curl http://" + hostPort(host, port) + "/" + s.page()
}

// page is the path that is looked at first, without its slash.
func (s Spec) page() string {
	if s.Service == Ops {
		return "metrics"
	}
	return ""
}

// address is where a browser finds the page, or a WebSocket client the echo.
func (s Spec) address(host string, port uint16) string {
	scheme := s.boundScheme()
	if s.Service == Echo {
		scheme = map[string]string{"http": "ws", "https": "wss"}[scheme]
	}
	if usual := map[string]uint16{"http": 80, "ws": 80, "https": 443, "wss": 443}[scheme]; usual == port {
		return scheme + "://" + strings.TrimSuffix(hostPort(host, port), fmt.Sprintf(":%d", port)) + "/"
	}
	return scheme + "://" + hostPort(host, port) + "/"
}
