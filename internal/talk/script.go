// Package talk plays conversations: text files in which people type lines and
// say what they see, over whatever transport a server is reached by. It is for
// tests.
//
//	# A taken nick is refused.
//	alice> /nick alice
//	bob> /nick alice
//	bob< * alice is taken; try /nick alice_
//
// A line is a comment (#), a setting or a step:
//
//	= NAME TEXT   a setting, the business of who plays the script
//	who> TEXT     who types a line; on first mention who connects and is greeted
//	who>- TEXT    the same without the line's end
//	who< TEXT     the next line that who sees
//	who<~ REGEXP  the same as a pattern
//	who+          who connects and is greeted
//	who+ nogreet  who connects together with what it does next, typing or ending
//	              its input, and no greeting is read
//	who.          who ends its input (half-close)
//	who!          who resets the connection
//	who^          who presses Ctrl-C, which means something to telnet only
//	who|          who sees the end of the stream
//
// A TEXT in double quotes is a Go string, for spaces at the end and control
// characters. A greeting is four lines that begin with "* ". The time at a
// line's begin is written 00:00.
//
// Nothing is timed; the next line seen is the barrier. Before somebody else does
// something, who typed last is heard out: an unknown command is typed and its
// answer read, so that the server takes lines in the order of the script. It does
// not follow that everybody has seen them yet: who is to be written to by two
// others should see the first line before the second is typed.
//
// Notices of who came and went are gathered by a server for up to a second, and so
// have no place in the order. Those that are not expected are passed over, as is
// the date at midnight; one that is expected may have been passed over before, may
// come late, and may be part of a line about several people, which counts for each.
//
// In the end whoever is still connected has seen nothing but what the script says.
// No line may hold control characters or invalid UTF-8, ever.
package talk

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Script is a conversation.
type Script struct {
	Name     string
	Settings map[string]string
	steps    []step
}

// action is what a step does.
type action string

const (
	typeLine  action = ">"
	typePart  action = ">-"
	see       action = "<"
	seeLike   action = "<~"
	connect   action = "+"
	halfClose action = "."
	reset     action = "!"
	interrupt action = "^"
	seeEnd    action = "|"
)

type step struct {
	line    int    // in the file
	source  string // as written
	who     string
	do      action
	text    string
	pattern *regexp.Regexp // of seeLike
}

var stepForm = regexp.MustCompile(`^([a-z][a-z0-9]*)(>-|>|<~|<|\+|\.|!|\^|\|)(?:$| (.*)$)`)

// Parse reads a script.
func Parse(name, text string) (*Script, error) {
	s := &Script{Name: name, Settings: make(map[string]string)}
	for i, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		if setting, ok := strings.CutPrefix(line, "= "); ok {
			key, value, _ := strings.Cut(setting, " ")
			s.Settings[key] = unquote(value)
			continue
		}
		step, err := parseStep(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
		step.line = i + 1
		s.steps = append(s.steps, step)
	}
	return s, nil
}

func parseStep(line string) (step, error) {
	m := stepForm.FindStringSubmatch(line)
	if m == nil {
		return step{}, fmt.Errorf("%q is no step", line)
	}
	st := step{source: line, who: m[1], do: action(m[2]), text: m[3]}
	switch st.do {
	case typeLine, typePart, see:
		st.text = unquote(st.text)
	case seeLike:
		var err error
		if st.pattern, err = regexp.Compile(st.text); err != nil {
			return step{}, err
		}
	default:
		if st.text != "" && (st.do != connect || st.text != "nogreet") {
			return step{}, fmt.Errorf("%q: %q means nothing here", line, st.text)
		}
	}
	return st, nil
}

func unquote(text string) string {
	if strings.HasPrefix(text, `"`) {
		if s, err := strconv.Unquote(text); err == nil {
			return s
		}
	}
	return text
}

// Load reads the scripts among the files that match the pattern.
func Load(pattern string) ([]*Script, error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no file matches %s", pattern)
	}
	var scripts []*Script
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		s, err := Parse(filepath.Base(file), string(text))
		if err != nil {
			return nil, err
		}
		scripts = append(scripts, s)
	}
	return scripts, nil
}
