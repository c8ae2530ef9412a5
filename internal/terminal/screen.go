package terminal

import (
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
)

const (
	// modesOn has the terminal mark what is pasted, and tell when its window has the
	// focus; modesOff ends that.
	modesOn  = "\x1b[?2004h\x1b[?1004h"
	modesOff = "\x1b[?1004l\x1b[?2004l"
	// A terminal that knows it shows what is between these two at once. The others
	// ignore them.
	atOnce, shownNow = "\x1b[?2026h\x1b[?25l", "\x1b[?25h\x1b[?2026l"
	eraseRow         = "\x1b[2K"
	// A row of the live part that meets a terminal that has just become narrower is cut
	// off and not wrapped.
	noWrap, wrapAgain = "\x1b[?7l", "\x1b[?7h"
	eraseBelow        = "\r\x1b[J"
)

// tmuxLate is how long tmux waits at most before it tells the size, and somewhat more.
const tmuxLate = 300 * time.Millisecond

// live is the part below what was said, which is drawn anew whenever something changes.
type live struct {
	rows []string // none wider than the terminal
	row  int      // the cursor is in this one
	head string   // and behind this part of it
}

// screen prints on a terminal, and keeps the live part below what is printed. It never
// leaves the last line of the terminal's main screen, so that all that was printed goes
// into its scrollback.
//
// It relies on no terminal's idea of how wide a character is, but for rows that are
// known to be narrower than the terminal by any measure: the cursor gets where it
// belongs by printing what is before it.
type screen struct {
	out    *os.File
	reflow bool          // the terminal breaks lines anew when it becomes narrower
	late   time.Duration // after it has done so, it may take so long until it says so

	// Set by open.
	cooked *term.State

	shut    bool // nothing is drawn
	drawn   live
	columns int       // that there were then
	at      time.Time // when it was drawn
}

func newScreen(out *os.File, getenv func(string) string) *screen {
	// xterm, GNU screen and the console of Linux cut lines off instead.
	stiff := getenv("XTERM_VERSION") != "" || getenv("STY") != "" || getenv("TERM") == "linux"
	s := &screen{out: out, reflow: !stiff, shut: true}
	if getenv("TMUX") != "" {
		s.late = tmuxLate
	}
	return s
}

// size is how many columns and rows there are. The last column stays empty: some
// terminals go to the next line when something is in it, some do not.
func (s *screen) size() (columns, rows int) {
	w, h, err := term.GetSize(s.out.Fd())
	if err != nil || w < 1 || h < 1 {
		w, h = 80, 24
	}
	return max(w-1, 8), h
}

// open takes the terminal, close gives it back as it was, without the live part.
func (s *screen) open(in *os.File) (err error) {
	if s.cooked, err = term.MakeRaw(in.Fd()); err != nil {
		return err
	}
	s.shut, s.drawn = false, live{}
	_, err = io.WriteString(s.out, modesOn)
	return err
}

func (s *screen) close(in *os.File) {
	if s.shut {
		return
	}
	s.shut = true
	columns, _ := s.size()
	_, _ = io.WriteString(s.out, s.erase(columns)+modesOff)
	s.drawn = live{}
	_ = term.Restore(in.Fd(), s.cooked)
}

// erase takes the live part away, and leaves the cursor where it began. It may have
// become more rows since it was drawn. If that is not certain it counts as few as it can:
// better a row is left over than one is lost that was said. Row by row: what is erased from the screen's first
// place on is a clear screen for tmux, which keeps it in its history.
func (s *screen) erase(columns int) string {
	above, below := s.drawn.row, len(s.drawn.rows)-1-s.drawn.row
	if s.reflow && len(s.drawn.rows) > 0 && columns < s.columns {
		above = extra(s.drawn.head, columns)
		for _, row := range s.drawn.rows[:s.drawn.row] {
			above += 1 + extra(row, columns)
		}
		below = extra(s.drawn.rows[s.drawn.row], columns) - extra(s.drawn.head, columns)
		for _, row := range s.drawn.rows[s.drawn.row+1:] {
			below += 1 + extra(row, columns)
		}
	}
	var b strings.Builder
	b.WriteString(move(above, 'A'))
	for range above + below {
		b.WriteString(eraseRow + move(1, 'B'))
	}
	b.WriteString(eraseBelow + move(above+below, 'A'))
	return b.String()
}

// extra is how many rows more than one something takes that is printed.
func extra(row string, columns int) int {
	return max(width(ansi.Strip(row))-1, 0) / (columns + 1)
}

// resized notes that the terminal has another size, before anything is drawn there.
func (s *screen) resized() {
	if time.Since(s.at) < s.late {
		s.columns = 0 // it may have been drawn there already
	}
}

// move goes n rows up (A) or down (B).
func move(n int, way byte) string {
	if n <= 0 {
		return ""
	}
	return "\x1b[" + strconv.Itoa(n) + string(way)
}

// paint prints rows above the live part, and draws that.
func (s *screen) paint(above []string, l live) error {
	if s.shut {
		return nil
	}
	columns, _ := s.size()
	if len(above) == 0 && columns == s.columns && reflect.DeepEqual(l, s.drawn) {
		return nil
	}
	var b strings.Builder
	b.WriteString(atOnce)
	b.WriteString(s.erase(columns))
	for _, row := range above {
		b.WriteString(row)
		b.WriteString("\r\n")
	}
	b.WriteString(noWrap + strings.Join(l.rows, "\r\n"))
	b.WriteString(move(len(l.rows)-1-l.row, 'A') + "\r" + l.head)
	b.WriteString(wrapAgain + shownNow)
	s.drawn, s.columns, s.at = l, columns, time.Now()
	_, err := io.WriteString(s.out, b.String())
	return err
}
