package main

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/chatd/chatd/bench/rig"
)

// recorded is a file of two begun parts, of which one was begun twice.
const recorded = `{"part":"fanout","begun":"2026-01-02T03:04:05Z","rounds":1,"seconds":2,"machine":{"processor":"old"}}
{"part":"fanout","server":"floor","round":1,"load":"","conns":100,"window":64,"server_cpu_per_delivery_ns":1}
{"part":"crowd","begun":"2026-01-02T03:04:05Z","rounds":1,"seconds":2,"machine":{"processor":"old"}}
{"part":"crowd","bar":"memory","work":"a crowd leaves","figure":0.5,"unit":"MiB","limit":1,"better":"lower","note":"of 20"}
{"part":"crowd","bar":"size","work":"what it weighs","figure":12.5,"unit":"MiB","better":"","note":""}
{"part":"fanout","begun":"2026-02-03T04:05:06Z","rounds":3,"seconds":2,"machine":{"processor":"Z80","processors":2,"kernel":"6.1","congestion":"cubic","versions":{"floor":"12.2.0","chatd":"1.26.1","ngircd":"26.1","qt":"6.4.2","ncat":""},"pauses":{"longest_ms":12.34,"share":0.021}}}
` // the runs of the last part are added by fanoutRuns

// fanoutRuns are three rounds of 100 clients, 64 in flight: chatd at 1.1, 1.3 and
// 1.2 times the floor, ngIRCd at 2.5 times chatd, and nats-server failed.
func fanoutRuns() string {
	var b strings.Builder
	for i, times := range []float64{1.1, 1.3, 1.2} {
		run := func(server string, cost float64, more string) {
			fmt.Fprintf(&b, `{"part":"fanout","server":%q,"round":%d,"load":"x","conns":100,"window":64,"server_cpu_per_delivery_ns":%g,"deliveries_per_read":31.97%s}`+"\n",
				server, i+1, cost, more)
		}
		floor := 200 * float64(i+1)
		run("floor", floor, "")
		run("chatd", floor*times, `,"server_instructions_per_delivery":5`)
		run("ngircd", floor*times*2.5, `,"lost":400`)
		run("nats", 0, `,"error":"nothing has moved"`)
	}
	return b.String()
}

func read(t *testing.T, text string) *results {
	t.Helper()
	f, err := readResults(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestRead holds that a part which is measured anew replaces what was measured
// before, and no other part.
func TestRead(t *testing.T) {
	f := read(t, recorded+fanoutRuns())
	if n := len(f.runs["fanout"]); n != 12 {
		t.Errorf("%d runs, want 12", n)
	}
	if len(f.bars["crowd"]) != 2 || f.bars["crowd"][0].Note != "of 20" {
		t.Errorf("bars %+v", f.bars)
	}
	if f.last.Rounds != 3 || f.last.Machine.Processor != "Z80" {
		t.Errorf("begun %+v", f.last)
	}
}

func TestReadRefuses(t *testing.T) {
	for _, line := range []string{
		`{"part":"fanout","server":"flo`,
		`{"part":"fanout"}`,
		`chatload: killed`,
		`{"part":"crowd","bar":"x","work":"y","better":"bigger"}`,
	} {
		_, err := readResults(strings.NewReader(recorded + line + "\n"))
		if err == nil || !strings.Contains(err.Error(), "line 7") {
			t.Errorf("%s: %v, want an error that names line 7", line, err)
		}
	}
}

func TestFanoutBlock(t *testing.T) {
	got := fanoutBlock(read(t, recorded+fanoutRuns()))
	want := `| server | 100 clients, 64 in flight | 1,000 clients, 64 in flight | 10,000 clients, 64 in flight | 100 clients, 1 in flight | 1,000 clients, 1 in flight |
|---|---|---|---|---|---|
| floor | 400 ns | – | – | – | – |
| **chatd** ÷ floor | **1.20** (1.10–1.30) | – | – | – | – |
| ngIRCd ÷ floor | 3.00 (2.75–3.25) | – | – | – | – |

| messages per read | 100 clients | 1,000 clients | 10,000 clients |
|---|---|---|---|
| floor | 32.0 | – | – |
| **chatd** | 32.0 | – | – |
| ngIRCd | 32.0 | – | – |

In 12 runs these lost, repeated, reordered or tore messages or closed connections: ngIRCd 1,200; 3 could not be completed.
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMachineBlock(t *testing.T) {
	got := machineBlock(read(t, recorded))
	want := "Measured on 3 February 2026: 2 processors (Z80), Linux 6.1, TCP congestion control cubic, Go 1.26.1, gcc 12.2.0, Qt 6.4.2, ngIRCd 26.1.\n" +
		"Before the first server was started, a program that only looks at the clock was kept from its processor for up to 12.3 ms at a time, 2.10 % of the time in all; latencies have such pauses in them, whichever the server.\n"
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

// TestBars holds that only what was measured is judged, and that programs' bars follow.
func TestBars(t *testing.T) {
	got := barsBlock(read(t, recorded+fanoutRuns()))
	want := `| work | bar | measured | held |
|---|---|---|---|
| 100 clients, 64 in flight: CPU per delivery ÷ the floor's | ≤ 1.25 × | 1.20 × (1.10–1.30) | yes |
| a crowd leaves | ≤ 1 MiB | 0.50 MiB (of 20) | yes |
| what it weighs | – | 12.5 MiB | – |
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestBest holds that in each round the cheapest of them counts.
func TestBest(t *testing.T) {
	run := func(server string, round int, cost float64) rig.Report {
		return rig.Report{Server: server, Round: round, Conns: 1000, Window: 64, CPUPerDelivery: cost}
	}
	f := &results{runs: map[string]rig.Runs{"fanout": {
		run("chatd", 1, 100), run("ncat", 1, 900), run("nats", 1, 300), run("ngircd", 1, 400),
		run("chatd", 2, 100), run("ncat", 2, 500), run("nats", 2, 700), run("ngircd", 2, 600),
		run("qt", 1, 1), run("qt", 2, 1),
	}}}
	for _, b := range fanoutBars(f) {
		if b.Name == "peers" {
			if b.Figure != 4 || b.Note != "3.00–5.00" || !b.Held() {
				t.Errorf("%+v, want 4 times, between 3 and 5", b)
			}
			return
		}
	}
	t.Error("there is no such bar")
}

// TestStalledBars holds what is compared with what: latency with as many readers,
// memory with as many clients.
func TestStalledBars(t *testing.T) {
	run := func(conns, stalled int, ms, kib float64) rig.Report {
		r := rig.Report{Server: "chatd", Conns: conns, Stalled: stalled, P99: ms * 1e3}
		r.Memory.RSS = kib * 1024
		return r
	}
	f := &results{runs: map[string]rig.Runs{"stalled": {
		run(900, 0, 100, 1), run(1000, 100, 104, 9000), run(1000, 0, 500, 8000),
	}}}
	bars := stalledBars(f)
	if late := bars[0]; late.Figure != 4 || late.Limit != 5 {
		t.Errorf("%+v, want 4 ms of at most 5", late)
	}
	if memory := bars[1]; memory.Figure != 10 || memory.Limit != 16 {
		t.Errorf("%+v, want 10 KiB of at most 16", memory)
	}
	f.runs["stalled"][0].P99 = 10e3
	if late := stalledBars(f)[0]; late.Limit != 1 {
		t.Errorf("%+v, want at most 1 ms", late)
	}
}

// TestHistoryBars holds what is compared with what, and that a program's bars follow.
func TestHistoryBars(t *testing.T) {
	run := func(server string, round, conns int, cost float64) rig.Report {
		return rig.Report{Server: server, Round: round, Conns: conns, Window: 64, CPUPerDelivery: cost, Instructions: cost + 100}
	}
	f := &results{
		runs: map[string]rig.Runs{"history": {
			run("chatd", 1, 1000, 200), run("chatd-disk", 1, 1000, 260), run("chatd", 2, 1000, 100), run("chatd-disk", 2, 1000, 150),
			run("chatd-disk", 2, 10, 900),
		}},
		bars: map[string][]rig.Bar{"history": {{Name: "history-last"}}},
	}
	bars := historyBars(f)
	if len(bars) != 2 || bars[1].Name != "history-last" {
		t.Fatalf("%+v", bars)
	}
	if b := bars[0]; b.Figure != 1.4 || b.Limit != 1.5 || b.Note != "1.30–1.50; by instructions 1.23 ×" || !b.Held() {
		t.Errorf("%+v, want 1.4 times", b)
	}
}

// programRuns are a round of each server with 1,000 clients and 64 in flight, by what
// a delivery costs and how many bytes it has, and silent clients.
func programRuns() *results {
	run := func(server string, round int, cost, bytes float64) rig.Report {
		return rig.Report{
			Server: server, Round: round, Conns: 1000, Window: 64,
			CPUPerDelivery: cost, Instructions: 10 * cost, BytesPerS: bytes * 50, PerSecond: 50,
		}
	}
	silent := func(server string, kib float64) rig.Report {
		return rig.Report{Server: server, Round: 1, Conns: programsIdle, Window: 1, Idle: true, PerClient: kib * 1024}
	}
	return &results{runs: map[string]rig.Runs{"programs": {
		run("floor", 1, 100, 64), run("floor-tls", 1, 150, 90), run("chatd", 1, 200, 80), run("chatd-json", 1, 220, 190),
		run("chatd-ws", 1, 240, 194), run("chatd-tls", 1, 600, 100),
		run("chatd", 2, 300, 80), run("chatd-ws", 2, 300, 194),
		silent("chatd", 6), silent("chatd-ws", 12.5), silent("chatd-tls", 16),
	}}}
}

// TestProgramsBars holds what is compared with what.
func TestProgramsBars(t *testing.T) {
	found := make(map[string]rig.Bar)
	for _, b := range programsBars(programRuns()) {
		found[b.Name] = b
	}
	if b := found["websocket-64"]; b.Figure != 1.1 || b.Note != "1.00–1.20; by instructions 1.10 ×" || !b.Held() {
		t.Errorf("%+v, want 1.1 times", b)
	}
	if b := found["websocket-1"]; b.Figure == b.Figure {
		t.Errorf("%+v was not measured", b)
	}
	if b := found["websocket-idle"]; b.Figure != 12.5 || b.Held() {
		t.Errorf("%+v, want 12.5 KiB, which is too much", b)
	}
	if b := found["tls-1000-64"]; b.Figure != 3 || b.Note != "by instructions 3 ×; the floor's with OpenSSL ÷ in plain 1.50 ×" || !b.Held() {
		t.Errorf("%+v, want 3 times, without a limit", b)
	}
}

func TestProgramsBlocks(t *testing.T) {
	got := programsBlock(programRuns()) + "\n" + secureBlock(programRuns())
	want := `| clients | bytes a delivery | 1,000 clients, 64 in flight | 1,000 clients, 1 in flight |
|---|---|---|---|
| text lines | 80.0 | 250 ns | – |
| JSON lines ÷ text lines | 190 | 1.10 | – |
| … by instructions | – | 1.10 | – |
| **WebSocket** ÷ text lines | 194 | **1.10** (1.00–1.20) | – |
| … by instructions | – | 1.10 | – |
| WebSocket ÷ JSON lines | – | 1.09 | – |
| … by instructions | – | 1.09 | – |

| 5,000 silent clients | KiB of each |
|---|---|
| text lines | 6.0 |
| **WebSocket** | 12.5 |
| text lines over TLS | 16.0 |

| CPU per delivery | 100 clients, 64 in flight | 1,000 clients, 64 in flight | 100 clients, 1 in flight | 1,000 clients, 1 in flight |
|---|---|---|---|---|
| floor | – | 100 ns | – | – |
| floor with TLS ÷ floor | – | 1.50 | – | – |
| … by instructions | – | 1.50 | – | – |
| chatd with TLS ÷ chatd | – | 3.00 | – | – |
| … by instructions | – | 3.00 | – | – |
| **chatd with TLS** ÷ floor with TLS | – | **4.00** | – | – |
| … by instructions | – | 4.00 | – | – |

In 11 runs no message was lost, repeated, reordered or torn, and no server closed a connection.
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestSlicesBar holds that only rounds of one time are compared.
func TestSlicesBar(t *testing.T) {
	found := map[string]*beside{
		"Slices/one/whole":  {p50: rig.Spread{10, 12, 11}, p99: rig.Spread{20, 90, 30}, busy: rig.Spread{100, 100, 100}},
		"Slices/one/slices": {p50: rig.Spread{1, 1, 1}, p99: rig.Spread{5, 9, 15}, busy: rig.Spread{60, 70, 80}},
	}
	got, err := slicesBar("one", "one processor", found)
	want := rig.Bar{
		Name: "slices-one", Work: "a message in a room of two, beside a busy one of 3,000 on one processor: p99 ÷ that without slices",
		Figure: 0.25, Unit: "x",
		Note: "0.10 to 0.50; p50 1.00 ms, p99 9.00 ms; without slices p50 11.0 ms, p99 30.0 ms; the busy room says 0.70 times as much",
	}
	if err != nil || got != want {
		t.Errorf("%v; got\n%+v\nwant\n%+v", err, got, want)
	}
	if _, err := slicesBar("two", "two processors", found); err == nil {
		t.Error("what was not measured is no error")
	}
}

// TestTimed holds which loads measure longer.
func TestTimed(t *testing.T) {
	b := bench{Rig: rig.Rig{Time: 2 * time.Second}}
	quick := b
	quick.quick = true
	for _, c := range []struct {
		b          *bench
		load, want string
	}{
		{&b, "-conns 1000 -window 64", "-conns 1000 -window 64"},
		{&b, "-conns 3000 -window 64", "-conns 3000 -window 64 -time 6s"},
		{&b, "-conns 10000 -idle -time 1s", "-conns 10000 -idle -time 1s"},
		{&quick, "-conns 100", "-conns 100 -warmup 300ms"},
	} {
		if got := c.b.timed(c.load); got != c.want {
			t.Errorf("%q became %q, want %q", c.load, got, c.want)
		}
	}
}

// TestHeld holds that a rate is held if the messages came in time in most runs.
func TestHeld(t *testing.T) {
	run := func(rate, messages, seconds float64, wrong string) rig.Report {
		return rig.Report{Server: "qt", Rate: rate, Messages: int64(messages), Seconds: seconds, Error: wrong}
	}
	for _, c := range []struct {
		name string
		runs rig.Runs
		want int
	}{
		{"in time", rig.Runs{run(100, 300, 3.05, ""), run(100, 300, 3.1, "")}, 2},
		{"growing", rig.Runs{run(100, 300, 3.4, "")}, 0},
		{"not all sent", rig.Runs{run(100, 250, 3, "")}, 0},
		{"one of two", rig.Runs{run(100, 300, 3.4, ""), run(100, 300, 3, "")}, 0},
		{"two of three", rig.Runs{run(100, 300, 3.4, ""), run(100, 300, 3, ""), run(100, 300, 3, "")}, 2},
		{"failed", rig.Runs{run(100, 300, 3, "nothing has moved")}, 0},
		{"other rate", rig.Runs{run(50, 300, 3, "")}, 0},
		{"nothing said", rig.Runs{run(100, 0, 0, "")}, 0},
	} {
		if got := held(c.runs, "qt", 100); len(got) != c.want {
			t.Errorf("%s: %d runs held, want %d", c.name, len(got), c.want)
		}
	}
}

// TestWatch holds what pauses are to one another; how long they are is the machine's.
func TestWatch(t *testing.T) {
	const long = 5 * time.Millisecond
	begin := time.Now()
	p := watch(long)
	took := time.Since(begin)
	if took < long || p.Share < 0 || p.Share > 1 || p.Longest > float64(took)/1e6 || p.Longest > 0 != (p.Share > 0) {
		t.Errorf("in %v: %+v", took, p)
	}
}

func TestFill(t *testing.T) {
	const text = "# x\n<!-- bench:a -->\nold\nolder\n<!-- /bench:a -->\nby hand\n<!-- bench:b -->\n<!-- /bench:b -->\nend\n"
	got, err := fill(text, map[string]string{"a": "new\n", "b": ""})
	if want := strings.Replace(text, "old\nolder", "new", 1); err != nil || got != want {
		t.Errorf("%v; got\n%s\nwant\n%s", err, got, want)
	}
	again, err := fill(got, map[string]string{"a": "new\n"})
	if err != nil || again != got {
		t.Errorf("%v; a second time it became\n%s", err, again)
	}
	for _, broken := range []string{"nothing", "<!-- bench:a -->\n", "<!-- /bench:a -->\n<!-- bench:a -->\n"} {
		if _, err := fill(broken, map[string]string{"a": "new"}); err == nil {
			t.Errorf("%q was filled", broken)
		}
	}
}

// TestReadBars reads what programs print.
func TestReadBars(t *testing.T) {
	good := `{"bar":"burst-2","work":"64 messages to 10,000 clients","figure":1.72,"unit":"x","limit":1.6,"better":"higher","note":"n"}` + "\n\n"
	bars, err := readBars([]byte(good + good))
	if err != nil || len(bars) != 2 || bars[0].Figure != 1.72 || !bars[0].Held() {
		t.Errorf("%+v, %v", bars, err)
	}
	for _, bad := range []string{"building\n", `{"bar":"x","work":"y","better":"more"}`, `{"work":"y","better":"lower"}`} {
		if _, err := readBars([]byte(good + bad)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
	// What is recorded of it is read as a bar again.
	text, err := json.Marshal(judgement{"burst", bars[0]})
	if err != nil {
		t.Fatal(err)
	}
	if f := read(t, string(text)); len(f.bars["burst"]) != 1 || f.bars["burst"][0] != bars[0] {
		t.Errorf("%s came back as %+v", text, f.bars)
	}
}

// TestBeginning holds that what a part begins with is read as that.
func TestBeginning(t *testing.T) {
	var b strings.Builder
	one := bench{Rig: rig.Rig{Time: 1500 * time.Millisecond}, part: "memory", rounds: 4, file: &b}
	if err := one.begin(machine{Kernel: "6.1"}); err != nil {
		t.Fatal(err)
	}
	f := read(t, b.String())
	if f.last.Part != "memory" || f.last.Rounds != 4 || f.last.Seconds != 1.5 || f.last.Machine.Kernel != "6.1" || f.last.Begun.IsZero() {
		t.Errorf("%s came back as %+v", b.String(), f.last)
	}
}

func TestChoose(t *testing.T) {
	if all, err := choose(""); err != nil || len(all) != len(parts()) {
		t.Errorf("%d parts, %v", len(all), err)
	}
	some, err := choose("memory,fanout")
	if err != nil || len(some) != 2 || some[0].name != "fanout" {
		t.Errorf("%+v, %v", some, err)
	}
	if _, err := choose("fanout,speed"); err == nil || !strings.Contains(err.Error(), `"speed"`) {
		t.Errorf("%v, want an error that names it", err)
	}
}

func TestFormats(t *testing.T) {
	nan := math.NaN()
	for got, want := range map[string]string{
		ratio(1.234):            "1.23",
		ratio(54.06):            "54.1",
		ratio(120.4):            "120",
		ratio(nan):              "–",
		figure(6.55):            "6.5",
		figure(1234.6):          "1,235",
		cpuTime(263.7):          "264 ns",
		cpuTime(7234):           "7.2 µs",
		cpuTime(nan):            "–",
		milliseconds(0.253):     "0.25 ms",
		measured(1.2, "x"):      "1.20 ×",
		measured(-33.611, "ms"): "-33.6 ms",
		measured(0, "messages"): "0 messages",
		measured(19000, ""):     "19,000",
		limit(1.25, "x"):        "1.25 ×",
		limit(1.3, "x"):         "1.3 ×",
		limit(8, "KiB"):         "8 KiB",
		limit(7.081234, "ms"):   "7.08 ms",
		thousands(999):          "999",
		thousands(-1234567):     "-1,234,567",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
