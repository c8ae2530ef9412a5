package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/chatd/chatd/internal/near"
	"github.com/chatd/chatd/internal/store"
	"github.com/chatd/chatd/internal/wire"
	"github.com/chatd/chatd/pkg/relay"
)

// exportPage is how many messages are read at a time: with the longest lines
// 16 MiB.
const exportPage = 256

// exportHistory writes the history of one room, or of all, that is kept now: what is said
// meanwhile is left out. It works beside a running server.
func exportHistory(ctx context.Context, cfg config, args []string, stdout io.Writer) error {
	var room string
	asText := false
	for _, arg := range args {
		if arg == "--text" {
			asText = true
		} else {
			room = arg
		}
	}
	if err := haveHistory(cfg); err != nil {
		return err
	}
	history, err := store.OpenReader(ctx, cfg.Data)
	if err != nil {
		return err
	}
	defer history.Close()
	rooms, err := history.Rooms(ctx)
	if err != nil {
		return fmt.Errorf("history in %s cannot be read: %w", cfg.Data, err)
	}
	if room != "" {
		if rooms, err = pick(rooms, room); err != nil {
			return err
		}
	}
	out := bufio.NewWriter(stdout)
	for _, kept := range rooms {
		write := writeJSON
		if asText {
			write = newTranscript(kept.Room, len(rooms) > 1, time.Local).write
		}
		if err := exportRoom(ctx, history.From, kept, func(m *relay.Message) error { return write(out, m) }); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("the export is not whole: %w", reason(err))
	}
	return nil
}

// haveHistory returns an error if nothing was ever kept on disk.
func haveHistory(cfg config) error {
	if cfg.Data == "" {
		return errors.New("there is no history on disk: CHATD_DATA names no folder")
	}
	if _, err := os.Stat(cfg.Data); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("no history is kept in %s: it does not exist", cfg.Data)
	}
	return nil
}

// pick is the room of that name among rooms, whatever its case.
func pick(rooms []relay.Kept, room string) ([]relay.Kept, error) {
	names := make([]string, len(rooms))
	for i, kept := range rooms {
		if names[i] = kept.Room; strings.EqualFold(kept.Room, room) {
			return rooms[i : i+1], nil
		}
	}
	if meant, ok := near.Find(room, names); ok {
		return nil, fmt.Errorf("nothing is kept of a room %q; did you mean %s?", room, meant)
	}
	return nil, fmt.Errorf("nothing is kept of a room %q", room)
}

// exportRoom has write called for all that is kept of a room, up to its last number
// when the export began.
func exportRoom(
	ctx context.Context, from func(ctx context.Context, room string, seq uint64, n int) ([]relay.Message, error),
	kept relay.Kept, write func(*relay.Message) error,
) error {
	for next := kept.First; next <= kept.Last; {
		page, err := from(ctx, kept.Room, next, exportPage)
		if err != nil {
			return fmt.Errorf("the export is not whole: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		for i := range page {
			if page[i].Seq > kept.Last {
				return nil
			}
			if err := write(&page[i]); err != nil {
				return fmt.Errorf("the export is not whole: %w", reason(err))
			}
		}
		next = page[len(page)-1].Seq + 1
	}
	return nil
}

// exported is one message on a line of its own. The names are a promise to
// programs.
type exported struct {
	Room   string `json:"room"`
	Epoch  uint64 `json:"epoch"`
	Seq    uint64 `json:"seq"`
	Time   string `json:"time"`
	Author string `json:"author"` // empty for a hole
	Kind   string `json:"kind"`
	Text   string `json:"text"`
}

// kindName is what the kinds of messages are called in JSON.
func kindName(k relay.Kind) string {
	switch k {
	case relay.KindSay:
		return "say"
	case relay.KindAct:
		return "act"
	case relay.KindTopic:
		return "topic"
	case relay.KindAnnounce:
		return "announce"
	case relay.KindHole:
		return "hole"
	}
	return fmt.Sprintf("kind-%d", k)
}

func writeJSON(out *bufio.Writer, m *relay.Message) error {
	var line strings.Builder
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	if err := e.Encode(exported{
		Room: m.Room, Epoch: m.Epoch, Seq: m.Seq, Time: time.Unix(0, m.Time).Format(time.RFC3339Nano),
		Author: string(m.Author), Kind: kindName(m.Kind), Text: string(m.Text),
	}); err != nil {
		return err
	}
	_, err := out.WriteString(escaped(line.String()))
	return err
}

// escaped is a line of JSON with all that a terminal could take for a command
// written as \u….
func escaped(line string) string {
	harmful := func(r rune) bool { return r != '\n' && unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) }
	if !strings.ContainsFunc(line, harmful) {
		return line
	}
	var b strings.Builder
	for _, r := range line {
		switch {
		case !harmful(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// roomText writes the messages of one room as people see them.
type roomText struct {
	text  wire.Text
	title string // written before the first message; "": nothing
	day   string // of the last message
	line  []byte
}

// newTranscript returns a roomText, which begins with the room's name if titled.
func newTranscript(room string, titled bool, zone *time.Location) *roomText {
	t := &roomText{text: wire.Text{EOL: "\n", Zone: zone}}
	if titled {
		t.title = "room " + room
	}
	return t
}

func (t *roomText) write(out *bufio.Writer, m *relay.Message) error {
	t.line = t.line[:0]
	if t.title != "" {
		t.line = t.text.AppendNotice(t.line, t.title)
		t.title = ""
	}
	if day := time.Unix(0, m.Time).In(t.text.Zone).Format(time.DateOnly); day != t.day {
		t.line = t.text.Append(t.line, wire.Day, m.Time, nil, nil)
		t.day = day
	}
	kind := wire.Kind(m.Kind)
	if m.Kind == relay.KindHole {
		kind = wire.Notice
	}
	t.line = t.text.Append(t.line, kind, m.Time, m.Author, m.Text)
	_, err := out.Write(t.line)
	return err
}
