//go:build qt

package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/chatd/chatd/internal/fortune"
)

// qtProgram builds a program of testdata/qt with the Qt that is installed, and
// returns its path.
func qtProgram(t *testing.T, name string, modules ...string) string {
	t.Helper()
	flags, err := exec.Command("pkg-config", append([]string{"--cflags", "--libs"}, modules...)...).Output()
	if err != nil {
		t.Fatalf("Qt is missing (%v); make test-qt installs it", err)
	}
	program := filepath.Join(t.TempDir(), name)
	words := append([]string{"-O1", "-fPIC", "-Wall", "-Wextra", "-o", program, "testdata/qt/" + name + ".cpp"}, strings.Fields(string(flags))...)
	if out, err := exec.Command("g++", words...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%s cannot be built: %v\n%s", name, err, out)
	}
	return program
}

// Each way that Qt's examples read a fortune works with the format that is for it,
// over each kind of socket that there is an example for.
func TestQtFortuneClients(t *testing.T) {
	t.Parallel()
	client, folder := qtProgram(t, "fortune", "Qt6Network"), t.TempDir()
	all := []string{
		"one", "千里之行，始于足下。", "𠮷 🙂 e\u0301", "roses\nare red\n\t-- somebody",
		strings.Repeat("很长的一句话。", fortune.MaxLength/21-1),
	}
	var listeners []string
	for _, format := range []string{"qt", "qt4", "qtlocal"} {
		listeners = append(listeners, "unix://"+folder+"/"+format+"?serve=fortune&format="+format)
	}
	p := start(t, environment{
		"CHATD_LISTEN":       strings.Join(listeners, ",") + ",tcp://127.0.0.1:0?serve=fortune&format=qt,tcp://127.0.0.1:0?serve=fortune&format=qt4",
		"CHATD_FORTUNE_FILE": fortuneFile(t, all...),
	})
	tcp, tcp4 := p.port(), p.port()
	for _, c := range []struct{ style, where string }{
		{"transaction", tcp},
		{"transaction", folder + "/qt"},
		{"block16", tcp4},
		{"block16", folder + "/qt4"},
		{"block32", folder + "/qtlocal"},
	} {
		run := exec.CommandContext(t.Context(), client, c.style, c.where, "40")
		run.Stderr = os.Stderr
		out, err := run.Output()
		told := strings.Split(strings.TrimSuffix(string(out), "\n%\n"), "\n%\n")
		if err != nil || len(told) != 40 {
			t.Errorf("the client of style %s gets %d fortunes from %s, %v", c.style, len(told), c.where, err)
		}
		for _, one := range told {
			if !slices.Contains(all, one) {
				t.Errorf("the client of style %s shows %.80q", c.style, one)
			}
		}
	}
	p.stop()
}

// visitor is somebody at the window of the Qt tutorial's client.
type visitor struct {
	t      *testing.T
	cmd    *exec.Cmd
	keys   io.WriteCloser
	window *transcript

	complaints bytes.Buffer // may be read after the end
}

func visit(t *testing.T, client, port, name string) *visitor {
	t.Helper()
	v := &visitor{t: t, cmd: exec.CommandContext(t.Context(), client, port, name)}
	v.cmd.Env = append(os.Environ(), "QT_QPA_PLATFORM=offscreen")
	v.cmd.Stderr = &v.complaints
	var err error
	if v.keys, err = v.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	v.window = listenTo(t, out)
	return v
}

func (v *visitor) types(text string) {
	v.t.Helper()
	if _, err := io.WriteString(v.keys, text+"\n"); err != nil {
		v.t.Fatal(err)
	}
}

// sees waits for an item of the list that is text.
func (v *visitor) sees(text string) {
	v.t.Helper()
	v.window.until(v.t, "^"+regexp.QuoteMeta(text)+"$")
}

// leaves closes the window.
func (v *visitor) leaves() {
	v.t.Helper()
	v.keys.Close()
	v.ends()
}

// ends waits for the end of the client.
func (v *visitor) ends() {
	v.t.Helper()
	v.window.wait()
	if err := v.cmd.Wait(); err != nil {
		v.t.Errorf("the client ends with %v: %s", err, v.complaints.String())
	}
}

// Clients of the Qt tutorial talk with each other through a raw listener.
func TestQtTutorialClients(t *testing.T) {
	t.Parallel()
	client := qtProgram(t, "tutorial", "Qt6Widgets", "Qt6Network")
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0?serve=raw"})
	port := p.port()
	ana := visit(t, client, port, "小安")
	ana.sees("小安:进入聊天室")
	bob := visit(t, client, port, "博文🙂")
	for _, v := range []*visitor{ana, bob} {
		v.sees("博文🙂:进入聊天室")
	}
	for _, said := range []string{"你好", "大家好，今天吃什么？", strings.Repeat("长", 300), "/quit", "* 小安 left", "𠮷"} {
		ana.types(said)
		for _, v := range []*visitor{ana, bob} {
			v.sees("小安:" + said)
		}
		bob.types(said + "!")
		for _, v := range []*visitor{ana, bob} {
			v.sees("博文🙂:" + said + "!")
		}
	}
	bob.leaves()
	ana.sees("博文🙂:离开聊天室")
	if seen := ana.window.all(); len(seen) != 1+1+12+1 {
		t.Errorf("one saw %q", seen)
	}
	p.signal(syscall.SIGTERM) // which ends the other one too
	ana.ends()
	if status := p.exit(); status != exitOK {
		t.Errorf("chatd exits with %d", status)
	}
}
