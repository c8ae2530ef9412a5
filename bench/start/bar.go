package main

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/chatd/chatd/bench/rig"
)

// startLimit is how long a start may take: one that people do not notice.
const startLimit = 50 * time.Millisecond

// times are what the starts of one program took, in milliseconds.
type times struct{ listening, connected rig.Spread }

func (t *times) add(listening, connected time.Duration) {
	t.listening = append(t.listening, ms(listening))
	t.connected = append(t.connected, ms(connected))
}

func (t *times) bar(p build) rig.Bar {
	return rig.Bar{
		Name: "start" + p.bars, Work: "from exec until chatd listens, " + p.what,
		Figure: math.Round(10*t.listening.Median()) / 10, Unit: "ms", Limit: ms(startLimit), Better: rig.Lower,
		Note: fmt.Sprintf("median of %d starts; %.1f to %.1f ms; connected after %.1f ms, at most %.1f",
			len(t.listening), slices.Min(t.listening), slices.Max(t.listening), t.connected.Median(), slices.Max(t.connected)),
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
