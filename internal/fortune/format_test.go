package fortune

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

// What the examples' servers write, noted from their QDataStream.
func TestEncode(t *testing.T) {
	for _, c := range []struct {
		format     Format
		text, want string // want in hexadecimal
	}{
		{Text, "Hi", "48690a"},
		{Text, "你好 🙂\n-- 某人", "e4bda0e5a5bd20f09f99820a2d2d20e69f90e4baba0a"},
		{Qt, "Hi", "00000004" + "00480069"},
		{Qt, "你好", "00000004" + "4f60597d"},
		{Qt, "🙂", "00000004" + "d83dde42"},
		{Qt, "e\u0301\n", "00000006" + "00650301000a"},
		{Qt4, "Hi", "0008" + "00000004" + "00480069"},
		{Qt4, "千里 𠮷🙂", "0012" + "0000000e" + "534391cc0020d842dfb7d83dde42"},
		{QtLocal, "Hi", "00000002" + "00000004" + "00480069"},
		{QtLocal, "你🙂", "00000003" + "00000006" + "4f60d83dde42"},
	} {
		if diff := cmp.Diff(c.want, hex.EncodeToString(c.format.Encode(c.text))); diff != "" {
			t.Errorf("%q in format %q (-want +got):\n%s", c.text, c.format, diff)
		}
	}
}

// decode reads a fortune as a client of that format does.
func decode(t *testing.T, f Format, b []byte) string {
	t.Helper()
	switch f {
	case Text:
		return strings.TrimSuffix(string(b), "\n")
	case Qt4:
		if n := binary.BigEndian.Uint16(b); int(n) != len(b)-2 {
			t.Errorf("a block of %d bytes is said to have %d", len(b)-2, n)
		}
		b = b[2:]
	case QtLocal:
		if n := binary.BigEndian.Uint32(b); int(n) != (len(b)-8)/2 {
			t.Errorf("a block of %d units is said to have %d", (len(b)-8)/2, n)
		}
		b = b[4:]
	}
	if n := binary.BigEndian.Uint32(b); int(n) != len(b)-4 {
		t.Errorf("a string of %d bytes is said to have %d", len(b)-4, n)
	}
	var units []uint16
	for pair := range slices.Chunk(b[4:], 2) {
		units = append(units, binary.BigEndian.Uint16(pair))
	}
	return string(utf16.Decode(units))
}

func TestTheLongestInEachFormat(t *testing.T) {
	for _, f := range []Format{Text, Qt, Qt4, QtLocal} {
		for _, text := range []string{strings.Repeat("x", MaxLength), strings.Repeat("界", MaxLength/3), strings.Repeat("🙂", MaxLength/4)} {
			if got := decode(t, f, f.Encode(text)); got != text {
				t.Errorf("%.10q… in format %q comes out as %d bytes, want %d", text, f, len(got), len(text))
			}
		}
	}
}

func FuzzEncode(f *testing.F) {
	for _, seed := range []string{"", "Hi", "你好 🙂", "a\nb", "\U0010ffff\ufffd"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "?")
		for _, format := range []Format{Text, Qt, Qt4, QtLocal} {
			if len(text) > MaxLength {
				return
			}
			if got := decode(t, format, format.Encode(text)); format != Text && got != text {
				t.Errorf("%q in format %q comes out as %q", text, format, got)
			}
		}
	})
}
