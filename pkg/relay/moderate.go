package relay

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/rs/zerolog"

	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/wire"
)

// logDeed begins a log line of an operator's deed. Who is who; of whom is the one
// it concerns. fail2ban finds act, whom and address in it.
func (s *session) logDeed(act, whom string) *zerolog.Event {
	return s.logWho(s.srv.log.Warn()).Str("act", act).Str("by", harmless(s.name)).Str("whom", harmless(whom))
}

// target is the session that a command is about: the first word of args, and the
// rest of them. Operators are nobody's target.
func (s *session) target(args string) (other *session, as, rest string, err error) {
	who, rest, _ := strings.Cut(args, " ")
	if who == "" {
		return nil, "", "", errUsage
	}
	other, as = s.srv.names.find(who)
	switch {
	case other == nil:
		return nil, "", "", advise("nobody here is called %s", who)
	case other == s:
		return nil, "", "", advice("that is you")
	case other.operator():
		return nil, "", "", advise("%s is an operator", as)
	}
	return other, as, strings.TrimSpace(rest), nil
}

func (s *session) kick(args string) error {
	other, as, reason, err := s.target(args)
	if err != nil {
		return err
	}
	s.logDeed("kick", as).Str("address", other.from()).Str("reason", harmless(reason)).Msg("moderation")
	if reason != "" {
		reason = ": " + reason
	}
	other.end(endSentAway("kicked by " + s.name + reason))
	return advise("%s is out", as)
}

// endSentAway is the cause of one whom an operator has sent away: how and by whom.
func endSentAway(how string) *cause {
	return &cause{log: "sent away", code: "sent-away", how: "left (" + how + ")", last: "you were " + how, drops: true}
}

// harmless is what a person wrote as a log may show it.
func harmless(text string) string { return string(wire.AppendLabelString(nil, text)) }

// announce says something in every room.
func (s *session) announce(args string) error {
	if args == "" {
		return errUsage
	}
	s.logDeed("announce", "everyone").Msg("moderation")
	by, text := s.label, []byte(args)
	s.settle()
	s.srv.everyRoom(func(r *room) { r.submit(&event{kind: wire.Announce, name: by, text: text}) })
	return nil
}

func (s *session) closeDoor(string) error { return s.door(true) }
func (s *session) openDoor(string) error  { return s.door(false) }

// door closes the server to newcomers, or opens it again.
func (s *session) door(shut bool) error {
	act, text := "open", "newcomers are let in"
	if shut {
		act, text = "close", "newcomers are turned away until /open"
	}
	if s.srv.shut.Swap(shut) == shut {
		return advice(text + " already")
	}
	s.logDeed(act, "newcomers").Msg("moderation")
	return advice(text)
}

func (s *session) whois(who string) error {
	if who == "" {
		return errUsage
	}
	other, as := s.srv.names.find(who)
	if other == nil {
		a, ok := s.srv.accounts.named(who)
		switch {
		case !ok:
			return advise("nobody here is called %s", who)
		case a.Seen.IsZero():
			return advise("%s is registered and not here", a.Name)
		}
		return advise("%s is registered and not here; last login %s", a.Name, s.moment(a.Seen))
	}
	text := as + " is here since " + s.moment(other.began)
	if key := other.account(); key != "" && key == name.Key(as) {
		text += ", registered"
	}
	if other.operator() {
		text += ", an operator"
	}
	if s.operator() {
		text += "; from " + other.from() + ", session " + fmt.Sprint(other.id)
	}
	return advice(text)
}

// from is where the session's peer is.
func (s *session) from() string {
	if ip := s.ip(); ip.IsValid() {
		return ip.String()
	}
	return s.conn.LocalAddr().Network()
}

// ip is the peer's address; invalid if it has none.
func (s *session) ip() netip.Addr { return addrOf(s.conn) }
