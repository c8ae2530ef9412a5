package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// gets reads as many bytes as want has, which they must be.
func (p *person) gets(want string) {
	p.t.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, len(want))
	if n, err := io.ReadFull(p.in, got); err != nil || string(got) != want {
		p.t.Fatalf("got %q, %v; want %q", got[:n], err, want)
	}
}

// hasNothing ends p's input, after which nothing but the end may come.
func (p *person) hasNothing() {
	p.t.Helper()
	if rest := p.finishes(); rest != "" {
		p.t.Errorf("somebody gets %q besides", rest)
	}
}

// Raw listeners pass on what comes, to the author too, and add nothing. Each has a
// room of its own unless it names one, and chat is another world.
func TestRaw(t *testing.T) {
	t.Parallel()
	p := start(t, environment{"CHATD_LISTEN": strings.Join([]string{
		"tcp://127.0.0.1:0?serve=raw", "tcp://127.0.0.1:0?serve=raw",
		"tcp://127.0.0.1:0?serve=raw&room=qt", "unix://" + t.TempDir() + "/qt?serve=raw&room=qt",
		"tcp://127.0.0.1:0",
	}, ",")})
	one, other, qt := p.port(), p.port(), p.port()
	qtSocket := p.says(`^listening on unix://(\S+)  reach it with: nc -U \S+  \(raw\)$`)[0]
	chat := p.says(`^listening on tcp://127\.0\.0\.1:(\d+)  reach it with: nc 127\.0\.0\.1 \d+$`)[0]

	stranger, chatter := dial(t, other), arrive(t, chat, "cleo")
	// Whoever gets what it said is in the room, and has not heard what came before.
	ana := dial(t, one)
	ana.sends("a")
	ana.gets("a")
	bob := dial(t, one)
	bob.sends("b")
	bob.gets("b")
	ana.gets("b")
	stranger.sends("s")
	stranger.gets("s")

	// Chunks have no lines, no commands and nothing to be made visible; a
	// character that is cut comes whole.
	for _, text := range []string{
		"no line end", "/quit\n", "\x1b[31mred\x1b[0m\x00\xff\xfb\x01", "\r\n\r\n", "* forged\n", "Anna: 你好，世界 🙂",
		strings.Repeat("long ", 4000),
	} {
		ana.sends(text)
		ana.gets(text)
		bob.gets(text)
	}
	chinese := "界"
	bob.sends(chinese[:1])
	bob.sends(chinese[1:])
	ana.gets(chinese)
	bob.gets(chinese)

	first, second := dial(t, qt), dial(t, qtSocket)
	second.sends("ready")
	second.gets("ready")
	first.sends("through a port")
	second.gets("through a port")

	chatter.says("only chat")
	chatter.sees("cleo: only chat$")
	for _, one := range []*person{ana, bob, stranger, second} {
		one.hasNothing()
	}
	for _, line := range chatter.seen {
		if strings.Contains(line, "forged") || strings.Contains(line, "你好") {
			t.Errorf("chat hears %q", line)
		}
	}
	p.stop()
}

// The client of the Qt tutorial sends "name:text" without a line end, says so when
// it enters and leaves, and shows what comes as it comes.
func TestQtTutorial(t *testing.T) {
	t.Parallel()
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0?serve=raw"})
	port := p.port()
	var clients []*person
	says := func(i int, text string) {
		t.Helper()
		clients[i].sends(text)
		for _, c := range clients {
			c.gets(text)
		}
	}
	for i := range 3 {
		clients = append(clients, dial(t, port))
		says(i, fmt.Sprintf("用户%d:进入聊天室", i))
	}
	for i := range clients {
		says(i, fmt.Sprintf("用户%d:大家好，今天吃什么？🙂", i))
	}
	// It leaves at once behind its last words, which others hear all the same.
	leaver := clients[2]
	clients = clients[:2]
	leaver.sends("用户2:离开聊天室")
	leaver.finishes()
	for _, c := range clients {
		c.gets("用户2:离开聊天室")
	}
	says(0, "用户0:他走了")
	for _, c := range clients {
		c.hasNothing()
	}
	p.stop()
}

// A page in a browser can post to any port. Wherever it knocks, nobody hears of
// it; the port for chat says why.
func TestOtherProtocolsAreRefused(t *testing.T) {
	t.Parallel()
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0,tcp://127.0.0.1:0?serve=raw", "CHATD_LOG_LEVEL": "debug"})
	chat, raw := p.port(), p.port()
	ana, qt := arrive(t, chat, "ana"), dial(t, raw)
	qt.sends("here")
	qt.gets("here")
	refused := func(port, greeting, want string) {
		foreigner := dial(t, port)
		foreigner.sends(greeting)
		answer := foreigner.rest()
		if text, ok := strings.CutPrefix(answer, want); !ok || strings.Count(text, "\n") > 1 || want == "" && text != "" {
			t.Errorf("%.10q on port %s is answered with %q", greeting, port, answer)
		}
	}
	const (
		toldOff = "* this is chatd, a chat for nc and telnet"
		page    = "HTTP/1.1 400 Bad Request\nContent-Type: text/plain; charset=utf-8\nConnection: close\n\n" // a browser shows what follows
	)
	for _, verb := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"} {
		request := verb + " /path HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 13\r\n\r\nhello from me"
		refused(chat, request, page+toldOff)
		refused(raw, request, "")
	}
	refused(chat, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello from me", toldOff)
	refused(chat, "SSH-2.0-OpenSSH_9.2\r\n", toldOff)
	refused(chat, "\x03\x00\x00\x13\x0e\xe0\x00\x00 hello from me", toldOff)

	ana.says("quiet here")
	ana.sees("ana: quiet here$")
	for _, line := range ana.seen {
		if strings.Contains(line, "hello") || strings.Contains(line, "HTTP") || strings.Contains(line, "SSH") {
			t.Errorf("chat hears %q", line)
		}
	}
	qt.hasNothing()
	p.stop()
	if n := len(p.logged("end")); n < 21 {
		t.Errorf("%d ends are logged at level debug", n)
	}
	for _, fields := range p.logged("end") {
		if fields["cause"] == "not a chat client" && fields["level"] != "debug" {
			t.Errorf("a stranger is logged as %v", fields)
		}
	}
	for _, line := range p.stderr.all() {
		if strings.Contains(line, "hello from me") {
			t.Errorf("the log says what a stranger says: %s", line)
		}
	}
}

// A socket of the file system that was made for a group is not everyone's.
func TestSocketForAGroup(t *testing.T) {
	t.Parallel()
	socket := t.TempDir() + "/chat"
	p := start(t, environment{"CHATD_LISTEN": fmt.Sprintf("unix://%s?group=%d", socket, os.Getgid())})
	p.says("^listening on unix://")
	if info, err := os.Lstat(socket); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket is %v, %v", info.Mode(), err)
	}
	arrive(t, socket, "ana")
	p.stop()
}
