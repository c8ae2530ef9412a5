package feed

import (
	"net"
	"runtime"
	"sync/atomic"
)

// fakeSink takes as many bytes as it is told to, in one goroutine at a time. It
// keeps them. A copying one is like a connection that can only block: it takes
// nothing but from Drain, and copies before it waits.
type fakeSink struct {
	copying bool
	piece   int // bytes that a copying one takes at once

	// Written by the test while nobody writes, read by who writes.
	room int   // bytes until it is full; less than 0: it is never full
	err  error // what writing fails with

	resume  chan struct{} // room was made; never closed
	closed  chan struct{} // closed by the test
	waiting atomic.Bool
	busy    atomic.Bool

	got  []byte
	held int // bytes that were copied and have not left
}

func newFakeSink(room int) *fakeSink {
	return &fakeSink{room: room, resume: make(chan struct{}), closed: make(chan struct{}), piece: 100}
}

func (s *fakeSink) TryWrite(p []byte) (int, error) {
	if s.busy.Swap(true) {
		panic("two writers at once")
	}
	defer s.busy.Store(false)
	if s.copying {
		return 0, nil
	}
	return s.take(p)
}

func (s *fakeSink) take(p []byte) (int, error) {
	n := len(p)
	if s.room >= 0 {
		n = min(n, s.room)
		s.room -= n
	}
	s.got = append(s.got, p[:n]...)
	return n, s.err
}

// wait blocks until the test has made room.
func (s *fakeSink) wait() error {
	s.waiting.Store(true)
	select {
	case <-s.resume:
		return nil
	case <-s.closed:
		return net.ErrClosed
	}
}

func (s *fakeSink) Drain(peek func() ([]byte, error), took func(int)) error {
	if s.busy.Swap(true) {
		panic("two writers at once")
	}
	defer s.busy.Store(false)
	for {
		p, err := peek()
		if err != nil || len(p) == 0 {
			return err
		}
		if s.copying {
			s.got = append(s.got, p[:min(len(p), s.piece)]...)
			s.held = min(len(p), s.piece)
			took(s.held)
			for s.held > s.room && s.room >= 0 && s.err == nil {
				s.held -= s.room
				s.room = 0
				if err := s.wait(); err != nil {
					return err
				}
			}
			if s.room >= 0 {
				s.room -= s.held
			}
			if s.err != nil {
				return s.err
			}
			continue
		}
		n, err := s.take(p)
		took(n)
		if err != nil {
			return err
		}
		if n < len(p) {
			if err := s.wait(); err != nil {
				return err
			}
		}
	}
}

// settle waits until nobody writes, or who does waits for room.
func (s *fakeSink) settle(o *Outlet) {
	for !o.turn.free() && !s.waiting.Load() && !o.turn.closed() {
		runtime.Gosched()
	}
}

// give makes room and lets who waits for it go on.
func (s *fakeSink) give(o *Outlet, room int) {
	s.room = room
	if s.waiting.Swap(false) {
		s.resume <- struct{}{}
	}
	s.settle(o)
}
