// Package figure is how a test tells what it measured of a fault: as an attribute
// of the test (testing.T.Attr), which `go test -json` passes on to bench/torture.
// It is the word for it on both sides and judges nothing: whether a figure is
// within its bar is known to the test, and to nobody else.
package figure

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Figure is what was measured of one fault, or of one part of it.
type Figure struct {
	Row  int    `json:"row"`            // of docs/faults.md
	Part string `json:"part,omitempty"` // what of it; "" is all of it
	Got  string `json:"got"`            // the figure, as people read it
	Bar  string `json:"bar"`            // what it may be at most, or must be
	Held bool   `json:"held"`
}

// attributed is a test; testing.TB is one.
type attributed interface {
	Attr(key, value string)
	Helper()
}

// prefix begins the keys of attributes that are figures; the row follows.
const prefix = "fault."

// Tell makes the figure an attribute of the test. It does not fail the test: that
// is for who judges, and can say more.
func (f Figure) Tell(t attributed) {
	t.Helper()
	value, err := json.Marshal(f)
	if err != nil { // numbers, strings and a bool can always be written
		panic(err)
	}
	t.Attr(prefix+strconv.Itoa(f.Row), string(value))
}

// Parse reads an attribute. It is false for one that is no figure.
func Parse(key, value string) (f Figure, ok bool) {
	row, ok := strings.CutPrefix(key, prefix)
	if !ok || json.Unmarshal([]byte(value), &f) != nil {
		return Figure{}, false
	}
	return f, strconv.Itoa(f.Row) == row
}
