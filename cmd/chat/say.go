package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/chatd/chatd/internal/wire"
	"github.com/chatd/chatd/pkg/client"
)

const (
	// sayPatience is how long a line may go without an answer before the program gives
	// up: a server that restarts is back by then.
	sayPatience = time.Minute
	// sayAhead is how many lines may be on the way: as many as the client takes.
	sayAhead = 64
	// textMost is how many bytes a message has if the server does not say.
	textMost = 4096
)

// say says each line of r, and returns when all are stored. The error tells how many
// are not, and why the first is not.
func say(c *client.Client, r io.Reader, stderr io.Writer) error {
	s, _ := c.Server()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	t := tally{ctx: ctx, cancel: cancel, sent: make(chan *client.Sending, sayAhead)}
	var waiting sync.WaitGroup
	waiting.Go(t.wait)
	err := t.read(c, r, limit(s.MaxText))
	close(t.sent)
	waiting.Wait()
	if t.unkept != nil {
		fmt.Fprintln(stderr, "chat: it was said, but is not kept: "+label(t.unkept.Error()))
	}
	switch {
	case t.failed > 0:
		return fmt.Errorf("%s not said, the first because %w", count(t.failed, "line was", "lines were"), t.first)
	case err != nil && !errors.Is(err, context.Canceled):
		return fmt.Errorf("the input could not be read to its end: %w", err)
	}
	return nil
}

// tally is what has become of the lines.
type tally struct {
	ctx    context.Context // ends when there is no use in going on
	cancel context.CancelFunc
	sent   chan *client.Sending // closed by say when all are in it

	// Owned by wait until it returns.
	failed int
	first  error // why the first has failed
	unkept error // why one was said and not stored
}

// read posts every line of r that is not blank.
func (t *tally) read(c *client.Client, r io.Reader, most int) error {
	lines := wire.Lines{Max: most}
	post := func(line []byte) error {
		for _, text := range pieces(string(line), most) {
			s, err := c.Post(t.ctx, client.Draft{Text: text, UntilStored: true})
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

// wait learns of every line what has become of it.
func (t *tally) wait() {
	for s := range t.sent {
		ctx, cancel := context.WithTimeout(t.ctx, sayPatience)
		_, err := s.Stored(ctx)
		cancel()
		switch {
		case err == nil:
		case errors.Is(err, &client.Error{Code: client.NotStored}):
			t.unkept = err
		default:
			if errors.Is(err, context.DeadlineExceeded) {
				err = fmt.Errorf("the server has not answered for %s", sayPatience)
				t.cancel()
			}
			if t.failed++; t.first == nil {
				t.first = err
			}
		}
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

// count is n with a word for one or for many.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
