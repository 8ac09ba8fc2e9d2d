package report

import (
	"strings"
	"unicode/utf8"
)

// lineWidth is how wide a line of prose is, as elsewhere in the documents.
const lineWidth = 120

// fill breaks the lines of each paragraph anew, since figures differ in width. Tables, lists, headings, pictures and
// code stay as they are, and blank lines are made one.
func fill(page string) string {
	var b strings.Builder
	code := false
	for block := range strings.SplitSeq(page, "\n\n") {
		block = strings.Trim(block, "\n")
		if block == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		if code || strings.HasPrefix(block, "```") || strings.ContainsRune("|-#!", rune(block[0])) {
			begins, ends := strings.HasPrefix(block, "```"), strings.HasSuffix(block, "```")
			code = (begins || code) && !ends
			b.WriteString(block + "\n")
			continue
		}
		width := 0
		for i, word := range strings.Fields(block) {
			long := utf8.RuneCountInString(word)
			switch {
			case i == 0:
			case width+1+long > lineWidth:
				b.WriteString("\n")
				width = 0
			default:
				b.WriteString(" ")
				width++
			}
			b.WriteString(word)
			width += long
		}
		b.WriteString("\n")
	}
	return b.String()
}
