package main

import (
	"fmt"
	"io"
	"strings"
)

// write prints the result for a person.
func (r *result) write(w io.Writer) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	row("load", "%s", r.load())
	if r.Messages > 0 {
		own := ""
		if !r.OwnHeard {
			own = "; authors do not hear themselves"
		}
		row("delivered", "%s messages: %s deliveries in %.1f s, %s a second, %.1f a read%s",
			thousands(r.Messages), thousands(r.Deliveries), r.Seconds, thousands(int64(r.PerSecond)), r.PerRead, own)
		row("faults", "%s", r.wrong())
		row("latency", "p50 %s, p99 %s, p99.9 %s, most %s", us(r.P50), us(r.P99), us(r.P999), us(r.Max))
	} else if r.Closed > 0 {
		row("faults", "%d connections closed by the server", r.Closed)
	}
	if r.Slow > 0 {
		row("slow", "%s delivered, %s missed, %s of them without being told", thousands(r.SlowDelivered), thousands(r.SlowMissed), thousands(r.SlowUntold))
	}
	if r.CPUSeconds > 0 {
		row("server CPU", "%.0f ns a delivery (one message read by one client), %.0f ns a message; %.0f %% of a processor, the loader %.0f %%",
			r.CPUPerDelivery, r.CPUPerMessage, 100*r.CPUShare, 100*r.LoadShare)
	}
	if r.Instructions > 0 {
		row("", "%.0f instructions a delivery, %.0f of them in the kernel; %.0f cycles", r.Instructions, r.Instructions-r.UserInstructions, r.Cycles)
	}
	if m, b := r.Memory, r.MemoryBefore; m != nil {
		row("memory", "%.1f MiB resident, %.1f MiB before: %.2f KiB a connection; PSS %.1f MiB; at most %.1f MiB",
			mib(m.RSS), mib(b.RSS), r.PerClient/1024, mib(m.PSS), mib(m.Peak))
	}
	if r.SettledRSS > 0 {
		row("", "%.1f MiB resident after all connections were closed", mib(r.SettledRSS))
	}
	if r.Notice != "" {
		row("refused", "%q", r.Notice)
	}
	if r.Set != "" {
		row("", "for a measurement, start the server with %s", r.Set)
	}
}

// load is what was put on the server.
func (r *result) load() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d connections", r.Conns)
	if r.Stalled > 0 {
		fmt.Fprintf(&b, ", %d stalled", r.Stalled)
	}
	if r.Slow > 0 {
		fmt.Fprintf(&b, ", %d slow", r.Slow)
	}
	grouped := ""
	if r.Group < r.Conns {
		fmt.Fprintf(&b, ", in groups of %d", r.Group)
		grouped = " of each group"
	}
	switch {
	case r.Idle:
		b.WriteString(", silent")
	case r.Rate > 0:
		fmt.Fprintf(&b, "; %d%s sending; messages of %d bytes, %g a second", r.Senders, grouped, r.Size, r.Rate)
	default:
		fmt.Fprintf(&b, "; %d%s sending; messages of %d bytes, %d%s in flight", r.Senders, grouped, r.Size, r.Window, grouped)
	}
	return b.String()
}

// wrong is what a chat must not do.
func (r *result) wrong() string {
	lost := fmt.Sprintf("%d lost", r.Lost)
	if told := r.Lost - r.LostUntold; told > 0 {
		lost += fmt.Sprintf(" (%d of them the server told of)", told)
	}
	s := fmt.Sprintf("%s, %d repeated, %d reordered, %d torn, %d connections closed", lost, r.Repeated, r.Reordered, r.Torn, r.Closed)
	if r.Strayed > 0 {
		s += fmt.Sprintf(", %d came to another group", r.Strayed)
	}
	return s
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
