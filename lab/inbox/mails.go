package inbox

import (
	"errors"
	"io"
	"net"
	"net/mail"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"
)

const (
	// maxMail is many times a mail with a ticket.
	maxMail = 4 << 20
	// mailTimeout bounds what a sender may take for a command.
	mailTimeout = time.Minute
)

// Mail is one that came in.
type Mail struct {
	Receipt
	// To is the address that it was sent to.
	To string
}

// Mails is a mail server. While it hangs, every other connection is kept waiting before the first command is answered,
// and the others once they have handed over a mail.
type Mails struct {
	receipts[Mail]
	hanging

	listener net.Listener
	server   *smtp.Server
	serving  sync.WaitGroup
	sessions atomic.Uint64
}

// OpenMails listens on a free port.
func OpenMails() (*Mails, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &Mails{listener: listener}
	m.server = smtp.NewServer(m)
	m.server.Domain, m.server.MaxMessageBytes, m.server.MaxRecipients = "lab.example", maxMail, 1
	m.server.ReadTimeout, m.server.WriteTimeout = mailTimeout, mailTimeout
	m.serving.Go(func() { _ = m.server.Serve(listener) }) // it ends with Close
	return m, nil
}

// Addr is its host and port.
func (m *Mails) Addr() string { return m.listener.Addr().String() }

// Close ends it, and every connection to it.
func (m *Mails) Close() error {
	m.GoOn()
	err := m.server.Close()
	m.serving.Wait()
	return err
}

// NewSession begins a connection.
func (m *Mails) NewSession(c *smtp.Conn) (smtp.Session, error) {
	s := &session{mails: m, conn: c.Conn(), early: m.sessions.Add(1)%2 == 0}
	if s.early && !s.wait() {
		return nil, errGone
	}
	return s, nil
}

var errGone = errors.New("the sender has left")

// session is one connection.
type session struct {
	mails *Mails
	conn  net.Conn
	early bool
	to    string
}

// wait keeps the sender waiting while the server hangs, and tells whether it is still there.
func (s *session) wait() bool {
	over := s.mails.hold()
	if over == nil {
		return true
	}
	waited := make(chan struct{})
	defer close(waited)
	go func() {
		select {
		case <-over:
			_ = s.conn.SetReadDeadline(time.Unix(1, 0)) // It ends the read below.
		case <-waited:
		}
	}()
	// A sender that waits for an answer says nothing: what ends the read is that it leaves, or the deadline.
	_ = s.conn.SetReadDeadline(time.Time{})
	var timeout net.Error
	_, err := s.conn.Read(make([]byte, 1))
	there := errors.As(err, &timeout) && timeout.Timeout()
	return there && s.conn.SetReadDeadline(time.Now().Add(mailTimeout)) == nil
}

// Mail takes any sender.
func (s *session) Mail(string, *smtp.MailOptions) error { return nil }

// Rcpt takes any receiver.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return nil
}

// Data takes a mail. From here on it is delivered, whether the sender learns of that or not.
func (s *session) Data(r io.Reader) error {
	read, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, read.Body); err != nil {
		return err
	}
	one := Mail{To: s.to, Receipt: Receipt{At: time.Now()}}
	one.ID, _, _ = strings.Cut(strings.TrimPrefix(read.Header.Get("Message-ID"), "<"), "@")
	one.Answered = s.early || s.wait()
	s.mails.add(one)
	return nil
}

// Reset begins a new mail.
func (s *session) Reset() { s.to = "" }

// Logout ends the connection.
func (s *session) Logout() error { return nil }
