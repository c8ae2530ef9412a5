//go:build systemd

package systemd_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"
)

// entry is one of the machine's journal, with its fields as they are named there.
type entry map[string]string

// String is what journalctl shows of it: who says it, and what.
func (e entry) String() string { return e["SYSLOG_IDENTIFIER"] + ": " + e["MESSAGE"] }

// UnmarshalJSON reads what "journalctl --output=json" prints. What it does not show
// as text, such as a field that is there twice, stays JSON.
func (e *entry) UnmarshalJSON(text []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	*e = make(entry, len(fields))
	for name, raw := range fields {
		var value string
		if json.Unmarshal(raw, &value) != nil {
			value = string(raw)
		}
		(*e)[name] = value
	}
	return nil
}

// journal is all that a machine's journal has had so far.
type journal struct {
	mu      sync.Mutex // guards the fields below
	entries []entry
	given   []bool        // of each entry, whether logs has returned it
	more    chan struct{} // closed when there is another entry
	err     error         // why there are no more
}

// follow reads the machine's journal until the machine ends.
func (m *machine) follow() *journal {
	m.t.Helper()
	cmd := m.command(m.inside, "exec journalctl --follow --lines=all --all --output=json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	j := &journal{more: make(chan struct{})}
	m.people.Go(func() {
		j.read(out)
		_ = cmd.Wait()
	})
	return j
}

func (j *journal) read(r io.Reader) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		var e entry
		if err == nil {
			err = json.Unmarshal(line, &e)
		}
		j.mu.Lock()
		if err == nil {
			j.entries, j.given = append(j.entries, e), append(j.given, false)
		}
		j.err = err
		close(j.more)
		j.more = make(chan struct{})
		j.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// take returns the oldest entry that was not returned yet and that the pattern
// fits; if there is none, what is closed when there is more.
func (j *journal) take(pattern *regexp.Regexp) (entry, <-chan struct{}, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, e := range j.entries {
		if !j.given[i] && pattern.MatchString(e.String()) {
			j.given[i] = true
			return e, nil, nil
		}
	}
	return nil, j.more, j.err
}

// tail is the newest 40 entries.
func (j *journal) tail() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var b strings.Builder
	for _, e := range j.entries[max(0, len(j.entries)-40):] {
		fmt.Fprintln(&b, e)
	}
	return b.String()
}

// logs waits until the journal has an entry that the pattern fits, such as
// "^chatd: begin$" or "^systemd: Started chatd", and returns it. No entry is
// returned twice.
func (m *machine) logs(pattern string) entry {
	m.t.Helper()
	re := regexp.MustCompile(pattern)
	late := time.After(patience)
	for {
		e, more, err := m.journal.take(re)
		if e != nil {
			return e
		}
		if err != nil {
			m.t.Fatalf("the journal has nothing like %q and ends: %v\n%s", pattern, err, m.journal.tail())
		}
		select {
		case <-more:
		case <-late:
			m.t.Fatalf("the journal has nothing like %q:\n%s", pattern, m.journal.tail())
		}
	}
}
