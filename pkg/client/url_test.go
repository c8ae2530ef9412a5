package client

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestURL(t *testing.T) {
	type where struct {
		network, address, web string
		tls, json             bool
		rooms                 []string
	}
	for url, want := range map[string]where{
		"example.org":                     {network: "tcp", address: "example.org:7777"},
		"example.org:99":                  {network: "tcp", address: "example.org:99"},
		"example.org/tea":                 {network: "tcp", address: "example.org:7777", rooms: []string{"tea"}},
		"127.0.0.1":                       {network: "tcp", address: "127.0.0.1:7777"},
		"::1":                             {network: "tcp", address: "[::1]:7777"},
		"[::1]:99":                        {network: "tcp", address: "[::1]:99"},
		"tcp://example.org":               {network: "tcp", address: "example.org:7777"},
		"tcp://example.org/?room=a":       {network: "tcp", address: "example.org:7777", rooms: []string{"a"}},
		"tcp://example.org/a/?room=b":     {network: "tcp", address: "example.org:7777", rooms: []string{"a", "b"}},
		"tcp://h:9?serve=json":            {network: "tcp", address: "h:9", json: true},
		"tls://example.org/%C3%A9t%C3%A9": {network: "tcp", address: "example.org:7778", tls: true, rooms: []string{"été"}},
		"tls://[fe80::1%25eth0]:1":        {network: "tcp", address: "[fe80::1%eth0]:1", tls: true},
		"unix:///run/chatd.sock":          {network: "unix", address: "/run/chatd.sock"},
		"unix:/run/a%20b?room=a&room=b":   {network: "unix", address: "/run/a b", rooms: []string{"a", "b"}},
		"ws://example.org":                {network: "tcp", address: "example.org:80", web: "ws://example.org/ws"},
		"wss://h:9/chat/ws?room=a&x=1":    {network: "tcp", address: "h:9", tls: true, web: "wss://h:9/chat/ws?x=1", rooms: []string{"a"}},
	} {
		got, err := parse(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		g := where{network: got.network, address: got.address, tls: got.tls, json: got.json, rooms: got.rooms}
		if got.web != nil {
			g.web = got.web.String()
		}
		if diff := cmp.Diff(want, g, cmp.AllowUnexported(where{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", url, diff)
		}
	}
}

func TestNoURL(t *testing.T) {
	for url, want := range map[string]string{
		"":                      `client: "": there is no host; write for example tcp://HOST`,
		"tcp://:99":             `client: "tcp://:99": there is no host; write for example tcp://HOST`,
		"http://h":              `client: "http://h": unknown scheme http; there are tcp, tls, unix, ws and wss`,
		"tcp://h/a/b":           `client: "tcp://h/a/b": the path is one room; more are named by ?room=ONE&room=OTHER`,
		"tcp://h#tea":           `client: "tcp://h#tea": there is nothing behind a #; a room is the path: tcp://HOST/ROOM`,
		"tcp://ana:secret@h":    `client: "tcp://ana:secret@h": a name and a password belong into the options, not into the address`,
		"tcp://h?serve=raw":     `client: "tcp://h?serve=raw": serve is json or chat, as the listener is`,
		"unix://run/chatd.sock": `client: "unix://run/chatd.sock": the path is to be absolute: unix:///run/chatd.sock`,
		"tcp://h:port":          `client: "tcp://h:port" is no address: invalid port ":port" after host; write for example tcp://HOST:7777/ROOM`,
	} {
		if _, err := New(url, Options{}); err == nil || err.Error() != want {
			t.Errorf("%s: %v\nwanted: %s", url, err, want)
		}
	}
	if _, err := New("h", Options{Session: "short"}); err == nil {
		t.Error("a short secret is one")
	}
}
