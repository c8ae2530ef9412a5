package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const manuals = "../../docs/man"

func TestDocsManual(t *testing.T) {
	t.Parallel()
	golden(t, filepath.Join(manuals, "chatd.env.5"), manual())
}

const manualHead = `.\" Printed from the code by go test ./cmd/chatd -run TestDocs -update.
.Dd November 21, 2026
.Dt CHATD.ENV 5
.Os
.Sh NAME
.Nm chatd.env
.Nd settings of the chat relay chatd
.Sh SYNOPSIS
.Pa /etc/chatd/chatd.env
.Sh DESCRIPTION
.Xr chatd 8
is configured by environment variables.
As a service of
.Xr systemd 1
it has them from the file
.Pa /etc/chatd/chatd.env ,
one
.Ar NAME Ns = Ns Ar value
a line, as
.Xr systemd.exec 5
describes under
.Va EnvironmentFile .
A line that begins with
.Ql #
says nothing; a value with a space or a
.Ql &
in it goes in double quotes.
The file may be missing.
.Pp
All mistakes are told at once, one line each, and a bad configuration exits with
status 78 before anything is bound.
A name that begins with
.Ql CHATD_
and is none of these is a mistake, and the nearest one is named.
A variable that is empty counts as not set.
What 0 switches off, the word
.Ql off
does too.
.Pp
Numbers are whole numbers, except for rates
.Pq Ql 0.5 .
Sizes are bytes
.Pq Ql 4096
or
.Ql 64KiB , 64MiB , 1GiB .
Lengths of time are
.Ql 10s , 15m , 1h30m .
Switches are
.Ql on
or
.Ql off ;
yes and no, true and false, 1 and 0 are the same.
.Pp
Variables are read at the start; to change one, restart.
.Ql systemctl reload chatd
reads only the files again that variables name.
`

const manualFoot = `.Sh FILES
.Bl -tag -width /etc/chatd/chatd.env -compact
.It Pa /etc/chatd/chatd.env
As installed, each of its lines shows a default behind a
.Ql # .
.El
.Sh EXAMPLES
Try a change before it is in force, then restart:
.Bd -literal -offset indent
(set -a; . /etc/chatd/chatd.env; chatd check) &&
	systemctl restart chatd
.Ed
.Sh SEE ALSO
.Xr chat 1 ,
.Xr systemd.exec 5 ,
.Xr chatd 8
`

// manual is the man page chatd.env(5), in mdoc(7).
func manual() string {
	var b strings.Builder
	b.WriteString(manualHead)
	group := ""
	for _, s := range settings() {
		if s.group != group {
			if group != "" {
				b.WriteString(".El\n")
			}
			group = s.group
			fmt.Fprintf(&b, ".Ss %s\n.Bl -tag -width Ds\n", group)
		}
		s.writeManual(&b)
	}
	b.WriteString(".El\n" + manualFoot)
	return b.String()
}

func (s setting) writeManual(b *strings.Builder) {
	fmt.Fprintf(b, ".It Ev %s\n%s", s.name, prose(capital(s.desc)+"."))
	if s.more != "" {
		b.WriteString(prose(s.more))
	}
	b.WriteString(".Pp\n")
	if s.fallback != "" {
		fmt.Fprintf(b, "Default:\n.Ql %s .\n", literal(s.fallback))
	} else {
		b.WriteString(prose("Default: " + s.fallbackWords + "."))
	}
	if values := s.values(); values != "" {
		b.WriteString(prose("Values: " + values + "."))
	}
	fmt.Fprintf(b, "Example:\n.Dl %s=%s\n", s.name, literal(s.example))
}

// sentenceEnd is where a sentence ends and another one begins.
var sentenceEnd = regexp.MustCompile(`\. +`)

// prose is text as mdoc has it: each sentence begins a line, and no line is taken
// for a macro.
func prose(text string) string {
	var b strings.Builder
	for _, sentence := range strings.Split(sentenceEnd.ReplaceAllString(text, ".\n"), "\n") {
		for _, line := range wrapped(strings.ReplaceAll(sentence, `\`, `\e`), 78) {
			if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
				line = `\&` + line
			}
			fmt.Fprintln(&b, line)
		}
	}
	return b.String()
}

// literal is text that people copy: a hyphen in it stays the one of the keyboard.
func literal(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
}

// The manual of chatd explains every command, option and exit status.
func TestManualIsWhole(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(manuals, "chatd.8"))
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^  chatd ([a-z]+)`).FindAllStringSubmatch(helpHead, -1)
	if len(commands) < 5 {
		t.Fatalf("the help has only the commands %q", commands)
	}
	for _, c := range commands {
		if !regexp.MustCompile(`(?m)^(\.It )?\.?Cm ` + c[1] + `\b`).Match(text) {
			t.Errorf("chatd.8 does not explain chatd %s", c[1])
		}
	}
	for _, option := range regexp.MustCompile(`--([a-z]+)`).FindAllStringSubmatch(helpHead+consoleHelp+sayHelp, -1) {
		if !strings.Contains(string(text), `Fl \-`+option[1]) {
			t.Errorf("chatd.8 does not explain %s", option[0])
		}
	}
	for _, status := range []int{exitOK, exitFailed, exitUsage, exitNoServer, exitNoAnswer, exitDenied, exitConfig} {
		if !strings.Contains(string(text), fmt.Sprintf("\n.It %d\n", status)) {
			t.Errorf("chatd.8 does not say what the exit status %d means", status)
		}
	}
}

func TestManualsAreClean(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("mandoc"); err != nil {
		t.Fatal("mandoc is missing; on Debian, apt-get install mandoc brings it")
	}
	pages, err := filepath.Glob(filepath.Join(manuals, "*.[1-9]"))
	if err != nil || len(pages) < 3 {
		t.Fatalf("the man pages are %q (%v), want three at least", pages, err)
	}
	args := append([]string{"-T", "lint", "-W", "warning"}, pages...)
	if out, err := exec.Command("mandoc", args...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("mandoc (%v):\n%s", err, out)
	}
}
