package feed

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// said is a record as the model keeps it.
type said struct {
	Index, Ordinal, Seq uint64
	Time                int64
	Tag                 uint32
	Kind                uint8
	Name, Note, Text    string
}

func saidOf(r *Record) said {
	return said{r.Index, r.Ordinal, r.Seq, r.Time, r.Tag, r.Kind, string(r.Name), string(r.Note), string(r.Text)}
}

// Three ways to look: as it is, longer, and not at all every other time.
var looks = []*Format{
	{Name: "plain", Render: func(dst []byte, r *Record) []byte { return append(dst, r.Text...) }},
	{Name: "long", Render: func(dst []byte, r *Record) []byte {
		return append(append(fmt.Appendf(dst, "%d/%d %s %s: ", r.Seq, r.Ordinal, r.Name, r.Note), r.Text...), r.Text...)
	}},
	{Name: "half", Render: func(dst []byte, r *Record) []byte {
		if r.Index%2 == 1 {
			return dst
		}
		return append(dst, r.Text...)
	}},
}

// ringModel is a ring and its feeds, and all that was ever put into them.
type ringModel struct {
	ring   *Ring
	budget *Budget
	limits Limits
	start  Place
	all    []said
	seq    uint64 // the highest
	begun  map[*Format]uint64
	pins   []pinned
}

// pinned is a view that somebody holds, and what it must go on to show.
type pinned struct {
	view view
	want []byte
}

func newRingModel(t *rapid.T) *ringModel {
	m := &ringModel{budget: &Budget{Limit: 1 << 20}, begun: make(map[*Format]uint64)}
	m.limits = Limits{
		Records: rapid.SampledFrom([]int{0, 1, 2, 7, 40, 300}).Draw(t, "records"),
		Bytes:   rapid.SampledFrom([]int64{0, 4 << 10, 10 << 10, 24 << 10, 1 << 20}).Draw(t, "bytes"),
	}
	if rapid.Bool().Draw(t, "goes on") {
		m.start = Place{Offset: 9, Index: 100, Ordinal: 50, Seq: rapid.SampledFrom([]uint64{60, 1 << 40, math.MaxUint64 - 1<<36}).Draw(t, "start")}
	}
	m.seq = m.start.Seq
	m.ring = NewRing(m.start, m.limits, m.budget)
	return m
}

func (m *ringModel) head() Place {
	p := Place{Index: m.start.Index + uint64(len(m.all)), Ordinal: m.start.Ordinal, Seq: m.seq}
	if n := len(m.all); n > 0 {
		p.Ordinal = m.all[n-1].Ordinal
	}
	return p
}

func (m *ringModel) from(index uint64) []said { return m.all[index-m.start.Index:] }

func (m *ringModel) append(t *rapid.T) {
	r := said{Time: rapid.Int64().Draw(t, "time"), Tag: rapid.Uint32Range(0, 3).Draw(t, "tag"), Kind: rapid.Uint8().Draw(t, "kind")}
	head := m.head()
	r.Index, r.Ordinal = head.Index, head.Ordinal
	if rapid.IntRange(0, 3).Draw(t, "counted") > 0 {
		step := rapid.SampledFrom([]uint64{1, 1, 1, 2, 1000, math.MaxUint32 - 1, math.MaxUint32, 1 << 32, 1<<32 + 1, 1 << 33}).Draw(t, "step")
		if step > math.MaxUint64-m.seq-1 {
			t.Skip("there are no more numbers")
		}
		m.seq += step
		r.Seq = m.seq
		r.Ordinal++
	}
	letter := byte('a' + len(m.all)%26)
	r.Name = string(bytes.Repeat([]byte{letter}, rapid.SampledFrom([]int{0, 1, 5, 255}).Draw(t, "name")))
	r.Text = string(bytes.Repeat([]byte{letter}, rapid.SampledFrom([]int{0, 1, 20, 64, 400, 1500, 4084, 4096, 6000, 20000}).Draw(t, "text")))

	r.Note = string(bytes.Repeat([]byte{letter}, rapid.SampledFrom([]int{0, 1, 255}).Draw(t, "note")))

	name, note, text := []byte(r.Name), []byte(r.Note), []byte(r.Text)
	rec := Record{Seq: r.Seq, Time: r.Time, Tag: r.Tag, Kind: r.Kind, Name: name, Note: note, Text: text}
	m.ring.Append(&rec)
	if rec.Index != r.Index || rec.Ordinal != r.Ordinal {
		t.Fatalf("appended as %d/%d, want %d/%d", rec.Index, rec.Ordinal, r.Index, r.Ordinal)
	}
	clear(name) // it was copied
	clear(note)
	clear(text)
	m.all = append(m.all, r)
}

func (m *ringModel) beginFeed(t *rapid.T) {
	format := rapid.SampledFrom(looks).Draw(t, "format")
	f := m.ring.Feed(format)
	if _, ok := m.begun[format]; !ok {
		m.begun[format] = m.ring.Tail().Index
	}
	if m.ring.Feed(format) != f {
		t.Fatal("a second feed in one format")
	}
}

func (m *ringModel) endFeed(t *rapid.T) {
	format := rapid.SampledFrom(looks).Draw(t, "format")
	if _, ok := m.begun[format]; !ok {
		m.ring.End(format)
		return
	}
	f := m.ring.Feed(format)
	begun, render := m.begun[format], format.Render
	m.ring.End(format)
	delete(m.begun, format)
	m.checkLog(t, &f.Log, begun, render, true) // who is behind reads to the end
	if f.Held() != 0 {
		t.Fatalf("an ended feed holds %d bytes", f.Held())
	}
}

// pin takes a view that is kept while more is appended and dropped.
func (m *ringModel) pin(t *rapid.T) {
	for format := range m.begun {
		l := &m.ring.Feed(format).Log
		if v, ok := l.acquire(l.At(l.Tail().Index)); ok {
			m.pins = append(m.pins, pinned{v, bytes.Clone(v.bytes())})
		}
		return
	}
}

func (m *ringModel) unpin(t *rapid.T) {
	for i := range m.pins {
		if !bytes.Equal(m.pins[i].view.bytes(), m.pins[i].want) {
			t.Fatal("a pinned view changed")
		}
		m.pins[i].view.release()
	}
	m.pins = nil
}

func (m *ringModel) check(t *rapid.T) {
	if used, held := m.budget.Used(), m.ring.HeldAll(); used != held {
		t.Fatalf("the budget counts %d bytes, ring and feeds hold %d", used, held)
	}
	if m.budget.Exceeded() != (m.budget.Used() > m.budget.Limit) {
		t.Fatal("Exceeded")
	}
	encode := func(dst []byte, r *Record) []byte { // as long as an entry of the ring
		return append(append(append(append(dst, make([]byte, 11)...), r.Name...), r.Note...), r.Text...)
	}
	m.checkLog(t, &m.ring.Log, m.start.Index, encode, false)
	for format, begun := range m.begun {
		m.checkLog(t, &m.ring.Feed(format).Log, begun, format.Render, true)
	}
	m.checkRecords(t)
	m.checkSeek(t)
}

// places returns the model's places from the oldest that is held on, with the
// bytes that follow each.
func (m *ringModel) places(l *Log, begun uint64, render func([]byte, *Record) []byte) (places []Place, text [][]byte) {
	at := Place{Index: begun, Ordinal: m.start.Ordinal, Seq: m.start.Seq}
	for _, r := range m.all {
		if r.Index < begun {
			at.Ordinal = r.Ordinal
			at.Seq = max(at.Seq, r.Seq)
		}
	}
	tail := l.Tail().Index
	for _, r := range m.from(begun) {
		p := render(nil, &Record{
			Index: r.Index, Ordinal: r.Ordinal, Seq: r.Seq, Time: r.Time, Tag: r.Tag, Kind: r.Kind,
			Name: []byte(r.Name), Note: []byte(r.Note), Text: []byte(r.Text),
		})
		if r.Index >= tail {
			places, text = append(places, at), append(text, p)
		}
		at = Place{at.Offset + uint64(len(p)), r.Index + 1, r.Ordinal, max(at.Seq, r.Seq)}
	}
	return append(places, at), append(text, nil)
}

// samePlace compares all but Seq, which may already be ahead where it jumps, but
// never of the next counted record.
func (m *ringModel) samePlace(t *rapid.T, what string, got, want Place) {
	t.Helper()
	seq := got.Seq
	got.Seq = want.Seq
	if got != want {
		t.Fatalf("%s: %+v, want %+v", what, got, want)
	}
	next := uint64(math.MaxUint64)
	for _, r := range m.from(want.Index) {
		if r.Seq != 0 {
			next = r.Seq
			break
		}
	}
	if seq < want.Seq || seq >= next {
		t.Fatalf("%s: seq %d, want at least %d and less than %d", what, seq, want.Seq, next)
	}
}

func (m *ringModel) checkLog(t *rapid.T, l *Log, begun uint64, render func([]byte, *Record) []byte, content bool) {
	places, text := m.places(l, begun, render)
	tail, head := places[0], places[len(places)-1]
	m.samePlace(t, "Tail", l.Tail(), tail)
	m.samePlace(t, "Head", l.Head(), head)

	segs := *l.segs.Load()
	if n := head.Index - tail.Index; n > uint64(max(m.limits.Records, 1)) {
		t.Fatalf("%d records are held, the limit is %d", n, m.limits.Records)
	}
	if len(segs) > 1 && l.Held() > m.limits.Bytes {
		t.Fatalf("%d bytes are held in %d segments, the limit is %d", l.Held(), len(segs), m.limits.Bytes)
	}

	for _, s := range segs {
		first := 0 // a record larger than half the log has a segment of its own size
		if s.n.Load() > 0 {
			first = int(s.end(1))
		}
		if most := max(minSegment, int(m.limits.Bytes/2), first); len(s.buf) > most {
			t.Fatalf("a segment has %d bytes, want at most %d", len(s.buf), most)
		}
	}

	index := rapid.Uint64Range(0, head.Index+3).Draw(t, "index")
	want := places[min(max(index, tail.Index), head.Index)-tail.Index]
	m.samePlace(t, fmt.Sprintf("At(%d)", index), l.At(index), want)
	back := int(rapid.Uint64Range(0, uint64(len(places)+3)).Draw(t, "back"))
	m.samePlace(t, fmt.Sprintf("Back(%d)", back), l.Back(back), places[max(len(places)-1-back, 0)])

	within := rapid.SampledFrom([]uint64{0, 1, 100, 5000, 64 << 10, math.MaxUint64}).Draw(t, "near")
	i, _ := slices.BinarySearchFunc(places, head.Offset-min(within, head.Offset), func(p Place, o uint64) int {
		if p.Offset < o {
			return -1
		}
		return 1
	})
	// Of several places at that offset, with empty records between, any will do.
	near := l.near(within)
	if near.Offset != places[i].Offset {
		t.Fatalf("near(%d) is at %d, want %d", within, near.Offset, places[i].Offset)
	}
	m.samePlace(t, "near", near, places[near.Index-tail.Index])

	v, ok := l.acquire(Place{Index: index})
	if ok != (index >= tail.Index) {
		t.Fatalf("acquire(%d): %v; the tail is at %d", index, ok, tail.Index)
	}
	if !ok {
		return
	}
	if index > head.Index {
		if v.from != v.to {
			t.Fatalf("acquire(%d), beyond the head at %d, shows something", index, head.Index)
		}
		v.release()
		return
	}
	n := uint64(v.to - v.from)
	if n == 0 && index < head.Index {
		t.Fatalf("acquire(%d) is empty before the head at %d", index, head.Index)
	}
	m.samePlace(t, "from", v.seg.place(v.from), places[index-tail.Index])
	m.samePlace(t, "to", v.seg.place(v.to), places[index-tail.Index+n])
	for i, r := range m.from(index)[:n] {
		if tag := v.seg.marks[v.from+uint32(i)].tag; tag != r.Tag {
			t.Fatalf("record %d has tag %d, want %d", r.Index, tag, r.Tag)
		}
	}
	if content {
		if want := slices.Concat(text[index-tail.Index:][:n]...); !bytes.Equal(v.bytes(), want) {
			t.Fatalf("acquire(%d) shows %q, want %q", index, v.bytes(), want)
		}
	}
	v.release()
	for _, s := range segs {
		if s.pins.Load() != 0 && len(m.pins) == 0 {
			t.Fatal("a segment stayed pinned")
		}
	}
}

func (m *ringModel) checkRecords(t *rapid.T) {
	tail, head := m.ring.Tail().Index, m.ring.Head().Index
	from := rapid.Uint64Range(m.start.Index, head).Draw(t, "from")
	most := rapid.IntRange(1, 1000).Draw(t, "most")
	var got []said
	for r := range m.ring.Records(m.ring.At(from)) {
		_, _ = append(r.Name, "..."...), append(r.Text, "..."...) // must not reach what comes after
		if got = append(got, saidOf(r)); len(got) == most {
			break
		}
	}
	want := m.from(max(from, tail))
	want = slices.Clone(want[:min(most, len(want))])
	if !slices.Equal(got, want) {
		t.Fatalf("Records from %d (-want +got):\n%s", from, cmp.Diff(want, got))
	}
	if tail > m.start.Index { // a place that is gone
		for r := range m.ring.Records(Place{Index: tail - 1}) {
			if r.Index != tail {
				t.Fatalf("Records from a place that is gone begin at %d, the oldest is %d", r.Index, tail)
			}
			break
		}
	}
}

func (m *ringModel) checkSeek(t *rapid.T) {
	seq := rapid.Uint64Range(0, 3).Draw(t, "seek")
	if n := len(m.all); n > 0 {
		seq += m.all[rapid.IntRange(0, n-1).Draw(t, "seek at")].Seq - 1
	}
	tail := m.ring.Tail()
	want := m.head().Index
	for _, r := range m.from(tail.Index) {
		if r.Seq >= seq && r.Seq != 0 {
			want = r.Index
			break
		}
	}
	if tail.Seq >= seq {
		want = tail.Index
	}
	if got := m.ring.Seek(seq); got.Index != want {
		t.Fatalf("Seek(%d) is %d, want %d", seq, got.Index, want)
	}
}

// checkRing does at random what a ring's owner and its readers may do.
func checkRing(t *rapid.T) {
	m := newRingModel(t)
	t.Repeat(map[string]func(*rapid.T){
		"": m.check,
		"append": func(t *rapid.T) {
			for range rapid.IntRange(1, 30).Draw(t, "records") {
				m.append(t)
			}
		},
		"begin": m.beginFeed,
		"end":   m.endFeed,
		"pin":   m.pin,
		"unpin": m.unpin,
		"relieve": func(t *rapid.T) {
			m.ring.Relieve()
			if n := len(*m.ring.segs.Load()); n != 1 {
				t.Fatalf("%d segments are left", n)
			}
		},
	})
	m.unpin(t)
	m.ring.Drop()
	if m.budget.Used() != 0 {
		t.Fatalf("%d bytes are counted after Drop", m.budget.Used())
	}
	m.checkRecords(t) // who is behind reads to the end
}

func TestRingModel(t *testing.T) { rapid.Check(t, checkRing) }

func FuzzRing(f *testing.F) { seed(f); f.Fuzz(rapid.MakeFuzz(checkRing)) }

// seed gives a fuzz target bytes to begin with; rapid draws its choices from them.
func seed(f *testing.F) {
	random := rand.NewChaCha8([32]byte{})
	for _, n := range []int{0, 100, 1000, 10000, 50000} {
		p := make([]byte, n)
		random.Read(p)
		f.Add(p)
	}
}

// TestRingKeepsEnough: what is dropped is dropped for a reason.
func TestRingKeepsEnough(t *testing.T) {
	limits := Limits{Records: 4096, Bytes: 1 << 20}
	for _, size := range []int{0, 20, 64, 500, 4096} {
		ring := NewRing(Place{}, limits, nil)
		f := ring.Feed(looks[0])
		text := make([]byte, size)
		least, bytes := math.MaxInt, uint64(math.MaxUint64)
		for i := range 20000 {
			ring.Append(&Record{Seq: uint64(i + 1), Text: text})
			if i >= 10000 {
				least = min(least, int(f.Head().Index-f.Tail().Index))
				bytes = min(bytes, f.Head().Offset-f.Tail().Offset)
			}
		}
		t.Logf("texts of %d bytes: at least %d records or %d bytes are kept", size, least, bytes)
		if least < limits.Records/3 && bytes < uint64(limits.Bytes)/3 {
			t.Errorf("texts of %d bytes: only %d records and %d bytes are kept", size, least, bytes)
		}
	}
}

// TestRingSeqEnds: the last sequence numbers there are cost no more than others.
func TestRingSeqEnds(t *testing.T) {
	ring := NewRing(Place{Seq: math.MaxUint64 - 100}, Limits{Records: 1000, Bytes: 1 << 20}, nil)
	for i := range uint64(50) {
		ring.Append(&Record{Seq: math.MaxUint64 - 99 + i})
	}
	if n := len(*ring.segs.Load()); n != 1 {
		t.Errorf("50 records near the last sequence number take %d segments, want 1", n)
	}
}
