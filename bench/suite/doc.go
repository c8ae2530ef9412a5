package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
)

// blocks are the generated pieces of the document, by the name in their markers.
// A piece that nothing was measured for is empty.
func blocks(f *results) map[string]string {
	return map[string]string{
		"machine":  machineBlock(f),
		"fanout":   fanoutBlock(f),
		"latency":  latencyBlock(f),
		"memory":   memoryBlock(f),
		"programs": programsBlock(f),
		"tls":      secureBlock(f),
		"bars":     barsBlock(f),
	}
}

// write puts what was measured into the document, draws the plots beside it, and
// prints the bars.
func write(ctx context.Context, doc string, f *results, out io.Writer) error {
	text, err := os.ReadFile(doc)
	if err != nil {
		return err
	}
	filled, err := fill(string(text), blocks(f))
	if err != nil {
		return fmt.Errorf("%s: %w", doc, err)
	}
	if err := draw(ctx, f, strings.TrimSuffix(doc, ".md")); err != nil {
		return err
	}
	if err := os.WriteFile(doc, []byte(filled), 0o644); err != nil {
		return err
	}
	_, err = io.WriteString(out, barsBlock(f))
	return err
}

// fill replaces what stands between <!-- bench:NAME --> and <!-- /bench:NAME --> by
// the piece of that name. Pieces that are empty leave the text as it is; one that
// has no place is an error, and so is a place without end.
func fill(text string, pieces map[string]string) (string, error) {
	for name, piece := range pieces {
		begin, end := "<!-- bench:"+name+" -->", "<!-- /bench:"+name+" -->"
		before, rest, ok := strings.Cut(text, begin)
		if !ok {
			return "", fmt.Errorf("there is no %s", begin)
		}
		_, after, ok := strings.Cut(rest, end)
		if !ok {
			return "", fmt.Errorf("there is no %s after %s", end, begin)
		}
		if piece != "" {
			text = before + begin + "\n" + strings.TrimRight(piece, "\n") + "\n" + end + after
		}
	}
	return text, nil
}
