package relay

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// sweepSlice is how long a sweep goes on while other rooms are busy, before it
	// lets them run.
	sweepSlice = time.Millisecond
	// sweepStride is how many members a sweep serves between two looks at the
	// clock, and how many a hand takes at a time.
	sweepStride = 32
	// sweepShare is how many members are worth a hand of their own: about a
	// millisecond of writing, against some ten microseconds to wake a processor.
	sweepShare = 256
)

// sweep brings each member all that is new, in one write each. Once it has, it counts
// what that was.
func (r *room) sweep() {
	began := r.srv.uptime()
	var deliveries uint64
	if n := min(runtime.GOMAXPROCS(0), len(r.members)/sweepShare); n > 1 && !r.srv.beside(r) {
		deliveries = r.hands.sweep(r.members, n)
	} else {
		deliveries = r.sweepInSlices(began)
	}
	if deliveries > 0 {
		r.srv.tally.Records.Add(deliveries)
	}
	if r.fresh > 0 {
		r.srv.sweepSizes.add(sweepSizeBounds, int64(r.fresh))
		r.srv.sweepTimes.add(sweepTimeBounds, r.srv.uptime()-began)
		r.fresh = 0
	}
}

// sweepInSlices pauses now and then while other rooms are busy. It begins at an
// uptime.
func (r *room) sweepInSlices(began int64) (deliveries uint64) {
	for i, m := range r.members {
		deliveries += m.out.Deliver()
		if i%sweepStride != sweepStride-1 || r.srv.uptime()-began < int64(sweepSlice) {
			continue
		}
		if r.srv.beside(r) {
			r.srv.pauses.wait()
		}
		began = r.srv.uptime()
	}
	return deliveries
}

// hands serve the members of a large room together, on as many processors. Each
// takes the next few members until none are left; a hand whose processor is late
// finds nothing left to do. They exist during a sweep only.
type hands struct {
	members []*member
	next    atomic.Int64 // the first member that nobody has taken
	others  sync.WaitGroup
	failed  atomic.Pointer[failure]
	sent    atomic.Uint64 // deliveries, of the hands that are done
	help    func()        // what the other hands do, made once
}

// failure is a hand's panic, which is the broadcaster's then.
type failure struct {
	value any
	stack []byte
}

func (f *failure) String() string { return fmt.Sprintf("%v\n%s", f.value, f.stack) }

// sweep flushes all members with n hands, the caller's among them, and returns
// how many deliveries that were when all have been.
func (h *hands) sweep(members []*member, n int) (deliveries uint64) {
	if h.help == nil {
		h.help = func() {
			defer h.others.Done()
			defer func() {
				if v := recover(); v != nil {
					h.failed.Store(&failure{v, debug.Stack()})
				}
			}()
			h.work()
		}
	}
	h.members = members
	h.next.Store(0)
	h.others.Add(n - 1)
	for range n - 1 {
		go h.help()
	}
	func() {
		defer h.others.Wait()
		h.work()
	}()
	h.members = nil
	if f := h.failed.Load(); f != nil {
		panic(f)
	}
	return h.sent.Swap(0)
}

func (h *hands) work() {
	var deliveries uint64
	defer func() { h.sent.Add(deliveries) }()
	for {
		end := int(h.next.Add(sweepStride))
		begin := end - sweepStride
		if begin >= len(h.members) {
			return
		}
		for _, m := range h.members[begin:min(end, len(h.members))] {
			deliveries += m.out.Deliver()
		}
	}
}
