package invariant

import (
	"slices"
	"time"
)

// Latencies are how long messages took from their sending to a client, one for
// each message and client.
type Latencies []time.Duration

// Percentile returns the latency that the given share of them, from 0 to 1, does
// not exceed; 0 if there are none.
func (l Latencies) Percentile(share float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	sorted := slices.Clone(l)
	slices.Sort(sorted)
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

// Lap returns the latencies of the given clients since the last Lap.
func Lap(clients ...*Client) (all Latencies) {
	for _, c := range clients {
		c.mu.Lock()
		all = append(all, c.took...)
		c.took = c.took[:0]
		c.mu.Unlock()
	}
	return all
}
