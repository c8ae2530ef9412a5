package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// lookEvery is how often a process is looked at that is to come to rest.
	lookEvery = 250 * time.Millisecond
	// still is how long its memory must stay the same, and stillWithin what share of
	// it may change meanwhile.
	still       = 5 * time.Second
	stillWithin = 0.01
	// settleTime is how long descriptors may take to be closed, and then memory to
	// come to rest.
	settleTime = 2 * time.Minute
)

// look tells what a process holds.
type look func() (holds, error)

// emptied returns when no more than so many descriptors are open, or when there have
// been more for too long: who asks next sees how many.
func emptied(ctx context.Context, files int, see look) error {
	for begin := time.Now(); time.Since(begin) < settleTime; {
		h, err := see()
		if err != nil || h.files <= files {
			return err
		}
		if err := pause(ctx, lookEvery); err != nil {
			return err
		}
	}
	return nil
}

// settled returns what is held when memory has come to rest.
func settled(ctx context.Context, see look) (holds, error) {
	then, err := see()
	begin := time.Now()
	for since := begin; err == nil && time.Since(begin) < settleTime; {
		var now holds
		if now, err = see(); err != nil {
			break
		}
		if !same(now.memory, then.memory) {
			then, since = now, time.Now()
		}
		if time.Since(since) >= still {
			return now, nil
		}
		err = pause(ctx, lookEvery)
	}
	if err == nil {
		err = fmt.Errorf("memory does not come to rest in %v", settleTime)
	}
	return holds{}, err
}

// same tells whether a is b, or nearly so.
func same(a, b int64) bool {
	return float64(max(a, b)-min(a, b)) <= stillWithin*float64(b)
}
