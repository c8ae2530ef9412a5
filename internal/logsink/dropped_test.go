package logsink

import (
	"errors"
	"fmt"
	"testing"
)

// deaf refuses every line.
type deaf struct{}

func (deaf) Write([]byte) (int, error) { return 0, errors.New("no") }

func TestDroppedCountsAll(t *testing.T) {
	s := New(deaf{}, note)
	for range maxLines + 7 {
		fmt.Fprint(s, "line")
	}
	if n := s.Dropped(); n != 7 {
		t.Errorf("%d lines found no room, want 7", n)
	}
	go s.Run()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := s.Dropped(); n != maxLines+7 {
		t.Errorf("%d lines were dropped, want all %d", n, maxLines+7)
	}
}
