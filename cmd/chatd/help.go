package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

const helpHead = `chatd is a chat that people join with what every machine has: nc HOST 7777

  chatd                 serve until SIGTERM or Ctrl-C
  chatd check [FILE]    judge the configuration without starting anything, or
                        what the service would be started with by FILE, as in
                        chatd check /etc/chatd/chatd.env
  chatd export [ROOM]   show what is kept, of all rooms or one, a JSON object a
                        line, or with --text as people saw it; also while chatd
                        serves
  chatd forget NAME     delete all messages of a person while nothing serves
  chatd console [ROOM]  the operator's seat in the chatd that runs here, with
                        /stats, /sessions, /kick and the like (console --help)
  chatd say ROOM TEXT   say something in it, for scripts (say --help)
  chatd help            show this text (also --help, -h)
  chatd version         show version, commit and Go version (also --version)

It is configured by environment variables. One that is empty counts as not set;
what a 0 switches off, the word off does too. Variables are read at the start;
SIGHUP reads only the files again that they name.
`

const helpFoot = `
Exit status: 0 after a clean stop, or when all was done; 64 for a command line
that makes no sense, 78 for a bad configuration, 1 otherwise. console and say:
69 if no server is there, 75 if it does not answer, 77 without permission.
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

// build is what was built.
type build struct{ version, commit, goVersion string }

func built() build {
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
	return build{name, commit + modified, runtime.Version()}
}

// versionLine is what chatd version shows: version, commit, Go, platform.
func versionLine() string {
	b := built()
	return fmt.Sprintf("chatd %s, commit %s, %s %s/%s\n", b.version, b.commit, b.goVersion, runtime.GOOS, runtime.GOARCH)
}
