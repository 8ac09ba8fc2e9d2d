package ticketpdf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"unicode"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/sfnt"
)

// maxFont bounds a font's file, in bytes: the largest of Chinese have some 20 MB.
const maxFont = 64 << 20

// usual are where fonts are looked for: of each row the first that can be used. The library embeds TrueType outlines
// alone: the Noto and Source Han fonts that most systems have are of the other kind (CFF), and collections (.ttc) are
// several fonts in a file.
var usual = [][]string{
	{ // Chinese.
		"/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf", // Debian, Ubuntu: fonts-droid-fallback
		"/usr/share/fonts/google-droid/DroidSansFallbackFull.ttf",   // Fedora: google-droid-sans-fonts
		"/usr/share/fonts/droid/DroidSansFallbackFull.ttf",          // Arch: ttf-droid
		"/Library/Fonts/Arial Unicode.ttf",                          // macOS
	},
	{ // Latin beyond Western Europe's, Greek and Cyrillic.
		"/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",   // Debian, Ubuntu: fonts-dejavu-core
		"/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf", // Fedora: dejavu-sans-fonts
		"/usr/share/fonts/TTF/DejaVuSans.ttf",               // Arch: ttf-dejavu
	},
}

// font is a font that is embedded for what Helvetica lacks.
type font struct {
	family string
	bytes  []byte
	glyph  *sfnt.Font
	// whole has a test embed what the library cuts of it.
	whole bool
}

var errNotTrueType = errors.New("it is no font with TrueType outlines (a .ttf); a .ttc, and an .otf with CFF, are not")

// findFonts reads the font of a file, unless it is "", and those of the usual places.
func findFonts(file string) (found []*font, err error) {
	if file != "" {
		f, err := loadFont(file)
		if err != nil {
			return nil, err
		}
		if err := f.tryOut(); err != nil {
			return nil, fmt.Errorf("%s: it cannot be embedded: %w", file, err)
		}
		found = append(found, f)
	}
	for _, places := range usual {
		for _, place := range places {
			// What nobody named may be missing, or be of a kind that cannot be used.
			if f, err := loadFont(place); err == nil {
				found = append(found, f)
				break
			}
		}
	}
	for i, f := range found {
		f.family = "embedded" + strconv.Itoa(i)
	}
	return found, nil
}

// loadFont reads a font.
func loadFont(file string) (*font, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFont+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxFont:
		return nil, fmt.Errorf("%s: it is longer than %d bytes", file, maxFont)
	case len(b) < 4 || string(b[:4]) != "\x00\x01\x00\x00" && string(b[:4]) != "true":
		return nil, fmt.Errorf("%s: %w", file, errNotTrueType)
	}
	glyph, err := sfnt.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: it is damaged: %w", file, err)
	}
	read := &font{bytes: b, glyph: glyph}
	for r := rune(0); r <= '9'; r++ { // The library embeds these always.
		if err := read.load(r); err != nil {
			return nil, fmt.Errorf("%s: it is damaged: %w", file, err)
		}
	}
	return read, nil
}

// tryOut embeds a font in a document, which takes a tenth of a second. A damaged one may have the library panic.
func (f *font) tryOut() (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("it is damaged: %v", cause)
		}
	}()
	text := ""
	for _, r := range "Ağя王" {
		if f.has(r) {
			text += string(r)
		}
	}
	if text == "" {
		return errors.New("it has no letters")
	}
	pdf := fpdf.New("P", "mm", "A5", "")
	pdf.AddPage()
	pdf.AddUTF8FontFromBytes("sample", "", bytes.Clone(f.bytes)) // The library writes into it.
	pdf.SetFont("sample", "", 10)
	pdf.Text(10, 10, text)
	return pdf.Output(io.Discard)
}

// load reads a character's outline, where the font has the character. The library follows glyphs that are made of each
// other without end, which ends the process; sfnt refuses them.
func (f *font) load(r rune) error {
	var b sfnt.Buffer
	at, err := f.glyph.GlyphIndex(&b, r)
	if err != nil || at == 0 {
		return err
	}
	_, err = f.glyph.LoadGlyph(&b, at, 1<<10, nil)
	return err
}

// oneByOne are the scripts whose letters are printed one after the other, from left to right. Letters of the others
// join, change places or go to the left, which the library does not do.
var oneByOne = []*unicode.RangeTable{
	unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Armenian, unicode.Georgian, unicode.Han, unicode.Hiragana,
	unicode.Katakana, unicode.Bopomofo, unicode.Hangul, unicode.Common, unicode.Inherited,
}

// has tells whether a font can print a character. The library takes those of the basic plane alone.
func (f *font) has(r rune) bool {
	if r > 0xffff || !unicode.In(r, oneByOne...) {
		return false
	}
	var b sfnt.Buffer
	at, err := f.glyph.GlyphIndex(&b, r)
	return err == nil && at != 0 && f.load(r) == nil
}
