package main

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/chatd/chatd/bench/rig"
)

func TestParse(t *testing.T) {
	if b, err := parse([]string{"-starts", "3"}, io.Discard); err != nil || b.starts != 3 {
		t.Errorf("%+v, %v", b, err)
	}
	for _, args := range []string{"-starts 0", "-starts many", "./cmd/chatd"} {
		if b, err := parse(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%s: %+v", args, b)
		}
	}
}

func TestAnnounced(t *testing.T) {
	in := bufio.NewReader(strings.NewReader("{\"level\":\"warn\"}\nlistening on tcp://127.0.0.1:43211  reach it with: nc 127.0.0.1 43211\n"))
	if addr, err := announced(in); err != nil || addr != "127.0.0.1:43211" {
		t.Errorf("%q, %v", addr, err)
	}
	in.Reset(strings.NewReader("chatd: CHATD_RATE=fast is no number\n"))
	if _, err := announced(in); err == nil || !strings.Contains(err.Error(), "CHATD_RATE=fast") {
		t.Errorf("one that does not start: %v", err)
	}
}

func TestBars(t *testing.T) {
	var taken times
	for _, n := range []time.Duration{4, 20, 5} {
		taken.add(n*time.Millisecond, n*time.Millisecond+100*time.Microsecond)
	}
	got := taken.bar(build{bars: "-plain", what: "as it is"})
	want := rig.Bar{
		Name: "start-plain", Work: "from exec until chatd listens, as it is", Figure: 5, Unit: "ms", Limit: 50, Better: rig.Lower,
		Note: "median of 3 starts; 4.0 to 20.0 ms; connected after 5.1 ms, at most 20.1",
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestASizeHasNoLimit(t *testing.T) {
	got := sizeBar(build{bars: "-plain", what: "as it is"}, 5<<20+1<<19)
	want := rig.Bar{Name: "size-plain", Work: "the program chatd, as it is", Figure: 5.5, Unit: "MiB"}
	if got != want || got.Check() != nil {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
