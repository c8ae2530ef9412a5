package relay

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/passwd"
)

// clearWarning is said before a password is typed that others could read.
const clearWarning = "this connection is not encrypted: whoever is on the way can read what you type; "

// register makes the name one has one's own.
func (s *session) register(string) error {
	if err := s.mayRegister(); err != nil {
		return err
	}
	text := "choose a password for " + s.name + ", at least 8 characters; an empty line gives up:"
	if s.clear() {
		text = clearWarning + text
	}
	s.askHidden(text, func(first string) error {
		if first == "" {
			return advice("nothing was changed")
		}
		if err := passwd.Check([]byte(first)); err != nil {
			return advice(err.Error() + "; /register begins again")
		}
		s.askHidden("once more:", func(second string) error {
			if first != second {
				return advice("those two differ, and nothing was changed; /register begins again")
			}
			return s.enrol(first)
		})
		return nil
	})
	return nil
}

// mayRegister returns why the session cannot register its name, or nil.
func (s *session) mayRegister() error {
	if a, ok := s.srv.accounts.withKey(s.account()); ok {
		return advise("you are logged in as %s; who has no registered name yet can /register one", a.Name)
	}
	if name.IsGuest(s.name) {
		return advice("take a name of your own first, with /nick NAME")
	}
	if _, taken := s.srv.accounts.named(s.name); taken {
		return advise("%s is registered; /login %s if it is yours", s.name, s.name)
	}
	return nil
}

// enrol keeps the name and its password.
func (s *session) enrol(password string) error {
	hash, err := s.hash(password)
	if err != nil {
		return err
	}
	now := s.srv.clock()
	a := Account{Name: s.name, Key: name.Key(s.name), Hash: hash, Made: now, Seen: now}
	if !s.srv.accounts.add(a) {
		return advise("%s is registered by somebody else meanwhile", s.name)
	}
	s.setLogin(a)
	s.logDone().Str("name", harmless(a.Name)).Msg("registered")
	if err := s.keep(func(ctx context.Context) error { return s.srv.registry.SaveAccount(ctx, a) }); err != nil {
		return err
	}
	return advise("%s is yours; /login %s takes it next time", a.Name, a.Name)
}

// enrolChecked is enrol for a program, which types nothing twice.
func (s *session) enrolChecked(password string) error {
	if err := passwd.Check([]byte(password)); err != nil {
		return advice(err.Error() + "; nothing was changed")
	}
	if err := s.enrol(password); s.account() == "" {
		return err
	}
	s.tellSelf()
	return nil
}

// setLogin notes that the session has shown to be whom a belongs to.
func (s *session) setLogin(a Account) {
	s.login.Store(&login{key: a.Key, operator: s.operator() || s.srv.operators[a.Key]})
}

// logIn takes a registered name.
func (s *session) logIn(args string) error {
	who := args
	if who == "" {
		who = s.name
	}
	if name.IsGuest(who) {
		return errUsage
	}
	text := "the password of " + who + ":"
	if s.clear() {
		text = clearWarning + text
	}
	s.askHidden(text, func(password string) error {
		if password == "" {
			return advice("nothing was changed")
		}
		a, _ := s.srv.accounts.named(who) // if there is none, that takes as long
		if err := s.judge(a.Hash, password, "name "+name.Key(who)); err != nil {
			return err
		}
		return s.loggedIn(a)
	})
	return nil
}

// loggedIn gives the session the name of an account whose password it knew.
func (s *session) loggedIn(a Account) error {
	s.setLogin(a)
	a.Seen = s.srv.clock()
	s.srv.accounts.put(a)
	s.logDone().Str("name", harmless(a.Name)).Msg("logged in")
	if err := s.keep(func(ctx context.Context) error { return s.srv.registry.SaveAccount(ctx, a) }); err != nil {
		s.tell(err.Error())
	}
	if a.Name == s.name {
		return advise("you are %s", a.Name)
	}
	if other, _ := s.srv.names.find(a.Name); other != nil && other != s {
		return advise("%s is yours, and another connection has it; /takeover ends that one", a.Name)
	}
	return s.takeName(a.Name)
}

// takeover ends one's own ghost: the connection that has the name one is logged in
// to, and takes the name.
func (s *session) takeover(string) error {
	a, ok := s.srv.accounts.withKey(s.account())
	if !ok {
		return advice("write /login NAME first: only a registered name can be taken over")
	}
	if a.Name == s.name {
		return advise("you are %s already", a.Name)
	}
	if err := s.mayBe(a.Name); err != nil {
		return err
	}
	tag, ghost := s.srv.names.seize(s, s.name, a.Name)
	if ghost != nil {
		ghost.end(endTakenOver)
		s.outlive(ghost)
		for _, m := range s.seats() { // that one has left comes before who comes
			s.doIn(m, func() { m.room.tellCrowd(time.Now()) })
		}
	}
	s.named(a.Name, tag)
	return nil
}

// ghostTime is how long one who takes over a name waits for the other connection to
// have left its room, so that the room hears of it in this order.
const ghostTime = 2 * time.Second

// outlive waits until a session that is ending has left its room.
func (s *session) outlive(ghost *session) {
	t := time.NewTimer(ghostTime)
	defer t.Stop()
	select {
	case <-ghost.left:
	case <-s.done:
	case <-t.C:
	}
}

// mayBe returns why the session may not take a name, if nobody has it.
func (s *session) mayBe(wanted string) error {
	if err := s.muted("your name stays"); err != nil {
		return err
	}
	return s.nameBanned(wanted)
}

func (s *session) nameBanned(wanted string) error {
	now := s.srv.clock()
	if n, holds := s.srv.sanctions.holding(false, name.Key(wanted), netip.Addr{}, now); holds {
		return advise("the name %s is banned %s", wanted, n.sentence(now))
	}
	return nil
}

// takeName gives the session another name, or says why it cannot have it.
func (s *session) takeName(wanted string) error {
	if err := s.mayBe(wanted); err != nil {
		return err
	}
	switch tag, taken := s.srv.names.claim(s, s.name, wanted); taken {
	case "":
		s.named(wanted, tag)
		return nil
	case wanted:
		return advise("%s is taken; try /nick %s", wanted, s.freeName(wanted))
	default:
		return advise("that name looks like %s, who is here; try /nick %s", taken, s.freeName(wanted))
	}
}

// named tells the room that the session has another name.
func (s *session) named(now string, tag uint32) {
	was := s.name
	s.setName(now, tag)
	s.tellSelf()
	if !s.present {
		s.appear()
		return
	}
	for _, m := range s.seats() {
		s.doIn(m, func() { m.room.rename(m, was, now) })
	}
}

// setName notes the name the session holds, and what its messages carry with it.
func (s *session) setName(n string, tag uint32) {
	before := s.tag
	s.name, s.label, s.tag = n, []byte(n), tag
	if before != tag && slices.Contains(s.unseen, before) { // /echo off goes on
		s.see(before)
		s.unsee(tag)
	}
}

// loopback tells whether the peer is on this machine.
func (s *session) loopback() bool {
	tcp, ok := s.conn.RemoteAddr().(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
