// Package logsink stands between those who log and a writer that may be slow or
// stuck: a terminal with its output stopped, a full pipe, a busy collector.
//
// Write never waits for that writer. It copies the line into a bounded queue;
// what does not fit is dropped and counted, and at the place where lines are
// missing the writer is given one line that says how many. The package knows
// nothing of what a line looks like: one Write is one line.
package logsink

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxLines and maxBytes bound one batch of the queue. Two batches exist, one
	// that fills while the other is written, so at most 1,024 lines or 512 KiB
	// wait: the storm of 512 connections that begin and end at once.
	maxLines = 512
	maxBytes = 256 << 10

	// closeWait is how long Close waits for the writer: long enough for a slow
	// disk, short enough that a stuck terminal does not keep a process alive.
	closeWait = time.Second
)

// ErrNotFlushed is returned by Close when the writer did not take the last lines
// in time.
var ErrNotFlushed = errors.New("the last log lines were not written")

// batch is a run of lines in the order in which they were logged. Drops happen
// only while it is full, so those counted come after its last line.
type batch struct {
	bytes   []byte // the lines, end to end
	ends    []int  // where each line ends in bytes
	dropped int    // lines that came after the last one and found no room
}

func (b *batch) reset() { b.bytes, b.ends, b.dropped = b.bytes[:0], b.ends[:0], 0 }

// Sink is a bounded queue of lines in front of a writer. Its methods may be used
// from any number of goroutines, Run from one.
type Sink struct {
	// Set by New, never changed.
	to   io.Writer
	note func(dropped int) []byte
	wake chan struct{} // capacity 1: there is something to write, or the end; never closed
	done chan struct{} // closed by Run when it returns

	dropped atomic.Uint64 // lines, since New

	// Guarded by mu, which is never held while the writer is called.
	mu      sync.Mutex
	filling *batch
	closing bool
}

// New returns a Sink in front of w. Lines gather until Run is started. Note makes
// the line that tells of dropped ones; it is called from Run.
func New(w io.Writer, note func(dropped int) []byte) *Sink {
	return &Sink{
		to:      w,
		note:    note,
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
		filling: new(batch),
	}
}

// Write queues a copy of line and returns at once. It always reports success: a
// line that finds no room is dropped and counted, one that comes after Close is
// dropped.
func (s *Sink) Write(line []byte) (int, error) {
	s.mu.Lock()
	b := s.filling
	switch {
	case s.closing:
	case len(b.ends) == maxLines || len(b.bytes)+len(line) > maxBytes:
		b.dropped++
		s.dropped.Add(1)
	default:
		b.bytes = append(b.bytes, line...)
		b.ends = append(b.ends, len(b.bytes))
	}
	s.mu.Unlock()
	s.nudge()
	return len(line), nil
}

// Dropped returns how many lines were dropped since New, those that the writer refused
// among them.
func (s *Sink) Dropped() uint64 { return s.dropped.Load() }

// nudge wakes Run, or finds it already told.
func (s *Sink) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run writes queued lines until Close is called and all are written. It is the
// only caller of the writer. Lines that the writer refused count as dropped.
func (s *Sink) Run() {
	defer close(s.done)
	full := new(batch)
	lost := 0 // dropped or refused, and not told of yet
	for {
		full.reset()
		s.mu.Lock()
		full, s.filling = s.filling, full
		end := s.closing
		s.mu.Unlock()

		start := 0
		for _, at := range full.ends {
			if _, err := s.to.Write(full.bytes[start:at]); err != nil {
				lost++
				s.dropped.Add(1)
			}
			start = at
		}
		lost += full.dropped
		if lost > 0 {
			if _, err := s.to.Write(s.note(lost)); err == nil {
				lost = 0
			}
		}
		if end {
			return // what was queued before Close is written, and nothing is queued after
		}
		if len(full.ends) == 0 {
			<-s.wake
		}
	}
}

// Close lets Run write what is queued and end, and waits for that for one second
// at most. After that it returns ErrNotFlushed, and Run ends as soon as the
// writer lets go of it. Lines written after Close are dropped.
func (s *Sink) Close() error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.nudge()
	timeout := time.NewTimer(closeWait)
	defer timeout.Stop()
	select {
	case <-s.done:
		return nil
	case <-timeout.C:
		return ErrNotFlushed
	}
}
