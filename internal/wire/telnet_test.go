package wire

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unsafe"
)

const echo = 1 // RFC 857, an option that a server starts

// cat joins bytes and strings to a stream.
func cat(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = append(b, byte(p))
		case string:
			b = append(b, p...)
		default:
			panic(fmt.Sprintf("%T", p))
		}
	}
	return b
}

func TestTelnet(t *testing.T) {
	for _, tt := range []struct {
		name   string
		stream []byte
		data   string
		reply  []byte
	}{
		{"no telnet", cat("hellö\r\n"), "hellö\r\n", nil},
		{"IAC IAC", cat("a", iac, iac, "b"), "a\xffb", nil},
		{"IAC IAC IAC IAC", cat(iac, iac, iac, iac), "\xff\xff", nil},
		{"stray IAC", cat("a", iac, "b"), "ab", nil},
		{"stray IAC before a line end", cat("a", iac, "\nb\n"), "a\nb\n", nil},
		{"NOP, EC, EL, GA, EOR", cat("a", iac, 241, iac, 247, iac, 248, iac, 249, iac, 239, "b"), "ab", nil},

		{"DO refused", cat(iac, do, 31), "", cat(iac, wont, 31)},
		{"WILL refused", cat(iac, will, 31), "", cat(iac, dont, 31)},
		{"DONT and WONT need no answer", cat(iac, dont, 31, iac, wont, 31), "", nil},
		{"refused once", cat(iac, do, 31, iac, do, 31, iac, will, 31, iac, will, 31), "", cat(iac, wont, 31, iac, dont, 31)},
		{
			"refused anew after it was taken back", cat(iac, do, 31, iac, dont, 31, iac, do, 31), "",
			cat(iac, wont, 31, iac, wont, 31),
		},
		{
			"neighbouring options are apart", cat(iac, do, 30, iac, do, 31, iac, do, 32, iac, do, 31), "",
			cat(iac, wont, 30, iac, wont, 31, iac, wont, 32),
		},
		{"option 255", cat("a", iac, do, 255, "b"), "ab", cat(iac, wont, 255)},

		{
			"telnet -8", cat(iac, will, Binary, iac, do, Binary, "grüß\r\n"), "grüß\r\n",
			cat(iac, do, Binary, iac, will, Binary),
		},
		{"binary accepted once", cat(iac, do, 0, iac, do, 0), "", cat(iac, will, 0)},
		{"binary ended", cat(iac, do, 0, iac, dont, 0, iac, dont, 0), "", cat(iac, will, 0, iac, wont, 0)},

		{"binary ended, and not turned on again", cat(iac, do, 0, iac, dont, 0, iac, do, 0), "", cat(iac, will, 0, iac, wont, 0, iac, wont, 0)},
		{
			"PuTTY's opening",
			cat(iac, will, 31, iac, will, 32, iac, will, 24, iac, will, 39, iac, do, 1, iac, will, 3, iac, do, 3, "hi\r\n"), "hi\r\n",
			cat(iac, dont, 31, iac, dont, 32, iac, dont, 24, iac, dont, 39, iac, wont, 1, iac, dont, 3, iac, wont, 3),
		},

		{"Ctrl-C", cat("abc", iac, 244, iac, do, timingMark, "d\r\n"), "abcd\r\n", cat(iac, wont, timingMark)},
		{
			"Ctrl-C twice", cat(iac, 244, iac, do, timingMark, iac, 244, iac, do, timingMark), "",
			cat(iac, wont, timingMark, iac, wont, timingMark),
		},
		{"a timing mark offered is refused like any option", cat(iac, will, 6, iac, will, 6), "", cat(iac, dont, 6)},

		{"Are You There", cat("a", iac, ayt, "b"), "ab", cat(hereIAm)},
		{"Are You There, over and over", cat(iac, ayt, iac, ayt, iac, ayt), "", cat(hereIAm)},

		{"subnegotiation", cat("a", iac, sb, 24, 0, "xterm", iac, se, "b"), "ab", nil},
		{"empty subnegotiation", cat("a", iac, sb, iac, se, "b"), "ab", nil},
		{"window of 255 columns", cat(iac, sb, 31, 0, iac, iac, 0, 24, iac, se, "b"), "b", nil},
		{"window of 255 columns, IAC not doubled", cat(iac, sb, 31, 0, iac, 0, 24, iac, se, "b"), "b", nil},
		{"subnegotiation with a forgotten end", cat(iac, sb, 31, 0, 80, iac, do, 31, "b"), "b", cat(iac, wont, 31)},
		{"subnegotiation within one", cat(iac, sb, "x", iac, sb, "y", iac, se, "b"), "b", nil},
		{"longest subnegotiation", cat(iac, sb, strings.Repeat("x", 256), iac, se, "b"), "b", nil},
		{"two that are long together", cat(iac, sb, strings.Repeat("x", 200), iac, se, iac, sb, strings.Repeat("x", 200), iac, se, "b"), "b", nil},
		{"over-long subnegotiation", cat(iac, sb, strings.Repeat("x", 256), "hello\n"), "hello\n", nil},
		{
			"over-long subnegotiation of IAC IAC",
			cat(iac, sb, strings.Repeat("\xff\xff", 257), "hello\n"), "\xffhello\n", nil,
		},
		{"end of an over-long subnegotiation", cat(iac, sb, strings.Repeat("x", 257), iac, se, "\n"), "x\n", nil},
		{"an end that nothing began", cat("a", iac, se, "b"), "ab", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for at := range len(tt.stream) + 1 {
				var tn Telnet
				data := string(tn.Strip(bytes.Clone(tt.stream[:at])))
				data += string(tn.Strip(bytes.Clone(tt.stream[at:])))
				if data != tt.data {
					t.Errorf("cut at %d: data %q, want %q", at, data, tt.data)
				}
				if reply := tn.Reply(nil); !bytes.Equal(reply, tt.reply) {
					t.Errorf("cut at %d: reply %q, want %q", at, reply, tt.reply)
				}
				if reply := tn.Reply(nil); len(reply) > 0 {
					t.Errorf("cut at %d: replied again %q", at, reply)
				}
				if want := bytes.IndexByte(tt.stream, iac) >= 0; tn.Active() != want {
					t.Errorf("cut at %d: active %v", at, !want)
				}
			}
		})
	}
}

func TestTelnetRepliesAreBounded(t *testing.T) {
	var tn Telnet
	var flood []byte
	for option := range 256 {
		flood = append(flood, iac, do, byte(option), iac, will, byte(option), iac, ayt)
	}
	flood = append(flood, iac, do, timingMark)
	tn.Strip(flood)
	first := tn.Reply(nil)
	if len(first) > 72 {
		t.Errorf("%d bytes of reply", len(first))
	}
	if !bytes.HasSuffix(first, cat(iac, wont, timingMark, hereIAm)) {
		t.Errorf("%q does not answer what keeps the client's screen blank", first)
	}
	if again := tn.Reply(nil); len(again) != 0 {
		t.Errorf("replied again %q", again)
	}
	// What found no room was not taken for answered.
	tn.Strip(cat(iac, do, 200))
	if reply := tn.Reply(nil); !bytes.Equal(reply, cat(iac, wont, 200)) {
		t.Errorf("asked again: %q", reply)
	}
}

func TestTelnetMemory(t *testing.T) {
	if size := unsafe.Sizeof(Telnet{}); size > 64 {
		t.Errorf("Telnet is %d bytes", size)
	}
	if size := unsafe.Sizeof(Telnet{}) + unsafe.Sizeof(negotiation{}); size > 256 {
		t.Errorf("with its negotiation it is %d bytes", size)
	}
	var tn Telnet
	p := []byte("nothing of telnet in here\r\n")
	out := make([]byte, 0, 100)
	if n := testing.AllocsPerRun(100, func() {
		tn.Strip(p)
		out = tn.Reply(out[:0])
	}); n != 0 {
		t.Errorf("%v allocations for a client that is not telnet", n)
	}
}

// Each step is what this side does or what the peer sends, and what goes out.
func TestTelnetWill(t *testing.T) {
	type step struct {
		do   string
		want []byte
	}
	on, off := cat(iac, will, echo), cat(iac, wont, echo)
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"a password asked", []step{{"on", on}, {"DO", nil}, {"DO", nil}, {"on", nil}, {"off", off}, {"DONT", nil}, {"off", nil}, {"on", on}}},
		{"refused", []step{{"on", on}, {"DONT", nil}, {"off", nil}, {"on", on}}},
		{"off before the answer", []step{{"on", on}, {"off", nil}, {"DO", off}, {"DONT", nil}, {"off", nil}}},
		{"off before the answer, refused", []step{{"on", on}, {"off", nil}, {"DONT", nil}, {"on", on}}},
		{"off and on before the answer", []step{{"on", on}, {"off", nil}, {"off", nil}, {"on", nil}, {"DO", nil}, {"off", off}}},
		{"on before off is answered", []step{{"on", on}, {"DO", nil}, {"off", off}, {"on", nil}, {"on", nil}, {"DONT", on}, {"DO", nil}}},
		{"on and off before off is answered", []step{{"on", on}, {"DO", nil}, {"off", off}, {"on", nil}, {"off", nil}, {"DONT", nil}}},
		{"a peer that answers WONT with DO", []step{{"on", on}, {"DO", nil}, {"off", off}, {"DO", nil}, {"on", on}}},
		{"the same with on wished for", []step{{"on", on}, {"DO", nil}, {"off", off}, {"on", nil}, {"DO", nil}, {"off", off}}},
		{"ended by the peer", []step{{"on", on}, {"DO", nil}, {"DONT", off}, {"DONT", nil}, {"off", nil}, {"DO", off}, {"DO", nil}, {"on", on}}},
		{"ended by the peer, offered again", []step{{"on", on}, {"DO", nil}, {"DONT", off}, {"on", on}, {"DO", nil}}},
		{"refused to the peer, then offered", []step{{"DO", off}, {"off", nil}, {"DO", nil}, {"on", on}, {"DO", nil}}},
		{"never the peer's to begin", []step{{"off", nil}, {"DO", off}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var tn Telnet
			for i, s := range tt.steps {
				var got []byte
				switch s.do {
				case "on", "off":
					got = tn.Will(nil, echo, s.do == "on")
				case "DO":
					tn.Strip(cat(iac, do, echo))
					got = tn.Reply(nil)
				case "DONT":
					tn.Strip(cat(iac, dont, echo))
					got = tn.Reply(nil)
				}
				if !bytes.Equal(got, s.want) {
					t.Fatalf("step %d, %s: %q, want %q", i, s.do, got, s.want)
				}
			}
		})
	}
	t.Run("after what is due", func(t *testing.T) {
		var tn Telnet
		tn.Strip(cat(iac, do, 31))
		if got := tn.Will(cat("x"), echo, true); !bytes.Equal(got, cat("x", iac, wont, 31, iac, will, echo)) {
			t.Errorf("%q", got)
		}
		if got := tn.Reply(nil); len(got) != 0 {
			t.Errorf("then %q", got)
		}
	})
}

// pingPong lets two sides answer each other until they are silent and returns
// how many rounds it took.
func pingPong(a, b *Telnet, toB []byte) int {
	for round := range 100 {
		toA := a.Reply(nil)
		b.Strip(bytes.Clone(toB))
		toB = b.Reply(nil)
		if len(toA)+len(toB) == 0 {
			return round
		}
		// Each hears what the other said before it hears the answer.
		a.Strip(toB)
		toB = toA
	}
	return 100
}

func TestTelnetPingPongEnds(t *testing.T) {
	for _, verb := range []byte{will, wont, do, dont} {
		for option := range 256 {
			var a, b Telnet
			if n := pingPong(&a, &b, []byte{iac, verb, byte(option)}); n > 4 {
				t.Errorf("%d %d: %d rounds", verb, option, n)
			}
		}
	}
	// Requests sent without waiting for answers cross with them.
	var a Telnet
	if n := pingPong(&a, new(Telnet), cat(iac, do, 0, iac, will, 0, iac, dont, 0)); n > 10 {
		t.Errorf("crossed: %d rounds", n)
	}
	// A peer that answers whatever it gets by asking again.
	var tn Telnet
	for range 10 {
		tn.Strip(cat(iac, do, 31))
	}
	if reply := tn.Reply(nil); len(reply) != 3 {
		t.Errorf("%q", reply)
	}
}

func FuzzTelnet(f *testing.F) {
	f.Add(cat("hello", iac, iac, iac, do, 31, iac, ayt, "\r\n"), []byte{1})
	f.Add(cat(iac, 244, iac, do, 6, iac, do, 0, iac, will, 0, iac, dont, 0), []byte{2, 1})
	f.Add(cat(iac, sb, strings.Repeat("\xff\xffx", 200), iac, se, iac, sb, iac, do, 1), []byte{3})
	f.Add(cat(iac, "a", iac, 250, 251, iac, 251, 252, iac, 240), []byte{1, 7})
	f.Fuzz(func(t *testing.T, stream, sizes []byte) {
		var whole Telnet
		data := whole.Strip(bytes.Clone(stream))
		reply := whole.Reply(nil)

		var parts, asked Telnet
		var inParts []byte
		for i, left := 0, stream; len(left) > 0; i++ {
			n := 1
			if len(sizes) > 0 {
				n = min(1+int(sizes[i%len(sizes)]), len(left))
			}
			inParts = append(inParts, parts.Strip(bytes.Clone(left[:n]))...)
			asked.Strip(bytes.Clone(left[:n]))
			if r := asked.Reply(nil); len(r) > 72 || len(r) > 3*n+len(hereIAm) {
				t.Fatalf("%d bytes of reply to %d", len(r), n)
			}
			left = left[n:]
		}
		if !bytes.Equal(data, inParts) {
			t.Fatalf("data at once %q\nin chunks    %q", data, inParts)
		}
		if r := parts.Reply(nil); !bytes.Equal(reply, r) {
			t.Fatalf("reply at once %q\nin chunks     %q", reply, r)
		}

		if len(data) > len(stream) {
			t.Fatalf("%d bytes of data out of %d", len(data), len(stream))
		}
		if !whole.Active() && !bytes.Equal(data, stream) {
			t.Fatalf("%q became %q", stream, data)
		}
		doubled := 0
		for i := 1; i < len(stream); i++ {
			if stream[i-1] == iac && stream[i] == iac {
				doubled++
			}
		}
		if n := bytes.Count(data, []byte{iac}); n > doubled {
			t.Fatalf("%d times 0xFF in the data", n)
		}

		if len(reply) > 72 {
			t.Fatalf("%d bytes of reply", len(reply))
		}
		for r := bytes.TrimSuffix(reply, []byte(hereIAm)); len(r) > 0; r = r[3:] {
			if len(r) < 3 || r[0] != iac || r[1] < will || r[1] > dont {
				t.Fatalf("reply %q", reply)
			}
			if (r[1] == will || r[1] == do) && r[2] != Binary {
				t.Fatalf("option %d accepted", r[2])
			}
		}
		var a Telnet
		if n := pingPong(&a, new(Telnet), stream); n > 10 {
			t.Fatalf("%d rounds until silence", n)
		}
	})
}

func BenchmarkTelnetStrip(b *testing.B) {
	p := []byte(strings.Repeat("x", 62) + "\r\n")
	var tn Telnet
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		tn.Strip(p)
	}
}
