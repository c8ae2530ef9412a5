package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	ui "github.com/chatd/chatd/internal/terminal"
	"github.com/chatd/chatd/pkg/client"
)

const sayHelp = `chatd say [--as NAME] [--socket PATH] [--timeout TIME] ROOM TEXT...

Says TEXT, the arguments with a space between two, in a room of the chatd that
runs on this machine, a message a line. A TEXT of - says each line of the input.
What begins with a slash is said too, and is no command.

  --as NAME        the name it is said by; left out, that of the user
  --socket PATH    the server's Unix socket; left out, it is looked for at
                   /run/chatd/chatd.sock, /run/chatd.sock and in CHATD_LISTEN
  --timeout TIME   how long the server may be silent, 5s if left out

Exit status: 0 if all of it is said, and stored where history is on disk; 1 if
the server refused some of it, and why is told; 64 if the command line makes no
sense, 69 if no server is there, 75 if it did not answer in time, and some is
perhaps not said, 77 if you have no permission.
`

// sayTime is how long the server may be silent if nothing else is said.
const sayTime = 5 * time.Second

// saying is what stands behind chatd say.
type saying struct {
	as, socket string
	patience   time.Duration
	room, text string
}

// parseSay reads it. What stands behind the room is text, whatever it looks like. The
// error is a sentence, or flag.ErrHelp.
func parseSay(args []string) (s saying, err error) {
	f := flag.NewFlagSet("say", flag.ContinueOnError)
	f.StringVar(&s.as, "as", "", "")
	f.StringVar(&s.socket, "socket", "", "")
	timeout := f.String("timeout", sayTime.String(), "")
	if err := parseFlags(f, args, "--as NAME, --socket PATH and --timeout TIME, before the room"); err != nil {
		return s, err
	}
	if args = f.Args(); len(args) < 2 {
		return s, errors.New("say takes a room and a text: chatd say ROOM TEXT")
	}
	s.room, s.text = args[0], strings.Join(args[1:], " ")
	s.patience, err = time.ParseDuration(*timeout)
	switch {
	case err != nil || s.patience <= 0:
		return s, fmt.Errorf("--timeout is a time such as 5s or 1m, and not %q", *timeout)
	case s.room == "":
		return s, errors.New("a room has a name: chatd say ROOM TEXT")
	case strings.TrimSpace(s.text) == "":
		return s, errors.New("there is nothing in that text, and nothing was said")
	}
	return s, nil
}

// say says something in a room of the running server, and knows what came of it.
func say(ctx context.Context, args []string, environ environment, stdin io.Reader, stdout, stderr io.Writer) int {
	s, err := parseSay(args)
	if status, done := helped(err, sayHelp, stdout, stderr); done {
		return status
	}
	tell := func(err error) { complain(stderr, errors.New(ui.Label(err.Error()))) }
	c, err := s.enter(ctx, environ, tell)
	if err == nil {
		defer c.Close()
		var input io.Reader = strings.NewReader(s.text)
		if s.text == "-" {
			input = stdin
		}
		outcome := ui.Say(c, s.room, input, s.patience)
		err = s.judge(&outcome)
	}
	if err != nil {
		tell(err)
	}
	return statusOf(err)
}

// enter connects and goes into the room. Others are not told of it, if it is an
// operator's; of anybody else they are told as of any newcomer. A name that cannot be
// had is told, and what is to be said is said without.
func (s *saying) enter(ctx context.Context, environ environment, tell func(error)) (*client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	// In no room at first: so nobody has heard of it when it says that nobody is to.
	c, at, err := attach(ctx, doors(environ, s.socket), client.Options{SendOnly: true, Rooms: []client.RoomOptions{}, RetryCap: retryCap})
	if err != nil {
		return nil, err
	}
	if err := s.sit(ctx, c, tell); err != nil {
		_ = c.Close()
		return nil, notSeated(at, err)
	}
	return c, nil
}

func (s *saying) sit(ctx context.Context, c *client.Client, tell func(error)) error {
	if _, err := c.Join(ctx, client.RoomOptions{Room: s.room, History: client.None}); err != nil {
		return err
	}
	if _, err := c.Command(ctx, "", "/unannounced"); err != nil {
		return err
	}
	if s.as == "" || s.as == c.Name() {
		return nil
	}
	err := c.Nick(ctx, s.as)
	var refusal *client.Error
	if errors.As(err, &refusal) {
		tell(fmt.Errorf("%s; it is said by %s", refusal, c.Name()))
		return nil
	}
	return err
}

// judge returns a sentence on what was not said, or is not kept.
func (s *saying) judge(o *ui.Outcome) error {
	switch {
	case o.Silent:
		return &seatError{exitNoAnswer, fmt.Sprintf("the server has not answered for %s; %s perhaps not said",
			s.patience, ui.Count(max(o.Failed, 1), "line is", "lines are"))}
	case o.Failed == 1 && o.Stored == 0:
		return errors.New("not said: " + strings.TrimPrefix(o.First.Error(), "client: "))
	case o.Said() != nil:
		return o.Said()
	case o.Unkept != nil:
		return o.Unkept
	}
	return nil
}
