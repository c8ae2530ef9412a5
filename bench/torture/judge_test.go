package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatd/chatd/internal/figure"
)

// stream is what `go test -json` says of tests: events, one a line.
func stream(events ...event) string {
	var b strings.Builder
	for _, e := range events {
		line, err := json.Marshal(e)
		if err != nil {
			panic(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.String()
}

// told is the event of a figure.
func told(test string, f figure.Figure) event {
	value, err := json.Marshal(f)
	if err != nil {
		panic(err)
	}
	return event{Action: "attr", Test: test, Key: fmt.Sprint("fault.", f.Row), Value: string(value)}
}

var (
	good = figure.Figure{Row: 9, Got: "0.2 %", Bar: "1 %", Held: true}
	bad  = figure.Figure{Row: 9, Part: "the log", Got: "7 lines", Bar: "1 line", Held: false}
)

func TestRowsAreJudged(t *testing.T) {
	pass := event{Action: "pass", Test: "TestA"}
	fail := event{Action: "fail", Test: "TestA"}
	complains := event{Action: "output", Test: "TestA", Output: "    a_test.go:7: 3 were lost\n"}
	for _, test := range []struct {
		name   string
		stream string
		absent error
		state  state
		why    string
	}{
		{"held", stream(told("TestA", good), pass), nil, held, ""},
		{"in a part", stream(told("TestA/cable", good), event{Action: "pass", Test: "TestA/cable"}, pass), nil, held, ""},
		{"over the bar", stream(told("TestA", good), told("TestA", bad), pass), nil, notHeld, ""},
		{"failed", stream(told("TestA", good), complains, fail), nil, notHeld, "TestA: 3 were lost"},
		{"no figure", stream(pass), nil, notHeld, "no figure of TestA"},
		{"another row's figure", stream(told("TestA", figure.Figure{Row: 8, Held: true}), pass), nil, notHeld, "no figure of TestA"},
		{"skipped", stream(event{Action: "output", Test: "TestA", Output: "    a_test.go:7: takes root\n"}, event{Action: "skip", Test: "TestA"}), nil, notRun, "TestA: takes root"},
		{"a part skipped", stream(told("TestA", good), event{Action: "skip", Test: "TestA/cable"}, pass), nil, notRun, "TestA: cable was skipped"},
		{"skipped and failed", stream(event{Action: "skip", Test: "TestA/cable"}, complains, fail), nil, notHeld, "TestA: 3 were lost"},
		{"no such test", "", nil, notHeld, "TestA did not end: "},
		{"does not build", "# pkg\na.go:1:2: undefined: x\nFAIL\tpkg [build failed]\n", nil, notHeld, "TestA did not end: a.go:1:2: undefined: x"},
		{"hangs", stream(told("TestA", good), event{Action: "output", Output: "panic: test timed out\n"}), nil, notHeld, "TestA did not end: panic: test timed out"},
		{"cannot be run", "", errors.New("takes root"), notRun, "takes root"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := step{tests: []string{"TestA"}}.read(strings.NewReader(test.stream))
			o.absent = test.absent
			v := judge(row{n: 9}, []outcomes{o})
			if v.state != test.state || v.why != test.why {
				t.Errorf("%s: %q, want %s: %q", v.state, v.why, test.state, test.why)
			}
			r := &report{verdicts: []verdict{v}}
			if got := r.held(); got != (test.state == held) {
				t.Errorf("the whole has held: %t", got)
			}
		})
	}
}

// What failed counts before what was not run, in whatever order they come.
func TestWorstCounts(t *testing.T) {
	skipped := outcomes{absent: errors.New("takes root")}
	failed := step{tests: []string{"TestA"}}.read(strings.NewReader(stream(event{Action: "fail", Test: "TestA"})))
	for _, list := range [][]outcomes{{skipped, failed}, {failed, skipped}} {
		if v := judge(row{n: 9}, list); v.state != notHeld {
			t.Errorf("%s: %s", v.state, v.why)
		}
	}
}

func TestTables(t *testing.T) {
	r := &report{took: 10 * time.Minute, verdicts: []verdict{
		{row: row{n: 9, fault: "no files"}, state: notHeld, figures: []figure.Figure{good, bad}},
		{row: row{n: 11, fault: "a cable"}, state: notRun, why: "takes root | or not"},
		{row: row{n: 12, fault: "a kick"}, state: held, figures: []figure.Figure{{Row: 12, Got: "<0>", Bar: "0", Held: true}}},
	}}
	wantLong := heading + `| 9 | no files | 0.2 % | 1 % | held |
|  |  | the log: 7 lines | 1 line | not held |
| 11 | a cable | – |  | not run: takes root \| or not |
| 12 | a kick | &lt;0> | 0 | held |
`
	wantShort := heading + `| 9 | no files | the log: 7 lines | 1 line | not held |
| 11 | a cable | – |  | not run |
| 12 | a kick | &lt;0> | 0 | held |
`
	if got := r.table(); got != wantLong {
		t.Errorf("got\n%s\nwant\n%s", got, wantLong)
	}
	if got := r.short(); got != wantShort {
		t.Errorf("got\n%s\nwant\n%s", got, wantShort)
	}
	if want := "1 held, 1 not held, 1 not run of 3 rows, in 10 minutes."; r.sum() != want {
		t.Errorf("got %q, want %q", r.sum(), want)
	}
}

func TestReportIsWritten(t *testing.T) {
	folder := t.TempDir()
	o := options{report: filepath.Join(folder, "torture.md"), readme: filepath.Join(folder, "README.md")}
	r := &report{command: "make torture", machine: "2 processors", commit: "1234567", begun: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)}
	for _, test := range []struct{ before, after string }{
		{"no place\n", "no place\n"},
		{"a\n" + opening + "old\n" + closing + "\nb\n", "a\n" + opening + r.short() + "\n" + r.sum() + "\n" + r.where() + "\n" + closing + "\nb\n"},
	} {
		if err := os.WriteFile(o.readme, []byte(test.before), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := r.write(o); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(o.readme); err != nil || string(got) != test.after {
			t.Errorf("got %q, %v, want %q", got, err, test.after)
		}
	}
	want := "Measured on 21 November 2026 with `make torture`: 2 processors, chatd 1234567.\n"
	if page, err := os.ReadFile(o.report); err != nil || !strings.HasSuffix(string(page), want) {
		t.Errorf("the page is %q, %v", page, err)
	}
}

// What is planned is there, and is documented.
func TestPlan(t *testing.T) {
	doc, err := os.ReadFile("../../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for _, r := range plan(options{}) {
		if r.n <= last {
			t.Errorf("row %d comes after row %d", r.n, last)
		}
		last = r.n
		if !strings.Contains(string(doc), fmt.Sprintf("\n| %d |", r.n)) {
			t.Errorf("docs/faults.md has no row %d", r.n)
		}
		for _, s := range r.steps {
			declared := testsOf(t, s.pkg)
			for _, name := range s.tests {
				if !slices.Contains(declared, name) {
					t.Errorf("row %d: %s has no %s", r.n, s.pkg, name)
				}
				if !strings.Contains(string(doc), "`"+s.pkg+"."+name+"`") {
					t.Errorf("row %d: docs/faults.md does not name %s.%s", r.n, s.pkg, name)
				}
			}
		}
	}
}

func testsOf(t *testing.T, pkg string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(source, -1) {
			names = append(names, string(m[1]))
		}
	}
	return names
}

// A row of a test that is there, passes and measures nothing.
func TestRealTests(t *testing.T) {
	t.Chdir("../..")
	r := row{n: 9, steps: []step{of("internal/figure", "TestOtherAttributesAreNoFigures")}}
	if v := run(t.Context(), r); v.state != notHeld || v.why != "no figure of TestOtherAttributesAreNoFigures" {
		t.Errorf("%s: %s %q", v.state, v.why, v.output)
	}
	r.steps[0].needs = func() error { return errors.New("not here") }
	if v := run(t.Context(), r); v.state != notRun || v.why != "not here" {
		t.Errorf("%s: %s", v.state, v.why)
	}
}
