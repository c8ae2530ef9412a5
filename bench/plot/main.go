// Plot draws charts with logarithmic axes as SVG, as docs/performance.md shows
// them. It reads from standard input what to draw, one JSON object, and writes the
// files that it names into a folder:
//
//	go -C bench/plot run . -dir ../../docs/performance < charts.json
//
// It is a module of its own, so that the product does not depend on what it draws
// with.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// input is what is read.
type input struct {
	// Names of all lines, in the order of the legends. A line looks the same in all
	// charts.
	Names  []string `json:"names"`
	Bold   string   `json:"bold"` // the one that is drawn thick
	Charts []chart  `json:"charts"`
}

func main() {
	dir := flag.String("dir", ".", "`FOLDER` to write into")
	flag.Parse()
	if err := run(os.Stdin, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func run(r io.Reader, dir string) error {
	var in input
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return fmt.Errorf("input: %w", err)
	}
	looks, err := looksOf(in.Names, in.Bold)
	if err != nil {
		return err
	}
	for _, c := range in.Charts {
		svg, err := c.draw(in.Names, looks)
		if err != nil {
			return fmt.Errorf("%s: %w", c.File, err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(c.File)), svg, 0o644); err != nil {
			return err
		}
	}
	return nil
}
