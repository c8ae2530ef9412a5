package rig

import (
	"encoding/json"
	"fmt"
)

// Report is one run: what is read of chatload's report, and what is put before it.
type Report struct {
	Part   string `json:"part,omitempty"` // of bench/suite
	Server string `json:"server"`
	Round  int    `json:"round"`
	Load   string `json:"load"`
	Error  string `json:"error,omitempty"`

	Conns   int     `json:"conns"`
	Stalled int     `json:"stalled"`
	Window  int     `json:"window"` // 0: a rate
	Rate    float64 `json:"rate"`   // messages a second; 0: a window
	Idle    bool    `json:"idle"`
	Seconds float64 `json:"seconds"` // until everybody had everything

	Messages   int64   `json:"messages"`
	Deliveries int64   `json:"deliveries"`
	PerRead    float64 `json:"deliveries_per_read"`
	PerSecond  float64 `json:"deliveries_per_second"`
	BytesPerS  float64 `json:"bytes_per_second"`
	Lost       int64   `json:"lost"`
	Repeated   int64   `json:"repeated"`
	Reordered  int64   `json:"reordered"`
	Strayed    int64   `json:"strayed"`
	Torn       int64   `json:"torn"`
	Closed     int64   `json:"closed"`

	CPUPerDelivery float64 `json:"server_cpu_per_delivery_ns"`
	CPUPerMessage  float64 `json:"server_cpu_per_message_ns"`
	LoadShare      float64 `json:"load_cpu_share"`                   // of a processor
	Instructions   float64 `json:"server_instructions_per_delivery"` // 0: not counted
	P50            float64 `json:"latency_p50_us"`
	P99            float64 `json:"latency_p99_us"`
	PerClient      float64 `json:"server_rss_per_client"` // bytes
	Memory         struct {
		RSS float64 `json:"rss"` // bytes
	} `json:"server_memory"`

	all map[string]json.RawMessage
}

// ReadReport reads a line that Line has written, or what chatload prints.
func ReadReport(line []byte) (r Report, err error) {
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("chatload's report: %w", err)
	}
	return r, json.Unmarshal(line, &r.all)
}

// Line is all that chatload has reported, with what identifies the run in front.
func (r *Report) Line() ([]byte, error) {
	head, err := json.Marshal(struct {
		Part   string `json:"part,omitempty"`
		Server string `json:"server"`
		Round  int    `json:"round"`
		Load   string `json:"load"`
		Error  string `json:"error,omitempty"`
	}{r.Part, r.Server, r.Round, r.Load, r.Error})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"part", "server", "round", "load", "error"} {
		delete(r.all, name)
	}
	tail, err := json.Marshal(r.all)
	if err != nil {
		return nil, err
	}
	if len(r.all) > 0 {
		head = append(append(head[:len(head)-1], ','), tail[1:]...)
	}
	return append(head, '\n'), nil
}

// Faults is how much went wrong that a chat must not do.
func (r *Report) Faults() int64 {
	return r.Lost + r.Repeated + r.Reordered + r.Strayed + r.Torn + r.Closed
}

// Brief is the report in a few words.
func (r *Report) Brief() string {
	s := fmt.Sprintf("%.0f ns a delivery, %.1f a read, p99 %.1f ms", r.CPUPerDelivery, r.PerRead, r.P99/1e3)
	if r.Idle {
		s = fmt.Sprintf("%.2f KiB a client", r.PerClient/1024)
	}
	if n := r.Faults(); n > 0 {
		s += fmt.Sprintf("; %d FAULTS", n)
	}
	return s
}
