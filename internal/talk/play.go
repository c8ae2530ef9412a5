package talk

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Stage is where a script is played.
type Stage struct {
	// Dial connects. What open does with the connection is on its way before the
	// server can know of it.
	Dial func(open func(Conn) error) (Conn, error)
	// Client returns what one person uses. Default: Plain.
	Client func() Client
	// Patience is how long a line is waited for. Default 30 s, which only a
	// failure takes.
	Patience time.Duration
	// Softly says that a reset arrives as an end of the stream, as on Unix sockets.
	Softly bool
}

// Play plays the script. An error names the step that failed and holds all that
// was typed and seen until then. When it returns, all connections are closed.
func (st Stage) Play(s *Script) error {
	if st.Client == nil {
		st.Client = Plain
	}
	if st.Patience == 0 {
		st.Patience = 30 * time.Second
	}
	p := &play{Stage: st, script: s, people: make(map[string]*person)}
	defer p.close()
	for steps := s.steps; len(steps) > 0; {
		n, err := p.step(steps)
		if err != nil {
			return p.failure(fmt.Sprintf("%s:%d: %s", s.Name, steps[0].line, steps[0].source), err)
		}
		steps = steps[n:]
	}
	if err := p.end(); err != nil {
		return p.failure(s.Name+": after the last line", err)
	}
	return nil
}

// play is a script being played.
type play struct {
	Stage
	script     *Script
	people     map[string]*person
	last       *person // who did something last
	barriers   int
	transcript []string
}

func (p *play) failure(where string, err error) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\t%v\n", where, err)
	for _, line := range p.transcript {
		fmt.Fprintf(&b, "\t\t%s\n", line)
	}
	for _, name := range slices.Sorted(maps.Keys(p.people)) {
		who := p.people[name]
		for _, line := range who.queue {
			fmt.Fprintf(&b, "\t\t%s has seen and was not asked: %s\n", name, line)
		}
	}
	return errors.New(strings.TrimRight(b.String(), "\n"))
}

func (p *play) note(format string, args ...any) {
	p.transcript = append(p.transcript, fmt.Sprintf(format, args...))
}

// step takes the first of the steps, or several that belong together, and
// returns how many.
func (p *play) step(steps []step) (n int, err error) {
	st := steps[0]
	who := p.people[st.who]
	if st.do == connect && st.text == "nogreet" {
		return p.connectWith(steps)
	}
	if st.do == connect || who == nil {
		if who != nil && st.do == connect && !who.ended {
			return 0, fmt.Errorf("%s is connected", st.who)
		}
		if err := p.turn(nil); err != nil {
			return 0, err
		}
		if who, err = p.greeted(st.who); err != nil {
			return 0, err
		}
	}
	switch st.do {
	case connect:
		return 1, nil
	case see, seeLike:
		return 1, p.see(who, st)
	case seeEnd:
		return 1, p.seeEnd(who)
	case reset:
		if err := p.turn(nil); err != nil { // what who has typed should count
			return 0, err
		}
		return 1, p.reset(who)
	}
	if who.ended && st.do == halfClose {
		return 1, nil // it has ended anyway
	}
	if who.half || who.ended {
		return 0, fmt.Errorf("%s cannot type any more", who.name)
	}
	if err := p.turn(who); err != nil {
		return 0, err
	}
	return 1, p.act(who, who.conn, st)
}

// turn hears out who did something last, if that is not who, so that it has been
// done before who does something.
func (p *play) turn(who *person) error {
	last := p.last
	p.last = who
	if last == nil || last == who || !last.dirty {
		return nil
	}
	return p.barrier(last)
}

// act sends what a step says.
func (p *play) act(who *person, c Conn, st step) error {
	who.mu.Lock()
	defer who.mu.Unlock()
	var out []byte
	switch st.do {
	case typeLine:
		p.note("%s> %s", who.name, st.text)
		out = who.client.Line(st.text)
		who.dirty, who.part = true, false
	case typePart:
		p.note("%s>- %s", who.name, st.text)
		out = who.client.Text(st.text)
		who.dirty, who.part = true, true
	case interrupt:
		p.note("%s^", who.name)
		out = who.client.Interrupt()
		who.dirty = true
	case halfClose:
		p.note("%s.", who.name)
		who.dirty, who.half = true, true
		return c.CloseWrite()
	}
	_, err := c.Write(out)
	return err
}

// connectWith connects with the steps of the same person that follow at once.
func (p *play) connectWith(steps []step) (n int, err error) {
	if err := p.turn(nil); err != nil {
		return 0, err
	}
	first := steps[0]
	if old := p.people[first.who]; old != nil && !old.ended {
		return 0, fmt.Errorf("%s is connected", first.who)
	}
	n = 1
	for n < len(steps) && steps[n].who == first.who && slices.Contains([]action{typeLine, typePart, halfClose}, steps[n].do) {
		n++
	}
	who, err := p.dial(first.who, func(who *person, c Conn) error {
		for _, st := range steps[1:n] {
			if err := p.act(who, c, st); err != nil {
				return err
			}
		}
		return nil
	})
	p.last = who
	return n, err
}

// greeting is how many lines a greeting has.
const greeting = 4

// greeted connects and reads the greeting.
func (p *play) greeted(name string) (*person, error) {
	who, err := p.dial(name, func(*person, Conn) error { return nil })
	if err != nil {
		return nil, err
	}
	for range greeting {
		line, err := p.next(who)
		if err != nil {
			return nil, fmt.Errorf("the greeting: %w", err)
		}
		if !strings.HasPrefix(line, "* ") {
			return nil, fmt.Errorf("%s has seen %q in the greeting", name, line)
		}
	}
	who.dirty = true // the server may have more to do than what was read
	p.last = who
	return who, nil
}

func (p *play) dial(name string, open func(*person, Conn) error) (*person, error) {
	p.note("%s+", name)
	if old := p.people[name]; old != nil {
		old.close()
	}
	who := &person{
		name: name, client: p.Client(),
		lines: make(chan string, 1024),
		done:  make(chan struct{}),
	}
	var err error
	who.conn, err = p.Dial(func(c Conn) error {
		if hello := who.client.Hello(); len(hello) > 0 {
			if _, err := c.Write(hello); err != nil {
				return err
			}
		}
		return open(who, c)
	})
	if err != nil {
		return nil, fmt.Errorf("%s connects: %w", name, err)
	}
	p.people[name] = who
	who.read.Go(who.reader)
	return who, nil
}

// errEnd is the end of the stream as it should be.
var errEnd = errors.New("the connection has ended")

// next is the next line that comes in.
func (p *play) next(who *person) (string, error) {
	t := time.NewTimer(p.Patience)
	defer t.Stop()
	select {
	case line, ok := <-who.lines:
		if !ok {
			who.ended = true
			if errors.Is(who.err, io.EOF) {
				return "", errEnd
			}
			return "", fmt.Errorf("%s's connection failed: %w", who.name, who.err)
		}
		p.note("%s< %s", who.name, line)
		line = stamp.ReplaceAllString(line, "00:00 ")
		return line, fault(line)
	case <-t.C:
		return "", fmt.Errorf("%s has waited %v for a line", who.name, p.Patience)
	}
}

var stamp = regexp.MustCompile(`^\d\d:\d\d `)

// fault tells what no line may hold.
func fault(line string) error {
	if !utf8.ValidString(line) {
		return fmt.Errorf("the line %q is not UTF-8", line)
	}
	for _, r := range line {
		if unicode.IsControl(r) && r != '\t' || r == '\u2028' || r == '\u2029' {
			return fmt.Errorf("the line %q holds %U", line, r)
		}
	}
	return nil
}

// pull is the next line that was not asked for yet.
func (p *play) pull(who *person) (string, error) {
	if len(who.queue) > 0 {
		line := who.queue[0]
		who.queue = who.queue[1:]
		return line, nil
	}
	return p.next(who)
}

// see wants what a step says to be the next line, or, if that is a notice of
// who came or went, to be among those passed over or to come.
func (p *play) see(who *person, st step) error {
	expected := parseNotice(st.text)
	isNotice := st.do == see && len(expected) == 1
	if isNotice && p.Softly && strings.HasPrefix(expected[0].verb, "is gone") {
		expected[0].verb = "left"
	}
	if isNotice && who.knows(expected[0]) {
		return nil
	}
	var between []string
	defer func() { who.queue = append(between, who.queue...) }()
	for {
		line, err := p.pull(who)
		if err != nil {
			return err
		}
		facts := parseNotice(line)
		switch {
		case st.do == see && line == st.text, st.do == seeLike && st.pattern.MatchString(line):
			return nil
		case facts != nil:
			who.passed = append(who.passed, facts...)
			if isNotice && who.knows(expected[0]) {
				return nil
			}
		case newDay.MatchString(line), newName.MatchString(line):
		case isNotice:
			between = append(between, line)
		default:
			return fmt.Errorf("%s has seen %q", who.name, line)
		}
	}
}

// seeEnd wants the stream to end, and who to see nothing more before.
func (p *play) seeEnd(who *person) error {
	for {
		line, err := p.pull(who)
		if err == errEnd {
			return nil
		}
		if err != nil {
			return err
		}
		if !skippable(line) {
			return fmt.Errorf("%s has seen %q", who.name, line)
		}
	}
}

// barrier returns when the server has taken all that who has typed.
func (p *play) barrier(who *person) error {
	who.dirty = false
	if who.ended || who.part && !who.half {
		return nil
	}
	p.barriers++
	word := fmt.Sprintf("/is-all-seen-%d", p.barriers)
	if !who.half {
		who.mu.Lock()
		_, err := who.conn.Write(who.client.Line(word))
		who.mu.Unlock()
		if err != nil {
			word = "" // the server has ended the stream: its end is the answer
		}
	}
	for {
		line, err := p.next(who)
		if err == errEnd {
			return nil
		}
		if err != nil {
			return err
		}
		if word != "" && strings.HasPrefix(line, "* ") && strings.Contains(line, word) {
			return nil
		}
		who.queue = append(who.queue, line)
	}
}

func (p *play) reset(who *person) error {
	p.note("%s!", who.name)
	who.ended = true
	switch c := who.conn.(type) {
	case interface{ Reset() error }:
		return c.Reset()
	case interface{ Abort() }:
		c.Abort()
		return nil
	case interface{ SetLinger(int) error }:
		if err := c.SetLinger(0); err != nil {
			return err
		}
	}
	return who.conn.Close()
}

// end wants those still connected to have seen nothing more than was expected.
func (p *play) end() error {
	var there []*person
	for _, name := range slices.Sorted(maps.Keys(p.people)) {
		who := p.people[name]
		// Private lines come before the barrier's answer, what the room hears
		// before the last words of somebody new.
		if err := p.barrier(who); err != nil {
			return err
		}
		if !who.ended {
			there = append(there, who)
			continue
		}
		if i := slices.IndexFunc(who.queue, func(line string) bool { return !skippable(line) }); i >= 0 {
			return fmt.Errorf("%s has also seen %q", name, who.queue[i])
		}
	}
	if len(there) == 0 {
		return nil
	}
	last := "the end of " + p.script.Name
	if _, err := p.dial("stranger", func(who *person, c Conn) error {
		_, err := c.Write(who.client.Line(last))
		return err
	}); err != nil {
		return err
	}
	for _, who := range there {
		for {
			line, err := p.pull(who)
			if err != nil {
				return fmt.Errorf("%s waits for the end: %w", who.name, err)
			}
			if strings.HasSuffix(line, ": "+last) {
				break
			}
			if !skippable(line) {
				return fmt.Errorf("%s has also seen %q", who.name, line)
			}
		}
	}
	return nil
}

func (p *play) close() {
	for _, who := range p.people {
		who.close()
	}
}
