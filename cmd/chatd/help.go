package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

const helpHead = `chatd is a chat that people join with what every machine has: nc HOST 7777

  chatd                 serve until SIGTERM or Ctrl-C
  chatd check           judge the configuration without starting anything
  chatd export [ROOM]   show what is kept, of all rooms or one, a JSON object a
                        line, or with --text as people saw it; also while chatd
                        serves
  chatd forget NAME     delete all messages of a person while nothing serves
  chatd help            show this text (also --help, -h)
  chatd version         show version, commit and Go version (also --version)

It is configured by environment variables. One that is empty counts as not set;
what a 0 switches off, the word off does too. Variables are read at the start;
SIGHUP reads only the files again that they name.
`

const helpFoot = `
Exit status: 0 after a clean stop, 78 for a bad configuration, 1 otherwise.
`

// helpWidth is the width of the narrowest usual terminal.
const helpWidth = 80

// help is what chatd help shows.
func help() string {
	var b strings.Builder
	b.WriteString(helpHead)
	group := ""
	for _, s := range settings() {
		if s.group != group {
			group = s.group
			fmt.Fprintf(&b, "\n%s\n", group)
		}
		fallback := s.fallback
		if fallback == "" {
			fallback = "(" + s.fallbackWords + ")"
		}
		fmt.Fprintf(&b, "  %s=%s\n", s.name, fallback)
		text := s.desc
		if values := s.values(); values != "" {
			text += " (" + values + ")"
		}
		for _, line := range wrapped(text, helpWidth-8) {
			fmt.Fprintf(&b, "        %s\n", line)
		}
	}
	b.WriteString(helpFoot)
	return b.String()
}

// wrapped breaks text into lines of at most width bytes, between words.
func wrapped(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// version can be set when linking: -ldflags "-X main.version=1.2.3".
var version string

// versionLine is what chatd version shows: version, commit, Go, platform.
func versionLine() string {
	name, commit, modified := version, "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if name == "" {
			name = info.Main.Version
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				modified = " (modified)"
			}
		}
	}
	if name == "" || name == "(devel)" {
		name = "development version"
	}
	return fmt.Sprintf("chatd %s, commit %s%s, %s %s/%s\n", name, commit, modified, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
