package fortune

import (
	"encoding/binary"
	"unicode/utf16"
)

// Format is how a fortune looks on a connection.
type Format string

// The formats. All but Text are those of the servers that come with Qt's examples,
// in whose clients a fortune is the whole of what a connection brings.
const (
	// Text is UTF-8 with a line end, for people.
	Text Format = ""
	// Qt is a QString as QDataStream writes it: its length in bytes, 32 bits, and
	// UTF-16, all big-endian. The Fortune Client reads it since Qt 5.7.
	Qt Format = "qt"
	// Qt4 has before it the length of all that follows in bytes, 16 bits. The
	// Fortune Client reads it up to Qt 5.6, the Local Fortune Client up to 5.9.
	Qt4 Format = "qt4"
	// QtLocal has before it the number of UTF-16 units, 32 bits. The Local Fortune
	// Client reads it since Qt 5.10.
	QtLocal Format = "qtlocal"
)

// Encode returns text in the format. In Qt4 and QtLocal it can be at most MaxLength
// bytes. A Format that is none of the above is Text.
func (f Format) Encode(text string) []byte {
	units := utf16.Encode([]rune(text))
	length := 2 * len(units) // in bytes
	var b []byte
	switch f {
	default:
		return append([]byte(text), '\n')
	case Qt:
	case Qt4:
		b = binary.BigEndian.AppendUint16(b, uint16(4+length))
	case QtLocal:
		b = binary.BigEndian.AppendUint32(b, uint32(len(units)))
	}
	b = binary.BigEndian.AppendUint32(b, uint32(length))
	for _, u := range units {
		b = binary.BigEndian.AppendUint16(b, u)
	}
	return b
}
