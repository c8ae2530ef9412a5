package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// terminal is a window of tmux in which a program runs. Tmux tells whenever something
// was written to it, so that nobody has to look again and again.
type terminal struct {
	in      io.Writer
	answers chan string   // what a command has printed
	changed chan struct{} // something was written since
}

// tmuxConf is what tmux begins with. With the one who watches, everything ends.
const tmuxConf = `
set -g status off
set -g history-limit 10000
set -g default-terminal tmux-256color
set -g remain-on-exit on
set -g destroy-unattached on
`

// openTerminal runs a command at a terminal that is wide enough for each message to
// stand on one line.
func openTerminal(t *testing.T, command ...string) *terminal {
	t.Helper()
	folder := t.TempDir()
	conf := filepath.Join(folder, "tmux.conf")
	if err := os.WriteFile(conf, []byte(tmuxConf), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, word := range command {
		command[i] = "'" + word + "'"
	}
	tmux := exec.Command("tmux", "-S", filepath.Join(folder, "tmux"), "-f", conf, "-u", "-C", "new-session",
		"-x", "200", "-y", "50", strings.Join(command, " "))
	tmux.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
	in, err := tmux.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := tmux.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tmux.Start(); err != nil {
		t.Fatalf("%v; tools/deps.sh installs it", err)
	}
	x := &terminal{in: in, answers: make(chan string, 1), changed: make(chan struct{}, 1)}
	go x.read(out)
	t.Cleanup(func() {
		fmt.Fprintln(in, "kill-server")
		for range x.answers { // until it has ended
		}
		_ = tmux.Wait()
	})
	if _, err := x.answer(); err != nil { // to new-session
		t.Fatal(err)
	}
	if _, err := x.do("refresh-client -C 200x50"); err != nil {
		t.Fatal(err)
	}
	return x
}

// read takes apart what tmux says in control mode: answers between %begin and %end, and
// notices.
func (x *terminal) read(out io.Reader) {
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
			x.answers <- string(answer)
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

func (x *terminal) answer() (string, error) {
	select {
	case a, ok := <-x.answers:
		if !ok {
			return "", fmt.Errorf("tmux has ended")
		}
		return a, nil
	case <-time.After(patience):
		return "", fmt.Errorf("tmux does not answer")
	}
}

// do has tmux do something, and returns what it says to that.
func (x *terminal) do(command string) (string, error) {
	if _, err := fmt.Fprintln(x.in, command); err != nil {
		return "", err
	}
	return x.answer()
}

// inQuotes has tmux read a text as it is.
var inQuotes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`)

// types types a text and presses Enter.
func (x *terminal) types(text string) error {
	if _, err := x.do(`send-keys -l -- "` + inQuotes.Replace(text) + `"`); err != nil {
		return err
	}
	_, err := x.do("send-keys Enter")
	return err
}

// rows are what is on the screen and in the scrollback.
func (x *terminal) rows() ([]string, error) {
	all, err := x.do("capture-pane -p -S -")
	rows := strings.Split(all, "\n")
	for i, row := range rows {
		rows[i] = strings.TrimRight(row, " ")
	}
	return rows, err
}

// shows waits until each of some texts is on the screen.
func (x *terminal) shows(texts ...string) error {
	late := time.After(patience)
	for {
		rows, err := x.rows()
		if err != nil {
			return err
		}
		all := strings.Join(rows, "\n")
		missing := ""
		for _, text := range texts {
			if !strings.Contains(all, text) {
				missing = text
			}
		}
		if missing == "" {
			return nil
		}
		select {
		case <-x.changed:
		case <-late:
			return fmt.Errorf("%s does not come on the screen:\n%s", missing, all)
		}
	}
}

// buildChat builds the terminal client, and returns its path.
func buildChat(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chat")
	if out, err := exec.Command("go", "build", "-o", path, "../chat").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// usesTerminal has m talk with the terminal client.
func (m *member) usesTerminal(url string) *terminal {
	t := m.party.t
	t.Helper()
	x := openTerminal(t, buildChat(t), "--name", m.name, url)
	if err := x.shows("* room lobby; ", "── lobby · "+m.name+" ·"); err != nil {
		t.Fatal(err)
	}
	m.say = x.types
	m.saw = func(marks ...place) error {
		var texts []string
		for _, mark := range marks {
			// Without the name it could be what is being typed.
			texts = append(texts, m.party.members[mark.sender-1].name+": "+mark.beginning())
		}
		return x.shows(texts...)
	}
	m.look = func() error { return m.lookAtScreen(x) }
	return x
}

// lookAtScreen takes in what was printed above the part in which one types, which
// begins with a line that tells the room.
func (m *member) lookAtScreen(x *terminal) error {
	rows, err := x.rows()
	if err != nil {
		return err
	}
	end := len(rows) - 1
	for end >= 0 && !strings.HasPrefix(rows[end], "── ") {
		end--
	}
	if end < 0 {
		return fmt.Errorf("the screen has no status line:\n%s", strings.Join(rows, "\n"))
	}
	for _, row := range rows[:end] {
		m.line(withoutJoiners.Replace(row))
	}
	return nil
}

// withoutJoiners takes away what joins characters to one picture: tmux loses it now and
// then, when the second one comes later.
var withoutJoiners = strings.NewReplacer("\u200d", "", "\ufe0f", "")
