package rig

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestBarHeld(t *testing.T) {
	for _, c := range []struct {
		b    Bar
		held bool
	}{
		{Bar{Figure: 1.26, Limit: 1.25, Better: Lower}, false},
		{Bar{Figure: 1.25, Limit: 1.25, Better: Lower}, true},
		{Bar{Figure: 1.9, Limit: 2, Better: Higher}, false},
		{Bar{Figure: 2, Limit: 2, Better: Higher}, true},
		{Bar{Figure: 2}, true},
	} {
		if got := c.b.Held(); got != c.held {
			t.Errorf("%+v: held %v, want %v", c.b, got, c.held)
		}
	}
}

// TestBarLine holds that what one program prints is what another reads.
func TestBarLine(t *testing.T) {
	b := Bar{Name: "burst", Work: "64 messages", Figure: 1.72, Unit: "x", Limit: 1.6, Better: Higher, Note: "of 5"}
	var line strings.Builder
	if err := b.Write(&line); err != nil {
		t.Fatal(err)
	}
	want := `{"bar":"burst","work":"64 messages","figure":1.72,"unit":"x","limit":1.6,"better":"higher","note":"of 5"}` + "\n"
	if line.String() != want {
		t.Errorf("got  %swant %s", line.String(), want)
	}
	var back Bar
	if err := json.Unmarshal([]byte(line.String()), &back); err != nil || back != b || back.Check() != nil {
		t.Errorf("%s came back as %+v, %v", line.String(), back, err)
	}
	for _, bad := range []Bar{{Work: "w"}, {Name: "n"}, {Name: "n", Work: "w", Better: "more"}} {
		if bad.Check() == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}
