package wire

import (
	"strings"
	"testing"
)

func TestForeign(t *testing.T) {
	tls := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\xff\xfa"
	long := strings.Repeat("a", 200)
	for _, tt := range []struct{ first, answer string }{
		{"PRI * HTTP/2.0", "not a web server"}, // RFC 9113, section 3.4
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "not a web server"},
		{"PROPFIND /dav HTTP/1.1", "not a web server"},
		{"X-made-up! / HTTP/1.1", "not a web server"},
		{"get / HTTP/1.0", "not a web server"},
		{"GET http://example.org/ HTTP/1.1", "not a web server"},
		{"CONNECT example.org:443 HTTP/1.1", "not a web server"},
		{"OPTIONS * HTTP/1.1", "not a web server"},
		{"\r\nGET / HTTP/1.1\r\nHost: x\r\n", "not a web server"},
		{"GET  /  HTTP/1.1 ", "not a web server"},
		{"POST /" + long, "not a web server"},
		{"POST /" + long + " ", "not a web server"},
		{"POST /" + long + " HTT", "not a web server"},
		{"POST http://" + long, "not a web server"},
		{"\xff\xfd\x00GET / HTTP/1.1", "not a web server"},
		{"\ufeffGET / HTTP/1.1", "not a web server"},
		{tls, "TLS"},
		{tls[:11], "TLS"},
		{"\x16\x03", "TLS"},
		{"SSH-2.0-OpenSSH_9.2p1 Debian-2", "not an SSH server"},
		{"SSH-1.99-Cisco-1.25", "not an SSH server"},
		{"SSH-2.0-Go\r\n\x00\x00", "not an SSH server"},
		{"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00", "UTF-8"},     // RDP
		{"\x00\x00\x00\x54\xffSMBr\x00\x00\x00\x00\x18\x01\x28\x00\x00\x00\x00\x00\x00\x00", "UTF-8"}, // SMB 1
		{"\x00\x00\x00\x72\xfeSMB\x40\x00", "UTF-8"},
		{"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", "UTF-8"}, // SSL 2
		{"h\x00e\x00l\x00l\x00o\x00", "UTF-8"},
		{"\x00", "UTF-8"},
	} {
		answer, foreign := Foreign([]byte(tt.first))
		if !foreign || !strings.Contains(answer, tt.answer) {
			t.Errorf("%.40q: %q, %v; want %q", tt.first, answer, foreign, tt.answer)
		}
		if strings.HasPrefix(answer, "*") || strings.ContainsAny(answer, "\r\n") || len(answer) > 120 {
			t.Errorf("%.40q: answer %q", tt.first, answer)
		}
	}
}

func TestForeignHTTPVerbs(t *testing.T) {
	for _, verb := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"} {
		for _, first := range []string{
			verb + " / HTTP/1.1", verb + " /index.html?a=b HTTP/1.0", verb + " /" + strings.Repeat("x", 4000),
			verb + " / HTTP/1.1\r\nHost: chat\r\n\r\n",
		} {
			if _, foreign := Foreign([]byte(first)); !foreign {
				t.Errorf("%.40q is taken for text", first)
			}
		}
		for _, first := range []string{verb, verb + " me a coffee", verb + " /etc/passwd", verb + " up", verb + " / ", strings.ToLower(verb) + " it on HTTP/1.1 please"} {
			if answer, foreign := Foreign([]byte(first)); foreign {
				t.Errorf("%q: %s", first, answer)
			}
		}
	}
}

func TestForeignLeavesTextAlone(t *testing.T) {
	for _, first := range []string{
		"", "\n", "\r\n", "hello", "hello\r\n", "hello\r\x00", "hello\r\x00\x00", " ", "\t",
		"I love HTTP/1.1", "I prefer HTTP/2.0", "use GET / with HTTP/1.1", "GET / HTTP/1.1 is what a browser sends",
		"HTTP/1.1", "/ HTTP/1.1", "GET /", "GET / HTTP", "GET / HTTP/1", "GET / HTTP/1.10", "GET / http/1.1", "GET / HTTPS/1",
		"grüß / HTTP/1.1", "lunch 12: HTTP/1.1",
		"look http://example.org/ there", "see /" + strings.Repeat("x", 200), "GET some /" + strings.Repeat("x", 200),
		"POST /" + strings.Repeat("x", 200) + " really", "POST " + strings.Repeat("x", 200),
		"SSH-2 is a protocol", "SSH-keys-are-great", "SSH-", "SSH-.-", "SSH-2.0", "ssh-2.0-lower", "use SSH-2.0-x",
		"\x16", "\x03\x16", "\x1b[A", "\x08\x7f", "\x80\x9b", "\xff", "\xff\xff", "gr\xfc\xdfe", "a\xffb",
		"\ufeffhello", "\ufeff", "\ufeff/nick ana",
		"\xff\xfb\x00\xff\xfd\x00",                         // telnet -8
		"\xff\xfb\x1f\xff\xfb\x20\xff\xfa\x1f\x00\x50\x00", // within a window size
		"\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0hello\r\x00",
		"\xff\xf4\xff\xfd\x06hello",
		`{"text":"GET / HTTP/1.1"}`, "/json", "/nick ana", "/bot HTTP/1.1",
	} {
		if answer, foreign := Foreign([]byte(first)); foreign {
			t.Errorf("%q: %s", first, answer)
		}
	}
	for _, line := range languages(t) {
		if answer, foreign := Foreign([]byte(line)); foreign {
			t.Errorf("%q: %s", line, answer)
		}
	}
}

func TestForeignLeavesItsArgumentAlone(t *testing.T) {
	const stream = "\xff\xfd\x00hello \xff\xff"
	first := []byte(stream)
	Foreign(first)
	if string(first) != stream {
		t.Errorf("became %q", first)
	}
}
