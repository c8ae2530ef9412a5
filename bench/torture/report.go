// The report: a table, where and how it came about, and where it is written.

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

type report struct {
	begun    time.Time
	took     time.Duration
	machine  string
	commit   string
	command  string
	verdicts []verdict
}

// held is whether every row was run and held.
func (r *report) held() bool { return r.count(held) == len(r.verdicts) }

func (r *report) count(s state) (n int) {
	for _, v := range r.verdicts {
		if v.state == s {
			n++
		}
	}
	return n
}

// sum is the report in a sentence.
func (r *report) sum() string {
	return fmt.Sprintf("%d held, %d not held, %d not run of %d rows, in %.0f minutes.",
		r.count(held), r.count(notHeld), r.count(notRun), len(r.verdicts), r.took.Minutes())
}

const heading = "| row | fault | figure | bar | held |\n|---|---|---|---|---|\n"

// table has a line for every figure. A row that has not held for another reason
// than a figure has a line that says so.
func (r *report) table() string {
	var b strings.Builder
	b.WriteString(heading)
	for _, v := range r.verdicts {
		number, fault := fmt.Sprint(v.n), v.fault
		if v.why != "" {
			line(&b, number, fault, "–", "", string(v.state)+": "+v.why)
			number, fault = "", ""
		}
		for _, f := range v.figures {
			how := held
			if !f.Held {
				how = notHeld
			}
			line(&b, number, fault, said(f), f.Bar, string(how))
			number, fault = "", ""
		}
	}
	return b.String()
}

// short has one line for every row.
func (r *report) short() string {
	var b strings.Builder
	b.WriteString(heading)
	for _, v := range r.verdicts {
		bar, how := "", string(v.state)
		for _, f := range v.figures {
			if said(f) == v.figure() {
				bar = f.Bar
			}
		}
		line(&b, fmt.Sprint(v.n), v.fault, v.figure(), bar, how)
	}
	return b.String()
}

// line writes a line of a table.
func line(b *strings.Builder, cells ...string) {
	plain := strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;")
	for i := range cells {
		cells[i] = plain.Replace(cells[i])
	}
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

// where says what the figures come from.
func (r *report) where() string {
	return fmt.Sprintf("Measured on %s with `%s`: %s, chatd %s.", r.begun.Format("2 January 2006"), r.command, r.machine, r.commit)
}

const preface = `# Torture

What the figures of [the faults](faults.md) were when all their tests last ran in full size: ` + "`make torture`" + `, which writes this page.
A time with a fault is compared with that of the same run without it: rounds with and without take turns, and what counts is the
median of the differences between neighbours. *Held* is what a test has judged; a row of which a test gave no figure has not held, and one that cannot be run here says why.

`

// whole is the page.
func (r *report) whole() string {
	return preface + r.table() + "\n" + r.sum() + "\n" + r.where() + "\n"
}

const (
	opening = "<!-- torture -->\n"
	closing = "<!-- /torture -->"
)

var errNoMarks = errors.New("no marks of a table")

// between replaces what stands between the marks of a text.
func between(text []byte, table string) ([]byte, error) {
	before, rest, ok := bytes.Cut(text, []byte(opening))
	_, after, closed := bytes.Cut(rest, []byte(closing))
	if !ok || !closed {
		return nil, errNoMarks
	}
	return []byte(string(before) + opening + table + closing + string(after)), nil
}

// write writes the page, and the short table where there is a place for it.
func (r *report) write(o options) error {
	if err := os.WriteFile(o.report, []byte(r.whole()), 0o644); err != nil {
		return err
	}
	text, err := os.ReadFile(o.readme)
	if err != nil {
		return err
	}
	text, err = between(text, r.short()+"\n"+r.sum()+"\n"+r.where()+"\n")
	if errors.Is(err, errNoMarks) {
		return nil
	}
	return os.WriteFile(o.readme, text, 0o644)
}
