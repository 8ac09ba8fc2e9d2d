package smtpmail_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/notify/smtpmail"
)

const chineseSubject = "您的车票：T12次 北京南 → 上海虹桥，2026年12月1日 08:00 开，订单号 E123456789，请凭有效证件乘车，祝您旅途愉快"

func sample() *smtpmail.Mail {
	pdf := append([]byte("%PDF-1.7\n.\n..\r\n.\r\n"), bytes.Repeat([]byte{0, 0xff, '\r', '\n', '.'}, 5000)...)
	return &smtpmail.Mail{
		MessageID: "0f3c@tickets.example.com",
		To:        "anna@example.com",
		Subject:   chineseSubject,
		Text:      "您好，\n\n.\n.车票已出。\n" + strings.Repeat("很长的一行", 300) + "\n",
		HTML:      "<p>您好 &amp; welcome</p>\n",
		Attachments: []smtpmail.Attachment{
			{Name: "车票-E123456789.pdf", Type: "application/pdf", Data: pdf},
			{Name: "ticket.pdf", Type: "application/pdf", Data: []byte("x")},
		},
		At: time.Date(2026, 12, 1, 8, 0, 0, 0, time.FixedZone("", 8*3600)),
	}
}

func newSender(t *testing.T, s *server, change func(o *smtpmail.Options)) *smtpmail.Sender {
	t.Helper()
	o := smtpmail.Options{
		Server: s.addr, From: "中国 Railways <tickets@example.com>", TLS: smtpmail.None, HelloName: "interlock.example.com",
	}
	if change != nil {
		change(&o)
	}
	sender, err := smtpmail.New(o)
	require.NoError(t, err)
	return sender
}

// checkContent reads a mail by the standard library and holds it against what was sent.
func checkContent(t *testing.T, content []byte, m *smtpmail.Mail) *mail.Message {
	t.Helper()
	for line := range bytes.SplitSeq(content, []byte("\r\n")) {
		require.LessOrEqual(t, len(line), 998, "RFC 5322 section 2.1.1")
		require.NotContains(t, string(line), "\n")
	}
	header, _, _ := bytes.Cut(content, []byte("\r\n\r\n"))
	for line := range bytes.SplitSeq(header, []byte("\r\n")) {
		require.LessOrEqual(t, len(line), 78, "%s", line)
	}
	msg, err := mail.ReadMessage(bytes.NewReader(content))
	require.NoError(t, err)
	require.Equal(t, []string{"<" + m.MessageID + ">"}, msg.Header["Message-Id"])
	require.Equal(t, []string{"auto-generated"}, msg.Header["Auto-Submitted"])
	require.Equal(t, []string{"1.0"}, msg.Header["Mime-Version"])
	require.Empty(t, msg.Header["X-Mailer"])
	require.Empty(t, msg.Header["User-Agent"])
	date, err := msg.Header.Date()
	require.NoError(t, err)
	require.True(t, date.Equal(m.At))
	subject, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
	require.NoError(t, err)
	require.Equal(t, m.Subject, subject)
	to, err := msg.Header.AddressList("To")
	require.NoError(t, err)
	require.Equal(t, []*mail.Address{{Address: m.To}}, to)

	parts := partsOf(t, msg.Header.Get("Content-Type"), msg.Body)
	want := []part{{media: "text/plain", data: crlf(m.Text)}}
	if m.HTML != "" {
		want = append(want, part{media: "text/html", data: crlf(m.HTML)})
	}
	for _, a := range m.Attachments {
		want = append(want, part{media: a.Type, name: a.Name, data: string(a.Data)})
	}
	require.Equal(t, want, parts)
	return msg
}

type part struct{ media, name, data string }

func partsOf(t *testing.T, contentType string, body io.Reader) []part {
	t.Helper()
	media, parameters, err := mime.ParseMediaType(contentType)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(media, "multipart/"), media)
	var parts []part
	reader := multipart.NewReader(body, parameters["boundary"])
	for {
		next, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts
		}
		require.NoError(t, err)
		inner := next.Header.Get("Content-Type")
		if strings.HasPrefix(inner, "multipart/") {
			parts = append(parts, partsOf(t, inner, next)...)
			continue
		}
		var decoded io.Reader
		switch encoding := next.Header.Get("Content-Transfer-Encoding"); encoding {
		case "quoted-printable":
			decoded = quotedprintable.NewReader(next)
		case "base64":
			decoded = base64.NewDecoder(base64.StdEncoding, next)
		default:
			require.Fail(t, "unknown encoding", encoding)
		}
		data, err := io.ReadAll(decoded)
		require.NoError(t, err)
		kind, own, err := mime.ParseMediaType(inner)
		require.NoError(t, err)
		if strings.HasPrefix(kind, "text/") {
			require.Equal(t, "UTF-8", own["charset"])
		}
		require.Equal(t, next.FileName(), own["name"])
		parts = append(parts, part{media: kind, name: next.FileName(), data: string(data)})
	}
}

func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

func TestSend_TheServerGetsWhatWasSent(t *testing.T) {
	good, pool := certificate(t, time.Now().Add(24*time.Hour))
	for name, c := range map[string]struct {
		server serverOptions
		change func(o *smtpmail.Options)
		tls    bool
	}{
		"as it is": {},
		"STARTTLS, which is the default": {
			server: serverOptions{starttls: good}, tls: true,
			change: func(o *smtpmail.Options) { o.TLS, o.RootCAs = "", pool },
		},
		"TLS from the first byte": {
			server: serverOptions{tls: good}, tls: true,
			change: func(o *smtpmail.Options) { o.TLS, o.RootCAs = smtpmail.TLS, pool },
		},
		"STARTTLS and a password": {
			server: serverOptions{starttls: good, user: "x"}, tls: true,
			change: func(o *smtpmail.Options) {
				o.TLS, o.RootCAs, o.User, o.Password = smtpmail.StartTLS, pool, "interlock", "secret"
			},
		},
		"TLS and a password": {
			server: serverOptions{tls: good, user: "x"}, tls: true,
			change: func(o *smtpmail.Options) {
				o.TLS, o.RootCAs, o.User, o.Password = smtpmail.TLS, pool, "interlock", "secret"
			},
		},
		"a password on this machine": {
			server: serverOptions{user: "x"},
			change: func(o *smtpmail.Options) { o.User, o.Password = "interlock", "secret" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.server)
			m := sample()
			require.NoError(t, newSender(t, s, c.change).Send(t.Context(), m))
			mails := s.mails()
			require.Len(t, mails, 1)
			require.Equal(t, "tickets@example.com", mails[0].from)
			require.Equal(t, m.To, mails[0].to)
			require.Equal(t, c.tls, mails[0].tls)
			if c.server.user != "" {
				require.Equal(t, "interlock", mails[0].user)
			}
			from, err := checkContent(t, mails[0].content, m).Header.AddressList("From")
			require.NoError(t, err)
			require.Equal(t, []*mail.Address{{Name: "中国 Railways", Address: "tickets@example.com"}}, from)
		})
	}
}

func TestSend_PlainTextAlone(t *testing.T) {
	s := serve(t, serverOptions{})
	m := sample()
	m.HTML, m.Subject = "", "Your ticket  E1"
	m.Attachments = m.Attachments[:1]
	require.NoError(t, newSender(t, s, nil).Send(t.Context(), m))
	checkContent(t, s.mails()[0].content, m)
}

// outcome is what a caller tells errors by.
func outcome(err error) string {
	switch {
	case err == nil:
		return "taken"
	case errors.Is(err, smtpmail.ErrRefused):
		return "refused"
	case errors.Is(err, smtpmail.ErrUnknown):
		return "unknown"
	}
	return "again"
}

// steps are what a server can do wrong at, and what that means. A server that stops there gives no answer.
var steps = []struct{ step, named, temporary, permanent, silent string }{
	{"greeting", "the greeting", "again", "again", "again"},
	{"EHLO", "EHLO", "again", "again", "again"},
	{"STARTTLS", "STARTTLS", "again", "again", "again"},
	{"AUTH", "AUTH", "again", "again", "again"},
	{"MAIL", "MAIL", "again", "again", "again"},
	{"RCPT", "RCPT", "again", "refused", "again"},
	{"DATA", "DATA", "again", "refused", "again"},
	{"end", "the end of the mail", "again", "refused", "unknown"},
	{"QUIT", "", "taken", "taken", "taken"},
}

// at serves a fault, with all that its step needs.
func at(t *testing.T, f fault, timeout time.Duration) (*server, *smtpmail.Sender) {
	t.Helper()
	o := serverOptions{fault: f}
	change := func(o *smtpmail.Options) { o.Timeout = timeout }
	switch f.step {
	case "STARTTLS":
		good, pool := certificate(t, time.Now().Add(24*time.Hour))
		o.starttls = good
		change = func(o *smtpmail.Options) { o.Timeout, o.TLS, o.RootCAs = timeout, smtpmail.StartTLS, pool }
	case "AUTH":
		o.user = "x"
		change = func(o *smtpmail.Options) { o.Timeout, o.User, o.Password = timeout, "interlock", "secret" }
	}
	s := serve(t, o)
	return s, newSender(t, s, change)
}

func checkError(t *testing.T, err error, step string, code int) {
	t.Helper()
	if err == nil {
		return
	}
	var e *smtpmail.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, step, e.Step)
	require.Equal(t, code, e.Code)
	for _, secret := range []string{"anna", "example.com", "车票", "0f3c", "secret", "no,"} {
		require.NotContains(t, err.Error(), secret)
	}
}

func TestSend_AnAnswerAtEachStep(t *testing.T) {
	for _, step := range steps {
		for code, want := range map[int]string{451: step.temporary, 421: step.temporary, 554: step.permanent, 550: step.permanent} {
			t.Run(step.step, func(t *testing.T) {
				t.Parallel()
				s, sender := at(t, fault{step: step.step, code: code}, 0)
				err := sender.Send(t.Context(), sample())
				require.Equal(t, want, outcome(err), "%d: %v", code, err)
				checkError(t, err, step.named, code)
				require.Equal(t, want == "taken", len(s.mails()) == 1)
			})
		}
	}
}

func TestSend_WhatAnOperatorCanMendIsTriedAgain(t *testing.T) {
	for _, code := range []int{500, 502, 503, 504, 530, 535, 538} {
		for _, step := range []string{"RCPT", "DATA", "end"} {
			_, sender := at(t, fault{step: step, code: code}, 0)
			require.Equal(t, "again", outcome(sender.Send(t.Context(), sample())), "%d to %s", code, step)
		}
	}
}

func TestSend_AConnectionThatEndsAtEachStep(t *testing.T) {
	for _, step := range steps {
		t.Run(step.step, func(t *testing.T) {
			t.Parallel()
			_, sender := at(t, fault{step: step.step, drop: true}, 0)
			err := sender.Send(t.Context(), sample())
			require.Equal(t, step.silent, outcome(err), "%v", err)
			checkError(t, err, step.named, 0)
		})
	}
}

func TestSend_AConnectionThatEndsInTheContent(t *testing.T) {
	s, sender := at(t, fault{step: "content", drop: true}, 0)
	m := sample()
	m.Attachments[0].Data = bytes.Repeat([]byte("0123456789"), 130_000)
	err := sender.Send(t.Context(), m)
	// All of it may be on the way when the connection ends: what counts is that it is not taken for done or for refused.
	require.Contains(t, []string{"again", "unknown"}, outcome(err), "%v", err)
	require.Empty(t, s.mails())
}

func TestSend_AServerThatHangsAtEachStep_IsWaitedForUntilTheDeadline(t *testing.T) {
	errs := make([]error, len(steps))
	var all sync.WaitGroup
	began := time.Now()
	for i, step := range steps {
		_, sender := at(t, fault{step: step.step, hang: true}, 3*time.Second)
		all.Go(func() { errs[i] = sender.Send(t.Context(), sample()) })
	}
	all.Wait()
	require.Less(t, time.Since(began), 20*time.Second)
	for i, step := range steps {
		require.Equal(t, step.silent, outcome(errs[i]), "%s: %v", step.step, errs[i])
		checkError(t, errs[i], step.named, 0)
		if errs[i] != nil {
			require.ErrorContains(t, errs[i], "no answer in time")
		}
	}
}

func TestSend_AServerThatHangsAtEachStep_IsLeftWhenTheCallerLeaves(t *testing.T) {
	for _, step := range steps {
		s, sender := at(t, fault{step: step.step, hang: true}, 10*time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-s.reached
			cancel()
		}()
		err := sender.Send(ctx, sample())
		require.Equal(t, step.silent, outcome(err), "%s: %v", step.step, err)
		if err == nil {
			continue
		}
		require.ErrorIs(t, err, context.Canceled)
		// A server can accept a connection before the client knows that it has one.
		if step.step != "greeting" || !strings.Contains(err.Error(), "connecting") {
			checkError(t, err, step.named, 0)
		}
	}
}

func TestSend_AnEndlessAnswer(t *testing.T) {
	_, sender := at(t, fault{step: "EHLO", endless: true}, time.Minute)
	err := sender.Send(t.Context(), sample())
	require.Equal(t, "again", outcome(err))
	require.ErrorContains(t, err, "too long")
}

func TestSend_AWayThatIsNotSafe(t *testing.T) {
	day := 24 * time.Hour
	good, pool := certificate(t, time.Now().Add(day))
	old, oldPool := certificate(t, time.Now().Add(-day))
	for name, c := range map[string]struct {
		server serverOptions
		change func(o *smtpmail.Options)
		text   string
	}{
		"no STARTTLS": {
			change: func(o *smtpmail.Options) { o.TLS = smtpmail.StartTLS }, text: "does not offer it",
		},
		"nobody knows the authority": {
			server: serverOptions{starttls: good},
			change: func(o *smtpmail.Options) { o.TLS, o.RootCAs = smtpmail.StartTLS, oldPool }, text: "not trusted",
		},
		"another name": {
			server: serverOptions{starttls: good}, text: "another name",
			change: func(o *smtpmail.Options) {
				o.TLS, o.RootCAs, o.Server = smtpmail.StartTLS, pool, strings.Replace(o.Server, "127.0.0.1", "localhost", 1)
			},
		},
		"expired": {
			server: serverOptions{tls: old}, text: "expired",
			change: func(o *smtpmail.Options) { o.TLS, o.RootCAs = smtpmail.TLS, oldPool },
		},
		"no TLS": {
			change: func(o *smtpmail.Options) { o.TLS, o.RootCAs = smtpmail.TLS, pool }, text: "does not speak TLS",
		},
		"a password that is wrong": {
			server: serverOptions{starttls: good, user: "x"}, text: "AUTH was answered by 535",
			change: func(o *smtpmail.Options) {
				o.TLS, o.RootCAs, o.User, o.Password = smtpmail.StartTLS, pool, "interlock", "wrong"
			},
		},
		"a password that nobody asks for": {
			server: serverOptions{starttls: good}, text: "no mechanism",
			change: func(o *smtpmail.Options) {
				o.TLS, o.RootCAs, o.User, o.Password = smtpmail.StartTLS, pool, "interlock", "secret"
			},
		},
		"a password that is missing": {
			server: serverOptions{starttls: good, user: "x"}, text: "MAIL was answered by 502",
			change: func(o *smtpmail.Options) { o.TLS, o.RootCAs = smtpmail.StartTLS, pool },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.server)
			err := newSender(t, s, c.change).Send(t.Context(), sample())
			require.Equal(t, "again", outcome(err))
			require.ErrorContains(t, err, c.text)
			require.Empty(t, s.mails())
		})
	}
}

func TestSend_NobodyListens(t *testing.T) {
	sender, err := smtpmail.New(smtpmail.Options{Server: "127.0.0.1:1", From: "a@example.com"})
	require.NoError(t, err)
	err = sender.Send(t.Context(), sample())
	require.Equal(t, "again", outcome(err))
	require.EqualError(t, err, "mail: connecting: the connection failed")
}

func TestSend_AtMostEightAtOnce(t *testing.T) {
	gate := make(chan struct{})
	s := serve(t, serverOptions{gate: gate})
	sender := newSender(t, s, nil)
	var all sync.WaitGroup
	errs := make(chan error, 20)
	for range 20 {
		all.Go(func() { errs <- sender.Send(t.Context(), sample()) })
	}
	for range 8 {
		<-s.waiting
	}
	// With all places taken, a mail waits, and its wait ends with its context.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := sender.Send(ctx, sample())
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, "again", outcome(err))
	close(gate)
	all.Wait()
	for range 20 {
		require.NoError(t, <-errs)
	}
	require.Equal(t, 8, s.most)
	require.Len(t, s.mails(), 20)
}

func TestSend_AMailThatIsNotValid(t *testing.T) {
	s := serve(t, serverOptions{})
	sender := newSender(t, s, nil)
	folder, err := smtpmail.NewFolder(t.TempDir())
	require.NoError(t, err)
	for name, change := range map[string]func(m *smtpmail.Mail){
		"no receiver":               func(m *smtpmail.Mail) { m.To = "" },
		"another header":            func(m *smtpmail.Mail) { m.To = "a@example.com\r\nBcc: b@example.com" },
		"another parameter":         func(m *smtpmail.Mail) { m.To = `"a@example.com> ORCPT=b@example.com"@example.com` },
		"no Message-ID":             func(m *smtpmail.Mail) { m.MessageID = "" },
		"brackets in a Message-ID":  func(m *smtpmail.Mail) { m.MessageID = "<a@example.com>" },
		"a line in a Message-ID":    func(m *smtpmail.Mail) { m.MessageID = "a@example.com\r\nBcc: b@example.com" },
		"a long Message-ID":         func(m *smtpmail.Mail) { m.MessageID = strings.Repeat("a", 200) + "@example.com" },
		"no date":                   func(m *smtpmail.Mail) { m.At = time.Time{} },
		"a line in a subject":       func(m *smtpmail.Mail) { m.Subject = "a\r\nBcc: b@example.com" },
		"a long subject":            func(m *smtpmail.Mail) { m.Subject = strings.Repeat("票", 201) },
		"a type that is none":       func(m *smtpmail.Mail) { m.Attachments[0].Type = "pdf" },
		"a line in a type":          func(m *smtpmail.Mail) { m.Attachments[0].Type = "a/b\r\nX: y" },
		"a line in a name":          func(m *smtpmail.Mail) { m.Attachments[0].Name = "a\r\nX: y" },
		"a path for a name":         func(m *smtpmail.Mail) { m.Attachments[0].Name = "../a" },
		"many attachments":          func(m *smtpmail.Mail) { m.Attachments = make([]smtpmail.Attachment, 21) },
		"a large text":              func(m *smtpmail.Mail) { m.Text = strings.Repeat("a", 3<<20) },
		"too large once it is sent": func(m *smtpmail.Mail) { m.Attachments[0].Data = make([]byte, 1_700_000) },
	} {
		m := sample()
		change(m)
		for _, send := range []func(context.Context, *smtpmail.Mail) error{sender.Send, folder.Send} {
			err := send(t.Context(), m)
			require.Equal(t, "refused", outcome(err), name)
			require.NotContains(t, err.Error(), "b@example.com")
		}
	}
	require.Empty(t, s.mails())
}

func TestNew_RefusesWhatCannotWork(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(o *smtpmail.Options)
		setting string
	}{
		"no port":             {func(o *smtpmail.Options) { o.Server = "mail.example.com" }, "mail-server:"},
		"port 0":              {func(o *smtpmail.Options) { o.Server = "mail.example.com:0" }, "mail-server:"},
		"a port beyond":       {func(o *smtpmail.Options) { o.Server = "mail.example.com:65536" }, "mail-server:"},
		"no host":             {func(o *smtpmail.Options) { o.Server = ":25" }, "mail-server:"},
		"a URL":               {func(o *smtpmail.Options) { o.Server = "smtp://mail.example.com:25" }, "mail-server:"},
		"nobody":              {func(o *smtpmail.Options) { o.From = "" }, "mail-from:"},
		"no address":          {func(o *smtpmail.Options) { o.From = "Example Railways" }, "mail-from:"},
		"no domain":           {func(o *smtpmail.Options) { o.From = "root@localhost" }, "mail-from:"},
		"a mode":              {func(o *smtpmail.Options) { o.TLS = "ssl" }, "mail-tls:"},
		"no password":         {func(o *smtpmail.Options) { o.User = "a" }, "mail-password:"},
		"no user":             {func(o *smtpmail.Options) { o.Password = "a" }, "mail-user"},
		"a password for all":  {func(o *smtpmail.Options) { o.User, o.Password, o.TLS = "a", "b", "none" }, "mail-tls:"},
		"a command in a name": {func(o *smtpmail.Options) { o.HelloName = "a\r\nQUIT" }, "mail-hello:"},
		"no address there":    {func(o *smtpmail.Options) { o.HelloName = "[a]" }, "mail-hello:"},
		"no time":             {func(o *smtpmail.Options) { o.Timeout = -1 }, "mail-timeout:"},
		"all the time":        {func(o *smtpmail.Options) { o.Timeout = time.Hour }, "mail-timeout:"},
	} {
		o := smtpmail.Options{Server: "mail.example.com:587", From: "a@example.com"}
		_, err := smtpmail.New(o)
		require.NoError(t, err)
		c.change(&o)
		_, err = smtpmail.New(o)
		require.ErrorContains(t, err, c.setting, name)
	}
	for _, hello := range []string{"[127.0.0.1]", "[IPv6:::1]", "host", "a.example.com"} {
		_, err := smtpmail.New(smtpmail.Options{Server: "[::1]:25", From: "a@example.com", HelloName: hello})
		require.NoError(t, err)
	}
}

func TestDomain(t *testing.T) {
	for from, want := range map[string]string{
		"tickets@Example.com":                     "example.com",
		"Example Railways <tickets@example.com>":  "example.com",
		`"中国铁路, a@b.cd" <tickets@bücher.example>`: "xn--bcher-kva.example",
	} {
		got, err := smtpmail.Domain(from)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := smtpmail.Domain("Example Railways")
	require.ErrorContains(t, err, "mail-from: it is an address")
}
