package figure

import (
	"strings"
	"testing"
)

// attributes keeps what a test was given.
type attributes struct {
	testing.TB
	key, value string
}

func (a *attributes) Helper()                {}
func (a *attributes) Attr(key, value string) { a.key, a.value = key, value }

func TestFiguresArriveAsTold(t *testing.T) {
	want := Figure{Row: 11, Part: "idle, \"cable\"\npulled", Got: "33.9 s ≤ 35 s | <b>", Bar: "35 s", Held: true}
	a := &attributes{}
	want.Tell(a)
	if strings.ContainsAny(a.key, " \t\n") || strings.Contains(a.value, "\n") {
		t.Errorf("testing does not take the attribute %q, %q", a.key, a.value)
	}
	if got, ok := Parse(a.key, a.value); !ok || got != want {
		t.Errorf("told %+v, arrived %+v, %v", want, got, ok)
	}
}

func TestOtherAttributesAreNoFigures(t *testing.T) {
	for _, other := range [][2]string{
		{"owner", "ana"},
		{"fault.11", "33.9 s"},
		{"fault.12", `{"row":11,"got":"33.9 s"}`},
	} {
		if f, ok := Parse(other[0], other[1]); ok {
			t.Errorf("%q is read as %+v", other, f)
		}
	}
}
