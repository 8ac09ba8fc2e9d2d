package ticketpdf

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/image/font/sfnt"
)

// maxFont bounds a font's file, in bytes: the largest of Chinese have some 20 MB.
const maxFont = 64 << 20

// usual are where a font with Chinese is looked for, the best first. The library embeds TrueType outlines alone: the
// Noto and Source Han fonts that most systems have are of the other kind (CFF), and collections (.ttc) are several
// fonts in a file.
var usual = []string{
	"/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf", // Debian, Ubuntu: fonts-droid-fallback
	"/usr/share/fonts/google-droid/DroidSansFallbackFull.ttf",   // Fedora: google-droid-sans-fonts
	"/usr/share/fonts/droid/DroidSansFallbackFull.ttf",          // Arch: ttf-droid
	"/Library/Fonts/Arial Unicode.ttf",                          // macOS
}

// font is a font that is embedded for what Helvetica lacks.
type font struct {
	bytes []byte
	glyph *sfnt.Font
}

var errNotTrueType = errors.New("it is no font with TrueType outlines (a .ttf); a .ttc, and an .otf with CFF, are not")

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
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &font{bytes: b, glyph: glyph}, nil
}

// tryOut embeds a font in a document, which takes a tenth of a second. A damaged one may have the library panic.
func (f *font) tryOut() (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("it is damaged: %v", cause)
		}
	}()
	p := &Printer{font: f}
	_, err = p.Print("zh", []Page{{Passenger: "王"}})
	return err
}

// has tells whether a font has a character. The library takes those of the basic plane alone.
func (f *font) has(r rune) bool {
	if f == nil || r > 0xffff {
		return false
	}
	var b sfnt.Buffer
	at, err := f.glyph.GlyphIndex(&b, r)
	return err == nil && at != 0
}
