package smtpmail

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const (
	// maxAddress is the length of the longest address that can be delivered to, RFC 5321 section 4.5.3.1.3.
	maxAddress = 254
	// maxLocal bounds what is before the @, RFC 5321 section 4.5.3.1.1.
	maxLocal = 64
)

// domains are checked as names that can be looked up (RFC 5891), and written in small letters and punycode.
var domains = idna.New(
	idna.MapForLookup(), idna.BidiRule(), idna.CheckJoiners(true), idna.StrictDomainName(true), idna.VerifyDNSLength(true),
)

// CheckAddress returns a bare address (anna@example.com) as it is sent: spaces at the ends go, the domain is in small
// letters and, where it has others than those of ASCII, in punycode. Before the @ is a dot-string of RFC 5321 section
// 4.1.2. Refused are names beside the address, quoted local parts, addresses of machines in brackets, domains without a
// dot, and local parts with letters beyond ASCII: those need SMTPUTF8 (RFC 6531) of every server on the way. An
// address has at most 254 bytes. The text of an error shows nothing of it.
func CheckAddress(text string) (string, error) {
	text = strings.Trim(text, " ")
	if len(text) > maxAddress*2 {
		return "", errLong
	}
	local, domain, ok := strings.Cut(text, "@")
	switch {
	case !ok:
		return "", errors.New("the address has no @")
	case !dotString(local):
		return "", errors.New("before the @ only letters of ASCII, digits and !#$%&'*+-/=?^_`{|}~ are taken, " +
			"and single dots between them")
	case len(local) > maxLocal:
		return "", errLong
	}
	if !utf8.ValidString(domain) {
		return "", errDomain
	}
	domain, err := domains.ToASCII(domain)
	if err != nil || !strings.Contains(domain, ".") {
		return "", errDomain
	}
	if last := domain[strings.LastIndexByte(domain, '.')+1:]; strings.Trim(last, "0123456789") == "" {
		return "", errDomain
	}
	if len(local)+1+len(domain) > maxAddress {
		return "", errLong
	}
	return local + "@" + domain, nil
}

var (
	errLong   = errors.New("the address is too long: at most 254 bytes, of which 64 before the @")
	errDomain = errors.New("after the @ has to be the name of a domain, such as example.com")
)

// dotString tells whether a text is a Dot-string of RFC 5321 section 4.1.2.
func dotString(text string) bool {
	for atom := range strings.SplitSeq(text, ".") {
		if atom == "" {
			return false
		}
		for _, c := range []byte(atom) {
			letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
			if !letter && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", rune(c)) {
				return false
			}
		}
	}
	return true
}
