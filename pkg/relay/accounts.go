package relay

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/passwd"
)

// login is whom a session has shown to be.
type login struct {
	key      string // of an account; "": none
	operator bool
}

// account is the key of the account the session is logged in to, or "". Any
// goroutine may ask.
func (s *session) account() string {
	if l := s.login.Load(); l != nil {
		return l.key
	}
	return ""
}

// operator tells whether the session may moderate. Any goroutine may ask.
func (s *session) operator() bool {
	l := s.login.Load()
	return l != nil && l.operator
}

// accounts are the registered names.
type accounts struct {
	mu    sync.Mutex
	byKey map[string]Account
}

func newAccounts(list []Account) *accounts {
	a := &accounts{byKey: make(map[string]Account)}
	for _, one := range list {
		a.byKey[one.Key] = one
	}
	return a
}

// named returns the account of a name, or of one that looks like it.
func (a *accounts) named(n string) (Account, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one, ok := a.byKey[name.Key(n)]
	return one, ok
}

// withKey returns the account with a key.
func (a *accounts) withKey(key string) (Account, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one, ok := a.byKey[key]
	return one, ok
}

// has tells whether a name, or one that looks like it, is registered.
func (a *accounts) has(n string) bool {
	_, ok := a.named(n)
	return ok
}

// add registers a name, unless it or one that looks like it is.
func (a *accounts) add(one Account) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, taken := a.byKey[one.Key]; taken {
		return false
	}
	a.byKey[one.Key] = one
	return true
}

// put changes what is known of a registered name.
func (a *accounts) put(one Account) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byKey[one.Key] = one
}

// hashTime is how long a person waits for others' passwords to be looked at.
const hashTime = 20 * time.Second

// hash makes a password fit to be kept. As each is some work, an address has as many a
// minute as it has guesses.
func (s *session) hash(password string) (string, error) {
	if err := passwd.Check([]byte(password)); err != nil {
		return "", advice(err.Error())
	}
	from := s.address.String()
	if _, wait := s.srv.chosen.Try(s.address, "chosen at "+from); wait > 0 {
		return "", advise("too many new passwords from your address; try again in %s, and nothing was changed", spell(wait.Round(time.Second)))
	}
	ctx, cancel := context.WithTimeout(s.srv.life, hashTime)
	defer cancel()
	hash, err := s.srv.hasher.Hash(ctx, []byte(password))
	if errors.Is(err, context.DeadlineExceeded) {
		return "", advice("many passwords are being looked at; try again in a minute")
	}
	return hash, err
}

// judge returns nil if the password is the one of hash, which belongs to what is
// called of: a name, or a room. Guessing is limited.
func (s *session) judge(hash, password, of string) error {
	right, wait := s.srv.guesses.Try(s.address, of)
	if wait > 0 {
		return advise("too many wrong passwords; try again in %s", spell(wait.Round(time.Second)))
	}
	ctx, cancel := context.WithTimeout(s.srv.life, hashTime)
	defer cancel()
	ok, err := s.srv.hasher.Verify(ctx, hash, []byte(password))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return advice("many passwords are being looked at; try again in a minute")
	case err != nil:
		return err
	case !ok:
		s.logDenied(of)
		return advice("that is not right")
	}
	right()
	return nil
}

// logDenied logs a wrong password in a form that fail2ban can use.
func (s *session) logDenied(of string) {
	s.logWho(s.srv.log.Warn()).Str("of", harmless(of)).Msg("wrong password")
}
