package web

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Policy says which pages may open a WebSocket, and by what names the server may be
// called. Anybody can make a browser connect here from a page of his own, and can
// make a name of his own point here, so that to the browser his page and this server
// are one site (DNS rebinding). What he cannot do is change the Origin that the
// browser tells, nor have a page whose name is an IP address.
//
// A request that says nothing of a page comes from no browser, which does not need a
// page to reach us; that one is let in.
type Policy struct {
	// Origins are pages that may connect, wherever they are from: https://chat.example.org.
	// As ParseOrigin returns them.
	Origins []string

	// Names are what the server is called, besides its addresses, localhost and the
	// hosts of Origins. In small letters.
	Names []string
}

// ParseOrigin reads an origin as an operator writes it, https://chat.example.org or
// http://chat.example.org:8080, and returns it as a browser sends it. Its error
// continues a sentence that begins with the text.
func ParseOrigin(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Host == "", u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("is no origin; write one such as https://chat.example.org")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "", u.User != nil:
		return "", fmt.Errorf("has more than an origin has; write %s://%s", u.Scheme, u.Host)
	}
	name, port, ok := splitHost(u.Host)
	if !ok {
		return "", fmt.Errorf("has a host that no browser would send; write letters, digits, dots and hyphens (xn--… for others)")
	}
	return u.Scheme + "://" + joinHost(name, port, u.Scheme), nil
}

// A refusal is why a request is turned away, as a sentence for the person who sees
// it in a browser.
type refusal string

func (r refusal) Error() string { return string(r) }

// Page returns why a browser may not see the page that it asks this host for, or
// nil.
func (p Policy) Page(host string) error {
	name, _, ok := splitHost(host)
	switch {
	case !ok:
		return refusal("the request has no proper Host")
	case !p.known(name):
		return refusal("this server does not know itself by the name " + name +
			": open it by its address, or have its operator add http://" + host + " to CHATD_WEB_ORIGINS")
	}
	return nil
}

// Upgrade returns why a WebSocket may not be opened with this Host and these Origin
// headers, or nil.
func (p Policy) Upgrade(host string, origins []string) error {
	switch len(origins) {
	case 0:
		return nil
	case 1:
	default:
		return refusal("the request has several Origins")
	}
	origin := origins[0]
	if slices.Contains(p.Origins, origin) {
		return nil
	}
	scheme, rest, _ := strings.Cut(origin, "://")
	from, port, ok := splitHost(rest)
	if !ok || scheme != "http" && scheme != "https" || origin != scheme+"://"+joinHost(from, port, scheme) {
		return refusal("pages that are nowhere cannot connect here")
	}
	if err := p.Page(host); err != nil {
		return err
	}
	// The scheme is not compared: a proxy in front may speak TLS for us.
	name, own, _ := splitHost(host)
	if joinHost(name, own, scheme) != joinHost(from, port, scheme) {
		return refusal("pages of " + origin + " cannot connect here: its operator can add that to CHATD_WEB_ORIGINS")
	}
	return nil
}

// known tells whether name, in small letters, is one that nobody else can give to
// this server.
func (p Policy) known(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") || slices.Contains(p.Names, name) { // RFC 6761, section 6.3
		return true
	}
	return slices.ContainsFunc(p.Origins, func(origin string) bool {
		_, host, _ := strings.Cut(origin, "://")
		listed, _, _ := splitHost(host)
		return listed == name
	})
}

// splitHost takes apart NAME or NAME:PORT as a Host header or an origin has it. The
// name is in small letters, without the dot that may end it and without an IPv6
// address's brackets. It is not ok if that is none a browser would send.
func splitHost(host string) (name, port string, ok bool) {
	if inner, found := strings.CutPrefix(host, "["); found {
		inner, port, found = strings.Cut(inner, "]")
		addr, err := netip.ParseAddr(inner)
		if !found || err != nil || !addr.Is6() || addr.Zone() != "" || port != "" && port[0] != ':' {
			return "", "", false
		}
		port = strings.TrimPrefix(port, ":")
		return addr.String(), port, properPort(port)
	}
	name, port, found := strings.Cut(host, ":")
	if found && port == "" || !properPort(port) {
		return "", "", false
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name, port, name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-._") == ""
}

func properPort(port string) bool {
	return len(port) <= 5 && strings.Trim(port, "0123456789") == ""
}

// joinHost is the host of an origin: without the port if it is the scheme's own.
func joinHost(name, port, scheme string) string {
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	if port == "" || scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		return name
	}
	return name + ":" + port
}
