package feed

import (
	"slices"
	"testing"
)

// The model below is what an outlet's goroutines do with its turn, cut into
// steps that are atomic in the code too: one atomic operation, or what happens
// under the mutex. explore tries every order of these steps.

// rules are the transitions of the word under test.
type rules struct {
	taking    func(w uint32) (next uint32, got bool)
	releasing func(w uint32) (next uint32, done bool)
	closing   func(w uint32) uint32
}

var theRules = rules{taking, releasing, func(w uint32) uint32 { return w | closed }}

// part is what a goroutine of the model does, again and again.
type part uint8

const (
	sweeper part = iota // appends to a feed, then flushes
	poster              // fills the mailbox, then flushes
	flusher             // flushes
	closer              // closes the outlet
	drainer             // waits for the sink once the turn was handed to it
)

// step is what a goroutine does next.
type step uint8

const (
	stepIdle    step = iota // a drainer that was not begun
	stepNews                // make news, or close
	stepTake                // take the turn
	stepClosed              // peek: closed?
	stepMailbox             // peek: collect the mailbox
	stepFeed                // peek: look at the feed's head
	stepWrite               // the sink takes all of it, or is full
	stepPark                // hand the turn to a drainer
	stepRelease             // give the turn back
	stepDone
)

const (
	mostGoroutines = 5
	mostDrainers   = 2
)

// state is the whole model at one moment.
type state struct {
	word     uint32
	appended uint8 // to the feed
	written  uint8 // of it
	posted   bool  // the mailbox holds something
	tail     bool  // the holder has taken it over
	fulls    uint8 // how often the sink may still be found full
	at       [mostGoroutines + mostDrainers]step
	rounds   [mostGoroutines + mostDrainers]uint8 // still to go
	seen     [mostGoroutines + mostDrainers]uint8 // the feed's head when looked at
	holds    [mostGoroutines + mostDrainers]bool
}

// explorer visits every state that can be reached.
type explorer struct {
	rules rules
	parts []part
	seen  map[state]bool
	path  []move
	fault string
	way   []move // to the fault
}

// move is a goroutine's doing a step.
type move struct {
	who int
	did step
}

// explore returns how many states there are and, if one is faulty, what is wrong
// with it and how it is reached.
func explore(r rules, rounds, fulls uint8, parts ...part) (states int, fault string, way []move) {
	e := explorer{rules: r, seen: make(map[state]bool)}
	e.parts = append(slices.Clone(parts), drainer, drainer)
	s := state{fulls: fulls}
	for i, p := range e.parts {
		s.at[i], s.rounds[i] = stepNews, rounds
		if p == closer {
			s.rounds[i] = 1
		}
		if p == drainer {
			s.at[i] = stepIdle
		}
	}
	e.visit(s)
	return len(e.seen), e.fault, e.way
}

func (e *explorer) fail(fault string) {
	if e.fault == "" {
		e.fault, e.way = fault, slices.Clone(e.path)
	}
}

func (e *explorer) visit(s state) {
	if e.fault != "" || e.seen[s] {
		return
	}
	e.seen[s] = true
	owners, moved := 0, false
	for i := range e.parts {
		if s.holds[i] {
			owners++
		}
	}
	if owners > 1 {
		e.fail("several writers at once")
		return
	}
	for i := range e.parts {
		if s.at[i] == stepIdle || s.at[i] == stepDone {
			continue
		}
		moved = true
		for _, next := range e.steps(s, i) {
			e.path = append(e.path, move{i, s.at[i]})
			e.visit(next)
			e.path = e.path[:len(e.path)-1]
		}
	}
	if moved || s.word&closed != 0 {
		return
	}
	switch {
	case s.word&owned != 0:
		e.fail("the turn is held by nobody")
	case s.written != s.appended || s.posted || s.tail:
		e.fail("news is left to nobody")
	}
}

// steps returns what the state may be after the i-th goroutine's next step.
func (e *explorer) steps(s state, i int) []state {
	again := func(s state) state { // the round is over
		s.holds[i] = false
		if s.rounds[i]--; s.rounds[i] == 0 || e.parts[i] == drainer {
			s.at[i] = stepDone
			if e.parts[i] == drainer {
				s.rounds[i], s.at[i] = 1, stepIdle
			}
		} else {
			s.at[i] = stepNews
		}
		s.seen[i] = 0
		return s
	}
	switch s.at[i] {
	case stepNews:
		s.at[i] = stepTake
		switch e.parts[i] {
		case sweeper:
			s.appended++
		case poster:
			if s.word&closed != 0 {
				return []state{again(s)}
			}
			s.posted = true
		case closer:
			s.word = e.rules.closing(s.word)
			return []state{again(s)}
		}
	case stepTake:
		before := s.word
		var got bool
		if s.word, got = e.rules.taking(s.word); !got {
			return []state{again(s)}
		}
		if before&closed != 0 {
			e.fail("the turn was taken after close")
		}
		s.holds[i], s.at[i] = true, stepClosed
	case stepClosed:
		if s.at[i] = stepMailbox; s.word&closed != 0 {
			return []state{again(s)} // the turn is kept for good
		}
		if s.tail {
			s.at[i] = stepWrite
		}
	case stepMailbox:
		if s.at[i] = stepFeed; s.posted {
			s.posted, s.tail, s.at[i] = false, true, stepWrite
		}
	case stepFeed:
		s.seen[i] = s.appended
		if s.at[i] = stepWrite; s.seen[i] == s.written {
			s.at[i] = stepRelease
		}
	case stepWrite:
		all := s
		if all.at[i] = stepClosed; all.tail {
			all.tail = false
		} else {
			all.written = s.seen[i]
		}
		all.seen[i] = 0
		if s.fulls == 0 {
			return []state{all}
		}
		s.fulls--
		s.seen[i] = 0
		if s.at[i] = stepPark; e.parts[i] == drainer {
			s.at[i] = stepClosed // it waits, and looks again when it wakes
		}
		return []state{all, s}
	case stepPark:
		if s.word&closed != 0 {
			return []state{again(s)}
		}
		for d := range e.parts {
			if e.parts[d] == drainer && s.at[d] == stepIdle {
				s = again(s)
				s.holds[d], s.at[d] = true, stepClosed
				return []state{s}
			}
		}
		e.fail("a third drainer was begun")
		return nil
	case stepRelease:
		var done bool
		if s.word, done = e.rules.releasing(s.word); done {
			return []state{again(s)}
		}
		s.at[i] = stepClosed
	}
	return []state{s}
}

// casts are goroutines that meet at one outlet.
var casts = map[string][]part{
	"sweep, post":                {sweeper, poster},
	"sweep, post, close":         {sweeper, poster, closer},
	"two rooms, post":            {sweeper, sweeper, poster},
	"two rooms, post, close":     {sweeper, sweeper, poster, closer},
	"sweep, two posts, Flushed":  {sweeper, poster, poster, flusher},
	"sweep, post, Flushed, stop": {sweeper, poster, flusher, closer},
	"two closes":                 {sweeper, poster, closer, closer},
}

func TestTurnLosesNothing(t *testing.T) {
	for name, cast := range casts {
		t.Run(name, func(t *testing.T) {
			states, fault, way := explore(theRules, uint8(scale(1, 2, 2)), 2, cast...)
			if fault != "" {
				t.Errorf("%s after %v", fault, way)
			}
			t.Logf("%d states", states)
		})
	}
}

// TestTurnModelFindsFaults breaks each rule in turn: a model that finds nothing
// proves nothing.
func TestTurnModelFindsFaults(t *testing.T) {
	for name, broken := range map[string]struct {
		rules rules
		fault string
	}{
		"no word is left": {rules{func(w uint32) (uint32, bool) {
			if w&(owned|closed) != 0 {
				return w, false
			}
			return owned, true
		}, releasing, theRules.closing}, "news is left to nobody"},
		"the word is not heeded": {rules{taking, func(w uint32) (uint32, bool) {
			return w &^ (owned | again), true
		}, theRules.closing}, "news is left to nobody"},
		"the word outlives the look": {rules{taking, func(w uint32) (uint32, bool) {
			if w&again != 0 && w&closed == 0 {
				return w &^ (again | owned), false
			}
			return w &^ (owned | again), true
		}, theRules.closing}, "several writers at once"},
		"release forgets": {rules{taking, func(w uint32) (uint32, bool) {
			if w&again != 0 {
				return w &^ again, false
			}
			return w, true
		}, theRules.closing}, "the turn is held by nobody"},
		"take does not look": {rules{func(w uint32) (uint32, bool) {
			if w&closed != 0 {
				return w, false
			}
			return owned, true
		}, releasing, theRules.closing}, "several writers at once"},
		"take after close": {rules{func(w uint32) (uint32, bool) {
			if w&owned != 0 {
				return w | again, false
			}
			return w | owned, true
		}, releasing, theRules.closing}, "the turn was taken after close"},
		"release undoes close": {rules{taking, func(w uint32) (uint32, bool) {
			if w&again != 0 && w&closed == 0 {
				return w &^ again, false
			}
			return 0, true
		}, theRules.closing}, "news is left to nobody"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, cast := range casts {
				if _, fault, _ := explore(broken.rules, 2, 2, cast...); fault == broken.fault {
					return
				}
			}
			t.Errorf("not found: %s", broken.fault)
		})
	}
}

// TestTurnFollowsTheRules checks that the word itself moves as the rules do.
func TestTurnFollowsTheRules(t *testing.T) {
	for w := uint32(0); w <= owned|again|closed; w++ {
		var turn Turn
		turn.word.Store(w)
		next, got := taking(w)
		if turn.take() != got || turn.word.Load() != next {
			t.Errorf("take of %03b: %03b, want %03b", w, turn.word.Load(), next)
		}
		turn.word.Store(w)
		next, done := releasing(w)
		if turn.release() != done || turn.word.Load() != next {
			t.Errorf("release of %03b: %03b, want %03b", w, turn.word.Load(), next)
		}
		turn.word.Store(w)
		if first := turn.close(); first != (w&closed == 0) || turn.word.Load() != w|closed || !turn.closed() {
			t.Errorf("close of %03b: %03b, first %v", w, turn.word.Load(), first)
		}
		turn.word.Store(w)
		if turn.free() != (w == 0) {
			t.Errorf("%03b free: %v", w, turn.free())
		}
	}
}
