package main

import (
	"bytes"
	"fmt"
	"strings"
)

const (
	// sizeLeast has room for the number of a burst and of a message.
	sizeLeast = 48
	// sizeMost is the longest line that stays one message, its end included.
	sizeMost = 4096
)

// texts are the messages of a burst, of size bytes each, the end of the line
// included. No two are the same, in no two bursts.
func texts(burst, messages, size int) []string {
	all := make([]string, messages)
	for i := range all {
		text := fmt.Sprintf("burst %d, message %d of %d", burst, i+1, messages)
		all[i] = text + strings.Repeat(".", size-1-len(text))
	}
	return all
}

// hearing is how much of a burst one client has had.
type hearing struct {
	had  int    // messages
	rest []byte // of a line that has not ended yet
}

// take takes the bytes that came next, which must continue the burst: each message
// once, in order, whole, and nothing between them but notices.
func (h *hearing) take(p []byte, burst []string) error {
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			h.rest = append(h.rest, p...)
			return nil
		}
		line := p[:end]
		if len(h.rest) > 0 {
			line = append(h.rest, line...)
			h.rest = h.rest[:0]
		}
		if err := h.line(line, burst); err != nil {
			return err
		}
		p = p[end+1:]
	}
}

func (h *hearing) line(line []byte, burst []string) error {
	switch {
	case bytes.HasPrefix(line, []byte("* ")):
	case h.had == len(burst):
		return fmt.Errorf("after the last message came %q", line)
	case !bytes.HasSuffix(line, []byte(": "+burst[h.had])):
		return fmt.Errorf("instead of message %d came %q", h.had+1, line)
	default:
		h.had++
	}
	return nil
}
