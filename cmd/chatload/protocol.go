package main

import (
	"bytes"
	"fmt"
	"strings"
)

// protocol is how one kind of server is spoken to. Receiving is the same for all:
// the mark is looked for.
type protocol struct {
	name   string
	what   string  // which servers speak it
	group  int     // connections a group must have; 0: any number
	secure bool    // over TLS
	wire   framing // what stands around each message that comes; frames also around what is sent
	// hello is what a connection says first.
	hello func(s seat) string
	// before and after stand around a message of size bytes.
	before func(s seat, size int) string
	after  string
	// answer returns what must be said in answer to a line, or nothing.
	answer func(s seat, line []byte) string
}

// seat is where a connection sits.
type seat struct {
	run   run
	conn  int // its number among all
	group int
}

func (s seat) name() string { return s.run.name(s.conn) }

// partner is the name of the other one in a group of two.
func (s seat) partner() string { return s.run.name(s.conn ^ 1) }

func noHello(seat) string { return "" }

func noPrefix(seat, int) string { return "" }

func noAnswer(seat, []byte) string { return "" }

// protocols holds what -proto can be.
func protocols() []protocol {
	return []protocol{{
		name:   "line",
		what:   "one message a line, as nc: chatd, ncat --broker, bench/floor.c; in groups of 1 bench/echo",
		hello:  noHello,
		before: noPrefix,
		after:  "\n",
		answer: noAnswer,
	}, {
		name: "room",
		what: "chatd, each group in a room of its own: /join ROOM",
		hello: func(s seat) string {
			return "/join " + s.run.name(s.group) + "\n"
		},
		before: noPrefix,
		after:  "\n",
		answer: noAnswer,
	}, {
		name:  "msg",
		what:  "chatd, from one person to another: /nick NAME, then /msg PARTNER TEXT; groups of 2",
		group: 2,
		hello: func(s seat) string {
			return "/nick " + s.name() + "\n"
		},
		before: func(s seat, _ int) string { return "/msg " + s.partner() + " " },
		after:  "\n",
		answer: noAnswer,
	}, {
		name: "irc",
		what: "IRC, each group in a channel of its own: ngircd",
		hello: func(s seat) string {
			return fmt.Sprintf("NICK %s\r\nUSER load 0 * :load\r\n", s.name())
		},
		before: func(s seat, _ int) string { return "PRIVMSG " + s.channel() + " :" },
		after:  "\r\n",
		answer: func(s seat, line []byte) string {
			if rest, ping := bytes.CutPrefix(line, []byte("PING ")); ping {
				return "PONG " + string(rest) + "\r\n"
			}
			if words := bytes.Fields(line); len(words) > 1 && string(words[1]) == "001" {
				return "JOIN " + s.channel() + "\r\n"
			}
			return ""
		},
	}, {
		name: "nats",
		what: "NATS, each group on a subject of its own: nats-server",
		hello: func(s seat) string {
			return `CONNECT {"verbose":false,"pedantic":false,"name":"load"}` + "\r\nSUB " + s.subject() + " 1\r\n"
		},
		before: func(s seat, size int) string { return fmt.Sprintf("PUB %s %d\r\n", s.subject(), size-1) },
		after:  "\r\n",
		answer: func(_ seat, line []byte) string {
			if string(line) == "PING" {
				return "PONG\r\n"
			}
			return ""
		},
	}, {
		name:   "tls",
		what:   "as line, over TLS; the certificate is not looked at: chatd's tls://, bench/tls.c",
		secure: true,
		hello:  noHello,
		before: noPrefix,
		after:  "\n",
		answer: noAnswer,
	}, {
		name:   "json",
		what:   "chatd, JSON lines: /json, then an object a line",
		wire:   objects,
		hello:  func(seat) string { return "/json\n" + helloObject + "\n" },
		before: func(seat, int) string { return sayObject },
		after:  "\"}\n",
		answer: noAnswer,
	}, {
		name:   "ws",
		what:   "chatd's http://: a WebSocket on /ws, an object a frame",
		wire:   frames,
		hello:  func(seat) string { return helloObject },
		before: func(seat, int) string { return sayObject },
		after:  "\"}",
		answer: noAnswer,
	}, {
		name:   "wss",
		what:   "as ws, over TLS: chatd's https://",
		secure: true,
		wire:   frames,
		hello:  func(seat) string { return helloObject },
		before: func(seat, int) string { return sayObject },
		after:  "\"}",
		answer: noAnswer,
	}}
}

const (
	helloObject = `{"type":"hello","history":0}`
	sayObject   = `{"type":"say","text":"` // and the text, and the end
)

func (s seat) channel() string { return fmt.Sprintf("#load%d", s.group) }

func (s seat) subject() string { return fmt.Sprintf("load%d", s.group) }

func protocolNamed(name string) (protocol, error) {
	var names []string
	for _, p := range protocols() {
		if p.name == name {
			return p, nil
		}
		names = append(names, p.name)
	}
	return protocol{}, fmt.Errorf("-proto %s is not known; there are %s", name, strings.Join(names, ", "))
}
