package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"

	"github.com/gobwas/ws"
)

// frame is a client's frame: masked, with the bits of first as they are.
func frame(first byte, body string) string {
	mask := [4]byte{0xa1, 0x02, 0x73, 0xf4}
	head := AppendFrameHeader(nil, 0, len(body))
	head[0] = first
	head[1] |= 0x80
	masked := []byte(body)
	ws.Cipher(masked, mask, 0)
	return string(head) + string(mask[:]) + string(masked)
}

const fin = 0x80

// seen is what a stream was taken apart into.
type seen struct {
	messages []string // kind and data
	code     uint16   // of the error; 0: none
}

func (s *seen) add(op byte, data []byte) {
	s.messages = append(s.messages, fmt.Sprintf("%x %s", op, data))
}

// takeApart gives stream to Frames in chunks of the sizes, in turn, and checks
// what is promised of its memory and its last words.
func takeApart(t testing.TB, limit int, stream []byte, sizes ...byte) (s seen) {
	t.Helper()
	f := Frames{Max: limit}
	for i, left := 0, stream; len(left) > 0; i++ {
		n := min(1, len(left))
		if len(sizes) > 0 {
			n = min(max(1, int(sizes[i%len(sizes)])), len(left))
		}
		chunk := bytes.Clone(left[:n])
		left = left[n:]
		for {
			m, rest, ok, err := f.Next(chunk)
			if err != nil {
				closing, _ := errors.AsType[*CloseError](err)
				s.code = closing.Code
				if _, rest, ok, again := f.Next([]byte(frame(fin|FrameText, "more"))); again != err || ok || len(rest) > 0 {
					t.Fatalf("after %v: %v, %v", err, ok, again)
				}
				if len(closing.Reason) > 123 || f.Pending() > 0 {
					t.Fatalf("%v: %d bytes are still held", err, f.Pending())
				}
				return s
			}
			if !ok {
				break
			}
			s.add(m.Op, m.Data)
			chunk = rest
		}
		for i := range chunk {
			chunk[i] = '#' // what was kept must be a copy
		}
		if f.Pending() > limit+maxControl || cap(f.held) > max(limit, 0) || cap(f.control) > 256 {
			t.Fatalf("%d bytes held in buffers of %d and %d, limit %d", f.Pending(), cap(f.held), cap(f.control), limit)
		}
	}
	return s
}

func TestFrames(t *testing.T) {
	long := strings.Repeat("ä", 150)
	for name, tt := range map[string]struct {
		stream string
		want   []string
		code   uint16
	}{
		"text":               {frame(fin|FrameText, "hello") + frame(fin|FrameText, ""), []string{"1 hello", "1 "}, 0},
		"binary":             {frame(fin|FrameBinary, "\x00\xff"), []string{"2 \x00\xff"}, 0},
		"two bytes of size":  {frame(fin|FrameText, long), []string{"1 " + long}, 0},
		"eight of size":      {"\x81\xff\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00hi", []string{"1 hi"}, 0},
		"fragments":          {frame(FrameText, "a\xc3") + frame(0, "") + frame(0, "\xa4") + frame(fin, "b"), []string{"1 aäb"}, 0},
		"the last one empty": {frame(FrameText, "ab") + frame(fin, ""), []string{"1 ab"}, 0},
		"the first ones":     {frame(FrameText, "") + frame(0, "") + frame(fin, "ab"), []string{"1 ab"}, 0},
		"a ping between":     {frame(FrameText, "a") + frame(fin|FramePing, "?") + frame(fin, "b"), []string{"9 ?", "1 ab"}, 0},
		"ping, pong":         {frame(fin|FramePing, strings.Repeat("p", 125)) + frame(fin|FramePong, ""), []string{"9 " + strings.Repeat("p", 125), "a "}, 0},
		"close":              {frame(fin|FrameClose, "") + frame(fin|FrameClose, "\x03\xe8bye"), []string{"8 ", "8 \x03\xe8bye"}, 0},
		"of an application":  {frame(fin|FrameClose, "\x0f\xa0"), []string{"8 \x0f\xa0"}, 0},
		"as long as allowed": {frame(FrameText, strings.Repeat("x", 299)) + frame(fin, "y"), []string{"1 " + strings.Repeat("x", 299) + "y"}, 0},

		"not masked":            {"\x81\x02hi", nil, CloseProtocol},
		"behind a message":      {frame(fin|FrameText, "a") + "\x81\x02hi", []string{"1 a"}, CloseProtocol},
		"RSV1":                  {frame(fin|0x40|FrameText, "a"), nil, CloseProtocol},
		"RSV2":                  {frame(fin|0x20|FrameText, "a"), nil, CloseProtocol},
		"RSV3":                  {frame(fin|0x10|FrameText, "a"), nil, CloseProtocol},
		"kind 3":                {frame(fin|3, "a"), nil, CloseProtocol},
		"kind 7":                {frame(fin|7, "a"), nil, CloseProtocol},
		"kind 11":               {frame(fin|0xb, "a"), nil, CloseProtocol},
		"top bit":               {"\x81\xff\x80\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00hi", nil, CloseProtocol},
		"ping in fragments":     {frame(FramePing, "a"), nil, CloseProtocol},
		"long ping":             {frame(fin|FramePing, strings.Repeat("p", 126)), nil, CloseProtocol},
		"fragment of nothing":   {frame(fin, "a"), nil, CloseProtocol},
		"message in a message":  {frame(FrameText, "a") + frame(fin|FrameText, "b"), nil, CloseProtocol},
		"close with one byte":   {frame(fin|FrameClose, "\x03"), nil, CloseProtocol},
		"close 999":             {frame(fin|FrameClose, "\x03\xe7"), nil, CloseProtocol},
		"close 1005":            {frame(fin|FrameClose, "\x03\xed"), nil, CloseProtocol},
		"close 1015":            {frame(fin|FrameClose, "\x03\xf7"), nil, CloseProtocol},
		"close 5000":            {frame(fin|FrameClose, "\x13\x88"), nil, CloseProtocol},
		"bad UTF-8":             {frame(fin|FrameText, "a\xffb"), nil, CloseInvalid},
		"a character cut":       {frame(fin|FrameText, "a\xc3"), nil, CloseInvalid},
		"a surrogate":           {frame(FrameText, "\xed") + frame(fin, "\xa0\x80"), nil, CloseInvalid},
		"bad UTF-8 in a reason": {frame(fin|FrameClose, "\x03\xe8\xff"), nil, CloseInvalid},
		"too large":             {frame(fin|FrameText, strings.Repeat("x", 301)), nil, CloseTooLarge},
		"too large in parts":    {frame(FrameText, strings.Repeat("x", 300)) + frame(fin, "y"), nil, CloseTooLarge},
		"2^62 bytes announced":  {"\x81\xff\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", nil, CloseTooLarge},
		"endless":               {frame(FrameText, "") + strings.Repeat(frame(0, ""), 1000), nil, CloseTooLarge},
		"endless, by bytes":     {frame(FrameText, "") + strings.Repeat(frame(0, "a"), 1000), nil, CloseTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []byte{1, 2, 3, 7, 64, 255} {
				got := takeApart(t, 300, []byte(tt.stream), size)
				if !slices.Equal(got.messages, tt.want) || got.code != tt.code {
					t.Errorf("in chunks of %d: %q, %d; want %q, %d", size, got.messages, got.code, tt.want, tt.code)
				}
			}
		})
	}
}

// A length that is too large is refused before a byte of the body has come.
func TestFramesRefuseByTheHeader(t *testing.T) {
	f := Frames{Max: 300}
	header := frame(fin|FrameBinary, strings.Repeat("x", 301))[:8]
	if _, _, _, err := f.Next([]byte(header)); err == nil {
		t.Error("the body is waited for")
	}
}

func TestFramesMemory(t *testing.T) {
	if size := unsafe.Sizeof(Frames{}); size > 120 {
		t.Errorf("Frames is %d bytes", size)
	}
	const limit = 9 << 10
	f := Frames{Max: limit}
	stream := []byte(frame(fin|FrameText, strings.Repeat("x", limit)))
	last := stream[len(stream)-1]
	for _, c := range stream[:len(stream)-1] {
		if _, _, ok, err := f.Next([]byte{c}); ok || err != nil {
			t.Fatal(ok, err)
		}
		if c := cap(f.held); c > limit || c > 2*len(f.held)+8 {
			t.Fatalf("%d bytes are held in a buffer of %d", len(f.held), c)
		}
	}
	if m, _, ok, err := f.Next([]byte{last}); !ok || err != nil || len(m.Data) != limit {
		t.Errorf("%d bytes, %v, %v", len(m.Data), ok, err)
	}
	if f.held != nil || f.control != nil {
		t.Error("a buffer is kept after the message")
	}
}

func TestFramesAllocateNothingForWholeOnes(t *testing.T) {
	f := Frames{Max: 1000}
	stream := []byte(frame(fin|FrameText, "hello") + frame(fin|FramePing, "?") + frame(fin|FrameText, strings.Repeat("long ", 50)))
	chunk := make([]byte, len(stream))
	if n := testing.AllocsPerRun(100, func() {
		copy(chunk, stream)
		for rest, ok := chunk, true; ok; {
			_, rest, ok, _ = f.Next(rest)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAppendFrame(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 200000} {
		payload := bytes.Repeat([]byte("x"), n)
		got := AppendFrame([]byte("before"), FrameText, payload)
		want, err := ws.CompileFrame(ws.NewTextFrame(payload))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, append([]byte("before"), want...)) {
			t.Errorf("%d bytes: begins % x, want % x", n, got[:16], want[:10])
		}
	}
}

func TestAppendClose(t *testing.T) {
	for _, tt := range []struct {
		code         uint16
		reason, want string
	}{
		{CloseNoStatus, "not sent", "\x88\x00"},
		{CloseNormal, "", "\x88\x02\x03\xe8"},
		{CloseTryLater, "server full", "\x88\x0d\x03\xf5server full"},
		{CloseNormal, strings.Repeat("x", 123), "\x88\x7d\x03\xe8" + strings.Repeat("x", 123)},
		{CloseNormal, "x" + strings.Repeat("é", 62), "\x88\x7d\x03\xe8x" + strings.Repeat("é", 61)},
		{CloseNormal, strings.Repeat("é", 62), "\x88\x7c\x03\xe8" + strings.Repeat("é", 61)},
	} {
		if got := AppendClose(nil, tt.code, tt.reason); string(got) != tt.want {
			t.Errorf("%d %q: %q, want %q", tt.code, tt.reason, got, tt.want)
		}
	}
	if code := CloseCode([]byte("\x03\xf5server full")); code != CloseTryLater {
		t.Errorf("code %d", code)
	}
}

// oracle takes stream apart with another implementation's reader and checks. What
// that leaves to its caller is done here in the plainest way.
func oracle(limit int, stream []byte) (s seen) {
	var message []byte
	var op byte
	size := 0
	for r := bytes.NewReader(stream); ; {
		begin := len(stream) - r.Len()
		h, err := ws.ReadHeader(r)
		state := ws.StateServerSide
		if op != 0 {
			state |= ws.StateFragmented
		}
		switch {
		case errors.Is(err, ws.ErrHeaderLengthMSB):
			s.code = CloseProtocol
		case err != nil:
			return s // cut off
		case ws.CheckHeader(h, state) != nil:
			s.code = CloseProtocol
		case h.OpCode.IsControl() && stream[begin+1]&0x7f > maxControl:
			s.code = CloseProtocol // a length in more bytes than it takes, which the other implementation allows
		case !h.OpCode.IsControl() && h.Length > int64(limit-size):
			s.code = CloseTooLarge
		}
		if s.code != 0 {
			return s
		}
		if !h.OpCode.IsControl() {
			size += int(h.Length)
			if h.Length == 0 && !h.Fin {
				size++
			}
			if size > limit {
				s.code = CloseTooLarge
				return s
			}
		}
		body := make([]byte, h.Length)
		if n, _ := r.Read(body); n < len(body) {
			return s
		}
		ws.Cipher(body, h.Mask, 0)
		switch {
		case h.OpCode == ws.OpClose:
			code, reason := ws.ParseCloseFrameData(body)
			if s.code = judgedByOracle(len(body), code, reason); s.code != 0 {
				return s
			}
			s.add(FrameClose, body)
		case h.OpCode.IsControl():
			s.add(byte(h.OpCode), body)
		default:
			if h.OpCode != 0 {
				op = byte(h.OpCode)
			}
			if message = append(message, body...); !h.Fin {
				continue
			}
			if op == FrameText && !utf8.Valid(message) {
				s.code = CloseInvalid
				return s
			}
			s.add(op, message)
			message, op, size = nil, 0, 0
		}
	}
}

func judgedByOracle(n int, code ws.StatusCode, reason string) uint16 {
	if n == 0 {
		return 0
	}
	switch err := ws.CheckCloseFrameData(code, reason); {
	case code >= 1012 && code <= 1014: // registered later; the other implementation does not know them
		if utf8.ValidString(reason) {
			return 0
		}
		return CloseInvalid
	case code >= 5000: // which it leaves to its caller
		return CloseProtocol
	case errors.Is(err, ws.ErrProtocolInvalidUTF8):
		return CloseInvalid
	case err != nil:
		return CloseProtocol
	}
	return 0
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte(frame(fin|FrameText, "hello")+frame(fin|FramePing, "?")), uint16(300), []byte{3})
	f.Add([]byte(frame(FrameText, "a\xc3")+frame(fin|FramePong, "")+frame(fin, "\xa4")), uint16(300), []byte{1, 2})
	f.Add([]byte(frame(fin|FrameClose, "\x03\xe8bye")+frame(fin|FrameClose, "\x03\xf5")), uint16(10), []byte{})
	f.Add([]byte(frame(fin|FrameBinary, strings.Repeat("x", 400))), uint16(399), []byte{255})
	f.Add([]byte(frame(FrameText, "")+strings.Repeat(frame(0, ""), 30)), uint16(20), []byte{5})
	f.Add([]byte("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00hi"), uint16(20), []byte{1})
	f.Add(binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, 1<<62), uint16(20), []byte{})
	f.Fuzz(func(t *testing.T, stream []byte, limit uint16, sizes []byte) {
		want := oracle(int(limit), stream)
		got := takeApart(t, int(limit), stream, sizes...)
		if !slices.Equal(got.messages, want.messages) {
			t.Fatalf("%q\nwant %q", got.messages, want.messages)
		}
		// Frames refuses by the first two bytes what it can, a reader waits for the
		// whole header; so one may have an error of a stream that was cut off.
		if got.code != want.code && want.code != 0 {
			t.Fatalf("closed with %d, want %d", got.code, want.code)
		}
	})
}

func BenchmarkFrames(b *testing.B) {
	for _, n := range []int{1, 16} {
		b.Run(fmt.Sprintf("%d frames of 64 bytes", n), func(b *testing.B) {
			stream := []byte(strings.Repeat(frame(fin|FrameText, strings.Repeat("x", 64)), n))
			chunk := make([]byte, len(stream))
			f := Frames{Max: 9 << 10}
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				copy(chunk, stream)
				for rest, ok := chunk, true; ok; {
					_, rest, ok, _ = f.Next(rest)
				}
			}
		})
	}
}
