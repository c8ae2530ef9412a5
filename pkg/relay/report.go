package relay

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// statsTime is over how long /stats looks at how fast things go. Its session does
// nothing else meanwhile; nobody else waits.
const statsTime = time.Second

// stats tells an operator in a few lines how much goes on.
func (s *session) stats(string) error {
	before := s.srv.Stats()
	begin := time.Now()
	t := time.NewTimer(statsTime)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.done:
		return nil
	}
	now := s.srv.Stats()
	var out []byte
	for _, line := range s.report(&before, &now, time.Since(begin)) {
		out = append(out, s.reply(line)...)
	}
	s.answer(out)
	return nil
}

// report is what goes on now in words, and how fast it has since before.
func (s *session) report(before, now *Stats, over time.Duration) []string {
	began := s.srv.clock().Add(-time.Since(s.srv.began))
	lines := []string{
		fmt.Sprintf("up since %s, for %s%s", s.moment(began), brief(time.Since(s.srv.began)), s.srv.builtAs()),
		crowdLine(now),
		doorLine(now),
		fmt.Sprintf("%s and %s so far; just now %s and %s a second",
			plural(now.Messages, "message"), deliveries(now.Deliveries),
			aSecond(now.Messages-before.Messages, over), aSecond(now.Deliveries-before.Deliveries, over)),
		slowLine(now),
		s.srv.historyLine(now),
	}
	memory := fmt.Sprintf("%s of it hold what was said for those who are behind", mebibytes(now.LogBytes))
	if rss := resident(); rss > 0 {
		memory = fmt.Sprintf("%s of memory, ", mebibytes(rss)) + memory
	}
	return append(lines, memory)
}

// crowdLine is who is connected.
func crowdLine(st *Stats) string {
	var kinds []string
	for kind, t := range st.Transports {
		if t.Now > 0 {
			kinds = append(kinds, fmt.Sprintf("%d %s", t.Now, kind))
		}
	}
	slices.Sort(kinds)
	text := plural(uint64(st.Sessions), "connection")
	if st.Limit > 0 {
		text += fmt.Sprintf(" of %d", st.Limit)
	}
	return fmt.Sprintf("%s (%s), %s and %d listening, in %s", text, strings.Join(kinds, ", "),
		people(st.People), st.Listening, plural(uint64(st.Rooms), "room"))
}

// doorLine is whether newcomers are let in.
func doorLine(st *Stats) string {
	text := "newcomers are let in"
	switch {
	case st.Paused:
		text = "newcomers wait until /resume-accepting"
	case st.Closed:
		text = "newcomers are turned away until /open"
	}
	return fmt.Sprintf("%s; %s accepted and %d turned away so far", text, plural(st.Accepted, "connection"), st.Refused)
}

// slowLine is who is slow to read, and what has come of that.
func slowLine(st *Stats) string {
	text := "everybody reads along"
	if st.Parked+st.Stalled > 0 {
		text = fmt.Sprintf("who does not read along: %s with a full buffer, %d that took nothing since the last look",
			plural(uint64(st.Parked), "connection"), st.Stalled)
	}
	return fmt.Sprintf("%s; %s skipped in %s, %s waited for the rate so far",
		text, plural(st.Skipped, "message"), plural(st.Gaps, "gap"), plural(st.RateWaits, "line"))
}

// historyLine is how the history keeps up with what is said.
func (s *Server) historyLine(st *Stats) string {
	j := &st.Journal
	switch {
	case s.memory != nil:
		return "history is kept in memory"
	case j.Paused:
		return fmt.Sprintf("history is paused: nothing is kept for now; %s lost, %s failed", plural(j.Lost, "message"), plural(j.Failures, "attempt"))
	}
	text := fmt.Sprintf("history is kept: %s so far, %d waiting", plural(j.Kept, "message"), j.Queue)
	if j.Lag > 0 {
		text += fmt.Sprintf(" for %s at most", j.Lag.Round(time.Millisecond))
	}
	if j.Lost+j.Failures+j.Pauses > 0 {
		text += fmt.Sprintf("; %s lost, %s failed, %s", plural(j.Lost, "message"), plural(j.Failures, "attempt"), plural(j.Pauses, "pause"))
	}
	return text
}

// builtAs is the version of the program that the server is in, if it is known.
func (s *Server) builtAs() string {
	if s.cfg.Version != "" {
		return ", version " + s.cfg.Version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return ""
	}
	return ", version " + info.Main.Version
}

// resident is how many bytes of memory the process has, or 0 if that is not known.
func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(text)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func deliveries(n uint64) string {
	if n == 1 {
		return "1 delivery"
	}
	return fmt.Sprintf("%d deliveries", n)
}

// aSecond is how many of so many in a time there are in a second.
func aSecond(n uint64, over time.Duration) string {
	return strconv.FormatFloat(float64(n)/over.Seconds(), 'f', 0, 64)
}
