package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// showEvery is how often the progress line changes.
const showEvery = 500 * time.Millisecond

// terminal tells whether f is one.
func terminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// show writes the progress line, or wipes it at the end.
func (l *load) show(end bool) {
	f := l.cfg.progress
	switch {
	case f == nil:
		return
	case end:
		fmt.Fprint(f, "\r\x1b[K")
		return
	case l.now-l.shown < int64(showEvery):
		return
	}
	l.shown = l.now
	line := l.progress()
	// A line that is wrapped could not be overwritten. It is ASCII.
	if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
		line = line[:min(len(line), int(size.Col)-1)]
	}
	fmt.Fprintf(f, "\r%s\x1b[K", line)
}

// progress is how far the run has come.
func (l *load) progress() string {
	if !l.sending {
		return fmt.Sprintf("%s: %d of %d connected, %d in the room", l.phase, l.open, l.cfg.conns, l.joined)
	}
	return fmt.Sprintf("%s, %.1f s: %s messages, %s delivered, %d lost, p99 %.1f ms", l.phase, seconds(l.now-l.start),
		thousands(int64(l.tally.issued-l.base)), thousands(l.deliveries), l.tally.lost,
		float64(l.latency.quantile(0.99))/1e6)
}
