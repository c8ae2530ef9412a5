// Chat is a client for chatd in a terminal. What is said is printed above the line one
// types in, so that the terminal's own scrollback keeps it.
//
// Without a terminal it is a part of a pipe: what comes in is said, a message a line,
// and with -f, or if what goes out is no terminal, what others say is printed.
//
// It exits with 0, with 1 if something was not said or the chat cannot be reached, and
// with 2 if the command line makes no sense.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/chatd/chatd/internal/terminal"
	"github.com/chatd/chatd/pkg/client"
)

const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	os.Exit(run(os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
}

// run does what args, without the program's name, ask for, and returns the exit status.
func run(args []string, getenv func(string) string, stdin, stdout *os.File, stderr io.Writer) int {
	o, err := parse(args, getenv)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage())
		return exitOK
	case err != nil:
		complain(stderr, err)
		return exitUsage
	case o.version:
		fmt.Fprint(stdout, versionLine())
		return exitOK
	}
	way := choose(o, terminal.IsTerminal(stdin), terminal.IsTerminal(stdout))
	if way == talking && getenv("TERM") == "dumb" {
		complain(stderr, errors.New("this terminal cannot move its cursor (TERM=dumb); use nc, or chat -f to read"))
		return exitUsage
	}
	dial := o.client
	switch way {
	case saying:
		dial.SendOnly = true
	case following:
		if o.history == 0 { // whoever reads along wants what is new
			dial.History = client.None
			setHistory(dial.Rooms, client.None)
		}
	}
	c, err := terminal.Connect(context.Background(), o.url, dial, stdin, stderr)
	if err != nil {
		complain(stderr, err)
		return exitFailed
	}
	defer c.Close()
	switch way {
	case saying:
		if want := o.client.Name; want != "" && c.Name() != want {
			complain(stderr, fmt.Errorf("%s is not to be had without its password, or while somebody has it; said as %s", want, c.Name()))
		}
		err = say(c, stdin, stderr)
	case following:
		err = terminal.Follow(c, o.rooms(), stdout, func(err error) { complain(stderr, err) })
	default:
		err = terminal.Talk(c, terminal.Options{Server: o.url, Clear: !o.encrypted()}, stdin, stdout)
	}
	if err != nil {
		complain(stderr, err)
		return exitFailed
	}
	return exitOK
}

// way is what the program is used for.
type way int

const (
	talking   way = iota // at a terminal
	following            // what is said is printed
	saying               // what comes in is said
)

// choose tells what the program is used for: -f says it, or what is no terminal.
func choose(o options, in, out bool) way {
	switch {
	case o.follow:
		return following
	case !in:
		return saying
	case !out:
		return following
	}
	return talking
}

// sayPatience is how long a line may go without an answer before the program gives up: a
// server that restarts is back by then.
const sayPatience = time.Minute

// say says each line of r, and returns when all are stored.
func say(c *client.Client, r io.Reader, stderr io.Writer) error {
	o := terminal.Say(c, "", r, sayPatience)
	if o.Unkept != nil {
		complain(stderr, fmt.Errorf("it was said, but is not kept: %w", o.Unkept))
	}
	return o.Said()
}

func complain(w io.Writer, err error) {
	fmt.Fprintln(w, "chat: "+terminal.Label(strings.TrimPrefix(err.Error(), "client: ")))
}

// version can be set when linking: -ldflags "-X main.version=1.2.3".
var version string

// versionLine is what --version prints: version, commit, Go, platform.
func versionLine() string {
	name, commit := version, "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		if name == "" {
			name = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	if name == "" || name == "(devel)" {
		name = "development version"
	}
	return fmt.Sprintf("chat %s, commit %s, %s %s/%s\n", name, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
