package main

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// look is how a line is drawn. No two have the same colour, nor the same marks, so
// they can be told apart in grey too.
type look struct {
	color  color.Color
	dashes []vg.Length
	marks  draw.GlyphDrawer
	wide   vg.Length
}

// looks are given out in this order. The colours are those of Okabe and Ito, which
// differ for the colour-blind.
func looks() []look {
	return []look{
		{color: rgb(0x000000), dashes: []vg.Length{6, 3}, marks: draw.PlusGlyph{}},
		{color: rgb(0xd55e00), marks: draw.CircleGlyph{}},
		{color: rgb(0x009e73), marks: draw.SquareGlyph{}},
		{color: rgb(0x0072b2), dashes: []vg.Length{8, 2, 2, 2}, marks: draw.TriangleGlyph{}},
		{color: rgb(0xcc79a7), dashes: []vg.Length{3, 2}, marks: draw.BoxGlyph{}},
		{color: rgb(0x56b4e9), marks: draw.RingGlyph{}},
		{color: rgb(0xe69f00), dashes: []vg.Length{1, 2}, marks: draw.CrossGlyph{}},
		{color: rgb(0x888888), marks: draw.PyramidGlyph{}},
	}
}

func rgb(v uint32) color.Color {
	return color.RGBA{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 0xff}
}

// looksOf gives each name one, and the bold one a thick line.
func looksOf(names []string, bold string) (map[string]look, error) {
	all := looks()
	if len(names) > len(all) {
		return nil, fmt.Errorf("%d names are too many; %d lines can be told apart", len(names), len(all))
	}
	of := make(map[string]look)
	for i, name := range names {
		l := all[i]
		if l.wide = 1.3; name == bold {
			l.wide = 3.2
		}
		of[name] = l
	}
	return of, nil
}

func (l look) line() draw.LineStyle {
	return draw.LineStyle{Color: l.color, Width: l.wide, Dashes: l.dashes}
}

func (l look) glyph() draw.GlyphStyle {
	return draw.GlyphStyle{Color: l.color, Radius: 2.2 + l.wide/2, Shape: l.marks}
}

func (l look) plotters(points plotter.XYs) []plot.Plotter {
	return []plot.Plotter{
		&plotter.Line{XYs: points, LineStyle: l.line()},
		&plotter.Scatter{XYs: points, GlyphStyle: l.glyph()},
	}
}

// thumbnails are what stands in the legend.
func (l look) thumbnails() []plot.Thumbnailer {
	return []plot.Thumbnailer{&plotter.Line{LineStyle: l.line()}, &plotter.Scatter{GlyphStyle: l.glyph()}}
}
