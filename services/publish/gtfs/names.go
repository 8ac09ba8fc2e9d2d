package gtfs

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"interlock/services/rail"
)

const (
	// How many characters a train's number, a station's code, its names and a language's tag have at most (rail).
	maxNumber   = 128
	maxCode     = 64
	maxName     = 128
	maxLanguage = 35
	// MaxStationPrefix is how many characters Options.StationPrefix has at most: enough to name a railway by, and few
	// enough that codes remain readable behind it.
	MaxStationPrefix = 16
	// digestLength is how many hexadecimal digits tell long names apart: 64 bits, of which no two are equal by chance
	// among millions.
	digestLength = 16
)

// Numbered is a number of the trip that is made of a name that its repetitions share: with its Departure behind it. An
// empty name is its id, which has the departure already. The number can be a train's: one that is too long, or has
// characters that cannot be shown, is shortened to what can, with a digest behind it.
func (t *Trip) Numbered(name string) string {
	switch {
	case name == "":
		name = t.ID
	case t.Departure != "":
		name += " " + t.Departure
	}
	return fitting(rail.NormalizeLabel(name), maxNumber)
}

// fitting is a text if rail.CheckText lets it pass with so many characters. Otherwise it is its beginning, as far as
// that can be shown, "~", and a digest of all of it: so the same text becomes the same in every feed, and another
// becomes another.
func fitting(text string, most int) string {
	if rail.CheckText("", text, most) == nil {
		return text
	}
	return withDigest(text, text, most)
}

// withDigest is the beginning of a text, as far as that can be shown, "~", and a digest of another text.
func withDigest(text, of string, most int) string {
	sum := sha256.Sum256([]byte(of))
	digest := "~" + hex.EncodeToString(sum[:])[:digestLength]
	begin := []rune(text[:min(len(text), utf8.UTFMax*most)])
	begin = begin[:min(len(begin), most-len(digest))]
	if short := string(begin) + digest; rail.CheckText("", short, most) == nil {
		return short
	}
	for i, character := range begin {
		if character < ' ' || character > '~' {
			begin = begin[:i]
			break
		}
	}
	return strings.TrimLeft(string(begin), " ") + digest
}

// oneLine makes one line of a name: a quoted field may have line breaks, a name may not.
// It is a copy: most names are as they were read, and would keep their whole row in memory.
func oneLine(s string) string {
	if isPlain(s) {
		return strings.Clone(s)
	}
	return strings.Clone(rail.NormalizeText(strings.Join(strings.Fields(s), " ")))
}

// isPlain tells whether a text is one line already: ASCII that can be seen, with single spaces inside.
func isPlain(s string) bool {
	space := true
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == ' ' && space {
			return false
		}
		space = s[i] == ' '
	}
	return !space || s == ""
}
