// Package metrics shows how a chat server is, over HTTP: its counters for Prometheus,
// whether it is well and ready, and profiles. It asks when it is asked: between two
// requests nothing runs, and nothing on the way of a message knows of it.
package metrics

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatd/chatd/pkg/relay"
)

// Source is what is shown. Its functions may be called by any goroutine.
type Source struct {
	Stats func() relay.Stats
	// Probe returns when every room has answered, or the name of one that has not in
	// an error when ctx is done.
	Probe func(ctx context.Context) error
	// Ready returns why newcomers are not served just now, in a few words, or nil.
	Ready func() error
	// NoDescriptor is how many newcomers were turned away because no file descriptor
	// was left for them.
	NoDescriptor func() uint64
	// LogDropped is how many lines of the log nobody took.
	LogDropped func() uint64
	// CertificateExpires is when the certificate in use does. nil: there is none.
	CertificateExpires func() time.Time

	// Version, Commit and GoVersion are of the program.
	Version, Commit, GoVersion string
}

// probeTime is how long rooms may take to answer: a second is what a person notices,
// and a tenth of what the watchdog allows.
const probeTime = time.Second

// probe asks all rooms for an answer, and tells how long that took.
func (s Source) probe(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	begin := time.Now()
	err := s.Probe(ctx)
	return time.Since(begin), err
}

// noDescriptor is a reason for refusing that the relay does not know of.
const noDescriptor = "no file descriptor left"

// collector shows a Source as metrics.
type collector struct{ source Source }

// Describe sends nothing: what there is depends on the server.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect asks the Source, and has every room answer.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	w := writer{ch}
	st := c.source.Stats()
	w.connections(st)
	w.labelled("chatd_connections_refused_total", "Connections turned away, by why.", "reason",
		with(st.RefusedFor, noDescriptor, c.source.NoDescriptor()))
	w.talk(st)
	w.readers(st)
	w.rooms(st)
	w.journal(st.Journal)
	took, err := c.source.probe(context.Background())
	w.gauge("chatd_probe_duration_seconds", "How long all rooms took to answer, at this scrape; 1 s at most.", took.Seconds())
	w.gauge("chatd_healthy", "1 if all rooms answered within 1 s, at this scrape.", truth(err == nil))
	w.gauge("chatd_ready", "1 if newcomers are served; 0 while starting, stopping, closed or paused.", truth(c.source.Ready() == nil))
	w.counter("chatd_log_lines_dropped_total", "Lines of the log that nobody took.", float64(c.source.LogDropped()))
	if expires := c.source.CertificateExpires; expires != nil {
		w.gauge("chatd_tls_certificate_expiry_timestamp_seconds", "When the certificate in use expires, since 1970.", float64(expires().Unix()))
	}
	w.gauge("chatd_build_info", "1; what was built, as labels.", 1,
		label{"version", c.source.Version}, label{"commit", c.source.Commit}, label{"goversion", c.source.GoVersion})
}

// with is a copy of counts with one more.
func with(counts map[string]uint64, name string, n uint64) map[string]float64 {
	all := map[string]float64{name: float64(n)}
	for k, v := range counts {
		all[k] = float64(v)
	}
	return all
}

func (w writer) connections(st relay.Stats) {
	now, ever, ended := make(map[string]float64), make(map[string]float64), make(map[string]float64)
	for name, t := range st.Transports {
		now[name], ever[name] = float64(t.Now), float64(t.Ever)
	}
	for cause, n := range st.Ended {
		ended[cause] = float64(n)
	}
	limit := math.Inf(1)
	if st.Limit > 0 {
		limit = float64(st.Limit)
	}
	w.gauges("chatd_connections", "Connections now, by transport.", "transport", now)
	w.gauge("chatd_connections_limit", "How many connections there may be.", limit)
	w.gauge("chatd_connections_pending", "Connections accepted and not greeted yet.", float64(st.Pending))
	w.gauge("chatd_connections_lingering", "Connections that have ended and wait for their peer to close.", float64(st.Lingering))
	w.labelled("chatd_connections_accepted_total", "Connections let in, by transport.", "transport", ever)
	w.labelled("chatd_connections_ended_total", "Connections that have ended, by cause as in the log.", "cause", ended)
}

func (w writer) talk(st relay.Stats) {
	w.gauges("chatd_sessions", "Connections now, by whether others know of them.", "role",
		map[string]float64{"talking": float64(st.People), "listening": float64(st.Listening)})
	w.gauge("chatd_rooms", "Rooms with somebody in them.", float64(st.Rooms))
	w.counter("chatd_messages_total", "Messages said.", float64(st.Messages))
	w.counter("chatd_deliveries_total", "Messages written to clients, each for each client.", float64(st.Deliveries))
	w.counter("chatd_rate_waits_total", "Lines read later because their sender was faster than the rate.", float64(st.RateWaits))
	w.counter("chatd_backlog_waits_total", "Lines read later because the history did not keep up.", float64(st.BacklogWaits))
}

func (w writer) readers(st relay.Stats) {
	w.gauge("chatd_readers_parked", "Clients with a full buffer, or a TLS write under way.", float64(st.Parked))
	w.gauge("chatd_readers_stalled", "Clients that took nothing of what is due between two looks of the reaper.", float64(st.Stalled))
	w.counter("chatd_gaps_total", "Times that a client was told it missed messages.", float64(st.Gaps))
	w.counter("chatd_skipped_messages_total", "Messages that clients were told they missed.", float64(st.Skipped))
}

func (w writer) rooms(st relay.Stats) {
	w.gauge("chatd_inbox_messages", "Messages that wait for their room's broadcaster, in all rooms.", float64(st.Inbox))
	w.gauge("chatd_inbox_messages_highest", "The same in the room where most wait, of 256 at most.", float64(st.InboxMost))
	w.histogram("chatd_sweep_duration_seconds", "How long it took to bring new messages to a room's members.", st.SweepSeconds)
	w.histogram("chatd_sweep_messages", "How many new messages were brought at a time.", st.SweepMessages)
	w.gauge("chatd_feed_bytes", "Memory for the latest messages of all rooms.", float64(st.LogBytes))
	if st.LogLimit > 0 {
		w.gauge("chatd_feed_limit_bytes", "What that is bounded by (CHATD_LOG_MEMORY).", float64(st.LogLimit))
	}
}

func (w writer) journal(j relay.JournalStats) {
	w.gauge("chatd_journal_queue_messages", "Messages that are said and not kept yet.", float64(j.Queue))
	w.gauge("chatd_journal_queue_bytes", "Their bytes.", float64(j.QueueBytes))
	w.gauge("chatd_journal_lag_seconds", "How long the oldest of them has waited.", j.Lag.Seconds())
	w.gauge("chatd_journal_paused", "1 while nothing is kept.", truth(j.Paused))
	w.counter("chatd_journal_kept_messages_total", "Messages kept.", float64(j.Kept))
	w.counter("chatd_journal_lost_messages_total", "Messages that were said and not kept.", float64(j.Lost))
	w.counter("chatd_journal_commits_total", "Batches of messages that were kept.", float64(j.Commits))
	w.counter("chatd_journal_failures_total", "Attempts to keep messages that failed.", float64(j.Failures))
	w.counter("chatd_journal_pauses_total", "Times that keeping was paused.", float64(j.Pauses))
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// writer sends metrics that do not change any more.
type writer struct{ ch chan<- prometheus.Metric }

type label struct{ name, value string }

func (w writer) gauge(name, help string, v float64, labels ...label) {
	w.value(prometheus.GaugeValue, name, help, v, labels)
}

func (w writer) counter(name, help string, v float64) {
	w.value(prometheus.CounterValue, name, help, v, nil)
}

// gauges are one for each value of a label.
func (w writer) gauges(name, help, of string, values map[string]float64) {
	for k, v := range values {
		w.gauge(name, help, v, label{of, k})
	}
}

// labelled are counters, one for each value of a label.
func (w writer) labelled(name, help, of string, values map[string]float64) {
	for k, v := range values {
		w.value(prometheus.CounterValue, name, help, v, []label{{of, k}})
	}
}

func (w writer) value(t prometheus.ValueType, name, help string, v float64, labels []label) {
	var names, values []string
	for _, l := range labels {
		names, values = append(names, l.name), append(values, l.value)
	}
	w.ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), t, v, values...)
}

func (w writer) histogram(name, help string, h relay.Histogram) {
	below, count := make(map[float64]uint64, len(h.Bounds)), uint64(0)
	for i, n := range h.Counts {
		if count += n; i < len(h.Bounds) {
			below[h.Bounds[i]] = count
		}
	}
	w.ch <- prometheus.MustNewConstHistogram(prometheus.NewDesc(name, help, nil, nil), count, h.Sum, below)
}
