package terminal

import (
	"os"
	"strings"
	"testing"
)

// The manual of chat explains every command that the terminal does itself.
func TestManualHasEveryCommand(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/man/chat.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commands() {
		if !strings.Contains(string(text)+"\n", "\n.It Ic /"+c.name) {
			t.Errorf("chat.1 does not explain /%s", c.name)
		}
	}
}
