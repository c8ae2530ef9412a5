package terminal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	tea "charm.land/bubbletea/v2"

	"github.com/chatd/chatd/pkg/client"
)

const (
	// textsAhead is how many texts may be on their way before the next line is done.
	textsAhead = 64
	// lineMost is how long a line may be, in bytes.
	lineMost = 1 << 20
)

// Pipe is Talk without a terminal: each line of in is what a person would type, and what
// a person would see is printed to out, a line each, but for who comes and goes. It
// returns when in has ended and all of it is answered, when a line says /quit, or when
// nobody reads out any more. One command is done after the other; in a Read of in that
// waits then, a goroutine is left.
func Pipe(c *client.Client, o Options, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p := &pipe{model: newModel(ctx, c, o, look{}), out: out, outcomes: make(chan tea.Msg), lines: make(chan input)}
	p.terse = true
	go p.read(in)
	err := p.run()
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// pipe is a model without a screen. It does what Bubble Tea does with one.
type pipe struct {
	*model
	out      io.Writer
	outcomes chan tea.Msg // of what was begun
	lines    chan input

	busy  int    // of what was begun and has no outcome yet; listen is always among it
	next  *input // the line that is to be done, or the end of them
	alone bool   // a command is under way: nothing else is done before its end
	over  bool   // it was said to quit
}

// input is a line, or why there are no more.
type input struct {
	line string
	err  error
}

// read takes the lines of in.
func (p *pipe) read(in io.Reader) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, lineMost)
	for lines.Scan() {
		if !p.hand(input{line: lines.Text()}) {
			return
		}
	}
	err := lines.Err()
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		err = fmt.Errorf("a line of the input has more than %d bytes; what was before it is done", lineMost)
	case err != nil:
		err = fmt.Errorf("the input could not be read to its end: %w", err)
	default:
		err = io.EOF
	}
	p.hand(input{err: err})
}

// hand gives a line to run, unless that has ended.
func (p *pipe) hand(x input) bool {
	select {
	case p.lines <- x:
		return true
	case <-p.ctx.Done():
		return false
	}
}

// run does one thing after the other until the end.
func (p *pipe) run() error {
	p.begin(p.listen)
	for {
		for p.ready() {
			x := p.next
			p.next = nil
			switch {
			case x.err == io.EOF:
				return p.show()
			case x.err != nil:
				return errors.Join(p.show(), x.err)
			}
			p.begin(p.typed(x.line))
		}
		if err := p.show(); err != nil || p.over || p.failed != nil {
			return errors.Join(err, p.failed)
		}
		var lines <-chan input
		if p.next == nil {
			lines = p.lines
		}
		select {
		case msg := <-p.outcomes:
			p.busy--
			p.take(msg)
		case x := <-lines:
			p.next = &x
		}
	}
}

// ready tells whether the next line can be done now: in a room, and a command, as well
// as what follows one, when all else is done.
func (p *pipe) ready() bool {
	idle := p.busy == 1 && len(p.waiting)+len(p.later) == 0
	p.alone = p.alone && !idle
	switch {
	case p.next == nil || p.over || p.failed != nil || p.here == "" && p.next.err == nil:
		return false
	case p.next.err == nil && p.prompt == nil:
		if _, _, command := commandOf(p.next.line); !command {
			return !p.alone && len(p.waiting) < textsAhead
		}
	}
	return idle
}

// typed does what a line means: it is the answer to what was asked, or as a person
// types it.
func (p *pipe) typed(line string) tea.Cmd {
	if q := p.prompt; q != nil {
		p.alone, p.prompt = true, nil
		return q.then(line)
	}
	_, _, p.alone = commandOf(line)
	return p.enter(line)
}

// begin has something be done.
func (p *pipe) begin(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	p.busy++
	go func() {
		msg := cmd()
		select {
		case p.outcomes <- msg:
		case <-p.ctx.Done():
		}
	}()
}

// take does what an outcome means.
func (p *pipe) take(msg tea.Msg) {
	switch msg := msg.(type) {
	case nil:
	case tea.QuitMsg:
		p.over = true
	case tea.BatchMsg:
		for _, cmd := range msg {
			p.begin(cmd)
		}
	default:
		p.begin(p.update(msg))
		if heard, ok := msg.(eventsMsg); ok {
			p.refused(heard.events)
		}
	}
}

// refused ends the pipe if it cannot be in the room it was meant for.
func (p *pipe) refused(events []client.Event) {
	for _, e := range events {
		if e, ok := e.(client.Refused); ok && e.Err.Room != "" && p.here == "" {
			p.model.out, p.failed = nil, e.Err
		}
	}
}

// show prints what is to be seen.
func (p *pipe) show() error {
	for _, x := range p.model.out {
		if _, err := io.WriteString(p.out, x.plain()+"\n"); err != nil {
			return err
		}
	}
	p.model.out = nil
	return nil
}
