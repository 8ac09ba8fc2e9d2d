package ticketcode

import (
	"errors"
	"math/big"
	"strings"
)

const (
	// letters are the digits of the number that a content is, the highest byte first. An Aztec symbol has five bits for
	// each, a scanner gives them out as they are, and a person can type them.
	letters      = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	smallLetters = "abcdefghijklmnopqrstuvwxyz"
	base         = len(letters)
	// bigDigits are the digits of the same values in math/big.
	bigDigits = "0123456789abcdefghijklmnop"
	// maxLetters is how many letters the longest content has: 4.7 bits each.
	maxLetters = maxContent*8*10/47 + 1
	// maxText leaves room for a space or a line break behind every letter.
	maxText = 2 * maxLetters
)

var (
	toLetters = strings.NewReplacer(pairs(bigDigits, letters)...)
	toDigits  = strings.NewReplacer(pairs(letters, bigDigits)...)
)

// pairs are the characters of two texts, alternating.
func pairs(from, to string) []string {
	all := make([]string, 0, 2*base)
	for i := range base {
		all = append(all, from[i:i+1], to[i:i+1])
	}
	return all
}

// write makes letters of a content. A content begins with its version, which is never 0, so that none of it is lost.
func write(content []byte) string {
	return toLetters.Replace(new(big.Int).SetBytes(content).Text(base))
}

// read makes a content of letters in the canonical form.
func read(code string) ([]byte, error) {
	n, ok := new(big.Int).SetString(toDigits.Replace(code), base)
	if !ok {
		return nil, errLetters
	}
	return n.Bytes(), nil
}

// errLetters says that a text is not the letters of a code.
var errLetters = errors.New("a code is letters from A to Z, with nothing between them but spaces and line breaks")

var errTooLong = errors.New("it is longer than any code")

// canonical is the one form of a code: large letters alone. It takes small letters, too, but not both: with both, the
// same content would have many texts. A code does not begin with A, which is a zero.
func canonical(text string) (string, error) {
	if len(text) > maxText {
		return "", errTooLong
	}
	code := strings.NewReplacer(" ", "", "\n", "", "\r", "").Replace(text)
	switch {
	case code == "" || strings.Trim(code, letters+smallLetters) != "":
		return "", errLetters
	case strings.Trim(code, letters) != "" && strings.Trim(code, smallLetters) != "":
		return "", errors.New("its letters are all large or all small")
	case code[0]|0x20 == 'a':
		return "", errors.New("no code begins with A")
	case len(code) > maxLetters:
		return "", errTooLong
	}
	return strings.ToUpper(code), nil
}
