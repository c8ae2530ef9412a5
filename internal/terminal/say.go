package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/chatd/chatd/internal/wire"
	"github.com/chatd/chatd/pkg/client"
)

const (
	// sayAhead is how many lines may be on the way: as many as the client takes.
	sayAhead = 64
	// textMost is how many bytes a message has if the server does not say.
	textMost = 4096
)

// Outcome is what has become of the lines of an input.
type Outcome struct {
	Stored int   // messages
	Failed int   // messages that are not, or perhaps not, said
	First  error // why the first of those is not
	Silent bool  // the server has not answered for as long as was waited
	Unkept error // why one was said that is not kept; nil: there is none
	Input  error // why the input was not read to its end; nil: it was
}

// Said returns nil if every line of the input was said, or a sentence on what was not.
func (o *Outcome) Said() error {
	switch {
	case o.Failed > 0:
		return fmt.Errorf("%s not said, the first because %w", Count(o.Failed, "line was", "lines were"), o.First)
	case o.Input != nil:
		return fmt.Errorf("the input could not be read to its end: %w", o.Input)
	}
	return nil
}

// Say says each line of r in a room, or in the one that was joined first if that is
// empty, and returns when all are stored. It gives up when the server has not answered
// for as long as patience says; a Read of r that waits then is left to itself.
func Say(c *client.Client, room string, r io.Reader, patience time.Duration) Outcome {
	s, _ := c.Server()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	t := tally{ctx: ctx, cancel: cancel, patience: patience, room: room, sent: make(chan *client.Sending, sayAhead)}
	input := make(chan error, 1)
	go func() {
		input <- t.read(c, r, limit(s.MaxText))
		close(t.sent)
	}()
	t.wait()
	select {
	case t.Input = <-input:
		if errors.Is(t.Input, context.Canceled) {
			t.Input = nil
		}
	default: // it gave up, and a read that waits is left alone
	}
	return t.Outcome
}

// tally is what has become of the lines.
type tally struct {
	ctx      context.Context // ends when there is no use in going on
	cancel   context.CancelFunc
	patience time.Duration
	room     string
	sent     chan *client.Sending // closed by Say when all are in it

	Outcome // owned by wait until it returns
}

// read posts every line of r that is not blank.
func (t *tally) read(c *client.Client, r io.Reader, most int) error {
	lines := wire.Lines{Max: most}
	post := func(line []byte) error {
		for _, text := range pieces(string(line), most) {
			s, err := c.Post(t.ctx, client.Draft{Room: t.room, Text: text, UntilStored: true})
			if err != nil {
				return err
			}
			select {
			case t.sent <- s:
			case <-t.ctx.Done():
				return t.ctx.Err()
			}
		}
		return nil
	}
	chunk := make([]byte, 32<<10)
	for {
		n, err := r.Read(chunk)
		rest := chunk[:n]
		for {
			line, more, ok := lines.Next(rest)
			if !ok {
				break
			}
			rest = more
			if err := post(line); err != nil {
				return err
			}
		}
		if err != nil {
			if line, ok := lines.Flush(); ok {
				if err := post(line); err != nil {
					return err
				}
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// wait learns of every line what has become of it, until there are no more or the server
// is silent.
func (t *tally) wait() {
	for {
		select {
		case s, more := <-t.sent:
			if !more {
				return
			}
			t.settle(s)
		case <-t.ctx.Done():
			for { // what was posted meanwhile counts too
				select {
				case s, more := <-t.sent:
					if !more {
						return
					}
					t.settle(s)
				default:
					return
				}
			}
		}
	}
}

// settle waits until it is known what has become of a line.
func (t *tally) settle(s *client.Sending) {
	ctx, cancel := context.WithTimeout(t.ctx, t.patience)
	defer cancel()
	_, err := s.Stored(ctx)
	switch {
	case err == nil:
		t.Stored++
		return
	case errors.Is(err, &client.Error{Code: client.NotStored}):
		t.Unkept = err
		return
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("the server has not answered for %s", t.patience)
		t.Silent = true
		t.cancel()
	}
	if t.Failed++; t.First == nil {
		t.First = err
	}
}

// pieces cuts a text into messages that a server takes, between characters. One has at
// most so many bytes, and in JSON twice as many. A blank text is none.
func pieces(text string, most int) (all []string) {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	begin, plain, escaped := 0, 0, 0
	for i, r := range text {
		n := utf8.RuneLen(r)
		if r == utf8.RuneError {
			n = len(string(utf8.RuneError)) // what is no UTF-8 becomes that
		}
		e := escapedLen(r, n)
		if plain+n > most || escaped+e > 2*most {
			all = append(all, text[begin:i])
			begin, plain, escaped = i, 0, 0
		}
		plain, escaped = plain+n, escaped+e
	}
	return append(all, text[begin:])
}

// escapedLen is how many bytes a character of n bytes has in JSON, at most.
func escapedLen(r rune, n int) int {
	switch {
	case r == '"' || r == '\\':
		return 2
	case r < ' ' || r == 0x7f || r == '<' || r == '>' || r == '&' || r == '\u2028' || r == '\u2029':
		return 6
	}
	return n
}

// limit is how many bytes a message may have.
func limit(told int) int {
	if told <= 0 {
		return textMost
	}
	return told
}

// Count is n with a word for one or for many.
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
