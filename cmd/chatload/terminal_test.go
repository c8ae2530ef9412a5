package main

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// shown runs chatload for long enough for two progress lines and returns what it
// wrote to stderr.
func shown(t *testing.T, stderr, reader *os.File) string {
	t.Helper()
	addr := new(server).serve(t, "tcp", "127.0.0.1:0")
	got := make(chan string)
	go func() {
		all, _ := io.ReadAll(reader) // a terminal ends with EIO
		got <- string(all)
	}()
	args := "-conns 5 -rate 500 -messages 600 -warmup 0 -json -addr " + addr
	if code := command(strings.Fields(args), io.Discard, stderr); code != 0 {
		t.Errorf("exit status %d", code)
	}
	_ = stderr.Close()
	return <-got
}

// On a terminal there is a line of progress, which is gone in the end.
func TestProgress(t *testing.T) {
	for columns, want := range map[uint16]string{
		200: " messages, ",
		30:  "measuring, ",
	} {
		master, terminal, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer master.Close()
		if err := pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: columns}); err != nil {
			t.Fatal(err)
		}
		text := shown(t, terminal, master)
		lines := strings.Split(text, "\r")
		for _, line := range lines {
			if n := len(strings.TrimSuffix(line, "\x1b[K")); n >= int(columns) {
				t.Errorf("%d columns for %d characters: %q", columns, n, line)
			}
		}
		if !strings.Contains(text, want) || strings.Contains(text, "\n") || lines[len(lines)-1] != "\x1b[K" {
			t.Errorf("%d columns: %q", columns, text)
		}
	}
}

func TestNoProgress(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if text := shown(t, writer, reader); text != "" {
		t.Errorf("not a terminal: %q", text)
	}
}
