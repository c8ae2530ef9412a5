package journaltest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd/chatd/pkg/relay"
)

func testEmpty(t *testing.T, r *rig) {
	r.start(relay.Keep{})
	if n := r.Last("tea"); n != 0 {
		t.Errorf("the last number of a room where nothing was said is %d; want 0", n)
	}
	r.first("tea", 1)
	if n := r.Backlog(); n != 0 {
		t.Errorf("an empty queue is full by %v", n)
	}
	before, err := r.Before(r.ctx(), "tea", math.MaxUint64, 10)
	if err != nil || len(before) > 0 {
		t.Errorf("Before: %v, %v", before, err)
	}
	found, err := r.Search(r.ctx(), "tea", "hello", math.MaxUint64, 10)
	if err != nil || len(found) > 0 {
		t.Errorf("Search: %v, %v", found, err)
	}
	if seq, err := r.Since(r.ctx(), "tea", noon); err != nil || seq != 1 {
		t.Errorf("Since: %d, %v; want 1", seq, err)
	}
	if rooms, err := r.Rooms(r.ctx()); err != nil || len(rooms) > 0 {
		t.Errorf("Rooms: %v, %v", rooms, err)
	}
	r.sync()
}

// testOrder says the same numbers in two rooms, with some left out.
func testOrder(t *testing.T, r *rig) {
	r.start(relay.Keep{})
	var tea, coffee []relay.Message
	for i := range 500 {
		seq := uint64(i*3 + 2)
		for room, list := range map[string]*[]relay.Message{"tea": &tea, "coffee": &coffee} {
			m := relay.Message{
				Room: room, Position: relay.Position{Epoch: r.Epoch(), Seq: seq}, Time: noon + int64(i),
				Kind: relay.Kind(i % 4), Author: []byte("ana"), Text: fmt.Appendf(nil, "%s %d", room, i),
			}
			r.Append(&m, nil)
			*list = append(*list, m)
			if n := r.Last(room); n != seq {
				t.Fatalf("the last number is %d after %d was appended", n, seq)
			}
		}
	}
	r.first("tea", 2)
	r.equal("tea", r.all("tea"), tea)
	r.equal("coffee", r.all("coffee"), coffee)
	r.equal("Tea, another room", r.all("Tea"), nil)
}

// testBytes appends what is no text, and what is as long as it can be.
func testBytes(t *testing.T, r *rig) {
	r.start(relay.Keep{})
	rooms := []string{"", "茶", "a'b\"c", "x\x00y", strings.Repeat("r", 128)}
	texts := []string{
		"", " ", "\x00", "a\x00b", "\xff\xfe", "caf\xc3", "\r\n\t\x1b[31m", "'; DROP TABLE messages; --",
		"e\u0301 \u202e \ufeff", strings.Repeat("x", 4096), strings.Repeat("語", 20_000),
	}
	authors := []string{"ana", "", "\xff", "a\x00b", strings.Repeat("n", 255)}
	for _, room := range rooms {
		var want []relay.Message
		for i, text := range texts {
			want = append(want, r.say(room, authors[i%len(authors)], text))
		}
		r.equal(fmt.Sprintf("room %q", room), r.all(room), want)
	}
}

func testPaging(t *testing.T, r *rig) {
	r.start(relay.Keep{})
	said := r.sayMany("tea", 1000)
	r.say("coffee", "ben", "elsewhere")
	for _, c := range []struct {
		seq  uint64
		n    int
		want []relay.Message
	}{
		{math.MaxUint64, 50, said[950:]},
		{1001, 50, said[950:]},
		{1000, 50, said[949:999]},
		{31, 50, said[:30]},
		{2, 50, said[:1]},
		{1, 50, nil},
		{0, 50, nil},
		{500, 1, said[498:499]},
		{500, 0, nil},
		{500, -1, nil},
		{math.MaxInt64, math.MaxInt, said},
	} {
		got, err := r.Before(r.ctx(), "tea", c.seq, c.n)
		if err != nil {
			t.Errorf("Before(%d, %d): %v", c.seq, c.n, err)
		}
		r.equal(fmt.Sprintf("Before(%d, %d)", c.seq, c.n), got, c.want)
	}
	for _, c := range []struct {
		seq  uint64
		n    int
		want []relay.Message
	}{
		{0, 50, said[:50]},
		{1, 50, said[:50]},
		{2, 50, said[1:51]},
		{981, 50, said[980:]},
		{1000, 50, said[999:]},
		{1001, 50, nil},
		{math.MaxUint64, 50, nil},
		{500, 1, said[499:500]},
		{500, 0, nil},
		{500, -1, nil},
		{0, math.MaxInt, said},
	} {
		got, err := r.From(r.ctx(), "tea", c.seq, c.n)
		if err != nil {
			t.Errorf("From(%d, %d): %v", c.seq, c.n, err)
		}
		r.equal(fmt.Sprintf("From(%d, %d)", c.seq, c.n), got, c.want)
	}
}

func testSince(t *testing.T, r *rig) {
	r.start(relay.Keep{})
	for i := range 100 { // two a second
		r.Append(&relay.Message{
			Room: "tea", Position: relay.Position{Epoch: r.Epoch(), Seq: uint64(10 + i)},
			Time: noon + int64(i/2)*int64(time.Second), Author: []byte("ana"),
		}, nil)
	}
	for after, want := range map[time.Duration]uint64{
		-time.Hour:       10,
		0:                10,
		1:                12,
		time.Second:      12,
		10 * time.Second: 30,
		49 * time.Second: 108,
		50 * time.Second: 110,
		time.Hour:        110,
	} {
		got, err := r.Since(r.ctx(), "tea", noon+int64(after))
		if err != nil || got != want {
			t.Errorf("Since noon and %v: %d, %v; want %d", after, got, err, want)
		}
	}
	for at, want := range map[int64]uint64{math.MinInt64: 10, math.MaxInt64: 110} {
		if got, err := r.Since(r.ctx(), "tea", at); err != nil || got != want {
			t.Errorf("Since(%d): %d, %v; want %d", at, got, err, want)
		}
	}
}

func testSearch(t *testing.T, r *rig) {
	r.start(relay.Keep{})
	said := []string{
		"Let us MEET at noon, in the small room",
		"très Naïve café",
		"今天下午的会议改到三点",
		"昼はラーメン屋さんで",
		"한국어를 배운다",
		"she said \"not now\" and left",
		"NOT near OR AND the * end",
		"don't panic: it's 42% done",
		"Straße 7",
		"meeting moved; meet-up stays",
		"",
	}
	for _, text := range said {
		r.say("tea", "ana", text)
	}
	r.say("coffee", "ben", "meet noon naive 会议")
	for looked, want := range map[string][]int{
		"meet":            {0, 9},
		"MEET":            {0, 9},
		"noon meet":       {0},
		"meet night":      nil,
		"mee":             nil,
		"meet*":           {0, 9},
		"me*":             nil,
		"ana":             nil,
		"naive":           {1},
		"NAÏVE cafe":      {1},
		"cafe\u0301":      {1},
		"会议":              {2},
		"下午":              {2},
		"下会":              nil,
		"会议 三点":           {2},
		"ラーメン":            {3},
		"ﾗｰﾒﾝ":            {3},
		"屋さ":              {3},
		"국어":              {4},
		"\"not now\"":     {5},
		"\"":              nil,
		"not":             {5, 6},
		"NOT":             {5, 6},
		"or and":          {6},
		"near":            {6},
		"NEAR(or end)":    {6},
		"text:meet":       nil,
		"^let":            {0},
		"(let":            {0},
		"the OR panic":    nil,
		"don't":           {7},
		"it's 42%":        {7},
		"strasse":         {8},
		"STRASSE 7":       {8},
		"meet-up":         {9},
		"":                nil,
		" \t ":            nil,
		"- * ( ) : ' \\":  nil,
		"\x00":            nil,
		"\xff":            nil,
		"meet'; DROP":     nil,
		"meet\x00noon":    nil,
		"noon\x00in":      {0},
		"small  room":     {0},
		"small room noon": {0},
	} {
		found, err := r.Search(r.ctx(), "tea", looked, math.MaxUint64, 100)
		if err != nil {
			t.Errorf("Search(%q): %v", looked, err)
			continue
		}
		var expected []string
		for _, i := range want {
			expected = append(expected, said[i])
		}
		if d := cmp.Diff(expected, texts(found)); d != "" {
			t.Errorf("Search(%q) differs (-want +got):\n%s", looked, d)
		}
	}
	long := strings.Repeat("noon ", 5000) + strings.Repeat("会", 5000)
	if _, err := r.Search(r.ctx(), "tea", long, math.MaxUint64, 100); err != nil {
		t.Errorf("Search for 10,000 words: %v", err)
	}
}

// testSearchPages looks for a word that is in every message, and for one that is
// in few.
func testSearchPages(t *testing.T, r *rig) {
	r.start(relay.Keep{})
	var all, few []relay.Message
	for i := range 1500 {
		text := "common"
		if i%700 == 3 {
			text = "common and rare"
		}
		m := r.say("tea", "ana", text)
		r.say("coffee", "ben", text)
		if all = append(all, m); text != "common" {
			few = append(few, m)
		}
	}
	for _, c := range []struct {
		looked string
		seq    uint64
		n      int
		want   []relay.Message
	}{
		{"common", math.MaxUint64, 10, all[1490:]},
		{"common", 1001, 10, all[990:1000]},
		{"common", 5, 10, all[:4]},
		{"common", 1, 10, nil},
		{"common", 0, 10, nil},
		{"common", 500, 0, nil},
		{"common", 500, -1, nil},
		{"rare", math.MaxUint64, 10, few},
		{"rare", math.MaxUint64, 2, few[1:]},
		{"rare", 1403, 2, few[:2]},
		{"rare common", 704, 2, few[:1]},
	} {
		got, err := r.Search(r.ctx(), "tea", c.looked, c.seq, c.n)
		if err != nil {
			t.Errorf("Search(%q, %d, %d): %v", c.looked, c.seq, c.n, err)
		}
		r.equal(fmt.Sprintf("Search(%q, %d, %d)", c.looked, c.seq, c.n), got, c.want)
	}
}

func testRooms(t *testing.T, r *rig) {
	r.start(relay.Keep{})
	r.sayMany("tea", 3)
	r.sayMany("coffee", 1)
	last := r.sayMany("茶", 20)[19]
	rooms, err := r.Rooms(r.ctx())
	if err != nil {
		t.Fatal(err)
	}
	want := []relay.Kept{
		{Room: "coffee", Messages: 1, First: 1, Last: 1, Spoken: noon + int64(time.Second)},
		{Room: "tea", Messages: 3, First: 1, Last: 3, Spoken: noon + 3*int64(time.Second)},
		{Room: "茶", Messages: 20, First: 1, Last: 20, Spoken: last.Time},
	}
	if d := cmp.Diff(want, rooms); d != "" {
		t.Errorf("Rooms differs (-want +got):\n%s", d)
	}
	if !slices.IsSortedFunc(rooms, func(a, b relay.Kept) int { return strings.Compare(a.Room, b.Room) }) {
		t.Errorf("Rooms is not in order: %v", rooms)
	}
}
