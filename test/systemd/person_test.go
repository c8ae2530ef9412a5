//go:build systemd

package systemd_test

import (
	"bufio"
	"io"
	"regexp"
	"strings"
	"time"
)

// person is somebody at an nc, or the like, in the machine.
type person struct {
	m     *machine
	name  string // in the chat; empty: a guest
	in    io.WriteCloser
	lines chan string // what comes; closed by the reader at the end
	seen  []string
}

// dial starts nc with these arguments, such as "127.0.0.1 7777" or
// "-U /run/chatd/chatd.sock".
func (m *machine) dial(args string) *person {
	m.t.Helper()
	return m.open("nc " + args)
}

// open starts a program that leads to chatd.
func (m *machine) open(program string) *person {
	m.t.Helper()
	cmd := m.command(m.inside, "exec "+program)
	in, err := cmd.StdinPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	p := &person{m: m, in: in, lines: make(chan string)}
	m.people.Go(func() {
		p.read(out)
		_ = cmd.Wait()
	})
	return p
}

// arrive is dial for somebody with a name, who is in the room when it returns.
func (m *machine) arrive(name, args string) *person {
	m.t.Helper()
	p := m.dial(args)
	p.is(name)
	return p
}

// is takes a name.
func (p *person) is(name string) {
	p.m.t.Helper()
	p.says("/nick " + name)
	p.joins(name)
}

// joins waits until others know that this person has the name.
func (p *person) joins(name string) {
	p.m.t.Helper()
	p.sees(`^\* ` + name + " joined$")
	p.name = name
}

// read passes the lines on to who waits for them, until there are no more or the
// machine ends.
func (p *person) read(r io.Reader) {
	defer close(p.lines)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		select {
		case p.lines <- lines.Text():
		case <-p.m.over:
			return
		}
	}
}

func (p *person) says(line string) {
	p.m.t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.m.t.Fatalf("saying %q: %v; so far there was\n%s", line, err, strings.Join(p.seen, "\n"))
	}
}

// next returns the next line, and false at the end.
func (p *person) next(what string) (string, bool) {
	p.m.t.Helper()
	select {
	case line, ok := <-p.lines:
		if ok {
			p.seen = append(p.seen, line)
		}
		return line, ok
	case <-time.After(patience):
		p.m.t.Fatalf("waiting for %s; so far there was\n%s\nThe journal:\n%s", what, strings.Join(p.seen, "\n"), p.m.journal.tail())
		return "", false
	}
}

// sees reads up to the line that the pattern fits, and returns its groups, or the
// line if it has none.
func (p *person) sees(pattern string) []string {
	p.m.t.Helper()
	re := regexp.MustCompile(pattern)
	for {
		line, ok := p.next(pattern)
		if !ok {
			p.m.t.Fatalf("the connection ends before %q; there was\n%s\nThe journal:\n%s", pattern, strings.Join(p.seen, "\n"), p.m.journal.tail())
		}
		if found := re.FindStringSubmatch(line); len(found) > 1 {
			return found[1:]
		} else if found != nil {
			return found
		}
	}
}

// ends reads up to the end of the connection. It closes what the person types into:
// then nc ends when the server closes, and not before.
func (p *person) ends() {
	p.m.t.Helper()
	p.in.Close()
	for {
		if _, ok := p.next("the end"); !ok {
			return
		}
	}
}

// leaves ends what the person types. The server learns of it if nc was started
// with -N.
func (p *person) leaves() { p.in.Close() }
