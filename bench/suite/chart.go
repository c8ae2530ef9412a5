package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/chatd/chatd/bench/rig"
)

// chart, panel and line are what bench/plot reads.
type chart struct {
	File   string  `json:"file"`
	Panels []panel `json:"panels"`
}

type panel struct {
	Title string `json:"title"`
	X     string `json:"x"`
	Lines []line `json:"lines"`
}

type line struct {
	Name   string       `json:"name"`
	Points [][2]float64 `json:"points"`
}

// add adds a line that has points.
func (p *panel) add(l line) {
	if len(l.Points) > 0 {
		p.Lines = append(p.Lines, l)
	}
}

// drawable tells whether each panel has a line.
func (c *chart) drawable() bool {
	for _, p := range c.Panels {
		if len(p.Lines) == 0 {
			return false
		}
	}
	return true
}

// draw draws what was measured into a folder.
func draw(ctx context.Context, f *results, dir string) error {
	in := struct {
		Names  []string `json:"names"`
		Bold   string   `json:"bold"`
		Charts []chart  `json:"charts"`
	}{}
	for _, s := range rig.Servers() {
		in.Names = append(in.Names, s.Label)
		if s.Name == "chatd" {
			in.Bold = s.Label
		}
	}
	for _, c := range []chart{curveChart(f), latencyChart(f), memoryChart(f)} {
		if c.drawable() {
			in.Charts = append(in.Charts, c)
		}
	}
	if len(in.Charts) == 0 {
		return nil
	}
	text, err := json.Marshal(in)
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "-C", "bench/plot", "run", ".", "-dir", dir)
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("drawing: %w\n%s", err, out)
	}
	return nil
}
