// Package fortune is sayings, one of which is told at a time: where they come from
// (a file as fortune(6) reads it, or a built-in handful), which is next, and how it
// looks to a client written after Qt's examples. It does no input or output.
package fortune

import (
	"math/rand/v2"
	"slices"
	"sync"
)

// Teller tells fortunes at random, and never the same one twice running, whoever
// asks. The zero Teller has the built-in ones. Its methods may be called by any
// goroutine.
type Teller struct {
	mu       sync.Mutex
	fortunes []string // nil: builtIn
	last     string   // the one told last; empty: none was
}

// Use replaces the fortunes, none of which may be there twice. Nil stands for the
// built-in ones.
func (t *Teller) Use(fortunes []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fortunes = fortunes
}

// Tell returns the next fortune. It repeats itself only if there is but one.
func (t *Teller) Tell() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.fortunes
	if all == nil {
		all = builtIn[:]
	}
	last := slices.Index(all, t.last)
	if last < 0 || len(all) == 1 {
		t.last = all[rand.IntN(len(all))]
		return t.last
	}
	// Any but the last one, each as likely as the other.
	next := rand.IntN(len(all) - 1)
	if next >= last {
		next++
	}
	t.last = all[next]
	return t.last
}

// builtIn are told when there is no file.
var builtIn = [...]string{
	"Somebody is about to say hello. It may have to be you.",
	"The answer you wait for has arrived in the other window.",
	"A short message will save a long meeting.",
	"What you typed in anger is still in the line editor. There is time.",
	"Today a stranger will share your room and, with luck, your opinion.",
	"You will remember the command a minute after you have looked it up.",
	"Whoever reads the manual tonight sleeps well tomorrow.",
	"A quiet room is full of people who think.",
	"The cable is plugged in. Look again.",
	"Good news travels in order, and none of it is skipped.",
	"Be kind to the newcomer: guest7 was once guest1.",
	"Your patience will be rewarded with a prompt.",
}
