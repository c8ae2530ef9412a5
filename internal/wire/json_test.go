package wire

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestJSONEntries(t *testing.T) {
	at := int64(1795168920123456789)
	j := JSON{Room: "tea room", Epoch: 7}
	for _, c := range []struct {
		kind             Kind
		seq              uint64
		name, note, text string
		want             string
	}{
		{Say, 41, "bob", "", "morning!", `{"type":"message","room":"tea room","epoch":7,"seq":41,"time":"2026-11-20T10:02:00.123Z","from":"bob","text":"morning!"}`},
		{Say, 42, "bob", "x1", "a\nb", `{"type":"message","room":"tea room","epoch":7,"seq":42,"time":"2026-11-20T10:02:00.123Z","from":"bob","text":"a\nb","id":"x1"}`},
		{Act, 43, "bob", "", "waves", `{"type":"message","room":"tea room","epoch":7,"seq":43,"time":"2026-11-20T10:02:00.123Z","from":"bob","text":"waves","kind":"act"}`},
		{Topic, 44, "bob", "", "", `{"type":"message","room":"tea room","epoch":7,"seq":44,"time":"2026-11-20T10:02:00.123Z","from":"bob","text":"","kind":"topic"}`},
		{Announce, 45, "bob", "", "tea", `{"type":"message","room":"tea room","epoch":7,"seq":45,"time":"2026-11-20T10:02:00.123Z","from":"bob","text":"tea","kind":"announce"}`},
		{Came, 0, "bob", "", "bob joined", `{"type":"presence","room":"tea room","event":"joined","name":"bob","text":"bob joined"}`},
		{Went, 0, "bob", "", "bob left (idle)", `{"type":"presence","room":"tea room","event":"left","name":"bob","text":"bob left (idle)"}`},
		{Renamed, 0, "bob", "rob", "bob is now rob", `{"type":"presence","room":"tea room","event":"renamed","name":"bob","now":"rob","text":"bob is now rob"}`},
		{Crowd, 0, "", "", "14 joined", `{"type":"presence","room":"tea room","event":"many","text":"14 joined"}`},
		{Notice, 0, "", "", "history paused", `{"type":"notice","room":"tea room","text":"history paused"}`},
		{Day, 0, "", "", "", ``},
	} {
		got := string(j.Append(nil, c.kind, c.seq, at, []byte(c.name), []byte(c.note), []byte(c.text)))
		if strings.TrimSuffix(got, "\n") != c.want || c.want != "" && !strings.HasSuffix(got, "}\n") {
			t.Errorf("%v is\n%s, want\n%s", c.kind, got, c.want)
		}
		if got != "" && !json.Valid([]byte(got)) {
			t.Errorf("%s is no JSON", got)
		}
	}
	if got, want := string(j.appendTime(nil, -1)), "1969-12-31T23:59:59.999Z"; got != want {
		t.Errorf("a time before 1970 is %s, want %s", got, want)
	}
}

// What is quoted is read again as it was, but for what is no UTF-8, and holds nothing
// that a terminal obeys.
func FuzzQuoted(f *testing.F) {
	for _, s := range []string{
		"", "plain", `"\`, "a\nb\r\tc\x00\x1b[31m\x7f", "\u0085\u2028\u202e\u2066", "\U000e0041", "é\xff\xc3", "naïve 汉字 👩‍👩‍👧", "<script>&",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q := AppendQuotedString(nil, s)
		var back string
		if err := json.Unmarshal(q, &back); err != nil {
			t.Fatalf("%q is quoted as %s: %v", s, q, err)
		}
		if want := strings.ToValidUTF8(s, ""); utf8.ValidString(s) && back != want {
			t.Fatalf("%q comes back as %q", s, back)
		}
		if n := utf8.RuneCountInString(s); utf8.RuneCountInString(back) != n {
			t.Fatalf("%q comes back as %q", s, back)
		}
		if shown := AppendText(nil, q); string(shown) != string(q) {
			t.Fatalf("%s is not safe to print", q)
		}
	})
}
