package near_test

import (
	"testing"

	"github.com/chatd/chatd/internal/near"
)

func TestFind(t *testing.T) {
	words := []string{"help", "nick", "who", "msg", "quit", "CHATD_LISTEN"}
	for word, want := range map[string]string{
		"hlep": "help", "hel": "help", "nik": "nick", "wo": "who", "quti": "quit", "CHATD_LISTN": "CHATD_LISTEN",
		"dance": "", "x": "", "": "",
	} {
		got, ok := near.Find(word, words)
		if got != want || ok != (want != "") {
			t.Errorf("Find(%q) = %q, %v; want %q", word, got, ok, want)
		}
	}
}
