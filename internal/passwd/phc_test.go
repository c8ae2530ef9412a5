package passwd

import (
	"errors"
	"strings"
	"testing"
)

const (
	salt = "c29tZXNhbHQ"
	key  = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
)

func TestParse(t *testing.T) {
	long := phc{
		memory: maxMemory, passes: maxPasses, lanes: maxLanes,
		salt: make([]byte, maxSalt), key: make([]byte, maxKey),
	}.String()
	if len(long) != 205 { // as the comment at maxString has it
		t.Errorf("the longest string has %d bytes, want 205", len(long))
	}
	for s, want := range map[string]error{
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + key:              nil,
		"$argon2id$v=19$m=32,t=1,p=4$" + salt + "$AAAAAAAAAAAAAAAAAAAAAA": nil,
		long: nil,

		"":                                       errForm,
		"$":                                      errForm,
		"$$$$$":                                  errForm,
		"correct horse":                          errForm,
		"$2b$12$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6M": errForm,
		"$argon2i$v=19$m=19456,t=2,p=1$" + salt + "$" + key:                       errForm,
		"$argon2id$v=16$m=19456,t=2,p=1$" + salt + "$" + key:                      errForm,
		"$argon2id$m=19456,t=2,p=1$" + salt + "$" + key:                           errForm,
		"$argon2id$v=19$t=2,m=19456,p=1$" + salt + "$" + key:                      errForm,
		"$argon2id$v=19$m=19456,t=2,p=1,keyid=x$" + salt + "$" + key:              errForm,
		"$argon2id$v=19$m=019456,t=2,p=1$" + salt + "$" + key:                     errForm,
		"$argon2id$v=19$m=+19456,t=2,p=1$" + salt + "$" + key:                     errForm,
		"$argon2id$v=19$m= 19456,t=2,p=1$" + salt + "$" + key:                     errForm,
		"$argon2id$v=19$m=-1,t=2,p=1$" + salt + "$" + key:                         errForm,
		"$argon2id$v=19$m=4294967296,t=2,p=1$" + salt + "$" + key:                 errForm,
		"$argon2id$v=19$m=19456,t=2,p=257$" + salt + "$" + key:                    errForm,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + key + "=":                errForm,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + key + "\n":               errForm,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + key + "$":                errForm,
		"$argon2id$v=19$m=19456,t=2,p=1$c29tZX\nNhbHQ$" + key:                     errForm,
		"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHR$" + key:                       errForm, // a bit to spare
		"$argon2id$v=19$m=19456,t=2,p=1$c29t-XNhbHQ$" + key:                       errForm,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt:                                  errForm,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + key + long:               errForm,
		"$argon2id$v=19$m=19456,t=2,p=1$" + strings.Repeat("A", 1e6) + "$A":       errForm,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + strings.Repeat("A", 216): errForm, // 259 bytes

		"$argon2id$v=19$m=4194304,t=2,p=1$" + salt + "$" + key:                    errCost,
		"$argon2id$v=19$m=65537,t=2,p=1$" + salt + "$" + key:                      errCost,
		"$argon2id$v=19$m=7,t=2,p=1$" + salt + "$" + key:                          errCost,
		"$argon2id$v=19$m=31,t=2,p=4$" + salt + "$" + key:                         errCost,
		"$argon2id$v=19$m=19456,t=0,p=1$" + salt + "$" + key:                      errCost,
		"$argon2id$v=19$m=19456,t=11,p=1$" + salt + "$" + key:                     errCost,
		"$argon2id$v=19$m=19456,t=4294967295,p=1$" + salt + "$" + key:             errCost,
		"$argon2id$v=19$m=19456,t=2,p=0$" + salt + "$" + key:                      errCost,
		"$argon2id$v=19$m=19456,t=2,p=5$" + salt + "$" + key:                      errCost,
		"$argon2id$v=19$m=19456,t=2,p=1$$" + key:                                  errCost,
		"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbA$" + key:                        errCost, // 7 bytes
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$":                            errCost,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + "AAAAAAAAAAAAAAAAAAAA":   errCost, // 15 bytes
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + strings.Repeat("A", 87):  errCost, // 65
		"$argon2id$v=19$m=19456,t=2,p=1$" + strings.Repeat("A", 87) + "$" + key:   errCost, // 65
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + strings.Repeat("A", 212): errCost, // 159, and 255 in all
	} {
		p, err := parse(s)
		if !errors.Is(err, want) {
			t.Errorf("parse(%.120q) = %v, want %v", s, err, want)
		}
		if err == nil && p.String() != s {
			t.Errorf("parse(%.120q) is written as %q", s, p)
		}
	}
}

// FuzzPHC: what is accepted is written back as it was, and is cheap enough to be
// hashed.
func FuzzPHC(f *testing.F) {
	for _, seed := range []string{
		"", "$$$$$", "$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=4294967295,t=4294967295,p=255$" + salt + "$" + key,
		"$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=0x8,t=1_0,p=١$AAA\r\nAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA==",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parse(s)
		if err != nil {
			if err != errForm && err != errCost { // another might tell what is kept
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		if p.String() != s {
			t.Errorf("%q is written as %q", s, p)
		}
		if p.memory > maxMemory || p.passes > maxPasses || p.lanes > maxLanes || len(p.salt) > maxSalt || len(p.key) > maxKey {
			t.Errorf("%q may be hashed", s)
		}
		p.memory, p.passes = 8*uint32(p.lanes), 1 // as cheap as it gets: what it costs was judged above
		if key := argon2id([]byte("correct horse"), p); len(key) != len(p.key) {
			t.Errorf("%q gives %d bytes, want %d", s, len(key), len(p.key))
		}
	})
}
