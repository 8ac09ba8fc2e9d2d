package smtpmail

import (
	"context"
	"crypto/tls"
	"net"
	stdmail "net/mail"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

const (
	// maxAnswers is how many bytes of a server are read for one mail, certificates included.
	maxAnswers = 256 << 10
	// goodbye bounds the wait for the answer to QUIT: the mail is delivered by then.
	goodbye = time.Second
)

// deliver takes one mail through a connection of its own. go-mail's own client is not used: it lengthens deadlines at
// every step, leaves connections open where the first steps fail, and says by text alone which step failed.
func (s *Sender) deliver(ctx context.Context, m *message) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.server)
	if err != nil {
		return failed(ctx, stepConnect, err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return failed(ctx, stepConnect, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()

	client, failure := s.open(ctx, &bounded{Conn: conn, left: maxAnswers})
	if failure != nil {
		return failure
	}
	if failure := s.transfer(ctx, client, m); failure != nil {
		return failure
	}
	if conn.SetDeadline(earlier(deadline, time.Now().Add(goodbye))) == nil {
		// What becomes of QUIT changes nothing any more.
		_ = client.Quit()
	}
	return nil
}

// open greets the server, encrypts the way, and authenticates.
func (s *Sender) open(ctx context.Context, conn net.Conn) (*smtp.Client, *Error) {
	if s.mode == TLS {
		encrypted := tls.Client(conn, s.tls)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return nil, failed(ctx, stepTLS, err)
		}
		conn = encrypted
	}
	client, err := smtp.NewClient(conn, s.host)
	if err != nil {
		return nil, failed(ctx, stepGreeting, err)
	}
	if err := client.Hello(s.hello); err != nil {
		return nil, failed(ctx, stepHello, err)
	}
	// All addresses are in ASCII.
	client.SkipSMTPUTF8(true)
	if s.mode == StartTLS {
		if ok, _ := client.Extension("STARTTLS"); !ok {
			return nil, failed(ctx, stepStartTLS, errNoStartTLS)
		}
		if err := client.StartTLS(s.tls); err != nil {
			return nil, failed(ctx, stepStartTLS, err)
		}
	}
	if s.user != "" {
		if err := s.authenticate(client); err != nil {
			return nil, failed(ctx, stepAuth, err)
		}
	}
	return client, nil
}

// authenticate takes the mechanism that shows a server the least, of those that servers really check.
func (s *Sender) authenticate(client *smtp.Client) error {
	_, offered := client.Extension("AUTH")
	mechanisms := strings.Fields(strings.ToUpper(offered))
	switch {
	case slices.Contains(mechanisms, "SCRAM-SHA-256"):
		return client.Auth(smtp.ScramSHA256Auth(s.user, s.password))
	case slices.Contains(mechanisms, "PLAIN"):
		return client.Auth(smtp.PlainAuth("", s.user, s.password, s.host, s.mode == None))
	case slices.Contains(mechanisms, "LOGIN"):
		return client.Auth(smtp.LoginAuth(s.user, s.password, s.host, s.mode == None))
	}
	return errNoAuth
}

// transfer hands the mail over. Only the last step may leave it unknown who has it: a server delivers nothing whose
// end it has not seen (RFC 5321 section 4.1.1.4).
func (s *Sender) transfer(ctx context.Context, client *smtp.Client, m *message) *Error {
	if err := client.Mail(path(s.from.Address)); err != nil {
		return failed(ctx, stepMail, err)
	}
	if err := client.Rcpt(path(m.to)); err != nil {
		return failed(ctx, stepRcpt, err)
	}
	writer, err := client.Data()
	if err != nil {
		return failed(ctx, stepData, err)
	}
	if _, err := writer.Write(m.content); err != nil {
		return failed(ctx, stepContent, err)
	}
	if err := writer.Close(); err != nil {
		return failed(ctx, stepEnd, err)
	}
	return nil
}

// path is an address as a command has it.
func path(address string) string {
	return (&stdmail.Address{Address: address}).String()
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// bounded reads so many bytes of a connection, and no more.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooMuch
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
