// Package ticketpdf prints tickets as PDF: a page of A5 for each.
package ticketpdf

import (
	"bytes"
	"fmt"
	"image"
	"slices"
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
type Printer struct{ fonts []*font }

// New makes a Printer. file is a font for what Helvetica lacks, such as Chinese: a .ttf with TrueType outlines. What
// that font lacks as well, and everything with "", comes from the fonts in the usual places. A box is printed for what
// none has.
func New(file string) (*Printer, error) {
	fonts, err := findFonts(file)
	if err != nil {
		return nil, err
	}
	return &Printer{fonts}, nil
}

// HasFont tells whether there is a font for Chinese.
func (p *Printer) HasFont() bool {
	return slices.ContainsFunc(p.fonts, func(f *font) bool { return f.has('车') })
}

// words are what is printed beside what a ticket has.
type words struct {
	title, order, train, date, departure, arrival, coach, seat, class, price, passenger, document, show string
}

var languages = map[string]words{
	"en": {
		title: "Train ticket", order: "Order", train: "Train", date: "Date", departure: "Departure", arrival: "Arrival",
		coach: "Coach", seat: "Seat", class: "Class", price: "Price", passenger: "Passenger", document: "Document",
		show: "Show this code, and the document, in the train.",
	},
	"zh": {
		title: "车票", order: "订单号", train: "车次", date: "日期", departure: "出发", arrival: "到达",
		coach: "车厢", seat: "座位", class: "席别", price: "票价", passenger: "乘车人", document: "证件",
		show: "乘车时请出示此码和购票时所用的证件。",
	},
}

// A5 across, in millimetres.
const (
	width, height = 210.0, 148.0
	margin        = 14.0
	// codeSide is how long a side of the symbol is: phones and inspectors' scanners read 25 mm well.
	codeSide = 62.0
	codeLeft = width - margin - codeSide
	// room is how wide the left column is: what is not the code.
	room = codeLeft - margin - 8
	half = room / 2
)

// maxModules is how many modules a side of a symbol may have: the largest Aztec has 151 (ISO/IEC 24778).
const maxModules = 200

// The colours of a ticket.
var (
	white = [3]int{255, 255, 255}
	ink   = [3]int{22, 32, 43}
	grey  = [3]int{91, 104, 117}
	pale  = [3]int{210, 216, 222}
	blue  = [3]int{11, 58, 103}
)

// What of a ticket looks the same.
var (
	caption = look{size: 9, colour: grey}
	small   = look{size: 8, colour: grey}
	plain   = look{size: 12, colour: ink}
)

func strong(size float64) look { return look{size: size, style: "B", colour: ink} }

// Print prints tickets, 1 to MaxPages, with labels in Chinese ("zh") or else in English. The same pages make the same
// bytes. Without a font for Chinese the labels are English.
func (p *Printer) Print(language string, pages []Page) ([]byte, error) {
	if len(pages) == 0 || len(pages) > MaxPages {
		return nil, fmt.Errorf("ticketpdf: a file has 1 to %d tickets, not %d", MaxPages, len(pages))
	}
	for i := range pages {
		if code := pages[i].Code; code != nil {
			if b := code.Bounds(); b.Empty() || b.Dx() > maxModules || b.Dy() > maxModules {
				return nil, fmt.Errorf("ticketpdf: a code has 1 to %d modules a side, not %d by %d", maxModules, b.Dx(), b.Dy())
			}
		}
	}
	printed, err := p.print(language, pages)
	if err != nil && len(p.fonts) > 0 {
		// A font that is damaged in a place that New did not try costs Chinese, and no ticket.
		return (&Printer{}).print(language, pages)
	}
	return printed, err
}

func (p *Printer) print(language string, pages []Page) (printed []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			printed, err = nil, fmt.Errorf("ticketpdf: the library gave up: %v", cause)
		}
	}()
	if language != "zh" || !p.HasFont() {
		language = "en"
	}
	label := languages[language]
	pdf := fpdf.NewCustom(&fpdf.InitType{UnitStr: "mm", Size: fpdf.SizeType{Wd: width, Ht: height}})
	at := pages[0].Departure.UTC()
	if at.IsZero() { // The library takes this for now.
		at = time.Unix(0, 0).UTC()
	}
	pdf.SetCreationDate(at)
	pdf.SetModificationDate(at)
	pdf.SetCatalogSort(true)
	pdf.SetProducer("Interlock", true)
	pdf.SetTitle(label.title+" "+pages[0].Number, true)
	pdf.SetLang(language)
	pdf.SetAutoPageBreak(false, 0)
	s := &sheet{
		Fpdf: pdf, fonts: p.fonts, embedded: map[string]bool{}, latin: pdf.UnicodeTranslatorFromDescriptor("cp1252"),
		characters: map[*font]map[rune]bool{},
	}
	for i := range pages {
		for _, text := range pages[i].texts(&label) {
			s.uses(text)
		}
	}
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

// texts are all that is printed of a page and of its labels in other than Latin letters.
func (t *Page) texts(label *words) []string {
	return []string{
		label.title, label.order, label.train, label.date, label.departure, label.arrival, label.coach, label.seat,
		label.class, label.price, label.passenger, label.document, label.show,
		label.order + "  " + t.Number, t.Train, t.From, t.To, t.Class, t.Coach, t.Seat, t.Passenger, t.Document, t.Price,
	}
}

func (s *sheet) ticket(t *Page, label *words) {
	s.SetFillColor(blue[0], blue[1], blue[2])
	s.Rect(0, 0, width, 20, "F")
	s.text(margin, 13, half, look{16, "B", white}, label.title)
	s.textLeftOf(width-margin, 13, 90, look{11, "", white}, label.order+"  "+t.Number)
	s.journey(t, label)
	s.line(83)
	const quarter = room / 4
	for i, cell := range [][2]string{
		{label.coach, t.Coach}, {label.seat, t.Seat}, {label.class, t.Class}, {label.price, t.Price},
	} {
		x := margin + float64(i)*quarter
		s.text(x, 91, quarter-2, caption, cell[0])
		l := strong(20)
		if i >= 2 {
			l = strong(12)
		}
		s.text(x, 100, quarter-2, l, cell[1])
	}
	s.line(107)
	s.text(margin, 115, room, caption, label.passenger)
	s.text(margin, 124, room, strong(18), t.Passenger)
	s.text(margin, 133, room, caption, label.document)
	s.text(margin, 139, room, plain, t.Document)
	if t.Code != nil {
		s.symbol(t.Code, codeLeft, 32)
		s.text(codeLeft, 101, codeSide, small, label.show)
	}
	s.code(t.CodeText, codeLeft, 107)
}

// journey prints the train, and from where and when it goes to where.
func (s *sheet) journey(t *Page, label *words) {
	const date = "2006-01-02"
	const right = margin + half
	s.text(margin, 32, half-2, caption, label.train)
	s.text(margin, 41, half-2, strong(20), t.Train)
	s.text(right, 32, half, caption, label.date)
	s.text(right, 41, half, strong(20), t.Departure.Format(date))
	s.text(margin, 51, half-2, caption, label.departure)
	s.text(right, 51, half, caption, label.arrival)
	s.text(margin, 63, half-2, strong(30), t.Departure.Format("15:04"))
	s.text(right, 63, half, strong(30), t.Arrival.Format("15:04"))
	s.text(margin, 71, half-2, strong(14), t.From)
	s.text(right, 71, half, strong(14), t.To)
	// What is not the same at both ends is said.
	from, to := "", ""
	if there := t.Arrival.Format(date); there != t.Departure.Format(date) {
		to = there + "  "
	}
	if here, there := t.Departure.Format("-07:00"), t.Arrival.Format("-07:00"); here != there {
		from, to = "UTC"+here, to+"UTC"+there
	}
	s.text(margin, 77, half-2, caption, from)
	s.text(right, 77, half, caption, to)
}

// line draws a line across the left column.
func (s *sheet) line(y float64) {
	s.SetDrawColor(pale[0], pale[1], pale[2])
	s.Line(margin, y, margin+room, y)
}

// symbol draws a module of a symbol as a square; those of a row that touch are one, so that no printer leaves gaps.
func (s *sheet) symbol(code image.Image, x, y float64) {
	bounds := code.Bounds()
	side := codeSide / float64(max(bounds.Dx(), bounds.Dy()))
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

// code prints a code's letters in groups of five, for those who have to type them. A text that has no room on the page
// is left out: nobody types it, and a part of it is worth nothing.
func (s *sheet) code(text string, x, y float64) {
	const group, perLine, size, step = 5, 7, 6.0, 2.6
	const lines = 12
	if len(text) > group*perLine*lines {
		return
	}
	s.SetFont("Courier", "", size)
	s.SetTextColor(grey[0], grey[1], grey[2])
	line := ""
	for n := 0; len(text) > 0; n++ {
		cut := min(group, len(text))
		line += text[:cut] + " "
		if text = text[cut:]; (n+1)%perLine == 0 || len(text) == 0 {
			s.Text(x, y, line)
			line = ""
			y += step
		}
	}
}
