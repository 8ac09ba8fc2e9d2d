package smtpmail

import (
	"bytes"
	"io"
	"mime"
	stdmail "net/mail"
	"strings"
	"time"
	"unicode"

	"github.com/wneessen/go-mail"
)

const (
	// maxMail is the most bytes of a mail as it is sent: many times a ticket, and far below what servers take.
	maxMail = 2 << 20
	// maxMessageID leaves a line of the header below 998 bytes, RFC 5322 section 2.1.1.
	maxMessageID = 200
	// maxSubject is the most characters of a subject: more than any client shows.
	maxSubject = 200
	// maxAttachments and maxName bound what a mail carries beside its text.
	maxAttachments = 20
	maxName        = 100
)

// Mail is a mail to one receiver.
type Mail struct {
	// MessageID is left@right without brackets (RFC 5322 section 3.6.4): the same for every attempt, and for no other
	// mail.
	MessageID string
	// To is an address that CheckAddress takes.
	To string
	// Subject is one line of at most 200 characters.
	Subject string
	// Text and HTML say the same, for clients to choose from. HTML may be "".
	Text, HTML  string
	Attachments []Attachment
	// At is the Date of the mail: the same for every attempt.
	At time.Time
}

// Attachment is a file that comes with a mail.
type Attachment struct {
	// Name is the file's, at most 100 bytes. Type is its media type, such as application/pdf.
	Name, Type string
	Data       []byte
}

// message is a mail as it goes to one address.
type message struct {
	to      string
	content []byte
}

// compose writes a mail as RFC 5322 has it, at most 2 MiB. Its errors are ErrRefused: it would be the same mail the
// next time.
func compose(from stdmail.Address, m *Mail) (*message, error) {
	to, err := CheckAddress(m.To)
	if err != nil {
		return nil, refused(err.Error())
	}
	if err := check(m); err != nil {
		return nil, err
	}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&from)
	msg.ToMailAddress(&stdmail.Address{Address: to})
	msg.SetMessageIDWithValue(m.MessageID)
	msg.SetDateWithValue(m.At)
	msg.Subject(m.Subject)
	// No machine answers a mail of a machine: RFC 3834 section 5.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	}
	for i := range m.Attachments {
		a := &m.Attachments[i]
		if err := msg.AttachReader(a.Name, bytes.NewReader(a.Data), named(a)); err != nil {
			return nil, refused("an attachment cannot be written")
		}
	}
	var content bytes.Buffer
	if _, err := msg.WriteTo(&limited{to: &content, left: maxMail}); err != nil {
		return nil, refused("it is larger than 2 MiB")
	}
	return &message{to: to, content: content.Bytes()}, nil
}

// check refuses what would make another header of a mail, or a mail without bounds.
func check(m *Mail) error {
	left, right, ok := strings.Cut(m.MessageID, "@")
	switch {
	case !ok, !dotString(left), !dotString(right), len(m.MessageID) > maxMessageID:
		return refused("its Message-ID is not valid")
	case m.At.IsZero():
		return refused("it has no date")
	case len([]rune(m.Subject)) > maxSubject, strings.ContainsFunc(m.Subject, unicode.IsControl):
		return refused("its subject is not one line of at most 200 characters")
	case len(m.Attachments) > maxAttachments:
		return refused("it has more than 20 attachments")
	}
	size := len(m.Text) + len(m.HTML)
	for i := range m.Attachments {
		a := &m.Attachments[i]
		size += len(a.Data)
		media, _, err := mime.ParseMediaType(a.Type)
		if err != nil || !strings.Contains(media, "/") {
			return refused("the type of an attachment is not valid")
		}
		if a.Name == "" || len(a.Name) > maxName || strings.ContainsFunc(a.Name, unicode.IsControl) ||
			strings.ContainsAny(a.Name, `/\`) {
			return refused("the name of an attachment is not valid")
		}
	}
	if size > maxMail {
		return refused("it is larger than 2 MiB")
	}
	return nil
}

// named writes the headers of an attachment. go-mail's own have names beyond ASCII in the words of RFC 2047, which
// its section 5 forbids there and few clients read; those of RFC 2231 are right.
func named(a *Attachment) mail.FileOption {
	return func(f *mail.File) {
		media, parameters, _ := mime.ParseMediaType(a.Type)
		if parameters == nil {
			parameters = make(map[string]string)
		}
		parameters["name"] = a.Name
		f.Header.Set("Content-Type", mime.FormatMediaType(media, parameters))
		f.Header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": a.Name}))
	}
}

// limited passes on so many bytes, and no more.
type limited struct {
	to   io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.left {
		return 0, io.ErrShortWrite
	}
	l.left -= len(p)
	return l.to.Write(p)
}
