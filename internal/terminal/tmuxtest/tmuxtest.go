// Package tmuxtest runs a program at a terminal of its own, in a window of tmux, and looks
// at what is on the screen. It is for tests.
package tmuxtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Terminal is a window of tmux in which the program runs. Tmux tells whenever something
// was written to it, so that nobody has to look again and again.
type Terminal struct {
	t       *testing.T
	tmux    *exec.Cmd
	in      io.WriteCloser
	answers chan []byte   // what a command has printed
	changed chan struct{} // something was written since
}

// tmuxConf is what tmux begins with: a terminal as people have it, that ends with the test.
const tmuxConf = `
set -g status off
set -g destroy-unattached on
set -g focus-events on
set -g history-limit 10000
set -g default-terminal %s
`

// patience is how long a screen is waited for. Only a failure takes it.
const patience = 30 * time.Second

// Open runs a command line of the shell at a terminal of a size, whose kind is term. The
// window is there until the command line or the test has ended.
func Open(t *testing.T, columns, rows int, term, command string) *Terminal {
	t.Helper()
	conf := t.TempDir() + "/tmux.conf"
	if err := os.WriteFile(conf, fmt.Appendf(nil, tmuxConf, term), 0o600); err != nil {
		t.Fatal(err)
	}
	x := &Terminal{t: t, answers: make(chan []byte, 1), changed: make(chan struct{}, 1)}
	x.tmux = exec.Command("tmux", "-S", t.TempDir()+"/tmux", "-f", conf, "-u", "-C", "new-session",
		"-x", fmt.Sprint(columns), "-y", fmt.Sprint(rows), command)
	x.tmux.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	in, err := x.tmux.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	x.in = in
	out, err := x.tmux.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := x.tmux.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go x.read(out, ended)
	x.answer() // to new-session
	x.Resize(columns, rows)
	t.Cleanup(func() {
		fmt.Fprintln(x.in, "kill-server")
		for range x.answers { // until it has ended
		}
		<-ended
		_ = x.tmux.Wait()
	})
	return x
}

// read takes apart what tmux says in control mode: answers between %begin and %end, and
// notices.
func (x *Terminal) read(out io.Reader, ended chan<- struct{}) {
	defer close(ended)
	defer close(x.answers)
	lines := bufio.NewReader(out)
	var answer []byte
	within := false
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		switch {
		case bytes.HasPrefix(line, []byte("%begin ")):
			answer, within = nil, true
		case bytes.HasPrefix(line, []byte("%end ")), bytes.HasPrefix(line, []byte("%error ")):
			within = false
			x.answers <- answer
		case within:
			answer = append(answer, line...)
		case bytes.HasPrefix(line, []byte("%output ")):
			select {
			case x.changed <- struct{}{}:
			default:
			}
		}
	}
}

func (x *Terminal) answer() string {
	x.t.Helper()
	select {
	case a, ok := <-x.answers:
		if !ok {
			x.t.Fatal("tmux has ended")
		}
		return string(a)
	case <-time.After(patience):
		x.t.Fatal("tmux does not answer")
	}
	return ""
}

// Do has tmux do something.
func (x *Terminal) Do(format string, args ...any) string {
	x.t.Helper()
	fmt.Fprintf(x.in, format+"\n", args...)
	return x.answer()
}

// Quote is an argument of a command line of the shell.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// quote is s as tmux reads it.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "\n", `\n`).Replace(s) + `"`
}

// Resize gives the terminal another size.
func (x *Terminal) Resize(columns, rows int) {
	x.t.Helper()
	x.Do("refresh-client -C %dx%d", columns, rows)
}

// Types types a text, and presses the keys after it.
func (x *Terminal) Types(text string, keys ...string) {
	x.t.Helper()
	if text != "" {
		x.Do("send-keys -l -- %s", quote(text))
	}
	for _, key := range keys {
		x.Do("send-keys %s", key)
	}
}

// Pastes pastes a text as a terminal does.
func (x *Terminal) Pastes(text string) {
	x.t.Helper()
	x.Do("set-buffer -- %s", quote(text))
	x.Do("paste-buffer -p")
}

// Focus tells the program that its window has the focus, or has not.
func (x *Terminal) Focus(has bool) {
	x.t.Helper()
	x.Do("send-keys -H 1b 5b %x", map[bool]string{true: "I", false: "O"}[has])
}

// All is everything on the screen and in the scrollback.
func (x *Terminal) All() string {
	x.t.Helper()
	lines := strings.Split(x.Do("capture-pane -p -S -"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

// Await waits until the screen is right, and returns it.
func (x *Terminal) Await(what string, right func(all string) bool) string {
	x.t.Helper()
	late := time.After(patience)
	for {
		all := x.All()
		if right(all) {
			return all
		}
		select {
		case <-x.changed:
		case <-late:
			x.t.Fatalf("%s did not come on the screen:\n%s", what, x.All())
		}
	}
}

// Shows waits until all of some texts are on the screen.
func (x *Terminal) Shows(texts ...string) string {
	x.t.Helper()
	return x.Await(strings.Join(texts, " and "), func(all string) bool {
		for _, text := range texts {
			if !strings.Contains(all, text) {
				return false
			}
		}
		return true
	})
}

// Drawn is Shows for a screen that is drawn to its end: the line that is typed, behind a
// prompt that ends with >.
func (x *Terminal) Drawn(texts ...string) string {
	x.t.Helper()
	return x.Await(strings.Join(texts, " and "), func(all string) bool {
		for _, text := range texts {
			if !strings.Contains(all, text) {
				return false
			}
		}
		lines := strings.Split(all, "\n")
		prompt, _, _ := strings.Cut(lines[len(lines)-2], " ")
		return strings.HasSuffix(prompt, ">")
	})
}

// Without waits until a text is on the screen no more.
func (x *Terminal) Without(text string) string {
	x.t.Helper()
	return x.Await("the end of "+text, func(all string) bool { return !strings.Contains(all, text) })
}

// Clock is the time at the beginning of a line.
var Clock = regexp.MustCompile(`\b\d\d:\d\d\b`)

// Timeless is a screen without what is different each time.
func Timeless(screen string) string { return Clock.ReplaceAllString(screen, "00:00") }
