package rig

import (
	"encoding/json"
	"fmt"
	"io"
)

// Bar is a figure beside the limit that is set for it, if there is one. Programs that
// judge by themselves print it as a line of JSON, which bench/suite puts into its table.
type Bar struct {
	Name   string  `json:"bar"`
	Work   string  `json:"work"`   // what was done, in a few words
	Figure float64 `json:"figure"` // what was measured
	Unit   string  `json:"unit"`   // "x": times
	Limit  float64 `json:"limit"`
	Better Better  `json:"better"`
	Note   string  `json:"note"`
}

// Better is on which side of its limit a figure is to be.
type Better string

// NoLimit is for figures that are only told.
const (
	Lower   Better = "lower"
	Higher  Better = "higher"
	NoLimit Better = ""
)

// Held tells whether the figure is on the right side of its limit.
func (b *Bar) Held() bool {
	switch b.Better {
	case Lower:
		return b.Figure <= b.Limit
	case Higher:
		return b.Figure >= b.Limit
	}
	return true
}

// Check says what is wrong with a bar that was read.
func (b *Bar) Check() error {
	switch {
	case b.Name == "" || b.Work == "":
		return fmt.Errorf("bar %q lacks a name or its work", b.Name)
	case b.Better != Lower && b.Better != Higher && b.Better != NoLimit:
		return fmt.Errorf("bar %s: better is %q, neither lower nor higher", b.Name, b.Better)
	}
	return nil
}

// Write prints it as one line.
func (b Bar) Write(w io.Writer) error { return json.NewEncoder(w).Encode(b) }
