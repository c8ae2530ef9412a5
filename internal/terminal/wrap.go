package terminal

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/rivo/uniseg"
)

// width is how many columns s takes at most. Terminals do not agree: some draw an emoji
// that is made of several characters in two columns, some draw each of them.
func width(s string) int {
	n := 0
	for len(s) > 0 {
		var cluster string
		cluster, s, _, _ = uniseg.FirstGraphemeClusterInString(s, -1)
		n += clusterWidth(cluster)
	}
	return n
}

// clusterWidth is width for one character as people see it.
func clusterWidth(c string) int {
	if len(c) == 1 {
		return 1
	}
	each := 0
	for _, r := range c {
		switch {
		case '\U0001F1E6' <= r && r <= '\U0001F1FF', '\U0001F3FB' <= r && r <= '\U0001F3FF':
			each += 2 // half a flag, a colour of skin: drawn where it is not understood
		default:
			each += uniseg.StringWidth(string(r))
		}
	}
	return max(uniseg.StringWidth(c), ansi.StringWidthWc(c), each)
}

// cut shortens s to so many columns, with an ellipsis if something is missing.
func cut(s string, columns int) string {
	if width(s) <= columns {
		return s
	}
	var b strings.Builder
	n := 0
	for len(s) > 0 {
		var cluster string
		cluster, s, _, _ = uniseg.FirstGraphemeClusterInString(s, -1)
		if n += clusterWidth(cluster); n > columns-1 {
			break
		}
		b.WriteString(cluster)
	}
	if columns > 0 {
		b.WriteString("…")
	}
	return b.String()
}

// wrap breaks a line where it may be broken (UAX #14), so that rows have at most so many
// columns, the second and all after it with a margin. A part that is longer than a row
// is not broken: the terminal does it.
func wrap(line string, columns, margin int) []string {
	var (
		rows []string
		row  strings.Builder
		at   int // column
	)
	for _, part := range parts(line) {
		bare := strings.TrimRight(part, " ")
		n := width(bare)
		if at+n > columns && at > margin && n <= columns-margin {
			rows = append(rows, strings.TrimRight(row.String(), " "))
			row.Reset()
			row.WriteString(strings.Repeat(" ", margin))
			at = margin
		}
		row.WriteString(part)
		if at += n; at > columns {
			at %= columns
		}
		at += len(part) - len(bare)
	}
	return append(rows, strings.TrimRight(row.String(), " "))
}

// parts are the pieces between which a line may be broken, each with the spaces after
// it. An address or a path is one piece.
func parts(line string) (all []string) {
	for len(line) > 0 {
		end := strings.IndexByte(line, ' ')
		if end < 0 {
			end = len(line)
		}
		word := line[:end]
		for end < len(line) && line[end] == ' ' {
			end++
		}
		spaces := line[len(word):end]
		line = line[end:]
		if strings.Contains(word, "/") {
			all = append(all, word+spaces)
			continue
		}
		state := -1
		for len(word) > 0 {
			var part string
			part, word, _, state = uniseg.FirstLineSegmentInString(word, state)
			if len(word) == 0 {
				part += spaces
				spaces = ""
			}
			all = append(all, part)
		}
		if spaces != "" { // the line begins with spaces
			all = append(all, spaces)
		}
	}
	return all
}
