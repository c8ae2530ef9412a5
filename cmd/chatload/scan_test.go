package main

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd/chatd/internal/wire"
)

const testSize = 40

// scanned is what a scanner makes of input that comes in pieces of n bytes.
func scanned(how framing, input string, n int) (seen []string, torn int64) {
	s := scanner{run: newRun(0x7f3a), size: testSize, wire: how}
	s.ping = func(p []byte) { seen = append(seen, "ping "+string(p)) }
	s.message = func(sender uint16, seq uint32) { seen = append(seen, fmt.Sprintf("%d/%d", sender, seq)) }
	s.line = func(p []byte) { seen = append(seen, string(p)) }
	var st stream
	buf := make([]byte, carryMost+n)
	for len(input) > 0 {
		got := copy(buf[carryMost:], input)
		input = input[got:]
		s.scan(&st, st.join(buf, got))
	}
	return seen, s.torn
}

func message(sender uint16, seq uint32) string {
	return string(newRun(0x7f3a).appendText(nil, testSize, sender, seq))
}

func TestMark(t *testing.T) {
	for _, want := range []struct {
		sender uint16
		seq    uint32
	}{{0, 0}, {1, 2}, {probe, 0xffffffff}, {0x1234, 0x89abcdef}} {
		text := newRun(0xbeef).appendText(nil, 64, want.sender, 7)
		renumber(text, want.seq, 0)
		if len(text) != 63 {
			t.Errorf("a message of 64 bytes has %d before its line end", len(text))
		}
		sender, seq, ok := newRun(0xbeef).parse(text)
		if sender != want.sender || seq != want.seq || !ok {
			t.Errorf("%q is read as %d/%d, %v", text, sender, seq, ok)
		}
		if _, _, ok := newRun(0xbeee).parse(text); ok {
			t.Errorf("%q is taken for a mark of another run", text)
		}
	}
}

// Eight digits are read as one at a time would be.
func TestHex(t *testing.T) {
	for i := range 8 {
		for c := range 256 {
			digits := []byte("0a5f9b3c")
			digits[i] = byte(c)
			want, err := strconv.ParseUint(string(digits), 16, 32)
			wantOK := err == nil && string(digits) == strings.ToLower(string(digits))
			v, ok := hex8(binary.BigEndian.Uint64(digits))
			if ok != wantOK || ok && v != uint32(want) {
				t.Errorf("%q is read as %x, %v", digits, v, ok)
			}
		}
	}
	for _, n := range []uint16{0, 1, 0x7f3a, 0xffff} {
		if got := newRun(n).number(); got != uint32(n) {
			t.Errorf("run %x has number %x", n, got)
		}
	}
}

func TestTold(t *testing.T) {
	for line, want := range map[string]int64{
		"* 312 messages skipped (#4101–#4412); /show 4101-4412 shows them": 312,
		"* 1 message skipped (#4101); /show 4101 shows it":                 1,
		"* 2 messages skipped (#1–#2)":                                     2,
		`{"type":"gap","room":"lobby","missing":312,"first":1,"last":400}`: 312,
		`{"type":"gap","room":"lobby","first":1,"last":400}`:               0,
		`{"type":"message","text":",\"missing\":312"}`:                     0,
		"* bob joined":                                0,
		"* 14 joined, 9 left":                         0,
		"* 312 messages were skipped (#1–#312)":       0,
		"12:34 bob: * 312 messages skipped (#1–#312)": 0,
		"* -5 messages skipped (#1)":                  0,
		"*  messages skipped (#1)":                    0,
		"":                                            0,
	} {
		if got := told([]byte(line)); got != want {
			t.Errorf("%q tells of %d messages, want %d", line, got, want)
		}
	}
}

func TestScan(t *testing.T) {
	m := message
	for name, c := range map[string]struct {
		input string
		want  []string
		torn  int64
	}{
		"lines": {m(0, 1) + "\n" + m(3, 0x10) + "\n", []string{"0/1", "3/16"}, 0},
		"chat mode": {
			"* chatd on vm, room lobby; here: nobody\n12:34 guest7: " + m(1, 2) + "\n12:34 guest|: " + m(1, 3) +
				"\n* you are faster than 10 lines a second; the rest follows\n12:35 guest7: " + m(1, 4) + "\n12:3",
			[]string{
				"* chatd on vm, room lobby; here: nobody", "1/2", "1/3",
				"* you are faster than 10 lines a second; the rest follows", "1/4",
			},
			0,
		},
		"irc": {
			":l00~u@host PRIVMSG #load :" + m(1, 2) + "\r\nPING :irc.example\r\n:l00~u@host PRIVMSG #load :" + m(1, 3) + "\r\n",
			[]string{"1/2", "PING :irc.example", "1/3"},
			0,
		},
		"nats": {
			"MSG load 1 39\r\n" + m(1, 2) + "\r\nPING\r\nMSG load 1 39\r\n" + m(1, 3) + "\r\nPING\r\n",
			[]string{"1/2", "PING", "1/3", "PING"},
			0,
		},
		"gap": {
			"12:34 eve: " + m(1, 2) + "\n* 1234567 messages skipped (#12345678–#13580244); /show 12345678-13580244 shows them\n12:34 eve: " + m(1, 3) + "\n",
			[]string{"1/2", "* 1234567 messages skipped (#12345678–#13580244); /show 12345678-13580244 shows them", "1/3"},
			0,
		},
		"gap without prefixes": {
			m(1, 2) + "\n* 2 messages skipped (#7–#8)\n" + m(1, 3) + "\n* bob left\n",
			[]string{"1/2", "* 2 messages skipped (#7–#8)", "1/3", "* bob left"},
			0,
		},
		"another run's": {
			string(newRun(1).appendText(nil, testSize, 1, 2)) + "\n" + m(1, 3) + "\n",
			[]string{string(newRun(1).appendText(nil, testSize, 1, 2)), "1/3"},
			0,
		},
		"torn": {m(1, 2)[:30] + "\n" + m(1, 3) + "\n" + m(1, 4) + "\n", []string{"1/3", "1/4"}, 1},
	} {
		whole, torn := scanned(lines, c.input, len(c.input))
		if name == "torn" {
			whole = marks(whole)
		}
		if name == "nats" {
			whole = without(whole, "MSG load 1 39")
		}
		if diff := cmp.Diff(c.want, whole); diff != "" || torn != c.torn {
			t.Errorf("%s: %d torn; wanted (-), seen (+):\n%s", name, torn, diff)
		}
		// However the input is cut, the messages are the same. What is cut out of a
		// torn one may be shown in other pieces.
		for n := 1; n < len(c.input); n++ {
			got, torn := scanned(lines, c.input, n)
			if name == "torn" && n < 2*testSize {
				continue // the end shows only after the next mark is past
			}
			if diff := cmp.Diff(marks(whole), marks(got)); diff != "" || torn != c.torn {
				t.Fatalf("%s in pieces of %d: %d torn; whole (-), in pieces (+):\n%s", name, n, torn, diff)
			}
			if name == "irc" || name == "nats" || strings.HasPrefix(name, "gap") {
				if diff := cmp.Diff(whole, without(got, "MSG load 1 39")); diff != "" {
					t.Fatalf("%s in pieces of %d: whole (-), in pieces (+):\n%s", name, n, diff)
				}
			}
		}
	}
}

// marks leaves only the messages.
func marks(seen []string) (left []string) {
	for _, s := range seen {
		if strings.Count(s, "/") == 1 && len(s) < 8 {
			left = append(left, s)
		}
	}
	return left
}

func without(seen []string, line string) (left []string) {
	for _, s := range seen {
		if s != line {
			left = append(left, s)
		}
	}
	return left
}

// object is what a program is sent when somebody says something, but for the end of
// its line.
func object(m string) string {
	return `{"type":"message","room":"lobby","epoch":1795203456789,"seq":1234567,"time":"2026-11-20T09:42:00.123Z","from":"guest7","text":"` + m + `"}`
}

// framed are frames as a server sends them.
func framed(op byte, texts ...string) string {
	var b []byte
	for _, text := range texts {
		b = wire.AppendFrame(b, op, []byte(text))
	}
	return string(b)
}

func TestScanPrograms(t *testing.T) {
	m := message
	long := `{"type":"joined","people":[` + strings.Repeat(`{"name":"abc"},`, 300) + `{"name":"x"}]}`
	gap := `{"type":"gap","room":"lobby","missing":12,"first":4,"last":15,"kept":true}`
	for name, c := range map[string]struct {
		wire  framing
		input string
		want  []string // however it is cut
		torn  int64
	}{
		"objects": {
			objects, object(m(1, 2)) + "\n" + object(m(3, 4)) + "\n" + gap + "\n" + object(m(1, 3)) + "\n" + gap + "\n",
			[]string{"1/2", "3/4", gap, "1/3", gap},
			0,
		},
		"torn object": {
			objects, object(m(1, 2)[:29]) + "\n" + object(m(1, 3)) + "\n" + object(m(1, 4)) + "\n",
			[]string{"1/3", "1/4"},
			1,
		},
		"frames": {
			frames, framed(opText, gap, object(m(1, 2)), object(m(3, 10)), gap, gap, object(m(1, 3)), gap),
			[]string{gap, "1/2", "3/10", gap, gap, "1/3", gap},
			0,
		},
		"control frames": {
			frames, framed(opPing, "are you there?") + framed(opText, object(m(1, 2))) + framed(opPing, "") +
				framed(opText, object(m(1, 3))) + framed(opClose, "\x03\xe8goodbye"),
			[]string{"ping are you there?", "1/2", "ping ", "1/3", "goodbye"},
			0,
		},
		"a long frame": {
			frames, framed(opText, long, object(m(1, 2)), long, object(m(1, 3)), long, object(m(1, 4))),
			[]string{"1/2", "1/3", "1/4"},
			0,
		},
		"a frame that is longer than its object": {
			frames, framed(opText, object(m(1, 2))+"x", object(m(1, 3)), object(m(1, 4))),
			[]string{"1/2", "1/3", "1/4"},
			2, // the next one's beginning is not known
		},
	} {
		for n := 1; n <= len(c.input); n++ {
			got, torn := scanned(c.wire, c.input, n)
			if name == "a long frame" || c.torn > 0 {
				got = marks(got)
			} else {
				got = without(got, "}")
			}
			if diff := cmp.Diff(c.want, got); diff != "" || torn != c.torn {
				t.Fatalf("%s in pieces of %d: %d torn; wanted (-), seen (+):\n%s", name, n, torn, diff)
			}
		}
	}
}

// TestMaskedFrame holds that the server's own reader understands what is sent, a
// message that was renumbered too.
func TestMaskedFrame(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 0xffff, 0x10000} {
		text := strings.Repeat("x", n)
		f := wire.Frames{Max: 1 << 20}
		m, rest, ok, err := f.Next([]byte(maskedFrame(opText, text)))
		if err != nil || !ok || len(rest) > 0 || m.Op != wire.FrameText || string(m.Data) != text {
			t.Errorf("%d bytes became %d, %v, %v", n, len(m.Data), ok, err)
		}
	}
	l := talker(config{conns: 1, group: 1, senders: 1, window: 1, proto: protocol{
		wire: frames, before: func(seat, int) string { return sayObject }, after: `"}`,
	}})
	text, mark := l.message(0, 7)
	renumber(text[mark:], 0x89abcdef, frames.mask())
	f := wire.Frames{Max: 1 << 20}
	m, _, _, _ := f.Next(text)
	if want := sayObject + string(l.run.appendText(nil, 64, 7, 0x89abcdef)) + `"}`; string(m.Data) != want {
		t.Errorf("%s\nwant\n%s", m.Data, want)
	}
}

func FuzzScan(f *testing.F) {
	f.Add("12:34 guest7: "+message(1, 2)+"\n* notice\n"+message(2, 3)+"\n", 7)
	f.Fuzz(func(t *testing.T, input string, n int) {
		if n < 1 || n > 1<<16 {
			return
		}
		for how := lines; how <= frames; how++ {
			scanned(how, input, n)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	text := string(newRun(1).appendText(nil, 64, 3, 4))
	for _, c := range []struct {
		name string
		wire framing
		one  string
	}{
		{"lines", lines, "12:34 guest7: " + text + "\n"},
		{"objects", objects, object(text) + "\n"},
		{"frames", frames, framed(opText, object(text))},
	} {
		b.Run(c.name, func(b *testing.B) {
			input := []byte(strings.Repeat(c.one, 64))
			messages := 0
			s := scanner{run: newRun(1), size: 64, wire: c.wire, message: func(uint16, uint32) { messages++ }, line: func([]byte) {}}
			var st stream
			for b.Loop() {
				s.scan(&st, input)
			}
			b.ReportAllocs()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(messages), "ns/message")
		})
	}
}
