package report

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"interlock/lab/load"
	"interlock/lab/seats"
)

// The size of a picture on paper; SVG scales.
const (
	pictureWidth  = 18 * vg.Centimeter
	pictureHeight = 10 * vg.Centimeter
)

// The colors of Okabe and Ito, which also color-blind readers can tell apart, on white: a page may be light or dark.
var (
	blue   = color.RGBA{R: 0, G: 114, B: 178, A: 255}
	orange = color.RGBA{R: 230, G: 159, B: 0, A: 255}
	red    = color.RGBA{R: 213, G: 94, B: 0, A: 255}
	green  = color.RGBA{R: 0, G: 158, B: 115, A: 255}
	gray   = color.RGBA{R: 110, G: 110, B: 110, A: 255}
)

// pictures are all that can be drawn of what was measured, by their file names.
func (in *Input) pictures() (map[string][]byte, error) {
	all := map[string][]byte{}
	for name, draw := range map[string]func() (io.WriterTo, error){
		throughputPicture: in.drawThroughput, latencyPicture: in.drawLatency, comparisonPicture: in.drawComparison,
		seatsPicture: in.drawSeats,
	} {
		picture, err := draw()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if picture == nil {
			continue
		}
		var b bytes.Buffer
		if _, err := picture.WriteTo(&b); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all[name] = bytes.ReplaceAll(b.Bytes(), []byte(drawnFont), []byte(shownFont))
	}
	return all, nil
}

// The letters are measured by one font, and shown in the first of several as wide that a reader has.
const (
	drawnFont = "font-family:Liberation Sans;"
	shownFont = "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;"
)

// The pictures' files.
const (
	throughputPicture = "throughput.svg"
	latencyPicture    = "latency.svg"
	comparisonPicture = "comparison.svg"
	seatsPicture      = "seats.svg"
)

func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Title.Padding = title, vg.Points(8)
	p.X.Label.Text, p.Y.Label.Text = x, y
	for _, style := range []*text.Style{
		&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label,
		&p.Legend.TextStyle,
	} {
		style.Font.Variant = "Sans"
	}
	p.X.Label.Padding, p.Y.Label.Padding = vg.Points(4), vg.Points(4)
	p.Legend.Padding = vg.Points(2)
	return p
}

// margin keeps letters from the edge, also where the reader's font is a little wider.
const margin = 10 * vg.Millimeter / 4

// paint draws a plot on white, with a margin.
func paint(p *plot.Plot) io.WriterTo {
	canvas := vgsvg.New(pictureWidth, pictureHeight)
	paper := draw.New(canvas)
	paper.SetColor(color.White)
	paper.Fill(paper.Rectangle.Path())
	p.BackgroundColor = nil
	p.Draw(draw.Crop(paper, margin, -3*margin, margin, -margin))
	return canvas
}

// line draws points and joins them.
func line(p *plot.Plot, name string, c color.Color, points plotter.XYs) error {
	joined, marks, err := plotter.NewLinePoints(points)
	if err != nil {
		return err
	}
	joined.Color, joined.Width = c, vg.Points(1.5)
	marks.Color, marks.Shape, marks.Radius = c, draw.CircleGlyph{}, vg.Points(2.5)
	p.Add(joined, marks)
	p.Legend.Add(name, joined, marks)
	return nil
}

// level draws what does not depend on the buyers.
func level(p *plot.Plot, name string, c color.Color, value, from, until float64) error {
	l, err := plotter.NewLine(plotter.XYs{{X: from, Y: value}, {X: until, Y: value}})
	if err != nil {
		return err
	}
	l.Color, l.Width, l.Dashes = c, vg.Points(1.5), []vg.Length{vg.Points(5), vg.Points(3)}
	p.Add(l)
	p.Legend.Add(name, l)
	return nil
}

// byBuyers are the points of throughput against buyers, each number of buyers once.
func (in *Input) byBuyers() []*load.Result {
	points := slices.Clone(in.Sell.Buyers)
	if in.Sell.Hot64 != nil {
		points = append(points, in.Sell.Hot64.Result)
	}
	if in.Sell.Hot1024 != nil {
		points = append(points, in.Sell.Hot1024.Result)
	}
	slices.SortStableFunc(points, func(a, b *load.Result) int { return a.Buyers - b.Buyers })
	return points
}

func (in *Input) drawThroughput() (io.WriterTo, error) {
	points := in.byBuyers()
	if len(points) < 2 {
		return nil, nil
	}
	p := newPlot("One run, one server: orders a second by buyers", "buyers, each asking again at once (logarithmic)",
		"orders a second")
	least, most := float64(points[0].Buyers), float64(points[len(points)-1].Buyers)
	p.Add(plotter.NewGrid())
	if l := in.Sell.Ceiling; l != nil {
		if err := level(p, "ceiling: the same rows through the driver", gray, l.OrdersPerSecond, least,
			most); err != nil {
			return nil, err
		}
	}
	xys := make(plotter.XYs, len(points))
	ticks := make([]plot.Tick, len(points))
	for i, r := range points {
		xys[i] = plotter.XY{X: float64(r.Buyers), Y: r.OrdersPerSecond}
		ticks[i] = plot.Tick{Value: float64(r.Buyers), Label: count(r.Buyers)}
	}
	if err := line(p, "Interlock", blue, xys); err != nil {
		return nil, err
	}
	if b := in.Sell.Baseline; b != nil {
		if err := level(p, "baseline: one lock, one transaction an order", red, b.OrdersPerSecond, least,
			most); err != nil {
			return nil, err
		}
	}
	p.X.Scale, p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogScale{}, plot.ConstantTicks(ticks), thousands{}
	p.Y.Min, p.Y.Max = 0, roof(p.Y.Max)
	p.X.Min, p.X.Max = least/1.2, most*1.2
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.XOffs, p.Legend.YOffs = vg.Points(6), -vg.Points(4)
	return paint(p), nil
}

// roof leaves room above the highest for the legend.
func roof(highest float64) float64 { return 1.35 * highest }

func (in *Input) drawLatency() (io.WriterTo, error) {
	if len(in.Sell.Offered) < 2 {
		return nil, nil
	}
	p := newPlot("One run, one server: latency by offered load",
		"orders asked for a second, whether others were served or not", "ms (logarithmic)")
	p.Add(plotter.NewGrid())
	var ticks []plot.Tick
	for _, r := range in.Sell.Offered {
		ticks = append(ticks, plot.Tick{Value: r.OfferedPerSecond, Label: count(int64(math.Round(r.OfferedPerSecond)))})
	}
	least, most := math.Inf(1), 0.0
	for _, curve := range []struct {
		name  string
		color color.Color
		of    func(*load.Result) float64
	}{
		{"p99.9", red, func(r *load.Result) float64 { return r.P999Milliseconds }},
		{"p99", orange, func(r *load.Result) float64 { return r.P99Milliseconds }},
		{"p50", blue, func(r *load.Result) float64 { return r.P50Milliseconds }},
	} {
		xys := make(plotter.XYs, len(in.Sell.Offered))
		for i, r := range in.Sell.Offered {
			at := max(curve.of(r), 0.1) // without an order there is no latency, and a logarithm needs one
			xys[i] = plotter.XY{X: r.OfferedPerSecond, Y: at}
			least, most = min(least, at), max(most, at)
		}
		if err := line(p, curve.name, curve.color, xys); err != nil {
			return nil, err
		}
	}
	p.Y.Scale, p.Y.Tick.Marker, p.X.Tick.Marker = plot.LogScale{}, decades{}, plot.ConstantTicks(ticks)
	p.Y.Min, p.Y.Max = decadeBelow(least), decadeAbove(most)
	beside := (p.X.Max - p.X.Min) * 0.03
	p.X.Min, p.X.Max = p.X.Min-beside, p.X.Max+beside
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.XOffs, p.Legend.YOffs = vg.Points(6), -vg.Points(4)
	return paint(p), nil
}

// tickLabel has as many digits behind the point as are needed.
func tickLabel(v float64) string {
	if v >= 1 {
		return count(int64(math.Round(v)))
	}
	return number(v)
}

func decadeBelow(f float64) float64 { return math.Pow(10, math.Floor(math.Log10(f))) }

func decadeAbove(f float64) float64 { return math.Pow(10, math.Floor(math.Log10(f))+1) }

// thousands are a few round values with their thousands apart.
type thousands struct{}

// Ticks implements plot.Ticker.
func (thousands) Ticks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i := range ticks {
		if ticks[i].Label != "" {
			ticks[i].Label = count(int64(ticks[i].Value))
		}
	}
	return ticks
}

// decades are powers of ten, with 2 and 5 in between.
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for at := decadeBelow(low); at <= high; at *= 10 {
		for _, times := range []float64{1, 2, 5} {
			if v := at * times; v >= low && v <= high*1.0001 {
				ticks = append(ticks, plot.Tick{Value: v, Label: tickLabel(v)})
			}
		}
	}
	return ticks
}

func (in *Input) drawComparison() (io.WriterTo, error) {
	type bar struct {
		name  string
		color color.Color
		value float64
	}
	var bars []bar
	if b := in.Sell.Baseline; b != nil {
		bars = append(bars, bar{"baseline", red, b.OrdersPerSecond})
	}
	if h := in.Sell.Hot64; h != nil {
		bars = append(bars, bar{"64 buyers", blue, h.OrdersPerSecond})
	}
	if h := in.Sell.Hot1024; h != nil {
		bars = append(bars, bar{"1,024 buyers", blue, h.OrdersPerSecond})
	}
	if f := in.Sell.FourServers; f != nil && f.Four != nil {
		bars = append(bars, bar{"four servers", green, f.Four.OrdersPerSecond})
	}
	if z := in.Sell.Zipf100; z != nil {
		bars = append(bars, bar{"100 runs", green, z.OrdersPerSecond})
	}
	if l := in.Sell.Ceiling; l != nil {
		bars = append(bars, bar{"ceiling", gray, l.OrdersPerSecond})
	}
	if len(bars) < 2 {
		return nil, nil
	}
	p := newPlot("Orders a second", "", "orders a second")
	var names []string
	highest := 0.0
	labels := plotter.XYLabels{}
	for i, b := range bars {
		drawn, err := plotter.NewBarChart(plotter.Values{b.value}, vg.Points(42))
		if err != nil {
			return nil, err
		}
		drawn.XMin, drawn.Color, drawn.LineStyle.Width = float64(i), b.color, 0
		p.Add(drawn)
		names = append(names, b.name)
		highest = max(highest, b.value)
		labels.XYs = append(labels.XYs, plotter.XY{X: float64(i), Y: b.value})
		labels.Labels = append(labels.Labels, count(int64(math.Round(b.value))))
	}
	values, err := plotter.NewLabels(labels)
	if err != nil {
		return nil, err
	}
	for i := range values.TextStyle {
		values.TextStyle[i].Font.Variant = "Sans"
		values.TextStyle[i].XAlign = text.XCenter
	}
	values.Offset.Y = vg.Points(3)
	p.Add(values)
	p.NominalX(names...)
	p.X.Tick.Label.Font.Size = vg.Points(9) // six names side by side
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, 1.12*highest, thousands{}
	p.X.Min, p.X.Max = -0.6, float64(len(bars))-0.4
	return paint(p), nil
}

func (in *Input) drawSeats() (io.WriterTo, error) {
	if in.Seats == nil {
		return nil, nil
	}
	return seats.Plot(in.Seats)
}
