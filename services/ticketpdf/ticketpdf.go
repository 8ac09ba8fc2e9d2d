// Package ticketpdf prints tickets as PDF: a page of A5 for each.
package ticketpdf

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"time"

	"codeberg.org/go-pdf/fpdf"
)

// MaxPages is how many tickets an order has at most.
const MaxPages = 9

// Page is one ticket. Texts may be of any script.
type Page struct {
	// Number is the order's, for people.
	Number          string
	Train, From, To string
	// Departure and Arrival are printed in their zones.
	Departure, Arrival time.Time
	Class, Coach, Seat string
	// Document is the document's number, masked.
	Passenger, Document string
	// Price is such as "177.50 CNY".
	Price string
	// Code is the Aztec symbol, a pixel a module with its margin; nil: none. CodeText is what it says.
	Code     image.Image
	CodeText string
}

// Printer prints tickets. It may be used by many goroutines.
type Printer struct{ font *font }

// New makes a Printer with a font for what Helvetica lacks, such as Chinese: a .ttf with TrueType outlines. With "" it
// looks in the usual places. Where it finds none, a box is printed for each such character.
func New(file string) (*Printer, error) {
	if file != "" {
		f, err := loadFont(file)
		if err == nil {
			if err = f.tryOut(); err != nil {
				err = fmt.Errorf("%s: it cannot be embedded: %w", file, err)
			}
		}
		return &Printer{font: f}, err
	}
	for _, file := range usual {
		f, err := loadFont(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return &Printer{font: f}, err
	}
	return &Printer{}, nil
}

// HasFont tells whether there is a font for Chinese.
func (p *Printer) HasFont() bool { return p.font.has('车') }

// words are what is printed beside what a ticket has.
type words struct{ title, coach, seat, price, order, show string }

var languages = map[string]words{
	"en": {
		title: "Train ticket", coach: "Coach", seat: "Seat", price: "Price", order: "Order",
		show: "Show this code, and the document, in the train.",
	},
	"zh": {
		title: "车票", coach: "车厢", seat: "座位", price: "票价", order: "订单号",
		show: "乘车时请出示此码和购票时所用的证件。",
	},
}

// A5 across, in millimetres.
const (
	width, height = 210.0, 148.0
	margin        = 14.0
	// codeSide is how long a side of the symbol is: phones and inspectors' scanners read 25 mm well.
	codeSide = 62.0
	family   = "embedded"
)

// The colours of a ticket.
var (
	ink  = [3]int{22, 32, 43}
	grey = [3]int{91, 104, 117}
	blue = [3]int{11, 58, 103}
)

// Print prints tickets, 1 to MaxPages, with labels in Chinese ("zh") or else in English. The same pages make the same
// bytes. Without a font for Chinese the labels are English.
func (p *Printer) Print(language string, pages []Page) ([]byte, error) {
	if len(pages) == 0 || len(pages) > MaxPages {
		return nil, fmt.Errorf("ticketpdf: a file has 1 to %d tickets, not %d", MaxPages, len(pages))
	}
	label, ok := languages[language]
	if !ok || !p.HasFont() {
		label = languages["en"]
	}
	pdf := fpdf.NewCustom(&fpdf.InitType{UnitStr: "mm", Size: fpdf.SizeType{Wd: width, Ht: height}})
	at := pages[0].Departure.UTC()
	pdf.SetCreationDate(at)
	pdf.SetModificationDate(at)
	pdf.SetCatalogSort(true)
	pdf.SetProducer("Interlock", true)
	pdf.SetTitle(label.title+" "+pages[0].Number, true)
	pdf.SetAutoPageBreak(false, 0)
	if p.font != nil {
		pdf.AddUTF8FontFromBytes(family, "", p.font.bytes)
	}
	s := &sheet{Fpdf: pdf, font: p.font, latin: pdf.UnicodeTranslatorFromDescriptor("cp1252")}
	for i := range pages {
		pdf.AddPage()
		s.ticket(&pages[i], &label)
	}
	var b bytes.Buffer
	if err := pdf.Output(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// sheet is a document that is being written.
type sheet struct {
	*fpdf.Fpdf
	font *font
	// latin makes bytes of what Helvetica has.
	latin func(string) string
}

func (s *sheet) ticket(t *Page, label *words) {
	right := width - margin - codeSide
	room := right - margin - 6
	s.SetFillColor(blue[0], blue[1], blue[2])
	s.Rect(0, 0, width, 22, "F")
	white := [3]int{255, 255, 255}
	s.text(margin, 14, 15, "B", white, 90, label.title)
	s.text(width-margin-60, 14, 11, "", white, 60, label.order+"  "+t.Number)

	s.text(margin, 36, 20, "B", ink, room, t.Train+"   "+t.Departure.Format("2006-01-02"))
	s.text(margin, 56, 30, "B", ink, room/2-2, t.Departure.Format("15:04"))
	s.text(margin+room/2, 56, 30, "B", ink, room/2, t.Arrival.Format("15:04"))
	s.text(margin, 65, 13, "", ink, room/2-2, t.From)
	s.text(margin+room/2, 65, 13, "", ink, room/2, t.To)
	s.text(margin+room/2, 71, 9, "", grey, room/2, t.Arrival.Format("2006-01-02"))

	s.SetDrawColor(210, 216, 222)
	s.Line(margin, 77, margin+room, 77)
	third := room / 3
	for i, cell := range [][2]string{{label.coach, t.Coach}, {label.seat, t.Seat}, {label.price, t.Price}} {
		x := margin + float64(i)*third
		s.text(x, 85, 9, "", grey, third-2, cell[0])
		size := 20.0
		if i == 2 {
			size = 13
		}
		s.text(x, 95, size, "B", ink, third-2, cell[1])
	}
	s.text(margin, 103, 10, "", grey, room, t.Class)
	s.Line(margin, 109, margin+room, 109)
	s.text(margin, 120, 17, "B", ink, room, t.Passenger)
	s.text(margin, 128, 11, "", grey, room, t.Document)
	if t.Code != nil {
		s.symbol(t.Code, right, 32)
		s.text(right, 101, 8, "", grey, codeSide, label.show)
		s.code(t.CodeText, right, 107)
	}
}

// symbol draws a module of a symbol as a square; those of a row that touch are one, so that no printer leaves gaps.
func (s *sheet) symbol(code image.Image, x, y float64) {
	bounds := code.Bounds()
	side := codeSide / float64(bounds.Dx())
	s.SetFillColor(0, 0, 0)
	for row := range bounds.Dy() {
		for from := 0; from < bounds.Dx(); from++ {
			to := from
			for to < bounds.Dx() && isDark(code, bounds.Min.X+to, bounds.Min.Y+row) {
				to++
			}
			if to > from {
				s.Rect(x+float64(from)*side, y+float64(row)*side, float64(to-from)*side, side*1.02, "F")
				from = to
			}
		}
	}
}

func isDark(code image.Image, x, y int) bool {
	r, _, _, _ := code.At(x, y).RGBA()
	return r < 0x8000
}

// code prints a code's letters in groups of five, for those who have to type them.
func (s *sheet) code(text string, x, y float64) {
	const group, perLine, size = 5, 7, 6.0
	s.SetFont("Courier", "", size)
	s.SetTextColor(grey[0], grey[1], grey[2])
	line := ""
	for n := 0; len(text) > 0; n++ {
		cut := min(group, len(text))
		line += text[:cut] + " "
		if text = text[cut:]; (n+1)%perLine == 0 || len(text) == 0 {
			s.Text(x, y, line)
			line = ""
			y += 2.6
		}
	}
}

// text prints a text from a point on, smaller where it has no room, and cut off where it has none at half of its size.
func (s *sheet) text(x, y, size float64, style string, colour [3]int, room float64, text string) {
	runs := s.runs(text)
	least := size / 2
	for size > least && s.widthOf(runs, size, style) > room {
		size -= 0.5
	}
	for len(runs) > 0 && s.widthOf(runs, size, style) > room {
		last := &runs[len(runs)-1]
		characters := []rune(last.text)
		if last.text = string(characters[:len(characters)-1]); last.text == "" {
			runs = runs[:len(runs)-1]
		}
	}
	s.SetTextColor(colour[0], colour[1], colour[2])
	s.SetDrawColor(colour[0], colour[1], colour[2])
	for _, r := range runs {
		x += s.print(&r, x, y, size, style)
	}
}

// how a run of characters is printed.
type how int

const (
	inHelvetica how = iota
	inFont
	asBox
)

// run is a piece of a text that is printed one way.
type run struct {
	how  how
	text string
}

// runs are the pieces of a text. Marks that nothing can print are left out.
func (s *sheet) runs(text string) (all []run) {
	for _, r := range text {
		h := asBox
		switch one := s.latin(string(r)); {
		case r == 0x200d || r == 0x200c || r >= 0xfe00 && r <= 0xfe0f:
			continue // joiners, and selectors of variants
		case r >= ' ' && r <= '~', len(one) == 1 && one != ".":
			h = inHelvetica
		case s.font.has(r):
			h = inFont
		}
		if n := len(all); n > 0 && all[n-1].how == h {
			all[n-1].text += string(r)
		} else {
			all = append(all, run{h, string(r)})
		}
	}
	return all
}

// boxSide is how wide a box is, and what is between two, as parts of the size of the text.
const boxSide, boxGap = 0.7, 0.15

const pointsPerMillimetre = 72 / 25.4

func (s *sheet) widthOf(runs []run, size float64, style string) (total float64) {
	for i := range runs {
		total += s.width(&runs[i], size, style)
	}
	return total
}

func (s *sheet) width(r *run, size float64, style string) float64 {
	switch r.how {
	case inHelvetica:
		s.SetFont("Helvetica", style, size)
		return s.GetStringWidth(s.latin(r.text))
	case inFont:
		s.SetFont(family, "", size)
		return s.GetStringWidth(r.text)
	}
	return float64(len([]rune(r.text))) * (boxSide + boxGap) * size / pointsPerMillimetre
}

// print prints a run, and returns how wide it is.
func (s *sheet) print(r *run, x, y, size float64, style string) float64 {
	width := s.width(r, size, style) // It also sets the font.
	switch r.how {
	case inHelvetica:
		s.Text(x, y, s.latin(r.text))
	case inFont:
		s.Text(x, y, r.text)
	case asBox:
		side := boxSide * size / pointsPerMillimetre
		step := (boxSide + boxGap) * size / pointsPerMillimetre
		for i := range len([]rune(r.text)) {
			s.Rect(x+float64(i)*step, y-side, side, side, "D")
		}
	}
	return width
}
