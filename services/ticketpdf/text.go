package ticketpdf

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/text/unicode/norm"
)

// sheet is a document that is being written.
type sheet struct {
	*fpdf.Fpdf
	fonts []*font
	// embedded are the families of the fonts that the document has so far.
	embedded map[string]bool
	// characters are those that each font prints.
	characters map[*font]map[rune]bool
	// latin makes bytes of what Helvetica has.
	latin func(string) string
}

// uses notes what the fonts will print of a text.
func (s *sheet) uses(text string) {
	for _, r := range s.runs(text) {
		if r.font == nil {
			continue
		}
		if s.characters[r.font] == nil {
			s.characters[r.font] = map[rune]bool{}
		}
		for _, one := range r.text {
			s.characters[r.font][one] = true
		}
	}
}

// look is how a text looks: its size in points, "B" for bold, and its colour.
type look struct {
	size   float64
	style  string
	colour [3]int
}

// run is a piece of a text that is printed one way: in a font, in Helvetica or, where nothing has it, as boxes.
type run struct {
	font *font
	box  bool
	text string
}

// runs are the pieces of a text. A word is of one font where one has all of it. What is no character is left out.
func (s *sheet) runs(text string) (all []run) {
	text = norm.NFC.String(strings.ToValidUTF8(text, "\ufffd"))
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Variation_Selector):
			return -1
		}
		return r
	}, text)
	for i, word := range strings.Split(text, " ") {
		if i > 0 {
			all = join(all, run{text: " "})
		}
		all = s.word(all, word)
	}
	return all
}

func (s *sheet) word(all []run, word string) []run {
	if f, ok := s.fontOf(word); ok {
		return join(all, run{font: f, text: word})
	}
	for _, r := range word {
		f, ok := s.fontOf(string(r))
		all = join(all, run{font: f, box: !ok, text: string(r)})
	}
	return all
}

// join appends a run, to the last one where that is printed the same way.
func join(all []run, r run) []run {
	if n := len(all); n > 0 && all[n-1].font == r.font && all[n-1].box == r.box {
		all[n-1].text += r.text
		return all
	}
	return append(all, r)
}

// fontOf finds what has all of a text: nil is Helvetica.
func (s *sheet) fontOf(text string) (*font, bool) {
	if s.inHelvetica(text) {
		return nil, true
	}
fonts:
	for _, f := range s.fonts {
		for _, r := range text {
			if !f.has(r) {
				continue fonts
			}
		}
		return f, true
	}
	return nil, false
}

// inHelvetica tells whether Helvetica has a text: the translator makes a full stop of what it lacks.
func (s *sheet) inHelvetica(text string) bool {
	for _, r := range text {
		if r > '~' && s.latin(string(r)) == "." {
			return false
		}
	}
	return true
}

// boxSide is how wide a box is, and boxGap what is between two, as parts of the size of the text.
const boxSide, boxGap = 0.7, 0.15

const pointsPerMillimetre = 72 / 25.4

func (s *sheet) widthOf(runs []run, l look) (total float64) {
	for i := range runs {
		total += s.width(&runs[i], l)
	}
	return total
}

// width is how wide a run is. It also sets the run's font.
func (s *sheet) width(r *run, l look) float64 {
	switch {
	case r.box:
		s.SetFont("Helvetica", l.style, l.size)
		return float64(len([]rune(r.text))) * (boxSide + boxGap) * l.size / pointsPerMillimetre
	case r.font == nil:
		s.SetFont("Helvetica", l.style, l.size)
		return s.GetStringWidth(s.latin(r.text))
	}
	if !s.embedded[r.font.family] {
		s.AddUTF8FontFromBytes(r.font.family, "", r.font.with(s.characters[r.font]))
		s.embedded[r.font.family] = true
	}
	s.SetFont(r.font.family, "", l.size)
	return s.GetStringWidth(r.text)
}

// text prints a text from a point on, smaller where it has no room, and cut off where it has none at half of its size.
func (s *sheet) text(x, y, room float64, l look, text string) {
	s.printRuns(x, y, s.fit(text, room, &l), l)
}

// textLeftOf prints a text that ends at a point.
func (s *sheet) textLeftOf(x, y, room float64, l look, text string) {
	runs := s.fit(text, room, &l)
	s.printRuns(x-s.widthOf(runs, l), y, runs, l)
}

// fit makes the look of a text smaller until there is room for it, and cuts it off where that does not do.
func (s *sheet) fit(text string, room float64, l *look) []run {
	const longest = 512 // characters: more have no room at any size
	if all := []rune(text); len(all) > longest {
		text = string(all[:longest])
	}
	runs := s.runs(text)
	for least := l.size / 2; l.size > least && s.widthOf(runs, *l) > room; {
		l.size -= 0.5
	}
	for len(runs) > 0 && s.widthOf(runs, *l) > room {
		last := &runs[len(runs)-1]
		characters := []rune(last.text)
		if last.text = string(characters[:len(characters)-1]); last.text == "" {
			runs = runs[:len(runs)-1]
		}
	}
	return runs
}

func (s *sheet) printRuns(x, y float64, runs []run, l look) {
	s.SetTextColor(l.colour[0], l.colour[1], l.colour[2])
	s.SetDrawColor(l.colour[0], l.colour[1], l.colour[2])
	for i := range runs {
		r := &runs[i]
		width := s.width(r, l)
		switch {
		case r.box:
			s.boxes(x, y, r.text, l.size)
		case r.font == nil:
			s.Text(x, y, s.latin(r.text))
		case l.style == "B":
			s.bold(x, y, r.text, l.size)
		default:
			s.Text(x, y, r.text)
		}
		x += width
	}
}

// How PDF shows text (ISO 32000-1, 9.3.6).
const (
	filled           = 0
	filledAndStroked = 2
	invisible        = 3
)

// bold prints with thicker strokes: the fonts that are looked for have no bold.
func (s *sheet) bold(x, y float64, text string, size float64) {
	before := s.GetLineWidth()
	s.SetLineWidth(0.03 * size / pointsPerMillimetre)
	s.SetTextRenderingMode(filledAndStroked)
	s.Text(x, y, text)
	s.SetTextRenderingMode(filled)
	s.SetLineWidth(before)
}

// boxes prints a box for each character. Who copies, searches or is read the document gets the characters: a text that
// is not seen says what it stands for (ISO 32000-1, 14.9.4).
func (s *sheet) boxes(x, y float64, text string, size float64) {
	side := boxSide * size / pointsPerMillimetre
	step := (boxSide + boxGap) * size / pointsPerMillimetre
	characters := len([]rune(text))
	for i := range characters {
		s.Rect(x+float64(i)*step, y-side, side, side, "D")
	}
	actual := "FEFF"
	for _, unit := range utf16.Encode([]rune(text)) {
		actual += fmt.Sprintf("%04X", unit)
	}
	s.RawWriteStr("/Span <</ActualText <" + actual + ">>> BDC")
	s.SetTextRenderingMode(invisible)
	s.Text(x, y, strings.Repeat("?", characters))
	s.SetTextRenderingMode(filled)
	s.RawWriteStr("EMC")
}
