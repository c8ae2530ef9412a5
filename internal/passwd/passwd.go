// Package passwd turns passwords into strings that tell whether a password is
// right and do not tell the password. The hash is argon2id (RFC 9106) and costs
// whoever has stolen the strings as much memory and time a guess as it costs here
// once.
//
// That cost is also a weapon against the one who pays it, so a Hasher runs two
// hashes at once, whoever asks, and the others wait in order. How long an answer
// takes does not say whether a name exists: one that nobody has costs the same work
// as a wrong password. (A string that another program made at another cost takes
// that cost, until its password is set anew.) How many guesses somebody has is for
// package guess.
package passwd

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

const (
	// MinLen is how many characters a password has at least: what NIST SP 800-63B
	// asked for up to its revision 3.
	MinLen = 8
	// MaxLen is how many bytes it has at most: a long sentence in any script, and
	// little enough that its length does not matter to the time it takes.
	MaxLen = 1024
)

// Error says why a password is refused and what to do instead, in words for the
// person who chose it. It never holds the password.
type Error struct {
	reason string // what is wrong, a clause
	advice string // what to do, a clause
}

func (e *Error) Error() string { return e.reason + "; " + e.advice }

// Check returns nil, or an *Error, for a password that somebody chooses. A key
// that sends a control character (backspace where the terminal does not act on
// it) is found here: the person could not say again what was typed.
func Check(password []byte) error {
	if len(password) > MaxLen {
		return &Error{fmt.Sprintf("a password has at most %d bytes and that has %d", MaxLen, len(password)), "choose a shorter one"}
	}
	if !utf8.Valid(password) {
		return &Error{"that password is not UTF-8 text", "set your terminal to UTF-8 or use plain letters"}
	}
	for _, r := range string(password) {
		if unicode.IsControl(r) {
			return &Error{fmt.Sprintf("that password holds a key that is no character (%U)", r), "write it again without"}
		}
	}
	if n := utf8.RuneCount(password); n < MinLen {
		return &Error{fmt.Sprintf("a password has at least %d characters and that has %d", MinLen, n), "choose a longer one"}
	}
	return nil
}

// atOnce is how many hashes a Hasher runs at a time: 38 MiB of its own making (128
// at most, of strings that other programs made), and both processors of a small
// machine for 30 ms.
const atOnce = 2

// Hasher makes and checks hashes. Its methods may be called by any goroutine.
type Hasher struct {
	slots  chan struct{}                       // holds one for each hash under way; never closed
	dummy  phc                                 // is hashed against where there is nothing; no password's
	derive func(password []byte, p phc) []byte // argon2id
}

// New returns a Hasher. A process has one: the bound is the Hasher's.
func New() *Hasher {
	return &Hasher{slots: make(chan struct{}, atOnce), dummy: fresh(), derive: argon2id}
}

// Hash returns what to keep of a password: a PHC string, another one each time. It
// fails with an *Error if Check refuses the password, and with ctx's error if ctx
// ends before it is this hash's turn; one that has begun is brought to its end.
func (h *Hasher) Hash(ctx context.Context, password []byte) (string, error) {
	if err := Check(password); err != nil {
		return "", err
	}
	p := fresh()
	var err error
	if p.key, err = h.run(ctx, password, p); err != nil {
		return "", err
	}
	return p.String(), nil
}

// Verify tells whether password is the one that kept, a PHC string, was made of.
// Where nothing is kept, as for a name that nobody has, kept is empty and the
// answer is no, after the same work. If kept cannot be read, the answer is no after
// that work too, with an error that is for the operator and not for the person, and
// repeats nothing of kept. It fails with ctx's error as Hash does.
func (h *Hasher) Verify(ctx context.Context, kept string, password []byte) (bool, error) {
	if len(password) > MaxLen {
		return false, nil // at once: that is the asker's doing, and no news
	}
	p, broken := h.dummy, error(nil)
	if kept != "" {
		if p, broken = parse(kept); broken != nil {
			p = h.dummy
		}
	}
	key, err := h.run(ctx, password, p)
	if err != nil {
		return false, err
	}
	same := subtle.ConstantTimeCompare(key, p.key) == 1
	return same && kept != "" && broken == nil, broken
}

// run hashes password as p says when fewer than atOnce others are under way. Who
// has waited for longest comes first.
func (h *Hasher) run(ctx context.Context, password []byte, p phc) ([]byte, error) {
	if err := ctx.Err(); err != nil { // select might choose the slot
		return nil, err
	}
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.slots }()
	return h.derive(password, p), nil
}

func argon2id(password []byte, p phc) []byte {
	return argon2.IDKey(password, p.salt, p.passes, p.memory, p.lanes, uint32(len(p.key)))
}

// fresh is the form of a new hash: the cost that OWASP's password storage cheat
// sheet asks for (19 MiB, two passes, one lane), the lengths of RFC 9106 section 4,
// random salt, and a random key that no password has.
func fresh() phc {
	p := phc{memory: 19 << 10, passes: 2, lanes: 1, salt: make([]byte, 16), key: make([]byte, 32)}
	_, _ = rand.Read(p.salt) // ends the process rather than fail
	_, _ = rand.Read(p.key)
	return p
}
