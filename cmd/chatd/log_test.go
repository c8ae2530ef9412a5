package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

// events logs what chatd might, with the worst that could stand in a field.
func events(log zerolog.Logger) {
	log.Info().Int("id", 17).Str("transport", "tcp").Str("cause", "client: idle").Msg("session ended")
	log.Debug().Msg("not at this level")
	log.Error().Err(errors.New("boom")).Str("name", "\x1b]0;owned\a\u009b31m\u202e\n<6>fake").Strs("rooms", []string{"\x7fa"}).Msg("odd \x1b[2J thing")
}

func TestLogAsJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, sink := openLog(config{LogLevel: "info", LogFormat: "json"}, &out)
	events(log)
	_ = sink.Close()
	var lines []map[string]any
	for line := range strings.Lines(out.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		lines = append(lines, fields)
	}
	if len(lines) != 2 || lines[0]["message"] != "session ended" || lines[0]["id"] != 17.0 || lines[1]["level"] != "error" {
		t.Errorf("lines: %v", lines)
	}
	if stamp := fmt.Sprint(lines[0]["time"]); !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[-+]\d\d:\d\d)$`).MatchString(stamp) {
		t.Errorf("time: %s", stamp)
	}
}

func TestLogForAPerson(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, sink := openLog(config{LogLevel: "info", LogFormat: "console"}, &out)
	events(log)
	_ = sink.Close()
	want := `TIME INF session ended cause="client: idle" id=17 transport=tcp
TIME ERR "odd \x1b[2J thing" error=boom name="\x1b]0;owned\a\u009b31m\u202e\n<6>fake" rooms="[\"\x7fa\"]"
`
	got := regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d`).ReplaceAllString(out.String(), "TIME")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("console (-want +got):\n%s", diff)
	}
}

func TestLogInTheJournal(t *testing.T) {
	t.Parallel()
	type entry struct {
		Message  string
		Priority journal.Priority
		Fields   map[string]string
	}
	var got []entry
	var stderr bytes.Buffer
	down := false
	w := journalWriter{or: &stderr, send: func(m string, p journal.Priority, f map[string]string) error {
		if down {
			return errors.New("connection refused")
		}
		got = append(got, entry{m, p, f})
		return nil
	}}
	log := stamped(w).Level(zerolog.InfoLevel)
	events(log)
	log.Warn().Str("7th-field", "").Bool("ok", true).Msg("")
	want := []entry{
		{
			`session ended id=17 transport=tcp cause="client: idle"`, journal.PriInfo,
			map[string]string{"SYSLOG_IDENTIFIER": "chatd", "ID": "17", "TRANSPORT": "tcp", "CAUSE": "client: idle"},
		},
		{
			`"odd \x1b[2J thing" error=boom name="\x1b]0;owned\a\u009b31m\u202e\n<6>fake" rooms="[\"\\u007fa\"]"`, journal.PriErr,
			map[string]string{"SYSLOG_IDENTIFIER": "chatd", "ERROR": "boom", "NAME": "\x1b]0;owned\a\u009b31m\u202e\n<6>fake", "ROOMS": `["\u007fa"]`},
		},
		{
			`7th-field="" ok=true`, journal.PriWarning,
			map[string]string{"SYSLOG_IDENTIFIER": "chatd", "X7TH_FIELD": "", "OK": "true"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}

	down = true
	log.Info().Msg("the journal is gone")
	if !strings.Contains(stderr.String(), `"the journal is gone"`) {
		t.Errorf("stderr: %q", stderr.String())
	}
	stderr.Reset()
	io.WriteString(w, "not JSON\n")
	if stderr.String() != "not JSON\n" {
		t.Errorf("stderr: %q", stderr.String())
	}
}

func TestLogFormatIsChosen(t *testing.T) {
	t.Parallel()
	plain, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	info, err := plain.Stat()
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	stream := fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
	controller, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer controller.Close()
	defer terminal.Close()

	for _, test := range []struct {
		name    string
		format  choice
		stderr  io.Writer
		environ environment
		want    string
	}{
		{"a file", "auto", plain, nil, "json"},
		{"no file", "auto", new(bytes.Buffer), nil, "json"},
		{"a terminal", "auto", terminal, nil, "colours"},
		{"a terminal without colours", "auto", terminal, environment{"NO_COLOR": "1"}, "console"},
		{"a terminal with NO_COLOR empty", "auto", terminal, environment{"NO_COLOR": ""}, "colours"},
		{"JSON on a terminal", "json", terminal, nil, "json"},
		{"text in a file", "console", plain, nil, "console"},
		{"text on a terminal", "console", terminal, nil, "colours"},
		{"text in no file", "console", new(bytes.Buffer), nil, "console"},
		{"the journal", "auto", plain, environment{"JOURNAL_STREAM": stream}, "journal"},
		{"JSON in the journal", "json", plain, environment{"JOURNAL_STREAM": stream}, "json"},
		{"somebody else's journal", "auto", plain, environment{"JOURNAL_STREAM": fmt.Sprintf("%d:%d", stat.Dev, stat.Ino+1)}, "json"},
		{"another device", "auto", plain, environment{"JOURNAL_STREAM": fmt.Sprintf("%d:%d", stat.Dev+1, stat.Ino)}, "json"},
		{"junk", "auto", plain, environment{"JOURNAL_STREAM": "8"}, "json"},
		{"a terminal with a journal inherited", "auto", terminal, environment{"JOURNAL_STREAM": stream}, "colours"},
	} {
		got := "json"
		switch w := logWriter(config{LogFormat: test.format, environ: test.environ}, test.stderr).(type) {
		case journalWriter:
			got = "journal"
		case zerolog.ConsoleWriter:
			got = "colours"
			if w.NoColor {
				got = "console"
			}
		}
		if got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

// A reader of the log that has stopped reading delays nobody who logs, and later
// learns how much it missed.
func TestLogNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &stuck{release: make(chan struct{})}
		log, sink := openLog(config{LogLevel: "info", LogFormat: "json"}, out)
		const logged = 10_000
		for i := range logged {
			log.Info().Int("id", i).Msg("session ended")
		}
		close(out.release)
		_ = sink.Close()

		written, dropped := 0, 0
		for line := range strings.Lines(out.text.String()) {
			fields, err := logFields([]byte(line))
			if err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			n := 0
			if _, err := fmt.Sscanf(fields[len(fields)-1].value, "%d log line", &n); err == nil {
				dropped += n
			} else {
				written++
			}
		}
		if dropped == 0 || written+dropped != logged {
			t.Errorf("%d lines written and %d told as dropped, want %d together", written, dropped, logged)
		}
	})
}

// stuck is a writer that takes nothing until it is released.
type stuck struct {
	release chan struct{}
	text    bytes.Buffer
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.release
	return s.text.Write(p)
}

func TestDroppedLine(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{1: "1 log line was dropped", 37: "37 log lines were dropped"} {
		if got := string(droppedLine(n)); !strings.Contains(got, want) || !strings.HasPrefix(got, `{"level":"warn"`) || !strings.HasSuffix(got, "}\n") {
			t.Errorf("%d: %s", n, got)
		}
	}
}
