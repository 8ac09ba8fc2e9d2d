package smtpmail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/textproto"
	"os"
)

// What is certain of a mail that was not taken. With neither, no server has it, and it may be tried again.
var (
	// ErrRefused says that the mail will never be taken as it is.
	ErrRefused = errors.New("the mail is refused for good")
	// ErrUnknown says that all of the mail went out, and no answer came: the receiver may have it.
	ErrUnknown = errors.New("the mail may have been delivered")
)

// The steps of a mail, as Error names them.
const (
	stepWrite    = "writing the mail"
	stepPlace    = "waiting for a place"
	stepConnect  = "connecting"
	stepGreeting = "the greeting"
	stepHello    = "EHLO"
	stepStartTLS = "STARTTLS"
	stepTLS      = "TLS"
	stepAuth     = "AUTH"
	stepMail     = "MAIL"
	stepRcpt     = "RCPT"
	stepData     = "DATA"
	stepContent  = "the content"
	stepEnd      = "the end of the mail"
)

// Error says at which step a mail failed. Its text has no address, nothing of the mail, and nothing that a server
// wrote but its code.
type Error struct {
	// Step is a command of SMTP or another fixed word.
	Step string
	// Code is the code of the server's answer (RFC 5321 section 4.2), 0 where there was none.
	Code int
	// Reason is a fixed text, "" where the code says it all.
	Reason string
	// causes are ErrRefused or ErrUnknown, and the error of a context that ended.
	causes []error
}

func (e *Error) Error() string {
	text := "mail: " + e.Step
	if e.Code != 0 {
		text = fmt.Sprintf("%s was answered by %d", text, e.Code)
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// Unwrap has errors.Is find ErrRefused, ErrUnknown, context.Canceled and context.DeadlineExceeded.
func (e *Error) Unwrap() []error { return e.causes }

// refused is a mail that cannot be sent as it is.
func refused(reason string) *Error {
	return &Error{Step: stepWrite, Reason: reason, causes: []error{ErrRefused}}
}

// failed says what an error of a step means. The error itself is left behind, for its text may have an address.
func failed(ctx context.Context, step string, err error) *Error {
	e := &Error{Step: step}
	var answer *textproto.Error
	switch {
	case errors.As(err, &answer):
		e.Code = answer.Code
		if forGood(step, e.Code) {
			e.causes = append(e.causes, ErrRefused)
		}
		if step == stepEnd && (e.Code < 400 || e.Code > 599) {
			// What the server meant is not known.
			e.causes = append(e.causes, ErrUnknown)
		}
	default:
		e.Reason = reason(ctx, err)
		if step == stepEnd {
			e.causes = append(e.causes, ErrUnknown)
		}
	}
	if cause := ctx.Err(); cause != nil && e.Code == 0 {
		e.causes = append(e.causes, cause)
	}
	return e
}

// forGood tells whether an answer means that the server will never take this mail. A 5xx before RCPT is about the
// sender or the settings, which is for an operator to mend; so are, at any step, what the server does not understand
// (500, 502 to 504) and what it first wants to have authenticated or encrypted (530, 534, 535, 538: RFC 4954 section 6).
func forGood(step string, code int) bool {
	switch step {
	case stepRcpt, stepData, stepContent, stepEnd:
	default:
		return false
	}
	switch code {
	case 500, 502, 503, 504, 530, 534, 535, 538:
		return false
	}
	return code >= 500 && code <= 599
}

// reason says in fixed words what went wrong without an answer.
func reason(ctx context.Context, err error) string {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		check     *tls.CertificateVerificationError
		record    tls.RecordHeaderError
	)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return "it was broken off"
	case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &authority):
		return "the server's certificate is by an authority that is not trusted"
	case errors.As(err, &name):
		return "the server's certificate is for another name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate has expired"
	case errors.As(err, &check):
		return "the server's certificate is not valid"
	case errors.As(err, &record):
		return "the server does not speak TLS here"
	case errors.Is(err, errNoStartTLS), errors.Is(err, errNoAuth), errors.Is(err, errTooMuch):
		return err.Error()
	}
	return "the connection failed"
}

// What is wrong with a server that answers.
var (
	errNoStartTLS = errors.New("the server does not offer it")
	errNoAuth     = errors.New("the server offers no mechanism that is known here")
	errTooMuch    = errors.New("the server's answers are too long")
)
