package passwd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHashAndVerify(t *testing.T) {
	h, ctx := New(), t.Context()
	const password = "correct horse"
	kept, err := h.Hash(ctx, []byte(password))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(kept, "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(kept, password) {
		t.Errorf("kept is %s", kept)
	}
	p, err := parse(kept)
	if err != nil || len(p.salt) != 16 || len(p.key) != 32 {
		t.Errorf("a salt of %d bytes, a hash of %d, %v", len(p.salt), len(p.key), err)
	}
	if other, err := h.Hash(ctx, []byte(password)); err != nil || other == kept {
		t.Errorf("the same password again: %s, %v; want another string", other, err)
	}
	for tried, want := range map[string]bool{
		password: true, "": false, "correct horsf": false, "correct hors": false, "correct horse ": false,
		"Correct horse": false, "correct horse\x00": false, strings.Repeat("a", MaxLen+1): false,
	} {
		if right, err := h.Verify(ctx, kept, []byte(tried)); right != want || err != nil {
			t.Errorf("Verify(%.20q) = %v, %v; want %v", tried, right, err, want)
		}
	}
}

// TestVectors: strings that the reference implementation (libargon2) has made are
// understood, and mean what they mean there; those with the salt somesalt and 256
// KiB are of its own tests. The vector of RFC 9106 section 5.3 has a secret and
// associated data, which passwords here have not.
func TestVectors(t *testing.T) {
	h := New()
	for kept, password := range map[string]string{
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4":              "password",
		"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc":              "password",
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$gJ7nvBcFxQh1IVKFS/MiEpoKAD5/Dtz7d04b9qEdSeU":              "differentpassword",
		"$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$T95q7S205tf9WI4HhYOZDIQmMMAbntacGXTIku0gXT8": "password",
		"$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0c2FsdA$QsdIYZKxxFTykAEVMzM+QA":                      "password",
		"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aMVz6FswBZGnjcZ4WW8WdQ":                                     "",
		"$argon2id$v=19$m=64,t=3,p=2$c29tZXNhbHQ$Sb2zB8vR1iyZL9sbWhsMkCmJjgeBgq32kkIacDnMwmo":               "密码密码密码密码",
		"$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$66LGOHc2cji0I+zfCeCkfg":                                    strings.Repeat("a", MaxLen),
		"$argon2id$v=19$m=32,t=10,p=4$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw$cKATU5W6VKmMgEUd3maYasl0fxPvLrC1vZB1eXl3AA3Pi9+revwBUnx8668Bm7tkFY/o28Kgr4QA8qN0U1/H9Q": "password",
	} {
		for tried, want := range map[string]bool{password: true, "passwore": false} {
			if right, err := h.Verify(t.Context(), kept, []byte(tried)); right != want || err != nil {
				t.Errorf("Verify(%s, %.20s) = %v, %v; want %v", kept, tried, right, err, want)
			}
		}
	}
}

// TestSameWork: whether a name exists cannot be told from what a wrong password
// costs, nor can it be entered with the dummy.
func TestSameWork(t *testing.T) {
	h := New()
	kept, err := h.Hash(t.Context(), []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	type work struct {
		memory, passes  uint32
		lanes           uint8
		salt, key, text int
	}
	var done []work
	h.derive = func(password []byte, p phc) []byte {
		done = append(done, work{p.memory, p.passes, p.lanes, len(p.salt), len(p.key), len(password)})
		return h.dummy.key // as if it had been guessed
	}
	for kept, readable := range map[string]bool{kept: true, "": true, "jumble": false, h.dummy.String() + "$": false} {
		right, err := h.Verify(t.Context(), kept, []byte("wrong"))
		if right || (err == nil) != readable {
			t.Errorf("Verify(%q) = %v, %v", kept, right, err)
		}
		if err != nil && strings.Contains(err.Error(), kept) {
			t.Errorf("the error repeats what is kept: %v", err)
		}
	}
	if len(done) != 4 {
		t.Fatalf("%d hashes were made, want 4", len(done))
	}
	for _, w := range done {
		if want := (work{19456, 2, 1, 16, 32, 5}); w != want {
			t.Errorf("the work was %+v, want %+v", w, want)
		}
	}
}

// TestAtOnce: two hashes run, whoever asks, the others wait their turn and may
// give up.
func TestAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		var running atomic.Int32
		turn := make(chan struct{}) // one receive for each hash that may end
		h.derive = func(_ []byte, p phc) []byte {
			running.Add(1)
			defer running.Add(-1)
			<-turn
			return p.key
		}
		ctx, giveUp := context.WithCancel(t.Context())
		const askers = 10
		results := make(chan error, askers)
		var asking sync.WaitGroup
		for i := range askers {
			asking.Go(func() {
				var err error
				if i%2 == 0 {
					_, err = h.Hash(ctx, []byte("correct horse"))
				} else {
					_, err = h.Verify(ctx, "", []byte("correct horse"))
				}
				results <- err
			})
		}
		for ended := range 5 {
			synctest.Wait()
			if n := running.Load(); n != atOnce || len(results) != ended {
				t.Fatalf("%d hashes run, %d have ended; want %d and %d", n, len(results), atOnce, ended)
			}
			turn <- struct{}{}
		}
		synctest.Wait()
		giveUp()
		synctest.Wait()
		if n := running.Load(); n != atOnce || len(results) != 5+3 {
			t.Errorf("after giving up %d hashes run, %d have ended; want %d and 8", n, len(results), atOnce)
		}
		close(turn)
		asking.Wait()
		close(results)
		var whole, gaveUp int
		for err := range results {
			switch {
			case err == nil:
				whole++
			case errors.Is(err, context.Canceled):
				gaveUp++
			default:
				t.Error(err)
			}
		}
		if whole != 7 || gaveUp != 3 {
			t.Errorf("%d ended with a hash, %d without; want 7 and 3", whole, gaveUp)
		}
		if len(h.slots) != 0 {
			t.Errorf("%d slots are still taken", len(h.slots))
		}
		if _, err := h.Hash(ctx, []byte("correct horse")); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context and free slots: %v", err)
		}
	})
}

// TestInOrder: who has waited for longest is served next, and who gave up is
// passed over.
func TestInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New()
		var served []string // written by one hash at a time: a turn is given when all others wait
		turn := make(chan struct{})
		h.derive = func(password []byte, p phc) []byte {
			<-turn
			served = append(served, string(password))
			return p.key
		}
		ctx, giveUp := context.WithCancel(t.Context())
		for i := range 8 {
			ctx := ctx
			if i != 4 {
				ctx = t.Context()
			}
			go func() { _, _ = h.Verify(ctx, "", fmt.Append(nil, i)) }()
			synctest.Wait() // it runs or waits before the next asks
		}
		giveUp()
		for range 7 {
			synctest.Wait()
			turn <- struct{}{}
		}
		synctest.Wait()
		if got := strings.Join(served, " "); got != "0 1 2 3 5 6 7" {
			t.Errorf("served in the order %s, want 0 1 2 3 5 6 7", got)
		}
	})
}

func TestCheck(t *testing.T) {
	for password, want := range map[string]string{
		"correct horse":             "",
		"12345678":                  "",
		"gürteltür":                 "",
		"密码密码密码密码":                  "",
		"👩‍👩‍👧 likes tea":           "",
		strings.Repeat("a", MaxLen): "",

		"":                            "a password has at least 8 characters and that has 0; choose a longer one",
		"1234567":                     "a password has at least 8 characters and that has 7; choose a longer one",
		"密码密码密码密":                     "a password has at least 8 characters and that has 7; choose a longer one",
		strings.Repeat("a", MaxLen+1): "a password has at most 1024 bytes and that has 1025; choose a shorter one",
		"correct\xffhorse":            "that password is not UTF-8 text; set your terminal to UTF-8 or use plain letters",
		"corrext\bct horse":           "that password holds a key that is no character (U+0008); write it again without",
		"correct \x1b[Dhorse":         "that password holds a key that is no character (U+001B); write it again without",
	} {
		err := Check([]byte(password))
		if want == "" {
			if err != nil {
				t.Errorf("Check(%q) = %v", password, err)
			}
			continue
		}
		if err == nil || err.Error() != want {
			t.Errorf("Check(%q) = %v, want %s", password, err, want)
		}
		var refusal *Error
		if s, err := New().Hash(t.Context(), []byte(password)); s != "" || !errors.As(err, &refusal) {
			t.Errorf("Hash(%q) = %q, %v; want a refusal", password, s, err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	h := New()
	b.ReportAllocs()
	for b.Loop() {
		if right, err := h.Verify(b.Context(), "", []byte("correct horse")); right || err != nil {
			b.Fatal(right, err)
		}
	}
}
