package client

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Whoever uses the library takes in nothing of the server: of foreign packages only what
// speaks WebSocket.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	var others []string
	for _, path := range strings.Fields(string(out)) {
		if !strings.HasPrefix(path, "github.com/gobwas/") {
			others = append(others, path)
		}
	}
	if want := []string{"github.com/chatd/chatd/pkg/client"}; !slices.Equal(others, want) {
		t.Errorf("it depends on %q", others)
	}
}
