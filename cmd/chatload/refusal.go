package main

import (
	"bytes"
	"strconv"
)

// refusal is what a server says when it will not take more, and what to set for
// a measurement; nothing, if no setting helps.
type refusal struct{ says, set string }

func refusals() []refusal {
	return []refusal{
		{"too many connections from your address", "CHATD_MAX_PER_ADDRESS=off"},
		{"server full", "CHATD_MAX_CLIENTS=off, and see that its limit of open files is above the number of connections"},
		{"you are faster than", "CHATD_RATE=off"},
		{"there is no /", ""},
		{"is not reading; not delivered", ""},
		{"too many connections from your IP address", "MaxConnectionsIP = 0 in ngircd.conf"},
		{"Connection limit reached", "MaxConnections = 0 in ngircd.conf"},
		{"maximum connections exceeded", "a higher max_connections in nats-server's configuration"},
	}
}

// told reads chatd's notice of a gap, "* 312 messages skipped (#4101–#4412) …" or
// {"type":"gap",…,"missing":312,…}, and returns how many messages it tells of: 0 if
// the line is none.
func told(line []byte) int64 {
	number := gapMissing(line)
	if rest, notice := bytes.CutPrefix(line, []byte("* ")); notice {
		before, rest, _ := bytes.Cut(rest, []byte(" message"))
		if bytes.HasPrefix(bytes.TrimPrefix(rest, []byte("s")), []byte(" skipped (#")) {
			number = before
		}
	}
	n, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// gapMissing is the number in an object that tells of a gap; empty if it is another
// one.
func gapMissing(object []byte) (digits []byte) {
	rest, gap := bytes.CutPrefix(object, []byte(`{"type":"gap",`))
	_, rest, ok := bytes.Cut(rest, []byte(`,"missing":`))
	if !gap || !ok {
		return nil
	}
	return rest[:len(rest)-len(bytes.TrimLeft(rest, "0123456789"))]
}
