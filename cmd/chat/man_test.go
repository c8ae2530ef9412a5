package main

import (
	"flag"
	"os"
	"strings"
	"testing"
)

// The manual of chat explains every option.
func TestManualHasEveryOption(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/man/chat.1")
	if err != nil {
		t.Fatal(err)
	}
	flags(new(options), new(files), new(list)).VisitAll(func(f *flag.Flag) {
		line := "\n.It Fl "
		if len(f.Name) > 1 {
			line += `\-`
		}
		if !strings.Contains(string(text), line+f.Name) {
			t.Errorf("chat.1 does not explain %s", f.Name)
		}
	})
}
