package rail

import (
	"net/mail"
	"strings"

	"golang.org/x/text/language"
)

const (
	// maxEmail is the length of the longest address that can be delivered to, RFC 5321 section 4.5.3.1.3.
	maxEmail = 254
	// maxEmailLocal bounds what is before the @, RFC 5321 section 4.5.3.1.1.
	maxEmailLocal = 64
)

// Contact is where the buyer of an order is written to. The zero Contact is nowhere.
type Contact struct {
	// Email is an address in ASCII, its domain in small letters.
	Email string `json:",omitempty"`
	// Language is a BCP 47 tag such as zh or en-GB, "" for no wish.
	Language string `json:",omitempty"`
}

// normalize makes contacts equal that reach the same: spaces at the ends go, the domain is in small letters, and the
// tag of the language is written as usual.
func (c *Contact) normalize() {
	c.Email = NormalizeLabel(c.Email)
	if at := strings.LastIndexByte(c.Email, '@'); at >= 0 {
		c.Email = c.Email[:at] + strings.ToLower(c.Email[at:])
	}
	c.Language = NormalizeLabel(c.Language)
	if tag, err := language.Parse(c.Language); err == nil && len(c.Language) <= maxLanguage && c.Language != "" {
		c.Language = tag.String()
	}
}

// check adds what is wrong with a normalised contact. The text of a refusal shows nothing of it.
func (c *Contact) check(errs *Errors, path []string) {
	if c.Email != "" && !validEmail(c.Email) {
		errs.Add(Invalid, under(path, "email"), "that is no e-mail address such as anna@example.com")
	}
	if c.Email == "" {
		errs.Add(Invalid, under(path, "email"), "an e-mail address is missing")
	}
	if c.Language == "" {
		return
	}
	if _, err := language.Parse(c.Language); err != nil || len(c.Language) > maxLanguage {
		errs.Add(Invalid, under(path, "language"), "that is no tag of a language such as zh or en-GB")
	}
}

// validEmail tells whether a text is one bare address of a domain name, in ASCII.
func validEmail(text string) bool {
	if len(text) > maxEmail {
		return false
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	address, err := mail.ParseAddress(text)
	if err != nil || address.Address != text || address.Name != "" {
		return false
	}
	at := strings.LastIndexByte(text, '@')
	return at <= maxEmailLocal && validDomain(text[at+1:]) && !strings.Contains(text[:at], `"`)
}

// validDomain tells whether a text is a name with a dot in it, of labels of letters, digits and hyphens: RFC 1123
// section 2.1.
func validDomain(name string) bool {
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range label {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	last := labels[len(labels)-1]
	return len(labels) > 1 && strings.Trim(last, "0123456789") != ""
}

// EmailMasked shows enough of an address to know one's own: its first character, and the domain.
func (c Contact) EmailMasked() string {
	local, domain, ok := strings.Cut(c.Email, "@")
	if !ok || local == "" {
		return ""
	}
	return local[:1] + "***@" + domain
}

// Contact is where the buyer is written to about the order; the zero Contact where that is nowhere, or was forgotten.
func (o *Order) Contact() Contact {
	for i := range o.Tickets {
		if c := o.Tickets[i].Passenger.Contact; c != (Contact{}) {
			return c
		}
	}
	return Contact{}
}
