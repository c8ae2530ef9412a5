package small

import (
	"encoding/hex"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd/chatd/internal/fortune"
)

// says is a Fortune that always says the same.
func says(text string, format fortune.Format) Fortune {
	return Fortune{Tell: func() string { return text }, Format: format}
}

func TestFortune(t *testing.T) {
	for format, want := range map[fortune.Format]string{
		fortune.Text:    "e58d83e9878c20f09f99820a",
		fortune.Qt:      "0000000a" + "534391cc0020d83dde42",
		fortune.Qt4:     "000e" + "0000000a" + "534391cc0020d83dde42",
		fortune.QtLocal: "00000005" + "0000000a" + "534391cc0020d83dde42",
	} {
		each(t, func(t *testing.T, l net.Listener) {
			begin(t, New(generous), l, says("千里 🙂", format))
			c := dial(t, l)
			if got := hex.EncodeToString([]byte(c.rest())); got != want {
				t.Errorf("in format %q\ngot  %s\nwant %s", format, got, want)
			}
		})
	}
}

// What has been sent to it unasked costs nobody the fortune, however long that is.
func TestFortuneForTheTalkative(t *testing.T) {
	long := strings.Repeat("很长的", fortune.MaxLength/9)
	each(t, func(t *testing.T, l net.Listener) {
		begin(t, New(generous), l, says(long, fortune.Text))
		for range 20 {
			c := dial(t, l)
			c.sends(strings.Repeat("GET / HTTP/1.1\r\n", 1000))
			if rest := c.rest(); rest != long+"\n" {
				t.Fatalf("%d bytes came, want %d", len(rest), len(long)+1)
			}
		}
	})
}

// One who does not close is closed after a second, and one who does not read either.
func TestFortuneWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		c := joined(t, New(generous), says("hello", fortune.Text))
		if rest := c.rest(); rest != "hello\n" || time.Since(begun) != 0 {
			t.Errorf("after %v came %q", time.Since(begun), rest)
		}
		// He talks on until nobody listens.
		for {
			if _, err := io.WriteString(c, "x"); err != nil {
				break
			}
			<-time.After(time.Millisecond)
		}
		if took := time.Since(begun); took < time.Second || took > time.Second+time.Millisecond {
			t.Errorf("the connection was closed after %v", took)
		}
	})
}
