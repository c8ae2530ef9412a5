package web

import (
	"strings"
	"testing"
)

// hosts is the table of who may open a WebSocket. The server was told
// chat.example.org by its listener, and https://talk.example.net by its operator,
// besides https://app.example.net, which is somewhere else.
var hosts = []struct {
	host, origin string // origin "-": none
	allowed      bool
}{
	// A page of our own.
	{"127.0.0.1:8080", "http://127.0.0.1:8080", true},
	{"127.0.0.1", "http://127.0.0.1", true},
	{"127.0.0.1:80", "http://127.0.0.1", true},
	{"127.0.0.1", "https://127.0.0.1", true},
	{"127.0.0.1:443", "https://127.0.0.1", true},
	{"192.0.2.7:8080", "http://192.0.2.7:8080", true},
	{"[::1]:8080", "http://[::1]:8080", true},
	{"[::1]", "http://[::1]", true},
	{"[2001:db8::7]:8443", "https://[2001:db8::7]:8443", true},
	{"localhost:8080", "http://localhost:8080", true},
	{"LOCALHOST:8080", "http://localhost:8080", true},
	{"chat.localhost:8080", "http://chat.localhost:8080", true},
	{"chat.example.org", "http://chat.example.org", true},
	{"chat.example.org:8080", "http://chat.example.org:8080", true},
	{"Chat.Example.Org.:8080", "http://chat.example.org:8080", true},
	{"chat.example.org", "https://chat.example.org", true}, // a proxy speaks TLS
	{"talk.example.net", "https://talk.example.net", true},
	{"talk.example.net:8080", "http://talk.example.net:8080", true},

	// A page that the operator has listed, whatever a proxy has made of the Host.
	{"127.0.0.1:8080", "https://talk.example.net", true},
	{"chatd", "https://talk.example.net", true},
	{"talk.example.net", "https://app.example.net", true},
	{"192.0.2.7:8080", "https://app.example.net", true},

	// No page.
	{"127.0.0.1:8080", "-", true},
	{"chat.example.org:8080", "-", true},
	{"whatever.example.com", "-", true},

	// A page of another site.
	{"127.0.0.1:8080", "http://evil.example", false},
	{"127.0.0.1:8080", "https://evil.example", false},
	{"chat.example.org", "https://evil.example", false},
	{"talk.example.net", "https://evil.example", false},
	{"localhost:8080", "http://evil.example:8080", false},
	{"127.0.0.1:8080", "http://127.0.0.1:8081", false}, // another server of the machine
	{"127.0.0.1:8080", "http://127.0.0.1", false},
	{"127.0.0.1", "http://127.0.0.1:8080", false},
	{"127.0.0.1:8080", "https://127.0.0.1", false},
	{"127.0.0.1:8080", "http://127.0.0.2:8080", false},
	{"127.0.0.1:8080", "http://localhost:8080", false},
	{"localhost:8080", "http://127.0.0.1:8080", false},
	{"[::1]:8080", "http://[::2]:8080", false},
	{"chat.example.org", "http://chat.example.org.evil.example", false},
	{"chat.example.org", "http://evil.example/chat.example.org", false},
	{"chat.example.org", "http://evilchat.example.org", false},
	{"chat.example.org", "http://sub.chat.example.org", false},
	{"chat.example.org", "http://example.org", false},
	{"chat.example.org", "http://chat.example.org@evil.example", false},
	{"chat.example.org", "http://evil.example#chat.example.org", false},
	{"talk.example.net", "http://talk.example.net.evil.example", false},
	{"talk.example.net", "https://app.example.net.evil.example", false},
	{"talk.example.net", "https://app.example.net:444", false},
	{"127.0.0.1:8080", "http://app.example.net", false}, // listed with https

	// DNS rebinding: his name points here, so page and Host agree.
	{"evil.example", "http://evil.example", false},
	{"evil.example:8080", "http://evil.example:8080", false},
	{"evil.example", "https://evil.example", false},
	{"127.0.0.1.evil.example:8080", "http://127.0.0.1.evil.example:8080", false},
	{"localhost.evil.example", "http://localhost.evil.example", false},
	{"evillocalhost", "http://evillocalhost", false},
	{"chat.example.org.evil.example", "http://chat.example.org.evil.example", false},
	{"127.1:8080", "http://127.1:8080", false}, // no browser writes it so

	// Pages that are nowhere, and what no browser sends.
	{"127.0.0.1:8080", "null", false},
	{"localhost:8080", "file://", false},
	{"localhost:8080", "", false},
	{"localhost:8080", "localhost:8080", false},
	{"localhost:8080", "ws://localhost:8080", false},
	{"localhost:8080", "chrome-extension://localhost:8080", false},
	{"localhost:8080", "http://localhost:8080/", false},
	{"localhost:8080", "http://LOCALHOST:8080", false},
	{"localhost:8080", "http://localhost:8080, http://evil.example", false},
	{"local host:8080", "http://local host:8080", false},
	{"", "http://", false},
	{":8080", "http://:8080", false},
	{"localhost:", "http://localhost:", false},
	{"local\u212aost", "http://local\u212aost", false}, // KELVIN SIGN
	{"[::1%25eth0]:8080", "http://[::1%25eth0]:8080", false},
	{"[::1", "http://[::1", false},
	{"user@localhost", "http://user@localhost", false},
}

var example = Policy{
	Origins: []string{"https://talk.example.net", "https://app.example.net"},
	Names:   []string{"chat.example.org"},
}

func TestOrigins(t *testing.T) {
	if len(hosts) < 60 {
		t.Errorf("%d cases", len(hosts))
	}
	for _, tt := range hosts {
		var origins []string
		if tt.origin != "-" {
			origins = []string{tt.origin}
		}
		err := example.Upgrade(tt.host, origins)
		if (err == nil) != tt.allowed {
			t.Errorf("Host %q, Origin %q: %v", tt.host, tt.origin, err)
		}
		if err != nil && (strings.HasSuffix(err.Error(), ".") || err.Error() == "") {
			t.Errorf("Host %q, Origin %q: %q", tt.host, tt.origin, err)
		}
	}
	if example.Upgrade("localhost", []string{"http://localhost", "http://evil.example"}) == nil {
		t.Error("a second Origin is not looked at")
	}
}

func TestHosts(t *testing.T) {
	for host, allowed := range map[string]bool{
		"127.0.0.1:8080": true, "[::1]:8080": true, "192.0.2.7": true, "localhost": true, "x.localhost:80": true,
		"chat.example.org": true, "CHAT.example.org.:1": true, "talk.example.net": true, "app.example.net": true,
		"evil.example": false, "chat.example.org.evil.example": false, "": false, "a b": false, "localhost:http": false,
		"localhost:123456": false, "[::1]x": false, "<script>": false, "evil.example:8080": false, "chat.example.net": false,
	} {
		if err := example.Page(host); (err == nil) != allowed {
			t.Errorf("%q: %v", host, err)
		}
	}
}

func TestParseOrigin(t *testing.T) {
	for text, want := range map[string]string{
		"https://chat.example.org":      "https://chat.example.org",
		"https://chat.example.org/":     "https://chat.example.org",
		"https://Chat.Example.org:443":  "https://chat.example.org",
		"http://chat.example.org:80":    "http://chat.example.org",
		"http://chat.example.org:8080":  "http://chat.example.org:8080",
		"http://[2001:DB8::7]:8080":     "http://[2001:db8::7]:8080",
		"chat.example.org":              "",
		"https://":                      "",
		"ws://chat.example.org":         "",
		"https://*.example.org":         "",
		"*":                             "",
		"null":                          "",
		"https://chat.example.org/chat": "",
		"https://bücher.example":        "",
		"https://ana@chat.example.org":  "",
		"https://chat.example.org:port": "",
	} {
		if got, err := ParseOrigin(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
