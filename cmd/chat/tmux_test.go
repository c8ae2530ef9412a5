package main

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

// terminal is a window of tmux in which the program runs. Tmux tells whenever something
// was written to it, so that nobody has to look again and again.
type terminal struct {
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

// open runs the program at a terminal of a size. Setting is added to its environment,
// as NAME=VALUE.
func open(t *testing.T, columns, rows int, setting string, args ...string) *terminal {
	t.Helper()
	return openIn(t, columns, rows, "%s; echo It exits with $?; cat", setting, args...)
}

// openIn is open with a script for the shell, in which %s is the program.
func openIn(t *testing.T, columns, rows int, script, setting string, args ...string) *terminal {
	t.Helper()
	term := "tmux-256color"
	if s, ok := strings.CutPrefix(setting, "TERM="); ok {
		term = s
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	conf := t.TempDir() + "/tmux.conf"
	if err := os.WriteFile(conf, fmt.Appendf(nil, tmuxConf, term), 0o600); err != nil {
		t.Fatal(err)
	}
	command := []string{"env", "-u", "NO_COLOR", "-u", "COLORTERM", "BE=chat", "TZ=UTC", setting, self}
	for i, arg := range args {
		args[i] = "'" + arg + "'"
	}
	x := &terminal{t: t, answers: make(chan []byte, 1), changed: make(chan struct{}, 1)}
	x.tmux = exec.Command("tmux", "-S", t.TempDir()+"/tmux", "-f", conf, "-u", "-C", "new-session",
		"-x", fmt.Sprint(columns), "-y", fmt.Sprint(rows),
		fmt.Sprintf(script, strings.Join(append(command, args...), " ")))
	x.tmux.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	if x.in, err = x.tmux.StdinPipe(); err != nil {
		t.Fatal(err)
	}
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
	x.resize(columns, rows)
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
func (x *terminal) read(out io.Reader, ended chan<- struct{}) {
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

func (x *terminal) answer() string {
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

// do has tmux do something.
func (x *terminal) do(format string, args ...any) string {
	x.t.Helper()
	fmt.Fprintf(x.in, format+"\n", args...)
	return x.answer()
}

// quote is s as tmux reads it.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "\n", `\n`).Replace(s) + `"`
}

// resize gives the terminal another size.
func (x *terminal) resize(columns, rows int) {
	x.t.Helper()
	x.do("refresh-client -C %dx%d", columns, rows)
}

// types types a text, and presses the keys after it.
func (x *terminal) types(text string, keys ...string) {
	x.t.Helper()
	if text != "" {
		x.do("send-keys -l -- %s", quote(text))
	}
	for _, key := range keys {
		x.do("send-keys %s", key)
	}
}

// pastes pastes a text as a terminal does.
func (x *terminal) pastes(text string) {
	x.t.Helper()
	x.do("set-buffer -- %s", quote(text))
	x.do("paste-buffer -p")
}

// focus tells the program that its window has the focus, or has not.
func (x *terminal) focus(has bool) {
	x.t.Helper()
	x.do("send-keys -H 1b 5b %x", map[bool]string{true: "I", false: "O"}[has])
}

// all is everything on the screen and in the scrollback.
func (x *terminal) all() string {
	x.t.Helper()
	lines := strings.Split(x.do("capture-pane -p -S -"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

// await waits until the screen is right, and returns it.
func (x *terminal) await(what string, right func(all string) bool) string {
	x.t.Helper()
	late := time.After(patience)
	for {
		all := x.all()
		if right(all) {
			return all
		}
		select {
		case <-x.changed:
		case <-late:
			x.t.Fatalf("%s did not come on the screen:\n%s", what, x.all())
		}
	}
}

// shows waits until all of some texts are on the screen.
func (x *terminal) shows(texts ...string) string {
	x.t.Helper()
	return x.await(strings.Join(texts, " and "), func(all string) bool {
		for _, text := range texts {
			if !strings.Contains(all, text) {
				return false
			}
		}
		return true
	})
}

// drawn is shows for a screen that is drawn to its end, the line that is typed.
func (x *terminal) drawn(texts ...string) string {
	x.t.Helper()
	return x.await(strings.Join(texts, " and "), func(all string) bool {
		for _, text := range texts {
			if !strings.Contains(all, text) {
				return false
			}
		}
		lines := strings.Split(all, "\n")
		return strings.HasPrefix(lines[len(lines)-2], ">")
	})
}

// without waits until a text is on the screen no more.
func (x *terminal) without(text string) string {
	x.t.Helper()
	return x.await("the end of "+text, func(all string) bool { return !strings.Contains(all, text) })
}

var clock = regexp.MustCompile(`\b\d\d:\d\d\b`)

// timeless is a screen without what is different each time.
func timeless(screen string) string { return clock.ReplaceAllString(screen, "00:00") }
