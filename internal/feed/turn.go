package feed

import "sync/atomic"

// Turn is the right to write to one connection, held by one goroutine at a time
// and never waited for. Who has something to write calls take; if somebody else
// holds the turn, that one is told to look again before it gives it back. So
// there is no moment at which news is left to nobody:
//
//	if !t.take() { return } // the holder will see to it
//	for {
//		write all that is due
//		if t.release() { return }
//	}
//
// The zero value is free.
type Turn struct{ word atomic.Uint32 }

const (
	owned  = 1 << iota // somebody writes
	again              // there may be news since the holder last looked
	closed             // no more writing; never taken back
)

// The transitions are functions of the word alone, so that a test can try them
// in every order.

func taking(w uint32) (next uint32, got bool) {
	switch {
	case w&closed != 0:
		return w, false
	case w&owned != 0:
		return w | again, false
	}
	return owned, true
}

func releasing(w uint32) (next uint32, done bool) {
	if w&again != 0 && w&closed == 0 {
		return w &^ again, false
	}
	return w &^ (owned | again), true
}

// take makes the caller the writer and returns true, or leaves word for the one
// who is.
func (t *Turn) take() bool {
	for {
		w := t.word.Load()
		next, got := taking(w)
		if next == w || t.word.CompareAndSwap(w, next) {
			return got
		}
	}
}

// release ends the caller's turn and returns true, unless somebody left word in
// the meantime: then the caller is still the writer and must look again.
func (t *Turn) release() bool {
	for {
		w := t.word.Load()
		next, done := releasing(w)
		if t.word.CompareAndSwap(w, next) {
			return done
		}
	}
}

// close ends all writing once the present holder, if any, has looked. It tells
// whether it was the first to do so.
func (t *Turn) close() (first bool) { return t.word.Or(closed)&closed == 0 }

// free tells that nobody writes and nobody left word.
func (t *Turn) free() bool { return t.word.Load() == 0 }

// held tells that somebody writes.
func (t *Turn) held() bool { return t.word.Load()&owned != 0 }

func (t *Turn) closed() bool { return t.word.Load()&closed != 0 }
