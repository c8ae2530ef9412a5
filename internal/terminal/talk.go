package terminal

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"github.com/chatd/chatd/pkg/client"
)

// Talk serves a person at a terminal until one of both has had enough.
//
// Bubble Tea reads the keys, and calls update with one message after the other. The
// printing is the screen's: Bubble Tea's own insertion of lines above the view counts
// on knowing how wide everything is, and on lines that fit on the screen.
func Talk(c *client.Client, o Options, in, out *os.File) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := newScreen(out, os.Getenv)
	m := newModel(ctx, c, o, lookOf(colorprofile.Detect(out, os.Environ())))
	if err := s.open(in); err != nil {
		return err
	}
	defer s.close(in)
	p := tea.NewProgram(&program{model: m, screen: s, in: in},
		tea.WithInput(in), tea.WithOutput(out), tea.WithoutRenderer(), tea.WithFPS(1))
	stop := resizes(p)
	defer stop()
	_, err := p.Run()
	switch {
	case errors.Is(err, tea.ErrInterrupted):
	case err != nil:
		return err
	}
	return m.failed
}

// resizes tells p whenever the terminal has another size, until it is stopped.
func resizes(p *tea.Program) (stop func()) {
	changed, done, ended := make(chan os.Signal, 1), make(chan struct{}), make(chan struct{})
	signal.Notify(changed, syscall.SIGWINCH)
	go func() {
		defer close(ended)
		for {
			select {
			case <-changed:
				p.Send(tea.WindowSizeMsg{})
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(changed)
		close(done)
		<-ended
	}
}

// program is the model on a screen.
type program struct {
	*model
	screen *screen
	in     *os.File

	columns, rows int  // of the terminal, at last
	sizes         int  // how many it had
	unsettled     bool // it may have yet another one at once
}

// settle is how long a size lasts before anything is drawn: who pulls at the corner of a
// window makes many.
const settle = 60 * time.Millisecond

// settledMsg tells that so long ago the size was the one that is counted.
type settledMsg int

// Init, Update and View are what Bubble Tea calls.
func (p *program) Init() tea.Cmd { return p.listen }

func (p *program) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		if msg.Keystroke() == "ctrl+z" {
			p.screen.close(p.in)
			return p, tea.Suspend
		}
	case tea.ResumeMsg:
		if err := p.screen.open(p.in); err != nil {
			p.failed = err
			return p, tea.Quit
		}
	case settledMsg:
		p.unsettled = p.unsettled && int(msg) != p.sizes
	}
	cmd := p.update(msg)
	if settled := p.measure(); settled != nil {
		return p, tea.Batch(cmd, settled)
	}
	if p.unsettled || p.screen.shut {
		return p, cmd
	}
	above, l := p.takeLines(p.columns), p.live(p.columns, p.rows-1)
	if err := p.screen.paint(above, l); err != nil {
		p.failed = err
		return p, tea.Quit
	}
	return p, cmd
}

// measure looks at the size of the terminal, and waits a while when it is another one.
func (p *program) measure() tea.Cmd {
	columns, rows := p.screen.size()
	if columns == p.columns && rows == p.rows {
		return nil
	}
	first := p.sizes == 0
	p.columns, p.rows = columns, rows
	p.sizes++
	if first {
		return nil
	}
	p.screen.resized()
	p.unsettled = true
	n := settledMsg(p.sizes)
	return tea.Tick(settle, func(time.Time) tea.Msg { return n })
}

func (p *program) View() tea.View { return tea.View{} }
