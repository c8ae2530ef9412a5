package fortune

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/chatd/chatd/internal/wire"
)

// MaxLength is the longest fortune, in bytes of UTF-8. As UTF-16 it is at most
// twice as long, which a 16-bit length still counts and a socket's send buffer
// takes at once. RFC 865 would have less than 512 characters.
const MaxLength = 16 << 10

// blank is what nobody sees at the end of a line.
const blank = " \t"

// Parse returns the fortunes that a file as fortune(6) reads it holds: texts of one
// or more lines, with a line that is nothing but % between two. Empty ones are left
// out, and so is one that was there before. What a terminal could take for a
// command is shown instead (see wire.AppendText). The error continues a sentence
// that begins with the name of the file.
func Parse(file string) ([]string, error) {
	var (
		fortunes []string
		seen     = make(map[string]bool)
		text     []byte // of the fortune that has begun
		number   int    // of the line
	)
	end := func() {
		// The first line may be set in, as a poem's is.
		one := strings.TrimRight(strings.TrimLeft(string(text), "\n"), blank+"\n")
		if text = text[:0]; strings.TrimSpace(one) != "" && !seen[one] {
			seen[one] = true
			fortunes = append(fortunes, one)
		}
	}
	for line := range strings.Lines(strings.TrimPrefix(file, "\ufeff")) {
		number++
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		switch {
		case !utf8.ValidString(line):
			return nil, fmt.Errorf("is not UTF-8 in line %d; convert it with iconv", number)
		case strings.TrimRight(line, blank) == "%":
			end()
			continue
		}
		text = append(wire.AppendTextString(text, line), '\n')
		if len(text) > MaxLength {
			return nil, fmt.Errorf("has a fortune of more than 16 KiB at line %d; shorten it, or write a line with %% between two", number)
		}
	}
	end()
	switch {
	case strings.TrimSpace(file) == "":
		return nil, errors.New("is empty; write fortunes into it, with a line with % between two")
	case len(fortunes) == 0:
		return nil, errors.New("holds no fortune; write some into it, with a line with % between two")
	}
	return fortunes, nil
}
