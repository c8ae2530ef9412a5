package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		from, to float64
		want     string
	}{
		{10, 10000, "10 30 100 300 1,000 3,000 10,000"},
		{10, 1000, "10 20 50 100 200 500 1,000"},
		{12, 900, "10 20 50 100 200 500 1,000"},
		{0.26, 12, "0.2 0.5 1 2 5 10 20"},
		{0.3, 0.3, "0.2 0.5"},
		{1000, 1000, "1,000 2,000"},
		{0.01, 1e6, "0.01 0.1 1 10 100 1,000 10,000 100,000 1,000,000"},
	} {
		var got []string
		for _, tick := range ticksFor(c.from, c.to) {
			got = append(got, tick.Label)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%v–%v: ticks %s, want %s", c.from, c.to, s, c.want)
		}
	}
}

const twoPanels = `{"names": ["floor", "chatd", "absent"], "bold": "chatd", "charts": [{"file": "latency.svg", "panels": [
	{"title": "median, ms", "x": "rate", "lines": [
		{"name": "floor", "points": [[10, 0.5], [100, 1]]}, {"name": "chatd", "points": [[10, 0.6], [100, 1.2]]}]},
	{"title": "slowest, ms", "x": "rate", "lines": [{"name": "floor", "points": [[10, 5], [100, 90]]}]}]}]}`

// TestDraw looks at the words of a chart: all that it is about stands in it, the
// legend has the lines that are drawn and no other, both panels have one scale, and
// marks stand where something was measured.
func TestDraw(t *testing.T) {
	dir := t.TempDir()
	if err := run(strings.NewReader(twoPanels), dir); err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile(filepath.Join(dir, "latency.svg"))
	if err != nil {
		t.Fatal(err)
	}
	words := texts(t, string(svg))
	for word, times := range map[string]int{
		"median, ms": 1, "slowest, ms": 1, "rate": 2, "floor": 1, "chatd": 1, "absent": 0, "0.3": 2, "100": 4, "20": 0,
	} {
		got := 0
		for _, w := range words {
			if w == word {
				got++
			}
		}
		if got != times {
			t.Errorf("%q stands there %d times, want %d: %q", word, got, times, words)
		}
	}
	if strings.Contains(string(svg), "font-family:Liberation Sans;") {
		t.Error("the typeface has no substitute")
	}
}

// texts are all pieces of text of a drawing, which must be well-formed.
func texts(t *testing.T, svg string) (words []string) {
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return words
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "text" {
			var word string
			if err := d.DecodeElement(&word, &e); err != nil {
				t.Fatal(err)
			}
			words = append(words, word)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct{ in, says string }{
		{`{"names": ["a"], "charts": [{"file": "f", "panels": []}]}`, "no panel"},
		{`{"names": ["a"], "charts": [{"file": "f", "panels": [{"lines": []}]}]}`, "nothing to draw"},
		{`{"names": ["a"], "charts": [{"file": "f", "panels": [{"lines": [{"name": "a", "points": [[1, 0]]}]}]}]}`, "logarithmic"},
		{`{"names": ["a"], "charts": [{"file": "f", "panels": [{"lines": [{"name": "b", "points": [[1, 1]]}]}]}]}`, "not among"},
		{`{"names": ["1","2","3","4","5","6","7","8","9"]}`, "too many"},
		{`{"colour": "red"}`, "unknown field"},
	} {
		dir := t.TempDir()
		err := run(strings.NewReader(c.in), dir)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want an error that says %q", c.in, err, c.says)
		}
		if files, _ := os.ReadDir(dir); len(files) > 0 {
			t.Errorf("%s: wrote %s", c.in, files[0].Name())
		}
	}
}

// TestLooks holds that lines can be told apart without their colours.
func TestLooks(t *testing.T) {
	for i, a := range looks() {
		for _, b := range looks()[i+1:] {
			if a.marks == b.marks || a.color == b.color {
				t.Errorf("two lines look alike: %+v, %+v", a, b)
			}
		}
	}
	of, err := looksOf([]string{"a", "b"}, "b")
	if err != nil || of["b"].wide <= of["a"].wide || slices.Equal(of["a"].dashes, of["b"].dashes) {
		t.Errorf("%+v, %v", of, err)
	}
}
