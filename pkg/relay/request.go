package relay

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/chatd/chatd/internal/wire"
)

// idMost is how long the id of a request may be, in bytes.
const idMost = 64

// request is an object that a program sends. docs/protocol.md says what each field
// means, and to which type it belongs.
type request struct {
	Type string `json:"type"`
	ID   string `json:"id"`

	wanted
	Rooms  *[]wanted `json:"rooms"`
	Text   string    `json:"text"`
	Words  string    `json:"words"`
	To     string    `json:"to"`
	Act    bool      `json:"act"`
	Before *uint64   `json:"before"`
	Count  *int      `json:"count"`

	Version        *int   `json:"version"`
	Name           string `json:"name"`
	ServerPassword string `json:"server_password"`
	Session        string `json:"session"`
	Echo           *bool  `json:"echo"`
	Bot            bool   `json:"bot"`
}

// wanted is a room to be in, and from where on.
type wanted struct {
	Room     string       `json:"room"`
	Password string       `json:"password"`
	After    *afterObject `json:"after"`
	History  *int         `json:"history"`
}

// afterObject is a position, or in a request for history a number alone.
type afterObject struct {
	place
	number bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (a *afterObject) UnmarshalJSON(b []byte) error {
	if a.number = len(b) > 0 && b[0] != '{'; a.number {
		return json.Unmarshal(b, &a.Seq)
	}
	return json.Unmarshal(b, &a.place)
}

// parseRequest reads one object. What is wrong with it is a *fault.
func parseRequest(line []byte) (*request, error) {
	q := new(request)
	if err := json.Unmarshal(line, q); err != nil {
		return q, wrongRequest(err)
	}
	switch {
	case q.Type == "":
		return q, &fault{"missing", advice("an object has to have a type; docs/protocol.md lists them")}
	case len(q.ID) > idMost:
		id := len(q.ID)
		q.ID = ""
		return q, &fault{"invalid", advise("an id has at most %d bytes, and that has %d", idMost, id)}
	}
	return q, nil
}

func wrongRequest(err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field == "":
		return &fault{"syntax", advise("that is a JSON %s, and has to be an object", wrong.Value)}
	case errors.As(err, &wrong):
		return &fault{"invalid", advise("%s cannot be a %s", wrong.Field[strings.LastIndexByte(wrong.Field, '.')+1:], wrong.Value)}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &fault{"syntax", advice("that object has no end; each has to be on one line")}
	}
	return &fault{"syntax", advise("that is no JSON object: %s", strings.TrimPrefix(err.Error(), "json: "))}
}

// takeRequest does what one object asks for.
func (s *session) takeRequest(line []byte) {
	first := s.nin == 0
	if line = bytes.TrimSpace(line); len(line) == 0 {
		return
	}
	s.count()
	if first && string(line) == "/json" || !s.pace() {
		s.unsaid = s.why.Load() != nil
		return
	}
	q, err := parseRequest(line)
	if err == nil && !s.program.met && q.Type != "hello" {
		if err = s.hello(&request{}); s.why.Load() != nil {
			return
		}
	}
	s.program.asking = q.ID
	if err == nil {
		err = s.request(q)
	}
	s.answerFault(err, q.Room)
	s.program.asking = ""
}

// request does what q asks for, or returns why not.
func (s *session) request(q *request) error {
	switch q.Type {
	case "hello":
		if s.program.met {
			return &fault{"invalid", advice("hello was said already")}
		}
		return s.hello(q)
	case "say":
		return s.requestSay(q)
	case "direct":
		return s.requestDirect(q)
	case "join":
		return s.requestJoin(&q.wanted)
	case "leave":
		return s.requestLeave(q)
	case "history":
		return s.requestHistory(q)
	case "search":
		return s.requestSearch(q)
	case "who":
		return s.requestWho(q)
	case "rooms":
		return s.requestRooms()
	case "nick":
		return s.requestNick(q)
	case "login":
		return s.requestLogin(q)
	case "register":
		return s.requestRegister(q)
	case "command":
		return s.requestCommand(q)
	case "ping":
		s.send(textObject{kind: kind{"pong"}, answer: s.replyTo()})
		return nil
	case "quit":
		s.end(endQuit)
		return nil
	}
	return &fault{"unknown-type", advise("there is no request of type %.40q", q.Type)}
}

// answerFault tells a program why what it asked for was not done.
func (s *session) answerFault(err error, room string) {
	if err == nil {
		return
	}
	var a advice
	o := errorObject{kind: kind{"error"}, Code: "invalid", Room: quoted(room), answer: s.replyTo()}
	var f *fault
	if errors.As(err, &f) {
		o.Code = f.code
	}
	if errors.As(err, &a) {
		o.Text = quoted(a)
	} else {
		s.srv.log.Error().Err(err).Uint32("id", s.id).Msg("a request failed")
		o.Code, o.Text = "internal", "that failed; try again later"
	}
	s.send(o)
}

// replyTo is what the answer to the present request carries.
func (s *session) replyTo() answer { return answer{ID: quoted(s.program.asking)} }

// send tells a program something, after all it has said before, and in pace with its
// reading. It is for the session's own goroutine.
func (s *session) send(object any) { s.answer(s.encode(object)) }

// encode makes what a program is told. Any goroutine may call it.
func (s *session) encode(object any) []byte { return format(s.format.Load()).encode(object) }

// inRoom selects the room that a request is about.
func (s *session) inRoom(named string) (*member, error) {
	p := s.program
	for _, m := range p.rooms {
		if named == "" || sameRoom(m.room.key.name, named) {
			s.here = m
			return m, nil
		}
	}
	if named == "" {
		return nil, &fault{"not-there", advice("you are in no room; join one first")}
	}
	return nil, &fault{"not-there", advise("you are not in %s; join it first", named)}
}

func (s *session) requestCommand(q *request) error {
	if _, err := s.inRoom(q.Room); err != nil {
		return err
	}
	text, isCommand := commandLine([]byte(q.Text))
	if !isCommand || bytes.ContainsAny(text, "\r\n") {
		return &fault{"invalid", advice("a command is one line that begins with a slash, such as /whois ana")}
	}
	word, _, _ := strings.Cut(string(text[1:]), " ")
	switch word = strings.ToLower(word); word {
	case "join", "leave", "nick", "login", "register", "resume", "pair", "bot", "json", "last", "show", "search", "msg", "bell":
		return &fault{"use-request", advise("programs have a request of their own in place of /%s", word)}
	}
	s.command(string(text))
	s.send(textObject{kind: kind{"done"}, answer: s.replyTo()})
	return nil
}

func (s *session) requestNick(q *request) error {
	if q.Name == "" {
		return &fault{"missing", advice("nick needs a name")}
	}
	before := s.name
	err := s.programName(q.Name)
	if err == nil && s.name == before {
		s.tellSelf()
	}
	return err
}

func (s *session) requestLogin(q *request) error {
	if q.Name == "" || q.Password == "" {
		return &fault{"missing", advice("login needs a name and its password")}
	}
	return s.logInAs(q.Name, q.Password)
}

func (s *session) requestRegister(q *request) error {
	if q.Password == "" {
		return &fault{"missing", advice("register needs a password")}
	}
	if err := s.mayRegister(); err != nil {
		return faulty("name-refused", err)
	}
	return faulty("invalid", s.enrolChecked(q.Password))
}

func (s *session) requestWho(q *request) error {
	m, err := s.inRoom(q.Room)
	if err != nil {
		return err
	}
	c, ok := s.census(whoMost)
	if !ok {
		return nil
	}
	s.send(peopleObject{kind: kind{"people"}, Room: quoted(m.room.key.name), crowdObject: c.object(), answer: s.replyTo()})
	return nil
}

// object is a census as programs are told it.
func (c census) object() crowdObject {
	o := crowdObject{People: make([]personObject, len(c.people)), More: c.more, Listening: c.listening}
	for i, p := range c.people {
		o.People[i] = personObject{quoted(p.name), p.away}
	}
	return o
}

func (s *session) requestRooms() error {
	list := s.srv.roomList(s)
	o := roomsObject{kind: kind{"rooms"}, Rooms: []roomObject{}, More: max(len(list)-roomsMost, 0), answer: s.replyTo()}
	for _, r := range list[:len(list)-o.More] {
		o.Rooms = append(o.Rooms, roomObject{
			Room: quoted(r.Name), People: r.People, Topic: quoted(r.Topic), Locked: r.Locked, Spoken: moment{r.Spoken},
		})
	}
	s.send(o)
	return nil
}

const (
	historyCount = 50  // messages of a page
	historyMost  = 500 // at most
	searchLimit  = 100
	// pageMost is about how many bytes of text a page has at most.
	pageMost = 64 << 10
)

// counted is how many of something are asked for.
func counted(asked *int, otherwise, most int) (int, error) {
	switch {
	case asked == nil:
		return otherwise, nil
	case *asked < 1 || *asked > most:
		return 0, &fault{"invalid", advise("count is from 1 to %d", most)}
	}
	return *asked, nil
}

func (s *session) requestHistory(q *request) error {
	m, err := s.inRoom(q.Room)
	if err != nil {
		return err
	}
	n, err := counted(q.Count, historyCount, historyMost)
	if err != nil {
		return err
	}
	if q.Before != nil && q.After != nil {
		return &fault{"invalid", advice("history goes before or after a number, not both")}
	}
	room, newest := m.room.key.name, s.upToHere()
	ctx, cancel := s.recalling()
	defer cancel()
	var page []Message
	if q.After != nil {
		page, err = s.srv.journal.From(ctx, room, q.After.Seq+1, n)
		page = upTo(page, newest)
	} else {
		before := newest + 1
		if q.Before != nil {
			before = min(before, *q.Before)
		}
		page, err = s.srv.journal.Before(ctx, room, before, n)
	}
	if err != nil {
		return faulty("internal", s.recallFailed(err))
	}
	page = within(page, pageMost, q.After == nil)
	more := len(page) > 0 && s.srv.journal.First(room) < page[0].Seq
	if q.After != nil {
		more = len(page) > 0 && page[len(page)-1].Seq < newest
	}
	s.sendPage(room, page, more)
	return nil
}

// within are the messages of a page that fit, from one end of it.
func within(page []Message, most int, newest bool) []Message {
	size := 0
	for i := range page {
		m := &page[i]
		if newest {
			m = &page[len(page)-1-i]
		}
		if size += len(m.Text); size > most && i > 0 {
			if newest {
				return page[len(page)-i:]
			}
			return page[:i]
		}
	}
	return page
}

func (s *session) requestSearch(q *request) error {
	m, err := s.inRoom(q.Room)
	if err != nil {
		return err
	}
	n, err := counted(q.Count, searchMost, searchLimit)
	if err != nil {
		return err
	}
	if strings.TrimSpace(q.Words) == "" {
		return &fault{"missing", advice("search needs words")}
	}
	room, before := m.room.key.name, s.upToHere()+1
	if q.Before != nil {
		before = min(before, *q.Before)
	}
	ctx, cancel := s.recalling()
	defer cancel()
	found, err := s.srv.search(ctx, s.done, room, q.Words, before, n)
	if err != nil {
		return faulty("internal", s.recallFailed(err))
	}
	full := len(found) == n
	page := within(found, pageMost, true)
	s.sendPage(room, page, full || len(page) < len(found))
	return nil
}

// sendPage answers with messages, less those of whom the program ignores.
func (s *session) sendPage(room string, page []Message, more bool) {
	o := messagesObject{kind: kind{"messages"}, Room: quoted(room), Messages: []json.RawMessage{}, More: more, answer: s.replyTo()}
	j := wire.JSON{Room: room}
	for i := range page {
		m := &page[i]
		if m.Kind == KindHole || s.ignores(string(m.Author), 0) {
			continue
		}
		if j.Epoch != m.Epoch {
			j = wire.JSON{Room: room, Epoch: m.Epoch}
		}
		o.Messages = append(o.Messages, j.AppendMessage(nil, wire.Kind(m.Kind), m.Seq, m.Time, m.Author, m.ID, m.Text))
	}
	s.send(o)
}
