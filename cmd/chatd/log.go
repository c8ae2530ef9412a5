package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"

	"github.com/chatd/chatd/internal/logsink"
)

// openLog returns the logger that cfg asks for, on stderr or, if stderr is the
// systemd journal, straight to that. Logging never blocks: lines that nobody
// takes are dropped and counted.
//
// Whoever calls it closes the sink at the end, which writes what is still queued, for
// at most one second.
func openLog(cfg config, stderr io.Writer) (zerolog.Logger, *logsink.Sink) {
	// Who reads stderr may go away. The next line would then end the process.
	signal.Ignore(syscall.SIGPIPE)

	level, err := zerolog.ParseLevel(string(cfg.LogLevel))
	if err != nil {
		level = zerolog.InfoLevel
	}
	sink := logsink.New(logWriter(cfg, stderr), droppedLine)
	go sink.Run()
	return stamped(sink).Level(level), sink
}

// stamped returns a logger of JSON lines with a time of millisecond precision.
func stamped(w io.Writer) zerolog.Logger {
	return zerolog.New(w).Hook(zerolog.HookFunc(func(e *zerolog.Event, _ zerolog.Level, _ string) {
		e.Str(zerolog.TimestampFieldName, time.Now().Format("2006-01-02T15:04:05.000Z07:00"))
	}))
}

// droppedLine is the log line in the place of n that are missing.
func droppedLine(n int) []byte {
	var line bytes.Buffer
	log := stamped(&line)
	if n == 1 {
		log.Warn().Msg("1 log line was dropped")
	} else {
		log.Warn().Msgf("%d log lines were dropped", n)
	}
	return line.Bytes()
}

// logWriter chooses how the logger's JSON lines are shown: as they are, as text
// for a person, or as entries of the journal.
func logWriter(cfg config, stderr io.Writer) io.Writer {
	file, isFile := stderr.(*os.File)
	switch {
	case cfg.LogFormat == "console":
		return console(stderr, cfg.environ["NO_COLOR"] != "" || !isFile || !isatty.IsTerminal(file.Fd()))
	case cfg.LogFormat == "json" || !isFile:
		return stderr
	case isatty.IsTerminal(file.Fd()):
		return console(stderr, cfg.environ["NO_COLOR"] != "")
	case isJournal(file, cfg.environ["JOURNAL_STREAM"]):
		return journalWriter{send: journal.Send, or: stderr}
	default:
		return stderr
	}
}

// console shows lines to a person: time of day, level, message, fields. Whatever
// a terminal could take for a command is shown quoted.
func console(w io.Writer, noColor bool) io.Writer {
	return zerolog.ConsoleWriter{
		Out:                 w,
		NoColor:             noColor,
		TimeFormat:          time.TimeOnly,
		FormatMessage:       printable,
		FormatFieldValue:    printable,
		FormatErrFieldValue: printable,
	}
}

// printable is the text of v, quoted if there is anything in it that does not
// print.
func printable(v any) string {
	if v == nil {
		return ""
	}
	text := fmt.Sprintf("%s", v)
	if utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return text
	}
	return strconv.Quote(text)
}

// isJournal says whether f is the stream that systemd connected to the journal:
// JOURNAL_STREAM is its device and inode. (It is inherited, so having it set
// proves nothing.)
func isJournal(f *os.File, stream string) bool {
	var device, inode uint64
	if n, _ := fmt.Sscanf(stream, "%d:%d", &device, &inode); n != 2 {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && uint64(stat.Dev) == device && stat.Ino == inode
}

// journalWriter turns the logger's JSON lines into journal entries: PRIORITY from
// the level, every field under its name in capitals (journalctl ID=17 finds all
// of connection 17), and the fields once more behind the message, so that a plain
// journalctl shows them. An entry the journal does not take goes to or.
type journalWriter struct {
	send func(message string, p journal.Priority, fields map[string]string) error
	or   io.Writer
}

var priorities = map[string]journal.Priority{
	"trace": journal.PriDebug,
	"debug": journal.PriDebug,
	"info":  journal.PriInfo,
	"warn":  journal.PriWarning,
	"error": journal.PriErr,
	"fatal": journal.PriCrit,
	"panic": journal.PriAlert,
}

func (j journalWriter) Write(line []byte) (int, error) {
	fields, err := logFields(line)
	if err != nil {
		return j.or.Write(line)
	}
	priority := journal.PriNotice
	entry := map[string]string{"SYSLOG_IDENTIFIER": "chatd"}
	var message, details string
	for _, f := range fields {
		switch f.name {
		case zerolog.LevelFieldName:
			if p, known := priorities[f.value]; known {
				priority = p
			}
		case zerolog.TimestampFieldName: // the journal has its own
		case zerolog.MessageFieldName:
			message = f.value
		default:
			entry[journalName(f.name)] = f.value
			value := f.value
			if value == "" || strings.ContainsAny(value, ` "=`) {
				value = strconv.Quote(value)
			}
			details += " " + f.name + "=" + printable(value)
		}
	}
	if err := j.send(strings.TrimSpace(printable(message)+details), priority, entry); err != nil {
		return j.or.Write(line)
	}
	return len(line), nil
}

// journalName is name in capitals, with an underscore for all that the journal
// does not allow: it takes A-Z, 0-9 and _, with a letter first.
func journalName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
	if name == "" || name[0] < 'A' || name[0] > 'Z' {
		return "X" + name
	}
	return name
}

// logField is a member of a JSON log line, its value as text.
type logField struct{ name, value string }

// logFields takes a JSON log line apart, in its order.
func logFields(line []byte) ([]logField, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	var fields []logField
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, err
		}
		value := string(raw)
		if raw[0] == '"' {
			if err := json.Unmarshal(raw, &value); err != nil {
				return nil, err
			}
		}
		fields = append(fields, logField{fmt.Sprint(name), value})
	}
	return fields, nil
}
