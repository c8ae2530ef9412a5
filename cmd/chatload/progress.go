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
	w := l.cfg.progress
	if w == nil {
		return
	}
	if end {
		fmt.Fprint(w, "\r\x1b[K")
		return
	}
	if l.now-l.shown < int64(showEvery) {
		return
	}
	l.shown = l.now
	line := fmt.Sprintf("%d of %d connected, %d in the room", l.open, l.cfg.conns, l.joined)
	if l.sender != nil && l.ledger.issued > 0 {
		phase := "warming up"
		if l.measuring {
			phase = "measuring"
		}
		line = fmt.Sprintf("%s, %.1f s: %s messages, %s delivered, %d lost, p99 %s", phase, seconds(l.now-l.start),
			thousands(int64(l.ledger.issued-l.base)), thousands(l.deliveries), l.ledger.lost,
			us(float64(l.latency.quantile(0.99))/1e3))
	}
	fmt.Fprintf(w, "\r%s\x1b[K", line)
}
