package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chatd/chatd/internal/cert/certtest"
)

// opsAt is who asks how a server is.
type opsAt struct {
	t    *testing.T
	http http.Client
	host string
}

// ops waits until its listener is announced.
func (p *program) ops() *opsAt {
	p.t.Helper()
	url := p.says(`^listening on (?:tcp://\S+|unix:///\S+)  reach it with: (curl .*/metrics)  \(ops\)$`)[0]
	o := &opsAt{t: p.t, host: strings.TrimSuffix(strings.TrimPrefix(url, "curl http://"), "/metrics")}
	if path, ok := strings.CutPrefix(url, "curl --unix-socket "); ok {
		path, _, _ = strings.Cut(path, " ")
		o.host = "localhost"
		o.http.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}
		return o
	}
	o.http.Transport = &http.Transport{DisableKeepAlives: true}
	return o
}

func (o *opsAt) get(path string) (status int, body string) {
	o.t.Helper()
	r, err := o.http.Get("http://" + o.host + path)
	if err != nil {
		o.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

// answers fails unless a path is answered so.
func (o *opsAt) answers(path string, status int, body string) {
	o.t.Helper()
	if code, text := o.get(path); code != status || strings.TrimSpace(text) != body {
		o.t.Errorf("%s answers %d %q, want %d %q", path, code, text, status, body)
	}
}

// scrape is what /metrics shows: by name, with its labels.
func (o *opsAt) scrape() map[string]float64 {
	o.t.Helper()
	_, text := o.get("/metrics")
	shown := make(map[string]float64)
	for _, m := range regexp.MustCompile(`(?m)^([a-z_]+(?:\{.*\})?) (\S+)$`).FindAllStringSubmatch(text, -1) {
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			o.t.Fatalf("%s: %v", m[0], err)
		}
		shown[m[1]] = v
	}
	return shown
}

// shows waits until the metrics have these values: what clients have seen is counted
// right after.
func (o *opsAt) shows(want map[string]float64) {
	o.t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	var wrong string
	for end := time.Now().Add(patience / 4); time.Now().Before(end); <-again.C {
		got := o.scrape()
		wrong = ""
		for name, v := range want {
			if now, ok := got[name]; !ok || now != v {
				wrong += fmt.Sprintf("%s is %v (shown: %v), want %v\n", name, now, ok, v)
			}
		}
		if wrong == "" {
			return
		}
	}
	o.t.Error(wrong)
}

// What metrics show is what people did.
func TestMetricsCountWhatPeopleDo(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	chain, key := certtest.New(t, "chat.example.org")
	for name, text := range map[string][]byte{"cert": chain, "key": key} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(folder, "chat")
	p := start(t, environment{
		"CHATD_LISTEN": "tcp://127.0.0.1:0,unix://" + socket, "CHATD_OPS_LISTEN": "tcp://127.0.0.1:0",
		"CHATD_MAX_PER_ADDRESS": "3", "CHATD_RATE": "1000", "CHATD_BURST": "5", "CHATD_HISTORY": "off", "CHATD_DATA": filepath.Join(folder, "data"),
		"CHATD_TLS_CERT_FILE": filepath.Join(folder, "cert"), "CHATD_TLS_KEY_FILE": filepath.Join(folder, "key"),
	})
	port := p.port()
	o := p.ops()
	o.shows(map[string]float64{
		`chatd_connections{transport="tcp"}`: 0, "chatd_messages_total": 0, "chatd_ready": 1, "chatd_healthy": 1,
		`chatd_connections_refused_total{reason="too many from one address"}`: 0,
	})

	ana, bob, eve := arrive(t, port, "ana"), arrive(t, port, "bob"), arrive(t, socket, "eve")
	mute := dial(t, port) // only listens
	mute.sees(`kept`)
	if text := dial(t, port).rest(); !strings.Contains(text, "too many connections") {
		t.Fatalf("the fourth is told %q", text)
	}
	const lines = 20
	for i := range lines {
		ana.says(fmt.Sprintf("line %d", i))
	}
	for _, one := range []*person{ana, bob, eve, mute} {
		one.sees(fmt.Sprintf(`ana: line %d$`, lines-1))
	}
	bob.says("/quit")
	bob.rest()
	ana.sees(`^\* .*bob left$`)

	got := o.scrape()
	if n := got["chatd_rate_waits_total"]; n < 1 || n > lines {
		t.Errorf("%v lines waited for the rate", n)
	}
	o.shows(map[string]float64{
		`chatd_connections{transport="tcp"}`:                                  2,
		`chatd_connections{transport="unix"}`:                                 1,
		`chatd_connections_accepted_total{transport="tcp"}`:                   3,
		`chatd_connections_accepted_total{transport="unix"}`:                  1,
		`chatd_connections_ended_total{cause="said goodbye"}`:                 1,
		`chatd_connections_refused_total{reason="too many from one address"}`: 1,
		`chatd_sessions{role="talking"}`:                                      2,
		`chatd_sessions{role="listening"}`:                                    1,
		"chatd_rooms":                                                         1,
		"chatd_messages_total":                                                lines,
		"chatd_deliveries_total":                                              4 * lines,
		"chatd_gaps_total":                                                    0,
		"chatd_sweep_messages_sum":                                            lines,
		"chatd_journal_kept_messages_total":                                   lines,
		"chatd_journal_lost_messages_total":                                   0,
		"chatd_journal_queue_messages":                                        0,
		"chatd_log_lines_dropped_total":                                       0,
	})
	got = o.scrape()
	if n := got["chatd_tls_certificate_expiry_timestamp_seconds"]; n < float64(time.Now().Unix()) {
		t.Errorf("the certificate expires at %v", n)
	}
	for _, name := range []string{"process_open_fds", "process_resident_memory_bytes", "chatd_feed_bytes", "chatd_sweep_duration_seconds_sum", "chatd_journal_commits_total"} {
		if got[name] <= 0 {
			t.Errorf("%s is %v", name, got[name])
		}
	}
	p.stop()
}

// Whether newcomers are served is told from the start to the end of a stop.
func TestReadyUntilTheStop(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "chat")
	p := start(t, environment{
		"CHATD_LISTEN": "tcp://127.0.0.1:0,unix://" + socket, "CHATD_OPS_LISTEN": "tcp://127.0.0.1:0",
		"CHATD_SHUTDOWN_GRACE": "1m", "CHATD_RATE": "off",
	})
	port := p.port()
	o := p.ops()
	o.shows(map[string]float64{"chatd_ready": 1})
	o.answers("/readyz", 200, "ok")
	o.answers("/healthz", 200, "ok")

	operator := arrive(t, socket, "olga") // as whom the server runs
	operator.says("/close")
	operator.sees(`^\* newcomers are turned away`)
	o.answers("/readyz", 503, "closed to newcomers")
	o.answers("/healthz", 200, "ok")
	operator.says("/open")
	operator.sees(`^\* newcomers`)
	o.answers("/readyz", 200, "ok")

	// Somebody who reads slowly has the stop last, as in TestSecondSignalEndsAtOnce.
	slow, _, wait := readSlowly(t, port)
	defer wait()
	p.signal(syscall.SIGTERM)
	o.shows(map[string]float64{"chatd_ready": 0})
	o.answers("/readyz", 503, "stopping")
	slow.reset()
	if status := p.exit(); status != exitOK {
		t.Errorf("chatd exits with %d", status)
	}
	if _, err := o.http.Get("http://" + o.host + "/readyz"); err == nil {
		t.Error("somebody still answers")
	}
}

// Pages of a name that was made to point here read nothing, and a socket in the file
// system has the mode it was given.
func TestOpsAreGuarded(t *testing.T) {
	t.Parallel()
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0", "CHATD_OPS_LISTEN": "tcp://127.0.0.1:0", "CHATD_WEB_ORIGINS": "https://ops.example.org"})
	o := p.ops()
	_, port, _ := net.SplitHostPort(o.host)
	for host, want := range map[string]string{
		"127.0.0.1:" + port: "200 OK", "localhost:" + port: "200 OK", "[::1]:" + port: "200 OK", "ops.example.org": "200 OK",
		"evil.example.org:" + port: "403 Forbidden", "127.0.0.1.evil.example.org": "403 Forbidden", "": "400 Bad Request",
	} {
		if got := webStatus(t, port, host); got != want {
			if host == "" && got == "403 Forbidden" {
				continue
			}
			t.Errorf("with the Host %q it answers %s, want %s", host, got, want)
		}
	}
	p.stop()

	path := filepath.Join(t.TempDir(), "ops")
	p = start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0", "CHATD_OPS_LISTEN": "unix://" + path + "?mode=0600"})
	p.ops().answers("/healthz", 200, "ok")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v", info, err)
	}
	p.stop()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestCheckTellsOfOps(t *testing.T) {
	t.Parallel()
	status, stdout, _ := chatd(t, environment{"CHATD_OPS_LISTEN": "unix:///run/ops?mode=0600"}, "check")
	if want := "would show metrics on unix:///run/ops?mode=0600\n"; status != exitOK || !strings.Contains(stdout, want) {
		t.Errorf("chatd check exits with %d and shows\n%swithout %s", status, stdout, want)
	}
}

// A place that is taken is told with the variable that it came from, beside all others.
func TestOpsPlaceIsTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	place := "tcp://" + l.Addr().String()
	status, _, stderr := chatd(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0", "CHATD_OPS_LISTEN": place})
	if status != exitFailed || !strings.Contains(stderr, "chatd: "+place+": port ") || !strings.HasSuffix(stderr, "; choose another with CHATD_OPS_LISTEN\n") {
		t.Errorf("it exits with %d and says %s", status, stderr)
	}
}
