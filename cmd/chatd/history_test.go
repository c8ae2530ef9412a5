package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd/chatd/internal/figure"
)

// exportedFrom is what chatd export says of a folder, taken apart.
func exportedFrom(t *testing.T, folder string, args ...string) []exported {
	t.Helper()
	status, stdout, stderr := chatd(t, environment{"CHATD_DATA": folder}, append([]string{"export"}, args...)...)
	if status != exitOK || stderr != "" {
		t.Fatalf("chatd export exits with %d and says %s", status, stderr)
	}
	var all []exported
	for line := range strings.Lines(stdout) {
		var e exported
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, e)
	}
	return all
}

// said is author and text of each message.
func said(list []exported) []string {
	var all []string
	for _, e := range list {
		all = append(all, e.Author+": "+e.Text)
	}
	return all
}

// serveIn starts chatd with its history in folder.
func serveIn(t *testing.T, folder string, more environment) (p *program, port string) {
	t.Helper()
	environ := environment{"CHATD_LISTEN": "tcp://127.0.0.1:0", "CHATD_DATA": folder, "CHATD_RATE": "off"}
	for name, value := range more {
		environ[name] = value
	}
	p = start(t, environ)
	return p, p.port()
}

// isKept waits until what p has said is on disk: people see it before.
func (p *person) isKept(text string) {
	p.t.Helper()
	p.sees(": " + text + "$")
	p.says("/last")
	p.sees("all that are kept:$") // the journal has answered
	p.sees(": " + text + "$")
}

// What was said before a stop is shown after the next start, and numbers go on.
func TestHistoryOutlivesTheServer(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "data")
	p, port := serveIn(t, folder, nil)
	p.says(`"keeps":"the last 1000000 messages of each room in ` + folder + `"`)
	ana := arrive(t, port, "ana")
	ana.says("the milk is out")
	ana.says("/topic tea")
	ana.says("/join kitchen")
	ana.says("who has the key?")
	ana.sees("ana: who has the key")
	p.stop()
	if mode, err := os.Stat(folder); err != nil || mode.Mode().Perm() != 0o700 {
		t.Errorf("others can look into the folder: %v, %v", mode.Mode(), err)
	}

	p, port = serveIn(t, folder, nil)
	bob := dial(t, port)
	bob.sees(`room lobby; here: nobody; topic: tea$`)
	bob.sees(`^\* the last 1000000 messages of a room are kept; times are UTC$`)
	bob.sees(`^\d\d:\d\d ana: the milk is out$`)
	bob.says("/nick bob")
	bob.says("now it is back")
	bob.sees("bob: now it is back$")
	bob.says("/show 1-3")
	bob.sees(`ana: the milk is out$`)
	bob.sees(`\* ana set the topic: tea$`)
	bob.sees(`bob: now it is back$`)
	p.stop()

	all := exportedFrom(t, folder)
	want := []string{"ana: who has the key?", "ana: the milk is out", "ana: tea", "bob: now it is back"}
	if diff := cmp.Diff(want, said(all)); diff != "" {
		t.Errorf("what is kept (-want +got):\n%s", diff)
	}
	for i, seq := range []uint64{1, 1, 2, 3} {
		if e := all[i]; e.Seq != seq || e.Epoch != all[0].Epoch {
			t.Errorf("after clean stops, %q is message %d of epoch %d", e.Text, e.Seq, e.Epoch)
		}
	}
	if all[2].Kind != "topic" || all[3].Kind != "say" || all[0].Room != "kitchen" {
		t.Errorf("rooms and kinds are %+v", all)
	}
}

// All that its author saw come back before the stop is kept: the last batch too.
func TestStopKeepsTheLastWords(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	p, port := serveIn(t, folder, nil)
	ana := arrive(t, port, "ana")
	const lines = 1000
	for i := range lines {
		ana.says(fmt.Sprintf("line %d", i))
	}
	ana.sees(fmt.Sprintf("ana: line %d$", lines-1))
	p.stop()
	all := exportedFrom(t, folder, "lobby")
	if len(all) != lines {
		t.Fatalf("%d messages are kept, want %d", len(all), lines)
	}
	for i, e := range all {
		if e.Text != fmt.Sprintf("line %d", i) {
			t.Fatalf("message %d is %q", i, e.Text)
		}
	}
}

// A second server leaves the folder of the first alone, and so does forget; export
// reads beside it.
func TestOneServerAFolder(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	p, port := serveIn(t, folder, nil)
	ana := arrive(t, port, "ana")
	ana.says("hello")
	ana.isKept("hello")

	m := newManager(t)
	socket := filepath.Join(t.TempDir(), "chat")
	second := start(t, environment{"CHATD_LISTEN": "unix://" + socket, "CHATD_DATA": folder, "NOTIFY_SOCKET": m.address})
	exit := second.exit()
	if exit != exitFailed {
		t.Errorf("a second server exits with %d", exit)
	}
	second.says(fmt.Sprintf(`^chatd: .*in use by pid %d`, p.cmd.Process.Pid))
	if n := len(second.stderr.all()); n != 1 {
		t.Errorf("a second server says %q", second.stderr.all())
	}
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the second server listened: %v", err)
	}
	tell(t, m.address, "OVER=1")
	m.hears("^OVER=1$")
	if m.heardEver("READY=") {
		t.Error("systemd was told that the second server was ready")
	}

	status, stdout, stderr := chatd(t, environment{"CHATD_DATA": folder}, "forget", "ana")
	want := regexp.MustCompile(fmt.Sprintf(`^chatd: [^\n]*in use by pid %d\b[^\n]*; an operator in that chat can type /forget ana instead\n$`, p.cmd.Process.Pid))
	if status != exitFailed || stdout != "" || !want.MatchString(stderr) {
		t.Errorf("chatd forget exits with %d, shows %q and says %q", status, stdout, stderr)
	}
	if diff := cmp.Diff([]string{"ana: hello"}, said(exportedFrom(t, folder))); diff != "" {
		t.Errorf("what is kept (-want +got):\n%s", diff)
	}
	figure.Figure{
		Row: 20, Part: "a second server on a folder", Held: !t.Failed(), Bar: "told the pid, binds nothing, changes nothing",
		Got: fmt.Sprintf("exit status %d, %d line", exit, len(second.stderr.all())),
	}.Tell(t)
	ana.says("still here")
	ana.sees("ana: still here$")
	p.stop()
}

// A start that fails leaves the history as it was: the numbering goes on.
func TestFailedStartClosesTheHistory(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	talk := func(text string) {
		p, port := serveIn(t, folder, nil)
		ana := arrive(t, port, "ana")
		ana.says(text)
		ana.sees("ana: " + text)
		p.stop()
	}
	talk("before")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	p := start(t, environment{"CHATD_LISTEN": "tcp://" + taken.Addr().String(), "CHATD_DATA": folder})
	if status := p.exit(); status != exitFailed {
		t.Errorf("chatd exits with %d", status)
	}
	talk("after")
	all := exportedFrom(t, folder)
	if len(all) != 2 || all[1].Seq != 2 || all[0].Epoch != all[1].Epoch {
		t.Errorf("what is kept is %+v", all)
	}
}

// A stop at any moment of the start is a clean one.
func TestStopWhileStarting(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	say := func(text string) {
		p, port := serveIn(t, folder, nil)
		ana := arrive(t, port, "ana")
		ana.says(text)
		ana.sees("ana: " + text)
		p.stop()
	}
	say("before")
	for i := range 12 {
		p := start(t, environment{"CHATD_LISTEN": "tcp://localhost:0", "CHATD_DATA": folder})
		<-time.After(time.Duration(i) * 8 * time.Millisecond) // whatever it is at then
		p.signal(syscall.SIGTERM)
		// Before anything is opened, the signal just ends the process.
		if status := p.exit(); status != exitOK && status != -1 {
			t.Errorf("chatd exits with %d and says %q", status, p.stderr.all())
		}
	}
	say("after")
	all := exportedFrom(t, folder)
	if len(all) != 2 || all[1].Seq != 2 || all[0].Epoch != all[1].Epoch {
		t.Errorf("what is kept is %+v", all)
	}
}

// A server that was killed leaves a history that can be read and gone on with.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	p, port := serveIn(t, folder, nil)
	ana := arrive(t, port, "ana")
	ana.says("hello")
	ana.isKept("hello")
	p.signal(syscall.SIGKILL)
	p.exit()
	if all := said(exportedFrom(t, folder)); len(all) == 0 || all[0] != "ana: hello" {
		t.Errorf("what is kept is %q", all)
	}
	p, port = serveIn(t, folder, nil)
	dial(t, port).sees("ana: hello$")
	p.stop()
}

// Operators are those of the registered names that are listed, and root.
func TestOperators(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	more := environment{"CHATD_OPERATORS": "ana,bob"}
	p, port := serveIn(t, folder, more)
	const unclaimed = `"name":"%s".*"message":"an operator's name is not registered; whoever registers it first is the operator"`
	p.says(fmt.Sprintf(unclaimed, "ana"))
	p.says(fmt.Sprintf(unclaimed, "bob"))
	ana := arrive(t, port, "ana")
	ana.says("/bans")
	ana.sees("is for operators")
	ana.says("/register")
	ana.says("correct horse")
	ana.says("correct horse")
	ana.sees("ana is yours")
	ana.says("/bans")
	ana.sees("nobody is banned or muted$")
	p.stop()

	p, port = serveIn(t, folder, more)
	ana = dial(t, port)
	ana.says("/login ana")
	ana.says("correct horse")
	ana.sees("^\\* ana joined$")
	eve := arrive(t, port, "eve")
	ana.says("/kick eve so it goes")
	eve.sees(`^\* you were kicked by ana: so it goes$`)
	p.says(`"act":"kick","by":"ana","whom":"eve","address":"127.0.0.1","reason":"so it goes".*"message":"moderation"`)
	p.says(`"cause":"sent away"`)
	p.stop()
	if lines := p.logged("an operator's name is not registered; whoever registers it first is the operator"); len(lines) != 1 || lines[0]["name"] != "bob" {
		t.Errorf("after ana is registered, the log says %q", lines)
	}
}

// Newcomers are asked, SIGHUP changes what for, and a file that is bad changes
// nothing.
func TestPassword(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	write := func(text string, mode os.FileMode) {
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("open sesame\n", 0o600)
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0", "CHATD_PASSWORD_FILE": file})
	port := p.port()
	enter := func(password string) *person {
		one := dial(t, port)
		one.sees(`asks for a password:$`)
		one.says(password)
		return one
	}
	ana := enter("open sesame")
	ana.sees("until the server stops")

	write("shazam\n", 0o640)
	p.signal(syscall.SIGHUP)
	p.says(`"message":"files read again"`)
	enter("shazam").sees("until the server stops")

	for _, breakIt := range []func(){
		func() { write("\n", 0o600) },
		func() { write("abracadabra\n", 0o644) },
		func() { os.Remove(file) },
	} {
		breakIt()
		p.signal(syscall.SIGHUP)
		p.says(`"level":"error","error":".*password .*"message":"the password stays as it was"`)
		enter("shazam").sees("until the server stops")
	}
	eve := enter("open sesame")
	eve.sees(`asks for a password:$`)
	p.says(`"of":"chat".*"message":"wrong password"`)
	ana.says("still here")
	ana.sees(": still here$")
	p.stop()
	for _, line := range p.stderr.all() {
		for _, secret := range []string{"sesame", "shazam", "abracadabra"} {
			if strings.Contains(line, secret) {
				t.Errorf("the log tells a password: %s", line)
			}
		}
	}
}

func TestExport(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	p, port := serveIn(t, folder, nil)
	ana := arrive(t, port, "ana")
	ana.says("red \x1b[31m <b>&\u009b31m\u202e\U000e0041 聊天 👩‍🚀")
	ana.says("/me waves")
	ana.says("/join tea")
	ana.says("milk?")
	ana.sees("ana: milk")
	p.stop()

	all := exportedFrom(t, folder)
	want := []exported{
		{Room: "lobby", Seq: 1, Author: "ana", Kind: "say", Text: "red \x1b[31m <b>&\u009b31m\u202e\U000e0041 聊天 👩‍🚀"},
		{Room: "lobby", Seq: 2, Author: "ana", Kind: "act", Text: "waves"},
		{Room: "tea", Seq: 1, Author: "ana", Kind: "say", Text: "milk?"},
	}
	for i := range all {
		at, err := time.Parse(time.RFC3339Nano, all[i].Time)
		if age := time.Since(at); err != nil || age < 0 || age > 2*patience {
			t.Errorf("the time of %q is %s, %v", all[i].Text, all[i].Time, err)
		}
		all[i].Time, all[i].Epoch = "", 0
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("export (-want +got):\n%s", diff)
	}
	for _, test := range []struct {
		args   []string
		status int
		stdout string // a pattern
		stderr string
	}{
		{[]string{"lobby"}, exitOK, `^\{"room":"lobby",[^\n]*"text":"red \\u001b\[31m <b>&\\u009b31m\\u202e\\udb40\\udc41 聊天 👩\\u200d🚀"\}\n[^\n]*"text":"waves"\}\n$`, ""},
		{[]string{"--text", "TEA"}, exitOK, `^\* \w+ \d+ \w+ \d{4}\n\d\d:\d\d ana: milk\?\n$`, ""},
		{[]string{"--text"}, exitOK, `^\* room lobby\n\* \w+ \d+ \w+ \d{4}\n\d\d:\d\d ana: red ␛\[31m <b>&<U\+009B>31m[^\n]*\n\d\d:\d\d \* ana waves\n\* room tea\n\* \w+ \d+ \w+ \d{4}\n\d\d:\d\d ana: milk\?\n$`, ""},
		{[]string{"loby"}, exitFailed, "^$", "chatd: nothing is kept of a room \"loby\"; did you mean lobby?\n"},
		{[]string{"coffee"}, exitFailed, "^$", "chatd: nothing is kept of a room \"coffee\"\n"},
	} {
		status, stdout, stderr := chatd(t, environment{"CHATD_DATA": folder}, append([]string{"export"}, test.args...)...)
		if status != test.status || stderr != test.stderr || !regexp.MustCompile(test.stdout).MatchString(stdout) {
			t.Errorf("chatd export %q exits with %d, says %q and shows\n%s", test.args, status, stderr, stdout)
		}
	}
	none := filepath.Join(folder, "none")
	status, _, stderr := chatd(t, environment{"CHATD_DATA": none}, "export")
	if status != exitFailed || stderr != "chatd: no history is kept in "+none+": it does not exist\n" {
		t.Errorf("of a folder that is not there, chatd export exits with %d and says %q", status, stderr)
	}
}

// A full disk under the export is said.
func TestExportIsCutShort(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	p, port := serveIn(t, folder, nil)
	ana := arrive(t, port, "ana")
	ana.says("hello")
	ana.sees("ana: hello$")
	p.stop()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var stderr bytes.Buffer
	status := run(t.Context(), []string{"export"}, environment{"CHATD_DATA": folder}, full, &stderr)
	if status != exitFailed || stderr.String() != "chatd: the export is not whole: no space left on device\n" {
		t.Errorf("exits with %d and says %q", status, stderr.String())
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	p, port := serveIn(t, folder, nil)
	ana, bob := arrive(t, port, "ana"), arrive(t, port, "bob")
	ana.says("my number is 12345678")
	bob.sees("ana: my number")
	bob.says("thanks")
	ana.sees("bob: thanks")
	ana.says("/join tea")
	ana.says("it is 12345678")
	ana.sees("ana: it is")
	bob.says("/me runs")
	bob.sees("bob runs")
	p.stop()
	for _, test := range []struct{ who, stdout string }{
		{"cleo", "nothing by cleo was kept\n"},
		{"\x1b[2J", "nothing by \"\\x1b[2J\" was kept\n"},
		{"Ana", "2 messages by Ana are forgotten\n"},
		{"ana", "nothing by ana was kept\n"},
	} {
		status, stdout, stderr := chatd(t, environment{"CHATD_DATA": folder}, "forget", test.who)
		if status != exitOK || stdout != test.stdout || stderr != "" {
			t.Errorf("chatd forget %q exits with %d, shows %q and says %q", test.who, status, stdout, stderr)
		}
	}
	// Of other troubles it says what they are and nothing of a server.
	damaged := t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, "chatd.db"), bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := chatd(t, environment{"CHATD_DATA": damaged}, "forget", "ana"); status != exitFailed ||
		!strings.Contains(stderr, "is damaged") || strings.Contains(stderr, "operator") {
		t.Errorf("chatd forget of a damaged history exits with %d and says %q", status, stderr)
	}
	if diff := cmp.Diff([]string{"bob: thanks", "bob: runs"}, said(exportedFrom(t, folder))); diff != "" {
		t.Errorf("what is kept (-want +got):\n%s", diff)
	}
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		bytesOf, err := os.ReadFile(path)
		if bytes.Contains(bytesOf, []byte("12345678")) {
			t.Errorf("%s still holds what is forgotten", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
