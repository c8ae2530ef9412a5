package feed

import (
	"math"
	"sort"
	"sync/atomic"
)

// Segments begin small, so that a quiet room costs little, and double while they
// fill up, so that a busy one seldom changes segments.
const (
	minSegment = 4 << 10
	maxSegment = 256 << 10
	// maxMarks keeps a segment of short records from being the whole log: a log
	// drops whole segments only.
	maxMarks = 2048
	// bytesPerMark is how short records may be on average before a segment is
	// full of marks rather than of bytes.
	bytesPerMark = 48
)

// Place is a position between two records of a log: everything counts what lies
// before it. Logs of one ring share Index, Ordinal and Seq.
type Place struct {
	Offset  uint64 // bytes
	Index   uint64 // records
	Ordinal uint64 // counted records
	Seq     uint64 // the highest sequence number
}

// mark is what is kept of a record beside its bytes: its end, and the ordinal
// and seq after it, relative to the start of its segment; and its tag.
type mark struct {
	end     uint32
	tag     uint32
	ordinal uint32
	seq     uint32
}

const markSize = 16

// segment is a stretch of a log. Everything below n never changes; everything
// from n on belongs to the appender. It holds no pointers but its two arrays.
type segment struct {
	start Place
	buf   []byte
	marks []mark

	n atomic.Uint32 // records published: bytes, ends and tags together

	// A reader pins before it uses the bytes, and then looks whether they were
	// dropped; the appender marks as dropped, and then looks at the pins.
	pins    atomic.Int32
	dropped atomic.Bool
}

func newSegment(start Place, size, marks int) *segment {
	return &segment{start: start, buf: make([]byte, size), marks: make([]mark, marks)}
}

func (s *segment) size() int64 { return int64(len(s.buf)) + int64(len(s.marks))*markSize }

// end is where the first i records end within buf.
func (s *segment) end(i uint32) uint32 {
	if i == 0 {
		return 0
	}
	return s.marks[i-1].end
}

// ordinal is place(i).Ordinal.
func (s *segment) ordinal(i uint32) uint64 {
	if i == 0 {
		return s.start.Ordinal
	}
	return s.start.Ordinal + uint64(s.marks[i-1].ordinal)
}

// place is the position after the first i records.
func (s *segment) place(i uint32) Place {
	if i == 0 {
		return s.start
	}
	m := &s.marks[i-1]
	return Place{
		Offset:  s.start.Offset + uint64(m.end),
		Index:   s.start.Index + uint64(i),
		Ordinal: s.start.Ordinal + uint64(m.ordinal),
		Seq:     s.start.Seq + uint64(m.seq),
	}
}

// Budget bounds what many logs hold together. The zero value has no bound.
type Budget struct {
	Limit int64 // bytes; 0: none. Set before use.
	used  atomic.Int64
}

// Used is how many bytes the logs hold now.
func (b *Budget) Used() int64 { return b.used.Load() }

// Exceeded tells whether the logs hold more than they should.
func (b *Budget) Exceeded() bool { return b.Limit > 0 && b.used.Load() > b.Limit }

// Limits bounds one log: it drops its oldest segments rather than exceed one of
// them. A single record larger than Bytes is kept all the same.
type Limits struct {
	Records int
	Bytes   int64
}

// Log is append-only bytes, cut into records, of which the oldest are dropped.
// One goroutine at a time, its owner, may append and drop; any may read.
type Log struct {
	// Set once.
	limits Limits
	budget *Budget

	// Replaced by the owner, read by everyone. Never empty.
	segs atomic.Pointer[[]*segment]

	// Owned by the appender.
	cur  *segment
	used int    // bytes of cur in use
	n    uint32 // records of cur
	held int64  // bytes of all segments
}

func (l *Log) init(start Place, limits Limits, budget *Budget) {
	if budget == nil {
		budget = &Budget{}
	}
	l.limits, l.budget = limits, budget
	l.cur = newSegment(start, minSegment, l.marksFor(minSegment))
	l.hold(l.cur.size())
	l.segs.Store(&[]*segment{l.cur})
}

func (l *Log) hold(n int64) {
	l.held += n
	l.budget.used.Add(n)
}

// Head is the position after the last record. Any goroutine may ask.
func (l *Log) Head() Place {
	segs := *l.segs.Load()
	s := segs[len(segs)-1]
	return s.place(s.n.Load())
}

// Tail is the position before the oldest record still held. Any goroutine may ask.
func (l *Log) Tail() Place { return (*l.segs.Load())[0].start }

// Held is how many bytes of memory the log takes. Only the owner may ask.
func (l *Log) Held() int64 { return l.held }

// Back is the position n records before the head, or the oldest there is. Any
// goroutine may ask.
func (l *Log) Back(n int) Place {
	head := l.Head()
	if uint64(n) >= head.Index {
		return l.At(0)
	}
	return l.At(head.Index - uint64(n))
}

// At is the position with that many records before it; the oldest there is if
// those are gone, the head if there are not so many.
func (l *Log) At(index uint64) Place {
	segs := *l.segs.Load()
	for i := len(segs) - 1; i >= 0; i-- {
		s := segs[i]
		if s.start.Index <= index {
			return s.place(uint32(min(index-s.start.Index, uint64(s.n.Load()))))
		}
	}
	return segs[0].start
}

// near is the oldest position at most so many bytes before the head.
func (l *Log) near(bytes uint64) Place {
	segs := *l.segs.Load()
	head := l.Head()
	from := head.Offset - min(bytes, head.Offset)
	for i := len(segs) - 1; i >= 0; i-- {
		s := segs[i]
		if s.start.Offset > from && i > 0 {
			continue
		}
		n := s.n.Load()
		j := sort.Search(int(n), func(i int) bool { return s.place(uint32(i)).Offset >= from })
		return s.place(uint32(j))
	}
	return head
}

// seek is the position before the first record whose seq is at least seq.
func (l *Log) seek(seq uint64) Place {
	segs := *l.segs.Load()
	for i := len(segs) - 1; i >= 0; i-- {
		s := segs[i]
		if s.start.Seq >= seq && i > 0 {
			continue
		}
		n := s.n.Load()
		j := sort.Search(int(n), func(i int) bool { return s.place(uint32(i)+1).Seq >= seq })
		return s.place(uint32(j))
	}
	return l.Head()
}

// view is published records of one segment, pinned until release.
type view struct {
	seg      *segment
	from, to uint32 // records
}

func (v *view) bytes() []byte { return v.seg.buf[v.seg.end(v.from):v.seg.end(v.to)] }

func (v *view) release() {
	v.seg.pins.Add(-1)
	v.seg = nil
}

// acquire pins the records from at on, as far as they lie in one segment; none
// if at is the head, or beyond it: a ring's feeds get a record one after the
// other, and who changes from one to the next may be ahead of it for a moment.
// It fails if they were dropped.
func (l *Log) acquire(at Place) (v view, ok bool) {
	segs := *l.segs.Load()
	for i := len(segs) - 1; i >= 0; i-- {
		s := segs[i]
		if s.start.Index > at.Index {
			continue
		}
		s.pins.Add(1)
		if s.dropped.Load() {
			s.pins.Add(-1)
			return view{}, false
		}
		n := s.n.Load()
		return view{seg: s, from: uint32(min(at.Index-s.start.Index, uint64(n))), to: n}, true
	}
	return view{}, false
}

// room is where the next record's bytes are appended, in place. What is
// appended counts only after commit.
func (l *Log) room() []byte {
	if int(l.n) == len(l.cur.marks) {
		l.roll(0, 0)
	}
	return l.cur.buf[l.used:l.used]
}

// commit publishes rec, which was appended to what room returned, as the next
// record. seq is 0 for a record that is not counted.
func (l *Log) commit(rec []byte, tag uint32, seq uint64) {
	if len(rec) > len(l.cur.buf)-l.used || jumps(l.cur.start.Seq, seq) {
		l.roll(len(rec), seq)
	}
	s := l.cur
	after := s.place(l.n)
	if seq != 0 {
		after.Ordinal++
		after.Seq = max(after.Seq, seq)
	}
	if dst := s.buf[l.used:]; len(rec) > 0 && &rec[0] != &dst[0] {
		copy(dst, rec) // it did not fit, and append moved it elsewhere
	}
	l.used += len(rec)
	s.marks[l.n] = mark{
		end:     uint32(l.used),
		tag:     tag,
		ordinal: uint32(after.Ordinal - s.start.Ordinal),
		seq:     uint32(after.Seq - s.start.Seq),
	}
	l.n++
	s.n.Store(l.n)
}

// roll begins a new segment with room for need bytes at least and for seq.
func (l *Log) roll(need int, seq uint64) {
	size := len(l.cur.buf)
	if l.used+need > size/2 || len(l.cur.marks) < maxMarks {
		size *= 2
	}
	size = max(min(size, maxSegment, int(l.limits.Bytes/2)), minSegment, need)
	start := l.cur.place(l.n)
	if jumps(start.Seq, seq) {
		start.Seq = seq - 1
	}
	s := newSegment(start, size, l.marksFor(size))
	l.cur, l.used, l.n = s, 0, 0
	l.hold(s.size())

	segs := append(append([]*segment(nil), *l.segs.Load()...), s)
	l.segs.Store(&segs)
	l.trim(l.limits.Records-len(s.marks), l.limits.Bytes)
}

// jumps tells that a segment that begins after from has no mark for seq.
func jumps(from, seq uint64) bool { return seq > from && seq-from > math.MaxUint32 }

func (l *Log) marksFor(size int) int {
	return max(min(size/bytesPerMark, maxMarks, l.limits.Records/2), 1)
}

// trim drops the oldest segments until what is left before the current one has
// at most so many records, and all of it at most so many bytes.
func (l *Log) trim(records int, bytes int64) {
	segs := *l.segs.Load()
	drop := 0
	for drop < len(segs)-1 &&
		(int64(l.cur.start.Index-segs[drop].start.Index) > int64(records) || l.held > bytes) {
		l.hold(-segs[drop].size())
		drop++
	}
	if drop > 0 {
		l.replace(segs[:drop], append([]*segment(nil), segs[drop:]...))
	}
}

// replace publishes what is kept before it marks the rest as dropped, so that a
// reader whose place is gone finds where to go on.
func (l *Log) replace(drop, keep []*segment) {
	l.segs.Store(&keep)
	for _, s := range drop {
		s.dropped.Store(true)
	}
}

// Relieve drops all but the current segment. Only the owner may call it.
func (l *Log) Relieve() { l.trim(0, 0) }

// drop gives all of it up. Who is still behind reads what there is to the end.
func (l *Log) drop() { l.hold(-l.held) }
