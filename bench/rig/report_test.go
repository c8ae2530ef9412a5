package rig

import (
	"encoding/json"
	"strings"
	"testing"
)

const chatloads = `{"proto":"line","conns":1000,"window":64,"deliveries":50,"lost":1,"torn":2,"closed":3,
	"server_cpu_per_delivery_ns":271.5,"server_memory":{"rss":4096,"pss":1},"latency_p999_us":12,"error":"nothing has moved"}`

// TestReport holds that what chatload reports goes through a recorded line whole,
// with what identifies the run, and comes back the same.
func TestReport(t *testing.T) {
	r, err := ReadReport([]byte(chatloads))
	if err != nil {
		t.Fatal(err)
	}
	if r.Conns != 1000 || r.CPUPerDelivery != 271.5 || r.Memory.RSS != 4096 || r.Faults() != 6 {
		t.Errorf("read %+v", r)
	}
	r.Part, r.Server, r.Round, r.Load, r.Error = "fanout", "chatd", 3, "-conns 1000", "stopped"
	line, err := r.Line()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(line), "\n"); n != 1 || !strings.HasSuffix(string(line), "}\n") {
		t.Errorf("%q is not one line", line)
	}
	if n := strings.Count(string(line), `"error"`); n != 1 {
		t.Errorf("%q has %d errors", line, n)
	}
	var all map[string]any
	if err := json.Unmarshal(line, &all); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"part": "fanout", "server": "chatd", "round": 3.0, "error": "stopped", "latency_p999_us": 12.0,
	} {
		if all[name] != want {
			t.Errorf("%s is %v, want %v", name, all[name], want)
		}
	}
	back, err := ReadReport(line)
	if err != nil || back.Server != "chatd" || back.Round != 3 || back.Error != "stopped" || back.Faults() != 6 {
		t.Errorf("read back %+v, %v", back, err)
	}
}

// TestLineWithoutReport is a run that ended before chatload said anything.
func TestLineWithoutReport(t *testing.T) {
	r := Report{Server: "nats", Round: 1, Load: "-conns 5", Error: "the server does not listen"}
	line, err := r.Line()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := ReadReport(line); err != nil || back.Error != r.Error || back.Server != r.Server {
		t.Errorf("%s came back as %+v, %v", line, back, err)
	}
}

func TestReportThatIsNone(t *testing.T) {
	if _, err := ReadReport([]byte("chatload: no such file")); err == nil {
		t.Error("was read")
	}
}
