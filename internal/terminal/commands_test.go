package terminal

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/chatd/chatd/pkg/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a relay on a socket until the test has ended, and returns its path.
func serve(t *testing.T) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := relay.New(relay.Config{Name: "test", Rate: relay.Unlimited})
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		s.Close()
		<-ended
	})
	return socket
}

// The program knows every command that the server has: it does it, passes it on, or it is
// for others.
func TestEveryCommand(t *testing.T) {
	t.Parallel()
	socket := serve(t)
	known := append([]string{"/bot", "/json", "/pair", "/resume"}, passedOn()...)
	for _, c := range commands() {
		known = append(known, "/"+c.name)
	}
	conn, err := net.Dial("unix", socket) // on a socket all are operators
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintln(conn, "/help")
	var theirs []string
	for lines := bufio.NewScanner(conn); lines.Scan() && !strings.Contains(lines.Text(), "/help COMMAND says more"); {
		if !strings.HasPrefix(lines.Text(), "* you are") {
			theirs = append(theirs, regexp.MustCompile(`\B/[a-z][a-z-]*`).FindAllString(lines.Text(), -1)...)
		}
	}
	for _, all := range []*[]string{&known, &theirs} {
		slices.Sort(*all)
		*all = slices.Compact(*all)
	}
	if diff := cmp.Diff(theirs, known); diff != "" {
		t.Errorf("-of the server +known:\n%s", diff)
	}
}
