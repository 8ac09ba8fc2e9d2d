package partnerhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"syscall"
)

// maxNames bounds what is shown of an error about a certificate, which has its names, in bytes.
const maxNames = 200

// failure is why there was no answer. Partners read its text, so it has nothing of our network and nothing that was
// answered: who names an address is not to learn what else is there.
type failure struct {
	text string
	err  error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.err }

// stage is how far an attempt has come.
type stage struct{ at atomic.Pointer[string] }

const (
	lookingUp  = "address of its name"
	connecting = "connection"
	handshake  = "end of the TLS handshake"
	answering  = "answer"
)

func (s *stage) reach(what string) { s.at.Store(&what) }

// missing is what an attempt is waiting for.
func (s *stage) missing() string {
	if what := s.at.Load(); what != nil {
		return *what
	}
	return lookingUp
}

// trace follows an attempt.
func (s *stage) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		ConnectStart:      func(string, string) { s.reach(connecting) },
		TLSHandshakeStart: func() { s.reach(handshake) },
		GotConn:           func(httptrace.GotConnInfo) { s.reach(answering) },
	}
}

// explain turns an error of net/http into one that may be shown. The caller's context tells whether the caller gave up.
func explain(caller context.Context, err error, host string, reached *stage) error {
	if errors.Is(err, ErrTarget) {
		return err
	}
	return &failure{text: reason(caller, err, host, reached), err: err}
}

func reason(caller context.Context, err error, host string, reached *stage) string {
	var timeout net.Error
	var lookup *lookupError
	switch {
	case errors.Is(caller.Err(), context.Canceled):
		return "the attempt was given up before there was an answer"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no %s in time", reached.missing())
	case errors.As(err, &lookup):
		return lookupReason(lookup, host)
	}
	if text := tlsReason(err, reached); text != "" {
		return text
	}
	var system syscall.Errno
	switch {
	case errors.As(err, &system):
		return system.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before there was an answer"
	}
	return "no answer that is HTTP"
}

func lookupReason(err *lookupError, host string) string {
	var dns *net.DNSError
	if errors.Is(err, errNoAddress) || errors.As(err, &dns) && dns.IsNotFound {
		return host + " has no address"
	}
	return host + " could not be looked up"
}

func tlsReason(err error, reached *stage) string {
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		remote      *net.OpError
	)
	switch {
	case errors.As(err, &certificate):
		text := certificate.Error()
		if len(text) > maxNames {
			text = strings.ToValidUTF8(text[:maxNames], "") + "…"
		}
		return text
	case errors.As(err, &record):
		return "no TLS is spoken there"
	case errors.As(err, &remote) && remote.Op == "remote error": // an alert, in words of crypto/tls
		return "TLS was refused: " + remote.Err.Error()
	}
	var system syscall.Errno
	if reached.missing() == handshake && !errors.As(err, &system) && !errors.Is(err, io.EOF) {
		return "the TLS handshake failed"
	}
	return ""
}
