package main

import (
	"strings"
	"testing"
)

// What docs/protocol.md shows of programs in two lines of shell is true.
func TestProgramsInShell(t *testing.T) {
	t.Parallel()
	examples := under(t, "../../docs/protocol.md", "Programs: JSON lines", "sh", 2)
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0"})
	port := p.port()
	ana := arrive(t, port, "ana")
	newShell(t, "HOST 7777", "127.0.0.1 "+port).run(examples[0])
	ana.sees(`guest\d+: backup done$`)

	s := newShell(t, "HOST 7777", "127.0.0.1 "+port)
	s.begin(strings.TrimSpace(examples[1]) + " | while read -r line; do printf '%s\\n' \"/bot\" \"seen $line\" | nc -N 127.0.0.1 " + port + "; done")
	for here := ""; !strings.Contains(here, "listening"); {
		ana.says("/who")
		here = ana.sees(`^(\* here: .*)`)[0]
	}
	ana.says("hello")
	ana.sees(`guest\d+: seen ana: hello$`)
	p.stop()
}

// A listener for programs alone speaks JSON from the first byte.
func TestServeJSON(t *testing.T) {
	t.Parallel()
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0?serve=json"})
	prog := dial(t, p.port())
	prog.says(`{"type":"hello","name":"clock"}`)
	prog.sees(`^\{"type":"welcome",.*"name":"clock"`)
	prog.sees(`^\{"type":"live","room":"lobby"`)
	prog.says(`{"type":"say","text":"tick","id":"1"}`)
	prog.sees(`^\{"type":"message",.*"text":"tick","id":"1"\}$`)
	p.signal(15)
	prog.sees(`^\{"type":"bye","code":"stopping","text":"chatd is shutting down"\}$`)
	if status := p.exit(); status != exitOK {
		t.Errorf("chatd exits with %d", status)
	}
}
