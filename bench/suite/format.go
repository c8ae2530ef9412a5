package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/chatd/chatd/bench/rig"
)

// table is one of Markdown.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(row []string) { t.rows = append(t.rows, row) }

// String is the table without the rows that have nothing but dashes.
func (t *table) String() string {
	var b strings.Builder
	row := func(cells []string) {
		for _, c := range cells {
			b.WriteString("| " + strings.ReplaceAll(c, "|", `\|`) + " ")
		}
		b.WriteString("|\n")
	}
	row(t.head)
	b.WriteString(strings.Repeat("|---", len(t.head)) + "|\n")
	for _, r := range t.rows {
		if strings.Trim(strings.Join(r[1:], ""), "–") != "" {
			row(r)
		}
	}
	return b.String()
}

// label is the name of a server, chatd's in bold.
func label(s rig.Server) string {
	if s.Name == "chatd" {
		return "**" + s.Label + "**"
	}
	return s.Label
}

// ratio is a number with two decimals, or fewer where it is large; of NaN, a dash.
func ratio(v float64) string {
	switch {
	case v != v:
		return "–"
	case v < 10 && v > -10:
		return fmt.Sprintf("%.2f", v)
	case v < 100 && v > -100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// figure is a number with one decimal, or none where it is large; of NaN, a dash.
func figure(v float64) string {
	switch {
	case v != v:
		return "–"
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return thousands(int(v + 0.5))
}

// cpuTime writes ns.
func cpuTime(ns float64) string {
	switch {
	case ns != ns:
		return "–"
	case ns < 1000:
		return fmt.Sprintf("%.0f ns", ns)
	}
	return fmt.Sprintf("%.1f µs", ns/1e3)
}

// milliseconds writes them.
func milliseconds(ms float64) string {
	if ms != ms {
		return "–"
	}
	return ratio(ms) + " ms"
}

// measured writes a figure of a bar and its unit.
func measured(v float64, unit string) string {
	if v == math.Trunc(v) {
		return limit(v, unit)
	}
	return withUnit(ratio(v), unit)
}

// limit writes what a bar allows: no more digits than it has.
func limit(v float64, unit string) string {
	const digitsMost = 4 // a limit that was computed
	s := strconv.FormatFloat(v, 'f', -1, 64)
	switch {
	case v >= 1000:
		s = thousands(int(v + 0.5))
	case len(s) > digitsMost:
		s = ratio(v)
	}
	return withUnit(s, unit)
}

func withUnit(number, unit string) string {
	switch unit {
	case "":
		return number
	case "x":
		unit = "×"
	}
	return number + " " + unit
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
