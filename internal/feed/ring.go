package feed

import (
	"encoding/binary"
	"iter"
	"slices"
)

// Record is one entry of a ring.
type Record struct {
	// Set by Append.
	Index   uint64 // records before this one
	Ordinal uint64 // counted records up to this one

	Seq  uint64 // sequence number of a counted record, rising; 0: not counted
	Time int64  // nanoseconds since 1970, UTC
	Tag  uint32 // who caused it: an outlet may leave out what carries a tag; 0: nobody
	Kind uint8  // the caller's business
	Name []byte // at most 255 bytes
	Note []byte // what some formats show besides; at most 255 bytes
	Text []byte
}

// Gap is what a reader missed: Missing counted records, whose sequence numbers
// lie within First and Last.
type Gap struct {
	Missing     uint64
	First, Last uint64
}

// Format says how records look to some readers. Its functions append to dst and
// return it; they keep nothing of what they are given.
type Format struct {
	Name string
	// Render must depend on the record alone. It may append nothing, and then
	// these readers do not see the record. Called by the ring's owner only.
	Render func(dst []byte, r *Record) []byte
	// Gap tells a reader what it missed. Called by any goroutine. nil: there is
	// no way to tell, and the reader's outlet fails with ErrFellOff.
	Gap func(dst []byte, g Gap) []byte
}

// Feed is a cache of a ring's rendering in one format.
type Feed struct {
	Log
	ring   *Ring
	format *Format
}

// Ring is what was just said: the newest records, whole, in order, and their
// feeds. One goroutine at a time, its owner, may append and begin or end feeds;
// any may read. What it holds are plain bytes at offsets.
type Ring struct {
	Log
	feedLimits Limits
	feeds      []*Feed
}

// NewRing returns a ring that begins at the place start, which is the zero
// Place unless the ring continues another. Ring and feeds are bounded by limits
// each; budget, if not nil, counts the bytes of all of them.
func NewRing(start Place, limits Limits, budget *Budget) *Ring {
	r := &Ring{feedLimits: limits}
	start.Offset = 0
	r.init(start, limits, budget)
	return r
}

// Append adds rec and renders it into each feed. It sets rec's Index and
// Ordinal. Name, Note and Text are copied. It does not allocate but for new segments.
func (r *Ring) Append(rec *Record) {
	rec.Index = r.cur.start.Index + uint64(r.n)
	b := r.room()
	b = binary.LittleEndian.AppendUint64(b, uint64(rec.Time))
	b = append(b, rec.Kind, byte(len(rec.Name)), byte(len(rec.Note)))
	b = append(b, rec.Name[:byte(len(rec.Name))]...)
	b = append(b, rec.Note[:byte(len(rec.Note))]...)
	b = append(b, rec.Text...)
	r.commit(b, rec.Tag, rec.Seq)
	rec.Ordinal = r.cur.place(r.n).Ordinal
	for _, f := range r.feeds {
		f.append(rec)
	}
}

func (f *Feed) append(rec *Record) {
	f.commit(f.format.Render(f.room(), rec), rec.Tag, rec.Seq)
}

// Feed returns the feed in the given format and begins it, with all the ring
// holds, if there is none yet.
func (r *Ring) Feed(format *Format) *Feed {
	for _, f := range r.feeds {
		if f.format == format {
			return f
		}
	}
	f := &Feed{ring: r, format: format}
	start := r.Tail()
	start.Offset = 0
	f.init(start, r.feedLimits, r.budget)
	for rec := range r.Records(start) {
		f.append(rec)
	}
	r.feeds = append(r.feeds, f)
	return f
}

// End gives up the feed in the given format, if there is one. Nobody may follow it.
func (r *Ring) End(format *Format) {
	for i, f := range r.feeds {
		if f.format == format {
			f.drop()
			r.feeds = slices.Delete(r.feeds, i, i+1)
			return
		}
	}
}

// HeldAll is how many bytes of memory ring and feeds take.
func (r *Ring) HeldAll() int64 {
	n := r.held
	for _, f := range r.feeds {
		n += f.held
	}
	return n
}

// Relieve drops all that ring and feeds can do without.
func (r *Ring) Relieve() {
	r.Log.Relieve()
	for _, f := range r.feeds {
		f.Relieve()
	}
}

// Drop gives up ring and feeds. The ring must not be used afterwards.
func (r *Ring) Drop() {
	for _, f := range r.feeds {
		f.drop()
	}
	r.drop()
}

// Seek is the position before the first counted record whose sequence number is
// at least seq. Any goroutine may ask.
func (r *Ring) Seek(seq uint64) Place { return r.seek(seq) }

// Records yields the records from at on, or from the oldest on if that is
// newer, as far as they are published when the iteration comes to them. The
// record and its bytes are valid until the next one. Any goroutine may iterate.
func (r *Ring) Records(at Place) iter.Seq[*Record] {
	return func(yield func(*Record) bool) {
		for {
			v, ok := r.acquire(at)
			if !ok {
				at = r.Tail()
				continue
			}
			if v.from == v.to {
				v.release()
				return
			}
			var rec Record
			for i := v.from; i < v.to; i++ {
				v.seg.record(i, &rec)
				if !yield(&rec) {
					v.release()
					return
				}
			}
			at = v.seg.place(v.to)
			v.release()
		}
	}
}

// record decodes the segment's i-th record. Its bytes are the segment's own.
func (s *segment) record(i uint32, rec *Record) {
	before, after := s.place(i), s.place(i+1)
	b := s.buf[s.end(i):s.end(i+1)]
	const head = 8 + 3 // time, kind and two lengths
	name := head + int(b[9])
	note := name + int(b[10])
	*rec = Record{
		Index: before.Index, Ordinal: after.Ordinal,
		Time: int64(binary.LittleEndian.Uint64(b)), Tag: s.marks[i].tag, Kind: b[8],
		Name: b[head:name:name], Note: b[name:note:note], Text: b[note:len(b):len(b)],
	}
	if after.Ordinal != before.Ordinal {
		rec.Seq = after.Seq
	}
}
