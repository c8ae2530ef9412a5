package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/chatd/chatd/pkg/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source is one with something of everything.
func source() Source {
	st := relay.New(relay.Config{}).Stats() // has all labels
	st.Transports["tcp"] = relay.Traffic{Now: 3, Ever: 5}
	st.Ended["idle"] = 2
	st.RefusedFor["banned"] = 4
	st.Sessions, st.People, st.Listening, st.Messages, st.Deliveries = 3, 2, 1, 7, 14
	st.SweepSeconds.Counts[2], st.SweepSeconds.Sum = 6, 0.0003
	st.SweepMessages.Counts[0], st.SweepMessages.Counts[1], st.SweepMessages.Sum = 5, 1, 7
	st.Journal = relay.JournalStats{Queue: 9, Lag: 1500 * time.Millisecond, Kept: 100, Paused: true}
	return Source{
		Stats:              func() relay.Stats { return st },
		Probe:              func(context.Context) error { return nil },
		Ready:              func() error { return nil },
		NoDescriptor:       func() uint64 { return 8 },
		LogDropped:         func() uint64 { return 1 },
		CertificateExpires: func() time.Time { return time.Unix(1800000000, 0) },
		Version:            "1.2.3", Commit: "abc", GoVersion: "go1.26",
	}
}

func anybody(string) error { return nil }

// get asks a server without a network. A path may begin with a host.
func get(t *testing.T, s *Server, url string, header ...string) (status int, body string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, url, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestMetrics(t *testing.T) {
	s := New(source(), Guard{anybody}, zerolog.Nop())
	status, text := get(t, s, "/metrics")
	if status != http.StatusOK {
		t.Fatalf("%d: %s", status, text)
	}
	for _, want := range []string{
		`chatd_connections{transport="tcp"} 3`,
		`chatd_connections{transport="websocket"} 0`,
		`chatd_connections_accepted_total{transport="tcp"} 5`,
		`chatd_connections_ended_total{cause="idle"} 2`,
		`chatd_connections_ended_total{cause="said goodbye"} 0`,
		`chatd_connections_refused_total{reason="banned"} 4`,
		`chatd_connections_refused_total{reason="no file descriptor left"} 8`,
		`chatd_sessions{role="talking"} 2`,
		`chatd_deliveries_total 14`,
		`chatd_sweep_duration_seconds_bucket{le="0.0001"} 6`,
		`chatd_sweep_duration_seconds_bucket{le="3e-05"} 0`,
		`chatd_sweep_messages_bucket{le="1"} 5`,
		`chatd_sweep_messages_bucket{le="+Inf"} 6`,
		`chatd_sweep_messages_sum 7`,
		`chatd_sweep_messages_count 6`,
		`chatd_journal_lag_seconds 1.5`,
		`chatd_journal_paused 1`,
		`chatd_healthy 1`,
		`chatd_ready 1`,
		`chatd_log_lines_dropped_total 1`,
		`chatd_tls_certificate_expiry_timestamp_seconds 1.8e+09`,
		`chatd_build_info{commit="abc",goversion="go1.26",version="1.2.3"} 1`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("there is no line %s", want)
		}
	}
	for _, want := range []string{"process_open_fds", "process_max_fds", "process_resident_memory_bytes", "go_goroutines"} {
		if !strings.Contains(text, "\n"+want+" ") {
			t.Errorf("there is no %s", want)
		}
	}
}

// The names are what Prometheus' own linter likes, and no metric comes twice.
func TestNames(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(collector{source()})
	if _, err := r.Gather(); err != nil {
		t.Fatal(err)
	}
	_, text := get(t, New(source(), Guard{anybody}, zerolog.Nop()), "/metrics")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// shown are the names of all metrics, those of the process and of Go among them.
func shown(t *testing.T) (names []string) {
	t.Helper()
	_, text := get(t, New(source(), Guard{anybody}, zerolog.Nop()), "/metrics")
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
		if m[2] == "histogram" {
			names = append(names, m[1]+"_bucket", m[1]+"_sum", m[1]+"_count")
		}
	}
	if len(names) < 40 {
		t.Fatalf("found only %d metrics", len(names))
	}
	return names
}

var metricName = regexp.MustCompile(`\b(?:chatd|process|go)_[a-z0-9_]+\b`)

// Every metric that the alerts use is there, and docs/operations.md explains every one
// that is ours, and no other.
func TestAlertsAndDocsKnowTheMetrics(t *testing.T) {
	names := shown(t)
	for _, file := range []string{"prometheus-alerts.yml", "prometheus-alerts.test.yml"} {
		text, err := os.ReadFile(filepath.Join("../../configs", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range metricName.FindAllString(string(text), -1) {
			if !slices.Contains(names, name) {
				t.Errorf("%s uses %s, which is not shown", file, name)
			}
		}
	}
	for _, page := range []string{"operations.md", "faults.md"} {
		text, err := os.ReadFile(filepath.Join("../../docs", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile("`((?:chatd|process|go)_[a-z0-9_]+)").FindAllStringSubmatch(string(text), -1) {
			if !slices.Contains(names, name[1]) {
				t.Errorf("docs/%s names %s, which is not shown", page, name[1])
			}
		}
		if page != "operations.md" {
			continue
		}
		for _, name := range names {
			part := regexp.MustCompile(`_(bucket|sum|count)$`).MatchString(name)
			if strings.HasPrefix(name, "chatd_") && !part && !strings.Contains(string(text), "| `"+name) {
				t.Errorf("docs/operations.md says nothing of %s", name)
			}
		}
	}
}

func TestHealthAndReady(t *testing.T) {
	src := source()
	var sick, busy error
	src.Probe = func(context.Context) error { return sick }
	src.Ready = func() error { return busy }
	s := New(src, Guard{anybody}, zerolog.Nop())
	expect := func(path string, status int, body string) {
		t.Helper()
		if code, text := get(t, s, path); code != status || text != body+"\n" {
			t.Errorf("%s answers %d %q, want %d %q", path, code, text, status, body)
		}
	}
	expect("/healthz", 200, "ok")
	expect("/readyz", 200, "ok")
	sick, busy = errors.New(`room "tea" does not answer`), errors.New("stopping")
	expect("/healthz", 503, `room "tea" does not answer`)
	expect("/readyz", 503, "stopping")
	_, text := get(t, s, "/metrics")
	for _, want := range []string{"chatd_healthy 0", "chatd_ready 0"} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("there is no line %s", want)
		}
	}
}

// A room that does not answer delays an answer by a second, and no more.
func TestProbeGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := source()
		src.Probe = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		began := time.Now()
		status, _ := get(t, New(src, Guard{anybody}, zerolog.Nop()), "/healthz")
		if took := time.Since(began); status != 503 || took != time.Second {
			t.Errorf("%d after %v", status, took)
		}
	})
}

// Who is known by another name than ours is a page that was made to lead here.
func TestGuard(t *testing.T) {
	g := Guard{func(host string) error {
		if strings.HasPrefix(host, "127.0.0.1") {
			return nil
		}
		return errors.New("who is " + host)
	}}
	s := New(source(), g, zerolog.Nop())
	for _, path := range []string{"/", "/metrics", "/healthz", "/readyz", "/debug/pprof/", "/debug/pprof/heap", "/nothing"} {
		if status, text := get(t, s, "http://evil.example:9777"+path); status != 403 || text != "who is evil.example:9777\n" {
			t.Errorf("%s of another name: %d %s", path, status, text)
		}
		want := 200
		if path == "/nothing" {
			want = 404
		}
		if status, _ := get(t, s, "http://127.0.0.1:9777"+path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
		if status, _ := get(t, s, "http://127.0.0.1:9777"+path, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"); status != 403 {
			t.Errorf("%s for a page of another site: %d", path, status)
		}
		if status, _ := get(t, s, "http://127.0.0.1:9777"+path, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"); status != want {
			t.Errorf("%s by a link: %d, want %d", path, status, want)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/metrics", nil)
	w := httptest.NewRecorder()
	if s.handler().ServeHTTP(w, r); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestIndexListsAll(t *testing.T) {
	s := New(source(), Guard{anybody}, zerolog.Nop())
	_, text := get(t, s, "/")
	paths := regexp.MustCompile(`(?m)^(/\S+)`).FindAllString(text, -1)
	if want := []string{"/metrics", "/healthz", "/readyz", "/debug/pprof/"}; !slices.Equal(paths, want) {
		t.Errorf("/ lists %q, want %q", paths, want)
	}
	for _, p := range paths {
		if status, _ := get(t, s, p); status != 200 {
			t.Errorf("%s: %d", p, status)
		}
	}
}

func TestProfiles(t *testing.T) {
	s := New(source(), Guard{anybody}, zerolog.Nop())
	_, list := get(t, s, "/debug/pprof/")
	for _, p := range pprof.Profiles() {
		path := "/debug/pprof/" + p.Name()
		if !strings.Contains(list, path+"?debug=1\n") {
			t.Errorf("%s is not listed", path)
		}
		if status, text := get(t, s, path); status != 200 || !strings.HasPrefix(text, "\x1f\x8b") { // gzip
			t.Errorf("%s: %d, %.20q", path, status, text)
		}
	}
	if _, text := get(t, s, "/debug/pprof/goroutine?debug=2"); !strings.Contains(text, "TestProfiles") {
		t.Errorf("the goroutines are %.200s", text)
	}
	if status, text := get(t, s, "/debug/pprof/profile?seconds=0.01"); status != 200 || !strings.HasPrefix(text, "\x1f\x8b") {
		t.Errorf("profile: %d, %.20q", status, text)
	}
	if status, text := get(t, s, "/debug/pprof/trace?seconds=0.01"); status != 200 || !strings.HasPrefix(text, "go 1.") {
		t.Errorf("trace: %d, %.20q", status, text)
	}
	for path, want := range map[string]int{
		"nothing": 404, "profile?seconds=121": 400, "profile?seconds=-1": 400, "profile?seconds=NaN": 400, "trace?seconds=x": 400,
		"../../etc/passwd": 404, "heap/x": 404,
	} {
		if status, text := get(t, s, "/debug/pprof/"+path); status != want && status != 301 && status != 307 {
			t.Errorf("%s: %d %.60s, want %d", path, status, text, want)
		}
	}
	if err := pprof.StartCPUProfile(io.Discard); err != nil {
		t.Fatal(err)
	}
	defer pprof.StopCPUProfile()
	if status, text := get(t, s, "/debug/pprof/profile?seconds=1"); status != 409 || !strings.Contains(text, "already") {
		t.Errorf("a second profile at a time: %d %s", status, text)
	}
}

// serve serves on a port of its own until the test ends.
func serve(t *testing.T, s *Server) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr()
}

// ask sends one request over a connection of its own and returns the answer.
func ask(t *testing.T, to net.Addr, path string) string {
	t.Helper()
	nc, err := net.Dial(to.Network(), to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprintf(nc, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path)
	text, err := io.ReadAll(nc)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// endless is a listener that somebody always connects to.
type endless struct{ net.Listener }

func (endless) Accept() (net.Conn, error) {
	ours, theirs := net.Pipe()
	_ = theirs.Close()
	return ours, nil
}

func (endless) Close() error { return nil }

// Those beyond the limit wait until others have left.
func TestConnectionsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNarrow(endless{}, 2)
		accepted := make(chan net.Conn, 10)
		ended := make(chan error)
		go func() {
			for {
				nc, err := n.Accept()
				if err != nil {
					ended <- err
					return
				}
				accepted <- nc
			}
		}()
		expect := func(want int) {
			t.Helper()
			synctest.Wait()
			if len(accepted) != want {
				t.Errorf("%d are served, want %d", len(accepted), want)
			}
		}
		expect(2)
		first := <-accepted
		first.Close()
		first.Close() // gives no other place back
		expect(2)
		n.Close()
		n.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

// Close ends what is under way: a profile of two minutes delays no stop.
func TestCloseEndsProfiles(t *testing.T) {
	s := New(source(), Guard{anybody}, zerolog.Nop())
	addr := serve(t, s)
	nc, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprint(nc, "GET /debug/pprof/trace?seconds=120 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if _, err := nc.Read(make([]byte, 1)); err != nil { // it has begun
		t.Fatal(err)
	}
	s.Close()
	if _, err := io.Copy(io.Discard, nc); err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
}

// A socket in the file system takes any name: no page reaches it.
func TestUnixSocketsTakeAnyName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ops")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := New(source(), Guard{func(host string) error { return errors.New("who is " + host) }}, zerolog.Nop())
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	if text := ask(t, l.Addr(), "/healthz"); !strings.HasPrefix(text, "HTTP/1.1 200 ") {
		t.Error(text)
	}
	s.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("unix", path); err == nil {
		t.Error("somebody still listens")
	}
}

// What fails to be accepted ends Serve with the reason.
func TestListenerFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := New(source(), Guard{anybody}, zerolog.Nop()).Serve(l); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// Bad requests are told in the log at level debug only.
func TestBadRequestsAreLogged(t *testing.T) {
	var log bytes.Buffer
	s := New(source(), Guard{func(string) error { return errors.New("no") }}, zerolog.New(&log))
	get(t, s, "http://evil.example/metrics")
	if diff := cmp.Diff(`{"level":"debug","peer":"192.0.2.1:1234","host":"evil.example","reason":"no","message":"refused"}`+"\n", log.String()); diff != "" {
		t.Error(diff)
	}
}
