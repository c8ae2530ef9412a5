package client

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// answers has the server take the next request, which is compared with want but for its
// id, and answer it. %q in the answers stands for the id.
func (p *peer) answers(want fields, answers ...string) {
	q := p.want(want["type"].(string))
	id := q["id"]
	delete(q, "id")
	if diff := cmp.Diff(want, q); diff != "" {
		p.t.Errorf("another request came (-want +got):\n%s", diff)
	}
	for _, a := range answers {
		p.send(a, id)
	}
}

func TestRequests(t *testing.T) {
	nothing := func() (any, error) { return nil, nil }
	message := Message{Room: "lobby", Position: Position{1, 9}, From: "bob", Text: "tea", Kind: KindTopic, Old: true}
	for name, c := range map[string]struct {
		ask    func(user) (any, error)
		want   fields
		answer string
		result any
		then   Event // nil: none
	}{
		"join": {
			ask: func(u user) (any, error) {
				return u.Join(ctx, RoomOptions{Room: "Tea", Password: "milk", After: Position{3, 4}, History: 9})
			},
			want:   fields{"type": "join", "room": "Tea", "password": "milk", "after": map[string]any{"epoch": 3.0, "seq": 4.0}},
			answer: `{"type":"joined","room":"tea","locked":true,"more":3,"after":{"epoch":3,"seq":4},"id":%q}`,
			result: Joined{Room: "tea", Locked: true, More: 3, After: Position{3, 4}},
			then:   Joined{Room: "tea", Locked: true, More: 3, After: Position{3, 4}},
		},
		"join with history": {
			ask:    func(u user) (any, error) { return u.Join(ctx, RoomOptions{Room: "tea", History: 9}) },
			want:   fields{"type": "join", "room": "tea", "history": 9.0},
			answer: `{"type":"joined","room":"tea","id":%q}`,
			result: Joined{Room: "tea"},
			then:   Joined{Room: "tea"},
		},
		"join without": {
			ask:    func(u user) (any, error) { return u.Join(ctx, RoomOptions{Room: "tea", History: None}) },
			want:   fields{"type": "join", "room": "tea", "history": 0.0},
			answer: `{"type":"joined","room":"tea","id":%q}`,
			result: Joined{Room: "tea"},
			then:   Joined{Room: "tea"},
		},
		"leave": {
			ask:    func(u user) (any, error) { return nil, u.Leave(ctx, "lobby") },
			want:   fields{"type": "leave", "room": "lobby"},
			answer: `{"type":"left","room":"lobby","text":"you left","id":%q}`,
			then:   Left{Room: "lobby", Text: "you left"},
		},
		"before": {
			ask:    func(u user) (any, error) { return u.HistoryBefore(ctx, "lobby", 10, 500) },
			want:   fields{"type": "history", "room": "lobby", "before": 10.0, "count": 500.0},
			answer: `{"type":"messages","room":"lobby","messages":[{"type":"message","room":"lobby","epoch":1,"seq":9,"from":"bob","kind":"topic","text":"tea"}],"more":true,"id":%q}`,
			result: Page{Room: "lobby", Messages: []Message{message}, More: true},
		},
		"newest": {
			ask:    func(u user) (any, error) { return u.HistoryBefore(ctx, "", 0, 0) },
			want:   fields{"type": "history"},
			answer: `{"type":"messages","room":"lobby","messages":[],"id":%q}`,
			result: Page{Room: "lobby"},
		},
		"after": {
			ask:    func(u user) (any, error) { return u.HistoryAfter(ctx, "lobby", 0, 0) },
			want:   fields{"type": "history", "room": "lobby", "after": 0.0},
			answer: `{"type":"messages","room":"lobby","more":false,"id":%q}`,
			result: Page{Room: "lobby"},
		},
		"search": {
			ask:    func(u user) (any, error) { return u.Search(ctx, "lobby", "tea milk", 100, 7) },
			want:   fields{"type": "search", "room": "lobby", "words": "tea milk", "before": 100.0, "count": 7.0},
			answer: `{"type":"messages","room":"lobby","messages":[{"epoch":1,"seq":9,"from":"bob","kind":"topic","text":"tea"}],"id":%q}`,
			result: Page{Room: "lobby", Messages: []Message{message}},
		},
		"who": {
			ask:    func(u user) (any, error) { return u.Who(ctx, "lobby") },
			want:   fields{"type": "who", "room": "lobby"},
			answer: `{"type":"people","room":"lobby","people":[{"name":"ana","away":true}],"more":2,"listening":3,"id":%q}`,
			result: People{Room: "lobby", People: []Person{{Name: "ana", Away: true}}, More: 2, Listening: 3},
		},
		"rooms": {
			ask:    func(u user) (any, error) { return u.Rooms(ctx) },
			want:   fields{"type": "rooms"},
			answer: `{"type":"rooms","rooms":[{"room":"tea","people":2,"topic":"milk","locked":true,"spoken":"2026-11-20T09:42:00.123Z"}],"more":1,"id":%q}`,
			result: RoomList{More: 1, Rooms: []RoomInfo{
				{Room: "tea", People: 2, Topic: "milk", Locked: true, Spoken: time.Date(2026, 11, 20, 9, 42, 0, 123e6, time.UTC)},
			}},
		},
		"direct": {
			ask:    func(u user) (any, error) { return u.Client.Direct(ctx, "bob", "psst") },
			want:   fields{"type": "direct", "to": "bob", "text": "psst"},
			answer: `{"type":"direct","from":"ana","to":"bob","text":"psst","id":%q}`,
			result: Direct{From: "ana", To: "bob", Text: "psst"},
		},
		"command": {
			ask:  func(u user) (any, error) { return u.Command(ctx, "lobby", "/whois bob") },
			want: fields{"type": "command", "room": "lobby", "text": "/whois bob"},
			answer: `{"type":"notice","text":"bob is a guest","id":%[1]q}` + "\n" + `{"type":"notice","text":"of somebody else"}` + "\n" +
				`{"type":"notice","room":"lobby","text":"here for 3 min","id":%[1]q}` + "\n" + `{"type":"done","id":%[1]q}`,
			result: []Notice{{Text: "bob is a guest"}, {Room: "lobby", Text: "here for 3 min"}},
			then:   Notice{Text: "of somebody else"},
		},
		"nick": {
			ask:    func(u user) (any, error) { return nil, u.Nick(ctx, "eva") },
			want:   fields{"type": "nick", "name": "eva"},
			answer: `{"type":"you","name":"eva","id":%q}`,
			then:   You{Name: "eva"},
		},
		"login": {
			ask:    func(u user) (any, error) { return u.Login(ctx, "eva", "secret") },
			want:   fields{"type": "login", "name": "eva", "password": "secret"},
			answer: `{"type":"you","name":"eva","registered":true,"operator":true,"id":%q}`,
			result: You{Name: "eva", Registered: true, Operator: true},
			then:   You{Name: "eva", Registered: true, Operator: true},
		},
		"register": {
			ask:    func(u user) (any, error) { return u.Register(ctx, "secret") },
			want:   fields{"type": "register", "password": "secret"},
			answer: `{"type":"you","name":"ana","registered":true,"id":%q}`,
			result: You{Name: "ana", Registered: true},
			then:   You{Name: "ana", Registered: true},
		},
		"ping": {
			ask:    func(u user) (any, error) { return nil, u.Ping(ctx) },
			want:   fields{"type": "ping"},
			answer: `{"type":"pong","id":%q}`,
		},
	} {
		if c.result == nil {
			c.result, _ = nothing()
		}
		t.Run(name, func(t *testing.T) {
			simulate(t, Options{}, func(f *fake, u user, p *peer) {
				go p.answers(c.want, c.answer)
				got, err := c.ask(u)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.result, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				if c.then != nil {
					u.wants(c.then)
				}
				u.wantsNothing()
				if name == "ping" {
					return
				}
				go p.answers(c.want, `{"type":"error","code":"denied","text":"no","id":%q}`)
				if _, err := c.ask(u); !errors.Is(err, &Error{Code: Denied}) {
					t.Errorf("of a refusal it says %v", err)
				}
				u.wantsNothing()
			})
		})
	}
}

// A question is asked again if the connection is lost before the answer; what must not
// be done twice is not.
func TestAsksAgain(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		who, direct, command := make(chan error), make(chan error), make(chan error)
		go func() {
			_, err := u.Who(ctx, "lobby")
			who <- err
		}()
		p.want("who")
		go func() {
			_, err := u.Client.Direct(ctx, "bob", "psst")
			direct <- err
		}()
		p.want("direct")
		go func() {
			_, err := u.Command(ctx, "lobby", "/topic tea")
			command <- err
		}()
		p.send(`{"type":"notice","text":"so far","id":%q}`, p.want("command")["id"])
		p.Close()
		for _, c := range []chan error{direct, command} {
			if err := <-c; !errors.Is(err, ErrUnsure) || !errors.Is(err, io.EOF) {
				t.Errorf("of what may have been done it says %v", err)
			}
		}
		p = <-f.conns
		p.hello()
		p.lobby(1, 10)
		p.answers(fields{"type": "who", "room": "lobby"}, `{"type":"people","room":"lobby","id":%q}`)
		if err := <-who; err != nil {
			t.Error(err)
		}
	})
}

func TestNickRefused(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		go p.answers(fields{"type": "nick", "name": "bob"},
			`{"type":"error","code":"name-taken","text":"bob is taken; try /nick bob_","id":%q}`)
		err := u.Nick(ctx, "bob")
		if !errors.Is(err, &Error{Code: NameTaken}) || err.Error() != "bob is taken; try /nick bob_" {
			t.Errorf("Nick says %v", err)
		}
	})
}

// What the client has become is what it wants to be again.
func TestKeepsItsName(t *testing.T) {
	simulate(t, Options{Name: "ana", Password: "old", Session: "0123456789abcdef"}, func(f *fake, u user, p *peer) {
		again := func(name, password any) {
			t.Helper()
			p.Close()
			p = <-f.conns
			if h := p.hello(); h["name"] != name || h["password"] != password || h["session"] != "0123456789abcdef" {
				t.Errorf("it says hello by %v", h)
			}
			p.lobby(1, 10)
			synctest.Wait()
		}
		again("ana", "old")
		p.send(`{"type":"you","name":"guest7"}`) // not what it wants
		again("ana", "old")
		go p.answers(fields{"type": "login", "name": "eva", "password": "secret"}, `{"type":"you","name":"Eva","registered":true,"id":%q}`)
		if _, err := u.Login(ctx, "eva", "secret"); err != nil {
			t.Error(err)
		}
		again("Eva", "secret")
		p.send(`{"type":"you","name":"ida"}`)
		again("ida", nil)
		if u.Name() != "ana" { // which is what the server says each time
			t.Errorf("it is %s", u.Name())
		}
	})
}
