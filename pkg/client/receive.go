package client

import "slices"

// receive does what an object says. It returns the event to be told, or nil. Bye is the
// end of the connection, and an error.
func (c *Client) receive(o *object, helloID string) (Event, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.waiting(o.ID)
	e := c.learn(o, r, helloID)
	switch {
	case o.Type == "bye":
		return nil, &ByeError{Code: Bye(o.Code), Text: o.Text}
	case r == nil:
	case o.Type == "error":
		c.finish(r, o.refusal())
	case r.takes(o):
		c.answered(r)
	}
	return e, nil
}

// answered ends r, which has all its answers. It is called with mu held.
func (c *Client) answered(r *request) {
	c.remove(r)
	if r.done != nil {
		close(r.done)
	}
}

// learn keeps the state up to date. R is the request that o answers, or nil. It is
// called with mu held.
func (c *Client) learn(o *object, r *request, helloID string) Event {
	if e, known := c.learnRoom(o, r); known {
		return e
	}
	switch o.Type {
	case "message":
		return c.heard(o)
	case "notice":
		if o.ID == "" {
			return Notice{Room: o.Room, Text: o.Text}
		}
	case "direct":
		if o.ID == "" {
			return o.direct()
		}
	case "you":
		c.state.become(o.you())
		return o.you()
	case "error":
		if r == nil && (o.ID == "" || o.ID == helloID) {
			return c.refused(o)
		}
	}
	return nil
}

// learnRoom is learn for what is about a room and is no message.
func (c *Client) learnRoom(o *object, r *request) (e Event, known bool) {
	at := c.state.find(o.Room)
	switch o.Type {
	case "joined":
		return c.entered(o, r), true
	case "left":
		c.state.forget(o.Room)
		return Left{Room: o.Room, Text: o.Text}, true
	case "live":
		if at != nil {
			at.reach(o.position())
			if o.People != nil { // who came in between is in no presence
				at.meet(o)
			}
		}
		return Live{Room: o.Room, Position: o.position()}, true
	case "gap":
		if at != nil {
			at.skip(o.Last)
		}
		return Gap{Room: o.Room, Missing: o.Missing, First: o.First, Last: o.Last, Kept: o.Kept}, true
	case "reset":
		reset := Reset{Room: o.Room, Epoch: o.Epoch, After: o.After, Text: o.Text}
		if at != nil && !at.begin(reset) {
			return nil, true
		}
		return reset, true
	case "presence":
		return c.moved(o, at), true
	case "people":
		if at == nil {
			return nil, true
		}
		at.meet(o)
		if r != nil && r.own {
			at.refreshing = false
			return o.people(), true
		}
		return nil, true
	}
	return nil, false
}

// entered notes that the client is in a room: by a request, or by hello. It is called
// with mu held.
func (c *Client) entered(o *object, r *request) Event {
	var wish RoomOptions
	if r != nil && r.join != nil {
		wish = *r.join
	} else {
		wish = c.state.answered().RoomOptions
	}
	j := o.joined()
	at := c.state.find(o.Room)
	if at == nil {
		at = new(room)
		c.state.rooms = append(c.state.rooms, at)
	} else {
		j.Again = !at.in
	}
	at.enter(o, wish.Password)
	return j
}

// heard notes a message. It is called with mu held.
func (c *Client) heard(o *object) Event {
	m := o.message()
	if at := c.state.find(m.Room); at != nil && !at.hear(&m, c.state.seed) {
		return nil
	}
	return m
}

// moved notes who came or went. If that were too many to be named, it asks who is
// there. It is called with mu held.
func (c *Client) moved(o *object, at *room) Event {
	p := Presence{Room: o.Room, What: o.Event, Name: o.Name, Now: o.Now, Text: o.Text}
	if at == nil {
		return p
	}
	at.move(p)
	if p.What == ManyMoved && !at.refreshing && !c.o.SendOnly {
		at.refreshing = true
		q := ask{Type: "who", ID: newID(), Room: o.Room}
		c.pending = append(c.pending, &request{
			id: q.ID, line: encode(q), own: true,
			takes:   func(*object) bool { return true },
			dropped: func(error) { at.refreshing = false },
		})
		c.wakeUp()
	}
	return p
}

// refused notes what no method waits for: the name, or a room, that hello asked for. It
// is called with mu held.
func (c *Client) refused(o *object) Event {
	refusal := o.refusal()
	at := slices.IndexFunc(c.state.asking, func(a asked) bool { return a.Room == o.Room })
	if at < 0 || o.Room == "" && !aboutRoom(o.Code) {
		return Refused{Err: refusal}
	}
	a := c.state.asking[at]
	c.state.asking = slices.Delete(c.state.asking, at, at+1)
	if !a.known {
		return Refused{Err: refusal}
	}
	c.state.forget(a.Room)
	return Left{Room: a.Room, Text: refusal.Text, Err: refusal}
}

// aboutRoom tells whether a refusal that names none may be of the room everyone begins
// in.
func aboutRoom(code Code) bool {
	return code == NoSuchRoom || code == RoomRefused || code == Locked || code == TooManyRooms
}
