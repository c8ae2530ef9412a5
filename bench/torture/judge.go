// Judges a row by what its tests told, and by nothing else.

package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/chatd/chatd/internal/figure"
)

// state is what became of a row.
type state string

const (
	held    state = "held"
	notHeld state = "not held"
	notRun  state = "not run"
)

// verdict is on one row.
type verdict struct {
	row
	state   state
	why     string // "": it held
	figures []figure.Figure
	output  []string // of tests that failed
	took    time.Duration
}

// judge looks at what a row's steps told. What failed counts before what was not
// run, and that before what was not measured.
func judge(r row, list []outcomes) verdict {
	v := verdict{row: r, state: held}
	for _, o := range list {
		if o.absent != nil {
			v.blame(notRun, o.absent.Error())
		}
		for _, t := range o.tests {
			if o.absent == nil {
				v.judge(t, o.output)
			}
			for _, f := range t.figures {
				if f.Row == r.n {
					v.figures = append(v.figures, f)
				}
			}
		}
	}
	if v.state == held {
		for _, f := range v.figures {
			if !f.Held {
				v.blame(notHeld, "")
			}
		}
	}
	return v
}

// judge looks at one test. around is what was said by none.
func (v *verdict) judge(t *outcome, around []string) {
	measured := slices.ContainsFunc(t.figures, func(f figure.Figure) bool { return f.Row == v.n })
	switch {
	case t.ended == "skip":
		v.blame(notRun, t.name+": "+firstWord(t.output))
	case t.ended == "fail":
		v.blame(notHeld, t.name+": "+firstWord(t.output))
		v.show(complaints(t.output), t.repeat)
	case t.ended == "":
		v.blame(notHeld, t.name+" did not end: "+cause(around))
		v.show(last(append(slices.Clone(t.output), around...), 20), t.repeat)
	case !measured:
		v.blame(notHeld, "no figure of "+t.name)
	}
}

// show keeps lines that tell of a failure, each once, and how to see it again.
func (v *verdict) show(lines []string, repeat string) {
	for _, line := range append(lines, "again: "+repeat) {
		if !slices.Contains(v.output, line) {
			v.output = append(v.output, line)
		}
	}
}

// blame says why a row has not held; the worst reason that was found first stays.
func (v *verdict) blame(s state, why string) {
	if v.state == held || v.state == notRun && s == notHeld {
		v.state, v.why = s, why
	}
}

var complaint = regexp.MustCompile(`^\s+\w+\.go:\d+: (.*)`)

// complaints are the lines that say where and what, and those that go on with it.
func complaints(output []string) (lines []string) {
	for _, line := range output {
		if complaint.MatchString(line) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return last(lines, 20)
}

// firstWord is what a test said last about where and what: why it was skipped or
// has failed.
func firstWord(output []string) string {
	for _, line := range slices.Backward(output) {
		if m := complaint.FindStringSubmatch(line); m != nil {
			return m[1]
		}
	}
	return strings.Join(last(output, 1), "")
}

var mistake = regexp.MustCompile(`^\S+\.go:\d+:\d+: `)

// cause is why the tests of a package did not come to their end: what the compiler
// finds, or what was said last.
func cause(output []string) string {
	for _, line := range output {
		if mistake.MatchString(line) {
			return line
		}
	}
	return strings.Join(last(output, 1), "")
}

func last(lines []string, n int) []string { return lines[max(len(lines)-n, 0):] }

// line is what is told of a row as soon as it is over.
func (v verdict) line() string {
	what := v.why
	if what == "" {
		what = v.figure()
	}
	return fmt.Sprintf("row %-3d %-8s %4.0f s  %s: %s", v.n, v.state, v.took.Seconds(), v.fault, what)
}

// figure is the first figure, or the first that has not held.
func (v verdict) figure() string {
	for _, f := range v.figures {
		if !f.Held {
			return said(f)
		}
	}
	if len(v.figures) > 0 {
		return said(v.figures[0])
	}
	return "–"
}

// said is a figure with what it is of.
func said(f figure.Figure) string {
	if f.Part == "" {
		return f.Got
	}
	return f.Part + ": " + f.Got
}
