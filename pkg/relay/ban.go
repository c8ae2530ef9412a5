package relay

import (
	"fmt"
	"strings"
	"time"

	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/when"
)

func (s *session) mute(args string) error   { return s.sanction(true, args) }
func (s *session) unmute(args string) error { return s.lift(true, args) }
func (s *session) ban(args string) error    { return s.sanction(false, args) }
func (s *session) unban(args string) error  { return s.lift(false, args) }

// sanctionTime is how long a ban or a mute holds if nothing else is said.
const sanctionTime = time.Hour

// sanction bans or mutes whom args name, for as long and for the reason they say.
func (s *session) sanction(mute bool, args string) error {
	n, err := s.sentenced(mute, args)
	if err != nil {
		return err
	}
	spared := s.srv.operators[n.Key]
	for _, other := range s.srv.concerned(&n) {
		spared = spared || other == s || other.operator()
	}
	if spared {
		return advice("that would be you, or another operator; nothing was done")
	}
	n, err = s.impose(n)
	hit := s.srv.concerned(&n)
	s.logSanction(&n, hit)
	for _, other := range hit {
		if mute {
			other.hint(fmt.Sprintf("you are muted by %s %s", s.name, n.sentence(n.Made)))
		} else {
			other.end(endSentAway("banned by " + s.name + " " + n.sentence(n.Made)))
		}
	}
	if err != nil {
		return err
	}
	return advise("%s is %s %s; %s", n.whom(), n.done(), n.sentence(n.Made), people(len(hit))+" here")
}

// sentenced reads what somebody is banned or muted with: whom, how long, why.
func (s *session) sentenced(mute bool, args string) (n Sanction, err error) {
	who, rest, _ := strings.Cut(args, " ")
	if who == "" {
		return n, errUsage
	}
	n = Sanction{Mute: mute, Address: networkOf(who), By: s.name, Made: s.srv.clock()}
	if !n.Address.IsValid() {
		if strings.ContainsAny(who, "/:.") {
			return n, advise("%s is no address; write it as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32", who)
		}
		checked, err := name.Check(who)
		if err != nil {
			return n, advice(err.Error())
		}
		n.Name, n.Key = checked, name.Key(checked)
	}
	rest = strings.TrimSpace(rest)
	word, reason, _ := strings.Cut(rest, " ")
	span, err := when.Span(word)
	switch {
	case err == nil:
		rest = strings.TrimSpace(reason)
	case word != "" && '0' <= word[0] && word[0] <= '9': // it was to be a time
		return n, advice(err.Error())
	default:
		span = sanctionTime
	}
	if span != when.Forever {
		n.Until = n.Made.Add(span)
	}
	if len(rest) > reasonMost {
		return n, advise("a reason has at most %d bytes and that has %d; nothing was done", reasonMost, len(rest))
	}
	n.Reason = rest
	return n, nil
}

// reasonMost is how long a reason may be, in bytes.
const reasonMost = 300

// logSanction logs a ban or a mute, with the address it is about or those of the
// sessions it hits.
func (s *session) logSanction(n *Sanction, hit []*session) {
	addresses := []string{n.whom()}
	if !n.Address.IsValid() {
		addresses = addresses[:0]
		for _, other := range hit {
			addresses = append(addresses, other.from())
		}
	}
	until := "forever"
	if !n.Until.IsZero() {
		until = n.Until.UTC().Format(time.RFC3339)
	}
	s.logDeed(n.act(), n.whom()).Str("address", strings.Join(addresses, " ")).Str("until", until).
		Str("reason", harmless(n.Reason)).Msg("moderation")
}

// concerned are the sessions that a sanction is about.
func (s *Server) concerned(n *Sanction) (list []*session) {
	if n.Key != "" {
		if other, _ := s.names.find(n.Name); other != nil {
			list = append(list, other)
		}
		return list
	}
	for _, other := range s.snapshot() {
		if n.about("", other.ip()) {
			list = append(list, other)
		}
	}
	return list
}

func (s *session) lift(mute bool, whom string) error {
	if whom == "" {
		return errUsage
	}
	lifted := s.srv.sanctions.lift(mute, whom)
	if len(lifted) == 0 {
		return advise("nothing of that kind holds for %s; /bans lists what does", whom)
	}
	for i := range lifted {
		s.logDeed("un"+lifted[i].act(), lifted[i].whom()).Msg("moderation")
	}
	if err := s.drop(lifted); err != nil {
		return err
	}
	return advise("%s is no longer %s", lifted[0].whom(), lifted[0].done())
}

func (s *session) bans(string) error {
	now := s.srv.clock()
	holding, over := s.srv.sanctions.list(now)
	if len(holding) == 0 {
		s.tell("nobody is banned or muted")
	}
	var out []byte
	for i := range holding {
		n := &holding[i]
		out = append(out, s.reply(fmt.Sprintf("#%d %s is %s by %s %s", n.ID, n.whom(), n.done(), n.By, n.sentence(now)))...)
	}
	if len(out) > 0 {
		s.answer(out)
	}
	return s.drop(over)
}

// muted is what somebody is told who may not speak; lost says what came of it.
func (s *session) muted(lost string) error {
	if s.home.raw || s.operator() || s.srv.sanctions.none() {
		return nil
	}
	now := s.srv.clock()
	n, holds := s.srv.sanctions.holding(true, name.Key(s.name), s.ip(), now)
	if !holds {
		return nil
	}
	return advise("you are muted by %s %s; %s", n.By, n.sentence(now), lost)
}
