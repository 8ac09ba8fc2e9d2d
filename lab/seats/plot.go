package seats

import (
	"fmt"
	"image/color"
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// The size of the picture on paper; SVG scales.
const (
	plotWidth  = 18 * vg.Centimeter
	plotHeight = 11 * vg.Centimeter
)

// plotted are the ways that are drawn. The optimum is left out: it is so far above that the others would be one line.
var plotted = [...]struct {
	way    int
	name   string
	color  color.RGBA
	dashes []vg.Length
}{
	{
		reseatingWay, "free re-seating of everybody",
		color.RGBA{110, 110, 110, 255},
		[]vg.Length{vg.Points(5), vg.Points(3)},
	},
	{bestFitWay, "best-fit (Interlock)", color.RGBA{0, 114, 178, 255}, nil},
	{firstFitApartWay, "first-fit, parties apart", color.RGBA{0, 158, 115, 255}, nil},
	{firstFitWay, "first-fit, parties together", color.RGBA{230, 159, 0, 255}, nil},
	{randomFitWay, "random-fit", color.RGBA{213, 94, 0, 255}, nil},
}

// Plot draws what each way sold over what free re-seating sold, by load, as an SVG.
func Plot(r *Report) (io.WriterTo, error) {
	p := plot.New()
	p.Title.Text = fmt.Sprintf("Seat-kilometres sold: %d trains on %d dates, parties of 1 to %d",
		len(r.Trains), len(r.Seeds), len(r.Demand.PartySizes))
	p.Title.Padding = vg.Points(6)
	p.X.Label.Text = "seat-kilometres asked for, over those there are"
	p.Y.Label.Text = "% of what free re-seating sells"
	for _, style := range []*text.Style{
		&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label,
		&p.Legend.TextStyle,
	} {
		style.Font.Variant = "Sans"
	}
	p.Legend.Left, p.Legend.Padding = true, vg.Points(2)
	p.Legend.XOffs, p.Legend.YOffs = vg.Points(6), vg.Points(4)
	p.Add(plotter.NewGrid())
	for _, each := range plotted {
		points := make(plotter.XYs, len(r.Loads))
		for l := range r.Loads {
			points[l] = plotter.XY{X: r.Loads[l].Load, Y: 100 * r.Loads[l].ways()[each.way].RatioToReseating}
		}
		line, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, err
		}
		line.Color, line.Dashes, line.Width = each.color, each.dashes, vg.Points(1.5)
		marks.Color, marks.Shape, marks.Radius = each.color, draw.CircleGlyph{}, vg.Points(2.5)
		p.Add(line, marks)
		p.Legend.Add(each.name, line, marks)
	}
	var ticks []plot.Tick
	for l := range r.Loads {
		ticks = append(ticks, plot.Tick{Value: r.Loads[l].Load, Label: fmt.Sprint(r.Loads[l].Load)})
	}
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	// Below is room for the legend, beside and above for marks and labels on the edge.
	const below, beside, above = 0.6, 0.03, 0.05
	height, width := p.Y.Max-p.Y.Min, p.X.Max-p.X.Min
	p.Y.Min, p.Y.Max = p.Y.Min-below*height, p.Y.Max+above*height
	p.X.Min, p.X.Max = p.X.Min-beside*width, p.X.Max+beside*width
	return p.WriterTo(plotWidth, plotHeight, "svg")
}
