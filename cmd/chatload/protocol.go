package main

import (
	"bytes"
	"fmt"
)

// protocol is how one kind of server is spoken to. Receiving is the same for all:
// the mark is looked for.
type protocol struct {
	name string
	what string // which servers speak it
	// hello is what connection i says first.
	hello func(i int, r run) string
	// before and after stand around a message of size bytes.
	before, after func(size int) string
	// answer returns what must be said in answer to a line, or nothing.
	answer func(line []byte) string
}

// protocols holds what -proto can be. (chatd's JSON has its place here too.)
func protocols() []protocol {
	nothing := func(int) string { return "" }
	return []protocol{{
		name:   "line",
		what:   "one message a line, as nc: chatd, ncat --broker, bench/floor.c, bench/textbook",
		hello:  func(int, run) string { return "" },
		before: nothing,
		after:  func(int) string { return "\n" },
		answer: func([]byte) string { return "" },
	}, {
		name: "irc",
		what: "IRC, in a channel of its own: ngircd",
		hello: func(i int, r run) string {
			// 9 bytes are the longest nick of RFC 2812.
			return fmt.Sprintf("NICK l%08x\r\nUSER load 0 * :load\r\n", nickNumber(i, r))
		},
		before: func(int) string { return "PRIVMSG #load :" },
		after:  func(int) string { return "\r\n" },
		answer: func(line []byte) string {
			if rest, ping := bytes.CutPrefix(line, []byte("PING ")); ping {
				return "PONG " + string(rest) + "\r\n"
			}
			if words := bytes.Fields(line); len(words) > 1 && string(words[1]) == "001" {
				return "JOIN #load\r\n"
			}
			return ""
		},
	}, {
		name: "nats",
		what: "NATS, one subject: nats-server",
		hello: func(int, run) string {
			return `CONNECT {"verbose":false,"pedantic":false,"name":"load"}` + "\r\nSUB load 1\r\n"
		},
		before: func(size int) string { return fmt.Sprintf("PUB load %d\r\n", size-1) },
		after:  func(int) string { return "\r\n" },
		answer: func(line []byte) string {
			if string(line) == "PING" {
				return "PONG\r\n"
			}
			return ""
		},
	}}
}

// nickNumber differs for all connections of a run and for most runs.
func nickNumber(i int, r run) uint32 { return uint32(r)<<20 | uint32(i) }

// refusal is what a server says when it will not take more, and what to set for
// a measurement.
type refusal struct{ says, set string }

func refusals() []refusal {
	return []refusal{
		{"too many connections from your address", "CHATD_MAX_PER_ADDRESS=off"},
		{"server full", "CHATD_MAX_CLIENTS=off, and see that its limit of open files is above the number of connections"},
		{"you are faster than", "CHATD_RATE=off"},
		{"Connection limit reached", "MaxConnections = 0 and MaxConnectionsIP = 0 in ngircd.conf"},
		{"maximum connections exceeded", "max_connections in nats-server's configuration"},
	}
}
