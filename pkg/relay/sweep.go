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
	// sweepSlice is how long a sweep goes on while other rooms are busy, and
	// sweepPause how long it then lets them run. Yielding is not enough: the
	// runtime looks at the network last.
	sweepSlice = time.Millisecond
	sweepPause = 50 * time.Microsecond
	// sweepStride is how many members a sweep serves between two looks at the
	// clock, and how many a hand takes at a time.
	sweepStride = 32
	// sweepShare is how many members are worth a hand of their own: about a
	// millisecond of writing, against some ten microseconds to wake a processor.
	sweepShare = 256
)

// sweep brings each member all that is new, in one write each.
func (r *room) sweep() {
	if n := min(runtime.GOMAXPROCS(0), len(r.members)/sweepShare); n > 1 && !r.srv.beside(r) {
		r.hands.sweep(r.members, n)
		return
	}
	r.sweepInSlices()
}

// sweepInSlices pauses now and then while other rooms are busy.
func (r *room) sweepInSlices() {
	begin := time.Now()
	for i, m := range r.members {
		m.out.Flush()
		if i%sweepStride != sweepStride-1 || time.Since(begin) < sweepSlice {
			continue
		}
		if r.srv.beside(r) {
			time.Sleep(sweepPause)
		}
		begin = time.Now()
	}
}

// hands serve the members of a large room together, on as many processors. Each
// takes the next few members until none are left; a hand whose processor is late
// finds nothing left to do. They exist during a sweep only.
type hands struct {
	members []*member
	next    atomic.Int64 // the first member that nobody has taken
	others  sync.WaitGroup
	failed  atomic.Pointer[failure]
	help    func() // what the other hands do, made once
}

// failure is a hand's panic, which is the broadcaster's then.
type failure struct {
	value any
	stack []byte
}

func (f *failure) String() string { return fmt.Sprintf("%v\n%s", f.value, f.stack) }

// sweep flushes all members with n hands, the caller's among them, and returns
// when all have been.
func (h *hands) sweep(members []*member, n int) {
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
}

func (h *hands) work() {
	for {
		end := int(h.next.Add(sweepStride))
		begin := end - sweepStride
		if begin >= len(h.members) {
			return
		}
		for _, m := range h.members[begin:min(end, len(h.members))] {
			m.out.Flush()
		}
	}
}
