package relay

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/chatd/chatd/internal/feed"
	"github.com/chatd/chatd/internal/wire"
)

// The objects that programs are sent, but for those of a room's feed, which wire.JSON
// renders. docs/protocol.md says what each field means.
type (
	place struct {
		Epoch uint64 `json:"epoch"`
		Seq   uint64 `json:"seq"`
	}
	welcomeObject struct {
		kind
		Version  int     `json:"version"`
		Server   quoted  `json:"server"`
		Name     quoted  `json:"name"`
		MaxText  int     `json:"max_text"`
		Rate     float64 `json:"rate,omitempty"`
		Burst    int     `json:"burst,omitempty"`
		Epoch    uint64  `json:"epoch"`
		Room     quoted  `json:"room"`
		Keeps    quoted  `json:"keeps"`
		MOTD     quoted  `json:"motd,omitempty"`
		Operator bool    `json:"operator,omitempty"`
		answer
	}
	joinedObject struct {
		kind
		Room   quoted `json:"room"`
		Topic  quoted `json:"topic,omitempty"`
		Locked bool   `json:"locked,omitempty"`
		After  place  `json:"after"`
		crowdObject
		answer
	}
	liveObject struct {
		kind
		Room quoted `json:"room"`
		place
		crowdObject
	}
	peopleObject struct {
		kind
		Room quoted `json:"room"`
		crowdObject
		answer
	}
	crowdObject struct {
		People    []personObject `json:"people"`
		More      int            `json:"more,omitempty"`
		Listening int            `json:"listening,omitempty"`
	}
	personObject struct {
		Name quoted `json:"name"`
		Away bool   `json:"away,omitempty"`
	}
	roomsObject struct {
		kind
		Rooms []roomObject `json:"rooms"`
		More  int          `json:"more,omitempty"`
		answer
	}
	roomObject struct {
		Room   quoted `json:"room"`
		People int    `json:"people"`
		Topic  quoted `json:"topic,omitempty"`
		Locked bool   `json:"locked,omitempty"`
		Spoken moment `json:"spoken,omitzero"`
	}
	messagesObject struct {
		kind
		Room     quoted            `json:"room"`
		Messages []json.RawMessage `json:"messages"`
		More     bool              `json:"more,omitempty"`
		answer
	}
	gapObject struct {
		kind
		Room    quoted `json:"room"`
		Missing uint64 `json:"missing,omitempty"`
		First   uint64 `json:"first"`
		Last    uint64 `json:"last"`
		Kept    bool   `json:"kept,omitempty"`
	}
	resetObject struct {
		kind
		Room  quoted `json:"room"`
		Epoch uint64 `json:"epoch"`
		After place  `json:"after"`
		Text  quoted `json:"text"`
	}
	receiptObject struct { // said and stored
		kind
		ID   quoted `json:"id"`
		Room quoted `json:"room"`
		place
		Repeated bool `json:"repeated,omitempty"`
	}
	directObject struct {
		kind
		From quoted `json:"from"`
		To   quoted `json:"to"`
		Time moment `json:"time"`
		Text quoted `json:"text"`
		answer
	}
	youObject struct {
		kind
		Name       quoted `json:"name"`
		Registered bool   `json:"registered,omitempty"`
		Operator   bool   `json:"operator,omitempty"`
		answer
	}
	textObject struct { // notice, done, pong, left
		kind
		Room quoted `json:"room,omitempty"`
		Text quoted `json:"text,omitempty"`
		answer
	}
	byeObject struct {
		kind
		Code string `json:"code,omitempty"`
		Text quoted `json:"text"`
	}
	errorObject struct {
		kind
		Code string `json:"code"`
		Text quoted `json:"text"`
		Room quoted `json:"room,omitempty"`
		answer
	}

	kind struct {
		Type string `json:"type"`
	}
	answer struct {
		ID quoted `json:"id,omitempty"`
	}
)

// quoted is a string that is harmless in a terminal once it is JSON.
type quoted string

// MarshalJSON implements json.Marshaler.
func (q quoted) MarshalJSON() ([]byte, error) { return wire.AppendQuotedString(nil, string(q)), nil }

// moment is a time as JSON has it.
type moment struct{ time.Time }

// MarshalJSON implements json.Marshaler.
func (m moment) MarshalJSON() ([]byte, error) {
	return append(wire.AppendTime([]byte{'"'}, m.UnixNano()), '"'), nil
}

// encode makes the line or the frame of an object for those who read a format.
func (f format) encode(object any) []byte {
	line, err := json.Marshal(object)
	if err != nil {
		panic(err) // no object of ours has anything that is no JSON
	}
	return f.pack(append(line, '\n'))
}

// pack makes a frame of an object's line, if the format has frames.
func (f format) pack(line []byte) []byte {
	if f != formatFrames {
		return line
	}
	return wire.AppendFrame(nil, wire.FrameText, line[:len(line)-1])
}

// refusal is what one who is turned away reads.
func (f format) refusal(err error) []byte {
	if !f.isJSON() {
		return []byte("* " + err.Error() + "\r\n")
	}
	out := f.encode(errorObject{kind: kind{"error"}, Code: "refused", Text: quoted(err.Error())})
	if f == formatFrames {
		out = wire.AppendClose(out, wire.CloseTryLater, err.Error())
	}
	return out
}

// isJSON tells that programs read the format.
func (f format) isJSON() bool { return f == formatJSON || f == formatFrames }

// jsonFormat is how programs see a room. kept tells whether anything in a gap is in
// the history.
func jsonFormat(room string, epoch uint64, kept func(feed.Gap) bool) *feed.Format {
	j := wire.JSON{Room: room, Epoch: epoch}
	return &feed.Format{
		Name: "json",
		Render: func(dst []byte, r *feed.Record) []byte {
			return j.Append(dst, wire.Kind(r.Kind), r.Seq, r.Time, r.Name, r.Note, r.Text)
		},
		Gap: func(dst []byte, g feed.Gap) []byte {
			return append(dst, formatJSON.encode(gapObject{
				kind: kind{"gap"}, Room: quoted(room), Missing: g.Missing, First: g.First, Last: g.Last, Kept: kept(g),
			})...)
		},
	}
}

// framed is a format of lines with each line in a WebSocket frame.
func framed(lines *feed.Format) *feed.Format {
	return &feed.Format{
		Name: "websocket",
		Render: func(dst []byte, r *feed.Record) []byte {
			begin := len(dst)
			dst = lines.Render(dst, r)
			n := len(dst) - begin - len("\n")
			if n < 0 {
				return dst
			}
			var room [10]byte
			head := wire.AppendFrameHeader(room[:0], wire.FrameText, n)
			dst = append(dst, head...)
			copy(dst[begin+len(head):], dst[begin:begin+n])
			copy(dst[begin:], head)
			return dst[:begin+len(head)+n]
		},
		Gap: func(dst []byte, g feed.Gap) []byte {
			return append(dst, formatFrames.pack(lines.Gap(nil, g))...)
		},
	}
}

// fault is why a request was not done, in a word for programs.
type fault struct {
	code string
	error
}

func (f *fault) Unwrap() error { return f.error }

// faulty gives an error a code, unless it is nil or has one.
func faulty(code string, err error) error {
	var f *fault
	if err == nil || errors.As(err, &f) {
		return err
	}
	return &fault{code, err}
}
