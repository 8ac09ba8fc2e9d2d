package rail

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Spellings are the ways in which people type one text. All are of small letters, without spaces, punctuation and
// invisible characters. The full-width letters of a Chinese keyboard are plain ones.
type Spellings struct {
	// Written is the text with its accents.
	Written string
	// Others is nil for most texts, whose spellings are all equal: to rank them takes one comparison.
	Others *OtherSpellings
}

// OtherSpellings are those without accents.
type OtherSpellings struct {
	// Plain is without accents and strokes: "lodz" of Łódź, "zurich" of Zürich.
	Plain string
	// Long has two letters for one where languages have that custom: "zuerich" of Zürich, "aarhus" of Århus. Elsewhere
	// it equals Plain.
	Long string
}

// Spell finds the spellings of a text.
func Spell(s string) Spellings {
	made := Spellings{Written: strip(strings.ToLower(norm.NFKC.String(s)), nil)}
	if isASCII(made.Written) {
		return made
	}
	others := OtherSpellings{withoutMarks(made.Written), withoutMarks(longLetters.Replace(made.Written))}
	if others.Plain != made.Written || others.Long != made.Written {
		made.Others = &others
	}
	return made
}

// PlainAndLong are the spellings without accents, which most texts are already.
func (s *Spellings) PlainAndLong() OtherSpellings {
	if s.Others == nil {
		return OtherSpellings{s.Written, s.Written}
	}
	return *s.Others
}

// SameSpelling tells whether people may type two texts in one way: "Zürich HB" and "Zuerich Hb." A text without letters
// and digits is the same as itself alone.
func SameSpelling(a, b string) bool {
	first, second := Spell(a), Spell(b)
	if first.Written == "" || second.Written == "" {
		return a == b
	}
	of, with := first.PlainAndLong(), second.PlainAndLong()
	return of.Plain == with.Plain || of.Long == with.Plain || of.Plain == with.Long || of.Long == with.Long
}

// strip leaves of a text the letters, digits and marks that are not in without.
func strip(s string, without *unicode.RangeTable) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.In(r, unicode.Cf, unicode.Variation_Selector), unicode.IsSpace(r), unicode.IsPunct(r):
			return -1
		case r == 'ʼ' || r == '`' || r == '´':
			return -1
		case without != nil && unicode.Is(without, r):
			return -1
		}
		return r
	}, s)
}

// withoutMarks is a text of small letters without accents and strokes.
func withoutMarks(s string) string {
	return plainLetters.Replace(strip(norm.NFKD.String(s), leftOut))
}

// plainLetters are letters that have no decomposition in Unicode and are typed as others, as in CLDR's transliteration
// Latin-ASCII.
var plainLetters = strings.NewReplacer(
	"ß", "ss", "æ", "ae", "œ", "oe", "þ", "th",
	"ł", "l", "ø", "o", "đ", "d", "ð", "d", "ħ", "h", "ŧ", "t", "ŋ", "n", "ı", "i", "ə", "e",
	"ɓ", "b", "ɗ", "d", "ƙ", "k", "ɲ", "n", "ɛ", "e", "ɔ", "o",
)

// longLetters are letters for which people without them type two: in German, in Danish and Norwegian, and in Croatian.
var longLetters = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "å", "aa", "ø", "oe", "đ", "dj")

// leftOut are the marks that people leave out when they type a name: accents, the vowels of Hebrew and Arabic, and the
// Arabic tatweel, which only makes a word longer. The marks of Indic scripts are letters and stay.
var leftOut = &unicode.RangeTable{R16: []unicode.Range16{
	{Lo: 0x0300, Hi: 0x036f, Stride: 1},
	{Lo: 0x0591, Hi: 0x05bd, Stride: 1},
	{Lo: 0x05bf, Hi: 0x05c7, Stride: 1}, // What is no mark among these is punctuation.
	{Lo: 0x0640, Hi: 0x0640, Stride: 1},
	{Lo: 0x064b, Hi: 0x065f, Stride: 1},
	{Lo: 0x0670, Hi: 0x0670, Stride: 1},
}}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
