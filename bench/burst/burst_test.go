package main

import (
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatd/chatd/bench/rig"
)

func TestParse(t *testing.T) {
	b, err := parse(strings.Fields("-conns 100 -procs 1,1"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if want := []int{1, 1}; b.conns != 100 || b.messages != 64 || b.size != 64 || !slices.Equal(b.procs, want) {
		t.Errorf("got %+v", b)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"-procs 1", "at least two"},
		{"-procs 1,two", `"two" is no number`},
		{"-procs 1,0", `"0" is no number`},
		{"-procs 1,100000", "there are only"},
		{"-procs 1,1 -conns 0", "at least 1"},
		{"-procs 1,1 -conns 100000000", "open files"},
		{"-procs 1,1 -size 10", "-size must be"},
		{"-procs 1,1 -size 4097", "-size must be"},
		{"-procs 1,1 -messages 600", "more than a stopped client is sent"},
		{"-procs 1,1 7777", "is not a flag"},
	} {
		if _, err := parse(strings.Fields(tt.args), io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want something about %q", tt.args, err, tt.want)
		}
	}
}

func TestOrderTurnsRound(t *testing.T) {
	if a, b := order(3, 4), order(3, 5); !slices.Equal(a, []int{0, 1, 2}) || !slices.Equal(b, []int{2, 1, 0}) {
		t.Errorf("%v, then %v", a, b)
	}
}

func TestTexts(t *testing.T) {
	seen := make(map[string]bool)
	for burst := range 2 {
		for _, text := range texts(burst, 64, 64) {
			if len(text) != 63 || seen[text] {
				t.Errorf("%q has %d bytes, or was there before", text, len(text))
			}
			seen[text] = true
		}
	}
	for _, text := range texts(1_000_000, 999, sizeLeast) {
		if len(text) != sizeLeast-1 {
			t.Fatalf("%q has %d bytes", text, len(text))
		}
	}
}

// conversation is what a client is sent of a burst.
func conversation(burst []string) string {
	var b strings.Builder
	b.WriteString("* guest1 joined\n")
	for _, text := range burst {
		b.WriteString("12:00 guest1: " + text + "\n")
	}
	return b.String()
}

func TestHearingInPiecesOfAnySize(t *testing.T) {
	burst := texts(3, 5, 64)
	sent := conversation(burst)
	for piece := 1; piece <= len(sent); piece++ {
		var h hearing
		for p := range slices.Chunk([]byte(sent), piece) {
			if err := h.take(p, burst); err != nil {
				t.Fatalf("pieces of %d bytes: %v", piece, err)
			}
		}
		if h.had != len(burst) {
			t.Fatalf("pieces of %d bytes: %d messages", piece, h.had)
		}
	}
}

func TestHearingFindsWhatIsWrong(t *testing.T) {
	burst := texts(3, 5, 64)
	lines := strings.SplitAfter(conversation(burst), "\n")
	lines = lines[1 : len(lines)-1] // without the notice, and what follows the last end
	for name, sent := range map[string][]string{
		"lost":      {lines[0], lines[2]},
		"repeated":  {lines[0], lines[0]},
		"reordered": {lines[1], lines[0]},
		"torn":      {lines[0][:30] + "\n"},
		"spliced":   {lines[0][:30] + lines[1]},
		"one more":  append(slices.Clone(lines), lines[4]),
		"older":     {strings.SplitAfter(conversation(texts(2, 5, 64)), "\n")[1]},
	} {
		var h hearing
		if err := h.take([]byte(strings.Join(sent, "")), burst); err == nil {
			t.Errorf("%s: not found", name)
		}
	}
}

// What the kernel says, on a machine whose numbers begin with the low byte.
const procNetTCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:A000 0100007F:1F90 01 00000000:00001680 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1
   2: 0100007F:1F90 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1
   3: 0100007F:A001 0100007F:1F90 01 00000000:00001680 00:00000000 00000000     0        0 4 1 0 20 4 30 10 -1
   4: 0100007F:A002 0100007F:1F90 01 00000000:00000B40 00:00000000 00000000     0        0 5 1 0 20 4 30 10 -1
   3: 0100007F:A001 0100007F:1F90 01 00000000:00001680 00:00000000 00000000     0        0 4 1 0 20 4 30 10 -1
   5: 0100007F:A003 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 6 1 0 20 4 30 10 -1
   6: 0100007F:A004 0100007F:1F91 01 00000000:00001680 00:00000000 00000000     0        0 7 1 0 20 4 30 10 -1
`

func TestBacklog(t *testing.T) {
	server, sender := netip.MustParseAddrPort("127.0.0.1:8080"), netip.MustParseAddrPort("127.0.0.1:40963")
	if kernelAddr(server) != "0100007F:1F90" {
		t.Skip("numbers begin with the high byte here")
	}
	full, other, err := backlog(strings.NewReader(procNetTCP), server, sender, 0x1680)
	if err != nil || full != 2 || other != 1 {
		t.Errorf("%d with the whole burst, %d without, %v; want 2, 1", full, other, err)
	}
	if _, _, err := backlog(strings.NewReader("heading\nno such line\n"), server, sender, 1); err == nil {
		t.Error("a line that means nothing is no error")
	}
}

func TestBarComparesRoundsOfOneTime(t *testing.T) {
	b := bench{conns: 10000, messages: 64, rounds: 3, procs: []int{1, 2}}
	took := func(ms ...time.Duration) (all []timing) {
		for _, n := range ms {
			all = append(all, timing{took: n * time.Millisecond, cpu: 2 * n * time.Millisecond})
		}
		return all
	}
	// The second round met other work; its ratio is one of three.
	got := b.bar([][]timing{took(90, 400, 80), took(50, 250, 50)}, 1)
	want := rig.Bar{
		Name: "burst", Work: "a burst of 64 messages to 10,000 clients, two cores against one",
		Figure: 1.6, Unit: "x", Limit: 1.6, Better: rig.Higher,
		Note: "median of 3 rounds; 1.60 to 1.80; 50.0 ms against 90.0 ms; the server had 2.00 processors",
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{7: "7", 999: "999", 1000: "1,000", 10000: "10,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
