package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"

	ui "github.com/chatd/chatd/internal/terminal"
	"github.com/chatd/chatd/pkg/client"
)

const consoleHelp = `chatd console [--socket PATH] [ROOM]

The operator's seat: a place in a room of the chatd that runs on this machine,
for root and the user it runs as. What is said appears above the line you type
in; /help lists the commands, /stats, /sessions, /kick and /pause among them.
Without a terminal each line of the input is done, and what comes is printed:

  echo /stats | chatd console

The server is looked for at /run/chatd/chatd.sock, /run/chatd.sock and the Unix
sockets in CHATD_LISTEN.

  --socket PATH   its Unix socket

Exit status: 0 after /quit, Ctrl-D or the end of the input; 64 if the command
line makes no sense, 69 if no server is there, 75 if it does not answer, 77 if
you have no permission, 1 otherwise.
`

// seatTime is how long the console waits for a server to answer.
const seatTime = 10 * time.Second

// seatArgs are what stands behind chatd console.
type seatArgs struct {
	socket, room string
}

// parseConsole reads them. The error is a sentence, or flag.ErrHelp.
func parseConsole(args []string) (a seatArgs, err error) {
	f := flag.NewFlagSet("console", flag.ContinueOnError)
	f.StringVar(&a.socket, "socket", "", "")
	for len(args) > 0 {
		if err := parseFlags(f, args, "--socket PATH"); err != nil {
			return a, err
		}
		if args = f.Args(); len(args) == 0 {
			break
		}
		if a.room != "" {
			return a, fmt.Errorf("console takes one room, and here is %q besides; /join goes to others", args[0])
		}
		a.room, args = args[0], args[1:]
	}
	return a, nil
}

// parseFlags is f.Parse with sentences of ours.
func parseFlags(f *flag.FlagSet, args []string, has string) error {
	f.SetOutput(io.Discard)
	err := f.Parse(args)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return err
	}
	if option, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		return fmt.Errorf("%s has no option %q; it has %s", f.Name(), "--"+option, has)
	}
	if option, ok := strings.CutPrefix(err.Error(), "flag needs an argument: -"); ok {
		return fmt.Errorf("--%s needs a value; %s has %s", option, f.Name(), has)
	}
	return fmt.Errorf("%s: %w; it has %s", f.Name(), err, has)
}

// seat gives the operator a seat. With a terminal at both ends it is a screen, and
// otherwise a pipe.
func seat(ctx context.Context, args []string, environ environment, stdin *os.File, stdout, stderr io.Writer) int {
	a, err := parseConsole(args)
	if status, done := helped(err, consoleHelp, stdout, stderr); done {
		return status
	}
	screen, isFile := stdout.(*os.File)
	person := isFile && isatty.IsTerminal(stdin.Fd()) && isatty.IsTerminal(screen.Fd()) && environ["TERM"] != "dumb"
	o := client.Options{RetryCap: retryCap}
	if !person {
		o.History = client.None
	}
	if a.room != "" {
		o.Rooms = []client.RoomOptions{{Room: a.room, History: o.History}}
	}
	ctx, cancel := context.WithTimeout(ctx, seatTime)
	defer cancel()
	c, at, err := attach(ctx, doors(environ, a.socket), o)
	if err == nil {
		defer c.Close()
		t := ui.Options{Server: at.path, Seat: isOperator(ctx, c)}
		if !t.Seat {
			t.Notes = []string{"you are no operator here, and sit as everybody does: root and the user chatd runs as are operators"}
		}
		if person {
			err = ui.Talk(c, t, stdin, screen)
		} else {
			err = ui.Pipe(c, t, stdin, stdout)
		}
	}
	if err != nil {
		complain(stderr, errors.New(ui.Label(err.Error())))
	}
	return statusOf(err)
}

// isOperator asks the server whether c may do what operators do, with a command that
// does nothing. In doubt, as in no room, it is one: what it then may not do it is told.
func isOperator(ctx context.Context, c *client.Client) bool {
	notices, _ := c.Command(ctx, "", "/kick")
	for _, n := range notices {
		if strings.HasPrefix(n.Text, "/kick is for operators") {
			return false
		}
	}
	return true
}

// helped shows the help of a command that asks for it, or says what is wrong with its
// arguments.
func helped(err error, help string, stdout, stderr io.Writer) (status int, done bool) {
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, help)
		return exitOK, true
	case err != nil:
		complain(stderr, err)
		return exitUsage, true
	}
	return exitOK, false
}
