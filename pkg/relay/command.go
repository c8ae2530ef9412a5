package relay

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/near"
	"github.com/chatd/chatd/internal/wire"
)

// command is one thing a person can ask for. Help is printed from the table.
type command struct {
	name  string
	args  string // as shown in help
	help  string // one sentence or two, as /help NAME shows them
	group group
	// run does it. An advice it returns is for the person, errUsage has them told
	// what to type, any other error is for the log.
	run func(s *session, args string) error
}

func (c *command) usage() string { return strings.TrimSpace("/" + c.name + " " + c.args) }

// errUsage is what a command returns whose arguments say nothing it can do.
var errUsage = errors.New("usage")

// advice is an error that a person may read: what is wrong, and what to do.
type advice string

func (a advice) Error() string { return string(a) }

func advise(format string, args ...any) error { return advice(fmt.Sprintf(format, args...)) }

func commandTable() []command {
	return []command{
		{"help", "[COMMAND]", "the commands there are, or what one of them does", talking, (*session).help},
		{"msg", "NAME TEXT", "say something to one person only, in whatever room; it is not kept", talking, (*session).message},
		{"me", "TEXT", "say what you do", talking, (*session).act},
		{"away", "[TEXT]", "say that you are away, and why; without a text you are back", talking, (*session).away},
		{"who", "", "who is here", talking, (*session).who},
		{"bot", "[NAME]", "as the first line: a program that wants no greeting, and perhaps has a name", talking, (*session).bot},
		{"json", "", "as the first line: a program that speaks JSON, an object a line", talking, (*session).json},
		{"quit", "", "leave", talking, (*session).quit},
		{"join", "ROOM [PASSWORD]", "go to another room; if there is none of that name it is made", aboutRooms, (*session).joinRoom},
		{"leave", "", "go back to the room where everyone begins", aboutRooms, (*session).leaveRoom},
		{"rooms", "", "the rooms there are, with the people in them; those that are locked are listed for those who may enter", aboutRooms, (*session).rooms},
		{"topic", "[TEXT]", "what this room is about: without a text it is shown, - takes it away", aboutRooms, (*session).setTopic},
		{"invite", "NAME", "call somebody here, also into a locked room", aboutRooms, (*session).invite},
		{"lock", "[PASSWORD]", "let nobody into this room but with the password or an invitation; your name has to be registered", aboutRooms, (*session).lock},
		{"unlock", "", "let everybody in again", aboutRooms, (*session).unlock},
		{"nick", "NAME", "take another name", aboutNames, (*session).nick},
		{"register", "", "make your name yours; you are asked for a password", aboutNames, (*session).register},
		{"login", "[NAME]", "take a name that is yours; you are asked for its password", aboutNames, (*session).logIn},
		{"resume", "CODE", "take the seat again that you left, or lost: your name, your room, and what was said there since; the greeting says the code", aboutNames, (*session).resume},
		{"takeover", "", "end your own other connection and take its name", aboutNames, (*session).takeover},
		{"whois", "NAME", "who somebody is", aboutNames, (*session).whois},
		{"last", "[N|TIME]", "show the last N messages again, 20 if N is left out, or those since a time such as 14:30", aboutHistory, (*session).last},
		{"show", "N|N-M", "show messages by their number", aboutHistory, (*session).show},
		{"search", "WORDS", "show the last messages with all of these words", aboutHistory, (*session).search},
		{"pair", "[CODE|off]", "have what is said appear in another window, so that what you type is not torn; it shows the code to type there as the first line", aboutScreen, (*session).pair},
		{"echo", "on|off", "whether your own lines come back to you", aboutScreen, (*session).echo},
		{"ignore", "[NAME]", "see no more of what somebody says; once more ends that, and without a name those you ignore are listed", aboutScreen, (*session).ignore},
		{"quiet", "on|off", "whether you are spared who joins and leaves", aboutScreen, (*session).quiet},
		{"bell", "on|off", "whether your terminal rings when somebody says your name", aboutScreen, (*session).setBell},
		{"kick", "NAME|#N [REASON]", "send somebody away; /sessions says the numbers", operators, (*session).kickWhom},
		{"ban", "NAME|ADDRESS[/BITS] [TIME] [REASON]", "send somebody away and keep them away, for an hour or a time such as 10m, 7d or forever; an IPv6 address stands for its /64", operators, (*session).ban},
		{"unban", "NAME|ADDRESS[/BITS]|#N", "let somebody come again; /bans says the numbers", operators, (*session).unban},
		{"mute", "NAME|ADDRESS[/BITS] [TIME] [REASON]", "let somebody only read, for an hour or a time such as 10m, 7d or forever", operators, (*session).mute},
		{"unmute", "NAME|ADDRESS[/BITS]|#N", "let somebody speak again; /bans says the numbers", operators, (*session).unmute},
		{"bans", "", "who is banned or muted, by whom, for how long and why", operators, (*session).bans},
		{"forget", "NAME", "delete all that somebody has said, in every room, for good", operators, (*session).forget},
		{"announce", "TEXT", "say something in every room", operators, (*session).announce},
		{"close", "", "turn newcomers away, but those on a Unix socket", operators, (*session).closeDoor},
		{"open", "", "let newcomers in again", operators, (*session).openDoor},
		{"pause", "[TIME]", "have newcomers wait, on every listener, for 10 minutes or a time such as 30s or 1h, the longest", operators, (*session).pause},
		{"resume-accepting", "", "let in those who wait since /pause", operators, (*session).resumeAccepting},
		{"sessions", "[NAME|#N|ADDRESS[/BITS]|ROOM]", "who is connected, from where, in which rooms, since when, silent for how long, and who does not read", operators, (*session).listSessions},
		{"stats", "", "how much goes on, and how the server is", operators, (*session).stats},
		{"unannounced", "", "before you first speak: others are not told that you come and go", operators, (*session).unannounced},
	}
}

// command runs one command line.
func (s *session) command(line string) {
	word, args, _ := strings.Cut(line[1:], " ")
	args = strings.TrimSpace(args)
	wanted := strings.ToLower(word)
	for i := range s.srv.commands {
		c := &s.srv.commands[i]
		if c.name != wanted {
			continue
		}
		if c.group == operators && !s.operator() {
			s.tell("/" + c.name + " is for operators; nothing was done")
			return
		}
		switch err := c.run(s, args); {
		case err == nil:
		case errors.Is(err, errUsage):
			s.tell("write " + c.usage())
		default:
			s.finished(fmt.Errorf("/%s: %w", c.name, err))
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

// finished tells what came of something asked for, if that was not plain to see.
func (s *session) finished(err error) {
	var a advice
	switch {
	case err == nil:
	case errors.As(err, &a):
		s.tell(a.Error())
	default:
		s.srv.log.Error().Err(err).Uint32("id", s.id).Msg("a command failed")
		s.tell("that failed; try again later")
	}
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
	if a, ok := s.srv.accounts.named(wanted); ok && a.Key != s.account() {
		if a.Name != wanted {
			return advise("that name looks like %s, which is registered; try /nick %s", a.Name, s.freeName(wanted))
		}
		return advise("%s is registered; /login %s if it is yours, or try /nick %s", wanted, wanted, s.freeName(wanted))
	}
	return s.takeName(wanted)
}

// freeName is a name like wanted that nobody has.
func (s *session) freeName(wanted string) string {
	for _, suffix := range []string{"_", "__", "-2", "-3", "-4"} {
		if n, err := name.Check(wanted + suffix); err == nil && s.srv.names.free(n) && !s.srv.accounts.has(n) {
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
	people    []someone // whom others know of, as far as asked for
	more      int
	listening int
}

// someone is one of them.
type someone struct {
	name string
	away bool
}

func (c census) String() string {
	var names []string
	for _, p := range c.people {
		if p.away {
			p.name += " (away)"
		}
		names = append(names, p.name)
	}
	list := strings.Join(names, ", ")
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
	r := s.here.room
	var c census
	if !r.call(s.done, func() { c = r.census(most) }) {
		return census{}, false // c may still be written
	}
	return c, true
}

func (s *session) message(args string) error {
	to, text, _ := strings.Cut(args, " ")
	if text = strings.TrimSpace(text); text == "" {
		return errUsage
	}
	as, err := s.whisper(to, text)
	if err != nil {
		return err
	}
	if why := s.srv.names.away(as); why != "" {
		return advise("%s is away: %s", as, why)
	}
	return nil
}

// whisper says something to one person only, whose name it returns as that one
// writes it.
func (s *session) whisper(to, text string) (as string, err error) {
	other, as := s.srv.names.find(to)
	if other == nil {
		return "", &fault{"no-such-person", advise("nobody here is called %s; not delivered", to)}
	}
	if other == s {
		return "", &fault{"not-delivered", advice("that is you; not delivered")}
	}
	if err := s.muted("not delivered"); err != nil {
		return "", faulty("muted", err)
	}
	if other.ignores(s.name, s.tag) {
		return "", &fault{"not-delivered", advise("%s does not want to hear you; not delivered", as)}
	}
	d := directed{from: s.name, to: as, at: s.srv.now(), text: text}
	// What was said to all before comes first.
	on := other.screen()
	if !on.out.PostAfter(s.settle(), on.direct(&d, "")) {
		return "", &fault{"not-delivered", advise("%s is not reading; not delivered", as)}
	}
	asking := ""
	if s.program != nil {
		asking = s.program.asking
	}
	d.own = true
	s.answer(s.direct(&d, asking))
	return as, nil
}

// directed is a message to one person only.
type directed struct {
	from, to string
	at       int64
	text     string
	own      bool // as its author sees it
}

// direct is a message for this session alone. id is its author's.
func (s *session) direct(d *directed, id string) []byte {
	f := format(s.format.Load())
	if f.isJSON() {
		return f.encode(directObject{
			kind: kind{"direct"}, From: quoted(d.from), To: quoted(d.to), Time: moment{time.Unix(0, d.at)},
			Text: quoted(d.text), answer: answer{quoted(id)},
		})
	}
	who := d.from + " to you"
	if d.own {
		who = "you to " + d.to
	}
	t := wire.Text{EOL: f.eol(), Zone: s.srv.cfg.Zone}
	const stamp = 16 // "14:30 ", ": " and the line's end
	line := make([]byte, 0, len(who)+len(d.text)+stamp)
	return t.Append(line, wire.Say, d.at, []byte(who), []byte(d.text))
}

func (s *session) act(args string) error {
	if args == "" {
		return errUsage
	}
	s.say(wire.Act, []byte(args))
	return nil
}

func (s *session) echo(args string) error {
	switch strings.ToLower(args) {
	case "on":
		s.see(s.tag)
		return advice("your own lines come back")
	case "off":
		if !slices.Contains(s.unseen, s.tag) {
			s.unsee(s.tag)
		}
		return advice("your own lines no longer come back")
	}
	return errUsage
}

// unsee leaves out what carries one of the tags, from here on, in every room.
func (s *session) unsee(tags ...uint32) {
	s.remask(append(slices.Clip(s.unseen), tags...))
}

// see ends unsee.
func (s *session) see(tags ...uint32) {
	s.remask(slices.DeleteFunc(slices.Clone(s.unseen), func(t uint32) bool { return slices.Contains(tags, t) }))
}

func (s *session) remask(tags []uint32) {
	s.unseen = tags
	for _, m := range s.seats() {
		s.doIn(m, func() { m.room.remask(m, tags) })
	}
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
