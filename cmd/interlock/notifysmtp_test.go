package main

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"interlock/services/rpc/rpctest"
)

// mailServer is a real SMTP server that asks for a login, and has no mailbox for some.
type mailServer struct {
	mu    sync.Mutex
	taken [][]byte
	from  string
}

func (m *mailServer) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &mailSession{server: m}, nil
}

type mailSession struct {
	server *mailServer
	known  bool
}

func (*mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "tickets" || password != "the password" {
			return smtp.ErrAuthFailed
		}
		s.known = true
		return nil
	}), nil
}

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if !s.known {
		return smtp.ErrAuthRequired
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.from = from
	return nil
}

func (*mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "there is no such mailbox"}
	}
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.taken = append(s.server.taken, b)
	return nil
}

func (*mailSession) Reset()        {}
func (*mailSession) Logout() error { return nil }

// TestNotify_BySMTP sends mails by a server that takes one, and refuses the other for good. The server has a certificate
// of an authority of the railway's own.
func TestNotify_BySMTP(t *testing.T) {
	m := &mailServer{}
	server := smtp.NewServer(m)
	ca := rpctest.NewAuthority(t, "mail")
	files := ca.Issue(t, ca)
	own, err := tls.LoadX509KeyPair(files.Own, files.Key)
	require.NoError(t, err)
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{own}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		<-done
	})

	s := embeddedSettings(t)
	s.Payments, s.MailServer, s.MailFrom = "sandbox", listener.Addr().String(), "tickets@railway.example"
	s.MailTLS, s.MailCA = "starttls", files.CA
	s.MailUser, s.MailPasswordFile = "tickets", filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(s.MailPasswordFile, []byte("the password\n"), 0o600))
	r := start(t, s)
	run := r.publishT12(t)
	order := r.placeWritten(t, run, "anna", "zh", "D0000001")
	bad := r.placeWritten(t, run, "nobody", "en", "D0000002")
	state := func(buyer, order string) (state, answer any) {
		a := r.ask(t, r.token(t, buyer, "PASSENGER"), mailsQuery, map[string]any{"o": order})
		if len(a.at(t, "order.mails").([]any)) == 0 {
			return nil, nil
		}
		return a.at(t, "order.mails.0.state"), a.at(t, "order.mails.0.answer")
	}
	require.Eventually(t, func() bool {
		sent, _ := state("anna", order)
		refused, _ := state("nobody", bad)
		return sent == "SENT" && refused == "REFUSED"
	}, becomesSo, 100*time.Millisecond)
	_, answer := state("nobody", bad)
	require.EqualValues(t, 550, answer)
	m.mu.Lock()
	defer m.mu.Unlock()
	require.Len(t, m.taken, 1)
	require.Equal(t, "tickets@railway.example", m.from)
	l := readLetter(t, m.taken[0])
	require.Equal(t, "<anna@example.com>", l.to)
	require.Contains(t, l.subject, "出票成功")
	require.NotEmpty(t, l.pdf)
	require.Contains(t, l.id, "@railway.example")
}
