package relay

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/near"
	"github.com/chatd/chatd/internal/wire"
)

// command is one thing a person can ask for. Help is printed from the table.
type command struct {
	name string
	args string // as shown in help
	help string
	// run does it. An advice it returns is for the person, any other error for
	// the log.
	run func(s *session, args string) error
}

// advice is an error that a person may read: what is wrong, and what to do.
type advice string

func (a advice) Error() string { return string(a) }

func advise(format string, args ...any) error { return advice(fmt.Sprintf(format, args...)) }

func commandTable() []command {
	return []command{
		{"help", "", "this list", (*session).help},
		{"nick", "NAME", "take another name", (*session).nick},
		{"who", "", "who is here", (*session).who},
		{"msg", "NAME TEXT", "say something to one person only; it is not kept", (*session).message},
		{"me", "TEXT", "say what you do", (*session).act},
		{"last", "[N]", "show the last N messages again, 20 if N is left out", (*session).last},
		{"show", "N or N-M", "show messages by their number", (*session).show},
		{"echo", "on|off", "whether your own lines come back to you", (*session).echo},
		{"quit", "", "leave", (*session).quit},
		{"bot", "[NAME]", "as the first line: a program that wants no greeting", (*session).bot},
	}
}

// command runs one command line.
func (s *session) command(line string) {
	word, args, _ := strings.Cut(line[1:], " ")
	args = strings.TrimSpace(args)
	for _, c := range s.srv.commands {
		if c.name != strings.ToLower(word) {
			continue
		}
		err := c.run(s, args)
		var a advice
		switch {
		case errors.As(err, &a):
			s.tell(a.Error())
		case err != nil:
			s.srv.log.Error().Err(err).Uint32("id", s.id).Str("command", c.name).Msg("a command failed")
			s.tell("/" + c.name + " failed; try again later")
		}
		return
	}
	names := make([]string, len(s.srv.commands))
	for i, c := range s.srv.commands {
		names[i] = c.name
	}
	text := "there is no /" + word + ", and nothing was sent; /help lists the commands, //" + word + " sends the line as text"
	if meant, ok := near.Find(strings.ToLower(word), names); ok {
		text = "there is no /" + word + ", and nothing was sent; did you mean /" + meant + "?"
	}
	s.tell(text)
}

func (s *session) help(string) error {
	var out []byte
	for _, c := range s.srv.commands {
		usage := strings.TrimSpace("/" + c.name + " " + c.args)
		out = append(out, s.line(fmt.Sprintf("%-16s %s", usage, c.help))...)
	}
	out = append(out, s.line(fmt.Sprintf("%-16s %s", "//TEXT", "say a text that begins with a slash"))...)
	s.answer(out)
	return nil
}

func (s *session) nick(args string) error {
	if args == "" {
		return advise("you are %s; /nick NAME changes it", s.name)
	}
	wanted, err := name.Check(args)
	if err != nil {
		return advice(err.Error())
	}
	if wanted == s.name {
		return advise("you are %s already", s.name)
	}
	if name.IsGuest(wanted) {
		return advise("%s is a name for guests; choose another", wanted)
	}
	if taken, ok := s.srv.names.claim(s, s.name, wanted); !ok {
		if taken == wanted {
			return advise("%s is taken; try /nick %s", wanted, s.freeName(wanted))
		}
		return advise("that name looks like %s, who is here; try /nick %s", taken, s.freeName(wanted))
	}
	was := s.name
	s.name, s.label = wanted, []byte(wanted)
	r, m := s.room, s.member
	if !s.present {
		s.appear()
		return nil
	}
	s.do(func() { r.rename(m, was, wanted) })
	return nil
}

// freeName is a name like wanted that nobody has.
func (s *session) freeName(wanted string) string {
	for _, suffix := range []string{"_", "__", "-2", "-3", "-4"} {
		if n, err := name.Check(wanted + suffix); err == nil && s.srv.names.free(n) {
			return n
		}
	}
	return "NAME"
}

// whoMost is how many names are listed.
const whoMost = 100

func (s *session) who(string) error {
	c, ok := s.census(whoMost)
	if !ok {
		return nil
	}
	return advice("here: " + c.String())
}

// census is who is in a room.
type census struct {
	names     []string // of those that others know of, as far as asked for
	more      int
	listening int
}

func (c census) String() string {
	list := strings.Join(c.names, ", ")
	if c.more > 0 {
		list += fmt.Sprintf(" and %d more", c.more)
	}
	switch {
	case c.listening > 0 && list == "":
		return fmt.Sprintf("%d listening", c.listening)
	case c.listening > 0:
		list += fmt.Sprintf(" and %d listening", c.listening)
	case list == "":
		list = "nobody"
	}
	return list
}

// census asks the broadcaster who is in the session's room.
func (s *session) census(most int) (census, bool) {
	r := s.room
	var c census
	if !r.call(s.done, func() { c = r.census(most) }) {
		return census{}, false // c may still be written
	}
	return c, true
}

func (s *session) message(args string) error {
	to, text, _ := strings.Cut(args, " ")
	if text = strings.TrimSpace(text); text == "" {
		return advice("write /msg NAME TEXT")
	}
	other, as := s.srv.names.find(to)
	if other == nil {
		return advise("nobody here is called %s; not delivered", to)
	}
	if other == s {
		return advice("that is you; not delivered")
	}
	s.settle() // what was said to all before comes first
	if !other.out.PostAfter(s.settled.Load(), other.direct(s.name+" to you", text)) {
		return advise("%s is not reading; not delivered", as)
	}
	s.answer(s.direct("you to "+as, text))
	return nil
}

// direct is a message for this session alone.
func (s *session) direct(who, text string) []byte {
	t := wire.Text{EOL: format(s.format.Load()).eol(), Zone: s.srv.cfg.Zone}
	const stamp = 16 // "14:30 ", ": " and the line's end
	line := make([]byte, 0, len(who)+len(text)+stamp)
	return t.Append(line, wire.Say, s.srv.now(), []byte(who), []byte(text))
}

func (s *session) act(args string) error {
	if args == "" {
		return advice("write /me TEXT")
	}
	s.say(wire.Act, []byte(args))
	return nil
}

func (s *session) echo(args string) error {
	r, m := s.room, s.member
	var tag uint32
	switch strings.ToLower(args) {
	case "on":
	case "off":
		tag = s.id
	default:
		return advice("write /echo on or /echo off")
	}
	s.do(func() { r.remask(m, tag) })
	if tag != 0 {
		return advice("your own lines no longer come back")
	}
	return advice("your own lines come back")
}

// bot comes too late to be spared the greeting, or open has seen to that.
func (s *session) bot(args string) error {
	if args == "" {
		return nil
	}
	return s.nick(args)
}

func (s *session) quit(string) error {
	s.end(endQuit)
	return nil
}

func (s *session) last(args string) error {
	n := 20
	if args != "" {
		var err error
		if n, err = strconv.Atoi(args); err != nil || n < 1 {
			return advice("write /last or /last N, with N the number of messages")
		}
	}
	j := s.room.journal
	from := j.ring.Back(n)
	head := j.ring.Head()
	switch count := head.Index - from.Index; {
	case count == 0:
		return advice("nothing has been said yet")
	case count < uint64(n):
		s.tell(fmt.Sprintf("the last %s, all that are kept:", plural(count, "message")))
	default:
		s.tell(fmt.Sprintf("the last %s:", plural(count, "message")))
	}
	s.replay(j, from, head.Seq)
	return nil
}

func (s *session) show(args string) error {
	a, b, isRange := strings.Cut(strings.ReplaceAll(strings.ReplaceAll(args, "–", "-"), "#", ""), "-")
	if !isRange {
		b = a
	}
	first, err1 := strconv.ParseUint(strings.TrimSpace(a), 10, 64)
	last, err2 := strconv.ParseUint(strings.TrimSpace(b), 10, 64)
	if err1 != nil || err2 != nil || first == 0 || last < first {
		return advice("write /show N or /show N-M, with the numbers of messages")
	}
	j := s.room.journal
	newest := j.ring.Head().Seq
	switch oldest := j.oldest(); {
	case first > newest:
		return advise("the newest message is #%d", newest)
	case last < oldest:
		return advise("messages before #%d are no longer kept", oldest)
	case first < oldest:
		s.tell(fmt.Sprintf("messages before #%d are no longer kept; the rest:", oldest))
	case first == min(last, newest):
		s.tell(fmt.Sprintf("message #%d:", first))
	default:
		s.tell(fmt.Sprintf("messages #%d–#%d:", first, min(last, newest)))
	}
	s.replay(j, j.ring.Seek(first), min(last, newest))
	return nil
}

func plural(n uint64, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
