package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// result is what a run found. Its JSON is what other programs read: names and
// units stay as they are, and times are in the unit the name ends with.
type result struct {
	Proto   string  `json:"proto"`
	Conns   int     `json:"conns"`
	Stalled int     `json:"stalled"`
	Slow    int     `json:"slow"`
	Senders int     `json:"senders"`
	Size    int     `json:"size"`
	Window  int     `json:"window"` // 0: a rate
	Rate    float64 `json:"rate"`   // 0: a window
	Idle    bool    `json:"idle"`

	ConnectSeconds float64 `json:"connect_seconds"`
	JoinSeconds    float64 `json:"join_seconds"`
	Seconds        float64 `json:"seconds"`

	Messages      int64   `json:"messages"`
	Deliveries    int64   `json:"deliveries"`
	PerSecond     float64 `json:"deliveries_per_second"`
	PerRead       float64 `json:"deliveries_per_read"` // how well the server batches
	BytesPerSec   float64 `json:"bytes_per_second"`
	OwnHeard      bool    `json:"own_heard"` // senders get their own messages back
	Lost          int64   `json:"lost"`
	Repeated      int64   `json:"repeated"`
	Reordered     int64   `json:"reordered"`
	Torn          int64   `json:"torn"`
	Closed        int     `json:"closed"` // connections the server has ended
	SlowDelivered int64   `json:"slow_deliveries"`
	SlowMissed    int64   `json:"slow_missed"`

	P50  float64 `json:"latency_p50_us"`
	P99  float64 `json:"latency_p99_us"`
	P999 float64 `json:"latency_p999_us"`
	Max  float64 `json:"latency_max_us"`

	CPUSeconds     float64 `json:"server_cpu_seconds"`
	CPUPerDelivery float64 `json:"server_cpu_per_delivery_ns"`
	CPUShare       float64 `json:"server_cpu_share"` // of one processor
	// Per delivery; 0: the machine does not let us count.
	Instructions     float64 `json:"server_instructions_per_delivery"`
	UserInstructions float64 `json:"server_user_instructions_per_delivery"`
	Cycles           float64 `json:"server_cycles_per_delivery"`
	LoadShare        float64 `json:"load_cpu_share"` // the loader's own

	MemoryBefore *memory `json:"server_memory_before,omitempty"`
	Memory       *memory `json:"server_memory,omitempty"`
	PerClient    float64 `json:"server_rss_per_client"`

	Error  string `json:"error,omitempty"`
	Notice string `json:"notice,omitempty"` // a refusal, as the server put it
	Set    string `json:"set,omitempty"`    // what lifts the limit behind it

	cpu, own time.Duration // at the beginning
	began    int64
	counters *counters
	counted  [counts]uint64
}

func newResult(c *config) result {
	r := result{
		Proto: c.proto.name, Conns: c.conns, Stalled: c.stalled, Slow: c.slow, Senders: c.senders,
		Size: c.size, Window: c.window, Rate: c.rate, Idle: c.idle,
	}
	if c.rate > 0 {
		r.Window = 0
	}
	return r
}

func seconds(ns int64) float64 { return float64(ns) / 1e9 }

// before looks at the server's memory before anybody has come.
func (r *result) before(server process) error {
	if server == 0 {
		return nil
	}
	m, err := server.memory()
	r.MemoryBefore = &m
	return err
}

// after looks at it again.
func (r *result) after(server process, clients int) error {
	if server == 0 {
		return nil
	}
	m, err := server.memory()
	r.Memory = &m
	r.PerClient = float64(m.RSS-r.MemoryBefore.RSS) / float64(max(clients, 1))
	return err
}

// begin and end stand around what is measured. Nothing is in flight then.
func (r *result) begin(server process, now int64) (err error) {
	r.began = now
	if server != 0 {
		r.counters = server.count()
		r.cpu, err = server.cpu()
	}
	r.own, _ = self.cpu()
	return err
}

func (r *result) end(server process, now int64) {
	r.Seconds = seconds(now - r.began)
	own, _ := self.cpu()
	r.LoadShare = (own - r.own).Seconds() / r.Seconds
	if server == 0 {
		return
	}
	if cpu, err := server.cpu(); err == nil {
		r.CPUSeconds = (cpu - r.cpu).Seconds()
		r.CPUShare = r.CPUSeconds / r.Seconds
	}
	r.counted = r.counters.read()
	r.counters.close()
}

// count takes over what the load has counted.
func (r *result) count(l *load) {
	if !l.cfg.idle {
		r.Messages = int64(l.ledger.issued - l.base)
		r.OwnHeard = !l.ledger.selfless
	}
	r.Deliveries, r.SlowDelivered = l.deliveries, l.slowDeliveries
	r.Lost, r.Repeated, r.Reordered = l.ledger.lost, l.ledger.repeated, l.ledger.reordered
	r.SlowMissed, r.Torn, r.Closed = l.ledger.slowMissed, l.scanner.torn, l.closed
	r.Notice, r.Set = l.notice, l.set
	if r.Seconds > 0 {
		r.PerSecond = float64(l.deliveries) / r.Seconds
		r.BytesPerSec = float64(l.bytes) / r.Seconds
	}
	if l.reads > 0 {
		r.PerRead = float64(l.deliveries+l.slowDeliveries) / float64(l.reads)
	}
	if n := float64(l.deliveries + l.slowDeliveries); n > 0 {
		r.CPUPerDelivery = r.CPUSeconds * 1e9 / n
		r.Instructions = float64(r.counted[instructions]) / n
		r.UserInstructions = float64(r.counted[userInstructions]) / n
		r.Cycles = float64(r.counted[cycles]) / n
	}
	us := func(d time.Duration) float64 { return float64(d) / 1e3 }
	h := &l.latency
	r.P50, r.P99, r.P999 = us(h.quantile(0.5)), us(h.quantile(0.99)), us(h.quantile(0.999))
	r.Max = us(time.Duration(h.most))
}

// faults is how much went wrong that a chat must not do.
func (r *result) faults() int64 {
	return r.Lost + r.Repeated + r.Reordered + r.Torn + int64(r.Closed)
}

// write prints the result for a person.
func (r *result) write(w io.Writer) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	kinds := ""
	if r.Stalled > 0 {
		kinds += fmt.Sprintf(", %d stalled", r.Stalled)
	}
	if r.Slow > 0 {
		kinds += fmt.Sprintf(", %d slow", r.Slow)
	}
	switch {
	case r.Idle:
		row("load", "%d connections%s, silent", r.Conns, kinds)
	case r.Rate > 0:
		row("load", "%d connections%s, %d of them sending %g messages a second of %d bytes", r.Conns, kinds, r.Senders, r.Rate, r.Size)
	default:
		row("load", "%d connections%s, %d of them sending, %d messages of %d bytes in flight", r.Conns, kinds, r.Senders, r.Window, r.Size)
	}
	if r.Deliveries > 0 {
		own := ""
		if !r.OwnHeard {
			own = "; authors do not hear themselves"
		}
		row("delivered", "%s in %.1f s: %s a second, %.1f a read%s", thousands(r.Deliveries), r.Seconds, thousands(int64(r.PerSecond)), r.PerRead, own)
		row("faults", "%d lost, %d repeated, %d reordered, %d torn, %d connections closed", r.Lost, r.Repeated, r.Reordered, r.Torn, r.Closed)
		row("latency", "p50 %s, p99 %s, p99.9 %s, most %s", us(r.P50), us(r.P99), us(r.P999), us(r.Max))
	} else if r.Closed > 0 {
		row("faults", "%d connections closed by the server", r.Closed)
	}
	if r.Slow > 0 {
		row("slow", "%s delivered, %s missed", thousands(r.SlowDelivered), thousands(r.SlowMissed))
	}
	if r.CPUSeconds > 0 {
		row("server CPU", "%.0f ns a delivery; %.0f %% of a processor, the loader %.0f %%", r.CPUPerDelivery, 100*r.CPUShare, 100*r.LoadShare)
	}
	if r.Instructions > 0 {
		row("", "%.0f instructions a delivery, %.0f of them in the kernel; %.0f cycles", r.Instructions, r.Instructions-r.UserInstructions, r.Cycles)
	}
	if m, b := r.Memory, r.MemoryBefore; m != nil {
		row("memory", "%.1f MiB resident, %.1f MiB before: %.2f KiB a connection; PSS %.1f MiB; at most %.1f MiB",
			mib(m.RSS), mib(b.RSS), r.PerClient/1024, mib(m.PSS), mib(m.Peak))
	}
	if r.Notice != "" {
		row("refused", "%q", r.Notice)
		row("", "for a measurement, start the server with %s", r.Set)
	}
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// us writes microseconds in a unit that is easily read.
func us(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2f s", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%.2f ms", v/1e3)
	}
	return fmt.Sprintf("%.0f µs", v)
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	var b strings.Builder
	for i := range s {
		if i > 0 && (len(s)-i)%3 == 0 && s[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
