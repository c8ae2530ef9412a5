package main

import "time"

// result is what a run found. Its JSON is what other programs read: names and
// units stay as they are, and times are in the unit the name ends with. A delivery
// is one message read by one client.
type result struct {
	Proto   string  `json:"proto" desc:"how the server was spoken to"`
	Conns   int     `json:"conns" desc:"connections"`
	Group   int     `json:"group" desc:"connections of a group"`
	Stalled int     `json:"stalled" desc:"connections that do not read"`
	Slow    int     `json:"slow" desc:"connections that read slowly"`
	Senders int     `json:"senders" desc:"connections of each group that send"`
	Size    int     `json:"size" desc:"bytes of a message, the end of its line among them"`
	Window  int     `json:"window" desc:"messages in flight in each group; 0: a rate"`
	Rate    float64 `json:"rate" desc:"messages a second of all groups; 0: a window"`
	Idle    bool    `json:"idle" desc:"nothing was said"`

	ConnectSeconds float64 `json:"connect_seconds" desc:"to make all connections"`
	JoinSeconds    float64 `json:"join_seconds" desc:"until all heard one another"`
	Seconds        float64 `json:"seconds" desc:"that were measured; what follows is of these, but for the faults"`

	Messages      int64   `json:"messages" desc:"said"`
	Deliveries    int64   `json:"deliveries" desc:"messages read by connections that are neither stalled nor slow, one for each that read it"`
	PerSecond     float64 `json:"deliveries_per_second" desc:"deliveries / seconds"`
	PerRead       float64 `json:"deliveries_per_read" desc:"how well the server batches: deliveries in one recv"`
	BytesPerSec   float64 `json:"bytes_per_second" desc:"received"`
	OwnHeard      bool    `json:"own_heard" desc:"senders get their own messages back, which are deliveries too"`
	Lost          int64   `json:"lost" desc:"deliveries that did not come"`
	LostUntold    int64   `json:"lost_untold" desc:"of lost: those that no notice of the server told of"`
	Repeated      int64   `json:"repeated" desc:"deliveries that came again, or of what nobody had said"`
	Reordered     int64   `json:"reordered" desc:"deliveries that came after a later one of the same sender"`
	Strayed       int64   `json:"strayed" desc:"messages that came to another group"`
	Torn          int64   `json:"torn" desc:"messages whose end was not where it had to be"`
	Closed        int     `json:"closed" desc:"connections that the server ended"`
	SlowDelivered int64   `json:"slow_deliveries" desc:"messages read by slow connections"`
	SlowMissed    int64   `json:"slow_missed" desc:"deliveries that slow connections never got, though they read all there was in the end"`
	SlowUntold    int64   `json:"slow_untold" desc:"of slow_missed: those that no notice of the server told of"`
	ToldSkipped   int64   `json:"told_skipped" desc:"messages that the server's notices said were skipped, added up over the connections that are read"`

	P50  float64 `json:"latency_p50_us" desc:"of deliveries, from when the message was sent or, at a rate, due: median, microseconds"`
	P99  float64 `json:"latency_p99_us" desc:"what 99 % did not exceed, microseconds"`
	P999 float64 `json:"latency_p999_us" desc:"what 99.9 % did not exceed, microseconds"`
	Max  float64 `json:"latency_max_us" desc:"the longest, microseconds"`

	CPUSeconds       float64 `json:"server_cpu_seconds" desc:"CPU time of the server, user and system"`
	CPUPerDelivery   float64 `json:"server_cpu_per_delivery_ns" desc:"server_cpu_seconds / (deliveries + slow_deliveries), nanoseconds"`
	CPUPerMessage    float64 `json:"server_cpu_per_message_ns" desc:"server_cpu_seconds / messages, nanoseconds"`
	CPUShare         float64 `json:"server_cpu_share" desc:"server_cpu_seconds / seconds: 1 is one processor"`
	Instructions     float64 `json:"server_instructions_per_delivery" desc:"of the server; 0: the machine does not let us count"`
	UserInstructions float64 `json:"server_user_instructions_per_delivery" desc:"of these: outside the kernel"`
	Cycles           float64 `json:"server_cycles_per_delivery" desc:"of the processor; 0: the machine does not let us count"`
	LoadShare        float64 `json:"load_cpu_share" desc:"CPU time of chatload / seconds; near 1 it is what holds things up"`

	MemoryBefore *memory `json:"server_memory_before,omitempty" desc:"of the server, before anybody came:"`
	Memory       *memory `json:"server_memory,omitempty" desc:"of the server at the end, all being connected:"`
	PerClient    float64 `json:"server_rss_per_client" desc:"what its rss has grown by / connections that are left, bytes"`
	SettledRSS   int64   `json:"server_rss_after,omitempty" desc:"its rss when all connections were closed and -settle had passed, bytes"`

	Error  string `json:"error,omitempty" desc:"what ended the run early"`
	Notice string `json:"notice,omitempty" desc:"a refusal, as the server put it"`
	Set    string `json:"set,omitempty" desc:"what lifts the limit behind it"`

	cpu, own time.Duration // at the beginning
	began    int64
	counters *counters
	counted  [counts]uint64
}

func newResult(c *config) result {
	r := result{
		Proto: c.proto.name, Conns: c.conns, Group: c.group, Stalled: c.stalled, Slow: c.slow, Senders: c.senders,
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

// attach begins counting what the server's processor does, before the warm-up: on a
// virtual machine that can stop the server for 100 ms and more, which would be taken
// for latency. The counters are to be closed.
func (r *result) attach(server process) {
	if server != 0 {
		r.counters = server.count()
	}
}

// begin and end stand around what is measured. Nothing is in flight then.
func (r *result) begin(server process, now int64) (err error) {
	r.began = now
	if server != 0 {
		r.counted = r.counters.read()
		r.cpu, err = server.cpu()
	}
	r.own, _ = self.cpu()
	return err
}

func (r *result) end(server process, now int64) {
	r.Seconds = seconds(max(now-r.began, 1))
	own, _ := self.cpu()
	r.LoadShare = (own - r.own).Seconds() / r.Seconds
	if server == 0 {
		return
	}
	if cpu, err := server.cpu(); err == nil {
		r.CPUSeconds = (cpu - r.cpu).Seconds()
		r.CPUShare = r.CPUSeconds / r.Seconds
	}
	for i, n := range r.counters.read() {
		r.counted[i] = n - r.counted[i]
	}
}

// count takes over what the load has counted.
func (r *result) count(l *load) {
	t := l.tally
	r.Deliveries, r.SlowDelivered = l.deliveries, l.slowDeliveries
	r.Lost, r.Repeated, r.Reordered, r.Strayed = t.lost, t.repeated, t.reordered, t.strayed
	r.SlowMissed, r.Torn, r.Closed = t.slowMissed, l.scanner.torn, l.closed
	r.LostUntold, r.SlowUntold = l.untold()
	for i := range l.conns {
		r.ToldSkipped += l.conns[i].told
	}
	r.Notice, r.Set = l.notice, l.set
	if l.talking {
		r.OwnHeard = !l.groups[0].selfless
	}
	if r.Seconds > 0 {
		r.Messages = int64(t.issued - l.base)
		r.PerSecond = float64(l.deliveries) / r.Seconds
		r.BytesPerSec = float64(l.bytes) / r.Seconds
	}
	if l.reads > 0 {
		r.PerRead = float64(l.deliveries+l.slowDeliveries) / float64(l.reads)
	}
	if r.Messages > 0 {
		r.CPUPerMessage = r.CPUSeconds * 1e9 / float64(r.Messages)
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

// faults is how much went wrong that a chat must not do. That a slow reader misses
// what it is told of is none.
func (r *result) faults() int64 {
	return r.Lost + r.Repeated + r.Reordered + r.Strayed + r.Torn + r.SlowUntold + int64(r.Closed)
}
