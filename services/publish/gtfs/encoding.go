package gtfs

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// byteOrderMark is what a file in UTF-8 may begin with.
const byteOrderMark = "\uFEFF"

// isUTF16 tells whether a text begins as one in UTF-16: with its mark, or with an ASCII letter in two bytes.
func isUTF16(text []byte) bool {
	if len(text) < 2 {
		return false
	}
	mark := string(text[:2])
	return mark == "\xFF\xFE" || mark == "\xFE\xFF" || (text[0] == 0) != (text[1] == 0)
}

// encodingOf guesses what a text is in that is no UTF-8, and shows what it would be.
func encodingOf(text string) string {
	shown, err := charmap.Windows1252.NewDecoder().String(text)
	if err != nil || strings.ContainsRune(shown, utf8.RuneError) || utf8.RuneCountInString(shown) > maxShown {
		return "convert the file"
	}
	return fmt.Sprintf("is the file in Windows-1252, where it is %q? Convert it", shown)
}

// maxShown is how many characters of a text a message shows that may be in another encoding.
const maxShown = 60
