package client

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// The ports of a URL without one.
const (
	portTCP = "7777"
	portTLS = "7778"
	portWS  = "80"
	portWSS = "443"
)

// target is what a URL names.
type target struct {
	network, address string
	host             string   // for TLS
	tls              bool     // within what network and address reach
	web              *url.URL // of a WebSocket, or nil: lines
	json             bool     // the listener speaks nothing but JSON
	rooms            []string
}

// parse reads a URL as the package's documentation describes it.
func parse(raw string) (target, error) {
	text := raw
	if a, err := netip.ParseAddr(raw); err == nil && a.Is6() {
		text = "[" + raw + "]"
	}
	if !strings.Contains(text, "://") && !strings.HasPrefix(text, "unix:") {
		text = "tcp://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		var why *url.Error
		if errors.As(err, &why) {
			err = why.Err
		}
		return target{}, fmt.Errorf("client: %q is no address: %w; write for example tcp://HOST:7777/ROOM", raw, err)
	}
	t, problem := read(u)
	if problem != "" {
		return target{}, fmt.Errorf("client: %q: %s", raw, problem)
	}
	return t, nil
}

// read returns what u names, or what is wrong with it.
func read(u *url.URL) (t target, problem string) {
	switch {
	case u.User != nil:
		return t, "a name and a password belong into the options, not into the address"
	case u.Fragment != "":
		return t, "there is nothing behind a #; a room is the path: tcp://HOST/ROOM"
	}
	rest, problem := t.readQuery(u.Query())
	if problem != "" {
		return t, problem
	}
	switch u.Scheme {
	case "tcp":
		return t, t.readStream(u, portTCP)
	case "tls":
		t.tls = true
		return t, t.readStream(u, portTLS)
	case "unix":
		return t, t.readUnix(u)
	case "ws":
		return t, t.readWeb(u, rest, portWS)
	case "wss":
		t.tls = true
		return t, t.readWeb(u, rest, portWSS)
	}
	return t, fmt.Sprintf("unknown scheme %s; there are tcp, tls, unix, ws and wss", u.Scheme)
}

// readQuery takes what is for the client, and returns what is left for a web server.
func (t *target) readQuery(query url.Values) (rest url.Values, problem string) {
	t.rooms = query["room"]
	delete(query, "room")
	switch serve := query.Get("serve"); serve {
	case "", "chat":
	case "json":
		t.json = true
	default:
		return nil, "serve is json or chat, as the listener is"
	}
	delete(query, "serve")
	return query, ""
}

func (t *target) readHost(u *url.URL, port string) (problem string) {
	if t.host = u.Hostname(); t.host == "" {
		return "there is no host; write for example " + u.Scheme + "://HOST"
	}
	if p := u.Port(); p != "" {
		port = p
	}
	t.network, t.address = "tcp", net.JoinHostPort(t.host, port)
	return ""
}

func (t *target) readStream(u *url.URL, port string) (problem string) {
	room := strings.TrimSuffix(strings.TrimPrefix(u.Path, "/"), "/")
	switch {
	case strings.Contains(room, "/"):
		return "the path is one room; more are named by ?room=ONE&room=OTHER"
	case room != "":
		t.rooms = append([]string{room}, t.rooms...)
	}
	return t.readHost(u, port)
}

func (t *target) readUnix(u *url.URL) (problem string) {
	if u.Host != "" || u.Path == "" || u.Path == "/" {
		return "the path is to be absolute: unix:///run/chatd.sock"
	}
	t.network, t.address = "unix", u.Path
	return ""
}

func (t *target) readWeb(u *url.URL, rest url.Values, port string) (problem string) {
	web := *u
	web.RawQuery = rest.Encode()
	if web.Path == "" || web.Path == "/" {
		web.Path = "/ws"
	}
	t.web = &web
	return t.readHost(u, port)
}
