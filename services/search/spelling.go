package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// spellings are the ways in which people type one text. All are of small letters, without spaces, punctuation and
// invisible characters. The full-width letters of a Chinese keyboard are plain ones.
type spellings struct {
	// written is the text with its accents.
	written string
	// others is nil for most texts, whose spellings are all equal: to rank them takes one comparison.
	others *otherSpellings
}

// otherSpellings are those without accents.
type otherSpellings struct {
	// plain is without accents and strokes: "lodz" of Łódź, "zurich" of Zürich.
	plain string
	// long has two letters for one where languages have that custom: "zuerich" of Zürich, "aarhus" of Århus. Elsewhere
	// it equals plain.
	long string
}

// spellingWays is how many ways there are.
const spellingWays = 3

// spell finds the spellings of a text.
func spell(s string) spellings {
	made := spellings{written: strip(strings.ToLower(norm.NFKC.String(s)), nil)}
	if isASCII(made.written) {
		return made
	}
	others := otherSpellings{withoutMarks(made.written), withoutMarks(longLetters.Replace(made.written))}
	if others.plain != made.written || others.long != made.written {
		made.others = &others
	}
	return made
}

// rank is how well a name matches what was typed; within says whether to look inside it too.
func (name *spellings) rank(typed *spellings, within bool) int {
	rank := rankOf(name.written, typed.written, within)
	if name.others == nil && typed.others == nil || rank == rankExact {
		return rank
	}
	of, with := name.plainAndLong(), typed.plainAndLong()
	rank = min(rank, rankOf(of.plain, with.plain, within)+1)
	if of.long != of.plain || with.long != with.plain {
		rank = min(rank, rankOf(of.long, with.plain, within)+2, rankOf(of.plain, with.long, within)+2,
			rankOf(of.long, with.long, within)+2)
	}
	return rank
}

func (name *spellings) plainAndLong() otherSpellings {
	if name.others == nil {
		return otherSpellings{name.written, name.written}
	}
	return *name.others
}

// rankOf is how well one spelling matches another.
func rankOf(name, typed string, within bool) int {
	switch {
	case name == typed:
		return rankExact
	case strings.HasPrefix(name, typed):
		return rankPrefix
	case within && strings.Contains(name, typed):
		return rankWithin
	}
	return rankNone
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
