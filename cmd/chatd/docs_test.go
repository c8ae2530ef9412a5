package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	docsFile    = "../../docs/configuration.md"
	envFile     = "../../configs/chatd.env"
	serviceFile = "../../configs/chatd.service"
	socketFile  = "../../configs/chatd.socket"
	operations  = "../../docs/operations.md"
)

func TestDocs(t *testing.T) {
	t.Parallel()
	golden(t, docsFile, docs())
	golden(t, envFile, envExample())
}

const docsHead = "# Configuration\n" + `
chatd is configured by environment variables. This page is printed from the code
(` + "`go test ./cmd/chatd -run TestDocs -update`" + `), as are ` + "`chatd help`" + ` and
[configs/chatd.env](../configs/chatd.env), which systemd reads as
` + "`/etc/chatd/chatd.env`" + `.

- ` + "`chatd check`" + ` judges the variables it is started with, and ` + "`chatd check FILE`" + ` those in a file as
  the service would be started with it, and says where chatd would listen. All mistakes are told at once, one line each, and a bad configuration
  exits with status 78 before anything is bound.
- A variable that is empty counts as not set. What 0 switches off, the word
  ` + "`off`" + ` does too.
- A name that begins with ` + "`CHATD_`" + ` and is none of these is a mistake, and the nearest
  one is named.
- Variables are read at the start; to change one, restart. SIGHUP
  (` + "`systemctl reload chatd`" + `) reads only the files again that variables name.
- Numbers are whole numbers, except for rates (` + "`0.5`" + `). Sizes are bytes (` + "`4096`" + `) or
  ` + "`64KiB`, `64MiB`, `1GiB`" + `. Lengths of time are ` + "`10s`, `15m`, `1h30m`" + `. Switches are ` + "`on`" + `
  or ` + "`off`, `yes` or `no`, `true` or `false`, `1` or `0`" + `.
`

// docs is docs/configuration.md.
func docs() string {
	var b strings.Builder
	b.WriteString(docsHead)
	group := ""
	for _, s := range settings() {
		if s.group != group {
			group = s.group
			fmt.Fprintf(&b, "\n## %s\n", group)
		}
		fmt.Fprintf(&b, "\n### %s\n\n", s.name)
		for _, line := range wrapped(capital(s.desc)+".", 80) {
			fmt.Fprintln(&b, line)
		}
		if s.more != "" {
			fmt.Fprintln(&b)
			for _, line := range wrapped(s.more, 80) {
				fmt.Fprintln(&b, line)
			}
		}
		fmt.Fprintln(&b)
		if s.fallback != "" {
			fmt.Fprintf(&b, "- Default: `%s`\n", s.fallback)
		} else {
			fmt.Fprintf(&b, "- Default: %s\n", s.fallbackWords)
		}
		if values := s.values(); values != "" {
			fmt.Fprintf(&b, "- Values: %s\n", values)
		}
		fmt.Fprintf(&b, "- Example: `%s=%s`\n", s.name, s.example)
	}
	return b.String()
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

const envHead = `# Settings of chatd, one NAME=value a line. The systemd service reads this file
# as /etc/chatd/chatd.env. Every line shows a default: take the # away from one to
# change it, try it with
#
#     chatd check /etc/chatd/chatd.env
#
# and restart chatd. A value with a space or a & in it goes in double quotes.
# docs/configuration.md tells more.
`

// envExample is configs/chatd.env.
func envExample() string {
	var b strings.Builder
	b.WriteString(envHead)
	group := ""
	for _, s := range settings() {
		if s.group != group {
			group = s.group
			fmt.Fprintf(&b, "\n# --- %s ---\n", group)
		}
		text := capital(s.desc)
		if values := s.values(); values != "" {
			text += " (" + values + ")"
		}
		if s.fallback == "" {
			text += ". Default: " + s.fallbackWords
		}
		fmt.Fprintln(&b)
		for _, line := range wrapped(text+".", 78) {
			fmt.Fprintf(&b, "# %s\n", line)
		}
		fmt.Fprintf(&b, "#%s=%s\n", s.name, s.fallback)
	}
	return b.String()
}

// The shipped file with every line in force is the configuration without any.
func TestEnvExampleIsTheDefaults(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(envFile)
	if err != nil {
		t.Fatal(err)
	}
	environ := make(environment)
	for line := range strings.Lines(string(text)) {
		name, value, isSetting := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "#"), "=")
		if !isSetting || !strings.HasPrefix(name, "CHATD_") {
			continue
		}
		if _, twice := environ[name]; twice {
			t.Errorf("%s is there twice", name)
		}
		if strings.ContainsAny(value, " \t\"'\\$`&;") {
			t.Errorf("%s=%s means one thing to systemd and another to a shell", name, value)
		}
		environ[name] = value
	}
	if len(environ) != len(settings()) {
		t.Errorf("the file has %d variables, want %d", len(environ), len(settings()))
	}
	got, err := loadConfig(environ)
	if err != nil {
		t.Fatal(err)
	}
	want, err := loadConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	got.environ = nil
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(config{})); diff != "" {
		t.Errorf("configuration (-defaults +file):\n%s", diff)
	}
}

// directives are the lines of a unit file by name.
func directives(t *testing.T, file string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]string)
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && line[0] != '#' {
			all[name] = append(all[name], value)
		}
	}
	return all
}

func TestUnitsAgreeWithTheConfiguration(t *testing.T) {
	t.Parallel()
	service, socket := directives(t, serviceFile), directives(t, socketFile)

	stop, err := time.ParseDuration(service["TimeoutStopSec"][0])
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings() {
		if s.name == "CHATD_SHUTDOWN_GRACE" {
			if longest := time.Duration(s.value(s.max).Int()) + closeTime; stop <= longest {
				t.Errorf("TimeoutStopSec=%v cuts a stop of %v short", stop, longest)
			}
		}
	}
	if got := service["RestartPreventExitStatus"]; len(got) != 1 || got[0] != fmt.Sprint(exitConfig) {
		t.Errorf("RestartPreventExitStatus=%v, want %d", got, exitConfig)
	}

	// The default listeners and those of the socket unit are one port, and two
	// paths: a socket in the runtime directory would go when the service stops.
	var ports, paths []string
	for _, l := range socket["ListenStream"] {
		if filepath.IsAbs(l) {
			paths = append(paths, l)
		} else {
			ports = append(ports, "tcp://:"+l)
		}
	}
	cfg, err := loadConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{cfg.Listen}, ports); diff != "" {
		t.Errorf("ports (-default +chatd.socket):\n%s", diff)
	}
	runtime := "/run/" + service["RuntimeDirectory"][0]
	if len(paths) != 1 || filepath.Dir(paths[0]) == runtime {
		t.Errorf("chatd.socket listens on %v, want one path, outside of %s", paths, runtime)
	}
	if service["RuntimeDirectoryPreserve"] != nil {
		t.Errorf("with DynamicUser=yes, a preserved runtime directory is in /run/private, which only root enters")
	}
}

// docs/operations.md explains every line of the log and every cause of an end.
func TestOperationsExplainTheLog(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	logged := regexp.MustCompile(`(?:Msgf?\(|&cause\{log: )"(?:%d )?([^"]+)"`)
	found := 0
	for _, pattern := range []string{"*.go", "../../pkg/relay/*.go", "../../internal/store/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range logged.FindAllSubmatch(source, -1) {
				found++
				message := string(m[1])
				if message == "1 log line was dropped" {
					message = "log lines were dropped"
				}
				if !strings.Contains(string(text), message+"`") {
					t.Errorf("%s says nothing of `%s`, which %s logs", operations, message, file)
				}
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d lines of the log were found in the code", found)
	}
}

// What docs/operations.md says of the units is so.
func TestOperationsAgreeWithTheUnits(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	service, socket := directives(t, serviceFile), directives(t, socketFile)
	for name, want := range map[string]string{
		"LimitNOFILE": "65536", "WatchdogSec": "30s", "TimeoutStopSec": "75s", "DynamicUser": "yes", "StateDirectory": "chatd",
	} {
		if got := service[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %v in the unit, and docs/operations.md says what follows from %s", name, got, want)
		}
	}
	for _, want := range []string{"65,472", "every 10 seconds", "for 30 seconds", "75 seconds", "`" + socket["ListenStream"][1] + "`"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s does not say %s", operations, want)
		}
	}
}
