package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd/chatd/internal/figure"
	"github.com/chatd/chatd/internal/fortune"
	"github.com/chatd/chatd/internal/listen"
	"github.com/chatd/chatd/pkg/relay"
)

func TestDefaults(t *testing.T) {
	t.Parallel()
	got, err := loadConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config{
		Listen:        "tcp://:7777",
		History:       20,
		Echo:          true,
		MaxPerAddress: 64,
		MaxLine:       4096,
		Rate:          10,
		Burst:         40,
		LogMemory:     64 << 20,
		ReapInterval:  span(5 * time.Second),
		StallTimeout:  span(15 * time.Minute),
		ShutdownGrace: span(5 * time.Second),
		LogLevel:      "info",
		LogFormat:     "auto",
		listeners:     []listen.Spec{{Scheme: "tcp", Port: 7777, Service: listen.Chat}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(config{})); diff != "" {
		t.Errorf("configuration without any variable (-want +got):\n%s", diff)
	}
}

// A variable that is set to nothing, or to spaces, is a variable that is not set.
func TestEmptyIsDefault(t *testing.T) {
	t.Parallel()
	want, err := loadConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, empty := range []string{"", " ", "\t \n"} {
		environ := make(environment)
		for _, s := range settings() {
			environ[s.name] = empty
		}
		got, err := loadConfig(environ)
		got.environ = nil
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(config{})); err != nil || diff != "" {
			t.Errorf("every variable %q: %v\n%s", empty, err, diff)
		}
	}
}

// What the tags of config promise holds: limits and examples can be read.
func TestTags(t *testing.T) {
	t.Parallel()
	for _, s := range settings() {
		if s.desc == "" || s.group == "" || s.fallback == "" && s.fallbackWords == "" || s.example == "" {
			t.Errorf("%s lacks a description, a group, a default or an example", s.name)
		}
		if s.example == s.fallback {
			t.Errorf("the example of %s is its default", s.name)
		}
		if s.max != "" {
			least := "1"
			if s.min != "" {
				least = s.min
			}
			for _, limit := range []string{least, s.max} {
				if _, err := loadConfig(environment{s.name: limit}); err != nil {
					t.Errorf("a limit of %s: %v", s.name, err)
				}
			}
		}
		for _, word := range s.of {
			if _, err := loadConfig(environment{s.name: strings.ToUpper(word)}); err != nil {
				t.Errorf("a word of %s: %v", s.name, err)
			}
		}
		if strings.HasSuffix(s.name, "_FILE") {
			continue // have tests of their own
		}
		if _, err := loadConfig(environment{s.name: s.example}); err != nil {
			t.Errorf("the example of %s: %v", s.name, err)
		}
	}
}

func TestBadValues(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	large := filepath.Join(folder, "large")
	if err := os.WriteFile(large, make([]byte, maxMOTD+1), 0o644); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const huge = "99999999999999999999"
	counts := []string{"-1", "ten", "1.5", "1e3", "10MiB", huge, "-" + huge}
	spans := []string{"10", "-5s", "1ns", "soon", "10 s", "1d", "99999h", huge}
	bad := map[string][]string{
		"CHATD_LISTEN":    {"7777", "localhost:7777", "off", "tcp://:0x1", "tcp://:7777?serve=pigeon", "tcp://:7777,tcp://:7777", "telnet://:23", ","},
		"CHATD_NAME":      {strings.Repeat("n", 65), "a\x1b[31mb", "two\nlines", "\xff"},
		"CHATD_HISTORY":   append(counts, "4097"),
		"CHATD_ECHO":      {"maybe", "2", "oui"},
		"CHATD_MOTD_FILE": {folder, large, filepath.Join(folder, "none"), "/dev/null", "/proc/self/mem/x"},
		"CHATD_FORTUNE_FILE": {
			folder, filepath.Join(folder, "none"), "/dev/null", write("fortunes-none", "%\n \n%\n", 0o644),
			write("fortunes-empty", "", 0o644), write("fortunes-latin1", "one\n%\ncaf\xe9\n", 0o644),
			write("fortunes-long", "one\n%\n"+strings.Repeat("x", fortune.MaxLength), 0o644), write("fortunes-large", strings.Repeat("x\n%\n", maxFortunes/4+1), 0o644),
		},
		"CHATD_MAX_CLIENTS":     counts,
		"CHATD_MAX_PER_ADDRESS": counts,
		"CHATD_MAX_LINE":        {"0", "off", "63", "-64", "65KiB", "64KB", "4 k", "1.5KiB", "long", huge, "-" + huge + "GiB"},
		"CHATD_RATE":            {"-1", "fast", "NaN", "Inf", "-Inf", "1e999", "0.001", "10/s"},
		"CHATD_BURST":           counts,
		"CHATD_LOG_MEMORY":      {"1", "64M", "64MB", "2000000GiB", "-8589934592GiB", "lots", huge},
		"CHATD_REAP_INTERVAL":   append(spans, "0", "off", "11m"),
		"CHATD_IDLE_TIMEOUT":    spans,
		"CHATD_STALL_TIMEOUT":   spans,
		"CHATD_SHUTDOWN_GRACE":  append(spans, "61s"),
		"CHATD_DATA":            {large, filepath.Join(large, "data"), filepath.Join(folder, "none", "data")},
		"CHATD_KEEP":            {"-1", "90d,90d", "5,6", "1.5d", "90D", "200y", "9000w", "0d", "5000000000", "ever", ",", "90d,100,7"},
		"CHATD_PASSWORD_FILE": {
			folder, large, filepath.Join(folder, "none"), "/dev/null",
			write("open", "secret\n", 0o644), write("writable", "secret\n", 0o602), write("empty", "\n", 0o600),
			write("lines", "secret\nand more\n", 0o600), write("escape", "\x1b[31m", 0o600), write("latin1", "caf\xe9\n", 0o600),
		},
		"CHATD_TLS_CERT_FILE": {large, filepath.Join(folder, "none")}, // without a key; TestBadCertificates has the rest
		"CHATD_TLS_KEY_FILE":  {large, filepath.Join(folder, "none")},
		"CHATD_PROXY_FROM":    {",", "proxy", "192.0.2.7:80", "192.0.2.7/33", "192.0.2.7/24", "fe80::1%eth0", "::ffff:0.0.0.0/96", "192.0.2.7;192.0.2.8"},
		"CHATD_OPS_LISTEN": {
			"9777", "127.0.0.1:9777", "http://127.0.0.1:9777", "tls://:9777", "fd://metrics", "tcp://:1,tcp://:2", ",",
			"tcp://:9777?serve=raw", "unix:metrics", "unix:///tmp/metrics?mode=0444",
		},
		"CHATD_WEB_ORIGINS": {",", "chat.example.org", "https://*.example.org", "ws://chat.example.org", "https://chat.example.org/chat", "https://bücher.example", "null", "https://a.example,https://A.example:443"},
		"CHATD_OPERATORS":   {"ana;bob", "ana bob", ",", "ana,,ana", "ana,Ana", "guest7", "раураl", "ana,\xff", "-", strings.Repeat("a", 33)},
		"CHATD_LOG_LEVEL":   {"loud", "off", "0"},
		"CHATD_LOG_FORMAT":  {"xml", "journal", "auto,json"},
	}
	var all strings.Builder
	for _, s := range settings() {
		if len(bad[s.name]) == 0 {
			t.Errorf("no bad value of %s is tried", s.name)
		}
		for _, value := range bad[s.name] {
			_, err := loadConfig(environment{s.name: value})
			wrong, _ := err.(mistakes)
			if len(wrong) != 1 {
				t.Errorf("%s=%q has %d mistakes, want 1: %v", s.name, value, len(wrong), err)
			}
			for _, sentence := range wrong {
				if !strings.HasPrefix(sentence, s.name) || strings.Contains(sentence, "\n") {
					t.Errorf("%q does not begin with %s or is not one line", sentence, s.name)
				}
				fmt.Fprintln(&all, strings.ReplaceAll(sentence, folder, "/FOLDER"))
			}
		}
	}
	golden(t, "testdata/mistakes.golden", all.String())
	figure.Figure{
		Row: 22, Part: "bad values", Held: !t.Failed(), Bar: "one for every variable at least, each told in a line",
		Got: fmt.Sprintf("%d of %d variables, %d values", len(bad), len(settings()), strings.Count(all.String(), "\n")),
	}.Tell(t)
}

func TestGoodValues(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		variable, value string
		want            func(config) bool
	}{
		{"CHATD_NAME", "Zoë's 聊天 🙂", func(c config) bool { return c.Name == "Zoë's 聊天 🙂" }},
		{"CHATD_HISTORY", "off", func(c config) bool { return c.History == 0 }},
		{"CHATD_HISTORY", "0", func(c config) bool { return c.History == 0 }},
		{"CHATD_HISTORY", "007", func(c config) bool { return c.History == 7 }},
		{"CHATD_ECHO", "no", func(c config) bool { return !bool(c.Echo) }},
		{"CHATD_ECHO", "OFF", func(c config) bool { return !bool(c.Echo) }},
		{"CHATD_ECHO", "false", func(c config) bool { return !bool(c.Echo) }},
		{"CHATD_ECHO", "0", func(c config) bool { return !bool(c.Echo) }},
		{"CHATD_ECHO", "yes", func(c config) bool { return bool(c.Echo) }},
		{"CHATD_ECHO", "True", func(c config) bool { return bool(c.Echo) }},
		{"CHATD_ECHO", "1", func(c config) bool { return bool(c.Echo) }},
		{"CHATD_MAX_LINE", "64", func(c config) bool { return c.MaxLine == 64 }},
		{"CHATD_MAX_LINE", "1 kib", func(c config) bool { return c.MaxLine == 1024 }},
		{"CHATD_LOG_MEMORY", "2GiB", func(c config) bool { return c.LogMemory == 2<<30 }},
		{"CHATD_LOG_MEMORY", "Off", func(c config) bool { return c.LogMemory == 0 }},
		{"CHATD_RATE", "0.5", func(c config) bool { return c.Rate == 0.5 }},
		{"CHATD_IDLE_TIMEOUT", "1h30m", func(c config) bool { return c.IdleTimeout == span(90*time.Minute) }},
		{"CHATD_STALL_TIMEOUT", "0s", func(c config) bool { return c.StallTimeout == 0 }},
		{"CHATD_SHUTDOWN_GRACE", "off", func(c config) bool { return c.ShutdownGrace == 0 }},
		{"CHATD_KEEP", "90d,100", func(c config) bool { return c.Keep == keep{90 * 24 * time.Hour, 100, true} }},
		{"CHATD_KEEP", " 100 , 12h ", func(c config) bool { return c.Keep == keep{12 * time.Hour, 100, true} }},
		{"CHATD_KEEP", "OFF", func(c config) bool { return c.Keep == keep{Said: true} }},
		{"CHATD_DATA", "/tmp/not/../not-yet", func(c config) bool { return c.Data == "/tmp/not/../not-yet" }},
		{"CHATD_DATA", "data", func(c config) bool { return c.Data == "data" }},
		{"CHATD_DATA", "Off", func(c config) bool { return c.Data == "" }},
		{"CHATD_OPERATORS", " ana , Zoë,聊天,", func(c config) bool { return slices.Equal(c.Operators, names{"ana", "Zoë", "聊天"}) }},
		{"CHATD_PROXY_FROM", "off", func(c config) bool { return c.ProxyFrom == nil }},
		{"CHATD_PROXY_FROM", "192.0.2.7, 10.0.0.0/8", func(c config) bool { return fmt.Sprint(c.ProxyFrom) == "[192.0.2.7/32 10.0.0.0/8]" }},
		{"CHATD_OPS_LISTEN", "off", func(c config) bool { return !c.OpsListen.wanted() }},
		{"CHATD_OPS_LISTEN", "unix:///run/ops?mode=0600", func(c config) bool {
			return c.OpsListen == opsPlace{Scheme: "unix", Path: "/run/ops", Service: listen.Ops, Mode: 0o600}
		}},
		{"CHATD_WEB_ORIGINS", "off", func(c config) bool { return c.WebOrigins == nil }},
		{"CHATD_WEB_ORIGINS", "https://Chat.example.org:443/, http://[::1]:8080", func(c config) bool {
			return slices.Equal(c.WebOrigins, origins{"https://chat.example.org", "http://[::1]:8080"})
		}},
		{"CHATD_OPERATORS", "off", func(c config) bool { return c.Operators == nil }},
		{"CHATD_LOG_LEVEL", "Debug", func(c config) bool { return c.LogLevel == "debug" }},
	} {
		cfg, err := loadConfig(environment{test.variable: test.value})
		if err != nil || !test.want(cfg) {
			t.Errorf("%s=%q: %v, %+v", test.variable, test.value, err, cfg)
		}
	}
}

func TestUnknownVariables(t *testing.T) {
	t.Parallel()
	const (
		meant = "%s is not known to this version; did you mean %s?"
		none  = "%s is not known to this version; chatd help lists those that are"
	)
	for _, test := range []struct{ variable, near string }{
		{"CHATD_LISTN", "CHATD_LISTEN"},
		{"CHATD_LSITEN", "CHATD_LISTEN"},
		{"CHATD_RTAE", "CHATD_RATE"},
		{"chatd_listen", "CHATD_LISTEN"},
		{"CHATD_MAXCLIENTS", "CHATD_MAX_CLIENTS"},
		{"CHATD_MOTD", ""},
		{"CHATD_DATE", "CHATD_DATA"},
		{"CHATD_OPERATOR", "CHATD_OPERATORS"},
		{"CHATD_WEB_ORIGIN", "CHATD_WEB_ORIGINS"},
		{"CHATD_TLS_CERT", ""},
		{"CHATD_TLS_KEYFILE", "CHATD_TLS_KEY_FILE"},
		{"CHATD_OPS_LISTN", "CHATD_OPS_LISTEN"},
		{"CHATD_PORT", ""},
		{"CHATD_", ""},
	} {
		want := fmt.Sprintf(none, test.variable)
		if test.near != "" {
			want = fmt.Sprintf(meant, test.variable, test.near)
		}
		_, err := loadConfig(environment{test.variable: "1"})
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v\nwant %s", test.variable, err, want)
		}
	}
	for _, others := range []string{"CHAT_LISTEN", "CHATDX", "NO_COLOR", "MYCHATD_LISTEN"} {
		if _, err := loadConfig(environment{others: "1"}); err != nil {
			t.Errorf("%s is not ours: %v", others, err)
		}
	}
}

// Kubernetes puts variables of its own into containers, whose names begin like
// ours if a service is called chatd.
func TestVariablesOfKubernetes(t *testing.T) {
	t.Parallel()
	environ := environment{"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
	for _, name := range []string{"SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_CHAT", "PORT", "PORT_7777_TCP", "PORT_7777_TCP_ADDR"} {
		environ["CHATD_"+name] = "tcp://10.0.0.2:7777"
	}
	if _, err := loadConfig(environ); err != nil {
		t.Error(err)
	}
	environ["CHATD_PORTS"] = "7777"
	if _, err := loadConfig(environ); err == nil {
		t.Error("CHATD_PORTS is accepted")
	}
}

func TestListenDefault(t *testing.T) {
	t.Parallel()
	const fallback = "tcp://:7777"
	for _, test := range []struct {
		name    string
		environ environment
		want    string
	}{
		{"nothing", nil, fallback},
		{"a runtime directory", environment{"RUNTIME_DIRECTORY": "/run/chatd"}, fallback + ",unix:///run/chatd/chatd.sock?mode=0666"},
		{"two", environment{"RUNTIME_DIRECTORY": "/run/a:/run/b"}, fallback + ",unix:///run/a/chatd.sock?mode=0666"},
		{"one with odd signs", environment{"RUNTIME_DIRECTORY": "/run/a,b?c%d e"}, fallback + ",unix:///run/a%2Cb%3Fc%25d%20e/chatd.sock?mode=0666"},
		{"a relative one", environment{"RUNTIME_DIRECTORY": "chatd"}, fallback},
		{"sockets", environment{"LISTEN_FDS": "1", "LISTEN_PID": "42", "RUNTIME_DIRECTORY": "/run/chatd"}, ""},
		{"sockets of a parent", environment{"LISTEN_FDS": "1", "LISTEN_PID": "41"}, fallback},
		{"no sockets", environment{"LISTEN_FDS": "0", "LISTEN_PID": "42"}, fallback},
		{"junk", environment{"LISTEN_FDS": "many", "LISTEN_PID": "42"}, fallback},
	} {
		got := listenDefault(test.environ, 42, fallback)
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
		if got != "" {
			if _, err := listen.Parse(got); err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
		}
	}
}

// CHATD_LISTEN is heeded even if sockets are handed over.
func TestListenBeforeSockets(t *testing.T) {
	t.Parallel()
	cfg, err := loadConfig(environment{"CHATD_LISTEN": "fd://chat", "LISTEN_FDS": "1", "LISTEN_PID": fmt.Sprint(os.Getpid())})
	want := []listen.Spec{{Scheme: "fd", Name: "chat", Service: listen.Chat}}
	if err != nil || cfg.handedOver || !slices.Equal(cfg.listeners, want) {
		t.Errorf("got %v, handed over %v, error %v", cfg.listeners, cfg.handedOver, err)
	}
}

func TestRelayConfig(t *testing.T) {
	t.Parallel()
	plain := relay.Config{
		History: 20, LogMemory: 64 << 20, MaxPerAddress: 64, MaxLine: 4096, Rate: 10, Burst: 40,
		ReapInterval: 5 * time.Second, StallTimeout: 15 * time.Minute,
	}
	with := func(change func(*relay.Config)) relay.Config {
		c := plain
		change(&c)
		return c
	}
	unlimited := with(func(c *relay.Config) { c.Rate, c.Burst = relay.Unlimited, relay.Unlimited })
	for _, test := range []struct {
		environ environment
		want    relay.Config
	}{
		{nil, plain},
		{environment{"CHATD_NAME": "here"}, with(func(c *relay.Config) { c.Name = "here" })},
		{environment{"CHATD_ECHO": "off"}, with(func(c *relay.Config) { c.NoEcho = true })},
		{environment{"CHATD_HISTORY": "off"}, with(func(c *relay.Config) { c.History = relay.Unlimited })},
		{environment{"CHATD_LOG_MEMORY": "off"}, with(func(c *relay.Config) { c.LogMemory = relay.Unlimited })},
		{environment{"CHATD_KEEP": "1h"}, with(func(c *relay.Config) { c.Keep = relay.Keep{Age: time.Hour} })},
		{environment{"CHATD_KEEP": "off"}, plain},
		{environment{"CHATD_DATA": "/tmp"}, with(func(c *relay.Config) { c.Keep = relay.Keep{Count: keepOnDisk} })},
		{environment{"CHATD_DATA": "/tmp", "CHATD_KEEP": "1h"}, with(func(c *relay.Config) { c.Keep = relay.Keep{Age: time.Hour} })},
		{environment{"CHATD_DATA": "/tmp", "CHATD_KEEP": "off"}, plain},
		{environment{"STATE_DIRECTORY": "/tmp", "CHATD_DATA": "off"}, plain},
		{environment{"CHATD_OPERATORS": "ana,bob"}, with(func(c *relay.Config) { c.Operators = []string{"ana", "bob"} })},
		{environment{"CHATD_MAX_CLIENTS": "off"}, plain},
		{environment{"CHATD_MAX_CLIENTS": "5"}, with(func(c *relay.Config) { c.MaxClients = 5 })},
		{environment{"CHATD_MAX_PER_ADDRESS": "0"}, with(func(c *relay.Config) { c.MaxPerAddress = relay.Unlimited })},
		{environment{"CHATD_RATE": "off"}, unlimited},
		{environment{"CHATD_BURST": "off"}, unlimited},
		{environment{"CHATD_IDLE_TIMEOUT": "1h"}, with(func(c *relay.Config) { c.IdleTimeout = time.Hour })},
		{environment{"CHATD_STALL_TIMEOUT": "off"}, with(func(c *relay.Config) { c.StallTimeout = relay.Unlimited })},
	} {
		cfg, err := loadConfig(test.environ)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, relayConfig(cfg)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.environ, diff)
		}
	}
}

func TestReadMOTD(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "motd")
	largest := strings.Repeat("x", maxMOTD)
	for _, text := range []string{"", "welcome\nto all\n", largest} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := readMOTD(file); err != nil || got != text {
			t.Errorf("read %d of %d bytes, error %v", len(got), len(text), err)
		}
	}
	if _, err := loadConfig(environment{"CHATD_MOTD_FILE": " " + file + " "}); err != nil {
		t.Error(err)
	}
}

func TestReadPassword(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	for text, want := range map[string]string{
		"open sesame": "open sesame", "secret\n": "secret", "secret\r\n": "secret", " пароль \n": " пароль ",
		strings.Repeat("x", maxPassword-1) + "\n": strings.Repeat("x", maxPassword-1),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := loadConfig(environment{"CHATD_PASSWORD_FILE": file})
		if err != nil || cfg.password != want {
			t.Errorf("of %.20q %.20q is read, error %v", text, cfg.password, err)
		}
	}
	if err := os.WriteFile(file, []byte(strings.Repeat("x", 65)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := loadConfig(environment{"CHATD_PASSWORD_FILE": file, "CHATD_MAX_LINE": "64"})
	if err == nil || !strings.Contains(err.Error(), "longer than CHATD_MAX_LINE") {
		t.Errorf("a password that no line holds: %v", err)
	}
}

// systemd's state directory is where history goes, unless CHATD_DATA says otherwise.
func TestDataFolder(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ state, said, want string }{
		{"", "", ""},
		{"/var/lib/chatd", "", "/var/lib/chatd"},
		{"/var/lib/a:/var/lib/b", "", "/var/lib/a"},
		{"chatd", "", ""},
		{"/var/lib/chatd", "off", ""},
		{"/var/lib/chatd", "/srv/chat", "/srv/chat"},
		{"", "here", "here"},
	} {
		if got := dataFolder(environment{"STATE_DIRECTORY": test.state}, test.said); got != test.want {
			t.Errorf("STATE_DIRECTORY=%q and CHATD_DATA=%q: got %q, want %q", test.state, test.said, got, test.want)
		}
	}
}
