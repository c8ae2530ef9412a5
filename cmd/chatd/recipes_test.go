package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/google/go-cmp/cmp"
)

const recipes = "../../docs/recipes.md"

// block is something to be typed or copied from a page.
type block struct {
	heading  string // the one of the second level that it stands under
	language string
	text     string
}

var headingOrBlock = regexp.MustCompile("(?ms)^## ([^\n]+)$|^```([a-z]+)\n(.*?)^```$")

// blocks are all blocks of a page that have a language.
func blocks(t *testing.T, page string) []block {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	heading := ""
	for _, m := range headingOrBlock.FindAllStringSubmatch(string(text), -1) {
		if m[1] != "" {
			heading = m[1]
			continue
		}
		all = append(all, block{heading, m[2], m[3]})
	}
	return all
}

// under are the texts of the blocks of a language under a heading, of which there
// are n.
func under(t *testing.T, page, heading, language string, n int) []string {
	t.Helper()
	var texts []string
	for _, b := range blocks(t, page) {
		if b.heading == heading && b.language == language {
			texts = append(texts, b.text)
		}
	}
	if len(texts) != n {
		t.Fatalf("%s has %d blocks of %s under %q, want %d: try each new one here", page, len(texts), language, heading, n)
	}
	return texts
}

// shell is a place where blocks are run: what they name stands for what is there.
type shell struct {
	t       *testing.T
	folder  string
	replace *strings.Replacer
}

// newShell makes a shell with a folder of its own, in which bin is looked for
// programs first; there chatd is this one, and systemctl does nothing.
func newShell(t *testing.T, replace ...string) *shell {
	t.Helper()
	s := &shell{t: t, folder: t.TempDir()}
	for _, name := range []string{"bin", "lib", "backups", "tmp"} {
		if err := os.Mkdir(filepath.Join(s.folder, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	s.write("bin/chatd", "#!/bin/sh\nBE=chatd exec '"+self+"' \"$@\"\n")
	s.write("bin/systemctl", "#!/bin/sh\n")
	s.replace = strings.NewReplacer(append(replace,
		"/var/lib/", s.folder+"/lib/", "/var/backups/", s.folder+"/backups/", "/tmp/answers", s.folder+"/tmp/answers", "/var/log/", s.folder+"/tmp/",
	)...)
	return s
}

// write makes a file in the shell's folder, executable.
func (s *shell) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.folder, name), []byte(text), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// begin starts a block. What it starts is ended with the test.
func (s *shell) begin(text string) (cmd *exec.Cmd, stdout *bytes.Buffer) {
	s.t.Helper()
	for _, program := range []string{"nc", "sqlite3", "hostname"} {
		if _, err := exec.LookPath(program); err != nil {
			s.t.Fatalf("%s is missing; on Debian, apt-get install netcat-openbsd sqlite3 hostname brings it", program)
		}
	}
	cmd = exec.Command("sh", "-eu", "-c", s.replace.Replace(text))
	cmd.Dir = s.folder
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(s.folder, "bin")+":"+os.Getenv("PATH"), "TZ=UTC", "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout = new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = stdout, stdout
	stdin, err := cmd.StdinPipe() // stays open, as a terminal does
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			_ = cmd.Wait()
		}
		stdin.Close()
	})
	return cmd, stdout
}

// run runs a block to its end and returns what it shows.
func (s *shell) run(text string) string {
	s.t.Helper()
	cmd, stdout := s.begin(text)
	if err := cmd.Wait(); err != nil {
		s.t.Fatalf("%s\nends with %v and shows\n%s", text, err, stdout)
	}
	return stdout.String()
}

// host is how recipes write where the chat is.
const host = "chat.example.org 7777"

// watcher is somebody in a room, who is there when it returns.
func watcher(t *testing.T, port, room string) *person {
	t.Helper()
	bob := arrive(t, port, "bob")
	bob.says("/join " + room)
	bob.sees("^\\* room " + room + "; here: ")
	bob.says("I am here")
	bob.sees("bob: I am here$")
	return bob
}

// No block of the recipes goes untried.
func TestRecipesAreAllTried(t *testing.T) {
	t.Parallel()
	tried := map[string]int{
		"Announce from a script": 2, "Say something from the machine chatd runs on": 2, "Tail a log into a room": 1, "Answer a command": 2, "Run a robot under systemd": 2,
	}
	for _, b := range blocks(t, recipes) {
		tried[b.heading]--
	}
	for heading, left := range tried {
		if left != 0 {
			t.Errorf("under %q are %d blocks more or less than are tried", heading, -left)
		}
	}
}

func TestRecipeAnnounce(t *testing.T) {
	t.Parallel()
	texts := under(t, recipes, "Announce from a script", "sh", 2)
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	done := `backup: backup of ` + regexp.QuoteMeta(machine) + ` is done$`

	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0"})
	port := p.port()
	lobby := arrive(t, port, "ana")
	ops := watcher(t, port, "ops")
	newShell(t, host, "127.0.0.1 "+port).run(texts[0])
	lobby.sees(`guest\d+: deployed$`)
	ops.sees(done)
	p.stop()

	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("open sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p = start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0", "CHATD_PASSWORD_FILE": password})
	port = p.port()
	ana := dial(t, port)
	ana.says("open sesame")
	ana.sees("until the server stops")
	newShell(t, host, "127.0.0.1 "+port).run(texts[1])
	ana.sees(done)
	p.stop()
}

func TestRecipeSay(t *testing.T) {
	t.Parallel()
	texts := under(t, recipes, "Say something from the machine chatd runs on", "sh", 2)
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	socket := socketIn(t)
	_, port := startOn(t, socket, nil)
	ops, ana := watcher(t, port, "ops"), arrive(t, port, "ana")
	s := newShell(t)
	s.write("bin/chatd", "#!/bin/sh\ncommand=$1\nshift\nBE='chatd with an input' exec '"+self+"' $command --socket "+socket+" \"$@\"\n")
	s.write("bin/logger", "#!/bin/sh\nexit 1\n")
	if out := s.run(texts[0]); out != "" {
		t.Errorf("it shows %q", out)
	}
	ops.sees(`backup: backup of ` + regexp.QuoteMeta(machine) + ` is done$`)
	ops.sees(`disk: Filesystem .*Mounted on$`)
	ops.sees(`disk: .* /$`)
	if out := s.run(texts[1]); !strings.HasPrefix(out, "* up since ") || strings.Count(out, "\n") != 7 {
		t.Errorf("it shows %q", out)
	}
	ana.sees(` to everyone: maintenance in ten minutes$`)
	late, err := tryDial(t, port)
	if err != nil {
		t.Fatal(err)
	}
	if said := late.rest(); said != "* this chat takes no newcomers just now; come back later\r\n" {
		t.Errorf("then a newcomer is told %q", said)
	}
}

func TestRecipeTail(t *testing.T) {
	t.Parallel()
	text := under(t, recipes, "Tail a log into a room", "sh", 1)[0]
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0"})
	port := p.port()
	s := newShell(t, host, "127.0.0.1 "+port)
	log, err := os.Create(filepath.Join(s.folder, "tmp", "syslog"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	write := func(line string) {
		if _, err := io.WriteString(log, line+"\n"); err != nil {
			t.Error(err)
		}
	}
	write("an error of yesterday")
	ops := watcher(t, port, "ops")
	ops.says("/quiet off")
	s.begin(text)
	// tail begins at the end of the file that it finds, and nothing tells when it
	// has: so errors are made until one is told.
	over := make(chan struct{})
	var failing sync.WaitGroup
	failing.Go(func() {
		pace := time.NewTicker(10 * time.Millisecond)
		defer pace.Stop()
		for i := 0; ; i++ {
			write(fmt.Sprintf("all is well\nERROR %d", i))
			select {
			case <-pace.C:
			case <-over:
				return
			}
		}
	})
	t.Cleanup(func() { close(over); failing.Wait() })
	first := ops.sees(`syslog: (.*)$`)[0]
	if !strings.HasPrefix(first, "ERROR ") {
		t.Errorf("the first line that is told is %q", first)
	}
	p.stop()
}

func TestRecipeAnswer(t *testing.T) {
	t.Parallel()
	texts := under(t, recipes, "Answer a command", "sh", 2)
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0"})
	port := p.port()
	s := newShell(t, host, "127.0.0.1 "+port)
	s.write("uptime-robot", texts[0])
	s.write("bin/uptime", "#!/bin/sh\necho up 3 days\n")
	ana := arrive(t, port, "ana")
	s.begin(texts[1])
	ana.sees("^\\* clock joined$")
	ana.says("what is its !uptime?")
	ana.says("!uptime")
	ana.sees("clock: up 3 days$")
	ana.says("thanks")
	for {
		line, err := ana.line()
		if err != nil || strings.Contains(line, "clock") {
			t.Fatalf("the robot goes on: %q, %v", line, err)
		}
		if strings.HasSuffix(line, "ana: thanks") {
			break
		}
	}
	p.stop()
}

// The unit is one to systemd, and its command leads to the chat.
func TestRecipeUnit(t *testing.T) {
	t.Parallel()
	robot := under(t, recipes, "Answer a command", "sh", 2)[0]
	unit := under(t, recipes, "Run a robot under systemd", "ini", 1)[0]
	command := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindStringSubmatch(unit)
	if command == nil {
		t.Fatal("the unit has no ExecStart=")
	}
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0"})
	port := p.port()
	s := newShell(t)
	s.write("uptime-robot", robot)
	s.write("bin/uptime", "#!/bin/sh\necho up 3 days\n")
	here := strings.NewReplacer("chat.example.org:7777", "127.0.0.1:"+port, "/usr/local/bin/uptime-robot", s.folder+"/uptime-robot")
	s.write("chat-uptime.service", here.Replace(unit))
	if err := os.Chmod(filepath.Join(s.folder, "chat-uptime.service"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", filepath.Join(s.folder, "chat-uptime.service")).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify (%v):\n%s", err, out)
	}
	ana := arrive(t, port, "ana")
	s.begin("exec " + here.Replace(command[1]))
	ana.sees("^\\* clock joined$")
	ana.says("!uptime")
	ana.sees("clock: up 3 days$")
	p.stop()
}

// What docs/operations.md says to do with a history works, beside a server where it
// says so.
func TestOperationsOnHistory(t *testing.T) {
	t.Parallel()
	texts := under(t, operations, "History", "sh", 6)[1:] // test/systemd tries the first, which makes a user
	s := newShell(t)
	folder := filepath.Join(s.folder, "lib", "chatd")
	serve := func() (*program, *person) {
		p, port := serveIn(t, folder, nil)
		return p, arrive(t, port, "bob")
	}
	p, bob := serve()
	bob.says("the milk is out")
	bob.isKept("the milk is out")
	if got := s.run(texts[0]); !strings.HasSuffix(got, "bob: the milk is out\n") {
		t.Errorf("export shows %q", got)
	}
	exported, err := os.ReadFile(filepath.Join(s.folder, "backups", "chat.json"))
	if err != nil || !json.Valid(exported) {
		t.Errorf("the export is %q, %v", exported, err)
	}
	if got := s.run(texts[1]); !regexp.MustCompile(`\|bob\|the milk is out\nlobby\|1\|`).MatchString(got) {
		t.Errorf("sqlite3 shows %q", got)
	}
	s.run(texts[2])
	bob.says("this goes again")
	bob.isKept("this goes again")
	p.stop()

	s.run(texts[3])
	if diff := cmp.Diff([]string{"bob: the milk is out"}, said(exportedFrom(t, folder))); diff != "" {
		t.Errorf("what is back (-want +got):\n%s", diff)
	}
	p, bob = serve()
	bob.takes("ana").says("forget me")
	bob.isKept("forget me")
	p.stop()
	if got := s.run(texts[4]); got != "1 message by ana is forgotten\n" {
		t.Errorf("forget shows %q", got)
	}
}

// The filter for fail2ban finds the address in the line that the journal has, and
// in nothing that a guesser writes.
func TestFail2banFilter(t *testing.T) {
	t.Parallel()
	filter := under(t, operations, "Moderation", "ini", 2)[0]
	m := regexp.MustCompile(`(?m)^failregex = \^%\(__prefix_line\)s(.*)$`).FindStringSubmatch(filter)
	if m == nil {
		t.Fatalf("there is no failregex in\n%s", filter)
	}
	pattern := regexp.MustCompile("^" + strings.ReplaceAll(m[1], "<ADDR>", "([0-9a-f.:]+)"))

	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("open sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0,tcp://[::1]:0", "CHATD_PASSWORD_FILE": password})
	for _, address := range []string{"127.0.0.1", "[::1]"} {
		eve := dial(t, address+":"+p.says(`^listening on tcp://` + regexp.QuoteMeta(address) + `:(\d+) `)[0])
		eve.says("wrong password id=1 transport=tcp peer=192.0.2.1:1 of=chat")
		eve.sees("asks for a password:$")
		eve.sees("asks for a password:$")
		p.says(`"message":"wrong password"`)
	}
	p.stop()
	var found []string
	for _, line := range p.stderr.all() {
		if !strings.HasPrefix(line, "{") {
			continue
		}
		entry := func(message string, _ journal.Priority, _ map[string]string) error {
			if m := pattern.FindStringSubmatch(message); m != nil {
				found = append(found, m[1])
			}
			return nil
		}
		if _, err := (journalWriter{send: entry, or: io.Discard}).Write([]byte(line)); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"127.0.0.1", "::1"}, found); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}
