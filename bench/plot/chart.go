package main

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// chart is one file: panels beside each other, with the same vertical axis, and a
// legend at their right.
type chart struct {
	File   string  `json:"file"`
	Panels []panel `json:"panels"`
}

// panel is one pair of axes, both logarithmic.
type panel struct {
	Title string `json:"title"` // what goes upwards, and its unit
	X     string `json:"x"`     // what goes to the right
	Lines []line `json:"lines"`
}

// line is the measurements of one server. All numbers are above 0.
type line struct {
	Name   string       `json:"name"`
	Points [][2]float64 `json:"points"`
}

// Sizes in points; a page of GitHub is some 830 wide.
const (
	height      = 340
	oneWide     = 520
	severalWide = 370 // each
	padding     = 8
	sample      = 28 // of a line in the legend
	// typefaces is how much wider a name may be in another typeface.
	typefaces = 1.2
)

var (
	white = color.Gray{Y: 0xff}
	grid  = color.Gray{Y: 0xcc}
	ink   = color.Gray{Y: 0x22}
)

// draw returns the chart as SVG.
func (c *chart) draw(names []string, looks map[string]look) ([]byte, error) {
	if len(c.Panels) == 0 {
		return nil, errors.New("there is no panel")
	}
	wide := vg.Length(oneWide)
	if len(c.Panels) > 1 {
		wide = severalWide * vg.Length(len(c.Panels))
	}
	row := make([]*plot.Plot, len(c.Panels))
	used := make(map[string]bool)
	up, err := c.span(1)
	if err != nil {
		return nil, err
	}
	for i, p := range c.Panels {
		if row[i], err = p.plot(looks, up); err != nil {
			return nil, err
		}
		for _, l := range p.Lines {
			used[l.Name] = true
		}
	}
	legend, legendWide := legendOf(names, used, looks)
	out := vgsvg.New(wide+legendWide, height)
	all := draw.New(out)
	all.FillPolygon(white, []vg.Point{all.Min, {X: all.Max.X, Y: all.Min.Y}, all.Max, {X: all.Min.X, Y: all.Max.Y}})
	tiles := draw.Tiles{Rows: 1, Cols: len(row), PadX: 3 * padding, PadTop: padding, PadBottom: padding, PadLeft: padding, PadRight: padding}
	for i, canvas := range plot.Align([][]*plot.Plot{row}, tiles, draw.Crop(all, 0, -legendWide, 0, 0))[0] {
		row[i].Draw(canvas)
	}
	legend.Draw(draw.Crop(all, wide+padding, 0, 0, -4*padding))

	var svg bytes.Buffer
	if _, err := out.WriteTo(&svg); err != nil {
		return nil, err
	}
	// Liberation Sans is as wide as Arial, letter by letter.
	return bytes.ReplaceAll(svg.Bytes(), []byte("font-family:Liberation Sans;"),
		[]byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")), nil
}

// legendOf is the legend of the lines used, and how wide it is.
func legendOf(names []string, used map[string]bool, looks map[string]look) (plot.Legend, vg.Length) {
	legend := plot.NewLegend()
	legend.TextStyle.Font, legend.TextStyle.Color = sans(11), ink
	legend.Top, legend.Left = true, true
	legend.Padding, legend.ThumbnailWidth = 6, sample
	wide := vg.Length(0)
	for _, name := range names {
		if used[name] {
			legend.Add(name, looks[name].thumbnails()...)
			wide = max(wide, legend.TextStyle.Width(name))
		}
	}
	return legend, sample + wide*typefaces + 3*padding
}

// span is the smallest and the largest number of one axis, 0 or 1.
type span struct{ from, to float64 }

func (c *chart) span(axis int) (s span, err error) {
	s.from = math.Inf(1)
	for _, p := range c.Panels {
		for _, l := range p.Lines {
			for _, at := range l.Points {
				v := at[axis]
				if !(v > 0) || math.IsInf(v, 0) {
					return s, fmt.Errorf("%s: %v cannot be drawn on logarithmic axes", l.Name, at)
				}
				s.from, s.to = min(s.from, v), max(s.to, v)
			}
		}
	}
	if s.to == 0 {
		return s, errors.New("there is nothing to draw")
	}
	return s, nil
}

// plot is the panel with all its lines.
func (p *panel) plot(looks map[string]look, up span) (*plot.Plot, error) {
	across, err := (&chart{Panels: []panel{*p}}).span(0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Title, err)
	}
	out := plot.New()
	out.Title.Text, out.X.Label.Text = p.Title, p.X
	out.Title.TextStyle.Font = sans(12)
	out.Title.Padding = padding
	axis(&out.X, p.measured(across))
	axis(&out.Y, ticksFor(up.from, up.to))
	marks := plotter.NewGrid()
	marks.Vertical.Color, marks.Horizontal.Color = grid, grid
	out.Add(marks)
	for _, l := range p.Lines {
		look, known := looks[l.Name]
		if !known {
			return nil, fmt.Errorf("%s: %q is not among the names", p.Title, l.Name)
		}
		points := make(plotter.XYs, len(l.Points))
		for i, at := range l.Points {
			points[i] = plotter.XY{X: at[0], Y: at[1]}
		}
		out.Add(look.plotters(points)...)
	}
	return out, nil
}

// measured are marks for the horizontal axis: what was measured, if that is more
// than one place.
func (p *panel) measured(across span) (ticks []plot.Tick) {
	var places []float64
	for _, l := range p.Lines {
		for _, at := range l.Points {
			places = append(places, at[0])
		}
	}
	slices.Sort(places)
	if places = slices.Compact(places); len(places) < 2 {
		return ticksFor(across.from, across.to)
	}
	for _, v := range places {
		ticks = append(ticks, plot.Tick{Value: v, Label: label(v)})
	}
	return ticks
}

// axis makes one logarithmic, from its first mark to its last. The marks are the
// lines of the grid.
func axis(a *plot.Axis, ticks []plot.Tick) {
	a.Label.TextStyle.Font, a.Tick.Label.Font = sans(11), sans(10)
	a.Label.TextStyle.Color, a.Tick.Label.Color, a.Color = ink, ink, ink
	a.Tick.Color, a.Tick.Length = white, padding/2
	a.Label.Padding = padding / 2
	a.Scale = plot.LogScale{}
	a.Tick.Marker = plot.ConstantTicks(ticks)
	a.Min, a.Max = ticks[0].Value, ticks[len(ticks)-1].Value
}

// sans is the typeface of all text.
func sans(size font.Length) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
}
