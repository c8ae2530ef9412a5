package relay

import (
	"fmt"
	"slices"
)

func (s *session) lock(args string) error {
	r := s.here.room
	if r.key.name == s.srv.cfg.Room {
		return advise("%s is where everyone begins and stays open; /join another room and lock that", r.key.name)
	}
	if s.account() == "" {
		return advice("only a registered name can lock a room; /register makes yours one")
	}
	var hash string
	if args != "" {
		var err error
		if hash, err = s.hash(args); err != nil {
			return err
		}
	}
	allowed := false
	s.srv.amend(r.key.name, func(l *listing) {
		if allowed = !l.Locked || l.Owner == s.account() || s.operator(); allowed {
			l.Locked, l.Hash, l.Owner = true, hash, s.account()
		}
	})
	if !allowed {
		return advise("%s is locked already, by somebody else", r.key.name)
	}
	how := "; /invite NAME lets somebody in"
	if hash != "" {
		how = "; /join " + r.key.name + " PASSWORD or /invite NAME lets somebody in"
	}
	n := s.name
	s.do(func() { r.notice(n + " locked the room" + how) })
	return s.keepRoom(r)
}

func (s *session) unlock(string) error {
	r := s.here.room
	var was, allowed bool
	s.srv.amend(r.key.name, func(l *listing) {
		if was = l.Locked; !was {
			return
		}
		if allowed = l.Owner == s.account() || s.operator(); allowed {
			l.Locked, l.Hash, l.Owner, l.Invited, l.guests = false, "", "", nil, nil
		}
	})
	switch {
	case !was:
		return advise("%s is not locked", r.key.name)
	case !allowed:
		return advice("only who locked a room, or an operator, unlocks it")
	}
	n := s.name
	s.do(func() { r.notice(n + " unlocked the room") })
	return s.keepRoom(r)
}

// invite lets a person into a locked room: a registered one for good, any other as
// long as the connection lasts.
func (s *session) invite(who string) error {
	if who == "" {
		return errUsage
	}
	if err := s.muted("nobody was invited"); err != nil {
		return err
	}
	r := s.here.room
	other, as := s.srv.names.find(who)
	key, registered := "", false
	a, known := s.srv.accounts.named(who)
	switch {
	case other == s:
		return advice("that is you")
	case other != nil && other.ignores(s.name, s.tag):
		return advise("%s does not want to hear you; nobody was invited", as)
	case other != nil:
		key = other.account()
		registered = key != ""
	case known:
		key, as, registered = a.Key, a.Name, true
	default:
		return advise("nobody here is called %s", who)
	}
	var locked bool
	s.srv.amend(r.key.name, func(l *listing) {
		if locked = l.Locked; !locked {
			return
		}
		if registered && !slices.Contains(l.Invited, key) {
			l.Invited = append(slices.Clip(l.Invited), key)
		}
		if other != nil {
			if l.guests == nil {
				l.guests = make(map[uint32]bool)
			}
			l.guests[other.id] = true
		}
	})
	if other != nil {
		other.hint(fmt.Sprintf("%s invites you to %s; /join %s goes there", s.name, r.key.name, r.key.name))
	}
	s.tell("invited " + as)
	if !locked || !registered {
		return nil
	}
	return s.keepRoom(r)
}
