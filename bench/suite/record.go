package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/chatd/chatd/bench/rig"
)

// beginning is the line that a part begins with.
type beginning struct {
	Part    string    `json:"part"`
	Begun   time.Time `json:"begun"`
	Rounds  int       `json:"rounds"`
	Seconds float64   `json:"seconds"` // that a run measures
	Machine *machine  `json:"machine"`
}

// judgement is the line of a bar that a program has judged.
type judgement struct {
	Part string `json:"part"`
	rig.Bar
}

// results are what a file holds of each part since it was last begun.
type results struct {
	runs map[string]rig.Runs
	bars map[string][]rig.Bar
	last beginning // of any part
}

// lineMost is the longest line, in bytes.
const lineMost = 1 << 20

// readResults reads a file. A last line that is not whole, as an interruption
// leaves it, is an error: a part without it would pass for whole.
func readResults(r io.Reader) (*results, error) {
	f := &results{runs: make(map[string]rig.Runs), bars: make(map[string][]rig.Bar)}
	in := bufio.NewScanner(r)
	in.Buffer(nil, lineMost)
	for n := 1; in.Scan(); n++ {
		if err := f.add(in.Bytes()); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return f, in.Err()
}

// add takes over one line.
func (f *results) add(text []byte) error {
	var kind struct {
		Part    string
		Machine *machine
		Bar     string
		Server  string
	}
	if err := json.Unmarshal(text, &kind); err != nil {
		return err
	}
	switch {
	case kind.Machine != nil:
		delete(f.runs, kind.Part)
		delete(f.bars, kind.Part)
		f.last = beginning{}
		return json.Unmarshal(text, &f.last)
	case kind.Bar != "":
		var j judgement
		if err := json.Unmarshal(text, &j); err != nil {
			return err
		}
		f.bars[kind.Part] = append(f.bars[kind.Part], j.Bar)
		return j.Check()
	case kind.Server != "":
		run, err := rig.ReadReport(text)
		f.runs[kind.Part] = append(f.runs[kind.Part], run)
		return err
	}
	return errors.New("neither a run nor a bar nor a beginning")
}
