package rail

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	// maxTextBytes is more than any text that passes: 256 characters, each typed as three that are composed into one.
	maxTextBytes = 4_096
	// maxMarks is how many combining marks may follow each other. Tibetan and Burmese syllables stack five or six; a
	// hundred cover the lines above and below.
	maxMarks = 8
	// maxQuoted is longer than any id, code or cursor that a server makes, but for those of the longest trains.
	maxQuoted = 120
	// The joiners that letters of Persian, Sinhala and others are written with.
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
	// vowelSeparator stands before the last vowel of many Mongolian words.
	vowelSeparator = '\u180e'
	// virama is the canonical combining class of the signs that take the vowel off a letter.
	virama = 9
	// fullWidth is how far the full-width forms of a Chinese keyboard lie behind ASCII.
	fullWidth = 'Ａ' - 'A'
)

// Quote is a text as a refusal shows what was sent: in quotes, with what cannot be printed escaped, and cut off after
// maxQuoted characters.
func Quote(text string) string {
	n := 0
	for i := range text {
		if n++; n > maxQuoted {
			return strconv.Quote(text[:i]) + " …"
		}
	}
	return strconv.Quote(text)
}

// NormalizeText makes texts equal that look the same. Letters and their accents are composed (NFC), every space becomes
// U+0020, and spaces at the ends are cut. A text that is too long to pass CheckText is returned as it is.
func NormalizeText(text string) string { return strings.TrimSpace(composed(text)) }

// composed is NormalizeText with the spaces at the ends.
func composed(text string) string {
	if len(text) > maxTextBytes || !utf8.ValidString(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Zs, r) {
			return ' '
		}
		return r
	}, norm.NFC.String(text))
}

// NormalizeLabel is NormalizeText for what is painted or printed: numbers of trains, coaches, seats and documents.
// Letters and digits of full width become ASCII.
func NormalizeLabel(label string) string { return NormalizeText(narrow(label)) }

// narrow makes ASCII of letters and digits of full width. It comes before accents are composed with them.
func narrow(text string) string {
	if !utf8.ValidString(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r >= '０' && r <= '９' || r >= 'Ａ' && r <= 'Ｚ' || r >= 'ａ' && r <= 'ｚ' {
			return r - fullWidth
		}
		return r
	}, text)
}

// CheckText is nil for a normalised text of 1 to most printable characters of any script. Otherwise it is the refusal,
// which names the first wrong character and its place, counted from 1. what is how the refusal calls the text, such as
// "a name".
func CheckText(what, text string, most int) *Error {
	if fault := textFault(text, most); fault != "" {
		return Refuse(Invalid, "%s has 1 to %d printable characters: %s", what, most, fault)
	}
	return nil
}

// addText adds what CheckText says of a text.
func (e *Errors) addText(path []string, what, text string, most int) {
	if wrong := CheckText(what, text, most); wrong != nil {
		e.Add(wrong.Code, path, "%s", wrong.Message)
	}
}

// printable tells whether CheckText lets a text pass.
func printable(text string, most int) bool { return textFault(text, most) == "" }

// textFault is what is wrong with a text, "" where nothing is.
func textFault(text string, most int) string {
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		return "it is empty"
	case !utf8.ValidString(text):
		return "it is not UTF-8"
	case n > most:
		return fmt.Sprintf("it has %d", n)
	case text[0] == ' ' || text[len(text)-1] == ' ':
		return "it begins or ends with a space"
	}
	if allASCII(text) {
		return ""
	}
	characters := []rune(text)
	marks := 0
	for i, r := range characters {
		if unicode.Is(unicode.M, r) {
			marks++
		} else if !isJoiner(r) {
			marks = 0
		}
		if fault := characterFault(characters, i, marks); fault != "" {
			return fmt.Sprintf("character %d is U+%04X, %s", i+1, r, fault)
		}
	}
	if !norm.NFC.IsNormalString(text) {
		return "it is not composed (NFC)"
	}
	return ""
}

// allASCII tells whether every character can be seen and is ASCII, as those of most labels.
func allASCII(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// characterFault is what is wrong with the character at a place of a text, "" where nothing is. marks is how many
// combining marks follow each other up to it.
func characterFault(text []rune, at, marks int) string {
	switch r := text[at]; {
	case isJoiner(r):
		if !joins(text, at) {
			return "a joiner that joins no letters"
		}
	case unicode.Is(unicode.M, r) && (at == 0 || text[at-1] == ' '):
		return "a combining mark without a letter before it"
	case marks > maxMarks:
		return fmt.Sprintf("more than %d combining marks in a row", maxMarks)
	case unicode.Is(unicode.Bidi_Control, r):
		return "which changes the direction of writing"
	case unicode.Is(unicode.Cc, r):
		return "a control character"
	case r == utf8.RuneError:
		return "which stands for a character that was lost"
	case unicode.Is(unicode.Co, r):
		return "a character of private use"
	case unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point):
		return "which cannot be seen"
	case unicode.Is(unicode.Zs, r) && r != ' ':
		return "a space other than U+0020"
	case !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Zs):
		return "which is not assigned"
	}
	return ""
}

func isJoiner(r rune) bool {
	return r == zeroWidthNonJoiner || r == zeroWidthJoiner || r == vowelSeparator
}

// joins tells whether a joiner stands between letters (the vowel separator between Mongolian ones), or behind a virama,
// where it may end a word (RFC 5892, A.1 and A.2).
func joins(text []rune, at int) bool {
	if at == 0 {
		return false
	}
	before := text[at-1]
	if text[at] != vowelSeparator && norm.NFC.PropertiesString(string(before)).CCC() == virama {
		return true
	}
	if at+1 == len(text) || !unicode.In(before, unicode.L, unicode.M) || !unicode.In(text[at+1], unicode.L, unicode.M) {
		return false
	}
	return text[at] != vowelSeparator || unicode.Is(unicode.Mongolian, before) &&
		unicode.Is(unicode.Mongolian, text[at+1])
}
