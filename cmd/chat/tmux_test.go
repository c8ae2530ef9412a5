package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chatd/chatd/internal/terminal/tmuxtest"
)

// open runs the program at a terminal of a size. Setting is added to its environment,
// as NAME=VALUE.
func open(t *testing.T, columns, rows int, setting string, args ...string) *tmuxtest.Terminal {
	t.Helper()
	return openIn(t, columns, rows, "%s; echo It exits with $?; cat", setting, args...)
}

// openIn is open with a script for the shell, in which %s is the program.
func openIn(t *testing.T, columns, rows int, script, setting string, args ...string) *tmuxtest.Terminal {
	t.Helper()
	term := "tmux-256color"
	if s, ok := strings.CutPrefix(setting, "TERM="); ok {
		term = s
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := []string{"env", "-u", "NO_COLOR", "-u", "COLORTERM", "BE=chat", "TZ=UTC", setting, self}
	for _, arg := range args {
		command = append(command, tmuxtest.Quote(arg))
	}
	return tmuxtest.Open(t, columns, rows, term, fmt.Sprintf(script, strings.Join(command, " ")))
}
