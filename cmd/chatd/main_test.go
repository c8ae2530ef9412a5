package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/chatd/chatd/internal/figure"
)

var update = flag.Bool("update", false, "write the files that tests compare with, docs/configuration.md and configs/chatd.env among them")

func TestMain(m *testing.M) {
	switch os.Getenv("BE") {
	case "a program that logs":
		os.Exit(logAndSurvive())
	case "chatd":
		beChatd()
	case "chatd with an input":
		main()
	}
	goleak.VerifyTestMain(m)
}

// golden compares got with a file, or writes it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs; go test ./cmd/chatd -update writes it anew (-file +now):\n%s", file, diff)
	}
}

// chatd runs the program in this process.
func chatd(t *testing.T, environ environment, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = run(t.Context(), args, environ, &out, &err)
	return status, out.String(), err.String()
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"help", "--help", "-h"} {
		status, stdout, stderr := chatd(t, nil, arg)
		if status != exitOK || stderr != "" {
			t.Errorf("chatd %s exits with %d and says %q", arg, status, stderr)
		}
		golden(t, "testdata/help.golden", stdout)
		for _, s := range settings() {
			if !strings.Contains(stdout, "\n  "+s.name+"=") {
				t.Errorf("chatd %s says nothing of %s", arg, s.name)
			}
		}
		for line := range strings.Lines(stdout) {
			if n := len(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("a line has %d columns: %s", n, line)
			}
		}
	}
}

// Whoever asks for help has perhaps a configuration that is bad.
func TestHelpAndVersionNeedNoConfiguration(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"help", "version"} {
		if status, _, stderr := chatd(t, environment{"CHATD_RATE": "fast"}, arg); status != exitOK {
			t.Errorf("chatd %s exits with %d: %s", arg, status, stderr)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	want := regexp.MustCompile(`^chatd \S.*, commit \S+( \(modified\))?, go1\.\d+\S* \w+/\w+\n$`)
	for _, arg := range []string{"version", "--version"} {
		status, stdout, stderr := chatd(t, nil, arg)
		if status != exitOK || stderr != "" || !want.MatchString(stdout) {
			t.Errorf("chatd %s exits with %d, shows %q and says %q", arg, status, stdout, stderr)
		}
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"chek"}, `chatd: there is no command "chek"; did you mean check?`},
		{[]string{"vresion"}, `chatd: there is no command "vresion"; did you mean version?`},
		{[]string{"serve"}, `chatd: there is no command "serve"; there are check, console, export, forget, help, say and version, and chatd alone serves`},
		{[]string{""}, `chatd: there is no command ""; there are check, console, export, forget, help, say and version, and chatd alone serves`},
		{[]string{"-port", "7777"}, `chatd: there is no option "-port": chatd is configured by environment variables, which chatd help lists`},
		{[]string{"exprot"}, `chatd: there is no command "exprot"; did you mean export?`},
		{[]string{"export", "--txt"}, `chatd: export has no option "--txt"; it has --text`},
		{[]string{"export", "tea", "--text", "coffee"}, `chatd: export takes one room, or none for all: chatd export [--text] [ROOM]`},
		{[]string{"export", ""}, `chatd: a room has a name; leave it out to export all rooms`},
		{[]string{"export"}, `chatd: there is no history on disk: CHATD_DATA names no folder`},
		{[]string{"forget"}, `chatd: forget takes one name: chatd forget NAME`},
		{[]string{"forget", "ana", "bob"}, `chatd: forget takes one name: chatd forget NAME`},
		{[]string{"forget", "--help"}, `chatd: forget has no option "--help": chatd forget NAME`},
		{[]string{"forget", "ana"}, `chatd: there is no history on disk: CHATD_DATA names no folder`},
		{[]string{"console", "lobby", "tea"}, `chatd: console takes one room, and here is "tea" besides; /join goes to others`},
		{[]string{"console", "--sokcet", "x"}, `chatd: console has no option "--sokcet"; it has --socket PATH`},
		{[]string{"console", "lobby", "--socket"}, `chatd: --socket needs a value; console has --socket PATH`},
		{[]string{"say"}, `chatd: say takes a room and a text: chatd say ROOM TEXT`},
		{[]string{"say", "ops"}, `chatd: say takes a room and a text: chatd say ROOM TEXT`},
		{[]string{"say", "", "x"}, `chatd: a room has a name: chatd say ROOM TEXT`},
		{[]string{"say", "ops", "", " "}, `chatd: there is nothing in that text, and nothing was said`},
		{[]string{"say", "--timeout", "soon", "ops", "x"}, `chatd: --timeout is a time such as 5s or 1m, and not "soon"`},
		{[]string{"say", "--timeout", "0s", "ops", "x"}, `chatd: --timeout is a time such as 5s or 1m, and not "0s"`},
		{[]string{"say", "--name", "x", "ops", "x"}, `chatd: say has no option "--name"; it has --as NAME, --socket PATH and --timeout TIME, before the room`},
		{[]string{"check", "me", "you"}, `chatd: check takes one file of variables, or none for those it is started with: chatd check [FILE]`},
	} {
		status, stdout, stderr := chatd(t, nil, test.args...)
		want := exitUsage
		if strings.Contains(test.want, "no history on disk") {
			want = exitFailed
		}
		if status != want || stdout != "" || stderr != test.want+"\n" {
			t.Errorf("chatd %q exits with %d, shows %q and says\n%swant\n%s", test.args, status, stdout, stderr, test.want)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	const memory = "would keep the last 10000 messages of each room in memory\n"
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("open sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		environ environment
		want    string
	}{
		{"nothing set", nil, "would listen on tcp://:7777\n" + memory},
		{
			"spaces",
			environment{"CHATD_LISTEN": " tcp://:7000 , unix:///tmp/chat ,", "CHATD_RATE": " 5 "},
			"would listen on tcp://:7000\nwould listen on unix:///tmp/chat\n" + memory,
		},
		{
			"a runtime directory",
			environment{"RUNTIME_DIRECTORY": "/run/chatd"},
			"would listen on tcp://:7777\nwould listen on unix:///run/chatd/chatd.sock?mode=0666\n" + memory,
		},
		{
			"sockets of systemd",
			environment{"LISTEN_FDS": "2", "LISTEN_PID": fmt.Sprint(os.Getpid()), "RUNTIME_DIRECTORY": "/run/chatd"},
			"would serve the sockets that systemd hands over\nwould listen on unix:///run/chatd/chatd.sock?mode=0600\n" + memory,
		},
		{
			"a state directory",
			environment{"STATE_DIRECTORY": "/tmp"},
			"would listen on tcp://:7777\nwould keep the last 1000000 messages of each room in /tmp\n",
		},
		{
			"a little history, in memory, and a password",
			environment{"STATE_DIRECTORY": "/tmp", "CHATD_DATA": "off", "CHATD_KEEP": "36h,50", "CHATD_PASSWORD_FILE": password},
			"would listen on tcp://:7777\nwould keep the last 50 messages of each room for 1 day 12 hours in memory\nwould ask newcomers for a password\n",
		},
		{
			"all of it",
			environment{"CHATD_DATA": "/tmp", "CHATD_KEEP": "off"},
			"would listen on tcp://:7777\nwould keep all messages of each room in /tmp\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := chatd(t, test.environ, "check")
			if want := "configuration is good\n" + test.want; status != exitOK || stdout != want || stderr != "" {
				t.Errorf("exits with %d, says %q and shows\n%swant\n%s", status, stderr, stdout, want)
			}
		})
	}
}

// All mistakes are told at once, by check and by a start alike, and before
// anything is bound.
func TestMistakesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	environ := environment{
		"CHATD_LISTEN":       "tpc://:7777,unix://here",
		"CHATD_LISTN":        "tcp://:1",
		"CHATD_MAX_LINE":     "10",
		"CHATD_IDLE_TIMEOUT": "10",
		"CHATD_MOTD_FILE":    "/nonexistent/motd",
		"CHATD_DATA":         "/nonexistent/data",
		"CHATD_KEEP":         "3 months",
		"CHATD_OPERATORS":    "ana bob",
		"CHATD_WEB_ORIGINS":  "example.org",
		"PATH":               "/usr/bin",
	}
	const want = `chatd: CHATD_WEB_ORIGINS="example.org" holds "example.org", which is no origin; write one such as https://chat.example.org
chatd: CHATD_KEEP="3 months" is neither an age nor a count of messages; write 90d,100000, or 90d, or 100000, or off
chatd: CHATD_OPERATORS="ana bob" holds "ana bob": a name has no spaces; try ana_bob
chatd: CHATD_MAX_LINE="10" is too small; it can be 64 to 64KiB
chatd: CHATD_IDLE_TIMEOUT="10" has no unit; write 10s, 10m or 10h
chatd: CHATD_LISTEN: tpc://:7777: unknown scheme tpc; did you mean tcp?
chatd: CHATD_LISTEN: unix://here: has a path that does not begin with a slash; write three of them: unix:///here
chatd: CHATD_MOTD_FILE: /nonexistent/motd does not exist
chatd: CHATD_DATA: /nonexistent does not exist; create it first
chatd: CHATD_LISTN is not known to this version; did you mean CHATD_LISTEN?
`
	for _, args := range [][]string{nil, {"check"}} {
		status, stdout, stderr := chatd(t, environ, args...)
		if status != exitConfig || stdout != "" {
			t.Errorf("chatd %q exits with %d and shows %q", args, status, stdout)
		}
		if diff := cmp.Diff(want, stderr); diff != "" {
			t.Errorf("chatd %q (-want +got):\n%s", args, diff)
		}
	}
	figure.Figure{
		Row: 22, Part: "mistakes at once", Held: !t.Failed(), Bar: "all, with the nearest name, exit status 78",
		Got: fmt.Sprintf("%d told in %d variables", strings.Count(want, "\n"), len(environ)-1),
	}.Tell(t)
}

// A log that nobody reads any more does not end the process.
func TestReaderOfTheLogGoesAway(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	defer write.Close()
	program := exec.Command(os.Args[0])
	program.Env = append(os.Environ(), "BE=a program that logs")
	program.Stderr = write
	out, err := program.Output()
	if err != nil || string(out) != "still here" {
		t.Errorf("the program said %q and ended with %v", out, err)
	}
}

func logAndSurvive() int {
	log, sink := openLog(config{LogLevel: "info", LogFormat: "json"}, os.Stderr)
	log.Info().Msg("nobody reads this")
	_ = sink.Close()
	fmt.Print("still here")
	return 0
}
